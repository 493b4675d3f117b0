//! Files of payments through the engine: reading, scoring and writing overlap, in order, with
//! bounded memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::codec::{Chunk, Reader, Reject};
use crate::comparison::Comparison;
use crate::decision::{Decision, Outcome};
use crate::engine::{Engine, Event};
use crate::error::{Error, ErrorKind};
use crate::payment::Payment;
use crate::rules::Rule;
use crate::rules::overrun::Overruns;
use crate::schema::field;
use crate::time::Timestamp;
use crate::velocity::Status;

/// Payments that travel together: enough to pay for a hand-over between threads, few enough that
/// those under way fit the cache of a small machine's last level.
pub const CHUNK_ROWS: usize = 4096;
/// Chunks that may wait between two threads.
const CHUNKS_WAITING: usize = 3;

/// What a run over files is told while it works.
pub trait Observer: Sync {
    /// Bytes of input read and payments scored so far.
    fn progress(&self, bytes: u64, payments: u64);
}

/// What a run does with each chunk once it is scored.
pub trait Sink: Send {
    /// Takes payments and, row by row, what was computed of them.
    ///
    /// # Errors
    /// When it can't be written.
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error>;
    /// Takes rows that are no payments.
    ///
    /// # Errors
    /// When they can't be written.
    fn reject(&mut self, rejects: &[Reject]) -> Result<(), Error>;
}

/// What is computed of a chunk.
#[derive(Debug)]
pub enum Scored {
    /// One decision for each payment.
    Decisions(Vec<Decision>),
    /// Velocity values for each payment, row by row.
    Activity(Vec<f64>),
}

/// What a run is asked to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Decisions.
    Score,
    /// Velocity values alone.
    Observe,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Payments computed.
    pub payments: u64,
    /// Rows that were no payments.
    pub rejected: u64,
    /// The first rejects, to be shown.
    pub first_rejects: Vec<Reject>,
    /// Settlements applied.
    pub settled: u64,
    /// Payments by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 4],
    /// Minor units by currency and outcome.
    pub money: BTreeMap<String, [i128; 4]>,
    /// Matches by rule.
    pub matches: Vec<u64>,
    /// Champion and challenger side by side.
    pub comparison: Comparison,
    /// Decisions by what they had to do without.
    pub degraded: BTreeMap<&'static str, u64>,
    /// Rules that went past their brake.
    pub(crate) overruns: Overruns,
    /// Field names that the schema does not know, and how often they came.
    pub unknown: BTreeMap<String, u64>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Rejects that a tally keeps word for word.
const REJECTS_SHOWN: usize = 5;

/// Runs the files through the engine in the order given.
///
/// A payment that carries a `status` is settled right after it was scored, or, when it has
/// `settled_at`, as soon as a payment of that time or later comes: so history replays as it was known.
///
/// # Errors
/// When a file can't be read, the sink can't write, or more than `rejects_max` rows are no payments.
pub fn run(
    engine: &Engine,
    readers: Vec<Reader>,
    work: Work,
    rejects_max: Option<u64>,
    sink: &mut dyn Sink,
    observer: &dyn Observer,
) -> Result<Tally, Error> {
    let started = Instant::now();
    let pipeline = engine.pipeline();
    let schema = pipeline.schema().clone();
    let (to_score, scorable) = bounded::<Result<(Chunk, u64), Error>>(CHUNKS_WAITING);
    let (to_write, writable) = bounded::<(Chunk, Scored)>(CHUNKS_WAITING);
    let (give_back, recycled) = bounded::<Chunk>(CHUNKS_WAITING * 3);

    let mut tally = std::thread::scope(|threads| -> Result<Tally, Error> {
        let reading = threads.spawn(move || {
            let fresh = || Chunk::new(&schema, CHUNK_ROWS);
            read(readers, &recycled, &to_score, fresh)
        });
        let writing = threads.spawn(move || write(sink, &writable, &give_back));

        let mut tally = Tally { overruns: Overruns::of(pipeline.rules()), ..Tally::default() };
        let mut timeline = Timeline::default();
        let mut failed = None;
        for chunk in scorable {
            let (chunk, bytes) = match chunk {
                Ok(chunk) => chunk,
                Err(e) => {
                    failed = Some(e);
                    break;
                }
            };
            let scored = compute(engine, work, &chunk, &mut timeline, &mut tally);
            tally.count(&chunk, &scored, pipeline.rules());
            let passed = rejects_max.filter(|max| tally.rejected > *max);
            observer.progress(bytes, tally.payments);
            // A closed channel means that the writer has failed; its error is told below.
            if to_write.send((chunk, scored)).is_err() {
                break;
            }
            if let Some(max) = passed {
                failed = Some(too_many(&tally, max));
                break;
            }
        }
        drop(to_write);
        let written = writing.join().expect("the writer does not panic");
        // Dropping the receiving end has ended the reader, if it was still at work.
        let unknown = reading.join().expect("the reader does not panic");
        written?;
        if let Some(e) = failed {
            return Err(e);
        }
        tally.unknown = unknown;
        Ok(tally)
    })?;
    tally.elapsed = started.elapsed();
    Ok(tally)
}

fn too_many(tally: &Tally, max: u64) -> Error {
    let last = tally.first_rejects.first().map_or(String::new(), |r| format!("; the first: {r}"));
    Error::new(format!("{} rows are no payments, more than --max-rejects {max} allows{last}", tally.rejected))
        .of(ErrorKind::TooManyRejects)
}

