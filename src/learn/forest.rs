//! What do many trees say that each saw other payments? Random forests, by smartcore.

use rayon::prelude::*;
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::error::Error;
use crate::model::{Branch, Combine, Node, Tree, Trees, Width};

use super::boost::BOOST_DEPTH_MAX;
use super::matrix::{Matrix, check_labels};
use super::means::fill_means;

/// Most trees of a random forest.
///
/// ```
/// use tollgate::{FOREST_TREES_MAX, RandomForest};
/// assert!(RandomForest::default().trees <= FOREST_TREES_MAX);
/// ```
pub const FOREST_TREES_MAX: usize = 10_000;
/// Parts of a forest that are grown side by side; a fixed number, so that threads change nothing.
const PARTS: usize = 8;

/// A random forest on 0/1 labels (Breiman 2001): a leaf is the share of fraud among its rows.
///
/// ```
/// use tollgate::{Matrix, RandomForest};
/// let mut matrix = Matrix::new(2)?;
/// (0..200).try_for_each(|i| matrix.push(&[i as f32, (i % 3) as f32]))?;
/// let labels: Vec<bool> = (0..200).map(|i| i > 180).collect();
/// let forest = RandomForest { trees: 10, ..RandomForest::default() }.fit(&matrix, &labels, 1)?;
/// assert_eq!(forest.trees.len(), 10);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RandomForest {
    /// How many trees; 1 to [`FOREST_TREES_MAX`].
    pub trees: usize,
    /// Questions in a row at most; 1 to [`BOOST_DEPTH_MAX`].
    pub depth: u8,
    /// Least rows of a leaf; at least 1.
    pub leaf_rows_min: usize,
    /// Inputs looked at for each split; the square root of all when `None`.
    pub inputs: Option<usize>,
    /// How much more often a fraud is drawn than a good payment; above 0. Calibration makes up for it.
    pub fraud_weight: f64,
}

impl Default for RandomForest {
    fn default() -> RandomForest {
        RandomForest { trees: 100, depth: 10, leaf_rows_min: 5, inputs: None, fraud_weight: 1.0 }
    }
}

impl RandomForest {
    /// Learns. `seed` is that of the rows and inputs drawn. An absent input counts as less than all others.
    ///
    /// # Errors
    /// When the labels are of one class, a setting is outside of its range, or smartcore gives up.
    pub fn fit(&self, matrix: &Matrix, labels: &[bool], seed: u64) -> Result<Trees, Error> {
        check_labels(matrix, labels)?;
        self.check(matrix.width())?;
        let fill = below_all(matrix);
        let filled = matrix
            .values()
            .iter()
            .enumerate()
            .map(|(at, x)| if x.is_nan() { fill[at % matrix.width()] } else { f64::from(*x) });
        let x = DenseMatrix::new(matrix.rows(), matrix.width(), filled.collect(), false).map_err(wrong)?;
        let y: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        let weights: Option<Vec<f64>> = (self.fraud_weight != 1.0)
            .then(|| labels.iter().map(|l| if *l { self.fraud_weight } else { 1.0 }).collect());
        let inputs = self.inputs.unwrap_or_else(|| (matrix.width() as f64).sqrt().round() as usize);
        let parts: Vec<Vec<Tree>> = (0..PARTS)
            .into_par_iter()
            .map(|part| {
                let trees = self.trees / PARTS + usize::from(part < self.trees % PARTS);
                if trees == 0 {
                    return Ok(Vec::new());
                }
                let settings = RandomForestRegressorParameters::default()
                    .with_n_trees(trees)
                    .with_max_depth(u16::from(self.depth))
                    .with_min_samples_leaf(self.leaf_rows_min)
                    .with_m(inputs.max(1))
                    // smartcore adds the tree's number to the seed: parts must not overlap.
                    .with_seed(seed.wrapping_add((part as u64) << 32));
                let forest = match &weights {
                    Some(weights) => RandomForestRegressor::fit_with_weights(&x, &y, weights, settings),
                    None => RandomForestRegressor::fit(&x, &y, settings),
                };
                read_out(&forest.map_err(wrong)?)
            })
            .collect::<Result<_, Error>>()?;
        let mut trees: Vec<Tree> = parts.into_iter().flatten().collect();
        trees.par_iter_mut().for_each(|tree| {
            cover(tree, matrix);
            fill_means(tree);
        });
        Ok(Trees { width: Width::F64, combine: Combine::Mean, trees })
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let wrong = if !(1..=FOREST_TREES_MAX).contains(&self.trees) {
            format!("trees are 1 to {FOREST_TREES_MAX}, and not {}", self.trees)
        } else if !(1..=BOOST_DEPTH_MAX).contains(&self.depth) {
            format!("the depth is 1 to {BOOST_DEPTH_MAX}, and not {}", self.depth)
        } else if self.leaf_rows_min == 0 {
            "a leaf has at least 1 row, and not 0".to_owned()
        } else if self.inputs.is_some_and(|i| i == 0 || i > width) {
            format!("each split looks at 1 to {width} inputs, and not {}", self.inputs.unwrap_or(0))
        } else if !(self.fraud_weight > 0.0 && self.fraud_weight.is_finite()) {
            format!("the frauds' weight is above 0, and not {}", self.fraud_weight)
        } else {
            return Ok(());
        };
        Err(Error::new(wrong))
    }
}

