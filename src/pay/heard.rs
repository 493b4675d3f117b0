//! What did the engine say of a payment, and what has it heard of it since?

use super::error::Error;
use super::payment::{Payment, Taken};
use super::state::State;
use crate::time::Timestamp;
use crate::velocity::Status;

/// Most bytes that are kept of what the engine answered.
///
/// ```
/// assert_eq!(tollgate::pay::EXPLANATION_BYTES_MAX, 32 << 10);
/// ```
pub const EXPLANATION_BYTES_MAX: usize = 32 << 10;

/// How many of a payment's settlements the engine has been told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    pub(super) settlements: u32,
    /// No record of the engine's journal up to this one is of a settlement that it has not been told of.
    pub(super) record: u64,
}

impl Payment {
    /// What the engine is to be told became of it, and when that happened, oldest first. After a restart it may have
    /// been told already: then its journal says so, behind [`Payment::settled_by`].
    pub fn unsettled(&self) -> &[(Status, Timestamp)] {
        self.settlements.get(self.heard.settlements as usize..).unwrap_or_default()
    }

    /// How many of its settlements the engine has been told of.
    pub fn settled(&self) -> u32 {
        self.heard.settlements
    }

    /// The record of the engine's journal behind which stand those of [`Payment::unsettled`], if there are any; and, until
    /// it is assessed, what the engine has decided, if it has.
    pub fn settled_by(&self) -> u64 {
        self.heard.record
    }

    /// The engine has been told of its first settlements, by this record.
    pub(super) fn told_engine(&mut self, settlements: u32, record: u64) -> Result<Taken, Error> {
        match () {
            () if settlements as usize > self.settlements.len() => {
                Err(Error::Illegal { state: self.state(), event: "delivery of settlements" })
            }
            () if settlements <= self.heard.settlements => Ok(Taken::NOTHING),
            () => {
                self.heard = Heard { settlements, record: record.max(self.heard.record) };
                Ok(Taken::with([]))
            }
        }
    }

    /// It was asked for, or something has become of it that the engine is to be told. Whatever that was told of other
    /// payments before, up to this record, it was told before this one.
    pub(super) fn begin_settling(&mut self, told: u64) {
        self.heard.record = self.heard.record.max(told);
    }

    /// What the engine answered about it: kept for as long as somebody may be asked to look.
    pub fn explanation(&self) -> &[u8] {
        &self.explanation
    }

    /// Keeps what the engine answered, once.
    pub(super) fn explained(&mut self, answer: &[u8]) -> Result<Taken, Error> {
        match () {
            () if answer.len() > EXPLANATION_BYTES_MAX => Err(Error::Full("bytes of an explanation")),
            () if self.is_looked_at() => Err(Error::Illegal { state: self.state(), event: "explanation" }),
            () if *self.explanation == *answer => Ok(Taken::NOTHING),
            () if !self.explanation.is_empty() => Err(Error::Exists("explanation")),
            () => {
                self.explanation = answer.into();
                Ok(Taken::with([]))
            }
        }
    }

    /// Whether nobody will be asked to look at it any more.
    pub(super) fn is_looked_at(&self) -> bool {
        !matches!(self.state(), State::Created | State::Challenged | State::ReviewHeld | State::Unknown)
    }
}
