//! The payments of the last while with their answers: to be settled, asked about, decided again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::decision::Outcome;
use crate::payment::Payment;
use crate::schema::Schema;

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;
/// Places that are looked at before a payment that is to be kept gets its turn.
const LOOKED_AT_ONCE: usize = 256;

/// A bounded memory of payments; the oldest make room for new ones.
pub(super) struct Recent {
    hash: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    per_shard: usize,
    /// How many were kept so far: their order over all shards.
    drawn: AtomicU64,
}

#[derive(Default)]
struct Shard {
    places: HashMap<u64, usize>,
    kept: Vec<Kept>,
    /// The place that is written next.
    next: usize,
}

struct Kept {
    hash: u64,
    number: u64,
    owner: u16,
    outcome: Outcome,
    payment: Payment,
    schema: Arc<Schema>,
    answer: Bytes,
}

impl Recent {
    /// Room for about `max` payments.
    pub(super) fn new(max: usize) -> Recent {
        Recent {
            hash: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            per_shard: max.div_ceil(SHARDS),
            drawn: AtomicU64::new(0),
        }
    }

    /// Keeps a payment that `owner` sent. Writes over the oldest, in its memory.
    pub(super) fn keep(
        &self,
        owner: u16,
        schema: &Arc<Schema>,
        payment: &Payment,
        (outcome, answer): (Outcome, Bytes),
    ) {
        if self.per_shard == 0 {
            return;
        }
        let hash = self.hash.hash_one((owner, payment.id()));
        let mut shard = self.shard(hash).lock();
        let shard = &mut *shard;
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let place = shard.next;
        shard.next = (place + 1) % self.per_shard;
        match shard.kept.get_mut(place) {
            Some(kept) => {
                if shard.places.get(&kept.hash) == Some(&place) {
                    shard.places.remove(&kept.hash);
                }
                kept.payment.copy_from(payment);
                if !Arc::ptr_eq(&kept.schema, schema) {
                    kept.schema = schema.clone();
                }
                (kept.hash, kept.number, kept.owner) = (hash, number, owner);
                (kept.outcome, kept.answer) = (outcome, answer);
            }
            None => {
                let (payment, schema) = (payment.clone(), schema.clone());
                shard.kept.push(Kept { hash, number, owner, outcome, payment, schema, answer });
            }
        }
        shard.places.insert(hash, place);
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[hash as usize % SHARDS]
    }

    fn find<T>(&self, owner: u16, id: &str, read: impl FnOnce(&Kept) -> T) -> Option<T> {
        let hash = self.hash.hash_one((owner, id));
        let shard = self.shard(hash).lock();
        let kept = shard.kept.get(*shard.places.get(&hash)?)?;
        (kept.owner == owner && kept.payment.id() == id).then(|| read(kept))
    }

    /// The answer that `owner` was given for the payment.
    pub(super) fn answer(&self, owner: u16, id: &str) -> Option<Bytes> {
        self.find(owner, id, |kept| kept.answer.clone())
    }

    /// The payment by the schema now in force.
    pub(super) fn payment(&self, owner: u16, id: &str, schema: &Arc<Schema>) -> Option<Payment> {
        self.find(owner, id, |kept| kept.by(schema))
    }

