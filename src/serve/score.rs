//! `POST /v1/score`: the way of one payment, from its bytes to the answer's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response};

use super::admit::{self, Refused};
use super::app::App;
use super::cohort;
pub(super) use super::desk::Source;
use super::desk::{self, Desk};
use super::idempotency;
use super::keeper::{Recorded, not_recorded};
use super::keys::Key;
use super::metrics::Stage;
use super::problem::Problem;
use super::reply::Reply;
use crate::decision::{Decision, Degraded, Outcome};
use crate::journal::{Busy, Durability, Known, Named, Origin};
use crate::payment::Payment;

/// Says how long parsing, scoring and writing took.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Says that a decision had to do without something.
const DEGRADED: HeaderName = HeaderName::from_static("x-risk-degraded");
/// Says which record of the journal holds the decision, and how durable it was when the answer was sent.
pub(super) const RECORD: HeaderName = HeaderName::from_static("x-risk-record");
/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A payment that is to be scored.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) key: &'a Key,
    pub(super) body: &'a [u8],
    pub(super) source: Source<'a>,
    /// When its answer is kept under a key.
    pub(super) request: Option<Named>,
}

impl Asked<'_> {
    fn origin(&self) -> Origin {
        Origin { owner: self.key.tag, request: self.request }
    }
}

/// A decision and the promise that it is recorded, or why there is none.
pub(super) type Decided = Result<(Scored, Recorded), Problem>;

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
    let claim = match app.answers.turn(&head.headers, (key.tag, "score"), &body, began)? {
        Some(idempotency::Turn::Again(line)) => {
            app.metrics.replayed.add(1);
            let mut response = json(line);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        Some(idempotency::Turn::First(claim)) => Some(claim),
        None => None,
    };
    let place = enter(app, key, &head.headers, began)?;
    let request = claim.as_ref().map(idempotency::Claim::named);
    let asked = Asked { key, body: &body, source: Source::Whole, request };
    let decided = match place {
        Ok(_) => cohort::score(app, key, body.clone(), request).await,
        Err(refused) => without(app, asked, refused),
    };
    let scored = recorded(app, asked, decided?).await?;
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
    let place = enter(app, key, headers, began)?;
    let asked = Asked { key, body, source, request: None };
    let decided = at_once(app, asked, place.as_ref().err().copied())?;
    recorded(app, asked, decided).await
}

/// A place for a payment, or why there is none. It is held until the decision is recorded: what waits for the disk is in
/// flight.
///
/// # Errors
/// When the deadline in the headers is none.
fn enter<'a>(
    app: &'a App,
    key: &'a Key,
    headers: &HeaderMap,
    began: Instant,
) -> Result<Result<admit::Ticket<'a>, Refused>, Problem> {
    let overload = &app.config.overload;
    Ok(app.admission.enter(key, overload, admit::deadline(headers, overload, began)?))
}

/// Waits until a decision is recorded; one that can't be is made by policy.
async fn recorded(
    app: &App,
    asked: Asked<'_>,
    (scored, recorded): (Scored, Recorded),
) -> Result<Scored, Problem> {
    match recorded.done().await {
        Ok(record) => Ok(Scored { record, ..scored }),
        Err(_) => without(app, asked, Refused::Unrecorded).map(|(scored, _)| scored),
    }
}

/// What was decided about the very same payment by a process that ended before anybody heard of it; `None` when the
/// rules, or the payment, are others by now. Nothing is scored and nothing recorded: both are done.
///
/// # Errors
/// Why the bytes are no payment.
pub(super) fn again(
    app: &App,
    key: &Key,
    body: &[u8],
    source: Source<'_>,
    known: &Known,
) -> Result<Option<Scored>, Problem> {
    let turn = app.keeper.turn();
    desk::at(app, turn.current(), |desk| {
        desk.read(key, body, source)?;
        Ok(known.decision(desk.pipeline(), &desk.payment).map(|decision| {
            let line = conclude(app, key, desk, &decision);
            Scored::of(line, &decision, [Duration::ZERO; 3], source, desk)
        }))
    })
}

