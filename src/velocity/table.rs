//! Where is the entity with this key? An open-addressing index of 8-byte entries over blocks of
//! 1, 2, 4, ... times the lines that one event needs, so that the many entities with a few events
//! stay small. A line is the cache's: an entity seen for the first time takes one.

use bytemuck::{Pod, Zeroable};

use super::block::{Block, BlockMut, HEADER};
use super::image::{Words, put_run};
use super::prefetch::prefetch;

/// Sizes of blocks: room for 1 event, and twice that fifteen times.
const CLASSES: usize = 16;
/// Bits of an index entry that name the block's size, above those of its first line.
const CLASS_BITS: u32 = 4;
/// Bits of a key that an index entry keeps.
const TAG_BITS: u32 = 32 - CLASS_BITS;
/// Entries of the smallest index.
const INDEX_MIN: usize = 16;
/// The end of a list of free blocks.
const NONE: u32 = u32::MAX;
/// Words of a line.
const LINE: usize = 8;
/// Tables with fewer lines take twice as many when they are full.
const DOUBLED_LINES: usize = 128;
/// Lines that are asked for before it is known where in a large block the newest event is.
const LINES_AHEAD: usize = 4;

/// A line of the cache.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u64; LINE]);

/// An entity's key: 64 bits that are compared, 28 that find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Key {
    pub check: u64,
    pub tag: u32,
    pub shard: u32,
}

/// A block's place: its first line and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockId {
    line: u32,
    class: u8,
}

impl BlockId {
    /// Of an index entry that is not empty.
    fn of(entry: u64) -> BlockId {
        BlockId { line: entry as u32 - 1, class: (entry >> 32) as u8 & ((1 << CLASS_BITS) - 1) }
    }

    fn entry(self, tag: u32) -> u64 {
        u64::from(tag) << (64 - TAG_BITS) | u64::from(self.class) << 32 | u64::from(self.line + 1)
    }
}

/// The entities of one kind in one shard.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Table {
    /// Tag, size of the block and its first line + 1; 0 is empty.
    index: Box<[u64]>,
    lines: Vec<Line>,
    lives: u16,
    stride: u16,
    /// Lines of the smallest block.
    base: u16,
    used: usize,
    /// The first free block of each size; the next one is in its first word.
    free: [u32; CLASSES],
    /// Lines of all free blocks.
    idle: usize,
}

/// What an index entry knows of a key.
fn tag(entry: u64) -> u32 {
    (entry >> (64 - TAG_BITS)) as u32
}

impl Key {
    /// Of 64 bits to compare and 64 to choose places by.
    pub fn new(check: u64, places: u64, shards: usize) -> Key {
        Key {
            check,
            tag: places as u32 & ((1 << TAG_BITS) - 1),
            shard: (places >> 32) as u32 & (shards as u32 - 1),
        }
    }
}

impl Table {
    pub fn new(lives: usize, stride: usize) -> Table {
        let base = (HEADER + lives + stride).div_ceil(LINE) as u16;
        let (lives, stride) = (lives as u16, stride as u16);
        let (index, lines) = (Box::default(), Vec::new());
        Table { index, lines, used: 0, lives, stride, base, free: [NONE; CLASSES], idle: 0 }
    }

    pub fn len(&self) -> usize {
        self.used
    }

    pub fn bytes(&self) -> usize {
        8 * self.index.len() + size_of::<Line>() * self.lines.capacity()
    }

    /// Bytes of what has been taken; unlike [`Table::bytes`] the same after an image.
    pub fn taken(&self) -> usize {
        8 * self.index.len() + size_of::<Line>() * self.lines.len()
    }

    /// Bytes of free blocks.
    pub fn idle(&self) -> usize {
        size_of::<Line>() * self.idle
    }

    pub fn image(&self, out: &mut Vec<u64>) {
        put_run(out, &self.index);
        put_run(out, bytemuck::cast_slice(&self.lines));
        out.push(self.used as u64);
        out.extend(self.free.map(u64::from));
    }

