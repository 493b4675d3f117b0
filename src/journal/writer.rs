//! Appends frames to segments, one at a time; knows no threads.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::{Disk, DiskFile};
use super::frame::{Chain, FRAME_BYTES_MAX, FRAME_HEADER, Header, RECORD_BYTES_MAX, RECORD_HEADER, SECTOR};
use super::scan::{Position, Scan};
use super::segment::{self, RESERVE, SEGMENT_HEADER, SegmentHeader};

/// How much of a torn tail is written with zeros at a time.
const ZEROS: usize = 1 << 20;

/// Where the next frame goes.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    journal: u64,
    seed: u64,
    segment_bytes: usize,
    segment: u64,
    file: Arc<dyn DiskFile>,
    end: u64,
    next_frame: u64,
    next_lsn: u64,
    chain: Chain,
    /// Room for a frame, kept.
    frame: Vec<u8>,
    sealed: bool,
}

impl Writer {
    /// Begins a journal in an empty directory.
    ///
    /// # Errors
    /// Whatever the disk says; the journal is then to be opened anew.
    pub fn begin(disk: Arc<dyn Disk>, journal: u64, seed: u64, segment_bytes: usize) -> io::Result<Writer> {
        let header = SegmentHeader {
            journal,
            seed,
            number: 1,
            first_frame: 1,
            first_lsn: 1,
            previous: Chain::default(),
            created: now(),
            bytes: segment_bytes as u64,
        };
        segment::prepare(&*disk, segment_bytes)?;
        let file = segment::begin(&*disk, &header)?;
        Ok(Writer {
            disk,
            journal,
            seed,
            segment_bytes,
            segment: 1,
            file,
            end: SEGMENT_HEADER as u64,
            next_frame: 1,
            next_lsn: 1,
            chain: Chain::default(),
            frame: Vec::new(),
            sealed: true,
        })
    }

    /// Goes on where a journal ends, once its torn tail is gone: stale bytes could be taken for live ones
    /// later. What was read is synced, for the frames to come will say that it was.
    ///
    /// # Errors
    /// Whatever the disk says; the journal is then to be opened anew.
    pub fn resume(disk: Arc<dyn Disk>, scan: &Scan, segment_bytes: usize) -> io::Result<Writer> {
        let file = disk.open(&segment::name(scan.segments), true)?;
        if disk.list()?.iter().any(|name| name == RESERVE) {
            let reserve = disk.open(RESERVE, false)?;
            // One that was made with other settings is of no use. One with a header may be a segment in use, whose old
            // name a power cut has brought back: it would be begun a second time.
            let is_fresh = reserve.head(SEGMENT_HEADER)?.iter().all(|byte| *byte == 0);
            if reserve.len()? != segment_bytes as u64 || !is_fresh {
                disk.remove(RESERVE)?;
            }
        }
        if scan.torn.is_some() {
            let zeros = vec![0; ZEROS.min((scan.length - scan.end) as usize)];
            let mut at = scan.end;
            while at < scan.length {
                let len = zeros.len().min((scan.length - at) as usize);
                file.write_at(&zeros[..len], at)?;
                at += len as u64;
            }
        }
        file.sync()?;
        Ok(Writer {
            disk,
            journal: scan.journal,
            seed: scan.seed,
            segment_bytes,
            segment: scan.segments,
            file,
            end: scan.end,
            next_frame: scan.next_frame,
            next_lsn: scan.next_lsn,
            chain: scan.chain,
            frame: Vec::new(),
            sealed: scan.sealed,
        })
    }

    /// The directory it writes to.
    pub fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// Bytes of a new segment.
    pub fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    /// The largest payload that fits a segment of so many bytes.
    pub fn record_max(segment_bytes: usize) -> usize {
        (body_max(segment_bytes) - RECORD_HEADER).min(RECORD_BYTES_MAX)
    }

    /// Most bytes of the records of one frame.
    pub fn body_max(&self) -> usize {
        body_max(self.segment_bytes)
    }

    /// The file that is to be synced for what was written last.
    pub fn file(&self) -> Arc<dyn DiskFile> {
        self.file.clone()
    }

    /// Where the next frame goes.
    pub fn position(&self) -> Position {
        let Writer { journal, segment, next_frame, next_lsn, chain, .. } = *self;
        Position { journal, segment, next_frame, next_lsn, chain }
    }

    /// The number of the last frame written.
    pub fn last_frame(&self) -> u64 {
        self.next_frame - 1
    }

    /// The number of the last record written.
    pub fn last_lsn(&self) -> u64 {
        self.next_lsn - 1
    }

    /// Whether the last frame is a seal, or there is none.
    pub fn sealed(&self) -> bool {
        self.sealed
    }

    /// Writes records as one frame, into the next segment when this one is full. `durable` is the last
    /// frame known to be synced; a segment is left only when all of it is.
    ///
    /// # Errors
    /// Whatever the disk says. Nothing may be written after that: the journal is to be opened anew.
    pub fn write(&mut self, body: &[u8], records: u32, mut durable: u64) -> io::Result<()> {
        if self.rotates(body.len()) {
            self.rotate()?;
            durable = self.last_frame();
        }
        let header = Header {
            body: body.len() as u32,
            records,
            first_lsn: self.next_lsn,
            frame: self.next_frame,
            time: now(),
            durable,
            previous: self.chain,
            journal: self.journal,
        };
        let chain = header.write(body, &mut self.frame);
        self.file.write_at(&self.frame, self.end)?;
        self.chain = chain;
        self.end += self.frame.len() as u64;
        self.next_frame += 1;
        self.next_lsn += u64::from(records);
        self.sealed = records == 0;
        Ok(())
    }

    /// Whether a frame of so many bytes of records begins a new segment.
    pub fn rotates(&self, body: usize) -> bool {
        // A frame may fill the segment, but for the room of a seal.
        let seal = if body == 0 { 0 } else { SECTOR };
        self.end as usize + Header::frame_bytes(body) + seal > self.segment_bytes
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync()?;
        if !self.disk.list()?.iter().any(|name| name == RESERVE) {
            segment::prepare(&*self.disk, self.segment_bytes)?;
        }
        let header = SegmentHeader {
            journal: self.journal,
            seed: self.seed,
            number: self.segment + 1,
            first_frame: self.next_frame,
            first_lsn: self.next_lsn,
            previous: self.chain,
            created: now(),
            bytes: self.segment_bytes as u64,
        };
        self.file = segment::begin(&*self.disk, &header)?;
        self.segment += 1;
        self.end = SEGMENT_HEADER as u64;
        Ok(())
    }
}

fn body_max(segment_bytes: usize) -> usize {
    (segment_bytes - SEGMENT_HEADER - SECTOR).min(FRAME_BYTES_MAX) - FRAME_HEADER
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
