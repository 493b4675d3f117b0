//! May a request pass? What every door for gateways asks and tells alike, whatever protocol it speaks.
//!
//! The payment is in the body, as JSON or a form, in fields that the gateway names, or in headers
//! `x-payment-FIELD`. What a gateway leaves out is filled in: the id from the idempotency key or request
//! id, the time from the clock, merchant from the key.

use std::time::Instant;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::app::App;
use super::config::Authz;
use super::form::Object;
use super::idempotency;
use super::keys::Key;
use super::log;
use super::problem::{Kind, Problem};
use super::routes::Route;
use super::score::{self, Scored, Source};
use crate::codec::RowError;
use crate::decision::Outcome;
use crate::payment::Payment;
use crate::schema::{Schema, Value, field};

/// Headers that hold fields of the payment begin with it; `-` stands for `_`.
const FIELD_HEADER: &str = "x-payment-";
/// How Envoy says that it cut the body.
const PARTIAL: &str = "x-envoy-auth-partial-body";
/// What a gateway calls a request; the payment's id where nothing better is known.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// The names of what is told in headers, in the order of [`Verdict::told`].
pub(super) const HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("x-risk-decision"),
    HeaderName::from_static("x-risk-score"),
    HeaderName::from_static("x-risk-degraded"),
    HeaderName::from_static("x-risk-id"),
    HeaderName::from_static("x-risk-reasons"),
    score::RECORD,
];

/// What came of a question.
pub(super) enum Verdict {
    Decided(Scored),
    /// What came is no payment, and the settings let that pass.
    Unreadable,
}

/// A verdict in words; what is not known is left out.
pub(super) struct Told {
    pub(super) decision: &'static str,
    pub(super) score: Option<u16>,
    /// What the decision had to do without, by commas.
    pub(super) degraded: Option<String>,
    pub(super) id: Option<String>,
    /// The codes of the rules that matched, by commas.
    pub(super) reasons: Option<String>,
    /// Which record of the journal holds it.
    pub(super) record: Option<HeaderValue>,
}

/// Decides about the payment that `object` is.
///
/// # Errors
/// When it may not pass for another reason than its decision: the problem is for whoever sent it.
pub(super) async fn ask(
    app: &App,
    key: &Key,
    headers: &HeaderMap,
    object: Result<Bytes, Problem>,
    began: Instant,
) -> Result<Verdict, Problem> {
    let decided = match object {
        Ok(object) => {
            let source = Source::Part(&|schema, payment| fill(app, headers, schema, payment));
            score::decide(app, key, headers, &object, source, began).await
        }
        Err(problem) => Err(problem),
    };
    match decided {
        Ok(scored) => Ok(Verdict::Decided(scored)),
        Err(problem) if problem.kind != Kind::NotAPayment => Err(problem),
        Err(_) if app.config.authz.pass_unreadable => Ok(Verdict::Unreadable),
        Err(problem) => Err(problem.but(Kind::NotPassed).remedy(
            "send the payment as JSON or form (Envoy: with_request_body, Traefik: forwardBody, HAProxy: body=req.body), or as headers x-payment-amount, x-payment-currency, ...; `authz.pass_unreadable` lets the rest pass",
        )),
    }
}

/// Counts what a gateway is told: why it may not pass, the verdict in words, and the status of HTTP.
pub(super) fn answered(
    app: &App,
    route: Route,
    asked: Result<Verdict, Problem>,
) -> (Option<Problem>, Option<Told>, u16) {
    let (refusal, told) = match asked {
        Ok(verdict) => (verdict.refusal(&app.config.authz), Some(verdict.told())),
        Err(problem) => (Some(problem), None),
    };
    let status = refusal.as_ref().map_or(200, |problem| problem.status().as_u16());
    app.metrics.answered(route, status);
    (refusal, told, status)
}

impl Verdict {
    /// What a payer is told whose payment may not pass; `None` when it may.
    pub(super) fn refusal(&self, settings: &Authz) -> Option<Problem> {
        let Verdict::Decided(Scored { outcome, .. }) = *self else { return None };
        if outcome == Outcome::Approve || settings.pass.iter().any(|p| p.is(outcome)) {
            return None;
        }
        let kind = if settings.decline_status == 402 { Kind::PaymentRequired } else { Kind::Declined };
        Some(Problem::new(kind, format!("the outcome is {}", outcome.name())))
    }

