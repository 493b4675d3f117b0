//! Does any file of bytes make reading a journal fail? What the fuzz target calls.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::frame::Raw;
use super::payment::read_payment;
use super::record::{PipelineChange, Record};
use super::scan::{Visitor, scan};
use super::segment::{SEGMENT_HEADER, SegmentHeader, name};
use super::verdict::{put_decision, read_decision};
use crate::decision::Digest;
use crate::schema::Schema;

/// One file that can be read and nothing else.
struct One(Vec<u8>);

impl Disk for One {
    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn open(&self, _: &str, _: bool) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(One(self.0.clone())))
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(vec![name(1)])
    }
}

impl DiskFile for One {
    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
    fn head(&self, len: usize) -> io::Result<Vec<u8>> {
        Ok(self.0[..len.min(self.0.len())].to_vec())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Decode;

impl Visitor for Decode {
    fn record(&mut self, _: u64, record: Raw<'_>) -> Result<(), String> {
        payload(record);
        Ok(())
    }
}

/// A record's parts, as deep as they go; a decision that is read is written as it was.
fn payload(record: Raw<'_>) {
    let schema = Schema::standard();
    let slots = PipelineChange::new(Digest::default(), &schema, None).slots(&schema);
    match Record::decode(record) {
        Ok(Record::Scored { payment, decision, .. }) => {
            let _ = read_payment(payment, &schema, &slots);
            if let Ok(read) = read_decision(decision) {
                let mut again = Vec::new();
                put_decision(&mut again, &read);
                assert_eq!(read_decision(&again).map(|d| format!("{d:?}")), Ok(format!("{read:?}")));
            }
        }
        Ok(Record::Observed { payment } | Record::Settled { payment, .. }) => {
            let _ = read_payment(payment, &schema, &slots);
        }
        _ => {}
    }
}

/// Reads the bytes as a segment, as the frames of one with a good header, and as a record.
pub fn journal(bytes: &[u8]) {
    let _ = scan(&One(bytes.to_owned()), &mut Decode);
    let header = SegmentHeader {
        journal: 0,
        seed: 0,
        number: 1,
        first_frame: 1,
        first_lsn: 1,
        previous: [0; 16],
        created: 0,
        bytes: 0,
    };
    let mut segment = header.write();
    debug_assert_eq!(segment.len(), SEGMENT_HEADER);
    segment.extend_from_slice(bytes);
    let _ = scan(&One(segment), &mut Decode);
    if let [kind, payload_bytes @ ..] = bytes {
        payload(Raw { kind: *kind, version: 1, payload: payload_bytes });
    }
}
