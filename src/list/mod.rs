//! Who is known already: typed lists of values, edited while payments are scored.
//!
//! A list's meaning (block, allow, watch) is its rules' business; the list only knows its items.
//! Whether an item still counts is judged by the payment's own time, so yesterday's decision can be
//! made again tomorrow.
//!
//! | file | question |
//! |---|---|
//! | `kind.rs` | what may be on a list, and why is a value refused? |
//! | `item.rs` | what is known of an item? |
//! | `blocks.rs` | how are networks kept and looked up? |
//! | `prefixes.rs` | how are first digits of cards kept and looked up? |
//! | `lists.rs` | which lists are there? |
//! | `file.rs` | what do the files of a folder say? |
//! | `edits.rs` | what was changed since the folder was read? |

mod blocks;
mod edits;
mod file;
mod item;
mod kind;
mod lists;
mod prefixes;

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use foldhash::fast::FixedState;

use crate::payment::canonical;
use crate::schema::{Country, Schema, symbol};
use crate::time::Timestamp;
use crate::token::contains_pan;
use blocks::{Block, Blocks};
use item::Entry;
use prefixes::{Prefixes, Range};

pub(crate) use edits::Edits;
pub use edits::ListEdit;
#[cfg(feature = "serve")]
pub(crate) use edits::{Editor, FRAUD};
pub use item::ListItem;
pub use kind::{LIST_ITEMS_MAX, LIST_VALUE_BYTES_MAX, ListError, ListKind};
pub use lists::{LISTS_MAX, Lists};

/// A list: typed values with their reasons, looked up without allocation and edited concurrently.
///
/// ```
/// use tollgate::{List, ListItem, ListKind, Schema, Timestamp};
/// let list = List::new("proxies", ListKind::Ip, &Schema::standard());
/// let at = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
/// list.insert("198.51.100.0/24", ListItem { expires: Some(at), ..ListItem::default() })?;
/// list.insert("203.0.113.9", ListItem { reason: "tor exit".into(), ..ListItem::default() })?;
/// assert!(list.contains_text("203.0.113.9", at));
/// assert!(!list.contains_text("198.51.100.9", at)); // expired at that very instant
/// assert_eq!(&*list.find("203.0.113.9", at).unwrap().reason, "tor exit");
/// assert!(list.remove("203.0.113.9") && !list.contains_text("203.0.113.9", at));
/// # Ok::<(), tollgate::ListError>(())
/// ```
#[derive(Debug)]
pub struct List {
    name: String,
    about: String,
    kind: ListKind,
    /// The seed of the schema whose symbols are looked up here.
    seed: u64,
    count: AtomicUsize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    /// Text, tokens and countries by the symbol that a payment's slot holds already. Two values of
    /// one symbol would be taken for one; with a million items a lookup meets such a pair once in
    /// 2^44, and nobody can aim for it without the seed.
    Symbols(DashMap<u64, Entry, FixedState>),
    Blocks(Blocks),
    Prefixes(Prefixes),
}

/// A value, read as its list's kind: what it is kept under.
enum Key {
    Symbol(u64),
    Block(Block),
    Range(Range),
}

impl List {
    /// An empty list for payments of `schema`.
    pub fn new(name: &str, kind: ListKind, schema: &Schema) -> List {
        let hash = FixedState::with_seed(schema.seed());
        let store = match kind {
            ListKind::Text | ListKind::Token | ListKind::Country => {
                Store::Symbols(DashMap::with_hasher(hash))
            }
            ListKind::Ip => Store::Blocks(Blocks::new(hash)),
            ListKind::Bin => Store::Prefixes(Prefixes::new(hash)),
        };
        List {
            name: name.to_owned(),
            about: String::new(),
            kind,
            seed: schema.seed(),
            count: AtomicUsize::new(0),
            store,
        }
    }

    /// The name that rules call it by, without the `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line about it; empty when its file says none.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// What its values are.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// How many items, expired ones included.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the value of a text or token field (see `Payment::symbol`), or a country's packed
    /// letters, is listed at `at`; false for lists of other kinds.
    pub fn contains_symbol(&self, symbol: u64, at: Timestamp) -> bool {
        match &self.store {
            Store::Symbols(map) => map.get(&symbol).is_some_and(|entry| entry.live(at)),
            _ => false,
        }
    }

    /// Whether an address (IPv4 as IPv4-mapped IPv6) is listed at `at`, itself or by a block.
    /// One hash probe for each prefix length in the list.
    pub fn contains_ip(&self, ip: Ipv6Addr, at: Timestamp) -> bool {
        match &self.store {
            Store::Blocks(blocks) => blocks.find(ip, at, |_| ()).is_some(),
            _ => false,
        }
    }

    /// Whether the first digits of a card are listed at `at`: all cards that begin with `digits`
    /// are covered by one item.
    pub fn contains_bin(&self, digits: &str, at: Timestamp) -> bool {
        match &self.store {
            Store::Prefixes(prefixes) => prefixes.find(digits, at, |_| ()).is_some(),
            _ => false,
        }
    }

    /// Whether a value, written as it would stand in the list, is covered at `at`.
    pub fn contains_text(&self, value: &str, at: Timestamp) -> bool {
        self.with(value, at, |_| ()).is_some()
    }

    /// The item that covers `value` at `at`.
    pub fn find(&self, value: &str, at: Timestamp) -> Option<ListItem> {
        self.with(value, at, |entry| entry.known.item.clone())
    }

