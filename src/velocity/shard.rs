//! A share of all entities, of every kind, that one lock guards.

use std::collections::HashMap;

use crate::decision::Degraded;

use super::block::{DROPPED, NO_SIDE};
use super::budget::Charge;
use super::clock::Clock;
use super::folded::Folded;
use super::image::{Words, put_folded, read_folded};
use super::layout::{EntityLayout, Layout};
use super::prefetch::prefetch;
use super::running::Side;
use super::table::{BlockId, Key, Table};
use super::window::{Known, Moment, SCAN_MAX, read};

/// What a shard has to know of the limits, in microseconds and its own share of entities.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub entities: usize,
    pub events: usize,
    /// Bytes, as [`Charge`] counts them.
    pub bytes: usize,
    pub lateness: i64,
    pub known_since: i64,
}

/// What every payment needs lies in the line of the cache that the lock is in, for a line that another core
/// has written is as far as memory.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shard {
    pub(super) stores: Box<[Store]>,
    pub(super) entities: usize,
    /// Evictions and compactions: places found before one may have changed since.
    pub(super) moves: u64,
    pub(super) clock: Clock,
    pub(super) random: u64,
    /// Evictions so far.
    pub(super) evictions: u64,
}

/// The entities of one kind.
/// What a payment of entities that are known reads is in the first line of the cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Store {
    /// The newest event of an evicted entity.
    pub(super) evicted: i64,
    /// The newest event that was dropped because of its age.
    dropped: i64,
    pub(super) table: Table,
    pub(super) sides: Vec<Option<Box<Side>>>,
    pub(super) free_sides: Vec<u32>,
    pub(super) charge: Charge,
    /// Bytes that blocks are charged for their sides.
    pub(super) charged: usize,
}

/// Where an entity was found, as long as nothing is evicted or moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    place: usize,
    block: BlockId,
    moves: u64,
}

impl Shard {
    pub fn new(layout: &Layout, seed: u64) -> Shard {
        let store = |kind: &EntityLayout| Store {
            table: Table::new(kind.life_needs.len(), kind.stride),
            sides: Vec::new(),
            free_sides: Vec::new(),
            charge: Charge::of(kind),
            charged: 0,
            evicted: i64::MIN,
            dropped: i64::MIN,
        };
        Shard {
            stores: layout.kinds.iter().map(store).collect(),
            clock: Clock::new(),
            entities: 0,
            random: seed,
            evictions: 0,
            moves: 0,
        }
    }

    pub fn image(&self, out: &mut Vec<u64>) {
        self.clock.image(out);
        let numbers = [self.entities as u64, self.random, self.evictions];
        out.extend(numbers);
        for Store { table, sides, evicted, dropped, .. } in &self.stores {
            table.image(out);
            out.extend([*evicted as u64, *dropped as u64]);
            let sides = sides.iter().enumerate();
            put_folded(out, sides.filter_map(|(i, side)| Some((i, side.as_deref()?.folded()?))));
        }
    }

    pub fn of_image(layout: &Layout, bounds: &Bounds, words: &mut Words<'_>) -> Option<Shard> {
        let mut shard = Shard::new(layout, 0);
        shard.clock = Clock::of_image(words)?;
        shard.entities = usize::try_from(words.next()?).ok()?;
        (shard.random, shard.evictions) = (words.next()?, words.next()?);
        for (store, kind) in shard.stores.iter_mut().zip(&layout.kinds) {
            store.table = Table::of_image(kind.life_needs.len(), kind.stride, words)?;
            (store.evicted, store.dropped) = (words.signed()?, words.signed()?);
            store.set_folded(kind, read_folded(kind, words)?);
            store.charged = store.charges(bounds);
        }
        let entities = shard.stores.iter().map(|s| s.table.len()).sum::<usize>();
        (words.0.is_empty() && entities == shard.entities).then_some(shard)
    }

    pub fn entities(&self) -> usize {
        self.entities
    }

    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    pub fn bytes(&self) -> usize {
        let sides = |s: &Store| s.sides.iter().flatten().map(|side| side.bytes()).sum::<usize>();
        self.stores.iter().map(|s| s.table.bytes() + sides(s) + s.sides.capacity() * 8).sum()
    }

    /// What time it is, as far as this shard's payments tell.
    pub fn now(&self) -> Option<i64> {
        self.clock.now()
    }

    /// What the clock says about a payment's time.
    pub fn timeliness(&self, at: i64, bounds: &Bounds) -> Degraded {
        match self.clock.now() {
            Some(now) if at < now.saturating_sub(bounds.lateness) => Degraded::LATE,
            Some(_) if at > self.clock.horizon(bounds.lateness) => Degraded::WILD_TIME,
            _ => Degraded::NONE,
        }
    }

