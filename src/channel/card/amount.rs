//! How are amounts and currencies written? In units of the scheme, which for some currencies are not ISO 4217's.

use crate::channel::Units;
use crate::money::{Currency, Money};

/// Digits of an amount in a message.
const AMOUNT_DIGITS: usize = 12;

/// Twelve digits of the scheme's units. `None` when it needs more, or has decimals that the scheme has not.
pub(crate) fn write(units: &Units, amount: Money) -> Option<String> {
    let digits = format!("{:0AMOUNT_DIGITS$}", units.of(amount).filter(|units| *units >= 0)?);
    (digits.len() == AMOUNT_DIGITS).then_some(digits)
}

/// The amount that the digits say.
#[cfg(feature = "serve")]
pub(crate) fn read(units: &Units, digits: &str, currency: Currency) -> Option<Money> {
    if digits.len() != AMOUNT_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    units.money(digits.parse().ok()?, currency)
}

/// The currency's three digits.
pub(crate) fn numeric(currency: Currency) -> Option<String> {
    iso_currency::Currency::from_code(currency.code()).map(|known| format!("{:03}", known.numeric()))
}

/// The currency of three digits.
#[cfg(feature = "serve")]
pub(crate) fn currency(digits: &str) -> Option<Currency> {
    let known = iso_currency::Currency::from_numeric(digits.parse().ok()?)?;
    Currency::parse(known.code())
}

#[cfg(all(test, feature = "serve"))]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn amounts_are_in_the_schemes_units_or_refused() {
        let two = ["ISK", "KWD"].map(|code| (Currency::parse(code).unwrap(), 2));
        let units = Units::new(&two);
        for (amount, expected) in [
            (money(1999, "USD"), Some("000000001999")),
            (money(500, "JPY"), Some("000000000500")),
            (money(1500, "ISK"), Some("000000150000")),
            (money(1230, "KWD"), Some("000000000123")),
            (money(1234, "KWD"), None),
            (money(12, "EUR"), Some("000000000012")),
            (money(999_999_999_999, "USD"), Some("999999999999")),
            (money(1_000_000_000_000, "USD"), None),
            (money(i64::MAX, "ISK"), None),
            (money(-1, "USD"), None),
        ] {
            let written = write(&units, amount);
            assert_eq!(written.as_deref(), expected, "{amount:?}");
            assert!(written.is_none_or(|digits| read(&units, &digits, amount.currency) == Some(amount)));
        }
        for digits in ["", "1", "00000000000x", "+00000000001", "0000000000001"] {
            assert_eq!(read(&units, digits, money(0, "USD").currency), None, "{digits}");
        }
    }

    #[test]
    fn currencies_have_three_digits() {
        for (code, digits) in [("EUR", "978"), ("USD", "840"), ("CNY", "156"), ("AUD", "036"), ("ALL", "008")]
        {
            assert_eq!(numeric(Currency::parse(code).unwrap()).as_deref(), Some(digits));
            assert_eq!(currency(digits), Currency::parse(code));
        }
        for digits in ["", "000", "+36", "999", "9999", "abc"] {
            assert!(currency(digits).is_none_or(|c| digits == "+36" && c.code() == "AUD"), "{digits}");
        }
    }
}
