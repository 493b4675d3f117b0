//! Trees as learners and importers hand them over, before they are flattened.

use serde::{Deserialize, Serialize};

/// One tree: node 0 is its root, children stand behind their parent.
///
/// ```
/// use tollgate::{Node, Tree};
/// let tree = Tree { nodes: vec![Node::Leaf { value: 0.5, cover: 10.0 }] };
/// assert_eq!(tree.nodes.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Tree {
    /// All nodes.
    pub nodes: Vec<Node>,
}

/// A node of a tree.
///
/// ```
/// use tollgate::{Branch, Node};
/// let root = Node::Split {
///     input: 0,
///     branch: Branch::AtMost(3.5),
///     missing_left: true,
///     left: 1,
///     right: 2,
///     cover: 10.0,
///     value: 0.2,
/// };
/// assert!(matches!(root, Node::Split { missing_left: true, .. }));
/// ```
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
///
/// ```
/// use tollgate::Branch;
/// assert_ne!(Branch::AtMost(1.0), Branch::Below(1.0)); // they part ways at 1
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Branch {
    /// `x <= threshold` (LightGBM, scikit-learn, ours).
    AtMost(f64),
    /// `x < threshold` (XGBoost).
    Below(f64),
    /// The whole part of `x` is one of these; -0.5 counts as 0 (LightGBM).
    In(Vec<u32>),
    /// `x` is not below 0, and its whole part is one of these (XGBoost).
    Among(Vec<u32>),
}

/// Float width in which a source compares and sums.
///
/// ```
/// use tollgate::Width;
/// assert_eq!(serde_json::to_string(&Width::F32).unwrap(), "\"f32\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Leaves are added as `f32`, in the order of the trees.
    F32,
    /// Leaves are added as `f64`, in the order of the trees.
    F64,
}

/// How the trees' answers become the margin.
///
/// ```
/// use tollgate::Combine;
/// assert_eq!(serde_json::to_string(&Combine::Mean).unwrap(), "\"mean\"");
/// ```
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
///
/// ```
/// use tollgate::{Combine, Node, Tree, Trees, Width};
/// let leaf = |value| Tree { nodes: vec![Node::Leaf { value, cover: 1.0 }] };
/// let trees = vec![leaf(0.5), leaf(-0.25)];
/// let model = Trees { width: Width::F64, combine: Combine::LogOdds { base: -4.0 }, trees };
/// assert_eq!(model.trees.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trees {
    /// The float width of comparisons and sums.
    pub width: Width,
    /// How answers become the margin.
    pub combine: Combine,
    /// The trees, in the order in which they are summed.
    pub trees: Vec<Tree>,
}
