//! Asking a server: each thread has a runtime of its own and its share of the connections, and none waits for another.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout, timeout_at};

use super::{Course, Measured, Pace, due};
use crate::bench::environment::thread_nanos;
use crate::bench::measure::{Answer, Recorder};
use crate::bench::target::body::{Writer, settlement};
use crate::bench::target::http::Http;
use crate::bench::target::link::Link;
use crate::error::Error;
use crate::payment::Payment;

/// Timers are a millisecond coarse, so the last part of a wait is spun between looks at the sockets.
const SLEEP_NS_MIN: u64 = 3_000_000;
const SLEEP_MARGIN_NS: u64 = 2_000_000;
/// No sleep is longer, so that a stop is heard.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// How long a connection that can't be made is not tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks over all connections until the time is over and what was to be sent in it has been answered or timed out.
pub(super) fn run(course: &Course, http: &Arc<Http>) -> Result<Measured, Error> {
    let threads = course.threads.min(http.connections);
    let course = Course { threads, ..course.clone() };
    let measured: Vec<Result<_, Error>> = std::thread::scope(|scope| {
        let start = |k: usize| {
            let (course, http) = (course.clone(), http.clone());
            scope.spawn(move || {
                let before = thread_nanos();
                let recorder = thread(course, http, k)?;
                Ok((recorder, thread_nanos().zip(before).map(|(after, before)| after - before)))
            })
        };
        let started: Vec<_> = (0..threads).map(start).collect();
        started.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    let ended = course.origin.elapsed();
    Ok(Measured::all(&course, measured.into_iter().collect::<Result<_, _>>()?, ended))
}

/// What the connections of a thread share.
struct Lane {
    course: Course,
    http: Arc<Http>,
    recorder: RefCell<Recorder>,
    writer: RefCell<Writer>,
    scratch: RefCell<Payment>,
    /// The next ticket of an open loop. Whoever holds it waits for its time, and all others for them.
    turn: Mutex<u64>,
}

fn thread(course: Course, http: Arc<Http>, k: usize) -> Result<Recorder, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::new(e.to_string()))?;
    let share = http.connections / course.threads + usize::from(k < http.connections % course.threads);
    let schema = course.workload.schema.clone();
    let lane = Rc::new(Lane {
        recorder: RefCell::new(course.recorder()),
        writer: RefCell::new(Writer::new(schema.clone(), http.form.clone())),
        scratch: RefCell::new(Payment::new(&schema)),
        turn: Mutex::new(k as u64),
        course,
        http,
    });
    let local = LocalSet::new();
    for _ in 0..share {
        local.spawn_local(connection(lane.clone()));
    }
    // Ends when all that was spawned on it has.
    runtime.block_on(local);
    let recorder = Rc::into_inner(lane).map(|lane| lane.recorder.into_inner());
    recorder.ok_or_else(|| Error::new("a connection outlived its thread"))
}

/// A connection, and those who ask over it.
async fn connection(lane: Rc<Lane>) {
    let first = Link::open(&lane.http).await.ok();
    for _ in 1..lane.http.streams {
        let shared = first.as_ref().and_then(Link::share);
        spawn_local(asking(lane.clone(), shared));
    }
    asking(lane, first).await;
}

/// Asks again and again, with a new connection whenever the old one is of no use any more.
async fn asking(lane: Rc<Lane>, mut link: Option<Link>) {
    while !lane.course.stopped() {
        if link.is_none() {
            link = Link::open(&lane.http).await.ok();
        }
        let more = match lane.course.pace {
            Pace::Closed => lane.at_once(&mut link).await,
            Pace::Open { rate } => lane.on_time(&mut link, rate).await,
        };
        if !more {
            break;
        }
        if link.is_none() {
            sleep(PAUSE).await;
        }
    }
}

