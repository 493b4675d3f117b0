//! What does scikit-learn's forest say, written as plain JSON?
//!
//! A list of trees, each with a number for every node in `left`, `right` (-1 at leaves), `feature`,
//! `threshold` and `value`: the share of class 1, or the training rows of an isolation tree's node.
//! `cover`, the training rows of a node, may stand beside them.

use serde::Deserialize;

use super::plant::{Part, plant, weigh};
use super::{IMPORT_TREES_MAX, Source};
use crate::model::{Branch, Calibration, Combine, ModelError, Node, Tree, Trees, Width, expected_depth};

#[derive(Deserialize)]
struct Plain {
    left: Vec<i64>,
    right: Vec<i64>,
    feature: Vec<i64>,
    threshold: Vec<f64>,
    value: Vec<f64>,
    #[serde(default)]
    cover: Vec<f64>,
}

pub(super) fn read(text: &str) -> Result<Source, ModelError> {
    let plain: Vec<Plain> =
        serde_json::from_str(text).map_err(|e| ModelError::new(format!("no plain forest: {e}")))?;
    let found = plain.len();
    if found == 0 || found > IMPORT_TREES_MAX {
        return Err(ModelError::new(format!("{found} trees, 1 to {IMPORT_TREES_MAX} are read; train fewer")));
    }
    // No share is above 1, so a root that is has a number of rows.
    let samples = plain[0].value.first().copied().unwrap_or(0.0);
    let isolation = samples > 1.0;
    let mut features = 0;
    let mut trees = Vec::with_capacity(found);
    for (t, tree) in plain.iter().enumerate() {
        let parts = tree.parts(t, isolation)?;
        let inputs = parts.iter().filter_map(|part| match part {
            Part::Split { input, .. } => Some(usize::from(*input) + 1),
            Part::Leaf { .. } => None,
        });
        features = inputs.fold(features, usize::max);
        let mut tree = plant(&parts, &format!("tree {t}"))?;
        if isolation {
            lengths(&mut tree);
        }
        trees.push(tree);
    }
    let combine = if isolation { Combine::Isolation { samples: samples as u32 } } else { Combine::Mean };
    Ok(Source {
        features: (0..features).map(|i| format!("f{i}")).collect(),
        zeros_absent: Vec::new(),
        trees: Trees { width: Width::F64, combine, trees },
        calibration: (!isolation).then_some(Calibration::Identity),
    })
}

impl Plain {
    fn parts(&self, t: usize, isolation: bool) -> Result<Vec<Part>, ModelError> {
        let wrong = |what: &str| ModelError::new(format!("tree {t}: {what}; write the file again"));
        let n = self.left.len();
        if [self.right.len(), self.feature.len(), self.threshold.len(), self.value.len()] != [n; 4] {
            return Err(wrong("left, right, feature, threshold and value differ in length"));
        }
        if !self.cover.is_empty() && self.cover.len() != n {
            return Err(wrong("cover has another length than left"));
        }
        let place = |x: i64| usize::try_from(x).map_err(|_| wrong("a child below 0"));
        let part = |i: usize| {
            if self.left[i] == -1 {
                // Without rows to count, every leaf counts alike.
                let rows = if isolation { self.value[i] } else { 1.0 };
                let cover = self.cover.get(i).copied().unwrap_or(rows);
                return Ok(Part::Leaf { value: self.value[i], cover });
            }
            if !self.threshold[i].is_finite() {
                return Err(wrong("a threshold that is no number"));
            }
            Ok(Part::Split {
                input: u16::try_from(self.feature[i]).map_err(|_| wrong("a feature out of range"))?,
                branch: Branch::AtMost(self.threshold[i]),
                // A forest that saw no absent values in training sends them right.
                missing_left: false,
                left: place(self.left[i])?,
                right: place(self.right[i])?,
            })
        };
        (0..n).map(part).collect()
    }
}

/// Turns the rows of an isolation tree's leaves into path lengths.
fn lengths(tree: &mut Tree) {
    let mut depths = vec![0.0; tree.nodes.len()];
    for at in 0..tree.nodes.len() {
        match &mut tree.nodes[at] {
            Node::Split { left, right, .. } => {
                let below = depths[at] + 1.0;
                (depths[*left as usize], depths[*right as usize]) = (below, below);
            }
            // Nodes of the path, rows left, less one: rounded where scikit-learn rounds.
            Node::Leaf { value, .. } => *value = depths[at] + 1.0 + expected_depth(*value) - 1.0,
        }
    }
    weigh(&mut tree.nodes);
}
