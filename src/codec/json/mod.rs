//! One JSON object becomes one payment, in one pass from bytes into slots.
//!
//! There is no tree in between: a name is looked up as soon as it is read (usually by comparing it
//! with the name that came there in a row before), and its value goes straight to its field.
//! Nested objects are flattened, `{"card":{"country":"FR"}}` is the field `card.country`.
//!
//! | file | question |
//! |---|---|
//! | `decoder.rs` | how is a single payment read? |
//! | `object.rs` | which field does a name mean, and which values does it take? |
//! | `items.rs` | what was bought? |
//! | `skip.rs` | is what nobody asks for written as JSON? |
//! | `scalar.rs` | how are strings, numbers and words written? |

mod decoder;
mod items;
mod object;
mod scalar;
mod skip;

use super::names::{ITEMS, Names, Unknown};
use super::row::Row;
use super::{RowError, Settings, column_of, shown};
use crate::payment::Payment;
use crate::schema::Schema;

pub use decoder::JsonDecoder;

/// What is kept from row to row.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each name that the schema knows, the one that came after it last; the first, for the row's begin.
    after: Vec<u32>,
    /// One bit for each name that this row has had.
    seen: Vec<u64>,
    rows: u64,
    key: String,
    path: String,
    value: String,
    sku: String,
    category: String,
    /// A name of this row that the schema doesn't know.
    pub stranger: Option<String>,
}

/// What a decoder is told once.
pub(super) struct Context<'a> {
    pub schema: &'a Schema,
    pub names: &'a Names,
    pub settings: &'a Settings,
    /// Whether what every payment needs may be missing: somebody fills it in.
    pub partial: bool,
}

/// What one row is written into.
pub(super) struct Into<'a> {
    pub payment: &'a mut Payment,
    pub row: &'a mut Row,
    pub scratch: &'a mut Scratch,
    pub unknown: &'a mut Unknown,
}

type Done = Result<(), Box<RowError>>;

/// An unknown name, where unknown names are errors.
#[cold]
pub(super) fn stranger(schema: &Schema, name: &str) -> Box<RowError> {
    let near = schema.nearest(name).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Box::new(RowError {
        field: Some(shown(name)),
        column: None,
        reason: format!(
            "no field or column of the schema has this name{near} (map it or list it under `ignore` in schema.toml)"
        ),
    })
}

/// Reads one object into a payment.
pub(super) fn payment_of(cx: &Context<'_>, bytes: &[u8], into: Into<'_>) -> Done {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => return Err(at(bytes, e.valid_up_to(), "it is not UTF-8 from here on")),
    };
    into.payment.clear();
    into.row.start();
    into.scratch.start(cx.names.entries.len());
    let mut parser = Parser { cx, text, bytes, at: 0, previous: 0, fields: 0, into };
    parser.space();
    match parser.byte() {
        Some(b'{') => parser.at += 1,
        Some(b'[') => {
            return Err(parser.here("a list; one object a line is expected (`jq -c '.[]'` makes it so)"));
        }
        _ => return Err(parser.here("one JSON object a line is expected")),
    }
    parser.object(0, 0)?;
    parser.space();
    if parser.at < bytes.len() {
        return Err(parser.here("something follows the object"));
    }
    match cx.partial {
        false => parser.into.row.finish(cx.schema, parser.into.payment),
        true => parser.into.row.complete(cx.schema, parser.into.payment),
    }
}

/// The list of things bought, from a cell that holds it as JSON.
pub(super) fn items_of(cx: &Context<'_>, text: &str, into: Into<'_>) -> Done {
    let mut parser = Parser { cx, text, bytes: text.as_bytes(), at: 0, previous: 0, fields: 0, into };
    parser.space();
    parser.items(ITEMS, 0)?;
    parser.space();
    match parser.at < text.len() {
        true => Err(parser.here("something follows the list")),
        false => Ok(()),
    }
}

impl Scratch {
    fn start(&mut self, names: usize) {
        self.rows += 1;
        self.seen.clear();
        self.seen.resize(names.div_ceil(64), 0);
        self.after.resize(names + 1, 0);
        self.stranger = None;
    }
}

#[cold]
fn at(bytes: &[u8], at: usize, reason: &str) -> Box<RowError> {
    Box::new(RowError { field: None, column: Some(column_of(bytes, at)), reason: reason.to_owned() })
}

struct Parser<'a, 'c> {
    cx: &'c Context<'c>,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The place in [`Scratch::after`] of the known name that came last.
    previous: usize,
    fields: usize,
    into: Into<'c>,
}

impl<'a, 'c> Parser<'a, 'c> {
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    #[cold]
    fn here(&self, reason: &str) -> Box<RowError> {
        match self.byte() {
            None => at(self.bytes, self.at, "the object ends in the middle; the line may have been cut"),
            Some(0) => at(self.bytes, self.at, "a NUL byte"),
            Some(_) => at(self.bytes, self.at, reason),
        }
    }

    /// An error about a field's value that began at `start`.
    #[cold]
    fn about(&self, mut error: Box<RowError>, name: &str, start: usize) -> Box<RowError> {
        error.field.get_or_insert_with(|| shown(name));
        error.column.get_or_insert_with(|| column_of(self.bytes, start));
        error
    }

    /// Whether a list or object ends here, without anything (more) in it.
    #[inline]
    fn closes(&mut self, close: u8) -> bool {
        self.space();
        let closes = self.byte() == Some(close);
        self.at += usize::from(closes);
        closes
    }

    /// After an element: whether another follows. `expected` says what is missing when neither a
    /// comma nor the end does.
    #[inline]
    fn goes_on(&mut self, close: u8, expected: &str) -> Result<bool, Box<RowError>> {
        if self.closes(close) {
            return Ok(false);
        }
        if self.byte() != Some(b',') {
            return Err(self.here(expected));
        }
        self.at += 1;
        Ok(true)
    }

    /// What stands between a field's name and its value.
    #[inline]
    fn colon(&mut self) -> Done {
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.here("`:` is expected after a field's name"));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn count_field(&mut self) -> Done {
        self.fields += 1;
        if self.fields > self.cx.settings.fields_max {
            return Err(self.here(&format!("more than {} fields", self.cx.settings.fields_max)));
        }
        Ok(())
    }
}
