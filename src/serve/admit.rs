//! Is there room for one more payment? A limit of what is in flight, a share for each key, a deadline.
//!
//! A payment is scored on the thread that read it, so a queue is not seen by itself: it is the connections
//! that are ready and wait for the thread. A probe measures how long such a wait is. Who has less than
//! twice that time left is refused at once rather than answered too late; with a low priority less than four
//! times, with a high one less than that time. A few are scored all the same (see [`Admission::spared`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::HeaderMap;

use super::config::{Overload, Priority};
use super::keys::Key;
use super::problem::{Kind, Problem};

/// How often the wait is measured while there are requests.
const PROBE: Duration = Duration::from_millis(2);
/// Measurements without a request after which the probe ends.
const PROBES_IDLE_MAX: u32 = 50;
/// Of this many that come too late at least, one is scored all the same.
const SPARED_OF_MIN: usize = 3;
/// About what it takes to refuse a payment: to read the request and write the answer.
const REFUSAL: Duration = Duration::from_micros(10);
/// A refused payment of low priority is scored all the same so many times more seldom than others.
const LOW_SPARED: usize = 4;
/// Of `overload.concurrency`, what is kept free for each level of priority above a key's own.
const KEPT_FREE: f64 = 0.2;
/// A new measurement of how long a score takes counts for one part in so many.
const SCORE_WEIGHT: u64 = 16;
/// How long the remaining time for a request is, as the caller tells it.
pub(super) const DEADLINE_HEADER: &str = "x-deadline-ms";

/// What is in flight, and how long a ready request waits.
pub(super) struct Admission {
    in_flight: AtomicUsize,
    /// Counts those that come too late.
    hasty: AtomicUsize,
    /// How long reading, scoring and writing a payment takes, in nanoseconds.
    score: AtomicU64,
    lag: Arc<Lag>,
}

#[derive(Default)]
struct Lag {
    micros: AtomicU64,
    probing: AtomicBool,
    seen: AtomicBool,
}

/// Why a payment is not scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too much is in flight.
    Full,
    /// Its key has its share in flight.
    Share,
    /// Its time is over.
    Late,
    /// The journal's disk does not keep up, or has failed.
    Unrecorded,
}

impl Refused {
    pub(super) const ALL: [Refused; 4] = [Refused::Full, Refused::Share, Refused::Late, Refused::Unrecorded];

    /// The label in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Refused::Full => "full",
            Refused::Share => "share",
            Refused::Late => "late",
            Refused::Unrecorded => "unrecorded",
        }
    }

    /// What the caller is told when the policy does not decide.
    pub(super) fn problem(self, overload: &Overload) -> Problem {
        let seconds = overload.retry_after.0.as_secs().max(1);
        match self {
            Refused::Full => Problem::new(Kind::Shed, "not scored: too many payments are in flight"),
            Refused::Share => Problem::new(Kind::OverShare, "not scored: the key has its share in flight"),
            Refused::Late => Problem::new(Kind::Late, "not scored: the deadline had passed"),
            Refused::Unrecorded => {
                Problem::new(Kind::NotRecorded, "send it again; it is not known to be recorded")
            }
        }
        .retry_after(seconds)
    }
}

