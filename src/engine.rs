//! Memory of the past and the current pipeline: score, settle, replace.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rayon::prelude::*;

use crate::counterfactual::Counterfactual;
use crate::decision::{Decision, Degraded};
use crate::describe::{Description, Explanation};
use crate::error::Error;
use crate::expr::Facts;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::rules::BrakeChange;
use crate::schema::Schema;
use crate::stage::Settlement;
use crate::time::Timestamp;
use crate::velocity::{Limits, Op, Status, Velocity};

/// Payments that one rayon task assesses together: enough to pay for the task, few enough to stay
/// in the cache.
const ROWS_PER_TASK: usize = 256;
/// Fewer payments than this are decided faster one by one than column by column: with the shipped rules and model 4 take
/// a third longer in columns, 16 as long, 32 a quarter less.
#[cfg(feature = "serve")]
const COLUMNS_MIN: usize = 16;

/// Scores payments. Share it between threads by reference or `Arc`; every method takes `&self`.
///
/// ```
/// use tollgate::{Currency, Engine, Money, Outcome, Payment, Pipeline, Timestamp, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let pipeline = engine.pipeline();
/// let mut payment = Payment::new(pipeline.schema());
/// for (id, value) in [
///     (field::ID, Value::Token("p1")),
///     (field::AT, Value::Timestamp(Timestamp::parse("2026-11-23T12:00:00Z").unwrap())),
///     (field::AMOUNT, Value::Money(Money::parse("20.00", Currency::parse("USD").unwrap()).unwrap())),
///     (field::CHANNEL, Value::Text("card")),
/// ] {
///     payment.set(pipeline.schema(), id, value).unwrap();
/// }
/// let decision = engine.score(&payment);
/// assert_eq!(decision.outcome, Outcome::Approve);
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Engine {
    state: ArcSwap<State>,
}

/// What is swapped whole: a pipeline and the memory laid out for it.
struct State {
    pipeline: Arc<Pipeline>,
    velocity: Arc<Velocity>,
}

impl State {
    /// A new pipeline with the old memory where it serves, else with one that starts anew.
    fn after(old: &State, pipeline: Pipeline) -> State {
        let velocity = match old.pipeline.same_memory(&pipeline) {
            true => old.velocity.clone(),
            false => Arc::new(memory_of(&pipeline, old.velocity.now())),
        };
        State { pipeline: Arc::new(pipeline), velocity }
    }

    /// Observes the events in order and returns the activity of each payment scored, row by row.
    fn activity<'a>(&self, events: &[Event<'a>]) -> (Vec<Op<'a>>, Vec<f64>, Vec<Degraded>) {
        let State { pipeline, velocity } = self;
        let rows = events.iter().filter(|e| matches!(e, Event::Score(_))).count();
        let ops: Vec<Op<'a>> = events
            .par_iter()
            .with_min_len(ROWS_PER_TASK)
            .map(|event| match *event {
                Event::Score(payment) => Op::Observe { payment, filters: pipeline.filters(payment) },
                Event::Settle(payment, status) => Op::Settle { payment, status },
            })
            .collect();
        let mut activity = vec![f64::NAN; rows * pipeline.plan().aggregates().len()];
        let mut degraded = vec![Degraded::NONE; rows];
        velocity.observe_all(&ops, &mut activity, &mut degraded, rayon::current_num_threads());
        (ops, activity, degraded)
    }

    /// The decision about a payment, whose activity `ask` reads from the velocity store, and what else it
    /// brings from there.
    fn decide<N>(
        &self,
        payment: &Payment,
        ask: impl FnOnce(&Velocity, &Payment, u32, &mut [f64]) -> (Degraded, N),
    ) -> (Decision, N) {
        let State { pipeline, velocity } = self;
        with_activity(pipeline.plan().aggregates().len(), |activity| {
            let (degraded, more) = ask(velocity, payment, pipeline.filters(payment), activity);
            (pipeline.decide(Facts::new(payment, activity), degraded), more)
        })
    }
}

impl State {
    fn score(&self, payment: &Payment) -> Decision {
        self.decide(payment, |v, p, filters, out| (v.observe(p, filters, out), ())).0
    }

    fn preview(&self, payment: &Payment) -> Decision {
        self.decide(payment, |v, p, filters, out| (v.peek(p, filters, out), ())).0
    }

