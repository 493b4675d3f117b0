//! Is what was loaded a model at all?

use super::tree::{Branch, Node, Tree, Trees};
use super::{Calibration, Combine, Logistic, ModelError};

/// Most trees of a model.
///
/// ```
/// assert_eq!(tollgate::MODEL_TREES_MAX, 10_000);
/// ```
pub const MODEL_TREES_MAX: usize = 10_000;
/// Most nodes of a model, all trees together.
///
/// ```
/// assert_eq!(tollgate::MODEL_NODES_MAX, 8_000_000);
/// ```
pub const MODEL_NODES_MAX: usize = 8_000_000;
/// Most nodes of one tree.
///
/// ```
/// assert_eq!(tollgate::MODEL_TREE_NODES_MAX, 262_144);
/// ```
pub const MODEL_TREE_NODES_MAX: usize = super::flat::TREE_NODES_MAX;
/// Most splits between a root and a leaf.
///
/// ```
/// assert_eq!(tollgate::MODEL_DEPTH_MAX, 256);
/// ```
pub const MODEL_DEPTH_MAX: usize = 256;

/// Furthest from 0 that a sum of leaves can come; far beyond every log-odds, far below what `f32` holds.
const MARGIN_MAX: f64 = 1e30;

fn refuse<T>(reason: String) -> Result<T, ModelError> {
    Err(ModelError::new(reason))
}

pub(super) fn check_trees(trees: &Trees, inputs: usize) -> Result<(), ModelError> {
    check_counts(trees.trees.len(), trees.trees.iter().map(|tree| tree.nodes.len()).sum())?;
    match trees.combine {
        Combine::LogOdds { base } if !base.is_finite() => {
            return refuse(format!("the base is {base}, which is no finite number"));
        }
        Combine::Isolation { samples } if samples < 2 => {
            return refuse(format!("isolation trees of {samples} samples, and 2 are the least"));
        }
        _ => {}
    }
    let base = if let Combine::LogOdds { base } = trees.combine { base.abs() } else { 0.0 };
    let mut most = base;
    for (t, tree) in trees.trees.iter().enumerate() {
        check_tree(t, tree, inputs)?;
        let leaves = || {
            tree.nodes
                .iter()
                .filter_map(|n| if let Node::Leaf { value, .. } = n { Some(*value) } else { None })
        };
        most += leaves().fold(0.0, |most: f64, value| most.max(value.abs()));
        if most > MARGIN_MAX {
            return refuse(format!(
                "tree {t}: the leaves up to here can sum to {most}, and {MARGIN_MAX} is the most"
            ));
        }
        let negative = |node: &Node| matches!(node, Node::Leaf { value, .. } | Node::Split { value, .. } if *value < 0.0);
        if matches!(trees.combine, Combine::Isolation { .. }) && tree.nodes.iter().any(negative) {
            return refuse(format!("tree {t}: a path length below 0"));
        }
    }
    Ok(())
}

fn check_counts(trees: usize, nodes: usize) -> Result<(), ModelError> {
    if trees == 0 || trees > MODEL_TREES_MAX {
        return refuse(format!("{trees} trees, and 1 to {MODEL_TREES_MAX} are possible"));
    }
    if nodes > MODEL_NODES_MAX {
        return refuse(format!("{nodes} nodes, and at most {MODEL_NODES_MAX} are possible"));
    }
    Ok(())
}

fn check_tree(t: usize, tree: &Tree, inputs: usize) -> Result<(), ModelError> {
    let found = tree.nodes.len();
    if found == 0 || found > MODEL_TREE_NODES_MAX {
        return refuse(format!("tree {t}: {found} nodes, and 1 to {MODEL_TREE_NODES_MAX} are possible"));
    }
    // Depth of each node that a parent has named; the root is named by the tree.
    let mut depths = vec![None; tree.nodes.len()];
    depths[0] = Some(0);
    for (n, node) in tree.nodes.iter().enumerate() {
        let place = format_args!("tree {t}, node {n}");
        let Some(depth) = depths[n] else {
            return refuse(format!("{place}: no node before it leads here"));
        };
        let (Node::Leaf { value, cover } | Node::Split { value, cover, .. }) = node;
        // Width F32 rounds to f32, which must stay finite too.
        if !(*value as f32).is_finite() || !cover.is_finite() || *cover < 0.0 {
            return refuse(format!("{place}: value {value} or cover {cover} is out of range"));
        }
        let Node::Split { input, branch, left, right, .. } = node else { continue };
        if usize::from(*input) >= inputs {
            return refuse(format!("{place}: input {input}, and the model has {inputs}"));
        }
        if let Branch::AtMost(x) | Branch::Below(x) = branch
            && !x.is_finite()
        {
            return refuse(format!("{place}: threshold {x} is no finite number"));
        }
        if depth == MODEL_DEPTH_MAX {
            return refuse(format!("{place}: deeper than {MODEL_DEPTH_MAX} splits"));
        }
        for child in [*left as usize, *right as usize] {
            if child <= n || child >= tree.nodes.len() {
                return refuse(format!("{place}: child {child} isn't behind it in the tree"));
            }
            if depths[child].replace(depth + 1).is_some() {
                return refuse(format!("{place}: child {child} has another parent already"));
            }
        }
    }
    Ok(())
}

