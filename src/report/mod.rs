//! How is it shown? Files of decisions, progress, the summary, evaluations, a page of one.

pub(crate) mod evaluation;
pub(crate) mod html;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod training;