    /// The item that covers the value of a payment's field at `at`, and the value it was listed as.
    ///
    /// # Errors
    /// When no field of the list's kind has this value: nothing covers it, or ever will.
    #[cfg(feature = "serve")]
    pub(crate) fn lookup(
        &self,
        value: &str,
        at: Timestamp,
    ) -> Result<Option<(Box<str>, ListItem)>, ListError> {
        let known = match &self.store {
            _ if value.is_empty() => return Err(ListError::Empty),
            _ if contains_pan(value) => return Err(ListError::CardNumber),
            Store::Symbols(_) => self.symbol(value).is_some(),
            Store::Blocks(_) => value.parse::<std::net::IpAddr>().is_ok(),
            Store::Prefixes(_) => value.bytes().all(|b| b.is_ascii_digit()),
        };
        let read = |entry: &Entry| (entry.known.value.clone(), entry.known.item.clone());
        if known { Ok(self.with(value, at, read)) } else { Err(ListError::Kind(self.kind)) }
    }

    fn with<R>(&self, value: &str, at: Timestamp, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        match &self.store {
            Store::Symbols(map) => {
                let entry = map.get(&self.symbol(value)?)?;
                entry.live(at).then(|| read(&entry))
            }
            Store::Blocks(blocks) => blocks.find(canonical(value.parse().ok()?), at, read),
            Store::Prefixes(prefixes) => prefixes.find(value, at, read),
        }
    }

    fn symbol(&self, value: &str) -> Option<u64> {
        match self.kind {
            ListKind::Country => Country::parse(value).map(Country::packed),
            kind => Some(symbol(self.seed, value.as_bytes(), kind == ListKind::Token)),
        }
    }

    /// Adds an item, or replaces what is known of one. Scoring sees it from its next lookup on.
    ///
    /// # Errors
    /// When the value is not of the list's kind, or a limit is met; the list is then unchanged.
    pub fn insert(&self, value: &str, item: ListItem) -> Result<(), ListError> {
        let value = value.trim();
        if [value, &item.reason, &item.source].iter().any(|text| text.len() > LIST_VALUE_BYTES_MAX) {
            return Err(ListError::TooLong);
        }
        // A range of BINs is twelve digits or more and a dash, and never one card.
        let open = if self.kind == ListKind::Bin { "" } else { value };
        if [open, &item.reason, &item.source].iter().any(|text| contains_pan(text)) {
            return Err(ListError::CardNumber);
        }
        let key = self.key(value)?;
        let entry = Entry::new(value, item);
        match (&self.store, key) {
            (Store::Symbols(map), Key::Symbol(symbol)) => match map.entry(symbol) {
                Place::Occupied(mut old) => {
                    old.insert(entry);
                }
                Place::Vacant(free) => {
                    self.reserve()?;
                    free.insert(entry);
                }
            },
            (Store::Blocks(blocks), Key::Block(block)) => {
                blocks.insert(block, entry, || self.reserve())?;
            }
            (Store::Prefixes(prefixes), Key::Range(range)) => {
                prefixes.insert(range, entry, || self.reserve())?;
            }
            _ => return Err(ListError::Kind(self.kind)),
        }
        Ok(())
    }

    /// Takes one item more into the count, unless the list is full.
    fn reserve(&self) -> Result<(), ListError> {
        let room = |n: usize| (n < LIST_ITEMS_MAX).then_some(n + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| ListError::Full)?;
        Ok(())
    }

    /// Takes an item out; whether it was there. A block or range goes as a whole, by the value it
    /// was listed as.
    pub fn remove(&self, value: &str) -> bool {
        let removed = match (&self.store, self.key(value.trim())) {
            (Store::Symbols(map), Ok(Key::Symbol(symbol))) => map.remove(&symbol).is_some(),
            (Store::Blocks(blocks), Ok(Key::Block(block))) => blocks.remove(block),
            (Store::Prefixes(prefixes), Ok(Key::Range(range))) => prefixes.remove(range),
            _ => false,
        };
        if removed {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        removed
    }

    fn key(&self, value: &str) -> Result<Key, ListError> {
        if value.is_empty() {
            return Err(ListError::Empty);
        }
        match self.kind {
            ListKind::Text | ListKind::Token | ListKind::Country => self.symbol(value).map(Key::Symbol),
            ListKind::Ip => Block::parse(value).map(Key::Block),
            ListKind::Bin => Range::parse(value).map(Key::Range),
        }
        .ok_or(ListError::Kind(self.kind))
    }

    /// All items with their values, in ascending order of the values: a copy, for display.
    pub fn items(&self) -> Vec<(Box<str>, ListItem)> {
        let mut items: Vec<Entry> = match &self.store {
            Store::Symbols(map) => map.iter().map(|entry| entry.clone()).collect(),
            Store::Blocks(blocks) => blocks.entries(),
            Store::Prefixes(prefixes) => prefixes.entries(),
        };
        items.sort_unstable_by(|a, b| a.known.value.cmp(&b.known.value));
        items.into_iter().map(|entry| (entry.known.value, entry.known.item)).collect()
    }

    /// Feeds all that decides what the list answers to a hash function, in an order that depends on
    /// nothing else.
    pub(crate) fn write_digest(&self, write: &mut impl FnMut(&[u8])) {
        let mut text = |text: &str| {
            write(&(text.len() as u64).to_le_bytes());
            write(text.as_bytes());
        };
        text(&self.name);
        text(&self.kind.to_string());
        for (value, item) in self.items() {
            text(&value);
            text(&item.expires.map_or(String::new(), |end| end.micros().to_string()));
            text(&item.reason);
            text(&item.source);
        }
    }
}
