//! Which fields does a foreign name fill, and how?

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::schema::{FieldId, Kind, Schema, field};

/// The name under which the things bought are read, unless the schema gives it to a field.
pub(super) const ITEMS: &str = "items";

/// One field that a name fills.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub id: FieldId,
    pub kind: Kind,
    /// Texts that stand for others; empty for nearly every column.
    pub values: BTreeMap<String, String>,
    /// Money in minor units.
    pub minor: bool,
    /// Digits here are never a card number.
    pub exempt: bool,
}

/// What becomes of a name's values.
#[derive(Debug, Clone)]
pub(super) enum What {
    Fields(Vec<Target>),
    Items,
    Ignored,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub name: Box<str>,
    pub what: What,
    /// Whether JSON writes the name as it is: without escapes.
    pub plain: bool,
}

/// Every name a schema knows, found by hash.
#[derive(Debug)]
pub(super) struct Names {
    pub entries: Vec<Entry>,
    lookup: HashMap<Box<str>, u32, FixedState>,
}

impl Names {
    pub fn of(schema: &Schema) -> Names {
        let mut names: Vec<&str> =
            schema.column_names().chain(schema.ignored_names()).chain([ITEMS]).collect();
        names.sort_unstable();
        names.dedup();
        let mut lookup = HashMap::with_hasher(FixedState::with_seed(schema.seed()));
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            if let Some(what) = what(schema, name) {
                lookup.insert(Box::from(name), entries.len() as u32);
                let plain = !name.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\');
                entries.push(Entry { name: Box::from(name), what, plain });
            }
        }
        Names { entries, lookup }
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.lookup.get(name).map(|i| *i as usize)
    }
}

/// What the schema says of a name; `None` when it knows nothing of it.
pub(super) fn what(schema: &Schema, name: &str) -> Option<What> {
    let targets = schema.targets(name);
    if schema.ignores(name) {
        Some(What::Ignored)
    } else if !targets.is_empty() {
        Some(What::Fields(
            targets
                .iter()
                .map(|(id, column)| Target {
                    id: *id,
                    kind: schema.field(*id).kind,
                    values: column.values.clone(),
                    minor: column.minor,
                    exempt: schema.pan_exempt(*id),
                })
                .collect(),
        ))
    } else {
        (name == ITEMS).then_some(What::Items)
    }
}

/// Where a field is read from, for messages: `` `amount` or `TX_AMOUNT` ``.
pub(super) fn sources(schema: &Schema, id: FieldId) -> String {
    let mut names: Vec<&str> = schema
        .column_names()
        .filter(|name| !schema.ignores(name) && schema.targets(name).iter().any(|(other, _)| *other == id))
        .collect();
    names.sort_unstable();
    match names.split_last() {
        None => "nothing; map a column onto it in schema.toml".to_owned(),
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => format!("`{}` or `{last}`", rest.join("`, `")),
    }
}

/// Refuses an input none of whose columns fills a field that every payment needs.
pub(super) fn require(
    schema: &Schema,
    fills: impl Fn(FieldId) -> bool,
    found: impl Iterator<Item = String>,
) -> Result<(), String> {
    /// Bytes of the list of columns that a message shows.
    const LISTED_BYTES: usize = 200;
    let default = |id| schema.default_texts().iter().any(|(other, _)| *other == id);
    let needed = [field::ID, field::AT, field::AMOUNT];
    let Some(id) = needed.into_iter().find(|id| !fills(*id) && !default(*id)) else { return Ok(()) };
    let mut listed = String::new();
    for name in found {
        listed.push_str(if listed.is_empty() { "" } else { ", " });
        if listed.len() > LISTED_BYTES {
            listed.push('…');
            break;
        }
        listed.push_str(&name);
    }
    Err(format!(
        "no column is read into `{}`, which is read from {}; map one onto it in schema.toml (the columns are: {listed})",
        schema.field(id).name,
        sources(schema, id)
    ))
}

/// Most unknown names that are told apart; those past it are counted together.
pub(super) const UNKNOWN_NAMES_MAX: usize = 1_000;
/// What the names past [`UNKNOWN_NAMES_MAX`] are counted under.
pub(super) const OTHER_NAMES: &str = "(other names)";

/// Names that the schema doesn't know, with how often they came.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    counts: HashMap<String, Count, FixedState>,
    others: u64,
}

#[derive(Debug, Default)]
struct Count {
    times: u64,
    last_row: u64,
}

impl Unknown {
    /// Counts a name in row `row` (numbers that never repeat, from 1); false when the row has had
    /// it already.
    pub fn count(&mut self, name: &str, row: u64) -> bool {
        if let Some(count) = self.counts.get_mut(name) {
            let fresh = count.last_row != row;
            count.times += 1;
            count.last_row = row;
            return fresh;
        }
        if self.counts.len() < UNKNOWN_NAMES_MAX {
            self.counts.insert(name.to_owned(), Count { times: 1, last_row: row });
        } else {
            self.others += 1;
        }
        true
    }

    /// Moves the counts into a table for people, where names are free of card numbers.
    pub fn drain_into(&mut self, table: &mut BTreeMap<String, u64>) {
        for (name, count) in self.counts.iter_mut().filter(|(_, c)| c.times > 0) {
            add(table, &super::shown(name), std::mem::take(&mut count.times));
        }
        if self.others > 0 {
            add(table, OTHER_NAMES, std::mem::take(&mut self.others));
        }
    }
}

/// Adds to a name's count, within the limit of names.
pub(super) fn add(table: &mut BTreeMap<String, u64>, name: &str, times: u64) {
    let known = table.contains_key(name) || table.len() < UNKNOWN_NAMES_MAX;
    *table.entry(if known { name } else { OTHER_NAMES }.to_owned()).or_default() += times;
}

/// A hash for maps whose keys come from strangers.
pub(super) fn seeded(schema: &Schema) -> impl BuildHasher + Clone + use<> {
    FixedState::with_seed(schema.seed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_told_apart_to_the_limit_and_counted_together_past_it() {
        let (mut unknown, mut table) = (Unknown::default(), BTreeMap::new());
        for i in 0..UNKNOWN_NAMES_MAX {
            assert!(unknown.count(&format!("n{i:04}"), 1));
        }
        unknown.drain_into(&mut table);
        assert_eq!((table.len(), table.get(OTHER_NAMES)), (UNKNOWN_NAMES_MAX, None));
        for name in ["past", "n0000", "past"] {
            unknown.count(name, 2);
        }
        unknown.drain_into(&mut table);
        assert_eq!((table["n0000"], table[OTHER_NAMES]), (2, 2));
        // Another file's names meet the same limit.
        add(&mut table, "another", 5);
        assert_eq!((table.get("another"), table[OTHER_NAMES]), (None, 7));
    }
}
