//! Bytes to payments and back: CSV, JSON lines, Parquet and Arrow IPC.
//!
//! A [`Reader`] cuts an input into blocks of whole rows, a [`Decoder`] (shared by any number of
//! threads) turns a block into a [`Chunk`] of payments and rejects. Nothing here starts a thread,
//! and no message or reject holds a card number.

mod block;
#[cfg(feature = "columnar")]
mod columnar_in;
#[cfg(feature = "columnar")]
mod columnar_out;
#[cfg(feature = "columnar")]
mod columns;
mod csv;
pub(crate) mod fuzzing;
mod input;
mod json;
mod lines;
mod names;
mod payments;
mod reader;
mod row;
mod sheet;
mod table;
mod text_out;
pub(crate) mod whole;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use block::{Block, Decoder};
#[cfg(feature = "columnar")]
pub use columnar_in::PIPED_FILE_BYTES_MAX;
pub use json::JsonDecoder;
pub use payments::PaymentTable;
pub use reader::Reader;
pub use sheet::{CellKind, Sheet, TableColumn};
pub use table::TableWriter;
#[cfg(any(feature = "serve", feature = "bench"))]
pub(crate) use text_out::json_string;

use crate::error::Error;
use crate::payment::Payment;
use crate::schema::Schema;
use crate::token::redact;

/// Most bytes one line of text may have, unless [`Settings::line_bytes_max`] says otherwise.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of a JSON payment, unless [`Settings::depth_max`] says otherwise.
pub const DEPTH_MAX: usize = 64;
/// Most fields or columns a row may have, unless [`Settings::fields_max`] says otherwise.
pub const ROW_FIELDS_MAX: usize = 4096;
/// Bytes of a rejected row that are kept.
pub const RAW_BYTES_MAX: usize = 512;
/// What a build without the feature `columnar` says.
#[cfg(not(feature = "columnar"))]
const NOT_COLUMNAR: &str = "this build has no columnar formats; build it with `--features columnar`";
/// Bytes of a value that a message shows.
const SHOWN_BYTES_MAX: usize = 40;

/// How payments and tables are written down.
///
/// ```
/// use std::path::Path;
/// use tollgate::codec::Format;
/// assert_eq!(Format::of_path(Path::new("may.jsonl")), Some(Format::JsonLines));
/// assert_eq!(Format::parse("parquet"), Some(Format::Parquet));
/// assert_eq!(Format::parse("xlsx"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values (RFC 4180) with a header; semicolons and tabs are recognised.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC: a stream, or a file.
    Arrow,
}

impl Format {
    /// The names that [`Format::parse`] knows first.
    pub const fn names() -> &'static [&'static str] {
        &["csv", "jsonl", "parquet", "arrow"]
    }

    /// The format called `name`.
    pub fn parse(name: &str) -> Option<Format> {
        match name.to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Some(Format::Csv),
            "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
            "parquet" | "pq" => Some(Format::Parquet),
            "arrow" | "arrows" | "ipc" | "feather" => Some(Format::Arrow),
            _ => None,
        }
    }

    /// The format that a file's extension names.
    pub fn of_path(path: &Path) -> Option<Format> {
        Format::parse(path.extension()?.to_str()?)
    }

    /// Its first name.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of a [`Reader`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The format; by extension, then by the first bytes, when absent.
    pub format: Option<Format>,
    /// Whether a name that the schema doesn't know is an error.
    pub strict: bool,
    /// Most bytes of one line of text ([`LINE_BYTES_MAX`]).
    pub line_bytes_max: usize,
    /// Deepest nesting of JSON ([`DEPTH_MAX`]).
    pub depth_max: usize,
    /// Most fields of one row ([`ROW_FIELDS_MAX`]).
    pub fields_max: usize,
    /// Bytes of text that are read and handed out as one block.
    pub block_bytes: usize,
    /// Rows of a columnar file that are read and handed out as one block.
    pub block_rows: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            format: None,
            strict: false,
            line_bytes_max: LINE_BYTES_MAX,
            depth_max: DEPTH_MAX,
            fields_max: ROW_FIELDS_MAX,
            // Fits the second-level cache together with the payments it becomes.
            block_bytes: 256 << 10,
            block_rows: 4096,
        }
    }
}

/// What was read at one go; its memory is used again for the next.
pub struct Chunk {
    /// Of these, the first [`Chunk::len`] are payments; the rest is spare memory.
    pub payments: Vec<Payment>,
    /// How many payments there are.
    pub len: usize,
    /// For each payment, its line (or row, in columnar files), from 1.
    pub lines: Vec<u64>,
    /// The rows that are no payments.
    pub rejects: Vec<Reject>,
    /// Rows read, good and bad.
    pub rows: u64,
    capacity: usize,
    unknown: names::Unknown,
    scratch: Scratch,
}

