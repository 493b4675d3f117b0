//! Bytes of a record, and back: varints, bits and texts, each read with its bounds checked.

use crate::time::Timestamp;

/// Why bytes are no record: a sentence's end, for whoever has the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub String);

impl Malformed {
    pub fn new(what: impl Into<String>) -> Malformed {
        Malformed(what.into())
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Small negative numbers stay short: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
pub(crate) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_varint(out, (n << 1 ^ n >> 63) as u64);
}

pub(crate) fn put_instant(out: &mut Vec<u8>, at: Timestamp) {
    put_signed(out, at.micros());
}

pub(crate) fn put_bits(out: &mut Vec<u8>, n: f64) {
    out.extend_from_slice(&n.to_bits().to_le_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A nothing is one byte, a something one byte more than itself.
pub(crate) fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// What is left to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(|| Malformed::new("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                break;
            }
            n |= part << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Malformed::new("a number is longer than 64 bits"))
    }

    pub fn signed(&mut self) -> Result<i64, Malformed> {
        self.varint().map(|n| (n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub fn instant(&mut self) -> Result<Timestamp, Malformed> {
        Timestamp::from_micros(self.signed()?).ok_or_else(|| Malformed::new("a time is out of range"))
    }

    /// A varint that must be small.
    pub fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.varint()?).map_err(|_| Malformed::new("a number is out of its range"))
    }

    pub fn bits(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.number()?;
        self.take(len)
    }

    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::new("a text is not UTF-8"))
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed::new("a flag is neither 0 nor 1")),
        }
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::new("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_signed(&mut out, n);
            put_varint(&mut out, n as u64);
            let mut cursor = Cursor(&out);
            assert_eq!((cursor.signed(), cursor.varint()), (Ok(n), Ok(n as u64)));
            assert_eq!(cursor.end(), Ok(()));
        }
    }

    #[test]
    fn what_is_too_long_or_too_short_is_refused() {
        assert!(Cursor(&[0xff; 10]).varint().is_err()); // 70 bits
        assert_eq!(Cursor(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).varint(), Ok(u64::MAX));
        assert!(Cursor(&[0x80]).varint().is_err());
        assert!(Cursor(&[5, b'a']).text().is_err());
        assert!(Cursor(&[2, 0xff, 0xff]).text().is_err());
        assert!(Cursor(&[2]).option(|c| c.byte()).is_err());
        assert!(Cursor(&[0x80, 4]).number::<u8>().is_err());
    }
}
