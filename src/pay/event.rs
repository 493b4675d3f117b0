//! What happened? Everything that changes an order or a payment, and nothing else does.

use super::challenge::{Mark, ThreeDs};
use super::conversion::Conversion;
use super::effect::CallKey;
use super::id::{
    AccountId, ChannelId, DisputeId, MerchantId, OperatorId, OrderId, PaymentId, RefundId, ReportId,
};
use super::report::{FraudType, Reporter};
use super::requests::RequestKey;
use super::state::{ChallengeResult, DeclineGroup, DisputeKind, Method, ReviewResult};
use crate::decision::Outcome;
use crate::money::Money;

/// One thing that happened, or is to happen unless [`Book::apply`](super::Book::apply) refuses it.
///
/// ```
/// use tollgate::{Currency, Money, pay::{Event, MerchantId, OrderId}};
/// let event = Event::OrderCreated {
///     merchant: MerchantId::parse("m1")?,
///     order: OrderId::parse("o1")?,
///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
/// };
/// assert_eq!(event.name(), "order created");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A merchant wants something paid.
    OrderCreated {
        /// Who.
        merchant: MerchantId,
        /// What.
        order: OrderId,
        /// How much.
        amount: Money,
    },
    /// A merchant wants something paid, and settles in another currency than the payer pays in.
    OrderConverted {
        /// Who.
        merchant: MerchantId,
        /// What.
        order: OrderId,
        /// How much, in both currencies, and by which rate.
        conversion: Box<Conversion>,
    },
    /// A payer wants to pay an order, whole.
    PaymentRequested {
        /// Whose order.
        merchant: MerchantId,
        /// Which order.
        order: OrderId,
        /// Which attempt at it, from 1. Merchant, order and attempt are the payment's natural key: it is never
        /// forgotten, so that the same request can't charge twice however late it comes again.
        attempt: u32,
        /// The payment's id from now on.
        payment: PaymentId,
        /// How.
        method: Method,
        /// How much; it must be the order's amount.
        amount: Money,
    },
    /// Something happened to a payment.
    Changed {
        /// Whose payment; another merchant's is not found.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// What.
        change: Change,
    },
    /// What is known about a payment besides, for whoever has to tell the engine what became of it: bytes that the
    /// book keeps and does not read, once.
    Described {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// At most [`FACTS_BYTES_MAX`](super::FACTS_BYTES_MAX) of them.
        facts: Box<[u8]>,
    },
    /// Which way the payment goes. It may change for as long as nothing has been sent.
    Routed {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// By which channel.
        channel: ChannelId,
    },
    /// An institution waits for the payer, and says where they go on.
    Placed {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// An address, or the text of a QR code, of at most [`PAY_URL_BYTES_MAX`](super::PAY_URL_BYTES_MAX) bytes.
        pay_url: Box<str>,
    },
    /// The merchant has taken notice of a payment's changes up to this one.
    Delivered {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// The notice's sequence.
        sequence: u32,
    },
    /// An account's payer is to have an authenticator, which is confirmed by its first right code.
    AuthenticatorEnrolled {
        /// Whose account.
        merchant: MerchantId,
        /// Which account.
        account: AccountId,
        /// 128 random bits that its secret is derived with.
        salt: [u8; 16],
    },
    /// A code of an authenticator was right. Recorded before anybody is told, so that it is good once.
    AuthenticatorUsed {
        /// Whose account.
        merchant: MerchantId,
        /// Which account.
        account: AccountId,
        /// The code's step.
        step: u64,
    },
    /// An account has no authenticator any more.
    AuthenticatorRemoved {
        /// Whose account.
        merchant: MerchantId,
        /// Which account.
        account: AccountId,
    },
    /// A code is about to be sent, or asked for, that counts against limits. Recorded before it is.
    CodeCounted {
        /// What it counts under: 1 to [`MARKS_MAX`](super::MARKS_MAX).
        marks: Box<[Mark]>,
    },
    /// Lists and training have taken notice of a payment's label.
    Labelled {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// The label that they know of.
        fraud: bool,
    },
    /// The engine has been told what became of a payment.
    Settled {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// How many of the payment's settlements it knows by now: the first ones.
        settlements: u32,
        /// The number of the last one's record in the engine's journal; 0 when it has none.
        record: u64,
    },
    /// What the engine answered about a payment that somebody is to look at: bytes that the book keeps and does not
    /// read, until the payment needs no looking at any more.
    Explained {
        /// Whose payment.
        merchant: MerchantId,
        /// Which payment.
        payment: PaymentId,
        /// At most [`EXPLANATION_BYTES_MAX`](super::EXPLANATION_BYTES_MAX) of them.
        answer: Box<[u8]>,
    },
    /// A request with an idempotency key came in. See [`Book::answer`](super::Book::answer).
    RequestBegun {
        /// Caller, route and key.
        request: RequestKey,
        /// The digest of its body.
        body: [u8; 32],
    },
    /// It was answered.
    RequestAnswered {
        /// Caller, route and key.
        request: RequestKey,
        /// The answer, for whoever asks again.
        answer: Box<[u8]>,
    },
    /// It was refused and had no effect: its key is free again.
    RequestDropped {
        /// Caller, route and key.
        request: RequestKey,
    },
}

