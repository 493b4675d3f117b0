//! Rows of a table, written down in memory; a thread may fill one while another is being saved.

// Without columnar files a sheet's body is always text.
#![cfg_attr(not(feature = "columnar"), allow(irrefutable_let_patterns))]

use std::sync::Arc;

use super::Format;
use super::text_out as text;
use crate::money::Money;
use crate::time::Timestamp;

/// What a table's column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Text.
    Text,
    /// A 64-bit integer.
    Integer,
    /// A float; NaN is absent.
    Float,
    /// True or false.
    Bool,
    /// A list of texts: a JSON list, or joined by `|` in CSV.
    TextList,
    /// An instant: RFC 3339 in text, microseconds UTC in columnar files.
    Timestamp,
    /// An exact amount, without its currency: decimal text, or a decimal of four places.
    Money,
    /// JSON text, which stands in JSON lines as it is.
    Json,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: CellKind,
}

impl TableColumn {
    /// A column called `name`.
    pub fn new(name: impl Into<String>, kind: CellKind) -> TableColumn {
        TableColumn { name: name.into(), kind }
    }
}

/// A table's columns, and what is written again and again for them.
#[derive(Debug)]
pub(super) struct Layout {
    pub columns: Vec<TableColumn>,
    /// `"name":`, for JSON.
    pub keys: Vec<Box<[u8]>>,
    /// Whether an absent cell is left out of a JSON object.
    pub omit: bool,
    pub format: Format,
}

impl Layout {
    pub fn of(columns: &[TableColumn], format: Format, omit: bool) -> Layout {
        let key = |column: &TableColumn| {
            let mut key = Vec::new();
            text::json_string(&mut key, &column.name);
            key.push(b':');
            key.into_boxed_slice()
        };
        Layout { columns: columns.to_vec(), keys: columns.iter().map(key).collect(), omit, format }
    }
}

/// Rows on their way into a table. Cells are given in the order of the columns, one call each, and
/// [`Sheet::end_row`] after the last.
///
/// See [`super::TableWriter`] for an example.
pub struct Sheet {
    pub(super) layout: Arc<Layout>,
    pub(super) body: Body,
    /// The next cell's column.
    cell: usize,
    /// Whether the JSON object has a field already.
    begun: bool,
    rows: usize,
    /// The first cell that didn't fit its column.
    pub(super) wrong: Option<String>,
}

pub(super) enum Body {
    Text(Vec<u8>),
    #[cfg(feature = "columnar")]
    Columns(super::columnar_out::Columns),
}

/// One cell, whatever it holds.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(&'a [&'a str]),
    Timestamp(Timestamp),
    Money(Money),
    Json(&'a str),
    Absent,
}

impl Cell<'_> {
    fn fits(self, kind: CellKind) -> bool {
        matches!(
            (self, kind),
            (Cell::Text(_), CellKind::Text)
                | (Cell::Integer(_), CellKind::Integer)
                | (Cell::Float(_), CellKind::Float)
                | (Cell::Bool(_), CellKind::Bool)
                | (Cell::List(_), CellKind::TextList)
                | (Cell::Timestamp(_), CellKind::Timestamp)
                | (Cell::Money(_), CellKind::Money)
                | (Cell::Json(_), CellKind::Json)
                | (Cell::Absent, _)
        )
    }
}

impl Sheet {
    pub(super) fn new(layout: Arc<Layout>) -> Sheet {
        let body = match layout.format {
            #[cfg(feature = "columnar")]
            Format::Parquet | Format::Arrow => Body::Columns(super::columnar_out::Columns::new(&layout)),
            _ => Body::Text(Vec::new()),
        };
        Sheet { layout, body, cell: 0, begun: false, rows: 0, wrong: None }
    }

    /// JSON lines in memory, for no file.
    #[cfg(feature = "serve")]
    pub(crate) fn json_lines(columns: &[TableColumn]) -> Sheet {
        Sheet::new(Arc::new(Layout::of(columns, Format::JsonLines, false)))
    }

    /// The same, without the fields that are absent.
    #[cfg(any(feature = "serve", feature = "bench"))]
    pub(crate) fn sparse_json_lines(columns: &[TableColumn]) -> Sheet {
        Sheet::new(Arc::new(Layout::of(columns, Format::JsonLines, true)))
    }

    /// The rows written since the last time, handed to `read` as text and forgotten.
    #[cfg(any(feature = "serve", feature = "bench"))]
    pub(crate) fn take_text<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        let taken = match &self.body {
            Body::Text(out) => read(out),
            #[cfg(feature = "columnar")]
            Body::Columns(_) => read(&[]),
        };
        self.reset();
        taken
    }

    /// Rows that have been ended.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.put(Cell::Text(text));
    }

    /// An integer.
    pub fn integer(&mut self, number: i64) {
        self.put(Cell::Integer(number));
    }

    /// A float; NaN and infinities are absent.
    pub fn float(&mut self, number: f64) {
        self.put(if number.is_finite() { Cell::Float(number) } else { Cell::Absent });
    }

    /// True or false.
    pub fn bool(&mut self, truth: bool) {
        self.put(Cell::Bool(truth));
    }

    /// A list of texts.
    pub fn list(&mut self, texts: &[&str]) {
        self.put(Cell::List(texts));
    }

    /// An instant.
    pub fn timestamp(&mut self, at: Timestamp) {
        self.put(Cell::Timestamp(at));
    }

    /// An amount; its currency goes into a column of its own.
    pub fn money(&mut self, money: Money) {
        self.put(Cell::Money(money));
    }

    /// A well-formed JSON value.
    pub fn json(&mut self, json: &str) {
        self.put(Cell::Json(json));
    }

    /// Nothing.
    pub fn absent(&mut self) {
        self.put(Cell::Absent);
    }

    fn put(&mut self, cell: Cell<'_>) {
        let index = self.cell;
        self.cell += 1;
        let Some(column) = self.layout.columns.get(index) else { return };
        let mut cell = cell;
        if !cell.fits(column.kind) {
            self.wrong.get_or_insert_with(|| {
                format!("a cell of column `{}` is not its {:?}", column.name, column.kind)
            });
            cell = Cell::Absent;
        }
        match &mut self.body {
            Body::Text(out) if self.layout.format == Format::Csv => {
                if index > 0 {
                    out.push(b',');
                }
                text::csv_cell(out, cell);
            }
            Body::Text(out) => {
                if matches!(cell, Cell::Absent) && self.layout.omit {
                    return;
                }
                out.push(if self.begun { b',' } else { b'{' });
                self.begun = true;
                out.extend_from_slice(self.layout.keys.get(index).map_or(&[], |k| k));
                text::json_cell(out, cell);
            }
            #[cfg(feature = "columnar")]
            Body::Columns(columns) => columns.put(index, cell),
        }
    }

    /// Ends the row; cells that weren't given are absent.
    pub fn end_row(&mut self) {
        if self.cell > self.layout.columns.len() {
            self.wrong
                .get_or_insert_with(|| format!("a row has more than {} cells", self.layout.columns.len()));
        }
        while self.cell < self.layout.columns.len() {
            self.absent();
        }
        if let Body::Text(out) = &mut self.body {
            if self.layout.format == Format::JsonLines {
                out.extend_from_slice(if self.begun { b"}" } else { b"{}" });
            }
            out.push(b'\n');
        }
        self.cell = 0;
        self.begun = false;
        self.rows += 1;
    }

    pub(super) fn reset(&mut self) {
        self.rows = 0;
        if let Body::Text(out) = &mut self.body {
            out.clear();
        }
    }
}
