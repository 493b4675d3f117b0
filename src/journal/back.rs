//! Brings a new engine back to where a journal is, from a snapshot if one is of use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, ErrorKind};

use super::chunks::names;
use super::damage::Stop;
use super::disk::{Directory, Disk};
use super::past::{Contents, Past, Remember};
use super::scan::{Scan, reaches, scan, scan_from};
use super::segment::{SEGMENT_HEADER, SegmentHeader, name, numbers};
use super::snapshot::{self, Head, Snapshot};

/// What a journal brought back when it was opened.
///
/// ```
/// assert!(tollgate::Recovered::default().torn.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// What it held.
    pub contents: Contents,
    /// Where a tail that was in flight at the end has been cut off; `None` when there was none.
    pub torn: Option<String>,
    /// Whether the program had ended as it should, or there was no journal yet.
    pub shut_down: bool,
    /// Edits of lists that the pipeline does not have (any more).
    pub orphaned_edits: u64,
    /// The record up to which a snapshot knew everything; `None` when the journal was read from its beginning.
    pub snapshot: Option<u64>,
    /// Snapshots that were of no use, and why.
    pub passed_over: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// An engine's past, brought back.
pub(super) struct Back<'a> {
    pub past: Past<'a, Remember>,
    pub found: Option<Scan>,
    /// The record up to which a snapshot knew everything.
    pub snapshot: Option<u64>,
    /// Snapshots that were of no use, and why.
    pub passed_over: Vec<String>,
    /// Those of them that are of a past that this journal does not have, and never will.
    pub strangers: Vec<String>,
}

impl Back<'_> {
    /// From the newest snapshot that is of use and what came after it, else from the beginning.
    pub fn of<'a>(dir: &Path, disk: &dyn Disk, engine: &'a Engine) -> Result<Back<'a>, Error> {
        let known_since = engine.known_since();
        let digest = engine.pipeline().digest();
        let (mut passed_over, mut strangers) = (Vec::new(), Vec::new());
        for name in names(&disk.list().map_err(|e| Error::io(dir, e))?) {
            let restored = Snapshot::load(disk, &name, digest).and_then(|snapshot| {
                if !reaches(disk, &snapshot.head.position) {
                    strangers.push(name.clone());
                    return Err("the journal does not reach as far, or is damaged before".to_owned());
                }
                snapshot.restore(engine).map(|()| snapshot)
            });
            match restored {
                Ok(snapshot) => {
                    let mut past = Past::after(engine, Remember, &snapshot.head);
                    let position = &snapshot.head.position;
                    let found = scan_from(disk, Some(position), &mut past);
                    let found = found.map_err(|stop| stopped(dir, stop))?;
                    let (past, _) = past.finish();
                    return Ok(Back {
                        past,
                        found,
                        snapshot: Some(position.next_lsn - 1),
                        passed_over,
                        strangers,
                    });
                }
                Err(why) => {
                    engine.forget(known_since);
                    passed_over.push(format!("{name}: {why}"));
                }
            }
        }
        let mut past = Past::new(engine, Remember);
        let found = scan(disk, &mut past).map_err(|stop| stopped(dir, stop))?;
        Ok(Back { past: past.finish().0, found, snapshot: None, passed_over, strangers })
    }
}

/// Brings a new engine up to where a journal is and writes a snapshot, beside the program that writes the
/// journal; gives the record up to which it knows everything.
///
/// # Errors
/// When the journal is damaged, there is none, or the disk fails.
pub(crate) fn snapshot(dir: &Path, engine: &Engine) -> Result<u64, Error> {
    let disk = Directory::new(dir);
    let Back { past, found, .. } = Back::of(dir, &disk, engine)?;
    let (Some(scan), Some(change)) = (found, past.change) else {
        return Err(Error::new("no journal is here: it has no file 00000001.log, or nothing in it").at(dir));
    };
    if change.digest != engine.pipeline().digest() {
        let why = format!("the journal's pipeline is {}, and these rules are another", change.digest);
        return Err(Error::new(why).at(dir).of(ErrorKind::Rules));
    }
    let head = Head {
        position: scan.position(),
        known_since: engine.known_since(),
        contents: past.contents,
        change,
        edits: past.edits,
        brakes: snapshot::brakes(engine),
        shut_down: past.shut_down,
    };
    snapshot::save(&disk, engine, &head).map_err(|e| Error::io(dir, e))?;
    Ok(scan.next_lsn - 1)
}

/// The seed that a directory's journal was begun with; `None` when there is none.
pub(super) fn seed(dir: &Path, disk: &dyn Disk) -> Result<Option<u64>, Error> {
    let names = match disk.list() {
        Ok(names) => names,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(dir, e)),
    };
    let Some(number) = numbers(&names).first().copied() else { return Ok(None) };
    let at = dir.join(name(number));
    let file = disk.open(&name(number), false).map_err(|e| Error::io(&at, e))?;
    let bytes = file.head(SEGMENT_HEADER).map_err(|e| Error::io(&at, e))?;
    let header = SegmentHeader::read(&bytes);
    header.map(|h| Some(h.seed)).map_err(|why| Error::new(why).at(at).of(ErrorKind::Damaged))
}

/// An error for whoever has to mend it.
pub(super) fn stopped(dir: &Path, stop: Stop) -> Error {
    match stop {
        // No name is the directory itself.
        Stop::Io(name, e) if name.is_empty() => Error::io(dir, e),
        Stop::Io(name, e) => Error::io(dir.join(name), e),
        Stop::Refused(refusal) => Error::new(format!(
            "the journal is damaged: {refusal}. Nothing was changed. Put back a good copy of the file, or move the \
             directory away to begin anew without its past; `tollgate verify` reads all of it"
        ))
        .at(PathBuf::from(dir))
        .of(ErrorKind::Damaged),
    }
}
