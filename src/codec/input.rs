//! Where do the bytes come from, and what do the first of them say?

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use super::{Format, unreadable};
use crate::error::Error;

/// The path that means the standard input.
pub(super) const STDIN: &str = "-";
/// How stdin is called in messages.
const STDIN_NAME: &str = "<stdin>";
/// Bytes that are looked at to know a format.
const SNIFFED_BYTES: usize = 4096;

/// An input that has been opened and looked at.
pub(super) struct Input {
    pub name: String,
    pub total_bytes: Option<u64>,
    pub format: Format,
    pub bytes: Bytes,
}

pub(super) enum Bytes {
    /// Read from its start to its end.
    Stream(Box<dyn Read + Send>),
    /// Columnar files are read from their end first.
    #[cfg_attr(not(feature = "columnar"), allow(dead_code))]
    File(File),
}

impl Input {
    pub fn open(path: &Path, format: Option<Format>) -> Result<Input, Error> {
        if path == Path::new(STDIN) {
            return Input::from_read(STDIN_NAME, Box::new(io::stdin()), format);
        }
        let name = path.display().to_string();
        let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => unreadable(&name, "there is no such file"),
            _ => Error::io(path, e),
        })?;
        if meta.is_dir() {
            return Err(unreadable(&name, "it is a directory; name the files in it, for example with a `*`"));
        }
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let total_bytes = meta.is_file().then_some(meta.len());
        let format = format.or(Format::of_path(path));
        if matches!(format, Some(Format::Parquet | Format::Arrow)) && total_bytes.is_some_and(|n| n > 0) {
            return Ok(Input {
                name,
                total_bytes,
                format: format.unwrap_or(Format::Parquet),
                bytes: Bytes::File(file),
            });
        }
        let head = head(&mut file).map_err(|e| Error::io(path, e))?;
        let format = sniffed(&name, &head, format)?;
        let bytes = match format {
            Format::Parquet | Format::Arrow if total_bytes.is_some() => {
                Bytes::File(File::open(path).map_err(|e| Error::io(path, e))?)
            }
            _ => Bytes::Stream(Box::new(Cursor::new(head).chain(file))),
        };
        Ok(Input { name, total_bytes, format, bytes })
    }

    pub fn from_read(
        name: &str,
        mut read: Box<dyn Read + Send>,
        format: Option<Format>,
    ) -> Result<Input, Error> {
        let head = head(&mut read).map_err(|e| Error::io(name, e))?;
        let format = sniffed(name, &head, format)?;
        let bytes = Bytes::Stream(Box::new(Cursor::new(head).chain(read)));
        Ok(Input { name: name.to_owned(), total_bytes: None, format, bytes })
    }
}

fn head(read: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    read.take(SNIFFED_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn sniffed(name: &str, head: &[u8], format: Option<Format>) -> Result<Format, Error> {
    if head.is_empty() {
        return Err(unreadable(name, "it is empty"));
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let found = if head.starts_with(b"PAR1") {
        Format::Parquet
    } else if head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) {
        Format::Arrow
    } else if text.starts_with(b"{") || text.starts_with(b"[") {
        Format::JsonLines
    } else {
        Format::Csv
    };
    match (format, found) {
        // Text that was said to be text is taken at its word.
        (Some(said @ (Format::Csv | Format::JsonLines)), Format::Parquet | Format::Arrow) => Err(unreadable(
            name,
            format!(
                "it was to be read as {said}, but its first bytes are those of {found}; say `--format {found}`"
            ),
        )),
        (Some(said), _) => Ok(said),
        (None, _) if head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd") => {
            Err(unreadable(
                name,
                "it is compressed; unpack it first, for example `zstd -dc FILE | tollgate score -`",
            ))
        }
        (None, found) => Ok(found),
    }
}
