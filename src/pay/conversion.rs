//! In which currency does the merchant get its money, and by which rate?

use super::error::Error;
use crate::money::{Currency, Money, Rate, Rates};

/// Most bytes of a rate table's version that an order keeps.
///
/// ```
/// assert_eq!(tollgate::pay::RATES_VERSION_BYTES_MAX, 128);
/// ```
pub const RATES_VERSION_BYTES_MAX: usize = 128;

/// An order's amount in the currency that its merchant settles in, with the rate it was converted by and the version
/// of the rate table: what the order keeps, whatever becomes of the table.
///
/// ```
/// use tollgate::{Currency, Money, Rates, pay::Conversion};
/// let rates = Rates::parse("version = '2026-11-20'\nbase = 'USD'\n[rates]\nEUR = '1.0842'").unwrap();
/// let (euro, dollar) = (Currency::parse("EUR").unwrap(), Currency::parse("USD").unwrap());
/// let conversion = Conversion::of(&rates, Money::parse("19.99", euro).unwrap(), dollar)?;
/// assert_eq!(conversion.amount().to_string(), "21.67 USD");
/// assert_eq!((conversion.rate().to_string().as_str(), conversion.version()), ("1.0842", "2026-11-20"));
/// let yen = Currency::parse("JPY").unwrap();
/// assert_eq!(Conversion::of(&rates, Money::parse("1", yen).unwrap(), dollar).unwrap_err().code(), "no_rate");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    presented: Money,
    amount: Money,
    rate: Rate,
    version: Box<str>,
}

impl Conversion {
    /// By the rates of a table.
    ///
    /// # Errors
    /// [`Error::NoRate`] when the table lacks one of the currencies, [`Error::TooLarge`] when the result is, and
    /// [`Error::Full`] when the table's version has more than [`RATES_VERSION_BYTES_MAX`] bytes.
    pub fn of(rates: &Rates, presented: Money, to: Currency) -> Result<Conversion, Error> {
        let missing = Error::NoRate { from: presented.currency, to };
        let rate = rates.between(presented.currency, to).ok_or(missing)?;
        Conversion::by(rate, presented, rates.version())
    }

    /// By a rate that was kept.
    pub(super) fn by(rate: Rate, presented: Money, version: &str) -> Result<Conversion, Error> {
        if version.len() > RATES_VERSION_BYTES_MAX {
            return Err(Error::Full("bytes of a rate table's version"));
        }
        let amount = rate.convert(presented).ok_or(Error::TooLarge)?;
        Ok(Conversion { presented, amount, rate, version: version.into() })
    }

    /// What the payer pays.
    pub fn presented(&self) -> Money {
        self.presented
    }

    /// What that is in the merchant's currency.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// The rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// What the table called itself.
    pub fn version(&self) -> &str {
        &self.version
    }
}
