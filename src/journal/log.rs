//! Group commit: many threads append, one writes frames, one syncs them.
//!
//! A record's number is drawn before the record is made, and numbers go into frames without a gap: a
//! record that comes early waits for those before it. So what an answer depended on is written before it,
//! and the file's order is the order in which the windows saw the events.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::commit::Commit;
use super::disk::DiskFile;
use super::frame::Raw;
use super::refused::{BUFFER_BYTES_MAX, Busy};
use super::scan::Position;
use super::ticket::{Reached, Waiters};
use super::writer::Writer;

/// Kinds of records that are counted.
pub(crate) const KINDS: usize = 9;
/// How long written frames wait for a sync that nobody waits for.
const LINGER: Duration = Duration::from_millis(2);

/// The two threads, and the way to them.
pub(crate) struct Log {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    record_max: usize,
}

/// What all threads know.
pub(crate) struct Shared {
    /// The number that is drawn next.
    next: AtomicU64,
    pub(super) queue: Mutex<Queue>,
    pub(super) work: Condvar,
    pub(super) reached: Reached,
    pub(super) waiters: Waiters,
    pub(super) dirty: Mutex<Dirty>,
    pub(super) sync_work: Condvar,
    syncing: Mutex<()>,
    pub(super) synced_frame: AtomicU64,
    pub(super) failed: OnceLock<String>,
    pub(super) end: OnceLock<Position>,
    /// What the disk said when a segment for later was asked of it.
    pub(super) reserve: Mutex<Option<String>>,
}

/// Records on their way to the writer.
pub(super) struct Queue {
    /// In order, as they will stand in a frame.
    pub(super) ready: Vec<u8>,
    /// Where each of them ends.
    pub(super) ends: Vec<usize>,
    /// The number that `ready` goes on with.
    next: u64,
    /// Those whose predecessors are not there yet.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// How many of each kind have been appended.
    kinds: [u64; KINDS],
    pub(super) closing: bool,
}

/// What the syncing thread is to sync.
pub(super) struct Dirty {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) frame: u64,
    pub(super) lsn: u64,
    /// The highest record whose sync somebody waits for.
    wanted: u64,
    closing: bool,
}

impl Log {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(writer: Writer, record_max: usize) -> io::Result<Log> {
        let (lsn, frame) = (writer.last_lsn(), writer.last_frame());
        let shared = Arc::new(Shared {
            next: AtomicU64::new(lsn + 1),
            queue: Mutex::new(Queue {
                ready: Vec::new(),
                ends: Vec::new(),
                next: lsn + 1,
                early: BTreeMap::new(),
                early_bytes: 0,
                kinds: [0; KINDS],
                closing: false,
            }),
            work: Condvar::new(),
            reached: Reached::new(lsn),
            waiters: Waiters::default(),
            dirty: Mutex::new(Dirty { file: writer.file(), frame, lsn, wanted: 0, closing: false }),
            sync_work: Condvar::new(),
            syncing: Mutex::new(()),
            synced_frame: AtomicU64::new(frame),
            failed: OnceLock::new(),
            end: OnceLock::new(),
            reserve: Mutex::new(None),
        });
        let (commit, sync) = (shared.clone(), shared.clone());
        let commit = Builder::new().name("journal-commit".into()).spawn(move || {
            let end = Commit::new(&commit, writer).run();
            commit.ended(end);
        })?;
        let sync = Builder::new().name("journal-sync".into()).spawn(move || {
            if let Err(e) = sync.run_syncs() {
                sync.fail(&e);
            }
        })?;
        Ok(Log { shared, threads: Mutex::new(vec![commit, sync]), record_max })
    }

