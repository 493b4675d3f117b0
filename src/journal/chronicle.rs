//! A journal of the caller's own records, in the format and with the promises of the decisions' journal: for
//! payments that move money. The caller makes sense of the bytes; nothing is acknowledged before it is synced.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::Error;

use super::back::seed;
use super::chunks::named;
use super::disk::{Directory, Disk, Lock};
use super::frame::Raw;
use super::log::Log;
use super::refused::Busy;
use super::replay::{Hear, Whole};
use super::scan::{Visitor, scan};
use super::standing::{Brought, Standing, bring_back, save};
use super::ticket::{Durability, Ticket};
use super::writer::Writer;
use super::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// Records in their order, in a directory of their own.
pub(crate) struct Chronicle {
    log: Log,
    disk: Arc<dyn Disk>,
    lock: Mutex<Option<Lock>>,
    last: AtomicU64,
}

/// What was there when it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reopened {
    /// How many records.
    pub records: u64,
    /// The record up to which a snapshot knew everything; `None` when all were read.
    pub snapshot: Option<u64>,
    /// Snapshots that were of no use, and why.
    pub passed_over: Vec<String>,
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
    /// Opens what is in a directory, or begins it, with what its records come to.
    ///
    /// # Errors
    /// When it is damaged, a record is refused, another process has it, or the disk fails.
    pub fn open<S: Standing>(
        dir: &Path,
        segment_bytes: usize,
        new: &dyn Fn() -> S,
    ) -> Result<(Chronicle, S, Reopened), Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let lock = Lock::take(dir).map_err(|e| Error::io(dir, e))?.ok_or_else(|| {
            Error::new("another process writes here; stop it first, or choose another directory").at(dir)
        })?;
        let disk: Arc<dyn Disk> = Arc::new(Directory::new(dir));
        let own = seed(dir, &*disk)?.unwrap_or_default();
        let Brought { standing, found, snapshot, passed_over, strangers } = bring_back(dir, &*disk, new)?;
        let segment = segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX) / 512 * 512;
        let writer = match &found {
            Some(scan) => Writer::resume(disk.clone(), scan, segment),
            None => Writer::begin(disk.clone(), rand::random::<u64>(), own, segment),
        };
        let writer = writer.map_err(|e| Error::io(dir, e))?;
        // Their numbers may be higher than those of snapshots to come, which they would displace.
        for name in strangers {
            disk.remove(&name).map_err(|e| Error::io(dir.join(name), e))?;
        }
        let records = writer.last_lsn();
        let log = Log::start(writer, Writer::record_max(segment)).map_err(|e| Error::io(dir, e))?;
        let torn = found.and_then(|scan| scan.torn).map(|torn| torn.to_string());
        let chronicle = Chronicle { log, disk, lock: Mutex::new(Some(lock)), last: AtomicU64::new(records) };
        Ok((chronicle, standing, Reopened { records, snapshot, passed_over, torn }))
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
        self.last.fetch_max(lsn, Ordering::AcqRel);
        Ticket::new(lsn, Durability::Sync, self.log.shared())
    }

    /// How many records have been appended, those of before included.
    pub fn records(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// A ticket for all that has been appended so far.
    pub fn so_far(&self) -> Ticket {
        Ticket::new(self.records(), Durability::Sync, self.log.shared())
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

    /// Writes, syncs and seals, and saves what all its records come to, so that the next start reads little. Nothing
    /// more is taken. Dropping it syncs and seals, and no more.
    ///
    /// # Errors
    /// When that could not be saved; the records themselves are whole.
    pub fn close(&self, standing: &impl Standing) -> Result<(), Error> {
        self.log.close();
        // Without an end the disk has failed, and what is known may be ahead of it.
        let saved = self.log.end().map_or(Ok(()), |end| match end.next_lsn - 1 {
            0 => Ok(()),
            last if named(&*self.disk, last) => Ok(()), // nothing was taken since
            _ => save(&*self.disk, standing, &end),
        });
        self.lock.lock().take();
        saved.map_err(|e| Error::new(format!("no snapshot was written: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records, one after the other.
    #[derive(Default)]
    struct All(Vec<(u8, Vec<u8>)>);

    impl Standing for All {
        const RELEASE: &'static str = "test";

        fn take(&mut self, kind: u8, _: u8, payload: &[u8]) -> Result<(), String> {
            if payload == b"two" {
                return Err("it is odd".to_owned());
            }
            self.0.push((kind, payload.to_vec()));
            Ok(())
        }

        fn image(&self, put: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
            self.0.iter().try_for_each(|(kind, payload)| put(&[&[*kind], &payload[..]].concat()))
        }

        fn with_image(mut self, chunks: &[&[u8]]) -> Result<All, String> {
            self.0.extend(chunks.iter().map(|chunk| (chunk[0], chunk[1..].to_vec())));
            Ok(self)
        }
    }

    fn open(dir: &Path) -> (Chronicle, All, Reopened) {
        let opened = Chronicle::open(dir, SEGMENT_BYTES_MIN, &All::default).unwrap();
        assert_eq!(opened.2.records, opened.1.0.len() as u64);
        opened
    }

    #[test]
    fn records_come_back_in_order_over_many_segments() {
        let dir = tempfile::tempdir().unwrap();
        let (chronicle, before, _) = open(dir.path());
        assert!(before.0.is_empty());
        let payload = |n: u32| n.to_le_bytes().repeat(500);
        for n in 0..500 {
            chronicle.append(40, 1, &payload(n)).wait().unwrap();
        }
        assert_eq!(chronicle.records(), 500);
        assert!(Chronicle::open(dir.path(), SEGMENT_BYTES_MIN, &All::default).is_err(), "it is locked");
        drop(chronicle);
        let (chronicle, mut found, reopened) = open(dir.path());
        assert!(found.0.iter().zip(0..).all(|((kind, bytes), n)| *kind == 40 && *bytes == payload(n)));
        assert_eq!((found.0.len(), reopened.snapshot), (500, None));
        chronicle.append(41, 1, b"x").wait().unwrap();
        found.0.push((41, b"x".to_vec()));
        chronicle.close(&found).unwrap();
        assert!(chronicle.failure().is_some() && chronicle.admit(0).is_err());
        // It was closed with what it knew, and the next start reads that.
        let (_, again, reopened) = open(dir.path());
        assert!(again.0 == found.0 && reopened.snapshot == Some(501) && reopened.passed_over.is_empty());
    }

    #[test]
    fn a_record_that_is_refused_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (chronicle, ..) = open(dir.path());
        drop(chronicle.append(40, 1, b"one"));
        chronicle.append(40, 1, b"two").wait().unwrap();
        drop(chronicle);
        let refused = Chronicle::open(dir.path(), SEGMENT_BYTES_MIN, &All::default);
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("record 2: it is odd"), "{said}");
    }

    #[test]
    fn whoever_follows_holds_nobody_up_and_saves_the_next_start_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let (chronicle, ..) = open(dir.path());
        for n in 0..300_u32 {
            chronicle.append(40, 1, &n.to_le_bytes().repeat(300)).wait().unwrap();
            if n % 100 == 99 {
                assert_eq!(super::super::follow(dir.path(), &All::default).unwrap(), u64::from(n) + 1);
            }
        }
        drop(chronicle.append(40, 1, b"after"));
        drop(chronicle);
        let names = super::super::chunks::names(&Directory::new(dir.path()).list().unwrap());
        assert_eq!(names, ["00000000000000000300.snapshot", "00000000000000000200.snapshot"], "two are kept");
        let (_, found, reopened) = open(dir.path());
        assert_eq!((reopened.snapshot, found.0.len()), (Some(300), 301));
    }
}
