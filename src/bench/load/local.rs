//! Asking in this process: the clock is read once a payment, and what it said is recorded when a block is done.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Course, Measured, Pace, due};
use crate::bench::environment::thread_nanos;
use crate::bench::measure::{Answer, Recorder};
use crate::bench::target::Subject;
use crate::payment::Payment;

/// Payments that a thread takes at a time.
const BLOCK: usize = 64;
/// A wait longer than this is slept, up to the rest; a shorter one is spun.
const SLEEP_NS_MIN: u64 = 2_000_000;
const SLEEP_MARGIN_NS: u64 = 1_000_000;

/// Asks from all threads until the time is over.
pub(super) fn run<S: Subject>(course: &Course, subject: &S) -> Measured {
    let base = course.next.load(Ordering::Relaxed);
    let threads = std::thread::scope(|scope| {
        let start = |k: usize| {
            scope.spawn(move || {
                let before = thread_nanos();
                let recorder = match course.pace {
                    Pace::Closed => closed(course, subject),
                    Pace::Open { rate } => open(course, subject, k as u64, base, rate),
                };
                (recorder, thread_nanos().zip(before).map(|(after, before)| after - before))
            })
        };
        let started: Vec<_> = (0..course.threads).map(start).collect();
        started.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    let ended = course.origin.elapsed();
    Measured::all(course, threads, ended)
}

fn closed<S: Subject>(course: &Course, subject: &S) -> Recorder {
    let (mut recorder, end) = (course.recorder(), course.end());
    let mut scratch = Payment::new(&course.workload.schema);
    let mut took = [(0, 0, Answer::Fine); BLOCK];
    while !course.stopped() && course.now() < end {
        let from = course.next.fetch_add(BLOCK as u64, Ordering::Relaxed);
        let mut begin = course.now();
        for (n, took) in (from..).zip(&mut took) {
            let payment = course.workload.payment(n, &mut scratch);
            let answer = subject.ask(payment);
            let mut now = course.now();
            *took = (begin, now - begin, answer);
            if course.settle
                && let Some(status) = course.workload.settlement(n)
            {
                subject.settle(payment, status);
                now = course.now();
            }
            begin = now;
        }
        for (n, (begin, latency, answer)) in (from..).zip(&took) {
            course.note(n, *answer);
            recorder.record(*begin, *latency, *answer);
        }
        course.answered.fetch_add(BLOCK as u64, Ordering::Relaxed);
    }
    recorder
}

/// One thread of an open loop, which has every `threads`th ticket from the `k`th on.
fn open<S: Subject>(course: &Course, subject: &S, k: u64, base: u64, rate: f64) -> Recorder {
    let (mut recorder, end) = (course.recorder(), course.end());
    let mut scratch = Payment::new(&course.workload.schema);
    for ticket in (k..).step_by(course.threads) {
        let due = due(ticket, rate);
        let n = base + ticket;
        if due >= end {
            break;
        }
        let payment = course.workload.payment(n, &mut scratch);
        let Some((sent, ready)) = wait(course, due) else { break };
        course.next.fetch_max(n + 1, Ordering::Relaxed);
        if sent - due > course.patience {
            course.note(n, Answer::Unsent);
            recorder.record(due, sent - due, Answer::Unsent);
            continue;
        }
        let answer = subject.ask(payment);
        let latency = course.now() - due;
        recorder.sent(due, sent - due, ready);
        recorder.record(due, latency, answer);
        course.note(n, answer);
        course.answered.fetch_add(1, Ordering::Relaxed);
        if course.settle
            && let Some(status) = course.workload.settlement(n)
        {
            subject.settle(payment, status);
        }
    }
    recorder
}

/// Waits until it is time: when it was over, and whether there was any. `None` when all is to stop.
fn wait(course: &Course, due: u64) -> Option<(u64, bool)> {
    let mut now = course.now();
    let ready = now < due;
    loop {
        if course.stopped() {
            return None;
        }
        if now >= due {
            return Some((now, ready));
        }
        match due - now {
            long if long > SLEEP_NS_MIN => {
                std::thread::sleep(Duration::from_nanos(long - SLEEP_MARGIN_NS).min(LONGEST_SLEEP))
            }
            _ => std::hint::spin_loop(),
        }
        now = course.now();
    }
}

/// No sleep is longer, so that a stop is heard.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
