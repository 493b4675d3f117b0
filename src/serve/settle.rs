//! `POST /v1/settlements` and `GET /v1/decisions/{id}`: what became of recent payments.

use std::borrow::Cow;

use hyper::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::app::App;
use super::desk::{self, Source};
use super::keeper::{Recorded, Turn, not_recorded};
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
struct Told<'a> {
    /// A recent payment's id.
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    /// Or all of the payment, as it was scored.
    #[serde(borrow)]
    payment: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    at: Option<Cow<'a, str>>,
}

/// Tells the engine.
///
/// # Errors
/// When the body is no settlement, the payment is not one of the recent ones and did not come along, or it was
/// not recorded.
pub(super) async fn settle(app: &App, key: &Key, body: &[u8]) -> Result<Response<Reply>, Problem> {
    let bad = |detail: String| {
        Problem::new(Kind::BadRequest, detail)
            .remedy("send {\"id\": \"...\", \"status\": \"authorized\", \"at\": \"2026-11-23T12:00:00Z\"}; `at` may be left out, `payment` with all of the payment may stand for `id`")
    };
    // The reader's own message may repeat what was sent.
    let told: Told<'_> = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is no settlement (column {})", e.column())))?;
    let status = Status::parse(&told.status)
        .ok_or_else(|| bad(format!("`status` is one of {}", Status::ALL.map(Status::name).join(", "))))?;
    // A settlement counts from when it is known; the time that came with it need only be one.
    if told.at.as_deref().is_some_and(|text| Timestamp::parse(text).is_none()) {
        return Err(bad("`at` is no timestamp".to_owned()));
    }
    let counted = match (told.id.as_deref(), told.payment) {
        (Some(id), None) => recent(app, key, id, status).await?,
        (None, Some(whole)) => {
            let read = |turn: &Turn<'_>| {
                desk::at(app, turn.current(), |desk| {
                    desk.read(key, whole.get().as_bytes(), Source::Whole)?;
                    turn.settle(&desk.payment, Settlement { status }).map_err(|busy| not_recorded(&busy))
                })
            };
            recorded(app, read).await?
        }
        _ => return Err(bad("it names its payment by `id` or by `payment`, one of them".to_owned())),
    };
    Ok(json(format!("{{\"settled\":true,\"counted\":{counted}}}")))
}

/// Tells the engine what became of a recent payment; whether its windows still had it.
///
/// # Errors
/// When it is not one of the recent ones, or it was not recorded.
pub(super) async fn recent(app: &App, key: &Key, id: &str, status: Status) -> Result<bool, Problem> {
    let find = |turn: &Turn<'_>| {
        let payment = app.recent.payment(key.index, id, turn.current().schema()).ok_or_else(unknown)?;
        turn.settle(&payment, Settlement { status }).map_err(|busy| not_recorded(&busy))
    };
    recorded(app, find).await
}

/// Settles at once, and waits until that is recorded.
async fn recorded(
    app: &App,
    settle: impl FnOnce(&Turn<'_>) -> Result<(bool, Recorded), Problem>,
) -> Result<bool, Problem> {
    let (counted, recorded) = settle(&app.keeper.turn())?;
    recorded.done().await.map_err(|busy| not_recorded(&busy))?;
    Ok(counted)
}

/// The answer that a payment got.
///
/// # Errors
/// When it is not remembered, or somebody else's.
pub(super) fn decision(app: &App, key: &Key, id: &str) -> Result<Response<Reply>, Problem> {
    app.recent.answer(key.index, id).map(json).ok_or_else(unknown)
}

pub(super) fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "no payment of this id is remembered for this key")
        .remedy("`limits.recent` says how many are remembered; a settlement may bring all of the payment as `payment`")
}
