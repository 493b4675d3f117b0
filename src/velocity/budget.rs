//! Who is forgotten when there are too many entities, or when they take too many bytes?
//!
//! A shard counts what its tables have taken and a charge for the running totals of busy entities. The
//! count must be the same after a restart from an image, or a replay would forget others: so it rests on
//! blocks alone, never on what an allocator gave or on totals that may or may not be there.

use super::block::Block;
use super::folded;
use super::layout::{EntityLayout, Measure};
use super::running;
use super::shard::{Bounds, Shard, Store};
use super::table::BlockId;
use super::window::SCAN_MAX;

/// Least bytes that [`VelocityLimits::memory`](crate::VelocityLimits::memory) may say.
///
/// ```
/// assert_eq!(tollgate::MEMORY_MIN, 1 << 20);
/// ```
pub const MEMORY_MIN: usize = 1 << 20;
/// Entities that are looked at to find one that is little missed.
const EVICTION_SAMPLES: usize = 8;
/// One part in so many of the bytes is kept for blocks that are free but of the wrong size.
const SLACK: usize = 16;

/// Bytes beside a block that an entity of a kind may have, at their worst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    /// Running totals without distinct values.
    running: usize,
    /// Cells that count distinct values.
    distinct: usize,
    /// Totals of what is not kept one by one.
    folded: usize,
}

impl Charge {
    pub fn of(kind: &EntityLayout) -> Charge {
        let distinct = kind.cells.iter().filter(|cell| matches!(cell.measure, Measure::Distinct(_))).count();
        Charge { running: running::bytes(kind), distinct, folded: folded::bytes_max(kind) }
    }

    /// Beside a block that has room for so many events.
    pub fn bytes(self, capacity: usize, events_max: usize) -> usize {
        // Nobody with fewer has running totals.
        if capacity <= SCAN_MAX {
            return 0;
        }
        let values = self.distinct * running::values_bytes(capacity.min(events_max));
        self.running + values + if capacity >= events_max { self.folded } else { 0 }
    }
}

impl Store {
    /// Charges of all blocks.
    pub fn charges(&self, bounds: &Bounds) -> usize {
        let charge = |id| self.charge.bytes(self.table.block(id).capacity(), bounds.events);
        self.table.blocks().map(charge).sum()
    }
}

impl Shard {
    /// Bytes that have been taken, and how many of them are idle.
    fn taken(&self) -> (usize, usize) {
        self.stores
            .iter()
            .fold((0, 0), |(taken, idle), s| (taken + s.table.taken() + s.charged, idle + s.table.idle()))
    }

    /// Forgets entities until what is in use is within the budget with some slack, which the next ones fill
    /// with free blocks' help; when it is gone all the same, the emptiest tables are packed anew.
    pub fn keep_within(&mut self, bounds: &Bounds) {
        let most = bounds.bytes - bounds.bytes / SLACK;
        loop {
            let (taken, idle) = self.taken();
            if taken - idle > most {
                if !self.evict(bounds) {
                    return;
                }
            } else if taken > bounds.bytes {
                let Some(store) = self.stores.iter_mut().max_by_key(|s| s.table.idle()) else { return };
                store.table.compact();
                self.moves += 1;
            } else {
                return;
            }
        }
    }

    /// How little an entity is missed: the longer ago it was touched and the fewer events it has, the less.
    fn idleness(&self, block: Block<'_>) -> u64 {
        let age = self.clock.told().wrapping_sub(block.touched());
        (u64::from(age) << 16) / (block.len() as u64).max(1)
    }

    /// Forgets the entity that, of a sample, is missed least; false when there is none.
    pub fn evict(&mut self, bounds: &Bounds) -> bool {
        let mut idlest: Option<(u64, usize, usize, BlockId)> = None;
        for _ in 0..EVICTION_SAMPLES {
            let random = self.next_random();
            // Kinds are drawn by their share of the entities, then a place of the kind.
            let mut nth = (random >> 32) as usize % self.entities.max(1);
            let k = self.stores.iter().position(|s| {
                let here = nth < s.table.len();
                nth = nth.wrapping_sub(s.table.len());
                here
            });
            let Some((k, store)) = k.and_then(|k| Some((k, self.stores.get(k)?))) else { continue };
            let Some((place, id)) = store.table.sample(random & 0xffff_ffff) else { continue };
            let idleness = self.idleness(store.table.block(id));
            if idlest.is_none_or(|(most, ..)| idleness > most) {
                idlest = Some((idleness, k, place, id));
            }
        }
        let believed = self.clock.horizon(bounds.lateness);
        let Some((_, k, place, id)) = idlest else { return false };
        let Some(store) = self.stores.get_mut(k) else { return false };
        let block = store.table.block(id);
        store.charged -= store.charge.bytes(block.capacity(), bounds.events);
        let newest = (0..block.len()).rev().map(|i| block.time(i)).find(|at| *at <= believed);
        store.evicted = store.evicted.max(newest.unwrap_or(i64::MIN));
        let side = block.side();
        if let Some(slot) = store.sides.get_mut(side as usize) {
            if let Some(side) = slot {
                store.evicted = store.evicted.max(side.folded_newest().min(believed));
            }
            *slot = None;
            store.free_sides.push(side);
        }
        store.table.remove(place);
        self.entities -= 1;
        self.evictions += 1;
        self.moves += 1;
        true
    }

    /// SplitMix64: the same evictions for the same order of payments.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
