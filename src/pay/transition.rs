//! What follows from a change? The state machine: checks first, then changes.

use super::amount::{same, within};
use super::effect::{CallSecret, Effect};
use super::error::Error;
use super::event::{Answer, Change, Operation};
use super::id::DisputeId;
use super::payment::{Clearance, DISPUTES_MAX, Dispute, OPERATIONS_MAX, Payment, Phase, Requested, Taken};
use super::state::{ChallengeResult, DeclineGroup, DisputeKind, ReviewResult, State};
use crate::decision::Outcome;
use crate::money::Money;
use crate::velocity::Status;

impl Payment {
    pub(super) fn take(&mut self, change: &Change, secret: &CallSecret) -> Result<Taken, Error> {
        let illegal = Error::Illegal { state: self.state(), event: change.name() };
        match change {
            Change::Assessed(outcome) => self.assessed(*outcome).ok_or(illegal),
            Change::ChallengeEnded(result) => self.challenge_ended(*result).ok_or(illegal),
            Change::ReviewEnded(result) => {
                self.idle(&illegal)?;
                self.review_ended(*result, secret, illegal)
            }
            Change::Intended(operation) => self.intended(operation, secret, illegal),
            Change::Answered { key, answer } => {
                let at = self.operations.iter().position(|o| o.key == *key).ok_or(Error::UnknownCall)?;
                self.answered(at, *answer)
            }
            Change::Resolved { key, took_effect, .. } => {
                let at = self.operations.iter().position(|o| o.key == *key).ok_or(Error::UnknownCall)?;
                if self.operations[at].phase != Phase::Unknown {
                    return Err(illegal);
                }
                let amount = self.amount_of(&self.operations[at].operation);
                let declined = Answer::Declined(DeclineGroup::Technical);
                self.answered(at, if *took_effect { Answer::Approved { amount } } else { declined })
            }
            Change::DisputeOpened { dispute, amount, kind } => {
                self.dispute_opened(dispute, *amount, *kind, illegal)
            }
            Change::DisputeWon { dispute } => self.dispute_ended(dispute, true),
            Change::DisputeLost { dispute } => self.dispute_ended(dispute, false),
        }
    }

    /// That the institution owes no answer. One thing is asked at a time, so nobody acts on what is about to change.
    fn idle(&self, illegal: &Error) -> Result<(), Error> {
        match self.open() {
            None => Ok(()),
            Some(Requested { phase: Phase::Unknown, .. }) => Err(illegal.clone()),
            Some(_) => Err(Error::InFlight),
        }
    }

    fn settle(&self, status: Status) -> Effect {
        Effect::Settle(self.id.clone(), status)
    }

    fn assessed(&mut self, outcome: Outcome) -> Option<Taken> {
        if (self.beneath, self.clearance) != (State::Created, Clearance::Unassessed) {
            return None;
        }
        Some(match outcome {
            Outcome::Approve => {
                self.clearance = Clearance::Cleared;
                Taken::with([])
            }
            Outcome::Challenge => self.challenge(),
            Outcome::Review if self.method.captures_at_once() => {
                self.clearance = Clearance::Held;
                self.hold()
            }
            Outcome::Review => {
                self.clearance = Clearance::Held;
                Taken::with([])
            }
            Outcome::Decline => self.refuse(Status::Blocked),
        })
    }

    fn challenge(&mut self) -> Taken {
        self.beneath = State::Challenged;
        Taken::with([self.settle(Status::Challenged), Effect::StepUp(self.id.clone())])
    }

    fn hold(&mut self) -> Taken {
        self.beneath = State::ReviewHeld;
        Taken::with([Effect::Review(self.id.clone())])
    }

    fn refuse(&mut self, status: Status) -> Taken {
        self.beneath = State::Declined;
        Taken::with([self.settle(status)])
    }

    fn challenge_ended(&mut self, result: ChallengeResult) -> Option<Taken> {
        if self.beneath != State::Challenged {
            return None;
        }
        Some(match result {
            ChallengeResult::Passed => {
                self.beneath = State::Created;
                self.stepped_up = true;
                // An institution may ask for proof of a payment that somebody is to look at as well.
                if self.clearance == Clearance::Unassessed {
                    self.clearance = Clearance::Cleared;
                }
                Taken::with([])
            }
            ChallengeResult::Failed | ChallengeResult::Expired => self.refuse(Status::OtpFailed),
        })
    }

