//! Which request was it? The newest traced one of each bucket of a histogram, so that a slow one can be looked at.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::HeaderValue;
use parking_lot::Mutex;

use super::metrics::{BOUNDS, bucket};
use super::trace;

/// A traced request that took so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exemplar {
    trace: [u8; trace::TRACE_DIGITS],
    span: [u8; trace::SPAN_DIGITS],
    pub(super) nanos: u64,
    /// Since 1970.
    at: Duration,
}

impl Exemplar {
    /// As labels, in hex.
    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        // Only hex digits were let in.
        let text = |digits| std::str::from_utf8(digits).unwrap_or_default();
        [("trace_id", text(&self.trace)), ("span_id", text(&self.span))]
    }

    /// When it was answered, in seconds since 1970.
    pub(super) fn at(&self) -> f64 {
        self.at.as_millis() as f64 / 1e3
    }
}

/// The newest of each bucket.
#[derive(Debug, Default)]
pub(super) struct Exemplars([Mutex<Option<Exemplar>>; BOUNDS.len() + 1]);

impl Exemplars {
    /// Keeps a request by the header of its answer, when its trace is one that is recorded.
    pub(super) fn keep(&self, traceparent: &HeaderValue, took: Duration) {
        let Some((trace, span)) = trace::recorded(traceparent.as_bytes()) else { return };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // A clock before 1970 tells nothing.
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Whoever finds another at it leaves it to that one: both are new.
        if let Some(mut place) = self.0[bucket(nanos)].try_lock() {
            *place = Some(Exemplar { trace, span, nanos, at });
        }
    }

    /// What is kept, bucket by bucket.
    pub(super) fn all(&self) -> [Option<Exemplar>; BOUNDS.len() + 1] {
        std::array::from_fn(|i| *self.0[i].lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(header: &str, took: Duration) -> Vec<(usize, String)> {
        let exemplars = Exemplars::default();
        exemplars.keep(&HeaderValue::from_str(header).unwrap(), took);
        let all = exemplars.all();
        let some =
            all.iter().enumerate().filter_map(|(i, e)| Some((i, e.as_ref()?.labels()[0].1.to_owned())));
        some.collect()
    }

    #[test]
    fn a_recorded_trace_is_kept_in_the_bucket_of_its_time() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let header = |flags: &str| format!("00-{id}-b7ad6b7169203331-{flags}");
        assert_eq!(kept(&header("01"), Duration::from_nanos(500)), [(0, id.to_owned())]);
        assert_eq!(kept(&header("03"), Duration::from_nanos(501)), [(1, id.to_owned())]);
        assert_eq!(kept(&header("01"), Duration::from_secs(2)), [(BOUNDS.len(), id.to_owned())]);
        // Nobody would find these.
        assert_eq!(kept(&header("00"), Duration::from_nanos(500)), []);
        assert_eq!(kept(&header("02"), Duration::from_nanos(500)), []);
        assert_eq!(kept("nonsense", Duration::from_nanos(500)), []);
    }
}
