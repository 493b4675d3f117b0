//! The figures as callers get them.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub(super) month: String,
    pub(super) figures: Vec<FigureView<'a>>,
    /// How many more there are.
    pub(super) left_out: usize,
}

#[derive(Serialize)]
pub(super) struct FigureView<'a> {
    pub(super) merchant: &'a str,
    pub(super) scheme: &'a str,
    pub(super) sales: SumView,
    pub(super) disputes: SumView,
    pub(super) fraud_disputes: SumView,
    pub(super) fraud_reports: SumView,
    pub(super) dispute_rate: Option<f64>,
    pub(super) fraud_report_rate: Option<f64>,
    pub(super) ratio: Ratio,
    pub(super) past_threshold: bool,
}

#[derive(Serialize)]
pub(super) struct SumView {
    pub(super) count: u64,
    pub(super) amounts: Vec<String>,
}

/// A ratio as a programme makes it.
#[derive(Serialize)]
pub(super) struct Ratio {
    pub(super) program: &'static str,
    pub(super) events: u64,
    pub(super) sales: u64,
    pub(super) ratio: Option<f64>,
}
