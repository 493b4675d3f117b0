//! What does an ONNX file with one tree ensemble say?
//!
//! Field numbers are those of `onnx.proto` (IR version 10), attributes those of the operators
//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of `ai.onnx.ml`.

use std::collections::HashMap;

use super::plant::{Part, plant};
use super::protobuf::{Fields, Wire, floats, integers};
use super::{IMPORT_TREES_MAX, Source, operators};
use crate::model::{Branch, Calibration, Combine, ModelError, Trees, Width};

const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const NODE_OPERATOR: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;

/// The attributes of the ensemble, by name.
#[derive(Default)]
struct Attribute<'a> {
    name: &'a str,
    text: &'a [u8],
    floats: Vec<f32>,
    integers: Vec<i64>,
    texts: Vec<&'a [u8]>,
}

pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::new(what))
}

pub(super) fn read(bytes: &[u8]) -> Result<Source, ModelError> {
    let mut ensembles = Vec::new();
    for graph in messages(bytes, MODEL_GRAPH)? {
        // A graph lists its nodes in the order in which they are worked out.
        for node in messages(graph, GRAPH_NODE)? {
            let operator = messages(node, NODE_OPERATOR)?.last().copied().unwrap_or_default();
            if matches!(operator, b"TreeEnsembleClassifier" | b"TreeEnsembleRegressor") {
                ensembles.push((operator, node));
            } else {
                operators::check(graph, operator, node, !ensembles.is_empty())?;
            }
        }
    }
    let [(operator, node)] = ensembles[..] else {
        let found = ensembles.len();
        return wrong(format!("{found} tree ensembles, and one is read; export the forest alone"));
    };
    let mut attributes = HashMap::new();
    for attribute in messages(node, NODE_ATTRIBUTE)? {
        let attribute = Attribute::read(attribute)?;
        attributes.insert(attribute.name, attribute);
    }
    if let Some(name) = attributes.keys().find(|name| name.ends_with("_as_tensor")) {
        return wrong(format!("`{name}` holds wider floats than `f32`, which is not read; export in `f32`"));
    }
    Ensemble { attributes }.source(operator == b"TreeEnsembleRegressor")
}

/// The messages, or texts, of one field.
pub(super) fn messages(message: &[u8], number: u64) -> Result<Vec<&[u8]>, ModelError> {
    let mut found = Vec::new();
    for field in Fields::of(message) {
        if let (n, Wire::Bytes(bytes)) = field?
            && n == number
        {
            found.push(bytes);
        }
    }
    Ok(found)
}

impl<'a> Attribute<'a> {
    fn read(message: &'a [u8]) -> Result<Attribute<'a>, ModelError> {
        let mut attribute = Attribute::default();
        for field in Fields::of(message) {
            let read = match field? {
                (1, Wire::Bytes(name)) => std::str::from_utf8(name).map(|name| attribute.name = name).ok(),
                (4, Wire::Bytes(text)) => {
                    attribute.text = text;
                    Some(())
                }
                (7, wire) => floats(wire, &mut attribute.floats),
                (8, wire) => integers(wire, &mut attribute.integers),
                (9, Wire::Bytes(text)) => {
                    attribute.texts.push(text);
                    Some(())
                }
                _ => Some(()),
            };
            if read.is_none() {
                return wrong(format!("a broken attribute `{}`; export the model again", attribute.name));
            }
        }
        Ok(attribute)
    }
}

struct Ensemble<'a> {
    attributes: HashMap<&'a str, Attribute<'a>>,
}

