//! One entity in memory: a few words about it, then its events in a ring ordered by time and arrival.

/// Words about an entity before its lives and events: key; length, head and touch; side, marks and
/// capacity; horizon.
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
    capacity: usize,
    head: usize,
    len: usize,
}

impl<'a> Block<'a> {
    /// `lives` words follow the header; then comes room for events, and what is left of a line.
    #[inline]
    pub fn new(words: &'a [u64], lives: usize, stride: usize) -> Block<'a> {
        let (head, events) = words.split_at(HEADER + lives);
        let (state, room) = (head[1], head[2]);
        Block {
            words,
            events,
            stride,
            capacity: (room >> 48) as usize,
            head: (state >> 16 & 0xffff) as usize,
            len: (state & 0xffff) as usize,
        }
    }

    /// Whether events lie where it says, for a block that was read from a file.
    pub fn makes_sense(&self) -> bool {
        self.capacity > 0
            && self.capacity * self.stride <= self.events.len()
            && self.len <= self.capacity
            && self.head < self.capacity
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Events that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Where the event at `i` begins among the words of all events.
    #[inline]
    fn start(&self, i: usize) -> usize {
        wrapped(self.head + i, self.capacity) * self.stride
    }

    /// The words of the event at `i`, oldest first.
    #[inline]
    pub fn row(&self, i: usize) -> &'a [u64] {
        let start = self.start(i);
        &self.events[start..start + self.stride]
    }

    #[inline]
    pub fn time(&self, i: usize) -> i64 {
        self.events[self.start(i)] as i64
    }

    /// Shows the events from `low` to before `high`, oldest first.
    #[inline]
    pub fn each(&self, low: usize, high: usize, mut show: impl FnMut(&'a [u64])) {
        let end = self.capacity * self.stride;
        let mut start = self.start(low);
        for _ in low..high {
            show(&self.events[start..start + self.stride]);
            start += self.stride;
            if start == end {
                start = 0;
            }
        }
    }

    /// Where the newest event lies among the block's words.
    pub fn newest(&self) -> usize {
        self.words.len() - self.events.len() + self.start(self.len.saturating_sub(1))
    }

    pub fn touched(&self) -> u32 {
        (self.words[1] >> 32) as u32
    }

    pub fn side(&self) -> u32 {
        self.words[2] as u32
    }

    pub fn marked(&self, mark: u32) -> bool {
        (self.words[2] >> 32) as u32 & 0xffff & mark != 0
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

/// A place in a ring of `capacity`, of which at most one more round has been counted.
#[inline]
fn wrapped(at: usize, capacity: usize) -> usize {
    if at >= capacity { at - capacity } else { at }
}

/// The words of one block, for writing.
pub(super) struct BlockMut<'a> {
    words: &'a mut [u64],
    first: usize,
    stride: usize,
}

impl<'a> BlockMut<'a> {
    #[inline]
    pub fn new(words: &'a mut [u64], lives: usize, stride: usize) -> BlockMut<'a> {
        BlockMut { words, first: HEADER + lives, stride }
    }

    /// A new entity without events.
    pub fn begin(&mut self, key: u64, horizon: i64) {
        self.words[0] = key;
        self.words[1] = 0;
        self.words[2] = u64::from(NO_SIDE);
        self.words[3] = horizon as u64;
        self.words[HEADER..self.first].fill(i64::MAX as u64);
        self.set_capacity();
    }

    /// As many events as there is room for, and a ring can count.
    fn set_capacity(&mut self) {
        let capacity = ((self.words.len() - self.first) / self.stride).min(0xffff);
        self.words[2] = self.words[2] & 0xffff_ffff_ffff | (capacity as u64) << 48;
    }

    #[inline]
    pub fn view(&self) -> Block<'_> {
        Block::new(self.words, self.first - HEADER, self.stride)
    }

    #[inline]
    pub fn capacity(&self) -> usize {
        (self.words[2] >> 48) as usize
    }

    #[inline]
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
        self.first + self.view().start(i)
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [u64] {
        let start = self.row_start(i);
        &mut self.words[start..start + self.stride]
    }

    /// Forgets the oldest event.
    pub fn pop_front(&mut self) {
        let (head, len) = (self.view().head, self.view().len);
        self.set_ring(wrapped(head + 1, self.capacity()), len - 1);
    }

    /// Makes room at `i`, which may be the end, and gives it to be filled. There must be room.
    #[inline]
    pub fn insert(&mut self, i: usize) -> &mut [u64] {
        let (head, len) = (self.view().head, self.view().len);
        debug_assert!(len < self.capacity());
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
        self.set_capacity();
        let mut places = self.words[self.first..].chunks_exact_mut(self.stride);
        old.each(0, old.len, |row| {
            if let Some(place) = places.next() {
                place.copy_from_slice(row);
            }
        });
        self.set_ring(0, old.len);
    }
}