fn wrong(e: impl std::fmt::Display) -> Error {
    Error::new(format!("the random forest can't be fitted: {e}"))
}

/// For each input a number below all that it has, which stands for absent.
fn below_all(matrix: &Matrix) -> Vec<f64> {
    (0..matrix.width())
        .map(|input| {
            let least =
                matrix.column(input).filter(|x| !x.is_nan()).map(f64::from).fold(f64::INFINITY, f64::min);
            if least.is_finite() { least - 1.0 - least.abs() } else { 0.0 }
        })
        .collect()
}

/// What smartcore's own serialisation says of a forest; its fields are private otherwise.
#[derive(Deserialize)]
struct Fitted {
    forest_regressor: FittedForest,
}

#[derive(Deserialize)]
struct FittedForest {
    trees: Vec<FittedTree>,
}

#[derive(Deserialize)]
struct FittedTree {
    nodes: Vec<FittedNode>,
}

#[derive(Deserialize)]
struct FittedNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

fn read_out(forest: &impl serde::Serialize) -> Result<Vec<Tree>, Error> {
    let fitted: Fitted = serde_json::to_value(forest).and_then(serde_json::from_value).map_err(wrong)?;
    fitted.forest_regressor.trees.iter().map(flatten).collect()
}

/// The same tree with children behind their parents.
fn flatten(fitted: &FittedTree) -> Result<Tree, Error> {
    let mut tree = Tree { nodes: vec![Node::Leaf { value: 0.0, cover: 0.0 }] };
    let mut todo = vec![(0, 0)];
    while let Some((from, to)) = todo.pop() {
        let node = fitted.nodes.get(from).ok_or_else(|| wrong("a child isn't there"))?;
        tree.nodes[to] = match (node.split_value, node.true_child, node.false_child) {
            (Some(threshold), Some(left), Some(right)) => {
                let first = tree.nodes.len();
                tree.nodes
                    .extend([Node::Leaf { value: 0.0, cover: 0.0 }, Node::Leaf { value: 0.0, cover: 0.0 }]);
                todo.extend([(left, first), (right, first + 1)]);
                Node::Split {
                    input: node.split_feature as u16,
                    branch: Branch::AtMost(threshold),
                    missing_left: true,
                    left: first as u32,
                    right: first as u32 + 1,
                    cover: 0.0,
                    value: 0.0,
                }
            }
            _ => Node::Leaf { value: node.output, cover: 0.0 },
        };
    }
    Ok(tree)
}

