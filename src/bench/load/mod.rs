//! When is asked? In a closed loop each asks again once it has its answer; in an open loop every request has its
//! time, and its latency counts from then, whether or not it could be sent by then.

mod local;
mod remote;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::attack::Board;
use super::environment;
use super::measure::{Answer, Answers, Interval, Latency, Recorder, nanos};
use super::target::{Nothing, Target};
use super::workload::Workload;
use crate::batch::Observer;
use crate::error::Error;

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "loop")]
pub(crate) enum Pace {
    /// As fast as answers come.
    Closed,
    /// So many a second.
    Open {
        /// Requests a second.
        rate: f64,
    },
}

/// What all phases of a run share.
pub(super) struct Stage<'a> {
    pub(super) target: &'a Target,
    pub(super) workload: Arc<Workload>,
    pub(super) board: Arc<Board>,
    /// The number of the next payment.
    pub(super) next: Arc<AtomicU64>,
    /// Set by whoever wants the run to end.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) observer: &'a dyn Observer,
    pub(super) threads: usize,
    pub(super) timeout: Duration,
    pub(super) patience: Duration,
    /// Whether what became of a payment is told after it was answered.
    pub(super) settle: bool,
    /// Milliseconds that the phases before took, and payments that they answered.
    pub(super) passed: Cell<[u64; 2]>,
}

/// One phase under way, as its threads see it.
#[derive(Clone)]
struct Course {
    next: Arc<AtomicU64>,
    workload: Arc<Workload>,
    board: Arc<Board>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: usize,
    /// Nanoseconds.
    timeout: u64,
    /// Nanoseconds that a request of an open loop waits to be sent.
    patience: u64,
    settle: bool,
    pace: Pace,
    origin: Instant,
    warmup: Duration,
    duration: Duration,
}

impl Course {
    /// Nanoseconds since the phase began.
    #[inline]
    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    /// When nothing more is begun.
    fn end(&self) -> u64 {
        nanos(self.warmup + self.duration)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn recorder(&self) -> Recorder {
        Recorder::new(self.warmup, self.duration)
    }

    /// Notes what was answered to the `n`th payment.
    #[inline]
    fn note(&self, n: u64, answer: Answer) {
        if let Some(place) = self.workload.first_round(n) {
            self.board.note(place, answer);
        }
    }
}

/// When the `ticket`th request of `rate` a second is to begin, in nanoseconds.
fn due(ticket: u64, rate: f64) -> u64 {
    (ticket as f64 * (1e9 / rate)) as u64
}

/// A phase and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) pace: Pace,
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    pub(crate) warmup_seconds: f64,
    /// How long it was measured.
    pub(crate) seconds: f64,
    /// Good answers a second.
    pub(crate) rate: f64,
    pub(crate) answers: Answers,
    /// Of good answers; in an open loop from the time they were to be asked for.
    pub(crate) latency: Latency,
    /// Likewise of sheds, when there were some.
    #[serde(default)]
    pub(crate) shed: Option<Latency>,
    /// How long after its time each request was sent; only in an open loop.
    pub(crate) lateness: Option<Latency>,
    /// Share of requests for which a thread or a connection stood ready before their time; only in an open loop.
    pub(crate) readiness: Option<f64>,
    /// Share of the time that the threads that ask were on a processor; in this process they do the work too.
    pub(crate) generator_busy: Option<f64>,
    pub(crate) intervals: Vec<Interval>,
    /// By how much a sleep of a millisecond was too long, in the same time.
    pub(crate) hiccups: Latency,
}

/// Above this share of a processor the one who asks may be the one who is slow.
const BUSY: f64 = 0.9;

impl Phase {
    /// Whether requests were late because whoever asks had no time, rather than for want of answers.
    pub(crate) fn generator_was_late(&self) -> bool {
        let late = self.readiness.is_some_and(|ready| ready < 0.5);
        late && self.connections > 0 && self.generator_busy.is_some_and(|busy| busy > BUSY)
    }

