//! How good is a score? Figures of scored payments whose label is known.
//!
//! A [`Case`] is one such payment. Every figure is a function of a slice of them:
//!
//! | figure | from |
//! |---|---|
//! | ROC-AUC, average precision, curves, recall at a false-positive rate, confusion | [`Ranking`] |
//! | Card Precision@k, as the Fraud Detection Handbook defines it | [`card_days`] |
//! | recall when so many payments a day are reviewed | [`review_days`] |
//! | calibration table, expected calibration error, Brier score | [`Reliability`] |
//! | money saved, good payments hurt | [`money_at`], [`money_curve`] |
//! | confidence intervals by drawing days | [`Resample`] |
//!
//! A day is a day of UTC. Where scores tie, what came first in the slice comes first.

mod bootstrap;
mod cards;
mod money;
mod ranking;
mod reliability;
mod review;

use std::cmp::Ordering;
use std::ops::Range;

pub use bootstrap::{Interval, Resample};
pub use cards::{CardDay, card_days};
pub use money::{MoneyAt, MoneyPoint, money_at, money_curve};
pub use ranking::{Confusion, Ranking, Step};
pub use reliability::{Band, CALIBRATION_BINS, Reliability};
pub use review::{ReviewDay, review_days};

use crate::money::Money;
use crate::time::Timestamp;

/// One scored payment whose label is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Higher is more suspicious; NaN is no score, and ranks below all others.
    pub score: f64,
    /// The probability of fraud that was claimed, 0 to 1; NaN when none was.
    pub probability: f64,
    /// The label.
    pub fraud: bool,
    /// Days since the Unix epoch, UTC.
    pub day: i32,
    /// What stands for the card (or what else is counted by); `None` when the payment has none.
    pub card: Option<u128>,
    /// What was to be paid.
    pub amount: Option<Money>,
}

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// The day of UTC that an instant lies in, since the Unix epoch.
///
/// ```
/// use tollgate::{Timestamp, learn::metrics::day_of};
/// let day = |text: &str| day_of(Timestamp::parse(text).unwrap());
/// assert_eq!((day("1970-01-01T23:59:59Z"), day("1969-12-31T23:59:59Z"), day("1970-01-03")), (0, -1, 2));
/// ```
pub fn day_of(at: Timestamp) -> i32 {
    // Accepted instants lie within the years 1 to 9999.
    at.micros().div_euclid(DAY_MICROS) as i32
}

/// Highest score first, NaN last; a total order.
fn falling(a: f64, b: f64) -> Ordering {
    rankable(b).total_cmp(&rankable(a))
}

/// The score to rank by: what is no number is below all numbers, and there is one zero.
fn rankable(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score + 0.0 }
}

/// The cases of each day, in order of days; each day keeps the order of the slice.
fn by_day(cases: &[Case]) -> Vec<(i32, Vec<&Case>)> {
    let mut sorted: Vec<&Case> = cases.iter().collect();
    sorted.sort_by_key(|case| case.day);
    sorted.chunk_by(|a, b| a.day == b.day).map(|day| (day[0].day, day.to_vec())).collect()
}

/// At most `max` indices of `0..len`, evenly spread, with both ends.
fn spread(len: usize, max: usize) -> impl Iterator<Item = usize> {
    let count = len.min(max.max(2));
    let steps: Range<usize> = 0..count;
    steps.map(move |i| if count < 2 { i } else { i * (len - 1) / (count - 1) })
}
