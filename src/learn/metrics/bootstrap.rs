//! How sure is a figure? Days are drawn with replacement, and the figure taken again.
//!
//! Payments of one day are not independent (campaigns come in days), so days are drawn and not
//! payments.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::{Case, Ranking, falling};

/// Where a figure lies in 95 of 100 draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// Of a figure's values, by linear interpolation between them; `None` of fewer than two. Values that
    /// are no numbers are left out.
    ///
    /// ```
    /// use tollgate::learn::metrics::Interval;
    /// let found = Interval::of((0..=40).map(f64::from).collect()).unwrap();
    /// assert_eq!((found.low, found.high), (1.0, 39.0));
    /// ```
    pub fn of(mut values: Vec<f64>) -> Option<Interval> {
        values.retain(|v| !v.is_nan());
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1).filter(|last| *last > 0)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(last);
            values[below] + (values[above] - values[below]) * (place - below as f64)
        };
        Some(Interval { low: at(0.025), high: at(0.975) })
    }
}

/// Draws of days: in each, a day counts as often as it was drawn.
///
/// ```
/// use tollgate::learn::metrics::{Case, Ranking, Resample};
/// let case = |day, score, fraud| Case { score, fraud, day, card: None, probability: f64::NAN, amount: None };
/// let cases = [case(0, 0.9, true), case(0, 0.1, false), case(1, 0.2, true), case(1, 0.3, false)];
/// let resample = Resample::new(&cases, 200, 7);
/// let auc = resample.ranking(&cases, Ranking::auc).unwrap();
/// assert_eq!((auc.low, auc.high), (0.0, 1.0)); // both good days, both bad ones
/// ```
#[derive(Debug)]
pub struct Resample {
    days: Vec<i32>,
    /// For each draw, how often each of `days` was drawn.
    draws: Vec<Vec<u32>>,
}

impl Resample {
    /// `draws` draws of the days of `cases`, the same for the same seed on any machine.
    pub fn new(cases: &[Case], draws: usize, seed: u64) -> Resample {
        let mut days: Vec<i32> = cases.iter().map(|case| case.day).collect();
        days.sort_unstable();
        days.dedup();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || {
            let mut times = vec![0u32; days.len()];
            for _ in 0..days.len() {
                times[rng.random_range(0..days.len() as u32) as usize] += 1;
            }
            times
        };
        let draws = (0..draws).map(|_| draw()).collect();
        Resample { days, draws }
    }

    /// The interval of a figure of the ranking. `None` when there are fewer than two days.
    pub fn ranking(
        &self,
        cases: &[Case],
        figure: impl Fn(&Ranking) -> Option<f64> + Sync,
    ) -> Option<Interval> {
        let [interval] = self.rankings(cases, |ranking| [figure(ranking)]);
        interval
    }

    /// The intervals of several figures of the ranking, from one pass.
    pub fn rankings<const N: usize>(
        &self,
        cases: &[Case],
        figures: impl Fn(&Ranking) -> [Option<f64>; N] + Sync,
    ) -> [Option<Interval>; N] {
        if self.days.len() < 2 {
            return [None; N];
        }
        let mut sorted: Vec<(f64, bool, usize)> = cases
            .iter()
            .filter_map(|case| Some((case.score, case.fraud, self.days.binary_search(&case.day).ok()?)))
            .collect();
        sorted.sort_by(|a, b| falling(a.0, b.0));
        let values: Vec<[Option<f64>; N]> = self
            .draws
            .par_iter()
            .map(|times| {
                let weighted = sorted.iter().map(|(score, fraud, day)| (*score, *fraud, times[*day].into()));
                figures(&Ranking::of_sorted(weighted))
            })
            .collect();
        std::array::from_fn(|i| Interval::of(values.iter().filter_map(|row| row[i]).collect()))
    }

    /// The interval of `sum of parts / sum of wholes`, given each day's `(day, part, whole)`. A mean over
    /// days is the case of wholes that are 1. `None` when there are fewer than two days.
    pub fn ratio(&self, by_day: &[(i32, f64, f64)]) -> Option<Interval> {
        if self.days.len() < 2 {
            return None;
        }
        let placed: Vec<(usize, f64, f64)> = by_day
            .iter()
            .filter_map(|(day, part, whole)| Some((self.days.binary_search(day).ok()?, *part, *whole)))
            .collect();
        let value = |times: &Vec<u32>| {
            let add = |(parts, wholes), (day, part, whole): &(usize, f64, f64)| {
                (parts + part * f64::from(times[*day]), wholes + whole * f64::from(times[*day]))
            };
            let (parts, wholes) = placed.iter().fold((0.0, 0.0), add);
            parts / wholes
        };
        Interval::of(self.draws.iter().map(value).collect())
    }
}
