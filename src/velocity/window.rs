//! The questions about one entity, answered from its events.

use arrayvec::ArrayVec;

use crate::decision::Degraded;

use super::aggregate::WINDOW_MAX;
use super::block::{Block, DROPPED, NO_KEY, NO_NUMBER};
use super::layout::{Answer, Cell, EntityLayout, Measure, Reading};
use super::running::Side;
use super::totals::{Totals, nearest};

/// Entities with more events than this within reach keep running totals; the others are read through.
pub(super) const SCAN_MAX: usize = 24;

/// The payment as its entities see it: its time, its flags and its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub at: i64,
    pub flags: u64,
    pub columns: &'a [u64],
}

/// Before which times an answer is not known, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The engine began to watch then.
    pub since: i64,
    /// An entity that is not there may have been evicted with an event at this time.
    pub evicted: i64,
    /// Events up to this time have been dropped, of those entities that are marked.
    pub dropped: i64,
}

/// Whether an event's flags satisfy a need.
fn meets(flags: u64, need: u32) -> bool {
    flags as u32 & need == need
}

/// Writes the kind's values into `activity`, as known before the payment.
pub(super) fn read(
    kind: &EntityLayout,
    block: Option<Block<'_>>,
    mut side: Option<&mut Side>,
    moment: Moment<'_>,
    known: Known,
    activity: &mut [f64],
) -> Degraded {
    let evicted = block.map_or(known.evicted, |b| b.horizon());
    let dropped = if block.is_some_and(|b| b.marked(DROPPED)) { known.dropped } else { i64::MIN };
    let unknown = |from: i64, to_dropped: bool| -> Degraded {
        let mut why = Degraded::NONE;
        if from < known.since {
            why |= Degraded::WARMING;
        }
        if from <= evicted {
            why |= Degraded::EVICTED;
        }
        if to_dropped && from <= dropped {
            why |= Degraded::LATE;
        }
        why
    };
    // Nearly every window lies behind all of these.
    let known_from = known.since.max(evicted.saturating_add(1)).max(dropped.saturating_add(1));
    let mut degraded = Degraded::NONE;
    let mut put = |index: usize, value: f64| {
        if let Some(slot) = activity.get_mut(index) {
            *slot = value;
        }
    };
    for life in &kind.lives {
        let why = unknown(moment.at - life.delay - WINDOW_MAX.micros(), false);
        let mut first = block.map_or(i64::MAX, |b| b.life(life.slot));
        if life.including && kind.life_needs.get(life.slot).is_some_and(|need| meets(moment.flags, *need)) {
            first = first.min(moment.at);
        }
        let seen = why.is_none() && first <= moment.at - life.delay;
        put(life.aggregate, if seen { first as f64 } else { f64::NAN });
        degraded |= why;
    }
    let mut span = Span { low: 0, high: 0, to: i64::MAX };
    for (w, window) in kind.windows.iter().enumerate() {
        let (from, to) = (moment.at - window.from, moment.at - window.to);
        if from < known_from {
            degraded |= unknown(from, true);
            let answers = kind.cells[window.cells.clone()].iter().flat_map(|c| c.answers.clone());
            answers.for_each(|a| put(kind.answers[a].aggregate, f64::NAN));
            continue;
        }
        match (&mut side, block) {
            (Some(side), Some(block)) => side.move_to(kind, w, block, from, to),
            (None, Some(block)) => span = span.or_longer(block, from, to),
            (_, None) => {}
        }
        for c in window.cells.clone() {
            let cell = &kind.cells[c];
            if let (None, Some(block), true) = (&side, block, cell.wants.nothing()) {
                let brief = Brief::gather(kind, cell, block, &span, moment);
                for answer in &kind.answers[cell.answers.clone()] {
                    put(answer.aggregate, brief.answer(answer));
                }
                continue;
            }
            let (mut totals, holds) = match (&mut side, block) {
                (_, None) => (Totals::NONE, false),
                (None, Some(block)) => (gather(cell, block, &span), false),
                (Some(side), Some(block)) => {
                    if side.fold_reaches(from) {
                        degraded |= Degraded::SATURATED;
                    }
                    side.totals(kind, c, block, moment)
                }
            };
            if cell.including {
                count_in(&mut totals, cell, moment, kind, holds);
            }
            for answer in &kind.answers[cell.answers.clone()] {
                put(answer.aggregate, totals.answer(answer, moment.at));
            }
        }
    }
    degraded
}

/// The word of the payment itself that an event's word at `place` would be.
pub(super) fn own_word(kind: &EntityLayout, moment: Moment<'_>, place: usize) -> u64 {
    let column = place - 1 - usize::from(kind.flags);
    kind.columns.get(column).and_then(|c| moment.columns.get(usize::from(*c))).copied().unwrap_or(NO_KEY)
}

