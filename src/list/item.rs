//! What is known of an item?

use std::sync::Arc;

use crate::time::Timestamp;

/// What is known of an item beside its value.
///
/// ```
/// use tollgate::{ListItem, Timestamp};
/// let item = ListItem { reason: "chargeback".into(), ..ListItem::default() };
/// assert!(item.expires.is_none()); // for ever
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListItem {
    /// The instant from which it no longer counts; `None` for never.
    pub expires: Option<Timestamp>,
    /// Why it is listed.
    pub reason: Arc<str>,
    /// Who or what listed it.
    pub source: Arc<str>,
}

/// An item as it is kept: sixteen bytes for the hot path, which asks for nothing but the end.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Microseconds since the epoch; beyond every instant for items that don't expire.
    end: i64,
    pub(super) known: Box<Known>,
}

/// What is only read for display, with the value as it was written.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) value: Box<str>,
    pub(super) item: ListItem,
}

impl Entry {
    pub(super) fn new(value: &str, item: ListItem) -> Entry {
        let end = item.expires.map_or(i64::MAX, Timestamp::micros);
        Entry { end, known: Box::new(Known { value: value.into(), item }) }
    }

    pub(super) fn live(&self, at: Timestamp) -> bool {
        at.micros() < self.end
    }
}
