//! What was the engine told of payments, and what did it say? For whoever has to tell or to ask it what its journal does
//! not hold.

use std::path::Path;

use crate::decision::Decision;
use crate::error::Error;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::velocity::Status;

use super::back::stopped;
use super::damage::Stop;
use super::disk::{Directory, Disk};
use super::frame::Raw;
use super::payment::{payment_id, put_payment};
use super::record::{Record, kind};
use super::scan::{Position, Visitor, scan_from};
use super::segment::{SEGMENT_HEADER, SegmentHeader, name, numbers};
use super::verdict::read_decision;

/// What the engine's journal says of a payment.
pub(crate) enum Heard<'a> {
    /// It was decided about by its score.
    Scored(Decided<'a>),
    /// This became of it.
    Settled(Status),
}

/// A payment and what was decided about it, as they were recorded.
#[derive(Clone, Copy)]
pub(crate) struct Decided<'a> {
    payment: &'a [u8],
    decision: &'a [u8],
}

/// What the engine decided about a payment when it was asked.
pub(crate) struct Known {
    payment: Vec<u8>,
    decision: Decision,
}

impl Decided<'_> {
    /// To be kept.
    ///
    /// # Errors
    /// When the decision can't be read.
    pub(crate) fn keep(self) -> Result<Known, String> {
        let decision = read_decision(self.decision).map_err(|m| m.0)?;
        Ok(Known { payment: self.payment.to_vec(), decision })
    }
}

impl Known {
    /// The decision, if it is this pipeline's about this very payment, to the last bit.
    pub(crate) fn decision(&self, pipeline: &Pipeline, payment: &Payment) -> Option<Decision> {
        if self.decision.digest != pipeline.digest() {
            return None;
        }
        let mut now = Vec::with_capacity(self.payment.len());
        put_payment(&mut now, pipeline.schema(), payment);
        (now == self.payment).then(|| self.decision.clone())
    }
}

/// A record's number, the payment's id and what it says.
type Each<'a> = &'a mut dyn FnMut(u64, &str, Heard<'_>);

struct Settlements<'a> {
    after: u64,
    each: Each<'a>,
}

impl Visitor for Settlements<'_> {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        if lsn <= self.after || ![kind::SCORED, kind::SETTLED].contains(&record.kind) {
            return Ok(());
        }
        let (payment, heard) = match Record::decode(record).map_err(|m| m.0)? {
            Record::Settled { payment, status } => (payment, Heard::Settled(status)),
            Record::Scored { payment, decision, .. } => {
                (payment, Heard::Scored(Decided { payment, decision }))
            }
            _ => return Ok(()),
        };
        if let Some(id) = payment_id(payment).map_err(|m| m.0)? {
            (self.each)(lsn, id, heard);
        }
        Ok(())
    }
}

/// Gives the decisions and settlements behind a record, in order, whoever writes there; changes nothing. Segments before
/// that record are not read.
///
/// # Errors
/// When the journal is damaged or can't be read.
pub(crate) fn settlements(dir: &Path, after: u64, each: Each<'_>) -> Result<(), Error> {
    let disk = Directory::new(dir);
    let from = segment_of(&disk, after + 1).map_err(|stop| stopped(dir, stop))?;
    let scanned = scan_from(&disk, from.as_ref(), &mut Settlements { after, each });
    scanned.map(|_| ()).map_err(|stop| stopped(dir, stop))
}

