//! Codes: tries counted before they are compared, used once, for their time, bound to what they are for.

use tollgate::pay::*;
use tollgate::{Money, Outcome, Span, Timestamp};

use super::desk::{
    AUTHORIZE, Desk, authenticated, changed, merchant, money, order, payment, requested, secret,
};

fn codes() -> CodeSecret {
    CodeSecret::new([8; 32])
}

fn challenged() -> Desk {
    Desk::new(Method::Card).then([Change::Assessed(Outcome::Challenge)])
}

fn tried(desk: &mut Desk, at: Timestamp) -> Result<(), Error> {
    let effects = desk.book.apply(at, changed(Change::CodeTried))?;
    let [Effect::Persist(record), Effect::Compare(_)] = &effects[..] else { panic!("{effects:?}") };
    desk.records.push(record.clone());
    Ok(())
}

#[test]
fn five_tries_are_all_there_are_whenever_the_machine_stops() {
    for restarts in 0..1 << CODE_TRIES_MAX {
        let mut desk = challenged();
        for n in 0..CODE_TRIES_MAX {
            assert!(
                !codes().matches(desk.payment(), "not it") && n == desk.payment().challenge().unwrap().tries
            );
            tried(&mut desk, Timestamp::default()).unwrap();
            if restarts >> n & 1 == 1 {
                desk.book = Book::new(secret()).restore(&desk.records).unwrap();
            }
        }
        assert_eq!(tried(&mut desk, Timestamp::default()), Err(Error::NoTriesLeft));
        assert_eq!(desk.payment().challenge().unwrap().tries_left(), 0);
    }
}

#[test]
fn the_right_code_passes_once_and_only_when_the_try_was_counted() {
    let mut desk = challenged();
    let code = codes().code(desk.payment()).unwrap();
    assert!(!codes().matches(desk.payment(), code.as_str())); // not counted
    tried(&mut desk, Timestamp::default()).unwrap();
    tried(&mut desk, Timestamp::default()).unwrap(); // another at the same time
    let (head, tail) = code.as_str().split_at(3);
    assert!(codes().matches(desk.payment(), &format!(" {head} {tail}")));
    for wrong in ["", head, &format!("{head}{tail}0"), &format!("{tail}{head}x"), "\u{661}\u{662}\u{663}"] {
        assert!(!codes().matches(desk.payment(), wrong), "{wrong:?}");
    }
    let passed = || changed(Change::ChallengeEnded(ChallengeResult::Passed));
    desk.apply(passed());
    assert_eq!(desk.payment().state(), State::Created);
    assert!(!codes().matches(desk.payment(), code.as_str())); // used
    assert!(matches!(desk.attempt(passed()), Err(Error::Illegal { .. })));
    assert!(matches!(tried(&mut desk, Timestamp::default()), Err(Error::Illegal { .. })));
}

#[test]
fn codes_other_than_the_right_one_are_wrong() {
    let mut desk = challenged();
    tried(&mut desk, Timestamp::default()).unwrap();
    let typed: Vec<u32> = (0..1_000_000).step_by(997).chain([code(&desk)]).collect();
    let matching = typed.iter().filter(|n| codes().matches(desk.payment(), &format!("{n:06}"))).count();
    let repeated = typed.iter().filter(|n| **n == code(&desk)).count();
    assert_eq!(matching, repeated);
}

fn code(desk: &Desk) -> u32 {
    codes().code(desk.payment()).unwrap().as_str().parse().unwrap()
}

