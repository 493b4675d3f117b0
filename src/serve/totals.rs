//! What was counted up to an instant, and between two: the counters of all threads, added up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::admit::Refused;
use super::app::App;
use super::log::{self, Level};
use super::metrics::BOUNDS;
use crate::decision::Degraded;

/// How far back the near past reaches.
const MINUTE: Duration = Duration::from_secs(60);
/// How often it is looked at; the near past is so much longer than it should be, at most.
const STEP: Duration = Duration::from_secs(5);

/// Counters at an instant.
#[derive(Debug, Clone)]
pub(super) struct Totals {
    pub(super) at: Instant,
    pub(super) outcomes: [u64; 4],
    pub(super) degraded: [u64; Degraded::all_names().len()],
    pub(super) refused: [u64; Refused::ALL.len()],
    pub(super) stages: [Times; 4],
    pub(super) rules: BTreeMap<String, u64>,
}

/// How often a stage took how long.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) nanos: u64,
}

impl Times {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time in nanoseconds that a share of them did not exceed, on a straight line within its bucket, as
    /// Prometheus' `histogram_quantile` has it; past the last bound that bound. `None` without any.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count() as f64;
        let (mut before, mut lower) = (0.0, 0.0);
        for (bucket, upper) in self.buckets.iter().zip(BOUNDS) {
            let (inside, upper) = (*bucket as f64, upper as f64);
            if inside > 0.0 && before + inside >= rank {
                return Some(lower + (upper - lower) * (rank - before) / inside);
            }
            (before, lower) = (before + inside, upper);
        }
        (self.count() > 0).then_some(lower)
    }

    fn since(&self, earlier: &Times) -> Times {
        Times {
            buckets: minus(self.buckets, earlier.buckets),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }
}

impl Totals {
    /// Nothing yet.
    pub(super) fn zero(at: Instant) -> Totals {
        Totals {
            at,
            outcomes: [0; 4],
            degraded: [0; Degraded::all_names().len()],
            refused: [0; Refused::ALL.len()],
            stages: [Times::default(); 4],
            rules: BTreeMap::new(),
        }
    }

    /// What came between.
    pub(super) fn since(&self, earlier: &Totals) -> Totals {
        let before = |rule: &String| earlier.rules.get(rule).copied().unwrap_or(0);
        Totals {
            at: self.at,
            outcomes: minus(self.outcomes, earlier.outcomes),
            degraded: minus(self.degraded, earlier.degraded),
            refused: minus(self.refused, earlier.refused),
            stages: std::array::from_fn(|i| self.stages[i].since(&earlier.stages[i])),
            rules: self.rules.iter().map(|(r, n)| (r.clone(), n.saturating_sub(before(r)))).collect(),
        }
    }
}

/// Threads' counters are read one after the other, so that a later reading is no smaller; should it be, it is 0.
fn minus<const N: usize>(later: [u64; N], earlier: [u64; N]) -> [u64; N] {
    std::array::from_fn(|i| later[i].saturating_sub(earlier[i]))
}

/// The start, and readings of the last minute.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) start: Totals,
    kept: Mutex<VecDeque<Totals>>,
}

impl Past {
    pub(super) fn new(at: Instant) -> Past {
        let start = Totals::zero(at);
        Past { kept: Mutex::new(VecDeque::from([start.clone()])), start }
    }

    /// Keeps a reading, and of those that are a minute old the youngest.
    fn keep(&self, now: Totals) {
        let mut kept = self.kept.lock();
        while kept.get(1).is_some_and(|second| now.at.saturating_duration_since(second.at) >= MINUTE) {
            kept.pop_front();
        }
        kept.push_back(now);
    }

    /// The reading of a minute ago, or the first.
    pub(super) fn minute_ago(&self) -> Totals {
        self.kept.lock().front().unwrap_or(&self.start).clone()
    }
}

/// Starts to read the counters now and then, on a thread of its own that ends with the process.
pub(super) fn start(app: &Arc<App>) {
    let app = app.clone();
    let spawned = std::thread::Builder::new().name("totals".into()).spawn(move || {
        loop {
            std::thread::sleep(STEP);
            app.past.keep(app.metrics.totals());
        }
    });
    if let Err(error) = spawned {
        log::event(Level::Warn, "totals", &[("detail", error.to_string().into())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_in_the_bucket_of_their_rank() {
        let times = |filled: &[(usize, u64)]| {
            let mut times = Times::default();
            filled.iter().for_each(|(bucket, n)| times.buckets[*bucket] = *n);
            times
        };
        for (filled, share, expected) in [
            (&[][..], 0.5, None),
            (&[(0, 10)], 0.5, Some(250.0)),
            (&[(0, 10)], 1.0, Some(500.0)),
            (&[(0, 50), (3, 50)], 0.5, Some(500.0)),
            (&[(0, 50), (3, 50)], 0.75, Some(3_500.0)),
            (&[(0, 999), (17, 1)], 0.999, Some(500.0)),
            (&[(18, 1)], 0.5, Some(1e9)), // past the last bound
        ] {
            assert_eq!(times(filled).quantile(share), expected, "{filled:?} {share}");
        }
    }

    #[test]
    fn the_last_minute_is_at_least_a_minute_once_there_is_one() {
        let begin = Instant::now();
        let past = Past::new(begin);
        let reading = |step: u32| {
            let mut totals = Totals::zero(begin + STEP * step);
            totals.outcomes[0] = u64::from(step);
            totals.rules.insert("r".to_owned(), u64::from(step));
            totals
        };
        for step in 1..=11 {
            past.keep(reading(step));
        }
        assert_eq!(past.minute_ago().outcomes[0], 0);
        past.keep(reading(12));
        past.keep(reading(13)); // 65 s after the start: the reading of 5 s is a minute old
        assert_eq!(past.minute_ago().outcomes[0], 1);
        let since = reading(14).since(&past.minute_ago());
        assert_eq!((since.outcomes, since.rules["r"]), ([13, 0, 0, 0], 13));
    }
}
