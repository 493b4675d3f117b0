//! One entity in memory: a few words about it, then its events in a ring ordered by time and arrival.

/// Words about an entity before its lives and events: key; length, head and touch; side and marks;
/// horizon.
pub(super) const HEADER: usize = 4;
/// No place in the table of sides.
pub(super) const NO_SIDE: u32 = u32::MAX;
/// Mark: events have been dropped because of their age.
pub(super) const DROPPED: u32 = 1;
/// A column's word when the event has no such number.
pub(super) const NO_NUMBER: u64 = 1 << 63;
/// A column's word when the event has no such value; no value's key is this.
pub(super) const NO_KEY: u64 = u64::MAX;

/// The words of one block, for reading.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    words: &'a [u64],
    events: &'a [u64],
    stride: usize,
    mask: usize,
    head: usize,
    len: usize,
}

impl<'a> Block<'a> {
    /// `lives` words follow the header; the rest is room for a power of two of events.
    pub fn new(words: &'a [u64], lives: usize, stride: usize) -> Block<'a> {
        let (head, events) = words.split_at(HEADER + lives);
        let mask = (events.len() / stride).wrapping_sub(1);
        let state = head[1];
        Block {
            words,
            events,
            stride,
            mask,
            head: (state >> 16 & 0xffff) as usize,
            len: (state & 0xffff) as usize,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The words of the event at `i`, oldest first.
    pub fn row(&self, i: usize) -> &'a [u64] {
        let start = ((self.head + i) & self.mask) * self.stride;
        &self.events[start..start + self.stride]
    }

    pub fn time(&self, i: usize) -> i64 {
        self.events[((self.head + i) & self.mask) * self.stride] as i64
    }

    pub fn touched(&self) -> u32 {
        (self.words[1] >> 32) as u32
    }

    pub fn side(&self) -> u32 {
        self.words[2] as u32
    }

    pub fn marked(&self, mark: u32) -> bool {
        (self.words[2] >> 32) as u32 & mark != 0
    }

    /// What happened at or before this time may have been forgotten with an evicted predecessor.
    pub fn horizon(&self) -> i64 {
        self.words[3] as i64
    }

    pub fn life(&self, slot: usize) -> i64 {
        self.words[HEADER + slot] as i64
    }

    /// The first event at or after `at`.
    pub fn first_at(&self, at: i64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            if self.time(middle) < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The words of one block, for writing.
pub(super) struct BlockMut<'a> {
    words: &'a mut [u64],
    first: usize,
    stride: usize,
    capacity: usize,
}

impl<'a> BlockMut<'a> {
    pub fn new(words: &'a mut [u64], lives: usize, stride: usize) -> BlockMut<'a> {
        let first = HEADER + lives;
        let capacity = (words.len() - first) / stride;
        BlockMut { words, first, stride, capacity }
    }

    /// A new entity without events.
    pub fn begin(&mut self, key: u64, horizon: i64) {
        self.words[0] = key;
        self.words[1] = 0;
        self.words[2] = u64::from(NO_SIDE);
        self.words[3] = horizon as u64;
        self.words[HEADER..self.first].fill(i64::MAX as u64);
    }

    pub fn view(&self) -> Block<'_> {
        Block::new(self.words, self.first - HEADER, self.stride)
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn touch(&mut self, now: u32) {
        self.words[1] = self.words[1] & 0xffff_ffff | u64::from(now) << 32;
    }

    pub fn set_side(&mut self, side: u32) {
        self.words[2] = self.words[2] >> 32 << 32 | u64::from(side);
    }

    pub fn mark(&mut self, mark: u32) {
        self.words[2] |= u64::from(mark) << 32;
    }

    /// Makes a life's first time no later than `at`.
    pub fn live(&mut self, slot: usize, at: i64) {
        let word = &mut self.words[HEADER + slot];
        *word = (*word as i64).min(at) as u64;
    }

    fn set_ring(&mut self, head: usize, len: usize) {
        self.words[1] = self.words[1] >> 32 << 32 | (head as u64) << 16 | len as u64;
    }

    fn row_start(&self, i: usize) -> usize {
        let head = (self.words[1] >> 16 & 0xffff) as usize;
        self.first + ((head + i) & (self.capacity - 1)) * self.stride
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [u64] {
        let start = self.row_start(i);
        &mut self.words[start..start + self.stride]
    }

    /// Forgets the oldest event.
    pub fn pop_front(&mut self) {
        let (head, len) = (self.view().head, self.view().len);
        self.set_ring((head + 1) & (self.capacity - 1), len - 1);
    }

    /// Makes room at `i`, which may be the end, and gives it to be filled. There must be room.
    pub fn insert(&mut self, i: usize) -> &mut [u64] {
        let (head, len) = (self.view().head, self.view().len);
        debug_assert!(len < self.capacity);
        self.set_ring(head, len + 1);
        for to in (i + 1..=len).rev() {
            let (from, to) = (self.row_start(to - 1), self.row_start(to));
            self.words.copy_within(from..from + self.stride, to);
        }
        self.row_mut(i)
    }

    /// Takes over everything of `old`, whose ring is smaller.
    pub fn take(&mut self, old: Block<'_>) {
        self.words[..self.first].copy_from_slice(&old.words[..self.first]);
        for i in 0..old.len {
            let start = self.first + i * self.stride;
            self.words[start..start + self.stride].copy_from_slice(old.row(i));
        }
        self.set_ring(0, old.len);
    }
}
