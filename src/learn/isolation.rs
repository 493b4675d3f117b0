//! Which payments are unlike the others? Isolation forests, which need no labels.

use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::error::Error;
use crate::model::{Branch, Combine, Node, Tree, Trees, Width};

use super::matrix::Matrix;
use super::means::fill_means;

/// Most trees of an isolation forest.
///
/// ```
/// use tollgate::{ISOLATION_TREES_MAX, IsolationForest};
/// assert!(IsolationForest::default().trees <= ISOLATION_TREES_MAX);
/// ```
pub const ISOLATION_TREES_MAX: usize = 10_000;
/// Most rows that one tree is grown from.
///
/// ```
/// use tollgate::{ISOLATION_SAMPLES_MAX, IsolationForest};
/// assert!(IsolationForest::default().samples <= ISOLATION_SAMPLES_MAX);
/// ```
pub const ISOLATION_SAMPLES_MAX: usize = 1 << 20;

/// An isolation forest (Liu, Ting and Zhou 2008): random questions part the unusual from the rest sooner.
///
/// ```
/// use tollgate::{IsolationForest, Matrix};
/// let mut matrix = Matrix::new(1)?;
/// (0..300).try_for_each(|i| matrix.push(&[(i % 10) as f32]))?;
/// let forest = IsolationForest::default().fit(&matrix, 1)?;
/// assert_eq!(forest.trees.len(), 100);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IsolationForest {
    /// How many trees; 1 to 10,000.
    pub trees: usize,
    /// Rows that each tree is grown from, at most all; 2 to [`ISOLATION_SAMPLES_MAX`].
    pub samples: usize,
}

impl Default for IsolationForest {
    /// The paper's own: 100 trees of 256 rows.
    fn default() -> IsolationForest {
        IsolationForest { trees: 100, samples: 256 }
    }
}

impl IsolationForest {
    /// Learns what is usual. `seed` is that of the rows, inputs and thresholds drawn.
    ///
    /// # Errors
    /// When a setting is outside of its range, there are fewer than two rows, or all are alike.
    pub fn fit(&self, matrix: &Matrix, seed: u64) -> Result<Trees, Error> {
        if !(1..=ISOLATION_TREES_MAX).contains(&self.trees) {
            return Err(Error::new(format!("trees are 1 to {ISOLATION_TREES_MAX}, and not {}", self.trees)));
        }
        if !(2..=ISOLATION_SAMPLES_MAX).contains(&self.samples) {
            let found = self.samples;
            return Err(Error::new(format!("samples are 2 to {ISOLATION_SAMPLES_MAX}, and not {found}")));
        }
        if matrix.rows() < 2 {
            return Err(Error::new("fewer than two rows, so none is unlike the others"));
        }
        if (1..matrix.rows()).all(|r| same(matrix.row(r), matrix.row(0))) {
            return Err(Error::new("all rows are alike, so none is unlike the others"));
        }
        let samples = self.samples.min(matrix.rows());
        let trees = (0..self.trees)
            .into_par_iter()
            .map(|tree| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                // A stream of its own for each tree: the threads' number changes nothing.
                rng.set_stream(tree as u64);
                let rows = sample(&mut rng, matrix.rows(), samples).into_vec();
                grow(matrix, rows, &mut rng)
            })
            .collect();
        Ok(Trees { width: Width::F64, combine: Combine::Isolation { samples: samples as u32 }, trees })
    }
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

/// A node's rows that still have to be parted.
struct Todo {
    node: usize,
    rows: Vec<usize>,
    depth: u32,
}

fn grow(matrix: &Matrix, rows: Vec<usize>, rng: &mut ChaCha8Rng) -> Tree {
    // Deeper than the average depth of a balanced tree all are usual (the paper's height limit).
    let depth_max = (rows.len() as f64).log2().ceil() as u32;
    let mut tree = Tree { nodes: vec![leaf(0, rows.len())] };
    let mut todo = vec![Todo { node: 0, rows, depth: 0 }];
    while let Some(Todo { node, rows, depth }) = todo.pop() {
        if depth == depth_max || rows.len() < 2 {
            continue;
        }
        let Some((input, threshold, missing_left)) = question(matrix, &rows, rng) else { continue };
        let cover = rows.len();
        let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|row| {
            let x = matrix.at(*row, input);
            if x.is_nan() { missing_left } else { x <= threshold }
        });
        let first = tree.nodes.len();
        tree.nodes[node] = Node::Split {
            input: input as u16,
            branch: Branch::AtMost(f64::from(threshold)),
            missing_left,
            left: first as u32,
            right: first as u32 + 1,
            cover: cover as f64,
            value: 0.0,
        };
        for (i, rows) in [left, right].into_iter().enumerate() {
            tree.nodes.push(leaf(depth + 1, rows.len()));
            todo.push(Todo { node: first + i, rows, depth: depth + 1 });
        }
    }
    fill_means(&mut tree);
    tree
}

