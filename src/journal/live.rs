//! The engine beside its journal: what is decided is recorded, in the order in which it was seen.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use parking_lot::Mutex;

use crate::decision::Decision;
use crate::engine::{Engine, Prepared};
use crate::error::{Error, ErrorKind};
#[cfg(feature = "serve")]
use crate::list::Editor;
use crate::list::{Edits, ListEdit};
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::rules::BrakeChange;
use crate::stage::Settlement;

use super::back::{Back, Recovered, seed};
use super::disk::{Directory, Disk, Lock};
use super::log::Log;
use super::past::{Contents, Past};
use super::pending::Pending;
use super::record::{PipelineChange, Record};
use super::refused::{Busy, EditError};
use super::snapshot::{self, Head};
use super::ticket::{Durability, Ticket};
use super::turn::Turn;
use super::writer::Writer;
use super::{JournalSettings, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// An engine whose payments, settlements and list edits are recorded. Share it between threads.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Engine, Journal, JournalSettings, Payment, Pipeline, Value, field};
/// let dir = std::env::temp_dir().join(format!("tollgate-doc-{}", std::process::id()));
/// let engine = Arc::new(Engine::new(Pipeline::shipped()?));
/// let (journal, _) = Journal::open(&dir, &JournalSettings::default(), engine.clone())?;
/// let mut payment = Payment::new(engine.pipeline().schema());
/// payment.set(engine.pipeline().schema(), field::ID, Value::Token("p1")).unwrap();
/// let (decision, ticket) = journal.score(&payment).unwrap();
/// ticket.wait().unwrap(); // now the answer may be sent
/// journal.close()?;
/// // The next start knows what this one knew.
/// let engine = Arc::new(Engine::new(Pipeline::shipped()?));
/// let (_, recovered) = Journal::open(&dir, &JournalSettings::default(), engine)?;
/// assert_eq!(recovered.contents.payments, 1);
/// # let _ = (decision, std::fs::remove_dir_all(&dir));
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Journal {
    engine: Arc<Engine>,
    log: Log,
    /// Held shared by whoever scores, alone by whoever changes what scoring reads: lists and the pipeline.
    turn: ShardedLock<()>,
    durability: Durability,
    /// What list edits came to, for the pipelines to come.
    edits: Mutex<Edits>,
    /// The pipeline's last record.
    change: Mutex<Option<PipelineChange>>,
    /// What the journal held at the start.
    before: Contents,
    disk: Arc<dyn Disk>,
    /// Given back when the journal is closed.
    lock: Mutex<Option<Lock>>,
}

impl Journal {
    /// The seed with which a journal was begun; its pipelines must have the same, for what is forgotten first
    /// when memory is full depends on it. `None` when there is no journal yet: draw one.
    ///
    /// # Errors
    /// When the directory can't be read or its first segment is damaged.
    pub fn seed(dir: impl AsRef<Path>) -> Result<Option<u64>, Error> {
        let dir = dir.as_ref();
        seed(dir, &Directory::new(dir))
    }

    /// Opens the journal of a directory, or begins one, and brings back to a new engine what it knew.
    ///
    /// # Errors
    /// When the journal is damaged, another process has it, the disk fails, or the pipeline has another seed.
    pub fn open(
        dir: impl AsRef<Path>,
        settings: &JournalSettings,
        engine: Arc<Engine>,
    ) -> Result<(Journal, Recovered), Error> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let lock = Lock::take(dir).map_err(|e| Error::io(dir, e))?.ok_or_else(|| {
            Error::new("another process writes this journal; stop it first, or choose another directory")
                .at(dir)
        })?;
        Journal::open_on(dir, Arc::new(Directory::new(dir)), lock, settings, engine)
    }

    pub(super) fn open_on(
        dir: &Path,
        disk: Arc<dyn Disk>,
        lock: Lock,
        settings: &JournalSettings,
        engine: Arc<Engine>,
    ) -> Result<(Journal, Recovered), Error> {
        let started = Instant::now();
        let own = engine.pipeline().schema().seed();
        if seed(dir, &*disk)?.is_some_and(|begun| begun != own) {
            let why = "the journal was begun with another seed than the pipeline's; open the pipeline with \
                       that of `Journal::seed`";
            return Err(Error::new(why).at(dir));
        }
        let known_since = engine.known_since();
        let Back { past, found, snapshot, passed_over, strangers } = Back::of(dir, &*disk, &engine)?;
        let segment = settings.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX) / 512 * 512;
        let writer = match &found {
            Some(scan) => Writer::resume(disk.clone(), scan, segment),
            None => Writer::begin(disk.clone(), rand::random::<u64>(), own, segment),
        };
        let writer = writer.map_err(|e| Error::io(dir, e))?;
        // Their numbers may be higher than those of snapshots to come, which they would displace.
        for name in strangers {
            disk.remove(&name).map_err(|e| Error::io(dir.join(name), e))?;
        }
        let recovered = Recovered {
            contents: past.contents.clone(),
            torn: found.as_ref().and_then(|scan| scan.torn.as_ref()).map(ToString::to_string),
            shut_down: past.shut_down || found.is_none(),
            orphaned_edits: past.orphaned,
            snapshot,
            passed_over,
            took: started.elapsed(),
        };
        let Past { change: last, edits, contents, .. } = past;
        let log = Log::start(writer, Writer::record_max(segment)).map_err(|e| Error::io(dir, e))?;
        let journal = Journal {
            log,
            turn: ShardedLock::new(()),
            durability: settings.durability,
            edits: Mutex::new(edits),
            change: Mutex::new(last.clone()),
            before: contents,
            disk,
            lock: Mutex::new(Some(lock)),
            engine,
        };
        let pipeline = journal.engine.pipeline();
        // The first says from when on the past is known; later ones go on with what is remembered.
        let fresh = last.is_none().then_some(known_since);
        let change = PipelineChange::new(pipeline.digest(), pipeline.schema(), fresh);
        if last.is_none_or(|last| (last.digest, &last.fields) != (change.digest, &change.fields)) {
            // Rules that say what they said when they were braked still are.
            let failed = |e: Busy| Error::new(e.to_string()).at(dir);
            let ticket = journal.change(change).until(Durability::Sync);
            ticket.wait().map_err(failed)?;
        }
        Ok((journal, recovered))
    }

    /// The engine, for all that leaves no trace in windows or lists. What is scored past the journal is
    /// forgotten at the next start, and replays differ.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// As [`Engine::score`], recorded. The answer is to be held until the ticket says so.
    ///
    /// # Errors
    /// When the payment can't be recorded; it is then not scored either.
    pub fn score(&self, payment: &Payment) -> Result<(Decision, Ticket), Busy> {
        self.turn().score(payment)
    }

    /// As [`Engine::settle`], recorded.
    ///
    /// # Errors
    /// When the settlement can't be recorded; nobody has learnt of it then.
    pub fn settle(&self, payment: &Payment, settlement: Settlement) -> Result<(bool, Ticket), Busy> {
        self.turn().settle(payment, settlement)
    }

    /// Keeps lists and pipeline as they are while a payment is read, scored and recorded.
    pub(crate) fn turn(&self) -> Turn<'_> {
        // Nothing is guarded but the order, and a panic leaves that as it is.
        let shared: ShardedLockReadGuard<'_, ()> =
            self.turn.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Turn::new(self, shared)
    }

    /// Edits a list, recorded: no payment is decided with half of the edit. `None` when there was nothing to
    /// take out.
    ///
    /// # Errors
    /// When there is no such list, the value can't be on it, or nothing can be recorded now.
    pub fn edit(&self, edit: ListEdit) -> Result<Option<Ticket>, EditError> {
        let _turn = self.turn_alone();
        self.log.admit(0).map_err(EditError::Busy)?;
        let list = self.engine.pipeline().lists().get(&edit.list);
        let list = list.ok_or_else(|| EditError::NoList(edit.list.clone()))?;
        if !edit.make(&list).map_err(EditError::Value)? {
            return Ok(None);
        }
        let ticket = self.put(Record::List(edit.clone()));
        self.edits.lock().push(ticket.lsn(), edit);
        Ok(Some(ticket))
    }

    /// As [`Engine::brake`], recorded: no payment is decided with half of the change. `None` when there was nothing
    /// to change.
    ///
    /// # Errors
    /// When nothing can be recorded now; the rule then stays as it was.
    pub fn brake(&self, change: BrakeChange) -> Result<Option<Ticket>, Busy> {
        self.brake_of(&self.engine.pipeline(), change)
    }

    /// As [`Journal::brake`], but `None` also when another pipeline is in force by now.
    pub(crate) fn brake_of(
        &self,
        pipeline: &Arc<Pipeline>,
        change: BrakeChange,
    ) -> Result<Option<Ticket>, Busy> {
        let _turn = self.turn_alone();
        self.log.admit(0)?;
        let changed = Arc::ptr_eq(&self.engine.pipeline(), pipeline) && pipeline.brake(&change);
        Ok(changed.then(|| self.put_brake(pipeline, change)))
    }

    /// Values of lists that somebody has edited last, and whether this edit's is among them.
    #[cfg(feature = "serve")]
    pub(crate) fn edited(&self, editor: Editor, edit: &ListEdit) -> (usize, bool) {
        self.edits.lock().room(editor, edit)
    }

    /// As [`Engine::replace`], recorded. The edits that lists have had are made to the new pipeline's too, and what
    /// is braked and says the same stays so.
    ///
    /// # Errors
    /// When the pipeline has another seed than the journal, or nothing can be recorded now.
    pub fn replace(&self, pipeline: Pipeline) -> Result<(Arc<Pipeline>, Ticket), Error> {
        let old = self.engine.pipeline();
        self.adopt(self.engine.prepare(pipeline)).map(|ticket| (old, ticket))
    }

    /// As [`Journal::replace`], with a pipeline that was prepared.
    pub(crate) fn adopt(&self, prepared: Prepared) -> Result<Ticket, Error> {
        let _turn = self.turn_alone();
        self.log.admit(0).map_err(|e| Error::new(e.to_string()))?;
        let pipeline = prepared.pipeline().clone();
        if self.engine.pipeline().schema().seed() != pipeline.schema().seed() {
            return Err(
                Error::new("the new pipeline has another seed than the journal's").of(ErrorKind::Rules)
            );
        }
        self.edits.lock().apply(pipeline.lists());
        let fresh = self.engine.adopt(prepared);
        Ok(self.change(PipelineChange::new(pipeline.digest(), pipeline.schema(), fresh)))
    }

    /// Makes the edits that lists have had to the lists of a pipeline to come.
    #[cfg(feature = "serve")]
    pub(crate) fn edit_again(&self, pipeline: &Pipeline) {
        self.edits.lock().apply(pipeline.lists());
    }

    /// How many records there are, the last one's number.
    #[cfg(feature = "serve")]
    pub(crate) fn records(&self) -> u64 {
        self.before.and(self.log.kinds()).records()
    }

    /// What the disk said when it failed: nothing is recorded any more. `None` while all is well.
    #[cfg(feature = "serve")]
    pub(crate) fn failure(&self) -> Option<String> {
        match self.log.admit(0) {
            Err(Busy::Failed(said)) => Some(said),
            _ => None,
        }
    }

    /// What the disk said when room for later was asked of it: the current segment still takes records, so
    /// what is under way can end, and new payments are better refused. `None` when all is well.
    pub fn storage_failure(&self) -> Option<String> {
        self.log.reserve_failure()
    }

    /// Records that the program ends, syncs, seals and writes a snapshot, so that the next start reads little.
    /// Nothing more is taken afterwards. Dropping the journal syncs and seals, and no more.
    ///
    /// # Errors
    /// When no snapshot could be written; the journal itself is whole.
    pub fn close(&self) -> Result<(), Error> {
        let _turn = self.turn_alone();
        if self.log.admit(0).is_ok() {
            drop(self.put(Record::Shutdown)); // the log's end waits for it
        }
        self.log.close();
        let change = self.change.lock().clone();
        let (Some(position), Some(change)) = (self.log.end(), change) else { return Ok(()) };
        let head = Head {
            position,
            known_since: self.engine.known_since(),
            contents: self.before.and(self.log.kinds()),
            change,
            edits: self.edits.lock().clone(),
            brakes: snapshot::brakes(&self.engine),
            shut_down: true,
        };
        let saved = snapshot::save(&*self.disk, &self.engine, &head);
        self.lock.lock().take();
        saved.map_err(|e| Error::new(format!("no snapshot was written: {e}")))
    }

    /// Records the pipeline in force and the rules that are braked from the beginning; the ticket is that of all.
    fn change(&self, change: PipelineChange) -> Ticket {
        *self.change.lock() = Some(change.clone());
        let ticket = self.put(Record::Pipeline(change));
        let braked = snapshot::brakes(&self.engine).into_iter();
        braked.map(|change| self.put_brake(&self.engine.pipeline(), change)).last().unwrap_or(ticket)
    }

    fn put_brake(&self, pipeline: &Pipeline, change: BrakeChange) -> Ticket {
        let text = pipeline.rule_text(&change.rule);
        self.put(Record::Brake(change, text))
    }

    fn put(&self, record: Record<'_>) -> Ticket {
        let pending = Pending::new(&self.log, record);
        let lsn = pending.draw();
        drop(pending);
        self.ticket(lsn)
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn ticket(&self, lsn: u64) -> Ticket {
        Ticket::new(lsn, self.durability, self.log.shared())
    }

    /// A ticket for a record that was appended before, when the disk has it.
    #[cfg(feature = "serve")]
    pub(crate) fn synced(&self, lsn: u64) -> Ticket {
        self.ticket(lsn).until(Durability::Sync)
    }

    fn turn_alone(&self) -> ShardedLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
