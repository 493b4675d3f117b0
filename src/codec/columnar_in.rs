//! Parquet and Arrow IPC as record batches, read one after the other.

use std::io::{BufReader, Cursor, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::columns::ColumnPlan;
use super::input::Bytes;
use super::{Format, Settings, unreadable};
use crate::error::Error;
use crate::schema::Schema;
use crate::token::redact;

/// Most bytes of a columnar file that can't be read from its end, because it comes through a pipe.
/// (An Arrow IPC *stream* has no such limit.)
pub const PIPED_FILE_BYTES_MAX: u64 = 1 << 30;

/// The batches of one input.
pub(super) struct Batches {
    source: Source,
    total_bytes: Option<u64>,
    total_rows: u64,
    rows: u64,
    bytes: Arc<AtomicU64>,
}

enum Source {
    Parquet(Box<ParquetRecordBatchReader>),
    Stream(Box<StreamReader<BufReader<Counted>>>),
    File(Box<FileReader<BufReader<Box<dyn ReadSeek>>>>),
}

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// Counts what is read, for the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A sentence about a file that isn't whole; libraries may quote the file in theirs.
fn broken(path: &str, format: Format, error: impl std::fmt::Display) -> Error {
    let error = error.to_string();
    unreadable(path, format!("it is not a whole {format} file, it may have been cut ({})", redact(&error)))
}

/// Runs a reader of damaged files. The libraries check what they read, but not all of it: an
/// offset that lies outside of a buffer ends in a panic there, which is an error like any other here.
fn guarded<T>(path: &str, format: Format, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(broken(path, format, "its parts contradict each other")))
}

impl Batches {
    pub fn open(
        path: &str,
        format: Format,
        bytes: Bytes,
        total_bytes: Option<u64>,
        schema: &Schema,
        settings: &Settings,
    ) -> Result<(Batches, ColumnPlan), Error> {
        guarded(path, format, || Batches::opened(path, format, bytes, total_bytes, schema, settings))
    }

    fn opened(
        path: &str,
        format: Format,
        bytes: Bytes,
        total_bytes: Option<u64>,
        schema: &Schema,
        settings: &Settings,
    ) -> Result<(Batches, ColumnPlan), Error> {
        let counter = Arc::new(AtomicU64::new(0));
        let broken = |e: &dyn std::fmt::Display| broken(path, format, e);
        let plan = |found: &SchemaRef| ColumnPlan::of(path, found, schema, settings);
        let mut total_rows = 0;
        let (source, plan) = match (format, bytes) {
            (Format::Parquet, bytes) => {
                let (reader, rows, plan) = match bytes {
                    Bytes::File(file) => parquet(file, settings, &plan, &broken)?,
                    Bytes::Stream(read) => {
                        let bytes = whole(path, read, PIPED_FILE_BYTES_MAX)?;
                        parquet(bytes::Bytes::from(bytes), settings, &plan, &broken)?
                    }
                };
                total_rows = rows;
                (Source::Parquet(Box::new(reader)), plan)
            }
            (_, Bytes::File(mut file)) => {
                let mut magic = [0; 6];
                let read = file.read(&mut magic).map_err(|e| Error::io(path, e))?;
                file.rewind().map_err(|e| Error::io(path, e))?;
                if magic.get(..read) == Some(b"ARROW1") {
                    arrow_file(Box::new(file), &plan, &broken)?
                } else {
                    arrow_stream(Box::new(file), counter.clone(), &plan, &broken)?
                }
            }
            (_, Bytes::Stream(read)) => {
                let mut read = BufReader::new(read);
                let start = std::io::BufRead::fill_buf(&mut read).map_err(|e| Error::io(path, e))?;
                if start.starts_with(b"ARROW1") {
                    let bytes = whole(path, Box::new(read), PIPED_FILE_BYTES_MAX)?;
                    arrow_file(Box::new(Cursor::new(bytes)), &plan, &broken)?
                } else {
                    arrow_stream(Box::new(read), counter.clone(), &plan, &broken)?
                }
            }
        };
        Ok((Batches { source, total_bytes, total_rows, rows: 0, bytes: counter }, plan))
    }

