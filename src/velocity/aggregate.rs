//! What can be asked about an entity's past: one aggregate, and the plan that collects those a
//! pipeline needs.

use std::fmt;

use arrayvec::ArrayVec;

use crate::decision::Outcome;
use crate::schema::FieldId;
use crate::time::Span;

/// The longest window, and the longest delay.
///
/// ```
/// assert_eq!(tollgate::WINDOW_MAX, tollgate::Span::from_secs(90 * 86_400));
/// ```
pub const WINDOW_MAX: Span = Span::from_secs(90 * 86_400);
/// Most fields that one entity may be a tuple of.
///
/// ```
/// assert_eq!(tollgate::Entity::new().capacity(), tollgate::ENTITY_FIELDS_MAX);
/// ```
pub const ENTITY_FIELDS_MAX: usize = 4;
/// Most aggregates one pipeline may ask for.
///
/// ```
/// use tollgate::{AGGREGATES_MAX, PlanFull};
/// assert!(PlanFull::Aggregates.to_string().contains(&AGGREGATES_MAX.to_string()));
/// ```
pub const AGGREGATES_MAX: usize = 512;
/// Most different entities (kinds, not values) one pipeline may count by.
///
/// ```
/// use tollgate::{ENTITIES_MAX, PlanFull};
/// assert!(PlanFull::Entities.to_string().contains(&ENTITIES_MAX.to_string()));
/// ```
pub const ENTITIES_MAX: usize = 32;
/// Most different `where` conditions one pipeline may filter events by.
///
/// ```
/// assert_eq!(tollgate::FILTERS_MAX, 16);
/// ```
pub const FILTERS_MAX: usize = 16;

/// What became of a payment, as a bit in its event; several may be set.
///
/// ```
/// use tollgate::Status;
/// assert_eq!(Status::parse("disputed"), Some(Status::Disputed));
/// assert_eq!(Status::parse("charged_back"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// The institution said yes.
    Authorized,
    /// The institution said no.
    Declined,
    /// We said no.
    Blocked,
    /// The merchant gave the money back.
    Refunded,
    /// The payer called it back: a chargeback or a fraud report.
    Disputed,
    /// We asked for proof.
    Challenged,
    /// The proof failed.
    OtpFailed,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 7] = [
        Status::Authorized,
        Status::Declined,
        Status::Blocked,
        Status::Refunded,
        Status::Disputed,
        Status::Challenged,
        Status::OtpFailed,
    ];

    /// The word used in rules and files.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Authorized => "authorized",
            Status::Declined => "declined",
            Status::Blocked => "blocked",
            Status::Refunded => "refunded",
            Status::Disputed => "disputed",
            Status::Challenged => "challenged",
            Status::OtpFailed => "otp_failed",
        }
    }

    /// The status with this name, in any case.
    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name))
    }

    /// Its bit in an event's flags.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl From<Outcome> for Option<Status> {
    /// What an outcome of ours makes of a payment: a decline blocks, a challenge challenges.
    fn from(outcome: Outcome) -> Option<Status> {
        match outcome {
            Outcome::Decline => Some(Status::Blocked),
            Outcome::Challenge => Some(Status::Challenged),
            Outcome::Approve | Outcome::Review => None,
        }
    }
}

/// What is computed over the events of the window.
///
/// ```
/// use tollgate::{Function, field};
/// assert_ne!(Function::Sum(field::AMOUNT), Function::Avg(field::AMOUNT));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// How many events.
    Count,
    /// The sum of a money or number field. Money is summed in the rate table's base currency and
    /// given in its major units; numbers are summed in millionths.
    Sum(FieldId),
    /// Sum over count, of events that have the field; absent when there are none.
    Avg(FieldId),
    /// The least; absent when there are none.
    Min(FieldId),
    /// The greatest; absent when there are none.
    Max(FieldId),
    /// The standard deviation of the sample (n - 1); absent below two events. Numbers beyond 2^53
    /// millionths (nine billion) count as that.
    StdDev(FieldId),
    /// How many different values of a field; events without it don't count.
    Distinct(FieldId),
    /// When the entity was first seen, microseconds since the epoch: over its whole life when there
    /// is no window, otherwise within it. Absent when there is no event.
    FirstSeen,
    /// Seconds since the newest event of the window; absent when there is none.
    Since,
    /// Events of the status (and filter) over all attempts (of the filter); absent when there are none.
    Ratio,
}

