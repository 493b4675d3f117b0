//! WeChat Pay, by its API v3: JSON signed by `WECHATPAY2-SHA256-RSA2048`, both ways.
//!
//! `ask` is what is asked, `answer` what is said, `codes` what its codes come to, `sign` who says so, `notify` what
//! WeChat Pay tells by itself; none of them needs a socket. A code that the payer shows is charged at once
//! (`codepay`); without one the payer scans a QR code until the order's time is over. One that nobody paid by then is
//! closed, or called off, so that nobody can.

mod answer;
pub(crate) mod ask;
mod codes;
pub(super) mod fuzzing;
pub(crate) mod notify;
pub(crate) mod sign;

use std::fmt;
use std::path::PathBuf;

use hyper::Method as Verb;
use zeroize::Zeroizing;

use super::http::{Heard, Http, now};
use super::wallet::{open_for, overdue};
use super::{Asking, Callback, CallbackError, Channel, Reply, Request, SigningKey, VerifyingKey};
use crate::error::Error;
use crate::money::Currency;
use crate::pay::{Answer, DeclineGroup, Method, Operation};
use crate::time::Span;

use answer::Said;
use ask::Ask;
use notify::Seal;

/// What WeChat Pay's public keys are called; its certificates have plain serial numbers.
const PUBLIC_KEY: &str = "PUB_KEY_ID_";
/// Random bytes of a nonce; twice as many characters.
const NONCE_BYTES: usize = 16;

