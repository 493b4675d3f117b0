//! Which lists are there?

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{List, file};
use crate::error::{Diagnostic, nearest};
use crate::schema::Schema;

/// Most lists of one folder.
///
/// ```
/// assert_eq!(tollgate::LISTS_MAX, 256);
/// ```
pub const LISTS_MAX: usize = 256;

/// The lists of a folder, by name. Which lists there are is fixed; what is on them may change.
///
/// ```
/// use tollgate::{List, ListItem, ListKind, Lists, Schema, Timestamp};
/// let domains = List::new("disposable", ListKind::Text, &Schema::standard());
/// domains.insert("Trash.example", ListItem::default()).unwrap();
/// let lists = Lists::new([domains]);
/// assert!(lists.get("disposable").unwrap().contains_text("trash.EXAMPLE", Timestamp::default()));
/// assert!(lists.get("never").is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lists(BTreeMap<String, Arc<List>>);

impl Lists {
    /// No list.
    pub fn empty() -> Lists {
        Lists::default()
    }

    /// These lists; of two with one name the later.
    pub fn new(lists: impl IntoIterator<Item = List>) -> Lists {
        Lists(lists.into_iter().map(|list| (list.name.clone(), Arc::new(list))).collect())
    }

    /// Reads every `NAME.toml` of a folder and the item files they name; a folder that does not
    /// exist has no lists.
    ///
    /// # Errors
    /// Every mistake of the folder, each with its place.
    pub fn load(dir: impl AsRef<Path>, schema: &Schema) -> Result<Lists, Vec<Diagnostic>> {
        file::load(dir.as_ref(), schema).map(Lists::new)
    }

    /// Reads the lists among files whose texts are at hand (path and text): those in a folder
    /// called `lists`.
    pub(crate) fn read(files: &[(String, String)], schema: &Schema) -> Result<Lists, Vec<Diagnostic>> {
        file::among(files, schema).map(Lists::new)
    }

    /// The list called `name`, without the `@`.
    pub fn get(&self, name: &str) -> Option<Arc<List>> {
        self.0.get(name).cloned()
    }

    /// All names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The list whose name is nearest to `name`, when one is near.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.names())
    }

    /// Feeds all lists to a hash function; see [`List::write_digest`].
    pub(crate) fn write_digest(&self, write: &mut impl FnMut(&[u8])) {
        self.0.values().for_each(|list| list.write_digest(write));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{ListItem, ListKind};

    fn digest(seed: u64, items: &[(&str, &str)]) -> Vec<u8> {
        let list = List::new("l", ListKind::Token, &Schema::standard().with_seed(seed));
        for (value, reason) in items {
            list.insert(value, ListItem { reason: (*reason).into(), ..ListItem::default() }).unwrap();
        }
        let mut bytes = Vec::new();
        Lists::new([list]).write_digest(&mut |b| bytes.extend_from_slice(b));
        bytes
    }

    #[test]
    fn the_digest_depends_on_the_items_alone() {
        let one = digest(1, &[("a", "x"), ("b", "y")]);
        assert_eq!(one, digest(2, &[("b", "y"), ("a", "z"), ("a", "x")]));
        assert_ne!(one, digest(1, &[("a", "x"), ("b", "z")]));
        assert_ne!(digest(1, &[("ab", "c")]), digest(1, &[("a", "bc")]));
    }
}
