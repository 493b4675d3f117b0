//! What has to be kept, and what has to be computed from it: a plan compiled for each kind of entity.
//!
//! An event is a row of 64-bit words: its time, its flags when a status or a filter is asked for, and
//! one word for each field that is summed or counted. What no aggregate reads is not kept.

use std::ops::Range;

use crate::money::Rates;
use crate::schema::{FieldId, Kind, Schema};

use super::aggregate::{Aggregate, Entity, Function, Plan, WINDOW_MAX};

/// Numbers are kept as this many parts of one.
const NUMBER_PARTS: f64 = 1e6;

/// A plan, compiled.
#[derive(Debug)]
pub(super) struct Layout {
    pub kinds: Vec<EntityLayout>,
    pub sources: Vec<Source>,
    pub aggregates: usize,
}

/// Where a column's word comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Minor units of the base currency.
    Money(FieldId),
    /// Millionths.
    Number(FieldId),
    /// What stands for the value when distinct values are counted.
    Key(FieldId),
}

/// One kind of entity: what an event of it holds, and the questions about it.
#[derive(Debug)]
pub(super) struct EntityLayout {
    pub fields: Entity,
    /// Words of an event.
    pub stride: usize,
    /// Whether word 1 of an event holds its flags.
    pub flags: bool,
    /// Whether a status is asked for, so that settlements matter.
    pub settles: bool,
    /// The source of each column, in the order of an event's words.
    pub columns: Vec<u16>,
    pub windows: Vec<Window>,
    pub cells: Vec<Cell>,
    /// What the cells answer; each cell has a range of it.
    pub answers: Vec<Answer>,
    pub lives: Vec<Life>,
    /// Different required flags of the lives; the first time of each is kept for the entity's life.
    pub life_needs: Vec<u32>,
    /// How far back the farthest window reaches, in microseconds.
    pub reach: i64,
    /// Aggregates of this kind, by index.
    pub aggregates: Vec<u16>,
}

/// Events from `at - from` to `at - to`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub from: i64,
    pub to: i64,
    pub cells: Range<usize>,
}

/// One pass over the events of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub window: usize,
    /// The flags that an event must have.
    pub need: u32,
    pub measure: Measure,
    /// Whether the payment itself counts.
    pub including: bool,
    /// What the answers read of it, beside how many.
    pub wants: Wants,
    pub answers: Range<usize>,
}

/// What is worth gathering, because an answer reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wants {
    /// When the first and last event was.
    pub times: bool,
    /// The least and the greatest number.
    pub extremes: bool,
    /// The numbers' squares.
    pub squares: bool,
}

impl Wants {
    /// Whether count and sum are all.
    pub fn nothing(self) -> bool {
        self == Wants::default()
    }
}

/// What is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Events,
    /// Events that have these flags, beside those that have the needed ones.
    Share(u32),
    /// The word at this place of an event is a number.
    Column(usize),
    /// The word at this place of an event stands for a value.
    Distinct(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub aggregate: usize,
    pub reading: Reading,
    /// Parts of one that a column's numbers are in.
    pub parts: f64,
}

/// How an answer is read from what was gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    StdDev,
    FirstSeen,
    Since,
    Ratio,
}

impl Wants {
    fn of(answers: &[Answer]) -> Wants {
        let any = |readings: [Reading; 2]| answers.iter().any(|a| readings.contains(&a.reading));
        Wants {
            times: any([Reading::FirstSeen, Reading::Since]),
            extremes: any([Reading::Min, Reading::Max]),
            squares: any([Reading::StdDev, Reading::StdDev]),
        }
    }
}

/// `FirstSeen` over the whole life of an entity.
#[derive(Debug)]
pub(super) struct Life {
    pub aggregate: usize,
    /// Index in `life_needs`.
    pub slot: usize,
    pub delay: i64,
    pub including: bool,
}

/// A filter's or status's place in an event's flags.
pub(super) const fn filter_flags(filters: u32) -> u32 {
    filters << 8
}

impl Layout {
    pub fn new(plan: &Plan, schema: &Schema, rates: &Rates) -> Layout {
        let mut layout =
            Layout { kinds: Vec::new(), sources: Vec::new(), aggregates: plan.aggregates().len() };
        let mut entities: Vec<&Entity> = Vec::new();
        for aggregate in plan.aggregates() {
            if !entities.contains(&&aggregate.entity) {
                entities.push(&aggregate.entity);
            }
        }
        for entity in entities {
            let asked: Vec<(usize, &Aggregate)> =
                plan.aggregates().iter().enumerate().filter(|(_, a)| a.entity == *entity).collect();
            let kind = EntityLayout::new(entity, &asked, schema, rates, &mut layout.sources);
            layout.kinds.push(kind);
        }
        layout
    }
}

