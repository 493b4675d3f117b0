//! The same key and body get the same bytes; another body or a request under way a typed refusal.

use tollgate::pay::*;
use tollgate::{Span, Timestamp};

use super::desk::{Desk, merchant, order, payment, refund, requested, secret};

fn key(key: &str) -> RequestKey {
    RequestKey::new(&merchant(), "capture", key).unwrap()
}

fn begun(request: RequestKey) -> Event {
    Event::RequestBegun { request, body: [1; 32] }
}

fn answered(request: RequestKey, answer: &[u8]) -> Event {
    Event::RequestAnswered { request, answer: answer.into() }
}

fn desk(requests_max: usize) -> Desk {
    Desk { book: Book::with_limits(secret(), 10, requests_max), records: Vec::new() }
}

#[test]
fn the_first_answer_is_given_again_byte_for_byte_and_after_a_restart() {
    let bytes: Vec<u8> = (0..=255).collect();
    let mut desk = desk(10);
    assert_eq!(desk.book.answer(&key("a"), &[1; 32]), Ok(None));
    desk.apply(begun(key("a")));
    assert_eq!(desk.book.answer(&key("a"), &[1; 32]), Err(Error::KeyInFlight));
    assert_eq!(desk.book.answer(&key("a"), &[2; 32]), Err(Error::KeyReused));
    assert_eq!(desk.attempt(begun(key("a"))), Err(Error::KeyInFlight));
    desk.apply(answered(key("a"), &bytes));
    let again = Book::new(secret()).restore(&desk.records).unwrap();
    for book in [&desk.book, &again] {
        assert_eq!(book.answer(&key("a"), &[1; 32]), Ok(Some(&bytes[..])));
        assert_eq!(book.answer(&key("a"), &[2; 32]), Err(Error::KeyReused));
        assert_eq!(book.answer(&key("b"), &[2; 32]), Ok(None));
    }
    assert!(again == desk.book);
    // It can't be answered in another way, nor be forgotten.
    assert_eq!(desk.apply(answered(key("a"), &bytes)), []);
    for event in [answered(key("a"), b"other"), begun(key("a")), Event::RequestDropped { request: key("a") }]
    {
        assert_eq!(desk.attempt(event), Err(Error::Exists("answer")));
    }
}

#[test]
fn a_request_that_a_crash_cut_off_may_come_again_with_the_same_body_alone() {
    let mut desk = desk(10);
    desk.apply(begun(key("a")));
    let mut again = Desk {
        book: Book::with_limits(secret(), 10, 10).restore(&desk.records).unwrap(),
        records: Vec::new(),
    };
    assert_eq!(again.book.answer(&key("a"), &[1; 32]), Ok(None));
    assert_eq!(again.book.answer(&key("a"), &[2; 32]), Err(Error::KeyReused));
    assert_eq!(again.apply(begun(key("a"))), []); // it is in the records
    assert_eq!(again.book.answer(&key("a"), &[1; 32]), Err(Error::KeyInFlight));
    again.apply(answered(key("a"), b"done"));
    assert_eq!(again.book.answer(&key("a"), &[1; 32]), Ok(Some(b"done".as_slice())));
}

#[test]
fn the_key_of_a_refused_request_is_free_again() {
    let mut desk = desk(10);
    desk.apply(begun(key("a")));
    desk.apply(Event::RequestDropped { request: key("a") });
    assert_eq!(desk.book.answer(&key("a"), &[2; 32]), Ok(None));
    for event in [Event::RequestDropped { request: key("a") }, answered(key("a"), b"x")] {
        assert_eq!(desk.attempt(event), Err(Error::NotFound("request")));
    }
    assert!(Book::with_limits(secret(), 10, 10).restore(&desk.records).unwrap() == desk.book);
}

#[test]
fn the_oldest_answer_makes_room_and_what_is_under_way_does_not() {
    let mut desk = desk(2);
    for name in ["a", "b"] {
        desk.apply(begun(key(name)));
    }
    assert_eq!(desk.attempt(begun(key("c"))), Err(Error::Full("requests")));
    desk.apply(answered(key("a"), b"a"));
    desk.apply(begun(key("c")));
    assert_eq!(desk.book.answer(&key("a"), &[1; 32]), Ok(None)); // it had to go
    assert_eq!(desk.book.answer(&key("b"), &[1; 32]), Err(Error::KeyInFlight));
    assert!(Book::with_limits(secret(), 10, 2).restore(&desk.records).unwrap() == desk.book);
}

#[test]
fn answers_are_kept_for_their_time_and_charges_stay_for_ever() {
    let mut book = Book::new(secret());
    let at = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
    book.apply(at, begun(key("a"))).unwrap();
    book.apply(at, answered(key("a"), b"a")).unwrap();
    let short = Span::from_micros(REQUESTS_KEPT.micros() - 1);
    book.apply(at.plus(short), begun(key("b"))).unwrap();
    assert!(book.answer(&key("a"), &[1; 32]).unwrap().is_some());
    book.apply(at.plus(REQUESTS_KEPT), begun(key("c"))).unwrap();
    assert_eq!(book.answer(&key("a"), &[1; 32]), Ok(None));
    // The same requests again, whose keys are gone: nothing is charged or refunded twice.
    let mut desk = Desk::captured().done(refund("r1", 4_000));
    let before = desk.book.clone();
    let again = requested(1, PaymentId::parse("p2").unwrap(), Method::Card);
    assert_eq!(desk.attempt(again), Err(Error::AttemptExists(payment())));
    let again = super::desk::changed(refund("r1", 4_000));
    assert_eq!(desk.attempt(again), Err(Error::Exists("refund")));
    let again = Event::OrderCreated { merchant: merchant(), order: order(), amount: super::desk::money(1) };
    assert_eq!(desk.attempt(again), Err(Error::Exists("order")));
    assert!(desk.book == before);
}

#[test]
fn keys_and_answers_have_their_limits() {
    let (longest, longer) = ("k".repeat(KEY_BYTES_MAX), "k".repeat(KEY_BYTES_MAX + 1));
    assert!(RequestKey::new(&merchant(), "r", &longest).is_ok());
    for bad in [longer.as_str(), "", "a b", "\u{e9}", "a\n"] {
        assert_eq!(RequestKey::new(&merchant(), "r", bad), Err(Error::BadKey));
    }
    // Where one part ends and the next begins is a part of the name.
    let other = MerchantId::parse("m1c").unwrap();
    assert_ne!(RequestKey::new(&merchant(), "capture", "k"), RequestKey::new(&other, "apture", "k"));
    let mut desk = desk(10);
    desk.apply(begun(key("a")));
    let too_long = vec![0; ANSWER_BYTES_MAX + 1];
    assert_eq!(desk.attempt(answered(key("a"), &too_long)), Err(Error::Full("bytes of an answer")));
    let effects = desk.apply(answered(key("a"), &too_long[1..]));
    assert!(matches!(&effects[..], [Effect::Persist(r)] if r.payload.len() <= 64 << 10));
}
