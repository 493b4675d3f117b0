//! Waits until a record is written or synced: a thread blocks, a task is woken; no runtime is needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use super::log::Shared;
use super::refused::Busy;

/// When a score is acknowledged.
///
/// ```
/// use tollgate::Durability;
/// assert_eq!(Durability::default(), Durability::Written);
/// assert_eq!(Durability::parse("sync"), Some(Durability::Sync));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// At once; a crash may lose it, and the answer is to say so.
    Async,
    /// When the system has it: it survives the process's end, and is synced a few milliseconds later.
    #[default]
    Written,
    /// When the disk has it: it survives a power cut.
    Sync,
}

impl Durability {
    /// The word used in settings and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Async => "async",
            Durability::Written => "written",
            Durability::Sync => "sync",
        }
    }

    /// The durability of this name.
    pub fn parse(name: &str) -> Option<Durability> {
        [Durability::Async, Durability::Written, Durability::Sync].into_iter().find(|d| d.name() == name)
    }
}

/// How far the file is, by the numbers of records.
pub(crate) struct Reached {
    written: AtomicU64,
    synced: AtomicU64,
}

impl Reached {
    pub fn new(lsn: u64) -> Reached {
        Reached { written: AtomicU64::new(lsn), synced: AtomicU64::new(lsn) }
    }

    pub fn write(&self, lsn: u64) {
        self.written.fetch_max(lsn, Ordering::AcqRel);
    }

    pub fn sync(&self, lsn: u64) {
        self.synced.fetch_max(lsn, Ordering::AcqRel);
    }

    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    fn has(&self, lsn: u64, durability: Durability) -> bool {
        match durability {
            Durability::Async => true,
            Durability::Written => self.written() >= lsn,
            Durability::Sync => self.synced() >= lsn,
        }
    }
}

/// Who waits.
#[derive(Default)]
pub(crate) struct Waiters {
    tasks: Mutex<Vec<(u64, Durability, Waker)>>,
    threads: Condvar,
}

impl Waiters {
    /// Wakes those whose record is there.
    pub fn wake(&self, reached: &Reached) {
        let mut tasks = self.tasks.lock();
        let woken = tasks.extract_if(.., |(lsn, durability, _)| reached.has(*lsn, *durability));
        let woken: Vec<_> = woken.collect();
        self.threads.notify_all();
        drop(tasks);
        woken.into_iter().for_each(|(_, _, waker)| waker.wake());
    }

    /// Wakes everybody: it is over.
    pub fn wake_all(&self) {
        let woken = std::mem::take(&mut *self.tasks.lock());
        self.threads.notify_all();
        woken.into_iter().for_each(|(_, _, waker)| waker.wake());
    }
}

/// A record's number, and the promise of it. Await it, or [`wait`](Ticket::wait) for it; its answer says
/// how durable the record is.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Durability, Engine, Journal, JournalSettings, Payment, Pipeline};
/// let dir = std::env::temp_dir().join(format!("tollgate-ticket-{}", std::process::id()));
/// let engine = Arc::new(Engine::new(Pipeline::shipped()?));
/// let (journal, _) = Journal::open(&dir, &JournalSettings::default(), engine.clone())?;
/// let (_, ticket) = journal.score(&Payment::new(engine.pipeline().schema())).unwrap();
/// assert_eq!(ticket.until(Durability::Sync).wait().unwrap(), Durability::Sync);
/// # drop((journal, std::fs::remove_dir_all(&dir)));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[must_use = "nothing is acknowledged before the ticket says so"]
pub struct Ticket {
    lsn: u64,
    durability: Durability,
    shared: Arc<Shared>,
}

impl Ticket {
    pub(super) fn new(lsn: u64, durability: Durability, shared: &Arc<Shared>) -> Ticket {
        if durability == Durability::Sync {
            shared.want_sync(lsn);
        }
        Ticket { lsn, durability, shared: shared.clone() }
    }

    /// The record's number in the journal.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }

    /// The same record, waited for until it is as durable as that.
    pub fn until(self, durability: Durability) -> Ticket {
        Ticket::new(self.lsn, durability, &self.shared)
    }

    fn answer(&self) -> Option<Result<Durability, Busy>> {
        let reached = &self.shared.reached;
        if reached.has(self.lsn, self.durability) {
            return Some(Ok(self.durability));
        }
        self.shared.failed.get().map(|said| Err(Busy::Failed(said.clone())))
    }

    /// Blocks until the record is as durable as was asked for.
    ///
    /// # Errors
    /// When the disk failed before.
    pub fn wait(&self) -> Result<Durability, Busy> {
        loop {
            if let Some(answer) = self.answer() {
                return answer;
            }
            let mut tasks = self.shared.waiters.tasks.lock();
            if self.answer().is_none() {
                self.shared.waiters.threads.wait(&mut tasks);
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<Durability, Busy>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.answer() {
            return Poll::Ready(answer);
        }
        let mut tasks = self.shared.waiters.tasks.lock();
        // It may have come to pass before the lock was there.
        if let Some(answer) = self.answer() {
            return Poll::Ready(answer);
        }
        let mine = |(lsn, durability, waker): &&mut (u64, Durability, Waker)| {
            *lsn == self.lsn && *durability == self.durability && waker.will_wake(context.waker())
        };
        if tasks.iter_mut().find(mine).is_none() {
            tasks.push((self.lsn, self.durability, context.waker().clone()));
        }
        Poll::Pending
    }
}
