//! Many payments at once: each worker owns a share of the shards and goes through all payments in
//! their order, so that every entity sees what it would see one by one.

use arrayvec::ArrayVec;
use rayon::prelude::*;

use crate::decision::Degraded;

use super::aggregate::ENTITIES_MAX;
use super::layout::Layout;
use super::prepared::Head;
use super::shard::{Bounds, Found, Shard};
use super::store::{Op, Velocity};
use super::table::{Key, Table};
use super::window::Moment;

/// Asks for memory that an entity's key will need.
type Expect = fn(&Table, Key);

/// How many payments ahead of the one it works on a worker asks for memory: index entries, then blocks,
/// then their newest events.
const AHEAD: [(usize, Expect); 3] =
    [(9, Table::expect_index), (6, Table::expect_block), (3, Table::expect_events)];

/// What is known of the ops before any shard is read.
struct Prepared {
    heads: Vec<Head>,
    /// As many as there are kinds, for each op.
    keys: Vec<Option<Key>>,
    /// As many as there are sources, for each op.
    columns: Vec<u64>,
}

/// One worker's share of the shards, and what it has found.
struct Worker<'a> {
    number: usize,
    workers: usize,
    /// The shards whose number modulo the workers is this one's.
    shards: Vec<&'a mut Shard>,
    activity: Vec<f64>,
    degraded: Vec<Degraded>,
}

