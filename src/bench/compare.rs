//! Did two runs differ? Ratios, and whether they are more than what each run varied by itself.

use serde::Serialize;

use super::measure::{Interval, PERCENTILES};
use super::run::{Phase, Run};

/// Intervals that a run must have for its own spread to be known.
const INTERVALS_MIN: usize = 5;

/// A figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    pub(crate) phase: String,
    pub(crate) figure: String,
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// `after / before`.
    pub(crate) ratio: f64,
    pub(crate) verdict: Verdict,
}

/// What a difference is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// What the one run's intervals had from the 10th to the 90th percentile and what the other's had don't touch.
    Better,
    Worse,
    /// They do.
    WithinSpread,
    /// The spread is not known.
    Unknown,
}

impl Verdict {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Verdict::Better => "better, beyond both runs' spread",
            Verdict::Worse => "worse, beyond both runs' spread",
            Verdict::WithinSpread => "within the runs' own spread",
            Verdict::Unknown => "",
        }
    }
}

/// Compares the phases that both runs have by name, in order.
pub(crate) fn compare(before: &Run, after: &Run) -> Vec<Compared> {
    let mut compared = Vec::new();
    for old in &before.phases {
        if let Some(new) = after.phases.iter().find(|phase| phase.name == old.name) {
            phase(old, new, &mut compared);
        }
    }
    compared
}

fn phase(before: &Phase, after: &Phase, compared: &mut Vec<Compared>) {
    let mut add = |figure: String, pair: [f64; 2], verdict: Verdict| {
        let ratio = if pair[0] > 0.0 { pair[1] / pair[0] } else { f64::NAN };
        let [before_figure, after_figure] = pair;
        let phase = before.name.clone();
        compared.push(Compared { phase, figure, before: before_figure, after: after_figure, ratio, verdict });
    };
    let verdict = |of: fn(&Interval) -> f64, more_is_better: bool| {
        let spread = |phase: &Phase| spread(&phase.intervals, of);
        judge(spread(before), spread(after), more_is_better)
    };
    add("good answers a second".to_owned(), [before.rate, after.rate], verdict(Interval::rate, true));
    for percentile in PERCENTILES {
        let at = |phase: &Phase| phase.latency.at(percentile) as f64 / 1e3;
        let verdict = match percentile {
            50.0 => verdict(|i| i.p50_ns as f64, false),
            99.0 => verdict(|i| i.p99_ns as f64, false),
            99.9 => verdict(|i| i.p999_ns as f64, false),
            _ => Verdict::Unknown,
        };
        add(format!("{} [us]", name(percentile)), [at(before), at(after)], verdict);
    }
}

/// What a percentile is called.
pub(crate) fn name(percentile: f64) -> String {
    if percentile == 100.0 { "max".to_owned() } else { format!("p{percentile}") }
}

/// From the 10th to the 90th percentile of what the intervals had; short intervals are left out.
fn spread(intervals: &[Interval], of: fn(&Interval) -> f64) -> Option<[f64; 2]> {
    let full = intervals.iter().map(|i| i.seconds).fold(0.0, f64::max) * 0.9;
    let whole = intervals.iter().filter(|i| i.good > 0 && i.seconds >= full);
    let mut values: Vec<f64> = whole.map(of).collect();
    if values.len() < INTERVALS_MIN {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: usize| values[(values.len() - 1) * share / 10];
    Some([at(1), at(9)])
}

fn judge(before: Option<[f64; 2]>, after: Option<[f64; 2]>, more_is_better: bool) -> Verdict {
    let (Some(before), Some(after)) = (before, after) else { return Verdict::Unknown };
    match (after[0] > before[1], after[1] < before[0]) {
        (true, _) if more_is_better => Verdict::Better,
        (_, true) if more_is_better => Verdict::Worse,
        (true, _) => Verdict::Worse,
        (_, true) => Verdict::Better,
        _ => Verdict::WithinSpread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_overlap_differs() {
        for (before, after, more_is_better, verdict) in [
            ([1.0, 2.0], [2.5, 3.0], true, Verdict::Better),
            ([1.0, 2.0], [2.5, 3.0], false, Verdict::Worse),
            ([2.5, 3.0], [1.0, 2.0], false, Verdict::Better),
            ([2.5, 3.0], [1.0, 2.0], true, Verdict::Worse),
            ([1.0, 2.0], [2.0, 3.0], true, Verdict::WithinSpread),
        ] {
            assert_eq!(judge(Some(before), Some(after), more_is_better), verdict);
        }
        assert_eq!(judge(None, Some([1.0, 2.0]), true), Verdict::Unknown);
    }

    #[test]
    fn a_spread_leaves_the_extremes_out() {
        let interval = |p50_ns| Interval {
            begin_seconds: 0.0,
            seconds: 1.0,
            good: 1,
            failed: 0,
            p50_ns,
            p99_ns: 0,
            p999_ns: 0,
            max_ns: 0,
        };
        let intervals: Vec<Interval> = (0..=10).map(interval).collect();
        assert_eq!(spread(&intervals, |i| i.p50_ns as f64), Some([1.0, 9.0]));
        assert_eq!(spread(&intervals[..4], |i| i.p50_ns as f64), None);
    }
}
