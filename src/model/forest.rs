//! An ensemble of trees, flattened: how does one row pass all trees fast?

use super::check::check_trees;
use super::flat::{BY_SET, Flat, LEFT_LEAF, MISSING_LEFT, RIGHT_LEAF};
use super::tree::{Branch, Combine, Node, Tree, Trees, Width};
use super::{Model, ModelError, shap};

/// Trees, or rows, walked at once: enough loads in flight to hide the wait for a node.
const IN_FLIGHT: usize = 8;
/// Trees whose leaves are found before they are summed.
const BLOCK_TREES: usize = 256;

/// Rows that go down one tree after the other together: few enough that they stay in the first cache.
const BLOCK_ROWS: usize = 64;

/// An ensemble that has been checked.
#[derive(Debug)]
pub(super) struct Forest {
    inputs: usize,
    width: Width,
    combine: Combine,
    pub(super) roots: Vec<u32>,
    /// Of each tree, the splits between its root and its deepest leaf.
    depths: Vec<u16>,
    pub(super) nodes: Vec<Flat>,
    /// The answer at each node, leaf or not.
    pub(super) values: Vec<f64>,
    pub(super) covers: Vec<f64>,
    /// Node and what goes left there, by node; empty for most models.
    sets: Vec<(u32, Vec<u32>)>,
}

impl Forest {
    pub(super) fn new(trees: &Trees, inputs: usize) -> Result<Forest, ModelError> {
        check_trees(trees, inputs)?;
        let mut forest = Forest {
            inputs,
            width: trees.width,
            combine: trees.combine,
            roots: Vec::new(),
            depths: Vec::new(),
            nodes: Vec::new(),
            values: Vec::new(),
            covers: Vec::new(),
            sets: Vec::new(),
        };
        trees.trees.iter().for_each(|tree| forest.push(tree));
        forest.sets.sort_by_key(|(at, _)| *at);
        Ok(forest)
    }

    /// Appends a tree, breadth first.
    fn push(&mut self, tree: &Tree) {
        let root = self.nodes.len() as u32;
        self.roots.push(root);
        let mut order = vec![(0_usize, 0_u16)];
        let mut next = 0;
        let mut deepest = 0;
        while let Some(&(from, depth)) = order.get(next) {
            deepest = depth;
            let at = root + next as u32;
            let (flat, value, cover) = match &tree.nodes[from] {
                Node::Leaf { value, cover } => {
                    let value = match self.width {
                        Width::F32 => f64::from(*value as f32),
                        Width::F64 => *value,
                    };
                    (Flat::LEAF, value, *cover)
                }
                Node::Split { input, branch, missing_left, left, right, cover, value } => {
                    let threshold = match branch {
                        Branch::AtMost(t) => at_most(*t),
                        Branch::Below(t) => below(*t),
                        Branch::In(values) => {
                            let mut values = values.clone();
                            values.sort_unstable();
                            self.sets.push((at, values));
                            0.0
                        }
                    };
                    let mark = |child: u32, mark: u32| match &tree.nodes[child as usize] {
                        Node::Leaf { .. } => mark,
                        Node::Split { .. } => 0,
                    };
                    let set = if matches!(branch, Branch::In(_)) { BY_SET } else { 0 };
                    let missing = if *missing_left { MISSING_LEFT } else { 0 };
                    let marks = mark(*left, LEFT_LEAF) | mark(*right, RIGHT_LEAF) | set | missing;
                    let flat = Flat::split(threshold, *input, (order.len() - next) as u32, marks);
                    order.extend([(*left as usize, depth + 1), (*right as usize, depth + 1)]);
                    (flat, *value, *cover)
                }
            };
            self.nodes.push(flat);
            self.values.push(value);
            self.covers.push(cover);
            next += 1;
        }
        // Breadth first, so the last node is among the deepest.
        self.depths.push(deepest);
    }

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
        // Whole part, as LightGBM takes it; above u32 is in no set.
        x > -1.0
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
    fn leaves<const ABSENT: bool>(
        &self,
        row: &[f32],
        roots: &[u32],
        leaves: &mut [u32; BLOCK_TREES + IN_FLIGHT],
    ) {
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

    /// Adds one tree's answers to the sums of some rows, which go down it in step: the tree stays in the
    /// first cache, and the rows' waits for its nodes overlap.
    fn add_tree<const ABSENT: bool>(&self, tree: usize, rows: &[f32], sums: &mut [(f32, f64)]) {
        let width = self.inputs.max(1);
        let (root, depth) = (self.roots[tree], self.depths[tree]);
        for (rows, sums) in rows.chunks(width * IN_FLIGHT).zip(sums.chunks_mut(IN_FLIGHT)) {
            let mut at = [root; IN_FLIGHT];
            let lanes = sums.len();
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
            for (sum, at) in sums.iter_mut().zip(&at[..lanes]) {
                let value = self.values[*at as usize];
                *sum = (sum.0 + value as f32, sum.1 + value);
            }
        }
    }

    /// The trees' answers, added in their order and width.
    fn sum(&self, row: &[f32]) -> f64 {
        let base = self.base();
        let (mut narrow, mut wide) = (base as f32, base);
        let absent = row.iter().any(|x| x.is_nan());
        let mut leaves = [0; BLOCK_TREES + IN_FLIGHT];
        for roots in self.roots.chunks(BLOCK_TREES) {
            match absent {
                true => self.leaves::<true>(row, roots, &mut leaves),
                false => self.leaves::<false>(row, roots, &mut leaves),
            }
            for leaf in &leaves[..roots.len()] {
                let value = self.values[*leaf as usize];
                narrow += value as f32;
                wide += value;
            }
        }
        self.of_width((narrow, wide))
    }

    /// The sum that was kept in the source's width.
    fn of_width(&self, (narrow, wide): (f32, f64)) -> f64 {
        match self.width {
            Width::F32 => f64::from(narrow),
            Width::F64 => wide,
        }
    }

    fn combined(&self, sum: f64) -> f64 {
        let trees = self.roots.len() as f64;
        match self.combine {
            Combine::LogOdds { .. } => sum,
            Combine::Mean => sum / trees,
            Combine::Isolation { samples } => (-(sum / (trees * expected_depth(f64::from(samples))))).exp2(),
        }
    }

    /// What a share of the sum counts for in the margin, and the margin of the sum `rest`: an isolation
    /// forest's shares of the path length are stretched onto the line from `rest` to `sum`.
    fn stretch(&self, sum: f64, rest: f64) -> (f64, f64) {
        let (low, high) = (self.combined(rest), self.combined(sum));
        match self.combine {
            Combine::LogOdds { .. } => (1.0, low),
            Combine::Mean => (1.0 / self.roots.len() as f64, low),
            Combine::Isolation { .. } if (sum - rest).abs() < 1e-9 => (0.0, high),
            Combine::Isolation { .. } => ((high - low) / (sum - rest), low),
        }
    }

    fn base(&self) -> f64 {
        if let Combine::LogOdds { base } = self.combine { base } else { 0.0 }
    }
}

/// The `f32` that decides `x <= threshold` alike for every `f32`.
fn at_most(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

/// The `f32` whose `<=` decides `x < threshold` alike for every `f32`.
fn below(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) >= threshold { near.next_down() } else { near }
}

/// Average path length of an unsuccessful search among `n` (Liu 2008, equation 1).
pub(crate) fn expected_depth(n: f64) -> f64 {
    if n <= 1.0 {
        0.0
    } else if n <= 2.0 {
        1.0
    } else {
        2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n
    }
}

impl Model for Forest {
    fn width(&self) -> usize {
        self.inputs
    }

