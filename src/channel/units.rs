//! In which units does an institution count?

use crate::money::{Currency, Money};

/// How many decimals an institution counts a currency with, where that is not what ISO 4217 says.
///
/// ```
/// use tollgate::{Currency, Money, channel::Units};
/// let isk = Currency::parse("ISK").unwrap();
/// let units = Units::new(&[(isk, 2)]); // as Stripe counts Iceland's crowns
/// assert_eq!(units.of(Money { minor: 500, currency: isk }), Some(50_000));
/// assert_eq!(units.money(50_000, isk), Some(Money { minor: 500, currency: isk }));
/// assert_eq!(units.money(50_001, isk), None); // a hundredth of a crown is no money
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Units(Vec<(Currency, u32)>);

impl Units {
    /// ISO 4217 but for these.
    pub fn new(others: &[(Currency, u32)]) -> Units {
        Units(others.to_vec())
    }

    /// The decimals of a currency.
    pub fn exponent(&self, currency: Currency) -> u32 {
        self.0.iter().find(|(c, _)| *c == currency).map_or(currency.exponent(), |(_, exponent)| *exponent)
    }

    /// An amount in the institution's units; `None` where it has no such unit, or the number is too large.
    pub fn of(&self, money: Money) -> Option<i64> {
        scaled(money.minor, money.currency.exponent(), self.exponent(money.currency))
    }

    /// The institution's units as money; `None` where it is none exactly.
    pub fn money(&self, units: i64, currency: Currency) -> Option<Money> {
        let minor = scaled(units, self.exponent(currency), currency.exponent())?;
        Money::from_minor(minor, currency).ok()
    }
}

/// A number counted with `from` decimals, counted with `to`.
fn scaled(number: i64, from: u32, to: u32) -> Option<i64> {
    if to >= from {
        return number.checked_mul(10i64.checked_pow(to - from)?);
    }
    let step = 10i64.checked_pow(from - to)?;
    (number % step == 0).then_some(number / step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::AMOUNT_MINOR_MAX;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn units_are_the_institutions_own() {
        let units = Units::new(&[(Currency::parse("KWD").unwrap(), 2)]);
        assert_eq!(units.of(money(1_230, "KWD")), Some(123));
        assert_eq!(units.of(money(1_234, "KWD")), None, "a fils that it can't count");
        assert_eq!(units.of(money(1_234, "CNY")), Some(1_234));
        let many = Units::new(&[(Currency::parse("JPY").unwrap(), 40)]);
        assert_eq!(many.of(money(1, "JPY")), None);
    }

    proptest! {
        #[test]
        fn units_go_there_and_back(minor in 0..=AMOUNT_MINOR_MAX, exponent in 0..6u32, code in 0..4usize) {
            let money = money(minor, ["JPY", "CNY", "KWD", "CLF"][code]);
            let units = Units::new(&[(money.currency, exponent)]);
            if let Some(number) = units.of(money) {
                prop_assert_eq!(units.money(number, money.currency), Some(money));
            } else {
                let step = 10i128.pow(money.currency.exponent().saturating_sub(exponent));
                let up = 10i128.pow(exponent.saturating_sub(money.currency.exponent()));
                let lost = i128::from(minor) % step != 0;
                prop_assert!(lost || i128::from(minor) * up > i128::from(i64::MAX));
            }
        }
    }
}