impl EntityLayout {
    fn new(
        entity: &Entity,
        asked: &[(usize, &Aggregate)],
        schema: &Schema,
        rates: &Rates,
        sources: &mut Vec<Source>,
    ) -> EntityLayout {
        let flags = asked.iter().any(|(_, a)| a.status.is_some() || a.filter.is_some());
        let mut kind = EntityLayout {
            fields: entity.clone(),
            stride: 1 + usize::from(flags),
            flags,
            settles: asked.iter().any(|(_, a)| a.status.is_some()),
            columns: Vec::new(),
            windows: Vec::new(),
            cells: Vec::new(),
            answers: Vec::new(),
            lives: Vec::new(),
            life_needs: Vec::new(),
            reach: 0,
            aggregates: asked.iter().map(|(i, _)| *i as u16).collect(),
        };
        let mut wanted: Vec<(Window, Cell, Answer)> = Vec::new();
        for &(index, aggregate) in asked {
            let status = aggregate.status.map_or(0, |s| s.bit());
            let filter =
                aggregate.filter.map_or(0, |f| filter_flags(1u32.checked_shl(u32::from(f)).unwrap_or(0)));
            let need = status | filter;
            let delay = aggregate.delay.micros().clamp(0, WINDOW_MAX.micros());
            // What is shifted into the past has this payment outside of it.
            let including = aggregate.including && delay == 0;
            if aggregate.function == Function::FirstSeen && aggregate.window.is_none() {
                let slot = kind.life_needs.iter().position(|n| *n == need).unwrap_or_else(|| {
                    kind.life_needs.push(need);
                    kind.life_needs.len() - 1
                });
                kind.lives.push(Life { aggregate: index, slot, delay, including });
                kind.reach = kind.reach.max(delay);
                continue;
            }
            let length = aggregate.window.unwrap_or(WINDOW_MAX).micros().clamp(0, WINDOW_MAX.micros());
            // The near edge of a plain window is in it, and so is the far one; the others are half-open.
            let open = i64::from(delay > 0 || including);
            let window = Window { from: delay + length - open, to: delay, cells: 0..0 };
            let mut parts = 1.0;
            let mut column = |id: FieldId, kind: &mut EntityLayout| {
                parts = match schema.field(id).kind {
                    Kind::Money => 10f64.powi(rates.base().exponent() as i32),
                    _ => NUMBER_PARTS,
                };
                Measure::Column(kind.column(
                    sources,
                    if schema.field(id).kind == Kind::Money { Source::Money(id) } else { Source::Number(id) },
                ))
            };
            let (measure, reading) = match aggregate.function {
                Function::Count => (Measure::Events, Reading::Count),
                Function::FirstSeen => (Measure::Events, Reading::FirstSeen),
                Function::Since => (Measure::Events, Reading::Since),
                Function::Ratio => (Measure::Share(filter), Reading::Ratio),
                Function::Sum(id) => (column(id, &mut kind), Reading::Sum),
                Function::Avg(id) => (column(id, &mut kind), Reading::Avg),
                Function::Min(id) => (column(id, &mut kind), Reading::Min),
                Function::Max(id) => (column(id, &mut kind), Reading::Max),
                Function::StdDev(id) => (column(id, &mut kind), Reading::StdDev),
                Function::Distinct(id) => {
                    (Measure::Distinct(kind.column(sources, Source::Key(id))), Reading::Count)
                }
            };
            let cell = Cell { window: 0, need, measure, including, wants: Wants::default(), answers: 0..0 };
            wanted.push((window, cell, Answer { aggregate: index, reading, parts }));
        }
        kind.arrange(wanted);
        kind
    }

    /// The word of an event where this source's column is kept.
    fn column(&mut self, sources: &mut Vec<Source>, source: Source) -> usize {
        let index = sources.iter().position(|s| *s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        }) as u16;
        let first = 1 + usize::from(self.flags);
        let place = self.columns.iter().position(|c| *c == index).unwrap_or_else(|| {
            self.columns.push(index);
            self.stride += 1;
            self.columns.len() - 1
        });
        first + place
    }

    /// Groups answers by cell and cells by window. Windows that end alike stand together, the shorter
    /// first, so that the longer one goes on where it stopped.
    fn arrange(&mut self, mut wanted: Vec<(Window, Cell, Answer)>) {
        wanted.sort_by_key(|(window, ..)| (window.to, window.from));
        while let Some((window, ..)) = wanted.first().cloned() {
            let (mut same, rest): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(w, ..)| *w == window);
            wanted = rest;
            let first_cell = self.cells.len();
            while let Some((_, cell, _)) = same.first().cloned() {
                let (now, later): (Vec<_>, Vec<_>) = same.into_iter().partition(|(_, c, _)| *c == cell);
                same = later;
                let first_answer = self.answers.len();
                self.answers.extend(now.into_iter().map(|(.., answer)| answer));
                let answers = first_answer..self.answers.len();
                let wants = Wants::of(&self.answers[answers.clone()]);
                self.cells.push(Cell { window: self.windows.len(), answers, wants, ..cell });
            }
            self.reach = self.reach.max(window.from);
            self.windows.push(Window { cells: first_cell..self.cells.len(), ..window });
        }
    }
}

/// A number in millionths, held within `i64`; its least value means absent and is no number's.
pub(super) fn fixed_point(number: f64) -> i64 {
    ((number * NUMBER_PARTS).round_ties_even() as i64).max(i64::MIN + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_six_decimals_and_stop_at_the_ends() {
        for (number, expected) in
            [(1.5, 1_500_000), (-0.000_001, -1), (0.000_000_4, 0), (1e300, i64::MAX), (-1e300, i64::MIN + 1)]
        {
            assert_eq!(fixed_point(number), expected, "{number}");
        }
    }
}
