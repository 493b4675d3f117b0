//! When is an institution left alone? When too large a share of what it was asked lately failed.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Parts of the window: it moves on by one of them at a time.
const BUCKETS: u64 = 10;

/// When an institution is left alone, and for how long.
///
/// ```
/// use tollgate::institution::BreakerSettings;
/// assert_eq!(BreakerSettings::default().failures_percent, 50);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How far back failures count.
    pub window: Duration,
    /// How many requests there have to be in it for a share to mean anything.
    pub requests_min: u32,
    /// The share of failures at which the breaker opens, in per cent.
    pub failures_percent: u32,
    /// How long it stays open.
    pub open_for: Duration,
    /// How many requests are then let through to see, and have to succeed.
    pub probes: u32,
}

impl Default for BreakerSettings {
    fn default() -> BreakerSettings {
        BreakerSettings {
            window: Duration::from_secs(10),
            requests_min: 20,
            failures_percent: 50,
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

/// Lets requests through, or not.
///
/// ```
/// use tokio::time::Instant;
/// use tollgate::institution::{Breaker, BreakerSettings};
/// let breaker = Breaker::new(BreakerSettings { requests_min: 2, ..BreakerSettings::default() });
/// let now = Instant::now();
/// breaker.pass(now).unwrap().report(now, false);
/// breaker.pass(now).unwrap().report(now, true); // one of two has failed
/// assert!(breaker.pass(now).is_none());
/// let later = now + BreakerSettings::default().open_for;
/// assert!(breaker.pass(later).is_some()); // to see whether it is well again
/// ```
pub struct Breaker {
    settings: BreakerSettings,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { asking: u32, well: u32 },
}

struct State {
    phase: Phase,
    /// Grows with every change of phase: what was let through before it says nothing about what is now.
    change: u64,
    buckets: [Bucket; BUCKETS as usize],
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    number: u64,
    requests: u32,
    failures: u32,
}

/// That one request may go. Dropped without a report it says nothing about the institution.
///
/// ```
/// use tollgate::institution::{Breaker, BreakerSettings};
/// let breaker = Breaker::new(BreakerSettings::default());
/// let now = tokio::time::Instant::now();
/// assert!(!breaker.pass(now).unwrap().report(now, true)); // one failure opens nothing
/// ```
pub struct Pass<'a> {
    breaker: &'a Breaker,
    change: u64,
    reported: bool,
}

impl Breaker {
    /// One that is closed.
    pub fn new(settings: BreakerSettings) -> Breaker {
        let state = State { phase: Phase::Closed, change: 0, buckets: Default::default() };
        Breaker { settings, began: Instant::now(), state: Mutex::new(state) }
    }

    /// Lets a request through. `None` while the institution is left alone.
    pub fn pass(&self, now: Instant) -> Option<Pass<'_>> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Closed => {}
            Phase::Open { until } if now < until => return None,
            Phase::Open { .. } => state.turn(Phase::HalfOpen { asking: 1, well: 0 }),
            Phase::HalfOpen { asking, well } if asking + well < self.settings.probes.max(1) => {
                state.phase = Phase::HalfOpen { asking: asking + 1, well };
            }
            Phase::HalfOpen { .. } => return None,
        }
        Some(Pass { breaker: self, change: state.change, reported: false })
    }

    /// The phase's name, for metrics: `closed`, `open`, `half_open`.
    pub fn phase(&self) -> &'static str {
        match self.state.lock().phase {
            Phase::Closed => "closed",
            Phase::Open { .. } => "open",
            Phase::HalfOpen { .. } => "half_open",
        }
    }
}