    /// The next batch, with the number of rows before it.
    pub fn next(&mut self, path: &str) -> Result<Option<(RecordBatch, u64)>, Error> {
        let before = self.rows;
        let source = &mut self.source;
        let format = if matches!(source, Source::Parquet(_)) { Format::Parquet } else { Format::Arrow };
        let batch = guarded(path, format, || {
            let next = match source {
                Source::Parquet(reader) => reader.next(),
                Source::Stream(reader) => reader.next(),
                Source::File(reader) => reader.next(),
            };
            next.transpose().map_err(|e| broken(path, format, format!("after row {before}: {e}")))
        })?;
        self.rows += batch.as_ref().map_or(0, |b| b.num_rows() as u64);
        Ok(batch.map(|batch| (batch, before)))
    }

    pub fn bytes_read(&self) -> u64 {
        match (self.total_bytes, self.total_rows) {
            // Columns lie apart in the file; rows are the even measure.
            (Some(bytes), rows @ 1..) => (bytes as f64 * (self.rows as f64 / rows as f64)) as u64,
            _ => self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// All of a pipe, of `most` bytes.
fn whole(path: &str, read: Box<dyn Read + Send>, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    read.take(most + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() as u64 > most {
        return Err(unreadable(
            path,
            format!(
                "more than {most} bytes through a pipe; name the file instead, or send an Arrow IPC stream"
            ),
        ));
    }
    Ok(bytes)
}

type Plan<'a> = dyn Fn(&SchemaRef) -> Result<ColumnPlan, Error> + 'a;
type Broken<'a> = dyn Fn(&dyn std::fmt::Display) -> Error + 'a;

fn parquet<T: parquet::file::reader::ChunkReader + 'static>(
    input: T,
    settings: &Settings,
    plan: &Plan<'_>,
    broken: &Broken<'_>,
) -> Result<(ParquetRecordBatchReader, u64, ColumnPlan), Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(|e| broken(&e))?;
    let mut plan = plan(builder.schema())?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), plan.used());
    plan.project();
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let reader = builder.with_projection(mask).with_batch_size(settings.block_rows.max(1)).build();
    Ok((reader.map_err(|e| broken(&e))?, rows, plan))
}

fn arrow_stream(
    read: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
    plan: &Plan<'_>,
    broken: &Broken<'_>,
) -> Result<(Source, ColumnPlan), Error> {
    let read = BufReader::new(Counted { inner: read, bytes });
    let reader = StreamReader::try_new(read, None).map_err(|e| broken(&e))?;
    let plan = plan(&reader.schema())?;
    Ok((Source::Stream(Box::new(reader)), plan))
}

fn arrow_file(
    read: Box<dyn ReadSeek>,
    plan: &Plan<'_>,
    broken: &Broken<'_>,
) -> Result<(Source, ColumnPlan), Error> {
    let reader = FileReader::try_new(BufReader::new(read), None).map_err(|e| broken(&e))?;
    let plan = plan(&reader.schema())?;
    Ok((Source::File(Box::new(reader)), plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives zeros without end, and counts what was taken of them.
    struct Endless(Arc<AtomicU64>);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(0);
            self.0.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            Ok(buffer.len())
        }
    }

    /// At a limit that a test can hold; the one of pipes is a number like it.
    #[test]
    fn a_pipe_is_read_to_the_limit_and_not_past_it() {
        let pipe = |bytes: u64| Box::new(std::io::repeat(7).take(bytes));
        for most in [0, 1, 100_000] {
            assert_eq!(whole("-", pipe(most), most).unwrap(), vec![7; most as usize]);
            let wrong = whole("-", pipe(most + 1), most).unwrap_err().to_string();
            assert!(
                wrong.contains(&format!("more than {most} bytes through a pipe; name the file")),
                "{wrong}"
            );
        }
        let taken = Arc::new(AtomicU64::new(0));
        assert!(whole("-", Box::new(Endless(taken.clone())), 1 << 20).is_err());
        assert_eq!(taken.load(Ordering::Relaxed), (1 << 20) + 1, "nothing is read past the byte that tells");
    }
}
