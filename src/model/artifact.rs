//! What lies in `models/NAME.json`?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::check::{check_calibration, check_logistic};
use super::forest::Forest;
use super::logistic::Logistic;
use super::tree::Trees;
use super::zeros::ZerosAbsent;
use super::{MODEL_INPUTS_MAX, Model, ModelError};
use crate::codec::whole;

/// The layout that is written and read.
const FORMAT: u32 = 1;
/// Most bytes of an artifact: a model of the most nodes, written out, takes less.
///
/// ```
/// assert_eq!(tollgate::MODEL_BYTES_MAX, 1 << 30);
/// ```
pub const MODEL_BYTES_MAX: u64 = 1 << 30;

/// A model at rest.
///
/// ```
/// use tollgate::{Artifact, Form, Input, Logistic, Sample, TrainingCard};
/// let (name, expression) = ("n".into(), "count(card, 1h)".into());
/// let input = Input { name, expression, reason: String::new(), zero_is_absent: false };
/// let artifact = Artifact {
///     format: 1,
///     name: "m".into(),
///     inputs: vec![input],
///     form: Form::Logistic(Logistic { intercept: 0.0, weights: vec![1.0], means: vec![0.0], scales: vec![1.0] }),
///     calibration: None,
///     card: TrainingCard::default(),
///     samples: vec![Sample { row: vec![Some(2.0)], margin: 2.0 }],
/// };
/// assert_eq!(artifact.compile()?.margin(&[2.0]), 2.0);
/// # Ok::<(), tollgate::ModelError>(())
/// ```
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
///
/// ```
/// use tollgate::Input;
/// let (name, expression) = ("n".into(), "count(card, 1h)".into());
/// let input = Input { name, expression, reason: "FAST".into(), zero_is_absent: false };
/// assert_eq!(input.name, "n");
/// ```
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
    /// Whether the model takes a zero (to 1e-35 on either side) for an absent value, as LightGBM's
    /// `zero_as_missing`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_is_absent: bool,
}

/// The kinds of models.
///
/// ```
/// use tollgate::{Combine, Form, Trees, Width};
/// let form = Form::Trees(Trees { width: Width::F64, combine: Combine::Mean, trees: Vec::new() });
/// assert!(matches!(form, Form::Trees(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Forests, boosting, isolation forests.
    Trees(Trees),
    /// A weighted sum.
    Logistic(Logistic),
}

/// A row and its margin.
///
/// ```
/// use tollgate::Sample;
/// let sample = Sample { row: vec![Some(1.5), None], margin: -0.5 };
/// assert!(sample.row[1].is_none()); // absent
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// One number for each input; `None` is absent.
    pub row: Vec<Option<f32>>,
    /// The margin it must give.
    pub margin: f64,
}