impl Lane {
    /// The next payment: its number, its body, and what is told once it was answered.
    fn next(&self) -> (u64, Bytes, Option<Bytes>) {
        let n = self.course.next.fetch_add(1, Ordering::Relaxed);
        let mut scratch = self.scratch.borrow_mut();
        let payment = self.course.workload.payment(n, &mut scratch);
        let body = self.writer.borrow_mut().payment(payment);
        let status = self.course.workload.settlement(n).filter(|_| self.course.settle);
        (n, body, status.map(|status| settlement(payment.id(), status)))
    }

    /// Asks now. False when the time is over.
    async fn at_once(&self, link: &mut Option<Link>) -> bool {
        let (n, body, settlement) = self.next();
        let begin = self.course.now();
        if begin >= self.course.end() {
            return false;
        }
        self.ask(link, n, begin, body, settlement).await;
        true
    }

    /// Asks when it is time. False when the time is over, or all is to stop.
    async fn on_time(&self, link: &mut Option<Link>, rate: f64) -> bool {
        let (n, body, settlement) = self.next();
        let (due, ready) = {
            let mut turn = self.turn.lock().await;
            self.pass_over(&mut turn, rate);
            let due = due(*turn, rate);
            if due >= self.course.end() {
                return false;
            }
            let Some(ready) = self.wait(due).await else { return false };
            *turn += self.course.threads as u64;
            (due, ready)
        };
        self.recorder.borrow_mut().sent(due, self.course.now() - due, ready);
        self.ask(link, n, due, body, settlement).await;
        true
    }

    /// Passes over what has waited too long for a connection. Nothing is made ready for it: else a load that is far
    /// too much would keep its own generator from sending.
    fn pass_over(&self, turn: &mut u64, rate: f64) {
        let now = self.course.now();
        loop {
            let due = due(*turn, rate);
            if due >= self.course.end() || now.saturating_sub(due) <= self.course.patience {
                return;
            }
            let n = self.course.next.fetch_add(1, Ordering::Relaxed);
            self.answered(n, due, now - due, Answer::Unsent);
            *turn += self.course.threads as u64;
        }
    }

    /// Waits until it is time: whether there was any left. `None` when all is to stop.
    async fn wait(&self, due: u64) -> Option<bool> {
        let mut now = self.course.now();
        let ready = now < due;
        loop {
            if self.course.stopped() {
                return None;
            }
            if now >= due {
                return Some(ready);
            }
            match due - now {
                long if long > SLEEP_NS_MIN => {
                    sleep(Duration::from_nanos(long - SLEEP_MARGIN_NS).min(LONGEST_SLEEP)).await;
                }
                _ => yield_now().await,
            }
            now = self.course.now();
        }
    }

    /// Asks and records what came of it; the latency, and the time there is, count from `begin`.
    async fn ask(&self, link: &mut Option<Link>, n: u64, begin: u64, body: Bytes, settlement: Option<Bytes>) {
        let until = self.course.origin + Duration::from_nanos(begin.saturating_add(self.course.timeout));
        let answer = match link {
            None => Answer::Broken,
            Some(open) => match timeout_at(until.into(), open.ask(self.http.score(), body)).await {
                Ok(Ok(reply)) => reply.answer(),
                Ok(Err(_)) => Answer::Broken,
                Err(_) => Answer::TimedOut,
            },
        };
        self.answered(n, begin, self.course.now() - begin, answer);
        // What is still to come over it would be taken for the next answer.
        if matches!(answer, Answer::Broken | Answer::TimedOut) {
            *link = None;
        }
        let decided = matches!(answer, Answer::Decided(_) | Answer::Fine);
        if let (true, Some(body), Some(open)) = (decided, settlement, link.as_mut()) {
            let wait = Duration::from_nanos(self.course.timeout);
            if !matches!(timeout(wait, open.ask(self.http.settle(), body)).await, Ok(Ok(_))) {
                *link = None;
            }
        }
    }

    fn answered(&self, n: u64, begin: u64, latency: u64, answer: Answer) {
        self.recorder.borrow_mut().record(begin, latency, answer);
        self.course.note(n, answer);
        self.course.answered.fetch_add(1, Ordering::Relaxed);
    }
}
