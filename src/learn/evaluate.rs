//! How good is it on days it has not seen? One evaluation: figures, curves, folds, thresholds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::metrics::{
    Case, Confusion, Interval, MoneyAt, MoneyPoint, Ranking, Reliability, Resample, card_days, money_at,
    money_curve, review_days,
};
use crate::money::Currency;

/// Shares of good payments that may be hurt, at which recall is told.
pub const FALSE_POSITIVE_RATES: [f64; 4] = [0.001, 0.005, 0.01, 0.05];
/// Points of a curve at most: more than a screen has pixels to tell apart.
const CURVE_POINTS: usize = 400;
/// Points of a money curve at most.
const MONEY_POINTS: usize = 120;
/// Columns of the score histogram.
const HISTOGRAM_BINS: usize = 40;
/// Most draws of the bootstrap.
pub const DRAWS_MAX: usize = 10_000;
/// Most folds.
pub const FOLDS_MAX: usize = 366;

/// What is asked of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Questions {
    /// Cards looked at each day, for Card Precision@k.
    pub top_k: usize,
    /// Payments reviewed each day.
    pub budget: usize,
    /// Scores at which to show confusion and money, beside those of [`FALSE_POSITIVE_RATES`].
    pub thresholds: Vec<f64>,
    /// Draws of days for confidence intervals.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Questions {
    fn default() -> Questions {
        Questions { top_k: 100, budget: 100, thresholds: Vec::new(), draws: 500, seed: 0 }
    }
}

/// A figure, and where it lies in 95 of 100 draws of days; absent where it can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: Option<f64>,
    /// Its interval; `None` of fewer than two days.
    pub interval: Option<Interval>,
}

/// The figures of some days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Payments tested.
    pub payments: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Days that have payments.
    pub days: u64,
    /// Area under the ROC curve.
    pub auc: Figure,
    /// Average precision.
    pub average_precision: Figure,
    /// Mean over days of compromised cards among the k most suspicious.
    pub card_precision: Figure,
    /// Frauds found by the daily review.
    pub review_recall: Figure,
    /// Share of the reviewed that were fraud.
    pub review_precision: Figure,
    /// Recall at each of [`FALSE_POSITIVE_RATES`].
    pub recall_at: [Figure; 4],
}

/// What a threshold does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdRow {
    /// Act on scores from here on.
    pub threshold: f64,
    /// The lowest probability acted on, where there are probabilities.
    pub probability: Option<f64>,
    /// Frauds and good payments on either side.
    pub confusion: Confusion,
    /// Money by currency code.
    pub money: BTreeMap<String, MoneyAt>,
}

/// Payments by score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// What the axis shows: `score` (0 to 1000 of the probability) or `raw`.
    pub scale: &'static str,
    /// Edges of the columns, one more than columns.
    pub edges: Vec<f64>,
    /// Good payments of each column.
    pub good: Vec<u64>,
    /// Frauds of each column.
    pub frauds: Vec<u64>,
}

/// All that an evaluation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The figures of all tested days.
    pub figures: Figures,
    /// Thresholds: one for each of [`FALSE_POSITIVE_RATES`], then the ones asked for.
    pub thresholds: Vec<ThresholdRow>,
    /// How true the probabilities are, where there are any.
    pub calibration: Option<Reliability>,
    /// `[false-positive rate, recall]`.
    pub roc: Vec<[f64; 2]>,
    /// `[recall, precision]`.
    pub precision_recall: Vec<[f64; 2]>,
    /// Payments by score.
    pub histogram: Histogram,
    /// What declining ever more saves and hurts, by currency code.
    pub money: BTreeMap<String, Vec<MoneyPoint>>,
}

impl Evaluation {
    /// Measures the cases.
    ///
    /// ```
    /// use tollgate::learn::{evaluate::{Evaluation, Questions}, metrics::Case};
    /// let cases: Vec<Case> = (0..100)
    ///     .map(|i| Case {
    ///         score: f64::from(i), probability: f64::NAN, fraud: i >= 95, day: i % 5, card: None, amount: None,
    ///     })
    ///     .collect();
    /// let found = Evaluation::new(&cases, &Questions::default());
    /// assert_eq!(found.figures.auc.value, Some(1.0));
    /// assert_eq!(found.figures.frauds, 5);
    /// ```
    pub fn new(cases: &[Case], questions: &Questions) -> Evaluation {
        let ranking = Ranking::new(cases.iter().map(|c| (c.score, c.fraud)));
        let at_rates = FALSE_POSITIVE_RATES.iter().filter_map(|rate| ranking.at_false_positive_rate(*rate));
        let thresholds = at_rates.map(|step| step.threshold).chain(questions.thresholds.iter().copied());
        let named = |(currency, curve): (Currency, Vec<MoneyPoint>)| (currency.code().to_owned(), curve);
        Evaluation {
            figures: Figures::new(cases, &ranking, questions),
            thresholds: thresholds.map(|t| ThresholdRow::new(cases, &ranking, t)).collect(),
            calibration: Reliability::new(cases),
            roc: ranking.roc(CURVE_POINTS),
            precision_recall: ranking.precision_recall(CURVE_POINTS),
            histogram: Histogram::new(cases),
            money: money_curve(cases, MONEY_POINTS).into_iter().map(named).collect(),
        }
    }
}

