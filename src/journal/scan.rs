//! Reads a journal from its beginning: what is whole, where it ends, and whether that may be its end.
//!
//! A bad frame is a torn tail or rot, and only what follows can tell: a later frame that says the bad one
//! had been synced before proves that something acknowledged is lost. Then nothing is guessed and nothing
//! changed. Without such a frame the tail was in flight when the machine stopped.

use super::damage::{Refusal, Stop, Torn};
use super::disk::Disk;
use super::frame::{Chain, Header, Raw, SECTOR, chain, records};
use super::segment::{SEGMENT_HEADER, SegmentHeader, name, numbers};
use super::wire::{Cursor, Malformed, put_varint};

/// How often the end of a file that changes while it is read is read again.
const AGAIN_MAX: usize = 10;

/// Who is told what is found.
pub(crate) trait Visitor {
    /// One record, in order.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence's end; reading stops then.
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String>;
    /// How far reading is, in bytes of all segments.
    fn progress(&mut self, _bytes: u64) {}
}

/// A journal that is whole, maybe but for a tail that was in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Which journal it is.
    pub journal: u64,
    /// The seed it was begun with.
    pub seed: u64,
    /// How many segments.
    pub segments: u64,
    /// Bytes of the last segment that are frames or before them.
    pub end: u64,
    /// The length of the last segment's file.
    pub length: u64,
    /// The next frame's number, and so how many frames there are, and one.
    pub next_frame: u64,
    /// The next record's number, likewise.
    pub next_lsn: u64,
    pub chain: Chain,
    /// Whether the last frame is a seal, so that every record is known to have been synced.
    pub sealed: bool,
    pub torn: Option<Torn>,
}

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub journal: u64,
    /// The segment of the frame before it.
    pub segment: u64,
    pub next_frame: u64,
    pub next_lsn: u64,
    /// The chain up to the frame before it.
    pub chain: Chain,
}

impl Position {
    pub fn put(&self, out: &mut Vec<u8>) {
        let Position { journal, segment, next_frame, next_lsn, chain } = self;
        [journal, segment, next_frame, next_lsn].into_iter().for_each(|word| put_varint(out, *word));
        out.extend_from_slice(chain);
    }

    /// # Errors
    /// When the bytes are none.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Position, Malformed> {
        let [journal, segment, next_frame, next_lsn] =
            [cursor.varint()?, cursor.varint()?, cursor.varint()?, cursor.varint()?];
        Ok(Position { journal, segment, next_frame, next_lsn, chain: cursor.array()? })
    }
}

impl Scan {
    /// Where it ends.
    pub fn position(&self) -> Position {
        let Scan { journal, segments: segment, next_frame, next_lsn, chain, .. } = *self;
        Position { journal, segment, next_frame, next_lsn, chain }
    }
}

/// Reads all of it; `None` when the directory holds no journal yet.
///
/// # Errors
/// When the journal is damaged or can't be read, or the visitor says so.
pub(crate) fn scan(disk: &dyn Disk, visitor: &mut dyn Visitor) -> Result<Option<Scan>, Stop> {
    scan_from(disk, None, visitor)
}

