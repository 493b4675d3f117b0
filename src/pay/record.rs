//! What is written of an event: its kind, a version, and bytes as the journal writes them.

use super::challenge::{Mark, ThreeDs, TransStatus};
use super::conversion::Conversion;
use super::effect::CallKey;
use super::event::{Answer, Change, Event, Operation};
use super::id::{
    AccountId, ChannelId, DisputeId, MerchantId, OperatorId, OrderId, PaymentId, RefundId, ReportId,
};
use super::report::{FraudType, Reporter};
use super::requests::RequestKey;
use super::state::{ChallengeResult, DeclineGroup, DisputeKind, Method, ReviewResult};
use crate::decision::Outcome;
use crate::journal::wire::{Cursor, Malformed, put_bytes, put_option, put_signed, put_varint};
use crate::money::{Currency, Money, Rate};
use crate::time::Timestamp;

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

    pub fn is_known(kind: u8) -> bool {
        matches!(kind, ORDER_CREATED..=EXPLAINED | AUTHENTICATOR_ENROLLED..=ORDER_CONVERTED)
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
    /// What it is about: 32 to 43, or 48 to 52.
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
        put_signed(out, at.micros());
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
                put_money(out, conversion.presented());
                out.extend_from_slice(conversion.rate().to().code().as_bytes());
                conversion.rate().worth().iter().for_each(|worth| put_signed(out, *worth));
                put_text(out, conversion.version());
                kind::ORDER_CONVERTED
            }
            Event::CodeCounted { marks } => {
                put_varint(out, marks.len() as u64);
                marks.iter().for_each(|mark| out.extend_from_slice(&mark.0));
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
        self.decode().map_err(|Malformed(why)| why)
    }

    fn decode(&self) -> Result<(Timestamp, Event), Malformed> {
        if !kind::is_known(self.kind) || self.version != VERSION {
            return Err(Malformed::new(format!(
                "it is of kind {} version {}, which this program does not know; a later release wrote it",
                self.kind, self.version
            )));
        }
        let mut cursor = Cursor(&self.payload);
        let c = &mut cursor;
        let at = Timestamp::from_micros(c.signed()?);
        let at = at.ok_or_else(|| Malformed::new("a time is out of range"))?;
        let event = match self.kind {
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
}

mod tag {
    pub const ASSESSED: u8 = 0;
    pub const CHALLENGE_ENDED: u8 = 1;
    pub const REVIEW_ENDED: u8 = 2;
    pub const INTENDED: u8 = 3;
    pub const ANSWERED: u8 = 4;
    pub const RESOLVED: u8 = 5;
    pub const DISPUTE_OPENED: u8 = 6;
    pub const DISPUTE_WON: u8 = 7;
    pub const DISPUTE_LOST: u8 = 8;
    pub const CODE_SENT: u8 = 9;
    pub const CODE_TRIED: u8 = 10;
    pub const AUTHENTICATED: u8 = 32;
    pub const FRAUD_REPORTED: u8 = 11;

    pub const AUTHORIZE: u8 = 0;
    pub const CAPTURE: u8 = 1;
    pub const VOID: u8 = 2;
    pub const REFUND: u8 = 3;

    pub const APPROVED: u8 = 0;
    pub const DECLINED: u8 = 1;
    pub const UNKNOWN: u8 = 2;
    pub const ABSENT: u8 = 3;
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Assessed(outcome) => {
            out.push(tag::ASSESSED);
            put_one_of(out, &Outcome::ALL, *outcome);
        }
        Change::CodeSent => out.push(tag::CODE_SENT),
        Change::CodeTried => out.push(tag::CODE_TRIED),
        Change::Authenticated(found) => {
            out.push(tag::AUTHENTICATED);
            put_one_of(out, TransStatus::ALL, found.status());
            put_text(out, found.version());
            for text in [found.eci(), found.cavv(), found.ds_trans_id()] {
                put_option(out, text, put_text);
            }
        }
        Change::ChallengeEnded(result) => {
            out.push(tag::CHALLENGE_ENDED);
            put_one_of(out, ChallengeResult::ALL, *result);
        }
        Change::ReviewEnded(result) => {
            out.push(tag::REVIEW_ENDED);
            put_one_of(out, ReviewResult::ALL, *result);
        }
        Change::Intended(operation) => {
            out.push(tag::INTENDED);
            put_operation(out, operation);
        }
        Change::Answered { key, answer } => {
            out.push(tag::ANSWERED);
            out.extend_from_slice(&key.0);
            put_answer(out, *answer);
        }
        Change::Resolved { key, took_effect, operator } => {
            out.push(tag::RESOLVED);
            out.extend_from_slice(&key.0);
            out.push(u8::from(*took_effect));
            put_text(out, operator.as_str());
        }
        Change::DisputeOpened { dispute, amount, kind } => {
            out.push(tag::DISPUTE_OPENED);
            put_text(out, dispute.as_str());
            put_money(out, *amount);
            put_one_of(out, DisputeKind::ALL, *kind);
        }
        Change::DisputeWon { dispute } => {
            out.push(tag::DISPUTE_WON);
            put_text(out, dispute.as_str());
        }
        Change::DisputeLost { dispute } => {
            out.push(tag::DISPUTE_LOST);
            put_text(out, dispute.as_str());
        }
        Change::FraudReported { report, by, kind } => {
            out.push(tag::FRAUD_REPORTED);
            put_text(out, report.as_str());
            put_one_of(out, Reporter::ALL, *by);
            put_one_of(out, FraudType::ALL, *kind);
        }
    }
}