/// What a decoder keeps from row to row.
#[derive(Default)]
struct Scratch {
    row: row::Row,
    json: json::Scratch,
    cells: csv::Cells,
    text: String,
}

impl Chunk {
    /// Room for `capacity` rows (at least one) of `schema`.
    pub fn new(schema: &Schema, capacity: usize) -> Chunk {
        let capacity = capacity.max(1);
        Chunk {
            payments: vec![Payment::new(schema); capacity],
            len: 0,
            lines: Vec::with_capacity(capacity),
            rejects: Vec::new(),
            rows: 0,
            capacity,
            unknown: names::Unknown::default(),
            scratch: Scratch::default(),
        }
    }

    /// The payments.
    pub fn payments(&self) -> &[Payment] {
        self.payments.get(..self.len).unwrap_or_default()
    }

    /// Adds the unknown names met so far to `table`, and forgets them.
    pub fn take_unknown(&mut self, table: &mut BTreeMap<String, u64>) {
        self.unknown.drain_into(table);
    }

    fn clear(&mut self) {
        self.len = 0;
        self.rows = 0;
        self.lines.clear();
        self.rejects.clear();
    }

    fn is_full(&self) -> bool {
        self.rows >= self.capacity as u64
    }
}

/// A row that is no payment, and why.
///
/// Displays as `payments.csv:12:7: amount: the amount is negative; ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The input, as it was named.
    pub path: Arc<str>,
    /// The line, or the row of a columnar file, from 1.
    pub line: u64,
    /// The column in characters, from 1, where that means something.
    pub column: Option<usize>,
    /// The field or column it is about.
    pub field: Option<String>,
    /// One sentence.
    pub reason: String,
    /// The row as it came, without card numbers, cut to [`RAW_BYTES_MAX`]; empty for columnar files.
    pub raw: String,
}

impl Reject {
    fn new(path: &Arc<str>, line: u64, error: RowError, raw: &[u8]) -> Reject {
        Reject {
            path: path.clone(),
            line,
            column: error.column,
            field: error.field,
            reason: error.reason,
            raw: raw_shown(raw),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        match &self.field {
            Some(field) => write!(f, ": {field}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Why one row is no payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The field or column it is about.
    pub field: Option<String>,
    /// Where in the row, in characters from 1.
    pub column: Option<usize>,
    /// One sentence; never holds a card number.
    pub reason: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.field, self.column) {
            (Some(field), Some(column)) => write!(f, "{field} (column {column}): {}", self.reason),
            (Some(field), None) => write!(f, "{field}: {}", self.reason),
            (None, Some(column)) => write!(f, "column {column}: {}", self.reason),
            (None, None) => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for RowError {}

/// The column of byte `at` of a row, in characters from 1.
fn column_of(row: &[u8], at: usize) -> usize {
    String::from_utf8_lossy(row.get(..at).unwrap_or(row)).chars().count() + 1
}

/// A value as a message may show it: short, on one line, without card numbers.
fn shown(text: &str) -> String {
    let part = cut(text, SHOWN_BYTES_MAX);
    let mut out: String = redact(part).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if part.len() < text.len() {
        out.push('…');
    }
    out
}

/// The first `bytes_max` bytes of `text`, and no digits at the cut: they may begin a card number.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, ' ' | '-'))
}

/// A row as a reject may keep it.
fn raw_shown(raw: &[u8]) -> String {
    /// Names under which security codes travel; they are never kept (PCI DSS 4.0.1, 3.3.1.2).
    const CODES: [&str; 4] = ["cvv", "cvc", "cvn", "security_code"];
    /// A card number can be spread over six times its length by escapes.
    const MARGIN: usize = 256;
    let text = String::from_utf8_lossy(raw.get(..RAW_BYTES_MAX + MARGIN).unwrap_or(raw));
    // Digits written as escapes are digits still.
    let plain = match text.contains("\\u00") {
        true => std::borrow::Cow::Owned(unescaped(&text)),
        false => std::borrow::Cow::Borrowed(text.as_ref()),
    };
    let lower = plain.to_ascii_lowercase();
    if CODES.iter().any(|code| lower.contains(code)) {
        return "[withheld: the row names a card security code]".to_owned();
    }
    let kept = if redact(&plain) == plain { &text } else { &plain };
    let part = cut(kept, RAW_BYTES_MAX);
    let mut out = redact(part).into_owned();
    if part.len() < kept.len() || text.len() < raw.len() {
        out.push('…');
    }
    out
}

/// JSON text with its `\u00XX` escapes replaced.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u00");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte as char);
                out.push_str(&part[2..]);
            }
            None => {
                out.push_str("\\u00");
                out.push_str(part);
            }
        }
    }
    out
}

/// An input that can't be read at all.
fn unreadable(name: &str, reason: impl Into<String>) -> Error {
    Error::new(reason).at(name)
}
