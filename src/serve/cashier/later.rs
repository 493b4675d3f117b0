//! Which payments' time has come?

use std::time::Instant;

use parking_lot::Mutex;

use crate::pay::PaymentId;

/// Payments, each with when it is looked at again.
#[derive(Default)]
pub(super) struct Later(Mutex<Vec<(Instant, PaymentId)>>);

impl Later {
    pub(super) fn add(&self, at: Instant, payment: PaymentId) {
        self.0.lock().push((at, payment));
    }

    /// Takes those whose time has come.
    pub(super) fn due(&self, now: Instant) -> Vec<PaymentId> {
        self.0.lock().extract_if(.., |(at, _)| *at <= now).map(|(_, payment)| payment).collect()
    }

    /// All of them, whenever their time is.
    pub(super) fn all(&self) -> Vec<PaymentId> {
        self.0.lock().iter().map(|(_, payment)| payment.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl FromIterator<(Instant, PaymentId)> for Later {
    fn from_iter<T: IntoIterator<Item = (Instant, PaymentId)>>(payments: T) -> Later {
        Later(Mutex::new(payments.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_is_taken_once_its_time_has_come() {
        let (now, payment) = (Instant::now(), |n: u32| PaymentId::parse(&format!("p{n}")).unwrap());
        let later: Later = (0..4).map(|n| (now + Duration::from_secs(n.into()), payment(n))).collect();
        assert_eq!(later.due(now + Duration::from_secs(1)), [payment(0), payment(1)]);
        assert_eq!(later.due(now + Duration::from_secs(1)), []);
        later.add(now, payment(9));
        assert_eq!((later.len(), later.all()), (3, vec![payment(2), payment(3), payment(9)]));
        assert_eq!(later.due(now), [payment(9)]);
    }
}
