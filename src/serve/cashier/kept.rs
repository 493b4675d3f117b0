//! What does a folder of payments hold? For those who read it and do not serve; nothing is changed.

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::journal::{self, Hear, Whole};
use crate::pay::{Book, CallSecret, Record};

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

/// Reads every record and takes it into an empty book, so that each must follow from those before it.
///
/// # Errors
/// When it is damaged, a record does not follow, or there is no journal of payments.
pub(crate) fn read(dir: &Path, hear: Hear<'_>) -> Result<Kept, Error> {
    let (call, _) = secrets(dir)?.ok_or_else(|| {
        Error::new("no journal of payments is here: it has no file `secrets`, and no 00000001.log").at(dir)
    })?;
    let mut book = Book::new(CallSecret::new(call));
    let whole = journal::read(dir, hear, &mut |kind, version, payload| {
        book.replay(&Record { kind, version, payload: payload.to_vec() }).map(|_| ())
    })?;
    Ok(Kept { book, whole })
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
