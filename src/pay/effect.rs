//! What is to be done now, and in which order?

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::event::Operation;
use super::id::{MerchantId, PaymentId};
use super::record::Record;
use super::state::{Method, State};
use crate::money::Money;
use crate::time::Timestamp;
use crate::velocity::Status;

/// What the shell has to do because of an event: in the order given, each done before the next begins.
/// [`Effect::Persist`] comes first, so nothing is asked of anybody that a restart would not know of.
///
/// ```
/// use tollgate::{Currency, Money, Timestamp, pay::{Book, CallSecret, Effect, Event, MerchantId, OrderId}};
/// let mut book = Book::new(CallSecret::new([7; 32]));
/// let event = Event::OrderCreated {
///     merchant: MerchantId::parse("m1")?,
///     order: OrderId::parse("o1")?,
///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
/// };
/// assert!(matches!(book.apply(Timestamp::default(), event)?[..], [Effect::Persist(_)]));
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Append the record and wait until it is durable. If that fails the process has to end: the book in memory
    /// is ahead of the disk.
    Persist(Record),
    /// Ask the institution.
    Call(Call),
    /// Ask the institution what became of it, now and again until it says.
    Query(Call),
    /// Ask the payer to prove who they are.
    StepUp(PaymentId),
    /// Send the payer the code of the challenge: [`CodeSecret::code`](super::CodeSecret::code).
    SendCode(PaymentId),
    /// Compare what the payer typed: [`CodeSecret::matches`](super::CodeSecret::matches), or their authenticator.
    Compare(PaymentId),
    /// Ask somebody to look.
    Review(PaymentId),
    /// Tell the engine, which counts it in the windows.
    Settle(PaymentId, Status),
    /// Tell whoever trains models whether it was fraud.
    Label(PaymentId, bool),
    /// Tell the merchant.
    Notify(Notice),
}

/// One request to an institution.
///
/// ```
/// use tollgate::{Currency, Money, pay::*};
/// let call = Call {
///     key: CallKey([0xab; 16]),
///     payment: PaymentId::parse("p1")?,
///     method: Method::Card,
///     operation: Operation::Authorize,
///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
/// };
/// assert_eq!(call.key.to_string(), "ab".repeat(16)); // what the institution sees
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The idempotency key: the same however often it is sent.
    pub key: CallKey,
    /// For which payment.
    pub payment: PaymentId,
    /// By which channel.
    pub method: Method,
    /// For what.
    pub operation: Operation,
    /// How much: of a void what was held.
    pub amount: Money,
}

/// What a merchant is told.
///
/// ```
/// use tollgate::{Timestamp, pay::{MerchantId, Notice, PaymentId, State}};
/// let (merchant, payment) = (MerchantId::parse("m1")?, PaymentId::parse("p1")?);
/// let notice = Notice { merchant, payment, sequence: 3, state: State::Captured, at: Timestamp::default() };
/// assert_eq!(notice.state.name(), "captured");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whom to tell.
    pub merchant: MerchantId,
    /// About which payment.
    pub payment: PaymentId,
    /// Grows with every change of the payment: a notice with a lower one than was seen is out of date.
    pub sequence: u32,
    /// Where the payment was then.
    pub state: State,
    /// When it happened.
    pub at: Timestamp,
}

/// The key under which an institution is asked for one thing, once. It is derived, so that a crash can't lose
/// it and a repetition can't change it, and can't be guessed: an answer under a key that was never sent is forged.
///
/// ```
/// use tollgate::pay::CallKey;
/// let key = CallKey([0x0f; 16]);
/// assert_eq!(CallKey::parse(&key.to_string()), Some(key));
/// assert_eq!(CallKey::parse("0f"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub [u8; 16]);

impl CallKey {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<CallKey> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|n| CallKey(n.to_be_bytes()))
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What call keys are derived with. It has to be the same after every restart; it is wiped when dropped, and
/// `Debug` does not show it.
///
/// ```
/// let secret = tollgate::pay::CallSecret::new([7; 32]);
/// assert_eq!(format!("{secret:?}"), "CallSecret");
/// ```
#[derive(Clone)]
pub struct CallSecret(Zeroizing<[u8; 32]>);

impl CallSecret {
    /// From 256 random bits.
    pub fn new(secret: [u8; 32]) -> CallSecret {
        CallSecret(Zeroizing::new(secret))
    }

    /// HMAC-SHA-256 of the payment's id and the number of the operation in it, the first 128 bits: 32
    /// hexadecimal digits are what WeChat Pay and Alipay take for an order's number.
    pub(super) fn key(&self, payment: &PaymentId, number: u32) -> CallKey {
        let mut key = [0; 16];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) {
            mac.update(payment.as_str().as_bytes());
            mac.update(&[0]);
            mac.update(&number.to_le_bytes());
            key.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        }
        CallKey(key)
    }
}

impl fmt::Debug for CallSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallSecret")
    }
}
