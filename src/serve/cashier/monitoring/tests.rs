//! Figures, against books whose payments are known.

use super::scheme::Threshold;
use super::*;
use crate::decision::Outcome;
use crate::pay::{
    Answer, Book, CallSecret, Change, DisputeId, DisputeKind, Event, FraudType, Method, Operation, OrderId,
    PaymentId, ReportId,
};

/// A book whose changes are counted as they happen.
struct Desk {
    book: Book,
    figures: Figures,
}

impl Desk {
    fn new(thresholds: &str) -> Desk {
        let figures = Figures::new(&toml::from_str(thresholds).unwrap());
        Desk { book: Book::new(CallSecret::new([7; 32])), figures }
    }

    fn happen(&mut self, at: &str, merchant: &str, id: &str, change: Change) {
        let (merchant, payment) = (MerchantId::parse(merchant).unwrap(), PaymentId::parse(id).unwrap());
        let seen = Seen::of(self.book.any(&payment).unwrap());
        let event = Event::Changed { merchant, payment: payment.clone(), change };
        self.book.apply(Timestamp::parse(at).unwrap(), event).unwrap();
        self.figures.happened(seen, self.book.any(&payment).unwrap());
    }

    /// A captured payment of 10 EUR by a card.
    fn paid(&mut self, at: &str, merchant: &str, id: &str, bin: &str) {
        let time = Timestamp::parse(at).unwrap();
        let amount = Money { minor: 1_000, currency: Currency::parse("EUR").unwrap() };
        let (owner, order, payment) = (
            MerchantId::parse(merchant).unwrap(),
            OrderId::parse(id).unwrap(),
            PaymentId::parse(id).unwrap(),
        );
        let facts = format!("{{\"bin\":\"{bin}\"}}").into_bytes().into_boxed_slice();
        for event in [
            Event::OrderCreated { merchant: owner.clone(), order: order.clone(), amount },
            Event::PaymentRequested {
                merchant: owner.clone(),
                order,
                attempt: 1,
                payment: payment.clone(),
                method: Method::Card,
                amount,
            },
            Event::Described { merchant: owner, payment: payment.clone(), facts },
        ] {
            self.book.apply(time, event).unwrap();
        }
        self.happen(at, merchant, id, Change::Assessed(Outcome::Approve));
        for operation in [Operation::Authorize, Operation::Capture { amount }] {
            self.happen(at, merchant, id, Change::Intended(operation));
            let key = self.book.any(&payment).unwrap().open().unwrap().key;
            self.happen(at, merchant, id, Change::Answered { key, answer: Answer::Approved { amount } });
        }
    }

    fn dispute(&mut self, at: &str, merchant: &str, id: &str, kind: DisputeKind) {
        let amount = Money { minor: 400, currency: Currency::parse("EUR").unwrap() };
        let dispute = DisputeId::parse("d1").unwrap();
        self.happen(at, merchant, id, Change::DisputeOpened { dispute, amount, kind });
    }

    fn report(&mut self, at: &str, merchant: &str, id: &str, report: &str, by: Reporter) {
        let report = ReportId::parse(report).unwrap();
        self.happen(at, merchant, id, Change::FraudReported { report, by, kind: FraudType::Other });
    }

    fn shown(&self, month: &str, owner: Option<&str>) -> serde_json::Value {
        let owner = owner.map(|owner| MerchantId::parse(owner).unwrap());
        let shown = self.figures.shown(Month::parse(month).unwrap(), owner.as_ref());
        // What was counted along is what one pass over the book counts.
        let mut again = Figures::new(&self.figures.thresholds);
        self.book.payments().for_each(|payment| again.resume(payment));
        assert_eq!(again.shown(Month::parse(month).unwrap(), owner.as_ref()), shown);
        serde_json::from_slice::<serde_json::Value>(&shown).unwrap()["figures"].take()
    }
}

const OCTOBER: &str = "2026-10-31T23:59:59Z";
const NOVEMBER: &str = "2026-11-01T00:00:00Z";

