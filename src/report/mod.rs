//! How is it shown? Files of decisions, progress, the summary.

pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod summary;
