//! One thread's piece of work beside the journal: what is read, scored and recorded by one pipeline.

use std::cell::Cell;

use crossbeam::sync::ShardedLockReadGuard;

use crate::decision::{CONTRIBUTIONS_MAX, Decision, RULES_MAX, VALUES_MAX};
use crate::engine::Current;
use crate::payment::Payment;
use crate::stage::Settlement;

use super::live::Journal;
#[cfg(feature = "serve")]
use super::origin::Origin;
use super::payment::put_payment;
use super::pending::Pending;
use super::record::Record;
use super::refused::Busy;
use super::ticket::Ticket;
use super::verdict::put_decision;

/// More bytes than a decision takes with rules, values and contributions at their limits.
const DECISION_BYTES: usize = 8 << 10;
/// More than an origin takes; they are counted among the decision's.
pub(super) const ORIGIN_BYTES: usize = 64;
const _: () =
    assert!(4 * RULES_MAX + 11 * VALUES_MAX + 15 * CONTRIBUTIONS_MAX + 100 + ORIGIN_BYTES < DECISION_BYTES);

thread_local! {
    /// Each thread's room.
    static PARTS: Cell<Parts> = const { Cell::new(Parts::EMPTY) };
}

/// A record's parts in bytes.
struct Parts {
    origin: Vec<u8>,
    payment: Vec<u8>,
    decision: Vec<u8>,
}

impl Parts {
    const EMPTY: Parts = Parts { origin: Vec::new(), payment: Vec::new(), decision: Vec::new() };
}

impl Default for Parts {
    fn default() -> Parts {
        Parts::EMPTY
    }
}

/// Works in the thread's room.
fn with_room<T>(work: impl FnOnce(&mut Parts) -> T) -> T {
    PARTS.with(|room| {
        let mut parts = room.take();
        let done = work(&mut parts);
        room.set(parts);
        done
    })
}

