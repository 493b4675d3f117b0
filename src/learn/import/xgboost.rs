//! What does an XGBoost file say, in JSON or UBJSON?

use serde::Deserialize;

use super::categories::{Frame, Sets};
use super::plant::{Part, plant};
use super::{IMPORT_TREES_MAX, Source};
use crate::model::{Branch, Calibration, Combine, ModelError, Trees, Width};

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    feature_names: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: Parameters,
    objective: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Parameters {
    base_score: String,
    num_feature: String,
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    model: Option<Grown>,
}

#[derive(Deserialize)]
struct Grown {
    trees: Vec<Columns>,
    #[serde(default)]
    cats: Frame,
}

#[derive(Deserialize)]
struct Columns {
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_conditions: Vec<f32>,
    split_indices: Vec<u16>,
    default_left: Vec<u8>,
    sum_hessian: Vec<f64>,
    #[serde(default)]
    split_type: Vec<u8>,
    #[serde(default)]
    categories: Vec<i64>,
    #[serde(default)]
    categories_nodes: Vec<u32>,
    #[serde(default)]
    categories_segments: Vec<u64>,
    #[serde(default)]
    categories_sizes: Vec<u64>,
}

pub(super) fn read(text: &str) -> Result<Source, ModelError> {
    // serde_json refuses a depth past 128 and names line and column.
    let file: File = serde_json::from_str(text)
        .map_err(|e| ModelError::new(format!("no XGBoost model: {e}; save it again")))?;
    file.source()
}

/// The same of a value that was read from another spelling of JSON.
pub(super) fn read_value(value: serde_json::Value) -> Result<Source, ModelError> {
    let file: File = serde_json::from_value(value)
        .map_err(|e| ModelError::new(format!("no XGBoost model: {e}; save it again")))?;
    file.source()
}

impl File {
    fn source(self) -> Result<Source, ModelError> {
        let learner = self.learner;
        let (objective, booster) = (&learner.objective.name, &learner.gradient_booster.name);
        if objective != "binary:logistic" {
            return Err(ModelError::new(format!(
                "the objective `{objective}` is not read; train with `binary:logistic`"
            )));
        }
        let Some(grown) = learner.gradient_booster.model.filter(|_| booster == "gbtree") else {
            return Err(ModelError::new(format!("the booster `{booster}` is not read; train with `gbtree`")));
        };
        let found = grown.trees.len();
        if found == 0 || found > IMPORT_TREES_MAX {
            return Err(ModelError::new(format!(
                "{found} trees, 1 to {IMPORT_TREES_MAX} are read; train fewer"
            )));
        }
        let features = features(learner.feature_names, &learner.learner_model_param.num_feature)?;
        let base = base(&learner.learner_model_param.base_score)?;
        let trees = grown
            .trees
            .iter()
            .enumerate()
            .map(|(t, tree)| plant(&parts(tree, t, &features, &grown.cats)?, &format!("tree {t}")))
            .collect::<Result<_, _>>()?;
        Ok(Source {
            features,
            zeros_absent: Vec::new(),
            trees: Trees { width: Width::F32, combine: Combine::LogOdds { base }, trees },
            calibration: Some(Calibration::Platt { slope: 1.0, intercept: 0.0 }),
        })
    }
}

/// The names, or `f0`, `f1`, ... as XGBoost calls them itself.
fn features(names: Vec<String>, count: &str) -> Result<Vec<String>, ModelError> {
    let count = count.parse::<usize>().ok().filter(|c| *c <= usize::from(u16::MAX)).ok_or_else(|| {
        ModelError::new(format!("`num_feature` is `{count}`, not 0 to 65535; save the model again"))
    })?;
    Ok(if names.len() == count { names } else { (0..count).map(|f| format!("f{f}")).collect() })
}

/// The log-odds of the base score; XGBoost 3 writes the probability as a list of one.
fn base(text: &str) -> Result<f64, ModelError> {
    let score = text.trim_start_matches('[').trim_end_matches(']').parse::<f32>().ok();
    let score = score.filter(|p| 0.0 < *p && *p < 1.0);
    let score = score.ok_or_else(|| {
        ModelError::new(format!("`base_score` is `{text}`, no probability; save the model again"))
    })?;
    // In f32, as XGBoost's own `ProbToMargin`.
    Ok(f64::from(-(1.0 / score - 1.0).ln()))
}

fn parts(tree: &Columns, t: usize, features: &[String], frame: &Frame) -> Result<Vec<Part>, ModelError> {
    let count = tree.left_children.len();
    // Files of XGBoost before 1.3 know no categories.
    let kinds = if tree.split_type.is_empty() { count } else { tree.split_type.len() };
    let lengths = [
        tree.right_children.len(),
        tree.split_conditions.len(),
        tree.split_indices.len(),
        tree.default_left.len(),
        tree.sum_hessian.len(),
        kinds,
    ];
    if lengths.iter().any(|length| *length != count) {
        return Err(ModelError::new(format!("tree {t}: its columns differ in length; save the model again")));
    }
    let sets = Sets {
        categories: &tree.categories,
        nodes: &tree.categories_nodes,
        segments: &tree.categories_segments,
        sizes: &tree.categories_sizes,
    };
    let sets = sets.by_node(t)?;
    let part = |n: usize| {
        let wrong =
            |what: &str| Err(ModelError::new(format!("tree {t}, node {n}: {what}; save the model again")));
        let condition = f64::from(tree.split_conditions[n]);
        if tree.left_children[n] < 0 {
            return Ok(Part::Leaf { value: condition, cover: tree.sum_hessian[n] });
        }
        let input = tree.split_indices[n];
        let (left, right) = (tree.left_children[n], tree.right_children[n]);
        let Some(name) = features.get(usize::from(input)).filter(|_| right >= 0 && condition.is_finite())
        else {
            return wrong("a feature, child or threshold that isn't there");
        };
        let missing_left = tree.default_left[n] != 0;
        let (left, right) = (left as usize, right as usize);
        match (tree.split_type.get(n).copied().unwrap_or(0), sets.get(&n)) {
            (0, None) => {
                Ok(Part::Split { input, branch: Branch::Below(condition), missing_left, left, right })
            }
            // A set's members go right, so the children change sides.
            (1, Some(set)) => {
                let branch = Branch::Among(frame.values(usize::from(input), name, set)?);
                Ok(Part::Split { input, branch, missing_left: !missing_left, left: right, right: left })
            }
            (1, None) => wrong("it splits by category, and its categories are missing"),
            (0, Some(_)) => wrong("it splits by a threshold, and has categories"),
            _ => wrong("neither a split by threshold nor by category"),
        }
    };
    (0..count).map(part).collect()
}
