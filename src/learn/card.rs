//! Where does a model come from? What a training writes down of itself.

use std::collections::BTreeMap;

use crate::model::{Calibration, TrainingCard};

use super::history::Rows;
use super::train::{Learner, Training};

/// The card of a training, without figures yet.
pub(super) fn card(rows: &Rows, training: &Training) -> TrainingCard {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    match &training.learner {
        Learner::Boost(b) => {
            set("trees", b.trees.to_string());
            set("depth", b.depth.to_string());
            set("rate", b.rate.to_string());
            set("l2", b.l2.to_string());
            set("child_weight_min", b.child_weight_min.to_string());
            set("rows", b.rows.to_string());
            set("inputs", b.inputs.to_string());
            set("fraud_weight", b.fraud_weight.to_string());
            set("patience", training.patience.map_or("none".into(), |p| p.to_string()));
        }
        Learner::Forest(f) => {
            set("trees", f.trees.to_string());
            set("depth", f.depth.to_string());
            set("leaf_rows_min", f.leaf_rows_min.to_string());
            set("fraud_weight", f.fraud_weight.to_string());
            set("smartcore", "0.7".into());
        }
        Learner::Logistic(l) => {
            set("l2", l.l2.to_string());
            set("smartcore", "0.7".into());
        }
        Learner::Isolation(f) => {
            set("trees", f.trees.to_string());
            set("samples", f.samples.to_string());
        }
    }
    if !matches!(training.learner, Learner::Isolation(_)) {
        set("later", training.later.to_string());
        set("refit", training.refit.to_string());
    }
    TrainingCard {
        source: format!("tollgate {} {}", env!("CARGO_PKG_VERSION"), training.learner.name()),
        data_digest: rows.matrix.digest(&rows.labels),
        period: rows.at.first().zip(rows.at.last()).map(|(a, b)| [a.to_string(), b.to_string()]),
        rows: rows.labels.len() as u64,
        frauds: rows.frauds() as u64,
        seed: training.seed,
        settings,
        metrics: BTreeMap::new(),
    }
}

/// The form of a calibration, in a word.
pub(crate) fn calibration_name(calibration: Option<&Calibration>) -> &'static str {
    match calibration {
        None => "none: an anomaly score",
        Some(Calibration::Identity) => "identity",
        Some(Calibration::Platt { .. }) => "platt",
        Some(Calibration::Isotonic { .. }) => "isotonic",
    }
}