/// Counts the rows that come by each node.
fn cover(tree: &mut Tree, matrix: &Matrix) {
    for row in 0..matrix.rows() {
        let mut at = 0;
        loop {
            at = match &mut tree.nodes[at] {
                Node::Leaf { cover, .. } => {
                    *cover += 1.0;
                    break;
                }
                Node::Split { input, branch: Branch::AtMost(threshold), left, right, cover, .. } => {
                    *cover += 1.0;
                    let x = matrix.at(row, usize::from(*input));
                    (if x.is_nan() || f64::from(x) <= *threshold { *left } else { *right }) as usize
                }
                Node::Split { .. } => break,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::means::leaf_value;

    fn rows() -> (Matrix, Vec<bool>) {
        let mut matrix = Matrix::new(3).unwrap();
        let mut labels = Vec::new();
        for i in 0..1500u32 {
            let x = (i.wrapping_mul(2_654_435_761) % 1000) as f32;
            let y = (i.wrapping_mul(40_503) % 97) as f32;
            matrix.push(&[x, if i % 5 == 0 { f32::NAN } else { y }, x * y]).unwrap();
            labels.push(x > 900.0 || i % 35 == 0);
        }
        (matrix, labels)
    }

    /// Ours, flattened and walked, against smartcore's own prediction, for the settings of one part.
    #[test]
    fn answers_as_smartcore_predicts() {
        let (matrix, labels) = rows();
        let fill = below_all(&matrix);
        let filled = matrix
            .values()
            .iter()
            .enumerate()
            .map(|(at, x)| if x.is_nan() { fill[at % 3] } else { f64::from(*x) });
        let x = DenseMatrix::new(matrix.rows(), 3, filled.collect(), false).unwrap();
        let y: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        let settings =
            RandomForestRegressorParameters::default().with_n_trees(7).with_max_depth(6).with_seed(9);
        let theirs = RandomForestRegressor::fit(&x, &y, settings).unwrap();
        let trees = read_out(&theirs).unwrap();
        let predicted = theirs.predict(&x).unwrap();
        for (row, expected) in predicted.iter().enumerate() {
            let ours = trees.iter().map(|t| leaf_value(t, matrix.row(row))).sum::<f64>() / 7.0;
            assert!((ours - expected).abs() < 1e-12, "row {row}: {ours} and {expected}");
        }
    }

    #[test]
    fn a_seed_gives_one_forest_on_any_number_of_threads() {
        let (matrix, labels) = rows();
        let forest = RandomForest { trees: 11, ..RandomForest::default() };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| forest.fit(&matrix, &labels, 5)).unwrap()
        };
        assert_eq!(on(1).trees.len(), 11);
        assert_eq!(on(1), on(3));
        assert_ne!(on(1), forest.fit(&matrix, &labels, 6).unwrap());
        let Node::Split { cover, .. } = on(1).trees[0].nodes[0] else { panic!("the root is a question") };
        assert_eq!(cover, 1500.0);
    }

    #[test]
    fn settings_are_refused_outside_their_range() {
        let (matrix, labels) = rows();
        let default = RandomForest { trees: 1, ..RandomForest::default() };
        for wrong in [
            RandomForest { trees: 0, ..default.clone() },
            RandomForest { trees: FOREST_TREES_MAX + 1, ..default.clone() },
            RandomForest { depth: 0, ..default.clone() },
            RandomForest { depth: BOOST_DEPTH_MAX + 1, ..default.clone() },
            RandomForest { leaf_rows_min: 0, ..default.clone() },
            RandomForest { inputs: Some(4), ..default.clone() },
            RandomForest { fraud_weight: 0.0, ..default.clone() },
        ] {
            assert!(wrong.fit(&matrix, &labels, 1).is_err(), "{wrong:?}");
        }
        for right in [
            RandomForest { depth: BOOST_DEPTH_MAX, ..default.clone() },
            RandomForest { inputs: Some(3), fraud_weight: 20.0, ..default.clone() },
        ] {
            assert!(right.fit(&matrix, &labels, 1).is_ok(), "{right:?}");
        }
        assert!(RandomForest { trees: FOREST_TREES_MAX, ..default }.check(3).is_ok());
    }
}
