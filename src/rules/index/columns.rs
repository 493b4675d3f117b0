//! What do questions read? Numbers, symbols and flags of payments, gathered into columns.

use crate::expr::Facts;
use crate::expr::ir::Num;
use crate::rules::index::RuleIndex;
use crate::rules::index::symbols::packed;
use crate::schema::FieldId;

/// The values that an index reads, each once.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    numbers: Vec<Leaf>,
    symbols: Vec<FieldId>,
    flags: Vec<FieldId>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaf {
    Field(FieldId),
    Money(FieldId),
    Time(FieldId),
    Aggregate(usize),
}

impl Leaf {
    #[inline]
    fn value(self, facts: Facts<'_>) -> f64 {
        match self {
            Leaf::Field(id) => facts.payment.number(id),
            Leaf::Money(id) => facts.payment.money(id).map_or(f64::NAN, |m| m.major()),
            Leaf::Time(id) => facts.payment.timestamp(id).map_or(f64::NAN, |t| t.micros() as f64),
            Leaf::Aggregate(i) => facts.activity.get(i).copied().unwrap_or(f64::NAN),
        }
    }
}

fn place<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

impl Leaves {
    /// The leaf that `number` is; `None` when it is none.
    pub(super) fn number(&mut self, number: &Num) -> Option<usize> {
        let leaf = match number {
            Num::Field(id) => Leaf::Field(*id),
            Num::Money(id) => Leaf::Money(*id),
            Num::Time(id) => Leaf::Time(*id),
            Num::Aggregate(i) => Leaf::Aggregate(*i),
            _ => return None,
        };
        Some(place(&mut self.numbers, leaf))
    }

    pub(super) fn symbol(&mut self, field: FieldId) -> usize {
        place(&mut self.symbols, field)
    }

    pub(super) fn flag(&mut self, field: FieldId) -> usize {
        place(&mut self.flags, field)
    }

    /// One payment, whose numbers are read where they are asked for.
    #[inline]
    pub(super) fn read<'a>(&'a self, facts: Facts<'a>) -> Read<'a> {
        Read { leaves: self, facts, ahead: &[] }
    }

    /// One payment, its numbers read once however many questions they are in.
    #[inline]
    pub(super) fn read_ahead<'a>(&'a self, facts: Facts<'a>, room: &'a mut [f64; NUMBERS_AHEAD]) -> Read<'a> {
        room.iter_mut().zip(&self.numbers).for_each(|(number, leaf)| *number = leaf.value(facts));
        Read { leaves: self, facts, ahead: room }
    }
}

/// Numbers that are read ahead; those of the few pipelines that ask about more are read where they are
/// asked for.
pub(super) const NUMBERS_AHEAD: usize = 48;

/// One payment's leaves.
pub(super) struct Read<'a> {
    leaves: &'a Leaves,
    pub(super) facts: Facts<'a>,
    ahead: &'a [f64],
}

impl Read<'_> {
    #[inline]
    pub(super) fn number(&self, leaf: usize) -> f64 {
        match self.ahead.get(leaf) {
            Some(number) => *number,
            None => self.leaves.numbers[leaf].value(self.facts),
        }
    }

    #[inline]
    pub(super) fn symbol(&self, leaf: usize) -> u64 {
        packed(self.facts.payment.symbol(self.leaves.symbols[leaf]))
    }

    #[inline]
    pub(super) fn flag(&self, leaf: usize) -> u32 {
        flag_class(self.facts.payment.bool(self.leaves.flags[leaf]))
    }
}

/// False, true, absent.
#[inline]
fn flag_class(flag: Option<bool>) -> u32 {
    flag.map_or(2, u32::from)
}

/// The columns that an index reads, of some rows.
#[derive(Debug, Default)]
pub struct RuleColumns {
    rows: usize,
    /// Column after column, `rows` each.
    numbers: Vec<f64>,
    symbols: Vec<u64>,
    flags: Vec<u32>,
}

impl RuleColumns {
    /// Gathers what `index` reads of these rows; keeps its memory for the next.
    pub fn fill(&mut self, index: &RuleIndex, facts: &[Facts<'_>]) {
        self.rows = facts.len();
        self.numbers.clear();
        for leaf in &index.leaves.numbers {
            match *leaf {
                Leaf::Field(id) => self.numbers.extend(facts.iter().map(|f| f.payment.number(id))),
                other => self.numbers.extend(facts.iter().map(|f| other.value(*f))),
            }
        }
        self.symbols.clear();
        for id in &index.leaves.symbols {
            self.symbols.extend(facts.iter().map(|f| packed(f.payment.symbol(*id))));
        }
        self.flags.clear();
        for id in &index.leaves.flags {
            self.flags.extend(facts.iter().map(|f| flag_class(f.payment.bool(*id))));
        }
    }

    pub(super) fn number(&self, leaf: usize) -> &[f64] {
        &self.numbers[leaf * self.rows..(leaf + 1) * self.rows]
    }

    pub(super) fn symbol(&self, leaf: usize) -> &[u64] {
        &self.symbols[leaf * self.rows..(leaf + 1) * self.rows]
    }

    pub(super) fn flag(&self, leaf: usize) -> &[u32] {
        &self.flags[leaf * self.rows..(leaf + 1) * self.rows]
    }
}
