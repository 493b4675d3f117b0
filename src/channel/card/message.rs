//! What is in a message? Bytes to fields and back, in ISO 8583's ASCII form.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::mti::Mti;
use super::spec::{FIELDS, spec};

/// Most bytes of a message: well above what any has, well below what two bytes of length can say.
///
/// ```
/// use tollgate::channel::card::{MESSAGE_BYTES_MAX, Message, MessageError};
/// let bytes = vec![b'0'; MESSAGE_BYTES_MAX + 1];
/// assert_eq!(Message::read(&bytes).err(), Some(MessageError::TooLong));
/// ```
pub const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// Bytes of a message's type.
const MTI_BYTES: usize = 4;
/// Bytes of a bitmap: 64 bits in hexadecimal.
const BITMAP_BYTES: usize = 16;
/// The field that is the second bitmap.
const SECOND: u8 = 1;
/// Fields that `Debug` shows: nothing of the card, the payer, or what is private.
const SHOWN: [u8; 21] = [3, 4, 7, 11, 12, 13, 18, 22, 24, 25, 26, 32, 37, 38, 39, 41, 42, 49, 56, 70, 90];

/// A message: its type and its fields, each checked against the table. What it held is wiped when it is dropped.
///
/// ```
/// use tollgate::channel::card::{Message, Mti};
/// let mut message = Message::new(Mti::parse(b"0100").unwrap());
/// message.set(2, "4111111111111111")?;
/// message.set(4, "000000001999")?;
/// assert_eq!(message.write(), b"01005000000000000000164111111111111111000000001999");
/// assert_eq!(Message::read(&message.write())?, message);
/// assert!(!format!("{message:?}").contains("4111")); // `Debug` shows no card
/// assert!(message.set(4, "19.99").is_err());
/// # Ok::<(), tollgate::channel::card::MessageError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Of which sort it is.
    pub mti: Mti,
    fields: BTreeMap<u8, Zeroizing<String>>,
}

/// Why bytes are no message. The text of a field is never part of it.
///
/// ```
/// use tollgate::channel::card::{Message, MessageError};
/// assert_eq!(Message::read(b"0100").err(), Some(MessageError::Bitmap));
/// assert_eq!(MessageError::Field(4).to_string(), "field 4 has the wrong length or other characters than it takes");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// It has more than [`MESSAGE_BYTES_MAX`] bytes.
    TooLong,
    /// It begins with no type that is known.
    Mti,
    /// Its bitmap is cut short or no hexadecimal.
    Bitmap,
    /// There is no such field.
    NoField(u8),
    /// A field is cut short, too long, or has other characters than it takes.
    Field(u8),
    /// Bytes come after its last field.
    Trailing,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::TooLong => write!(f, "the message is longer than {MESSAGE_BYTES_MAX} bytes"),
            MessageError::Mti => f.write_str("the message begins with no type that is known"),
            MessageError::Bitmap => f.write_str("the bitmap is cut short or not hexadecimal"),
            MessageError::NoField(n) => write!(f, "there is no field {n}"),
            MessageError::Field(n) => {
                write!(f, "field {n} has the wrong length or other characters than it takes")
            }
            MessageError::Trailing => f.write_str("bytes come after the last field"),
        }
    }
}

impl std::error::Error for MessageError {}

impl Message {
    /// A message without fields.
    pub fn new(mti: Mti) -> Message {
        Message { mti, fields: BTreeMap::new() }
    }

    /// Puts a field in, 2 to 128, or puts it anew.
    ///
    /// # Errors
    /// When there is no such field, or its form is another. Fields of fixed length are not padded.
    pub fn set(&mut self, field: u8, value: impl Into<String>) -> Result<(), MessageError> {
        let value = Zeroizing::new(value.into());
        let form = usize::from(field).checked_sub(1).and_then(|place| spec(self.mti.version).get(place));
        let form = form.filter(|_| field != SECOND).ok_or(MessageError::NoField(field))?;
        if !form.takes(value.as_bytes()) {
            return Err(MessageError::Field(field));
        }
        self.fields.insert(field, value);
        Ok(())
    }

