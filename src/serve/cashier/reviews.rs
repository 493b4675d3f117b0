//! What waits for somebody to look? An index beside the book, so that asking reads no other payment.

use std::collections::{BTreeSet, HashMap};

use crate::pay::{Payment, PaymentId, State};
use crate::time::Timestamp;

/// Payments that are held for review, by when they were held.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    queue: BTreeSet<(Timestamp, PaymentId)>,
    since: HashMap<PaymentId, Timestamp>,
}

impl Reviews {
    /// Takes in where a payment is now.
    pub(super) fn happened(&mut self, payment: &Payment) {
        let id = payment.id();
        match (self.since.get(id).copied(), payment.state() == State::ReviewHeld) {
            (None, true) => {
                let since = payment.changed_at();
                self.queue.insert((since, id.clone()));
                self.since.insert(id.clone(), since);
            }
            (Some(since), false) => {
                self.queue.remove(&(since, id.clone()));
                self.since.remove(id);
            }
            _ => {}
        }
    }

    /// The oldest first.
    pub(super) fn queue(&self) -> impl Iterator<Item = &PaymentId> {
        self.queue.iter().map(|(_, payment)| payment)
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Outcome;
    use crate::money::{Currency, Money};
    use crate::pay::{Book, CallSecret, Change, Event, MerchantId, Method, OrderId, ReviewResult};

    /// A wallet's payment, which is held before anybody is asked for it.
    fn held(book: &mut Book, reviews: &mut Reviews, id: &str, second: i64) -> PaymentId {
        let at = Timestamp::from_micros(second * 1_000_000).unwrap();
        let (merchant, order) = (MerchantId::parse("m1").unwrap(), OrderId::parse(id).unwrap());
        let payment = PaymentId::parse(id).unwrap();
        let amount = Money { minor: 1_000, currency: Currency::parse("CNY").unwrap() };
        let requested = Event::PaymentRequested {
            merchant: merchant.clone(),
            order: order.clone(),
            attempt: 1,
            payment: payment.clone(),
            method: Method::Alipay,
            amount,
        };
        book.apply(at, Event::OrderCreated { merchant, order, amount }).unwrap();
        book.apply(at, requested).unwrap();
        change(book, reviews, &payment, Change::Assessed(Outcome::Review), second);
        payment
    }

    fn change(book: &mut Book, reviews: &mut Reviews, payment: &PaymentId, change: Change, second: i64) {
        let (merchant, payment) = (MerchantId::parse("m1").unwrap(), payment.clone());
        let at = Timestamp::from_micros(second * 1_000_000).unwrap();
        book.apply(at, Event::Changed { merchant, payment: payment.clone(), change }).unwrap();
        reviews.happened(book.any(&payment).unwrap());
    }

    #[test]
    fn what_is_held_is_in_the_queue_and_nothing_else() {
        let (mut book, mut reviews) = (Book::new(CallSecret::new([7; 32])), Reviews::default());
        let late = held(&mut book, &mut reviews, "a", 20);
        let early = held(&mut book, &mut reviews, "b", 10);
        let queue = |reviews: &Reviews| reviews.queue().cloned().collect::<Vec<_>>();
        assert_eq!(queue(&reviews), [early.clone(), late.clone()]);
        let declined = Change::ReviewEnded(ReviewResult::Declined);
        change(&mut book, &mut reviews, &early, declined, 30);
        assert_eq!((queue(&reviews), reviews.len()), (vec![late.clone()], 1));
        // One pass over the book comes to the same.
        let mut again = Reviews::default();
        book.payments().for_each(|payment| again.happened(payment));
        assert_eq!(queue(&again), queue(&reviews));
    }
}
