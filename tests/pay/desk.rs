//! One payment of 100.00 EUR, and short words for what happens to it.

use tollgate::pay::*;
use tollgate::{Currency, Money, Outcome, Timestamp};

pub fn currency(code: &str) -> Currency {
    Currency::parse(code).expect("a currency")
}

pub fn money(minor: i64) -> Money {
    Money { minor, currency: currency("EUR") }
}

pub fn merchant() -> MerchantId {
    MerchantId::parse("m1").unwrap()
}

pub fn order() -> OrderId {
    OrderId::parse("o1").unwrap()
}

pub fn payment() -> PaymentId {
    PaymentId::parse("p1").unwrap()
}

pub fn changed(change: Change) -> Event {
    Event::Changed { merchant: merchant(), payment: payment(), change }
}

pub fn capture(minor: i64) -> Change {
    Change::Intended(Operation::Capture { amount: money(minor) })
}

pub fn refund(id: &str, minor: i64) -> Change {
    Change::Intended(Operation::Refund { refund: RefundId::parse(id).unwrap(), amount: money(minor) })
}

pub fn dispute(id: &str, minor: i64, kind: DisputeKind) -> Change {
    Change::DisputeOpened { dispute: DisputeId::parse(id).unwrap(), amount: money(minor), kind }
}

pub fn reported(id: &str, by: Reporter, kind: FraudType) -> Change {
    Change::FraudReported { report: ReportId::parse(id).unwrap(), by, kind }
}

pub fn labelled(fraud: bool) -> Event {
    Event::Labelled { merchant: merchant(), payment: payment(), fraud }
}

pub fn settled(settlements: u32, record: u64) -> Event {
    Event::Settled { merchant: merchant(), payment: payment(), settlements, record }
}

pub fn explained(answer: &[u8]) -> Event {
    Event::Explained { merchant: merchant(), payment: payment(), answer: answer.into() }
}

pub fn placed(pay_url: &str) -> Event {
    Event::Placed { merchant: merchant(), payment: payment(), pay_url: pay_url.into() }
}

pub const AUTHORIZE: Change = Change::Intended(Operation::Authorize);
pub const VOID: Change = Change::Intended(Operation::Void);

/// A result of 3-D Secure; each number is a transaction of its own.
pub fn authenticated(status: TransStatus, number: u64) -> Change {
    let id = format!("97267598-fae6-48f2-8083-{number:012x}");
    let [eci, cavv] = match status {
        TransStatus::Authenticated => [Some("05"), Some("AAIBBYNoEwAAACcKhAJkdQAAAAA=")],
        TransStatus::Attempted => [Some("01"), Some("AAIBBYNoEwAAACcKhAJkdQAAAAA=")],
        _ => [None; 2],
    };
    Change::Authenticated(Box::new(ThreeDs::new(status, "2.2.0", eci, cavv, Some(&id)).unwrap()))
}

#[derive(Clone)]
pub struct Desk {
    pub book: Book,
    /// What was made durable.
    pub records: Vec<Record>,
}

impl Desk {
    /// An order of 100.00 EUR and a payment of it that has been asked for.
    pub fn new(method: Method) -> Desk {
        let mut desk = Desk { book: Book::new(secret()), records: Vec::new() };
        desk.apply(Event::OrderCreated { merchant: merchant(), order: order(), amount: money(10_000) });
        desk.apply(requested(1, payment(), method));
        desk
    }

    pub fn apply(&mut self, event: Event) -> Vec<Effect> {
        self.attempt(event.clone()).unwrap_or_else(|e| panic!("{event:?}: {e}"))
    }

    pub fn attempt(&mut self, event: Event) -> Result<Vec<Effect>, Error> {
        let effects = self.book.apply(Timestamp::default(), event)?;
        self.records.extend(effects.iter().filter_map(|e| match e {
            Effect::Persist(record) => Some(record.clone()),
            _ => None,
        }));
        Ok(effects)
    }

    pub fn then(mut self, changes: impl IntoIterator<Item = Change>) -> Desk {
        for change in changes {
            self.apply(changed(change));
        }
        self
    }

    /// The institution answers what it was asked for last.
    pub fn answered(mut self, answer: Answer) -> Desk {
        let key = self.payment().operations().last().expect("something was asked").key;
        self.apply(changed(Change::Answered { key, answer }));
        self
    }

    /// Asks for it, and it is done.
    pub fn done(self, change: Change) -> Desk {
        let desk = self.then([change]);
        let approved = desk.approved();
        desk.answered(approved)
    }

    /// The approval of what was asked for last.
    pub fn approved(&self) -> Answer {
        let amount = match self.payment().operations().last().map(|o| &o.operation) {
            Some(Operation::Capture { amount } | Operation::Refund { amount, .. }) => *amount,
            _ => money(10_000),
        };
        Answer::Approved { amount }
    }

    pub fn payment(&self) -> &Payment {
        self.book.payment(&merchant(), &payment()).expect("the payment")
    }

    pub fn authorized() -> Desk {
        Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve)]).done(AUTHORIZE)
    }

    pub fn captured() -> Desk {
        Desk::authorized().done(capture(10_000))
    }

    pub fn disputed() -> Desk {
        Desk::captured().then([dispute("d1", 10_000, DisputeKind::Fraud)])
    }
}

pub fn secret() -> CallSecret {
    CallSecret::new([7; 32])
}

pub fn requested(attempt: u32, payment: PaymentId, method: Method) -> Event {
    Event::PaymentRequested {
        merchant: merchant(),
        order: order(),
        attempt,
        payment,
        method,
        amount: money(10_000),
    }
}