#[test]
fn a_code_is_for_one_merchant_payment_amount_currency_and_challenge() {
    let yen = Money { minor: 10_000, currency: super::desk::currency("JPY") };
    let challenged = |merchant: &str, payment: &str, amount| {
        let mut book = Book::new(secret());
        let (merchant, id) = (MerchantId::parse(merchant).unwrap(), PaymentId::parse(payment).unwrap());
        let at = Timestamp::default();
        let event = Event::OrderCreated { merchant: merchant.clone(), order: order(), amount };
        book.apply(at, event).unwrap();
        let event = Event::PaymentRequested {
            merchant: merchant.clone(),
            order: order(),
            attempt: 1,
            payment: id.clone(),
            method: Method::Card,
            amount,
        };
        book.apply(at, event).unwrap();
        let change = Change::Assessed(Outcome::Challenge);
        book.apply(at, Event::Changed { merchant: merchant.clone(), payment: id.clone(), change }).unwrap();
        codes().code(book.payment(&merchant, &id).unwrap()).unwrap().as_str().to_owned()
    };
    let first = challenged("m1", "p1", money(10_000));
    assert_eq!(first, challenged("m1", "p1", money(10_000)));
    let others = [
        challenged("m2", "p1", money(10_000)),
        challenged("m1", "p2", money(10_000)),
        challenged("m1p", "1", money(10_000)),
        challenged("m1", "p1", money(10_001)),
        challenged("m1", "p1", yen),
    ];
    assert!(others.iter().all(|other| *other != first), "{first} {others:?}");
    // The institution wants proof after the engine was content: a code of its own, and five tries.
    let sca = Answer::Declined(DeclineGroup::Sca);
    let cleared = Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve), AUTHORIZE]);
    let again = cleared.answered(sca);
    assert_eq!(again.payment().challenge().unwrap().number, 1);
    assert_eq!(codes().code(again.payment()).unwrap().as_str(), first);
    // Another secret, another code; no challenge, none.
    let other = CodeSecret::new([9; 32]).code(again.payment()).unwrap();
    assert_ne!(other.as_str(), first);
    assert!(codes().code(Desk::new(Method::Card).payment()).is_none());
}

#[test]
fn a_code_is_good_for_five_minutes_and_sent_three_times_half_a_minute_apart() {
    let second = |n: i64| Timestamp::default().plus(Span::from_secs(n));
    let last = Timestamp::default().plus(Span::from_micros(CODE_KEPT.micros() - 1));
    let mut desk = challenged();
    let send = |desk: &mut Desk, at| desk.book.apply(at, changed(Change::CodeSent)).map(|_| ());
    assert_eq!(send(&mut desk, second(0)), Ok(()));
    assert_eq!(send(&mut desk, second(29)), Err(Error::SentJustNow));
    assert_eq!(send(&mut desk, second(30)), Ok(()));
    assert_eq!(send(&mut desk, second(10)), Err(Error::SentJustNow)); // the clock went back
    assert_eq!(send(&mut desk, last), Ok(()));
    assert_eq!(send(&mut desk, last), Err(Error::NoSendsLeft));
    assert_eq!(tried(&mut desk, last), Ok(()));
    let before = desk.book.clone();
    let late = Timestamp::default().plus(CODE_KEPT);
    assert_eq!(tried(&mut desk, late), Err(Error::CodeExpired));
    assert_eq!(send(&mut desk, late), Err(Error::CodeExpired));
    assert!(desk.book == before);
}

#[test]
fn another_payments_code_is_wrong_here() {
    let mut desk = challenged();
    tried(&mut desk, Timestamp::default()).unwrap();
    let code = codes().code(desk.payment()).unwrap();
    desk.apply(changed(Change::ChallengeEnded(ChallengeResult::Failed)));
    let id = PaymentId::parse("p2").unwrap();
    desk.apply(requested(2, id.clone(), Method::Card));
    for change in [Change::Assessed(Outcome::Challenge), Change::CodeTried] {
        desk.apply(Event::Changed { merchant: merchant(), payment: id.clone(), change });
    }
    let second = desk.book.payment(&merchant(), &id).unwrap();
    assert!(!codes().matches(second, code.as_str()));
    assert!(codes().matches(second, codes().code(second).unwrap().as_str()));
    assert!(!codes().matches(desk.book.payment(&merchant(), &payment()).unwrap(), code.as_str()));
}

#[test]
fn nothing_shows_a_code_or_a_secret() {
    let desk = challenged();
    let code = codes().code(desk.payment()).unwrap();
    let app = Authenticator::new(b"12345678901234567890", TotpHash::Sha1, 6).unwrap();
    let shown = format!("{code:?} {:?} {app:?} {:?} {:?}", codes(), desk.book, desk.records);
    assert!(!shown.contains(code.as_str()) && !shown.contains("[8, 8") && !shown.contains("[7, 7"));
}

