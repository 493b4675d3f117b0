//! What may be wrong with a journal, and where.

use std::io;

/// Bytes behind the last good frame that were in flight when the machine stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Torn {
    pub segment: String,
    pub offset: u64,
    /// Whole frames among them, which can't be used without the one before.
    pub frames: u64,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from byte {} on", self.segment, self.offset)?;
        match self.frames {
            0 => Ok(()),
            n => write!(f, ", with {n} later frames that had not been synced"),
        }
    }
}

/// Why a journal can't be read on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The machine said no.
    Io(String, io::Error),
    Refused(Refusal),
}

/// Where a journal is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub segment: String,
    pub offset: u64,
    /// The records that are lost for certain, or can't be read, first and last; `None` for unknown.
    pub lsns: (u64, Option<u64>),
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}: {}; ", self.segment, self.offset, self.why)?;
        match self.lsns {
            (first, Some(last)) if last < first => f.write_str("no record is lost"),
            (first, Some(last)) if last == first => write!(f, "record {first} is lost"),
            (first, Some(last)) => write!(f, "records {first} to {last} are lost"),
            (first, None) => write!(f, "records from {first} on can't be read"),
        }
    }
}

impl Stop {
    pub fn io(name: &str) -> impl FnOnce(io::Error) -> Stop {
        move |e| Stop::Io(name.to_owned(), e)
    }
}
