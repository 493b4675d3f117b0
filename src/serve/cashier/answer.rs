//! What is asked for, was it answered before, and what is answered?

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::asked::{
    CaptureBody, ChallengeBody, DisputeBody, OrderBody, PayBody, RefundBody, ResolveBody, ReviewBody, Turn,
    Verdict, read,
};
use super::happen::{Fault, advance, changed, happen};
use super::{Cashier, ask, assess, chores, signed, stepup, view};
use crate::channel::{Callback, CallbackError, Channel as _};
use crate::money::Money;
use crate::pay::{
    Change, ChannelId, DisputeId, Error as Refusal, Event, MerchantId, Operation, OperatorId, OrderId,
    PaymentId, RefundId, RequestKey, ReviewResult, State,
};
use crate::serve::app::App;
use crate::serve::idempotency;
use crate::serve::keys::Key;
use crate::serve::log::{self, Level};
use crate::serve::problem::{Kind, Problem};
use crate::serve::reply::Reply;
use crate::serve::routes::{Entry, Route};
use crate::serve::score::{REPLAYED, json};

/// Most payments of a list.
const LISTED_MAX: usize = 1_000;
/// The merchant of callers without keys.
const ANYBODY: &str = "anybody";

/// One request.
struct Asked {
    app: Arc<App>,
    cashier: Arc<Cashier>,
    key: u16,
    route: Route,
    part: String,
    body: Bytes,
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
    let asked = Asked { app: app.clone(), cashier, key: key.index, route: entry.route, part, body };
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
    let asked = Asked { app: app.clone(), cashier, key: 0, route: Route::Callback, part: channel, body };
    let done = tokio::spawn(async move { asked.told(&head).await.map_err(Fault::problem) });
    done.await.unwrap_or_else(|_| Err(given_up()))
}

fn off() -> Problem {
    Problem::new(Kind::NotFound, "no payments are taken here")
        .remedy("`payments.dir` says where they are recorded")
}

fn given_up() -> Problem {
    Problem::new(Kind::NotRecorded, "it was given up half-way; ask what became of it")
}

impl Asked {
    /// Answers, or gives the answer that was given before under the same key.
    async fn answered(self, own: Option<String>) -> Result<Response<Reply>, Fault> {
        let Some(own) = own.filter(|_| self.route.changes()) else { return self.respond().await };
        let owner = self.owner()?.unwrap_or_else(|| self.anybody());
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

    fn anybody(&self) -> MerchantId {
        // A word of letters is an id.
        MerchantId::parse(ANYBODY).unwrap_or_else(|_| unreachable!("a word"))
    }

    fn key(&self) -> Result<&Key, Fault> {
        let gone = || Problem::new(Kind::NoKey, "the key is no more");
        Ok(self.app.keys.at(self.key).ok_or_else(gone)?)
    }

    /// The merchant whose key it is; `None` for whoever oversees all.
    fn owner(&self) -> Result<Option<MerchantId>, Fault> {
        let key = self.key()?;
        match (&key.merchant, self.app.keys.open()) {
            (Some(merchant), _) => Ok(Some(MerchantId::parse(merchant)?)),
            (None, true) => Ok(Some(self.anybody())),
            (None, false) => Ok(None),
        }
    }

    /// The merchant who asks.
    fn merchant(&self) -> Result<MerchantId, Fault> {
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
            _ => {
                let (merchant, payment) = self.payment()?;
                self.act(&merchant, &payment).await?;
                self.cashier.let_go(&merchant, &payment);
                self.shown(StatusCode::OK, &merchant, &payment).await
            }
        }
    }

    async fn shown(
        &self,
        status: StatusCode,
        merchant: &MerchantId,
        payment: &PaymentId,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let shown = self.cashier.look(merchant, payment, |p| view::payment(&self.cashier, p))?;
        self.cashier.recorded().await?;
        Ok((status, shown))
    }

