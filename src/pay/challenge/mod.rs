//! Is it the payer? Codes that are sent, codes of an authenticator, and how often they may be tried.
//!
//! A try is counted, and durable, before it is compared: [`Change::CodeTried`](super::Change::CodeTried) gives
//! [`Effect::Persist`](super::Effect::Persist) and then [`Effect::Compare`](super::Effect::Compare). So no
//! restart gives anybody more guesses, and of two right codes at once one passes.

mod code;
mod enrolment;
mod sends;
mod three_ds;
mod totp;

pub use code::{Code, CodeSecret};
pub(super) use enrolment::Enrolments;
pub use enrolment::{AUTHENTICATORS_MAX, Enrolment};
pub(super) use sends::Sends;
pub use sends::{MARKS_MAX, Mark, SENDS_MAX, SENDS_WINDOW};
pub use three_ds::{ThreeDs, TransStatus};
pub use totp::{Authenticator, TotpHash};

use super::error::Error;
use crate::time::{Span, Timestamp};

/// Most tries of one challenge: with six digits a guess gets through once in 200,000 challenges.
///
/// ```
/// assert_eq!(tollgate::pay::CODE_TRIES_MAX, 5);
/// ```
pub const CODE_TRIES_MAX: u8 = 5;
/// Most times that the code of one challenge is sent: messages cost money, and whoever has them sent may earn from it.
///
/// ```
/// assert_eq!(tollgate::pay::CODE_SENDS_MAX, 3);
/// ```
pub const CODE_SENDS_MAX: u8 = 3;
/// How long after the last time it is sent again at the earliest.
///
/// ```
/// assert_eq!(tollgate::pay::CODE_SENDS_APART.to_string(), "30s");
/// ```
pub const CODE_SENDS_APART: Span = Span::from_secs(30);
/// How long a challenge can be answered, from when it began.
///
/// ```
/// assert_eq!(tollgate::pay::CODE_KEPT.to_string(), "5m");
/// ```
pub const CODE_KEPT: Span = Span::from_secs(300);

/// A payer is to prove who they are: what has been sent and tried so far.
///
/// ```
/// use tollgate::{Timestamp, pay::{CODE_TRIES_MAX, Challenge}};
/// let challenge = Challenge::begun(1, Timestamp::default());
/// assert_eq!(challenge.tries_left(), CODE_TRIES_MAX);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// Which of the payment's challenges it is, from 1. Each has a code of its own.
    pub number: u32,
    /// When it began.
    pub begun: Timestamp,
    /// How often its code was sent.
    pub sends: u8,
    /// When it was sent last.
    pub sent: Timestamp,
    /// How often a code was tried.
    pub tries: u8,
}

impl Challenge {
    /// One that nobody has answered yet.
    pub fn begun(number: u32, at: Timestamp) -> Challenge {
        Challenge { number, begun: at, sends: 0, sent: at, tries: 0 }
    }

    /// How many tries are left.
    pub fn tries_left(&self) -> u8 {
        CODE_TRIES_MAX.saturating_sub(self.tries)
    }

    fn is_open(&self, at: Timestamp) -> Result<(), Error> {
        if at.since(self.begun) >= CODE_KEPT { Err(Error::CodeExpired) } else { Ok(()) }
    }

    pub(super) fn send(&mut self, at: Timestamp) -> Result<(), Error> {
        self.is_open(at)?;
        if self.sends >= CODE_SENDS_MAX {
            return Err(Error::NoSendsLeft);
        }
        if self.sends > 0 && at.since(self.sent) < CODE_SENDS_APART {
            return Err(Error::SentJustNow);
        }
        self.sends += 1;
        self.sent = at;
        Ok(())
    }

    pub(super) fn count(&mut self, at: Timestamp) -> Result<(), Error> {
        self.is_open(at)?;
        if self.tries_left() == 0 {
            return Err(Error::NoTriesLeft);
        }
        self.tries += 1;
        Ok(())
    }
}
