//! What a book keeps for others: what is known besides, the way a payment goes, notices until they are delivered.

use tollgate::Outcome;
use tollgate::pay::*;

use crate::desk::*;

fn described(facts: &[u8]) -> Event {
    Event::Described { merchant: merchant(), payment: payment(), facts: facts.into() }
}

fn delivered(sequence: u32) -> Event {
    Event::Delivered { merchant: merchant(), payment: payment(), sequence }
}

fn routed(channel: &str) -> Event {
    let channel = ChannelId::parse(channel).unwrap();
    Event::Routed { merchant: merchant(), payment: payment(), channel }
}

/// The book that its records make again.
fn again(desk: &Desk) -> Book {
    Book::new(secret()).restore(&desk.records).unwrap()
}

#[test]
fn where_the_payer_goes_on_is_kept_while_they_are_waited_for() {
    let mut desk = Desk::new(Method::Alipay).then([Change::Assessed(Outcome::Approve)]);
    assert_eq!(desk.attempt(placed("https://a")).unwrap_err().code(), "illegal_transition", "nobody waits");
    let mut desk = desk.then([AUTHORIZE]);
    let before = desk.payment().sequence();
    assert_eq!(desk.apply(placed("https://a")).len(), 1);
    assert!(desk.apply(placed("https://a")).is_empty(), "known");
    desk.apply(placed("https://b"));
    let longest = "u".repeat(PAY_URL_BYTES_MAX);
    assert_eq!(
        desk.attempt(placed(&format!("{longest}u"))),
        Err(Error::Full("bytes of where the payer goes on"))
    );
    let desk = desk.answered(Answer::Unknown);
    assert_eq!((desk.payment().pay_url(), desk.payment().sequence()), (Some("https://b"), before + 1));
    assert_eq!(again(&desk), desk.book);
    let mut longer = desk.clone();
    longer.apply(placed(&longest));
    assert_eq!(again(&longer).payment(&merchant(), &payment()).unwrap().pay_url(), Some(&*longest));
    for answer in [Answer::Approved { amount: money(10_000) }, Answer::Declined(DeclineGroup::Soft)] {
        let over = desk.clone().answered(answer);
        assert_eq!(over.payment().pay_url(), None);
        assert_eq!(again(&over), over.book);
    }
}

#[test]
fn facts_are_kept_once_and_come_back() {
    let mut desk = Desk::new(Method::Card);
    let before = desk.payment().sequence();
    assert_eq!(desk.apply(described(b"{}")).len(), 1);
    assert!(desk.apply(described(b"{}")).is_empty(), "known");
    assert_eq!(desk.attempt(described(b"{1}")), Err(Error::Exists("description")));
    assert_eq!((desk.payment().facts(), desk.payment().sequence()), (b"{}".as_slice(), before));
    assert_eq!(again(&desk), desk.book);
    let mut other = Desk::new(Method::Card);
    let full = vec![b'x'; FACTS_BYTES_MAX + 1];
    assert_eq!(other.attempt(described(&full)), Err(Error::Full("bytes of what is known")));
    other.apply(described(&full[1..]));
    assert_eq!(again(&other), other.book);
}

#[test]
fn notices_wait_until_they_are_delivered() {
    let mut desk = Desk::captured();
    let waiting = |desk: &Desk| desk.payment().undelivered().map(|n| n.state.name()).collect::<Vec<_>>();
    assert_eq!(waiting(&desk), ["authorized", "captured"]);
    let first = desk.payment().undelivered().next().unwrap().sequence;
    desk.apply(delivered(first));
    assert!(desk.apply(delivered(first)).is_empty(), "known");
    assert_eq!(waiting(&desk), ["captured"]);
    assert_eq!(again(&desk), desk.book);
    desk.apply(delivered(u32::MAX));
    assert_eq!(waiting(&desk), [""; 0]);
    assert_eq!(again(&desk), desk.book);
}

