//! The engine, alone or beside its journal: what is decided is recorded before it is told.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use parking_lot::Mutex;

use super::journaling::Journaling;
use super::limits::Limits;
use super::log::{self, Level};
use super::problem::{Kind, Problem};
use crate::decision::Decision;
use crate::engine::{Current, Engine, Prepared};
use crate::error::Error;
use crate::journal::{self, Busy, Durability, EditError, Journal, Origin, Recovered, Ticket};
use crate::list::{Editor, Edits, ListEdit};
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::rules::BrakeChange;
use crate::stage::Settlement;

/// What scores and remembers.
pub(super) enum Keeper {
    /// The memory lives as long as the process.
    Memory { engine: Engine, edits: Mutex<Edits> },
    /// Everything is in a journal, and comes back.
    Journal { journal: Box<Journal>, dir: PathBuf, snapshots: Mutex<()> },
}

/// A promise that something is recorded; without a journal there is nothing to wait for.
#[must_use = "nothing is told before it is recorded"]
#[derive(Default)]
pub(super) struct Recorded(Option<Ticket>);

impl Recorded {
    /// Waits until it is recorded: its number and how durable it is, when there is a journal.
    ///
    /// # Errors
    /// When the disk has failed.
    pub(super) async fn done(self) -> Result<Option<(u64, Durability)>, Busy> {
        let Some(ticket) = self.0 else { return Ok(None) };
        let number = ticket.lsn();
        ticket.await.map(|durability| Some((number, durability)))
    }

    /// As [`Recorded::done`], on a thread that may block.
    ///
    /// # Errors
    /// Likewise.
    pub(super) fn wait(self) -> Result<(), Busy> {
        self.0.map_or(Ok(()), |ticket| ticket.wait().map(|_| ()))
    }

    /// The ticket, for whoever polls it.
    pub(super) fn into_ticket(self) -> Option<Ticket> {
        self.0
    }
}

impl Keeper {
    /// Brings back to a new engine what the journal has, when there is to be one.
    ///
    /// # Errors
    /// When the journal is damaged, another process has it, or the disk fails.
    pub(super) fn open(settings: &Journaling, engine: Engine) -> Result<Keeper, Error> {
        let Some(dir) = settings.dir.clone() else {
            return Ok(Keeper::Memory { engine, edits: Mutex::default() });
        };
        let (journal, recovered) = Journal::open(&dir, &settings.settings(), Arc::new(engine))?;
        tell(&dir, &recovered);
        Ok(Keeper::Journal { journal: Box::new(journal), dir, snapshots: Mutex::new(()) })
    }

    /// Saves what the windows hold, by a new engine with the pipeline in force; the record up to which it is known.
    ///
    /// # Errors
    /// When there is no journal, it is damaged, or the disk fails.
    pub(super) fn snapshot(&self, engine: &Engine) -> Result<u64, Error> {
        match self {
            Keeper::Memory { .. } => Err(Error::new("there is no journal")),
            Keeper::Journal { dir, snapshots, .. } => {
                let _turn = snapshots.lock();
                journal::snapshot(dir, engine)
            }
        }
    }

    /// Ends the journal in good order; nothing is scored any more.
    pub(super) fn close(&self) {
        let Keeper::Journal { journal, snapshots, .. } = self else { return };
        let _turn = snapshots.lock();
        let (level, detail) = match journal.close() {
            Ok(()) => (Level::Info, serde_json::Value::Null),
            Err(error) => (Level::Warn, error.to_string().into()),
        };
        log::event(level, "journal_closed", &[("records", journal.records().into()), ("detail", detail)]);
    }

    pub(super) fn engine(&self) -> &Engine {
        match self {
            Keeper::Memory { engine, .. } => engine,
            Keeper::Journal { journal, .. } => journal.engine(),
        }
    }

    pub(super) fn journal(&self) -> Option<&Journal> {
        match self {
            Keeper::Memory { .. } => None,
            Keeper::Journal { journal, .. } => Some(journal),
        }
    }

