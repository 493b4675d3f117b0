//! One payment, ready to be looked up: its time, its keys and its columns, before any shard is locked.

use std::cell::Cell;

use super::block::{NO_KEY, NO_NUMBER};
use super::layout::{Source, filter_flags, fixed_point};
use super::shard::Found;
use super::store::Velocity;
use super::table::Key;
use super::window::Moment;
use crate::decision::Degraded;
use crate::payment::Payment;
use crate::schema::field;

/// An odd number without structure (the first bits of pi's fraction).
const KEY_MULTIPLIER: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;

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
pub(super) struct Prepared {
    /// Of each source.
    pub columns: Vec<u64>,
    /// Of each kind; `None` when the payment lacks a field of it.
    pub keys: Vec<Option<Key>>,
    /// Shard and kind of each key, in the order in which the shards are locked.
    pub order: Vec<(u32, u8)>,
    /// Of each kind, which of the locked shards is its.
    pub places: Vec<u8>,
    /// Of each kind, where its entity was.
    pub found: Vec<Option<Found>>,
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
    pub fn with<T>(work: impl FnOnce(&mut Prepared) -> T) -> T {
        PREPARED.with(|cell| {
            let mut prepared = cell.take();
            let answer = work(&mut prepared);
            cell.set(prepared);
            answer
        })
    }

    pub fn set_keys(&mut self, velocity: &Velocity, payment: &Payment) {
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

impl Velocity {
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
}
