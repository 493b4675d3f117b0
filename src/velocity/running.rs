//! Running totals of an entity with many events: each window remembers where it began and ended, and
//! moves from there, so that a read costs what has changed and not what there is.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::block::{Block, NO_KEY, NO_NUMBER};
use super::folded::Folded;
use super::layout::{Cell, EntityLayout, Measure};
use super::totals::Totals;
use super::window::{Moment, own_word};

/// Bytes of one place in a table of distinct values: what is counted, how often, and the table's own byte.
const VALUE_BYTES: usize = size_of::<(u64, i32)>() + 1;

/// What an entity has beside its block when it has many events.
#[derive(Debug)]
pub(super) struct Side {
    cursors: Vec<Cursor>,
    states: Vec<State>,
    folded: Option<Box<Folded>>,
}

/// Where a window stands: it holds the events from `low` to before `high`, which are those from
/// `from` to `to`.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    from: i64,
    to: i64,
    low: usize,
    high: usize,
}

#[derive(Debug, Clone)]
struct State {
    totals: Totals,
    /// An extreme has left the window; the next read looks for the new one.
    stale: bool,
    /// How many events of each distinct value.
    keys: HashMap<u64, i32, FixedState>,
}

/// Bytes of a side that counts no distinct values.
pub(super) fn bytes(kind: &EntityLayout) -> usize {
    size_of::<Side>() + kind.windows.len() * size_of::<Cursor>() + kind.cells.len() * size_of::<State>()
}

/// Bytes that one cell takes to count so many distinct values.
pub(super) fn values_bytes(values: usize) -> usize {
    // A table is filled to seven eighths at most, and doubles.
    (values * 8 / 7).next_power_of_two() * VALUE_BYTES
}

impl Side {
    pub fn new(kind: &EntityLayout) -> Side {
        let cursor = Cursor { from: i64::MIN, to: i64::MIN, low: 0, high: 0 };
        let state =
            State { totals: Totals::NONE, stale: false, keys: HashMap::with_hasher(FixedState::default()) };
        Side {
            cursors: vec![cursor; kind.windows.len()],
            states: vec![state; kind.cells.len()],
            folded: None,
        }
    }

    /// One that has folded events already.
    pub fn with(kind: &EntityLayout, folded: Folded) -> Side {
        Side { folded: Some(Box::new(folded)), ..Side::new(kind) }
    }

    /// The events that are not kept one by one.
    pub fn folded(&self) -> Option<&Folded> {
        self.folded.as_deref()
    }

    pub fn bytes(&self) -> usize {
        let keys: usize = self.states.iter().map(|s| s.keys.capacity() * VALUE_BYTES).sum();
        size_of::<Side>()
            + self.cursors.capacity() * size_of::<Cursor>()
            + self.states.capacity() * size_of::<State>()
            + keys
            + self.folded.as_ref().map_or(0, |f| f.bytes())
    }

    /// Moves window `w` to the events from `from` to `to`.
    pub fn move_to(&mut self, kind: &EntityLayout, w: usize, block: Block<'_>, from: i64, to: i64) {
        let cursor = &mut self.cursors[w];
        let cells = kind.windows[w].cells.clone();
        let asked = &kind.cells[cells.clone()];
        let states = &mut self.states[cells];
        let Cursor { mut low, mut high, .. } = *cursor;
        let mut step = |i: usize, enters: bool| {
            for (cell, state) in asked.iter().zip(states.iter_mut()) {
                state.count(kind, cell, block.row(i), enters);
            }
        };
        // The leading edge moves first, so that nothing leaves that hasn't entered.
        if to >= cursor.to {
            while high < block.len() && block.time(high) <= to {
                step(high, true);
                high += 1;
            }
            while low < high && block.time(low) < from {
                step(low, false);
                low += 1;
            }
        } else {
            while low > 0 && block.time(low - 1) >= from {
                low -= 1;
                step(low, true);
            }
            while high > low && block.time(high - 1) > to {
                high -= 1;
                step(high, false);
            }
        }
        *cursor = Cursor { from, to, low, high };
    }

    /// An event has been put in at `i`.
    pub fn inserted(&mut self, kind: &EntityLayout, block: Block<'_>, i: usize) {
        let row = block.row(i);
        let at = row[0] as i64;
        for (cursor, window) in self.cursors.iter_mut().zip(&kind.windows) {
            if at < cursor.from {
                cursor.low += 1;
                cursor.high += 1;
            } else if at <= cursor.to {
                cursor.high += 1;
                let cells = window.cells.clone();
                for (cell, state) in kind.cells[cells.clone()].iter().zip(&mut self.states[cells]) {
                    state.count(kind, cell, row, true);
                }
            }
        }
    }

    /// The oldest event is about to go.
    pub fn leaving(&mut self, kind: &EntityLayout, oldest: &[u64]) {
        for (cursor, window) in self.cursors.iter_mut().zip(&kind.windows) {
            if cursor.low > 0 {
                cursor.low -= 1;
                cursor.high -= 1;
            } else if cursor.high > 0 {
                cursor.high -= 1;
                let cells = window.cells.clone();
                for (cell, state) in kind.cells[cells.clone()].iter().zip(&mut self.states[cells]) {
                    state.count(kind, cell, oldest, false);
                }
            }
        }
    }

