//! Why was something refused? Nothing has changed then.

use std::fmt;

use super::brand::Brand;
use super::challenge::CODE_SENDS_APART;
use super::id::{ID_BYTES_MAX, PaymentId};
use super::requests::KEY_BYTES_MAX;
use super::state::State;
use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};

/// Why an event was refused. The book is as it was.
///
/// ```
/// use tollgate::pay::{Error, State};
/// let error = Error::Illegal { state: State::Voided, event: "capture" };
/// assert_eq!(error.code(), "illegal_transition");
/// assert_eq!(error.to_string(), "capture is not possible while the payment is voided");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not an identifier; it says of what.
    BadId(&'static str),
    /// The rate table lacks one of two currencies.
    NoRate {
        /// What is paid in.
        from: Currency,
        /// What the merchant settles in.
        to: Currency,
    },
    /// Not an idempotency key.
    BadKey,
    /// There is none of that name, or it is another merchant's: the two are not told apart.
    NotFound(&'static str),
    /// There is one of that name already: an order, a payment, a refund, an answer.
    Exists(&'static str),
    /// The order has been paid, by this payment.
    OrderPaid(PaymentId),
    /// Another payment of the order may still end well.
    OrderInPayment(PaymentId),
    /// The attempt was made before, as this payment.
    AttemptExists(PaymentId),
    /// Attempts are counted from 1 without a gap; this one is next.
    AttemptGap(u32),
    /// An amount of nothing.
    Zero,
    /// An amount below zero.
    Negative,
    /// An amount above [`AMOUNT_MINOR_MAX`].
    TooLarge,
    /// The amount is in another currency.
    WrongCurrency {
        /// The payment's.
        expected: Currency,
        /// What came.
        found: Currency,
    },
    /// The amount counts in other units than the currency has.
    WrongExponent {
        /// Decimals of the currency's minor unit.
        expected: u32,
        /// What came.
        found: u32,
    },
    /// The amount is not the one that was asked for.
    WrongAmount {
        /// What was asked for.
        expected: Money,
        /// What came.
        found: Money,
    },
    /// More than there is to capture, refund or dispute.
    AboveAvailable {
        /// What there is.
        available: Money,
        /// What was asked for.
        asked: Money,
    },
    /// The event has no place in this state.
    Illegal {
        /// The payment's state.
        state: State,
        /// What was to happen.
        event: &'static str,
    },
    /// The payment has not been assessed.
    NotAssessed,
    /// The institution has been asked for something and has not answered yet.
    InFlight,
    /// The institution has been asked under no such key.
    UnknownCall,
    /// It contradicts what is known for certain; somebody must look.
    Contradiction {
        /// What is known.
        known: &'static str,
        /// What was said now.
        said: &'static str,
    },
    /// The challenge was not answered in time.
    CodeExpired,
    /// All tries of the challenge have been used up.
    NoTriesLeft,
    /// The code was sent as often as it may be.
    NoSendsLeft,
    /// The code was sent only just now.
    SentJustNow,
    /// The authenticator's code was used before, or a later one was.
    CodeUsed,
    /// A result of 3-D Secure has another shape than EMV 3DS's; it says what is wrong.
    BadThreeDs(&'static str),
    /// The ECI is none of this brand's.
    WrongEci {
        /// Whose card it is.
        brand: Brand,
        /// Whose indicators those are, in words.
        expected: &'static str,
    },
    /// An authenticator's secret is too short, or it shows too few or too many digits.
    BadAuthenticator,
    /// A limit is reached; it says of what.
    Full(&'static str),
    /// The idempotency key came before with another request.
    KeyReused,
    /// The request of this idempotency key is still being answered.
    KeyInFlight,
}

impl Error {
    /// A word for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Error::BadId(_) => "bad_id",
            Error::NoRate { .. } => "no_rate",
            Error::BadKey => "bad_key",
            Error::NotFound(_) => "not_found",
            Error::Exists(_) => "exists",
            Error::OrderPaid(_) => "order_paid",
            Error::OrderInPayment(_) => "order_in_payment",
            Error::AttemptExists(_) => "attempt_exists",
            Error::AttemptGap(_) => "attempt_gap",
            Error::Zero => "amount_zero",
            Error::Negative => "amount_negative",
            Error::TooLarge => "amount_too_large",
            Error::WrongCurrency { .. } => "wrong_currency",
            Error::WrongExponent { .. } => "wrong_exponent",
            Error::WrongAmount { .. } => "wrong_amount",
            Error::AboveAvailable { .. } => "above_available",
            Error::Illegal { .. } => "illegal_transition",
            Error::NotAssessed => "not_assessed",
            Error::InFlight => "in_flight",
            Error::UnknownCall => "unknown_call",
            Error::Contradiction { .. } => "contradiction",
            Error::CodeExpired => "code_expired",
            Error::NoTriesLeft => "no_tries_left",
            Error::NoSendsLeft => "no_sends_left",
            Error::SentJustNow => "sent_just_now",
            Error::CodeUsed => "code_used",
            Error::BadThreeDs(_) => "bad_three_ds",
            Error::WrongEci { .. } => "wrong_eci",
            Error::BadAuthenticator => "bad_authenticator",
            Error::Full(_) => "full",
            Error::KeyReused => "key_reused",
            Error::KeyInFlight => "key_in_flight",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadId(what) => write!(
                f,
                "the {what}'s id is not 1 to {ID_BYTES_MAX} letters, digits, `-`, `_`, `.` or `:`, or holds a card number"
            ),
            Error::NoRate { from, to } => write!(f, "there is no rate from {from} to {to}"),
            Error::BadKey => {
                write!(f, "an idempotency key has 1 to {KEY_BYTES_MAX} visible ASCII characters")
            }
            Error::NotFound(what) => write!(f, "there is no such {what}"),
            Error::Exists(what) => write!(f, "the {what}'s id is taken"),
            Error::OrderPaid(by) => write!(f, "the order has been paid by payment {by}"),
            Error::OrderInPayment(by) => write!(f, "payment {by} of the order has not ended yet"),
            Error::AttemptExists(by) => write!(f, "the attempt was made before, as payment {by}"),
            Error::AttemptGap(next) => write!(f, "the order's next attempt is number {next}"),
            Error::Zero => f.write_str("the amount is zero"),
            Error::Negative => f.write_str("the amount is negative"),
            Error::TooLarge => write!(f, "the amount is above the limit of {AMOUNT_MINOR_MAX} minor units"),
            Error::WrongCurrency { expected, found } => {
                write!(f, "the amount is in {found}, the payment in {expected}")
            }
            Error::WrongExponent { expected, found } => {
                write!(f, "the amount has {found} decimals, its currency has {expected}")
            }
            Error::WrongAmount { expected, found } => {
                write!(f, "the amount is {found}, asked for was {expected}")
            }
            Error::AboveAvailable { available, asked } => {
                write!(f, "{asked} was asked for, there is no more than {available}")
            }
            Error::Illegal { state, event } => {
                write!(f, "{event} is not possible while the payment is {state}")
            }
            Error::NotAssessed => f.write_str("the payment has not been assessed"),
            Error::InFlight => f.write_str("the institution has not answered the last request yet"),
            Error::UnknownCall => f.write_str("the institution was asked under no such key"),
            Error::Contradiction { known, said } => {
                write!(f, "it is known as {known}, and said to be {said} now; somebody must look")
            }
            Error::CodeExpired => f.write_str("the challenge was not answered in time"),
            Error::NoTriesLeft => f.write_str("the challenge has no tries left"),
            Error::NoSendsLeft => f.write_str("the code was sent as often as it may be"),
            Error::SentJustNow => {
                write!(f, "the code was sent just now; it is sent again after {CODE_SENDS_APART}")
            }
            Error::CodeUsed => {
                f.write_str("the authenticator's code was used before; its next one is good in half a minute")
            }
            Error::BadThreeDs(why) => f.write_str(why),
            Error::WrongEci { brand, expected } => write!(f, "`eci` of a {brand} card is one of {expected}"),
            Error::BadAuthenticator => {
                f.write_str("an authenticator has a secret of 16 bytes or more and shows 6 to 8 digits")
            }
            Error::Full(what) => write!(f, "there are as many {what} as there may be"),
            Error::KeyReused => f.write_str("the idempotency key came before with another request"),
            Error::KeyInFlight => f.write_str("the request of this idempotency key is still being answered"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a book can't be restored.
///
/// ```
/// let error = tollgate::pay::RestoreError { number: 7, why: "it ends too early".to_owned() };
/// assert_eq!(error.to_string(), "record 7: it ends too early");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreError {
    /// Which record, counted from 0.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {}", self.number, self.why)
    }
}

impl std::error::Error for RestoreError {}
