//! The guard before a channel that does what it is told, in time that the test moves on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{BreakerSettings, BudgetSettings, Guard, GuardSettings};
use crate::channel::{Asking, Channel, Reply, Request};
use crate::money::{Currency, Money};
use crate::pay::{
    Answer, Call, CallKey, DeclineGroup, MerchantId, Method, Operation, OrderId, PaymentId, RefundId,
};
use crate::time::Timestamp;

/// Replies with one after the other, the last for ever, each after a time; remembers what it was asked.
struct Told {
    replies: Vec<(Duration, Reply)>,
    asked: AtomicUsize,
    repetitions: Mutex<Vec<u32>>,
}

impl Channel for Told {
    fn name(&self) -> &str {
        "told"
    }
    fn method(&self) -> Method {
        Method::Card
    }
    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        Box::pin(async move {
            let turn = self.asked.fetch_add(1, Ordering::Relaxed);
            self.repetitions.lock().push(request.repetition);
            let (time, reply) = self.replies.get(turn).or(self.replies.last()).cloned().unwrap();
            sleep(time).await;
            reply
        })
    }
    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        self.ask(request)
    }
}

fn told(replies: &[Reply], settings: GuardSettings) -> (Arc<Told>, Guard) {
    let replies = replies.iter().map(|reply| (Duration::from_millis(5), reply.clone())).collect();
    let channel = Arc::new(Told { replies, asked: AtomicUsize::new(0), repetitions: Mutex::default() });
    (channel.clone(), Guard::new(channel, settings))
}

const NO_BREAKER: BreakerSettings = BreakerSettings {
    window: Duration::from_secs(10),
    requests_min: u32::MAX,
    failures_percent: 100,
    open_for: Duration::from_secs(1),
    probes: 1,
};

fn money() -> Money {
    Money { minor: 500, currency: Currency::parse("EUR").unwrap() }
}

