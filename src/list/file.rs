//! List files: `NAME.toml` is the head, with items of its own or in a file beside it.
//!
//! ```toml
//! kind  = "text"                       # text | token | country | ip | bin
//! about = "mail providers that anybody can use once"
//! items = ["trash.example", "gone.example"]
//! file  = "disposable.csv"             # header value,expires,reason,source; or .txt, one value a line
//!
//! [[item]]
//! value   = "burner.example"
//! expires = "2027-01-01T00:00:00Z"     # counts for payments before this instant
//! reason  = "chargebacks in november"
//! source  = "ann"
//! ```
//!
//! Of two items of one value the later counts; a file comes after the head's own items.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::{LISTS_MAX, List, ListError, ListItem, ListKind};
use crate::error::Diagnostic;
use crate::schema::{Schema, is_name};
use crate::time::Timestamp;
use crate::token::next_pan;

/// Most mistakes of one file that are shown; a feed of the wrong kind has a million.
const SHOWN_MAX: usize = 20;
/// Most bytes of one list's file: a million items of the longest value fit.
pub(crate) const LIST_FILE_BYTES_MAX: u64 = 1 << 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kind: ListKind,
    #[serde(default)]
    about: String,
    #[serde(default)]
    items: Vec<toml::Spanned<String>>,
    #[serde(default)]
    item: Vec<ItemEntry>,
    file: Option<toml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemEntry {
    value: toml::Spanned<String>,
    expires: Option<toml::Spanned<When>>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    source: String,
}

/// An instant, in quotes or as TOML writes its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum When {
    Text(String),
    Own(toml::value::Datetime),
}

/// Gives a file's text, or says why not.
type Read<'a> = &'a dyn Fn(&Path) -> Result<String, String>;

/// Reads the lists of a folder on disk.
pub(super) fn load(dir: &Path, schema: &Schema) -> Result<Vec<List>, Vec<Diagnostic>> {
    let whole = |message: String| vec![Diagnostic::whole(dir.display().to_string(), message)];
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(whole(e.to_string())),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|e| e.path())).collect();
    open_all(dir, paths.map_err(|e| whole(e.to_string()))?, schema, &read)
}

/// Reads the lists among files whose texts are at hand: those in a folder `lists`.
pub(super) fn among(files: &[(String, String)], schema: &Schema) -> Result<Vec<List>, Vec<Diagnostic>> {
    let is_list = |path: &&Path| path.parent().and_then(Path::file_name).is_some_and(|dir| dir == "lists");
    let paths = files.iter().map(|(path, _)| Path::new(path)).filter(is_list).map(Path::to_owned).collect();
    open_all(Path::new("lists"), paths, schema, &|wanted| {
        let found = files.iter().find(|(path, _)| Path::new(path) == wanted);
        found.map(|(_, text)| text.clone()).ok_or_else(|| "there is no such file".to_owned())
    })
}

fn open_all(
    dir: &Path,
    mut paths: Vec<PathBuf>,
    schema: &Schema,
    read: Read<'_>,
) -> Result<Vec<List>, Vec<Diagnostic>> {
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    if paths.len() > LISTS_MAX {
        let message = format!("a folder has at most {LISTS_MAX} lists, and this one has {}", paths.len());
        return Err(vec![Diagnostic::whole(dir.display().to_string(), message)]);
    }
    let (mut lists, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        match open(&path, schema, read) {
            Ok(list) => lists.push(list),
            Err(more) => wrong.extend(more),
        }
    }
    if wrong.is_empty() { Ok(lists) } else { Err(wrong) }
}

/// Reads a file of the disk, up to [`LIST_FILE_BYTES_MAX`].
fn read(path: &Path) -> Result<String, String> {
    read_up_to(path, LIST_FILE_BYTES_MAX)
}

/// Bytes are counted as they come: a pipe has no size, and a file may grow.
fn read_up_to(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("the file has more than {bytes_max} bytes; no more are read"));
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn open(path: &Path, schema: &Schema, read: Read<'_>) -> Result<List, Vec<Diagnostic>> {
    let shown = path.display().to_string();
    let source = Source::new(path, read).map_err(|message| vec![Diagnostic::whole(shown, message)])?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if !is_name(name) {
        let message = "a list's name, which is its file's, is lower-case letters, digits and underscores, and begins with a letter";
        return Err(vec![Diagnostic::whole(&source.path, message)]);
    }
    let head: Head = match toml::from_str(&source.text) {
        Ok(head) => head,
        Err(e) => return Err(vec![source.wrong(e.span().unwrap_or(0..0), e.message())]),
    };
    let mut list = List::new(name, head.kind, schema);
    list.about = head.about;
    let mut reader = Reader { list: &list, read, texts: HashMap::new(), wrong: Vec::new(), unshown: 0 };
    for value in &head.items {
        reader.add(&source, value.span(), value.get_ref(), ListItem::default());
    }
    for entry in &head.item {
        let expires = match &entry.expires {
            None => None,
            Some(at) => match at.get_ref() {
                When::Text(text) => reader.expiry(&source, at.span(), text),
                When::Own(own) => reader.expiry(&source, at.span(), &own.to_string()),
            },
        };
        let item =
            ListItem { expires, reason: reader.share(&entry.reason), source: reader.share(&entry.source) };
        reader.add(&source, entry.value.span(), entry.value.get_ref(), item);
    }
    if let Some(file) = &head.file {
        reader.file(&source, path, file);
    }
    let Reader { mut wrong, unshown, .. } = reader;
    if unshown > 0 {
        wrong.push(Diagnostic::whole(&source.path, format!("{unshown} more items of the list are wrong")));
    }
    if wrong.is_empty() { Ok(list) } else { Err(wrong) }
}