fn leaf(depth: u32, rows: usize) -> Node {
    Node::Leaf { value: f64::from(depth) + expected_depth(rows), cover: rows as f64 }
}

/// A random input among those that tell the rows apart, a random threshold within its range, and where
/// the absent goes; `None` when all rows are alike.
fn question(matrix: &Matrix, rows: &[usize], rng: &mut ChaCha8Rng) -> Option<(usize, f32, bool)> {
    let mut useful = Vec::new();
    for input in 0..matrix.width() {
        let (mut low, mut high, mut absent) = (f32::INFINITY, f32::NEG_INFINITY, 0);
        for row in rows {
            let x = matrix.at(*row, input);
            if x.is_nan() { absent += 1 } else { (low, high) = (low.min(x), high.max(x)) }
        }
        if low < high || (absent > 0 && absent < rows.len()) {
            useful.push((input, low, high));
        }
    }
    if useful.is_empty() {
        return None;
    }
    let (input, low, high) = useful[rng.random_range(0..useful.len())];
    if low == high {
        // Only presence tells them apart.
        return Some((input, high, false));
    }
    let (from, to) = (f64::from(low), f64::from(high));
    let drawn = (from + (to - from) * rng.random::<f64>()) as f32;
    let threshold = if drawn < high { drawn } else { low };
    // The absent may lie on either side.
    Some((input, threshold, rng.random::<bool>()))
}

/// Average path length of an unsuccessful search among `rows` (the paper's equation 1).
fn expected_depth(rows: usize) -> f64 {
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = rows as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

/// The Euler-Mascheroni constant.
const EULER: f64 = 0.577_215_664_901_532_9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::means::leaf_value;

    fn mean_depth(forest: &Trees, row: &[f32]) -> f64 {
        forest.trees.iter().map(|t| leaf_value(t, row)).sum::<f64>() / forest.trees.len() as f64
    }

    #[test]
    fn the_row_apart_is_reached_sooner() {
        let mut matrix = Matrix::new(2).unwrap();
        for i in 0..500 {
            matrix.push(&[(i % 17) as f32, (i % 23) as f32]).unwrap();
        }
        matrix.push(&[400.0, -90.0]).unwrap();
        let forest = IsolationForest { samples: 501, ..Default::default() }.fit(&matrix, 3).unwrap();
        assert!(mean_depth(&forest, &[400.0, -90.0]) + 3.0 < mean_depth(&forest, &[8.0, 11.0]));
        assert_eq!(forest, IsolationForest { samples: 501, ..Default::default() }.fit(&matrix, 3).unwrap());
        assert_ne!(forest, IsolationForest { samples: 501, ..Default::default() }.fit(&matrix, 4).unwrap());
    }

    #[test]
    fn an_absent_input_is_a_difference_too() {
        let mut matrix = Matrix::new(1).unwrap();
        for _ in 0..63 {
            matrix.push(&[5.0]).unwrap();
        }
        matrix.push(&[f32::NAN]).unwrap();
        let forest = IsolationForest { trees: 10, samples: 64 }.fit(&matrix, 1).unwrap();
        assert!(mean_depth(&forest, &[f32::NAN]) < mean_depth(&forest, &[5.0]));
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past() {
        let mut matrix = Matrix::new(1).unwrap();
        matrix.push(&[1.0]).unwrap();
        assert!(IsolationForest::default().fit(&matrix, 1).is_err());
        matrix.push(&[1.0]).unwrap();
        assert!(IsolationForest::default().fit(&matrix, 1).unwrap_err().to_string().contains("alike"));
        matrix.push(&[2.0]).unwrap();
        let with = |trees, samples| IsolationForest { trees, samples }.fit(&matrix, 1).map(|f| f.trees.len());
        assert_eq!(with(1, ISOLATION_SAMPLES_MAX).unwrap(), 1);
        assert_eq!(with(ISOLATION_TREES_MAX, 2).unwrap(), ISOLATION_TREES_MAX);
        assert!(with(1, ISOLATION_SAMPLES_MAX + 1).is_err());
        assert!(with(ISOLATION_TREES_MAX + 1, 2).is_err());
        assert!(with(0, 2).is_err() && with(1, 1).is_err());
    }
}
