//! What is asked of an institution, and what it said.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use zeroize::Zeroizing;

use crate::pay::{Answer, Brand, Call, CallKey, MerchantId, OrderId, ThreeDs};
use crate::time::Timestamp;

/// An answer on its way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// One request to an institution, with all that a wire form needs.
///
/// ```
/// use tollgate::{Currency, Money, Timestamp, channel::Request, pay::*};
/// let amount = Money { minor: 1999, currency: Currency::parse("EUR").unwrap() };
/// let request = Request {
///     call: Call {
///         key: CallKey([7; 16]),
///         payment: PaymentId::parse("p1")?,
///         method: Method::Alipay,
///         operation: Operation::Refund { refund: RefundId::parse("r1")?, amount },
///         amount,
///     },
///     merchant: MerchantId::parse("m1")?,
///     order: OrderId::parse("o1")?,
///     requested: Timestamp::default(),
///     original: Some((CallKey([6; 16]), amount)),
///     instrument: None,
///     subject: "Shoes".to_owned(),
///     authenticated: false,
///     three_ds: None,
///     placed: false,
///     repetition: 0,
/// };
/// assert_eq!(request.call.key.to_string(), "07".repeat(16));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked for, and under which key. The key is the order's number in the eyes of wallets.
    pub call: Call,
    /// For whom.
    pub merchant: MerchantId,
    /// For what.
    pub order: OrderId,
    /// When the payment was asked for: the same in every repetition, and in what follows the authorization.
    pub requested: Timestamp,
    /// The authorization that a capture, void or refund is about: its key and amount. `None` for the authorization itself.
    pub original: Option<(CallKey, crate::money::Money)>,
    /// What the payer pays with. It lives only as long as the request that brought it, so that it is not there
    /// for what comes later, nor after a restart.
    pub instrument: Option<Instrument>,
    /// What the payer reads on their statement.
    pub subject: String,
    /// Whether the payer has proved who they are: a challenge was passed.
    pub authenticated: bool,
    /// What 3-D Secure vouches with, when it does.
    pub three_ds: Option<ThreeDs>,
    /// Whether the payer was told where to go on ([`Reply::pay_url`]): the institution has it, though it may say that
    /// there is no such order until somebody has scanned it.
    pub placed: bool,
    /// How often it was sent before.
    pub repetition: u32,
}

/// What a payer pays with. `Debug` shows none of it, and it is wiped when dropped.
///
/// ```
/// use tollgate::channel::Instrument;
/// let code = Instrument::Code("28763443825664394".to_owned().into());
/// assert_eq!(format!("{code:?}"), "Code(..)");
/// ```
#[derive(Clone)]
pub enum Instrument {
    /// A card.
    Card {
        /// Its number, digits only.
        pan: Zeroizing<String>,
        /// Until when it is good: year and month, `YYMM`.
        expiry: [u8; 4],
        /// Its verification value. Never kept anywhere.
        cvv: Option<Zeroizing<String>>,
    },
    /// The code that a wallet shows to be read by the merchant.
    Code(Zeroizing<String>),
}

impl Instrument {
    /// Whose card it is, if it is a card of a brand that is known.
    pub fn brand(&self) -> Option<Brand> {
        match self {
            Instrument::Card { pan, .. } => Brand::of_digits(pan),
            Instrument::Code(_) => None,
        }
    }
}

impl fmt::Debug for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Instrument::Card { .. } => "Card(..)",
            Instrument::Code(_) => "Code(..)",
        })
    }
}

/// What came of asking.
///
/// ```
/// use tollgate::channel::Reply;
/// use tollgate::pay::Answer;
/// assert!(Reply::new(Answer::Unknown).sent && !Reply::unsent("connection refused").sent);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the institution said; [`Answer::Unknown`] when nothing that can be relied on.
    pub answer: Answer,
    /// The key that the answer is about. `None` when it is that of the request.
    pub key: Option<CallKey>,
    /// Whether so much as a byte may have reached the institution. Only what was not sent may go another way.
    pub sent: bool,
    /// The institution's own code: `51`, `ACQ.TRADE_HAS_SUCCESS`.
    pub code: Option<String>,
    /// The institution's own name of it.
    pub reference: Option<String>,
    /// Whether the institution itself answered that this takes its time: the payer has yet to pay, a refund is under
    /// way. The answer is unknown all the same, but nothing is wrong with the institution.
    pub pending: bool,
    /// Where the payer goes on, when a wallet wants them to: an address, or the text of a QR code.
    pub pay_url: Option<String>,
}

impl Reply {
    /// An answer and nothing else.
    pub fn new(answer: Answer) -> Reply {
        Reply { answer, key: None, sent: true, code: None, reference: None, pending: false, pay_url: None }
    }

    /// Nothing was sent, and why: it shows as the code.
    pub fn unsent(why: impl Into<String>) -> Reply {
        Reply { sent: false, code: Some(why.into()), ..Reply::new(Answer::Unknown) }
    }
}

/// What an institution tells by itself: an HTTP request's parts.
///
/// ```
/// use tollgate::{Timestamp, channel::Callback};
/// let headers = [("Wechatpay-Nonce".to_owned(), "abc".to_owned())];
/// let callback = Callback { now: Timestamp::default(), headers: &headers, body: b"{}" };
/// assert_eq!(callback.header("wechatpay-nonce"), Some("abc"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Callback<'a> {
    /// When it came.
    pub now: Timestamp,
    /// Its headers.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
}

impl Callback<'_> {
    /// The first header of a name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why what an institution seems to tell is not taken.
///
/// ```
/// use tollgate::channel::CallbackError;
/// assert_eq!(CallbackError::Forged.to_string(), "its signature is not the institution's");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackError {
    /// This channel's institution never calls.
    Unexpected,
    /// The signature is missing or wrong.
    Forged,
    /// It was signed too long ago, or in the future.
    Late,
    /// It can't be read, and why.
    Malformed(String),
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallbackError::Unexpected => f.write_str("this channel's institution does not call"),
            CallbackError::Forged => f.write_str("its signature is not the institution's"),
            CallbackError::Late => f.write_str("it was signed at another time than now"),
            CallbackError::Malformed(why) => write!(f, "it can't be read: {why}"),
        }
    }
}

impl std::error::Error for CallbackError {}
