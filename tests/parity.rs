//! Promise 1: one by one, in batch on any number of threads, and shuffled within the lateness
//! bound, a payment gets the same decision.

mod support;

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
    let in_order = payments(&tollgate::Schema::clone(Pipeline::shipped().unwrap().schema()));
    for (order, payments) in [("in order", in_order.clone()), ("shuffled", shuffled(in_order))] {
        let engine = Engine::new(Pipeline::shipped().unwrap());
        let one_by_one: Vec<Decision> = payments.iter().map(|p| engine.score(p)).collect();
        let matched = one_by_one.iter().filter(|d| !d.matched.is_empty()).count();
        assert!(matched > 1000, "only {matched} decisions have anything to differ in");
        let expected = bytes(&one_by_one);
        for threads in [1, 2, 3] {
            assert!(bytes(&batch(&payments, threads)) == expected, "{order}, {threads} threads");
        }
    }
}

/// The models' answers, their reasons and what rules make of them are part of the decision.
#[test]
fn models_answer_the_same_one_by_one_and_in_batches() {
    let rules = "[[rule]]\nid = \"r\"\nwhen = 'score > 400 or anomaly > 0'\nweight = 30\nreason = \"R\"\n";
    let policy =
        "[thresholds]\nchallenge = 250\n[model]\nchampion = \"a\"\nchallenger = \"b\"\nanomaly = \"c\"\n";
    let folder = support::Folder::new(&[
        ("r.toml", rules),
        ("policy.toml", policy),
        ("models/a.json", &support::logistic()),
        ("models/b.json", &support::trees("platt")),
        ("models/c.json", &support::trees("none")),
    ]);
    let engine = Engine::new(folder.open().unwrap());
    let payments = payments(engine.pipeline().schema());
    let payments = &payments[..60_000];
    let expected: Vec<Decision> = payments.iter().map(|p| engine.score(p)).collect();
    let explained = expected.iter().filter(|d| !d.contributions.is_empty()).count();
    let challenged = expected.iter().filter(|d| d.challenged.is_some()).count();
    assert!(explained > 1000 && challenged == payments.len(), "{explained} {challenged}");
    for threads in [1, 2, 3] {
        let engine = Engine::new(folder.open().unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut decisions = Vec::new();
        pool.install(|| payments.chunks(7_777).for_each(|chunk| engine.score_all(chunk, &mut decisions)));
        assert!(bytes(&decisions) == bytes(&expected), "{threads} threads");
    }
}

/// Late payments: neighbours of up to a few hours change places, within the lateness bound of a day.
fn shuffled(mut payments: Vec<Payment>) -> Vec<Payment> {
    let mut random: u64 = 42;
    for block in payments.chunks_mut(2_000) {
        for i in (1..block.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            block.swap(i, (random >> 33) as usize % (i + 1));
        }
    }
    payments
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
