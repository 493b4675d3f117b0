//! The seam to whatever keeps a record: it is told before the caller is answered.

use crate::decision::Decision;
use crate::error::Error;
use crate::list::ListEdit;
use crate::payment::Payment;
use crate::stage::Settlement;
use crate::time::Timestamp;

/// What is told. An error keeps the answer from being sent: the caller then gets 503 and may come again.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "what is told is read by recorders that keep it; the one here keeps nothing")]
pub(crate) enum Record<'a> {
    /// A payment that was scored, or decided by policy (the decision then says `overload` or `deadline`).
    Scored(&'a Payment, &'a Decision),
    /// What became of a payment that was scored before; the instant is the caller's.
    Settled(&'a Payment, Settlement, Option<Timestamp>),
    /// An item that was put on a list, or taken off one.
    Listed(&'a ListEdit),
}

/// Keeps a record of what was decided.
pub(crate) trait Recorder: Send + Sync {
    /// Takes one record. Called on the thread that serves the request, so it must not wait for long.
    ///
    /// # Errors
    /// When it could not be kept.
    fn record(&self, record: Record<'_>) -> Result<(), Error>;
}

/// Keeps nothing.
pub(crate) struct Nothing;

impl Recorder for Nothing {
    fn record(&self, record: Record<'_>) -> Result<(), Error> {
        match record {
            Record::Scored(..) | Record::Settled(..) | Record::Listed(..) => Ok(()),
        }
    }
}
