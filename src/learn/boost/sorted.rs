//! In which order do a column's values come?

use rayon::prelude::*;

use crate::learn::matrix::Matrix;

/// The bit of an entry that says: this row's value is another than the row's before.
const NEW_VALUE: u32 = 1 << 31;

/// One input of all rows, by ascending value; what is absent is kept apart.
pub(super) struct Column {
    /// Row numbers; [`NEW_VALUE`] is set where a value begins.
    entries: Vec<u32>,
    /// Rows where the input is absent.
    pub(super) absent: Vec<u32>,
}

impl Column {
    fn new(values: &[f32]) -> Column {
        let (mut entries, mut absent) = (Vec::with_capacity(values.len()), Vec::new());
        for (row, value) in (0u32..).zip(values) {
            if value.is_nan() { absent.push(row) } else { entries.push(row) }
        }
        // By value and then by row: the order, and so the sums, are the same on any machine.
        let key = |row: u32| values[row as usize] + 0.0;
        entries.sort_unstable_by(|a, b| key(*a).total_cmp(&key(*b)).then(a.cmp(b)));
        let mut before = f32::NAN;
        for entry in &mut entries {
            let value = key(*entry);
            if value != before {
                *entry |= NEW_VALUE;
                before = value;
            }
        }
        Column { entries, absent }
    }

    /// Rows by ascending value, each with whether its value is another than the row's before.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        self.entries.iter().map(|e| ((e & !NEW_VALUE) as usize, e & NEW_VALUE != 0))
    }

    /// Whether all rows say the same.
    pub(super) fn is_constant(&self) -> bool {
        let values = self.entries.iter().filter(|e| **e & NEW_VALUE != 0).count();
        values + usize::from(!self.absent.is_empty()) < 2
    }
}

/// Sorts every column.
pub(super) fn columns(matrix: &Matrix) -> Vec<Column> {
    (0..matrix.width())
        .into_par_iter()
        .map(|input| Column::new(&matrix.column(input).collect::<Vec<_>>()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_absent_rows_are_told_apart() {
        let column = Column::new(&[2.0, f32::NAN, -0.0, 2.0, 0.0]);
        let entries: Vec<_> = column.entries().collect();
        assert_eq!(entries, [(2, true), (4, false), (0, true), (3, false)]);
        assert_eq!(column.absent, [1]);
        assert!(!column.is_constant());
        assert!(Column::new(&[7.0, 7.0]).is_constant());
        assert!(Column::new(&[f32::NAN]).is_constant());
        assert!(!Column::new(&[f32::NAN, 1.0]).is_constant());
    }
}
