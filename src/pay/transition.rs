//! What follows from a change? The state machine: checks first, then changes. What institutions are asked for
//! and say is in `institution`, what payers call back in `dispute`.

use super::challenge::{Challenge, ThreeDs};
use super::effect::{CallSecret, Effect};
use super::error::Error;
use super::event::{Answer, Change, Operation};
use super::payment::{Clearance, Payment, Phase, Taken};
use super::state::{ChallengeResult, DeclineGroup, ReviewResult, State};
use crate::decision::Outcome;
use crate::time::Timestamp;
use crate::velocity::Status;

impl Payment {
    pub(super) fn take(
        &mut self,
        at: Timestamp,
        change: &Change,
        secret: &CallSecret,
    ) -> Result<Taken, Error> {
        let illegal = Error::Illegal { state: self.state(), event: change.name() };
        match change {
            Change::Assessed(outcome) => self.assessed(at, *outcome).ok_or(illegal),
            Change::CodeSent => {
                self.challenged().ok_or(illegal)?.send(at)?;
                Ok(Taken::with([Effect::SendCode(self.id.clone())]))
            }
            Change::CodeTried => {
                self.challenged().ok_or(illegal)?.count(at)?;
                Ok(Taken::with([Effect::Compare(self.id.clone())]))
            }
            Change::Authenticated(found) => self.authenticated(found).ok_or(illegal),
            Change::ChallengeEnded(result) => self.challenge_ended(*result).ok_or(illegal),
            Change::ReviewEnded(result) => {
                self.idle(&illegal)?;
                self.review_ended(*result, secret, illegal)
            }
            Change::Intended(operation) => self.intended(operation, secret, illegal),
            Change::Answered { key, answer } => {
                let number = self.number(key)?;
                self.answered(at, number, *answer)
            }
            Change::Resolved { key, took_effect, .. } => {
                let number = self.number(key)?;
                if self.operations[number].phase != Phase::Unknown {
                    return Err(illegal);
                }
                let amount = self.amount_of(&self.operations[number].operation);
                let declined = Answer::Declined(DeclineGroup::Technical);
                self.answered(at, number, if *took_effect { Answer::Approved { amount } } else { declined })
            }
            Change::DisputeOpened { dispute, amount, kind } => {
                self.dispute_opened(at, dispute, *amount, *kind, illegal)
            }
            Change::DisputeWon { dispute } => self.dispute_ended(at, dispute, true),
            Change::DisputeLost { dispute } => self.dispute_ended(at, dispute, false),
            Change::FraudReported { report, by, kind } => {
                self.fraud_reported(at, report, *by, *kind, illegal)
            }
        }
    }

    /// The challenge that waits for a code.
    fn challenged(&mut self) -> Option<&mut Challenge> {
        self.challenge.as_mut().filter(|_| self.beneath == State::Challenged)
    }

    /// What the merchant's 3-D Secure says, before anybody decided or because somebody wants proof.
    fn authenticated(&mut self, found: &ThreeDs) -> Option<Taken> {
        let is_before = (self.beneath, self.clearance) == (State::Created, Clearance::Unassessed);
        if !is_before && self.beneath != State::Challenged {
            return None;
        }
        // A challenge ends by an event of its own, which says so.
        self.stepped_up |= is_before && found.status().is_proof();
        self.three_ds = Some(Box::new(found.clone()));
        Some(Taken::with([]))
    }

    pub(super) fn settle(&self, status: Status) -> Effect {
        Effect::Settle(self.id.clone(), status)
    }

    fn assessed(&mut self, at: Timestamp, outcome: Outcome) -> Option<Taken> {
        if (self.beneath, self.clearance) != (State::Created, Clearance::Unassessed) {
            return None;
        }
        Some(match outcome {
            Outcome::Approve => {
                self.clearance = Clearance::Cleared;
                Taken::with([])
            }
            Outcome::Challenge => self.step_up(at),
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

    pub(super) fn step_up(&mut self, at: Timestamp) -> Taken {
        self.beneath = State::Challenged;
        let number = self.challenge.map_or(1, |last| last.number + 1);
        self.challenge = Some(Challenge::begun(number, at));
        Taken::with([self.settle(Status::Challenged), Effect::StepUp(self.id.clone())])
    }

    pub(super) fn hold(&mut self) -> Taken {
        self.beneath = State::ReviewHeld;
        Taken::with([Effect::Review(self.id.clone())])
    }

    pub(super) fn refuse(&mut self, status: Status) -> Taken {
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
}
