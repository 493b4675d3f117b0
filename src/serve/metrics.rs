//! What is counted, and how it is told: OpenMetrics text with closed sets of labels.
//!
//! Counters of the hot path are kept in parts, one for each thread as far as there are parts, so that
//! threads don't take a line of the cache from each other. Adding them up is the reader's work.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use parking_lot::Mutex;

use super::admit::Refused;
use super::exemplar::Exemplars;
use super::exposition::Text;
use super::routes::Route;
use super::totals::{Times, Totals};
use crate::decision::{Decision, Degraded, Outcome};
use crate::pipeline::Pipeline;

/// Parts of the counters.
const PARTS: usize = 32;
/// Upper bounds of the histograms' buckets, in nanoseconds.
pub(super) const BOUNDS: [u64; 18] = [
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
];

/// The bucket of a time.
pub(super) fn bucket(nanos: u64) -> usize {
    BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len())
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    sum: Counter,
}

impl Histogram {
    fn observe(&self, nanos: u64) {
        self.buckets[bucket(nanos)].add(1);
        self.sum.add(nanos);
    }
}

/// The parts of a payment's way through the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Parse,
    Score,
    Write,
    /// From the headers to the answer.
    Total,
}

impl Stage {
    pub(super) const ALL: [Stage; 4] = [Stage::Parse, Stage::Score, Stage::Write, Stage::Total];

    pub(super) fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Score => "score",
            Stage::Write => "write",
            Stage::Total => "total",
        }
    }
}

/// Answers by route and first digit of the status.
#[derive(Debug)]
struct Requests([[Counter; 6]; Route::ALL.len()]);

impl Default for Requests {
    fn default() -> Requests {
        Requests(std::array::from_fn(|_| Default::default()))
    }
}

/// One thread's counters.
#[derive(Debug, Default)]
pub(super) struct Part {
    outcomes: [Counter; 4],
    degraded: [Counter; Degraded::all_names().len()],
    stages: [Histogram; 4],
    requests: Requests,
    refused: [Counter; Refused::ALL.len()],
}

/// What connections did.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) accepted: Counter,
    pub(super) accept_errors: Counter,
    pub(super) refused: Counter,
    pub(super) handshake_errors: Counter,
    pub(super) timeouts: Counter,
    pub(super) broken: Counter,
}

/// What reloads came to.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    pub(super) swapped: Counter,
    pub(super) unchanged: Counter,
    pub(super) failed: Counter,
    pub(super) held_back: Counter,
    /// 1 while the last thing read from the folder is not what is in force.
    pub(super) stale: AtomicU64,
}

