//! What would a tree answer halfway?

use crate::model::{Node, Tree};

/// Gives every split the mean of its leaves by cover, which contributions are measured against.
pub(super) fn fill_means(tree: &mut Tree) {
    // Children stand behind their parent, so going backwards meets them first.
    for at in (0..tree.nodes.len()).rev() {
        let Node::Split { left, right, .. } = &tree.nodes[at] else { continue };
        let [(a, m), (b, n)] = [*left, *right].map(|child| match &tree.nodes[child as usize] {
            Node::Split { value, cover, .. } | Node::Leaf { value, cover } => (*value, *cover),
        });
        if let Node::Split { value, .. } = &mut tree.nodes[at] {
            *value = if m + n > 0.0 { (a * m + b * n) / (m + n) } else { (a + b) / 2.0 };
        }
    }
}

/// The leaf that a row ends in.
pub(super) fn leaf_value(tree: &Tree, row: &[f32]) -> f64 {
    let mut at = 0;
    loop {
        match &tree.nodes[at] {
            Node::Leaf { value, .. } => return *value,
            Node::Split { input, branch, missing_left, left, right, .. } => {
                let x = row[usize::from(*input)];
                let goes_left = match branch {
                    _ if x.is_nan() => *missing_left,
                    crate::model::Branch::AtMost(threshold) => f64::from(x) <= *threshold,
                    // No learner here asks otherwise.
                    _ => *missing_left,
                };
                at = if goes_left { *left } else { *right } as usize;
            }
        }
    }
}