    /// Checks every place that a word names: what it gives can be used like a table that has grown.
    pub fn of_image(lives: usize, stride: usize, words: &mut Words<'_>) -> Option<Table> {
        let mut table = Table::new(lives, stride);
        table.index = words.run()?.into();
        let lines = words.run()?;
        table.lines.resize(lines.len() / LINE, Line::zeroed());
        bytemuck::cast_slice_mut(&mut table.lines).get_mut(..lines.len())?.copy_from_slice(lines);
        table.used = usize::try_from(words.next()?).ok()?;
        for free in &mut table.free {
            *free = u32::try_from(words.next()?).ok()?;
        }
        if !table.makes_sense() {
            return None;
        }
        table.idle = table.free_lines();
        Some(table)
    }

    /// Free blocks; of lists that make no sense no more than there are lines.
    fn free_blocks(&self) -> impl Iterator<Item = BlockId> + '_ {
        let lines = &self.lines;
        (0u8..).zip(self.free).flat_map(move |(class, first)| {
            let next = move |line: &u32| Some(lines.get(*line as usize)?.0[0] as u32);
            let list = std::iter::successors(Some(first), next).take_while(|line| *line != NONE);
            list.take(lines.len() + 1).map(move |line| BlockId { line, class })
        })
    }

    /// Lines of all free blocks, counted.
    fn free_lines(&self) -> usize {
        self.free_blocks().map(|id| self.range(id).len()).sum()
    }

    fn makes_sense(&self) -> bool {
        let within = |id: BlockId| self.range(id).end <= self.lines.len();
        let used = self.index.iter().filter(|entry| **entry != 0).count();
        let size = self.index.len();
        let sized = size == 0 || size.is_power_of_two();
        let full = used > 0 && used * 4 > size * 3;
        // A block's first line is kept as one more, so that nothing is 0.
        let named = self.index.iter().all(|entry| *entry == 0 || *entry as u32 != 0);
        let whole = || self.blocks().all(|id| within(id) && self.block(id).makes_sense());
        sized && !full && used == self.used && named && whole() && self.owned_once()
    }

    /// Whether each line is in one block, free or not.
    fn owned_once(&self) -> bool {
        let mut owned = vec![false; self.lines.len()];
        let all = self.free_blocks().chain(self.blocks()).all(|id| {
            let lines = owned.get_mut(self.range(id));
            lines.is_some_and(|lines| lines.iter_mut().all(|owned| !std::mem::replace(owned, true)))
        });
        all && owned.iter().all(|owned| *owned)
    }

    fn range(&self, id: BlockId) -> std::ops::Range<usize> {
        let start = id.line as usize;
        start..start + (usize::from(self.base) << id.class)
    }

    #[inline]
    pub fn block(&self, id: BlockId) -> Block<'_> {
        let words = bytemuck::cast_slice(&self.lines[self.range(id)]);
        Block::new(words, usize::from(self.lives), usize::from(self.stride))
    }

    #[inline]
    pub fn block_mut(&mut self, id: BlockId) -> BlockMut<'_> {
        let range = self.range(id);
        let words = bytemuck::cast_slice_mut(&mut self.lines[range]);
        BlockMut::new(words, usize::from(self.lives), usize::from(self.stride))
    }

    /// The block of this key, and its place in the index.
    #[inline]
    pub fn find(&self, key: Key) -> Option<(usize, BlockId)> {
        let mask = self.index.len().checked_sub(1)?;
        let mut at = key.tag as usize & mask;
        loop {
            let entry = self.index[at];
            if entry == 0 {
                return None;
            }
            if tag(entry) == key.tag {
                let id = BlockId::of(entry);
                if self.lines[id.line as usize].0[0] == key.check {
                    return Some((at, id));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks for the memory that `find` begins with.
    #[inline]
    pub fn expect_index(&self, key: Key) {
        prefetch(&self.index, key.tag as usize & self.index.len().wrapping_sub(1));
    }

    /// The block that `find` will most likely give, by the index alone.
    #[inline]
    fn likely(&self, key: Key) -> Option<BlockId> {
        let mask = self.index.len().checked_sub(1)?;
        (0..4)
            .map(|i| self.index[(key.tag as usize + i) & mask])
            .take_while(|entry| *entry != 0)
            .find(|entry| tag(*entry) == key.tag)
            .map(BlockId::of)
    }

    /// Asks for the beginning of the block that `find` will most likely give.
    #[inline]
    pub fn expect_block(&self, key: Key) {
        let Some(id) = self.likely(key) else { return };
        let lines = self.range(id);
        let ahead = if lines.len() > LINES_AHEAD { 1 } else { lines.len() };
        (lines.start..lines.start + ahead).for_each(|line| prefetch(&self.lines, line));
    }

    /// Asks for the newest events of that block.
    #[inline]
    pub fn expect_events(&self, key: Key) {
        let Some(id) = self.likely(key) else { return };
        let lines = self.range(id);
        if lines.len() > LINES_AHEAD {
            let newest = lines.start + self.block(id).newest() / LINE;
            let first = newest.saturating_sub(LINES_AHEAD - 2).max(lines.start);
            (first..=newest + 1).for_each(|line| prefetch(&self.lines, line));
        }
    }

    /// A block for a key that is not there yet.
    pub fn insert(&mut self, key: Key, horizon: i64) -> BlockId {
        if (self.used + 1) * 4 > self.index.len() * 3 {
            self.grow_index();
        }
        let id = self.allocate(0);
        self.block_mut(id).begin(key.check, horizon);
        let mask = self.index.len() - 1;
        let mut at = key.tag as usize & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = id.entry(key.tag);
        self.used += 1;
        id
    }

    /// Moves an entity to a block of twice the size.
    pub fn grow(&mut self, place: usize, id: BlockId) -> BlockId {
        let larger = self.allocate(id.class + 1);
        let (from, to) = (self.range(id), self.range(larger));
        // The two blocks are apart; one of them ends before the other begins.
        let (old, new) = if from.start < to.start {
            let (low, high) = self.lines.split_at_mut(to.start);
            (&low[from], &mut high[..to.len()])
        } else {
            let (low, high) = self.lines.split_at_mut(from.start);
            (&high[..from.len()], &mut low[to])
        };
        let (lives, stride) = (usize::from(self.lives), usize::from(self.stride));
        let old = Block::new(bytemuck::cast_slice(old), lives, stride);
        BlockMut::new(bytemuck::cast_slice_mut(new), lives, stride).take(old);
        self.release(id);
        self.index[place] = larger.entry(tag(self.index[place]));
        larger
    }

    /// Forgets the entity at this place of the index.
    pub fn remove(&mut self, place: usize) {
        let Some(id) = self.at(place) else { return };
        self.release(id);
        self.used -= 1;
        // Entries behind the gap that belong at or before it move up (Knuth 6.4, algorithm R).
        let mask = self.index.len() - 1;
        let (mut gap, mut at) = (place, place);
        loop {
            at = (at + 1) & mask;
            let entry = self.index[at];
            if entry == 0 {
                break;
            }
            let home = tag(entry) as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.index[gap] = entry;
                gap = at;
            }
        }
        self.index[gap] = 0;
    }

    /// The block at a place of the index.
    pub fn at(&self, place: usize) -> Option<BlockId> {
        let entry = *self.index.get(place)?;
        (entry != 0).then(|| BlockId::of(entry))
    }

    /// All blocks, in the order of the index.
    pub fn blocks(&self) -> impl Iterator<Item = BlockId> + '_ {
        (0..self.index.len()).filter_map(|place| self.at(place))
    }

    /// The first used place at or after a random one; `None` when the table is empty.
    pub fn sample(&self, random: u64) -> Option<(usize, BlockId)> {
        let mask = self.index.len().checked_sub(1)?;
        (0..=mask).map(|i| (random as usize + i) & mask).find_map(|place| Some((place, self.at(place)?)))
    }

    fn allocate(&mut self, class: u8) -> BlockId {
        if let Some(id) = self.reuse(class) {
            return id;
        }
        let (start, more) = (self.lines.len(), usize::from(self.base) << class);
        if self.lines.capacity() < start + more {
            // An eighth at a time: little waste, and each line is still moved only a few times. Small tables
            // double: others wait for the lock meanwhile, and threads for each other where memory comes from.
            self.lines.reserve_exact((start / 8).max(start.min(DOUBLED_LINES)).max(more * 4));
        }
        self.lines.resize(start + more, Line::zeroed());
        BlockId { line: start as u32, class }
    }

    /// The free block of this size, or the first part of a larger one, whose other parts stay free.
    fn reuse(&mut self, class: u8) -> Option<BlockId> {
        let from = (class..CLASSES as u8).find(|class| self.free[usize::from(*class)] != NONE)?;
        let line = self.free[usize::from(from)];
        self.free[usize::from(from)] = self.lines[line as usize].0[0] as u32;
        self.idle -= self.range(BlockId { line, class: from }).len();
        for class in class..from {
            let half = self.range(BlockId { line, class }).end as u32;
            self.release(BlockId { line: half, class });
        }
        Some(BlockId { line, class })
    }

    /// Moves all blocks to the front of new lines, so that none is free; the index becomes as small as it can be.
    pub fn compact(&mut self) {
        let mut lines = Vec::with_capacity(self.lines.len() - self.idle);
        for place in 0..self.index.len() {
            let Some(id) = self.at(place) else { continue };
            let line = lines.len() as u32;
            lines.extend_from_slice(&self.lines[self.range(id)]);
            self.index[place] = BlockId { line, ..id }.entry(tag(self.index[place]));
        }
        (self.lines, self.free, self.idle) = (lines, [NONE; CLASSES], 0);
        // At most three quarters are used; half of it now, so that it need not grow soon.
        let size = (self.used * 2).next_power_of_two().max(INDEX_MIN);
        if size < self.index.len() {
            self.set_index(size);
        }
    }

    fn release(&mut self, id: BlockId) {
        self.idle += self.range(id).len();
        let free = &mut self.free[usize::from(id.class)];
        self.lines[id.line as usize].0[0] = u64::from(*free);
        *free = id.line;
    }

    fn grow_index(&mut self) {
        self.set_index((self.index.len() * 2).max(INDEX_MIN));
    }

    /// Makes an index of this size, with room for all entries.
    fn set_index(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.index, vec![0; size].into());
        for entry in old.into_iter().filter(|e| *e != 0) {
            let mut at = tag(entry) as usize & (size - 1);
            while self.index[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.index[at] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        Key::new(n, n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)
    }

    /// Entities with one, two, four and eight blocks' worth of events each.
    fn filled(entities: u64) -> Table {
        let mut table = Table::new(0, 4);
        for n in 0..entities {
            table.insert(key(n), 0);
            for _ in 0..n % 4 {
                let (place, id) = table.find(key(n)).unwrap();
                table.grow(place, id);
            }
        }
        table
    }

    #[test]
    fn what_is_free_is_counted_and_used_again() {
        let mut table = filled(400);
        assert_eq!(table.free_lines(), table.idle);
        let (taken, idle) = (table.taken(), table.idle());
        assert!(idle > 0);
        // Nothing is taken while a block is free, be it larger.
        let mut n = 400;
        while table.idle() > 0 {
            table.insert(key(n), 0);
            assert_eq!(table.free_lines(), table.idle);
            n += 1;
        }
        assert_eq!(table.taken() - 8 * table.index.len(), taken - 8 * 1024);
        assert_eq!(idle / size_of::<Line>(), (n as usize - 400) * usize::from(table.base));
        assert!((0..n).all(|n| table.find(key(n)).is_some()) && table.makes_sense());
    }

    #[test]
    fn compacting_keeps_what_is_there_and_nothing_else() {
        let mut table = filled(400);
        for (every, left, index) in [(3, 266, 1024), (2, 133, 512)] {
            for n in (0..400).filter(|n| n % every == 0) {
                if let Some((place, _)) = table.find(key(n)) {
                    table.remove(place);
                }
            }
            let lines = table.lines.len() - table.idle;
            table.compact();
            assert_eq!((table.lines.len(), table.idle, table.len()), (lines, 0, left));
            assert_eq!(table.index.len(), index);
            assert!(table.makes_sense());
        }
        for n in 0..400 {
            let found = table.find(key(n)).map(|(_, id)| u64::from(id.class));
            assert_eq!(found, (n % 3 != 0 && n % 2 != 0).then_some(n % 4), "{n}");
        }
    }
}
