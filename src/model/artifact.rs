//! What lies in `models/NAME.json`?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::forest::Forest;
use super::logistic::Logistic;
use super::tree::Trees;
use super::{Model, ModelError};

/// A model at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Version of this layout: 1.
    pub format: u32,
    /// The name that decisions and figures carry.
    pub name: String,
    /// What is fed to the form, in order.
    pub inputs: Vec<Input>,
    /// What turns inputs into a margin.
    pub form: Form,
    /// What turns a margin into a probability. `None` for an anomaly score, which is no probability.
    pub calibration: Option<Calibration>,
    /// Where it comes from.
    #[serde(default)]
    pub card: TrainingCard,
    /// Rows and the margins they must give; checked at every load.
    #[serde(default)]
    pub samples: Vec<Sample>,
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the source or the inputs file.
    pub name: String,
    /// The expression that gives it.
    pub expression: String,
    /// The machine code of a reason that rests on it; the name in capitals when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The kinds of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Forests, boosting, isolation forests.
    Trees(Trees),
    /// A weighted sum.
    Logistic(Logistic),
}

/// A row and its margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// One number for each input; `None` is absent.
    pub row: Vec<Option<f32>>,
    /// The margin it must give.
    pub margin: f64,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingCard {
    /// What made it: learner and version, or the file it was imported from.
    pub source: String,
    /// SHA-256 of the training rows and labels.
    pub data_digest: String,
    /// First and last payment trained on, RFC 3339.
    pub period: Option<[String; 2]>,
    /// Rows trained on.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Seed of all that was drawn.
    pub seed: u64,
    /// Settings of the learner.
    pub settings: BTreeMap<String, String>,
    /// Figures on later data.
    pub metrics: BTreeMap<String, f64>,
}

impl Artifact {
    /// The model itself, checked: shape, numbers, sample rows.
    ///
    /// # Errors
    /// What is wrong with it, first thing found.
    pub fn compile(&self) -> Result<Box<dyn Model>, ModelError> {
        let model: Box<dyn Model> = match &self.form {
            Form::Trees(trees) => Box::new(Forest::new(trees, self.inputs.len())?),
            Form::Logistic(logistic) => Box::new(logistic.clone()),
        };
        for (i, sample) in self.samples.iter().enumerate() {
            let row: Vec<f32> = sample.row.iter().map(|x| x.unwrap_or(f32::NAN)).collect();
            let margin = model.margin(&row);
            if margin.to_bits() != sample.margin.to_bits() {
                return Err(ModelError::new(format!(
                    "sample row {i} gives {margin}, and {} is expected",
                    sample.margin
                )));
            }
        }
        Ok(model)
    }
}
