//! What does a folder of payments hold? For those who read it and do not serve; nothing is changed.

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::journal::{self, Hear, Saved, Standing, Whole};
use crate::pay::{Book, CallSecret};

/// The file of the secrets that keys and codes are derived from.
pub(super) const SECRETS: &str = "secrets";
/// The least kind of a record of payments; those of decisions are below.
const KIND_MIN: u8 = 32;

/// A journal of payments that is whole, and what its records come to.
pub(crate) struct Kept {
    pub(crate) book: Book,
    pub(crate) whole: Whole,
}

/// Whether a directory is one of payments that move money, and not of decisions.
pub(crate) fn is_here(dir: &Path) -> bool {
    dir.join(SECRETS).exists() || journal::first_kind(dir).is_some_and(|kind| kind >= KIND_MIN)
}

/// Snapshots that are what the records up to theirs come to.
pub(crate) struct Snapshots {
    pub(crate) agree: usize,
    /// Those that a start passes over though they are whole, and why.
    pub(crate) passed_over: Vec<String>,
}

/// Reads every record and takes it into an empty book, so that each must follow from those before it.
///
/// # Errors
/// When it is damaged, a record does not follow, or there is no journal of payments.
pub(crate) fn read(dir: &Path, hear: Hear<'_>) -> Result<Kept, Error> {
    take(dir, secret(dir)?, hear, &mut |_, _| Ok(()))
}

/// As [`read`]; and every snapshot is compared with what the records up to it come to.
///
/// # Errors
/// As [`read`], and when a snapshot is damaged or another.
pub(crate) fn verify(dir: &Path, hear: Hear<'_>) -> Result<(Kept, Snapshots), Error> {
    let secret = secret(dir)?;
    let wrong = |name: &str, why: &str| {
        let why = format!("{why}; no record is lost: remove the file, and a start reads the journal instead");
        Error::new(why).at(dir.join(name)).of(ErrorKind::Damaged)
    };
    let (mut agree, mut passed_over, mut saved, mut damaged) = (0, Vec::new(), Vec::new(), None);
    for Saved { name, what } in journal::saved(dir, &|| Book::new(secret.clone()))? {
        match what {
            Ok((record, book)) => saved.push((record, name, book)),
            Err((why, true)) => damaged = Some(wrong(&name, &why)),
            Err((why, false)) => passed_over.push(format!("{name}: {why}")),
        }
    }
    let kept = take(dir, secret, hear, &mut |records, book| {
        while let Some((_, name, other)) = saved.pop_if(|(record, ..)| *record == records) {
            if other != *book {
                return Err(format!("{name} is not what the records up to it come to; remove it"));
            }
            agree += 1;
        }
        Ok(())
    })?;
    // Told when all records are known to be there.
    damaged.map_or(Ok((kept, Snapshots { agree, passed_over })), Err)
}

/// Gives the book after each record to `look`, with how many they were.
fn take(
    dir: &Path,
    secret: CallSecret,
    hear: Hear<'_>,
    look: &mut dyn FnMut(u64, &Book) -> Result<(), String>,
) -> Result<Kept, Error> {
    let (mut book, mut records) = (Book::new(secret), 0);
    let whole = journal::read(dir, hear, &mut |kind, version, payload| {
        Standing::take(&mut book, kind, version, payload)?;
        records += 1;
        look(records, &book)
    })?;
    Ok(Kept { book, whole })
}

fn secret(dir: &Path) -> Result<CallSecret, Error> {
    let (call, _) = secrets(dir)?.ok_or_else(|| {
        Error::new("no journal of payments is here: it has no file `secrets`, and no 00000001.log").at(dir)
    })?;
    Ok(CallSecret::new(call))
}

/// What keys of calls are derived from, and what codes are.
pub(super) type Secrets = ([u8; 32], [u8; 32]);

/// The secrets of the folder; `None` where there is no journal yet.
///
/// # Errors
/// When the file is damaged, or missing beside a journal.
pub(super) fn secrets(dir: &Path) -> Result<Option<Secrets>, Error> {
    let path = dir.join(SECRETS);
    let damaged = |why: &str| Error::new(why).at(&path).of(ErrorKind::Damaged);
    match std::fs::read(&path) {
        Ok(found) => {
            let bytes = <[u8; 64]>::try_from(found.as_slice()).map_err(|_| {
                damaged("it does not have the 64 bytes that it was written with; bring back a good copy")
            })?;
            Ok(Some(halves(&bytes)))
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, e)),
        Err(_) if dir.join("00000001.log").exists() => Err(damaged(
            "it is missing, and the journal beside it needs it: without it no answer of an institution is known; bring \
             back a copy",
        )),
        Err(_) => Ok(None),
    }
}

/// What calls' keys and what codes are derived from.
pub(super) fn halves(bytes: &[u8; 64]) -> Secrets {
    let (mut call, mut code) = ([0; 32], [0; 32]);
    call.copy_from_slice(&bytes[..32]);
    code.copy_from_slice(&bytes[32..]);
    (call, code)
}