    /// A field's text.
    pub fn get(&self, field: u8) -> Option<&str> {
        self.fields.get(&field).map(|value| value.as_str())
    }

    /// The numbers of its fields.
    pub fn fields(&self) -> impl Iterator<Item = u8> {
        self.fields.keys().copied()
    }

    /// Its bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bitmaps = [0u64; 2];
        for field in self.fields.keys() {
            let place = usize::from(*field) - 1;
            bitmaps[place / 64] |= 1 << (63 - place % 64);
        }
        if bitmaps[1] != 0 {
            bitmaps[0] |= 1 << 63;
        }
        // With room for all of it at once, so that no copy of a card's number is left behind.
        let length: usize = self.fields.values().map(|value| value.len() + 3).sum();
        let mut out = Vec::with_capacity(MTI_BYTES + 2 * BITMAP_BYTES + length);
        out.extend(self.mti.digits());
        out.extend(format!("{:016X}", bitmaps[0]).bytes());
        if bitmaps[1] != 0 {
            out.extend(format!("{:016X}", bitmaps[1]).bytes());
        }
        for (field, value) in &self.fields {
            let prefix = spec(self.mti.version)[usize::from(*field) - 1].prefix();
            if prefix > 0 {
                out.extend(format!("{:0prefix$}", value.len()).bytes());
            }
            out.extend(value.bytes());
        }
        out
    }

    /// Reads bytes, all of them.
    ///
    /// # Errors
    /// When they are no message of this form.
    pub fn read(bytes: &[u8]) -> Result<Message, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLong);
        }
        let (mti, mut rest) = bytes.split_at_checked(MTI_BYTES).ok_or(MessageError::Mti)?;
        let mut message = Message::new(Mti::parse(mti).ok_or(MessageError::Mti)?);
        let mut bits = u128::from(bitmap(&mut rest)?) << 64;
        if bits >> 127 == 1 {
            bits |= u128::from(bitmap(&mut rest)?);
        }
        let forms = spec(message.mti.version).iter().enumerate().skip(1);
        for (place, form) in forms.filter(|(place, _)| bits >> (127 - place) & 1 == 1) {
            let field = (place + 1) as u8;
            let (prefix, after) = rest.split_at_checked(form.prefix()).ok_or(MessageError::Field(field))?;
            let length = match prefix {
                [] => form.most,
                digits => number(digits).ok_or(MessageError::Field(field))?,
            };
            let (value, after) = after.split_at_checked(length).ok_or(MessageError::Field(field))?;
            if !form.takes(value) {
                return Err(MessageError::Field(field));
            }
            // What the table takes is ASCII.
            let text = std::str::from_utf8(value).map_err(|_| MessageError::Field(field))?;
            message.fields.insert(field, Zeroizing::new(text.to_owned()));
            rest = after;
        }
        if rest.is_empty() { Ok(message) } else { Err(MessageError::Trailing) }
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + usize::from(b - b'0')))
}

fn bitmap(rest: &mut &[u8]) -> Result<u64, MessageError> {
    let (digits, after) = rest.split_at_checked(BITMAP_BYTES).ok_or(MessageError::Bitmap)?;
    *rest = after;
    // `from_str_radix` would take a sign, too.
    let text = std::str::from_utf8(digits).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
    text.and_then(|t| u64::from_str_radix(t, 16).ok()).ok_or(MessageError::Bitmap)
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"mti", &self.mti.to_string());
        for (field, value) in &self.fields {
            map.entry(field, &if SHOWN.contains(field) { value.as_str() } else { ".." });
        }
        map.finish()
    }
}

const _: () = assert!(FIELDS == 128 && MESSAGE_BYTES_MAX <= u16::MAX as usize);

