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

/// What begins the name of a payment that moves money: an item whose source it is was put there by itself.
const PAYMENT: &str = "pay_";
/// Its reason.
pub(crate) const FRAUD: &str = "fraud";

/// Who edits lists: each has room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Editor {
    /// Somebody.
    Hand,
    /// A payment that is taken for fraud.
    Fraud,
}

impl Editor {
    fn of(item: &ListItem) -> Editor {
        match *item.reason == *FRAUD && item.source.starts_with(PAYMENT) {
            true => Editor::Fraud,
            false => Editor::Hand,
        }
    }
}

/// What edits of lists came to: of each value the last edit, and its number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    latest: BTreeMap<Place, Latest>,
    /// The greatest number so far.
    last: u64,
    /// How many of the values are fraud's.
    fraud: usize,
}

#[derive(Debug, Clone)]
struct Latest {
    number: u64,
    item: Option<ListItem>,
    /// Whose it is; of a value that is taken out, whoever put it there last.
    editor: Editor,
}

/// A list's name, and a value as it was written.
type Place = (String, String);

impl Edits {
    /// Keeps an edit; its number says after which others it came.
    pub fn push(&mut self, number: u64, edit: ListEdit) {
        self.last = self.last.max(number);
        let place = (edit.list, edit.value);
        let before = self.latest.get(&place).map(|latest| latest.editor);
        let editor = edit.item.as_ref().map(Editor::of).or(before).unwrap_or(Editor::Hand);
        self.fraud -= usize::from(before == Some(Editor::Fraud));
        self.fraud += usize::from(editor == Editor::Fraud);
        self.latest.insert(place, Latest { number, item: edit.item, editor });
    }

    /// Keeps an edit that comes after all others.
    #[cfg(feature = "serve")]
    pub fn add(&mut self, edit: ListEdit) {
        self.push(self.last + 1, edit);
    }

    /// Values that somebody has edited last, and whether the edit's is among them.
    #[cfg(feature = "serve")]
    pub fn room(&self, editor: Editor, edit: &ListEdit) -> (usize, bool) {
        let count = match editor {
            Editor::Hand => self.latest.len() - self.fraud,
            Editor::Fraud => self.fraud,
        };
        let latest = self.latest.get(&(edit.list.clone(), edit.value.clone()));
        (count, latest.is_some_and(|latest| latest.editor == editor))
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
        let edit = |((list, value), latest): (&Place, &Latest)| {
            (latest.number, ListEdit { list: list.clone(), value: value.clone(), item: latest.item.clone() })
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

    #[cfg(feature = "serve")]
    #[test]
    fn somebodys_edits_and_frauds_have_room_of_their_own() {
        let mut edits = Edits::default();
        let put = |value: &str, source: &str, reason: &str| {
            let item = ListItem { expires: None, reason: reason.into(), source: source.into() };
            ListEdit { list: "mail".into(), value: value.into(), item: Some(item) }
        };
        let rooms =
            |edits: &Edits| [Editor::Hand, Editor::Fraud].map(|editor| edits.room(editor, &put("a", "", "")));
        for (number, edit, expected) in [
            (1, put("b", "ann", "fraud"), [(1, false), (0, false)]),
            (2, put("a", "pay_1", "tests"), [(2, true), (0, false)]),
            (3, put("a", "pay_1", "fraud"), [(1, false), (1, true)]),
            (4, put("c", "pay_2", "fraud"), [(1, false), (2, true)]),
            (5, ListEdit { item: None, ..put("c", "", "") }, [(1, false), (2, true)]),
            (6, put("c", "ann", ""), [(2, false), (1, true)]),
            (7, ListEdit { item: None, ..put("d", "", "") }, [(3, false), (1, true)]),
        ] {
            edits.push(number, edit);
            assert_eq!(rooms(&edits), expected, "after {number}");
        }
    }

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
