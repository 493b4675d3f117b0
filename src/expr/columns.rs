//! What does a program say of many payments at once?

use super::eval::Row;
use super::ir::{Node, Num};
use crate::payment::Payment;

/// A batch of payments with what their entities did before.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    payments: &'a [Payment],
    activity: &'a [f64],
    width: usize,
}

impl<'a> Columns<'a> {
    /// Payments, and `activity` of `width` values for each, row after row.
    pub fn new(payments: &'a [Payment], activity: &'a [f64], width: usize) -> Columns<'a> {
        Columns { payments, activity, width }
    }

    fn row(&self, i: usize) -> Option<Row<'a>> {
        let activity = self.activity.get(i * self.width..(i + 1) * self.width).unwrap_or_default();
        Some(Row { payment: self.payments.get(i)?, activity, item: None })
    }

    pub(super) fn holds(&self, node: &Node, out: &mut Vec<Option<bool>>) {
        out.clear();
        out.extend((0..self.payments.len()).filter_map(|i| self.row(i)).map(|row| node.holds(row)));
    }

    pub(super) fn values(&self, num: &Num, out: &mut Vec<f64>) {
        out.clear();
        out.extend((0..self.payments.len()).filter_map(|i| self.row(i)).map(|row| num.value(row)));
    }
}
