//! Which form has each field? The tables of ISO 8583:1987 and 1993 in their ASCII form, field by field.

use super::mti::Version;

/// How a field's length is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// It is always the same.
    Fixed,
    /// Two digits before it.
    Two,
    /// Three digits before it.
    Three,
}

/// A field's form: how its length is told, how long it is at most, and which characters it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) length: Length,
    pub(super) most: usize,
    pub(super) kind: Kind,
}

/// Which characters a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits.
    Numeric,
    /// Printable ASCII, space included.
    Text,
    /// Hexadecimal digits: bytes in ASCII's form.
    Hex,
}

const fn form(length: Length, most: usize, kind: Kind) -> Form {
    Form { length, most, kind }
}
const fn n(most: usize) -> Form {
    form(Length::Fixed, most, Kind::Numeric)
}
const fn ans(most: usize) -> Form {
    form(Length::Fixed, most, Kind::Text)
}
const fn b(most: usize) -> Form {
    form(Length::Fixed, most, Kind::Hex)
}
const fn n2(most: usize) -> Form {
    form(Length::Two, most, Kind::Numeric)
}
const fn ans2(most: usize) -> Form {
    form(Length::Two, most, Kind::Text)
}
const fn ans3(most: usize) -> Form {
    form(Length::Three, most, Kind::Text)
}

/// Fields of a message; bit 1 says whether there is a second bitmap.
pub(super) const FIELDS: usize = 128;

/// The forms of an edition, by a field's number less 1.
pub(super) const fn spec(version: Version) -> &'static [Form; FIELDS] {
    match version {
        Version::Of1987 => &OF_1987,
        Version::Of1993 => &OF_1993,
    }
}

/// Lengths are those of `default_ascii` of pyiso8583 4.0.1, which tests/channels/card.py compares. In rows of eight.
#[rustfmt::skip]
const OF_1987: [Form; FIELDS] = [
    b(16),     n2(19),    n(6),      n(12),     n(12),     n(12),     n(10),     n(8),
    n(8),      n(8),      n(6),      n(6),      n(4),      n(4),      n(4),      n(4),
    n(4),      n(4),      n(3),      n(3),      n(3),      n(3),      n(3),      n(3),
    n(2),      n(2),      n(1),      ans(9),    ans(9),    ans(9),    ans(9),    n2(11),
    n2(11),    ans2(28),  ans2(37),  ans3(104), ans(12),   ans(6),    ans(2),    ans(3),
    ans(8),    ans(15),   ans(40),   ans2(25),  ans2(76),  ans3(999), ans3(999), ans3(999),
    n(3),      n(3),      n(3),      b(16),     n(16),     ans3(240), ans3(510), ans3(999),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), b(16),
    b(16),     n(1),      n(2),      n(3),      n(3),      n(3),      n(4),      n(4),
    n(6),      n(10),     n(10),     n(10),     n(10),     n(10),     n(10),     n(10),
    n(10),     n(12),     n(12),     n(12),     n(12),     n(16),     n(16),     n(16),
    n(16),     n(42),     ans(1),    ans(2),    ans(5),    ans(7),    ans(42),   b(16),
    ans(17),   ans(25),   n2(11),    n2(11),    ans2(17),  ans2(28),  ans2(28),  ans3(100),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), b(16),
];

/// Lengths as jPOS's packagers of 1993 have them, bytes in hexadecimal digits; tests/channels/card.py has them again.
#[rustfmt::skip]
const OF_1993: [Form; FIELDS] = [
    b(16),     n2(19),    n(6),      n(12),     n(12),     n(12),     n(10),     n(8),
    n(8),      n(8),      n(6),      n(12),     n(4),      n(4),      n(6),      n(4),
    n(4),      n(4),      n(3),      n(3),      n(3),      ans(12),   n(3),      n(3),
    n(4),      n(4),      n(1),      n(6),      n(3),      n(24),     ans2(99),  n2(11),
    n2(11),    ans2(28),  ans2(37),  ans3(104), ans(12),   ans(6),    n(3),      n(3),
    ans(8),    ans(15),   ans2(99),  ans2(99),  ans2(76),  ans3(204), ans3(999), ans3(999),
    ans(3),    ans(3),    ans(3),    b(16),     ans2(96),  ans3(120), ans3(510), n2(35),
    n(3),      n2(11),    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), b(16),
    b(16),     ans3(204), n(2),      n(3),      n(3),      n(3),      n(8),      ans3(999),
    n(6),      n(10),     n(10),     n(10),     n(10),     n(10),     n(10),     n(10),
    n(10),     n(10),     n(10),     n(10),     n(10),     n(16),     n(16),     n(16),
    n(16),     n(10),     n(3),      n(3),      n2(11),    n2(11),    ans2(99),  ans3(999),
    ans(17),   ans(25),   ans2(11),  n2(11),    ans2(17),  ans2(28),  ans2(28),  ans3(100),
    n(16),     n(16),     n(10),     n(10),     ans2(84),  ans2(84),  ans3(999), ans3(999),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999),
    ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), ans3(999), b(16),
];

impl Form {
    /// Whether a field may hold this.
    pub(super) fn takes(self, value: &[u8]) -> bool {
        let long_enough = match self.length {
            Length::Fixed => value.len() == self.most,
            Length::Two | Length::Three => value.len() <= self.most,
        };
        long_enough
            && value.iter().all(|byte| match self.kind {
                Kind::Numeric => byte.is_ascii_digit(),
                Kind::Text => (b' '..=b'~').contains(byte),
                Kind::Hex => byte.is_ascii_hexdigit(),
            })
    }

    /// Digits of its length.
    pub(super) const fn prefix(self) -> usize {
        match self.length {
            Length::Fixed => 0,
            Length::Two => 2,
            Length::Three => 3,
        }
    }
}
