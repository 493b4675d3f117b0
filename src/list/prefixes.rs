//! First digits of cards: are all cards that begin with these digits covered by an item?
//!
//! A range of numbers is cut into prefixes as a block of addresses would be, but in decimal:
//! `400000-400149` is `4000`, `40010`, `40011`, ... `40014`. A lookup is then one probe for each leading part of the
//! digits, however many ranges there are, and a six-digit item covers an eight-digit BIN.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::FixedState;

use super::Entry;
use crate::time::Timestamp;

/// Most digits of an item: one below the shortest card number, so that no item is a whole one.
pub(super) const DIGITS_MAX: usize = crate::token::PAN_DIGITS_MIN - 1;

/// All numbers of `digits` digits from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    digits: u8,
    low: u64,
    high: u64,
}

/// All digit strings that begin with the `digits` digits of `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Prefix {
    digits: u8,
    number: u64,
}

impl Range {
    /// Reads `411111` or `400000-400099`.
    pub(super) fn parse(text: &str) -> Option<Range> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (low.trim(), high.trim());
        let range = Range { digits: low.len() as u8, low: number(low)?, high: number(high)? };
        (low.len() == high.len() && range.low <= range.high).then_some(range)
    }

    /// The fewest prefixes that cover it exactly, in ascending order: at most 18 for each digit.
    fn prefixes(self) -> impl Iterator<Item = Prefix> {
        let mut next = self.low;
        std::iter::from_fn(move || {
            if next > self.high {
                return None;
            }
            let (mut size, mut digits) = (1, self.digits);
            while digits > 1 && next.is_multiple_of(size * 10) && self.high - next >= size * 10 - 1 {
                size *= 10;
                digits -= 1;
            }
            let prefix = Prefix { digits, number: next / size };
            next += size;
            Some(prefix)
        })
    }
}

fn number(digits: &str) -> Option<u64> {
    let plain = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// The items of each prefix. Several may share one (`4000` and `400000-400099` do).
#[derive(Debug)]
pub(super) struct Prefixes(DashMap<Prefix, Vec<(Range, Arc<Entry>)>, FixedState>);

impl Prefixes {
    pub(super) fn new(hash: FixedState) -> Prefixes {
        Prefixes(DashMap::with_hasher(hash))
    }

    /// What `read` makes of a live item that covers all cards beginning with `digits`.
    pub(super) fn find<R>(&self, digits: &str, at: Timestamp, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        let mut number = 0;
        for (i, digit) in digits.bytes().take(DIGITS_MAX).enumerate() {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            if let Some(items) = self.0.get(&Prefix { digits: i as u8 + 1, number })
                && let Some((_, entry)) = items.iter().find(|(_, entry)| entry.live(at))
            {
                return Some(read(entry));
            }
        }
        None
    }

    /// A range of several prefixes appears prefix by prefix: a lookup in the same instant sees its
    /// own card listed or not, never anything else.
    pub(super) fn insert<E>(
        &self,
        range: Range,
        entry: Entry,
        reserve: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let entry = Arc::new(entry);
        let mut reserve = Some(reserve);
        for prefix in range.prefixes() {
            // The lock of the first prefix decides between two who insert one range.
            let mut items = self.0.entry(prefix).or_default();
            match items.iter_mut().find(|(other, _)| *other == range) {
                Some((_, old)) => *old = entry.clone(),
                None => {
                    if let Some(reserve) = reserve.take()
                        && let Err(full) = reserve()
                    {
                        let unused = items.is_empty();
                        drop(items);
                        if unused {
                            self.0.remove_if(&prefix, |_, items| items.is_empty());
                        }
                        return Err(full);
                    }
                    items.push((range, entry.clone()));
                }
            }
            reserve = None;
        }
        Ok(())
    }

    pub(super) fn remove(&self, range: Range) -> bool {
        let mut removed = false;
        for (i, prefix) in range.prefixes().enumerate() {
            let mut found = false;
            self.0.remove_if_mut(&prefix, |_, items| {
                let before = items.len();
                items.retain(|(other, _)| *other != range);
                found = items.len() < before;
                items.is_empty()
            });
            removed |= i == 0 && found;
        }
        removed
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let first = |range: Range| range.prefixes().next();
        let owned = |prefix: Prefix, items: &[(Range, Arc<Entry>)]| -> Vec<Entry> {
            items.iter().filter(|(r, _)| first(*r) == Some(prefix)).map(|(_, e)| Entry::clone(e)).collect()
        };
        self.0.iter().flat_map(|items| owned(*items.key(), items.value())).collect()
    }
}
