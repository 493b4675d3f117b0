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
        let Some(shard) = super::shard::Shard::of_image(&self.layout, &mut Words(words)) else {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::payment::Payment;
    use crate::pipeline::Pipeline;
    use crate::simulate::{Simulator, SimulatorSettings};
    use crate::time::Span;
    use crate::velocity::{Limits, Status};

    fn velocity(pipeline: &Pipeline) -> Velocity {
        // So little that events are folded and dropped, and entities forgotten.
        let limits =
            Limits { entities: 3_000, events: 8, lateness: Span::from_secs(3_600), known_since: None };
        Velocity::new(pipeline.plan(), pipeline.schema(), Arc::clone(pipeline.rates()), limits)
    }

    fn images(velocity: &Velocity) -> Vec<Vec<u64>> {
        let image = |shard| {
            let mut words = Vec::new();
            velocity.image(shard, &mut words);
            words
        };
        (0..velocity.shards()).map(image).collect()
    }

    #[test]
    fn what_was_saved_goes_on_like_what_was_not() {
        let pipeline = Pipeline::shipped().unwrap();
        let settings = SimulatorSettings { payments: 20_000, days: 20, ..SimulatorSettings::default() };
        let mut simulator = Simulator::new(settings).unwrap();
        let mut payment = Payment::new(pipeline.schema());
        let (straight, mut saved) = (velocity(&pipeline), velocity(&pipeline));
        let width = pipeline.plan().aggregates().len();
        let (mut one, mut two) = (vec![0.0; width], vec![0.0; width]);
        let (mut n, mut folded, mut evicted) = (0, 0, 0);
        while simulator.next(pipeline.schema(), &mut payment) {
            n += 1;
            if n % 1_777 == 0 {
                let again = velocity(&pipeline);
                let images = images(&saved);
                assert!((0..images.len()).all(|i| again.set_image(i, &images[i])));
                assert_eq!((again.shape(), again.entities()), (saved.shape(), saved.entities()));
                saved = again;
            }
            let filters = pipeline.filters(&payment);
            let flags = straight.observe(&payment, filters, &mut one);
            assert_eq!(flags, saved.observe(&payment, filters, &mut two), "{n}");
            let same = one.iter().zip(&two).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "payment {n}: {one:?} {two:?}");
            folded += usize::from(flags.contains(crate::decision::Degraded::SATURATED));
            evicted += usize::from(flags.contains(crate::decision::Degraded::EVICTED));
            if n % 5 == 0 {
                let status = Status::ALL[n % 7];
                assert_eq!(straight.settle(&payment, status), saved.settle(&payment, status));
            }
        }
        assert!(folded > 50 && evicted > 500, "{folded} {evicted}");
    }

    /// No word makes a shard that panics later; most are refused.
    #[test]
    fn words_that_make_no_sense_do_no_harm() {
        let pipeline = Pipeline::shipped().unwrap();
        let settings = SimulatorSettings { payments: 400, days: 2, ..SimulatorSettings::default() };
        let mut simulator = Simulator::new(settings).unwrap();
        let mut payment = Payment::new(pipeline.schema());
        let mut payments = Vec::new();
        while simulator.next(pipeline.schema(), &mut payment) {
            payments.push(payment.clone());
        }
        let first = velocity(&pipeline);
        let mut activity = vec![0.0; pipeline.plan().aggregates().len()];
        for payment in &payments {
            first.observe(payment, 0, &mut activity);
        }
        let image = images(&first).remove(0);
        (0..image.len()).step_by(97).for_each(|len| assert!(!first.set_image(0, &image[..len])));
        let mut random = 1u64;
        for _ in 0..300 {
            let mut words = image.clone();
            for _ in 0..3 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 20) as usize % words.len();
                words[at] ^= 1 << (random >> 58);
            }
            let second = velocity(&pipeline);
            if second.set_image(0, &words) {
                for payment in &payments[..60] {
                    second.observe(payment, 0, &mut activity);
                }
            }
        }
    }
}
