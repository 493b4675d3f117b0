//! Takes an engine through what a journal holds: to remember it, or to decide everything again.

use crate::decision::Decision;
use crate::engine::{Engine, Event};
use crate::expr::Facts;
use crate::list::{Edits, ListEdit};
use crate::payment::Payment;
use crate::stage::Settlement;
use crate::velocity::Status;

use super::frame::Raw;
use super::log::KINDS;
use super::payment::read_payment;
use super::record::{PipelineChange, Record, Slots, kind};
use super::scan::Visitor;
use super::snapshot::Head;

/// Events that are given to the engine at once.
const EVENTS: usize = 4096;

/// Kinds of records that are counted.
pub(super) const NUMBERS: usize = KINDS - 1;

/// What a journal held.
///
/// ```
/// assert_eq!(tollgate::Contents::default().records(), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Payments with their decisions.
    pub payments: u64,
    /// Payments that were remembered without a decision, because a stage failed.
    pub undecided: u64,
    /// Settlements.
    pub settlements: u64,
    /// Edits of lists.
    pub list_edits: u64,
    /// Changes of the pipeline, the first one included.
    pub pipelines: u64,
    /// Shutdowns in good order.
    pub shutdowns: u64,
    /// Payments that a policy decided without their score.
    pub unscored: u64,
    /// Rules demoted to shadow by their brake, or released.
    pub brakes: u64,
}

impl Contents {
    /// All records.
    pub fn records(&self) -> u64 {
        self.numbers().iter().sum()
    }

    pub(super) fn numbers(&self) -> [u64; NUMBERS] {
        let Contents { payments, undecided, settlements, list_edits, pipelines, shutdowns, unscored, brakes } =
            *self;
        [payments, undecided, settlements, list_edits, pipelines, shutdowns, unscored, brakes]
    }

    pub(super) fn of_numbers(numbers: [u64; NUMBERS]) -> Contents {
        let [payments, undecided, settlements, list_edits, pipelines, shutdowns, unscored, brakes] = numbers;
        Contents { payments, undecided, settlements, list_edits, pipelines, shutdowns, unscored, brakes }
    }

    /// With what has been appended since, by kind.
    pub(super) fn and(&self, kinds: [u64; KINDS]) -> Contents {
        let mut numbers = self.numbers();
        for (number, kind) in numbers.iter_mut().zip(kind::SCORED..) {
            *number += kinds.get(usize::from(kind)).copied().unwrap_or_default();
        }
        Contents::of_numbers(numbers)
    }

    pub(super) fn count(&mut self, record: &Record<'_>) {
        *match record {
            Record::Scored { .. } => &mut self.payments,
            Record::Observed { .. } => &mut self.undecided,
            Record::Settled { .. } => &mut self.settlements,
            Record::List(_) => &mut self.list_edits,
            Record::Pipeline(_) => &mut self.pipelines,
            Record::Shutdown => &mut self.shutdowns,
            Record::Unscored { .. } => &mut self.unscored,
            Record::Brake(..) => &mut self.brakes,
        } += 1;
    }
}

/// What is done with each decision that was recorded.
pub(super) trait Judge {
    /// Whether decisions are to be made again.
    const DECIDES: bool;
    /// A payment's number, the bytes of its decision, and the decision made again.
    fn decided(&mut self, lsn: u64, payment: &Payment, recorded: &[u8], again: &Decision);
    /// How far it is, in bytes and payments.
    fn progress(&mut self, _bytes: u64, _payments: u64) {}
}

/// One event that waits to be given to the engine.
struct Waiting {
    lsn: u64,
    payment: Payment,
    /// Settled, if it is not a payment to be scored.
    status: Option<Status>,
    /// The decision's bytes; empty when there is none.
    decision: Vec<u8>,
}

/// The engine's way through the records.
pub(super) struct Past<'a, J> {
    engine: &'a Engine,
    judge: J,
    waiting: Vec<Waiting>,
    slots: Slots,
    pub contents: Contents,
    /// The pipeline of the last record that names one.
    pub change: Option<PipelineChange>,
    pub edits: Edits,
    /// Edits of lists that are no more.
    pub orphaned: u64,
    /// Whether the last record is a shutdown.
    pub shut_down: bool,
}

