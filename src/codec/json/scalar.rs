//! How are strings, numbers and words written?

use super::{Done, Parser, at};
use crate::codec::RowError;

impl<'a> Parser<'a, '_> {
    /// A string, without its quotes, and whether it has escapes (which aren't checked yet).
    #[inline]
    pub(super) fn string(&mut self, expected: &str) -> Result<(&'a str, bool), Box<RowError>> {
        if self.byte() != Some(b'"') {
            return Err(self.here(expected));
        }
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            end = special(self.bytes, end);
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => {
                    self.at = end;
                    return Err(self.here("a control character in a string; it is written as an escape"));
                }
                None => {
                    self.at = self.bytes.len();
                    return Err(self.here(""));
                }
            }
        }
        self.at = end + 1;
        // Both ends stand beside an ASCII quote, so they are character boundaries.
        Ok((self.text.get(start..end).unwrap_or_default(), escaped))
    }

    /// Replaces the escapes of a string that began (with its quote) at `start`.
    pub(super) fn unescape(&self, raw: &str, start: usize, out: &mut String) -> Done {
        out.clear();
        let mut rest = raw;
        while let Some(slash) = rest.find('\\') {
            out.push_str(&rest[..slash]);
            let place = start + 1 + raw.len() - rest.len() + slash;
            let escape = &rest[slash + 1..];
            let mut length = 1;
            let c = match escape.as_bytes().first() {
                Some(b'"') => '"',
                Some(b'\\') => '\\',
                Some(b'/') => '/',
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(b'u') => {
                    let unit = |from: usize| -> Option<u32> {
                        let hex = escape.get(from..from + 4)?;
                        hex.bytes()
                            .all(|b| b.is_ascii_hexdigit())
                            .then(|| u32::from_str_radix(hex, 16).ok())?
                    };
                    let c = match unit(1) {
                        None => return Err(at(self.bytes, place, "`\\u` needs four hexadecimal digits")),
                        Some(high @ 0xd800..=0xdbff) if escape.get(5..7) == Some("\\u") => {
                            length = 11;
                            unit(7).filter(|low| (0xdc00..=0xdfff).contains(low)).and_then(|low| {
                                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                            })
                        }
                        Some(unit) => {
                            length = 5;
                            char::from_u32(unit)
                        }
                    };
                    match c {
                        Some('\0') => return Err(at(self.bytes, place, "a NUL character")),
                        Some(c) => c,
                        None => return Err(at(self.bytes, place, "half of a surrogate pair")),
                    }
                }
                _ => return Err(at(self.bytes, place, "an escape that JSON doesn't have")),
            };
            out.push(c);
            rest = escape.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(())
    }

    /// A number's own digits.
    #[inline]
    pub(super) fn number(&mut self) -> Result<&'a str, Box<RowError>> {
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while let Some(b'0'..=b'9') = self.bytes.get(*at) {
                *at += 1;
            }
            *at > from
        };
        let mut at = start + usize::from(self.byte() == Some(b'-'));
        let leading_zero = self.bytes.get(at) == Some(&b'0');
        let whole_at = at;
        let mut good = digits(&mut at) && !(leading_zero && at > whole_at + 1);
        if good && self.bytes.get(at) == Some(&b'.') {
            at += 1;
            good = digits(&mut at);
        }
        if good && let Some(b'e' | b'E') = self.bytes.get(at) {
            at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(at) {
                at += 1;
            }
            good = digits(&mut at);
        }
        if !good {
            self.at = at.min(self.bytes.len());
            return Err(self.here("the number is not written as JSON writes numbers"));
        }
        self.at = at;
        Ok(self.text.get(start..at).unwrap_or_default())
    }

    /// `true`, `false`, or `null` as `None`.
    pub(super) fn word(&mut self) -> Result<Option<bool>, Box<RowError>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (word, meaning) in [("true", Some(true)), ("false", Some(false)), ("null", None)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(meaning);
            }
        }
        Err(self.here("a value is expected; words other than true, false and null stand in quotes"))
    }
}

/// The first byte at or after `at` that ends a run of plain characters in a string: a quote, a
/// backslash or a control character. Eight at a time.
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w & HIGHS;
        // A borrow can only mark bytes above one that is rightly marked, so the lowest mark is right.
        let marks = below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1)
            | below(word, 0x20);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&b) = bytes.get(at) {
        if b == b'"' || b == b'\\' || b < 0x20 {
            return at;
        }
        at += 1;
    }
    bytes.len()
}
