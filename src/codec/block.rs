//! A block of rows becomes a chunk of payments, on whichever thread has time for it.

use std::sync::Arc;

use memchr::memchr;

use super::csv::{self, Header};
use super::json;
use super::lines::{RowEnd, TextBlock, csv_row_end, newlines};
use super::names::Names;
use super::row::wrong;
use super::{Chunk, Reject, RowError, Settings};
use crate::error::Error;
use crate::schema::Schema;

/// Rows that were read and are still to be decoded. Its memory is used again.
#[derive(Default)]
pub struct Block(pub(super) Rows);

#[derive(Default)]
pub(super) enum Rows {
    #[default]
    Empty,
    Text(TextBlock),
    #[cfg(feature = "columnar")]
    Columns(ColumnBlock),
}

/// Rows of a columnar file.
#[cfg(feature = "columnar")]
pub(super) struct ColumnBlock {
    pub batch: arrow_array::RecordBatch,
    /// The first row that isn't decoded yet.
    pub at: usize,
    /// Rows of the file before this batch.
    pub before: u64,
}

impl Block {
    /// Whether everything in it has been decoded.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Rows::Empty => true,
            Rows::Text(text) => text.at >= text.bytes.len(),
            #[cfg(feature = "columnar")]
            Rows::Columns(columns) => columns.at >= columns.batch.num_rows(),
        }
    }

    pub(super) fn text(&mut self) -> &mut TextBlock {
        if !matches!(self.0, Rows::Text(_)) {
            self.0 = Rows::Text(TextBlock::default());
        }
        match &mut self.0 {
            Rows::Text(text) => text,
            _ => unreachable!("it was made text above"),
        }
    }
}

/// Turns blocks of one input into payments. Shared by threads; see [`super::Reader::decoder`].
pub struct Decoder {
    pub(super) path: Arc<str>,
    pub(super) schema: Arc<Schema>,
    pub(super) settings: Settings,
    pub(super) names: Names,
    pub(super) form: Form,
}

/// What the rows of the input are written as.
pub(super) enum Form {
    Json,
    Csv(Header),
    #[cfg(feature = "columnar")]
    Columns(super::columns::ColumnPlan),
}

impl Decoder {
    /// Empties the chunk and decodes rows into it, until it is full or the block is done. True
    /// when the block has more.
    ///
    /// # Errors
    /// For what is wrong with the whole input: with [`Settings::strict`], a name that the schema
    /// doesn't know. Bad rows are [`Chunk::rejects`].
    pub fn decode(&self, block: &mut Block, chunk: &mut Chunk) -> Result<bool, Error> {
        chunk.clear();
        match &mut block.0 {
            Rows::Empty => return Ok(false),
            Rows::Text(text) => self.decode_text(text, chunk)?,
            #[cfg(feature = "columnar")]
            Rows::Columns(columns) => self.decode_columns(columns, chunk)?,
        }
        Ok(!block.is_done())
    }

    fn decode_text(&self, block: &mut TextBlock, chunk: &mut Chunk) -> Result<(), Error> {
        while !chunk.is_full() && block.at < block.bytes.len() {
            let rest = &block.bytes[block.at..];
            let line = memchr(b'\n', rest).unwrap_or(rest.len());
            let mut malformed = None;
            let end = match &self.form {
                Form::Csv(header) => match csv_row_end(rest, header.delimiter) {
                    // A row above the limit is given up by its first line, as the reader does.
                    RowEnd::At(end) if end > self.settings.line_bytes_max => line,
                    RowEnd::At(end) => end,
                    RowEnd::Malformed { at } => {
                        malformed =
                            Some((at, "something follows a closing quote; quotes within a cell are doubled"));
                        line
                    }
                    RowEnd::Open { at } => {
                        malformed = Some((at, "this quote is never closed"));
                        line
                    }
                },
                _ => line,
            };
            let row = &rest[..end];
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            let number = block.line;
            let next = (end + 1).min(rest.len());
            block.line += if end == line { 1 } else { newlines(&rest[..next]) };
            block.at += next;
            if row.trim_ascii().is_empty() {
                continue;
            }
            chunk.rows += 1;
            let done = if row.len() > self.settings.line_bytes_max {
                Err(wrong(format!("the line is longer than {} bytes", self.settings.line_bytes_max)))
            } else if let Some((at, reason)) = malformed {
                let column = (at < row.len()).then(|| super::column_of(row, at));
                Err(Box::new(RowError { field: None, column, reason: reason.to_owned() }))
            } else {
                self.decode_row(row, chunk)
            };
            self.end_row(chunk, number, done, row)?;
        }
        Ok(())
    }

    #[cfg(feature = "columnar")]
    fn decode_columns(&self, block: &mut ColumnBlock, chunk: &mut Chunk) -> Result<(), Error> {
        let Form::Columns(plan) = &self.form else { return Ok(()) };
        let rows = super::columns::Rows::of(&self.schema, &self.settings, &self.names, plan, &block.batch);
        while !chunk.is_full() && block.at < block.batch.num_rows() {
            let (scratch, unknown) = (&mut chunk.scratch, &mut chunk.unknown);
            let Some(payment) = chunk.payments.get_mut(chunk.len) else { break };
            let (row, json) = (&mut scratch.row, &mut scratch.json);
            let done = rows.payment(block.at, super::columns::Into { payment, row, json, unknown });
            chunk.rows += 1;
            block.at += 1;
            self.end_row(chunk, block.before + block.at as u64, done, b"")?;
        }
        Ok(())
    }

    /// Counts a row as a payment or as a reject.
    #[inline]
    fn end_row(
        &self,
        chunk: &mut Chunk,
        number: u64,
        done: Result<(), Box<RowError>>,
        raw: &[u8],
    ) -> Result<(), Error> {
        if let Some(name) = chunk.scratch.json.stranger.take().filter(|_| self.settings.strict) {
            let error = json::stranger(&self.schema, &name);
            return Err(super::unreadable(&self.path, format!("line {number}: {error}")));
        }
        match done {
            Ok(()) => {
                chunk.len += 1;
                chunk.lines.push(number);
            }
            Err(error) => chunk.rejects.push(Reject::new(&self.path, number, *error, raw)),
        }
        Ok(())
    }

    fn decode_row(&self, bytes: &[u8], chunk: &mut Chunk) -> Result<(), Box<RowError>> {
        let (scratch, unknown) = (&mut chunk.scratch, &mut chunk.unknown);
        let Some(payment) = chunk.payments.get_mut(chunk.len) else {
            return Err(wrong("the chunk has no room left"));
        };
        let row = &mut scratch.row;
        match &self.form {
            #[cfg(feature = "columnar")]
            Form::Columns(_) => Err(wrong("text in a columnar file")),
            Form::Json => {
                let cx = json::Context {
                    schema: &self.schema,
                    names: &self.names,
                    settings: &self.settings,
                    partial: false,
                };
                let scratch = &mut scratch.json;
                json::payment_of(&cx, bytes, json::Into { payment, row, scratch, unknown })
            }
            Form::Csv(header) => {
                let (cells, buffer, json) = (&mut scratch.cells, &mut scratch.text, &mut scratch.json);
                let into = csv::Into { payment, row, cells, buffer, json, unknown };
                csv::payment_of(&self.schema, &self.settings, &self.names, header, bytes, into)
            }
        }
    }
}