pub(super) fn run(
    velocity: &Velocity,
    ops: &[Op<'_>],
    activity: &mut [f64],
    degraded: &mut [Degraded],
    workers: usize,
) {
    let layout = &velocity.layout;
    let prepared = Prepared::new(velocity, ops);
    // All locks are held throughout, taken in ascending order as everywhere.
    let mut guards: Vec<_> = velocity.shards.iter().map(|s| s.lock()).collect();
    let mut crew: Vec<Worker<'_>> = (0..workers)
        .map(|number| Worker {
            number,
            workers,
            shards: Vec::new(),
            activity: vec![f64::NAN; activity.len()],
            degraded: vec![Degraded::NONE; degraded.len()],
        })
        .collect();
    for (i, guard) in guards.iter_mut().enumerate() {
        crew[i % workers].shards.push(&mut *guard);
    }
    crew.par_iter_mut().for_each(|w| w.work(layout, &velocity.bounds, ops, &prepared));
    let width = layout.aggregates.max(1);
    let rows: Vec<usize> =
        (0..ops.len()).filter(|i| matches!(ops.get(*i), Some(Op::Observe { .. }))).collect();
    activity.par_chunks_mut(width).zip(rows.par_iter()).enumerate().for_each(|(row, (values, op))| {
        values.fill(f64::NAN);
        for (kind, key) in layout.kinds.iter().zip(prepared.keys(layout, *op)) {
            let Some(key) = key else { continue };
            let all = &crew[key.shard as usize % workers].activity;
            let found = all.get(row * width..(row + 1) * width).unwrap_or_default();
            for aggregate in kind.aggregates.iter().map(|a| usize::from(*a)) {
                if let (Some(slot), Some(value)) = (values.get_mut(aggregate), found.get(aggregate)) {
                    *slot = *value;
                }
            }
        }
    });
    for (row, (flags, op)) in degraded.iter_mut().zip(&rows).enumerate() {
        *flags = prepared.heads[*op].degraded;
        crew.iter().for_each(|w| *flags |= w.degraded[row]);
    }
}

impl Prepared {
    fn new(velocity: &Velocity, ops: &[Op<'_>]) -> Prepared {
        let (kinds, sources) = (velocity.layout.kinds.len(), velocity.layout.sources.len());
        let mut prepared = Prepared {
            heads: Vec::with_capacity(ops.len()),
            keys: vec![None; ops.len() * kinds.max(1)],
            columns: vec![0; ops.len() * sources.max(1)],
        };
        let rows = prepared.keys.par_chunks_mut(kinds.max(1));
        let rows = rows.zip(prepared.columns.par_chunks_mut(sources.max(1)));
        ops.par_iter()
            .zip(rows)
            .with_min_len(256)
            .map(|(op, (keys, columns))| {
                let (payment, head) = match *op {
                    Op::Observe { payment, filters } => {
                        let mut head = Head::new(payment, filters);
                        let words = velocity.columns(payment, &mut head.degraded);
                        columns.iter_mut().zip(words).for_each(|(slot, word)| *slot = word);
                        (payment, head)
                    }
                    Op::Settle { payment, .. } => (payment, Head::new(payment, 0)),
                };
                keys.iter_mut().zip(velocity.keys(payment)).for_each(|(slot, key)| *slot = key);
                head
            })
            .collect_into_vec(&mut prepared.heads);
        prepared
    }

    fn keys(&self, layout: &Layout, op: usize) -> &[Option<Key>] {
        let kinds = layout.kinds.len();
        self.keys.get(op * kinds..(op + 1) * kinds).unwrap_or_default()
    }

    fn moment(&self, layout: &Layout, op: usize) -> Moment<'_> {
        let sources = layout.sources.len();
        let columns = self.columns.get(op * sources..(op + 1) * sources).unwrap_or_default();
        self.heads[op].moment(columns)
    }
}

impl Worker<'_> {
    fn mine(&self, key: Option<Key>) -> Option<(Key, usize)> {
        let key = key?;
        (key.shard as usize % self.workers == self.number).then(|| (key, key.shard as usize / self.workers))
    }

    fn work(&mut self, layout: &Layout, bounds: &Bounds, ops: &[Op<'_>], prepared: &Prepared) {
        let width = layout.aggregates;
        let mut row = 0;
        for (i, op) in ops.iter().enumerate() {
            for (ahead, expect) in AHEAD {
                for (k, key) in prepared.keys(layout, i + ahead).iter().enumerate() {
                    if let Some((key, shard)) = self.mine(*key)
                        && let Some(table) = self.shards[shard].table(k)
                    {
                        expect(table, key);
                    }
                }
            }
            let (keys, moment) = (prepared.keys(layout, i), prepared.moment(layout, i));
            match op {
                Op::Observe { .. } => {
                    self.observe(layout, bounds, keys, moment, row, width);
                    row += 1;
                }
                Op::Settle { status, .. } => {
                    for (k, (kind, key)) in layout.kinds.iter().zip(keys).enumerate() {
                        if let (true, Some((key, shard))) = (kind.settles, self.mine(*key)) {
                            self.shards[shard].settle(k, kind, key, moment, status.bit());
                        }
                    }
                }
            }
        }
    }

    fn observe(
        &mut self,
        layout: &Layout,
        bounds: &Bounds,
        keys: &[Option<Key>],
        moment: Moment<'_>,
        row: usize,
        width: usize,
    ) {
        let mut found: ArrayVec<(usize, Key, usize, Option<Found>), ENTITIES_MAX> = ArrayVec::new();
        let mut touched: ArrayVec<usize, ENTITIES_MAX> =
            keys.iter().filter_map(|key| self.mine(*key)).map(|(_, shard)| shard).collect();
        touched.sort_unstable();
        let mut flags = Degraded::NONE;
        for shard in &touched {
            flags |= self.shards[*shard].timeliness(moment.at, bounds);
        }
        let mut none = [];
        for (k, key) in keys.iter().enumerate() {
            if let Some((key, shard)) = self.mine(*key) {
                let values = self.activity.get_mut(row * width..).unwrap_or(&mut none);
                let (why, at) = self.shards[shard].read(k, &layout.kinds[k], key, moment, bounds, values);
                flags |= why;
                found.push((k, key, shard, at));
            }
        }
        for (k, key, shard, at) in found {
            self.shards[shard].record(k, &layout.kinds[k], key, at, moment, bounds);
        }
        for (i, shard) in touched.iter().enumerate() {
            if i == 0 || touched[i - 1] != *shard {
                self.shards[*shard].tell(moment.at);
            }
        }
        if let Some(slot) = self.degraded.get_mut(row) {
            *slot = flags;
        }
    }
}