    fn margin(&self, row: &[f32]) -> f64 {
        if row.len() != self.inputs {
            return 0.0;
        }
        self.combined(self.sum(row))
    }

    fn margins(&self, rows: &[f32], out: &mut [f64]) {
        let width = self.inputs.max(1);
        let base = self.base();
        for (rows, out) in rows.chunks(width * BLOCK_ROWS).zip(out.chunks_mut(BLOCK_ROWS)) {
            let count = out.len().min(rows.len() / width);
            let mut sums = [(base as f32, base); BLOCK_ROWS];
            let (rows, sums) = (&rows[..count * width], &mut sums[..count]);
            match rows.iter().any(|x| x.is_nan()) {
                true => (0..self.roots.len()).for_each(|tree| self.add_tree::<true>(tree, rows, sums)),
                false => (0..self.roots.len()).for_each(|tree| self.add_tree::<false>(tree, rows, sums)),
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = self.combined(self.of_width(*sum)));
        }
    }

    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64 {
        if row.len() != self.inputs || out.len() != self.inputs {
            return 0.0;
        }
        let rest = self.roots.iter().fold(self.base(), |sum, root| sum + self.values[*root as usize]);
        let (share, rest) = self.stretch(self.sum(row), rest);
        for &root in &self.roots {
            let mut at = root;
            loop {
                let next = self.step(row, at);
                if next == at {
                    break;
                }
                let change = self.values[next as usize] - self.values[at as usize];
                out[self.nodes[at as usize].input()] += share * change;
                at = next;
            }
        }
        rest
    }

    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64 {
        if row.len() != self.inputs || out.len() != self.inputs {
            return 0.0;
        }
        let rest = self.roots.iter().fold(self.base(), |sum, root| sum + shap::expected(self, *root));
        let (share, rest) = self.stretch(self.sum(row), rest);
        self.roots.iter().for_each(|root| shap::add(self, row, *root, share, out));
        rest
    }
}

#[cfg(test)]
#[path = "forest_tests.rs"]
mod tests;
