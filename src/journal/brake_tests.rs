//! Promises 1 and 10 of rules that are braked under way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::decision::{Decision, Degraded, Outcome};
use crate::engine::Engine;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::rules::{BrakeChange, Trip};
use crate::simulate::{Simulator, SimulatorSettings};
use crate::time::Timestamp;

/// Two rules with a brake, one of them scoped, and one without.
fn pipeline(then: &str) -> Pipeline {
    let dir = tempfile::tempdir().unwrap();
    let rule = |id: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nwhen = 'amount > 30 and count(card, 1h) >= 0'\nreason = \"R\"\n{more}\n"
        )
    };
    let brake = "brake = \"1% of payments in 5m\"";
    let rules = rule("wide", &format!("then = \"{then}\"\n{brake}"))
        + &rule("card", &format!("weight = 40\n{brake}\nscope = {{ channel = [\"card\"] }}"))
        + &rule("plain", "then = \"challenge\"");
    std::fs::write(dir.path().join("r.toml"), rules).unwrap();
    Pipeline::open(dir.path()).unwrap()
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(pipeline("decline")))
}

fn payments(engine: &Engine, count: u64) -> Vec<Payment> {
    let settings = SimulatorSettings { payments: count, days: 1, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let pipeline = engine.pipeline();
    let mut payment = Payment::new(pipeline.schema());
    let mut payments = Vec::new();
    while simulator.next(pipeline.schema(), &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

fn open(dir: &Path, engine: &Arc<Engine>) -> (Journal, Recovered) {
    let settings = JournalSettings { segment_bytes: 1 << 20, durability: Durability::Written };
    Journal::open(dir, &settings, engine.clone()).unwrap()
}

fn on(rule: &str) -> BrakeChange {
    let trip = Trip { at: Timestamp::default(), payments: 300, matches: 4 };
    BrakeChange { rule: rule.into(), trip: Some(trip) }
}

fn off(rule: &str) -> BrakeChange {
    BrakeChange { rule: rule.into(), trip: None }
}

fn braked(engine: &Engine) -> Vec<String> {
    engine.pipeline().braked().into_iter().map(|(rule, _)| rule.id.clone()).collect()
}

#[test]
fn a_braked_rule_has_no_effect_and_the_decision_says_so() {
    let engine = engine();
    let payments = payments(&engine, 2_000);
    let hit = payments.iter().find(|p| engine.preview(p).outcome == Outcome::Decline).unwrap();
    let before = engine.preview(hit);
    assert!(before.degraded.is_none() && before.braked.is_empty());
    assert!(!engine.brake(&on("plain")) && !engine.brake(&on("none")), "they carry no brake");
    assert!(engine.brake(&on("wide")) && !engine.brake(&on("wide")), "once");
    let after = engine.preview(hit);
    assert_eq!(after.outcome, Outcome::Challenge, "of the rule without a brake");
    assert_eq!((after.degraded, after.matched), (Degraded::RULE_BRAKED, before.matched));
    assert_eq!(after.braked.iter().collect::<Vec<_>>(), [0]);
    let words = engine.describe(hit, &after).unwrap();
    assert_eq!(words.shadow[0].rule, "wide");
    assert!(words.reasons.iter().all(|reason| reason.rule != "wide"));
    let quiet = payments.iter().find(|p| engine.preview(p).matched.is_empty()).unwrap();
    assert!(engine.preview(quiet).degraded.is_none(), "what it did not match says nothing of it");
    assert!(engine.brake(&off("wide")) && !engine.brake(&off("wide")));
    assert_eq!(engine.preview(hit), before);
}

#[test]
fn braked_rules_decide_the_same_one_by_one_and_in_batches() {
    let all = payments(&engine(), 6_000);
    let changes = [on("wide"), on("card"), off("wide"), off("card")];
    let by = |score: &dyn Fn(&Engine, &[Payment]) -> Vec<Decision>| {
        let engine = engine();
        let parts = all.chunks(1_500).zip(&changes).map(|(part, change)| {
            engine.brake(change);
            score(&engine, part)
        });
        parts.collect::<Vec<_>>().concat()
    };
    let expected = by(&|engine, part| part.iter().map(|p| engine.score(p)).collect());
    assert!(expected.iter().filter(|d| d.degraded.contains(Degraded::RULE_BRAKED)).count() > 1_000);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let batch = by(&|engine, part| {
            let mut decisions = Vec::new();
            pool.install(|| engine.score_all(part, &mut decisions));
            decisions
        });
        assert!(format!("{batch:?}") == format!("{expected:?}"), "{threads} threads");
    }
}

#[test]
fn brakes_have_a_place_in_the_journals_order() {
    for threads in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let first = engine();
        let (journal, _) = open(dir.path(), &first);
        let payments = payments(&first, 12_000);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(payment) = payments.get(i) else { return };
                        let _ = journal.score(payment).unwrap();
                        if i.is_multiple_of(40) {
                            let change =
                                [on("wide"), on("card"), off("wide"), off("card")][i / 40 % 4].clone();
                            let _ = journal.brake(change).unwrap();
                        }
                    }
                });
            }
        });
        drop(journal);
        let replayed = replay(dir.path(), &engine(), &|_, _| ()).unwrap();
        assert_eq!((replayed.same, replayed.different), (12_000, 0), "{:?}", replayed.differences);
        assert!(replayed.contents.brakes > 100, "{:?}", replayed.contents);
    }
}

