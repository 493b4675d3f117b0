//! What was decided, and is never lost: the append-only record of payments, decisions, settlements and
//! list edits.
//!
//! `live` is the face: an engine beside its journal, where each thread has its `turn`. `record`, `payment` and `verdict` are what is said, in
//! the bytes of `wire`; `log` gathers and `commit` writes in groups, `ticket` waits for it; `writer` puts
//! `frame`s into `segment`s on a `disk`; `scan` reads them back and judges the `damage`, `past` takes an engine
//! through them: to bring it `back`, or to `replay` and compare. `snapshot` saves a start the way from the
//! beginning. `settlements` finds what the engine was told and said, `tail` what was decided last, with each
//! one's `origin`. `chronicle` keeps records of others' making in the same way, and `standing` what they come to;
//! `chunks` is the file of both snapshots. docs/journal.md has the format.

mod back;
#[cfg(feature = "serve")]
mod chronicle;
mod chunks;
mod commit;
mod damage;
mod disk;
mod frame;
pub(crate) mod fuzzing;
mod live;
mod log;
#[cfg(feature = "serve")]
mod origin;
mod past;
mod payment;
mod pending;
mod record;
mod refused;
mod replay;
mod scan;
mod segment;
#[cfg(feature = "serve")]
mod settlements;
mod snapshot;
#[cfg(feature = "serve")]
mod standing;
#[cfg(feature = "serve")]
mod tail;
mod ticket;
mod turn;
mod verdict;
pub(crate) mod wire;
mod writer;

#[cfg(test)]
mod brake_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod simulated;
#[cfg(all(test, feature = "serve"))]
mod standing_tests;

pub use back::Recovered;
pub(crate) use back::snapshot;
#[cfg(feature = "serve")]
pub(crate) use chronicle::{Chronicle, Reopened, first_kind, read};
pub use live::Journal;
#[cfg(feature = "serve")]
pub(crate) use origin::{Named, Origin};
pub use past::Contents;
pub use refused::{Busy, EditError};
#[cfg(feature = "serve")]
pub(crate) use replay::Hear;
pub(crate) use replay::{Replayed, Verified, Whole, bytes, replay, verify};
#[cfg(feature = "serve")]
pub(crate) use settlements::{Heard, Known, settlements};
#[cfg(feature = "serve")]
pub(crate) use standing::{Saved, Standing, follow, saved};
#[cfg(feature = "serve")]
pub(crate) use tail::decided;
pub use ticket::{Durability, Ticket};
#[cfg(feature = "serve")]
pub(crate) use turn::Turn;

/// Fewest bytes of a segment that may be asked for: a record of the largest size and its frame fit.
///
/// ```
/// assert_eq!(tollgate::SEGMENT_BYTES_MIN, 128 << 10);
/// ```
pub const SEGMENT_BYTES_MIN: usize = 128 << 10;
/// Most bytes of a segment: it is read whole when the journal is opened.
///
/// ```
/// assert_eq!(tollgate::SEGMENT_BYTES_MAX, 1 << 30);
/// ```
pub const SEGMENT_BYTES_MAX: usize = 1 << 30;

/// How a journal is kept.
///
/// ```
/// use tollgate::{Durability, JournalSettings};
/// let settings = JournalSettings { durability: Durability::Sync, ..JournalSettings::default() };
/// assert_eq!(settings.segment_bytes, 64 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSettings {
    /// Bytes of a file of the journal, within [`SEGMENT_BYTES_MIN`] and [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: usize,
    /// When a score is acknowledged.
    pub durability: Durability,
}

impl Default for JournalSettings {
    /// 64 MiB; acknowledged when written.
    fn default() -> JournalSettings {
        JournalSettings { segment_bytes: 64 << 20, durability: Durability::Written }
    }
}
