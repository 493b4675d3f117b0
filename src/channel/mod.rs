//! Ways to institutions: one trait, and an adapter for each wire form.
//!
//! A [`Channel`] is given a [`Request`] and comes back with a [`Reply`]: what the institution said, and whether
//! anything was sent at all, for only what was never sent may be tried by another way. Nothing is decided here;
//! what an answer does to a payment is for [`Book`](crate::pay::Book).

#[cfg(feature = "serve")]
pub(crate) mod alipay;
pub mod card;
#[cfg(feature = "serve")]
pub(crate) mod fuzzing;
#[cfg(feature = "serve")]
pub(crate) mod http;
#[cfg(feature = "serve")]
mod key;
mod request;
mod route;
#[cfg(test)]
mod samples;
mod terms;
#[cfg(feature = "serve")]
pub(crate) mod tls;
mod units;
#[cfg(feature = "serve")]
pub(crate) mod wallet;
#[cfg(feature = "serve")]
pub(crate) mod wechatpay;

#[cfg(feature = "serve")]
pub use alipay::{Alipay, AlipayCertificates, AlipayKeys, AlipaySettings};
#[cfg(feature = "serve")]
pub use key::{SigningKey, VerifyingKey};
pub use request::{Asking, Callback, CallbackError, Instrument, Reply, Request};
pub use route::{Before, Route, Routed, Way};
pub use terms::{BASIS_POINTS_MAX, Fee, Refusal, Tariff, Terms};
pub use units::Units;
#[cfg(feature = "serve")]
pub use wechatpay::{WechatPay, WechatPaySettings};

use crate::pay::Method;

/// A way to an institution.
///
/// ```
/// use tollgate::channel::{Asking, Channel, Reply, Request};
/// use tollgate::pay::{Answer, Method};
///
/// /// Approves everything.
/// struct Yes;
/// impl Channel for Yes {
///     fn name(&self) -> &str {
///         "yes"
///     }
///     fn method(&self) -> Method {
///         Method::Card
///     }
///     fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
///         let amount = request.call.amount;
///         Box::pin(async move { Reply::new(Answer::Approved { amount }) })
///     }
///     fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
///         self.ask(request)
///     }
/// }
/// assert_eq!(Yes.method(), Method::Card);
/// ```
pub trait Channel: Send + Sync {
    /// Its name in settings, metrics and rules.
    fn name(&self) -> &str;

    /// What it carries.
    fn method(&self) -> Method;

    /// Asks for something. It may be called again for the same key: the institution is then to see a repetition.
    /// Ends by itself only when the connection does; whoever asks sets the deadline and drops the future.
    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a>;

    /// Asks what became of something that was asked for before. Where a wire form has no such question, it brings the
    /// matter to an end some other way: a card's authorization is reversed.
    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a>;

    /// Reads what an institution tells by itself, once it is proved to come from there.
    ///
    /// # Errors
    /// When it is forged, out of date, or can't be read. Channels whose institutions never call refuse everything.
    fn callback(&self, callback: &Callback<'_>) -> Result<Reply, CallbackError> {
        let _ = callback;
        Err(CallbackError::Unexpected)
    }

    /// What an institution that calls reads to know that it need not call again; anything else, and any status that
    /// is no success, has it call again.
    fn taken(&self) -> &'static str {
        ""
    }
}
