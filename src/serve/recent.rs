//! The payments of the last while with their answers: to be settled, asked about, decided again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::payment::Payment;
use crate::schema::Schema;

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;

/// A bounded memory of payments; the oldest make room for new ones.
pub(super) struct Recent {
    hash: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    per_shard: usize,
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
    owner: u16,
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
        }
    }

    /// Keeps a payment that `owner` sent. Writes over the oldest, in its memory.
    pub(super) fn keep(&self, owner: u16, schema: &Arc<Schema>, payment: &Payment, answer: Bytes) {
        if self.per_shard == 0 {
            return;
        }
        let hash = self.hash.hash_one((owner, payment.id()));
        let mut shard = self.shard(hash).lock();
        let shard = &mut *shard;
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
                (kept.hash, kept.owner, kept.answer) = (hash, owner, answer);
            }
            None => {
                let (payment, schema) = (payment.clone(), schema.clone());
                shard.kept.push(Kept { hash, owner, payment, schema, answer });
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
            recent.keep(1, &schema, &payment, Bytes::from(format!("{i}")));
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
}
