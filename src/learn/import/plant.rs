//! How do nodes that a file lists in its own order become a tree?

use crate::model::{Branch, ModelError, Node, Tree};

/// Most nodes of a tree that is imported.
pub const IMPORT_NODES_MAX: usize = 1 << 20;

/// A node as the file has it; children are places in the same list.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Split { input: u16, branch: Branch, missing_left: bool, left: usize, right: usize },
    Leaf { value: f64, cover: f64 },
}

/// The tree that hangs from the first part, parents first. A part that is reached twice, or that is not
/// there, is refused: so a loop can't hang the walk.
pub(super) fn plant(parts: &[Part], place: &str) -> Result<Tree, ModelError> {
    let again = "export the model again";
    if parts.is_empty() || parts.len() > IMPORT_NODES_MAX {
        let found = parts.len();
        return Err(ModelError::new(format!(
            "{place} has {found} nodes, 1 to {IMPORT_NODES_MAX} are read; {again}"
        )));
    }
    let mut seen = vec![false; parts.len()];
    let mut order = vec![0];
    let mut nodes: Vec<Node> = Vec::with_capacity(parts.len());
    while let Some(&at) = order.get(nodes.len()) {
        let part = parts.get(at).ok_or_else(|| {
            ModelError::new(format!("{place} points at node {at}, which isn't there; {again}"))
        })?;
        if std::mem::replace(&mut seen[at], true) {
            return Err(ModelError::new(format!("{place} reaches node {at} twice; {again}")));
        }
        nodes.push(match part {
            Part::Split { input, branch, missing_left, left, right } => {
                let first = order.len() as u32;
                order.extend([*left, *right]);
                let (input, branch) = (*input, branch.clone());
                let (left, right) = (first, first + 1);
                Node::Split {
                    input,
                    branch,
                    missing_left: *missing_left,
                    left,
                    right,
                    cover: 0.0,
                    value: 0.0,
                }
            }
            Part::Leaf { value, cover } if value.is_finite() && cover.is_finite() && *cover >= 0.0 => {
                Node::Leaf { value: *value, cover: *cover }
            }
            Part::Leaf { value, .. } => {
                let why =
                    format!("{place}, node {at}: the leaf {value} or its cover is no usable number; {again}");
                return Err(ModelError::new(why));
            }
        });
    }
    weigh(&mut nodes);
    Ok(Tree { nodes })
}

/// Gives each split the cover and the mean of the leaves below it.
pub(super) fn weigh(nodes: &mut [Node]) {
    let answer = |node: &Node| match node {
        Node::Split { value, cover, .. } | Node::Leaf { value, cover } => (*value, *cover),
    };
    for at in (0..nodes.len()).rev() {
        let Node::Split { left, right, .. } = nodes[at] else { continue };
        let ((a, wa), (b, wb)) = (answer(&nodes[left as usize]), answer(&nodes[right as usize]));
        if let Node::Split { cover, value, .. } = &mut nodes[at] {
            *cover = wa + wb;
            // Leaves that no row reached count alike.
            *value = if *cover > 0.0 { (a * wa + b * wb) / *cover } else { (a + b) / 2.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many nodes: one split and its leaves, and parts that nothing reaches.
    #[test]
    fn a_tree_is_read_to_the_limit_of_nodes_and_not_past_it() {
        let parts = |count: usize| {
            let mut parts = vec![Part::Leaf { value: 0.0, cover: 1.0 }; count];
            parts[0] = Part::Split {
                input: 0,
                branch: Branch::AtMost(1.0),
                missing_left: false,
                left: 1,
                right: count - 1,
            };
            parts
        };
        assert_eq!(plant(&parts(IMPORT_NODES_MAX), "tree 0").unwrap().nodes.len(), 3);
        let wrong = plant(&parts(IMPORT_NODES_MAX + 1), "tree 0").unwrap_err().to_string();
        assert!(wrong.contains("tree 0 has 1048577 nodes, 1 to 1048576 are read"), "{wrong}");
        assert!(plant(&[], "tree 0").is_err());
    }
}
