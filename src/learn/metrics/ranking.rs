//! Do frauds rank above good payments?

use serde::Serialize;

use super::{falling, rankable, spread};

/// Payments by falling score: how many frauds and good payments stand at each score or above.
///
/// ```
/// use tollgate::learn::metrics::Ranking;
/// // The example of scikit-learn's average_precision_score.
/// let ranking = Ranking::new([(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
/// assert_eq!(ranking.auc(), Some(0.75));
/// assert!((ranking.average_precision().unwrap() - 0.8333).abs() < 1e-4);
/// assert_eq!(ranking.confusion(0.4).precision(), Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    steps: Vec<Step>,
}

/// Those whose score is at least `threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// A score that occurs; minus infinity for payments without one.
    pub threshold: f64,
    /// Frauds at this score or above.
    pub frauds: u64,
    /// Good payments at this score or above.
    pub good: u64,
}

/// What a threshold does to frauds and good payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Confusion {
    /// Frauds at the threshold or above: caught.
    pub true_positive: u64,
    /// Good payments at the threshold or above: hurt.
    pub false_positive: u64,
    /// Frauds below: missed.
    pub false_negative: u64,
    /// Good payments below.
    pub true_negative: u64,
}

impl Ranking {
    /// From scores, in any order, and whether each was fraud.
    pub fn new(scored: impl IntoIterator<Item = (f64, bool)>) -> Ranking {
        let mut sorted: Vec<(f64, bool)> = scored.into_iter().collect();
        sorted.sort_unstable_by(|a, b| falling(a.0, b.0));
        Ranking::of_sorted(sorted.into_iter().map(|(score, fraud)| (score, fraud, 1)))
    }

    /// From scores in falling order, with a label and a weight each.
    pub(super) fn of_sorted(sorted: impl Iterator<Item = (f64, bool, u64)>) -> Ranking {
        let mut steps: Vec<Step> = Vec::new();
        let (mut frauds, mut good) = (0, 0);
        for (score, fraud, weight) in sorted.filter(|(_, _, weight)| *weight > 0) {
            *if fraud { &mut frauds } else { &mut good } += weight;
            let threshold = rankable(score);
            match steps.last_mut() {
                Some(step) if step.threshold == threshold => (step.frauds, step.good) = (frauds, good),
                _ => steps.push(Step { threshold, frauds, good }),
            }
        }
        Ranking { steps }
    }

    /// The distinct scores, highest first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// All frauds.
    pub fn frauds(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.frauds)
    }

    /// All good payments.
    pub fn good(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.good)
    }

    /// Area under the ROC curve: the chance that a fraud scores above a good payment, ties counted
    /// half. `None` without both.
    pub fn auc(&self) -> Option<f64> {
        let pairs = u128::from(self.frauds()) * u128::from(self.good());
        let mut twice = 0u128;
        let mut before = (0, 0);
        for step in &self.steps {
            // Good payments of this step lie below the frauds before it, and beside its own.
            let width = u128::from(step.good - before.1);
            twice += width * u128::from(before.0 + step.frauds);
            before = (step.frauds, step.good);
        }
        (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
    }

    /// Average precision: precision at each score, weighted by the recall gained there (no
    /// interpolation; scikit-learn's `average_precision_score`). `None` without frauds.
    pub fn average_precision(&self) -> Option<f64> {
        let frauds = self.frauds();
        let mut sum = 0.0;
        let mut before = 0;
        for step in &self.steps {
            let gained = (step.frauds - before) as f64;
            sum += gained * step.frauds as f64 / (step.frauds + step.good) as f64;
            before = step.frauds;
        }
        (frauds > 0).then(|| sum / frauds as f64)
    }

    /// The lowest score at which no more than the share `rate` of good payments is hurt. `None` when
    /// already the highest score hurts more.
    pub fn at_false_positive_rate(&self, rate: f64) -> Option<Step> {
        let good = self.good() as f64;
        let within = self.steps.partition_point(|step| step.good as f64 <= rate * good);
        within.checked_sub(1).map(|last| self.steps[last])
    }

    /// The share of frauds caught while no more than the share `rate` of good payments is hurt.
    /// `None` without frauds.
    pub fn recall_at(&self, rate: f64) -> Option<f64> {
        let caught = self.at_false_positive_rate(rate).map_or(0, |step| step.frauds);
        (self.frauds() > 0).then(|| caught as f64 / self.frauds() as f64)
    }

    /// What it does to act on scores of `threshold` and above.
    pub fn confusion(&self, threshold: f64) -> Confusion {
        let above = self.steps.partition_point(|step| step.threshold >= rankable(threshold));
        let (frauds, good) =
            above.checked_sub(1).map_or((0, 0), |last| (self.steps[last].frauds, self.steps[last].good));
        Confusion {
            true_positive: frauds,
            false_positive: good,
            false_negative: self.frauds() - frauds,
            true_negative: self.good() - good,
        }
    }

    /// The ROC curve, `[false-positive rate, recall]` from (0, 0) to (1, 1), thinned to about
    /// `points_max`; empty without both frauds and good payments.
    pub fn roc(&self, points_max: usize) -> Vec<[f64; 2]> {
        let (frauds, good) = (self.frauds() as f64, self.good() as f64);
        if frauds == 0.0 || good == 0.0 {
            return Vec::new();
        }
        let rest = self.thinned(points_max).map(|s| [s.good as f64 / good, s.frauds as f64 / frauds]);
        std::iter::once([0.0, 0.0]).chain(rest).collect()
    }

    /// The precision-recall curve, `[recall, precision]` by rising recall, thinned to about
    /// `points_max`; empty without frauds.
    pub fn precision_recall(&self, points_max: usize) -> Vec<[f64; 2]> {
        let frauds = self.frauds() as f64;
        if frauds == 0.0 {
            return Vec::new();
        }
        self.thinned(points_max)
            .map(|s| [s.frauds as f64 / frauds, s.frauds as f64 / (s.frauds + s.good) as f64])
            .collect()
    }

    /// Half of the points evenly by rank and half evenly by frauds caught: where frauds are few, the
    /// steep part of a curve holds few of the payments.
    fn thinned(&self, points_max: usize) -> impl Iterator<Item = Step> + '_ {
        let half = points_max / 2;
        let mut chosen: Vec<usize> = spread(self.steps.len(), half).collect();
        let by_frauds = spread(self.frauds() as usize + 1, half);
        chosen.extend(by_frauds.map(|f| self.steps.partition_point(|s| s.frauds < f as u64)));
        chosen.retain(|i| *i < self.steps.len());
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().map(|i| self.steps[i])
    }
}

impl Confusion {
    /// The share of those acted on that were fraud; `None` when nobody was.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_positive)
    }

    /// The share of frauds that were caught; `None` without frauds.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// The share of good payments that were hurt; `None` without good payments.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positive, self.false_positive + self.true_negative)
    }
}

/// `part / whole`; `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