    /// Share of all requests that were answered well.
    pub(crate) fn success(&self) -> f64 {
        self.answers.good() as f64 / (self.answers.all() as f64).max(1.0)
    }
}

impl Stage<'_> {
    /// Runs one phase.
    ///
    /// # Errors
    /// When nothing can be set up to ask with.
    pub(super) fn phase(
        &self,
        name: &str,
        pace: Pace,
        warmup: Duration,
        duration: Duration,
    ) -> Result<Phase, Error> {
        let done = AtomicBool::new(false);
        let course = Course {
            next: self.next.clone(),
            workload: self.workload.clone(),
            board: self.board.clone(),
            stop: self.stop.clone(),
            answered: Arc::default(),
            threads: self.threads,
            timeout: nanos(self.timeout),
            patience: nanos(self.patience),
            settle: self.settle,
            pace,
            origin: Instant::now(),
            warmup,
            duration,
        };
        let (hiccups, measured) = std::thread::scope(|scope| {
            let probe = scope.spawn(|| environment::hiccups(&done));
            let asking = scope.spawn(|| {
                let measured = match self.target {
                    Target::Engine(engine) => Ok(local::run(&course, &**engine)),
                    Target::Nothing => Ok(local::run(&course, &Nothing)),
                    Target::Http(http) => remote::run(&course, http),
                };
                done.store(true, Ordering::Relaxed);
                measured
            });
            self.watch(&course, &done);
            let measured = asking.join().expect("asking does not panic");
            (probe.join().expect("sleeping does not panic"), measured)
        });
        let Measured { recorder, busy, ended } = measured?;
        let open = matches!(pace, Pace::Open { .. });
        // A phase that was stopped is as long as it was.
        let seconds = ended.min(warmup + duration).saturating_sub(warmup).as_secs_f64();
        let answers = recorder.answers();
        Ok(Phase {
            name: name.to_owned(),
            pace,
            threads: self.threads,
            connections: self.target.connections(),
            warmup_seconds: warmup.as_secs_f64(),
            seconds,
            rate: if seconds > 0.0 { answers.good() as f64 / seconds } else { 0.0 },
            answers,
            latency: recorder.latency(),
            shed: recorder.shed(),
            lateness: open.then(|| recorder.lateness()),
            readiness: open.then(|| recorder.readiness()),
            generator_busy: busy,
            intervals: recorder.slices(seconds),
            hiccups,
        })
    }

    /// Tells the observer how far it is, until it is done.
    fn watch(&self, course: &Course, done: &AtomicBool) {
        let [millis, payments] = self.passed.get();
        let mut passed = self.passed.get();
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(LOOKED_EVERY);
            let now = course.origin.elapsed().min(course.warmup + course.duration);
            passed[0] = millis + u64::try_from(now.as_millis()).unwrap_or(0);
            passed[1] = payments + course.answered.load(Ordering::Relaxed);
            self.observer.progress(passed[0], passed[1]);
        }
        self.passed.set(passed);
    }
}

/// Between two looks at how far it is.
const LOOKED_EVERY: Duration = Duration::from_millis(20);

/// What the threads of a phase bring back.
struct Measured {
    recorder: Recorder,
    /// Share of the time that they were on a processor.
    busy: Option<f64>,
    /// When the last request was begun or the time was over.
    ended: Duration,
}

impl Measured {
    /// Of all threads together.
    fn all(course: &Course, threads: Vec<(Recorder, Option<u64>)>, ended: Duration) -> Measured {
        let mut recorder = course.recorder();
        threads.iter().for_each(|(measured, _)| recorder.merge(measured));
        let on_processor: Option<u64> = threads.iter().map(|(_, nanos)| *nanos).sum();
        let time = course.origin.elapsed().as_secs_f64() * 1e9 * threads.len() as f64;
        Measured { recorder, busy: on_processor.map(|n| (n as f64 / time).min(1.0)), ended }
    }
}
