//! How is a model made, and how good is it? Histories in, models and figures out.
//!
//! A [`Matrix`] of inputs and a label for each row go into a learner: [`Boost`], [`RandomForest`],
//! [`LogisticBaseline`] or, without labels, [`IsolationForest`]. [`calibration`] turns margins of later
//! rows into probabilities. [`History`] gathers the rows from a replay through the engine itself, and
//! [`train()`] makes an artifact of them; [`evaluate`] tells how good one is.

mod boost;
mod calibrate;
mod card;
pub(crate) mod cases;
pub mod evaluate;
mod forest;
mod history;
pub mod import;
mod isolation;
mod judged;
pub(crate) mod known;
mod logistic;
mod matrix;
mod means;
pub mod metrics;
mod train;

pub use boost::{BOOST_DEPTH_MAX, BOOST_TREES_MAX, Boost, Stopping};
pub use calibrate::{
    CalibrationKind, ISOTONIC_FRAUDS_MIN, ISOTONIC_POINTS_MAX, calibration, calibration_error,
};
pub(crate) use card::calibration_name;
pub use forest::{FOREST_TREES_MAX, RandomForest};
pub use history::{History, Labels, Period, Rows, Stake};
pub use isolation::{ISOLATION_SAMPLES_MAX, ISOLATION_TREES_MAX, IsolationForest};
pub(crate) use judged::{Judged, Told};
pub use logistic::LogisticBaseline;
pub use matrix::{Matrix, TRAINING_ROWS_MAX};
pub(crate) use train::train_and_keep;
pub use train::{Learner, Training, train};