#[test]
fn a_braked_rule_stays_so_over_restarts_and_other_rules_until_it_says_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine();
    let all = payments(&first, 400);
    let (journal, _) = open(dir.path(), &first);
    for payment in &all[..200] {
        let _ = journal.score(payment).unwrap();
    }
    assert!(journal.brake(on("wide")).unwrap().is_some() && journal.brake(on("wide")).unwrap().is_none());
    assert!(journal.brake(on("card")).unwrap().is_some() && journal.brake(off("card")).unwrap().is_some());
    drop(journal); // no snapshot: the records bring it back
    let again = engine();
    let (journal, recovered) = open(dir.path(), &again);
    assert_eq!((recovered.snapshot, recovered.contents.brakes), (None, 3));
    assert_eq!(braked(&again), ["wide"]);
    journal.close().unwrap();
    let again = engine();
    let (journal, recovered) = open(dir.path(), &again);
    assert!(recovered.snapshot.is_some(), "{:?}", recovered.passed_over);
    assert_eq!(again.pipeline().braked()[0].1, on("wide").trip.unwrap());
    for payment in &all[200..] {
        let _ = journal.score(payment).unwrap();
    }
    // At a reload and at a start: `card` says what it said, and `wide` does not.
    assert!(journal.brake(on("card")).unwrap().is_some());
    let _ = journal.replace(pipeline("review")).unwrap();
    assert_eq!(braked(&again), ["card"]);
    assert_eq!(again.pipeline().braked()[0].1, on("card").trip.unwrap());
    assert!(journal.brake_of(&first.pipeline(), on("wide")).unwrap().is_none(), "that was meant for another");
    assert!(journal.brake(on("wide")).unwrap().is_some());
    drop(journal);
    let other = engine();
    let (journal, _) = open(dir.path(), &other);
    assert_eq!(braked(&other), ["card"]);
    drop(journal);
    let same = engine();
    let (journal, recovered) = open(dir.path(), &same);
    assert_eq!(braked(&same), ["card"], "those that stay are recorded behind their pipeline");
    // wide, card, card; card, at the reload, wide; card, at the start.
    assert_eq!(recovered.contents.brakes, 7);
    for payment in &all[..200] {
        let _ = journal.score(payment).unwrap();
    }
    drop(journal);
    let replayed = replay(dir.path(), &engine(), &|_, _| ()).unwrap();
    assert_eq!((replayed.same, replayed.different), (600, 0), "{:?}", replayed.differences);
}
