//! Where is the entity with this key? An open-addressing index of 8-byte entries over blocks of
//! 1, 2, 4, ... events, so that the many entities with one or two events stay small.

use super::block::{Block, BlockMut, HEADER};
use super::prefetch::prefetch;

/// Sizes of blocks: 1 to 2^15 events.
const CLASSES: usize = 16;
/// Bits of a block's number; the rest of its 32 bits name the class.
const NUMBER_BITS: u32 = 27;
/// Entries of the smallest index.
const INDEX_MIN: usize = 16;
/// The end of a list of free blocks.
const NONE: u64 = u64::MAX;

/// An entity's key: 64 bits that are compared, 32 that find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Key {
    pub check: u64,
    pub tag: u32,
    pub shard: u32,
}

/// A block's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockId(u32);

impl BlockId {
    fn new(class: usize, number: usize) -> BlockId {
        BlockId((class as u32) << NUMBER_BITS | number as u32)
    }
    pub fn class(self) -> usize {
        (self.0 >> NUMBER_BITS) as usize
    }
    fn number(self) -> usize {
        (self.0 & ((1 << NUMBER_BITS) - 1)) as usize
    }
}

/// Blocks of one size.
#[derive(Debug)]
struct Arena {
    words: Vec<u64>,
    free: u64,
}

/// The entities of one kind in one shard.
#[derive(Debug)]
pub(super) struct Table {
    /// Tag and block number + 1; 0 is empty.
    index: Vec<u64>,
    used: usize,
    arenas: [Arena; CLASSES],
    lives: usize,
    stride: usize,
}

impl Table {
    pub fn new(lives: usize, stride: usize) -> Table {
        let arenas = std::array::from_fn(|_| Arena { words: Vec::new(), free: NONE });
        Table { index: Vec::new(), used: 0, arenas, lives, stride }
    }

    pub fn len(&self) -> usize {
        self.used
    }

    pub fn bytes(&self) -> usize {
        8 * (self.index.capacity() + self.arenas.iter().map(|a| a.words.capacity()).sum::<usize>())
    }

    fn block_words(&self, class: usize) -> usize {
        HEADER + self.lives + (self.stride << class)
    }

    fn range(&self, id: BlockId) -> std::ops::Range<usize> {
        let size = self.block_words(id.class());
        id.number() * size..(id.number() + 1) * size
    }

    pub fn block(&self, id: BlockId) -> Block<'_> {
        Block::new(&self.arenas[id.class()].words[self.range(id)], self.lives, self.stride)
    }

    pub fn block_mut(&mut self, id: BlockId) -> BlockMut<'_> {
        let range = self.range(id);
        BlockMut::new(&mut self.arenas[id.class()].words[range], self.lives, self.stride)
    }

    /// The block of this key, and its place in the index.
    pub fn find(&self, key: Key) -> Option<(usize, BlockId)> {
        let mask = self.index.len().checked_sub(1)?;
        let mut at = key.tag as usize & mask;
        loop {
            let entry = self.index[at];
            if entry == 0 {
                return None;
            }
            if (entry >> 32) as u32 == key.tag {
                let id = BlockId(entry as u32 - 1);
                if self.arenas[id.class()].words[self.range(id).start] == key.check {
                    return Some((at, id));
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks for the memory that `find` begins with.
    pub fn expect_index(&self, key: Key) {
        prefetch(&self.index, key.tag as usize & self.index.len().wrapping_sub(1));
    }

    /// Asks for the block that `find` will most likely give.
    pub fn expect_block(&self, key: Key) {
        let mask = self.index.len().wrapping_sub(1);
        let likely = (0..4).map(|i| self.index.get((key.tag as usize + i) & mask).copied().unwrap_or(0));
        let likely = likely.take_while(|entry| *entry != 0).find(|entry| (entry >> 32) as u32 == key.tag);
        if let Some(entry) = likely {
            let id = BlockId(entry as u32 - 1);
            let start = self.range(id).start;
            let words = &self.arenas[id.class()].words;
            prefetch(words, start);
            prefetch(words, start + 8);
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
        self.index[at] = u64::from(key.tag) << 32 | u64::from(id.0 + 1);
        self.used += 1;
        id
    }

    /// Moves an entity to a block of twice the size.
    pub fn grow(&mut self, place: usize, id: BlockId) -> BlockId {
        let larger = self.allocate(id.class() + 1);
        let (small, large) = self.arenas.split_at_mut(larger.class());
        let size = HEADER + self.lives + (self.stride << larger.class());
        let old_size = HEADER + self.lives + (self.stride << id.class());
        let old = &small[id.class()].words[id.number() * old_size..(id.number() + 1) * old_size];
        let new = &mut large[0].words[larger.number() * size..(larger.number() + 1) * size];
        BlockMut::new(new, self.lives, self.stride).take(Block::new(old, self.lives, self.stride));
        self.release(id);
        self.index[place] = self.index[place] >> 32 << 32 | u64::from(larger.0 + 1);
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
            let home = (entry >> 32) as usize & mask;
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
        (entry != 0).then(|| BlockId(entry as u32 - 1))
    }

    /// The first used place at or after a random one; `None` when the table is empty.
    pub fn sample(&self, random: u64) -> Option<(usize, BlockId)> {
        let mask = self.index.len().checked_sub(1)?;
        (0..=mask).map(|i| (random as usize + i) & mask).find_map(|place| Some((place, self.at(place)?)))
    }

    fn allocate(&mut self, class: usize) -> BlockId {
        let size = self.block_words(class);
        let arena = &mut self.arenas[class];
        if arena.free != NONE {
            let number = arena.free as usize;
            arena.free = arena.words[number * size];
            return BlockId::new(class, number);
        }
        let number = arena.words.len() / size;
        if arena.words.capacity() < arena.words.len() + size {
            // An eighth at a time: little waste, and each word is still moved only a few times.
            let more = (arena.words.len() / size / 8).max(4);
            arena.words.reserve_exact(more * size);
        }
        arena.words.resize(arena.words.len() + size, 0);
        BlockId::new(class, number)
    }

    fn release(&mut self, id: BlockId) {
        let start = self.range(id).start;
        let arena = &mut self.arenas[id.class()];
        arena.words[start] = arena.free;
        arena.free = id.number() as u64;
    }

    fn grow_index(&mut self) {
        let size = (self.index.len() * 2).max(INDEX_MIN);
        let old = std::mem::replace(&mut self.index, vec![0; size]);
        for entry in old.into_iter().filter(|e| *e != 0) {
            let mut at = (entry >> 32) as usize & (size - 1);
            while self.index[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.index[at] = entry;
        }
    }
}
