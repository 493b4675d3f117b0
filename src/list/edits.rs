//! What was edited since the files were read, for the lists of pipelines to come.

use std::collections::BTreeMap;

use super::{List, ListError, ListItem, Lists};

/// One edit of a list.
///
/// ```
/// use tollgate::{ListEdit, ListItem};
/// let add = ListEdit { list: "blocked".into(), value: "tok_1".into(), item: Some(ListItem::default()) };
/// assert!(add.item.is_some()); // `None` takes the value out
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEdit {
    /// The list's name.
    pub list: String,
    /// The value, written as it would stand in the list.
    pub value: String,
    /// What is known of it from now on; `None` when it is taken out.
    pub item: Option<ListItem>,
}

impl ListEdit {
    /// Does the edit; whether anything changed.
    pub(crate) fn make(&self, list: &List) -> Result<bool, ListError> {
        match &self.item {
            Some(item) => list.insert(&self.value, item.clone()).map(|()| true),
            None => Ok(list.remove(&self.value)),
        }
    }
}

/// What edits of lists came to: of each value the last edit, and its number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    latest: BTreeMap<Place, (u64, Option<ListItem>)>,
    /// The greatest number so far.
    last: u64,
}

/// A list's name, and a value as it was written.
type Place = (String, String);

impl Edits {
    /// Keeps an edit; its number says after which others it came.
    pub fn push(&mut self, number: u64, edit: ListEdit) {
        self.last = self.last.max(number);
        self.latest.insert((edit.list, edit.value), (number, edit.item));
    }

    /// Keeps an edit that comes after all others.
    #[cfg(feature = "serve")]
    pub fn add(&mut self, edit: ListEdit) {
        self.push(self.last + 1, edit);
    }

    /// Values with an edit.
    #[cfg(feature = "serve")]
    pub fn len(&self) -> usize {
        self.latest.len()
    }

    /// Whether the edit's value has one already.
    #[cfg(feature = "serve")]
    pub fn has(&self, edit: &ListEdit) -> bool {
        self.latest.contains_key(&(edit.list.clone(), edit.value.clone()))
    }

    /// Makes them to the lists of a pipeline, in the order in which they were made: one value may have been
    /// written in two ways.
    pub fn apply(&self, lists: &Lists) {
        for (_, edit) in self.list() {
            if let Some(found) = lists.get(&edit.list) {
                // A list that has become one of another kind takes no part in what it held.
                let _ = edit.make(&found);
            }
        }
    }

    /// All of them in that order, with their numbers.
    pub fn list(&self) -> Vec<(u64, ListEdit)> {
        let edit = |((list, value), (number, item)): (&Place, &(u64, Option<ListItem>))| {
            (*number, ListEdit { list: list.clone(), value: value.clone(), item: item.clone() })
        };
        let mut edits: Vec<_> = self.latest.iter().map(edit).collect();
        edits.sort_unstable_by_key(|(number, _)| *number);
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::ListKind;
    use crate::schema::Schema;
    use crate::time::Timestamp;

    #[test]
    fn one_value_written_in_two_ways_is_as_it_was_left() {
        for taken_out_last in [true, false] {
            let mut edits = Edits::default();
            let put = |value: &str, item| ListEdit { list: "mail".into(), value: value.into(), item };
            let ways = [put("A@b.example", Some(ListItem::default())), put("a@B.example", None)];
            let order = if taken_out_last { [0, 1] } else { [1, 0] };
            order.iter().zip(1..).for_each(|(way, number)| edits.push(number, ways[*way].clone()));
            let schema = Schema::standard();
            let lists = Lists::new([List::new("mail", ListKind::Text, &schema)]);
            edits.apply(&lists);
            let found = lists.get("mail").and_then(|list| list.find("a@b.example", Timestamp::MIN));
            assert_eq!(found.is_none(), taken_out_last);
        }
    }
}
