//! Trees as learners and importers hand them over, before they are flattened.

use serde::{Deserialize, Serialize};

/// One tree: node 0 is its root, children stand behind their parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Tree {
    /// All nodes.
    pub nodes: Vec<Node>,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// Asks about an input.
    Split {
        /// Which input.
        input: u16,
        /// What goes left.
        branch: Branch,
        /// Whether an absent input goes left.
        missing_left: bool,
        /// Index of the left child.
        left: u32,
        /// Index of the right child.
        right: u32,
        /// Training rows (or their weight) that came by; for Shapley values.
        cover: f64,
        /// What the tree would answer here: the mean of its leaves by cover; for contributions.
        value: f64,
    },
    /// Answers.
    Leaf {
        /// The answer.
        value: f64,
        /// Training rows (or their weight) that ended here.
        cover: f64,
    },
}

/// What goes left at a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Branch {
    /// `x <= threshold` (LightGBM, scikit-learn, ours).
    AtMost(f64),
    /// `x < threshold` (XGBoost).
    Below(f64),
    /// The whole number `x` is one of these.
    In(Vec<u32>),
}

/// Float width in which a source compares and sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Leaves are added as `f32`, in the order of the trees.
    F32,
    /// Leaves are added as `f64`, in the order of the trees.
    F64,
}

/// How the trees' answers become the margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// `base + sum`: log-odds (boosting).
    LogOdds {
        /// The margin without any tree.
        base: f64,
    },
    /// `sum / trees`: a share between 0 and 1 (forests on 0/1 labels).
    Mean,
    /// `2^(-mean path length / c(samples))` (isolation forest, Liu 2008): leaf values are path lengths,
    /// `c(n)` of the rows in the leaf included.
    Isolation {
        /// Rows that each tree was grown from.
        samples: u32,
    },
}

/// An ensemble of trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trees {
    /// The float width of comparisons and sums.
    pub width: Width,
    /// How answers become the margin.
    pub combine: Combine,
    /// The trees, in the order in which they are summed.
    pub trees: Vec<Tree>,
}
