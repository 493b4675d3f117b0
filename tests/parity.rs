//! Promise 1: one by one, in batch on any number of threads, and shuffled within the lateness
//! bound, a payment gets the same decision.

use tollgate::{Decision, Engine, Payment, Pipeline, Simulator, SimulatorSettings};

const PAYMENTS: u64 = 200_000;

fn payments(schema: &tollgate::Schema) -> Vec<Payment> {
    let settings = SimulatorSettings { payments: PAYMENTS, days: 10, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(schema);
    let mut payments = Vec::new();
    while simulator.next(schema, &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

fn batch(payments: &[Payment], threads: usize) -> Vec<Decision> {
    let engine = Engine::new(Pipeline::shipped().unwrap());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut decisions = Vec::new();
    pool.install(|| payments.chunks(7_777).for_each(|chunk| engine.score_all(chunk, &mut decisions)));
    decisions
}

/// All that a decision says, so that a difference of one bit is a difference.
fn bytes(decisions: &[Decision]) -> String {
    decisions.iter().fold(String::new(), |mut text, d| {
        use std::fmt::Write;
        writeln!(text, "{d:?}").unwrap();
        text
    })
}

#[test]
fn one_by_one_and_batches_decide_the_same() {
    let engine = Engine::new(Pipeline::shipped().unwrap());
    let payments = payments(engine.pipeline().schema());
    let one_by_one: Vec<Decision> = payments.iter().map(|p| engine.score(p)).collect();
    let matched = one_by_one.iter().filter(|d| !d.matched.is_empty()).count();
    assert!(matched > 1000, "only {matched} decisions have anything to differ in");
    let expected = bytes(&one_by_one);
    for threads in [1, 2, 3] {
        assert!(bytes(&batch(&payments, threads)) == expected, "{threads} threads");
    }
}

/// The index, which asks every distinct question once, matches what each rule's own condition says.
#[test]
fn the_index_matches_what_every_rule_says_by_itself() {
    let engine = Engine::new(Pipeline::shipped().unwrap());
    let pipeline = engine.pipeline();
    let payments = payments(pipeline.schema());
    let mut compared = 0;
    for payment in &payments[..40_000] {
        let explained = engine.explain(payment);
        let decision = engine.score(payment);
        for (i, truth) in explained.rules.iter().enumerate() {
            let expected = truth.in_scope && truth.holds == Some(true);
            assert_eq!(decision.matched.contains(i), expected, "{} {}", payment.id(), truth.rule);
            compared += usize::from(expected);
        }
    }
    assert!(compared > 1000);
}
