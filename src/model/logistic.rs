//! The readable baseline: a weighted sum.

use serde::{Deserialize, Serialize};

use super::Model;

/// Furthest from 0 that a term comes, in log-odds: a thousandth of it is certainty, and sums stay finite.
const TERM_MAX: f64 = 1e6;

/// `intercept + sum of weight * (x - mean) / scale`: log-odds. An absent input counts as its mean.
///
/// ```
/// use tollgate::{Logistic, Model};
/// let model = Logistic { intercept: -1.0, weights: vec![2.0], means: vec![3.0], scales: vec![1.0] };
/// assert_eq!(model.margin(&[4.0]), 1.0);
/// assert_eq!(model.margin(&[f32::NAN]), -1.0); // absent counts as the mean
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Log-odds of a mean row.
    pub intercept: f64,
    /// One for each input, of the scaled input.
    pub weights: Vec<f64>,
    /// One for each input.
    pub means: Vec<f64>,
    /// One for each input, above 0.
    pub scales: Vec<f64>,
}

impl Logistic {
    fn terms<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(&self.weights).zip(self.means.iter().zip(&self.scales)).map(
            |((x, w), (mean, scale))| {
                if x.is_nan() {
                    return 0.0;
                }
                let x = f64::from(x.clamp(f32::MIN, f32::MAX));
                (w * (x - mean) / scale).clamp(-TERM_MAX, TERM_MAX)
            },
        )
    }
}

impl Model for Logistic {
    fn width(&self) -> usize {
        self.weights.len()
    }

    fn margin(&self, row: &[f32]) -> f64 {
        if row.len() != self.width() {
            return 0.0;
        }
        self.terms(row).fold(self.intercept, |sum, term| sum + term)
    }

    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64 {
        if row.len() != self.width() {
            return 0.0;
        }
        self.terms(row).zip(out).for_each(|(term, out)| *out += term);
        self.intercept
    }

    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64 {
        self.contributions(row, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_another_width_counts_for_nothing() {
        let (weights, means, scales) = (vec![2.0; 2], vec![0.0; 2], vec![1.0; 2]);
        let model = Logistic { intercept: -1.0, weights, means, scales };
        for (row, margin) in [(&[1.0, 1.0][..], 3.0), (&[1.0], 0.0), (&[1.0, 1.0, 1.0], 0.0), (&[], 0.0)] {
            assert_eq!(model.margin(row), margin);
            let mut shares = [0.0; 3];
            assert_eq!(model.contributions(row, &mut shares) + shares.iter().sum::<f64>(), margin);
        }
    }
}
