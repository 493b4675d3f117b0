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
use super::idempotency;
use super::keeper::{Recorded, not_recorded};
use super::keys::Key;
use super::metrics::Stage;
use super::problem::Problem;
use super::reply::Reply;
use crate::decision::{Decision, Degraded, Outcome};
use crate::journal::{Busy, Durability};

/// Says how long parsing, scoring and writing took.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Says that a decision had to do without something.
const DEGRADED: HeaderName = HeaderName::from_static("x-risk-degraded");
/// Says which record of the journal holds the decision, and how durable it was when the answer was sent.
pub(super) const RECORD: HeaderName = HeaderName::from_static("x-risk-record");
/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A payment that was decided.
pub(super) struct Scored {
    pub(super) line: Bytes,
    /// The payment's id and the codes of the rules that matched with effect, for answers without a body.
    pub(super) told: Option<(String, String)>,
    pub(super) outcome: Outcome,
    pub(super) score: u16,
    pub(super) degraded: Degraded,
    times: [Duration; 3],
    record: Option<(u64, Durability)>,
}

/// Answers one request.
///
/// # Errors
/// Why it was not decided.
pub(super) async fn answer(
    app: &App,
    key: &Key,
    head: &Parts,
    body: Bytes,
    began: Instant,
) -> Result<Response<Reply>, Problem> {
    let claim = match app.answers.turn(&head.headers, (key.index, "score"), &body, began)? {
        Some(idempotency::Turn::Again(line)) => {
            app.metrics.replayed.add(1);
            let mut response = json(line);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        Some(idempotency::Turn::First(claim)) => Some(claim),
        None => None,
    };
    let scored = decide(app, key, &head.headers, &body, Source::Whole, began).await?;
    if let Some(claim) = claim {
        claim.keep(scored.line.clone());
    }
    Ok(scored.response(app))
}

/// Decides about one payment, by its score or, when there is no room or time for it, by policy; waits until
/// that is recorded.
///
/// # Errors
/// Why it was not decided.
pub(super) async fn decide(
    app: &App,
    key: &Key,
    headers: &HeaderMap,
    body: &[u8],
    source: Source<'_>,
    began: Instant,
) -> Result<Scored, Problem> {
    let overload = &app.config.overload;
    let deadline = admit::deadline(headers, overload, began)?;
    // Its place is held until it is recorded: what waits for the disk is in flight.
    let place = app.admission.enter(key, overload, deadline);
    let (scored, recorded) = at_once(app, key, body, source, place.as_ref().err().copied())?;
    match recorded.done().await {
        Ok(record) => Ok(Scored { record, ..scored }),
        Err(_) => without(app, key, body, source, Refused::Unrecorded).map(|(scored, _)| scored),
    }
}

/// Decides on this thread without waiting, by policy when it was refused or can't be recorded. Nobody is
/// told before it is recorded.
///
/// # Errors
/// Why it was not decided.
pub(super) fn at_once(
    app: &App,
    key: &Key,
    body: &[u8],
    source: Source<'_>,
    refused: Option<Refused>,
) -> Result<(Scored, Recorded), Problem> {
    let refused = match refused {
        Some(refused) => refused,
        None => match now(app, key, body, source)? {
            Ok(done) => return Ok(done),
            Err(busy @ Busy::TooLarge(..)) => return Err(not_recorded(&busy)),
            Err(Busy::Full | Busy::Failed(_)) => Refused::Unrecorded,
        },
    };
    without(app, key, body, source, refused)
}

/// Scores the payment on this thread.
fn now(
    app: &App,
    key: &Key,
    body: &[u8],
    source: Source<'_>,
) -> Result<Result<(Scored, Recorded), Busy>, Problem> {
    let turn = app.keeper.turn();
    desk::at(app, turn.current(), |desk| {
        let start = Instant::now();
        desk.read(key, body, source)?;
        let parsed = Instant::now();
        let (decision, recorded) = match turn.score(&desk.payment) {
            Ok(done) => done,
            Err(busy) => return Ok(Err(busy)),
        };
        let scored = Instant::now();
        let line = conclude(app, key, desk, &decision);
        let written = Instant::now();
        let times = [parsed - start, scored - parsed, written - scored];
        for (stage, time) in [Stage::Parse, Stage::Score, Stage::Write].into_iter().zip(times) {
            app.metrics.took(stage, time);
        }
        app.admission.took(written - start);
        Ok(Ok((Scored::of(line, &decision, times, source, desk), recorded)))
    })
}

/// What the caller's policy says of a payment that there is no room or time for, or no record.
#[cold]
fn without(
    app: &App,
    key: &Key,
    body: &[u8],
    source: Source<'_>,
    refused: Refused,
) -> Result<(Scored, Recorded), Problem> {
    app.metrics.refused(refused);
    if !key.policy.decides() {
        return Err(refused.problem(&app.config.overload));
    }
    let turn = app.keeper.turn();
    desk::at(app, turn.current(), |desk| {
        desk.read(key, body, source)?;
        let pipeline = turn.current().pipeline();
        let outcome = key.policy.outcome(desk.payment.amount(), pipeline.rates(), Instant::now());
        let Some(outcome) = outcome else { return Err(refused.problem(&app.config.overload)) };
        let mut degraded = match refused {
            Refused::Late => Degraded::DEADLINE,
            Refused::Full | Refused::Share => Degraded::OVERLOAD,
            Refused::Unrecorded => Degraded::UNRECORDED,
        };
        let by_policy =
            |degraded| Decision { outcome, degraded, digest: pipeline.digest(), ..Decision::NONE };
        let recorded = match refused {
            Refused::Unrecorded => Recorded::default(),
            _ => turn.unscored(&desk.payment, by_policy(degraded)).unwrap_or_else(|_| {
                degraded |= Degraded::UNRECORDED;
                Recorded::default()
            }),
        };
        let decision = by_policy(degraded);
        let line = conclude(app, key, desk, &decision);
        Ok((Scored::of(line, &decision, [Duration::ZERO; 3], source, desk), recorded))
    })
}

/// Keeps and counts a decision; the line that answers it.
fn conclude(app: &App, key: &Key, desk: &mut Desk, decision: &Decision) -> Bytes {
    let line = desk.write(decision);
    app.recent.keep(key.index, desk.pipeline().schema(), &desk.payment, (decision.outcome, line.clone()));
    app.metrics.decided(decision, &desk.hits);
    line
}

/// Every rule's truth and every value for a payment; remembers nothing.
///
/// # Errors
/// Why the body is no payment.
pub(super) fn explain(app: &App, key: &Key, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let turn = app.keeper.turn();
    let current = turn.current();
    let explanation = desk::at(app, current, |desk| {
        desk.read(key, body, Source::Whole)?;
        Ok::<_, Problem>(current.explain(&desk.payment))
    })?;
    // Plain data always serialises.
    Ok(json(serde_json::to_vec(&explanation).unwrap_or_default()))
}

impl Scored {
    fn of(line: Bytes, decision: &Decision, times: [Duration; 3], source: Source<'_>, desk: &Desk) -> Scored {
        let Decision { outcome, score, degraded, .. } = *decision;
        let told = matches!(source, Source::Part(_)).then(|| {
            let pipeline = desk.pipeline();
            let effective = decision.matched.iter().filter(|rule| !pipeline.in_shadow(decision, *rule));
            let entries = effective.filter_map(|rule| pipeline.entries().get(rule));
            let codes: Vec<&str> = entries.map(|entry| entry.reason.as_str()).collect();
            (desk.payment.id().to_owned(), codes.join(", "))
        });
        Scored { line, told, outcome, score, degraded, times, record: None }
    }

    fn response(self, app: &App) -> Response<Reply> {
        let timing = app.config.server_timing.then(|| self.timing()).flatten();
        let (degraded, record) = (self.degraded, self.record());
        let mut response = json(self.line);
        let headers = response.headers_mut();
        if let Some(timing) = timing {
            headers.insert(SERVER_TIMING, timing);
        }
        if let Some(degraded) = degraded_names(degraded).and_then(|names| HeaderValue::from_str(&names).ok())
        {
            headers.insert(DEGRADED, degraded);
        }
        if let Some(record) = record {
            headers.insert(RECORD, record);
        }
        response
    }

    /// Where the decision is recorded, when it is.
    pub(super) fn record(&self) -> Option<HeaderValue> {
        let (number, durability) = self.record?;
        HeaderValue::from_str(&format!("{number};durability={}", durability.name())).ok()
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

/// What a decision had to do without, by commas; `None` for nothing.
pub(super) fn degraded_names(degraded: Degraded) -> Option<String> {
    if degraded.is_none() {
        return None;
    }
    Some(degraded.names().collect::<Vec<_>>().join(", "))
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
