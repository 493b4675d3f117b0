//! What the records of a chronicle come to at one place, saved, so that a start reads only what came after.
//!
//! As with the windows' [`snapshot`](mod@super::snapshot), what is saved is never needed: when it is damaged, of another
//! release, or ahead of a journal that has lost its tail, an older one is taken, or the journal from its beginning.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::failpoint::Failpoint;

use super::back::stopped;
use super::chunks::{Chunks, Magic, names, read_chunk, whole};
use super::damage::Stop;
use super::disk::{Directory, Disk};
use super::frame::Raw;
use super::scan::{Position, Scan, Visitor, reaches, scan, scan_from};
use super::wire::{Cursor, Malformed, put_bytes};

const MAGIC: Magic = *b"TGSTANDS";

/// What records come to, taken one after the other.
pub(crate) trait Standing: Sized {
    /// Which program writes its images, and reads them.
    const RELEASE: &'static str;

    /// Takes a record of a kind and version.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence's end.
    fn take(&mut self, kind: u8, version: u8, payload: &[u8]) -> Result<(), String>;

    /// Gives all that it knows, in chunks.
    ///
    /// # Errors
    /// Those of `put`.
    fn image(&self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;

    /// One that knew nothing, with what such chunks say.
    ///
    /// # Errors
    /// Why they make no sense.
    fn with_image(self, chunks: &[&[u8]]) -> Result<Self, String>;
}

/// Gives every record to what they come to.
struct Taking<'a, S>(&'a mut S);

impl<S: Standing> Visitor for Taking<'_, S> {
    fn record(&mut self, lsn: u64, Raw { kind, version, payload }: Raw<'_>) -> Result<(), String> {
        self.0.take(kind, version, payload).map_err(|why| format!("record {lsn}: {why}"))
    }
}

/// What a journal's records come to.
pub(super) struct Brought<S> {
    pub standing: S,
    pub found: Option<Scan>,
    /// The record up to which a snapshot knew everything.
    pub snapshot: Option<u64>,
    /// Snapshots that were of no use, and why.
    pub passed_over: Vec<String>,
    /// Those of them that are of a past that this journal does not have, and never will.
    pub strangers: Vec<String>,
}

/// From the newest snapshot that is of use and what came after it, else from the beginning.
///
/// # Errors
/// When the journal is damaged or can't be read, or a record does not follow from those before it.
pub(super) fn bring_back<S: Standing>(
    dir: &Path,
    disk: &dyn Disk,
    new: &dyn Fn() -> S,
) -> Result<Brought<S>, Error> {
    let (mut passed_over, mut strangers) = (Vec::new(), Vec::new());
    for name in names(&disk.list().map_err(|e| Error::io(dir, e))?) {
        let (position, mut standing) = match load(disk, &name, new) {
            Ok(loaded) if reaches(disk, &loaded.0) => loaded,
            Ok(_) => {
                passed_over.push(format!("{name}: {NOT_REACHED}"));
                strangers.push(name);
                continue;
            }
            Err(useless) => {
                passed_over.push(format!("{name}: {}", useless.why));
                continue;
            }
        };
        match scan_from(disk, Some(&position), &mut Taking(&mut standing)) {
            Ok(found) => {
                let snapshot = Some(position.next_lsn - 1);
                return Ok(Brought { standing, found, snapshot, passed_over, strangers });
            }
            // Whether the journal is at fault, or what was saved of it, the records themselves will say.
            Err(Stop::Refused(refusal)) => passed_over.push(format!("{name}: what follows: {refusal}")),
            Err(stop) => return Err(stopped(dir, stop)),
        }
    }
    let mut standing = new();
    let found = scan(disk, &mut Taking(&mut standing)).map_err(|stop| stopped(dir, stop))?;
    Ok(Brought { standing, found, snapshot: None, passed_over, strangers })
}

const NOT_REACHED: &str = "the journal does not reach as far, or is damaged before";

