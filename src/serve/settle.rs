//! `POST /v1/settlements` and `GET /v1/decisions/{id}`: what became of recent payments.

use hyper::Response;
use serde::Deserialize;

use super::app::App;
use super::keeper::not_recorded;
use super::keys::Key;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::json;
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
/// When the body is no settlement, the payment is not remembered, or it was not recorded.
pub(super) async fn settle(app: &App, key: &Key, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let bad = |detail: String| {
        Problem::new(Kind::BadRequest, detail)
            .remedy("send {\"id\": \"...\", \"status\": \"authorized\", \"at\": \"2026-11-23T12:00:00Z\"}; `at` may be left out")
    };
    // The reader's own message may repeat what was sent.
    let told: Told = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is no settlement (column {})", e.column())))?;
    let status = Status::parse(&told.status)
        .ok_or_else(|| bad(format!("`status` is one of {}", Status::ALL.map(Status::name).join(", "))))?;
    // A settlement counts from when it is known; the time that came with it need only be one.
    if told.at.as_deref().is_some_and(|text| Timestamp::parse(text).is_none()) {
        return Err(bad("`at` is no timestamp".to_owned()));
    }
    let (counted, recorded) = {
        let turn = app.keeper.turn();
        let schema = turn.current().schema();
        let payment = app.recent.payment(key.index, &told.id, schema).ok_or_else(unknown)?;
        turn.settle(&payment, Settlement { status }).map_err(|busy| not_recorded(&busy))?
    };
    recorded.done().await.map_err(|busy| not_recorded(&busy))?;
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