impl<'a, J: Judge> Past<'a, J> {
    pub fn new(engine: &'a Engine, judge: J) -> Past<'a, J> {
        Past {
            engine,
            judge,
            waiting: Vec::new(),
            slots: Slots::default(),
            contents: Contents::default(),
            change: None,
            edits: Edits::default(),
            orphaned: 0,
            shut_down: false,
        }
    }

    /// Goes on from a snapshot, whose windows are back already.
    pub fn after(engine: &'a Engine, judge: J, head: &Head) -> Past<'a, J> {
        let pipeline = engine.pipeline();
        head.edits.apply(pipeline.lists());
        for change in &head.brakes {
            pipeline.brake(change);
        }
        Past {
            slots: head.change.slots(pipeline.schema()),
            contents: head.contents.clone(),
            change: Some(head.change.clone()),
            edits: head.edits.clone(),
            shut_down: head.shut_down,
            ..Past::new(engine, judge)
        }
    }

    /// Gives the engine what still waits; the judge is then done.
    pub fn finish(mut self) -> (Self, J)
    where
        J: Default,
    {
        self.flush();
        let judge = std::mem::take(&mut self.judge);
        (self, judge)
    }

    fn push(
        &mut self,
        lsn: u64,
        payment: &[u8],
        status: Option<Status>,
        decision: &[u8],
    ) -> Result<(), String> {
        let schema = self.engine.pipeline();
        let payment = read_payment(payment, schema.schema(), &self.slots).map_err(|m| m.0)?;
        self.waiting.push(Waiting { lsn, payment, status, decision: decision.to_owned() });
        if self.waiting.len() == EVENTS {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let events: Vec<Event<'_>> = self
            .waiting
            .iter()
            .map(|w| w.status.map_or(Event::Score(&w.payment), |status| Event::Settle(&w.payment, status)))
            .collect();
        if J::DECIDES {
            let mut decisions = Vec::new();
            self.engine.run(&events, &mut decisions);
            let scored = self.waiting.iter().filter(|w| w.status.is_none());
            for (waiting, again) in scored.zip(&decisions).filter(|(w, _)| !w.decision.is_empty()) {
                self.judge.decided(waiting.lsn, &waiting.payment, &waiting.decision, again);
            }
        } else {
            self.engine.observe(&events);
        }
        let pipeline = self.engine.pipeline();
        for Waiting { payment, status, .. } in &self.waiting {
            if let Some(status) = *status {
                pipeline.settle(Facts::new(payment, &[]), Settlement { status });
            }
        }
        self.waiting.clear();
    }

    fn edit(&mut self, lsn: u64, edit: ListEdit) {
        match self.engine.pipeline().lists().get(&edit.list) {
            // What was accepted then may be refused by a list that has changed since; it is as good as gone.
            Some(list) => self.orphaned += u64::from(edit.make(&list).is_err()),
            None => self.orphaned += 1,
        }
        self.edits.push(lsn, edit);
    }
}

impl<J: Judge> Visitor for Past<'_, J> {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        let record = Record::decode(record).map_err(|m| m.0)?;
        self.contents.count(&record);
        self.shut_down = record == Record::Shutdown;
        match record {
            Record::Scored { payment, decision, .. } => self.push(lsn, payment, None, decision)?,
            Record::Observed { payment } => self.push(lsn, payment, None, &[])?,
            Record::Settled { payment, status } => self.push(lsn, payment, Some(status), &[])?,
            Record::List(edit) => {
                // Payments before it have not seen it.
                self.flush();
                self.edit(lsn, edit);
            }
            Record::Pipeline(change) => {
                self.flush();
                let pipeline = self.engine.pipeline();
                // Those that stay braked are recorded behind it.
                pipeline.release_all();
                self.slots = change.slots(pipeline.schema());
                if let Some(since) = change.fresh {
                    self.engine.forget(since);
                }
                self.change = Some(change);
            }
            Record::Brake(change, text) => {
                self.flush();
                let pipeline = self.engine.pipeline();
                // Rules of other pipelines may be unknown to this one, or say something else.
                if text.is_none_or(|text| pipeline.rule_text(&change.rule) == Some(text)) {
                    pipeline.brake(&change);
                }
            }
            Record::Shutdown | Record::Unscored { .. } => {}
        }
        Ok(())
    }

    fn progress(&mut self, bytes: u64) {
        self.judge.progress(bytes, self.contents.payments);
    }
}

/// Remembers, and decides nothing.
#[derive(Default)]
pub(super) struct Remember;

impl Judge for Remember {
    const DECIDES: bool = false;
    fn decided(&mut self, _: u64, _: &Payment, _: &[u8], _: &Decision) {}
}
