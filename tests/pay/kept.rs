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