/// Lists and pipeline stay as they are for as long as it is held. Not to be held while anything is waited for.
pub(crate) struct Turn<'a> {
    journal: &'a Journal,
    current: Current,
    _shared: ShardedLockReadGuard<'a, ()>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(journal: &'a Journal, shared: ShardedLockReadGuard<'a, ()>) -> Turn<'a> {
        Turn { journal, current: journal.engine().current(), _shared: shared }
    }

    /// The pipeline whose schema the payments are to have.
    #[cfg(feature = "serve")]
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// As [`Journal::score`].
    pub fn score(&self, payment: &Payment) -> Result<(Decision, Ticket), Busy> {
        self.recorded(
            payment,
            |_| (),
            |current, pending| {
                let (decision, lsn) = current.score_drawing(payment, || pending.draw());
                (decision, lsn, true)
            },
        )
    }

    /// As [`Turn::score`] for each in its order, with where it came from; all are observed before the first is decided.
    #[cfg(feature = "serve")]
    pub fn score_each(
        &self,
        payments: &[&Payment],
        origins: &[Origin],
    ) -> Vec<Result<(Decision, Ticket), Busy>> {
        with_room(|room| self.score_each_in(payments, origins, room))
    }

    #[cfg(feature = "serve")]
    fn score_each_in(
        &self,
        payments: &[&Payment],
        origins: &[Origin],
        room: &mut Parts,
    ) -> Vec<Result<(Decision, Ticket), Busy>> {
        let log = self.journal.log();
        let Parts { payment: bytes, decision: said, .. } = room;
        bytes.clear();
        said.clear();
        let put = |(payment, origin): (&&Payment, &Origin)| {
            let start = bytes.len();
            put_payment(bytes, self.current.schema(), payment);
            let end = bytes.len();
            origin.put(bytes);
            (start..end, end..bytes.len())
        };
        let parts: Vec<_> = payments.iter().zip(origins).map(put).collect();
        let parts: Vec<(&[u8], &[u8])> =
            parts.into_iter().map(|(payment, origin)| (&bytes[payment], &bytes[origin])).collect();
        let admit = |part: &(&[u8], &[u8])| log.admit(part.0.len() + DECISION_BYTES);
        let admitted: Vec<Result<(), Busy>> = parts.iter().map(admit).collect();
        let among = || admitted.iter().enumerate().filter(|(_, a)| a.is_ok()).map(|(place, _)| place);
        let asked: Vec<&Payment> = among().map(|place| payments[place]).collect();
        let mut pending: Vec<Pending<'_>> =
            among().map(|place| Pending::new(log, Record::Observed { payment: parts[place].0 })).collect();
        let decided = self.current.score_each(&asked, |i| pending[i].draw());
        let put = |(decision, _): &(Decision, u64)| {
            let start = said.len();
            put_decision(said, decision);
            start..said.len()
        };
        let ends: Vec<_> = decided.iter().map(put).collect();
        for ((pending, end), place) in pending.iter_mut().zip(ends).zip(among()) {
            let (payment, origin) = parts[place];
            pending.record = Record::Scored { origin, payment, decision: &said[end] };
        }
        // In their order, so that none waits for an earlier one.
        drop(pending);
        let mut decided = decided.into_iter().map(|(decision, lsn)| (decision, self.journal.ticket(lsn)));
        let answers = admitted.into_iter().map(|admitted| admitted.map(|()| decided.next()).transpose());
        answers.flatten().collect()
    }

    /// Records a decision that was made without the payment's score, by a policy; nothing is remembered of it.
    #[cfg(feature = "serve")]
    pub fn unscored(&self, payment: &Payment, decision: Decision, origin: &Origin) -> Result<Ticket, Busy> {
        let decide = |_: &Current, pending: &Pending<'_>| (decision, pending.draw(), false);
        self.recorded(payment, |out| origin.put(out), decide).map(|(_, ticket)| ticket)
    }

    /// Records a payment with the decision that `decide` comes to, and whether by its score.
    fn recorded(
        &self,
        payment: &Payment,
        origin: impl FnOnce(&mut Vec<u8>),
        decide: impl FnOnce(&Current, &Pending<'_>) -> (Decision, u64, bool),
    ) -> Result<(Decision, Ticket), Busy> {
        with_room(|parts| {
            parts.origin.clear();
            origin(&mut parts.origin);
            self.recorded_in(payment, decide, parts)
        })
    }

    fn recorded_in(
        &self,
        payment: &Payment,
        decide: impl FnOnce(&Current, &Pending<'_>) -> (Decision, u64, bool),
        parts: &mut Parts,
    ) -> Result<(Decision, Ticket), Busy> {
        let log = self.journal.log();
        parts.payment.clear();
        put_payment(&mut parts.payment, self.current.schema(), payment);
        log.admit(parts.payment.len() + DECISION_BYTES)?;
        let mut pending = Pending::new(log, Record::Observed { payment: &parts.payment });
        let (decision, lsn, scored) = decide(&self.current, &pending);
        parts.decision.clear();
        put_decision(&mut parts.decision, &decision);
        let Parts { origin, payment, decision: bytes } = &*parts;
        pending.record = match scored {
            true => Record::Scored { origin, payment, decision: bytes },
            false => Record::Unscored { origin, payment, decision: bytes },
        };
        drop(pending);
        Ok((decision, self.journal.ticket(lsn)))
    }

    /// As [`Journal::settle`].
    pub fn settle(&self, payment: &Payment, settlement: Settlement) -> Result<(bool, Ticket), Busy> {
        let log = self.journal.log();
        let mut bytes = Vec::new();
        put_payment(&mut bytes, self.current.schema(), payment);
        log.admit(bytes.len() + 1)?;
        let pending = Pending::new(log, Record::Settled { payment: &bytes, status: settlement.status });
        let (known, lsn) = self.current.settle_drawing(payment, settlement, || pending.draw());
        drop(pending);
        Ok((known, self.journal.ticket(lsn)))
    }
}
