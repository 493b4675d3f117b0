//! W3C trace context: the caller's trace goes on through us.

use hyper::HeaderMap;
use hyper::header::HeaderValue;

/// The header's name.
pub(super) const HEADER: &str = "traceparent";
/// `00-`, 32 hex digits, `-`, 16 hex digits, `-`, 2 hex digits.
const BYTES: usize = 55;
/// Hex digits of a trace's id, and of a span's.
pub(super) const TRACE_DIGITS: usize = 32;
pub(super) const SPAN_DIGITS: usize = 16;

/// The header for the answer: the same trace, with a span of our own. `None` without a well-formed one.
pub(super) fn answer(headers: &HeaderMap, span: impl FnOnce() -> u64) -> Option<HeaderValue> {
    let parent = headers.get(HEADER)?.as_bytes();
    if !is_valid(parent) {
        return None;
    }
    let mut text = [0u8; BYTES];
    text.copy_from_slice(parent);
    let mut span = span().max(1);
    for digit in text[36..52].iter_mut().rev() {
        *digit = b"0123456789abcdef"[(span & 15) as usize];
        span >>= 4;
    }
    HeaderValue::from_bytes(&text).ok()
}

/// The ids of trace and span, when the header says that somebody records the trace.
pub(super) fn recorded(text: &[u8]) -> Option<([u8; TRACE_DIGITS], [u8; SPAN_DIGITS])> {
    let sampled = |digit: &u8| (*digit as char).to_digit(16).is_some_and(|flags| flags & 1 == 1);
    if !is_valid(text) || !text.last().is_some_and(sampled) {
        return None;
    }
    Some((*text[3..].first_chunk()?, *text[36..].first_chunk()?))
}

/// Whether it is a version 00 header whose ids are not all zero.
fn is_valid(text: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |part: &[u8]| hex(part) && part.iter().any(|b| *b != b'0');
    text.len() == BYTES
        && text.starts_with(b"00-")
        && [text[35], text[52]] == *b"--"
        && not_zero(&text[3..35])
        && not_zero(&text[36..52])
        && hex(&text[53..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_goes_on_with_a_span_of_ours() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let answered = |text: &str| {
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), text.parse().unwrap())]);
            answer(&headers, || 0xff).map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(
            answered(given).as_deref(),
            Some("00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01")
        );
        for wrong in [
            "",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        ] {
            assert_eq!(answered(wrong), None, "{wrong}");
        }
    }
}
