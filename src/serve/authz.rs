//! `/authz/*`: gateways ask by their forward-auth whether a request may pass (Envoy, Traefik, nginx, Caddy, mirrors).
//!
//! Any method and path; the payment is in the body, as JSON or a form, or in headers `x-payment-FIELD`.
//! What a gateway leaves out is filled in: the id from the idempotency key or request id, the time from the
//! clock, merchant from the key.

use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response};

use super::app::App;
use super::body;
use super::form::Object;
use super::idempotency;
use super::keys::Key;
use super::log;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::{self, DEGRADED, Source};
use crate::codec::RowError;
use crate::decision::Outcome;
use crate::payment::Payment;
use crate::schema::{Schema, Value, field};

/// Headers that hold fields of the payment begin with it; `-` stands for `_`.
const FIELD_HEADER: &str = "x-payment-";
/// How Envoy says that it cut the body.
const PARTIAL: &str = "x-envoy-auth-partial-body";
const DECISION: HeaderName = HeaderName::from_static("x-risk-decision");
const SCORE: HeaderName = HeaderName::from_static("x-risk-score");
const REASONS: HeaderName = HeaderName::from_static("x-risk-reasons");
const ID: HeaderName = HeaderName::from_static("x-risk-id");

/// Answers whether the request may pass.
///
/// # Errors
/// When it may not: the problem is for whoever sent it.
pub(super) async fn answer(
    app: &App,
    key: &Key,
    head: &Parts,
    body: Incoming,
    began: Instant,
) -> Result<Response<Reply>, Problem> {
    // nginx' auth_request says how long the body is and sends none: nothing is waited for that such a
    // method has no use for. What is still said to come makes the connection useless.
    let bodiless = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let unread = bodiless && !body.is_end_stream();
    let close = |problem: Problem| if unread { problem.close() } else { problem };
    let bytes = match bodiless {
        true => Bytes::new(),
        false => {
            body::plain(&head.headers)?;
            body::read(body, app.config.limits.body_bytes, app.config.timeouts.body.0).await?
        }
    };
    let object = match object(&head.headers, &bytes) {
        Ok(object) => object,
        Err(problem) => return unreadable(app, close(problem)),
    };
    let source = Source::Part(&|schema, payment| fill(app, head, schema, payment));
    let scored = match score::decide(app, key, &head.headers, &object, source, began).await {
        Ok(scored) => scored,
        Err(problem) if problem.kind == Kind::NotAPayment => return unreadable(app, close(problem)),
        Err(problem) => return Err(close(problem)),
    };
    let authz = &app.config.authz;
    let name = scored.outcome.name();
    let passes = scored.outcome == Outcome::Approve || authz.pass.iter().any(|p| p.is(scored.outcome));
    let mut response = match passes {
        true => Response::new(Reply::whole(Bytes::new())),
        false => {
            let kind = if authz.decline_status == 402 { Kind::PaymentRequired } else { Kind::Declined };
            close(Problem::new(kind, format!("the outcome is {name}"))).response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(DECISION, HeaderValue::from_static(name));
    headers.insert(SCORE, HeaderValue::from(scored.score));
    if let Some(record) = scored.record() {
        headers.insert(score::RECORD, record);
    }
    if let Some((id, reasons)) = scored.told {
        for (name, text) in [(ID, id), (REASONS, reasons)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
    if let Some(degraded) = score::degraded_header(scored.degraded) {
        headers.insert(DEGRADED, degraded);
    }
    if unread {
        headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What is no payment passes only where the settings say so.
fn unreadable(app: &App, problem: Problem) -> Result<Response<Reply>, Problem> {
    if app.config.authz.pass_unreadable {
        let mut response = Response::new(Reply::whole(Bytes::new()));
        response.headers_mut().insert(DECISION, HeaderValue::from_static("unreadable"));
        return Ok(response);
    }
    Err(problem.but(Kind::NotPassed).remedy(
        "send the payment as JSON or form (Envoy: with_request_body, Traefik: forwardBody), or as headers x-payment-amount, x-payment-currency, ...; `authz.pass_unreadable` lets the rest pass",
    ))
}

/// The payment as JSON text, from whatever the request brings.
fn object(headers: &HeaderMap, bytes: &[u8]) -> Result<Bytes, Problem> {
    let not = |reason: String| Problem::row(RowError { field: None, column: None, reason });
    if headers.get(PARTIAL).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true")) {
        return Err(not("the gateway cut the body; raise its max_request_bytes".to_owned()));
    }
    let body = bytes.trim_ascii();
    if body.first() == Some(&b'{') {
        return Ok(Bytes::copy_from_slice(body));
    }
    let mut object = Object::new();
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
fn fill(app: &App, head: &Parts, schema: &Schema, payment: &mut Payment) -> Result<(), RowError> {
    let text = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
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
        Some(Value::Token(text(idempotency::HEADER).or_else(|| text("x-request-id")).unwrap_or(&own))),
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
