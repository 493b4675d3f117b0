//! A book from its image is the book from its records, wherever the image was made; a damaged one is refused or does no
//! harm, and none is taken for another.

use tollgate::pay::*;
use tollgate::{Outcome, Rates, Span, Timestamp};

use super::desk::*;
use super::random::Random;

pub fn image(book: &Book) -> Vec<Vec<u8>> {
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let Ok(()) = book.image(|chunk| {
        chunks.push(chunk.to_vec());
        Ok::<(), std::convert::Infallible>(())
    });
    chunks
}

fn of(chunks: &[Vec<u8>]) -> Result<Book, String> {
    Book::new(secret()).with_image(chunks)
}

/// Stands for the key of a payment's request of this number.
fn asked(number: u8) -> CallKey {
    CallKey([number; 16])
}

/// An event with the key that the book knows.
fn keyed(book: &Book, mut event: Event) -> Event {
    if let Event::Changed { payment, change: Change::Answered { key, .. }, .. } = &mut event {
        *key = book.any(payment).expect("it was asked for").operations()[usize::from(key.0[0])].key;
    }
    event
}

/// Everything that a book can know, one event after the other.
fn events() -> Vec<Event> {
    let (merchant, other) = (merchant(), MerchantId::parse("m2").unwrap());
    let order = |n: u32| OrderId::parse(&format!("o{n}")).unwrap();
    let pay = |n: u32| PaymentId::parse(&format!("p{n}")).unwrap();
    let change = |n: u32, change| Event::Changed { merchant: merchant.clone(), payment: pay(n), change };
    let approved = |n: u32, call: u8, minor| {
        let answer = Answer::Approved { amount: money(minor) };
        change(n, Change::Answered { key: asked(call), answer })
    };
    let rates = Rates::parse("version = 'v1'\nbase = 'USD'\n[rates]\nEUR = '1.0842'").unwrap();
    let conversion = Box::new(Conversion::of(&rates, money(10_000), currency("USD")).unwrap());
    let account = AccountId::parse("ann").unwrap();
    let request = RequestKey;
    let mut all = vec![
        Event::RequestBegun { request: request([1; 32]), body: [4; 32] },
        Event::OrderCreated { merchant: merchant.clone(), order: order(1), amount: money(10_000) },
        Event::OrderConverted { merchant: merchant.clone(), order: order(2), conversion },
        Event::OrderCreated { merchant: merchant.clone(), order: order(3), amount: money(10_000) },
        Event::OrderCreated { merchant: other, order: order(1), amount: money(5) },
        Event::RequestAnswered { request: request([1; 32]), answer: b"{}".as_slice().into() },
        Event::RequestBegun { request: request([2; 32]), body: [5; 32] },
        Event::RequestDropped { request: request([2; 32]) },
        Event::RequestBegun { request: request([3; 32]), body: [6; 32] },
        Event::CodeCounted { marks: [Mark([6; 16]), Mark([7; 16])].into() },
        Event::CodeCounted { marks: [Mark([7; 16])].into() },
        Event::AuthenticatorEnrolled { merchant: merchant.clone(), account: account.clone(), salt: [5; 16] },
        Event::AuthenticatorUsed { merchant: merchant.clone(), account, step: 60_000_000 },
        Event::AuthenticatorEnrolled {
            merchant: merchant.clone(),
            account: AccountId::parse("bob").unwrap(),
            salt: [8; 16],
        },
    ];
    let requested = |n: u32, order, attempt, method| Event::PaymentRequested {
        merchant: merchant.clone(),
        order,
        attempt,
        payment: pay(n),
        method,
        amount: money(10_000),
    };
    // Challenged, proved by 3-D Secure, paid, given back in part, disputed and reported.
    all.extend([
        requested(1, order(1), 1, Method::Card),
        change(1, authenticated(TransStatus::Unavailable, 1)),
        change(1, Change::Assessed(Outcome::Challenge)),
        change(1, Change::CodeSent),
        change(1, Change::CodeTried),
        change(1, authenticated(TransStatus::Authenticated, 2)),
        change(1, Change::ChallengeEnded(ChallengeResult::Passed)),
        Event::Described { merchant: merchant.clone(), payment: pay(1), facts: b"{1}".as_slice().into() },
        change(1, AUTHORIZE),
        Event::Routed {
            merchant: merchant.clone(),
            payment: pay(1),
            channel: ChannelId::parse("bank").unwrap(),
        },
        approved(1, 0, 10_000),
        change(1, capture(8_000)),
        approved(1, 1, 8_000),
        Event::Settled { merchant: merchant.clone(), payment: pay(1), settlements: 1, record: 77 },
        Event::Delivered { merchant: merchant.clone(), payment: pay(1), sequence: 9 },
        change(1, refund("r1", 1_000)),
        approved(1, 2, 1_000),
        change(1, dispute("d1", 2_000, DisputeKind::Fraud)),
        change(1, Change::DisputeWon { dispute: DisputeId::parse("d1").unwrap() }),
        change(1, dispute("d2", 500, DisputeKind::Consumer)),
        change(1, reported("t1", Reporter::Issuer, FraudType::Stolen)),
        Event::Labelled { merchant: merchant.clone(), payment: pay(1), fraud: true },
    ]);
    // A wallet's, whose payer is waited for; one that was declined, and its order's next attempt, which is held.
    all.extend([
        requested(2, order(2), 1, Method::Alipay),
        change(2, Change::Assessed(Outcome::Approve)),
        change(2, AUTHORIZE),
        Event::Placed { merchant: merchant.clone(), payment: pay(2), pay_url: "https://qr.example/1".into() },
        change(2, Change::Answered { key: asked(0), answer: Answer::Unknown }),
        requested(3, order(3), 1, Method::Card),
        change(3, Change::Assessed(Outcome::Approve)),
        change(3, AUTHORIZE),
        change(3, Change::Answered { key: asked(0), answer: Answer::Declined(DeclineGroup::Soft) }),
        requested(4, order(3), 2, Method::Card),
        Event::Explained { merchant: merchant.clone(), payment: pay(4), answer: b"{why}".as_slice().into() },
        change(4, Change::Assessed(Outcome::Review)),
        change(4, AUTHORIZE),
        approved(4, 0, 10_000),
    ]);
    all
}