impl Figures {
    /// The figures of the cases, whose ranking is given.
    pub fn new(cases: &[Case], ranking: &Ranking, questions: &Questions) -> Figures {
        let resample = Resample::new(cases, questions.draws.min(DRAWS_MAX), questions.seed);
        let ranked = |ranking: &Ranking| {
            let [a, b, c, d] = FALSE_POSITIVE_RATES.map(|rate| ranking.recall_at(rate));
            [ranking.auc(), ranking.average_precision(), a, b, c, d]
        };
        let (values, intervals) = (ranked(ranking), resample.rankings(cases, ranked));
        let figure = |i: usize| Figure { value: values[i], interval: intervals[i] };

        let k = questions.top_k.max(1) as f64;
        let cards: Vec<_> = card_days(cases, questions.top_k)
            .iter()
            .filter(|day| day.cards > 0)
            .map(|day| (day.day, day.caught as f64 / k, 1.0))
            .collect();
        let reviews = review_days(cases, questions.budget);
        let found: Vec<_> = reviews.iter().map(|d| (d.day, d.caught as f64, d.frauds as f64)).collect();
        let precise: Vec<_> = reviews.iter().map(|d| (d.day, d.caught as f64, d.reviewed as f64)).collect();
        let ratio = |by_day: &[(i32, f64, f64)]| {
            let (parts, wholes) = by_day.iter().fold((0.0, 0.0), |(p, w), day| (p + day.1, w + day.2));
            Figure { value: (wholes > 0.0).then(|| parts / wholes), interval: resample.ratio(by_day) }
        };
        Figures {
            payments: cases.len() as u64,
            frauds: ranking.frauds(),
            days: reviews.len() as u64,
            auc: figure(0),
            average_precision: figure(1),
            card_precision: ratio(&cards),
            review_recall: ratio(&found),
            review_precision: ratio(&precise),
            recall_at: std::array::from_fn(|i| figure(i + 2)),
        }
    }
}

impl Figures {
    /// The three that models are compared by: ROC-AUC, average precision, Card Precision@k.
    pub fn headline(&self) -> [Option<f64>; 3] {
        [self.auc, self.average_precision, self.card_precision].map(|figure| figure.value)
    }
}

impl ThresholdRow {
    fn new(cases: &[Case], ranking: &Ranking, threshold: f64) -> ThresholdRow {
        let acted = cases.iter().filter(|c| c.score >= threshold).map(|c| c.probability);
        let money = money_at(cases, threshold);
        ThresholdRow {
            threshold,
            probability: acted.filter(|p| !p.is_nan()).min_by(f64::total_cmp),
            confusion: ranking.confusion(threshold),
            money: money.into_iter().map(|(currency, at)| (currency.code().to_owned(), at)).collect(),
        }
    }
}

impl Histogram {
    fn new(cases: &[Case]) -> Histogram {
        let probable = cases.iter().any(|c| !c.probability.is_nan());
        let value = |case: &Case| match probable {
            true => f64::from(crate::model::score_of(case.probability)),
            false => case.score,
        };
        let finite = cases.iter().map(value).filter(|v| v.is_finite());
        let (low, high) = match probable {
            true => (0.0, f64::from(crate::stage::SCORE_MAX)),
            false => finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v))),
        };
        let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let width = (high - low) / HISTOGRAM_BINS as f64;
        let (mut good, mut frauds) = (vec![0; HISTOGRAM_BINS], vec![0; HISTOGRAM_BINS]);
        for case in cases {
            let value = value(case);
            if value.is_finite() {
                let bin = (((value - low) / width) as usize).min(HISTOGRAM_BINS - 1);
                if case.fraud { frauds[bin] += 1 } else { good[bin] += 1 }
            }
        }
        let edges = (0..=HISTOGRAM_BINS).map(|i| low + width * i as f64).collect();
        Histogram { scale: if probable { "score" } else { "raw" }, edges, good, frauds }
    }
}
