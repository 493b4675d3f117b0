//! Is the journal whole, and are its decisions those that would be made again?

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::decision::{Decision, RuleSet};
use crate::engine::Engine;
use crate::error::Error;
use crate::payment::Payment;
use crate::schema::Schema;
use crate::token::redact;

use super::back::stopped;
use super::disk::Directory;
use super::frame::Raw;
use super::past::{Contents, Judge, Past};
use super::payment::read_payment;
use super::record::{Record, Slots};
use super::scan::{Scan, Visitor, scan};
use super::verdict::{digest_of, put_decision, read_decision};

/// Differences that are told; all are counted.
const SHOWN_MAX: usize = 10;

/// Hears how far a journal has been read: bytes, and payments.
pub(crate) type Hear<'a> = &'a dyn Fn(u64, u64);

/// What `verify` found in a journal of decisions that is whole.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    #[serde(flatten)]
    pub whole: Whole,
    pub contents: Contents,
}

/// A journal that is whole.
#[derive(Debug, Serialize)]
pub(crate) struct Whole {
    pub segments: u64,
    pub frames: u64,
    pub records: u64,
    /// Whether every record is known to have been synced.
    pub sealed: bool,
    /// Where a tail was in flight when the program stopped; `None` when there is none.
    pub torn: Option<String>,
    /// The chain up to the last frame: two copies of a journal are equal when this is.
    pub chain: String,
}

/// What `replay` found.
#[derive(Debug, Serialize)]
pub(crate) struct Replayed {
    pub pipeline: String,
    pub contents: Contents,
    /// Decisions made again with the same answer, to the bit.
    pub same: u64,
    /// Decisions of this pipeline that came out otherwise.
    pub different: u64,
    /// Decisions that other pipelines made, and how many of them came out alike but for the digest.
    pub other_pipelines: BTreeMap<String, Other>,
    pub orphaned_edits: u64,
    pub torn: Option<String>,
    /// The first that differ.
    pub differences: Vec<Difference>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Other {
    pub decisions: u64,
    pub same_outcome: u64,
}

/// A decision that came out otherwise.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    pub lsn: u64,
    pub payment: String,
    /// What differs: name, recorded, now.
    pub fields: Vec<(&'static str, String, String)>,
}

/// Reads all of a journal, record by record; changes nothing.
///
/// # Errors
/// When it is damaged, can't be read, or is not there.
pub(crate) fn verify(dir: &Path, hear: Hear<'_>) -> Result<Verified, Error> {
    let mut check = Check { contents: Contents::default(), slots: Slots::default(), hear };
    let scan = read(dir, &mut check)?;
    Ok(Verified { whole: Whole::of(scan), contents: check.contents })
}

impl Whole {
    fn of(scan: Scan) -> Whole {
        Whole {
            segments: scan.segments,
            frames: scan.next_frame - 1,
            records: scan.next_lsn - 1,
            sealed: scan.sealed,
            torn: scan.torn.map(|torn| torn.to_string()),
            chain: HEXLOWER.encode(&scan.chain),
        }
    }

    /// Gives every record of a directory to a visitor; changes nothing.
    ///
    /// # Errors
    /// As [`verify`], and when the visitor refuses one.
    #[cfg(feature = "serve")]
    pub(super) fn read(dir: &Path, visitor: &mut dyn Visitor) -> Result<Whole, Error> {
        read(dir, visitor).map(Whole::of)
    }
}

/// Decides everything again with a new engine; changes nothing.
///
/// # Errors
/// As [`verify`].
pub(crate) fn replay(dir: &Path, engine: &Engine, hear: Hear<'_>) -> Result<Replayed, Error> {
    let digest = engine.pipeline().digest().to_string();
    let compare = Compare { hear: Some(hear), own: digest.clone(), ..Compare::default() };
    let mut past = Past::new(engine, compare);
    let scan = read(dir, &mut past)?;
    let (past, compare) = past.finish();
    Ok(Replayed {
        pipeline: digest,
        contents: past.contents,
        same: compare.same,
        different: compare.different,
        other_pipelines: compare.others,
        orphaned_edits: past.orphaned,
        torn: scan.torn.map(|torn| torn.to_string()),
        differences: compare.differences,
    })
}

fn read(dir: &Path, visitor: &mut dyn Visitor) -> Result<Scan, Error> {
    let found = scan(&Directory::new(dir), visitor).map_err(|stop| stopped(dir, stop))?;
    found.ok_or_else(|| Error::new("no journal is here: it has no file 00000001.log").at(dir))
}

/// Bytes of all segments of a journal, for a bar.
pub(crate) fn bytes(dir: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(dir).ok()?.filter_map(Result::ok);
    let names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let numbers = super::segment::numbers(&names).into_iter();
    let lengths = numbers.map(|n| dir.join(super::segment::name(n)).metadata().map_or(0, |m| m.len()));
    Some(lengths.sum())
}

/// Reads every record to its last byte.
struct Check<'a> {
    contents: Contents,
    slots: Slots,
    hear: Hear<'a>,
}