    /// Where the journal is, when there is one.
    pub(super) fn journal_in(&self) -> Option<(&Journal, &Path)> {
        match self {
            Keeper::Memory { .. } => None,
            Keeper::Journal { journal, dir, .. } => Some((journal, dir)),
        }
    }

    /// A promise that the disk has a record that was made before.
    pub(super) fn synced(&self, record: u64) -> Recorded {
        Recorded(self.journal().map(|journal| journal.synced(record)))
    }

    /// Begins one piece of work; not to be held while anything is waited for.
    pub(super) fn turn(&self) -> Turn<'_> {
        match self {
            Keeper::Memory { engine, .. } => Turn::Memory(engine.current()),
            Keeper::Journal { journal, .. } => Turn::Journal(journal.turn()),
        }
    }

    /// Edits a list of the pipeline in force, in such a way that the edit outlives reloads. Whether anything
    /// changed.
    ///
    /// # Errors
    /// When there is no such list, the value can't be on it, the editor has edited as many values as it may, or it
    /// can't be recorded.
    pub(super) fn edit(
        &self,
        edit: ListEdit,
        editor: Editor,
        limits: &Limits,
    ) -> Result<(bool, Recorded), Problem> {
        let (max, what, name) = match editor {
            Editor::Hand => (limits.list_edits, "edits", "limits.list_edits"),
            Editor::Fraud => (limits.fraud_edits, "edits because of fraud", "limits.fraud_edits"),
        };
        let limit = |edited: (usize, bool)| match edited {
            (count, false) if count >= max => {
                Err(Problem::new(Kind::BadItem, format!("more than {max} {what} since the start"))
                    .remedy(format!("move them into the list's file and start anew, or raise `{name}`")))
            }
            _ => Ok(()),
        };
        match self {
            Keeper::Memory { engine, edits } => {
                let mut edits = edits.lock();
                limit(edits.room(editor, &edit))?;
                let list = super::lists::list(engine.pipeline().lists(), &edit.list)?;
                let changed = edit.make(&list).map_err(|e| Problem::new(Kind::BadItem, e.to_string()))?;
                edits.add(edit);
                Ok((changed, Recorded::default()))
            }
            Keeper::Journal { journal, .. } => {
                limit(journal.edited(editor, &edit))?;
                super::lists::list(journal.engine().pipeline().lists(), &edit.list)?;
                let ticket = journal.edit(edit).map_err(|e| match e {
                    EditError::Busy(busy) => not_recorded(&busy),
                    other => Problem::new(Kind::BadItem, other.to_string()),
                })?;
                Ok((ticket.is_some(), Recorded(ticket)))
            }
        }
    }

    /// Brakes a rule of a pipeline, or releases it, if that pipeline is in force. Whether anything changed.
    ///
    /// # Errors
    /// When it can't be recorded; the rule then stays as it was.
    pub(super) fn brake(
        &self,
        pipeline: &Arc<Pipeline>,
        change: BrakeChange,
    ) -> Result<(bool, Recorded), Problem> {
        match self {
            Keeper::Memory { engine, edits } => {
                // No other comes into force meanwhile.
                let _turn = edits.lock();
                let current = Arc::ptr_eq(&engine.pipeline(), pipeline);
                Ok((current && engine.brake(&change), Recorded::default()))
            }
            Keeper::Journal { journal, .. } => {
                let ticket = journal.brake_of(pipeline, change).map_err(|busy| not_recorded(&busy))?;
                Ok((ticket.is_some(), Recorded(ticket)))
            }
        }
    }

    /// Makes the edits that lists have had to a pipeline to come.
    pub(super) fn edit_again(&self, pipeline: &Pipeline) {
        match self {
            Keeper::Memory { edits, .. } => edits.lock().apply(pipeline.lists()),
            Keeper::Journal { journal, .. } => journal.edit_again(pipeline),
        }
    }

    /// Swaps in what was prepared, with all edits.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub(super) fn adopt(&self, prepared: Prepared) -> Result<Recorded, Problem> {
        match self {
            Keeper::Memory { engine, edits } => {
                // None can be made until it is in force.
                let edits = edits.lock();
                edits.apply(prepared.pipeline().lists());
                engine.adopt(prepared);
                Ok(Recorded::default())
            }
            Keeper::Journal { journal, .. } => {
                let adopted = journal.adopt(prepared).map_err(|e| refused(&e.to_string()))?;
                Ok(Recorded(Some(adopted)))
            }
        }
    }
}

