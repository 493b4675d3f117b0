//! What do both sides of a connection agree on?

use super::frame::{FIN, FRAME_BYTES_MIN, Frame, Reader, Value, kind, put_bytes, put_value};
use super::status::Status;

/// The version that is spoken.
const VERSION: &str = "2.0";
/// That answers may come in another order than questions.
const PIPELINING: &[u8] = b"pipelining";

/// What HAProxy said, and what both keep to from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) frame_bytes: usize,
    pub(super) pipelining: bool,
    /// It only wanted to know whether anybody answers.
    pub(super) check: bool,
}

impl Agreed {
    /// Reads a HELLO; we take frames up to `frame_bytes`.
    ///
    /// # Errors
    /// What keeps both from agreeing.
    pub(super) fn on(hello: &Frame<'_>, frame_bytes: usize) -> Result<Agreed, Status> {
        let (mut versions, mut size, mut capabilities, mut check) = (None, None, None, false);
        if hello.kind != kind::HELLO {
            return Err(Status::Invalid);
        }
        if hello.flags & FIN == 0 {
            return Err(Status::Fragmented);
        }
        let mut reader = Reader::new(hello.payload);
        while !reader.is_empty() {
            match (reader.bytes()?, reader.value()?) {
                (b"supported-versions", Value::Bytes(text)) => versions = Some(text),
                (b"max-frame-size", Value::Uint(n)) => size = Some(n),
                (b"max-frame-size", Value::Int(n)) => size = Some(u64::try_from(n).unwrap_or(0)),
                (b"capabilities", Value::Bytes(text)) => capabilities = Some(text),
                (b"healthcheck", Value::Bool(yes)) => check = yes,
                _ => {}
            }
        }
        // A higher version of the same major one speaks this one too.
        let speaks = |version: &[u8]| version.starts_with(b"2.");
        if !parts(versions.ok_or(Status::NoVersion)?).any(speaks) {
            return Err(Status::OtherVersion);
        }
        let size = usize::try_from(size.ok_or(Status::NoFrameSize)?).unwrap_or(usize::MAX);
        if size < FRAME_BYTES_MIN {
            return Err(Status::FrameSize);
        }
        let pipelining = parts(capabilities.ok_or(Status::NoCapabilities)?).any(|c| c == PIPELINING);
        Ok(Agreed { frame_bytes: size.min(frame_bytes), pipelining, check })
    }

    /// Appends the AGENT-HELLO.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(80);
        let capabilities = if self.pipelining { PIPELINING } else { b"" };
        for (name, value) in [
            ("version", Value::Bytes(VERSION.as_bytes())),
            ("max-frame-size", Value::Uint(self.frame_bytes as u64)),
            ("capabilities", Value::Bytes(capabilities)),
        ] {
            put_bytes(&mut payload, name.as_bytes());
            put_value(&mut payload, value);
        }
        Frame { kind: kind::AGENT_HELLO, flags: FIN, stream: 0, id: 0, payload: &payload }.write(out);
    }
}

/// Appends an AGENT-DISCONNECT.
pub(super) fn disconnect(out: &mut Vec<u8>, status: Status) {
    let (code, message) = status.parts();
    let mut payload = Vec::with_capacity(80);
    put_bytes(&mut payload, b"status-code");
    put_value(&mut payload, Value::Uint(code));
    put_bytes(&mut payload, b"message");
    put_value(&mut payload, Value::Bytes(message.as_bytes()));
    Frame { kind: kind::AGENT_DISCONNECT, flags: FIN, stream: 0, id: 0, payload: &payload }.write(out);
}

fn parts(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(items: &[(&str, Value<'_>)]) -> Result<Agreed, Status> {
        let mut payload = Vec::new();
        for (name, value) in items {
            put_bytes(&mut payload, name.as_bytes());
            put_value(&mut payload, *value);
        }
        let frame = Frame { kind: kind::HELLO, flags: FIN, stream: 0, id: 0, payload: &payload };
        Agreed::on(&frame, 1_000)
    }

    #[test]
    fn both_agree_on_version_size_and_pipelining() {
        let text = |text: &'static str| Value::Bytes(text.as_bytes());
        let versions = ("supported-versions", text("1.0, 2.0"));
        let size = |n| ("max-frame-size", Value::Uint(n));
        let can = ("capabilities", text("async, pipelining"));
        let agreed = |frame_bytes| Ok(Agreed { frame_bytes, pipelining: true, check: false });
        assert_eq!(hello(&[versions, size(256), can]), agreed(256)); // at the limit
        assert_eq!(hello(&[versions, size(255), can]), Err(Status::FrameSize)); // past it
        assert_eq!(hello(&[versions, size(1_001), can]), agreed(1_000)); // ours is the lower one
        assert_eq!(hello(&[size(256), can]), Err(Status::NoVersion));
        assert_eq!(hello(&[versions, can]), Err(Status::NoFrameSize));
        assert_eq!(hello(&[versions, size(256)]), Err(Status::NoCapabilities));
        let other = ("supported-versions", text("1.0,3.0"));
        assert_eq!(hello(&[other, size(256), can]), Err(Status::OtherVersion));
        let check = ("healthcheck", Value::Bool(true));
        let checked = hello(&[check, versions, size(300), ("capabilities", text(""))]);
        assert_eq!(checked, Ok(Agreed { frame_bytes: 300, pipelining: false, check: true }));
    }
}
