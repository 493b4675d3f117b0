//! Events past the limit of an entity: totals of stretches of time, instead of events.
//!
//! Stretches hold equally many events, 1 at first; when all are in use, neighbours are joined. A window
//! counts every stretch that it touches whole, so a value is off by at most one stretch at an edge of
//! the window that lies among them: at most 1/32 of the events folded (late events, which go where
//! their time puts them, aside). Distinct values are not kept: their number is a lower bound.

use super::block::NO_NUMBER;
use super::image::Words;
use super::layout::{EntityLayout, Measure};
use super::totals::Totals;

/// Stretches of one entity.
const STRETCHES_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Folded {
    stretches: Vec<Stretch>,
    /// Events that fill a stretch.
    full: u64,
}

#[derive(Debug)]
struct Stretch {
    oldest: i64,
    newest: i64,
    events: u64,
    /// Of each cell of the kind.
    totals: Vec<Totals>,
}

/// Most bytes that the folded events of an entity take.
pub(super) fn bytes_max(kind: &EntityLayout) -> usize {
    size_of::<Folded>() + STRETCHES_MAX * (size_of::<Stretch>() + kind.cells.len() * size_of::<Totals>())
}

impl Default for Folded {
    fn default() -> Folded {
        Folded { stretches: Vec::new(), full: 1 }
    }
}

impl Folded {
    pub fn bytes(&self) -> usize {
        let totals: usize = self.stretches.iter().map(|s| s.totals.capacity()).sum();
        size_of::<Folded>() + self.stretches.capacity() * size_of::<Stretch>() + totals * size_of::<Totals>()
    }

    pub fn image(&self, out: &mut Vec<u64>) {
        out.extend([self.full, self.stretches.len() as u64]);
        for Stretch { oldest, newest, events, totals } in &self.stretches {
            out.extend([*oldest as u64, *newest as u64, *events]);
            totals.iter().for_each(|totals| totals.image(out));
        }
    }

    pub fn of_image(kind: &EntityLayout, words: &mut Words<'_>) -> Option<Folded> {
        let (full, count) = (words.next()?, words.next()?);
        let mut stretches = Vec::new();
        for _ in 0..count {
            let (oldest, newest, events) = (words.signed()?, words.signed()?, words.next()?);
            let totals = kind.cells.iter().map(|_| Totals::of_image(words)).collect::<Option<_>>()?;
            stretches.push(Stretch { oldest, newest, events, totals });
        }
        Some(Folded { stretches, full })
    }

    /// The newest time that was folded.
    pub fn newest(&self) -> i64 {
        self.stretches.last().map_or(i64::MIN, |s| s.newest)
    }

    pub fn add_to(&self, totals: &mut Totals, cell: usize, from: i64, to: i64) {
        for stretch in self.stretches.iter().rev().skip_while(|s| s.oldest > to) {
            if stretch.newest < from {
                break;
            }
            totals.add(&stretch.totals[cell]);
        }
    }

    /// Folds an event. Stretches that end before `drop_before` make room for others; gives the end of
    /// the newest one dropped.
    pub fn fold(&mut self, kind: &EntityLayout, row: &[u64], drop_before: i64) -> Option<i64> {
        let at = row[0] as i64;
        let mut dropped = None;
        let after = self.stretches.partition_point(|s| s.oldest <= at);
        let fresh = match after.checked_sub(1).map(|i| &self.stretches[i]) {
            Some(last) => last.newest < at && last.events >= self.full && after == self.stretches.len(),
            None => self.stretches.is_empty(),
        };
        if fresh {
            if self.stretches.len() == STRETCHES_MAX {
                dropped = self.make_room(drop_before);
            }
            let totals = vec![Totals::NONE; kind.cells.len()];
            self.stretches.push(Stretch { oldest: at, newest: at, events: 0, totals });
        }
        let into = self.stretches.partition_point(|s| s.oldest <= at).saturating_sub(1);
        if let Some(stretch) = self.stretches.get_mut(into) {
            stretch.add(kind, row);
        }
        dropped
    }

    fn make_room(&mut self, drop_before: i64) -> Option<i64> {
        let old = self.stretches.iter().take_while(|s| s.newest < drop_before).count();
        if old > 0 {
            return self.stretches.drain(..old).next_back().map(|s| s.newest);
        }
        self.full *= 2;
        let mut joined: Vec<Stretch> = Vec::with_capacity(STRETCHES_MAX);
        for stretch in self.stretches.drain(..) {
            match joined.last_mut() {
                Some(last) if last.events + stretch.events <= self.full => last.join(&stretch),
                _ => joined.push(stretch),
            }
        }
        self.stretches = joined;
        None
    }
}

impl Stretch {
    fn add(&mut self, kind: &EntityLayout, row: &[u64]) {
        let at = row[0] as i64;
        (self.oldest, self.newest) = (self.oldest.min(at), self.newest.max(at));
        self.events += 1;
        let flags = if kind.flags { row[1] as u32 } else { 0 };
        for (cell, totals) in kind.cells.iter().zip(&mut self.totals) {
            if let Measure::Share(base) = cell.measure {
                totals.whole += i64::from(flags & base == base);
            }
            if flags & cell.need != cell.need {
                continue;
            }
            match cell.measure {
                Measure::Events | Measure::Share(_) => totals.event(at),
                Measure::Column(place) if row[place] != NO_NUMBER => {
                    totals.number(row[place] as i64, cell.wants);
                }
                Measure::Column(_) | Measure::Distinct(_) => {}
            }
        }
    }

    fn join(&mut self, later: &Stretch) {
        (self.oldest, self.newest) = (self.oldest.min(later.oldest), self.newest.max(later.newest));
        self.events += later.events;
        for (mine, other) in self.totals.iter_mut().zip(&later.totals) {
            mine.add(other);
        }
    }
}
