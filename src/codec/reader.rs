//! One input, opened, cut into blocks, and read to its end.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::block::{Block, Decoder, Form};
use super::csv::{Header, delimiter_of};
use super::input::{Bytes, Input};
use super::lines::{Lines, Rows};
use super::names::{self, Names};
use super::{Chunk, Format, Settings, unreadable};
use crate::error::Error;
use crate::schema::Schema;

/// Reads the payments of one input, in order.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::codec::{Chunk, Reader, Settings};
/// let schema = Arc::new(tollgate::Schema::standard());
/// let csv = "id,at,amount,currency\np1,2026-11-23 09:00:00,12.34,EUR\np2,yesterday,5,EUR\n";
/// let mut reader = Reader::from_read("may.csv", Box::new(csv.as_bytes()), schema.clone(), Settings::default())?;
/// let mut chunk = Chunk::new(&schema, 1024);
/// while reader.read(&mut chunk)? {
///     assert_eq!(chunk.payments()[0].id(), "p1");
///     let shown = chunk.rejects[0].to_string();
///     assert_eq!(shown, "may.csv:3:4: at: `yesterday` is not a timestamp such as 2026-11-23T09:00:00Z");
/// }
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Reader {
    decoder: Arc<Decoder>,
    source: Source,
    total_bytes: Option<u64>,
    block: Block,
    unknown: BTreeMap<String, u64>,
    format: Format,
}

enum Source {
    Text(Lines),
    #[cfg(feature = "columnar")]
    Columns(super::columnar_in::Batches),
}

impl Reader {
    /// Opens a file, or the standard input for `-`. The format is the settings', else the
    /// extension's, else the one that the first bytes show.
    ///
    /// # Errors
    /// A missing, empty, unreadable or compressed file; a directory; a header without the columns
    /// that every payment needs.
    pub fn open(path: &Path, schema: Arc<Schema>, settings: Settings) -> Result<Reader, Error> {
        Reader::of(Input::open(path, settings.format)?, schema, settings)
    }

    /// Reads from anything that can be read, which messages call `name`.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_read(
        name: &str,
        read: Box<dyn Read + Send>,
        schema: Arc<Schema>,
        settings: Settings,
    ) -> Result<Reader, Error> {
        Reader::of(Input::from_read(name, read, settings.format)?, schema, settings)
    }

    fn of(input: Input, schema: Arc<Schema>, settings: Settings) -> Result<Reader, Error> {
        let path: Arc<str> = input.name.as_str().into();
        let names = Names::of(&schema);
        let mut unknown = BTreeMap::new();
        let (form, source) = match input.format {
            Format::Csv | Format::JsonLines => {
                let read: Box<dyn Read + Send> = match input.bytes {
                    Bytes::Stream(read) => read,
                    Bytes::File(file) => Box::new(file),
                };
                let mut lines = Lines::new(read, settings.block_bytes, settings.line_bytes_max);
                let form = text_form(&mut lines, &path, input.format, &schema, &settings)?;
                if let Form::Csv(header) = &form {
                    header.unknown().for_each(|name| names::add(&mut unknown, name, 1));
                }
                (form, Source::Text(lines))
            }
            #[cfg(feature = "columnar")]
            Format::Parquet | Format::Arrow => {
                let (batches, plan) = super::columnar_in::Batches::open(
                    &path,
                    input.format,
                    input.bytes,
                    input.total_bytes,
                    &schema,
                    &settings,
                )?;
                plan.unknown.iter().for_each(|name| names::add(&mut unknown, name, 1));
                (Form::Columns(plan), Source::Columns(batches))
            }
            #[cfg(not(feature = "columnar"))]
            Format::Parquet | Format::Arrow => return Err(unreadable(&path, super::NOT_COLUMNAR)),
        };
        Ok(Reader {
            decoder: Arc::new(Decoder { path, schema, settings, names, form }),
            source,
            total_bytes: input.total_bytes,
            block: Block::default(),
            unknown,
            format: input.format,
        })
    }

    /// Reads the next payments and rejects; false at the end.
    ///
    /// # Errors
    /// When the input can't be read on; see also [`Decoder::decode`].
    pub fn read(&mut self, chunk: &mut Chunk) -> Result<bool, Error> {
        chunk.clear();
        let mut block = std::mem::take(&mut self.block);
        let done = loop {
            if block.is_done() {
                match self.next_block(&mut block) {
                    Ok(true) => {}
                    other => break other,
                }
            }
            match self.decoder.decode(&mut block, chunk) {
                Ok(_) if chunk.rows > 0 => break Ok(true),
                Ok(_) => {}
                Err(e) => break Err(e),
            }
        };
        self.block = block;
        chunk.take_unknown(&mut self.unknown);
        done
    }

    /// Reads the next block of rows, for [`Reader::decoder`] to decode on any thread; false at the end.
    ///
    /// # Errors
    /// When the input can't be read on.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, Error> {
        match &mut self.source {
            Source::Text(lines) => {
                lines.next(block.text()).map_err(|e| Error::io(self.decoder.path.as_ref(), e))
            }
            #[cfg(feature = "columnar")]
            Source::Columns(batches) => {
                let next = batches.next(&self.decoder.path)?;
                let more = next.is_some();
                block.0 = next.map_or(super::block::Rows::Empty, |(batch, before)| {
                    super::block::Rows::Columns(super::block::ColumnBlock { batch, at: 0, before })
                });
                Ok(more)
            }
        }
    }

    /// What turns this input's blocks into payments.
    pub fn decoder(&self) -> Arc<Decoder> {
        self.decoder.clone()
    }

    /// Takes over the unknown names that a chunk has met, where [`Reader::read`] isn't used.
    pub fn absorb(&mut self, chunk: &mut Chunk) {
        chunk.take_unknown(&mut self.unknown);
    }

    /// Names that the schema doesn't know, each with how many rows (JSON) or headers had it.
    pub fn unknown(&self) -> &BTreeMap<String, u64> {
        &self.unknown
    }

    /// The format that was found.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What messages call the input.
    pub fn name(&self) -> &str {
        &self.decoder.path
    }

    /// Bytes of the whole input, where that is known.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Text(lines) => lines.bytes_read,
            #[cfg(feature = "columnar")]
            Source::Columns(batches) => batches.bytes_read(),
        }
    }
}

fn text_form(
    lines: &mut Lines,
    path: &Arc<str>,
    format: Format,
    schema: &Schema,
    settings: &Settings,
) -> Result<Form, Error> {
    let io = |e| Error::io(path.as_ref(), e);
    let head = lines.peek().map_err(io)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        lines.skip(3);
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(unreadable(path, "it is UTF-16; save it as UTF-8"));
    }
    if format == Format::JsonLines {
        if lines.peek().map_err(io)?.trim_ascii_start().starts_with(b"[") {
            return Err(unreadable(
                path,
                "it is a JSON list; one object a line is expected (`jq -c '.[]'` makes it so)",
            ));
        }
        return Ok(Form::Json);
    }
    let delimiter = delimiter_of(lines.peek().map_err(io)?.trim_ascii_start());
    lines.rows = Rows::Csv { delimiter };
    let row = lines.first_row().map_err(io)?.ok_or_else(|| {
        unreadable(
            path,
            format!("its first line, the header, is longer than {} bytes", settings.line_bytes_max),
        )
    })?;
    if row.is_empty() {
        return Err(unreadable(path, "it has no header"));
    }
    Header::parse(schema, settings, delimiter, &row).map(Form::Csv).map_err(|reason| unreadable(path, reason))
}