#[test]
fn schemes_count_in_their_own_ways() {
    let mut desk = Desk::new("");
    for (id, at) in [("a1", OCTOBER), ("a2", OCTOBER), ("a3", NOVEMBER)] {
        desk.paid(at, "m1", id, "411111");
    }
    for (id, at) in [("b1", OCTOBER), ("b2", OCTOBER), ("b3", OCTOBER), ("b4", NOVEMBER)] {
        desk.paid(at, "m1", id, "555555");
    }
    desk.paid(NOVEMBER, "m2", "c1", "355000");
    desk.dispute(NOVEMBER, "m1", "a1", DisputeKind::Consumer);
    desk.report(NOVEMBER, "m1", "a2", "t1", Reporter::Issuer);
    desk.report(NOVEMBER, "m1", "a2", "t2", Reporter::Issuer); // counts once
    desk.report(NOVEMBER, "m1", "a3", "review", Reporter::Reviewer); // is ours, not the scheme's
    desk.dispute(NOVEMBER, "m1", "b1", DisputeKind::Fraud);
    let november = desk.shown("2026-11", Some("m1"));
    let [visa, mastercard] = [&november[0], &november[1]];
    assert_eq!((visa["scheme"].as_str(), mastercard["scheme"].as_str()), (Some("visa"), Some("mastercard")));
    assert_eq!(visa["sales"], serde_json::json!({ "count": 1, "amounts": ["10.00 EUR"] }));
    assert_eq!(visa["disputes"], serde_json::json!({ "count": 1, "amounts": ["4.00 EUR"] }));
    assert_eq!(visa["fraud_reports"], serde_json::json!({ "count": 1, "amounts": ["10.00 EUR"] }));
    // Reports and disputes over what was settled in the same month.
    assert_eq!(
        visa["ratio"],
        serde_json::json!({ "program": "vamp", "events": 2, "sales": 1, "ratio": 2.0 })
    );
    // Chargebacks over the sales of the month before.
    assert_eq!(mastercard["ratio"]["sales"], 3);
    assert_eq!(mastercard["ratio"]["ratio"], 1.0 / 3.0);
    assert_eq!(
        (&mastercard["fraud_disputes"]["count"], &mastercard["dispute_rate"]),
        (&1.into(), &1.0.into())
    );
    let all = desk.shown("2026-11", None);
    assert_eq!((all.as_array().unwrap().len(), all[2]["scheme"].as_str()), (3, Some("jcb")));
    assert_eq!(desk.shown("2026-10", Some("m2")), serde_json::json!([]));
    assert_eq!(desk.shown("2026-10", None)[0]["disputes"]["count"], 0);
}

#[test]
fn a_threshold_is_passed_by_ratio_and_events() {
    let mut desk = Desk::new("visa = { ratio = 0.5, events = 2 }");
    for id in ["a1", "a2", "a3"] {
        desk.paid(NOVEMBER, "m1", id, "411111");
    }
    let past = |desk: &Desk| desk.shown("2026-11", None)[0]["past_threshold"].as_bool().unwrap();
    desk.dispute(NOVEMBER, "m1", "a1", DisputeKind::Fraud);
    assert!(!past(&desk) && desk.figures.warned.is_empty());
    desk.dispute(NOVEMBER, "m1", "a2", DisputeKind::Consumer);
    assert!(past(&desk) && desk.figures.warned.len() == 1);
    desk.paid(NOVEMBER, "m1", "a4", "411111");
    assert!(past(&desk), "at it");
    desk.paid(NOVEMBER, "m1", "a5", "411111");
    assert!(!past(&desk), "below it");
    assert_eq!(usual(Scheme::Visa), Some(Threshold { ratio: 0.015, events: 1_500 }));
}

#[test]
fn the_oldest_month_goes_first() {
    let mut desk = Desk::new("");
    for (at, id) in [(OCTOBER, "a1"), (NOVEMBER, "a2")] {
        desk.paid(at, "m1", id, "411111");
    }
    desk.figures.trim(2);
    assert_eq!(desk.figures.len, 2);
    desk.figures.trim(1);
    assert_eq!(desk.figures.months.keys().map(Month::to_string).collect::<Vec<_>>(), ["2026-11"]);
    assert_eq!((desk.figures.len, FIGURES_MAX, SHOWN_MAX), (1, 500_000, 10_000));
}