/// Where a model comes from.
///
/// ```
/// use tollgate::TrainingCard;
/// let card = TrainingCard { source: "a colleague".into(), ..TrainingCard::default() };
/// assert_eq!(card.rows, 0); // not said
/// ```
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
    /// An artifact from its bytes, JSON. No size in them is believed; [`Artifact::compile`] checks the rest.
    ///
    /// # Errors
    /// More than [`MODEL_BYTES_MAX`] bytes, or another layout: the reason, with line and column.
    ///
    /// ```
    /// use tollgate::Artifact;
    /// assert!(Artifact::read(b"{}").unwrap_err().to_string().contains("missing field"));
    /// ```
    pub fn read(bytes: &[u8]) -> Result<Artifact, ModelError> {
        if bytes.len() as u64 > MODEL_BYTES_MAX {
            return Err(ModelError::new(format!("a model has at most {MODEL_BYTES_MAX} bytes")));
        }
        serde_json::from_slice(bytes).map_err(|e| ModelError::new(format!("no model: {e}")))
    }

    /// Opens an artifact that lies in a file; its bytes are counted as they come.
    ///
    /// # Errors
    /// Those of [`Artifact::read`] and of the file system, with the path.
    ///
    /// ```
    /// use tollgate::Artifact;
    /// let error = Artifact::open("models/none.json".as_ref()).unwrap_err();
    /// assert!(error.to_string().starts_with("models/none.json: "));
    /// ```
    pub fn open(path: &Path) -> Result<Artifact, ModelError> {
        let wrong = |what: String| ModelError::new(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
        let mut bytes = Vec::new();
        file.take(MODEL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
        Artifact::read(&bytes).map_err(|e| wrong(e.to_string()))
    }

    /// Writes it beside its place and renames it, so that an interrupt leaves the old file or the new one.
    ///
    /// # Errors
    /// Those of the file system, with the path.
    ///
    /// ```
    /// use tollgate::Artifact;
    /// let text = br#"{"format": 1, "name": "flat", "calibration": null, "inputs": [{"name": "a", "expression": "1"}],
    ///     "form": {"trees": {"width": "f64", "combine": "mean",
    ///         "trees": [{"nodes": [{"Leaf": {"value": 0.5, "cover": 1.0}}]}]}}}"#;
    /// let artifact = Artifact::read(text).unwrap();
    /// let path = std::env::temp_dir().join(format!("tollgate-doc-{}.json", std::process::id()));
    /// artifact.save(&path).unwrap();
    /// assert_eq!(Artifact::open(&path).unwrap(), artifact);
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let wrong = |what: String| ModelError::new(format!("{}: {what}", path.display()));
        let json = serde_json::to_vec(self).map_err(|e| wrong(e.to_string()))?;
        whole::write(path, &json).map_err(|e| wrong(e.to_string()))
    }

    /// The model itself, checked: shape, numbers, sample rows.
    ///
    /// # Errors
    /// What is wrong with it, first thing found.
    ///
    /// ```
    /// use tollgate::Artifact;
    /// let text = br#"{"format": 1, "name": "flat", "calibration": null, "inputs": [{"name": "a", "expression": "1"}],
    ///     "form": {"trees": {"width": "f64", "combine": "mean",
    ///         "trees": [{"nodes": [{"Leaf": {"value": 0.5, "cover": 1.0}}]}]}},
    ///     "samples": [{"row": [null], "margin": 0.5}]}"#;
    /// let mut artifact = Artifact::read(text).unwrap();
    /// assert_eq!(artifact.compile().unwrap().margin(&[7.0]), 0.5);
    /// artifact.samples[0].margin = 0.25;
    /// assert_eq!(artifact.compile().unwrap_err().to_string(), "sample row 0 gives 0.5, and 0.25 is expected");
    /// ```
    pub fn compile(&self) -> Result<Box<dyn Model>, ModelError> {
        let inputs = self.inputs.len();
        if self.format != FORMAT {
            return Err(ModelError::new(format!("format {}, and {FORMAT} is known here", self.format)));
        }
        if inputs == 0 || inputs > MODEL_INPUTS_MAX {
            return Err(ModelError::new(format!(
                "{inputs} inputs, and 1 to {MODEL_INPUTS_MAX} are possible"
            )));
        }
        self.calibration.as_ref().map_or(Ok(()), check_calibration)?;
        let model: Box<dyn Model> = match &self.form {
            Form::Trees(trees) => Box::new(Forest::new(trees, inputs)?),
            Form::Logistic(logistic) => {
                check_logistic(logistic, inputs)?;
                Box::new(logistic.clone())
            }
        };
        let zeros: Vec<usize> = (0..inputs).filter(|i| self.inputs[*i].zero_is_absent).collect();
        let model = if zeros.is_empty() { model } else { Box::new(ZerosAbsent::new(model, zeros)) };
        for (i, sample) in self.samples.iter().enumerate() {
            if sample.row.len() != inputs {
                return Err(ModelError::new(format!(
                    "sample row {i} has {} numbers, and the model {inputs} inputs",
                    sample.row.len()
                )));
            }
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
