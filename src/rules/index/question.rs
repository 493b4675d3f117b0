//! What is asked, and which class is the answer of?

use std::ops::Range;

use crate::expr::Facts;
use crate::expr::ir::{Node, Op};
use crate::rules::index::BLOCK_ROWS;
use crate::rules::index::columns::{Leaves, RuleColumns};
use crate::rules::index::number::Source;
use crate::rules::index::symbols::{NO_SYMBOL, SymbolClasses};
use crate::schema::FieldId;

/// Cut points up to which a number's class is found by asking all of them, without branches.
const LINEAR_CUTS_MAX: usize = 16;

#[derive(Debug)]
pub(super) enum Question {
    /// Class 2i is between the cuts i - 1 and i, 2i + 1 is cut i, the last but one is above all, the
    /// last is absent.
    Number { source: Source, cuts: Box<[f64]> },
    /// False, true, unknown.
    Compare { op: Op, left: Source, right: Source },
    /// False, true, absent.
    Flag(usize),
    /// Named symbols from 2 on; 0 is any other, 1 absent.
    Symbol { leaf: usize, classes: SymbolClasses },
    /// Whether two symbols are the same: false, true, unknown.
    Same(usize, usize),
    /// Whether a text begins with one of these, without regard to ASCII case: false, true, unknown.
    Begins { field: FieldId, heads: Box<[Box<[u8]>]> },
    /// False, true, unknown.
    Truth(Node),
}

impl Question {
    #[inline]
    pub(super) fn class(&self, facts: Facts<'_>, leaves: &Leaves) -> usize {
        match self {
            Question::Number { source, cuts } => number_class(source.value(facts, leaves), cuts) as usize,
            Question::Compare { op, left, right } => {
                compare_class(*op, left.value(facts, leaves), right.value(facts, leaves)) as usize
            }
            Question::Flag(leaf) => leaves.flag_of(*leaf, facts) as usize,
            Question::Symbol { leaf, classes } => classes.class(leaves.symbol_of(*leaf, facts)) as usize,
            Question::Same(left, right) => {
                same_class(leaves.symbol_of(*left, facts), leaves.symbol_of(*right, facts)) as usize
            }
            Question::Begins { field, heads } => begins_class(facts, *field, heads),
            Question::Truth(node) => truth_class(node.holds(facts.row())),
        }
    }

    /// The classes of some rows of the columns.
    pub(super) fn classes(
        &self,
        columns: &RuleColumns,
        rows: Range<usize>,
        facts: &[Facts<'_>],
        leaves: &Leaves,
        classes: &mut [u32],
    ) {
        match self {
            Question::Number { source, cuts } => {
                let mut buffer = [0.0; BLOCK_ROWS];
                let values = match source {
                    Source::Leaf(leaf) => &columns.number(*leaf)[rows],
                    source => {
                        let values = &mut buffer[..classes.len()];
                        source.values(columns, rows, facts, values);
                        values
                    }
                };
                if cuts.len() > LINEAR_CUTS_MAX {
                    return classes.iter_mut().zip(values).for_each(|(c, v)| *c = number_class(*v, cuts));
                }
                let absent = cuts.len() as u32 * 2 + 1;
                classes.iter_mut().zip(values).for_each(|(c, v)| *c = if v.is_nan() { absent } else { 0 });
                for cut in cuts {
                    let rows = classes.iter_mut().zip(values);
                    rows.for_each(|(c, v)| *c += u32::from(v > cut) + u32::from(v >= cut));
                }
            }
            Question::Compare { op, left, right } => {
                let (mut l, mut r) = ([0.0; BLOCK_ROWS], [0.0; BLOCK_ROWS]);
                let (l, r) = (&mut l[..classes.len()], &mut r[..classes.len()]);
                left.values(columns, rows.clone(), facts, l);
                right.values(columns, rows, facts, r);
                classes
                    .iter_mut()
                    .zip(l.iter().zip(r))
                    .for_each(|(c, (l, r))| *c = compare_class(*op, *l, *r));
            }
            Question::Flag(leaf) => classes.copy_from_slice(&columns.flag(*leaf)[rows]),
            Question::Symbol { leaf, classes: table } => {
                let symbols = &columns.symbol(*leaf)[rows];
                classes.iter_mut().zip(symbols).for_each(|(c, s)| *c = table.class(*s));
            }
            Question::Same(left, right) => {
                let pairs = columns.symbol(*left)[rows.clone()].iter().zip(&columns.symbol(*right)[rows]);
                classes.iter_mut().zip(pairs).for_each(|(c, (l, r))| *c = same_class(*l, *r));
            }
            Question::Begins { .. } | Question::Truth(_) => {
                classes.iter_mut().zip(facts).for_each(|(c, f)| *c = self.class(*f, leaves) as u32);
            }
        }
    }
}

#[inline]
pub(super) fn number_class(value: f64, cuts: &[f64]) -> u32 {
    if value.is_nan() {
        return cuts.len() as u32 * 2 + 1;
    }
    if cuts.len() <= LINEAR_CUTS_MAX {
        return cuts.iter().map(|cut| u32::from(value > *cut) + u32::from(value >= *cut)).sum();
    }
    let below = cuts.partition_point(|cut| *cut < value);
    below as u32 * 2 + u32::from(cuts.get(below) == Some(&value))
}

#[inline]
fn compare_class(op: Op, left: f64, right: f64) -> u32 {
    if left.is_nan() || right.is_nan() { 2 } else { u32::from(op.holds(left, right)) }
}

#[inline]
fn same_class(left: u64, right: u64) -> u32 {
    if left == NO_SYMBOL || right == NO_SYMBOL { 2 } else { u32::from(left == right) }
}

#[inline]
fn begins_class(facts: Facts<'_>, field: FieldId, heads: &[Box<[u8]>]) -> usize {
    let Some(text) = facts.payment.text(field) else { return 2 };
    let text = text.as_bytes();
    usize::from(heads.iter().any(|head| text.get(..head.len()).is_some_and(|t| t.eq_ignore_ascii_case(head))))
}

#[inline]
fn truth_class(truth: Option<bool>) -> usize {
    truth.map_or(2, usize::from)
}
