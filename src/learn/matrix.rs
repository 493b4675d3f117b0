//! What is learnt from? Rows of inputs, side by side.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::model::MODEL_INPUTS_MAX;

/// Most rows of one training: sorted orders keep row numbers in 31 bits.
///
/// ```
/// assert_eq!(tollgate::TRAINING_ROWS_MAX, i32::MAX as usize);
/// ```
pub const TRAINING_ROWS_MAX: usize = (1 << 31) - 1;

/// Rows of `f32` inputs, row by row; NaN is absent.
///
/// ```
/// use tollgate::Matrix;
/// let mut matrix = Matrix::new(2)?;
/// matrix.push(&[1.0, f32::NAN])?;
/// matrix.push(&[2.0, 5.0])?;
/// assert_eq!((matrix.rows(), matrix.width()), (2, 2));
/// assert_eq!(matrix.row(1), [2.0, 5.0]);
/// assert!(matrix.push(&[1.0]).is_err()); // of another width
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    width: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Without rows, of `width` inputs.
    ///
    /// # Errors
    /// When there is no input, or more than [`MODEL_INPUTS_MAX`].
    pub fn new(width: usize) -> Result<Matrix, Error> {
        if width == 0 || width > MODEL_INPUTS_MAX {
            return Err(Error::new(format!("a model has 1 to {MODEL_INPUTS_MAX} inputs, and not {width}")));
        }
        Ok(Matrix { width, values: Vec::new() })
    }

    /// Adds a row. Infinite numbers become absent: no threshold can tell them from a mistake.
    ///
    /// # Errors
    /// When its width is another, or [`TRAINING_ROWS_MAX`] rows are here already.
    pub fn push(&mut self, row: &[f32]) -> Result<(), Error> {
        if row.len() != self.width {
            return Err(Error::new(format!("a row has {} inputs, and not {}", self.width, row.len())));
        }
        if self.rows() == TRAINING_ROWS_MAX {
            return Err(Error::new(format!(
                "more than {TRAINING_ROWS_MAX} rows to learn from; a shorter --train period would do"
            )));
        }
        self.values.extend(row.iter().map(|x| if x.is_finite() { *x } else { f32::NAN }));
        Ok(())
    }

    /// Inputs of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// One row. Panics when it isn't there.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows from `from` to before `to`, in order.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Matrix {
        Matrix { width: self.width, values: self.values[from * self.width..to * self.width].to_vec() }
    }

    pub(super) fn at(&self, row: usize, input: usize) -> f32 {
        self.values[row * self.width + input]
    }

    pub(super) fn column(&self, input: usize) -> impl Iterator<Item = f32> + '_ {
        self.values.iter().skip(input).step_by(self.width).copied()
    }

    /// What an input is in every row; NaN for absent. `None` when rows differ, or there is none.
    pub(crate) fn same_in_all(&self, input: usize) -> Option<f32> {
        let mut column = self.column(input);
        let first = column.next()?;
        column.all(|x| x == first || x.is_nan() && first.is_nan()).then_some(first)
    }

    /// SHA-256 of the rows and labels, in hexadecimal: what the training card calls the data's digest.
    pub(super) fn digest(&self, labels: &[bool]) -> String {
        let mut hash = Sha256::new();
        hash.update((self.width as u64).to_le_bytes());
        // Every NaN is the same absence, whatever its bits.
        self.values.iter().for_each(|x| {
            let bits = if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
            hash.update(bits.to_le_bytes());
        });
        labels.iter().for_each(|l| hash.update([u8::from(*l)]));
        HEXLOWER.encode(&hash.finalize())
    }
}

/// Refuses what no learner with labels can learn from.
pub(super) fn check_labels(matrix: &Matrix, labels: &[bool]) -> Result<(), Error> {
    if matrix.rows() != labels.len() {
        return Err(Error::new(format!(
            "{} rows and {} labels don't go together",
            matrix.rows(),
            labels.len()
        )));
    }
    let frauds = labels.iter().filter(|l| **l).count();
    let one_class = match (labels.len(), frauds) {
        (0, _) => "there is no row to learn from",
        (_, 0) => {
            "no row is a fraud, so there is nothing to tell apart; take a longer --train period, or --learner isolation"
        }
        (all, some) if all == some => {
            "every row is a fraud, so there is nothing to tell apart; take a longer --train period"
        }
        _ => return Ok(()),
    };
    Err(Error::new(one_class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_as_many_inputs_as_a_model_has_and_not_one_more() {
        assert!(Matrix::new(MODEL_INPUTS_MAX).is_ok());
        assert!(Matrix::new(MODEL_INPUTS_MAX + 1).is_err());
        assert!(Matrix::new(0).is_err());
    }

    #[test]
    fn the_digest_stands_for_rows_and_labels() {
        let mut matrix = Matrix::new(1).unwrap();
        matrix.push(&[1.0]).unwrap();
        matrix.push(&[f32::INFINITY]).unwrap();
        let digest = matrix.digest(&[true, false]);
        assert_eq!(digest.len(), 64);
        assert_ne!(digest, matrix.digest(&[false, false]));
        let mut other = Matrix::new(1).unwrap();
        other.push(&[1.0]).unwrap();
        other.push(&[-f32::NAN]).unwrap();
        assert_eq!(digest, other.digest(&[true, false]));
    }

    #[test]
    fn inputs_that_tell_nothing_apart_are_known() {
        let mut matrix = Matrix::new(4).unwrap();
        assert_eq!(matrix.same_in_all(0), None, "no rows");
        for row in [[1.0, 2.0, f32::NAN, f32::NAN], [1.0, 3.0, f32::INFINITY, 0.0]] {
            matrix.push(&row).unwrap();
        }
        assert_eq!(
            (matrix.same_in_all(0), matrix.same_in_all(1), matrix.same_in_all(3)),
            (Some(1.0), None, None)
        );
        assert!(matrix.same_in_all(2).is_some_and(f32::is_nan), "absent in both");
    }

    #[test]
    fn labels_of_one_class_are_refused_with_the_reason() {
        let mut matrix = Matrix::new(1).unwrap();
        assert!(check_labels(&matrix, &[]).unwrap_err().to_string().contains("no row"));
        matrix.push(&[1.0]).unwrap();
        assert!(check_labels(&matrix, &[false]).unwrap_err().to_string().contains("no row is a fraud"));
        assert!(check_labels(&matrix, &[true]).unwrap_err().to_string().contains("every row is a fraud"));
        assert!(check_labels(&matrix, &[true, false]).is_err());
    }
}