fn change(c: &mut Cursor<'_>) -> Result<Change, Malformed> {
    Ok(match c.byte()? {
        tag::ASSESSED => Change::Assessed(one_of(c, &Outcome::ALL)?),
        tag::CHALLENGE_ENDED => Change::ChallengeEnded(one_of(c, ChallengeResult::ALL)?),
        tag::REVIEW_ENDED => Change::ReviewEnded(one_of(c, ReviewResult::ALL)?),
        tag::INTENDED => Change::Intended(operation(c)?),
        tag::ANSWERED => Change::Answered { key: CallKey(c.array()?), answer: answer(c)? },
        tag::RESOLVED => Change::Resolved {
            key: CallKey(c.array()?),
            took_effect: one_of(c, &[false, true])?,
            operator: id(c, OperatorId::parse)?,
        },
        tag::DISPUTE_OPENED => Change::DisputeOpened {
            dispute: id(c, DisputeId::parse)?,
            amount: money(c)?,
            kind: one_of(c, DisputeKind::ALL)?,
        },
        tag::DISPUTE_WON => Change::DisputeWon { dispute: id(c, DisputeId::parse)? },
        tag::DISPUTE_LOST => Change::DisputeLost { dispute: id(c, DisputeId::parse)? },
        tag::FRAUD_REPORTED => Change::FraudReported {
            report: id(c, ReportId::parse)?,
            by: one_of(c, Reporter::ALL)?,
            kind: one_of(c, FraudType::ALL)?,
        },
        tag::CODE_SENT => Change::CodeSent,
        tag::CODE_TRIED => Change::CodeTried,
        tag::AUTHENTICATED => Change::Authenticated(Box::new(three_ds(c)?)),
        _ => return Err(Malformed::new("its change is unknown")),
    })
}

fn three_ds(c: &mut Cursor<'_>) -> Result<ThreeDs, Malformed> {
    let (status, version) = (one_of(c, TransStatus::ALL)?, c.text()?);
    let (eci, cavv, id) = (c.option(Cursor::text)?, c.option(Cursor::text)?, c.option(Cursor::text)?);
    ThreeDs::new(status, version, eci, cavv, id).map_err(|e| Malformed::new(e.to_string()))
}

