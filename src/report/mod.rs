//! How is it shown? Files of decisions, progress, the summary, evaluations.

pub(crate) mod evaluation;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod summary;
