//! When a payment happened, and how long ago: the only clock below the shell is the payment's own.

use std::fmt;

/// An instant of event time: microseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use tollgate::Timestamp;
/// let at = Timestamp::parse("2026-11-23T08:30:00.5+08:00").unwrap();
/// assert_eq!(at.to_string(), "2026-11-23T00:30:00.5Z");
/// assert_eq!(Timestamp::parse("2026-11-23 00:30:00.5").unwrap(), at); // no zone means UTC
/// assert_eq!(Timestamp::parse("1795393800500").unwrap(), at);         // Unix time, milliseconds
/// assert!(Timestamp::parse("yesterday").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

impl Timestamp {
    /// The earliest instant that is accepted: 0001-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800 * SECOND);
    /// The latest instant that is accepted: 9999-12-30T22:00:00Z (the calendar library's own end).
    pub const MAX: Timestamp = Timestamp(253_402_207_200 * SECOND);

    /// From microseconds since the Unix epoch; `None` outside [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn from_micros(micros: i64) -> Option<Timestamp> {
        (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros).then_some(Timestamp(micros))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, `YYYY-MM-DD[ T]HH:MM:SS[.f]` (UTC when no zone is given), `YYYY-MM-DD`, or
    /// an integer of Unix time, whose size tells its unit: up to 11 digits are seconds, up to 14
    /// milliseconds, up to 17 microseconds.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let text = text.trim();
        if let Some(at) = parse_plain(text.as_bytes()) {
            return Some(at);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            let number: i64 = text.parse().ok()?;
            let unit = match digits.len() {
                0..=11 => SECOND,
                12..=14 => 1_000,
                15..=17 => 1,
                _ => return None,
            };
            return Timestamp::from_micros(number.checked_mul(unit)?);
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Timestamp::from_micros(at.as_microsecond());
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let at = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
        Timestamp::from_micros(at.as_microsecond())
    }

    /// This instant moved by `span` (which may be negative), held within the accepted range.
    #[must_use]
    pub fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0).clamp(Timestamp::MIN.0, Timestamp::MAX.0))
    }

    /// The time from `earlier` to this instant; negative when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0 - earlier.0)
    }
}

/// The fast lane for `YYYY-MM-DD[ T]HH:MM:SS[.ffffff][Z]`, the form nearly every file has.
fn parse_plain(text: &[u8]) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        text.get(range)?
            .iter()
            .try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if text.len() < 19 || separators.iter().any(|&(i, s)| text[i] != s) || !matches!(text[10], b'T' | b' ') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let mut rest = &text[19..];
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        micros = number(20..20 + digits)? * 10i64.pow(6 - digits as u32);
        rest = &fraction[digits..];
    }
    if !matches!(rest, b"" | b"Z" | b"z") || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Days since the epoch, Howard Hinnant's days_from_civil.
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Timestamp::from_micros((days * 86_400 + hour * 3_600 + minute * 60 + second) * SECOND + micros)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A length of time, in microseconds; written `90s`, `10m`, `1h`, `7d` or `2w` in rules.
///
/// ```
/// use tollgate::Span;
/// assert_eq!(Span::parse("10m"), Some(Span::from_secs(600)));
/// assert_eq!(Span::parse("7d").unwrap().to_string(), "7d");
/// assert_eq!(Span::parse("7 days"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Span {
        Span(seconds * SECOND)
    }

    /// From microseconds.
    pub const fn from_micros(micros: i64) -> Span {
        Span(micros)
    }

    /// Microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds, with their fraction.
    pub fn secs(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// Reads a whole number and a unit: `ms`, `s`, `m`, `h`, `d` or `w`.
    pub fn parse(text: &str) -> Option<Span> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = text[..digits].parse().ok()?;
        let unit = match &text[digits..] {
            "ms" => 1_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            "d" => 86_400 * SECOND,
            "w" => 7 * 86_400 * SECOND,
            _ => return None,
        };
        number.checked_mul(unit).map(Span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s"), (1_000, "ms")];
        match units.iter().find(|(unit, _)| self.0 != 0 && self.0 % unit == 0) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}s", self.secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_lane_agrees_with_the_calendar_library() {
        let mut day = -400_000i64; // year 874
        while day < 400_000 {
            let at = Timestamp((day * 86_400 + (day.rem_euclid(86_399))) * SECOND + day.rem_euclid(999_999));
            let text = at.to_string();
            assert_eq!(parse_plain(text.as_bytes()), Some(at), "{text}");
            day += 37;
        }
    }

    #[test]
    fn refuses_dates_that_no_calendar_has() {
        for text in
            ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "1e9", "", "12:00"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ends_of_the_range_are_accepted_and_one_past_is_not() {
        for at in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(Timestamp::from_micros(at.micros()), Some(at));
        }
        assert_eq!(Timestamp::from_micros(Timestamp::MIN.micros() - 1), None);
        assert_eq!(Timestamp::from_micros(Timestamp::MAX.micros() + 1), None);
        assert_eq!(Timestamp::MAX.plus(Span::from_secs(1)), Timestamp::MAX);
    }
}
