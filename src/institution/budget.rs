//! May it be tried again? A share of what is asked, so that trying again never becomes most of the load.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one try again costs; deposits are in the same unit.
const TRY: u64 = 100;

/// How much may be tried again (the token bucket of Finagle's `RetryBudget` and gRPC's `retryThrottling`).
///
/// ```
/// use tollgate::institution::BudgetSettings;
/// assert_eq!(BudgetSettings::default().percent, 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Tries again for every hundred requests.
    pub percent: u32,
    /// How many can be saved up; they are there from the beginning.
    pub reserve: u32,
}

impl Default for BudgetSettings {
    fn default() -> BudgetSettings {
        BudgetSettings { percent: 10, reserve: 10 }
    }
}

/// A bucket of tries.
///
/// ```
/// use tollgate::institution::{Budget, BudgetSettings};
/// let budget = Budget::new(BudgetSettings { percent: 50, reserve: 1 });
/// assert!(budget.withdraw() && !budget.withdraw());
/// budget.deposit();
/// assert!(!budget.withdraw()); // half a try
/// budget.deposit();
/// assert!(budget.withdraw());
/// ```
pub struct Budget {
    settings: BudgetSettings,
    hundredths: AtomicU64,
}

impl Budget {
    /// A full one.
    pub fn new(settings: BudgetSettings) -> Budget {
        Budget { settings, hundredths: AtomicU64::new(u64::from(settings.reserve) * TRY) }
    }

    /// A request was made.
    pub fn deposit(&self) {
        let (share, most) = (u64::from(self.settings.percent), u64::from(self.settings.reserve) * TRY);
        let add = |there: u64| Some(there.saturating_add(share).min(most));
        let _ = self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes a try out, if there is one.
    pub fn withdraw(&self) -> bool {
        let take = |there: u64| there.checked_sub(TRY);
        self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_a_share_of_requests_whatever_happens() {
        let budget = Budget::new(BudgetSettings::default());
        let mut tried = 0;
        for _ in 0..10_000 {
            budget.deposit();
            tried += (0..5).filter(|_| budget.withdraw()).count();
        }
        assert_eq!(tried, 10 + 1_000 - 1); // the first deposit finds the bucket full, and ten per cent of the rest
    }

    #[test]
    fn no_more_is_saved_than_the_reserve() {
        let budget = Budget::new(BudgetSettings { percent: 100, reserve: 3 });
        (0..100).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 3);
        assert!(!Budget::new(BudgetSettings { percent: 100, reserve: 0 }).withdraw());
    }
}
