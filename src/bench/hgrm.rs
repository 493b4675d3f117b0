//! The percentile distribution as text, in the form that HdrHistogram's plotters read.

use std::fmt::Write;

use super::measure::Latency;

/// Lines for each halving of the distance to 100 %.
const TICKS: u32 = 5;
/// Values are written in milliseconds.
const SCALE: f64 = 1e6;

/// The distribution, values in milliseconds.
pub(crate) fn text(latency: &Latency) -> String {
    let histogram = latency.histogram();
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let (value, share) = (step.value_iterated_to() as f64 / SCALE, step.quantile_iterated_to());
        // Writing into a String can't go wrong.
        let _ = match share < 1.0 {
            true => writeln!(text, "{value:12.6} {share:2.12} {total:10} {:14.2}", 1.0 / (1.0 - share)),
            false => writeln!(text, "{value:12.6} {share:2.12} {total:10} {:>14}", "inf"),
        };
    }
    let _ = write!(
        text,
        "#[Mean    = {:12.6}, StdDeviation   = {:12.6}]\n#[Max     = {:12.6}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        histogram.mean() / SCALE,
        histogram.stdev() / SCALE,
        histogram.max() as f64 / SCALE,
        histogram.len(),
        histogram.buckets(),
        SUB_BUCKETS
    );
    text
}

/// Buckets of equal width that three decimal digits need.
const SUB_BUCKETS: u32 = 2048;