/// RFC 6238, appendix B: seconds and the eight digits of SHA-1, SHA-256 and SHA-512.
const VECTORS: [(i64, [&str; 3]); 6] = [
    (59, ["94287082", "46119246", "90693936"]),
    (1_111_111_109, ["07081804", "68084774", "25091201"]),
    (1_111_111_111, ["14050471", "67062674", "99943326"]),
    (1_234_567_890, ["89005924", "91819424", "93441116"]),
    (2_000_000_000, ["69279037", "90698825", "38618901"]),
    (20_000_000_000, ["65353130", "77737706", "47863826"]),
];

#[test]
fn an_authenticator_agrees_with_the_vectors_of_rfc_6238() {
    let secrets = [
        (TotpHash::Sha1, b"12345678901234567890".to_vec()),
        (TotpHash::Sha256, b"12345678901234567890123456789012".to_vec()),
        (TotpHash::Sha512, b"1234567890123456789012345678901234567890123456789012345678901234".to_vec()),
    ];
    for (which, (hash, secret)) in secrets.iter().enumerate() {
        for (seconds, codes) in VECTORS {
            let at = Timestamp::from_micros(seconds * 1_000_000).unwrap();
            let step = (seconds / 30) as u64;
            let app = Authenticator::new(secret, *hash, 8).unwrap();
            assert_eq!(app.accepts(codes[which], at, None), Some(step));
            // Six digits are the last six of eight.
            let six = Authenticator::new(secret, *hash, 6).unwrap();
            assert_eq!(six.accepts(&codes[which][2..], at, None), Some(step));
            // One step early or late is good, two are not; each is good once.
            for (shift, expected) in [(-60, None), (-30, Some(step)), (30, Some(step)), (60, None)] {
                assert_eq!(app.accepts(codes[which], at.plus(Span::from_secs(shift)), None), expected);
            }
            assert_eq!(app.accepts(codes[which], at, Some(step)), None);
            assert_eq!(app.accepts(codes[which], at, Some(step - 1)), Some(step));
        }
    }
}

#[test]
fn what_is_no_code_is_wrong_and_what_is_no_authenticator_is_refused() {
    let app = Authenticator::new(b"12345678901234567890", TotpHash::Sha1, 8).unwrap();
    let at = Timestamp::from_micros(59_000_000).unwrap();
    for wrong in ["", "9428708", "942870820", "+4287082", "9428708x", "\u{661}4287082"] {
        assert_eq!(app.accepts(wrong, at, None), None, "{wrong:?}");
    }
    assert_eq!(app.accepts("94287082", Timestamp::MIN, None), None);
    for (bytes, digits, is_good) in
        [(15, 6, false), (16, 6, true), (16, 5, false), (16, 8, true), (16, 9, false)]
    {
        let built = Authenticator::new(&vec![1; bytes], TotpHash::Sha1, digits);
        assert_eq!(built.is_ok(), is_good, "{bytes} bytes, {digits} digits");
    }
}

fn account() -> AccountId {
    AccountId::parse("ann").unwrap()
}

fn enrolled(salt: u8) -> Event {
    Event::AuthenticatorEnrolled { merchant: merchant(), account: account(), salt: [salt; 16] }
}

fn used(step: u64) -> Event {
    Event::AuthenticatorUsed { merchant: merchant(), account: account(), step }
}