fn request(operation: Operation) -> Request {
    Request {
        call: Call {
            key: CallKey([1; 16]),
            payment: PaymentId::parse("p").unwrap(),
            method: Method::Card,
            operation,
            amount: money(),
        },
        merchant: MerchantId::parse("m").unwrap(),
        order: OrderId::parse("o").unwrap(),
        requested: Timestamp::default(),
        original: None,
        instrument: None,
        subject: String::new(),
        authenticated: false,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

fn refund() -> Operation {
    Operation::Refund { refund: RefundId::parse("r").unwrap(), amount: money() }
}

fn approved() -> Reply {
    Reply::new(Answer::Approved { amount: money() })
}

#[tokio::test(start_paused = true)]
async fn only_what_was_not_sent_or_can_do_nothing_twice_is_tried_again() {
    let (unknown, unsent) = (Reply::new(Answer::Unknown), Reply::unsent("no"));
    let declined = Reply::new(Answer::Declined(DeclineGroup::Technical));
    for (operation, replies, tries, repetitions) in [
        (Operation::Authorize, vec![unsent.clone(), approved()], 2, vec![0, 0]),
        (Operation::Authorize, vec![unknown.clone(), approved()], 1, vec![0]),
        (refund(), vec![unknown.clone(), approved()], 2, vec![0, 1]),
        (refund(), vec![unsent.clone(), unknown.clone(), approved()], 3, vec![0, 0, 1]),
        (refund(), vec![unknown.clone()], 3, vec![0, 1, 2]),
        (refund(), vec![declined.clone(), approved()], 1, vec![0]),
        (refund(), vec![Reply::new(Answer::Absent), approved()], 1, vec![0]),
    ] {
        let (channel, guard) =
            told(&replies, GuardSettings { breaker: NO_BREAKER, ..GuardSettings::default() });
        let reply = guard.ask(&request(operation.clone())).await;
        assert_eq!(channel.asked.load(Ordering::Relaxed), tries, "{operation:?} {replies:?}");
        assert_eq!(*channel.repetitions.lock(), repetitions);
        assert_eq!(&reply, replies.get(tries - 1).unwrap_or(&unknown));
    }
    // Queries come again by themselves.
    let (channel, guard) = told(&[unknown], GuardSettings::default());
    guard.query(&request(refund())).await;
    assert_eq!(channel.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn tries_stay_within_the_budget() {
    let budget = BudgetSettings { percent: 10, reserve: 2 };
    let settings = GuardSettings { breaker: NO_BREAKER, budget, ..GuardSettings::default() };
    let (channel, guard) = told(&[Reply::unsent("no")], settings);
    for _ in 0..100 {
        guard.ask(&request(Operation::Authorize)).await;
    }
    let asked = channel.asked.load(Ordering::Relaxed);
    assert!((100..=112).contains(&asked), "{asked}");
    assert!(guard.figures().unaffordable.load(Ordering::Relaxed) > 80);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_everything_and_what_it_cuts_off_may_have_been_sent() {
    let deadline = Duration::from_secs(2);
    let settings = GuardSettings { deadline, ..GuardSettings::default() };
    for (time, late) in [(1_999, false), (2_001, true)] {
        let channel = Arc::new(Told {
            replies: vec![(Duration::from_millis(time), approved())],
            asked: AtomicUsize::new(0),
            repetitions: Mutex::default(),
        });
        let guard = Guard::new(channel, settings);
        let began = Instant::now();
        let reply = guard.ask(&request(refund())).await;
        assert_eq!((reply.answer == Answer::Unknown, reply.sent), (late, true));
        assert!(began.elapsed() <= deadline + Duration::from_millis(2));
        assert_eq!(guard.figures().late.load(Ordering::Relaxed), u64::from(late));
        assert_eq!(guard.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn one_more_than_may_go_at_once_is_refused_unsent() {
    let settings = GuardSettings { concurrent: 3, retries: 0, ..GuardSettings::default() };
    let (_, guard) = told(&[approved()], settings);
    let (one, two) = (request(refund()), Request { repetition: 1, ..request(refund()) });
    let replies =
        tokio::join!(guard.ask(&one), guard.ask(&one), guard.query(&one), guard.ask(&one), guard.ask(&two));
    assert!([&replies.0, &replies.1, &replies.2].iter().all(|reply| **reply == approved()));
    assert_eq!((replies.3.answer, replies.3.sent), (Answer::Unknown, false));
    // What was sent before may not go another way now.
    assert_eq!((replies.4.answer, replies.4.sent), (Answer::Unknown, true));
    assert_eq!(guard.figures().crowded.load(Ordering::Relaxed), 2);
    // Whoever gives up leaves their place.
    drop(tokio::time::timeout(Duration::from_millis(1), guard.ask(&one)).await);
    assert_eq!(guard.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_institution_that_fails_is_left_alone_and_tried_again_later() {
    let breaker = BreakerSettings { requests_min: 4, probes: 1, ..BreakerSettings::default() };
    let settings = GuardSettings { breaker, retries: 0, ..GuardSettings::default() };
    let mut replies = vec![Reply::new(Answer::Unknown); 4];
    replies.push(approved());
    let (channel, guard) = told(&replies, settings);
    for _ in 0..10 {
        guard.ask(&request(Operation::Authorize)).await;
    }
    assert_eq!((channel.asked.load(Ordering::Relaxed), guard.breaker().phase()), (4, "open"));
    assert!(!guard.ask(&request(Operation::Authorize)).await.sent);
    sleep(breaker.open_for).await;
    assert_eq!(guard.ask(&request(Operation::Authorize)).await, approved());
    assert_eq!(guard.breaker().phase(), "closed");
    let figures = guard.figures();
    assert_eq!(figures.left_alone.load(Ordering::Relaxed), 7);
    assert_eq!(figures.opened.load(Ordering::Relaxed), 1);
    assert_eq!(figures.all().iter().find(|(name, _)| *name == "approved"), Some(&("approved", 1)));
}

#[tokio::test(start_paused = true)]
async fn declines_are_answers() {
    let breaker = BreakerSettings { requests_min: 1, ..BreakerSettings::default() };
    let (_, guard) = told(
        &[Reply::new(Answer::Declined(DeclineGroup::Soft))],
        GuardSettings { breaker, ..GuardSettings::default() },
    );
    for _ in 0..50 {
        guard.ask(&request(Operation::Authorize)).await;
    }
    assert_eq!(guard.breaker().phase(), "closed");
}

/// A wallet's orders wait for their payers: that is no failure of the wallet, and asks for no further try.
#[tokio::test(start_paused = true)]
async fn what_takes_its_time_opens_no_breaker_and_is_not_tried_again() {
    let waits = Reply { pending: true, ..Reply::new(Answer::Unknown) };
    for (reply, opens) in [(waits, false), (Reply::new(Answer::Unknown), true)] {
        let (channel, guard) = told(&[reply], GuardSettings::default());
        for _ in 0..40 {
            guard.query(&request(Operation::Authorize)).await;
        }
        let asked = channel.asked.load(Ordering::Relaxed);
        assert_eq!(asked < 40, opens, "{asked}");
        if !opens {
            guard.ask(&request(refund())).await;
            assert_eq!(channel.asked.load(Ordering::Relaxed), 41);
        }
    }
}
