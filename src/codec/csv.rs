//! One row of CSV becomes one payment.

use memchr::{memchr, memchr_iter, memrchr_iter};

use super::json::{self, items_of};
use super::lines::{RowEnd, csv_row_end};
use super::names::{Names, Unknown, What, require, what};
use super::row::{Row, wrong};
use super::{RowError, Settings, column_of, shown};
use crate::payment::Payment;
use crate::schema::{Kind, Schema};

/// The places of a row's cells.
#[derive(Debug, Default)]
pub(super) struct Cells(Vec<(u32, u32)>);

/// What is read from each column, known from the header.
#[derive(Debug)]
pub(super) struct Header {
    pub delimiter: u8,
    columns: Vec<HeaderColumn>,
}

#[derive(Debug)]
struct HeaderColumn {
    /// Free of card numbers: a file without a header has its first payment there.
    name: String,
    /// `None` for a name that the schema doesn't know.
    what: Option<What>,
}

/// The bytes that may stand between cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The delimiter that a header's text shows.
pub(super) fn delimiter_of(text: &[u8]) -> u8 {
    let line = memchr(b'\n', text).map_or(text, |end| &text[..end]);
    let outside = |delimiter: u8| {
        let mut quoted = false;
        let counted = line.iter().filter(|b| {
            quoted ^= **b == b'"';
            **b == delimiter && !quoted
        });
        counted.count()
    };
    let mut best = DELIMITERS[0];
    for delimiter in DELIMITERS {
        if outside(delimiter) > outside(best) {
            best = delimiter;
        }
    }
    best
}

impl Header {
    /// Reads a header; the error is one sentence.
    pub fn parse(schema: &Schema, settings: &Settings, delimiter: u8, row: &[u8]) -> Result<Header, String> {
        let text = std::str::from_utf8(row).map_err(|_| "the header is not UTF-8".to_owned())?;
        if text.contains('\0') {
            return Err("the header has a NUL byte".to_owned());
        }
        let mut cells = Cells::default();
        if csv_row_end(row, delimiter) != RowEnd::At(row.len()) {
            return Err("a quote in the header is not closed".to_owned());
        }
        cells.split(row, delimiter);
        if cells.0.len() > settings.fields_max {
            return Err(format!("the header has more than {} columns", settings.fields_max));
        }
        let mut buffer = String::new();
        let mut columns: Vec<HeaderColumn> = Vec::new();
        let mut seen = std::collections::HashSet::with_hasher(super::names::seeded(schema));
        for i in 0..cells.0.len() {
            let name = cells.get(text, i, &mut buffer).trim();
            let shown_name = if name.is_empty() { format!("(column {})", i + 1) } else { shown(name) };
            if !name.is_empty() && !seen.insert(name.to_owned()) {
                return Err(format!("the header names the column `{shown_name}` twice"));
            }
            let what = what(schema, name);
            if settings.strict && what.is_none() {
                return Err(format!("line 1: {}", json::stranger(schema, &shown_name)));
            }
            columns.push(HeaderColumn { name: shown_name, what });
        }
        let header = Header { delimiter, columns };
        let fills = |id| {
            let fills = |what: &What| matches!(what, What::Fields(ts) if ts.iter().any(|t| t.id == id));
            header.columns.iter().any(|c| c.what.as_ref().is_some_and(fills))
        };
        require(schema, fills, header.columns.iter().map(|c| c.name.clone()))?;
        Ok(header)
    }

    /// The columns that the schema doesn't know.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|c| c.what.is_none()).map(|c| c.name.as_str())
    }
}

impl Cells {
    /// Finds the cells of a well-formed row.
    fn split(&mut self, row: &[u8], delimiter: u8) {
        self.0.clear();
        let mut start = 0;
        if memchr(b'"', row).is_none() {
            for end in memchr_iter(delimiter, row) {
                self.0.push((start, end as u32));
                start = end as u32 + 1;
            }
            self.0.push((start, row.len() as u32));
            return;
        }
        let mut at = 0;
        loop {
            if row.get(at) == Some(&b'"') {
                at += 1;
                while let Some(quote) = memchr(b'"', row.get(at..).unwrap_or_default()) {
                    at += quote + 1;
                    if row.get(at) != Some(&b'"') {
                        break;
                    }
                    at += 1;
                }
            }
            let end = memchr(delimiter, row.get(at..).unwrap_or_default()).map(|i| at + i);
            self.0.push((start, end.unwrap_or(row.len()) as u32));
            match end {
                Some(end) => {
                    at = end + 1;
                    start = at as u32;
                }
                None => return,
            }
        }
    }

