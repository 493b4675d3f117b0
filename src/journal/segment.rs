//! A segment is a file of frames, written with zeros before its first one, so that a commit changes data
//! and no metadata.

use std::io;
use std::sync::Arc;

use crate::failpoint::{Failpoint, reach};

use super::disk::{Disk, DiskFile};
use super::frame::Chain;

/// Bytes before the first frame.
pub(crate) const SEGMENT_HEADER: usize = 4096;
/// The segment that is ready to be the next.
pub(crate) const RESERVE: &str = "reserve.log";
/// A segment that is being made.
const UNFINISHED: &str = "reserve.tmp";
/// How much is written with zeros at a time.
const ZEROS: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"TGJOURNL";
/// The format that this program writes, and the only one it reads so far.
const VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Which journal it belongs to.
    pub journal: u64,
    /// The seed of the schema's hashes: which entity is forgotten first depends on it.
    pub seed: u64,
    /// Segments are counted from 1.
    pub number: u64,
    pub first_frame: u64,
    pub first_lsn: u64,
    /// The chain up to the last frame of the segment before.
    pub previous: Chain,
    /// Microseconds since the epoch: for people, nothing is decided by it.
    pub created: u64,
    /// The file's length when it was made; it never becomes shorter.
    pub bytes: u64,
}

impl SegmentHeader {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let numbers = [self.number, self.first_frame, self.first_lsn, self.created, self.bytes];
        for word in [self.journal, self.seed].into_iter().chain(numbers) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.previous);
        out.resize(SEGMENT_HEADER, 0);
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// # Errors
    /// What is wrong with it: a sentence's end.
    pub fn read(bytes: &[u8]) -> Result<SegmentHeader, String> {
        let head = bytes.get(..SEGMENT_HEADER).ok_or("it is shorter than a segment's header")?;
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        if head[..8] != MAGIC {
            return Err("it is no segment of a journal, or its first bytes are damaged".to_owned());
        }
        if head[8..12] != crc32c::crc32c(&head[12..]).to_le_bytes() {
            return Err("its header is damaged".to_owned());
        }
        let version = u32::from_le_bytes(std::array::from_fn(|i| head[12 + i]));
        if version != VERSION {
            return Err(format!("it has format {version}, and this program reads format {VERSION}"));
        }
        let previous = std::array::from_fn(|i| head[72 + i]);
        let [journal, seed, number, first_frame, first_lsn, created, bytes] =
            [16, 24, 32, 40, 48, 56, 64].map(word);
        Ok(SegmentHeader { journal, seed, number, first_frame, first_lsn, previous, created, bytes })
    }
}

/// The file of a segment.
pub(crate) fn name(number: u64) -> String {
    format!("{number:08}.log")
}

/// The numbers of all segments, in order.
pub(crate) fn numbers(names: &[String]) -> Vec<u64> {
    let number = |name: &String| {
        let number = name.strip_suffix(".log")?.parse().ok()?;
        (self::name(number) == *name).then_some(number)
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Makes the segment that will be the next: zeros, durable, under a name that says so.
pub(crate) fn prepare(disk: &dyn Disk, bytes: usize) -> io::Result<()> {
    let file = disk.create(UNFINISHED)?;
    let zeros = vec![0; ZEROS.min(bytes)];
    for start in (0..bytes).step_by(ZEROS) {
        file.write_at(&zeros[..ZEROS.min(bytes - start)], start as u64)?;
    }
    file.sync()?;
    reach(Failpoint::SegmentPrepared);
    disk.rename(UNFINISHED, RESERVE)?;
    disk.sync_dir()
}

/// Makes the reserve segment the one with this header. When its name is there, so is its header.
pub(crate) fn begin(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(RESERVE, true)?;
    file.write_at(&header.write(), 0)?;
    file.sync()?;
    reach(Failpoint::SegmentBegun);
    disk.rename(RESERVE, &name(header.number))?;
    reach(Failpoint::SegmentNamed);
    disk.sync_dir()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_no_flipped_bit_passes() {
        let header = SegmentHeader {
            journal: 1,
            seed: 8,
            number: 2,
            first_frame: 3,
            first_lsn: 4,
            previous: [5; 16],
            created: 6,
            bytes: 7,
        };
        let bytes = header.write();
        assert_eq!(SegmentHeader::read(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::read(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn only_segments_have_numbers() {
        let names = ["00000002.log", "reserve.log", "1.log", "00000001.log", "journal.lock"];
        assert_eq!(numbers(&names.map(str::to_owned)), [1, 2]);
        assert_eq!(name(100_000_000), "100000000.log");
    }
}