    /// Tells the clock, once for a payment, after everything of it was recorded.
    pub fn tell(&mut self, at: i64) {
        self.clock.tell(at);
    }

    /// Asks for what is known of a kind's entities, and for where the payment's time will be written.
    #[inline]
    pub fn expect(&self, k: usize) {
        prefetch(&self.stores, k);
        self.clock.expect();
    }

    /// The table of a kind.
    #[inline]
    pub fn table(&self, k: usize) -> Option<&Table> {
        self.stores.get(k).map(|store| &store.table)
    }

    /// The values of one entity, before the payment.
    pub fn read(
        &mut self,
        k: usize,
        kind: &EntityLayout,
        key: Key,
        moment: Moment<'_>,
        bounds: &Bounds,
        activity: &mut [f64],
    ) -> (Degraded, Option<Found>) {
        let moves = self.moves;
        let Some(store) = self.stores.get_mut(k) else { return (Degraded::NONE, None) };
        let known = Known { since: bounds.known_since, evicted: store.evicted, dropped: store.dropped };
        let Some((place, id)) = store.table.find(key) else {
            return (read(kind, None, None, moment, known, activity), None);
        };
        let mut block = store.table.block(id);
        // More events than a scan should see, and they are not just old ones that await room.
        let many = block.len().checked_sub(SCAN_MAX + 1);
        if block.side() == NO_SIDE && many.is_some_and(|i| block.time(i) >= moment.at - kind.reach) {
            store.give_side(kind, id);
            block = store.table.block(id);
        }
        let side = side_of(&mut store.sides, block.side());
        let degraded = read(kind, Some(block), side, moment, known, activity);
        (degraded, Some(Found { place, block: id, moves }))
    }

    /// Adds the payment to one entity.
    pub fn record(
        &mut self,
        k: usize,
        kind: &EntityLayout,
        key: Key,
        found: Option<Found>,
        moment: Moment<'_>,
        bounds: &Bounds,
    ) {
        let touches = self.clock.told();
        let line = self.clock.now().map_or(i64::MIN, |now| {
            now.min(moment.at).saturating_sub(bounds.lateness).saturating_sub(kind.reach)
        });
        let found = match found {
            Some(found) if found.moves == self.moves => Some((found.place, found.block)),
            _ => self.stores.get(k).and_then(|s| s.table.find(key)),
        };
        let id = match found {
            Some((place, id)) => {
                let Some(store) = self.stores.get_mut(k) else { return };
                match store.make_room(kind, place, id, moment, line, bounds.events) {
                    Some(id) => id,
                    None => return store.table.block_mut(id).touch(touches),
                }
            }
            None => {
                if self.entities >= bounds.entities {
                    self.evict(bounds);
                }
                self.entities += 1;
                let Some(store) = self.stores.get_mut(k) else { return };
                store.table.insert(key, store.evicted)
            }
        };
        let Some(store) = self.stores.get_mut(k) else { return };
        store.put(kind, id, moment, touches);
        if bounds.bytes < usize::MAX && found.is_none_or(|(_, before)| before != id) {
            self.keep_within(bounds);
        }
    }

    /// Gives the payment's event in this entity another status; false when it isn't there.
    pub fn settle(
        &mut self,
        k: usize,
        kind: &EntityLayout,
        key: Key,
        moment: Moment<'_>,
        status: u32,
    ) -> bool {
        let Some(store) = self.stores.get_mut(k) else { return false };
        let Some((_, id)) = store.table.find(key) else { return false };
        let block = store.table.block(id);
        let same = |i: &usize| block.row(*i)[1] >> 32 == moment.flags >> 32;
        let ties = block.first_at(moment.at)..block.len();
        let Some(i) = ties.take_while(|i| block.time(*i) == moment.at).filter(same).last() else {
            return false;
        };
        let row = block.row(i);
        let flags = row[1] | u64::from(status);
        if let Some(side) = side_of(&mut store.sides, block.side()) {
            side.reflagged(kind, i, row, flags);
        }
        let mut block = store.table.block_mut(id);
        block.row_mut(i)[1] = flags;
        for (slot, need) in kind.life_needs.iter().enumerate() {
            if flags as u32 & need == *need {
                block.live(slot, moment.at);
            }
        }
        true
    }
}

