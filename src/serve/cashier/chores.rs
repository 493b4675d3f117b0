//! What has become of what nobody asks about? Unknown outcomes are asked about, challenges and reviews end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::happen::{Fault, advance, changed, follow, happen};
use super::later::Later;
use super::settings::Payments;
use super::{Cashier, ask, fraud, settling, webhooks};
use crate::pay::{
    Book, CODE_KEPT, Call, CallKey, ChallengeResult, Change, Effect, Operation, Payment, PaymentId,
    ReviewResult, State,
};
use crate::serve::app::App;
use crate::serve::log::{self, Level};

/// How often it is looked for work that nobody has announced.
const ROUND: Duration = Duration::from_millis(250);
/// Most institutions' answers that are asked for at a time.
const QUERIES_MAX: usize = 64;

/// How long a payment that has begun waits for its merchant to come again with it; then it is given up, and the
/// order can be paid by another.
const ABANDONED: Duration = Duration::from_secs(900);

/// How long a payment may stay as it is, when somebody is waited for.
fn patience(payment: &Payment, settings: &Payments) -> Option<Duration> {
    match payment.state() {
        State::Challenged => Some(Duration::from_micros(CODE_KEPT.micros().unsigned_abs())),
        State::ReviewHeld if payment.open().is_some() => None,
        // Nobody has to look any more.
        State::ReviewHeld if payment.label().is_some_and(|label| label.fraud) => Some(Duration::ZERO),
        State::ReviewHeld => Some(settings.review.0),
        State::Created if payment.open().is_none() => Some(ABANDONED),
        _ => None,
    }
}

/// How much of that is left, by the book; `None` when nobody is waited for.
fn left(payment: &Payment, settings: &Payments) -> Option<Duration> {
    let since = match (payment.state(), payment.challenge()) {
        (State::Challenged, Some(challenge)) => challenge.begun,
        _ => payment.changed_at(),
    };
    let waited = Duration::from_micros(log::now().since(since).micros().max(0).unsigned_abs());
    patience(payment, settings).map(|patience| patience.saturating_sub(waited))
}

/// What was waited for when another process ended.
pub(super) fn waiting(book: &Book, settings: &Payments) -> Later {
    let now = Instant::now();
    let due = |payment: &Payment| Some((now + left(payment, settings)?, payment.id().clone()));
    book.payments().filter_map(due).collect()
}

impl Cashier {
    /// Somebody is waited for from now on.
    pub(super) fn expires(&self, payment: &PaymentId) {
        let left = self.book.lock().any(payment).and_then(|p| left(p, &self.settings));
        if let Some(left) = left {
            self.due.add(Instant::now() + left, payment.clone());
        }
    }
}

/// When a call is asked about next, and how often it was.
struct Patience {
    next: Instant,
    pause: Duration,
}

/// What another process had authorized and not captured when it ended, as long as nobody has asked for anything.
fn left_authorized(cashier: &Cashier) -> Vec<PaymentId> {
    let left = |p: &&Payment| p.state() == State::Authorized && p.open().is_none();
    cashier.book.lock().payments().filter(left).map(|p| p.id().clone()).collect()
}

/// Takes on what was left, several at a time.
async fn take_on(app: Arc<App>, cashier: Arc<Cashier>, authorized: Vec<PaymentId>) {
    let mut taken = JoinSet::new();
    for payment in authorized {
        if taken.len() >= QUERIES_MAX {
            taken.join_next().await;
        }
        let (app, cashier) = (app.clone(), cashier.clone());
        taken.spawn(async move { carry_on(&app, &cashier, &payment, Vec::new()).await });
    }
    while taken.join_next().await.is_some() {}
}

/// Asks what became of a call, as one of at most [`QUERIES_MAX`].
async fn query(app: Arc<App>, cashier: Arc<Cashier>, asking: Arc<AtomicUsize>, call: Call) {
    let payment = call.payment.clone();
    match ask::query(&cashier, call).await {
        Ok(effects) => carry_on(&app, &cashier, &payment, effects).await,
        Err(fault) => tell(&payment, fault),
    }
    // Looking for more costs a look at all that is unanswered: it is looked when there is room for many.
    if asking.fetch_sub(1, Ordering::AcqRel) == QUERIES_MAX / 2 {
        cashier.work.notify_one();
    }
}

