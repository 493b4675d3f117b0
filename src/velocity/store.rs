//! All entities' past, in shards: reads what was known before a payment and records the payment.

use std::cell::Cell;
use std::sync::Arc;

use arrayvec::ArrayVec;
use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

use crate::decision::Degraded;
use crate::money::Rates;
use crate::payment::Payment;
use crate::schema::{Schema, field};
use crate::time::{Span, Timestamp};

use super::aggregate::{ENTITIES_MAX, Plan, Status};
use super::block::{NO_KEY, NO_NUMBER};
use super::budget::MEMORY_MIN;
use super::layout::{Layout, Source, filter_flags, fixed_point};
use super::prefetch::prefetch_to_write;
use super::shard::{Bounds, Found, Shard};
use super::table::{Key, Table};
use super::window::Moment;
use super::{EVENTS_MAX, SHARDS_MAX};

/// Fewer entities than this don't deserve a shard of their own.
const SHARD_ENTITIES_MIN: usize = 1024;
/// Likewise fewer bytes: busy entities are large, and small shards could have too many of them.
const SHARD_BYTES_MIN: usize = 1 << 20;

/// How much of the past is kept.
///
/// ```
/// let limits = tollgate::VelocityLimits { entities: 50_000, ..Default::default() };
/// assert!(limits.known_since.is_none()); // history is whole
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entities of all kinds together. Past it, of a sample of entities the one with the fewest events for the
    /// time since it was touched is forgotten, and windows that may have held its events are absent, not
    /// zero. Each shard holds an equal share, so the last percent may go unused.
    pub entities: usize,
    /// Events kept one by one for each entity, at most [`EVENTS_MAX`]. Older ones are folded
    /// into totals of stretches of time; a window that reaches those is off by at most one stretch
    /// at its edge, [`Degraded::SATURATED`] is set, and distinct values are a lower bound.
    pub events: usize,
    /// Bytes that entities and their events may take, at least [`MEMORY_MIN`]; `None` for as many as the limits
    /// above make of it. Near it entities are forgotten like past `entities`. Running totals of busy entities are counted at
    /// their worst, whether or not there are any.
    pub memory: Option<usize>,
    /// How much older than the newest a payment may be and still find its windows whole.
    pub lateness: Span,
    /// When watching began: windows that reach before it are absent. `None` when history is whole.
    pub known_since: Option<Timestamp>,
}

impl Default for Limits {
    /// Ten million entities, 4096 events each, no budget of bytes, a day of lateness, history whole.
    fn default() -> Limits {
        let lateness = Span::from_secs(86_400);
        Limits { entities: 10_000_000, events: 4096, memory: None, lateness, known_since: None }
    }
}

/// What entities did before: every aggregate of a plan, exact, in the payments' own time.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::*;
/// let schema = Schema::standard();
/// let mut plan = Plan::default();
/// plan.add(Aggregate {
///     function: Function::Count,
///     entity: [field::CARD].into_iter().collect(),
///     window: Some(Span::from_secs(600)),
///     delay: Span::default(),
///     including: false,
///     status: None,
///     filter: None,
/// }).unwrap();
/// let usd = Currency::parse("USD").unwrap();
/// let velocity = Velocity::new(&plan, &schema, Arc::new(Rates::only(usd)), VelocityLimits::default());
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::CARD, Value::Token("tok_1")).unwrap();
/// let mut activity = [f64::NAN];
/// for earlier in 0..3 {
///     velocity.observe(&payment, 0, &mut activity);
///     assert_eq!(activity, [f64::from(earlier)]);
/// }
/// ```
pub struct Velocity {
    pub(super) layout: Layout,
    schema: Schema,
    rates: Arc<Rates>,
    pub(super) bounds: Bounds,
    pub(super) shards: Box<[CachePadded<Mutex<Shard>>]>,
}

/// One thing to be done by [`Velocity::observe_all`].
///
/// ```
/// use tollgate::{Op, Payment, Schema, Status};
/// let payment = Payment::new(&Schema::standard());
/// let ops = [Op::Observe { payment: &payment, filters: 0 }, Op::Settle { payment: &payment, status: Status::Refunded }];
/// assert!(matches!(ops[1], Op::Settle { status: Status::Refunded, .. }));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Op<'a> {
    /// As [`Velocity::observe`].
    Observe {
        /// The payment.
        payment: &'a Payment,
        /// Bit i: the i-th `where` condition holds for it.
        filters: u32,
    },
    /// As [`Velocity::settle`].
    Settle {
        /// The payment that was observed.
        payment: &'a Payment,
        /// What became of it.
        status: Status,
    },
}