pub(super) fn check_logistic(model: &Logistic, inputs: usize) -> Result<(), ModelError> {
    let columns = [&model.weights, &model.means, &model.scales];
    if columns.iter().any(|column| column.len() != inputs) {
        return refuse(format!("weights, means and scales must be {inputs} each, one for each input"));
    }
    // Means are compared with `f32` inputs, so a wider one means nothing.
    let finite = columns.iter().all(|column| column.iter().all(|x| (*x as f32).is_finite()));
    if !finite || !model.intercept.is_finite() || model.scales.iter().any(|x| *x <= 0.0) {
        return refuse("a weight, mean or scale is not finite, or a scale not above 0".into());
    }
    Ok(())
}

pub(super) fn check_calibration(calibration: &Calibration) -> Result<(), ModelError> {
    match calibration {
        Calibration::Identity => Ok(()),
        Calibration::Platt { slope, intercept } => {
            if slope.is_finite() && *slope >= 0.0 && intercept.is_finite() {
                return Ok(());
            }
            refuse(format!("calibration: slope {slope} must be 0 or more, intercept {intercept} finite"))
        }
        Calibration::Isotonic { margins, probabilities } => {
            if margins.is_empty() || margins.len() != probabilities.len() {
                return refuse("calibration: one probability for each margin is needed".into());
            }
            let finite = margins.iter().all(|m| m.is_finite());
            // Between the outermost margins a difference must stay finite too.
            let finite = finite && (margins[margins.len() - 1] - margins[0]).is_finite();
            if !finite || !margins.is_sorted_by(|a, b| a < b) {
                return refuse("calibration: margins must be finite and rise".into());
            }
            let shares = probabilities.iter().all(|p| (0.0..=1.0).contains(p));
            if !shares || !probabilities.is_sorted() {
                return refuse("calibration: probabilities must be 0 to 1 and never fall".into());
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_leaves_are_taken_to_their_limit_and_not_past_it() {
        let leaf = |value| Tree { nodes: vec![Node::Leaf { value, cover: 1.0 }] };
        let check = |values: [f64; 2], base: f64| {
            let (width, combine) = (super::super::Width::F64, Combine::LogOdds { base });
            check_trees(&Trees { width, combine, trees: values.map(leaf).to_vec() }, 1)
        };
        assert!(check([MARGIN_MAX / 2.0, -MARGIN_MAX / 2.0], 0.0).is_ok());
        assert!(check([MARGIN_MAX / 4.0; 2], -MARGIN_MAX / 2.0).is_ok());
        let past = MARGIN_MAX / 2.0 * (1.0 + 1e-14);
        for (values, base) in [([MARGIN_MAX / 2.0, -past], 0.0), ([MARGIN_MAX / 4.0; 2], past)] {
            let wrong = check(values, base).unwrap_err().to_string();
            assert!(wrong.contains("tree 1: the leaves up to here can sum to"), "{wrong}");
        }
    }

    #[test]
    fn counts_are_taken_to_their_limits_and_not_one_past() {
        assert!(check_counts(MODEL_TREES_MAX, MODEL_NODES_MAX).is_ok());
        let wrong = check_counts(1, MODEL_NODES_MAX + 1).unwrap_err().to_string();
        assert_eq!(wrong, "8000001 nodes, and at most 8000000 are possible");
        assert!(check_counts(MODEL_TREES_MAX + 1, 1).is_err() && check_counts(0, 0).is_err());
    }
}