/// A file's text, and the same text with card numbers struck out for excerpts.
struct Source {
    path: String,
    text: String,
    shown: OnceCell<String>,
}

impl Source {
    fn new(path: &Path, read: Read<'_>) -> Result<Source, String> {
        Ok(Source { path: path.display().to_string(), text: read(path)?, shown: OnceCell::new() })
    }

    fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let shown = self.shown.get_or_init(|| {
            let mut bytes = self.text.clone().into_bytes();
            let mut at = 0;
            while let Some(range) = next_pan(&self.text, at) {
                bytes[range.clone()].fill(b'*');
                at = range.end;
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Diagnostic::at(&self.path, shown, span, message)
    }
}

struct Reader<'a> {
    list: &'a List,
    read: Read<'a>,
    /// Reasons and sources are few and said a million times.
    texts: HashMap<String, Arc<str>>,
    wrong: Vec<Diagnostic>,
    unshown: usize,
}

impl Reader<'_> {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(text.to_owned(), shared.clone());
        shared
    }

    fn report(&mut self, source: &Source, span: Range<usize>, message: impl Into<String>) {
        if self.wrong.len() < SHOWN_MAX {
            self.wrong.push(source.wrong(span, message));
        } else {
            self.unshown += 1;
        }
    }

    fn add(&mut self, source: &Source, span: Range<usize>, value: &str, item: ListItem) {
        if let Err(error) = self.list.insert(value, item)
            && !(error == ListError::Full && self.unshown > 0)
        {
            self.report(source, span, error.to_string());
        }
    }

    fn expiry(&mut self, source: &Source, span: Range<usize>, text: &str) -> Option<Timestamp> {
        let at = Timestamp::parse(text);
        if at.is_none() {
            self.report(source, span, "not an instant; write `2027-01-31T12:00:00Z`");
        }
        at
    }

    fn file(&mut self, head: &Source, path: &Path, file: &toml::Spanned<String>) {
        let name = file.get_ref();
        let plain = Path::new(name).file_name().is_some_and(|n| n == name.as_str());
        if !plain {
            return self.report(head, file.span(), "an item file lies beside its head; write its bare name");
        }
        let source = match Source::new(&path.with_file_name(name), self.read) {
            Ok(source) => source,
            Err(message) => {
                let message = format!("the item file can't be read: {message}");
                return self.report(head, file.span(), message);
            }
        };
        match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("csv") => self.rows(&source),
            Some("txt") => self.lines(&source),
            _ => self.report(head, file.span(), "an item file is named .csv or .txt"),
        }
    }

    /// One value a line; blank lines and those that begin with `#` are passed over.
    fn lines(&mut self, source: &Source) {
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let value = line.trim();
            if !value.is_empty() && !value.starts_with('#') {
                self.add(source, start..start + line.trim_end().len(), value, ListItem::default());
            }
            start += line.len();
        }
    }

    fn rows(&mut self, source: &Source) {
        const COLUMNS: [&str; 4] = ["value", "expires", "reason", "source"];
        let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(source.text.as_bytes());
        let end = |start: usize| source.text[start..].find('\n').map_or(source.text.len(), |n| start + n);
        let places: Vec<Option<usize>> = match rows.headers() {
            Ok(header) => {
                let unknown = header.iter().find(|name| !COLUMNS.contains(name));
                let places: Vec<_> = COLUMNS.map(|c| header.iter().position(|h| h == c)).into();
                if unknown.is_some() || places[0].is_none() {
                    let message =
                        "the first line names the columns: value, and any of expires, reason, source";
                    return self.report(source, 0..end(0), message);
                }
                places
            }
            Err(e) => return self.report(source, 0..end(0), e.to_string()),
        };
        let mut row = csv::StringRecord::new();
        loop {
            let start = (rows.position().byte() as usize).min(source.text.len());
            match rows.read_record(&mut row) {
                Ok(false) => return,
                Ok(true) => {}
                Err(e) => {
                    let start = row_start(&source.text, e.position().map_or(start, |p| p.byte() as usize));
                    self.report(source, start..end(start), csv_message(&e));
                    continue;
                }
            }
            let start = row_start(&source.text, row.position().map_or(start, |p| p.byte() as usize));
            let cell = |i: usize| places[i].and_then(|p| row.get(p)).unwrap_or_default();
            let expires = match cell(1) {
                "" => None,
                text => {
                    match Timestamp::parse(text) {
                        Some(at) => Some(at),
                        None => {
                            self.report(source, start..end(start), "`expires` is not an instant; write `2027-01-31T12:00:00Z`, or nothing for never");
                            continue;
                        }
                    }
                }
            };
            let item = ListItem { expires, reason: self.share(cell(2)), source: self.share(cell(3)) };
            self.add(source, start..end(start), cell(0), item);
        }
    }
}

/// Where the row itself begins: the reader counts comments and blank lines before it as its own.
fn row_start(text: &str, mut start: usize) -> usize {
    while let Some(line) = text.get(start..).and_then(|rest| rest.split_inclusive('\n').next())
        && (line.starts_with('#') || line.trim().is_empty())
    {
        start += line.len();
    }
    start.min(text.len())
}

fn csv_message(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} cells and the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_limit_and_not_past_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked.txt");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_up_to(&path, 5).as_deref(), Ok("12345"));
        assert!(read_up_to(&path, 4).unwrap_err().contains("more than 4 bytes"));
    }
}
