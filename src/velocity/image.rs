//! What is remembered as words, shard by shard, and back: for a snapshot. Running totals are left out: they are
//! counted again from the events when somebody asks.

use super::folded::Folded;
use super::layout::{EntityLayout, Layout};
use super::store::Velocity;

/// Words that are left to be read; every reader gives `None` when they don't make sense.
pub(super) struct Words<'a>(pub &'a [u64]);

impl<'a> Words<'a> {
    pub fn next(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn signed(&mut self) -> Option<i64> {
        self.next().map(|word| word as i64)
    }

    pub fn wide(&mut self) -> Option<u128> {
        Some(u128::from(self.next()?) << 64 | u128::from(self.next()?))
    }

    /// As many words as the next one says.
    pub fn run(&mut self) -> Option<&'a [u64]> {
        let len = usize::try_from(self.next()?).ok()?;
        let (run, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(run)
    }
}

pub(super) fn put_wide(out: &mut Vec<u64>, n: u128) {
    out.extend([(n >> 64) as u64, n as u64]);
}

pub(super) fn put_run(out: &mut Vec<u64>, words: &[u64]) {
    out.push(words.len() as u64);
    out.extend_from_slice(words);
}

impl Velocity {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Appends all that a shard remembers. A picture of all shards is one of a moment only while nobody scores.
    pub(crate) fn image(&self, shard: usize, out: &mut Vec<u64>) {
        if let Some(shard) = self.shards.get(shard) {
            shard.lock().image(out);
        }
    }

    /// Makes a shard remember what an image of one with the same layout says; false, and the shard as it was,
    /// when the words are no such image.
    #[must_use]
    pub(crate) fn set_image(&self, shard: usize, words: &[u64]) -> bool {
        let Some(place) = self.shards.get(shard) else { return false };
        let Some(shard) = super::shard::Shard::of_image(&self.layout, &self.bounds, &mut Words(words)) else {
            return false;
        };
        *place.lock() = shard;
        true
    }

    /// What must be the same for an image to be of use, in letters.
    pub(crate) fn shape(&self) -> String {
        let Layout { kinds, sources, aggregates, .. } = &self.layout;
        format!("{aggregates} {sources:?} {kinds:?} {:?} {}", self.bounds, self.shards.len())
    }
}

/// The folded events of each side that has some, by the side's place.
pub(super) fn put_folded<'a>(out: &mut Vec<u64>, sides: impl Iterator<Item = (usize, &'a Folded)>) {
    let before = out.len();
    out.push(0);
    for (place, folded) in sides {
        out.push(place as u64);
        folded.image(out);
        out[before] += 1;
    }
}

/// Reads them, with their places.
pub(super) fn read_folded(kind: &EntityLayout, words: &mut Words<'_>) -> Option<Vec<(u32, Folded)>> {
    let mut all = Vec::new();
    for _ in 0..words.next()? {
        let place = u32::try_from(words.next()?).ok()?;
        all.push((place, Folded::of_image(kind, words)?));
    }
    Some(all)
}
