//! The questions about one entity, answered from its events.

use arrayvec::ArrayVec;

use crate::decision::Degraded;

use super::aggregate::WINDOW_MAX;
use super::block::{Block, DROPPED, NO_KEY, NO_NUMBER};
use super::layout::{EntityLayout, Measure, Window};
use super::running::Side;
use super::totals::Totals;

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
    for (w, window) in kind.windows.iter().enumerate() {
        let (from, to) = (moment.at - window.from, moment.at - window.to);
        let why = unknown(from, true);
        degraded |= why;
        if !why.is_none() {
            let answers = kind.cells[window.cells.clone()].iter().flat_map(|c| c.answers.clone());
            answers.for_each(|a| put(kind.answers[a].aggregate, f64::NAN));
            continue;
        }
        if let (Some(side), Some(block)) = (side.as_deref_mut(), block) {
            side.move_to(kind, w, block, from, to);
        }
        for c in window.cells.clone() {
            let cell = &kind.cells[c];
            let (mut totals, holds) = match (&mut side, block) {
                (_, None) => (Totals::NONE, false),
                (None, Some(block)) => scan(kind, window, c, block, from, to, moment),
                (Some(side), Some(block)) => {
                    if side.fold_reaches(from) {
                        degraded |= Degraded::SATURATED;
                    }
                    side.totals(kind, c, block, moment)
                }
            };
            if cell.including {
                count_in(&mut totals, cell.measure, cell.need, moment, kind, holds);
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
fn count_in(
    totals: &mut Totals,
    measure: Measure,
    need: u32,
    moment: Moment<'_>,
    kind: &EntityLayout,
    holds: bool,
) {
    if let Measure::Share(base) = measure {
        totals.whole += i64::from(meets(moment.flags, base));
    }
    if !meets(moment.flags, need) {
        return;
    }
    match measure {
        Measure::Events | Measure::Share(_) => totals.event(moment.at),
        Measure::Column(place) => match own_word(kind, moment, place) {
            NO_NUMBER => {}
            number => totals.number(number as i64),
        },
        Measure::Distinct(place) => {
            totals.count += i64::from(!holds && own_word(kind, moment, place) != NO_KEY);
        }
    }
}

/// One pass over the few events of an entity, newest first. The second value tells whether the
/// payment's own value is among the distinct ones.
fn scan(
    kind: &EntityLayout,
    window: &Window,
    cell: usize,
    block: Block<'_>,
    from: i64,
    to: i64,
    moment: Moment<'_>,
) -> (Totals, bool) {
    debug_assert!(window.cells.contains(&cell));
    let cell = &kind.cells[cell];
    let mut totals = Totals::NONE;
    let mut keys: ArrayVec<u64, SCAN_MAX> = ArrayVec::new();
    for i in (0..block.len()).rev() {
        let row = block.row(i);
        let at = row[0] as i64;
        if at > to {
            continue;
        }
        if at < from {
            break;
        }
        let flags = if kind.flags { row[1] } else { 0 };
        if let Measure::Share(base) = cell.measure {
            totals.whole += i64::from(meets(flags, base));
        }
        if !meets(flags, cell.need) {
            continue;
        }
        match cell.measure {
            Measure::Events | Measure::Share(_) => totals.event(at),
            Measure::Column(place) => match row[place] {
                NO_NUMBER => {}
                number => totals.number(number as i64),
            },
            Measure::Distinct(place) => {
                let key = row[place];
                if key != NO_KEY && !keys.contains(&key) {
                    // Never full: there are at most as many values as events.
                    let _ = keys.try_push(key);
                }
            }
        }
    }
    let mut holds = false;
    if let Measure::Distinct(place) = cell.measure {
        totals.count = keys.len() as i64;
        holds = cell.including && keys.contains(&own_word(kind, moment, place));
    }
    (totals, holds)
}
