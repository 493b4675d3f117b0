//! Is it an amount that can be moved? More than nothing, within the limit, of the right currency.

use super::error::Error;
use crate::money::{AmountError, Currency, Money};

/// An amount that can be moved, from minor units whose size the caller names: `exponent` is the number of
/// decimals that the sender counts in, which for some gateways is not the currency's.
///
/// # Errors
/// [`Error::WrongExponent`], [`Error::Zero`], [`Error::Negative`], [`Error::TooLarge`].
///
/// ```
/// use tollgate::{Currency, pay::{Error, amount}};
/// let yen = Currency::parse("JPY").unwrap();
/// assert_eq!(amount(500, yen, 0)?.to_string(), "500 JPY");
/// assert_eq!(amount(50_000, yen, 2), Err(Error::WrongExponent { expected: 0, found: 2 }));
/// assert_eq!(amount(0, yen, 0), Err(Error::Zero));
/// # Ok::<(), Error>(())
/// ```
pub fn amount(minor: i64, currency: Currency, exponent: u32) -> Result<Money, Error> {
    if exponent != currency.exponent() {
        return Err(Error::WrongExponent { expected: currency.exponent(), found: exponent });
    }
    movable(Money { minor, currency })
}

/// The same money, once it is known that it can be moved.
pub(super) fn movable(money: Money) -> Result<Money, Error> {
    match Money::from_minor(money.minor, money.currency) {
        Ok(Money { minor: 0, .. }) => Err(Error::Zero),
        Ok(money) => Ok(money),
        Err(AmountError::Negative) => Err(Error::Negative),
        Err(_) => Err(Error::TooLarge),
    }
}

/// That `asked` can be moved out of `available`.
pub(super) fn within(asked: Money, available: Money) -> Result<(), Error> {
    let asked = movable(asked)?;
    if asked.currency != available.currency {
        return Err(Error::WrongCurrency { expected: available.currency, found: asked.currency });
    }
    if asked.minor > available.minor {
        return Err(Error::AboveAvailable { available, asked });
    }
    Ok(())
}

/// That the institution speaks of the amount that it was asked for.
pub(super) fn same(expected: Money, found: Money) -> Result<(), Error> {
    if found.currency != expected.currency {
        return Err(Error::WrongCurrency { expected: expected.currency, found: found.currency });
    }
    if found.minor != expected.minor {
        return Err(Error::WrongAmount { expected, found });
    }
    Ok(())
}