/// Counts the payment itself. `holds` tells whether its value is among the distinct ones already.
fn count_in(totals: &mut Totals, cell: &Cell, moment: Moment<'_>, kind: &EntityLayout, holds: bool) {
    if let Measure::Share(base) = cell.measure {
        totals.whole += i64::from(meets(moment.flags, base));
    }
    if !meets(moment.flags, cell.need) {
        return;
    }
    match cell.measure {
        Measure::Events | Measure::Share(_) => totals.event(moment.at),
        Measure::Column(place) => match own_word(kind, moment, place) {
            NO_NUMBER => {}
            number => totals.number(number as i64, cell.wants),
        },
        Measure::Distinct(place) => {
            totals.count += i64::from(!holds && own_word(kind, moment, place) != NO_KEY);
        }
    }
}

/// The few events of a window: those from `low` to before `high`.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: usize,
    high: usize,
    /// Where the window ends.
    to: i64,
}

impl Span {
    /// The events from `from` to `to`. A window that ends where the one before did begins no later, for
    /// such windows are asked for in the order of their lengths.
    #[inline]
    fn or_longer(self, block: Block<'_>, from: i64, to: i64) -> Span {
        let mut span = self;
        if to != self.to {
            let mut high = block.len();
            while high > 0 && block.time(high - 1) > to {
                high -= 1;
            }
            span = Span { low: high, high, to };
        }
        while span.low > 0 && block.time(span.low - 1) >= from {
            span.low -= 1;
        }
        span
    }
}

/// What most cells are asked for, and no more.
struct Brief {
    count: i64,
    /// For a share: the events it is a share of.
    whole: i64,
    sum: i128,
}

impl Brief {
    /// One pass over the few events of a window, and the payment itself where it counts.
    #[inline]
    fn gather(kind: &EntityLayout, cell: &Cell, block: Block<'_>, span: &Span, moment: Moment<'_>) -> Brief {
        let mut brief = Brief { count: 0, whole: 0, sum: 0 };
        let need = cell.need;
        // Without a need there may be no flags to look at.
        let counts = |row: &[u64]| need == 0 || meets(row[1], need);
        let own = cell.including && meets(moment.flags, need);
        match cell.measure {
            Measure::Events if need == 0 => brief.count = (span.high - span.low) as i64 + i64::from(own),
            Measure::Events => {
                block.each(span.low, span.high, |row| brief.count += i64::from(counts(row)));
                brief.count += i64::from(own);
            }
            Measure::Share(base) => {
                block.each(span.low, span.high, |row| {
                    brief.count += i64::from(counts(row));
                    brief.whole += i64::from(base == 0 || meets(row[1], base));
                });
                brief.count += i64::from(own);
                brief.whole += i64::from(cell.including && meets(moment.flags, base));
            }
            Measure::Column(place) => {
                let mut number = |word: u64| {
                    if word != NO_NUMBER {
                        brief.count += 1;
                        brief.sum += i128::from(word as i64);
                    }
                };
                block.each(span.low, span.high, |row| {
                    if counts(row) {
                        number(row[place]);
                    }
                });
                if own {
                    number(own_word(kind, moment, place));
                }
            }
            Measure::Distinct(place) => {
                let mut keys: ArrayVec<u64, { SCAN_MAX + 1 }> = ArrayVec::new();
                let mut see = |key: u64| {
                    if key != NO_KEY && !keys.contains(&key) {
                        // Never full: there are at most as many values as events.
                        let _ = keys.try_push(key);
                    }
                };
                block.each(span.low, span.high, |row| {
                    if counts(row) {
                        see(row[place]);
                    }
                });
                if own {
                    see(own_word(kind, moment, place));
                }
                brief.count = keys.len() as i64;
            }
        }
        brief
    }

    /// The value asked for; NaN when there is none.
    #[inline]
    fn answer(&self, answer: &Answer) -> f64 {
        match answer.reading {
            Reading::Count => self.count as f64,
            Reading::Sum => nearest(self.sum) / answer.parts,
            Reading::Avg if self.count > 0 => nearest(self.sum) / (self.count as f64 * answer.parts),
            Reading::Ratio if self.whole > 0 => self.count as f64 / self.whole as f64,
            // The other readings are those that want more than this.
            _ => f64::NAN,
        }
    }
}

/// One pass over the few events of a window, for a cell that wants more than count and sum.
fn gather(cell: &Cell, block: Block<'_>, span: &Span) -> Totals {
    let mut totals = Totals::NONE;
    let need = cell.need;
    block.each(span.low, span.high, |row| {
        if need != 0 && !meets(row[1], need) {
            return;
        }
        match cell.measure {
            Measure::Events => totals.event(row[0] as i64),
            Measure::Column(place) if row[place] != NO_NUMBER => {
                totals.number(row[place] as i64, cell.wants);
            }
            // Shares and distinct values are never asked for more than how many.
            Measure::Column(_) | Measure::Share(_) | Measure::Distinct(_) => {}
        }
    });
    totals
}
