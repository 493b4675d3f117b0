//! Where does a message end? Two bytes of length before each.

use zeroize::Zeroizing;

use super::message::{MESSAGE_BYTES_MAX, Message};

/// Bytes of the length that comes before a message.
const LENGTH_BYTES: usize = 2;
/// Bytes of a whole frame.
pub(super) const FRAME_BYTES_MAX: usize = LENGTH_BYTES + MESSAGE_BYTES_MAX;

/// Appends a message with its length. `None` when it is too long.
pub(super) fn frame(out: &mut Vec<u8>, message: &Message) -> Option<()> {
    let bytes = Zeroizing::new(message.write());
    let length = u16::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MESSAGE_BYTES_MAX)?;
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&bytes);
    Some(())
}

/// Bytes that have come, and the messages in them.
pub(super) struct Frames {
    bytes: Zeroizing<Vec<u8>>,
    length: usize,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames { bytes: Zeroizing::new(vec![0; 2 * FRAME_BYTES_MAX]), length: 0 }
    }
}

impl Frames {
    /// Where the next bytes go; never empty once the messages were taken out.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.length..).unwrap_or_default()
    }

    pub(super) fn filled(&mut self, length: usize) {
        self.length += length;
    }

    /// The next message, if it is whole.
    ///
    /// # Errors
    /// When it is too long, or no message.
    pub(super) fn next(&mut self) -> Result<Option<Message>, String> {
        let filled = self.bytes.get(..self.length).unwrap_or_default();
        let Some((length, rest)) = filled.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MESSAGE_BYTES_MAX {
            return Err(format!(
                "the institution sends {length} bytes, more than the limit of {MESSAGE_BYTES_MAX}"
            ));
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message =
            Message::read(message).map_err(|e| format!("what the institution sends can't be read: {e}"))?;
        let taken = LENGTH_BYTES + length;
        self.bytes.copy_within(taken..self.length, 0);
        self.length -= taken;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::card::{Class, Function, Mti, Version};

    fn message(number: u32) -> Message {
        let mut message = Message::new(Mti::new(Version::Of1987, Class::Network, Function::Request));
        message.set(11, format!("{number:06}")).unwrap();
        message.set(70, "301").unwrap();
        message
    }

    #[test]
    fn messages_come_out_of_bytes_however_they_are_cut() {
        let mut stream = Vec::new();
        (1..=50).for_each(|n| frame(&mut stream, &message(n)).unwrap());
        for size in [1, 2, 3, 46, 47, 48, 1000] {
            let (mut frames, mut found) = (Frames::default(), 0);
            for part in stream.chunks(size) {
                frames.room()[..part.len()].copy_from_slice(part);
                frames.filled(part.len());
                while let Some(next) = frames.next().unwrap() {
                    found += 1;
                    assert_eq!(next.get(11), message(found).get(11));
                }
            }
            assert_eq!((found, frames.length), (50, 0), "{size}");
        }
    }

    #[test]
    fn a_length_is_believed_up_to_its_limit() {
        for (length, good) in [(MESSAGE_BYTES_MAX, true), (MESSAGE_BYTES_MAX + 1, false)] {
            let mut frames = Frames::default();
            frames.room()[..2].copy_from_slice(&(length as u16).to_be_bytes());
            frames.filled(2);
            assert_eq!(frames.next().is_ok(), good);
        }
    }
}
