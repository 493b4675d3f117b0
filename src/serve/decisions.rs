//! `GET /v1/decisions`: the latest decisions, newest first.

use std::str::FromStr;

use bytes::Bytes;
use hyper::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::app::App;
use super::form;
use super::keys::Key;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::fresh;
use crate::decision::Outcome;
use crate::payment::Payment;
use crate::schema::{Schema, field};

/// Decisions of one answer, unless `limit` says otherwise.
const LIMIT: usize = 50;
/// Most decisions of one answer.
const LIMIT_MAX: usize = 200;

#[derive(Serialize)]
struct Page {
    decisions: Vec<Shown>,
}

/// A decision, with as much of its payment as tells it from others.
#[derive(Serialize)]
struct Shown {
    /// The name of the key that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    at: String,
    amount: Option<String>,
    merchant: Option<String>,
    channel: Option<String>,
    /// The answer as it was given.
    decision: Box<RawValue>,
}

/// Answers with what this key has sent; with what all have, when it may do everything and belongs to no merchant.
///
/// # Errors
/// When `limit` or `outcome` is none.
pub(super) fn answer(app: &App, key: &Key, query: Option<&str>) -> Result<Response<Reply>, Problem> {
    let limit = match form::query(query, "limit") {
        None => LIMIT,
        Some(text) => {
            usize::from_str(&text).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                Problem::new(Kind::BadRequest, format!("`limit` is a whole number from 1 to {LIMIT_MAX}"))
            })?
        }
    };
    let outcome = match form::query(query, "outcome") {
        None => None,
        Some(name) => {
            Some(Outcome::ALL.into_iter().find(|outcome| outcome.name() == name).ok_or_else(|| {
                let names = Outcome::ALL.map(Outcome::name).join(", ");
                Problem::new(Kind::BadRequest, format!("`outcome` is one of {names}"))
            })?)
        }
    };
    let owner = (!key.oversees()).then_some(key.index);
    let found = app.recent.latest(limit, owner, outcome, |owner, schema, payment, answer| {
        Shown::of(app.keys.at(owner).filter(|_| !app.keys.open()), schema, payment, answer)
    });
    let page = Page { decisions: found.into_iter().flatten().collect() };
    // Plain data always serialises.
    Ok(fresh(serde_json::to_vec(&page).unwrap_or_default()))
}

impl Shown {
    /// `None` when the answer is no JSON, which none is.
    fn of(key: Option<&Key>, schema: &Schema, payment: &Payment, answer: &Bytes) -> Option<Shown> {
        let value = |id| payment.get(schema, id).map(|value| value.to_string());
        Some(Shown {
            key: key.map(|key| key.name.clone()),
            at: payment.at().to_string(),
            amount: value(field::AMOUNT),
            merchant: value(field::MERCHANT),
            channel: value(field::CHANNEL),
            decision: serde_json::from_slice(answer).ok()?,
        })
    }
}
