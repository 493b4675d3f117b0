//! Orders and payments that move money: what may happen to them, and what is to be done because of it.
//!
//! A [`Book`] takes [`Event`]s and gives [`Effect`]s, in the order in which they are to be done. It reads no
//! clock, waits for nothing and sends nothing: whoever holds it makes records durable, asks institutions, and
//! comes back with what they say as the next event. So all that can go wrong between two effects can be
//! tried in a test. An event that is refused leaves the book as it was, and the [`Error`] says why.
//!
//! `event` is what happens, `state` where a payment can be; `transition`, `institution` and `dispute` are how
//! the two meet. `order` says whether it may be paid now, `ledger` keeps the money, `challenge` the codes that
//! payers prove themselves with, `conversion` what a merchant gets in its own currency, `requests` the answers under idempotency
//! keys, `brand` whose card it is, `report` what is taken for fraud, `heard` what the engine has said and been told,
//! `record` the bytes of all this, and `image` those of all that a book knows.
//! docs/payments.md has the flow and the table of every state and event.

mod amount;
mod book;
mod brand;
mod challenge;
mod conversion;
mod dispute;
mod effect;
mod error;
mod event;
mod heard;
mod id;
mod image;
mod institution;
mod ledger;
mod order;
mod payment;
mod reason;
mod record;
mod report;
mod requests;
mod state;
mod transition;

pub use amount::amount;
pub use book::Book;
pub use brand::Brand;
pub use challenge::{
    AUTHENTICATORS_MAX, Authenticator, CODE_KEPT, CODE_SENDS_APART, CODE_SENDS_MAX, CODE_TRIES_MAX,
    Challenge, Code, CodeSecret, Enrolment, MARKS_MAX, Mark, SENDS_MAX, SENDS_WINDOW, ThreeDs, TotpHash,
    TransStatus,
};
pub use conversion::{Conversion, RATES_VERSION_BYTES_MAX};
pub use effect::{Call, CallKey, CallSecret, Effect, Notice};
pub use error::{Error, RestoreError};
pub use event::{Answer, Change, Event, Operation};
pub use heard::EXPLANATION_BYTES_MAX;
pub use id::{
    AccountId, ChannelId, DisputeId, ID_BYTES_MAX, MerchantId, OperatorId, OrderId, PaymentId, RefundId,
    ReportId,
};
pub use ledger::{Account, Ledger};
pub use order::{ATTEMPTS_MAX, ORDERS_MAX, Order};
pub use payment::{
    DISPUTES_MAX, Dispute, FACTS_BYTES_MAX, OPERATIONS_MAX, PAY_URL_BYTES_MAX, Payment, Phase, Requested,
};
pub use reason::{Reason, Scheme};
pub use record::Record;
pub use report::{FraudReport, FraudType, Label, REPORTS_MAX, Reporter};
pub use requests::{ANSWER_BYTES_MAX, KEY_BYTES_MAX, REQUESTS_KEPT, REQUESTS_MAX, RequestKey};
pub use state::{ChallengeResult, DeclineGroup, DisputeKind, Method, ReviewResult, State};