impl Visitor for Check<'_> {
    fn record(&mut self, _lsn: u64, record: Raw<'_>) -> Result<(), String> {
        let record = Record::decode(record).map_err(|m| m.0)?;
        self.contents.count(&record);
        // Values are read and kept nowhere: which schema they belong to does not matter.
        let payment = |bytes| read_payment(bytes, &Schema::standard(), &self.slots).map_err(|m| m.0);
        match record {
            Record::Scored { payment: bytes, decision, .. }
            | Record::Unscored { payment: bytes, decision, .. } => {
                payment(bytes)?;
                read_decision(decision).map_err(|m| m.0)?;
            }
            Record::Observed { payment: bytes } | Record::Settled { payment: bytes, .. } => {
                payment(bytes)?;
            }
            Record::Pipeline(change) => {
                self.slots = Slots(change.fields.iter().map(|(_, kind)| (*kind, None)).collect());
            }
            Record::List(_) | Record::Brake(..) | Record::Shutdown => {}
        }
        Ok(())
    }

    fn progress(&mut self, bytes: u64) {
        (self.hear)(bytes, self.contents.payments);
    }
}

/// Compares what was decided with what is decided now.
#[derive(Default)]
struct Compare<'a> {
    hear: Option<Hear<'a>>,
    own: String,
    same: u64,
    different: u64,
    others: BTreeMap<String, Other>,
    differences: Vec<Difference>,
    again: Vec<u8>,
}

impl Judge for Compare<'_> {
    const DECIDES: bool = true;

    fn decided(&mut self, lsn: u64, payment: &Payment, recorded: &[u8], again: &Decision) {
        let digest = digest_of(recorded).map(|d| d.to_string()).unwrap_or_default();
        if digest != self.own {
            let other = self.others.entry(digest).or_default();
            other.decisions += 1;
            let same = read_decision(recorded).is_ok_and(|before| before.outcome == again.outcome);
            other.same_outcome += u64::from(same);
            return;
        }
        self.again.clear();
        put_decision(&mut self.again, again);
        if self.again == recorded {
            self.same += 1;
            return;
        }
        self.different += 1;
        if self.differences.len() < SHOWN_MAX {
            let fields = match read_decision(recorded) {
                Ok(before) => fields(&before, again),
                Err(m) => vec![("record", m.0, String::new())],
            };
            self.differences.push(Difference { lsn, payment: redact(payment.id()).into_owned(), fields });
        }
    }

    fn progress(&mut self, bytes: u64, payments: u64) {
        if let Some(hear) = self.hear {
            hear(bytes, payments);
        }
    }
}

/// What differs between two decisions, by name.
fn fields(before: &Decision, now: &Decision) -> Vec<(&'static str, String, String)> {
    let rules = |rules: &RuleSet| format!("{:?}", rules.iter().collect::<Vec<_>>());
    let degraded = |d: &Decision| d.degraded.names().collect::<Vec<_>>().join(" ");
    let parts = |d: &Decision| {
        [
            ("outcome", d.outcome.to_string()),
            ("score", d.score.to_string()),
            ("probability", format!("{:?}", d.probability)),
            ("anomaly", format!("{:?}", d.anomaly)),
            ("degraded", degraded(d)),
            ("deciding rule", format!("{:?}", d.deciding)),
            ("rules", rules(&d.matched)),
            ("braked rules", rules(&d.braked)),
            ("values", format!("{:?}", d.seen)),
            ("contributions", format!("{:?}", d.contributions)),
            ("challenger", format!("{:?}", d.challenged)),
        ]
    };
    let pairs = parts(before).into_iter().zip(parts(now));
    pairs.filter(|(a, b)| a != b).map(|((name, a), (_, b))| (name, a, b)).collect()
}