    fn settle_drawing<N>(
        &self,
        payment: &Payment,
        settlement: Settlement,
        draw: impl FnOnce() -> N,
    ) -> (bool, N) {
        let answer = self.velocity.settle_drawing(payment, settlement.status, draw);
        self.pipeline.settle(Facts::new(payment, &[]), settlement);
        answer
    }

    /// What `ask` makes of a payment, of what is known of it, and of what that lacks; remembers nothing.
    fn peek<T>(&self, payment: &Payment, ask: impl FnOnce(Facts<'_>, Degraded) -> T) -> T {
        let State { pipeline, velocity } = self;
        with_activity(pipeline.plan().aggregates().len(), |activity| {
            let degraded = velocity.peek(payment, pipeline.filters(payment), activity);
            ask(Facts::new(payment, activity), degraded)
        })
    }

    fn explain(&self, payment: &Payment) -> Explanation {
        let pipeline = &self.pipeline;
        self.peek(payment, |facts, degraded| {
            Explanation::new(pipeline, facts, &pipeline.decide(facts, degraded))
        })
    }
}

thread_local! {
    /// Each thread's room for one payment's activity, so that scoring does not allocate.
    static ACTIVITY: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
}

impl Engine {
    /// An engine that remembers nothing yet and takes that for the whole past: a window it has no
    /// events for is empty, not unknown. (A server that starts beside running traffic says from
    /// when on it knows: [`Engine::starting_at`].)
    pub fn new(pipeline: Pipeline) -> Engine {
        Engine::with(pipeline, None)
    }

    /// An engine that began to watch at `since`: windows that reach further back are absent until
    /// enough time has passed.
    pub fn starting_at(pipeline: Pipeline, since: Timestamp) -> Engine {
        Engine::with(pipeline, Some(since))
    }

    fn with(pipeline: Pipeline, known_since: Option<Timestamp>) -> Engine {
        let velocity = memory_of(&pipeline, known_since);
        Engine {
            state: ArcSwap::from_pointee(State {
                pipeline: Arc::new(pipeline),
                velocity: Arc::new(velocity),
            }),
        }
    }

    /// An engine with the rules of a folder.
    ///
    /// # Errors
    /// As [`Pipeline::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Engine, Error> {
        Ok(Engine::new(Pipeline::open(dir)?))
    }

