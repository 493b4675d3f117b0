//! A forest, walked: node by node, eight at a time where trees or rows allow it.

use super::flat::{BY_SET, Flat, MISSING_LEFT};
use super::forest::Forest;

/// Trees, or rows, walked at once: enough loads in flight to hide the wait for a node.
const IN_FLIGHT: usize = 8;
/// Trees whose leaves are found before they are summed.
const BLOCK_TREES: usize = 256;
/// Room for the leaves of some trees.
type Leaves = [u32; BLOCK_TREES + IN_FLIGHT];

impl Forest {
    /// The node after `at`; a leaf gives itself.
    pub(super) fn step(&self, row: &[f32], at: u32) -> u32 {
        let node = self.nodes[at as usize];
        let x = row[node.input()];
        let left =
            if node.marks() & BY_SET != 0 { self.in_set(at, x, node) } else { node.goes_left::<true>(x) };
        node.left(at) + u32::from(!left)
    }

    fn in_set(&self, at: u32, x: f32, node: Flat) -> bool {
        if x.is_nan() {
            return node.marks() & MISSING_LEFT != 0;
        }
        let set = self.sets.binary_search_by_key(&at, |(at, _)| *at);
        // Whole part, as the sources take it; above u32 is in no set.
        x > node.threshold()
            && x < 4_294_967_296.0
            && set.is_ok_and(|set| self.sets[set].1.binary_search(&(x as u32)).is_ok())
    }

    /// The leaf of one tree.
    fn leaf(&self, row: &[f32], mut at: u32) -> u32 {
        loop {
            let next = self.step(row, at);
            if next == at {
                return at;
            }
            at = next;
        }
    }

    /// The leaves of some trees. Eight are on their way at a time, and whichever arrives makes room for the
    /// next, without a branch that could be guessed wrong.
    /// `ABSENT` says that the row may lack an input; most rows don't, and are asked less.
    fn leaves<const ABSENT: bool>(&self, row: &[f32], roots: &[u32], leaves: &mut Leaves) {
        let Some(first) = roots.first_chunk::<IN_FLIGHT>().filter(|_| self.sets.is_empty()) else {
            leaves.iter_mut().zip(roots).for_each(|(leaf, root)| *leaf = self.leaf(row, *root));
            return;
        };
        let (mut at, mut tree) = (*first, std::array::from_fn::<usize, IN_FLIGHT, _>(|lane| lane));
        let mut next = IN_FLIGHT;
        while next < roots.len() {
            for (at, tree) in at.iter_mut().zip(&mut tree) {
                let node = self.nodes[*at as usize];
                let right = !node.goes_left::<ABSENT>(row[node.input()]);
                let child = node.left(*at) + u32::from(right);
                // Lanes that have run past the last tree write behind the leaves.
                leaves[*tree] = child;
                let arrived = node.marks() >> u32::from(right) & 1 == 1;
                let root = roots[next.min(roots.len() - 1)];
                (*at, *tree) = if arrived { (root, next) } else { (child, *tree) };
                next += usize::from(arrived);
            }
        }
        for (at, tree) in at.into_iter().zip(tree) {
            if tree < roots.len() {
                leaves[tree] = self.leaf(row, at);
            }
        }
    }

    /// Tells the leaf of each tree, in order.
    pub(super) fn walk(&self, row: &[f32], mut reached: impl FnMut(u32)) {
        let absent = row.iter().any(|x| x.is_nan());
        let mut leaves: Leaves = [0; BLOCK_TREES + IN_FLIGHT];
        for roots in self.roots.chunks(BLOCK_TREES) {
            match absent {
                true => self.leaves::<true>(row, roots, &mut leaves),
                false => self.leaves::<false>(row, roots, &mut leaves),
            }
            leaves[..roots.len()].iter().for_each(|leaf| reached(*leaf));
        }
    }

    /// Tells the leaf of each tree, in order, of some rows of `width` inputs, with the row's number.
    pub(super) fn walk_rows(&self, rows: &[f32], width: usize, mut reached: impl FnMut(usize, u32)) {
        match rows.iter().any(|x| x.is_nan()) {
            true => (0..self.roots.len()).for_each(|t| self.walk_tree::<true>(t, rows, width, &mut reached)),
            false => {
                (0..self.roots.len()).for_each(|t| self.walk_tree::<false>(t, rows, width, &mut reached))
            }
        }
    }

    /// One tree: rows go down it in step, so that it stays in the first cache and the rows' waits for its
    /// nodes overlap.
    fn walk_tree<const ABSENT: bool>(
        &self,
        tree: usize,
        rows: &[f32],
        width: usize,
        reached: &mut impl FnMut(usize, u32),
    ) {
        let (root, depth) = (self.roots[tree], self.depths[tree]);
        for (first, rows) in (0..).step_by(IN_FLIGHT).zip(rows.chunks(width * IN_FLIGHT)) {
            let mut at = [root; IN_FLIGHT];
            if self.sets.is_empty() {
                for _ in 0..depth {
                    let mut moved = 0;
                    for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                        let node = self.nodes[*at as usize];
                        let next = node.left(*at) + u32::from(!node.goes_left::<ABSENT>(row[node.input()]));
                        moved |= next ^ *at;
                        *at = next;
                    }
                    if moved == 0 {
                        break;
                    }
                }
            } else {
                for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                    (0..depth).for_each(|_| *at = self.step(row, *at));
                }
            }
            let lanes = rows.len() / width;
            at[..lanes.min(IN_FLIGHT)].iter().enumerate().for_each(|(lane, at)| reached(first + lane, *at));
        }
    }

    /// Tells each split on the way of each tree: its input, and by how much its answer changed the tree's.
    pub(super) fn walk_all(&self, row: &[f32], mut passed: impl FnMut(usize, f64)) {
        for &root in &self.roots {
            let mut at = root;
            loop {
                let next = self.step(row, at);
                if next == at {
                    break;
                }
                let change = self.values[next as usize] - self.values[at as usize];
                passed(self.nodes[at as usize].input(), change);
                at = next;
            }
        }
    }
}