    async fn create(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let merchant = self.merchant()?;
        let body: OrderBody = read(&self.body)?;
        let (order, amount) = (OrderId::parse(&body.id)?, body.amount()?);
        let created = Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount };
        let status = match self.cashier.durable(created).await {
            Ok(_) => StatusCode::CREATED,
            // The same again is the same order.
            Err(Fault::Refused(refusal @ Refusal::Exists(_))) => {
                let book = self.cashier.book.lock();
                let is_same = book.order(&merchant, &order).is_some_and(|known| known.amount == amount);
                if !is_same {
                    return Err(refusal.into());
                }
                StatusCode::OK
            }
            Err(fault) => return Err(fault),
        };
        self.order_shown(status, &merchant, &order).await
    }

    async fn order(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let order = OrderId::parse(&self.part).map_err(|_| Refusal::NotFound("order"))?;
        self.order_shown(StatusCode::OK, &self.merchant()?, &order).await
    }

    async fn order_shown(
        &self,
        status: StatusCode,
        merchant: &MerchantId,
        order: &OrderId,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let shown = {
            let book = self.cashier.book.lock();
            let found = book.order(merchant, order).ok_or(Refusal::NotFound("order"))?;
            view::order(order, found)
        };
        self.cashier.recorded().await?;
        Ok((status, shown))
    }

    /// The way of a payment: asked for, assessed, authorized, captured; or as far as it goes.
    async fn pay(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let merchant = self.merchant()?;
        let body: PayBody = read(&self.body)?;
        let (order, method, instrument) = (OrderId::parse(&body.order)?, body.method()?, body.instrument()?);
        if !assess::fits(method, instrument.as_ref()) {
            let detail = match method.captures_at_once() {
                false => "a payment by card has a `card`",
                true => "a wallet's payment has a `code` or nothing",
            };
            return Err(Problem::new(Kind::PaymentRefused, detail).code("bad_instrument").into());
        }
        let amount = {
            let book = cashier.book.lock();
            book.order(&merchant, &order).ok_or(Refusal::NotFound("order"))?.amount
        };
        cashier
            .merchants
            .admit(&merchant, method, amount)
            .map_err(|(code, why)| Problem::new(Kind::PaymentRefused, why).code(code))?;
        if cashier.ways.taking(method, amount, assess::country(body.facts())).next().is_none() {
            let why = format!("no channel takes {amount} by {method} from this payer");
            return Err(Problem::new(Kind::PaymentRefused, why)
                .code("no_channel")
                .remedy("[[payments.channel]] entries are the channels there are")
                .into());
        }
        let fresh = PaymentId::parse(&format!("pay_{:032x}", rand::random::<u128>()))?;
        let requested = Event::PaymentRequested {
            merchant: merchant.clone(),
            order,
            attempt: body.attempt,
            payment: fresh.clone(),
            method,
            amount,
        };
        let (payment, status) = match cashier.take(requested) {
            Ok(_) => (fresh, StatusCode::CREATED),
            // The same attempt again is the same payment, however late it comes.
            Err(Fault::Refused(Refusal::AttemptExists(known))) => {
                let is_same = cashier.look(&merchant, &known, |p| p.method() == method)?;
                if !is_same {
                    return Err(Refusal::AttemptExists(known).into());
                }
                (known, StatusCode::OK)
            }
            Err(fault) => return Err(fault),
        };
        let (state, is_open, is_assessed) =
            cashier.look(&merchant, &payment, |p| (p.state(), p.open().is_some(), p.is_assessed()))?;
        if matches!(state, State::Created | State::Authorized) && !is_open {
            cashier.hold(&payment, instrument, body.phone.clone());
            let assessed = match is_assessed {
                true => Ok(()),
                false => {
                    let named = (&merchant, &payment);
                    assess::assess(app, cashier, self.key()?, named, body.facts()).await
                }
            };
            let advanced = match assessed {
                Ok(()) => advance(app, cashier, &merchant, &payment).await,
                Err(fault) => Err(fault),
            };
            cashier.let_go(&merchant, &payment);
            if let Err(fault) = advanced {
                cashier.expires(&payment);
                return Err(fault);
            }
        }
        self.shown(status, &merchant, &payment).await
    }

    /// What happens to a payment that is there.
    async fn act(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<(), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let ledger =
            |pick: fn(&crate::pay::Ledger) -> Money| cashier.look(merchant, payment, |p| pick(p.ledger()));
        let change = match self.route {
            Route::Capture => {
                let body: CaptureBody = read(&self.body)?;
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => ledger(crate::pay::Ledger::held)?,
                };
                Change::Intended(Operation::Capture { amount })
            }
            Route::Void => Change::Intended(Operation::Void),
            Route::Refund => {
                let body: RefundBody = read(&self.body)?;
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => ledger(crate::pay::Ledger::refundable)?,
                };
                let refund = RefundId::parse(&body.id)?;
                if self.refunded(merchant, payment, &refund, amount)? {
                    return Ok(());
                }
                Change::Intended(Operation::Refund { refund, amount })
            }
            Route::Challenge => {
                let proof = read::<ChallengeBody>(&self.body)?.proof()?;
                return stepup::prove(app, cashier, (merchant, payment), proof).await;
            }
            Route::Review => return self.review(merchant, payment).await,
            Route::Dispute => self.dispute(merchant, payment)?,
            _ => {
                let body: ResolveBody = read(&self.body)?;
                let operator = OperatorId::parse(&body.operator)?;
                let open = cashier.look(merchant, payment, |p| p.open().map(|open| open.key))?;
                let key = open.ok_or(Refusal::UnknownCall)?;
                Change::Resolved { key, took_effect: body.took_effect, operator }
            }
        };
        happen(app, cashier, changed(merchant, payment, change)).await?;
        if self.route == Route::Resolve {
            advance(app, cashier, merchant, payment).await?;
        }
        Ok(())
    }

    /// Whether this very refund was asked for before.
    fn refunded(
        &self,
        merchant: &MerchantId,
        payment: &PaymentId,
        refund: &RefundId,
        amount: Money,
    ) -> Result<bool, Fault> {
        let same = Operation::Refund { refund: refund.clone(), amount };
        self.cashier.look(merchant, payment, |p| p.operations().iter().any(|o| o.operation == same))
    }

    async fn review(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<(), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let body: ReviewBody = read(&self.body)?;
        let result = match body.decision {
            Verdict::Approve => ReviewResult::Approved,
            Verdict::Decline | Verdict::RefundAndReport => ReviewResult::Declined,
        };
        let state = cashier.look(merchant, payment, |p| p.state())?;
        // What was captured before somebody looked goes back.
        let is_captured =
            matches!(state, State::Captured | State::PartiallyRefunded | State::Refunded | State::Won);
        if body.decision == Verdict::RefundAndReport && is_captured {
            let left = cashier.look(merchant, payment, |p| p.ledger().refundable())?;
            if left.minor > 0 {
                let refund = RefundId::parse("review")?;
                let change = Change::Intended(Operation::Refund { refund, amount: left });
                happen(app, cashier, changed(merchant, payment, change)).await?;
            }
        } else {
            happen(app, cashier, changed(merchant, payment, Change::ReviewEnded(result))).await?;
        }
        if body.decision == Verdict::RefundAndReport {
            assess::label(cashier, payment, true);
        }
        if result == ReviewResult::Approved {
            advance(app, cashier, merchant, payment).await?;
        }
        Ok(())
    }

    fn dispute(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<Change, Fault> {
        let body: DisputeBody = read(&self.body)?;
        let dispute = DisputeId::parse(&body.id)?;
        Ok(match body.event {
            Turn::Won => Change::DisputeWon { dispute },
            Turn::Lost => Change::DisputeLost { dispute },
            Turn::Opened => {
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => self.cashier.look(merchant, payment, |p| p.ledger().disputable())?,
                };
                Change::DisputeOpened { dispute, amount, kind: body.kind()? }
            }
        })
    }

    /// What an institution tells by itself: proved, read, recorded, and then acknowledged.
    async fn told(&self, head: &Parts) -> Result<Response<Reply>, Fault> {
        let nobody = || Problem::new(Kind::NotFound, "no channel has this name");
        let name = ChannelId::parse(&self.part).map_err(|_| nobody())?;
        let way = self.cashier.ways.named(&name).ok_or_else(nobody)?;
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

    /// What somebody is to look at, the oldest first.
    async fn reviews(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let owner = self.owner()?;
        let shown = {
            let book = self.cashier.book.lock();
            let mine = |p: &&crate::pay::Payment| {
                p.state() == State::ReviewHeld && owner.as_ref().is_none_or(|owner| p.merchant() == owner)
            };
            let mut held: Vec<_> = book.payments().filter(mine).collect();
            held.sort_by_key(|p| (p.changed_at(), p.id().clone()));
            view::payments(&self.cashier, held.into_iter().take(LISTED_MAX))
        };
        self.cashier.recorded().await?;
        Ok((StatusCode::OK, shown))
    }
}

impl Route {
    /// Whether it may have an effect, so that a repetition is to be told apart.
    fn changes(self) -> bool {
        !matches!(self, Route::Order | Route::Payment | Route::Reviews)
    }
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Reply> {
    let mut response = json(body);
    *response.status_mut() = status;
    let no_store = (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    response.headers_mut().insert(no_store.0, no_store.1);
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
