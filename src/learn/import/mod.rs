//! What did other tools learn? Their files in, a checked [`Artifact`] out.
//!
//! LightGBM's text, XGBoost's JSON and UBJSON, scikit-learn's forests as plain JSON, and ONNX's tree
//! ensembles; two classes each.

mod categories;
#[doc(hidden)]
pub mod fuzzing;
mod lightgbm;
mod map;
mod onnx;
mod operators;
mod plain;
mod plant;
mod protobuf;
mod ubjson;
mod xgboost;

pub use categories::CATEGORIES_MAX;
pub use map::{Inputs, Named};
pub use plant::IMPORT_NODES_MAX;

use crate::model::{Artifact, Branch, Calibration, Form, ModelError, Node, Sample, TrainingCard, Trees};

/// Most bytes of a file that is imported: 256 MiB.
pub const IMPORT_BYTES_MAX: usize = 256 << 20;
/// Most trees of a model that is imported.
pub const IMPORT_TREES_MAX: usize = 10_000;

/// A model as its file has it: names instead of expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Names of the features, in the order of the trees' inputs.
    pub features: Vec<String>,
    /// Whether a zero of the feature is an absent value; empty where none is.
    pub zeros_absent: Vec<bool>,
    /// The trees.
    pub trees: Trees,
    /// What turns their margin into a probability.
    pub calibration: Option<Calibration>,
}

impl Source {
    /// Reads a model; its content says which tool wrote it.
    ///
    /// # Errors
    /// A file that is too long, of no known format, or broken: where, and what to do.
    ///
    /// ```
    /// use tollgate::learn::import::Source;
    /// let wrong = Source::read(b"hello").unwrap_err();
    /// assert!(wrong.to_string().contains("LightGBM"));
    /// ```
    pub fn read(bytes: &[u8]) -> Result<Source, ModelError> {
        if bytes.len() > IMPORT_BYTES_MAX {
            let found = bytes.len();
            return Err(ModelError::new(format!(
                "{found} bytes, at most {IMPORT_BYTES_MAX} are read; train fewer trees"
            )));
        }
        // UBJSON's first byte is JSON's too; its second one is the kind of a name's length.
        if let [b'{', b'L' | b'l' | b'I' | b'i' | b'U' | b'#' | b'$', ..] = bytes {
            return xgboost::read_value(ubjson::read(bytes)?);
        }
        // ONNX begins with the field of its version.
        if let [8, ..] = bytes {
            return onnx::read(bytes);
        }
        let unknown = || {
            ModelError::new(
                "no model of a known format; save it as LightGBM text, XGBoost JSON or UBJSON, ONNX, or plain JSON (docs/models.md)",
            )
        };
        let text = std::str::from_utf8(bytes).map_err(|_| unknown())?;
        match text.trim_start() {
            t if t.starts_with("tree\n") || t.starts_with("tree\r\n") => lightgbm::read(text),
            t if t.starts_with('{') => xgboost::read(text),
            t if t.starts_with('[') => plain::read(text),
            _ => Err(unknown()),
        }
    }

    /// The artifact, with each feature's expression out of `inputs`. Features that no split asks are left
    /// out when they have none.
    ///
    /// # Errors
    /// All features without an expression, in one error; or what [`Artifact::compile`] refuses.
    pub fn artifact(mut self, name: &str, origin: &str, inputs: &Inputs) -> Result<Artifact, ModelError> {
        let inputs = inputs.fit(&mut self)?;
        let mut artifact = Artifact {
            format: 1,
            name: name.to_owned(),
            inputs,
            form: Form::Trees(self.trees),
            calibration: self.calibration,
            card: TrainingCard { source: origin.to_owned(), ..TrainingCard::default() },
            samples: Vec::new(),
        };
        let model = artifact.compile()?;
        artifact.samples = rows(&artifact)
            .into_iter()
            .map(|row| {
                let filled: Vec<f32> = row.iter().map(|x| x.unwrap_or(f32::NAN)).collect();
                Sample { margin: model.margin(&filled), row }
            })
            .collect();
        Ok(artifact)
    }
}

/// Rows that prove a load: all absent, all zero, and one that walks the first tree's thresholds.
fn rows(artifact: &Artifact) -> Vec<Vec<Option<f32>>> {
    let width = artifact.inputs.len();
    let mut on_edges = vec![None; width];
    if let Form::Trees(trees) = &artifact.form {
        for node in trees.trees.iter().flat_map(|t| &t.nodes) {
            let Node::Split { input, branch, .. } = node else { continue };
            let edge = match branch {
                Branch::AtMost(at) | Branch::Below(at) => *at as f32,
                Branch::In(values) | Branch::Among(values) => values.first().map_or(0.0, |v| *v as f32),
            };
            // LightGBM parts absent from present at 1.8e308: no number of a row, nor of JSON.
            if edge.is_finite() {
                on_edges[usize::from(*input)].get_or_insert(edge);
            }
        }
    }
    vec![vec![None; width], vec![Some(0.0); width], on_edges]
}