#[test]
fn an_authenticators_steps_are_used_up_whatever_the_clock_does_and_whenever_the_machine_stops() {
    let at = |second: i64| Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000).unwrap();
    for restarts in 0..1 << 4 {
        let mut desk = Desk::new(Method::Card);
        let take = |desk: &mut Desk, second: i64, event: Event| -> Result<(), Error> {
            let effects = desk.book.apply(at(second), event)?;
            let [Effect::Persist(record)] = &effects[..] else { panic!("{effects:?}") };
            desk.records.push(record.clone());
            Ok(())
        };
        take(&mut desk, 0, enrolled(1)).unwrap();
        let seed = codes().seed(&merchant(), &account(), &[1; 16]);
        let app = Authenticator::new(&seed, TotpHash::Sha1, 6).unwrap();
        let shown = |second: i64| {
            let built = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_digits(6);
            let totp = built.with_step_duration(30).with_secret(seed.to_vec()).build().unwrap();
            totp.generate((at(second).micros() / 1_000_000) as u64).to_string()
        };
        // When it is now, when the code was shown, what becomes of it.
        let tries = [
            (0, 0, Some(Ok(()))),
            (10, 0, Some(Err(Error::CodeUsed))),  // again
            (30, 60, Some(Ok(()))),               // the payer's clock is ahead
            (-40, 0, None),                       // ours went back: too early by two steps
            (0, 0, Some(Err(Error::CodeUsed))),   // and by less: used all the same
            (30, 30, Some(Err(Error::CodeUsed))), // one before the last that was used
            (600, 30, None),                      // ours went ahead
            (600, 600, Some(Ok(()))),
        ];
        for (n, (now, then, expected)) in tries.into_iter().enumerate() {
            let step = app.accepts(&shown(then), at(now), None);
            let taken = step.map(|step| take(&mut desk, now, used(step)));
            assert_eq!(taken, expected, "{n}");
            if restarts >> (n % 4) & 1 == 1 {
                desk.book = Book::new(secret()).restore(&desk.records).unwrap();
            }
        }
        // Removed, and enrolled anew: another secret, and nothing is used.
        let removed = Event::AuthenticatorRemoved { merchant: merchant(), account: account() };
        take(&mut desk, 700, removed).unwrap();
        assert!(desk.book.authenticator(&merchant(), &account()).is_none());
        take(&mut desk, 700, enrolled(2)).unwrap();
        assert_eq!(desk.book.authenticator(&merchant(), &account()).unwrap().last, None);
        assert_ne!(codes().seed(&merchant(), &account(), &[2; 16]), seed);
    }
}

#[test]
fn a_seed_is_for_one_merchant_account_and_enrolment_and_shows_nowhere() {
    let (ann, bob) = (account(), AccountId::parse("bob").unwrap());
    let other = MerchantId::parse("m1a").unwrap();
    let first = codes().seed(&merchant(), &ann, &[1; 16]);
    assert_eq!((first.len(), &first), (20, &codes().seed(&merchant(), &ann, &[1; 16])));
    for different in [
        codes().seed(&merchant(), &bob, &[1; 16]),
        codes().seed(&other, &AccountId::parse("nn").unwrap(), &[1; 16]),
        codes().seed(&merchant(), &ann, &[2; 16]),
        CodeSecret::new([9; 32]).seed(&merchant(), &ann, &[1; 16]),
    ] {
        assert_ne!(different, first);
    }
}

#[test]
fn a_result_of_3ds_is_taken_before_assessment_and_while_challenged_and_for_one_payment() {
    let found = |status, n| changed(authenticated(status, n));
    // Before: it counts as proof, so that an institution which wants one is not asked for another.
    let mut before = Desk::new(Method::Card);
    before.apply(found(TransStatus::Authenticated, 1));
    assert!(before.payment().is_stepped_up());
    let mut unproved = Desk::new(Method::Card);
    unproved.apply(found(TransStatus::Unavailable, 1));
    assert!(!unproved.payment().is_stepped_up());
    let cleared = Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve)]);
    assert!(matches!(
        cleared.clone().attempt(found(TransStatus::Authenticated, 1)),
        Err(Error::Illegal { .. })
    ));
    // During a challenge it is kept; the challenge ends by an event of its own.
    let mut desk = challenged();
    desk.apply(found(TransStatus::Wanted, 1));
    desk.apply(found(TransStatus::Authenticated, 1));
    assert_eq!(desk.payment().three_ds().unwrap().eci(), Some("05"));
    assert!(!desk.payment().is_stepped_up() && desk.payment().state() == State::Challenged);
    desk.apply(changed(Change::ChallengeEnded(ChallengeResult::Failed)));
    let id = PaymentId::parse("p2").unwrap();
    desk.apply(requested(2, id.clone(), Method::Card));
    let again = |n| {
        let change = authenticated(TransStatus::Authenticated, n);
        Event::Changed { merchant: merchant(), payment: id.clone(), change }
    };
    for book in [desk.book.clone(), Book::new(secret()).restore(&desk.records).unwrap()] {
        let mut other = Desk { book, records: desk.records.clone() };
        assert_eq!(other.attempt(again(1)), Err(Error::Exists("3-D Secure transaction")));
        other.apply(again(2));
    }
}