/// What is to be known of a payment before any shard is locked, beside its keys and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub at: i64,
    pub flags: u64,
    pub degraded: Degraded,
}

impl Head {
    pub fn new(payment: &Payment, filters: u32) -> Head {
        // Which payment an event was, for settlements: half of its id's hash, beside its time.
        let id = payment.symbol(field::ID).unwrap_or_default() >> 32;
        let flags = id << 32 | u64::from(filter_flags(filters & 0xffff));
        Head { at: payment.at().micros(), flags, degraded: Degraded::NONE }
    }

    /// With the payment's columns; a settlement looks at none.
    pub fn moment(self, columns: &[u64]) -> Moment<'_> {
        Moment { at: self.at, flags: self.flags, columns }
    }
}

/// One payment, ready; the room for it stays with the thread, so that a score allocates nothing.
#[derive(Default)]
struct Prepared {
    /// Of each source.
    columns: Vec<u64>,
    /// Of each kind; `None` when the payment lacks a field of it.
    keys: Vec<Option<Key>>,
    /// Shard and kind of each key, in the order in which the shards are locked.
    order: Vec<(u32, u8)>,
    /// Of each kind, which of the locked shards is its.
    places: Vec<u8>,
    /// Of each kind, where its entity was.
    found: Vec<Option<Found>>,
}

thread_local! {
    static PREPARED: Cell<Prepared> = const {
        Cell::new(Prepared {
            columns: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            places: Vec::new(),
            found: Vec::new(),
        })
    };
}

impl Prepared {
    /// The thread's room, for as long as `work` takes.
    fn with<T>(work: impl FnOnce(&mut Prepared) -> T) -> T {
        PREPARED.with(|cell| {
            let mut prepared = cell.take();
            let answer = work(&mut prepared);
            cell.set(prepared);
            answer
        })
    }

    fn set_keys(&mut self, velocity: &Velocity, payment: &Payment) {
        self.keys.clear();
        self.order.clear();
        for (k, key) in velocity.keys(payment).enumerate() {
            self.keys.push(key);
            if let Some(key) = key {
                self.order.push((key.shard, k as u8));
            }
        }
        self.order.sort_unstable();
    }
}

/// How often a lock is asked for before the thread goes to sleep for it: a little longer than it is
/// held, which is far less than a sleep and a wake-up cost.
const SPINS: u32 = 400;

fn acquire(lock: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    for _ in 0..SPINS {
        if let Some(guard) = lock.try_lock() {
            return guard;
        }
        std::hint::spin_loop();
    }
    lock.lock()
}

impl Velocity {
    /// An empty past, for these questions. Sums of money are in the base currency of `rates`.
    pub fn new(plan: &Plan, schema: &Schema, rates: Arc<Rates>, limits: Limits) -> Velocity {
        let layout = Layout::new(plan, schema, &rates);
        let memory = limits.memory.map(|bytes| bytes.max(MEMORY_MIN));
        let deserved = memory.map_or(SHARDS_MAX, |bytes| bytes / SHARD_BYTES_MIN);
        let shards = (limits.entities / SHARD_ENTITIES_MIN).min(deserved).clamp(1, SHARDS_MAX);
        let shards = 1usize << shards.ilog2();
        let bounds = Bounds {
            entities: (limits.entities / shards).max(1),
            events: limits.events.clamp(1, EVENTS_MAX),
            bytes: memory.map_or(usize::MAX, |bytes| bytes / shards),
            lateness: limits.lateness.micros().max(0),
            known_since: limits.known_since.map_or(i64::MIN, Timestamp::micros),
        };
        let shard = |i| CachePadded::new(Mutex::new(Shard::new(&layout, schema.seed() ^ i as u64)));
        let shards = (0..shards).map(shard).collect();
        Velocity { layout, schema: schema.clone(), rates, bounds, shards }
    }

    /// Writes one value for each aggregate of the plan into `activity`, as known before this payment,
    /// then records it. Bit i of `filters` says that the i-th `where` condition holds for it. NaN is
    /// absent: the payment lacks the entity, or what would be needed to know isn't there any more.
    pub fn observe(&self, payment: &Payment, filters: u32, activity: &mut [f64]) -> Degraded {
        self.visit(payment, filters, activity, true, || ()).0
    }

    /// As [`Velocity::observe`]; `draw` is called while the payment's entities are held, so that of two payments
    /// that share one, the one that was seen first draws first.
    pub(crate) fn observe_drawing<N>(
        &self,
        payment: &Payment,
        filters: u32,
        activity: &mut [f64],
        draw: impl FnOnce() -> N,
    ) -> (Degraded, N) {
        self.visit(payment, filters, activity, true, draw)
    }