/// The beginning of the segment that has a record, or would have it; `None` for that of the journal.
pub(super) fn segment_of(disk: &dyn Disk, lsn: u64) -> Result<Option<Position>, Stop> {
    let all = numbers(&disk.list().map_err(Stop::io(""))?);
    // From the end on, for that is where it nearly always is; the first one is read anyway.
    for number in all.iter().rev().copied().filter(|number| *number > 1) {
        let name = name(number);
        let file = disk.open(&name, false).map_err(Stop::io(&name))?;
        let bytes = file.head(SEGMENT_HEADER).map_err(Stop::io(&name))?;
        // One that can't be read is for the scan to tell.
        let Ok(header) = SegmentHeader::read(&bytes) else { return Ok(None) };
        if header.first_lsn <= lsn {
            return Ok(Some(Position {
                journal: header.journal,
                segment: number,
                next_frame: header.first_frame,
                next_lsn: header.first_lsn,
                chain: header.previous,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::journal::{Journal, JournalSettings, SEGMENT_BYTES_MIN};
    use crate::schema::{Value, field};
    use crate::stage::Settlement;

    #[test]
    fn those_behind_a_record_are_found_in_whichever_segment() {
        let dir = tempfile::tempdir().unwrap();
        let engine = std::sync::Arc::new(Engine::new(Pipeline::shipped().unwrap()));
        let settings = JournalSettings { segment_bytes: SEGMENT_BYTES_MIN, ..JournalSettings::default() };
        let (journal, _) = Journal::open(dir.path(), &settings, engine.clone()).unwrap();
        let schema = engine.pipeline().schema().clone();
        let mut told = Vec::new();
        for n in 0..4_000 {
            let (mut payment, id) = (Payment::new(&schema), format!("p{n}"));
            payment.set(&schema, field::ID, Value::Token(&id)).unwrap();
            let status = Status::ALL[n % Status::ALL.len()];
            let (_, ticket) = match n % 3 {
                0 => journal.settle(&payment, Settlement { status }).map(|(_, ticket)| ((), ticket)).unwrap(),
                _ => journal.score(&payment).map(|(_, ticket)| ((), ticket)).unwrap(),
            };
            if n % 3 == 0 {
                told.push((ticket.lsn(), id, status));
            }
            ticket.wait().unwrap();
        }
        let segments = numbers(&Directory::new(dir.path()).list().unwrap());
        assert!(segments.len() > 3, "{segments:?}");
        let mut scored = 0;
        for after in [0, 1, 2, 1_000, 2_345, 3_999, 4_000, 4_001, 9_999] {
            let mut found = Vec::new();
            settlements(dir.path(), after, &mut |lsn, id, heard| match heard {
                Heard::Settled(status) => found.push((lsn, id.to_owned(), status)),
                Heard::Scored(_) => scored += usize::from(after == 0),
            })
            .unwrap();
            let expected: Vec<_> = told.iter().filter(|(lsn, ..)| *lsn > after).cloned().collect();
            assert_eq!(found, expected, "behind {after}");
        }
        assert_eq!(scored + told.len(), 4_000);
        // What is behind is read from where it is, and not from the beginning.
        let position = segment_of(&Directory::new(dir.path()), 4_000).unwrap().unwrap();
        assert_eq!(Some(&position.segment), segments.last());
    }

    #[test]
    fn a_decision_is_known_for_the_very_same_payment_alone() {
        let dir = tempfile::tempdir().unwrap();
        let engine = std::sync::Arc::new(Engine::new(Pipeline::shipped().unwrap()));
        let (journal, _) = Journal::open(dir.path(), &JournalSettings::default(), engine.clone()).unwrap();
        let pipeline = engine.pipeline();
        let payment = |os: &str| {
            let mut payment = Payment::new(pipeline.schema());
            payment.set(pipeline.schema(), field::ID, Value::Token("p1")).unwrap();
            payment.set(pipeline.schema(), field::DEVICE_OS, Value::Text(os)).unwrap();
            payment
        };
        let (decision, ticket) = journal.score(&payment("plain")).unwrap();
        ticket.wait().unwrap();
        let mut known = None;
        settlements(dir.path(), 0, &mut |_, id, heard| match heard {
            Heard::Scored(decided) if id == "p1" => known = Some(decided.keep().unwrap()),
            _ => {}
        })
        .unwrap();
        let known = known.unwrap();
        assert_eq!(known.decision(&pipeline, &payment("plain")), Some(decision));
        assert_eq!(known.decision(&pipeline, &payment("odd")), None);
        let other = Known {
            decision: Decision { digest: crate::decision::Digest([1; 16]), ..known.decision },
            ..known
        };
        assert_eq!(other.decision(&pipeline, &payment("plain")), None, "other rules");
    }
}
