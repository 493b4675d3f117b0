//! `POST /v1/settlements` and `GET /v1/decisions/{id}`: what became of recent payments.

use hyper::Response;
use serde::Deserialize;

use super::app::App;
use super::keys::Key;
use super::problem::{Kind, Problem};
use super::recorder::Record;
use super::reply::Reply;
use super::score::{json, not_recorded};
use crate::stage::Settlement;
use crate::time::Timestamp;
use crate::velocity::Status;

/// What became of a payment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: String,
    status: String,
    at: Option<String>,
}

/// Tells the engine.
///
/// # Errors
/// When the body is no settlement, or the payment is not remembered.
pub(super) fn settle(app: &App, key: &Key, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let bad = |detail: String| {
        Problem::new(Kind::BadRequest, detail)
            .remedy("send {\"id\": \"...\", \"status\": \"authorized\", \"at\": \"2026-11-23T12:00:00Z\"}; `at` may be left out")
    };
    // The reader's own message may repeat what was sent.
    let told: Told = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is no settlement (column {})", e.column())))?;
    let status = Status::parse(&told.status)
        .ok_or_else(|| bad(format!("`status` is one of {}", Status::ALL.map(Status::name).join(", "))))?;
    let at = match &told.at {
        None => None,
        Some(text) => Some(Timestamp::parse(text).ok_or_else(|| bad("`at` is no timestamp".to_owned()))?),
    };
    let current = app.engine.current();
    let payment = app.recent.payment(key.index, &told.id, current.pipeline().schema()).ok_or_else(unknown)?;
    let settlement = Settlement { status };
    app.recorder.record(Record::Settled(&payment, settlement, at)).map_err(not_recorded)?;
    let counted = current.settle(&payment, settlement);
    Ok(json(format!("{{\"settled\":true,\"counted\":{counted}}}")))
}

/// The answer that a payment got.
///
/// # Errors
/// When it is not remembered, or somebody else's.
pub(super) fn decision(app: &App, key: &Key, id: &str) -> Result<Response<Reply>, Problem> {
    app.recent.answer(key.index, id).map(json).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "no payment of this id is remembered for this key")
        .remedy("`limits.recent` says how many are remembered; the oldest are let go")
}