    /// The event at `i` is about to get other flags.
    pub fn reflagged(&mut self, kind: &EntityLayout, i: usize, old: &[u64], flags: u64) {
        for (cursor, window) in self.cursors.iter().zip(&kind.windows) {
            if i < cursor.low || i >= cursor.high {
                continue;
            }
            let cells = window.cells.clone();
            for (cell, state) in kind.cells[cells.clone()].iter().zip(&mut self.states[cells]) {
                if (old[1] as u32 & cell.need == cell.need) != (flags as u32 & cell.need == cell.need) {
                    state.tally(cell, old, old[1], false);
                    state.tally(cell, old, flags, true);
                }
            }
        }
    }

    /// What cell `c` has gathered where its window stands, and whether the
    /// payment's own value is among the distinct ones.
    pub fn totals(
        &mut self,
        kind: &EntityLayout,
        c: usize,
        block: Block<'_>,
        moment: Moment<'_>,
    ) -> (Totals, bool) {
        let cell = &kind.cells[c];
        let (cursor, state) = (self.cursors[cell.window], &mut self.states[c]);
        let mut holds = false;
        match cell.measure {
            Measure::Events | Measure::Share(_) if state.totals.count > 0 => {
                // Whoever asks only how many doesn't pay for when.
                if cell.wants.times {
                    let meets =
                        |i: &usize| cell.need == 0 || block.row(*i)[1] as u32 & cell.need == cell.need;
                    let (mut all, range) = (cursor.low..cursor.high, cursor.low..cursor.high);
                    state.totals.first = all.find(meets).map_or(i64::MAX, |i| block.time(i));
                    state.totals.last = range.rev().find(meets).map_or(i64::MIN, |i| block.time(i));
                }
            }
            Measure::Events | Measure::Share(_) => {
                (state.totals.first, state.totals.last) = (Totals::NONE.first, Totals::NONE.last);
            }
            Measure::Column(_) if state.totals.count == 0 => {
                (state.totals, state.stale) = (Totals::NONE, false);
            }
            Measure::Column(place) if state.stale => {
                state.look_for_extremes(cell, place, block, cursor);
            }
            Measure::Column(_) => {}
            Measure::Distinct(place) => {
                state.totals.count = state.keys.len() as i64;
                holds = cell.including && state.keys.contains_key(&own_word(kind, moment, place));
            }
        }
        let mut totals = state.totals;
        if let Some(folded) = &self.folded {
            folded.add_to(&mut totals, c, cursor.from, cursor.to);
        }
        (totals, holds)
    }

    /// Whether a window from `from` on reaches events that are no longer kept one by one.
    pub fn fold_reaches(&self, from: i64) -> bool {
        self.folded.as_ref().is_some_and(|f| f.newest() >= from)
    }

    /// Keeps what there is to know about an event that can't be kept itself.
    pub fn fold(&mut self, kind: &EntityLayout, row: &[u64], drop_before: i64) -> Option<i64> {
        self.folded.get_or_insert_with(Box::default).fold(kind, row, drop_before)
    }

    /// The newest time that was folded.
    pub fn folded_newest(&self) -> i64 {
        self.folded.as_ref().map_or(i64::MIN, |f| f.newest())
    }
}

impl State {
    fn count(&mut self, kind: &EntityLayout, cell: &Cell, row: &[u64], enters: bool) {
        self.tally(cell, row, if kind.flags { row[1] } else { 0 }, enters);
    }

    fn tally(&mut self, cell: &Cell, row: &[u64], flags: u64, enters: bool) {
        let change = if enters { 1 } else { -1 };
        if let Measure::Share(base) = cell.measure
            && flags as u32 & base == base
        {
            self.totals.whole += change;
        }
        if flags as u32 & cell.need != cell.need {
            return;
        }
        match cell.measure {
            Measure::Events | Measure::Share(_) => self.totals.count += change,
            Measure::Column(place) => match row[place] {
                NO_NUMBER => {}
                number if enters => self.totals.number(number as i64, cell.wants),
                number => {
                    let number = number as i64;
                    self.totals.remove_number(number, cell.wants);
                    self.stale |=
                        cell.wants.extremes && (number == self.totals.min || number == self.totals.max);
                }
            },
            Measure::Distinct(place) => {
                let key = row[place];
                if key == NO_KEY {
                    return;
                }
                let count = self.keys.entry(key).or_insert(0);
                *count += change as i32;
                if *count == 0 {
                    self.keys.remove(&key);
                }
            }
        }
    }

    fn look_for_extremes(&mut self, cell: &Cell, place: usize, block: Block<'_>, cursor: Cursor) {
        self.stale = false;
        (self.totals.min, self.totals.max) = (Totals::NONE.min, Totals::NONE.max);
        for i in cursor.low..cursor.high {
            let row = block.row(i);
            let meets = cell.need == 0 || row[1] as u32 & cell.need == cell.need;
            if meets && row[place] != NO_NUMBER {
                self.totals.min = self.totals.min.min(row[place] as i64);
                self.totals.max = self.totals.max.max(row[place] as i64);
            }
        }
    }
}
