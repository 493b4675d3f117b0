//! How long is an institution waited for, by how many, and what is tried again? A channel around a channel.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::{Breaker, BreakerSettings};
use super::budget::{Budget, BudgetSettings};
use super::figures::Figures;
use crate::channel::{Asking, Callback, CallbackError, Channel, Reply, Request};
use crate::pay::{Answer, Method, Operation};

/// Requests to one institution at a time, unless settings say otherwise.
///
/// ```
/// use tollgate::institution::{CONCURRENT_DEFAULT, GuardSettings};
/// assert_eq!(GuardSettings::default().concurrent, CONCURRENT_DEFAULT);
/// ```
pub const CONCURRENT_DEFAULT: usize = 256;

/// The pause before the first try again; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(20);

/// What a [`Guard`] allows.
///
/// ```
/// use std::time::Duration;
/// use tollgate::institution::GuardSettings;
/// let settings = GuardSettings { deadline: Duration::from_secs(5), ..GuardSettings::default() };
/// assert_eq!(settings.retries, 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardSettings {
    /// How long a request may take, tries again and all.
    pub deadline: Duration,
    /// How many requests may be on their way; one more is refused at once.
    pub concurrent: usize,
    /// How often one request may be tried again, if the budget allows it.
    pub retries: u32,
    /// How much may be tried again.
    pub budget: BudgetSettings,
    /// When the institution is left alone.
    pub breaker: BreakerSettings,
}

impl Default for GuardSettings {
    fn default() -> GuardSettings {
        GuardSettings {
            deadline: Duration::from_secs(15),
            concurrent: CONCURRENT_DEFAULT,
            retries: 2,
            budget: BudgetSettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// A channel with a deadline, a limit of requests, a breaker and a budget of tries.
///
/// Tried again is what was not sent, and what came to nothing but may be sent again under its own key: captures, voids
/// and refunds. An authorization of which it is not known whether it was heard is left to whoever asks: it is to be queried.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{channel::{Channel, card::{CardChannel, CardSettings}}, institution::{Guard, GuardSettings}};
/// let card = CardChannel::new(CardSettings::to("127.0.0.1:8583"))?;
/// let guard = Guard::new(Arc::new(card), GuardSettings::default());
/// assert_eq!(guard.breaker().phase(), "closed");
/// let channel: Arc<dyn Channel> = Arc::new(guard); // as good as any
/// assert_eq!(channel.name(), "card");
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Guard {
    channel: Arc<dyn Channel>,
    settings: GuardSettings,
    room: Semaphore,
    breaker: Breaker,
    budget: Budget,
    figures: Figures,
}

/// Which of its two questions a channel is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Ask,
    Query,
}

impl Guard {
    /// A guard before a channel.
    pub fn new(channel: Arc<dyn Channel>, settings: GuardSettings) -> Guard {
        Guard {
            channel,
            settings,
            room: Semaphore::new(settings.concurrent.min(Semaphore::MAX_PERMITS)),
            breaker: Breaker::new(settings.breaker),
            budget: Budget::new(settings.budget),
            figures: Figures::default(),
        }
    }

    /// How it has gone so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whether the institution is left alone.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Requests that are on their way now.
    pub fn in_flight(&self) -> usize {
        self.settings.concurrent.saturating_sub(self.room.available_permits())
    }

    async fn guarded(&self, request: &Request, question: Question) -> Reply {
        Figures::add(&self.figures.asked);
        if question == Question::Query {
            Figures::add(&self.figures.queried);
        }
        let reply = match self.room.try_acquire() {
            Ok(_place) => self.tried(request, question).await,
            Err(_) => {
                Figures::add(&self.figures.crowded);
                refused(request, question, "as many requests as may be are on their way")
            }
        };
        self.figures.replied(&reply);
        reply
    }

    /// Asks until there is an answer, or nothing may be tried any more.
    async fn tried(&self, request: &Request, question: Question) -> Reply {
        let deadline = Instant::now() + self.settings.deadline;
        self.budget.deposit();
        let mut again: Option<Request> = None;
        let mut tries = 0;
        loop {
            let current = again.as_ref().unwrap_or(request);
            let reply = self.once(current, question, deadline).await;
            let pause = PAUSE * 2u32.saturating_pow(tries);
            let in_time = Instant::now() + pause < deadline;
            if !may_go_again(current, question, &reply) || tries >= self.settings.retries || !in_time {
                return reply;
            }
            if !self.budget.withdraw() {
                Figures::add(&self.figures.unaffordable);
                return reply;
            }
            Figures::add(&self.figures.retried);
            tries += 1;
            sleep(pause).await;
            let repetition = current.repetition + u32::from(reply.sent);
            again = Some(Request { repetition, ..request.clone() });
        }
    }

    async fn once(&self, request: &Request, question: Question, deadline: Instant) -> Reply {
        let Some(pass) = self.breaker.pass(Instant::now()) else {
            Figures::add(&self.figures.left_alone);
            return refused(
                request,
                question,
                "the institution is left alone: too much of what it was asked failed",
            );
        };
        let asking = match question {
            Question::Ask => self.channel.ask(request),
            Question::Query => self.channel.query(request),
        };
        let reply = timeout_at(deadline, asking).await.unwrap_or_else(|_| {
            Figures::add(&self.figures.late);
            let why = format!("no answer within {:?}", self.settings.deadline);
            Reply { code: Some(why), ..Reply::new(Answer::Unknown) }
        });
        // A decline is an answer. So are "never heard of", and "wait for the payer".
        if pass.report(Instant::now(), reply.answer == Answer::Unknown && !reply.pending) {
            Figures::add(&self.figures.opened);
        }
        reply
    }
}

/// Nothing was sent now; whether something had been sent before is for the request to say.
fn refused(request: &Request, question: Question, why: &str) -> Reply {
    Reply { sent: question == Question::Query || request.repetition > 0, ..Reply::unsent(why) }
}

/// Whether the same request may be sent once more, without asking anybody. What was not sent may; so may what
/// moves nothing twice under one key. Queries come again by themselves.
fn may_go_again(request: &Request, question: Question, reply: &Reply) -> bool {
    question == Question::Ask
        && reply.answer == Answer::Unknown
        && !reply.pending
        && (!reply.sent || request.call.operation != Operation::Authorize)
}

impl Channel for Guard {
    fn name(&self) -> &str {
        self.channel.name()
    }

    fn method(&self) -> Method {
        self.channel.method()
    }

    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.guarded(request, Question::Ask))
    }

    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(self.guarded(request, Question::Query))
    }

    fn callback(&self, callback: &Callback<'_>) -> Result<Reply, CallbackError> {
        self.channel.callback(callback)
    }

    fn taken(&self) -> &'static str {
        self.channel.taken()
    }
}
