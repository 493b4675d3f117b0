//! If so many payments are reviewed each day, how many frauds are found?

use serde::Serialize;

use super::{Case, by_day, falling};

/// What reviewing the most suspicious payments of one day gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReviewDay {
    /// Days since the Unix epoch.
    pub day: i32,
    /// Payments reviewed.
    pub reviewed: u64,
    /// Frauds among them.
    pub caught: u64,
    /// Frauds of the day.
    pub frauds: u64,
}

/// Each day's review of the `budget` payments with the highest scores.
///
/// ```
/// use tollgate::learn::metrics::{Case, review_days};
/// let case = |score, fraud| Case { score, fraud, day: 0, card: None, probability: f64::NAN, amount: None };
/// let days = review_days(&[case(0.9, true), case(0.5, false), case(0.2, true)], 2);
/// assert_eq!((days[0].reviewed, days[0].caught, days[0].frauds), (2, 1, 2));
/// ```
pub fn review_days(cases: &[Case], budget: usize) -> Vec<ReviewDay> {
    by_day(cases)
        .into_iter()
        .map(|(day, mut cases)| {
            cases.sort_by(|a, b| falling(a.score, b.score));
            let count = |cases: &[&Case]| cases.iter().filter(|c| c.fraud).count() as u64;
            let reviewed = cases.get(..budget).unwrap_or(&cases);
            ReviewDay { day, reviewed: reviewed.len() as u64, caught: count(reviewed), frauds: count(&cases) }
        })
        .collect()
}
