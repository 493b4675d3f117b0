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

use super::disk::DiskFile;
use super::frame::Raw;
use super::scan::Position;
use super::segment::prepare;
use super::ticket::{Reached, Waiters};
use super::writer::Writer;

/// Bytes of records that wait to be written; past it a new payment is not taken ([`Busy::Full`]).
pub(crate) const BUFFER_BYTES_MAX: usize = 8 << 20;
/// Kinds of records that are counted.
pub(crate) const KINDS: usize = 8;
/// How long nothing must have been appended before the last frame is sealed.
const IDLE: Duration = Duration::from_millis(50);
/// How long written frames wait for a sync that nobody waits for.
const LINGER: Duration = Duration::from_millis(2);
/// How long after a failure the reserve segment is tried again.
const RESERVE_AGAIN: Duration = Duration::from_secs(1);

/// Why a payment can't be taken now. Nothing of it has been remembered.
///
/// ```
/// assert!(tollgate::Busy::Full.to_string().contains("try again"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Busy {
    /// The disk does not keep up.
    Full,
    /// The payment is larger than a record may be: its bytes, and the most.
    TooLarge(usize, usize),
    /// The disk has failed; what it said. The program is to be started anew.
    Failed(String),
}

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Busy::Full => write!(
                f,
                "{BUFFER_BYTES_MAX} bytes of records wait for the disk; try again in a few milliseconds"
            ),
            Busy::TooLarge(bytes, most) => {
                write!(f, "the payment takes {bytes} bytes and a record of the journal has at most {most}")
            }
            Busy::Failed(said) => {
                write!(f, "the journal's disk has failed and nothing is recorded any more: {said}")
            }
        }
    }
}

impl std::error::Error for Busy {}

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
    queue: Mutex<Queue>,
    work: Condvar,
    pub(super) reached: Reached,
    pub(super) waiters: Waiters,
    dirty: Mutex<Dirty>,
    sync_work: Condvar,
    syncing: Mutex<()>,
    synced_frame: AtomicU64,
    pub(super) failed: OnceLock<String>,
    end: OnceLock<Position>,
    /// What the disk said when a segment for later was asked of it.
    reserve: Mutex<Option<String>>,
}

/// Records on their way to the writer.
struct Queue {
    /// In order, as they will stand in a frame.
    ready: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// The number that `ready` goes on with.
    next: u64,
    /// Those whose predecessors are not there yet.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// How many of each kind have been appended.
    kinds: [u64; KINDS],
    closing: bool,
}

/// What the syncing thread is to sync.
struct Dirty {
    file: Arc<dyn DiskFile>,
    frame: u64,
    lsn: u64,
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
            let end = Commit { shared: &commit, writer, reserve: None, tried: None }.run();
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
    fn sync(&self, file: &dyn DiskFile, frame: u64, lsn: u64) -> io::Result<()> {
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

/// The thread that writes.
struct Commit<'a> {
    shared: &'a Arc<Shared>,
    writer: Writer,
    /// Makes the segment that comes after this one.
    reserve: Option<JoinHandle<io::Result<()>>>,
    tried: Option<Instant>,
}

impl Commit<'_> {
    fn run(mut self) -> io::Result<()> {
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        self.make_reserve();
        loop {
            let mut queue = self.shared.queue.lock();
            let mut idle = false;
            while queue.ready.is_empty() && !queue.closing && !idle {
                if self.writer.sealed() && self.shared.reserve.lock().is_none() {
                    self.shared.work.wait(&mut queue);
                } else {
                    idle = self.shared.work.wait_for(&mut queue, IDLE).timed_out();
                }
            }
            let closing = queue.closing;
            body.clear();
            ends.clear();
            std::mem::swap(&mut body, &mut queue.ready);
            std::mem::swap(&mut ends, &mut queue.ends);
            drop(queue);
            if self.shared.failed.get().is_some() {
                return Ok(());
            }
            if !body.is_empty() {
                self.write(&body, &ends)?;
                continue;
            }
            self.seal()?;
            if closing {
                self.sync()?;
                if let Some(making) = self.reserve.take() {
                    let _ = making.join();
                }
                let _ = self.shared.end.set(self.writer.position());
                return Ok(());
            }
            self.check_reserve();
        }
    }

    /// Writes records as few frames.
    fn write(&mut self, body: &[u8], ends: &[usize]) -> io::Result<()> {
        let (mut start, mut done) = (0, 0);
        while done < ends.len() {
            let most = start + self.writer.body_max();
            let fit = ends[done..].partition_point(|end| *end <= most);
            let end = ends[done + fit - 1];
            self.frame(&body[start..end], fit as u32)?;
            self.shared.reached.write(self.writer.last_lsn());
            self.shared.waiters.wake(&self.shared.reached);
            (start, done) = (end, done + fit);
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8], records: u32) -> io::Result<()> {
        let rotates = self.writer.rotates(body.len());
        if rotates {
            self.sync()?;
            if let Some(making) = self.reserve.take() {
                self.made(making);
            }
        }
        self.writer.write(body, records, self.shared.synced_frame.load(Ordering::Acquire))?;
        if rotates {
            self.make_reserve();
        }
        let mut dirty = self.shared.dirty.lock();
        dirty.file = self.writer.file();
        (dirty.frame, dirty.lsn) = (self.writer.last_frame(), self.writer.last_lsn());
        drop(dirty);
        self.shared.sync_work.notify_one();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.shared.sync(&*self.writer.file(), self.writer.last_frame(), self.writer.last_lsn())
    }

    /// Says in a frame of its own that everything before it is synced.
    fn seal(&mut self) -> io::Result<()> {
        if self.writer.sealed() {
            return Ok(());
        }
        self.sync()?;
        self.frame(&[], 0)
    }

    fn make_reserve(&mut self) {
        let (disk, bytes) = (self.writer.disk(), self.writer.segment_bytes());
        self.tried = Some(Instant::now());
        let making = Builder::new().name("journal-reserve".into()).spawn(move || {
            if disk.list()?.iter().any(|name| name == super::segment::RESERVE) {
                return Ok(());
            }
            prepare(&*disk, bytes)
        });
        match making {
            Ok(making) => self.reserve = Some(making),
            // It is made when it is needed.
            Err(e) => *self.shared.reserve.lock() = Some(e.to_string()),
        }
    }

    /// Hears how making the reserve ended, and tries again if it did not.
    fn check_reserve(&mut self) {
        if self.reserve.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(making) = self.reserve.take()
        {
            self.made(making);
        }
        let failed = self.shared.reserve.lock().is_some();
        if failed && self.reserve.is_none() && self.tried.is_none_or(|at| at.elapsed() > RESERVE_AGAIN) {
            self.make_reserve();
        }
    }

    fn made(&mut self, making: JoinHandle<io::Result<()>>) {
        let made =
            making.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes it panicked")));
        *self.shared.reserve.lock() = made.err().map(|e| e.to_string());
    }
}