/// The entity an aggregate counts by: one field, or a tuple of them in ascending order.
///
/// ```
/// use tollgate::{Entity, field};
/// let pair: Entity = [field::CARD, field::MERCHANT].into_iter().collect();
/// assert_eq!(pair.len(), 2);
/// ```
pub type Entity = ArrayVec<FieldId, ENTITY_FIELDS_MAX>;

/// One question about the past of the payment's entity. With the payment at `t` and a window `w`:
///
/// | form | events |
/// |---|---|
/// | plain | `[t - w, t]` of those that arrived before the payment |
/// | `including` | `(t - w, t]`, and the payment itself (as an attempt without status) |
/// | `delay d` | `(t - d - w, t - d]` of those that arrived before the payment |
///
/// Without a window: all that is known of the entity, up to [`WINDOW_MAX`] ago.
///
/// ```
/// use tollgate::{Aggregate, Function, Span, field};
/// let count = Aggregate {
///     function: Function::Count,
///     entity: [field::CARD].into_iter().collect(),
///     window: Some(Span::from_secs(600)),
///     delay: Span::default(),
///     including: false,
///     status: None,
///     filter: None,
/// };
/// assert!(count.window.unwrap() < tollgate::WINDOW_MAX);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// By what.
    pub entity: Entity,
    /// Over how long; `None` for [`WINDOW_MAX`] (for `FirstSeen`: for ever).
    pub window: Option<Span>,
    /// How far the window is shifted into the past; zero for not at all.
    pub delay: Span,
    /// Whether this payment counts too.
    pub including: bool,
    /// Only events with this status; `None` for all attempts.
    pub status: Option<Status>,
    /// Only events for which this `where` condition held when they happened.
    pub filter: Option<u8>,
}

/// The aggregates that a pipeline needs, each once; their order is the order of an activity's values.
///
/// ```
/// use tollgate::{Aggregate, Function, Plan, Span, field};
/// let count = Aggregate {
///     function: Function::Count,
///     entity: [field::CARD].into_iter().collect(),
///     window: Some(Span::from_secs(600)),
///     delay: Span::default(),
///     including: false,
///     status: None,
///     filter: None,
/// };
/// let mut plan = Plan::default();
/// assert_eq!((plan.add(count.clone()), plan.add(count)), (Ok(0), Ok(0)));
/// assert_eq!(plan.aggregates().len(), 1); // asked twice, kept once
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    aggregates: Vec<Aggregate>,
}

/// Which limit of a plan was met.
///
/// ```
/// assert!(tollgate::PlanFull::Entities.to_string().contains("at most 32"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanFull {
    /// [`AGGREGATES_MAX`].
    Aggregates,
    /// [`ENTITIES_MAX`].
    Entities,
}

impl fmt::Display for PlanFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanFull::Aggregates => {
                write!(f, "a pipeline asks for at most {AGGREGATES_MAX} different aggregates")
            }
            PlanFull::Entities => write!(f, "a pipeline counts by at most {ENTITIES_MAX} different entities"),
        }
    }
}

impl Plan {
    /// The index of `aggregate`, which is added when it is new.
    ///
    /// # Errors
    /// When a limit of the plan is met.
    pub fn add(&mut self, aggregate: Aggregate) -> Result<usize, PlanFull> {
        if let Some(i) = self.aggregates.iter().position(|a| *a == aggregate) {
            return Ok(i);
        }
        if self.aggregates.len() == AGGREGATES_MAX {
            return Err(PlanFull::Aggregates);
        }
        let mut entities: Vec<&Entity> = self.aggregates.iter().map(|a| &a.entity).collect();
        entities.sort_unstable();
        entities.dedup();
        if entities.len() == ENTITIES_MAX && !entities.contains(&&aggregate.entity) {
            return Err(PlanFull::Entities);
        }
        self.aggregates.push(aggregate);
        Ok(self.aggregates.len() - 1)
    }

    /// All of them, by index.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }
}
