//! What fields does a protobuf message have? The wire format alone, read in place.

use crate::model::ModelError;

/// A field's value as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order; ends after the first mistake.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.take(8)?.try_into().ok()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), ModelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        let field = self.field().ok_or_else(|| {
            ModelError::new(format!(
                "a broken protobuf field, {left} bytes before the end of its message; export the model again"
            ))
        });
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Whole numbers of a repeated field, packed or one by one.
pub(super) fn integers(wire: Wire<'_>, out: &mut Vec<i64>) -> Option<()> {
    match wire {
        Wire::Varint(number) => out.push(number as i64),
        Wire::Bytes(packed) => {
            let mut packed = Fields::of(packed);
            while !packed.rest.is_empty() {
                out.push(packed.varint()? as i64);
            }
        }
        _ => return None,
    }
    Some(())
}

/// Floats of a repeated field, packed or one by one.
pub(super) fn floats(wire: Wire<'_>, out: &mut Vec<f32>) -> Option<()> {
    match wire {
        Wire::Fixed32(bytes) => out.push(f32::from_le_bytes(bytes)),
        Wire::Bytes(packed) if packed.len().is_multiple_of(4) => {
            let words = packed.chunks_exact(4);
            out.extend(words.map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]])));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_broken_ones_told() {
        let fields: Vec<_> =
            Fields::of(b"\x08\x96\x01\x12\x02hi\x1d\0\0\x80\x3f").map(Result::unwrap).collect();
        let one = Wire::Fixed32(1f32.to_le_bytes());
        assert_eq!(fields, [(1, Wire::Varint(150)), (2, Wire::Bytes(b"hi")), (3, one)]);
        for broken in [
            &b"\x08"[..],
            b"\x12\xff\xff\xff\xff\x0f",
            b"\x0b",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(Fields::of(broken).any(|f| f.is_err()), "{broken:?}");
        }
        let mut numbers = Vec::new();
        assert!(integers(Wire::Bytes(b"\x01\x96\x01"), &mut numbers).is_some());
        assert_eq!(numbers, [1, 150]);
        assert!(floats(Wire::Bytes(b"\0\0\0"), &mut Vec::new()).is_none());
    }
}
