//! One thread's piece of work beside the journal: what is read, scored and recorded by one pipeline.

use std::cell::Cell;

use crossbeam::sync::ShardedLockReadGuard;

use crate::decision::{CONTRIBUTIONS_MAX, Decision, RULES_MAX, VALUES_MAX};
use crate::engine::Current;
use crate::payment::Payment;
use crate::stage::Settlement;

use super::live::Journal;
use super::payment::put_payment;
use super::pending::Pending;
use super::record::Record;
use super::refused::Busy;
use super::ticket::Ticket;
use super::verdict::put_decision;

/// More bytes than a decision takes with rules, values and contributions at their limits.
const DECISION_BYTES: usize = 8 << 10;
const _: () = assert!(4 * RULES_MAX + 11 * VALUES_MAX + 15 * CONTRIBUTIONS_MAX + 100 < DECISION_BYTES);

thread_local! {
    /// Each thread's room for a payment and a decision in bytes.
    static PARTS: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
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
        self.recorded(payment, |current, pending| {
            let (decision, lsn) = current.score_drawing(payment, || pending.draw());
            (decision, lsn, true)
        })
    }

    /// As [`Turn::score`] for each in its order; all are observed before the first is decided.
    #[cfg(feature = "serve")]
    pub fn score_each(&self, payments: &[&Payment]) -> Vec<Result<(Decision, Ticket), Busy>> {
        let log = self.journal.log();
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        let put = |payment: &&Payment| {
            let start = bytes.len();
            put_payment(&mut bytes, self.current.schema(), payment);
            start..bytes.len()
        };
        let parts: Vec<_> = payments.iter().map(put).collect();
        let parts: Vec<&[u8]> = parts.into_iter().map(|part| &bytes[part]).collect();
        let admit = |part: &&'_ [u8]| log.admit(part.len() + DECISION_BYTES);
        let admitted: Vec<Result<(), Busy>> = parts.iter().map(admit).collect();
        let among = || admitted.iter().enumerate().filter(|(_, a)| a.is_ok()).map(|(place, _)| place);
        let asked: Vec<&Payment> = among().map(|place| payments[place]).collect();
        let mut pending: Vec<Pending<'_>> =
            among().map(|place| Pending::new(log, Record::Observed { payment: parts[place] })).collect();
        let decided = self.current.score_each(&asked, |i| pending[i].draw());
        let put = |(decision, _): &(Decision, u64)| {
            let start = said.len();
            put_decision(&mut said, decision);
            start..said.len()
        };
        let ends: Vec<_> = decided.iter().map(put).collect();
        for (pending, end) in pending.iter_mut().zip(ends) {
            if let Record::Observed { payment } = pending.record {
                pending.record = Record::Scored { payment, decision: &said[end] };
            }
        }
        // In their order, so that none waits for an earlier one.
        drop(pending);
        let mut decided = decided.into_iter().map(|(decision, lsn)| (decision, self.journal.ticket(lsn)));
        let answers = admitted.into_iter().map(|admitted| admitted.map(|()| decided.next()).transpose());
        answers.flatten().collect()
    }

    /// Records a decision that was made without the payment's score, by a policy; nothing is remembered of it.
    #[cfg(feature = "serve")]
    pub fn unscored(&self, payment: &Payment, decision: Decision) -> Result<Ticket, Busy> {
        self.recorded(payment, |_, pending| (decision, pending.draw(), false)).map(|(_, ticket)| ticket)
    }

    /// Records a payment with the decision that `decide` comes to, and whether by its score.
    fn recorded(
        &self,
        payment: &Payment,
        decide: impl FnOnce(&Current, &Pending<'_>) -> (Decision, u64, bool),
    ) -> Result<(Decision, Ticket), Busy> {
        PARTS.with(|room| {
            let (mut payment_bytes, mut decision_bytes) = room.take();
            let done = self.recorded_in(payment, decide, &mut payment_bytes, &mut decision_bytes);
            room.set((payment_bytes, decision_bytes));
            done
        })
    }

    fn recorded_in(
        &self,
        payment: &Payment,
        decide: impl FnOnce(&Current, &Pending<'_>) -> (Decision, u64, bool),
        payment_bytes: &mut Vec<u8>,
        decision_bytes: &mut Vec<u8>,
    ) -> Result<(Decision, Ticket), Busy> {
        let log = self.journal.log();
        payment_bytes.clear();
        put_payment(payment_bytes, self.current.schema(), payment);
        log.admit(payment_bytes.len() + DECISION_BYTES)?;
        let mut pending = Pending::new(log, Record::Observed { payment: payment_bytes });
        let (decision, lsn, scored) = decide(&self.current, &pending);
        decision_bytes.clear();
        put_decision(decision_bytes, &decision);
        let (payment, bytes) = (&payment_bytes[..], &decision_bytes[..]);
        pending.record = match scored {
            true => Record::Scored { payment, decision: bytes },
            false => Record::Unscored { payment, decision: bytes },
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
