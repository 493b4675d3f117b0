//! What is written of an event: its kind, a version, and bytes as the journal writes them. `change` is what happened to
//! a payment, `parts` what events and images have in common.

mod change;
pub(super) mod parts;

use super::event::Event;
use super::id::{AccountId, ChannelId, MerchantId, OrderId, PaymentId};
use super::requests::RequestKey;
use super::state::Method;
use crate::journal::wire::{Cursor, Malformed, put_instant, put_varint};
use crate::time::Timestamp;
use change::{change, put_change};
use parts::{
    conversion, id, marks, money, one_of, put_conversion, put_marks, put_money, put_one_of, put_text,
};

/// The version of every kind that this program writes, and the only one it reads so far.
const VERSION: u8 = 1;

/// The journal keeps the numbers from 32 on for payments that move money.
mod kind {
    pub const ORDER_CREATED: u8 = 32;
    pub const PAYMENT_REQUESTED: u8 = 33;
    pub const CHANGED: u8 = 34;
    pub const REQUEST_BEGUN: u8 = 35;
    pub const REQUEST_ANSWERED: u8 = 36;
    pub const REQUEST_DROPPED: u8 = 37;
    pub const DESCRIBED: u8 = 38;
    pub const DELIVERED: u8 = 39;
    pub const ROUTED: u8 = 40;
    pub const LABELLED: u8 = 41;
    pub const SETTLED: u8 = 42;
    pub const EXPLAINED: u8 = 43;
    // What came later.
    pub const AUTHENTICATOR_ENROLLED: u8 = 48;
    pub const AUTHENTICATOR_USED: u8 = 49;
    pub const AUTHENTICATOR_REMOVED: u8 = 50;
    pub const CODE_COUNTED: u8 = 51;
    pub const ORDER_CONVERTED: u8 = 52;
    pub const PLACED: u8 = 53;

    pub fn is_known(kind: u8) -> bool {
        matches!(kind, ORDER_CREATED..=EXPLAINED | AUTHENTICATOR_ENROLLED..=PLACED)
    }
}

/// One event in the bytes of a record of the journal.
///
/// ```
/// use tollgate::{Timestamp, pay::{Event, MerchantId, Record, RequestKey}};
/// let request = RequestKey::new(&MerchantId::parse("m1")?, "capture", "key-1")?;
/// let record = Record::encode(Timestamp::default(), &Event::RequestDropped { request });
/// assert_eq!((record.kind, record.version, record.payload.len()), (37, 1, 33));
/// assert_eq!(record.read().unwrap().1, Event::RequestDropped { request });
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is about: 32 to 43, or 48 to 53.
    pub kind: u8,
    /// In which form.
    pub version: u8,
    /// The rest: at most 64 KiB.
    pub payload: Vec<u8>,
}

impl Record {
    /// Writes an event.
    pub fn encode(at: Timestamp, event: &Event) -> Record {
        let mut payload = Vec::with_capacity(64);
        let out = &mut payload;
        put_instant(out, at);
        let kind = match event {
            Event::OrderCreated { merchant, order, amount } => {
                put_text(out, merchant.as_str());
                put_text(out, order.as_str());
                put_money(out, *amount);
                kind::ORDER_CREATED
            }
            Event::PaymentRequested { merchant, order, attempt, payment, method, amount } => {
                put_text(out, merchant.as_str());
                put_text(out, order.as_str());
                put_varint(out, u64::from(*attempt));
                put_text(out, payment.as_str());
                put_one_of(out, Method::ALL, *method);
                put_money(out, *amount);
                kind::PAYMENT_REQUESTED
            }
            Event::Changed { merchant, payment, change } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                put_change(out, change);
                kind::CHANGED
            }
            Event::RequestBegun { request, body } => {
                out.extend_from_slice(&request.0);
                out.extend_from_slice(body);
                kind::REQUEST_BEGUN
            }
            Event::RequestAnswered { request, answer } => {
                out.extend_from_slice(&request.0);
                out.extend_from_slice(answer);
                kind::REQUEST_ANSWERED
            }
            Event::RequestDropped { request } => {
                out.extend_from_slice(&request.0);
                kind::REQUEST_DROPPED
            }
            Event::Described { merchant, payment, facts } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                out.extend_from_slice(facts);
                kind::DESCRIBED
            }
            Event::Delivered { merchant, payment, sequence } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                put_varint(out, u64::from(*sequence));
                kind::DELIVERED
            }
            Event::Routed { merchant, payment, channel } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                put_text(out, channel.as_str());
                kind::ROUTED
            }
            Event::Placed { merchant, payment, pay_url } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                put_text(out, pay_url);
                kind::PLACED
            }
            Event::AuthenticatorEnrolled { merchant, account, salt } => {
                put_text(out, merchant.as_str());
                put_text(out, account.as_str());
                out.extend_from_slice(salt);
                kind::AUTHENTICATOR_ENROLLED
            }
            Event::AuthenticatorUsed { merchant, account, step } => {
                put_text(out, merchant.as_str());
                put_text(out, account.as_str());
                put_varint(out, *step);
                kind::AUTHENTICATOR_USED
            }
            Event::AuthenticatorRemoved { merchant, account } => {
                put_text(out, merchant.as_str());
                put_text(out, account.as_str());
                kind::AUTHENTICATOR_REMOVED
            }
            Event::OrderConverted { merchant, order, conversion } => {
                put_text(out, merchant.as_str());
                put_text(out, order.as_str());
                put_conversion(out, conversion);
                kind::ORDER_CONVERTED
            }
            Event::CodeCounted { marks } => {
                put_marks(out, marks);
                kind::CODE_COUNTED
            }
            Event::Labelled { merchant, payment, fraud } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                out.push(u8::from(*fraud));
                kind::LABELLED
            }
            Event::Settled { merchant, payment, settlements, record } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                put_varint(out, u64::from(*settlements));
                put_varint(out, *record);
                kind::SETTLED
            }
            Event::Explained { merchant, payment, answer } => {
                put_text(out, merchant.as_str());
                put_text(out, payment.as_str());
                out.extend_from_slice(answer);
                kind::EXPLAINED
            }
        };
        Record { kind, version: VERSION, payload }
    }

    /// Reads the event and when it happened.
    ///
    /// # Errors
    /// A sentence's end: that it is malformed, or of a kind or version that this program does not know.
    pub fn read(&self) -> Result<(Timestamp, Event), String> {
        decode(self.kind, self.version, &self.payload).map_err(|Malformed(why)| why)
    }
}

