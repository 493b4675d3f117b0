//! What did this entity do before?

mod aggregate;

pub use aggregate::{
    AGGREGATES_MAX, Aggregate, ENTITIES_MAX, ENTITY_FIELDS_MAX, Entity, FILTERS_MAX, Function, Plan,
    PlanFull, Status, WINDOW_MAX,
};
