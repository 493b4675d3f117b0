//! May a payment go this way, and what does the way cost?

use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::schema::Country;

/// Most basis points of a fee: all of the payment.
///
/// ```
/// use tollgate::channel::{BASIS_POINTS_MAX, Fee};
/// assert!(Fee::new(BASIS_POINTS_MAX, 0).is_some());
/// assert!(Fee::new(BASIS_POINTS_MAX + 1, 0).is_none());
/// ```
pub const BASIS_POINTS_MAX: u32 = 10_000;

/// What a channel takes of a payment: a share and a fixed part, in whole minor units of the payment's currency.
///
/// ```
/// use tollgate::{Currency, Money, channel::Fee};
/// let eur = Currency::parse("EUR").unwrap();
/// let fee = Fee::new(29, 30).unwrap(); // 0.29 % and 30 cents
/// assert_eq!(fee.of(Money { minor: 10_000, currency: eur }).to_string(), "0.59 EUR");
/// assert_eq!(fee.of(Money { minor: 1, currency: eur }).minor, 31); // a part of a cent is a cent
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fee {
    basis_points: u32,
    fixed: i64,
}

impl Fee {
    /// From hundredths of a percent and minor units; `None` for more than [`BASIS_POINTS_MAX`], or a fixed part
    /// below zero or above what an amount can be.
    pub const fn new(basis_points: u32, fixed: i64) -> Option<Fee> {
        if basis_points > BASIS_POINTS_MAX || fixed < 0 || fixed > AMOUNT_MINOR_MAX {
            return None;
        }
        Some(Fee { basis_points, fixed })
    }

    /// The fee of an amount, rounded up, and never above what an amount can be.
    pub fn of(self, amount: Money) -> Money {
        let share = i128::from(amount.minor.max(0)) * i128::from(self.basis_points);
        let whole = (share + i128::from(BASIS_POINTS_MAX) - 1) / i128::from(BASIS_POINTS_MAX);
        let fee = (whole + i128::from(self.fixed)).min(i128::from(AMOUNT_MINOR_MAX));
        Money { minor: i64::try_from(fee).unwrap_or(AMOUNT_MINOR_MAX), currency: amount.currency }
    }
}

/// What a channel does with one currency.
///
/// ```
/// use tollgate::{Currency, channel::{Fee, Tariff}};
/// let tariff = Tariff { currency: Currency::parse("CNY").unwrap(), min: 1, max: 5_000_000, fee: Fee::default() };
/// assert!(tariff.takes(1) && tariff.takes(5_000_000));
/// assert!(!tariff.takes(0) && !tariff.takes(5_000_001));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// Which.
    pub currency: Currency,
    /// The least that it takes, in minor units.
    pub min: i64,
    /// The most that it takes, in minor units.
    pub max: i64,
    /// What it costs.
    pub fee: Fee,
}

impl Tariff {
    /// Whether this many minor units go through.
    pub fn takes(&self, minor: i64) -> bool {
        (self.min.max(1)..=self.max.min(AMOUNT_MINOR_MAX)).contains(&minor)
    }
}

/// On which terms a channel takes payments.
///
/// ```
/// use tollgate::{Country, Currency, Money, channel::{Fee, Refusal, Tariff, Terms}};
/// let cny = Currency::parse("CNY").unwrap();
/// let terms = Terms {
///     tariffs: vec![Tariff { currency: cny, min: 1, max: 5_000_000, fee: Fee::new(60, 0).unwrap() }],
///     countries: vec![Country::parse("CN").unwrap()],
/// };
/// let price = Money { minor: 19_900, currency: cny };
/// assert_eq!(terms.take(price, Country::parse("CN")).unwrap().to_string(), "1.20 CNY");
/// assert_eq!(terms.take(price, Country::parse("DE")), Err(Refusal::Country));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What it does with each currency; one that is not here is not taken.
    pub tariffs: Vec<Tariff>,
    /// Whose payers it takes; everybody's when empty.
    pub countries: Vec<Country>,
}