/// Decides on this thread without waiting, by policy when it was refused or can't be recorded. Nobody is
/// told before it is recorded.
///
/// # Errors
/// Why it was not decided.
pub(super) fn at_once(app: &App, asked: Asked<'_>, refused: Option<Refused>) -> Decided {
    // One is asked, one is answered.
    let decided = each_at_once(app, &[asked], refused).pop();
    decided.unwrap_or_else(|| without(app, asked, Refused::Unrecorded))
}

/// As [`at_once`] for each in their order.
pub(super) fn each_at_once(app: &App, asked: &[Asked<'_>], refused: Option<Refused>) -> Vec<Decided> {
    match refused {
        None => {
            let decided = all(app, asked).into_iter().zip(asked);
            decided.map(|(d, &asked)| d.unwrap_or_else(|| without(app, asked, Refused::Unrecorded))).collect()
        }
        Some(refused) => asked.iter().map(|&asked| without(app, asked, refused)).collect(),
    }
}

/// Scores payments on this thread: reads all, then scores all in their order, then writes all answers, so that
/// each step finds its code in the processor's first cache. One answer for each, in their order; `None` when no record
/// of it can be made.
fn all(app: &App, asked: &[Asked<'_>]) -> Vec<Option<Decided>> {
    let turn = app.keeper.turn();
    desk::at(app, turn.current(), |desk| {
        let mut clock = Clock::start();
        let mut times = vec![[Duration::ZERO; 3]; asked.len()];
        let mut read = Vec::with_capacity(asked.len());
        for (place, (asked, times)) in asked.iter().zip(&mut times).enumerate() {
            read.push(desk.read(asked.key, asked.body, asked.source));
            desk.put_by(place);
            times[0] = clock.lap();
        }
        let good = read.iter().zip(asked).enumerate().filter(|(_, (read, _))| read.is_ok());
        let (payments, origins): (Vec<&Payment>, Vec<Origin>) =
            good.map(|(place, (_, asked))| (desk.at_place(place), asked.origin())).unzip();
        let mut scored = turn.score_each(&payments, &origins).into_iter();
        let each = clock.lap() / u32::try_from(payments.len().max(1)).unwrap_or(u32::MAX);
        let mut answer = |(place, ((read, asked), mut times)): (usize, ((_, &Asked<'_>), [Duration; 3]))| {
            read?;
            let (decision, recorded) = match scored.next() {
                Some(Ok(done)) => done,
                Some(Err(busy @ Busy::TooLarge(..))) => return Err(not_recorded(&busy)),
                Some(Err(Busy::Full | Busy::Failed(_))) | None => return Ok(None),
            };
            desk.put_by(place);
            let line = conclude(app, asked.key, desk, &decision);
            times[1] = each;
            times[2] = clock.lap();
            for (stage, time) in [Stage::Parse, Stage::Score, Stage::Write].into_iter().zip(times) {
                app.metrics.took(stage, time);
            }
            app.admission.took(times.iter().sum());
            Ok(Some((Scored::of(line, &decision, times, asked.source, desk), recorded)))
        };
        read.into_iter().zip(asked).zip(times).enumerate().map(|each| answer(each).transpose()).collect()
    })
}

/// Tells how long each of several pieces of work took, one after the other.
struct Clock(Instant);

impl Clock {
    fn start() -> Clock {
        Clock(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}

/// What the caller's policy says of a payment that there is no room or time for, or no record.
#[cold]
fn without(app: &App, asked: Asked<'_>, refused: Refused) -> Decided {
    let Asked { key, body, source, .. } = asked;
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
            _ => turn.unscored(&desk.payment, by_policy(degraded), &asked.origin()).unwrap_or_else(|_| {
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