/// Why a snapshot is of no use.
struct Useless {
    why: String,
    /// Whether it is not what was written.
    damaged: bool,
}

fn load<S: Standing>(disk: &dyn Disk, name: &str, new: &dyn Fn() -> S) -> Result<(Position, S), Useless> {
    let damaged = |why: String| Useless { why, damaged: true };
    let bytes = disk.open(name, false).and_then(|file| file.read()).map_err(|e| {
        // Gone: a newer one has taken its place.
        Useless { why: e.to_string(), damaged: e.kind() != io::ErrorKind::NotFound }
    })?;
    let read = || {
        let mut rest = whole(&bytes, MAGIC)?;
        let mut head = Cursor(read_chunk(&mut rest)?);
        let release = head.text()?;
        let position = Position::read(&mut head)?;
        head.end()?;
        let mut chunks = Vec::new();
        while !rest.0.is_empty() {
            chunks.push(read_chunk(&mut rest)?);
        }
        Ok((release, position, chunks))
    };
    let (release, position, chunks) = read().map_err(|m: Malformed| damaged(m.0))?;
    if release != S::RELEASE {
        let why = format!("release {release} wrote it, and this is {}", S::RELEASE);
        return Err(Useless { why, damaged: false });
    }
    Ok((position, new().with_image(&chunks).map_err(damaged)?))
}

/// Saves what the records up to a place come to.
///
/// # Errors
/// Whatever the disk says; what was saved before is then still there.
pub(super) fn save<S: Standing>(disk: &dyn Disk, standing: &S, position: &Position) -> io::Result<()> {
    let mut out = Chunks::begin(disk, MAGIC)?;
    let mut head = Vec::new();
    put_bytes(&mut head, S::RELEASE.as_bytes());
    position.put(&mut head);
    out.put(&head)?;
    standing.image(&mut |chunk| out.put(chunk))?;
    out.end(position.next_lsn - 1, [Failpoint::StandingWritten, Failpoint::StandingNamed])
}

/// Takes a directory's records beside whoever writes there, from what was saved last on, and saves what they come to;
/// gives the record up to which it knows everything.
///
/// # Errors
/// When the journal is damaged, there is none, or the disk fails.
pub(crate) fn follow<S: Standing>(dir: &Path, new: &dyn Fn() -> S) -> Result<u64, Error> {
    follow_on(dir, &Directory::new(dir), new)
}

pub(super) fn follow_on<S: Standing>(dir: &Path, disk: &dyn Disk, new: &dyn Fn() -> S) -> Result<u64, Error> {
    let Brought { standing, found, snapshot, .. } = bring_back(dir, disk, new)?;
    let found = found.ok_or_else(|| Error::new("no journal is here: it has no file 00000001.log").at(dir))?;
    let last = found.next_lsn - 1;
    if snapshot != Some(last) {
        save(disk, &standing, &found.position()).map_err(|e| Error::io(dir, e))?;
    }
    Ok(last)
}

/// A snapshot, for whoever compares it with the records.
pub(crate) struct Saved<S> {
    pub name: String,
    /// What it knows, and up to which record; or why it is of no use, and whether it is damaged.
    pub what: Result<(u64, S), (String, bool)>,
}

/// The snapshots of a directory, newest first.
///
/// # Errors
/// When the directory can't be read.
pub(crate) fn saved<S: Standing>(dir: &Path, new: &dyn Fn() -> S) -> Result<Vec<Saved<S>>, Error> {
    let disk = Directory::new(dir);
    let all = names(&disk.list().map_err(|e| Error::io(dir, e))?).into_iter();
    let look = |name: String| {
        let what = match load(&disk, &name, new) {
            Ok((position, standing)) if reaches(&disk, &position) => Ok((position.next_lsn - 1, standing)),
            Ok(_) => Err((NOT_REACHED.to_owned(), false)),
            Err(Useless { why, damaged }) => Err((why, damaged)),
        };
        Saved { name, what }
    };
    Ok(all.map(look).collect())
}
