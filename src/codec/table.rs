//! A table on its way to a file or to the standard output.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::input::STDIN;
use super::sheet::{Body, Layout, Sheet, TableColumn};
use super::{Format, text_out, unreadable};
use crate::error::Error;

/// Writes decisions, features, rejects or payments. A file grows under a temporary name beside its
/// own and gets its own at [`TableWriter::finish`], so that a run that was cut off leaves no half
/// file; what is dropped unfinished is removed.
///
/// ```
/// use tollgate::codec::{CellKind, Format, TableColumn, TableWriter};
/// let columns = [TableColumn::new("id", CellKind::Text), TableColumn::new("score", CellKind::Float)];
/// let path = std::env::temp_dir().join(format!("tollgate-doc-{}.csv", std::process::id()));
/// let mut table = TableWriter::create(&path, Format::Csv, &columns)?;
/// let mut sheet = table.sheet();
/// sheet.text("p1");
/// sheet.float(0.25);
/// sheet.end_row();
/// table.append(&mut sheet)?;
/// table.finish()?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "id,score\np1,0.25\n");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct TableWriter {
    out: Out,
    layout: Arc<Layout>,
    name: String,
    place: Option<Place>,
    rows: u64,
}

type Sink = Box<dyn Write + Send>;

enum Out {
    Text(Sink),
    #[cfg(feature = "columnar")]
    Columns(Box<super::columnar_out::Saver>),
    Finished,
}

/// A file under its temporary name.
struct Place {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Once renamed there is nothing under this name, and that is fine.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

impl TableWriter {
    /// A table in a file, or on the standard output for `-`.
    ///
    /// # Errors
    /// When the file can't be made, or the format isn't part of this build.
    pub fn create(path: &Path, format: Format, columns: &[TableColumn]) -> Result<TableWriter, Error> {
        TableWriter::of_path(path, Layout::of(columns, format, false))
    }

    /// As [`TableWriter::create`], but JSON objects leave out what is absent.
    ///
    /// # Errors
    /// As [`TableWriter::create`].
    pub fn create_sparse(path: &Path, format: Format, columns: &[TableColumn]) -> Result<TableWriter, Error> {
        TableWriter::of_path(path, Layout::of(columns, format, true))
    }

    /// A table on anything that can be written to, which messages call `name`.
    ///
    /// # Errors
    /// When the header can't be written.
    pub fn to_write(
        name: &str,
        write: Box<dyn Write + Send>,
        format: Format,
        columns: &[TableColumn],
    ) -> Result<TableWriter, Error> {
        TableWriter::of(name.to_owned(), write, None, Layout::of(columns, format, false))
    }

    fn of_path(path: &Path, layout: Layout) -> Result<TableWriter, Error> {
        if path == Path::new(STDIN) {
            return TableWriter::of("<stdout>".to_owned(), Box::new(io::stdout()), None, layout);
        }
        let io = |e| Error::io(path, e);
        // A link is followed, so that the file it points to is replaced and not the link.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = path.display().to_string();
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                return Err(unreadable(&name, "it is a directory; name a file in it"));
            }
            Ok(meta) if !meta.is_file() => {
                // A pipe or a device has no content to keep whole.
                let file = File::options().write(true).open(path).map_err(io)?;
                return TableWriter::of(name, Box::new(file), None, layout);
            }
            _ => {}
        }
        let file_name = path.file_name().ok_or_else(|| unreadable(&name, "it names no file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(file_name);
        hidden.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = File::create(&temporary).map_err(io)?;
        let writing = file.try_clone().map_err(io)?;
        let place = Place { file, temporary, path: path.clone() };
        TableWriter::of(name, Box::new(writing), Some(place), layout)
    }

    fn of(name: String, mut sink: Sink, place: Option<Place>, layout: Layout) -> Result<TableWriter, Error> {
        let layout = Arc::new(layout);
        let out = match layout.format {
            Format::Csv => {
                let mut header = Vec::new();
                text_out::csv_header(&mut header, layout.columns.iter().map(|c| c.name.as_str()));
                sink.write_all(&header).map_err(|e| Error::io(&name, e))?;
                Out::Text(sink)
            }
            Format::JsonLines => Out::Text(sink),
            #[cfg(feature = "columnar")]
            Format::Parquet | Format::Arrow => Out::Columns(Box::new(
                super::columnar_out::Saver::new(sink, &layout).map_err(|e| unreadable(&name, e))?,
            )),
            #[cfg(not(feature = "columnar"))]
            Format::Parquet | Format::Arrow => return Err(unreadable(&name, super::NOT_COLUMNAR)),
        };
        Ok(TableWriter { out, layout, name, place, rows: 0 })
    }

    /// An empty sheet for this table; any number may be filled at once.
    pub fn sheet(&self) -> Sheet {
        Sheet::new(self.layout.clone())
    }

    /// Writes a sheet's rows and empties it.
    ///
    /// # Errors
    /// When they can't be written, or a cell didn't fit its column.
    pub fn append(&mut self, sheet: &mut Sheet) -> Result<(), Error> {
        if let Some(wrong) = sheet.wrong.take() {
            return Err(unreadable(&self.name, wrong));
        }
        self.rows += sheet.rows() as u64;
        let rows = sheet.rows();
        match (&mut self.out, &mut sheet.body) {
            (Out::Text(sink), Body::Text(bytes)) => {
                sink.write_all(bytes).map_err(|e| Error::io(&self.name, e))?;
            }
            #[cfg(feature = "columnar")]
            (Out::Columns(saver), Body::Columns(columns)) => {
                if rows > 0 {
                    saver.save(columns).map_err(|e| unreadable(&self.name, e))?;
                }
            }
            _ => return Err(unreadable(&self.name, format!("{rows} rows of another table's sheet"))),
        }
        sheet.reset();
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what is left, and gives the file its name.
    ///
    /// # Errors
    /// When that can't be done; there is then no file under the name, or the old one.
    pub fn finish(mut self) -> Result<(), Error> {
        let io = |e| Error::io(&self.name, e);
        match std::mem::replace(&mut self.out, Out::Finished) {
            Out::Text(mut sink) => sink.flush().map_err(io)?,
            #[cfg(feature = "columnar")]
            Out::Columns(saver) => saver.finish().map_err(|e| unreadable(&self.name, e))?,
            Out::Finished => {}
        }
        if let Some(place) = &self.place {
            place.file.sync_all().map_err(io)?;
            std::fs::rename(&place.temporary, &place.path).map_err(io)?;
        }
        Ok(())
    }
}
