//! Whose turn is it to take a payment on its way? Two who want to come one after the other, and the second finds it done.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::pay::PaymentId;

/// Payments that somebody takes on their way now.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<PaymentId, Arc<tokio::sync::Mutex<()>>>>);

/// One's turn, for as long as it lives.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    payment: PaymentId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for one's turn.
    pub(super) async fn take(&self, payment: &PaymentId) -> Turn<'_> {
        let mine = self.0.lock().entry(payment.clone()).or_default().clone();
        // Made before it is waited: whoever waits no more takes itself off the list, too.
        let mut turn = Turn { turns: self, payment: payment.clone(), guard: None };
        turn.guard = Some(mine.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard.take();
        let mut all = self.turns.0.lock();
        // Nobody else waits: nobody can come while the list is locked.
        if all.get(&self.payment).is_some_and(|one| Arc::strong_count(one) == 1) {
            all.remove(&self.payment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn a_payment_has_one_turn_at_a_time_and_is_forgotten() {
        let turns = Arc::new(Turns::default());
        let (at_once, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let payment = |n: u32| PaymentId::parse(&format!("p{n}")).unwrap();
        let mut all = tokio::task::JoinSet::new();
        for n in 0..64 {
            let (turns, at_once, most, id) = (turns.clone(), at_once.clone(), most.clone(), payment(n % 2));
            all.spawn(async move {
                let _turn = turns.take(&id).await;
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
            });
        }
        // One who waits no more holds up nobody.
        let first = turns.take(&payment(9)).await;
        let waiting = tokio::time::timeout(Duration::from_millis(1), turns.take(&payment(9))).await;
        assert!(waiting.is_err());
        drop(first);
        drop(turns.take(&payment(9)).await);
        while all.join_next().await.is_some() {}
        assert_eq!((most.load(Ordering::SeqCst), turns.0.lock().len()), (2, 0));
    }
}