/// Reads what is behind a position that [`reaches`].
///
/// # Errors
/// As [`scan`].
pub(crate) fn scan_from(
    disk: &dyn Disk,
    from: Option<&Position>,
    visitor: &mut dyn Visitor,
) -> Result<Option<Scan>, Stop> {
    let numbers = numbers(&disk.list().map_err(Stop::io(""))?);
    let Some(last) = numbers.last().copied() else { return Ok(None) };
    let missing = (1..=last).zip(&numbers).find(|(expected, found)| expected != *found);
    if let Some((number, _)) = missing {
        let why = format!("it is missing, and {} is there", name(last));
        return Err(Stop::Refused(Refusal { segment: name(number), offset: 0, lsns: (0, None), why }));
    }
    let mut reading: Option<Reading> = None;
    let mut before = 0;
    for number in from.map_or(1, |from| from.segment)..=last {
        let name = name(number);
        let read = || disk.open(&name, false).and_then(|file| file.read()).map_err(Stop::io(&name));
        let mut bytes = read()?;
        let lsn = reading.as_ref().map_or(1, |r| r.next_lsn);
        let refused =
            |why: String| Stop::Refused(Refusal { segment: name.clone(), offset: 0, lsns: (lsn, None), why });
        let header = SegmentHeader::read(&bytes).map_err(refused)?;
        if number == 1 && (header.first_frame, header.first_lsn) != (1, 1) {
            return Err(refused("it does not begin a journal".to_owned()));
        }
        let mut now = reading.take().unwrap_or_else(|| Reading::new(&header, from));
        now.enter(&header, number, &name, bytes.len())?;
        now.frames(&name, &bytes, visitor, before)?;
        let mut again = 0;
        while number == last
            && let Err(stop) = now.tail(&name, &bytes)
        {
            // A program that writes meanwhile may have put a frame where zeros were just read.
            let (before_it, end) = (bytes, now.end as usize);
            bytes = read()?;
            again += 1;
            if again == AGAIN_MAX || before_it.get(end..) == bytes.get(end..) {
                return Err(stop);
            }
            now.frames(&name, &bytes, visitor, before)?;
        }
        let rest = bytes.get(now.end as usize..).unwrap_or_default();
        now.resumes = (number < last).then(|| now.later(rest).next()).flatten().map(|h| h.first_lsn);
        before += bytes.len() as u64;
        reading = Some(now);
    }
    Ok(reading.map(|r| Scan {
        journal: r.journal,
        seed: r.seed,
        segments: last,
        end: r.end,
        length: r.length,
        next_frame: r.next_frame,
        next_lsn: r.next_lsn,
        chain: r.chain,
        sealed: r.sealed,
        torn: r.torn,
    }))
}

/// Whether the journal has, and has had, what was before a position.
pub(crate) fn reaches(disk: &dyn Disk, position: &Position) -> bool {
    struct Nobody;
    impl Visitor for Nobody {
        fn record(&mut self, _: u64, _: Raw<'_>) -> Result<(), String> {
            Ok(())
        }
    }
    let name = name(position.segment);
    let Ok(mut bytes) = disk.open(&name, false).and_then(|file| file.read()) else { return false };
    let Ok(header) = SegmentHeader::read(&bytes) else { return false };
    let mut reading = Reading::new(&header, None);
    if header.journal != position.journal
        || reading.enter(&header, position.segment, &name, bytes.len()).is_err()
    {
        return false;
    }
    // Frames up to the position, and no further.
    reading.until = position.next_frame;
    let read = reading.frames(&name, &std::mem::take(&mut bytes), &mut Nobody, 0);
    read.is_ok()
        && reading.next_frame == position.next_frame
        && reading.next_lsn == position.next_lsn
        && reading.chain == position.chain
}

/// What the next frame must be.
struct Reading {
    journal: u64,
    seed: u64,
    next_frame: u64,
    next_lsn: u64,
    chain: Chain,
    /// The first frame whose records are of interest.
    skip: u64,
    /// The first frame that is not read any more.
    until: u64,
    sealed: bool,
    /// The segment before, and where its frames ended.
    segment: String,
    end: u64,
    length: u64,
    /// The record that a segment goes on with behind a frame that is not good.
    resumes: Option<u64>,
    torn: Option<Torn>,
}

impl Reading {
    /// From the beginning of the journal, or of the segment with a position that is known.
    fn new(first: &SegmentHeader, from: Option<&Position>) -> Reading {
        Reading {
            journal: first.journal,
            seed: first.seed,
            next_frame: first.first_frame,
            next_lsn: first.first_lsn,
            chain: first.previous,
            skip: from.map_or(0, |from| from.next_frame),
            until: u64::MAX,
            sealed: true,
            segment: String::new(),
            end: 0,
            length: 0,
            resumes: None,
            torn: None,
        }
    }