/// Reads the event of a record and when it happened.
pub(super) fn decode(kind: u8, version: u8, payload: &[u8]) -> Result<(Timestamp, Event), Malformed> {
    if !kind::is_known(kind) || version != VERSION {
        return Err(Malformed::new(format!(
            "it is of kind {kind} version {version}, which this program does not know; a later release wrote it"
        )));
    }
    let mut cursor = Cursor(payload);
    let c = &mut cursor;
    let at = c.instant()?;
    let event = match kind {
        kind::ORDER_CREATED => Event::OrderCreated {
            merchant: id(c, MerchantId::parse)?,
            order: id(c, OrderId::parse)?,
            amount: money(c)?,
        },
        kind::PAYMENT_REQUESTED => Event::PaymentRequested {
            merchant: id(c, MerchantId::parse)?,
            order: id(c, OrderId::parse)?,
            attempt: c.number()?,
            payment: id(c, PaymentId::parse)?,
            method: one_of(c, Method::ALL)?,
            amount: money(c)?,
        },
        kind::CHANGED => Event::Changed {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            change: change(c)?,
        },
        kind::REQUEST_BEGUN => Event::RequestBegun { request: RequestKey(c.array()?), body: c.array()? },
        kind::REQUEST_ANSWERED => {
            let request = RequestKey(c.array()?);
            let answer = c.take(c.0.len())?.into();
            Event::RequestAnswered { request, answer }
        }
        kind::REQUEST_DROPPED => Event::RequestDropped { request: RequestKey(c.array()?) },
        kind::DESCRIBED => Event::Described {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            facts: c.take(c.0.len())?.into(),
        },
        kind::ROUTED => Event::Routed {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            channel: id(c, ChannelId::parse)?,
        },
        kind::PLACED => Event::Placed {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            pay_url: c.text()?.into(),
        },
        kind::AUTHENTICATOR_ENROLLED => Event::AuthenticatorEnrolled {
            merchant: id(c, MerchantId::parse)?,
            account: id(c, AccountId::parse)?,
            salt: c.array()?,
        },
        kind::AUTHENTICATOR_USED => Event::AuthenticatorUsed {
            merchant: id(c, MerchantId::parse)?,
            account: id(c, AccountId::parse)?,
            step: c.varint()?,
        },
        kind::AUTHENTICATOR_REMOVED => Event::AuthenticatorRemoved {
            merchant: id(c, MerchantId::parse)?,
            account: id(c, AccountId::parse)?,
        },
        kind::ORDER_CONVERTED => Event::OrderConverted {
            merchant: id(c, MerchantId::parse)?,
            order: id(c, OrderId::parse)?,
            conversion: Box::new(conversion(c)?),
        },
        kind::CODE_COUNTED => Event::CodeCounted { marks: marks(c)? },
        kind::LABELLED => Event::Labelled {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            fraud: one_of(c, &[false, true])?,
        },
        kind::SETTLED => Event::Settled {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            settlements: c.number()?,
            record: c.varint()?,
        },
        kind::EXPLAINED => Event::Explained {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            answer: c.take(c.0.len())?.into(),
        },
        _ => Event::Delivered {
            merchant: id(c, MerchantId::parse)?,
            payment: id(c, PaymentId::parse)?,
            sequence: c.number()?,
        },
    };
    cursor.end().map(|()| (at, event))
}
