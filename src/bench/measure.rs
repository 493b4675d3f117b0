//! What was measured? Latencies in a histogram, answers by what they were, and both again slice by slice.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::decision::Outcome;

/// The longest latency that is told apart from longer ones.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Decimal digits that are kept of a latency, and of one in a slice.
const DIGITS: u8 = 3;
const SLICE_DIGITS: u8 = 2;
/// Slices of a phase.
const SLICES: u64 = 40;
const SLICE_NS_MIN: u64 = 100_000_000;
/// The percentiles that are told.
pub(crate) const PERCENTILES: [f64; 8] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With a decision.
    Decided(Outcome),
    /// Well, and without a word on the outcome.
    Fine,
    /// It was turned away or decided by a policy, unscored, because there was too much to do.
    Shed,
    /// With an error.
    Refused,
    /// The connection ended, or none could be made.
    Broken,
    /// Not in time.
    TimedOut,
    /// Its time was over before it could be sent.
    Unsent,
}

/// Answers by what they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub(crate) approve: u64,
    pub(crate) challenge: u64,
    pub(crate) review: u64,
    pub(crate) decline: u64,
    /// Good answers that name no outcome.
    pub(crate) without_outcome: u64,
    /// 429, 503, or decided by a policy because of overload or a deadline.
    pub(crate) shed: u64,
    /// Any other status that is no success.
    pub(crate) refused: u64,
    /// Connections that broke or could not be made.
    pub(crate) broken: u64,
    pub(crate) timed_out: u64,
    /// Scheduled, and never sent: every connection was busy until it would have timed out.
    pub(crate) unsent: u64,
}

impl Answers {
    fn count(&mut self, answer: Answer) {
        *match answer {
            Answer::Decided(Outcome::Approve) => &mut self.approve,
            Answer::Decided(Outcome::Challenge) => &mut self.challenge,
            Answer::Decided(Outcome::Review) => &mut self.review,
            Answer::Decided(Outcome::Decline) => &mut self.decline,
            Answer::Fine => &mut self.without_outcome,
            Answer::Shed => &mut self.shed,
            Answer::Refused => &mut self.refused,
            Answer::Broken => &mut self.broken,
            Answer::TimedOut => &mut self.timed_out,
            Answer::Unsent => &mut self.unsent,
        } += 1;
    }

    fn add(&mut self, other: &Answers) {
        let Answers { approve, challenge, review, decline, without_outcome, .. } = other;
        self.approve += approve;
        self.challenge += challenge;
        self.review += review;
        self.decline += decline;
        self.without_outcome += without_outcome;
        self.shed += other.shed;
        self.refused += other.refused;
        self.broken += other.broken;
        self.timed_out += other.timed_out;
        self.unsent += other.unsent;
    }

    /// By outcome, mildest first.
    pub(crate) fn outcomes(&self) -> [u64; 4] {
        [self.approve, self.challenge, self.review, self.decline]
    }

    /// Answers that were what was asked for.
    pub(crate) fn good(&self) -> u64 {
        self.outcomes().iter().sum::<u64>() + self.without_outcome
    }

    /// Everything that was to be answered.
    pub(crate) fn all(&self) -> u64 {
        self.good() + self.shed + self.refused + self.broken + self.timed_out + self.unsent
    }
}

/// What one thread measures, in nanoseconds since the phase began.
pub(super) struct Recorder {
    /// What begins before is not counted.
    from: u64,
    slice: u64,
    latency: Histogram<u64>,
    /// Of those that were turned away.
    shed: Histogram<u64>,
    /// How long after its time each request was sent.
    lateness: Histogram<u64>,
    answers: Answers,
    slices: Vec<Slice>,
    /// Requests for which somebody stood ready before their time.
    ready: u64,
}

struct Slice {
    latency: Histogram<u64>,
    failed: u64,
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, digits).expect("the bounds are in order and the digits few")
}

impl Recorder {
    /// For a phase that warms up for `warmup` and then is measured for `duration`.
    pub(super) fn new(warmup: Duration, duration: Duration) -> Recorder {
        Recorder {
            from: nanos(warmup),
            slice: (nanos(duration) / SLICES).max(SLICE_NS_MIN),
            latency: histogram(DIGITS),
            shed: histogram(DIGITS),
            lateness: histogram(DIGITS),
            answers: Answers::default(),
            slices: Vec::new(),
            ready: 0,
        }
    }