    fn review_ended(
        &mut self,
        result: ReviewResult,
        secret: &CallSecret,
        illegal: Error,
    ) -> Result<Taken, Error> {
        if (self.beneath, self.clearance) != (State::ReviewHeld, Clearance::Held) {
            return Err(illegal);
        }
        let is_authorized = self.ledger.held().minor > 0;
        match result {
            ReviewResult::Approved => {
                self.clearance = Clearance::Cleared;
                self.beneath = if is_authorized { State::Authorized } else { State::Created };
                Ok(Taken::with([]))
            }
            ReviewResult::Declined | ReviewResult::Expired if is_authorized => {
                let mut taken = self.begin(&Operation::Void, secret)?;
                self.clearance = Clearance::Refused;
                taken.effects.push(self.settle(Status::Blocked));
                Ok(taken)
            }
            ReviewResult::Declined | ReviewResult::Expired => {
                self.clearance = Clearance::Refused;
                Ok(self.refuse(Status::Blocked))
            }
        }
    }

    fn intended(
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

    fn begin(&mut self, operation: &Operation, secret: &CallSecret) -> Result<Taken, Error> {
        if self.operations.len() >= OPERATIONS_MAX {
            return Err(Error::Full("operations"));
        }
        let key = secret.key(&self.id, self.operations.len() as u32);
        let requested = Requested { key, operation: operation.clone(), phase: Phase::Sent };
        let call = self.call(&requested);
        self.operations.push(requested);
        Ok(Taken::with([Effect::Call(call)]))
    }

    fn answered(&mut self, at: usize, answer: Answer) -> Result<Taken, Error> {
        let requested = &self.operations[at];
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
                self.operations[at].phase = Phase::Unknown;
                Ok(Taken::with([query]))
            }
            // Nothing is different: the intent has been recorded, and goes out once more.
            (Phase::Sent | Phase::Unknown, Answer::Absent) => {
                Ok(Taken { changed: false, effects: vec![Effect::Call(self.call(requested))] })
            }
            (Phase::Sent | Phase::Unknown, Answer::Approved { amount }) => {
                let operation = requested.operation.clone();
                self.operations[at].phase = Phase::Approved;
                Ok(self.approved(&operation, amount))
            }
            (Phase::Sent | Phase::Unknown, Answer::Declined(group)) => {
                let is_authorization = requested.operation == Operation::Authorize;
                self.operations[at].phase = Phase::Declined(group);
                Ok(match group {
                    _ if !is_authorization => Taken::with([]),
                    DeclineGroup::Sca if !self.stepped_up => self.challenge(),
                    _ => self.refuse(Status::Declined),
                })
            }
        }
    }

    fn approved(&mut self, operation: &Operation, amount: Money) -> Taken {
        match operation {
            Operation::Authorize => {
                self.ledger.authorize(amount.minor);
                let settle = self.settle(Status::Authorized);
                let mut taken = if self.method.captures_at_once() {
                    self.ledger.capture(amount.minor);
                    self.beneath = State::Captured;
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
                self.ledger.capture(amount.minor);
                self.beneath = State::Captured;
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

    fn dispute_opened(
        &mut self,
        id: &DisputeId,
        amount: Money,
        kind: DisputeKind,
        illegal: Error,
    ) -> Result<Taken, Error> {
        if let Some(known) = self.disputes.iter().find(|d| d.id == *id) {
            same(known.amount, amount)?;
            return Ok(Taken::NOTHING);
        }
        // It is the institution's to open one, whatever it still owes an answer to.
        if !matches!(self.beneath, State::Captured | State::PartiallyRefunded | State::Refunded | State::Won)
        {
            return Err(illegal);
        }
        within(amount, self.ledger.disputable())?;
        if self.disputes.len() >= DISPUTES_MAX {
            return Err(Error::Full("disputes"));
        }
        self.ledger.dispute(amount.minor);
        self.disputes.push(Dispute { id: id.clone(), amount, kind, won: None });
        self.beneath = State::Disputed;
        let label = kind.is_fraud().then(|| Effect::Label(self.id.clone(), true));
        Ok(Taken::with([self.settle(Status::Disputed)].into_iter().chain(label)))
    }

    fn dispute_ended(&mut self, id: &DisputeId, won: bool) -> Result<Taken, Error> {
        let known = self.disputes.iter_mut().find(|d| d.id == *id).ok_or(Error::NotFound("dispute"))?;
        let name = |won| if won { "won" } else { "lost" };
        match known.won {
            Some(before) if before == won => return Ok(Taken::NOTHING),
            Some(before) => return Err(Error::Contradiction { known: name(before), said: name(won) }),
            None => known.won = Some(won),
        }
        let minor = known.amount.minor;
        let cleared = won && known.kind.is_fraud();
        if won {
            self.ledger.win(minor);
            self.beneath = State::Won;
        } else {
            self.ledger.lose(minor);
            self.beneath = State::Lost;
        }
        Ok(Taken::with(cleared.then(|| Effect::Label(self.id.clone(), false))))
    }

    fn refunds(&self) -> impl Iterator<Item = &super::id::RefundId> {
        self.operations.iter().filter_map(|o| match &o.operation {
            Operation::Refund { refund, .. } => Some(refund),
            _ => None,
        })
    }
}