impl Store {
    /// Gives each block its side again when that held what the block does not.
    fn set_folded(&mut self, kind: &EntityLayout, folded: Vec<(u32, Folded)>) {
        let mut folded: HashMap<u32, Folded> = folded.into_iter().collect();
        let blocks: Vec<BlockId> = self.table.blocks().collect();
        for id in blocks {
            let old = self.table.block(id).side();
            let side = folded.remove(&old).map_or(NO_SIDE, |folded| {
                self.sides.push(Some(Box::new(Side::with(kind, folded))));
                (self.sides.len() - 1) as u32
            });
            self.table.block_mut(id).set_side(side);
        }
    }

    fn give_side(&mut self, kind: &EntityLayout, id: BlockId) -> u32 {
        let side = Some(Box::new(Side::new(kind)));
        let at = match self.free_sides.pop() {
            Some(at) => {
                self.sides[at as usize] = side;
                at
            }
            None => {
                self.sides.push(side);
                (self.sides.len() - 1) as u32
            }
        };
        self.table.block_mut(id).set_side(at);
        at
    }

    /// Makes room for one more event and gives the block it is in; `None` when the event is the
    /// oldest of too many and has been folded.
    fn make_room(
        &mut self,
        kind: &EntityLayout,
        place: usize,
        id: BlockId,
        moment: Moment<'_>,
        line: i64,
        events_max: usize,
    ) -> Option<BlockId> {
        let mut block = self.table.block_mut(id);
        let mut len = block.view().len();
        if len < block.capacity() && len < events_max {
            return Some(id);
        }
        let side = block.view().side();
        let mut side = side_of(&mut self.sides, side);
        while len > 0 && block.view().time(0) < line {
            self.dropped = self.dropped.max(block.view().time(0));
            block.mark(DROPPED);
            if let Some(side) = &mut side {
                side.leaving(kind, block.view().row(0));
            }
            block.pop_front();
            len -= 1;
        }
        if len >= events_max {
            let side = match block.view().side() {
                NO_SIDE => self.give_side(kind, id),
                side => side,
            };
            let mut block = self.table.block_mut(id);
            let side = side_of(&mut self.sides, side)?;
            let oldest = block.view().time(0);
            let dropped = if moment.at < oldest {
                with_row(kind, moment, |row| side.fold(kind, row, line))
            } else {
                side.leaving(kind, block.view().row(0));
                let dropped = side.fold(kind, block.view().row(0), line);
                block.pop_front();
                dropped
            };
            if let Some(dropped) = dropped {
                self.dropped = self.dropped.max(dropped);
                block.mark(DROPPED);
            }
            if moment.at < oldest {
                note_life(kind, &mut block, moment);
                return None;
            }
            return Some(id);
        }
        if len == block.capacity() {
            let small = self.charge.bytes(block.capacity(), events_max);
            let id = self.table.grow(place, id);
            self.charged += self.charge.bytes(self.table.block(id).capacity(), events_max) - small;
            return Some(id);
        }
        Some(id)
    }

    /// Puts the event where its time belongs, behind those of the same time.
    fn put(&mut self, kind: &EntityLayout, id: BlockId, moment: Moment<'_>, touches: u32) {
        let mut block = self.table.block_mut(id);
        block.touch(touches);
        let mut i = block.view().len();
        while i > 0 && block.view().time(i - 1) > moment.at {
            i -= 1;
        }
        fill(kind, moment, block.insert(i));
        note_life(kind, &mut block, moment);
        let block = block.view();
        if let Some(side) = side_of(&mut self.sides, block.side()) {
            side.inserted(kind, block, i);
        }
    }
}

/// An entity's running totals; without any, the memory that lists them is not touched.
#[inline]
fn side_of(sides: &mut [Option<Box<Side>>], side: u32) -> Option<&mut Side> {
    if side == NO_SIDE { None } else { sides.get_mut(side as usize)?.as_deref_mut() }
}

fn note_life(kind: &EntityLayout, block: &mut super::block::BlockMut<'_>, moment: Moment<'_>) {
    for (slot, need) in kind.life_needs.iter().enumerate() {
        if moment.flags as u32 & need == *need {
            block.live(slot, moment.at);
        }
    }
}

/// Writes the payment's event.
fn fill(kind: &EntityLayout, moment: Moment<'_>, row: &mut [u64]) {
    row[0] = moment.at as u64;
    let mut next = 1;
    if kind.flags {
        row[1] = moment.flags;
        next = 2;
    }
    for (word, column) in row[next..].iter_mut().zip(&kind.columns) {
        *word = moment.columns[usize::from(*column)];
    }
}

fn with_row<T>(kind: &EntityLayout, moment: Moment<'_>, then: impl FnOnce(&[u64]) -> T) -> T {
    let mut row = [0; super::ROW_WORDS_MAX];
    let row = &mut row[..kind.stride];
    fill(kind, moment, row);
    then(row)
}
