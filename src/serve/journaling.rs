//! Where is what was decided kept, and how surely? The settings of `[journal]`.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::config::Pause;
use crate::journal::{Durability, JournalSettings, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// The journal.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Journaling {
    /// Its directory; without one the past is forgotten when the process ends.
    pub(crate) dir: Option<PathBuf>,
    /// When an answer is sent: `async`, `written` or `sync`.
    #[serde(deserialize_with = "durability")]
    pub(crate) durability: Durability,
    /// Bytes of one of its files.
    pub(crate) segment_bytes: usize,
    /// How often what the windows hold is saved, so that a start reads less; 0 for only when stopping.
    pub(crate) snapshot: Pause,
}

impl Default for Journaling {
    fn default() -> Journaling {
        let JournalSettings { segment_bytes, durability } = JournalSettings::default();
        Journaling { dir: None, durability, segment_bytes, snapshot: Pause::millis(15 * 60 * 1_000) }
    }
}

impl Journaling {
    /// What values mean nothing, though they are of the right kind.
    ///
    /// # Errors
    /// The first of them.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            true => Ok(()),
            false => Err(format!(
                "`journal.segment_bytes` is at least {SEGMENT_BYTES_MIN} and at most {SEGMENT_BYTES_MAX}"
            )),
        }
    }

    pub(super) fn settings(&self) -> JournalSettings {
        JournalSettings { segment_bytes: self.segment_bytes, durability: self.durability }
    }
}

fn durability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Durability, D::Error> {
    let name = String::deserialize(deserializer)?;
    Durability::parse(&name)
        .ok_or_else(|| serde::de::Error::custom("not a durability; write \"async\", \"written\" or \"sync\""))
}