/// Looks after payments until the process ends.
async fn run(app: Arc<App>, cashier: Arc<Cashier>) {
    let asking = Arc::new(AtomicUsize::new(0));
    cashier.work.notify_one();
    let mut patience: HashMap<CallKey, Patience> = HashMap::new();
    loop {
        let _ = tokio::time::timeout(ROUND, cashier.work.notified()).await;
        if cashier.failure().is_some() {
            return;
        }
        let now = Instant::now();
        let open = ask::unfinished(&cashier);
        let keys: HashSet<CallKey> = open.iter().map(|(call, _)| call.key).collect();
        patience.retain(|key, _| keys.contains(key));
        for (call, _) in open.into_iter().filter(|(_, running)| !running) {
            let first = cashier.settings.ask_again.0;
            let known = patience.entry(call.key).or_insert(Patience { next: now, pause: first });
            if known.next <= now && asking.load(Ordering::Acquire) < QUERIES_MAX {
                known.next = now + known.pause;
                known.pause = (known.pause * 2).min(cashier.settings.ask_again_max.0);
                asking.fetch_add(1, Ordering::AcqRel);
                tokio::spawn(query(app.clone(), cashier.clone(), asking.clone(), call));
            }
        }
        for payment in cashier.settling.again.due(now) {
            if let Err(fault) = settling::settle(&app, &cashier, &payment).await {
                tell(&payment, fault);
            }
        }
        for payment in cashier.frauds.again.due(now) {
            if let Err(fault) = fraud::tell(&app, &cashier, &payment).await {
                tell(&payment, fault);
            }
        }
        for payment in cashier.due.due(now) {
            expire(&app, &cashier, &payment).await;
        }
        cashier.held.retain(|_, held| held.until > now);
    }
}

/// Does what follows from an answer that nobody waits for.
pub(super) async fn carry_on(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    payment: &PaymentId,
    effects: Vec<Effect>,
) {
    if let Err(fault) = follow(app, cashier, effects.into()).await {
        return tell(payment, fault);
    }
    let merchant = cashier.book.lock().any(payment).map(|p| p.merchant().clone());
    if let Some(merchant) = merchant {
        if let Err(fault) = advance(app, cashier, &merchant, payment).await {
            tell(payment, fault);
        }
        cashier.let_go(&merchant, payment);
    }
}

/// Ends what nobody has answered in time.
async fn expire(app: &Arc<App>, cashier: &Arc<Cashier>, payment: &PaymentId) {
    let found = cashier
        .book
        .lock()
        .any(payment)
        .and_then(|p| Some((p.merchant().clone(), p.state(), left(p, &cashier.settings)?)));
    let Some((merchant, state, left)) = found else { return };
    // It has changed meanwhile, and may wait anew.
    if left > ROUND {
        return cashier.due.add(Instant::now() + left, payment.clone());
    }
    let change = match state {
        State::Challenged => Change::ChallengeEnded(ChallengeResult::Expired),
        State::Created => Change::Intended(Operation::Void),
        _ => Change::ReviewEnded(ReviewResult::Expired),
    };
    if let Err(fault) = happen(app, cashier, changed(&merchant, payment, change)).await {
        tell(payment, fault);
    }
    cashier.let_go(&merchant, payment);
}

/// What could not be done is for whoever runs the server.
fn tell(payment: &PaymentId, fault: Fault) {
    let detail = String::from_utf8_lossy(&fault.problem().json()).into_owned();
    log::event(
        Level::Warn,
        "payment_not_advanced",
        &[("payment", payment.as_str().into()), ("detail", detail.into())],
    );
}

/// Begins to look after payments, on the runtime it is called from.
pub(in crate::serve) fn start(app: &Arc<App>) {
    if let Some(cashier) = &app.cashier {
        tokio::spawn(take_on(app.clone(), cashier.clone(), left_authorized(cashier)));
        tokio::spawn(run(app.clone(), cashier.clone()));
        tokio::spawn(webhooks::run(cashier.clone()));
        tokio::spawn(settling::run(app.clone(), cashier.clone()));
    }
}
