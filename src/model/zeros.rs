//! Which zeros are absent values? Those of the inputs for which the source took them so.

use super::{MODEL_INPUTS_MAX, Model};

/// Furthest from 0 that a number counts as zero: `kZeroThreshold` of LightGBM.
const ZERO_MAX: f32 = 1e-35;

/// A model whose rows' zeros are made absent before it is asked.
#[derive(Debug)]
pub(super) struct ZerosAbsent {
    /// Places of the inputs whose zeros are meant.
    inputs: Vec<usize>,
    model: Box<dyn Model>,
}

impl ZerosAbsent {
    /// The places are below the model's width, which is [`MODEL_INPUTS_MAX`] at most.
    pub(super) fn new(model: Box<dyn Model>, inputs: Vec<usize>) -> ZerosAbsent {
        ZerosAbsent { inputs, model }
    }

    /// Asks with a copy of some rows, which must have room; rows of another width go as they are.
    fn asked<T>(&self, rows: &[f32], ask: impl FnOnce(&[f32]) -> T) -> T {
        let mut room = [0.0; MODEL_INPUTS_MAX];
        let Some(copy) = room.get_mut(..rows.len()) else { return ask(rows) };
        copy.copy_from_slice(rows);
        for row in copy.chunks_exact_mut(self.width().max(1)) {
            for input in &self.inputs {
                if row[*input].abs() <= ZERO_MAX {
                    row[*input] = f32::NAN;
                }
            }
        }
        ask(copy)
    }
}

impl Model for ZerosAbsent {
    fn width(&self) -> usize {
        self.model.width()
    }

    fn margin(&self, row: &[f32]) -> f64 {
        self.asked(row, |row| self.model.margin(row))
    }

    fn margins(&self, rows: &[f32], out: &mut [f64]) {
        let width = self.width().max(1);
        let at_once = MODEL_INPUTS_MAX / width;
        for (rows, out) in rows.chunks(width * at_once).zip(out.chunks_mut(at_once)) {
            self.asked(rows, |rows| self.model.margins(rows, out));
        }
    }

    fn contributions(&self, row: &[f32], out: &mut [f64]) -> f64 {
        self.asked(row, |row| self.model.contributions(row, out))
    }

    fn shapley(&self, row: &[f32], out: &mut [f64]) -> f64 {
        self.asked(row, |row| self.model.shapley(row, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Logistic;

    /// Adds up its inputs; an absent one counts 10.
    fn sum(width: usize) -> Box<dyn Model> {
        let (weights, means, scales) = (vec![1.0; width], vec![10.0; width], vec![1.0; width]);
        Box::new(Logistic { intercept: 10.0 * width as f64, weights, means, scales })
    }

    #[test]
    fn zeros_of_the_inputs_that_are_meant_are_absent_and_no_others() {
        let model = ZerosAbsent::new(sum(2), vec![1]);
        for (x, expected) in [
            (0.0, 10.0),
            (-0.0, 10.0),
            (ZERO_MAX, 10.0),
            (-ZERO_MAX, 10.0),
            (ZERO_MAX.next_up(), 0.0),
            (-ZERO_MAX.next_up(), 0.0),
            (f32::NAN, 10.0),
            (3.0, 3.0),
        ] {
            assert!((model.margin(&[0.0, x]) - expected).abs() < 1e-9, "{x}");
            let mut shares = [0.0; 2];
            let rest = model.contributions(&[0.0, x], &mut shares);
            assert!((rest + shares[0] + shares[1] - expected).abs() < 1e-9, "{x}");
        }
        // A row that no model has is left to the model as it is.
        let wide = [0.0; MODEL_INPUTS_MAX + 1];
        assert_eq!(model.margin(&wide), sum(2).margin(&wide));
    }

    #[test]
    fn many_rows_answer_as_one_by_one() {
        for width in [1, 3, 600, MODEL_INPUTS_MAX] {
            let model = ZerosAbsent::new(sum(width), vec![0, width - 1]);
            let rows: Vec<f32> = (0..width * 2_500 / width.min(50)).map(|i| (i % 3) as f32).collect();
            let rows = &rows[..rows.len() / width * width];
            let mut out = vec![0.0; rows.len() / width];
            model.margins(rows, &mut out);
            let alone: Vec<f64> = rows.chunks_exact(width).map(|row| model.margin(row)).collect();
            assert_eq!(out, alone, "{width}");
        }
    }
}
