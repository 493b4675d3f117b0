//! Is this text that one, one of those, or like this pattern?

use std::cmp::Ordering;

use super::ast::How;

/// Letters of a payment's text, borrowed; `lower` says that they count as lower case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letters<'a> {
    pub text: &'a str,
    pub lower: bool,
}

fn fold(b: u8, lower: bool) -> u8 {
    if lower { b.to_ascii_lowercase() } else { b }
}

/// Whether two texts are the same, with regard to case or without.
pub(super) fn same(left: Letters<'_>, right: Letters<'_>, exact: bool) -> bool {
    left.text.len() == right.text.len()
        && left
            .text
            .bytes()
            .zip(right.text.bytes())
            .all(|(a, b)| fold(a, left.lower || !exact) == fold(b, right.lower || !exact))
}

/// Some literals, to find a text among.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TextSet {
    /// Symbols that decide alone, ascending: when the text is a field (or the first present of
    /// some) and every literal folds as the field does. Otherwise empty.
    pub symbols: Box<[u64]>,
    /// Literals compared without case, in lower case, ascending.
    pub folded: Box<[Box<str>]>,
    /// Literals compared exactly, ascending.
    pub exact: Box<[Box<str>]>,
}

impl TextSet {
    pub(super) fn contains(&self, letters: Letters<'_>) -> bool {
        find(&self.folded, letters.text, true) || find(&self.exact, letters.text, letters.lower)
    }
}

fn find(sorted: &[Box<str>], text: &str, lower: bool) -> bool {
    sorted.binary_search_by(|literal| compare(literal.as_bytes(), text.as_bytes(), lower)).is_ok()
}

fn compare(literal: &[u8], text: &[u8], lower: bool) -> Ordering {
    literal.iter().copied().cmp(text.iter().map(|b| fold(*b, lower)))
}

/// A literal that a text is matched with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// In lower case unless `exact`; for `like` with its `%`, `_` and `\`.
    pub text: Box<str>,
    pub exact: bool,
}

impl Pattern {
    pub(super) fn new(text: &str, exact: bool) -> Pattern {
        Pattern { text: if exact { text.into() } else { text.to_ascii_lowercase().into() }, exact }
    }

    pub(super) fn fits(&self, how: How, letters: Letters<'_>) -> bool {
        let (pattern, text) = (self.text.as_bytes(), letters.text.as_bytes());
        let lower = letters.lower || !self.exact;
        match how {
            How::StartsWith => text.get(..pattern.len()).is_some_and(|head| equal(pattern, head, lower)),
            How::EndsWith => {
                text.len() >= pattern.len() && equal(pattern, &text[text.len() - pattern.len()..], lower)
            }
            How::Includes => match pattern.first() {
                None => true,
                Some(first) => text
                    .windows(pattern.len())
                    .any(|part| fold(part[0], lower) == *first && equal(pattern, part, lower)),
            },
            How::Like => like(pattern, text, lower),
        }
    }
}

fn equal(pattern: &[u8], text: &[u8], lower: bool) -> bool {
    pattern.iter().zip(text).all(|(p, t)| *p == fold(*t, lower))
}

/// `%` fits any run, `_` one character, `\` takes the next letter as it is. Only the last `%` is
/// ever revisited, so the work is at most the product of the lengths.
fn like(pattern: &[u8], text: &[u8], lower: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'%') => {
                again = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(b'_') => text.get(t).map(|_| (p + 1, t + width(text, t))),
            Some(b) => {
                let (letter, next) = match (b, pattern.get(p + 1)) {
                    (b'\\', Some(escaped)) => (escaped, p + 2),
                    _ => (b, p + 1),
                };
                text.get(t).filter(|c| fold(**c, lower) == *letter).map(|_| (next, t + 1))
            }
        };
        match (step, again) {
            (Some(next), _) => (p, t) = next,
            (None, Some((start, from))) if from < text.len() => {
                let from = from + width(text, from);
                again = Some((start, from));
                (p, t) = (start, from);
            }
            (None, _) => return false,
        }
    }
}

/// Bytes of the character that begins at `at`.
fn width(text: &[u8], at: usize) -> usize {
    1 + text[at + 1..].iter().take_while(|b| **b & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_sql() {
        let fits = |how, pattern: &str, text, exact| {
            Pattern::new(pattern, exact).fits(how, Letters { text, lower: false })
        };
        for (pattern, text, expected) in [
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("_", "\u{e9}", true),
            ("__", "\u{e9}", false),
            ("a%b%c", "aXbYbZc", true),
            ("a%b%c", "aXbYbZ", false),
            ("%ab", "aab", true),
            ("%a_b%", "xxaab", true),
            ("%a_b%", "xxab", false),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            ("GMAIL.%", "gmail.com", true),
            ("%\u{fc}%", "M\u{fc}nchen", true),
        ] {
            assert_eq!(fits(How::Like, pattern, text, false), expected, "{text} like {pattern}");
        }
        assert!(!fits(How::Like, "GMAIL.%", "gmail.com", true));
        assert!(fits(How::Includes, "", "x", false) && fits(How::Includes, "AI", "gmail", false));
        assert!(!fits(How::StartsWith, "gmail.com", "gmail", false));
    }
}