/// The records of all that, and the book after each of them.
fn told() -> (Vec<Record>, Vec<Book>) {
    let (mut book, mut records, mut books) = (Book::new(secret()), Vec::new(), Vec::new());
    books.push(book.clone());
    for (n, event) in events().into_iter().enumerate() {
        let at = Timestamp::default().plus(Span::from_secs(n as i64));
        let event = keyed(&book, event);
        let effects = book.apply(at, event.clone()).unwrap_or_else(|e| panic!("{event:?}: {e}"));
        let Some(Effect::Persist(record)) = effects.into_iter().next() else { panic!("{event:?} is known") };
        records.push(record);
        books.push(book.clone());
    }
    (records, books)
}

#[test]
fn an_image_and_what_came_after_it_are_all_the_records() {
    let (records, books) = told();
    for (known, book) in books.iter().enumerate() {
        let chunks = image(book);
        let again = of(&chunks).unwrap();
        assert!(again == *book, "from an image of {known} records");
        // What is asked of it is answered alike, too.
        assert_eq!(again.unfinished(), book.unfinished());
        assert_eq!(again.trial_balance(currency("EUR")), book.trial_balance(currency("EUR")));
        let all = again.restore(&records[known..]).unwrap_or_else(|e| panic!("behind {known}: {e}"));
        assert!(all == books[records.len()], "from an image of {known} records and the rest");
    }
}

/// What comes later is refused, known or taken as it would be without the image.
#[test]
fn nothing_is_done_twice_because_of_an_image() {
    let (records, books) = told();
    // Both are of a process that is new: none answers a request yet.
    let whole = &Book::new(secret()).restore(&records).unwrap();
    let again = of(&image(&books[records.len()])).unwrap();
    for event in events() {
        let event = keyed(whole, event);
        let at = Timestamp::default().plus(Span::from_secs(100));
        let (mut one, mut other) = (whole.clone(), again.clone());
        assert_eq!(one.apply(at, event.clone()), other.apply(at, event.clone()), "{event:?}");
        assert!(one == other, "{event:?}");
    }
}

#[test]
fn what_is_damaged_is_refused_or_does_no_harm() {
    let (_, books) = told();
    let good = image(books.last().unwrap());
    assert!(good.len() >= 6, "every part is there");
    for missing in 0..good.len() {
        let mut chunks = good.clone();
        chunks.remove(missing);
        assert!(of(&chunks).is_err(), "without chunk {missing}");
    }
    for (place, chunk) in good.iter().enumerate() {
        for len in 0..chunk.len() {
            let mut chunks = good.clone();
            chunks[place].truncate(len);
            assert!(of(&chunks).is_err(), "chunk {place} cut to {len}");
        }
    }
    let mut random = Random(7);
    for _ in 0..5_000 {
        let mut chunks = good.clone();
        for _ in 0..=random.below(3) {
            let place = random.below(chunks.len());
            let at = random.below(chunks[place].len());
            chunks[place][at] = random.next() as u8;
        }
        if let Ok(book) = of(&chunks) {
            // It is no such book, and a book all the same.
            assert_eq!(book.trial_balance(currency("EUR")).iter().sum::<i128>(), 0);
        }
    }
    assert_eq!(of(&[]).unwrap_err(), "it has no head");
}

/// A book of more than one chunk of orders.
#[test]
fn a_large_book_comes_back() {
    let mut book = Book::new(secret());
    for n in 0..20_000 {
        let order = OrderId::parse(&format!("order-{n}")).unwrap();
        let payment = PaymentId::parse(&format!("payment-{n}")).unwrap();
        let (merchant, amount) = (merchant(), money(10_000));
        let created = Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount };
        book.apply(Timestamp::default(), created).unwrap();
        let requested =
            Event::PaymentRequested { merchant, order, attempt: 1, payment, method: Method::Card, amount };
        book.apply(Timestamp::default(), requested).unwrap();
    }
    let chunks = image(&book);
    assert!(chunks.len() > 4, "{}", chunks.len());
    assert!(of(&chunks).unwrap() == book);
}
