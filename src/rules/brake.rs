//! When has a rule gone too far? `brake = "2% of payments in 5m"`, as it is written and as it is kept.

use std::collections::VecDeque;
use std::fmt;

use crate::expr::ExprError;
use crate::time::Span;

/// Fewest payments of a window before its rule may be braked, unless the brake says otherwise: of fewer, a share
/// says little.
///
/// ```
/// let brake = tollgate::Brake::parse("2% of payments in 5m").unwrap();
/// assert!(!brake.is_past(tollgate::BRAKE_PAYMENTS_MIN - 1, 99) && brake.is_past(tollgate::BRAKE_PAYMENTS_MIN, 3));
/// ```
pub const BRAKE_PAYMENTS_MIN: u64 = 100;
/// Most payments that a brake may wait for.
const PAYMENTS_MIN_MAX: u64 = 1_000_000_000;
/// The shortest window of a brake: the server looks ten times a second.
const WINDOW_MIN: Span = Span::from_secs(1);
/// The longest: what takes more than a day to show is no emergency.
const WINDOW_MAX: Span = Span::from_secs(86_400);
/// A share of one.
const WHOLE: u32 = 100_000;
/// Readings that a window is cut into: it is longer than it says by one of these at most.
const READINGS: i64 = 100;

/// How large a share of the payments a rule may match before it is demoted to shadow.
///
/// ```
/// use tollgate::Brake;
/// let brake = Brake::parse("2.5% of payments in 5m, at least 200").unwrap();
/// assert_eq!(brake.to_string(), "2.5% of payments in 5m, at least 200");
/// assert!(!brake.is_past(200, 5) && brake.is_past(200, 6));
/// assert!(Brake::parse("2% of payments").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// In parts of [`WHOLE`]: above none, below all.
    share: u32,
    window: Span,
    payments_min: u64,
}

impl Brake {
    /// Reads a brake.
    ///
    /// # Errors
    /// What is wrong, with its place in the text.
    pub fn parse(text: &str) -> Result<Brake, ExprError> {
        let words: Vec<(usize, &str)> =
            text.split_whitespace().map(|word| (word.as_ptr().addr() - text.as_ptr().addr(), word)).collect();
        let (share, window, least) = match words[..] {
            [share, (_, "of"), (_, "payments"), (_, "in"), window] => (share, window, None),
            [share, (_, "of"), (_, "payments"), (_, "in"), (at, window), (_, "at"), (_, "least"), least]
                if window.ends_with(',') =>
            {
                (share, (at, window.trim_end_matches(',')), Some(least))
            }
            _ => {
                let form = "such as \"2% of payments in 5m\" or \"2% of payments in 5m, at least 500\"";
                return Err(wrong((0, text), "a brake is a share of the payments in some time", form));
            }
        };
        Ok(Brake {
            share: read_share(share.1).ok_or_else(|| {
                wrong(share, "not a share", "above 0% and below 100%, with at most three decimals")
            })?,
            window: Span::parse(window.1).filter(|w| (WINDOW_MIN..=WINDOW_MAX).contains(w)).ok_or_else(
                || wrong(window, "not a time that a brake can look back", "from \"1s\" to \"1d\""),
            )?,
            payments_min: match least {
                None => BRAKE_PAYMENTS_MIN,
                Some(least) => (least.1.parse().ok())
                    .filter(|n| (1..=PAYMENTS_MIN_MAX).contains(n))
                    .ok_or_else(|| wrong(least, "not a number of payments", "from 1 to 1000000000"))?,
            },
        })
    }

    /// Whether so many matches among so many payments are too many.
    pub fn is_past(&self, payments: u64, matches: u64) -> bool {
        let (share, whole) = (u128::from(self.share), u128::from(WHOLE));
        payments >= self.payments_min && u128::from(matches) * whole > u128::from(payments) * share
    }
}

fn wrong((at, word): (usize, &str), message: &str, label: &str) -> ExprError {
    ExprError { span: at..at + word.len(), message: message.to_owned(), label: label.to_owned(), help: None }
}

/// A percentage in parts of [`WHOLE`].
fn read_share(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let share = format!("{whole}{decimals:0<3}").parse().ok()?;
    (1..WHOLE).contains(&share).then_some(share)
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.share / 1000)?;
        let decimals = format!("{:03}", self.share % 1000);
        match decimals.trim_end_matches('0') {
            "" => {}
            decimals => write!(f, ".{decimals}")?,
        }
        write!(f, "% of payments in {}", self.window)?;
        match self.payments_min {
            BRAKE_PAYMENTS_MIN => Ok(()),
            least => write!(f, ", at least {least}"),
        }
    }
}

