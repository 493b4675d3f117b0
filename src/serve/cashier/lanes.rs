//! Whose turn is it to be told something? One notice of a payment at a time, merchants beside one another.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::pay::{MerchantId, PaymentId};

/// Most notices on their way.
pub(super) const AT_ONCE_MAX: usize = 64;
/// And of one merchant: so that one who is slow holds up nobody else.
pub(super) const PER_MERCHANT_MAX: usize = 8;
/// The longest time between two tries.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// All payments of which merchants are to be told something.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<MerchantId, Lane>,
    running: usize,
}

/// One merchant's.
#[derive(Default)]
struct Lane {
    due: BTreeSet<(Instant, PaymentId)>,
    turns: HashMap<PaymentId, Turn>,
    running: usize,
}

#[derive(Default)]
struct Turn {
    /// How long it was waited after the last try, if that failed.
    pause: Option<Duration>,
    is_running: bool,
    /// Something happened while it was running.
    again: bool,
}

impl Lanes {
    /// There is something to be told of a payment. One that waits after a failure waits on.
    pub(super) fn add(&mut self, now: Instant, merchant: &MerchantId, payment: &PaymentId) {
        let lane = self.lanes.entry(merchant.clone()).or_default();
        match lane.turns.get_mut(payment) {
            Some(turn) => turn.again = turn.is_running,
            None => {
                lane.turns.insert(payment.clone(), Turn::default());
                lane.due.insert((now, payment.clone()));
            }
        }
    }

    /// Whose turn it is, those who have waited longest first. Until [`Lanes::taken`] or [`Lanes::failed`] it is
    /// on its way.
    pub(super) fn next(&mut self, now: Instant) -> Option<(MerchantId, PaymentId)> {
        if self.running >= AT_ONCE_MAX {
            return None;
        }
        let ready =
            self.lanes.iter_mut().filter_map(|(merchant, lane)| Some((lane.first()?, merchant, lane)));
        let (at, merchant, lane) = ready.min_by_key(|(at, ..)| *at)?;
        if at > now {
            return None;
        }
        let (_, payment) = lane.due.pop_first()?;
        lane.turns.entry(payment.clone()).or_default().is_running = true;
        lane.running += 1;
        self.running += 1;
        Some((merchant.clone(), payment))
    }

    /// When it is somebody's turn, if no more is added and nothing comes back.
    pub(super) fn wake(&self) -> Option<Instant> {
        let is_free = self.running < AT_ONCE_MAX;
        self.lanes.values().filter_map(Lane::first).min().filter(|_| is_free)
    }

    /// The merchant has taken it; whether there is more of this payment.
    pub(super) fn taken(&mut self, now: Instant, merchant: &MerchantId, payment: &PaymentId, more: bool) {
        let Some((lane, turn)) = self.back(merchant, payment) else { return };
        if more || turn.again {
            lane.turns.insert(payment.clone(), Turn::default());
            lane.due.insert((now, payment.clone()));
        } else if lane.turns.is_empty() {
            self.lanes.remove(merchant);
        }
    }

    /// It is tried again after `first`, and twice as long each time: how long after.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        merchant: &MerchantId,
        payment: &PaymentId,
        first: Duration,
    ) -> Duration {
        let Some((lane, turn)) = self.back(merchant, payment) else { return first };
        let pause = turn.pause.map_or(first, |pause| pause.saturating_mul(2)).min(PAUSE_MAX);
        lane.turns.insert(payment.clone(), Turn { pause: Some(pause), ..Turn::default() });
        lane.due.insert((now + pause, payment.clone()));
        pause
    }

    fn back(&mut self, merchant: &MerchantId, payment: &PaymentId) -> Option<(&mut Lane, Turn)> {
        let lane = self.lanes.get_mut(merchant)?;
        let turn = lane.turns.remove(payment)?;
        lane.running = lane.running.saturating_sub(1);
        self.running = self.running.saturating_sub(1);
        Some((lane, turn))
    }
}

impl Lane {
    /// When it is its first one's turn; never while as many as may be are on their way.
    fn first(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at).filter(|_| self.running < PER_MERCHANT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merchant(n: usize) -> MerchantId {
        MerchantId::parse(&format!("m{n}")).unwrap()
    }

    fn payment(n: usize) -> PaymentId {
        PaymentId::parse(&format!("p{n}")).unwrap()
    }

    #[test]
    fn a_payment_has_one_turn_at_a_time() {
        let (mut lanes, now, m) = (Lanes::default(), Instant::now(), merchant(0));
        lanes.add(now, &m, &payment(1));
        lanes.add(now, &m, &payment(1));
        assert_eq!((lanes.wake(), lanes.next(now)), (Some(now), Some((m.clone(), payment(1)))));
        assert_eq!((lanes.wake(), lanes.next(now)), (None, None));
        // What happens meanwhile comes after.
        lanes.add(now, &m, &payment(1));
        assert_eq!(lanes.next(now), None);
        lanes.taken(now, &m, &payment(1), false);
        assert_eq!(lanes.next(now), Some((m.clone(), payment(1))));
        lanes.taken(now, &m, &payment(1), true);
        assert_eq!(lanes.next(now), Some((m.clone(), payment(1))));
        lanes.taken(now, &m, &payment(1), false);
        assert_eq!((lanes.next(now), lanes.lanes.len(), lanes.running), (None, 0, 0));
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_begin_anew() {
        let (mut lanes, mut now, m, p) = (Lanes::default(), Instant::now(), merchant(0), payment(0));
        let first = Duration::from_secs(1);
        lanes.add(now, &m, &p);
        let mut pauses = Vec::new();
        for _ in 0..14 {
            assert!(lanes.next(now).is_some());
            let pause = lanes.failed(now, &m, &p, first);
            pauses.push(pause.as_secs());
            // Something new of it does not make it come earlier.
            lanes.add(now, &m, &p);
            assert_eq!(lanes.next(now + pause - Duration::from_micros(1)), None);
            now += pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 3_600, 3_600]);
        assert!(lanes.next(now).is_some());
        lanes.taken(now, &m, &p, true);
        assert!(lanes.next(now).is_some());
        assert_eq!(lanes.failed(now, &m, &p, first), first);
    }

    #[test]
    fn so_many_are_on_their_way_and_no_more() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let merchants = AT_ONCE_MAX / PER_MERCHANT_MAX + 1;
        for n in 0..merchants * (PER_MERCHANT_MAX + 1) {
            lanes.add(now, &merchant(n % merchants), &payment(n));
        }
        let began: Vec<_> = std::iter::from_fn(|| lanes.next(now)).collect();
        assert_eq!((began.len(), lanes.wake()), (AT_ONCE_MAX, None));
        for n in 0..merchants {
            assert!(began.iter().filter(|(m, _)| *m == merchant(n)).count() <= PER_MERCHANT_MAX);
        }
        // One comes back, one goes.
        let (m, p) = &began[0];
        lanes.taken(now, m, p, false);
        assert_eq!((lanes.next(now).is_some(), lanes.next(now)), (true, None));
        // One merchant's alone: all that it may have, and not one more.
        let mut lanes = Lanes::default();
        (0..=PER_MERCHANT_MAX).for_each(|n| lanes.add(now, &merchant(0), &payment(n)));
        assert_eq!(std::iter::from_fn(|| lanes.next(now)).count(), PER_MERCHANT_MAX);
    }
}
