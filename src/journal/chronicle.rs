//! A journal of the caller's own records, in the format and with the promises of the decisions' journal: for
//! payments that move money. The caller makes sense of the bytes; nothing is acknowledged before it is synced.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Error;

use super::back::{seed, stopped};
use super::disk::{Directory, Disk, Lock};
use super::frame::Raw;
use super::log::Log;
use super::refused::Busy;
use super::replay::{Hear, Whole};
use super::scan::{Visitor, scan};
use super::ticket::{Durability, Ticket};
use super::writer::Writer;
use super::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// Records in their order, in a directory of their own.
pub(crate) struct Chronicle {
    log: Log,
    lock: Mutex<Option<Lock>>,
    last: std::sync::atomic::AtomicU64,
}

/// What was there when it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reopened {
    /// How many records.
    pub records: u64,
    /// Where a tail that was in flight at the end has been cut off.
    pub torn: Option<String>,
}

/// Takes kind, version and bytes of a record, or says what is wrong with it.
pub(crate) type Take<'a> = &'a mut dyn FnMut(u8, u8, &[u8]) -> Result<(), String>;

/// Gives every record to a closure.
struct Each<'a>(Take<'a>);

impl Visitor for Each<'_> {
    fn record(&mut self, lsn: u64, Raw { kind, version, payload }: Raw<'_>) -> Result<(), String> {
        (self.0)(kind, version, payload).map_err(|why| format!("record {lsn}: {why}"))
    }
}

/// Gives kind, version and bytes of every record of a directory to `each`, whoever writes there; changes nothing.
/// `hear` is told bytes, and that no payment was counted.
///
/// # Errors
/// When it is damaged, a record is refused, or there is no journal.
pub(crate) fn read(dir: &Path, hear: Hear<'_>, each: Take<'_>) -> Result<Whole, Error> {
    struct Heard<'a>(Each<'a>, Hear<'a>);
    impl Visitor for Heard<'_> {
        fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
            self.0.record(lsn, record)
        }

        fn progress(&mut self, bytes: u64) {
            (self.1)(bytes, 0);
        }
    }
    Whole::read(dir, &mut Heard(Each(each), hear))
}

/// The kind of the first record of a directory's journal, if it has one that can be read.
pub(crate) fn first_kind(dir: &Path) -> Option<u8> {
    struct First(Option<u8>);
    impl Visitor for First {
        fn record(&mut self, _lsn: u64, record: Raw<'_>) -> Result<(), String> {
            self.0 = Some(record.kind);
            Err("it was looked at".to_owned())
        }
    }
    let mut first = First(None);
    // Reading ends at the first record; whatever is wrong before that is told by whoever reads all of it.
    let _ = scan(&Directory::new(dir), &mut first);
    first.0
}