    /// The values that [`Velocity::observe`] would give; nothing is recorded.
    pub fn peek(&self, payment: &Payment, filters: u32, activity: &mut [f64]) -> Degraded {
        self.visit(payment, filters, activity, false, || ()).0
    }

    /// Sets what became of a payment that was observed, in each of its entities whose statuses are
    /// asked for. False when it is no longer there in one of them.
    pub fn settle(&self, payment: &Payment, status: Status) -> bool {
        self.settle_drawing(payment, status, || ()).0
    }

    /// As [`Velocity::settle`]; `draw` is called as in [`Velocity::observe_drawing`].
    pub(crate) fn settle_drawing<N>(
        &self,
        payment: &Payment,
        status: Status,
        draw: impl FnOnce() -> N,
    ) -> (bool, N) {
        let head = Head::new(payment, 0);
        Prepared::with(|prepared| {
            prepared.set_keys(self, payment);
            let mut guards = self.lock(prepared);
            let drawn = draw();
            let mut all = true;
            for (k, (kind, key)) in self.layout.kinds.iter().zip(&prepared.keys).enumerate() {
                if let (true, Some(key)) = (kind.settles, key)
                    && let Some(shard) = guards.get_mut(usize::from(prepared.places[k]))
                {
                    all &= shard.settle(k, kind, *key, head.moment(&[]), status.bit());
                }
            }
            (all, drawn)
        })
    }

    /// Does `ops` as if one by one, on as many threads. `activity` has a row of one value for each
    /// aggregate, and `degraded` one entry, for each [`Op::Observe`], in their order.
    pub fn observe_all(
        &self,
        ops: &[Op<'_>],
        activity: &mut [f64],
        degraded: &mut [Degraded],
        threads: usize,
    ) {
        let workers = threads.min(self.shards.len());
        if workers > 1 {
            return super::batch::run(self, ops, activity, degraded, workers);
        }
        let mut rows = activity.chunks_mut(self.layout.aggregates.max(1));
        let mut flags = degraded.iter_mut();
        for op in ops {
            match *op {
                Op::Observe { payment, filters } => {
                    let flag = self.observe(payment, filters, rows.next().unwrap_or_default());
                    if let Some(slot) = flags.next() {
                        *slot = flag;
                    }
                }
                Op::Settle { payment, status } => {
                    self.settle(payment, status);
                }
            }
        }
    }

    /// What time it is, as far as the payments tell; `None` before enough of them.
    pub fn now(&self) -> Option<Timestamp> {
        self.shards.iter().filter_map(|s| s.lock().now()).max().and_then(Timestamp::from_micros)
    }

    /// When watching began; `None` when history is whole.
    pub(crate) fn known_since(&self) -> Option<Timestamp> {
        Some(self.bounds.known_since).filter(|at| *at != i64::MIN).and_then(Timestamp::from_micros)
    }

    /// Entities that are remembered now, of all kinds.
    pub fn entities(&self) -> usize {
        self.shards.iter().map(|s| s.lock().entities()).sum()
    }

    /// Entities that were forgotten to make room for others.
    pub fn evictions(&self) -> u64 {
        self.shards.iter().map(|s| s.lock().evictions()).sum()
    }

    /// Memory of what is remembered, in bytes.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|s| s.lock().bytes() + size_of::<CachePadded<Mutex<Shard>>>()).sum()
    }

    /// The key of each kind's entity.
    pub(super) fn keys(&self, payment: &Payment) -> impl Iterator<Item = Option<Key>> {
        self.layout.kinds.iter().enumerate().map(|(k, kind)| {
            // A polynomial over keys that nobody outside knows; the order of fields matters.
            let mut sum: u128 = k as u128 + 1;
            for id in &kind.fields {
                let key = payment.entity_key(&self.schema, *id)?;
                sum = sum.wrapping_mul(KEY_MULTIPLIER).wrapping_add(key);
            }
            Some(self.key(sum))
        })
    }

    /// The word of each source.
    pub(super) fn columns(&self, payment: &Payment, degraded: &mut Degraded) -> impl Iterator<Item = u64> {
        self.layout.sources.iter().map(|source| match *source {
            Source::Money(id) => match payment.money(id).map(|money| self.rates.to_base(money)) {
                None => NO_NUMBER,
                Some(Some(base)) => base.minor as u64,
                Some(None) => {
                    *degraded |= Degraded::NO_RATE;
                    NO_NUMBER
                }
            },
            Source::Number(id) if payment.has(id) => fixed_point(payment.number(id)) as u64,
            Source::Number(_) => NO_NUMBER,
            Source::Key(id) => payment.distinct_key(&self.schema, id).map_or(NO_KEY, |k| k.min(NO_KEY - 1)),
        })
    }