/// A place among what is in flight, given back when dropped.
pub(super) struct Ticket<'a> {
    all: &'a AtomicUsize,
    own: &'a AtomicUsize,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new() -> Admission {
        Admission {
            in_flight: AtomicUsize::new(0),
            hasty: AtomicUsize::new(0),
            score: AtomicU64::new(0),
            lag: Arc::default(),
        }
    }

    /// Whether a payment with so much time left can be answered in it, or is spared.
    fn in_time(&self, left: Duration, priority: Priority) -> bool {
        let waits = match priority {
            Priority::Low => 4,
            Priority::Normal => 2,
            Priority::High => 1,
        };
        self.wait() * waits <= left || self.spared(priority)
    }

    /// Whether a payment that comes too late is scored all the same. Those that are refused and come again at
    /// once could otherwise keep a server from ever scoring anything. Of so many one is, that about half of the
    /// time goes to scoring: more would make all others late, too.
    fn spared(&self, priority: Priority) -> bool {
        let score = Duration::from_nanos(self.score.load(Ordering::Relaxed));
        let refusals = score.as_nanos() / REFUSAL.as_nanos();
        let one_of = usize::try_from(refusals).unwrap_or(usize::MAX).saturating_add(1).max(SPARED_OF_MIN);
        let one_of = match priority {
            Priority::Low => one_of.saturating_mul(LOW_SPARED),
            Priority::Normal | Priority::High => one_of,
        };
        self.hasty.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_of)
    }

    /// Learns how long it took to read, score and write a payment.
    pub(super) fn took(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = self.score.load(Ordering::Relaxed);
        // What another thread learns meanwhile may be lost; it is of the same kind.
        let after = if before == 0 { nanos } else { before - before / SCORE_WEIGHT + nanos / SCORE_WEIGHT };
        self.score.store(after, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long a ready request waited when it was last measured.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_micros(self.lag.micros.load(Ordering::Relaxed))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn enter<'a>(
        &'a self,
        key: &'a Key,
        settings: &Overload,
        deadline: Instant,
    ) -> Result<Ticket<'a>, Refused> {
        self.probe();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refused::Late);
        }
        if !self.in_time(left, key.priority) {
            return Err(Refused::Full);
        }
        self.place(key, settings.concurrency)
    }

    /// Takes a place among `room`, however long the wait is.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn place<'a>(&'a self, key: &'a Key, room: usize) -> Result<Ticket<'a>, Refused> {
        // Taken first and given back by the ticket, so that two can't take the last place.
        let own = key.in_flight.fetch_add(1, Ordering::Relaxed);
        let all = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { all: &self.in_flight, own: &key.in_flight };
        if key.share < 1.0 && own >= ((room as f64 * key.share) as usize).max(1) {
            return Err(Refused::Share);
        }
        let kept = (room as f64 * KEPT_FREE * key.above as f64) as usize;
        if all >= (room - kept.min(room)).max(1) {
            return Err(Refused::Full);
        }
        Ok(ticket)
    }

    /// Sees to it that the wait is being measured.
    fn probe(&self) {
        if !self.lag.seen.load(Ordering::Relaxed) {
            self.lag.seen.store(true, Ordering::Relaxed);
        }
        if self.lag.probing.load(Ordering::Relaxed) || self.lag.probing.swap(true, Ordering::Relaxed) {
            return;
        }
        let lag = self.lag.clone();
        tokio::spawn(async move {
            let mut idle = 0;
            while idle < PROBES_IDLE_MAX {
                let due = Instant::now() + PROBE;
                tokio::time::sleep_until(due.into()).await;
                let late = Instant::now().saturating_duration_since(due);
                // Timers tick in milliseconds; what is below one is no wait.
                let late = late.saturating_sub(Duration::from_millis(1));
                lag.micros.store(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                idle = if lag.seen.swap(false, Ordering::Relaxed) { 0 } else { idle + 1 };
            }
            lag.micros.store(0, Ordering::Relaxed);
            lag.probing.store(false, Ordering::Relaxed);
        });
    }
}

