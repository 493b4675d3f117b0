//! What a payment is taken for: fraud by a dispute of that kind or a report, until such a dispute is won.

use tollgate::pay::*;
use tollgate::{Span, Timestamp};

use crate::desk::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::default().plus(Span::from_secs(seconds))
}

/// Something happens then; what is told of the label.
fn later(desk: &mut Desk, second: i64, change: Change) -> Option<bool> {
    let effects = desk.book.apply(at(second), changed(change)).unwrap();
    let mut told = None;
    for effect in effects {
        match effect {
            Effect::Persist(record) => desk.records.push(record),
            Effect::Label(_, fraud) => told = Some(fraud),
            _ => {}
        }
    }
    told
}

/// A captured payment to which these things happen, a second apart from 1 on; with what was told of its label.
fn after(changes: &[Change]) -> (Desk, Vec<bool>) {
    let mut desk = Desk::captured();
    let mut told = Vec::new();
    for (change, second) in changes.iter().zip(1..) {
        told.extend(later(&mut desk, second, change.clone()));
    }
    assert_eq!(Book::new(secret()).restore(&desk.records).unwrap(), desk.book);
    (desk, told)
}

#[test]
fn the_label_is_what_was_said_last() {
    let open = |id: &str, kind| dispute(id, 4_000, kind);
    let won = |id: &str| Change::DisputeWon { dispute: DisputeId::parse(id).unwrap() };
    let lost = |id: &str| Change::DisputeLost { dispute: DisputeId::parse(id).unwrap() };
    let issuer = || reported("t1", Reporter::Issuer, FraudType::Stolen);
    let reviewer = || reported("review", Reporter::Reviewer, FraudType::Other);
    let fraud = DisputeKind::Fraud;
    let none = [DisputeKind::Authorization, DisputeKind::Processing, DisputeKind::Consumer];
    for kind in none {
        for end in [won("d1"), lost("d1")] {
            let (desk, told) = after(&[open("d1", kind), end]);
            assert_eq!((desk.payment().label(), told), (None, vec![]), "{kind}");
        }
    }
    for (changes, label, told) in [
        (vec![open("d1", fraud)], (true, 1), vec![true]),
        (vec![open("d1", fraud), lost("d1")], (true, 1), vec![true]),
        (vec![open("d1", fraud), won("d1")], (false, 2), vec![true, false]),
        (vec![open("d1", fraud), won("d1"), open("d2", fraud)], (true, 3), vec![true, false, true]),
        (vec![issuer()], (true, 1), vec![true]),
        (vec![issuer(), open("d1", fraud)], (true, 1), vec![true]),
        (vec![issuer(), open("d1", fraud), won("d1")], (false, 3), vec![true, false]),
        (vec![issuer(), open("d1", none[2]), won("d1")], (true, 1), vec![true]),
        (vec![open("d1", fraud), won("d1"), reviewer()], (true, 3), vec![true, false, true]),
    ] {
        let (desk, found) = after(&changes);
        let (fraud, since) = label;
        assert_eq!(desk.payment().label(), Some(Label { fraud, since: at(since) }), "{changes:?}");
        assert_eq!(found, told, "{changes:?}");
    }
}

#[test]
fn a_label_is_untold_until_it_was_told() {
    let (mut desk, _) = after(&[reported("t1", Reporter::Issuer, FraudType::Lost)]);
    assert_eq!(desk.payment().untold(), Some(Label { fraud: true, since: at(1) }));
    assert_eq!(desk.apply(labelled(true)).len(), 1);
    assert!(desk.apply(labelled(true)).is_empty(), "known");
    assert_eq!(desk.payment().untold(), None);
    later(&mut desk, 2, dispute("d1", 10_000, DisputeKind::Fraud));
    assert_eq!(desk.payment().untold(), None, "it was fraud before");
    later(&mut desk, 3, Change::DisputeWon { dispute: DisputeId::parse("d1").unwrap() });
    assert_eq!(desk.payment().untold(), Some(Label { fraud: false, since: at(3) }));
    assert_eq!(Book::new(secret()).restore(&desk.records).unwrap(), desk.book);
}

#[test]
fn reports_are_taken_to_the_limit_and_not_one_past() {
    let mut desk = Desk::captured();
    for n in 0..REPORTS_MAX {
        desk.apply(changed(reported(&format!("t{n}"), Reporter::Issuer, FraudType::Other)));
    }
    let more = changed(reported("more", Reporter::Issuer, FraudType::Other));
    assert_eq!(desk.attempt(more), Err(Error::Full("reports")));
    let other = changed(reported("t0", Reporter::Issuer, FraudType::Lost));
    assert_eq!(desk.attempt(other), Err(Error::Exists("report")));
}

#[test]
fn windows_hear_once_of_a_report_of_what_took_place() {
    let settled = |desk: &Desk| {
        let effects = desk.clone().apply(changed(reported("t2", Reporter::Reviewer, FraudType::Other)));
        effects.iter().any(|e| matches!(e, Effect::Settle(..)))
    };
    let issuer = || reported("t1", Reporter::Issuer, FraudType::Other);
    assert!(settled(&Desk::captured()) && settled(&Desk::authorized()));
    assert!(!settled(&Desk::captured().then([issuer()])) && !settled(&Desk::disputed()));
    assert!(!settled(&Desk::authorized().done(VOID)), "it was stopped");
}
