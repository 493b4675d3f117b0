//! An ensemble of trees, flattened: what do all trees together say of a row?

use super::check::check_trees;
use super::flat::{BY_SET, Flat, LEFT_LEAF, MISSING_LEFT, RIGHT_LEAF};
use super::lanes::{self, Lanes};
use super::paths::Paths;
use super::tree::{Branch, Combine, Node, Tree, Trees, Width};
use super::{Model, ModelError, shap};

/// Rows that pass one tree after the other together: few enough that they stay in the first cache.
const BLOCK_ROWS: usize = lanes::ROWS_MAX;

/// An ensemble that has been checked.
#[derive(Debug)]
pub(super) struct Forest {
    inputs: usize,
    width: Width,
    combine: Combine,
    pub(super) roots: Vec<u32>,
    /// Of each tree, the splits between its root and its deepest leaf.
    pub(super) depths: Vec<u16>,
    pub(super) nodes: Vec<Flat>,
    /// The answer at each node, leaf or not.
    pub(super) values: Vec<f64>,
    pub(super) covers: Vec<f64>,
    /// What the trees answer before they ask anything, and the base.
    rest: f64,
    /// Node and what goes left there, by node; empty for most models.
    pub(super) sets: Vec<(u32, Vec<u32>)>,
    wide: Option<Wide>,
    paths: Option<Paths>,
    /// Of a forest without lanes, each leaf's place among all leaves, by node.
    places: Vec<u32>,
}

/// The same trees side by side, where that is faster than a walk.
#[derive(Debug)]
struct Wide {
    lanes: Lanes,
    /// The answer at each leaf of the lanes.
    values: Vec<f64>,
}

/// A sum in the source's width.
trait Total: Copy {
    fn of(x: f64) -> Self;
    fn add(&mut self, x: f64);
    fn get(self) -> f64;
}

impl Total for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }

    fn add(&mut self, x: f64) {
        *self += x as f32;
    }

    fn get(self) -> f64 {
        f64::from(self)
    }
}

impl Total for f64 {
    fn of(x: f64) -> f64 {
        x
    }

    fn add(&mut self, x: f64) {
        *self += x;
    }