/// How WeChat Pay is reached, and with which keys.
///
/// ```
/// use tollgate::channel::{Channel, SigningKey, WechatPay, WechatPaySettings};
/// use tollgate::Span;
/// let (ours, wechats) = (SigningKey::generate()?, SigningKey::generate()?);
/// let wechat = WechatPay::new(WechatPaySettings {
///     name: "wechatpay".to_owned(),
///     gateway: "https://api.mch.weixin.qq.com".to_owned(),
///     app_id: "wxd678efh567hg6787".to_owned(),
///     merchant_id: "1900000001".to_owned(),
///     key: ours,
///     key_serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1".to_owned(),
///     wechat_keys: vec![("PUB_KEY_ID_0119000000012026".to_owned(), wechats.public())],
///     api_key: "0123456789abcdef0123456789abcdef".to_owned().into(),
///     notify_url: "https://pay.example/v1/callbacks/wechatpay".to_owned(),
///     pay_within: Span::from_secs(900),
///     ca: None,
/// })?;
/// assert_eq!(wechat.name(), "wechatpay");
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct WechatPaySettings {
    /// The channel's name.
    pub name: String,
    /// Where WeChat Pay is, without a path.
    pub gateway: String,
    /// What WeChat calls the merchant's application.
    pub app_id: String,
    /// What WeChat Pay calls the merchant.
    pub merchant_id: String,
    /// The merchant's private key.
    pub key: SigningKey,
    /// The serial number of its certificate.
    pub key_serial: String,
    /// WeChat Pay's public keys, by serial number or `PUB_KEY_ID_...`; several while one takes over from another.
    pub wechat_keys: Vec<(String, VerifyingKey)>,
    /// The APIv3 key that notifications are sealed with: 32 bytes.
    pub api_key: Zeroizing<String>,
    /// Where WeChat Pay tells by itself.
    pub notify_url: String,
    /// How long an order can be paid: a minute to 15 days.
    pub pay_within: Span,
    /// Authorities to trust instead of the machine's own, in PEM.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for WechatPaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatPaySettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The channel to WeChat Pay. See [`WechatPaySettings`].
pub struct WechatPay {
    settings: WechatPaySettings,
    seal: Seal,
    http: Http,
}

impl fmt::Debug for WechatPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatPay").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl WechatPay {
    /// The channel; nothing is sent yet.
    ///
    /// # Errors
    /// When address, keys, numbers or the time to pay are none.
    pub fn new(settings: WechatPaySettings) -> Result<WechatPay, Error> {
        let http = Http::new(&settings.gateway, settings.ca.as_deref())?;
        open_for(settings.pay_within)?;
        if !http.path().is_empty() {
            return Err(Error::new("WeChat Pay's address has no path: https://api.mch.weixin.qq.com"));
        }
        let seal = Seal::new(settings.api_key.as_bytes())
            .ok_or_else(|| Error::new("the APIv3 key of WeChat Pay has to be of 32 bytes"))?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain(&settings.merchant_id) || !plain(&settings.key_serial) {
            return Err(Error::new("merchant_id and key_serial are of letters and digits alone"));
        }
        Ok(WechatPay { settings, seal, http })
    }

    /// Asks one thing, and reads the answer if it is WeChat Pay's; otherwise what there is to say instead.
    async fn exchange(&self, ask: Ask, request: &Request) -> Result<(u16, Said), Reply> {
        let Some(asked) = ask::asked(&self.settings, ask, request) else { return Err(refused()) };
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Reply::unsent("there are no random numbers"))?;
        let nonce = format!("{:032X}", u128::from_le_bytes(nonce));
        let authorization =
            sign::authorization(&self.settings, asked.method, &asked.path, &asked.body, now(), &nonce)
                .map_err(|e| Reply::unsent(e.to_string()))?;
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("user-agent", concat!("tollgate/", env!("CARGO_PKG_VERSION"))),
        ];
        // It signs its answer with the key that is asked for.
        let serials = self.settings.wechat_keys.iter().map(|(serial, _)| serial.as_str());
        headers
            .extend(serials.filter(|s| s.starts_with(PUBLIC_KEY)).take(1).map(|s| ("wechatpay-serial", s)));
        let verb = if asked.method == "GET" { Verb::GET } else { Verb::POST };
        let unknown = |why: String| Reply { code: Some(why), ..Reply::new(Answer::Unknown) };
        let answered = match self.http.send(verb, &asked.path, &headers, asked.body).await {
            Heard::Unsent(why) => return Err(Reply::unsent(why)),
            Heard::Lost(why) => return Err(unknown(why)),
            Heard::Answer(answered) => answered,
        };
        sign::verify(&self.settings.wechat_keys, |name| answered.header(name), &answered.body, now())
            .map_err(|e| unknown(answer::unproved(answered.status, &answered.body, &e.to_string())))?;
        let said =
            answer::read(&answered.body).ok_or_else(|| unknown("the answer can't be read".to_owned()))?;
        Ok((answered.status, said))
    }

    async fn told(&self, ask: Option<Ask>, request: &Request) -> Reply {
        let Some(ask) = ask.filter(|_| Currency::parse("CNY") == Some(request.call.amount.currency)) else {
            return refused();
        };
        let (status, said) = match self.exchange(ask, request).await {
            Ok(answered) => answered,
            Err(reply) => return reply,
        };
        let overdue = overdue(request.requested, self.settings.pay_within, now());
        let is_over = ask == Ask::Query && overdue && request.call.operation == Operation::Authorize;
        match said.end() {
            Some(end) if is_over => match self.exchange(end, request).await {
                Ok((status, said)) => said.reply(status, end, request, overdue),
                Err(reply) => Reply { sent: true, ..reply },
            },
            _ => said.reply(status, ask, request, overdue),
        }
    }
}

/// What this wallet does not do.
fn refused() -> Reply {
    Reply {
        answer: Answer::Declined(DeclineGroup::Technical),
        ..Reply::unsent("WeChat Pay does not do this, or not in this currency")
    }
}

impl Channel for WechatPay {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn method(&self) -> Method {
        Method::WechatPay
    }

    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.told(Ask::of(request), request))
    }

    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.told(Ask::about(request), request))
    }

    fn callback(&self, callback: &Callback<'_>) -> Result<Reply, CallbackError> {
        notify::open(self, callback)
    }

    fn taken(&self) -> &'static str {
        r#"{"code":"SUCCESS"}"#
    }
}

#[cfg(test)]
mod tests;
