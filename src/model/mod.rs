//! What is a model? Numbers of a payment in, one margin out, and why.
//!
//! An [`Artifact`] is what lies in `models/NAME.json`: the inputs as expressions, the [`Form`] that turns
//! them into a margin, the [`Calibration`] that turns a margin into a probability, where it all comes
//! from, and sample rows that prove a load. [`Artifact::compile`] gives the [`Model`] that is asked.

mod artifact;
mod calibration;
mod check;
mod flat;
mod forest;
mod lanes;
mod logistic;
mod paths;
mod scale;
mod served;
mod shap;
pub(crate) mod shipped;
mod tree;
mod walk;
mod zeros;

#[doc(hidden)]
pub mod fuzzing;

use std::fmt;

pub use artifact::{Artifact, Form, Input, MODEL_BYTES_MAX, Sample, TrainingCard};
pub use calibration::Calibration;
pub use check::{MODEL_DEPTH_MAX, MODEL_NODES_MAX, MODEL_TREE_NODES_MAX, MODEL_TREES_MAX};
pub(crate) use forest::expected_depth;
pub use logistic::Logistic;
pub use scale::score_of;
pub(crate) use served::{Role, Served};
pub use tree::{Branch, Combine, Node, Tree, Trees, Width};

/// Most inputs of a model.
///
/// ```
/// use tollgate::{MODEL_INPUTS_MAX, Matrix};
/// assert!(Matrix::new(MODEL_INPUTS_MAX).is_ok() && Matrix::new(MODEL_INPUTS_MAX + 1).is_err());
/// ```
pub const MODEL_INPUTS_MAX: usize = 1024;

/// What turns a row of inputs into a margin. Shared between threads; never waits, fails or allocates.
///
/// A row holds one `f32` for each input; NaN is absent.
///
/// ```
/// use tollgate::{Logistic, Model};
/// let model = Logistic { intercept: -1.0, weights: vec![2.0], means: vec![3.0], scales: vec![1.0] };
/// let mut shares = [0.0];
/// let rest = model.contributions(&[4.0], &mut shares);
/// assert_eq!(rest + shares[0], model.margin(&[4.0]));
/// ```
pub trait Model: Send + Sync + fmt::Debug {
    /// Inputs of a row.
    fn width(&self) -> usize;

    /// The margin of one row: log-odds of fraud, a share of fraud, or an anomaly score, as
    /// [`Artifact::form`] says. 0 for a row of another width.
    fn margin(&self, row: &[f32]) -> f64;

    /// The margins of many rows, one after the other in `rows`; bit-equal to [`Model::margin`].
    fn margins(&self, rows: &[f32], out: &mut [f64]) {
        for (row, out) in rows.chunks_exact(self.width().max(1)).zip(out) {
            *out = self.margin(row);
        }
    }

    /// The margin of one row, and in `trail` where it led, if that helps [`Model::contributions_along`].
    ///
    /// ```
    /// use tollgate::{Logistic, Model};
    /// let model = Logistic { intercept: -1.0, weights: vec![2.0], means: vec![3.0], scales: vec![1.0] };
    /// let (mut trail, mut shares) = (Vec::new(), [0.0]);
    /// let margin = model.margin_and_trail(&[4.0], &mut trail);
    /// let rest = model.contributions_along(&[4.0], &trail, &mut shares);
    /// assert_eq!(rest + shares[0], margin);
    /// ```
    fn margin_and_trail(&self, row: &[f32], trail: &mut Vec<u32>) -> f64 {
        trail.clear();
        self.margin(row)
    }

    /// Adds each input's share of the margin along the paths taken (Saabas) to `out`, and gives what no
    /// input accounts for. Shares and rest sum to the margin.
    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64;

    /// As [`Model::contributions`], for the row of a trail that [`Model::margin_and_trail`] of this model
    /// wrote: nothing is asked twice. An empty trail does too.
    fn contributions_along(&self, row: &[f32], trail: &[u32], out: &mut [f64]) -> f64 {
        let _ = trail;
        self.contributions(row, out)
    }

    /// Each input's exact Shapley value (path-dependent TreeSHAP, Lundberg 2018), added to `out`, and the
    /// expected margin. Values and expectation sum to the margin. For `explain`: allocates.
    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64;
}

/// Why a model was refused.
///
/// ```
/// assert_eq!(tollgate::ModelError::new("no trees").to_string(), "no trees");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelError(String);

impl ModelError {
    /// With the reason, one sentence.
    pub fn new(reason: impl Into<String>) -> ModelError {
        ModelError(reason.into())
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ModelError {}
