//! How much of the past is kept?

use crate::time::{Span, Timestamp};

/// How much of the past is kept.
///
/// ```
/// let limits = tollgate::VelocityLimits { entities: 50_000, ..Default::default() };
/// assert!(limits.known_since.is_none()); // history is whole
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entities of all kinds together. Past it, of a sample of entities the one with the fewest events for the
    /// time since it was touched is forgotten, and windows that may have held its events are absent, not
    /// zero. Each shard holds an equal share, so the last percent may go unused.
    pub entities: usize,
    /// Events kept one by one for each entity, at most [`EVENTS_MAX`](crate::EVENTS_MAX). Older ones are folded
    /// into totals of stretches of time; a window that reaches those is off by at most one stretch
    /// at its edge, [`Degraded::SATURATED`](crate::Degraded::SATURATED) is set, and distinct values are a lower
    /// bound.
    pub events: usize,
    /// Bytes that entities and their events may take, at least [`MEMORY_MIN`](crate::MEMORY_MIN); `None` for as many as
    /// the limits above make of it. Near it entities are forgotten like past `entities`. Running totals of busy entities
    /// are counted at their worst, whether or not there are any.
    pub memory: Option<usize>,
    /// How much older than the newest a payment may be and still find its windows whole.
    pub lateness: Span,
    /// When watching began: windows that reach before it are absent. `None` when history is whole.
    pub known_since: Option<Timestamp>,
}

impl Default for Limits {
    /// Ten million entities, 4096 events each, no budget of bytes, a day of lateness, history whole.
    fn default() -> Limits {
        let lateness = Span::from_secs(86_400);
        Limits { entities: 10_000_000, events: 4096, memory: None, lateness, known_since: None }
    }
}