/// Reads bytes as a message; what is taken must be written as it was, but for the case of bitmaps.
///
/// # Panics
/// When it is not.
pub fn fuzz(bytes: &[u8]) {
    let Ok(message) = Message::read(bytes) else { return };
    let _ = format!("{message:?}");
    let again = message.write();
    assert_eq!(Message::read(&again).as_ref(), Ok(&message), "a message reads back");
    // A second bitmap may have been there for nothing.
    assert!(again.len() == bytes.len() || again.len() + BITMAP_BYTES == bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::card::spec::{Kind, Length};
    use proptest::prelude::*;

    fn message() -> Message {
        Message::new(Mti::parse(b"0100").unwrap())
    }

    fn of_1993() -> Message {
        Message::new(Mti::parse(b"1100").unwrap())
    }

    #[test]
    fn every_field_is_taken_at_its_limit_and_not_past_it() {
        let all = [message(), of_1993()].into_iter().flat_map(|message| {
            spec(message.mti.version).iter().enumerate().skip(1).map(move |f| (message.clone(), f))
        });
        for (mut message, (place, form)) in all {
            let field = (place + 1) as u8;
            let value = |length: usize| "1".repeat(length);
            assert_eq!(message.set(field, value(form.most)), Ok(()), "{field}");
            assert_eq!(message.set(field, value(form.most + 1)), Err(MessageError::Field(field)));
            let short = message.set(field, value(form.most - 1));
            assert_eq!(short.is_ok(), form.length != Length::Fixed, "{field}");
            message.set(field, value(form.most)).unwrap();
            assert_eq!(Message::read(&message.write()), Ok(message.clone()), "{field}");
            let wrong = if form.kind == Kind::Text { "\u{1}" } else { "x" }.repeat(form.most);
            assert_eq!(message.set(field, wrong), Err(MessageError::Field(field)));
        }
        for field in [0, 1, 129, 255] {
            assert_eq!(message().set(field, ""), Err(MessageError::NoField(field)));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut whole = message();
        whole.set(2, "4111111111111111").unwrap();
        whole.set(90, "0".repeat(42)).unwrap();
        let bytes = whole.write();
        for end in 0..bytes.len() {
            assert!(Message::read(&bytes[..end]).is_err(), "{end}");
        }
        let mut longer = bytes.clone();
        longer.push(b'0');
        assert_eq!(Message::read(&longer), Err(MessageError::Trailing));
        let with = |from: &str, to: &str| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from));
            Message::read(text.replacen(from, to, 1).as_bytes())
        };
        assert_eq!(with("0100C", "0700C"), Err(MessageError::Mti));
        assert_eq!(with("0100C", "0100+"), Err(MessageError::Bitmap));
        assert_eq!(with("164111", "204111"), Err(MessageError::Field(2)));
        assert_eq!(with("164111", "1x4111"), Err(MessageError::Field(2)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, bits: [u64; 2], tail in "[0-9]{0,200}") {
            fuzz(&bytes);
            fuzz(format!("0100{:016X}{:016X}{tail}", bits[0], bits[1]).as_bytes());
            fuzz(format!("0210{:016x}{tail}", bits[0] >> 1).as_bytes());
            fuzz(format!("1100{:016X}{:016X}{tail}", bits[0], bits[1]).as_bytes());
        }

        #[test]
        fn what_is_written_is_read(
            newer: bool, fields in proptest::collection::btree_map(2u8..=128, "[0-9]{0,999}", 0..20),
        ) {
            let mut message = if newer { of_1993() } else { message() };
            for (field, value) in fields {
                let form = spec(message.mti.version)[usize::from(field) - 1];
                let value: String = match form.length {
                    Length::Fixed => value.chars().chain(std::iter::repeat('0')).take(form.most).collect(),
                    _ => value.chars().take(form.most).collect(),
                };
                message.set(field, value).unwrap();
            }
            // As many fields of this length would not fit any more.
            prop_assume!(message.write().len() <= MESSAGE_BYTES_MAX);
            prop_assert_eq!(Message::read(&message.write()), Ok(message));
        }
    }
}