    /// Whether a record with so much of a payment would be taken now.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, bytes: usize) -> Result<(), Busy> {
        if let Some(said) = self.shared.failed.get() {
            return Err(Busy::Failed(said.clone()));
        }
        if bytes > self.record_max {
            return Err(Busy::TooLarge(bytes, self.record_max));
        }
        let queue = self.shared.queue.lock();
        if queue.ready.len() + queue.early_bytes > BUFFER_BYTES_MAX { Err(Busy::Full) } else { Ok(()) }
    }

    /// The next number; its record must be appended, or all after it wait for ever.
    pub fn draw(&self) -> u64 {
        self.shared.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The record of a number that was drawn.
    pub fn append(&self, lsn: u64, record: Raw<'_>) {
        let mut queue = self.shared.queue.lock();
        if let Some(count) = queue.kinds.get_mut(usize::from(record.kind)) {
            *count += 1;
        }
        if lsn != queue.next {
            let mut bytes = Vec::new();
            record.put(&mut bytes);
            queue.early_bytes += bytes.len();
            queue.early.insert(lsn, bytes);
            return;
        }
        let idle = queue.ready.is_empty();
        record.put(&mut queue.ready);
        queue.taken();
        loop {
            let next = queue.next;
            let Some(bytes) = queue.early.remove(&next) else { break };
            queue.early_bytes -= bytes.len();
            queue.ready.extend_from_slice(&bytes);
            queue.taken();
        }
        drop(queue);
        if idle {
            self.shared.work.notify_one();
        }
    }

    /// How many records of each kind have been appended since the start.
    pub fn kinds(&self) -> [u64; KINDS] {
        self.shared.queue.lock().kinds
    }

    /// Where the file ends, once the log is closed and all went well.
    pub fn end(&self) -> Option<Position> {
        self.shared.end.get().copied()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the disk said when a segment for later was asked of it; `None` when all is well.
    pub fn reserve_failure(&self) -> Option<String> {
        self.shared.reserve.lock().clone()
    }

    /// Writes what was appended, syncs and seals it, and ends the threads.
    pub fn close(&self) {
        self.shared.queue.lock().closing = true;
        self.shared.work.notify_one();
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has said so on stderr, and what it did not record nobody was told.
            let _ = thread.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn taken(&mut self) {
        self.ends.push(self.ready.len());
        self.next += 1;
    }
}

impl Shared {
    /// Stops everything; the first failure is the one that is told.
    fn fail(&self, e: &io::Error) {
        let _ = self.failed.set(e.to_string());
        self.queue.lock().closing = true;
        self.dirty.lock().closing = true;
        self.work.notify_all();
        self.sync_work.notify_all();
        self.waiters.wake_all();
    }

    fn ended(&self, end: io::Result<()>) {
        match end {
            Ok(()) => self.fail(&io::Error::other("the journal is closed")),
            Err(e) => self.fail(&e),
        }
    }

    /// Somebody waits for this record's sync.
    pub(super) fn want_sync(&self, lsn: u64) {
        let mut dirty = self.dirty.lock();
        dirty.wanted = dirty.wanted.max(lsn);
        drop(dirty);
        self.sync_work.notify_one();
    }

    /// Syncs a file up to what was written to it before. One at a time: the system tells of a failed sync once, and
    /// whoever asked in the meantime would hear that all is well.
    pub(super) fn sync(&self, file: &dyn DiskFile, frame: u64, lsn: u64) -> io::Result<()> {
        let _turn = self.syncing.lock();
        if let Some(said) = self.failed.get() {
            return Err(io::Error::other(said.clone()));
        }
        file.sync().inspect_err(|e| {
            let _ = self.failed.set(e.to_string());
        })?;
        self.set_synced(frame, lsn);
        Ok(())
    }

    fn set_synced(&self, frame: u64, lsn: u64) {
        self.synced_frame.fetch_max(frame, Ordering::AcqRel);
        self.reached.sync(lsn);
        self.waiters.wake(&self.reached);
    }

    fn run_syncs(&self) -> io::Result<()> {
        loop {
            let mut dirty = self.dirty.lock();
            while dirty.frame <= self.synced_frame.load(Ordering::Acquire) {
                if dirty.closing || self.failed.get().is_some() {
                    return Ok(());
                }
                self.sync_work.wait(&mut dirty);
            }
            let until = Instant::now() + LINGER;
            while !dirty.closing && dirty.wanted <= self.reached.synced() {
                if self.sync_work.wait_until(&mut dirty, until).timed_out() {
                    break;
                }
            }
            let (file, frame, lsn) = (dirty.file.clone(), dirty.frame, dirty.lsn);
            drop(dirty);
            self.sync(&*file, frame, lsn)?;
        }
    }
}