    fn key(&self, sum: u128) -> Key {
        Key::new((sum >> 64) as u64, sum as u64, self.shards.len())
    }

    /// The shards of a payment, locked in ascending order: whoever holds one waits only for higher ones.
    /// A payment touches about ten shards for a few microseconds. More shards make two threads meet less
    /// often and every payment miss the cache more: with 256 and a spin both stay small.
    fn lock(&self, prepared: &mut Prepared) -> Guards<'_> {
        let Prepared { order, places, keys, .. } = prepared;
        places.clear();
        places.resize(keys.len(), u8::MAX);
        let mut guards = Guards::new();
        let mut last = None;
        for (shard, k) in order {
            if last != Some(*shard)
                && let Some(lock) = self.shards.get(*shard as usize)
            {
                last = Some(*shard);
                guards.push(acquire(lock));
            }
            places[usize::from(*k)] = guards.len() as u8 - 1;
        }
        guards
    }

    fn visit<N>(
        &self,
        payment: &Payment,
        filters: u32,
        activity: &mut [f64],
        record: bool,
        draw: impl FnOnce() -> N,
    ) -> (Degraded, N) {
        Prepared::with(|prepared| {
            let mut head = Head::new(payment, filters);
            prepared.set_keys(self, payment);
            self.expect_shards(prepared);
            prepared.columns.clear();
            prepared.columns.extend(self.columns(payment, &mut head.degraded));
            let mut guards = self.lock(prepared);
            let drawn = draw();
            let Prepared { columns, keys, places, found, .. } = prepared;
            let moment = head.moment(columns);
            self.expect(&guards, keys, places);
            let mut degraded = head.degraded;
            for shard in &guards {
                degraded |= shard.timeliness(head.at, &self.bounds);
            }
            found.clear();
            for (k, kind) in self.layout.kinds.iter().enumerate() {
                let (Some(key), Some(shard)) = (keys[k], guards.get_mut(usize::from(places[k]))) else {
                    for aggregate in &kind.aggregates {
                        if let Some(slot) = activity.get_mut(usize::from(*aggregate)) {
                            *slot = f64::NAN;
                        }
                    }
                    found.push(None);
                    continue;
                };
                let (flags, at) = shard.read(k, kind, key, moment, &self.bounds, activity);
                degraded |= flags;
                found.push(at);
            }
            if record {
                for (k, kind) in self.layout.kinds.iter().enumerate() {
                    if let (Some(key), Some(shard)) = (keys[k], guards.get_mut(usize::from(places[k]))) {
                        shard.record(k, kind, key, found[k], moment, &self.bounds);
                    }
                }
                for shard in &mut guards {
                    shard.tell(head.at);
                }
            }
            (degraded, drawn)
        })
    }

    /// Asks for the shards of a payment before it is known what to do there: one that another core had last
    /// takes as long as memory does, and so they come together.
    #[inline]
    fn expect_shards(&self, prepared: &Prepared) {
        for shard in prepared.order.iter().filter_map(|(shard, _)| self.shards.get(*shard as usize)) {
            prefetch_to_write(shard);
        }
    }

    /// Asks for all stores, then all index entries, then all blocks, then their newest events, so that the misses of a
    /// payment's entities overlap.
    #[inline]
    fn expect(&self, guards: &Guards<'_>, keys: &[Option<Key>], places: &[u8]) {
        for (k, (key, place)) in keys.iter().zip(places).enumerate() {
            if let (Some(_), Some(shard)) = (key, guards.get(usize::from(*place))) {
                shard.expect(k);
            }
        }
        for expect in [Table::expect_index, Table::expect_block, Table::expect_events] {
            for (k, (key, place)) in keys.iter().zip(places).enumerate() {
                if let (Some(key), Some(shard)) = (key, guards.get(usize::from(*place)))
                    && let Some(table) = shard.table(k)
                {
                    expect(table, *key);
                }
            }
        }
    }
}

/// The shards of a payment, in ascending order.
type Guards<'a> = ArrayVec<MutexGuard<'a, Shard>, ENTITIES_MAX>;

/// An odd number without structure (the first bits of pi's fraction).
const KEY_MULTIPLIER: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;
