//! Which rules of a pipeline are braked, and since when?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::time::Timestamp;

/// Why a rule was demoted to shadow: its matches among the payments of its brake's window.
///
/// ```
/// use tollgate::{Timestamp, Trip};
/// let trip = Trip { at: Timestamp::parse("2026-11-27T18:00:00Z").unwrap(), payments: 1_000, matches: 21 };
/// assert!(trip.matches <= trip.payments);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// When, by the clock of whoever watched.
    pub at: Timestamp,
    /// Payments of the window.
    pub payments: u64,
    /// Those that the rule matched.
    pub matches: u64,
}

/// A rule's way into shadow, or out of it.
///
/// ```
/// let release = tollgate::BrakeChange { rule: "card-testing-burst".into(), trip: None };
/// assert!(release.trip.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrakeChange {
    /// The rule's id.
    pub rule: String,
    /// Why it is braked; `None` when it is released.
    pub trip: Option<Trip>,
}

/// The braked rules of one pipeline. Scoring asks it only about rules that carry a brake and have matched.
#[derive(Debug)]
pub(crate) struct Trips {
    flags: Box<[AtomicBool]>,
    why: Mutex<BTreeMap<usize, Trip>>,
}

impl Trips {
    /// None of so many rules.
    pub(crate) fn new(rules: usize) -> Trips {
        Trips { flags: (0..rules).map(|_| AtomicBool::new(false)).collect(), why: Mutex::default() }
    }

    /// Whether the rule of this number is braked.
    pub(crate) fn has(&self, rule: usize) -> bool {
        // Whoever needs an order among scores has a lock for it: see `journal/live.rs`.
        self.flags.get(rule).is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Brakes the rule, or releases it; whether that changed anything.
    pub(crate) fn set(&self, rule: usize, trip: Option<Trip>) -> bool {
        let Some(flag) = self.flags.get(rule) else { return false };
        let mut why = self.why.lock();
        if why.contains_key(&rule) == trip.is_some() {
            return false; // the first reason stays
        }
        flag.store(trip.is_some(), Ordering::Relaxed);
        match trip {
            Some(trip) => why.insert(rule, trip),
            None => why.remove(&rule),
        };
        true
    }

    /// Releases all.
    pub(crate) fn clear(&self) {
        self.why.lock().clear();
        self.flags.iter().for_each(|flag| flag.store(false, Ordering::Relaxed));
    }

    /// All that are braked, by their numbers.
    pub(crate) fn all(&self) -> BTreeMap<usize, Trip> {
        self.why.lock().clone()
    }
}
