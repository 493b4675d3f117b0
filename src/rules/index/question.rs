//! What is asked of clauses that are still alive, and which class is the answer of?

use std::ops::Range;

use crate::expr::ir::{Node, Op};
use crate::rules::index::BLOCK_ROWS;
use crate::rules::index::columns::{Read, RuleColumns};
use crate::rules::index::cuts::Cuts;
use crate::rules::index::number::Source;
use crate::rules::index::symbols::NO_SYMBOL;
use crate::schema::FieldId;

#[derive(Debug)]
pub(super) enum Question {
    /// As the cuts have it.
    Number { source: Source, cuts: Cuts },
    /// False, true, unknown.
    Compare { op: Op, left: Source, right: Source },
    /// Whether two symbols are the same: false, true, unknown.
    Same(usize, usize),
    /// How a text begins.
    Begins(Heads),
    /// False, true, unknown.
    Truth(Node),
}

impl Question {
    #[inline]
    pub(super) fn class(&self, read: &Read<'_>) -> usize {
        match self {
            Question::Number { source, cuts } => cuts.class(source.value(read)) as usize,
            Question::Compare { op, left, right } => {
                compare_class(*op, left.value(read), right.value(read)) as usize
            }
            Question::Same(left, right) => same_class(read.symbol(*left), read.symbol(*right)) as usize,
            Question::Begins(heads) => heads.class(read.facts.payment.text(heads.field)),
            Question::Truth(node) => truth_class(node.holds(read.facts.row())),
        }
    }

    /// The classes of some rows of the columns; false when they have to be asked row by row.
    pub(super) fn classes(&self, columns: &RuleColumns, rows: &Range<usize>, classes: &mut [u32]) -> bool {
        let (mut l, mut r) = ([0.0; BLOCK_ROWS], [0.0; BLOCK_ROWS]);
        let (l, r) = (&mut l[..classes.len()], &mut r[..classes.len()]);
        match self {
            Question::Number { source, cuts } => {
                if !source.values(columns, rows, l) {
                    return false;
                }
                classes.fill(0);
                cuts.add_classes(l, 1, classes);
            }
            Question::Compare { op, left, right } => {
                if !(left.values(columns, rows, l) && right.values(columns, rows, r)) {
                    return false;
                }
                let pairs = classes.iter_mut().zip(l.iter().zip(&*r));
                pairs.for_each(|(c, (l, r))| *c = compare_class(*op, *l, *r));
            }
            Question::Same(left, right) => {
                let pairs =
                    columns.symbol(*left)[rows.clone()].iter().zip(&columns.symbol(*right)[rows.clone()]);
                classes.iter_mut().zip(pairs).for_each(|(c, (l, r))| *c = same_class(*l, *r));
            }
            Question::Begins(_) | Question::Truth(_) => return false,
        }
        true
    }
}

/// Some conditions on how one text begins, without regard to ASCII case. The class has a bit for each
/// that holds; the class behind all of those is that of an absent text.
#[derive(Debug)]
pub(super) struct Heads {
    field: FieldId,
    /// Each head, and the bits of the conditions that it fulfils.
    heads: Box<[(Box<[u8]>, u8)]>,
    conditions: u32,
}

impl Heads {
    /// Most conditions of one question.
    pub(super) const CONDITIONS_MAX: usize = 5;

    pub(super) fn new(field: FieldId, nodes: &[&Node]) -> Heads {
        let heads = nodes.iter().enumerate().flat_map(|(i, node)| match node {
            Node::Match { patterns, .. } => {
                patterns.iter().map(|p| (p.text.as_bytes().into(), 1 << i)).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        });
        Heads { field, heads: heads.collect(), conditions: nodes.len() as u32 }
    }

    pub(super) fn classes(&self) -> usize {
        (1 << self.conditions) + 1
    }

    #[inline]
    fn class(&self, text: Option<&str>) -> usize {
        let Some(text) = text.map(str::as_bytes) else { return 1 << self.conditions };
        let begins = |head: &[u8]| text.get(..head.len()).is_some_and(|t| t.eq_ignore_ascii_case(head));
        self.heads.iter().fold(0, |class, (head, bit)| if begins(head) { class | bit } else { class })
            as usize
    }

    /// What the `i`-th condition comes to in a class.
    pub(super) fn truth(&self, i: usize, class: usize) -> Option<bool> {
        (class < 1 << self.conditions).then_some(class >> i & 1 == 1)
    }
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
fn truth_class(truth: Option<bool>) -> usize {
    truth.map_or(2, usize::from)
}
