//! What have China's wallets in common? Their clock, titles, and orders that end when nobody pays them.

use crate::error::Error;
use crate::time::{Span, Timestamp};

/// What their times are told in: China's, that has no summer time.
const CHINA_HOURS: i8 = 8;
/// How much later than its end an order is taken for over: clocks differ.
const OVERDUE: Span = Span::from_secs(300);
/// The shortest and the longest time that an order can be open for payment.
const PAY_WITHIN_MIN: Span = Span::from_secs(60);
const PAY_WITHIN_MAX: Span = Span::from_secs(15 * 86_400);

/// A time in China, by a format of `strftime`.
pub(crate) fn china(at: Timestamp, format: &str) -> String {
    let at = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default();
    jiff::tz::Offset::constant(CHINA_HOURS).to_datetime(at).strftime(format).to_string()
}

/// As much of a text as fits, in whole characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    let mut cut = text.to_owned();
    while cut.len() > bytes_max {
        cut.pop();
    }
    cut
}

/// That an order can be open for so long.
///
/// # Errors
/// When it is too short or too long for a wallet.
pub(super) fn open_for(span: Span) -> Result<(), Error> {
    if span < PAY_WITHIN_MIN || span > PAY_WITHIN_MAX {
        return Err(Error::new(format!("an order can't be open for {span}; say from 1m to 15d")));
    }
    Ok(())
}

/// Whether an order of this time is surely over: from then on the wallet takes no payment for it, nor the order itself,
/// should it still be on its way.
pub(super) fn overdue(requested: Timestamp, pay_within: Span, now: Timestamp) -> bool {
    now > requested.plus(pay_within).plus(OVERDUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_pay_have_limits() {
        for (seconds, fine) in [(59, false), (60, true), (15 * 86_400, true), (15 * 86_400 + 1, false)] {
            assert_eq!(open_for(Span::from_secs(seconds)).is_ok(), fine, "{seconds}");
        }
    }

    #[test]
    fn an_order_is_over_five_minutes_after_its_end() {
        let end = Timestamp::default().plus(Span::from_secs(900 + 300));
        assert!(!overdue(Timestamp::default(), Span::from_secs(900), end));
        assert!(overdue(Timestamp::default(), Span::from_secs(900), end.plus(Span::from_micros(1))));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("Shoes", 5), "Shoes");
        assert_eq!(cut("Shoes", 4), "Shoe");
        assert_eq!(cut("\u{978b}\u{978b}", 5), "\u{978b}");
    }

    #[test]
    fn china_is_eight_hours_ahead() {
        assert_eq!(china(Timestamp::default(), "%Y-%m-%d %H:%M:%S"), "1970-01-01 08:00:00");
    }
}