/// One piece of work: what is read by its schema is scored by its pipeline.
pub(super) enum Turn<'a> {
    Memory(Current),
    Journal(journal::Turn<'a>),
}

impl Turn<'_> {
    pub(super) fn current(&self) -> &Current {
        match self {
            Turn::Memory(current) => current,
            Turn::Journal(turn) => turn.current(),
        }
    }

    /// Scores and remembers payments in their order, one answer for each.
    ///
    /// # Errors
    /// For each, when it can't be recorded; nothing is remembered of it then.
    pub(super) fn score_each(
        &self,
        payments: &[&Payment],
        origins: &[Origin],
    ) -> Vec<Result<(Decision, Recorded), Busy>> {
        match self {
            Turn::Memory(current) => {
                let decided = current.score_each(payments, |_| ()).into_iter();
                decided.map(|(decision, ())| Ok((decision, Recorded::default()))).collect()
            }
            Turn::Journal(turn) => {
                let decided = turn.score_each(payments, origins).into_iter();
                decided.map(|d| d.map(|(decision, ticket)| (decision, Recorded(Some(ticket))))).collect()
            }
        }
    }

    /// Records what a policy decided.
    ///
    /// # Errors
    /// When it can't be.
    pub(super) fn unscored(
        &self,
        payment: &Payment,
        decision: Decision,
        origin: &Origin,
    ) -> Result<Recorded, Busy> {
        match self {
            Turn::Memory(_) => Ok(Recorded::default()),
            Turn::Journal(turn) => {
                turn.unscored(payment, decision, origin).map(|ticket| Recorded(Some(ticket)))
            }
        }
    }

    /// Tells what became of a payment; whether it was still remembered.
    ///
    /// # Errors
    /// When it can't be recorded; nobody has learnt of it then.
    pub(super) fn settle(&self, payment: &Payment, settlement: Settlement) -> Result<(bool, Recorded), Busy> {
        match self {
            Turn::Memory(current) => Ok((current.settle(payment, settlement), Recorded::default())),
            Turn::Journal(turn) => {
                turn.settle(payment, settlement).map(|(known, ticket)| (known, Recorded(Some(ticket))))
            }
        }
    }
}

/// What a caller is told of something that could not be recorded.
#[cold]
pub(super) fn not_recorded(busy: &Busy) -> Problem {
    match busy {
        Busy::TooLarge(..) => Problem::new(Kind::TooLarge, busy.to_string()),
        Busy::Full | Busy::Failed(_) => refused(&busy.to_string()),
    }
}

/// What the disk said is for whoever runs the server, not for callers; once, for it does not heal.
fn refused(detail: &str) -> Problem {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| log::event(Level::Error, "not_recorded", &[("detail", detail.into())]));
    Problem::new(Kind::NotRecorded, "send it again").retry_after(1)
}

/// Tells what a journal brought back.
fn tell(dir: &Path, recovered: &Recovered) {
    let Recovered { contents, torn, shut_down, orphaned_edits, snapshot, passed_over, took } = recovered;
    let fields = [
        ("journal", dir.display().to_string().into()),
        ("payments", contents.payments.into()),
        ("records", contents.records().into()),
        ("from_snapshot", (*snapshot).into()),
        ("ended_in_good_order", (*shut_down).into()),
        ("torn", torn.clone().into()),
        ("passed_over", passed_over.clone().into()),
        ("orphaned_edits", (*orphaned_edits).into()),
        ("took_ms", log::millis(*took).into()),
    ];
    let level = if *orphaned_edits > 0 || !passed_over.is_empty() { Level::Warn } else { Level::Info };
    log::event(level, "recovered", &fields);
}
