//! What is asked for, was it answered before, and what is answered?

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::happen::Fault;
use super::monitoring::Month;
use super::{Cashier, ask, chores, signed, view};
use crate::channel::{Callback, CallbackError, Channel as _};
use crate::failpoint::{Failpoint, reach};
use crate::pay::{ChannelId, Error as Refusal, Event, MerchantId, PaymentId, RequestKey};
use crate::serve::app::App;
use crate::serve::form;
use crate::serve::idempotency;
use crate::serve::keys::Key;
use crate::serve::log::{self, Level};
use crate::serve::problem::{Kind, Problem};
use crate::serve::reply::Reply;
use crate::serve::routes::{Entry, Route};
use crate::serve::score::{REPLAYED, fresh};

/// The merchant of callers without keys.
const ANYBODY: &str = "anybody";

/// One request.
pub(super) struct Asked {
    pub(super) app: Arc<App>,
    pub(super) cashier: Arc<Cashier>,
    key: u16,
    pub(super) route: Route,
    pub(super) part: String,
    /// What follows the path's `?`.
    query: Option<String>,
    pub(super) body: Bytes,
}

/// Answers.
///
/// # Errors
/// Why what is asked for is not done.
pub(in crate::serve) async fn answer(
    app: &Arc<App>,
    key: &Key,
    entry: &Entry,
    part: String,
    head: &Parts,
    body: Bytes,
) -> Result<Response<Reply>, Problem> {
    let cashier = app.cashier.clone().ok_or_else(off)?;
    if let Some(secret) = &key.signing {
        signed::check((key.index, secret), head, &body, &cashier.nonces)?;
    }
    let own = idempotency::named(&head.headers)?.map(str::to_owned);
    let query = head.uri.query().map(str::to_owned);
    let asked = Asked { app: app.clone(), cashier, key: key.index, route: entry.route, part, query, body };
    // What has begun is brought to its end, though the caller may be gone.
    let done = tokio::spawn(async move { asked.answered(own).await.map_err(Fault::problem) });
    done.await.unwrap_or_else(|_| Err(given_up()))
}

/// Takes what an institution tells by itself.
///
/// # Errors
/// Why it is not taken.
pub(in crate::serve) async fn callback(
    app: &Arc<App>,
    channel: String,
    head: Parts,
    body: Bytes,
) -> Result<Response<Reply>, Problem> {
    let cashier = app.cashier.clone().ok_or_else(off)?;
    let (route, query) = (Route::Callback, None);
    let asked = Asked { app: app.clone(), cashier, key: 0, route, part: channel, query, body };
    let done = tokio::spawn(async move { asked.told(&head).await.map_err(Fault::problem) });
    done.await.unwrap_or_else(|_| Err(given_up()))
}

fn off() -> Problem {
    Problem::new(Kind::PaymentsOff, "").remedy("`payments.dir` says where they are recorded")
}

fn given_up() -> Problem {
    Problem::new(Kind::NotRecorded, "it was given up half-way; ask what became of it")
}

