//! A frame is one group commit: a header, records, zeros up to the next sector.
//!
//! The header's checksum is looked at before its length is believed, the body's covers every byte
//! behind it, and the chain makes a frame name all that were before it.

use super::wire::Malformed;

/// What a disk writes whole or not at all; frames begin at multiples of it.
pub(crate) const SECTOR: usize = 512;
/// Bytes of a frame before its records.
pub(crate) const FRAME_HEADER: usize = 80;
/// Most bytes of a frame.
pub(crate) const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of a record before its payload: kind, version, length, checksum.
pub(crate) const RECORD_HEADER: usize = 10;
/// Most bytes of a record's payload.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 10;

/// "TGFR".
const MAGIC: u32 = u32::from_le_bytes(*b"TGFR");

/// The first 128 bits of the BLAKE3 of a frame, which itself holds those of the one before.
pub(crate) type Chain = [u8; 16];

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of all records.
    pub body: u32,
    /// How many records.
    pub records: u32,
    /// The number of the first record, or of the one that will be next.
    pub first_lsn: u64,
    /// Frames are counted through all segments.
    pub frame: u64,
    /// Microseconds since the epoch when it was written: for people, nothing is decided by it.
    pub time: u64,
    /// The last frame that was known to be synced when this one was written.
    pub durable: u64,
    /// The chain up to the frame before.
    pub previous: Chain,
    /// Which journal it belongs to.
    pub journal: u64,
}

impl Header {
    /// Bytes that a frame takes with so many of records.
    pub fn frame_bytes(body: usize) -> usize {
        (FRAME_HEADER + body).next_multiple_of(SECTOR)
    }

    /// Puts the frame into `out`; gives the chain with it.
    pub fn write(&self, body: &[u8], out: &mut Vec<u8>) -> Chain {
        out.clear();
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.body.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for word in [self.first_lsn, self.frame, self.time, self.durable, self.journal] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(body);
        out.resize(Header::frame_bytes(body.len()), 0);
        let body_crc = crc32c::crc32c(&out[FRAME_HEADER..]);
        out[8..12].copy_from_slice(&body_crc.to_le_bytes());
        let header_crc = crc32c::crc32c(&out[8..FRAME_HEADER]);
        out[4..8].copy_from_slice(&header_crc.to_le_bytes());
        chain(out)
    }

    /// The header at the beginning of `bytes`, when it is whole and of this journal.
    pub fn read(bytes: &[u8], journal: u64) -> Option<Header> {
        let head = bytes.get(..FRAME_HEADER)?;
        let short = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        if short(0)? != MAGIC || short(4)? != crc32c::crc32c(&head[8..]) {
            return None;
        }
        let header = Header {
            body: short(12)?,
            records: short(16)?,
            first_lsn: long(24)?,
            frame: long(32)?,
            time: long(40)?,
            durable: long(48)?,
            journal: long(56)?,
            previous: head[64..FRAME_HEADER].try_into().ok()?,
        };
        (header.journal == journal && header.body as usize <= FRAME_BYTES_MAX).then_some(header)
    }

    /// The whole frame at the beginning of `bytes`: its header and its bytes.
    pub fn whole(bytes: &[u8], journal: u64) -> Option<(Header, &[u8])> {
        let header = Header::read(bytes, journal)?;
        let frame = bytes.get(..Header::frame_bytes(header.body as usize))?;
        let crc = u32::from_le_bytes(frame.get(8..12)?.try_into().ok()?);
        (crc == crc32c::crc32c(&frame[FRAME_HEADER..])).then_some((header, frame))
    }
}

/// The chain with this frame.
pub(crate) fn chain(frame: &[u8]) -> Chain {
    let mut chain = Chain::default();
    chain.copy_from_slice(&blake3::hash(frame).as_bytes()[..16]);
    chain
}

/// A record as it stands in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    pub kind: u8,
    pub version: u8,
    pub payload: &'a [u8],
}

impl Raw<'_> {
    /// Appends it to a frame's body.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        out.push(self.version);
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc(self.kind, self.version, self.payload).to_le_bytes());
        out.extend_from_slice(self.payload);
    }
}

fn crc(kind: u8, version: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind, version]), payload)
}

/// The records of a frame whose checksums hold. That they don't parse all the same is a mistake of the
/// program that wrote it, and is said, not passed over.
pub(crate) fn records<'a>(header: &Header, frame: &'a [u8]) -> Result<Vec<Raw<'a>>, Malformed> {
    let body = frame.get(FRAME_HEADER..FRAME_HEADER + header.body as usize);
    let mut rest = body.ok_or_else(|| Malformed::new("the frame is shorter than it says"))?;
    // No room is made for more records than there are bytes for.
    let mut records = Vec::with_capacity((header.records as usize).min(rest.len() / RECORD_HEADER));
    while !rest.is_empty() {
        let (head, after) =
            rest.split_at_checked(RECORD_HEADER).ok_or_else(|| Malformed::new("a record's header is cut"))?;
        let len = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let said = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
        let (payload, after) =
            after.split_at_checked(len).ok_or_else(|| Malformed::new("a record is cut"))?;
        if len > RECORD_BYTES_MAX || said != crc(head[0], head[1], payload) {
            return Err(Malformed::new("a record's checksum does not hold"));
        }
        records.push(Raw { kind: head[0], version: head[1], payload });
        rest = after;
    }
    if records.len() != header.records as usize {
        return Err(Malformed::new(format!("{} records where {} are said", records.len(), header.records)));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> (Header, Vec<u8>) {
        let mut body = Vec::new();
        Raw { kind: 1, version: 1, payload: b"one" }.put(&mut body);
        Raw { kind: 2, version: 1, payload: b"" }.put(&mut body);
        let header = Header {
            body: body.len() as u32,
            records: 2,
            first_lsn: 7,
            frame: 3,
            time: 9,
            durable: 2,
            previous: [5; 16],
            journal: 42,
        };
        let mut bytes = Vec::new();
        header.write(&body, &mut bytes);
        (header, bytes)
    }

    #[test]
    fn frames_come_back() {
        let (header, bytes) = frame();
        let (read, whole) = Header::whole(&bytes, 42).unwrap();
        assert_eq!((read, whole.len() % SECTOR), (header, 0));
        let records = records(&read, whole).unwrap();
        assert_eq!((records[0].payload, records[1].kind), (&b"one"[..], 2));
        assert!(Header::whole(&bytes, 43).is_none()); // of another journal
        assert!(Header::whole(&bytes[..bytes.len() - 1], 42).is_none());
    }

    #[test]
    fn no_flipped_bit_passes() {
        let (_, bytes) = frame();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::whole(&bytes, 42).is_none(), "bit {bit}");
        }
    }
}