    /// The current pipeline.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        self.state.load().pipeline.clone()
    }

    /// Decides about the payment with what was known before it, then remembers it. Cannot fail,
    /// does no I/O, reads no clock, allocates nothing once warm.
    pub fn score(&self, payment: &Payment) -> Decision {
        self.state.load().score(payment)
    }

    /// The decision that [`Engine::score`] would give; remembers nothing.
    pub fn preview(&self, payment: &Payment) -> Decision {
        self.state.load().preview(payment)
    }

    /// Scores payments in order, on all threads of the current rayon pool; appends the same
    /// decisions that [`Engine::score`] would give one by one.
    pub fn score_all(&self, payments: &[Payment], out: &mut Vec<Decision>) {
        let events: Vec<Event<'_>> = payments.iter().map(Event::Score).collect();
        self.run(&events, out);
    }

    /// Scores and settles in the order given, on all threads of the current rayon pool; appends one
    /// decision for each payment scored.
    pub fn run(&self, events: &[Event<'_>], out: &mut Vec<Decision>) {
        let state = self.state.load();
        let pipeline = &state.pipeline;
        let (ops, activity, degraded) = state.activity(events);
        let width = pipeline.plan().aggregates().len();
        let facts: Vec<Facts<'_>> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Observe { payment, .. } => Some(*payment),
                Op::Settle { .. } => None,
            })
            .enumerate()
            .map(|(row, payment)| Facts::new(payment, &activity[row * width..(row + 1) * width]))
            .collect();
        let before = out.len();
        out.resize(before + facts.len(), Decision::NONE);
        let tasks = out[before..].par_chunks_mut(ROWS_PER_TASK);
        let rows = facts.par_chunks(ROWS_PER_TASK).zip(degraded.par_chunks(ROWS_PER_TASK));
        tasks.zip(rows).for_each(|(out, (facts, degraded))| pipeline.decide_all(facts, degraded, out));
    }

    /// Observes the events in order and gives each scored payment's velocity values, row by row, in
    /// the order of the pipeline's plan: what `features` writes.
    pub fn observe(&self, events: &[Event<'_>]) -> Vec<f64> {
        self.state.load().activity(events).1
    }

    /// Tells what became of a payment that was scored: velocity and the stages learn it. False when
    /// the payment is not remembered (any more).
    pub fn settle(&self, payment: &Payment, settlement: Settlement) -> bool {
        self.current().settle(payment, settlement)
    }

    /// Swaps the pipeline, seen all at once by every thread; returns the one before. The memory
    /// survives when the new pipeline asks the same of it, otherwise it starts anew and windows
    /// are absent until they have filled.
    pub fn replace(&self, pipeline: Pipeline) -> Arc<Pipeline> {
        let before = self.pipeline();
        self.adopt(self.prepare(pipeline));
        before
    }

    /// Demotes a rule that carries a brake to shadow, or releases it; whether that changed anything. It stays so
    /// when the pipeline is replaced, unless the new one's rule of this id says something else. Which payments see it
    /// depends on when they are scored; beside a journal it is recorded, and has a place among them: `Journal::brake`.
    pub fn brake(&self, change: &BrakeChange) -> bool {
        self.state.load().pipeline.brake(change)
    }

    /// The pipeline and the memory of this moment, which stay the same for as long as they are held.
    pub(crate) fn current(&self) -> Current {
        Current(self.state.load())
    }

    /// Lays out what [`Engine::adopt`] would swap in, so that it can be asked before.
    pub(crate) fn prepare(&self, pipeline: Pipeline) -> Prepared {
        let old = self.state.load_full();
        let keeps_memory = old.pipeline.same_memory(&pipeline);
        pipeline.brake_as(&old.pipeline);
        Prepared { state: Arc::new(State::after(&old, pipeline)), keeps_memory }
    }

    /// Swaps in what was prepared, seen all at once by every thread. A memory that starts anew does so from
    /// now on: `Some` with what it knows the past from.
    pub(crate) fn adopt(&self, prepared: Prepared) -> Option<Option<Timestamp>> {
        // Rules may have been braked or released since.
        prepared.pipeline().brake_as(&self.pipeline());
        if prepared.keeps_memory {
            self.state.store(prepared.state);
            return None;
        }
        let pipeline = prepared.state.pipeline.clone();
        let velocity = memory_of(&pipeline, self.now());
        let since = velocity.known_since();
        self.state.store(Arc::new(State { pipeline, velocity: Arc::new(velocity) }));
        Some(since)
    }

    /// What time it is, as far as the payments tell.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.state.load().velocity.now()
    }

    /// When watching began; `None` when history is whole.
    pub(crate) fn known_since(&self) -> Option<Timestamp> {
        self.state.load().velocity.known_since()
    }

    /// What it remembers, for a snapshot.
    pub(crate) fn velocity(&self) -> Arc<Velocity> {
        self.state.load().velocity.clone()
    }

    /// Forgets everything; what was before `known_since` is then unknown, and nothing is when it is `None`.
    pub(crate) fn forget(&self, known_since: Option<Timestamp>) {
        let pipeline = self.pipeline();
        let velocity = Arc::new(memory_of(&pipeline, known_since));
        self.state.store(Arc::new(State { pipeline, velocity }));
    }

    /// The decision in words. `None` when another pipeline made it.
    pub fn describe(&self, payment: &Payment, decision: &Decision) -> Option<Description> {
        Description::new(&self.state.load().pipeline, payment, decision)
    }

    /// The truth of every rule and the value of everything they read, for a payment that has not
    /// been scored yet; remembers nothing.
    pub fn explain(&self, payment: &Payment) -> Explanation {
        self.state.load().explain(payment)
    }

    /// The smallest change of one number that would have brought the payment an approval; `None` when
    /// it is approved as it is, or no change of one number does. Remembers nothing.
    pub fn counterfactual(&self, payment: &Payment) -> Option<Counterfactual> {
        let state = self.state.load();
        state.peek(payment, |facts, degraded| Counterfactual::find(&state.pipeline, facts, degraded))
    }

    /// Entities remembered, and the bytes they take.
    pub fn memory(&self) -> (usize, usize) {
        let state = self.state.load();
        (state.velocity.entities(), state.velocity.bytes())
    }
}

/// A pipeline and its memory, held for one piece of work: what is read with its schema is scored with it.
pub(crate) struct Current(arc_swap::Guard<Arc<State>>);

impl Current {
    /// The schema that its payments have.
    pub(crate) fn schema(&self) -> &Arc<Schema> {
        self.0.pipeline.schema()
    }