    /// A request that was to begin at `begin` has ended `latency` later. Latencies are of good answers; those
    /// of sheds stand apart.
    pub(super) fn record(&mut self, begin: u64, latency: u64, answer: Answer) {
        let Some(since) = begin.checked_sub(self.from) else { return };
        self.answers.count(answer);
        let place = (since / self.slice) as usize;
        while self.slices.len() <= place {
            self.slices.push(Slice { latency: histogram(SLICE_DIGITS), failed: 0 });
        }
        match answer {
            Answer::Decided(_) | Answer::Fine => {
                self.latency.saturating_record(latency);
                self.slices[place].latency.saturating_record(latency);
            }
            other => {
                if other == Answer::Shed {
                    self.shed.saturating_record(latency);
                }
                self.slices[place].failed += 1;
            }
        }
    }

    /// A request that was to begin at `begin` was sent `late`; `ready` says whether somebody stood ready before.
    pub(super) fn sent(&mut self, begin: u64, late: u64, ready: bool) {
        if begin >= self.from {
            self.lateness.saturating_record(late);
            self.ready += u64::from(ready);
        }
    }

    /// Takes in what another thread measured.
    pub(super) fn merge(&mut self, other: &Recorder) {
        self.answers.add(&other.answers);
        self.ready += other.ready;
        let same = "histograms of one kind have the same bounds";
        self.latency.add(&other.latency).expect(same);
        self.shed.add(&other.shed).expect(same);
        self.lateness.add(&other.lateness).expect(same);
        while self.slices.len() < other.slices.len() {
            self.slices.push(Slice { latency: histogram(SLICE_DIGITS), failed: 0 });
        }
        for (slice, other) in self.slices.iter_mut().zip(&other.slices) {
            slice.latency.add(&other.latency).expect(same);
            slice.failed += other.failed;
        }
    }

    pub(super) fn answers(&self) -> Answers {
        self.answers
    }

    pub(super) fn latency(&self) -> Latency {
        Latency::of(&self.latency)
    }

    /// How long those waited that were turned away; `None` when nobody was.
    pub(super) fn shed(&self) -> Option<Latency> {
        (!self.shed.is_empty()).then(|| Latency::of(&self.shed))
    }

    pub(super) fn lateness(&self) -> Latency {
        Latency::of(&self.lateness)
    }

    /// The share of requests for which somebody stood ready before their time.
    pub(super) fn readiness(&self) -> f64 {
        self.ready as f64 / (self.lateness.len() as f64).max(1.0)
    }

    /// The slices of a phase that was measured for so many seconds; the last may be short.
    pub(super) fn slices(&self, seconds: f64) -> Vec<Interval> {
        let length = self.slice as f64 / 1e9;
        let interval = |(i, slice): (usize, &Slice)| {
            let begin = i as f64 * length;
            let at = |q: f64| slice.latency.value_at_quantile(q);
            Interval {
                begin_seconds: begin,
                seconds: length.min(seconds - begin),
                good: slice.latency.len(),
                failed: slice.failed,
                p50_ns: at(0.5),
                p99_ns: at(0.99),
                p999_ns: at(0.999),
                max_ns: slice.latency.max(),
            }
        };
        self.slices.iter().enumerate().map(interval).filter(|i| i.seconds > 0.0).collect()
    }
}

/// A part of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    pub(crate) begin_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) good: u64,
    pub(crate) failed: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    pub(crate) max_ns: u64,
}

impl Interval {
    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.seconds.max(1e-9)
    }
}

/// A percentile and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentile {
    pub(crate) percentile: f64,
    pub(crate) ns: u64,
}

/// A histogram, told and kept: the buckets are `[nanoseconds, how many]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) mean_ns: f64,
    pub(crate) standard_deviation_ns: f64,
    pub(crate) percentiles: Vec<Percentile>,
    pub(crate) buckets: Vec<[u64; 2]>,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Latency {
        let told = |percentile: f64| Percentile {
            percentile,
            ns: match percentile {
                100.0 => histogram.max(),
                p => histogram.value_at_quantile(p / 100.0).min(histogram.max()),
            },
        };
        Latency {
            count: histogram.len(),
            mean_ns: histogram.mean(),
            standard_deviation_ns: histogram.stdev(),
            percentiles: PERCENTILES.into_iter().map(told).collect(),
            buckets: histogram.iter_recorded().map(|b| [b.value_iterated_to(), b.count_at_value()]).collect(),
        }
    }

    /// What so many percent stayed at or below, in nanoseconds; 0 of nothing.
    pub(crate) fn at(&self, percentile: f64) -> u64 {
        self.percentiles.iter().find(|p| p.percentile == percentile).map_or(0, |p| p.ns)
    }

    /// The histogram that it tells of.
    pub(crate) fn histogram(&self) -> Histogram<u64> {
        let mut histogram = histogram(DIGITS);
        self.buckets.iter().for_each(|[value, count]| histogram.saturating_record_n(*value, *count));
        histogram
    }
}

/// Whole nanoseconds; what is too long is as long as can be.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
