//! What follows from asking an institution, and from what it says?

use super::amount::{same, within};
use super::effect::{CallKey, CallSecret, Effect};
use super::error::Error;
use super::event::{Answer, Operation};
use super::id::RefundId;
use super::payment::{Clearance, OPERATIONS_MAX, Payment, Phase, Requested, Taken};
use super::state::{DeclineGroup, State};
use crate::money::Money;
use crate::time::Timestamp;
use crate::velocity::Status;

impl Payment {
    /// That the institution owes no answer. One thing is asked at a time, so nobody acts on what is about to change.
    pub(super) fn idle(&self, illegal: &Error) -> Result<(), Error> {
        match self.open() {
            None => Ok(()),
            Some(Requested { phase: Phase::Unknown, .. }) => Err(illegal.clone()),
            Some(_) => Err(Error::InFlight),
        }
    }

    /// Which of its operations the institution was asked for under this key.
    pub(super) fn number(&self, key: &CallKey) -> Result<usize, Error> {
        self.operations.iter().position(|o| o.key == *key).ok_or(Error::UnknownCall)
    }

    pub(super) fn intended(
        &mut self,
        operation: &Operation,
        secret: &CallSecret,
        illegal: Error,
    ) -> Result<Taken, Error> {
        if let Operation::Refund { refund, .. } = operation
            && self.refunds().any(|known| known == refund)
        {
            return Err(Error::Exists("refund"));
        }
        self.idle(&illegal)?;
        let nothing_held = self.ledger.held().minor == 0;
        match (operation, self.beneath) {
            (Operation::Authorize, State::Created) if self.clearance == Clearance::Unassessed => {
                return Err(Error::NotAssessed);
            }
            (Operation::Authorize, State::Created) => {}
            (Operation::Capture { amount }, State::Authorized) => within(*amount, self.ledger.held())?,
            (Operation::Void, State::Created | State::Challenged | State::ReviewHeld) if nothing_held => {
                self.beneath = State::Voided;
                return Ok(Taken::with([]));
            }
            (Operation::Void, State::Authorized | State::ReviewHeld) => {}
            (Operation::Refund { amount, .. }, State::Captured | State::PartiallyRefunded | State::Won) => {
                within(*amount, self.ledger.refundable())?
            }
            _ => return Err(illegal),
        }
        self.begin(operation, secret)
    }

    pub(super) fn begin(&mut self, operation: &Operation, secret: &CallSecret) -> Result<Taken, Error> {
        if self.operations.len() >= OPERATIONS_MAX {
            return Err(Error::Full("operations"));
        }
        let key = secret.key(&self.id, self.operations.len() as u32);
        let requested = Requested { key, operation: operation.clone(), phase: Phase::Sent };
        let call = self.call(&requested);
        self.operations.push(requested);
        Ok(Taken::with([Effect::Call(call)]))
    }

    pub(super) fn answered(&mut self, at: Timestamp, number: usize, answer: Answer) -> Result<Taken, Error> {
        let requested = &self.operations[number];
        if let Answer::Approved { amount } = answer {
            same(self.amount_of(&requested.operation), amount)?;
        }
        match (requested.phase, answer) {
            (known @ Phase::Approved, Answer::Declined(_))
            | (known @ Phase::Declined(_), Answer::Approved { .. }) => {
                let said = if known == Phase::Approved { "declined" } else { "approved" };
                Err(Error::Contradiction { known: known.name(), said })
            }
            // Told again, or told late.
            (Phase::Approved | Phase::Declined(_), _) | (Phase::Unknown, Answer::Unknown) => {
                Ok(Taken::NOTHING)
            }
            (Phase::Sent, Answer::Unknown) => {
                let query = Effect::Query(self.call(requested));
                self.operations[number].phase = Phase::Unknown;
                Ok(Taken::with([query]))
            }
            // Nothing is different: the intent has been recorded, and goes out once more.
            (Phase::Sent | Phase::Unknown, Answer::Absent) => {
                Ok(Taken { changed: false, effects: vec![Effect::Call(self.call(requested))] })
            }
            (Phase::Sent | Phase::Unknown, Answer::Approved { amount }) => {
                let operation = requested.operation.clone();
                self.operations[number].phase = Phase::Approved;
                Ok(self.approved(at, &operation, amount))
            }
            (Phase::Sent | Phase::Unknown, Answer::Declined(group)) => {
                let is_authorization = requested.operation == Operation::Authorize;
                self.operations[number].phase = Phase::Declined(group);
                Ok(match group {
                    _ if !is_authorization => Taken::with([]),
                    DeclineGroup::Sca if !self.stepped_up => self.step_up(at),
                    _ => self.refuse(Status::Declined),
                })
            }
        }
    }

    fn approved(&mut self, at: Timestamp, operation: &Operation, amount: Money) -> Taken {
        match operation {
            Operation::Authorize => {
                self.ledger.authorize(amount.minor);
                let settle = self.settle(Status::Authorized);
                let mut taken = if self.method.captures_at_once() {
                    self.captures(at, amount);
                    Taken::with([])
                } else if self.clearance == Clearance::Held {
                    self.hold()
                } else {
                    self.beneath = State::Authorized;
                    Taken::with([])
                };
                taken.effects.insert(0, settle);
                taken
            }
            Operation::Capture { .. } => {
                self.captures(at, amount);
                Taken::with([])
            }
            Operation::Void => {
                self.ledger.release();
                self.beneath = State::Voided;
                Taken::with([])
            }
            Operation::Refund { .. } => {
                self.ledger.refund(amount.minor);
                // A dispute that was opened meanwhile stays what the payment is about.
                if !matches!(self.beneath, State::Disputed | State::Lost) {
                    let is_all = self.ledger.refundable().minor == 0;
                    self.beneath = if is_all { State::Refunded } else { State::PartiallyRefunded };
                }
                Taken::with([self.settle(Status::Refunded)])
            }
        }
    }

    fn captures(&mut self, at: Timestamp, amount: Money) {
        self.ledger.capture(amount.minor);
        self.beneath = State::Captured;
        self.captured = Some(at);
    }

    fn refunds(&self) -> impl Iterator<Item = &RefundId> {
        self.operations.iter().filter_map(|o| match &o.operation {
            Operation::Refund { refund, .. } => Some(refund),
            _ => None,
        })
    }
}