#[test]
fn the_way_changes_until_something_may_have_come_of_it() {
    let mut desk = Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve)]);
    assert!(!desk.payment().operations().iter().any(|o| o.phase.is_final()));
    desk.apply(routed("one"));
    let mut desk = desk.then([AUTHORIZE]);
    desk.apply(routed("two"));
    assert!(desk.apply(routed("two")).is_empty(), "known");
    let unknown = desk.clone().answered(Answer::Unknown);
    for mut settled in [unknown, desk.clone().answered(desk.approved())] {
        let refused = settled.attempt(routed("three")).unwrap_err();
        assert_eq!(refused.code(), "illegal_transition");
        assert_eq!(settled.payment().channel().unwrap().as_str(), "two");
        assert_eq!(again(&settled), settled.book);
    }
}

#[test]
fn whoever_asks_knows_whether_it_was_assessed() {
    for (outcome, is) in [(None, false), (Some(Outcome::Approve), true), (Some(Outcome::Challenge), true)] {
        let desk = Desk::new(Method::Card).then(outcome.map(Change::Assessed));
        assert_eq!(desk.payment().is_assessed(), is, "{outcome:?}");
    }
}

#[test]
fn what_the_engine_was_not_told_of_is_known_and_where_to_look_for_it() {
    let mut desk = Desk::captured();
    let waiting = |desk: &Desk| desk.payment().unsettled().iter().map(|(s, _)| s.name()).collect::<Vec<_>>();
    assert_eq!((waiting(&desk), desk.payment().settled_by()), (vec!["authorized"], 0));
    let too_many = desk.attempt(settled(2, 5)).unwrap_err();
    assert_eq!(too_many.code(), "illegal_transition");
    assert_eq!(desk.apply(settled(1, 5)).len(), 1);
    assert!(desk.apply(settled(1, 9)).is_empty() && desk.apply(settled(0, 9)).is_empty(), "known");
    assert_eq!((waiting(&desk), desk.payment().settled(), desk.payment().settled_by()), (vec![], 1, 5));
    assert_eq!(again(&desk), desk.book);
    // What comes after is in the engine's journal behind all that was told before, of whatever payment.
    let mut desk = desk.done(refund("r1", 1_000));
    assert_eq!((waiting(&desk), desk.payment().settled_by()), (vec!["refunded"], 5));
    desk.apply(settled(2, 0));
    let desk = desk.done(refund("r2", 1_000));
    assert_eq!((waiting(&desk), desk.payment().settled_by()), (vec!["refunded"], 5));
    assert_eq!(again(&desk), desk.book);
}

#[test]
fn what_the_engine_answered_is_kept_until_nobody_looks() {
    let mut desk = Desk::new(Method::Card);
    assert_eq!(desk.apply(explained(b"{}")).len(), 1);
    assert!(desk.apply(explained(b"{}")).is_empty(), "known");
    assert_eq!(desk.attempt(explained(b"{1}")), Err(Error::Exists("explanation")));
    let desk = desk.then([Change::Assessed(Outcome::Review)]).done(AUTHORIZE);
    assert_eq!((desk.payment().state(), desk.payment().explanation()), (State::ReviewHeld, b"{}".as_slice()));
    assert_eq!(again(&desk), desk.book);
    let mut desk = desk.then([Change::ReviewEnded(ReviewResult::Approved)]);
    assert_eq!((desk.payment().state(), desk.payment().explanation()), (State::Authorized, b"".as_slice()));
    assert_eq!(desk.attempt(explained(b"{}")).unwrap_err().code(), "illegal_transition");
    assert_eq!(again(&desk), desk.book);
    let full = vec![b'x'; EXPLANATION_BYTES_MAX + 1];
    let mut other = Desk::new(Method::Card);
    assert_eq!(other.attempt(explained(&full)), Err(Error::Full("bytes of an explanation")));
    other.apply(explained(&full[1..]));
    assert_eq!(again(&other), other.book);
}
