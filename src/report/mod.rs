//! How is it shown? Files of decisions, progress, the summary, evaluations, loads, a page of one.

#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod evaluation;
pub(crate) mod html;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod training;
