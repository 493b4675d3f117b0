//! An ensemble of trees, asked node by node.

use super::tree::{Branch, Combine, Node, Tree, Trees, Width};
use super::{Model, ModelError};

/// An ensemble that has been checked.
#[derive(Debug)]
pub(super) struct Forest {
    inputs: usize,
    trees: Trees,
}

impl Forest {
    pub(super) fn new(trees: &Trees, inputs: usize) -> Result<Forest, ModelError> {
        for (t, tree) in trees.trees.iter().enumerate() {
            for (n, node) in tree.nodes.iter().enumerate() {
                let Node::Split { input, left, right, .. } = node else { continue };
                let behind = |child: u32| child as usize > n && (child as usize) < tree.nodes.len();
                if usize::from(*input) >= inputs || !behind(*left) || !behind(*right) {
                    return Err(ModelError::new(format!(
                        "tree {t}, node {n}: a child or input that isn't there"
                    )));
                }
            }
            if tree.nodes.is_empty() {
                return Err(ModelError::new(format!("tree {t} has no nodes")));
            }
        }
        Ok(Forest { inputs, trees: trees.clone() })
    }
}

fn goes_left(branch: &Branch, missing_left: bool, x: f32) -> bool {
    if x.is_nan() {
        return missing_left;
    }
    match branch {
        Branch::AtMost(threshold) => f64::from(x) <= *threshold,
        Branch::Below(threshold) => f64::from(x) < *threshold,
        Branch::In(values) => x >= 0.0 && values.contains(&(x as u32)),
    }
}

/// Walks a tree; `visit` is told each node passed.
fn walk(tree: &Tree, row: &[f32], mut visit: impl FnMut(&Node)) {
    let mut at = 0;
    while let Some(node) = tree.nodes.get(at) {
        visit(node);
        let Node::Split { input, branch, missing_left, left, right, .. } = node else { return };
        let x = row.get(usize::from(*input)).copied().unwrap_or(f32::NAN);
        at = if goes_left(branch, *missing_left, x) { *left } else { *right } as usize;
    }
}

/// Average path length of an unsuccessful search among `n` (Liu 2008, equation 1).
fn expected_depth(n: f64) -> f64 {
    if n <= 1.0 {
        0.0
    } else if n <= 2.0 {
        1.0
    } else {
        2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n
    }
}

fn combine(trees: &Trees, sum: f64) -> f64 {
    let mean = sum / trees.trees.len().max(1) as f64;
    match trees.combine {
        Combine::LogOdds { base } => base + sum,
        Combine::Mean => mean,
        Combine::Isolation { samples } => (-mean / expected_depth(f64::from(samples))).exp2(),
    }
}

impl Model for Forest {
    fn width(&self) -> usize {
        self.inputs
    }

    fn margin(&self, row: &[f32]) -> f64 {
        let mut sum = 0.0;
        for tree in &self.trees.trees {
            walk(tree, row, |node| {
                if let Node::Leaf { value, .. } = node {
                    sum += match self.trees.width {
                        Width::F32 => f64::from(*value as f32),
                        Width::F64 => *value,
                    };
                }
            });
        }
        combine(&self.trees, sum)
    }

    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64 {
        let _ = (row, out);
        0.0
    }

    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64 {
        let _ = (row, out);
        0.0
    }
}