/// Counters at a time, in microseconds of any clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub at: i64,
    pub payments: u64,
    pub matches: u64,
}

/// A rule's matches and all payments within its brake's window, from counters that are read now and then.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    brake: Brake,
    /// Oldest first; the first is as old as the window, or where watching began.
    kept: VecDeque<Reading>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn new(brake: Brake, from: Reading) -> Watch {
        Watch { brake, kept: VecDeque::from([from]) }
    }

    /// What was counted within the window, payments and matches, when that is past the brake.
    pub(crate) fn look(&mut self, now: Reading) -> Option<(u64, u64)> {
        let window = self.brake.window.micros();
        while self.kept.get(1).is_some_and(|second| now.at.saturating_sub(second.at) >= window) {
            self.kept.pop_front();
        }
        let first = *self.kept.front()?;
        if self.kept.back().is_none_or(|last| now.at.saturating_sub(last.at) >= window / READINGS) {
            self.kept.push_back(now);
        }
        let payments = now.payments.saturating_sub(first.payments);
        let matches = now.matches.saturating_sub(first.matches);
        self.brake.is_past(payments, matches).then_some((payments, matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brakes_are_read_and_told_again() {
        for (text, told) in [
            ("2% of payments in 5m", "2% of payments in 5m"),
            ("0.001%  of payments in 1s, at least 1", "0.001% of payments in 1s, at least 1"),
            ("99.999% of payments in 1d, at least 100", "99.999% of payments in 1d"),
            (
                "010.50% of payments in 90s, at least 1000000000",
                "10.5% of payments in 90s, at least 1000000000",
            ),
        ] {
            assert_eq!(Brake::parse(text).unwrap().to_string(), told, "{text}");
        }
    }

    #[test]
    fn what_is_no_brake_is_told_at_its_place() {
        for (text, place) in [
            ("", ""),
            ("2%", "2%"),
            ("2% of payments", "2% of payments"),
            ("2% of payments in 5m at least 9", "2% of payments in 5m at least 9"),
            ("0% of payments in 5m", "0%"),
            ("100% of payments in 5m", "100%"),
            ("2 of payments in 5m", "2"),
            ("2.0001% of payments in 5m", "2.0001%"),
            ("-2% of payments in 5m", "-2%"),
            ("\u{662}% of payments in 5m", "\u{662}%"),
            ("2% of payments in 999ms", "999ms"),
            ("2% of payments in 25h", "25h"),
            ("2% of payments in 86400001ms", "86400001ms"),
            ("2% of payments in soon", "soon"),
            ("2% of payments in 5m, at least 0", "0"),
            ("2% of payments in 5m, at least 1000000001", "1000000001"),
            ("2% of payments in 5m, at least few", "few"),
        ] {
            let error = Brake::parse(text).unwrap_err();
            assert_eq!(&text[error.span.clone()], place, "{text}: {}", error.message);
        }
    }

    #[test]
    fn a_rule_is_past_its_brake_only_above_the_share_and_from_the_least_number_on() {
        let brake = Brake::parse("2% of payments in 5m").unwrap();
        for (payments, matches, past) in
            [(0, 0, false), (99, 99, false), (100, 2, false), (100, 3, true), (u64::MAX, u64::MAX, true)]
        {
            assert_eq!(brake.is_past(payments, matches), past, "{matches} of {payments}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_no_longer_counts() {
        let brake = Brake::parse("50% of payments in 10s, at least 1").unwrap();
        let reading = |at: i64, payments, matches| Reading { at: at * 1_000_000, payments, matches };
        let mut watch = Watch::new(brake, reading(0, 7, 7));
        assert_eq!(watch.look(reading(1, 9, 8)), None); // one of two: at the share
        assert_eq!(watch.look(reading(9, 10, 9)), Some((3, 2)));
        assert_eq!(watch.look(reading(10, 11, 9)), None); // two of four since the beginning
        assert_eq!(watch.look(reading(11, 12, 9)), None); // one of three since 1 s
        assert_eq!(watch.look(reading(19, 13, 12)), Some((3, 3)));
        assert_eq!(watch.look(reading(60, 14, 12)), None);
        let mut at = 60_000_000;
        for _ in 0..10_000 {
            at += 1_000;
            watch.look(Reading { at, payments: 14, matches: 12 });
        }
        assert!(watch.kept.len() <= READINGS as usize + 2, "{}", watch.kept.len());
    }
}
