//! What the windows remember, as words and back: tried here, with whole pipelines.

use std::sync::Arc;

use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::simulate::{Simulator, SimulatorSettings};
use crate::time::Span;
use crate::velocity::{Limits, Status, Velocity};

/// So little that events are folded and dropped, and entities forgotten.
const LITTLE: Limits =
    Limits { entities: 3_000, events: 8, memory: None, lateness: Span::from_secs(3_600), known_since: None };

fn velocity(pipeline: &Pipeline, limits: Limits) -> Velocity {
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
    goes_on(LITTLE, 50);
}

#[test]
fn and_so_it_does_within_a_budget_of_bytes() {
    goes_on(Limits { entities: 1_000_000, events: 100, memory: Some(1 << 20), ..LITTLE }, 0);
}

fn goes_on(limits: Limits, folded_min: usize) {
    let pipeline = Pipeline::shipped().unwrap();
    let settings = SimulatorSettings { payments: 20_000, days: 20, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(pipeline.schema());
    let (straight, mut saved) = (velocity(&pipeline, limits), velocity(&pipeline, limits));
    let width = pipeline.plan().aggregates().len();
    let (mut one, mut two) = (vec![0.0; width], vec![0.0; width]);
    let (mut n, mut folded, mut evicted) = (0, 0, 0);
    while simulator.next(pipeline.schema(), &mut payment) {
        n += 1;
        if n % 1_777 == 0 {
            let again = velocity(&pipeline, limits);
            let images = images(&saved);
            assert!((0..images.len()).all(|i| again.set_image(i, &images[i])));
            assert_eq!((again.shape(), again.entities()), (saved.shape(), saved.entities()));
            assert_eq!(again.evictions(), saved.evictions());
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
    assert!(folded >= folded_min && evicted > 500, "{folded} {evicted}");
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
    let first = velocity(&pipeline, LITTLE);
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
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 20) as usize % words.len();
            words[at] ^= 1 << (random >> 58);
        }
        let second = velocity(&pipeline, LITTLE);
        if second.set_image(0, &words) {
            for payment in &payments[..60] {
                second.observe(payment, 0, &mut activity);
            }
        }
    }
}