impl Event {
    /// What happened, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Event::OrderCreated { .. } => "order created",
            Event::OrderConverted { .. } => "order with a conversion created",
            Event::PaymentRequested { .. } => "payment requested",
            Event::Changed { change, .. } => change.name(),
            Event::Described { .. } => "description",
            Event::Routed { .. } => "route",
            Event::Placed { .. } => "place to go on",
            Event::Delivered { .. } => "delivery of a notice",
            Event::AuthenticatorEnrolled { .. } => "enrolment of an authenticator",
            Event::AuthenticatorUsed { .. } => "use of an authenticator",
            Event::AuthenticatorRemoved { .. } => "removal of an authenticator",
            Event::CodeCounted { .. } => "counting a code",
            Event::Labelled { .. } => "delivery of a label",
            Event::Settled { .. } => "delivery of settlements",
            Event::Explained { .. } => "explanation",
            Event::RequestBegun { .. } => "request begun",
            Event::RequestAnswered { .. } => "request answered",
            Event::RequestDropped { .. } => "request dropped",
        }
    }
}

/// What happened to one payment.
///
/// ```
/// use tollgate::pay::{Change, Operation};
/// assert_eq!(Change::Intended(Operation::Void).name(), "void");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The engine decided about it.
    Assessed(Outcome),
    /// The code of its challenge is about to be sent, for the first time or again.
    CodeSent,
    /// A code is about to be compared. Recorded before it is, so that it counts.
    CodeTried,
    /// What came of 3-D Secure: before the payment is assessed, or during its challenge.
    Authenticated(Box<ThreeDs>),
    /// Its challenge ended: the code was right, no tries or no time are left, or another way of proof said so.
    ChallengeEnded(ChallengeResult),
    /// Its review ended.
    ReviewEnded(ReviewResult),
    /// The institution is about to be asked for something. Recorded before a byte is sent.
    Intended(Operation),
    /// The institution answered, by itself or because it was asked what became of it.
    Answered {
        /// The key it was asked with.
        key: CallKey,
        /// What it said.
        answer: Answer,
    },
    /// Somebody decided by hand what became of an unknown request.
    Resolved {
        /// The key the institution was asked with.
        key: CallKey,
        /// Whether it did what it was asked for.
        took_effect: bool,
        /// Who says so.
        operator: OperatorId,
    },
    /// The payer calls money back.
    DisputeOpened {
        /// The institution's name of the dispute.
        dispute: DisputeId,
        /// How much of the capture.
        amount: Money,
        /// Why.
        kind: DisputeKind,
    },
    /// The merchant keeps the money.
    DisputeWon {
        /// The institution's name of the dispute.
        dispute: DisputeId,
    },
    /// The payer keeps the money.
    DisputeLost {
        /// The institution's name of the dispute.
        dispute: DisputeId,
    },
    /// Somebody says that it was fraud. No money moves.
    FraudReported {
        /// The report's name.
        report: ReportId,
        /// Who says so.
        by: Reporter,
        /// Of which kind.
        kind: FraudType,
    },
}

impl Change {
    /// What happened, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Change::Assessed(_) => "assessment",
            Change::CodeSent => "sending a code",
            Change::CodeTried => "trying a code",
            Change::Authenticated(_) => "result of 3-D Secure",
            Change::ChallengeEnded(_) => "end of a challenge",
            Change::ReviewEnded(_) => "end of a review",
            Change::Intended(operation) => operation.name(),
            Change::Answered { .. } => "answer",
            Change::Resolved { .. } => "resolution by hand",
            Change::DisputeOpened { .. } => "dispute",
            Change::DisputeWon { .. } => "winning a dispute",
            Change::DisputeLost { .. } => "losing a dispute",
            Change::FraudReported { .. } => "report of fraud",
        }
    }
}

impl Change {
    /// The transaction of 3-D Secure that it is about.
    pub(super) fn transaction(&self) -> Option<&str> {
        match self {
            Change::Authenticated(found) => found.ds_trans_id(),
            _ => None,
        }
    }
}

/// What an institution is asked for.
///
/// ```
/// assert_eq!(tollgate::pay::Operation::Authorize.name(), "authorization");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// To hold the payment's amount; a wallet takes it at once.
    Authorize,
    /// To take what is held, or a part of it. There is one capture; what it leaves is released.
    Capture {
        /// How much.
        amount: Money,
    },
    /// To let go of what is held. Before anything is held it gives the payment up, and nobody is asked.
    Void,
    /// To give back what was captured, or a part of it.
    Refund {
        /// The merchant's name of the refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
}

impl Operation {
    /// What it is, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Operation::Authorize => "authorization",
            Operation::Capture { .. } => "capture",
            Operation::Void => "void",
            Operation::Refund { .. } => "refund",
        }
    }
}

/// What an institution says about what it was asked for.
///
/// ```
/// use tollgate::pay::Answer;
/// assert!(!Answer::Unknown.is_final());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It did it.
    Approved {
        /// With this amount; another than was asked for is refused.
        amount: Money,
    },
    /// It did not, and will not.
    Declined(DeclineGroup),
    /// Nothing that can be relied on: no answer in time, a broken one, "in progress".
    Unknown,
    /// Asked what became of it, it has never heard of it. That is no proof that the request is not still on
    /// its way, so it is sent again with the same key; as is what an institution wants sent again.
    Absent,
}

impl Answer {
    /// Whether it settles the matter.
    pub const fn is_final(self) -> bool {
        matches!(self, Answer::Approved { .. } | Answer::Declined(_))
    }
}
