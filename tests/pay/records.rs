//! Events are written and read back; what is damaged or of a later release is refused, and never guessed.

use tollgate::pay::*;
use tollgate::{AMOUNT_MINOR_MAX, Outcome, Rates, Timestamp};

use super::desk::{
    AUTHORIZE, Desk, VOID, capture, changed, dispute, explained, labelled, merchant, money, order, payment,
    placed, refund, reported, requested, secret, settled,
};

fn every_event() -> Vec<Event> {
    let dispute_id = || DisputeId::parse("d1").unwrap();
    let (key, operator) = (CallKey([0xa5; 16]), OperatorId::parse("ann").unwrap());
    let request = RequestKey([3; 32]);
    let mut changes = vec![
        Change::CodeSent,
        Change::CodeTried,
        AUTHORIZE,
        VOID,
        capture(1),
        refund("r1", AMOUNT_MINOR_MAX),
    ];
    changes.extend(Outcome::ALL.map(Change::Assessed));
    let (cavv, id) = ("AAIBBYNoEwAAACcKhAJkdQAAAAA=", "97267598-fae6-48f2-8083-60ceb0b0b0b0");
    changes.extend(TransStatus::ALL.iter().map(|status| {
        let shape = match status {
            TransStatus::Authenticated => [Some("05"), Some(cavv), Some(id)],
            TransStatus::Attempted => [Some("01"), Some(cavv), Some(id)],
            TransStatus::Failed => [Some("07"), None, Some(id)],
            _ => [None; 3],
        };
        Change::Authenticated(Box::new(ThreeDs::new(*status, "2.2.0", shape[0], shape[1], shape[2]).unwrap()))
    }));
    changes.extend(ChallengeResult::ALL.iter().map(|r| Change::ChallengeEnded(*r)));
    changes.extend(ReviewResult::ALL.iter().map(|r| Change::ReviewEnded(*r)));
    let answers = [Answer::Approved { amount: money(5) }, Answer::Unknown, Answer::Absent];
    let declined = DeclineGroup::ALL.iter().map(|g| Answer::Declined(*g));
    changes.extend(answers.into_iter().chain(declined).map(|answer| Change::Answered { key, answer }));
    changes.extend([true, false].map(|took_effect| {
        let operator = operator.clone();
        Change::Resolved { key, took_effect, operator }
    }));
    changes.extend(DisputeKind::ALL.iter().map(|kind| dispute("d1", 7, *kind)));
    changes.push(Change::DisputeWon { dispute: dispute_id() });
    changes.push(Change::DisputeLost { dispute: dispute_id() });
    changes.extend(FraudType::ALL.iter().map(|kind| reported("t1", Reporter::Issuer, *kind)));
    changes.push(reported("t1", Reporter::Reviewer, FraudType::Other));
    let mut events: Vec<Event> = changes.into_iter().map(changed).collect();
    events.extend(Method::ALL.iter().map(|method| requested(u32::MAX, payment(), *method)));
    events.push(Event::OrderCreated { merchant: merchant(), order: order(), amount: money(1) });
    events.push(Event::RequestBegun { request, body: [4; 32] });
    events.push(Event::RequestAnswered { request, answer: b"{}".as_slice().into() });
    events.push(Event::RequestDropped { request });
    let account = || AccountId::parse("ann").unwrap();
    events.push(Event::AuthenticatorEnrolled { merchant: merchant(), account: account(), salt: [5; 16] });
    events.push(Event::AuthenticatorUsed { merchant: merchant(), account: account(), step: 60_000_000 });
    events.push(Event::AuthenticatorRemoved { merchant: merchant(), account: account() });
    events.push(Event::CodeCounted { marks: [Mark([6; 16]), Mark([7; 16])].into() });
    let rates = Rates::parse("version = 'v1'\nbase = 'USD'\n[rates]\nEUR = '1.0842'").unwrap();
    let conversion = Conversion::of(&rates, money(1999), super::desk::currency("USD")).unwrap();
    events.push(Event::OrderConverted {
        merchant: merchant(),
        order: order(),
        conversion: Box::new(conversion),
    });
    events.extend([true, false].map(labelled));
    events.extend([settled(0, 0), settled(1, 7), settled(u32::MAX, u64::MAX)]);
    events.push(explained(b"{}"));
    events.push(placed("https://qr.example/1"));
    events
}

#[test]
fn events_come_back() {
    for event in every_event() {
        for at in [Timestamp::default(), Timestamp::MIN, Timestamp::MAX] {
            let record = Record::encode(at, &event);
            assert_eq!(record.read(), Ok((at, event.clone())));
            assert!((32..=43).contains(&record.kind) || (48..=53).contains(&record.kind));
        }
    }
}

#[test]
fn what_is_cut_off_or_longer_is_refused_and_no_flipped_bit_is_a_panic() {
    for event in every_event() {
        let written = (Timestamp::default(), event.clone());
        let record = Record::encode(written.0, &event);
        let is_open_ended = matches!(event, Event::RequestAnswered { .. } | Event::Explained { .. });
        for len in 0..record.payload.len() {
            let cut = Record { payload: record.payload[..len].to_vec(), ..record.clone() };
            assert!(cut.read().is_err() || is_open_ended, "{event:?} cut to {len}");
        }
        let longer = Record { payload: [&record.payload[..], &[0]].concat(), ..record.clone() };
        assert!(longer.read().is_err() || is_open_ended, "{event:?}");
        for bit in 0..record.payload.len() * 8 {
            let mut flipped = record.clone();
            flipped.payload[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(flipped.read().as_ref(), Ok(&written), "bit {bit} means nothing");
        }
    }
}

#[test]
fn kinds_and_versions_of_a_later_release_are_refused_by_name() {
    let record = Record::encode(Timestamp::default(), &changed(VOID));
    for (kind, version) in [(record.kind, 0), (record.kind, 2), (31, 1), (44, 1), (47, 1), (54, 1)] {
        let other = Record { kind, version, ..record.clone() };
        let said = other.read().unwrap_err();
        assert!(said.contains(&format!("kind {kind} version {version}, which this program does not know")));
    }
}

#[test]
fn a_restart_ends_at_the_record_that_does_not_follow() {
    let desk = Desk::captured().done(refund("r1", 4_000));
    let whole = Book::new(secret()).restore(&desk.records).unwrap();
    assert!(whole == desk.book);
    for missing in 0..desk.records.len() - 1 {
        let mut records = desk.records.clone();
        records.remove(missing);
        let error = Book::new(secret()).restore(&records).unwrap_err();
        assert_eq!(error.number, missing, "{error}");
    }
    // Keys are derived with the secret: another one's answers belong to nothing here.
    let other = Book::new(CallSecret::new([8; 32])).restore(&desk.records).unwrap_err();
    assert_eq!(other.why, Error::UnknownCall.to_string());
}

#[test]
fn no_card_number_is_an_id_and_no_error_shows_one() {
    let pan = "4111111111111111";
    for error in
        [MerchantId::parse(pan).err(), RefundId::parse(&format!("r-{pan}")).err()].into_iter().flatten()
    {
        assert!(!tollgate::contains_pan(&format!("{error} {error:?}")));
    }
    assert!(RefundId::parse("4111-1111-1111-1111").is_err());
}
