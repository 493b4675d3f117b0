//! In which calendar month?

use std::fmt;

use crate::time::Timestamp;

/// A month of a year, counted from that of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::serve::cashier) struct Month(i32);

impl Month {
    pub(in crate::serve::cashier) fn of(at: Timestamp) -> Month {
        let text = at.to_string();
        Month::parse(text.get(..7).unwrap_or_default()).unwrap_or(Month(0))
    }

    /// `2026-11`.
    pub(in crate::serve::cashier) fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let plain =
            year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        let (year, month) = (year.parse::<i32>().ok()?, month.parse::<i32>().ok()?);
        (plain && (1..=12).contains(&month)).then_some(Month(year * 12 + month - 1))
    }

    pub(super) fn before(self) -> Month {
        Month(self.0 - 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_written_and_read() {
        for text in ["2026-11", "2026-01", "0000-12"] {
            assert_eq!(Month::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Month::parse("2026-01").unwrap().before().to_string(), "2025-12");
        for text in ["2026-13", "2026-00", "2026-1", "26-01", "2026-+1", "2026", ""] {
            assert!(Month::parse(text).is_none(), "{text}");
        }
        assert_eq!(Month::of(Timestamp::parse("2026-10-31T23:59:59Z").unwrap()).to_string(), "2026-10");
    }
}