    /// Checks that a segment goes on where the one before ended.
    fn enter(&mut self, header: &SegmentHeader, number: u64, name: &str, len: usize) -> Result<(), Stop> {
        let at = |segment: &str, offset, last, why: String| {
            let segment = segment.to_owned();
            Err(Stop::Refused(Refusal { segment, offset, lsns: (self.next_lsn, last), why }))
        };
        if header.journal != self.journal || header.number != number {
            return at(name, 0, None, format!("it is segment {} of another journal", header.number));
        }
        if (len as u64) < header.bytes {
            return at(name, len as u64, None, format!("it was {} bytes long and is cut", header.bytes));
        }
        // A segment is begun when all before it is synced.
        if header.first_frame != self.next_frame {
            let why = format!("frame {} is damaged, and {name} begins after it", self.next_frame);
            let next = self.resumes.unwrap_or(header.first_lsn);
            return at(&self.segment, self.end, Some(next.saturating_sub(1)), why);
        }
        if header.first_lsn != self.next_lsn || header.previous != self.chain {
            return at(name, 0, None, "it does not follow from what is before it".to_owned());
        }
        self.segment = name.to_owned();
        self.end = SEGMENT_HEADER as u64;
        self.length = len as u64;
        Ok(())
    }

    /// Reads a segment's frames up to the first that is not good.
    fn frames(
        &mut self,
        name: &str,
        bytes: &[u8],
        visitor: &mut dyn Visitor,
        before: u64,
    ) -> Result<(), Stop> {
        while self.next_frame < self.until {
            let rest = bytes.get(self.end as usize..).unwrap_or_default();
            let Some((header, frame)) = Header::whole(rest, self.journal) else { break };
            if header.frame != self.next_frame {
                break;
            }
            let refused = |lsn, why| {
                let (segment, offset) = (name.to_owned(), self.end);
                Stop::Refused(Refusal { segment, offset, lsns: (lsn, None), why })
            };
            if header.previous != self.chain || header.first_lsn != self.next_lsn {
                let why = format!("frame {} does not follow from what is before it", header.frame);
                return Err(refused(self.next_lsn, why));
            }
            let records = records(&header, frame).map_err(|m| refused(self.next_lsn, m.0))?;
            let wanted = if header.frame < self.skip { &[] } else { &records[..] };
            for (lsn, record) in (header.first_lsn..).zip(wanted) {
                visitor.record(lsn, *record).map_err(|why| refused(lsn, format!("record {lsn}: {why}")))?;
            }
            self.next_frame += 1;
            self.next_lsn += records.len() as u64;
            self.chain = chain(frame);
            self.sealed = records.is_empty();
            self.end += frame.len() as u64;
            visitor.progress(before + self.end);
        }
        Ok(())
    }

    /// Whole frames behind the one that is not.
    fn later<'a>(&self, rest: &'a [u8]) -> impl Iterator<Item = Header> + use<'a> {
        let (journal, next) = (self.journal, self.next_frame);
        let whole = move |at| Header::whole(&rest[at..], journal).map(|(header, _)| header);
        (0..rest.len()).step_by(SECTOR).filter_map(whole).filter(move |header| header.frame >= next)
    }

    /// Judges what is behind the last good frame.
    fn tail(&mut self, name: &str, bytes: &[u8]) -> Result<(), Stop> {
        let rest = bytes.get(self.end as usize..).unwrap_or_default();
        if rest.iter().all(|b| *b == 0) {
            return Ok(());
        }
        let later: Vec<Header> = self.later(rest).collect();
        if let Some(proof) = later.iter().find(|header| header.durable >= self.next_frame) {
            let why = format!(
                "frame {} is damaged, and frame {} says that it was synced",
                self.next_frame, proof.frame
            );
            let last = later.first().map(|header| header.first_lsn.saturating_sub(1));
            let (segment, lsns) = (name.to_owned(), (self.next_lsn, last));
            return Err(Stop::Refused(Refusal { segment, offset: self.end, lsns, why }));
        }
        self.torn = Some(Torn { segment: name.to_owned(), offset: self.end, frames: later.len() as u64 });
        Ok(())
    }
}