    #[cfg(feature = "serve")]
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.0.pipeline
    }

    /// As [`Engine::score`]; `draw` is called once, while everything that the payment shares with others is
    /// held: decisions made again in the order of what was drawn are the same. It must not wait.
    pub(crate) fn score_drawing<N>(&self, payment: &Payment, draw: impl FnOnce() -> N) -> (Decision, N) {
        self.0.decide(payment, |v, p, filters, out| v.observe_drawing(p, filters, out, draw))
    }

    /// Decides about payments in their order, as one by one; all are observed before the first is decided.
    /// `draw` is called for each as in [`Current::score_drawing`].
    #[cfg(feature = "serve")]
    pub(crate) fn score_each<N>(
        &self,
        payments: &[&Payment],
        mut draw: impl FnMut(usize) -> N,
    ) -> Vec<(Decision, N)> {
        let State { pipeline, velocity } = &**self.0;
        let width = pipeline.plan().aggregates().len();
        with_activity(width * payments.len(), |activity| {
            let count = payments.len();
            let mut facts = Vec::with_capacity(count);
            let (mut degraded, mut drawn) = (Vec::with_capacity(count), Vec::with_capacity(count));
            let mut rest = &mut *activity;
            for (i, &payment) in payments.iter().enumerate() {
                let (row, others) = std::mem::take(&mut rest).split_at_mut(width);
                rest = others;
                let filters = pipeline.filters(payment);
                let (flags, n) = velocity.observe_drawing(payment, filters, row, || draw(i));
                facts.push(Facts::new(payment, row));
                degraded.push(flags);
                drawn.push(n);
            }
            if count < COLUMNS_MIN {
                let rows = facts.iter().zip(degraded).zip(drawn);
                return rows.map(|((facts, flags), n)| (pipeline.decide(*facts, flags), n)).collect();
            }
            let mut decisions = vec![Decision::NONE; count];
            pipeline.decide_all(&facts, &degraded, &mut decisions);
            decisions.into_iter().zip(drawn).collect()
        })
    }

    /// As [`Engine::preview`].
    #[cfg(feature = "serve")]
    pub(crate) fn preview(&self, payment: &Payment) -> Decision {
        self.0.preview(payment)
    }

    /// As [`Engine::settle`].
    pub(crate) fn settle(&self, payment: &Payment, settlement: Settlement) -> bool {
        self.0.settle_drawing(payment, settlement, || ()).0
    }

    /// As [`Engine::settle`]; `draw` is called as in [`Current::score_drawing`].
    pub(crate) fn settle_drawing<N>(
        &self,
        payment: &Payment,
        settlement: Settlement,
        draw: impl FnOnce() -> N,
    ) -> (bool, N) {
        self.0.settle_drawing(payment, settlement, draw)
    }

    /// As [`Engine::explain`].
    #[cfg(feature = "serve")]
    pub(crate) fn explain(&self, payment: &Payment) -> Explanation {
        self.0.explain(payment)
    }
}

/// A pipeline with its memory, ready to be swapped in.
pub(crate) struct Prepared {
    state: Arc<State>,
    /// Whether the windows stay as they are.
    pub(crate) keeps_memory: bool,
}

impl Prepared {
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.state.pipeline
    }

    /// The decision that it would give; remembers nothing.
    #[cfg(feature = "serve")]
    pub(crate) fn preview(&self, payment: &Payment) -> Decision {
        self.state.preview(payment)
    }
}

/// One thing that happened, in the order it became known.
///
/// ```
/// use tollgate::{Engine, Payment, Pipeline, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let schema = engine.pipeline().schema().clone();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
/// use tollgate::{Event, Status};
/// let history = [Event::Score(&payment), Event::Settle(&payment, Status::Disputed)];
/// assert!(matches!(history[1], Event::Settle(_, Status::Disputed)));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A payment to be scored.
    Score(&'a Payment),
    /// What became of a payment that was scored before.
    Settle(&'a Payment, Status),
}

fn memory_of(pipeline: &Pipeline, known_since: Option<Timestamp>) -> Velocity {
    let limits = Limits { known_since: known_since.or(pipeline.limits().known_since), ..*pipeline.limits() };
    Velocity::new(pipeline.plan(), pipeline.schema(), pipeline.rates().clone(), limits)
}

fn with_activity<T>(width: usize, work: impl FnOnce(&mut [f64]) -> T) -> T {
    ACTIVITY.with(|cell| {
        let mut activity = cell.take();
        activity.resize(width, f64::NAN);
        let answer = work(&mut activity);
        cell.set(activity);
        answer
    })
}
