//! Which score does a probability stand for?

use crate::stage::SCORE_MAX;

/// Points that double the odds.
const POINTS_TO_DOUBLE: f64 = 50.0;
/// The score of even odds.
const EVEN: f64 = 500.0;

/// The score of a probability of fraud: 500 at even odds, and 50 points more double them. One fraud in a
/// thousand is 2, one in a hundred 169, one in ten 342, nine in ten 658, 999 in a thousand 998.
///
/// ```
/// use tollgate::score_of;
/// assert_eq!([0.0, 0.01, 0.5, 0.9, 1.0].map(score_of), [0, 169, 500, 658, 1000]);
/// ```
pub fn score_of(probability: f64) -> u16 {
    let odds = probability / (1.0 - probability);
    let score = EVEN + POINTS_TO_DOUBLE * odds.log2();
    // NaN becomes 0.
    score.round().clamp(0.0, f64::from(SCORE_MAX)) as u16
}