impl Chronicle {
    /// Opens what is in a directory, or begins it; `each` is given kind, version and bytes of every record.
    ///
    /// # Errors
    /// When it is damaged, a record is refused, another process has it, or the disk fails.
    pub fn open(dir: &Path, segment_bytes: usize, each: Take<'_>) -> Result<(Chronicle, Reopened), Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let lock = Lock::take(dir).map_err(|e| Error::io(dir, e))?.ok_or_else(|| {
            Error::new("another process writes here; stop it first, or choose another directory").at(dir)
        })?;
        Chronicle::open_on(dir, Arc::new(Directory::new(dir)), lock, segment_bytes, each)
    }

    pub(super) fn open_on(
        dir: &Path,
        disk: Arc<dyn Disk>,
        lock: Lock,
        segment_bytes: usize,
        each: Take<'_>,
    ) -> Result<(Chronicle, Reopened), Error> {
        let own = seed(dir, &*disk)?.unwrap_or_default();
        let mut records = 0;
        let mut count = |kind, version, bytes: &[u8]| {
            records += 1;
            each(kind, version, bytes)
        };
        let found = scan(&*disk, &mut Each(&mut count)).map_err(|stop| stopped(dir, stop))?;
        let segment = segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX) / 512 * 512;
        let writer = match &found {
            Some(scan) => Writer::resume(disk, scan, segment),
            None => Writer::begin(disk, rand::random::<u64>(), own, segment),
        };
        let writer = writer.map_err(|e| Error::io(dir, e))?;
        let last = std::sync::atomic::AtomicU64::new(writer.last_lsn());
        let log = Log::start(writer, Writer::record_max(segment)).map_err(|e| Error::io(dir, e))?;
        let torn = found.and_then(|scan| scan.torn).map(|torn| torn.to_string());
        Ok((Chronicle { log, lock: Mutex::new(Some(lock)), last }, Reopened { records, torn }))
    }

    /// Whether a record would be taken now.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, bytes: usize) -> Result<(), Busy> {
        self.log.admit(bytes)
    }

    /// Appends a record; whoever needs an order of their own calls it under a lock of their own. It was
    /// admitted before, and is synced when the ticket says so.
    pub fn append(&self, kind: u8, version: u8, payload: &[u8]) -> Ticket {
        let lsn = self.log.draw();
        self.log.append(lsn, Raw { kind, version, payload });
        self.last.fetch_max(lsn, std::sync::atomic::Ordering::AcqRel);
        Ticket::new(lsn, Durability::Sync, self.log.shared())
    }

    /// A ticket for all that has been appended so far.
    pub fn so_far(&self) -> Ticket {
        let last = self.last.load(std::sync::atomic::Ordering::Acquire);
        Ticket::new(last, Durability::Sync, self.log.shared())
    }

    /// What the disk said when it failed: nothing is recorded any more.
    pub fn failure(&self) -> Option<String> {
        match self.log.admit(0) {
            Err(Busy::Failed(said)) => Some(said),
            _ => None,
        }
    }

    /// What the disk said when room for later was asked of it: what is under way can still be recorded, and nothing
    /// new is better begun. `None` when all is well.
    pub fn storage_failure(&self) -> Option<String> {
        self.log.reserve_failure()
    }

    /// Writes, syncs and seals. Nothing more is taken.
    pub fn close(&self) {
        self.log.close();
        self.lock.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path) -> (Chronicle, Vec<(u8, Vec<u8>)>) {
        let mut all = Vec::new();
        let (chronicle, found) = Chronicle::open(dir, SEGMENT_BYTES_MIN, &mut |kind, _, bytes| {
            all.push((kind, bytes.to_vec()));
            Ok(())
        })
        .unwrap();
        assert_eq!(found.records, all.len() as u64);
        (chronicle, all)
    }

    #[test]
    fn records_come_back_in_order_over_many_segments() {
        let dir = tempfile::tempdir().unwrap();
        let (chronicle, before) = read(dir.path());
        assert!(before.is_empty());
        let payload = |n: u32| n.to_le_bytes().repeat(500);
        for n in 0..500 {
            chronicle.append(40, 1, &payload(n)).wait().unwrap();
        }
        assert!(
            Chronicle::open(dir.path(), SEGMENT_BYTES_MIN, &mut |_, _, _| Ok(())).is_err(),
            "it is locked"
        );
        drop(chronicle);
        let (chronicle, found) = read(dir.path());
        assert!(found.iter().zip(0..).all(|((kind, bytes), n)| *kind == 40 && *bytes == payload(n)));
        assert_eq!(found.len(), 500);
        chronicle.append(41, 1, b"x").wait().unwrap();
        chronicle.close();
        assert!(chronicle.failure().is_some() && chronicle.admit(0).is_err());
        assert_eq!(read(dir.path()).1.len(), 501);
    }

    #[test]
    fn a_record_that_is_refused_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (chronicle, _) = read(dir.path());
        drop(chronicle.append(40, 1, b"one"));
        chronicle.append(40, 1, b"two").wait().unwrap();
        drop(chronicle);
        let refused = Chronicle::open(dir.path(), SEGMENT_BYTES_MIN, &mut |_, _, bytes| match bytes {
            b"two" => Err("it is odd".to_owned()),
            _ => Ok(()),
        });
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("record 2: it is odd"), "{said}");
    }
}