impl Reloads {
    pub(super) fn by_result(&self) -> [(&'static str, &Counter); 4] {
        [
            ("swapped", &self.swapped),
            ("unchanged", &self.unchanged),
            ("failed", &self.failed),
            ("held_back", &self.held_back),
        ]
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    parts: Box<[CachePadded<Part>]>,
    pub(super) connections: Connections,
    pub(super) reloads: Reloads,
    pub(super) replayed: Counter,
    /// Of [`Stage::Total`].
    pub(super) exemplars: Exemplars,
    rules: Mutex<BTreeMap<String, Arc<Counter>>>,
    brake_trips: Mutex<BTreeMap<String, Arc<Counter>>>,
}

/// The counters of one pipeline's rules, by the index that decisions use.
pub(super) type RuleHits = Box<[Arc<Counter>]>;

thread_local! {
    static PART: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn own_part() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    PART.with(|part| {
        if part.get() == usize::MAX {
            part.set(NEXT.fetch_add(1, Ordering::Relaxed) % PARTS);
        }
        part.get()
    })
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        Metrics {
            parts: (0..PARTS).map(|_| CachePadded::default()).collect(),
            connections: Connections::default(),
            reloads: Reloads::default(),
            replayed: Counter::default(),
            exemplars: Exemplars::default(),
            rules: Mutex::default(),
            brake_trips: Mutex::default(),
        }
    }

    fn part(&self) -> &Part {
        &self.parts[own_part()]
    }

    /// The counters of a pipeline's rules; a rule that stays keeps its own.
    pub(super) fn rule_hits(&self, pipeline: &Pipeline) -> RuleHits {
        let mut rules = self.rules.lock();
        pipeline.entries().iter().map(|e| rules.entry(e.id.clone()).or_default().clone()).collect()
    }

    /// How often a rule has gone past its brake.
    pub(super) fn brake_trips(&self, rule: &str) -> Arc<Counter> {
        self.brake_trips.lock().entry(rule.to_owned()).or_default().clone()
    }

    /// Payments that rules were asked about: those that a policy decided are left out.
    pub(super) fn scored(&self) -> u64 {
        self.histogram(Stage::Score).0.iter().sum()
    }

    /// Counts a decision.
    pub(super) fn decided(&self, decision: &Decision, hits: &RuleHits) {
        let part = self.part();
        part.outcomes[decision.outcome as usize].add(1);
        for rule in decision.matched.iter() {
            if let Some(counter) = hits.get(rule) {
                counter.add(1);
            }
        }
        for place in decision.degraded.places() {
            part.degraded[place].add(1);
        }
    }

    /// Counts how long a stage took.
    pub(super) fn took(&self, stage: Stage, time: Duration) {
        self.part().stages[stage as usize].observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a request by its answer.
    pub(super) fn answered(&self, route: Route, status: u16) {
        let class = usize::from(status / 100).min(5);
        self.part().requests.0[route as usize][class].add(1);
    }

    pub(super) fn refused(&self, why: Refused) {
        self.part().refused[why as usize].add(1);
    }

    fn sum(&self, of: impl Fn(&Part) -> &Counter) -> u64 {
        self.parts.iter().map(|part| of(part).get()).sum()
    }

    fn histogram(&self, stage: Stage) -> ([u64; BOUNDS.len() + 1], u64) {
        let of = |part: usize| &self.parts[part].stages[stage as usize];
        let buckets = std::array::from_fn(|i| (0..PARTS).map(|p| of(p).buckets[i].get()).sum());
        (buckets, (0..PARTS).map(|p| of(p).sum.get()).sum())
    }

    /// What was counted up to now.
    pub(super) fn totals(&self) -> Totals {
        let times = |stage| {
            let (buckets, nanos) = self.histogram(stage);
            Times { buckets, nanos }
        };
        Totals {
            at: Instant::now(),
            outcomes: std::array::from_fn(|i| self.sum(|p| &p.outcomes[i])),
            degraded: std::array::from_fn(|i| self.sum(|p| &p.degraded[i])),
            refused: std::array::from_fn(|i| self.sum(|p| &p.refused[i])),
            stages: Stage::ALL.map(times),
            rules: self.rules.lock().iter().map(|(rule, counter)| (rule.clone(), counter.get())).collect(),
        }
    }

    /// The families with their samples.
    pub(super) fn tell(&self, text: &mut Text) -> fmt::Result {
        text.family("decisions", "counter", "Payments decided, by outcome.")?;
        for outcome in Outcome::ALL {
            text.count(&[("outcome", outcome.name())], self.sum(|p| &p.outcomes[outcome as usize]))?;
        }
        text.family("degraded", "counter", "Decisions that had to do without something, by what.")?;
        for (i, name) in Degraded::all_names().iter().enumerate() {
            text.count(&[("reason", name)], self.sum(|p| &p.degraded[i]))?;
        }
        text.family("rule_hits", "counter", "Payments that a rule matched, by rule.")?;
        for (rule, counter) in &*self.rules.lock() {
            text.count(&[("rule", rule)], counter.get())?;
        }
        text.family("brake_trips", "counter", "Times that a rule went past its brake, by rule.")?;
        for (rule, counter) in &*self.brake_trips.lock() {
            text.count(&[("rule", rule)], counter.get())?;
        }
        text.family("stage_seconds", "histogram", "Time of the stages of a payment's way.")?;
        for stage in Stage::ALL {
            let (buckets, nanos) = self.histogram(stage);
            let exemplars = match stage {
                Stage::Total => self.exemplars.all(),
                Stage::Parse | Stage::Score | Stage::Write => [None; BOUNDS.len() + 1],
            };
            text.histogram(("stage", stage.name()), &buckets, nanos, &exemplars)?;
        }
        text.family("requests", "counter", "Requests answered, by route and class of status.")?;
        for route in Route::ALL {
            for (class, name) in ["2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
                let count = self.sum(|p| &p.requests.0[route as usize][class + 2]);
                text.count(&[("route", route.name()), ("status", name)], count)?;
            }
        }
        text.family("refused", "counter", "Payments that were not scored, by reason.")?;
        for why in Refused::ALL {
            text.count(&[("reason", why.name())], self.sum(|p| &p.refused[why as usize]))?;
        }
        let c = &self.connections;
        text.family("connections_accepted", "counter", "Connections accepted.")?;
        text.count(&[], c.accepted.get())?;
        text.family(
            "connections_failed",
            "counter",
            "Connections that ended otherwise than well, by reason.",
        )?;
        for (reason, counter) in [
            ("accept", &c.accept_errors),
            ("peer_limit", &c.refused),
            ("handshake", &c.handshake_errors),
            ("timeout", &c.timeouts),
            ("broken", &c.broken),
        ] {
            text.count(&[("reason", reason)], counter.get())?;
        }
        let r = &self.reloads;
        text.family("reloads", "counter", "Attempts to take other rules, by result.")?;
        for (result, counter) in r.by_result() {
            text.count(&[("result", result)], counter.get())?;
        }
        text.family("reload_stale", "gauge", "1 while the folder's rules are not the ones in force.")?;
        text.gauge(&[], r.stale.load(Ordering::Relaxed) as f64)?;
        text.family("idempotent_replays", "counter", "Requests answered with the answer of one before.")?;
        text.count(&[], self.replayed.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::exposition::Form;

    #[test]
    fn buckets_hold_their_bound_and_add_up() {
        let metrics = Metrics::new();
        for nanos in [0, 500, 501, 2_000_000_000] {
            metrics.took(Stage::Score, Duration::from_nanos(nanos));
        }
        let mut text = Text::new(Form::OpenMetrics);
        metrics.tell(&mut text).unwrap();
        let text = text.finish();
        for line in [
            "tollgate_stage_seconds_bucket{stage=\"score\",le=\"0.0000005\"} 2",
            "tollgate_stage_seconds_bucket{stage=\"score\",le=\"0.000001\"} 3",
            "tollgate_stage_seconds_bucket{stage=\"score\",le=\"1\"} 3",
            "tollgate_stage_seconds_bucket{stage=\"score\",le=\"+Inf\"} 4",
            "tollgate_stage_seconds_count{stage=\"score\"} 4",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