    /// What the gateway is told.
    pub(super) fn told(self) -> Told {
        let Verdict::Decided(scored) = self else {
            let decision = "unreadable";
            return Told { decision, score: None, degraded: None, id: None, reasons: None, record: None };
        };
        let record = scored.record();
        let (id, reasons) = scored.told.unzip();
        Told {
            decision: scored.outcome.name(),
            score: Some(scored.score),
            degraded: score::degraded_names(scored.degraded),
            id,
            reasons,
            record,
        }
    }
}

impl Told {
    /// The same as headers, without those whose text is none for a header.
    pub(super) fn headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let text = |text: Option<String>| text.and_then(|t| HeaderValue::from_str(&t).ok());
        let values = [
            Some(HeaderValue::from_static(self.decision)),
            self.score.map(HeaderValue::from),
            text(self.degraded),
            text(self.id),
            text(self.reasons),
            self.record,
        ];
        HEADERS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}

/// The payment as JSON text, from whatever the request brings: its body, fields that the gateway names, and
/// headers where the body is no JSON.
///
/// # Errors
/// Why that is no payment.
pub(super) fn object(
    headers: &HeaderMap,
    body: &[u8],
    fields: &[(String, String)],
) -> Result<Bytes, Problem> {
    let not = |reason: String| Problem::row(RowError { field: None, column: None, reason });
    if headers.get(PARTIAL).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true")) {
        return Err(not("the gateway cut the body; raise its max_request_bytes".to_owned()));
    }
    let mut object = Object::new();
    for (name, value) in fields {
        object.field(name, value).map_err(|e| not(e.reason()))?;
    }
    let body = body.trim_ascii();
    if let Some(rest) = body.strip_prefix(b"{") {
        return Ok(object.before(rest).into());
    }
    if !body.is_empty() {
        let named = headers.get(CONTENT_TYPE).map(|v| v.as_bytes()).unwrap_or_default();
        // Without a content type, which Envoy sends only when told to, a form is told by its first name.
        let form = named.starts_with(b"application/x-www-form-urlencoded")
            || (named.is_empty() && looks_like_form(body));
        if !form {
            return Err(not("the body is neither a JSON object nor a form".to_owned()));
        }
        object.form(body).map_err(|e| not(e.reason()))?;
    }
    for (name, value) in headers {
        if let Some(field) = name.as_str().strip_prefix(FIELD_HEADER) {
            let value = value.to_str().map_err(|_| not(format!("the header `{name}` is no plain text")))?;
            object.field(&field.replace('-', "_"), value).map_err(|e| not(e.reason()))?;
        }
    }
    if object.is_empty() {
        return Err(not("the request brings no payment".to_owned()));
    }
    Ok(object.finish().into())
}

fn looks_like_form(body: &[u8]) -> bool {
    let name: Vec<u8> = body.iter().copied().take_while(|b| *b != b'=').take(65).collect();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-.[]%+".contains(b);
    !name.is_empty() && name.len() < body.len() && name.len() <= 64 && name.iter().all(plain)
}

/// Fills in what a gateway does not know.
fn fill(app: &App, headers: &HeaderMap, schema: &Schema, payment: &mut Payment) -> Result<(), RowError> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
    let mut set = |id, value: Option<Value<'_>>| match value {
        Some(value) if payment.get(schema, id).is_none() => payment.set(schema, id, value).map_err(|e| {
            RowError { field: Some(schema.field(id).name.clone()), column: None, reason: e.to_string() }
        }),
        _ => Ok(()),
    };
    let at = log::now();
    let own = format!("authz-{:x}-{:x}", at.micros(), rand::random::<u64>());
    set(
        field::ID,
        Some(Value::Token(text(idempotency::HEADER).or_else(|| text(REQUEST_ID)).unwrap_or(&own))),
    )?;
    set(field::AT, Some(Value::Timestamp(at)))?;
    set(field::CHANNEL, app.config.authz.channel.as_deref().map(Value::Text))?;
    set(
        field::USER_AGENT,
        text("user-agent").filter(|v| v.len() <= crate::schema::TEXT_BYTES_MAX).map(Value::Text),
    )?;
    if app.config.authz.trust_forwarded {
        let first = text("x-forwarded-for").and_then(|v| v.split(',').next()?.trim().parse().ok());
        set(field::IP, first.map(Value::Ip))?;
    }
    Ok(())
}