    /// A cell's text, without its quotes.
    fn get<'a>(&self, row: &'a str, cell: usize, buffer: &'a mut String) -> &'a str {
        let Some(&(start, end)) = self.0.get(cell) else { return "" };
        let text = row.get(start as usize..end as usize).unwrap_or_default();
        match text.strip_prefix('"') {
            None => text,
            Some(text) => {
                let text = text.strip_suffix('"').unwrap_or(text);
                if memrchr_iter(b'"', text.as_bytes()).next().is_none() {
                    return text;
                }
                buffer.clear();
                let mut rest = text;
                while let Some(at) = rest.find("\"\"") {
                    buffer.push_str(&rest[..=at]);
                    rest = &rest[at + 2..];
                }
                buffer.push_str(rest);
                buffer
            }
        }
    }
}

/// What one row is written into.
pub(super) struct Into<'a> {
    pub payment: &'a mut Payment,
    pub row: &'a mut Row,
    pub cells: &'a mut Cells,
    pub buffer: &'a mut String,
    pub json: &'a mut json::Scratch,
    pub unknown: &'a mut Unknown,
}

/// Reads one well-formed row (without its newline) into a payment.
pub(super) fn payment_of(
    schema: &Schema,
    settings: &Settings,
    names: &Names,
    header: &Header,
    bytes: &[u8],
    into: Into<'_>,
) -> Result<(), Box<RowError>> {
    let place = |at: usize, reason: String| {
        Box::new(RowError { field: None, column: Some(column_of(bytes, at)), reason })
    };
    if let Some(at) = memchr(0, bytes) {
        return Err(place(at, "a NUL byte".to_owned()));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => return Err(place(e.valid_up_to(), "it is not UTF-8 from here on".to_owned())),
    };
    into.cells.split(bytes, header.delimiter);
    let (found, expected) = (into.cells.0.len(), header.columns.len());
    if found != expected {
        let hint = if found < expected {
            "; the line may have been cut"
        } else {
            "; a cell that holds a delimiter needs quotes"
        };
        return Err(wrong(format!("the row has {found} cells and the header {expected}{hint}")));
    }
    into.payment.clear();
    into.row.start();
    for (i, column) in header.columns.iter().enumerate() {
        let done = match &column.what {
            None | Some(What::Ignored) => continue,
            Some(What::Fields(targets)) => {
                let cell = into.cells.get(text, i, into.buffer);
                let (row, payment) = (&mut *into.row, &mut *into.payment);
                targets.iter().try_for_each(|target| {
                    // Spaces around a number or a date are no part of it; around text they are.
                    let cell =
                        if matches!(target.kind, Kind::Text | Kind::Token) { cell } else { cell.trim() };
                    row.text(schema, payment, target, cell)
                })
            }
            Some(What::Items) => match into.cells.get(text, i, into.buffer) {
                "" => continue,
                cell => {
                    let cx = json::Context { schema, names, settings, partial: false };
                    let (payment, row) = (&mut *into.payment, &mut *into.row);
                    let (scratch, unknown) = (&mut *into.json, &mut *into.unknown);
                    items_of(&cx, cell, json::Into { payment, row, scratch, unknown }).map_err(|mut e| {
                        e.column = None;
                        e
                    })
                }
            },
        };
        done.map_err(|mut e| {
            e.field = Some(column.name.clone());
            let start = into.cells.0.get(i).map_or(0, |cell| cell.0 as usize);
            e.column.get_or_insert_with(|| column_of(bytes, start));
            e
        })?;
    }
    into.row.finish(schema, into.payment)
}