impl Pass<'_> {
    /// What came of the request. Whether the breaker opens because of it.
    pub fn report(mut self, now: Instant, failed: bool) -> bool {
        self.reported = true;
        let settings = &self.breaker.settings;
        let mut state = self.breaker.state.lock();
        if state.change != self.change {
            return false;
        }
        let opens = match state.phase {
            Phase::Closed => {
                let width = (settings.window / BUCKETS as u32).max(Duration::from_millis(1));
                let number =
                    now.saturating_duration_since(self.breaker.began).as_millis() / width.as_millis();
                state.count(number as u64, failed);
                let (requests, failures) = state.sums(number as u64);
                failed
                    && requests >= settings.requests_min
                    && u64::from(failures) * 100 >= u64::from(requests) * u64::from(settings.failures_percent)
            }
            Phase::Open { .. } => false,
            Phase::HalfOpen { .. } if failed => true,
            Phase::HalfOpen { asking, well } if well + 1 < settings.probes.max(1) => {
                state.phase = Phase::HalfOpen { asking: asking.saturating_sub(1), well: well + 1 };
                false
            }
            Phase::HalfOpen { .. } => {
                state.turn(Phase::Closed);
                false
            }
        };
        if opens {
            state.turn(Phase::Open { until: now + settings.open_for });
        }
        opens
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.reported {
            return;
        }
        let mut state = self.breaker.state.lock();
        if state.change == self.change
            && let Phase::HalfOpen { asking, well } = state.phase
        {
            state.phase = Phase::HalfOpen { asking: asking.saturating_sub(1), well };
        }
    }
}

impl State {
    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.change += 1;
        self.buckets = Default::default();
    }

    fn count(&mut self, number: u64, failed: bool) {
        let Some(bucket) = self.buckets.get_mut((number % BUCKETS) as usize) else { return };
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket.requests = bucket.requests.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(u32::from(failed));
    }

    /// Requests and failures of the window that ends with this bucket.
    fn sums(&self, number: u64) -> (u32, u32) {
        let within = self.buckets.iter().filter(|bucket| bucket.number + BUCKETS > number);
        within.fold((0, 0), |(requests, failures), bucket| {
            (requests.saturating_add(bucket.requests), failures.saturating_add(bucket.failures))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        window: Duration::from_secs(10),
        requests_min: 4,
        failures_percent: 50,
        open_for: Duration::from_secs(5),
        probes: 2,
    };

    /// A line says what happens at which second: `.` well, `x` failed; what is not let through is `-`.
    fn lived(life: &[(u64, char)]) -> (String, &'static str) {
        let (breaker, began) = (Breaker::new(SETTINGS), Instant::now());
        let step = |&(second, what): &(u64, char)| {
            let now = began + Duration::from_secs(second);
            let Some(pass) = breaker.pass(now) else { return '-' };
            pass.report(now, what == 'x');
            what
        };
        (life.iter().map(step).collect(), breaker.phase())
    }

    #[test]
    fn it_opens_at_its_share_and_closes_after_its_probes() {
        for (life, told, phase) in [
            // Too few to mean anything.
            (&[(0, 'x'), (0, 'x'), (0, 'x')][..], "xxx", "closed"),
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (0, 'x'), (0, '.')], "xxxx-", "open"),
            // Half of them, and less.
            (&[(0, '.'), (0, 'x'), (0, '.'), (0, 'x'), (0, '.')], ".x.x-", "open"),
            (&[(0, '.'), (0, '.'), (0, '.'), (0, 'x'), (0, '.')], "...x.", "closed"),
            // What is older than the window is forgotten.
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (12, 'x'), (12, '.')], "xxxx.", "closed"),
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (9, 'x'), (9, '.')], "xxxx-", "open"),
            // Open for five seconds, then two probes have to go well.
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (0, 'x'), (4, '.'), (5, '.')], "xxxx-.", "half_open"),
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (0, 'x'), (5, '.'), (5, '.'), (5, '.')], "xxxx...", "closed"),
            (&[(0, 'x'), (0, 'x'), (0, 'x'), (0, 'x'), (5, '.'), (5, 'x'), (5, '.')], "xxxx.x-", "open"),
        ] {
            assert_eq!(lived(life), (told.to_owned(), phase), "{life:?}");
        }
    }

    #[test]
    fn only_so_many_probes_go_at_once_and_one_that_is_given_up_leaves_its_place() {
        let (breaker, began) = (Breaker::new(SETTINGS), Instant::now());
        let late = breaker.pass(began).unwrap();
        assert!((0..4).any(|_| breaker.pass(began).unwrap().report(began, true)));
        let later = began + SETTINGS.open_for;
        let (first, second) = (breaker.pass(later).unwrap(), breaker.pass(later).unwrap());
        assert!(breaker.pass(later).is_none());
        drop(first);
        let third = breaker.pass(later).unwrap();
        assert!(breaker.pass(later).is_none());
        // What was asked before it opened says nothing any more.
        assert!(!late.report(later, true));
        second.report(later, false);
        assert_eq!(breaker.phase(), "half_open");
        third.report(later, false);
        assert_eq!(breaker.phase(), "closed");
    }
}
