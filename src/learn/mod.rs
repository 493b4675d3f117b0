//! How is a model made, and how good is it? Histories in, models and figures out.

pub mod metrics;