    fn get(self) -> f64 {
        self
    }
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
            rest: 0.0,
            sets: Vec::new(),
            wide: None,
            paths: None,
            places: Vec::new(),
        };
        trees.trees.iter().for_each(|tree| forest.push(tree));
        forest.sets.sort_by_key(|(at, _)| *at);
        forest.rest =
            forest.roots.iter().fold(forest.base(), |sum, root| sum + forest.values[*root as usize]);
        forest.widen(Lanes::new(&forest.nodes, &forest.roots, inputs));
        Ok(forest)
    }

    /// Asks the trees by these lanes from now on, or walks them.
    fn widen(&mut self, lanes: Option<Lanes>) {
        self.places = Vec::new();
        self.wide = lanes.map(|lanes| Wide {
            values: lanes.leaves.iter().map(|leaf| self.values[*leaf as usize]).collect(),
            lanes,
        });
        let leaves = match &self.wide {
            Some(wide) => wide.lanes.leaves.clone(),
            None => {
                let nodes = (0..).zip(&self.nodes);
                let leaves: Vec<u32> =
                    nodes.filter(|(at, node)| node.left(*at) == *at).map(|(at, _)| at).collect();
                self.places = vec![0; self.nodes.len()];
                (0..).zip(&leaves).for_each(|(place, leaf)| self.places[*leaf as usize] = place);
                leaves
            }
        };
        self.paths = Paths::new(self, &leaves);
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
                        Branch::In(values) | Branch::Among(values) => {
                            let mut values = values.clone();
                            values.sort_unstable();
                            self.sets.push((at, values));
                            // Above it the set is asked.
                            if matches!(branch, Branch::In(_)) { -1.0 } else { 0_f32.next_down() }
                        }
                    };
                    let mark = |child: u32, mark: u32| match &tree.nodes[child as usize] {
                        Node::Leaf { .. } => mark,
                        Node::Split { .. } => 0,
                    };
                    let set = if matches!(branch, Branch::In(_) | Branch::Among(_)) { BY_SET } else { 0 };
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

    /// The trees' answers, added in their order and width. Tells the places of the leaves that are reached, among all leaves.
    fn sum(&self, row: &[f32], reached: impl FnMut(&[u32])) -> f64 {
        match self.width {
            Width::F32 => self.sum_in::<f32>(row, reached),
            Width::F64 => self.sum_in::<f64>(row, reached),
        }
    }

    fn sum_in<T: Total>(&self, row: &[f32], mut reached: impl FnMut(&[u32])) -> f64 {
        let mut sum = T::of(self.base());
        match &self.wide {
            Some(Wide { lanes, values, .. }) => lanes.each(row, |leaves| {
                reached(leaves);
                // Loaded first, added then: the sum waits for itself only, while the next trees are asked.
                let mut some = [0.0; lanes::TREES_AT_ONCE];
                some.iter_mut().zip(leaves).for_each(|(at, leaf)| *at = values[*leaf as usize]);
                some[..leaves.len()].iter().for_each(|value| sum.add(*value));
            }),
            None => self.walk(row, |leaf| {
                reached(&self.places[leaf as usize..][..1]);
                sum.add(self.values[leaf as usize]);
            }),
        }
        sum.get()
    }

    /// The sums of up to [`BLOCK_ROWS`] rows.
    fn sums_in<T: Total>(&self, rows: &[f32], out: &mut [f64]) {
        let mut sums = [T::of(self.base()); BLOCK_ROWS];
        let sums = &mut sums[..out.len()];
        match &self.wide {
            Some(Wide { lanes, values, .. }) => lanes.each_of(rows, self.inputs.max(1), |first, leaves| {
                let sums = sums[first..].iter_mut();
                sums.zip(leaves).for_each(|(sum, leaf)| sum.add(values[*leaf as usize]));
            }),
            None => self.walk_rows(rows, self.inputs.max(1), |row, leaf| {
                sums[row].add(self.values[leaf as usize]);
            }),
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = self.combined(sum.get()));
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
        self.combined(self.sum(row, |_| ()))
    }

    fn margin_and_trail(&self, row: &[f32], trail: &mut Vec<u32>) -> f64 {
        trail.clear();
        if row.len() != self.inputs {
            return 0.0;
        }
        self.combined(self.sum(row, |leaves| trail.extend_from_slice(leaves)))
    }

    fn margins(&self, rows: &[f32], out: &mut [f64]) {
        let width = self.inputs.max(1);
        for (rows, out) in rows.chunks(width * BLOCK_ROWS).zip(out.chunks_mut(BLOCK_ROWS)) {
            let count = out.len().min(rows.len() / width);
            let (rows, out) = (&rows[..count * width], &mut out[..count]);
            match self.width {
                Width::F32 => self.sums_in::<f32>(rows, out),
                Width::F64 => self.sums_in::<f64>(rows, out),
            }
        }
    }

    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64 {
        self.contributions_along(row, &[], out)
    }

    fn contributions_along(&self, row: &[f32], trail: &[u32], out: &mut [f64]) -> f64 {
        if row.len() != self.inputs || out.len() != self.inputs {
            return 0.0;
        }
        // Only an isolation forest stretches by the sum.
        let sum = if matches!(self.combine, Combine::Isolation { .. }) { self.sum(row, |_| ()) } else { 0.0 };
        let (share, rest) = self.stretch(sum, self.rest);
        match &self.paths {
            Some(paths) if trail.len() == self.roots.len() => paths.add(trail, share, out),
            Some(paths) => {
                let mut trail = Vec::with_capacity(self.roots.len());
                self.sum(row, |leaves| trail.extend_from_slice(leaves));
                paths.add(&trail, share, out);
            }
            None => self.walk_all(row, |input, change| out[input] += share * change),
        }
        rest
    }

    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64 {
        if row.len() != self.inputs || out.len() != self.inputs {
            return 0.0;
        }
        let rest = self.roots.iter().fold(self.base(), |sum, root| sum + shap::expected(self, *root));
        let (share, rest) = self.stretch(self.sum(row, |_| ()), rest);
        self.roots.iter().for_each(|root| shap::add(self, row, *root, share, out));
        rest
    }
}

#[cfg(test)]
#[path = "forest_tests.rs"]
mod tests;
