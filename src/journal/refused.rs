//! Why something is not taken: nothing of it has been remembered then.

use crate::list::ListError;

/// Bytes of records that wait to be written; past it a new payment is not taken ([`Busy::Full`]).
pub(crate) const BUFFER_BYTES_MAX: usize = 8 << 20;

/// Why a payment can't be taken now. Nothing of it has been remembered.
///
/// ```
/// assert!(tollgate::Busy::Full.to_string().contains("try again"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Busy {
    /// The disk does not keep up.
    Full,
    /// The payment is larger than a record may be: its bytes, and the most.
    TooLarge(usize, usize),
    /// The disk has failed; what it said. The program is to be started anew.
    Failed(String),
}

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Busy::Full => write!(
                f,
                "{BUFFER_BYTES_MAX} bytes of records wait for the disk; try again in a few milliseconds"
            ),
            Busy::TooLarge(bytes, most) => {
                write!(f, "the payment takes {bytes} bytes and a record of the journal has at most {most}")
            }
            Busy::Failed(said) => {
                write!(f, "the journal's disk has failed and nothing is recorded any more: {said}")
            }
        }
    }
}

impl std::error::Error for Busy {}

/// Why a list was not edited.
///
/// ```
/// let error = tollgate::EditError::NoList("blocked".into());
/// assert_eq!(error.to_string(), "there is no list `blocked`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// No list has that name.
    NoList(String),
    /// The value can't be on that list.
    Value(ListError),
    /// It can't be recorded now.
    Busy(Busy),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EditError::NoList(name) => write!(f, "there is no list `{name}`"),
            EditError::Value(e) => e.fmt(f),
            EditError::Busy(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for EditError {}