/// Why a channel does not take a payment.
///
/// ```
/// assert_eq!(tollgate::channel::Refusal::Currency.to_string(), "its currency is not taken");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It carries something else.
    Method,
    /// Its currency is none of the channel's.
    Currency,
    /// The payer's country is none of the channel's, or not known where it has to be.
    Country,
    /// Too little or too much.
    Amount,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::Method => "it is paid in another way",
            Refusal::Currency => "its currency is not taken",
            Refusal::Country => "the payer's country is not taken",
            Refusal::Amount => "its amount is outside the limits",
        })
    }
}

impl std::error::Error for Refusal {}

impl Terms {
    /// Whether a payment may go this way, and what it then costs.
    ///
    /// # Errors
    /// The first of the terms that it does not meet.
    pub fn take(&self, amount: Money, country: Option<Country>) -> Result<Money, Refusal> {
        let tariff = self.tariffs.iter().find(|t| t.currency == amount.currency).ok_or(Refusal::Currency)?;
        if !self.countries.is_empty() && !country.is_some_and(|c| self.countries.contains(&c)) {
            return Err(Refusal::Country);
        }
        if !tariff.takes(amount.minor) {
            return Err(Refusal::Amount);
        }
        Ok(tariff.fee.of(amount))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn fees_are_rounded_up_to_whole_units() {
        for (basis_points, fixed, minor, expected) in [
            (0, 0, 10_000, 0),
            (60, 0, 10_000, 60),
            (60, 0, 1, 1),
            (60, 0, 0, 0),
            (1, 0, 9_999, 1),
            (1, 0, 10_000, 1),
            (1, 0, 10_001, 2),
            (BASIS_POINTS_MAX, 5, 100, 105),
            (BASIS_POINTS_MAX, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX),
        ] {
            let fee = Fee::new(basis_points, fixed).unwrap();
            assert_eq!(fee.of(money(minor, "CNY")).minor, expected, "{basis_points} {fixed} {minor}");
        }
        assert_eq!(Fee::new(0, AMOUNT_MINOR_MAX + 1), None);
        assert_eq!(Fee::new(0, -1), None);
    }

    #[test]
    fn limits_are_those_of_the_currency() {
        let tariff = |code: &str, min, max| Tariff {
            currency: Currency::parse(code).unwrap(),
            min,
            max,
            fee: Fee::default(),
        };
        let terms = Terms { tariffs: vec![tariff("CNY", 10, 20), tariff("JPY", 1, 5)], countries: vec![] };
        for (amount, expected) in [
            (money(10, "CNY"), Ok(0)),
            (money(20, "CNY"), Ok(0)),
            (money(9, "CNY"), Err(Refusal::Amount)),
            (money(21, "CNY"), Err(Refusal::Amount)),
            (money(5, "JPY"), Ok(0)),
            (money(6, "JPY"), Err(Refusal::Amount)),
            (money(5, "EUR"), Err(Refusal::Currency)),
        ] {
            assert_eq!(terms.take(amount, None).map(|fee| fee.minor), expected, "{amount}");
        }
        assert!(!tariff("CNY", -5, 5).takes(0), "nothing and less are never taken");
    }

    #[test]
    fn a_country_that_has_to_be_known_is() {
        let china = Country::parse("CN");
        let tariff =
            Tariff { currency: Currency::parse("CNY").unwrap(), min: 1, max: 9, fee: Fee::default() };
        let terms = Terms { tariffs: vec![tariff], countries: china.into_iter().collect() };
        assert!(terms.take(money(5, "CNY"), china).is_ok());
        assert_eq!(terms.take(money(5, "CNY"), None), Err(Refusal::Country));
        assert_eq!(terms.take(money(5, "CNY"), Country::parse("US")), Err(Refusal::Country));
    }

    proptest! {
        #[test]
        fn a_fee_is_the_least_whole_number_that_covers_it(
            basis_points in 0..=BASIS_POINTS_MAX, fixed in 0..1_000_000i64, minor in 0..=AMOUNT_MINOR_MAX / 2,
        ) {
            let fee = i128::from(Fee::new(basis_points, fixed).unwrap().of(money(minor, "EUR")).minor);
            let exact = i128::from(minor) * i128::from(basis_points) + i128::from(fixed) * 10_000;
            prop_assert!(fee * 10_000 >= exact && (fee - 1) * 10_000 < exact.max(1));
        }
    }
}