impl Ensemble<'_> {
    fn integers(&self, name: &str) -> &[i64] {
        self.attributes.get(name).map_or(&[], |a| &a.integers)
    }

    fn floats(&self, name: &str) -> &[f32] {
        self.attributes.get(name).map_or(&[], |a| &a.floats)
    }

    fn text(&self, name: &str) -> &[u8] {
        self.attributes.get(name).map_or(&[], |a| a.text)
    }

    /// Each leaf's answer: by tree and node, of class 1 or of the one target.
    fn weights(&self, of: &str) -> Result<HashMap<(i64, i64), f32>, ModelError> {
        let named = |what: &str| format!("{of}_{what}");
        let (trees, nodes) = (self.integers(&named("treeids")), self.integers(&named("nodeids")));
        let (ids, weights) = (self.integers(&named("ids")), self.floats(&named("weights")));
        if [nodes.len(), ids.len(), weights.len()] != [trees.len(); 3] {
            return wrong(format!("the attributes `{of}_...` differ in length; export the model again"));
        }
        let wanted = ids.iter().copied().max().unwrap_or(0);
        if wanted > 1 || ids.iter().any(|id| *id < 0) {
            return wrong("the model has several classes; train it on two");
        }
        let mut found = HashMap::new();
        for i in (0..trees.len()).filter(|i| ids[*i] == wanted) {
            if found.insert((trees[i], nodes[i]), weights[i]).is_some() {
                return wrong(format!(
                    "tree {}, node {}: two answers; export the model again",
                    trees[i], nodes[i]
                ));
            }
        }
        Ok(found)
    }

    fn source(&self, regressor: bool) -> Result<Source, ModelError> {
        let weights = self.weights(if regressor { "target" } else { "class" })?;
        let (ids, features) = (self.integers("nodes_treeids"), self.integers("nodes_featureids"));
        // The ids of trees rise; each tree is one stretch of the nodes.
        let stretches: Vec<std::ops::Range<usize>> = ids
            .chunk_by(|a, b| a == b)
            .scan(0, |at, stretch| {
                *at += stretch.len();
                Some(*at - stretch.len()..*at)
            })
            .collect();
        let found = stretches.len();
        if found == 0 || found > IMPORT_TREES_MAX {
            return wrong(format!("{found} trees, 1 to {IMPORT_TREES_MAX} are read; train fewer"));
        }
        let mut trees = Vec::with_capacity(found);
        for (t, stretch) in stretches.into_iter().enumerate() {
            trees.push(plant(&self.parts(t, stretch, &weights)?, &format!("tree {t}"))?);
        }
        let base = self.floats("base_values").last().copied().map_or(0.0, f64::from);
        let combine = match self.text("aggregate_function") {
            b"" | b"SUM" => Combine::LogOdds { base },
            b"AVERAGE" if base == 0.0 => Combine::Mean,
            _ => return wrong("`aggregate_function` is neither SUM nor AVERAGE; export the model otherwise"),
        };
        let calibration = match self.text("post_transform") {
            b"" | b"NONE" => Calibration::Identity,
            b"LOGISTIC" => Calibration::Platt { slope: 1.0, intercept: 0.0 },
            _ => return wrong("`post_transform` is neither NONE nor LOGISTIC; export the model otherwise"),
        };
        let widest = features.iter().copied().max().unwrap_or(0).clamp(0, i64::from(u16::MAX));
        Ok(Source {
            features: (0..=widest).map(|f| format!("f{f}")).collect(),
            zeros_absent: Vec::new(),
            trees: Trees { width: Width::F32, combine, trees },
            calibration: Some(calibration),
        })
    }

    fn parts(
        &self,
        t: usize,
        stretch: std::ops::Range<usize>,
        weights: &HashMap<(i64, i64), f32>,
    ) -> Result<Vec<Part>, ModelError> {
        let missing = |name: &str| ModelError::new(format!("`{name}` is too short; export the model again"));
        let column = |name: &str| self.integers(name).get(stretch.clone()).ok_or_else(|| missing(name));
        let (trees, nodes) = (column("nodes_treeids")?, column("nodes_nodeids")?);
        let features = column("nodes_featureids")?;
        let (lefts, rights) = (column("nodes_truenodeids")?, column("nodes_falsenodeids")?);
        let tracks = self.integers("nodes_missing_value_tracks_true").get(stretch.clone());
        let values =
            self.floats("nodes_values").get(stretch.clone()).ok_or_else(|| missing("nodes_values"))?;
        let modes = self.attributes.get("nodes_modes").and_then(|a| a.texts.get(stretch.clone()));
        let modes = modes.ok_or_else(|| missing("nodes_modes"))?;
        // A node's children are named by their ids, the root is the first.
        let places: HashMap<i64, usize> = nodes.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        let part = |i: usize| {
            let place = format!("tree {t}, node {}", nodes[i]);
            if modes[i] == b"LEAF" {
                let value = weights.get(&(trees[i], nodes[i])).copied().map_or(0.0, f64::from);
                return Ok(Part::Leaf { value, cover: 1.0 });
            }
            let threshold = f64::from(values[i]);
            // Whether the children change sides: `x > t` is true where `x <= t` is false.
            let (branch, swapped) = match modes[i] {
                b"BRANCH_LEQ" => (Branch::AtMost(threshold), false),
                b"BRANCH_LT" => (Branch::Below(threshold), false),
                b"BRANCH_GT" => (Branch::AtMost(threshold), true),
                b"BRANCH_GTE" => (Branch::Below(threshold), true),
                other => {
                    let mode = String::from_utf8_lossy(other).into_owned();
                    return wrong(format!(
                        "{place}: the mode `{mode}` is not read; export the model otherwise"
                    ));
                }
            };
            let child = |id: i64| match places.get(&id) {
                Some(at) => Ok(*at),
                None => wrong(format!("{place}: child {id} isn't there; export the model again")),
            };
            let input = u16::try_from(features[i]);
            let (Ok(input), true) = (input, threshold.is_finite()) else {
                return wrong(format!(
                    "{place}: a feature or threshold out of range; export the model again"
                ));
            };
            let (mut left, mut right) = (child(lefts[i])?, child(rights[i])?);
            // An absent value makes no comparison true, unless the node says otherwise.
            let mut missing_left = tracks.is_some_and(|tracks| tracks[i] != 0);
            if swapped {
                (left, right, missing_left) = (right, left, !missing_left);
            }
            Ok(Part::Split { input, branch, missing_left, left, right })
        };
        (0..stretch.len()).map(part).collect()
    }
}
