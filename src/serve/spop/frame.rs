//! What is in a frame? Bytes to numbers, texts and typed values and back, as SPOP 2.0 writes them
//! (`doc/SPOE.txt` of HAProxy, section 3). Nothing is waited for and nothing copied here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::status::Status;

/// Bytes of the length that comes before a frame.
pub(super) const LENGTH_BYTES: usize = 4;
/// The smallest size that both sides must be able to take.
pub(crate) const FRAME_BYTES_MIN: usize = 256;
/// Bytes of the longest number.
const VARINT_BYTES_MAX: usize = 10;
/// The payload is whole, or this is its last part.
pub(super) const FIN: u32 = 1;
/// The other side wants no answer any more.
pub(super) const ABORT: u32 = 2;

/// Sorts of frames, and the numbers they have.
pub(super) mod kind {
    pub(in super::super) const UNSET: u8 = 0;
    pub(in super::super) const HELLO: u8 = 1;
    pub(in super::super) const DISCONNECT: u8 = 2;
    pub(in super::super) const NOTIFY: u8 = 3;
    pub(in super::super) const AGENT_HELLO: u8 = 101;
    pub(in super::super) const AGENT_DISCONNECT: u8 = 102;
    pub(in super::super) const ACK: u8 = 103;
}

/// A frame, without the length before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u32,
    pub(super) stream: u64,
    pub(super) id: u64,
    pub(super) payload: &'a [u8],
}

/// A typed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// 32 or 64 bits with a sign.
    Int(i64),
    /// 32 or 64 bits without one.
    Uint(u64),
    Ip(IpAddr),
    /// A string or bytes; neither need be UTF-8.
    Bytes(&'a [u8]),
}

/// Bytes that are being read; every read that fails leaves it unsaid how far it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    /// # Errors
    /// When the bytes end in its head.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Frame<'a>, Status> {
        let mut reader = Reader(bytes);
        let kind = reader.byte()?;
        let flags = reader.array().map(u32::from_be_bytes)?;
        let (stream, id) = (reader.number()?, reader.number()?);
        Ok(Frame { kind, flags, stream, id, payload: reader.0 })
    }

    /// Appends the frame with its length.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        out.push(self.kind);
        out.extend_from_slice(&self.flags.to_be_bytes());
        put_number(out, self.stream);
        put_number(out, self.id);
        out.extend_from_slice(self.payload);
        let length = u32::try_from(out.len() - from - LENGTH_BYTES).unwrap_or(u32::MAX);
        out[from..from + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    }

    /// How many bytes [`Frame::write`] appends for an empty payload.
    pub(super) fn head_bytes(&self) -> usize {
        let mut out = Vec::with_capacity(32);
        Frame { payload: &[], ..*self }.write(&mut out);
        out.len()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// When nothing is left.
    pub(super) fn byte(&mut self) -> Result<u8, Status> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Status> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Status::Invalid)?;
        self.0 = rest;
        Ok(*array)
    }

    /// A number of variable length.
    ///
    /// # Errors
    /// When it has more than 64 bits, or the bytes end in it.
    pub(super) fn number(&mut self) -> Result<u64, Status> {
        let first = self.byte()?;
        let mut number = u64::from(first);
        if first < 240 {
            return Ok(number);
        }
        for place in 0..VARINT_BYTES_MAX - 1 {
            let byte = self.byte()?;
            let shift = 4 + 7 * place as u32;
            let part = u64::from(byte);
            let shifted = part.checked_shl(shift).filter(|s| s >> shift == part).ok_or(Status::Invalid)?;
            number = number.checked_add(shifted).ok_or(Status::Invalid)?;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Status::Invalid)
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// When fewer are left.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Status> {
        let length = usize::try_from(self.number()?).map_err(|_| Status::Invalid)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Status::Invalid)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// # Errors
    /// When the type is unknown, or fewer bytes are left than it has.
    pub(super) fn value(&mut self) -> Result<Value<'a>, Status> {
        let head = self.byte()?;
        Ok(match head & 0x0f {
            0 => Value::Null,
            1 => Value::Bool(head & 0x10 != 0),
            2 | 4 => Value::Int(self.number()?.cast_signed()),
            3 | 5 => Value::Uint(self.number()?),
            6 => Value::Ip(Ipv4Addr::from(self.array::<4>()?).into()),
            7 => Value::Ip(Ipv6Addr::from(self.array::<16>()?).into()),
            8 | 9 => Value::Bytes(self.bytes()?),
            _ => return Err(Status::Invalid),
        })
    }
}

/// Appends a number of variable length.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    if number < 240 {
        return out.push(number as u8);
    }
    out.push(number as u8 | 240);
    let mut rest = (number - 240) >> 4;
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest = (rest - 128) >> 7;
    }
    out.push(rest as u8);
}

/// Appends bytes with their length before them.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a typed value; bytes as a string.
pub(super) fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(value) => out.push(1 | u8::from(value) << 4),
        Value::Int(value) => {
            out.push(4);
            put_number(out, value.cast_unsigned());
        }
        Value::Uint(value) => {
            out.push(if u32::try_from(value).is_ok() { 3 } else { 5 });
            put_number(out, value);
        }
        Value::Ip(IpAddr::V4(ip)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
        Value::Ip(IpAddr::V6(ip)) => {
            out.push(7);
            out.extend_from_slice(&ip.octets());
        }
        Value::Bytes(bytes) => {
            out.push(8);
            put_bytes(out, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(bytes: &[u8]) -> Result<u64, Status> {
        let mut reader = Reader(bytes);
        reader.number().and_then(|n| if reader.is_empty() { Ok(n) } else { Err(Status::Unknown) })
    }

    #[test]
    fn numbers_have_the_lengths_of_the_specification() {
        for (n, bytes) in [
            (0, 1),
            (239, 1),
            (240, 2),
            (2_287, 2),
            (2_288, 3),
            (264_431, 3),
            (264_432, 4),
            (33_818_863, 4),
            (33_818_864, 5),
            (4_328_786_159, 5),
            (4_328_786_160, 6),
            (u64::MAX, VARINT_BYTES_MAX),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, n);
            assert_eq!((out.len(), number(&out)), (bytes, Ok(n)), "{n}");
        }
        // What needs a 65th bit, and what never ends.
        let mut over = Vec::new();
        put_number(&mut over, u64::MAX);
        *over.last_mut().unwrap() += 1;
        assert_eq!(number(&over), Err(Status::Invalid));
        assert_eq!(number(&[255; 40]), Err(Status::Invalid));
        assert_eq!(number(&[255; 4]), Err(Status::Invalid));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(n: u64, text: Vec<u8>, flag: bool, ip: IpAddr, kind: u8, flags: u32) {
            let mut payload = Vec::new();
            let values = [
                Value::Null,
                Value::Bool(flag),
                Value::Int(n.cast_signed()),
                Value::Uint(n),
                Value::Ip(ip),
                Value::Bytes(&text),
            ];
            for value in values {
                put_value(&mut payload, value);
            }
            let frame = Frame { kind, flags, stream: n, id: n >> 7, payload: &payload };
            let mut out = Vec::new();
            frame.write(&mut out);
            prop_assert_eq!(frame.head_bytes(), out.len() - payload.len());
            let read = Frame::read(&out[LENGTH_BYTES..]).unwrap();
            prop_assert_eq!(read, frame);
            let mut reader = Reader::new(read.payload);
            for value in values {
                prop_assert_eq!(reader.value(), Ok(value));
            }
            prop_assert!(reader.is_empty());
        }
    }
}
