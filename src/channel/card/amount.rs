//! How are amounts and currencies written? In units of the scheme, which for some currencies are not ISO 4217's.

use std::collections::BTreeMap;

use crate::money::{Currency, Money};

/// Digits of an amount in a message.
const AMOUNT_DIGITS: usize = 12;
/// Most decimals that a scheme counts in: no currency has more.
const EXPONENT_MAX: u32 = 4;

/// Decimals in which a scheme counts, where they are not the currency's own.
///
/// ```
/// use tollgate::{Currency, Money, channel::card::Exponents};
/// let krona = Currency::parse("ISK").unwrap();
/// let amount = Money { minor: 1500, currency: krona };
/// assert_eq!(Exponents::default().write(amount).as_deref(), Some("000000001500"));
/// let two = Exponents::default().with(krona, 2);
/// assert_eq!(two.write(amount).as_deref(), Some("000000150000"));
/// assert_eq!(two.read("000000150000", krona), Some(amount));
/// assert_eq!(two.read("000000150001", krona), None); // a hundredth of what can't be divided
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exponents(BTreeMap<Currency, u32>);

impl Exponents {
    /// With another number of decimals for one currency, 0 to 4.
    #[must_use]
    pub fn with(mut self, currency: Currency, exponent: u32) -> Exponents {
        self.0.insert(currency, exponent.min(EXPONENT_MAX));
        self
    }

    /// Twelve digits. `None` when it needs more, or has decimals that the scheme has not.
    pub fn write(&self, amount: Money) -> Option<String> {
        let (up, down) = self.scale(amount.currency);
        let units = amount.minor.checked_mul(up).filter(|units| *units >= 0 && units % down == 0)? / down;
        let digits = format!("{units:0AMOUNT_DIGITS$}");
        (digits.len() == AMOUNT_DIGITS).then_some(digits)
    }

    /// The amount that the digits say.
    pub fn read(&self, digits: &str, currency: Currency) -> Option<Money> {
        if digits.len() != AMOUNT_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (up, down) = self.scale(currency);
        let units = digits.parse::<i64>().ok()?.checked_mul(down).filter(|units| units % up == 0)?;
        Money::from_minor(units / up, currency).ok()
    }

    /// What minor units are multiplied with, and divided by.
    fn scale(&self, currency: Currency) -> (i64, i64) {
        let (own, scheme) = (currency.exponent(), self.0.get(&currency).copied());
        let scheme = scheme.unwrap_or(own);
        (10i64.pow(scheme.saturating_sub(own)), 10i64.pow(own.saturating_sub(scheme)))
    }
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
        let exponents = Exponents::default()
            .with(Currency::parse("ISK").unwrap(), 2)
            .with(Currency::parse("KWD").unwrap(), 2)
            .with(Currency::parse("EUR").unwrap(), 9);
        for (amount, expected) in [
            (money(1999, "USD"), Some("000000001999")),
            (money(500, "JPY"), Some("000000000500")),
            (money(1500, "ISK"), Some("000000150000")),
            (money(1230, "KWD"), Some("000000000123")),
            (money(1234, "KWD"), None),
            (money(12, "EUR"), Some("000000001200")),
            (money(999_999_999_999, "USD"), Some("999999999999")),
            (money(1_000_000_000_000, "USD"), None),
            (money(i64::MAX, "ISK"), None),
            (money(-1, "USD"), None),
        ] {
            let written = exponents.write(amount);
            assert_eq!(written.as_deref(), expected, "{amount:?}");
            assert!(written.is_none_or(|digits| exponents.read(&digits, amount.currency) == Some(amount)));
        }
        for digits in ["", "1", "00000000000x", "+00000000001", "0000000000001"] {
            assert_eq!(exponents.read(digits, money(0, "USD").currency), None, "{digits}");
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
