//! What did this entity do before?
//!
//! A [`Plan`] lists the questions, [`Velocity`] answers them. `layout` compiles the plan to what each
//! kind of entity must keep; `table` finds an entity's `block` of events; `window` reads it, with
//! `running` totals where there are many events and `folded` ones where there are too many; a `shard`
//! puts these together behind a lock, `budget` says who is forgotten when there are more than the `limits` allow,
//! `prepared` is what a payment brings, `store` is the face of all shards, and `batch` shares them out; `image` is
//! how they are saved.

mod aggregate;
mod batch;
mod block;
mod budget;
mod clock;
mod folded;
mod image;
mod layout;
mod limits;
mod prefetch;
mod prepared;
mod running;
mod shard;
mod store;
mod table;
mod totals;
mod window;

pub use aggregate::{
    AGGREGATES_MAX, Aggregate, ENTITIES_MAX, ENTITY_FIELDS_MAX, Entity, FILTERS_MAX, Function, Plan,
    PlanFull, Status, WINDOW_MAX,
};
pub use budget::MEMORY_MIN;
pub use limits::Limits;
pub use store::{Op, Velocity};

/// Most events of one entity that may be kept one by one.
///
/// ```
/// assert!(tollgate::VelocityLimits::default().events <= tollgate::EVENTS_MAX);
/// ```
pub const EVENTS_MAX: usize = 1 << 15;
/// Most shards: enough that two threads seldom meet.
const SHARDS_MAX: usize = 512;
/// Most words of an event: time, flags, and each field as a number and as a value.
const ROW_WORDS_MAX: usize = 2 + 2 * crate::schema::FIELDS_MAX;
