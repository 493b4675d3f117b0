//! Do any bytes make reading frames fail? What the fuzz target calls.

use super::frame::{FRAME_BYTES_MIN, Frame};
use super::hello::Agreed;
use super::notify::{Answer, Question};
use crate::serve::config::VarScope;

/// Takes the bytes for a frame, and for all that may be in one.
pub fn spop(bytes: &[u8]) {
    let Ok(frame) = Frame::read(bytes) else { return };
    let mut again = Vec::new();
    frame.write(&mut again);
    assert_eq!(Frame::read(&again[super::frame::LENGTH_BYTES..]), Ok(frame));
    if let Ok(agreed) = Agreed::on(&frame, bytes.len().max(FRAME_BYTES_MIN)) {
        agreed.write(&mut again);
    }
    let Ok(question) = Question::read(frame.payload) else { return };
    // Whatever they hold, arguments become text that is read as a payment's, or none.
    let problem = question.object().err().map(|problem| problem.kind.parts().1);
    let mut ack = Vec::new();
    let answer = Answer { pass: Some(problem.is_none()), told: None, problem };
    answer.write((frame.stream, frame.id), VarScope::Txn, FRAME_BYTES_MIN, &mut ack);
    assert!(ack.len() <= super::frame::LENGTH_BYTES + FRAME_BYTES_MIN);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::spop::frame::{FIN, kind};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, stream: u64, hello: bool) {
            spop(&bytes);
            let mut framed = Vec::new();
            let kind = if hello { kind::HELLO } else { kind::NOTIFY };
            Frame { kind, flags: FIN, stream, id: 1, payload: &bytes }.write(&mut framed);
            spop(&framed[crate::serve::spop::frame::LENGTH_BYTES..]);
        }
    }
}
