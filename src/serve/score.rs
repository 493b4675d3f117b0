//! `POST /v1/score`: the way of one payment, from its bytes to the answer's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response};

use super::admit::{self, Refused};
use super::app::App;
pub(super) use super::desk::Source;
use super::desk::{self, Desk};
use super::idempotency::Turn;
use super::keys::Key;
use super::metrics::Stage;
use super::problem::{Kind, Problem};
use super::recorder::Record;
use super::reply::Reply;
use crate::decision::{Decision, Degraded, Outcome};
use crate::engine::Current;

/// Says how long parsing, scoring and writing took.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Says that a decision had to do without something.
pub(super) const DEGRADED: HeaderName = HeaderName::from_static("x-risk-degraded");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A payment that was decided.
pub(super) struct Scored {
    pub(super) line: Bytes,
    /// The payment's id and the codes of the rules that matched with effect, for answers without a body.
    pub(super) told: Option<(String, String)>,
    pub(super) outcome: Outcome,
    pub(super) score: u16,
    pub(super) degraded: Degraded,
    times: [Duration; 3],
}

/// Answers one request.
///
/// # Errors
/// Why it was not decided.
pub(super) fn answer(
    app: &App,
    key: &Key,
    head: &Parts,
    body: Bytes,
    began: Instant,
) -> Result<Response<Reply>, Problem> {
    let claim = match app.answers.turn(&head.headers, (key.index, "score"), &body, began)? {
        Some(Turn::Again(line)) => {
            app.metrics.replayed.add(1);
            let mut response = json(line);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        Some(Turn::First(claim)) => Some(claim),
        None => None,
    };
    let scored = decide(app, key, &head.headers, &body, Source::Whole, began)?;
    if let Some(claim) = claim {
        claim.keep(scored.line.clone());
    }
    Ok(scored.response(app))
}

/// Decides about one payment: by its score, or by policy when there is no room or time for it.
///
/// # Errors
/// Why it was not decided.
pub(super) fn decide(
    app: &App,
    key: &Key,
    headers: &HeaderMap,
    body: &[u8],
    source: Source<'_>,
    began: Instant,
) -> Result<Scored, Problem> {
    let overload = &app.config.overload;
    let deadline = admit::deadline(headers, overload, began)?;
    match app.admission.enter(key, overload, deadline) {
        Ok(_ticket) => now(app, key, body, source),
        Err(refused) => without(app, key, body, source, refused),
    }
}

/// Scores the payment on this thread, at once.
pub(super) fn now(app: &App, key: &Key, body: &[u8], source: Source<'_>) -> Result<Scored, Problem> {
    let current = app.engine.current();
    desk::at(app, &current, |desk| {
        let start = Instant::now();
        desk.read(key, body, source)?;
        let parsed = Instant::now();
        let decision = current.score(&desk.payment);
        let scored = Instant::now();
        let line = conclude(app, key, desk, &decision)?;
        let written = Instant::now();
        let times = [parsed - start, scored - parsed, written - scored];
        for (stage, time) in [Stage::Parse, Stage::Score, Stage::Write].into_iter().zip(times) {
            app.metrics.took(stage, time);
        }
        Ok(Scored::of(line, &decision, times, source, desk))
    })
}

/// What the caller's policy says of a payment that there is no room or time for.
#[cold]
pub(super) fn without(
    app: &App,
    key: &Key,
    body: &[u8],
    source: Source<'_>,
    refused: Refused,
) -> Result<Scored, Problem> {
    app.metrics.refused(refused);
    if !key.policy.decides() {
        return Err(refused.problem(&app.config.overload));
    }
    let current = app.engine.current();
    desk::at(app, &current, |desk| {
        desk.read(key, body, source)?;
        let outcome = key.policy.outcome(desk.payment.amount(), current.pipeline().rates(), Instant::now());
        let Some(outcome) = outcome else { return Err(refused.problem(&app.config.overload)) };
        let degraded = match refused {
            Refused::Late => Degraded::DEADLINE,
            Refused::Full | Refused::Share => Degraded::OVERLOAD,
        };
        let decision = Decision { outcome, degraded, digest: current.pipeline().digest(), ..Decision::NONE };
        let line = conclude(app, key, desk, &decision)?;
        Ok(Scored::of(line, &decision, [Duration::ZERO; 3], source, desk))
    })
}

/// Records, keeps and counts a decision; the line that answers it.
fn conclude(app: &App, key: &Key, desk: &mut Desk, decision: &Decision) -> Result<Bytes, Problem> {
    app.recorder.record(Record::Scored(&desk.payment, decision)).map_err(not_recorded)?;
    let line = desk.write(decision);
    app.recent.keep(key.index, desk.pipeline().schema(), &desk.payment, (decision.outcome, line.clone()));
    app.metrics.decided(decision, &desk.hits);
    Ok(line)
}

/// Every rule's truth and every value for a payment; remembers nothing.
///
/// # Errors
/// Why the body is no payment.
pub(super) fn explain(app: &App, key: &Key, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let current: Current = app.engine.current();
    let explanation = desk::at(app, &current, |desk| {
        desk.read(key, body, Source::Whole)?;
        Ok::<_, Problem>(current.explain(&desk.payment))
    })?;
    // Plain data always serialises.
    Ok(json(serde_json::to_vec(&explanation).unwrap_or_default()))
}

#[cold]
pub(super) fn not_recorded(error: crate::error::Error) -> Problem {
    super::log::event(super::log::Level::Error, "record", &[("detail", error.to_string().into())]);
    Problem::new(Kind::NotRecorded, "send it again").retry_after(1)
}

impl Scored {
    fn of(line: Bytes, decision: &Decision, times: [Duration; 3], source: Source<'_>, desk: &Desk) -> Scored {
        let Decision { outcome, score, degraded, .. } = *decision;
        let told = matches!(source, Source::Part(_)).then(|| {
            let entries = desk.pipeline().entries();
            let matched = decision.matched.iter().filter_map(|rule| entries.get(rule)).filter(|e| !e.shadow);
            let codes: Vec<&str> = matched.map(|entry| entry.reason.as_str()).collect();
            (desk.payment.id().to_owned(), codes.join(", "))
        });
        Scored { line, told, outcome, score, degraded, times }
    }

    fn response(self, app: &App) -> Response<Reply> {
        let timing = app.config.server_timing.then(|| self.timing()).flatten();
        let degraded = self.degraded;
        let mut response = json(self.line);
        let headers = response.headers_mut();
        if let Some(timing) = timing {
            headers.insert(SERVER_TIMING, timing);
        }
        if let Some(degraded) = degraded_header(degraded) {
            headers.insert(DEGRADED, degraded);
        }
        response
    }

    /// The stages' times in milliseconds, to the nanosecond.
    fn timing(&self) -> Option<HeaderValue> {
        let mut text = Vec::with_capacity(64);
        for (name, time) in ["parse;dur=", ", score;dur=", ", write;dur="].into_iter().zip(self.times) {
            text.extend_from_slice(name.as_bytes());
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            text.extend_from_slice(itoa::Buffer::new().format(nanos / 1_000_000).as_bytes());
            text.push(b'.');
            let fraction = nanos % 1_000_000;
            text.extend((0..6).rev().map(|i| b'0' + (fraction / 10u64.pow(i) % 10) as u8));
        }
        HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
    }
}

/// What a decision had to do without, as a header; `None` for nothing.
pub(super) fn degraded_header(degraded: Degraded) -> Option<HeaderValue> {
    if degraded.is_none() {
        return None;
    }
    let names: Vec<&str> = degraded.names().collect();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// A JSON answer that is of this moment, and that nobody is to keep.
pub(super) fn fresh(bytes: impl Into<Bytes>) -> Response<Reply> {
    let mut response = json(bytes);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer.
pub(super) fn json(bytes: impl Into<Bytes>) -> Response<Reply> {
    let mut response = Response::new(Reply::whole(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
