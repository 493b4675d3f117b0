//! How far does a weighted sum get? The readable baseline.

use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

use crate::error::Error;
use crate::model::Logistic;

use super::matrix::{Matrix, check_labels};

/// Logistic regression over scaled inputs, by smartcore.
///
/// ```
/// use tollgate::{LogisticBaseline, Matrix, Model};
/// let mut matrix = Matrix::new(1)?;
/// (0..100).try_for_each(|i| matrix.push(&[i as f32]))?;
/// let labels: Vec<bool> = (0..100).map(|i| i % 7 == 0 || i > 80).collect();
/// let logistic = LogisticBaseline::default().fit(&matrix, &labels)?;
/// assert!(logistic.margin(&[90.0]) > logistic.margin(&[10.0]));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticBaseline {
    /// Weight of the squared weights in the loss; 0 or more.
    pub l2: f64,
}

impl Default for LogisticBaseline {
    fn default() -> LogisticBaseline {
        LogisticBaseline { l2: 1.0 }
    }
}

impl LogisticBaseline {
    /// Learns. An absent input counts as its mean, a constant one for nothing.
    ///
    /// # Errors
    /// When the labels are of one class, a setting is outside of its range, or the solver gives up.
    pub fn fit(&self, matrix: &Matrix, labels: &[bool]) -> Result<Logistic, Error> {
        check_labels(matrix, labels)?;
        if !(self.l2 >= 0.0 && self.l2.is_finite()) {
            return Err(Error::new(format!("l2 is 0 or more, and not {}", self.l2)));
        }
        let (means, scales): (Vec<f64>, Vec<f64>) = (0..matrix.width()).map(|i| moments(matrix, i)).unzip();
        let scaled: Vec<f64> = matrix
            .values()
            .iter()
            .enumerate()
            .map(|(at, x)| {
                let input = at % matrix.width();
                if x.is_nan() { 0.0 } else { (f64::from(*x) - means[input]) / scales[input] }
            })
            .collect();
        let wrong =
            |e: smartcore::error::Failed| Error::new(format!("the logistic baseline can't be fitted: {e}"));
        let x = DenseMatrix::new(matrix.rows(), matrix.width(), scaled, false).map_err(wrong)?;
        let y: Vec<u32> = labels.iter().map(|l| u32::from(*l)).collect();
        let settings = LogisticRegressionParameters::default().with_alpha(self.l2);
        let fitted = LogisticRegression::fit(&x, &y, settings).map_err(wrong)?;
        let weights: Vec<f64> = (0..matrix.width()).map(|i| *fitted.coefficients().get((0, i))).collect();
        let intercept = *fitted.intercept().get((0, 0));
        if !weights.iter().chain([&intercept]).all(|w| w.is_finite()) {
            return Err(Error::new("the logistic baseline found no finite weights; a greater --l2 would do"));
        }
        Ok(Logistic { intercept, weights, means, scales })
    }
}

/// Mean and standard deviation of an input's present values; 0 and 1 where there is nothing to scale.
fn moments(matrix: &Matrix, input: usize) -> (f64, f64) {
    let present = || matrix.column(input).filter(|x| !x.is_nan()).map(f64::from);
    let count = present().count().max(1) as f64;
    let mean = present().sum::<f64>() / count;
    let deviation = (present().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    (mean, if deviation > 0.0 { deviation } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn the_gradient_vanishes_at_the_weights_found() {
        let mut matrix = Matrix::new(3).unwrap();
        let mut labels = Vec::new();
        for i in 0..2000u32 {
            let x = (i.wrapping_mul(2_654_435_761) % 1000) as f32;
            let y = (i.wrapping_mul(40_503) % 97) as f32;
            matrix.push(&[x, if i % 9 == 0 { f32::NAN } else { y }, 4.0]).unwrap();
            labels.push(x + 3.0 * y + ((i * 7919) % 500) as f32 > 1200.0);
        }
        let logistic = LogisticBaseline { l2: 0.0 }.fit(&matrix, &labels).unwrap();
        // Of the log loss by intercept and weights, in the mean of the rows.
        let mut gradient = [0.0; 3];
        for (row, label) in (0..matrix.rows()).map(|r| matrix.row(r)).zip(&labels) {
            let p = 1.0 / (1.0 + (-logistic.margin(row)).exp());
            let d = (p - f64::from(u8::from(*label))) / labels.len() as f64;
            gradient[0] += d;
            for i in 0..2 {
                if !row[i].is_nan() {
                    gradient[i + 1] += d * (f64::from(row[i]) - logistic.means[i]) / logistic.scales[i];
                }
            }
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-3), "{gradient:?}");
    }

    #[test]
    fn refuses_labels_of_one_class_and_settings_outside_their_range() {
        let mut matrix = Matrix::new(1).unwrap();
        (0..4).for_each(|i| matrix.push(&[i as f32]).unwrap());
        assert!(LogisticBaseline::default().fit(&matrix, &[false; 4]).is_err());
        let labels = [true, false, true, false];
        assert!(LogisticBaseline { l2: -1.0 }.fit(&matrix, &labels).is_err());
        assert!(LogisticBaseline { l2: f64::NAN }.fit(&matrix, &labels).is_err());
    }
}
