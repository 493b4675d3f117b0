//! Which settlements does a journal hold? For whoever has to tell the engine of those that it does not.

use std::path::Path;

use crate::error::Error;
use crate::velocity::Status;

use super::back::stopped;
use super::damage::Stop;
use super::disk::{Directory, Disk};
use super::frame::Raw;
use super::payment::payment_id;
use super::record::{Record, kind};
use super::scan::{Position, Visitor, scan_from};
use super::segment::{SegmentHeader, name, numbers};

/// A settlement's number, the payment's id and what became of it.
type Each<'a> = &'a mut dyn FnMut(u64, &str, Status);

struct Settlements<'a> {
    after: u64,
    each: Each<'a>,
}

impl Visitor for Settlements<'_> {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        if lsn <= self.after || record.kind != kind::SETTLED {
            return Ok(());
        }
        let Record::Settled { payment, status } = Record::decode(record).map_err(|m| m.0)? else {
            return Ok(());
        };
        if let Some(id) = payment_id(payment).map_err(|m| m.0)? {
            (self.each)(lsn, id, status);
        }
        Ok(())
    }
}

/// Gives the settlements behind a record, in order, whoever writes there; changes nothing. Segments before that record
/// are not read.
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
        let bytes = disk.open(&name, false).and_then(|file| file.read()).map_err(Stop::io(&name))?;
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
    use crate::payment::Payment;
    use crate::pipeline::Pipeline;
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
        for after in [0, 1, 2, 1_000, 2_345, 3_999, 4_000, 4_001, 9_999] {
            let mut found = Vec::new();
            settlements(dir.path(), after, &mut |lsn, id, status| found.push((lsn, id.to_owned(), status)))
                .unwrap();
            let expected: Vec<_> = told.iter().filter(|(lsn, ..)| *lsn > after).cloned().collect();
            assert_eq!(found, expected, "behind {after}");
        }
        // What is behind is read from where it is, and not from the beginning.
        let position = segment_of(&Directory::new(dir.path()), 4_000).unwrap().unwrap();
        assert_eq!(Some(&position.segment), segments.last());
    }
}
