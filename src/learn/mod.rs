//! How is a model made, and how good is it? Histories in, models and figures out.

pub(crate) mod cases;
pub mod evaluate;
pub(crate) mod known;
pub mod metrics;