    /// About `max` of the latest payments, by the schema now in force.
    pub(super) fn sample(&self, max: usize, schema: &Arc<Schema>) -> Vec<Payment> {
        let each = max.div_ceil(SHARDS);
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let (newer, older) = shard.kept.split_at(shard.next.min(shard.kept.len()));
            let latest = newer.iter().rev().chain(older.iter().rev()).take(each);
            found.extend(latest.map(|kept| kept.by(schema)));
        }
        found.truncate(max);
        found
    }

    /// What `show` makes of the latest payments, newest first: at most `max`, of one owner or of all, with one
    /// outcome or with any. Scoring waits for no more than a part of one shard being looked through.
    pub(super) fn latest<T>(
        &self,
        max: usize,
        owner: Option<u16>,
        outcome: Option<Outcome>,
        show: impl Fn(u16, &Schema, &Payment, &Bytes) -> T,
    ) -> Vec<T> {
        let wanted = |kept: &Kept| {
            owner.is_none_or(|owner| kept.owner == owner)
                && outcome.is_none_or(|outcome| kept.outcome == outcome)
        };
        let mut found: Vec<(u64, usize, usize)> = Vec::new();
        for (i, shard) in self.shards.iter().enumerate() {
            let (places, newest) = {
                let shard = shard.lock();
                (shard.kept.len(), shard.next)
            };
            let (mut taken, mut looked) = (0, 0);
            while taken < max && looked < places {
                let shard = shard.lock();
                for back in looked..places.min(looked + LOOKED_AT_ONCE) {
                    let place = (newest + places - 1 - back) % places;
                    if let Some(kept) = shard.kept.get(place).filter(|kept| taken < max && wanted(kept)) {
                        found.push((kept.number, i, place));
                        taken += 1;
                    }
                }
                looked += LOOKED_AT_ONCE;
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(max);
        // What was written over meanwhile is left out.
        let read = |(number, shard, place): (u64, usize, usize)| {
            let shard = self.shards[shard].lock();
            let kept = shard.kept.get(place).filter(|kept| kept.number == number)?;
            Some(show(kept.owner, &kept.schema, &kept.payment, &kept.answer))
        };
        found.into_iter().filter_map(read).collect()
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().kept.len()).sum()
    }
}

impl Kept {
    fn by(&self, schema: &Arc<Schema>) -> Payment {
        match Arc::ptr_eq(&self.schema, schema) || self.schema.fields().eq(schema.fields()) {
            true => self.payment.clone(),
            false => self.payment.by_schema(&self.schema, schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Value, field};

    #[test]
    fn the_oldest_make_room_and_owners_see_their_own() {
        let schema = Arc::new(Schema::standard());
        let recent = Recent::new(SHARDS); // one for each shard
        let mut payment = Payment::new(&schema);
        for i in 0..1_000 {
            payment.clear();
            payment.set(&schema, field::ID, Value::Token(&format!("p{i}"))).unwrap();
            recent.keep(1, &schema, &payment, (Outcome::Approve, Bytes::from(format!("{i}"))));
        }
        assert_eq!(recent.len(), SHARDS);
        assert_eq!(recent.answer(1, "p999").unwrap(), "999");
        assert_eq!(recent.answer(2, "p999"), None);
        let left = (0..1_000).filter(|i| recent.answer(1, &format!("p{i}")).is_some()).count();
        assert_eq!(left, SHARDS);
        let other = Arc::new(Schema::parse("s", "[[field]]\nname = \"x\"\nkind = \"text\"").unwrap());
        assert_eq!(recent.payment(1, "p999", &other).unwrap().id(), "p999");
        assert_eq!(recent.sample(5, &schema).len(), 5);
    }

    #[test]
    fn the_latest_come_newest_first_by_owner_and_outcome() {
        let schema = Arc::new(Schema::standard());
        let recent = Recent::new(1_600);
        let mut payment = Payment::new(&schema);
        let shown = |max, owner, outcome| {
            recent.latest(max, owner, outcome, |_, _, payment, _| payment.id()[1..].parse::<u64>().unwrap())
        };
        assert!(shown(10, None, None).is_empty());
        for i in 0..10_000u64 {
            payment.clear();
            payment.set(&schema, field::ID, Value::Token(&format!("p{i}"))).unwrap();
            let outcome = if i % 10 == 0 { Outcome::Decline } else { Outcome::Approve };
            recent.keep((i % 2) as u16, &schema, &payment, (outcome, Bytes::new()));
            if i == 2 {
                assert_eq!(shown(10, None, None), [2, 1, 0]); // before any shard is full
            }
        }
        assert_eq!(shown(4, None, None), [9_999, 9_998, 9_997, 9_996]);
        assert_eq!(shown(3, Some(0), None), [9_998, 9_996, 9_994]);
        assert_eq!(shown(2, Some(0), Some(Outcome::Decline)), [9_990, 9_980]);
        assert!(shown(2, Some(1), Some(Outcome::Decline)).is_empty());
        let all = shown(usize::MAX, None, None);
        assert_eq!(all.len(), 1_600);
        assert!(all.is_sorted_by(|a, b| a > b));
    }
}
