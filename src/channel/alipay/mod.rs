//! Alipay, by its open platform's gateway: forms signed by RSA2, answers and notifications signed by Alipay.
//!
//! `certificate` is by what both are known, `form` is what is asked, `answer` what is said, `codes` what its codes come to, `notify` what Alipay tells by itself;
//! none of them needs a socket. A code that the payer shows is charged at once (`alipay.trade.pay`); without one the
//! payer scans a QR code (`alipay.trade.precreate`) until the order's time is over.

mod answer;
mod certificate;
pub(crate) mod codes;
pub(crate) mod form;
pub(super) mod fuzzing;
mod notify;

use std::fmt;
use std::path::PathBuf;

use hyper::Method as Verb;

use super::http::{Heard, Http, now};
use super::wallet::{open_for, overdue};
use super::{Asking, Callback, CallbackError, Channel, Reply, Request, SigningKey};
use crate::error::Error;
use crate::money::Currency;
use crate::pay::{Answer, DeclineGroup, Method, Operation};
use crate::time::Span;

use answer::Said;
pub use certificate::{AlipayCertificates, AlipayKeys};
use form::Ask;

/// What the body of a request is.
const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";

/// How Alipay is reached, and with which keys.
///
/// ```
/// use tollgate::channel::{Alipay, AlipaySettings, Channel, SigningKey};
/// use tollgate::Span;
/// let (ours, alipays) = (SigningKey::generate()?, SigningKey::generate()?);
/// let alipay = Alipay::new(AlipaySettings {
///     name: "alipay".to_owned(),
///     gateway: "https://openapi.alipay.com/gateway.do".to_owned(),
///     app_id: "2021000000000001".to_owned(),
///     key: ours,
///     alipay: alipays.public().into(),
///     notify_url: Some("https://pay.example/v1/callbacks/alipay".to_owned()),
///     pay_within: Span::from_secs(900),
///     ca: None,
/// })?;
/// assert_eq!(alipay.name(), "alipay");
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct AlipaySettings {
    /// The channel's name.
    pub name: String,
    /// Where Alipay is.
    pub gateway: String,
    /// What Alipay calls the merchant's application.
    pub app_id: String,
    /// The application's private key.
    pub key: SigningKey,
    /// What Alipay's answers and notifications are known by.
    pub alipay: AlipayKeys,
    /// Where Alipay tells by itself.
    pub notify_url: Option<String>,
    /// How long an order can be paid: a minute to 15 days.
    pub pay_within: Span,
    /// Authorities to trust instead of the machine's own, in PEM.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for AlipaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlipaySettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The channel to Alipay. See [`AlipaySettings`].
#[derive(Debug)]
pub struct Alipay {
    settings: AlipaySettings,
    http: Http,
}

impl Alipay {
    /// The channel; nothing is sent yet.
    ///
    /// # Errors
    /// When the gateway's address or the time to pay is none, or certificate and key don't go together.
    pub fn new(settings: AlipaySettings) -> Result<Alipay, Error> {
        let http = Http::new(&settings.gateway, settings.ca.as_deref())?;
        open_for(settings.pay_within)?;
        if let AlipayKeys::Certificates(certificates) = &settings.alipay
            && !certificates.is_of(&settings.key.public())
        {
            return Err(Error::new("the application's certificate is of another key than the private one"));
        }
        Ok(Alipay { settings, http })
    }

    /// Asks one thing, and reads the answer if it is Alipay's; otherwise what there is to say instead.
    async fn exchange(&self, ask: Ask, request: &Request) -> Result<Said, Reply> {
        let body =
            form::form(&self.settings, ask, request, now()).map_err(|e| Reply::unsent(e.to_string()))?;
        let unknown = |why: String| Reply { code: Some(why), ..Reply::new(Answer::Unknown) };
        match self.http.send(Verb::POST, self.http.path(), &[("content-type", FORM)], body).await {
            Heard::Unsent(why) => Err(Reply::unsent(why)),
            Heard::Lost(why) => Err(unknown(why)),
            Heard::Answer(answered) => {
                answer::read(&answered.body, ask, &self.settings.alipay).map_err(|e| unknown(e.code()))
            }
        }
    }

    async fn told(&self, ask: Option<Ask>, request: &Request) -> Reply {
        let Some(ask) = ask.filter(|_| Currency::parse("CNY") == Some(request.call.amount.currency)) else {
            return Reply {
                answer: Answer::Declined(DeclineGroup::Technical),
                ..Reply::unsent("Alipay does not do this, or not in this currency")
            };
        };
        let said = match self.exchange(ask, request).await {
            Ok(said) => said,
            Err(reply) => return reply,
        };
        let is_order = ask == Ask::Query && request.call.operation == Operation::Authorize;
        match said.end() {
            Some(end) if is_order && overdue(request.requested, self.settings.pay_within, now()) => {
                match self.exchange(end, request).await {
                    Ok(said) => said.reply(end, request),
                    Err(reply) => Reply { sent: true, ..reply },
                }
            }
            _ => said.reply(ask, request),
        }
    }
}

impl Channel for Alipay {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn method(&self) -> Method {
        Method::Alipay
    }

    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.told(Ask::of(request), request))
    }

    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.told(Ask::about(request), request))
    }

    fn callback(&self, callback: &Callback<'_>) -> Result<Reply, CallbackError> {
        notify::read(&self.settings, callback.body)
    }

    fn taken(&self) -> &'static str {
        "success"
    }
}

#[cfg(test)]
mod tests;