fn put_operation(out: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Authorize => out.push(tag::AUTHORIZE),
        Operation::Capture { amount } => {
            out.push(tag::CAPTURE);
            put_money(out, *amount);
        }
        Operation::Void => out.push(tag::VOID),
        Operation::Refund { refund, amount } => {
            out.push(tag::REFUND);
            put_text(out, refund.as_str());
            put_money(out, *amount);
        }
    }
}

fn operation(c: &mut Cursor<'_>) -> Result<Operation, Malformed> {
    Ok(match c.byte()? {
        tag::AUTHORIZE => Operation::Authorize,
        tag::CAPTURE => Operation::Capture { amount: money(c)? },
        tag::VOID => Operation::Void,
        tag::REFUND => Operation::Refund { refund: id(c, RefundId::parse)?, amount: money(c)? },
        _ => return Err(Malformed::new("its operation is unknown")),
    })
}

fn put_answer(out: &mut Vec<u8>, answer: Answer) {
    match answer {
        Answer::Approved { amount } => {
            out.push(tag::APPROVED);
            put_money(out, amount);
        }
        Answer::Declined(group) => {
            out.push(tag::DECLINED);
            put_one_of(out, DeclineGroup::ALL, group);
        }
        Answer::Unknown => out.push(tag::UNKNOWN),
        Answer::Absent => out.push(tag::ABSENT),
    }
}

fn answer(c: &mut Cursor<'_>) -> Result<Answer, Malformed> {
    Ok(match c.byte()? {
        tag::APPROVED => Answer::Approved { amount: money(c)? },
        tag::DECLINED => Answer::Declined(one_of(c, DeclineGroup::ALL)?),
        tag::UNKNOWN => Answer::Unknown,
        tag::ABSENT => Answer::Absent,
        _ => return Err(Malformed::new("its answer is unknown")),
    })
}

fn marks(c: &mut Cursor<'_>) -> Result<Box<[Mark]>, Malformed> {
    let count: usize = c.number()?;
    // Read one by one: a count that is wrong ends with the bytes.
    let mut marks = Vec::new();
    for _ in 0..count {
        marks.push(Mark(c.array()?));
    }
    Ok(marks.into())
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn id<T>(
    c: &mut Cursor<'_>,
    parse: impl FnOnce(&str) -> Result<T, super::error::Error>,
) -> Result<T, Malformed> {
    parse(c.text()?).map_err(|e| Malformed::new(e.to_string()))
}

fn put_money(out: &mut Vec<u8>, money: Money) {
    put_signed(out, money.minor);
    out.extend_from_slice(money.currency.code().as_bytes());
}

fn money(c: &mut Cursor<'_>) -> Result<Money, Malformed> {
    let minor = c.signed()?;
    Ok(Money { minor, currency: currency(c)? })
}

fn currency(c: &mut Cursor<'_>) -> Result<Currency, Malformed> {
    let code: [u8; 3] = c.array()?;
    let currency = std::str::from_utf8(&code).ok().and_then(Currency::parse);
    let currency = currency.filter(|c| c.code().as_bytes() == code); // as it is written: in capitals
    currency.ok_or_else(|| Malformed::new("a currency is unknown"))
}

fn conversion(c: &mut Cursor<'_>) -> Result<Conversion, Malformed> {
    let (presented, to) = (money(c)?, currency(c)?);
    let rate = Rate::new(presented.currency, to, [c.signed()?, c.signed()?]);
    let rate = rate.ok_or_else(|| Malformed::new("a rate is out of range"))?;
    Conversion::by(rate, presented, c.text()?).map_err(|e| Malformed::new(e.to_string()))
}

fn put_one_of<T: PartialEq>(out: &mut Vec<u8>, all: &[T], one: T) {
    out.push(all.iter().position(|other| *other == one).unwrap_or_default() as u8);
}

fn one_of<T: Copy>(c: &mut Cursor<'_>, all: &[T]) -> Result<T, Malformed> {
    all.get(usize::from(c.byte()?)).copied().ok_or_else(|| Malformed::new("a choice is unknown"))
}