/// When a request that came at `began` must be answered.
///
/// # Errors
/// When the header is no number.
pub(super) fn deadline(headers: &HeaderMap, settings: &Overload, began: Instant) -> Result<Instant, Problem> {
    let Some(value) = headers.get(DEADLINE_HEADER) else { return Ok(began + settings.deadline.0) };
    let millis: u64 = value.to_str().ok().and_then(|v| v.trim().parse().ok()).ok_or_else(|| {
        Problem::new(Kind::BadRequest, format!("`{DEADLINE_HEADER}` is no whole number of milliseconds"))
    })?;
    Ok(began + Duration::from_millis(millis).min(settings.deadline_max.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::Config;
    use crate::serve::keys::Keys;

    #[tokio::test]
    async fn what_is_in_flight_stays_within_limit_and_share() {
        let sha = |c: &str| c.repeat(64);
        let text = format!(
            "[overload]\nconcurrency = 4\n\
             [[key]]\nname = \"a\"\nsha256 = \"{}\"\nscopes = [\"score\"]\nshare = 0.5\n\
             [[key]]\nname = \"b\"\nsha256 = \"{}\"\nscopes = [\"score\"]\n",
            sha("a"),
            sha("b")
        );
        let config: Config = toml::from_str(&text).unwrap();
        let keys = Keys::of(&config).unwrap();
        let (a, b) = (&keys.all()[0], &keys.all()[1]);
        let admission = Admission::new();
        let later = Instant::now() + Duration::from_secs(9);
        let enter = |key| admission.enter(key, &config.overload, later);
        let held = (enter(a).unwrap(), enter(a).unwrap()); // at the share
        assert_eq!(enter(a).err(), Some(Refused::Share)); // past it
        let more = (enter(b).unwrap(), enter(b).unwrap()); // at the limit
        assert_eq!(enter(b).err(), Some(Refused::Full)); // past it
        drop(held);
        assert_eq!(admission.in_flight(), 2);
        assert!(enter(a).is_ok());
        // When requests wait for their thread, those are refused that have less than twice that time.
        admission.lag.micros.store(10_000, Ordering::Relaxed);
        let soon = |millis| {
            admission.enter(b, &config.overload, Instant::now() + Duration::from_millis(millis)).err()
        };
        assert_eq!(
            [soon(19), soon(19), soon(19), soon(19)],
            [None, Some(Refused::Full), Some(Refused::Full), None]
        );
        assert_eq!(soon(30), None);
        admission.lag.micros.store(0, Ordering::Relaxed);
        let over = admission.enter(b, &config.overload, Instant::now());
        assert_eq!(over.err(), Some(Refused::Late));
        drop(more);
        assert_eq!(admission.in_flight(), 0);
    }

    /// Keys `low`, `normal` and `high`, in this order.
    fn ranked(concurrency: usize) -> (Config, Keys) {
        let mut text = format!("[overload]\nconcurrency = {concurrency}\n");
        for (name, digit) in [("low", "a"), ("normal", "b"), ("high", "c")] {
            let sha = digit.repeat(64);
            text += &format!("[[key]]\nname = \"{name}\"\nsha256 = \"{sha}\"\nscopes = [\"score\"]\n");
            text += &format!("priority = \"{name}\"\n");
        }
        let config: Config = toml::from_str(&text).unwrap();
        let keys = Keys::of(&config).unwrap();
        (config, keys)
    }

    #[tokio::test]
    async fn room_is_kept_free_for_those_above() {
        let (config, keys) = ranked(10);
        let [low, normal, high] = [0, 1, 2].map(|i| &keys.all()[i]);
        let admission = Admission::new();
        let later = Instant::now() + Duration::from_secs(9);
        let fill = |key| {
            let enter = || admission.enter(key, &config.overload, later);
            std::iter::from_fn(|| enter().ok()).collect::<Vec<_>>()
        };
        let held = (fill(low), fill(normal), fill(high));
        assert_eq!((held.0.len(), held.1.len(), held.2.len()), (6, 2, 2));
        let full = |key| admission.enter(key, &config.overload, later).err();
        assert_eq!([low, normal, high].map(full), [Some(Refused::Full); 3]);
        drop(held);
        // With nobody above, all is theirs.
        let (config, _) = ranked(10);
        let alone = Config { key: config.key[..1].to_vec(), ..config };
        let keys = Keys::of(&alone).unwrap();
        let all: Vec<_> = (0..11).map(|_| admission.place(&keys.all()[0], 10)).collect();
        assert_eq!(all.iter().filter(|place| place.is_ok()).count(), 10);
    }

    #[tokio::test]
    async fn low_is_refused_first_and_high_last_when_requests_wait() {
        let (config, keys) = ranked(100);
        let admission = Admission::new();
        // Scores that take as long as a hundred refusals: next to nobody is spared.
        admission.took(REFUSAL * 100);
        let refused = |wait: u64| {
            admission.lag.micros.store(wait, Ordering::Relaxed);
            [0, 1, 2].map(|i| {
                let soon = || Instant::now() + Duration::from_millis(100);
                let enter = || admission.enter(&keys.all()[i], &config.overload, soon());
                (0..404).filter(|_| enter().is_err()).count()
            })
        };
        assert_eq!(refused(20_000), [0, 0, 0]);
        assert_eq!(refused(30_000), [403, 0, 0]);
        assert_eq!(refused(60_000), [403, 400, 0]);
        assert_eq!(refused(120_000), [403, 400, 400]);
    }

    #[test]
    fn so_many_are_spared_that_half_of_the_time_goes_to_scoring() {
        for (score, one_of) in [(0, 3), (15, 3), (30, 4), (500, 51)] {
            let admission = Admission::new();
            admission.took(Duration::from_micros(score));
            let spared = (0..one_of * 10).filter(|_| admission.spared(Priority::Normal)).count();
            assert_eq!(spared, 10, "{score}");
        }
        let admission = Admission::new();
        admission.took(Duration::from_micros(100));
        (0..200).for_each(|_| admission.took(Duration::from_micros(20)));
        let learnt = admission.score.load(Ordering::Relaxed);
        assert!((20_000..22_000).contains(&learnt), "{learnt}");
    }
}