impl Asked {
    /// Answers, or gives the answer that was given before under the same key.
    async fn answered(self, own: Option<String>) -> Result<Response<Reply>, Fault> {
        let Some(own) = own.filter(|_| self.route.changes()) else { return self.respond().await };
        let owner = self.owner()?.map_or_else(|| MerchantId::parse(ANYBODY), Ok)?;
        let request = RequestKey::new(&owner, &format!("{} {}", self.route.name(), self.part), &own)?;
        let body: [u8; 32] = Sha256::digest(&self.body).into();
        let kept = self.cashier.book.lock().answer(&request, &body)?.map(<[u8]>::to_vec);
        if let Some(kept) = kept {
            self.cashier.recorded().await?;
            let mut response = unpacked(&kept);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        self.cashier.take(Event::RequestBegun { request, body })?;
        let cashier = self.cashier.clone();
        match self.done().await {
            Ok((status, answer)) => {
                let packed = packed(status, &answer);
                let answered = Event::RequestAnswered { request, answer: packed.into_boxed_slice() };
                cashier.durable(answered).await?;
                reach(Failpoint::AnswerKept);
                Ok(response(status, answer))
            }
            Err(fault) => {
                // The key is free again. What was begun under it is known by the payment's own key.
                let dropped = cashier.durable(Event::RequestDropped { request }).await;
                dropped.and(Err(fault))
            }
        }
    }

    async fn respond(self) -> Result<Response<Reply>, Fault> {
        let (status, answer) = self.done().await?;
        Ok(response(status, answer))
    }

    pub(super) fn key(&self) -> Result<&Key, Fault> {
        let gone = || Problem::new(Kind::NoKey, "the key is no more");
        Ok(self.app.keys.at(self.key).ok_or_else(gone)?)
    }

    /// The merchant whose key it is; `None` for whoever oversees all.
    pub(super) fn owner(&self) -> Result<Option<MerchantId>, Fault> {
        let key = self.key()?;
        match (&key.merchant, self.app.keys.open()) {
            (Some(merchant), _) => Ok(Some(MerchantId::parse(merchant)?)),
            (None, true) => Ok(Some(MerchantId::parse(ANYBODY)?)),
            (None, false) => Ok(None),
        }
    }

    /// The merchant who asks.
    pub(super) fn merchant(&self) -> Result<MerchantId, Fault> {
        let nobody = || {
            Problem::new(Kind::NotAllowed, "the key belongs to no merchant")
                .remedy("give it a `merchant` in its [[key]] entry")
        };
        Ok(self.owner()?.ok_or_else(nobody)?)
    }

    /// The payment that the path names, with its merchant.
    fn payment(&self) -> Result<(MerchantId, PaymentId), Fault> {
        let payment = PaymentId::parse(&self.part).map_err(|_| Refusal::NotFound("payment"))?;
        let owner = self.owner()?;
        let book = self.cashier.book.lock();
        let found = book.any(&payment).filter(|p| owner.as_ref().is_none_or(|owner| p.merchant() == owner));
        let merchant = found.map(|p| p.merchant().clone()).ok_or(Refusal::NotFound("payment"))?;
        drop(book);
        Ok((merchant, payment))
    }

    /// Does what is asked for: status and body.
    async fn done(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        match self.route {
            Route::OrderCreate => self.create().await,
            Route::Order => self.order().await,
            Route::Pay => self.pay().await,
            Route::Payment => {
                let (merchant, payment) = self.payment()?;
                self.shown(StatusCode::OK, &merchant, &payment).await
            }
            Route::Reviews => self.reviews().await,
            Route::AuthenticatorEnrol | Route::Authenticator | Route::AuthenticatorRemove => {
                self.authenticator().await
            }
            Route::DisputeFigures => self.dispute_figures().await,
            _ => {
                let (merchant, payment) = self.payment()?;
                self.act(&merchant, &payment).await?;
                self.cashier.let_go(&merchant, &payment);
                self.shown(StatusCode::OK, &merchant, &payment).await
            }
        }
    }

    /// What the month of the query came to; this month's without one.
    async fn dispute_figures(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let month = match form::query(self.query.as_deref(), "month") {
            None => Month::of(log::now()),
            Some(text) => Month::parse(&text).ok_or_else(|| {
                Problem::new(Kind::BadRequest, "`month` is no month of a year").remedy("write ?month=2026-11")
            })?,
        };
        let shown = self.cashier.figures.lock().shown(month, self.owner()?.as_ref());
        self.cashier.recorded().await?;
        Ok((StatusCode::OK, shown))
    }

    pub(super) async fn shown(
        &self,
        status: StatusCode,
        merchant: &MerchantId,
        payment: &PaymentId,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let shown = self.cashier.look(merchant, payment, |p| view::payment(&self.cashier, p))?;
        self.cashier.recorded().await?;
        reach(Failpoint::AnswerReady);
        Ok((status, shown))
    }

    /// What an institution tells by itself: proved, read, recorded, and then acknowledged.
    async fn told(&self, head: &Parts) -> Result<Response<Reply>, Fault> {
        let nobody = || Problem::new(Kind::NotFound, "no channel has this name");
        let name = ChannelId::parse(&self.part).map_err(|_| nobody())?;
        let way = self.cashier.ways.named(name.as_str()).ok_or_else(nobody)?;
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<_> = head.headers.iter().filter_map(text).collect();
        let callback = Callback { now: log::now(), headers: &headers, body: &self.body };
        let reply = way.channel.callback(&callback).map_err(|e| {
            log::event(
                Level::Warn,
                "callback_refused",
                &[("channel", name.as_str().into()), ("why", e.to_string().into())],
            );
            match e {
                CallbackError::Unexpected => nobody(),
                e => Problem::new(Kind::NotAllowed, e.to_string()).code("bad_callback"),
            }
        })?;
        let cashier = &self.cashier;
        let (payment, effects) = ask::told(cashier, &reply).await?;
        chores::carry_on(&self.app, cashier, &payment, effects).await;
        let mut taken = Response::new(Reply::whole(way.channel.taken()));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        taken.headers_mut().insert(hyper::header::CONTENT_TYPE, plain);
        Ok(taken)
    }
}

impl Route {
    /// Whether it may have an effect, so that a repetition is to be told apart.
    fn changes(self) -> bool {
        match self {
            Route::Order | Route::Payment | Route::Reviews | Route::DisputeFigures => false,
            // Its answer has a secret, which is not to be kept; the same again begins anew.
            Route::AuthenticatorEnrol | Route::Authenticator | Route::AuthenticatorRemove => false,
            _ => true,
        }
    }
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Reply> {
    let mut response = fresh(body);
    *response.status_mut() = status;
    response
}

/// An answer as it is kept: its status in three digits, and its body.
fn packed(status: StatusCode, body: &[u8]) -> Vec<u8> {
    [status.as_str().as_bytes(), body].concat()
}

fn unpacked(kept: &[u8]) -> Response<Reply> {
    let (status, body) = kept.split_at_checked(3).unwrap_or((b"200", kept));
    response(StatusCode::from_bytes(status).unwrap_or(StatusCode::OK), body.to_vec())
}
