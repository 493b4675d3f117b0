//! All entities' past, in shards: reads what was known before a payment and records the payment.

use std::sync::Arc;

use arrayvec::ArrayVec;
use crossbeam::utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

use crate::decision::Degraded;
use crate::money::Rates;
use crate::payment::Payment;
use crate::schema::Schema;
use crate::time::Timestamp;

use super::aggregate::{ENTITIES_MAX, Plan, Status};
use super::budget::MEMORY_MIN;
use super::layout::Layout;
use super::limits::Limits;
use super::prefetch::prefetch_to_write;
use super::prepared::{Head, Prepared};
use super::shard::{Bounds, Shard};
use super::table::{Key, Table};
use super::{EVENTS_MAX, SHARDS_MAX};

/// Fewer entities than this don't deserve a shard of their own.
const SHARD_ENTITIES_MIN: usize = 1024;
/// Likewise fewer bytes: busy entities are large, and small shards could have too many of them.
const SHARD_BYTES_MIN: usize = 1 << 20;

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
    pub(super) schema: Schema,
    pub(super) rates: Arc<Rates>,
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

/// How often a lock is asked for before the thread goes to sleep for it: 20 to 50 us, which is what a sleep
/// and a wake-up cost, and longer than it is held unless its holder has lost the processor.
const SPINS: u32 = 1000;

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

    /// The shards of a payment, locked in ascending order: whoever holds one waits only for higher ones.
    /// A payment touches about ten shards for a few microseconds. More shards make two threads meet less
    /// often and every payment miss the cache more. Whole scores on an engine that knows these entities, two
    /// threads against one, on 2 cores of a Xeon: 256 shards 1.55 times, 512 1.77, 1,024 1.84, where one
    /// thread alone is 3 to 8 % slower.
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
