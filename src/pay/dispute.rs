//! What follows when a payer calls money back?

use super::amount::{same, within};
use super::error::Error;
use super::id::DisputeId;
use super::payment::{DISPUTES_MAX, Dispute, Payment, Taken};
use super::state::{DisputeKind, State};
use crate::money::Money;
use crate::time::Timestamp;
use crate::velocity::Status;

impl Payment {
    pub(super) fn dispute_opened(
        &mut self,
        at: Timestamp,
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
        self.disputes.push(Dispute { id: id.clone(), amount, kind, won: None, opened: at, ended: None });
        self.beneath = State::Disputed;
        Ok(Taken::with([self.settle(Status::Disputed)]))
    }

    pub(super) fn dispute_ended(&mut self, at: Timestamp, id: &DisputeId, won: bool) -> Result<Taken, Error> {
        let known = self.disputes.iter_mut().find(|d| d.id == *id).ok_or(Error::NotFound("dispute"))?;
        let name = |won| if won { "won" } else { "lost" };
        match known.won {
            Some(before) if before == won => return Ok(Taken::NOTHING),
            Some(before) => return Err(Error::Contradiction { known: name(before), said: name(won) }),
            None => (known.won, known.ended) = (Some(won), Some(at)),
        }
        let minor = known.amount.minor;
        if won {
            self.ledger.win(minor);
            self.beneath = State::Won;
        } else {
            self.ledger.lose(minor);
            self.beneath = State::Lost;
        }
        Ok(Taken::with([]))
    }
}