fn read(
    readers: Vec<Reader>,
    recycled: &Receiver<Chunk>,
    out: &Sender<Result<(Chunk, u64), Error>>,
    fresh: impl Fn() -> Chunk,
) -> BTreeMap<String, u64> {
    let mut unknown = BTreeMap::new();
    let mut bytes_before = 0;
    for mut reader in readers {
        loop {
            let mut chunk = recycled.try_recv().unwrap_or_else(|_| fresh());
            match reader.read(&mut chunk) {
                Ok(true) => {
                    if out.send(Ok((chunk, bytes_before + reader.bytes_read()))).is_err() {
                        return unknown;
                    }
                }
                Ok(false) => break,
                Err(e) => {
                    // The receiver may be gone already; then nobody asks any more.
                    let _ = out.send(Err(e));
                    return unknown;
                }
            }
        }
        bytes_before += reader.bytes_read();
        for (name, count) in reader.unknown() {
            *unknown.entry(name.clone()).or_default() += count;
        }
    }
    unknown
}

fn write(
    sink: &mut dyn Sink,
    chunks: &Receiver<(Chunk, Scored)>,
    give_back: &Sender<Chunk>,
) -> Result<(), Error> {
    for (chunk, scored) in chunks {
        sink.reject(&chunk.rejects)?;
        sink.write(chunk.payments(), &scored)?;
        // A full channel means enough chunks are about.
        let _ = give_back.try_send(chunk);
    }
    Ok(())
}

fn compute(engine: &Engine, work: Work, chunk: &Chunk, timeline: &mut Timeline, tally: &mut Tally) -> Scored {
    let payments = chunk.payments();
    let (steps, due) = timeline.order(payments);
    let events: Vec<Event<'_>> = steps.iter().map(|step| step.event(payments, &due)).collect();
    tally.settled += (events.len() - payments.len()) as u64;
    match work {
        Work::Score => {
            let mut decisions = Vec::with_capacity(payments.len());
            engine.run(&events, &mut decisions);
            Scored::Decisions(decisions)
        }
        Work::Observe => Scored::Activity(engine.observe(&events)),
    }
}

impl Tally {
    fn count(&mut self, chunk: &Chunk, scored: &Scored, rules: &[Rule]) {
        self.payments += chunk.payments().len() as u64;
        self.rejected += chunk.rejects.len() as u64;
        let room = REJECTS_SHOWN.saturating_sub(self.first_rejects.len());
        self.first_rejects.extend(chunk.rejects.iter().take(room).cloned());
        let Scored::Decisions(decisions) = scored else { return };
        let mut currency = None;
        for (payment, decision) in chunk.payments().iter().zip(decisions) {
            let outcome = decision.outcome as usize;
            self.outcomes[outcome] += 1;
            if let Some(money) = payment.amount() {
                // Neighbours mostly share a currency: look it up only when it changes.
                if currency != Some(money.currency) {
                    currency = Some(money.currency);
                    self.money.entry(money.currency.to_string()).or_default();
                }
                if let Some(sums) = self.money.get_mut(money.currency.code()) {
                    sums[outcome] += i128::from(money.minor);
                }
            }
            self.comparison.count(decision);
            self.overruns.count(rules, payment, decision);
            for rule in decision.matched.iter() {
                if self.matches.len() <= rule {
                    self.matches.resize(rule + 1, 0);
                }
                self.matches[rule] += 1;
            }
            if !decision.degraded.is_none() {
                for name in decision.degraded.names() {
                    *self.degraded.entry(name).or_default() += 1;
                }
            }
        }
    }

    /// Payments that came to `outcome`.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// Settlements that wait for their time.
#[derive(Default)]
pub(crate) struct Timeline {
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Arrival number, so that settlements of one instant keep their order.
    arrivals: u64,
}

struct Waiting {
    at: Timestamp,
    arrival: u64,
    status: Status,
    payment: Payment,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        (self.at, self.arrival) == (other.at, other.arrival)
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        (self.at, self.arrival).cmp(&(other.at, other.arrival))
    }
}

/// What comes next: a row of the chunk to score or settle, or a settlement that has become due.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Score(usize),
    Settle(usize, Status),
    Due(usize, Status),
}

impl Step {
    /// The event it stands for, of a chunk and the settlements due in it.
    pub(crate) fn event<'a>(self, payments: &'a [Payment], due: &'a [Payment]) -> Event<'a> {
        match self {
            Step::Score(i) => Event::Score(&payments[i]),
            Step::Settle(i, status) => Event::Settle(&payments[i], status),
            Step::Due(i, status) => Event::Settle(&due[i], status),
        }
    }
}

impl Timeline {
    /// The order of what happens in a chunk, and the payments whose settlements are due in it.
    pub(crate) fn order(&mut self, payments: &[Payment]) -> (Vec<Step>, Vec<Payment>) {
        let mut steps = Vec::with_capacity(payments.len() * 2);
        let mut due = Vec::new();
        for (i, payment) in payments.iter().enumerate() {
            let at = payment.at();
            while self.waiting.peek().is_some_and(|Reverse(w)| w.at <= at) {
                if let Some(Reverse(waiting)) = self.waiting.pop() {
                    steps.push(Step::Due(due.len(), waiting.status));
                    due.push(waiting.payment);
                }
            }
            steps.push(Step::Score(i));
            let Some(status) = payment.text(field::STATUS).and_then(Status::parse) else { continue };
            match payment.timestamp(field::SETTLED_AT) {
                Some(settled_at) if settled_at > at => {
                    self.arrivals += 1;
                    let payment = payment.clone();
                    self.waiting.push(Reverse(Waiting {
                        at: settled_at,
                        arrival: self.arrivals,
                        status,
                        payment,
                    }));
                }
                _ => steps.push(Step::Settle(i, status)),
            }
        }
        (steps, due)
    }
}
