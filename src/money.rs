//! Exact money: `i64` minor units of an ISO 4217 currency, and a versioned table of rates.

mod rate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

pub use rate::Rate;

/// The largest amount that is accepted, in minor units: 2^53 - 1, so that an amount's major units
/// are always the nearest `f64` to the exact decimal and comparisons in rules are exact.
///
/// ```
/// use tollgate::{AMOUNT_MINOR_MAX, Currency, Money};
/// let yen = Currency::parse("JPY").unwrap();
/// assert!(Money::parse(&AMOUNT_MINOR_MAX.to_string(), yen).is_ok());
/// assert!(Money::parse(&(AMOUNT_MINOR_MAX + 1).to_string(), yen).is_err());
/// ```
pub const AMOUNT_MINOR_MAX: i64 = (1 << 53) - 1;

/// An ISO 4217 currency that has minor units (0, 2, 3 or 4 decimals).
///
/// ```
/// use tollgate::Currency;
/// let yen = Currency::parse("jpy").unwrap();
/// assert_eq!((yen.to_string().as_str(), yen.exponent()), ("JPY", 0));
/// assert!(Currency::parse("XAU").is_none()); // gold has no minor unit
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Exponent by the three letters read as a number of base 26; 255 where there is no such currency.
static EXPONENTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut table = vec![255; 26 * 26 * 26];
    for numeric in 0..1_000 {
        if let Some(currency) = iso_currency::Currency::from_numeric(numeric)
            && let Some(exponent) = currency.exponent()
            && let Ok(code) = <[u8; 3]>::try_from(currency.code().as_bytes())
        {
            table[ordinal(code)] = exponent as u8;
        }
    }
    table
});

fn ordinal(code: [u8; 3]) -> usize {
    code.iter().fold(0, |n, b| n * 26 + usize::from(b - b'A'))
}

impl Currency {
    /// The currency with this three-letter code, in any case; `None` for unknown codes and for
    /// those without minor units (precious metals, testing).
    pub fn parse(code: &str) -> Option<Currency> {
        let code = <[u8; 3]>::try_from(code.as_bytes()).ok()?.map(|b| b.to_ascii_uppercase());
        (code.iter().all(u8::is_ascii_uppercase) && EXPONENTS[ordinal(code)] != 255).then_some(Currency(code))
    }

    /// Decimals of the minor unit: 0 for JPY, 2 for EUR, 3 for KWD, 4 for CLF.
    pub fn exponent(self) -> u32 {
        u32::from(EXPONENTS[ordinal(self.0)])
    }

    /// The code's letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The letters as one number, for a payment's slot.
    pub(crate) fn packed(self) -> u64 {
        u64::from(self.0[0]) << 16 | u64::from(self.0[1]) << 8 | u64::from(self.0[2])
    }

    pub(crate) fn from_packed(packed: u64) -> Currency {
        Currency([(packed >> 16) as u8, (packed >> 8) as u8, packed as u8])
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a text is not an amount of money.
///
/// ```
/// use tollgate::{AmountError, Currency, Money};
/// assert_eq!(Money::parse("1.5", Currency::parse("JPY").unwrap()), Err(AmountError::TooPrecise));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountError {
    /// Not a decimal number.
    NotANumber,
    /// Below zero; refunds are settlements, not payments.
    Negative,
    /// More than [`AMOUNT_MINOR_MAX`] minor units.
    TooLarge,
    /// More decimals than the currency's minor unit has.
    TooPrecise,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AmountError::NotANumber => "the amount is not a decimal number such as 12.34",
            AmountError::Negative => "the amount is negative; a refund is a settlement of the payment, not a payment",
            AmountError::TooLarge => "the amount is above the limit of 9007199254740991 minor units",
            AmountError::TooPrecise => "the amount has more decimals than its currency; if it is in minor units, say `unit = \"minor\"` for its column in schema.toml",
        })
    }
}

impl std::error::Error for AmountError {}

/// An exact, non-negative amount of one currency.
///
/// ```
/// use tollgate::{Currency, Money};
/// let price = Money::parse("12.34", Currency::parse("EUR").unwrap()).unwrap();
/// assert_eq!((price.minor, price.major()), (1234, 12.34));
/// assert_eq!(price.to_string(), "12.34 EUR");
/// assert!(Money::parse("12.345", price.currency).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units: cents, fen, fils.
    pub minor: i64,
    /// Whose minor units.
    pub currency: Currency,
}

const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < 19 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

impl Money {
    /// From minor units, within 0 and [`AMOUNT_MINOR_MAX`].
    pub fn from_minor(minor: i64, currency: Currency) -> Result<Money, AmountError> {
        match minor {
            ..0 => Err(AmountError::Negative),
            0..=AMOUNT_MINOR_MAX => Ok(Money { minor, currency }),
            _ => Err(AmountError::TooLarge),
        }
    }

    /// Reads major units exactly, without passing through a float: `12`, `12.3`, `12.340`, `1.2e3`.
    pub fn parse(text: &str, currency: Currency) -> Result<Money, AmountError> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match digits.split_once(['e', 'E']) {
            Some((m, p)) => (m, p.parse::<i32>().map_err(|_| AmountError::NotANumber)?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if (whole.is_empty() && fraction.is_empty())
            || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        {
            return Err(AmountError::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        let mut number: i64 = 0;
        for b in whole.bytes().chain(fraction.bytes()) {
            number = number
                .checked_mul(10)
                .and_then(|n| n.checked_add(i64::from(b - b'0')))
                .ok_or(AmountError::TooLarge)?;
        }
        if number == 0 {
            return Ok(Money { minor: 0, currency });
        }
        if negative {
            return Err(AmountError::Negative);
        }
        let shift = i64::from(currency.exponent()) + i64::from(power) - fraction.len() as i64;
        let minor = match shift {
            0..=18 => number.checked_mul(POWERS[shift as usize]).ok_or(AmountError::TooLarge)?,
            19.. => return Err(AmountError::TooLarge),
            -18..=-1 if number % POWERS[-shift as usize] == 0 => number / POWERS[-shift as usize],
            _ => return Err(AmountError::TooPrecise),
        };
        Money::from_minor(minor, currency)
    }

    /// From major units in binary floating point: the nearest amount, refused when it is further than
    /// a millionth of a minor unit away (sums such as 0.1 + 0.2 are nearer).
    pub fn from_major(major: f64, currency: Currency) -> Result<Money, AmountError> {
        if !major.is_finite() {
            return Err(AmountError::NotANumber);
        }
        let scale = POWERS[currency.exponent() as usize] as f64;
        let minor = (major * scale).round();
        // Floats of large amounts are further apart than that; then one of their own steps counts.
        let tolerance = (1e-6 / scale).max(major.abs() * f64::EPSILON);
        if minor < 0.0 {
            return Err(AmountError::Negative);
        }
        if minor > AMOUNT_MINOR_MAX as f64 {
            return Err(AmountError::TooLarge);
        }
        if (minor / scale - major).abs() > tolerance {
            return Err(AmountError::TooPrecise);
        }
        Ok(Money { minor: minor as i64, currency })
    }

    /// Major units: the `f64` nearest to the exact decimal (both operands are exact and division
    /// rounds correctly), which is also what a decimal literal in a rule reads as.
    pub fn major(self) -> f64 {
        self.minor as f64 / POWERS[self.currency.exponent() as usize] as f64
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent() as usize;
        let unit = POWERS[exponent];
        write!(f, "{}", self.minor / unit)?;
        if exponent > 0 {
            write!(f, ".{:0exponent$}", self.minor % unit)?;
        }
        write!(f, " {}", self.currency)
    }
}

/// A table of exchange rates with a version, so that a conversion can name what it used.
///
/// ```
/// use tollgate::{Currency, Money, Rates};
/// let rates = Rates::parse("version = '2026-11-20'\nbase = 'USD'\n[rates]\nEUR = '1.0842'\nJPY = '0.00655'").unwrap();
/// let yen = Money::parse("10000", Currency::parse("JPY").unwrap()).unwrap();
/// assert_eq!(rates.to_base(yen).unwrap().to_string(), "65.50 USD");
/// assert_eq!(rates.version(), "2026-11-20");
/// ```
#[derive(Debug, Clone)]
pub struct Rates {
    version: String,
    base: Currency,
    /// Base units for one unit of the currency, in billionths; sorted by currency.
    rates: Vec<(Currency, i64)>,
}

/// Rates carry at most nine decimals.
const RATE_DECIMALS: usize = 9;
/// Above a billion the product of conversion could leave i128's comfort; no currency is near.
const RATE_MAX: i64 = 1_000_000_000 * 1_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesFile {
    version: String,
    base: String,
    rates: BTreeMap<String, String>,
}

impl Rates {
    /// A table that knows only its base currency.
    pub fn only(base: Currency) -> Rates {
        Rates { version: "none".to_owned(), base, rates: vec![(base, 1_000_000_000)] }
    }

    /// Reads `version`, `base` and `[rates]` (decimal texts: base units for one unit) from TOML.
    ///
    /// # Errors
    /// A sentence that names the entry that is wrong.
    pub fn parse(text: &str) -> Result<Rates, String> {
        let file: RatesFile = toml::from_str(text).map_err(|e| e.to_string())?;
        let base =
            Currency::parse(&file.base).ok_or(format!("base `{}` is not an ISO 4217 code", file.base))?;
        let mut rates = vec![(base, 1_000_000_000)];
        for (code, rate) in &file.rates {
            let currency = Currency::parse(code).ok_or(format!("`{code}` is not an ISO 4217 code"))?;
            if currency == base {
                return Err(format!("`{code}` is the base; its rate is 1 and isn't written"));
            }
            let scaled = parse_rate(rate).ok_or(format!(
                "rate `{rate}` of {code} is not a positive decimal of at most {RATE_DECIMALS} decimals"
            ))?;
            rates.push((currency, scaled));
        }
        rates.sort();
        Ok(Rates { version: file.version, base, rates })
    }

    /// What the table calls itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The currency that sums across currencies are kept in.
    pub fn base(&self) -> Currency {
        self.base
    }

    fn rate(&self, currency: Currency) -> Option<i64> {
        let i = self.rates.binary_search_by_key(&currency, |r| r.0).ok()?;
        Some(self.rates[i].1)
    }

    /// The amount in the base currency; `None` when the table has no rate for it.
    pub fn to_base(&self, money: Money) -> Option<Money> {
        self.convert(money, self.base)
    }

    /// The amount in `to`, rounded half to even to its minor unit; `None` when a rate is missing or
    /// the result is above [`AMOUNT_MINOR_MAX`].
    pub fn convert(&self, money: Money, to: Currency) -> Option<Money> {
        if money.currency == to {
            return Some(money);
        }
        self.between(money.currency, to)?.convert(money)
    }

    /// The rate from one currency to another; `None` when the table lacks one of them.
    pub fn between(&self, from: Currency, to: Currency) -> Option<Rate> {
        Rate::new(from, to, [self.rate(from)?, self.rate(to)?])
    }
}

fn parse_rate(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > RATE_DECIMALS
        || whole.is_empty()
        || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let rate: i64 = format!("{whole}{fraction:0<RATE_DECIMALS$}").parse().ok()?;
    (rate > 0 && rate <= RATE_MAX).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, code: &str) -> Result<i64, AmountError> {
        Money::parse(text, Currency::parse(code).unwrap()).map(|m| m.minor)
    }

    #[test]
    fn exponents_are_the_standard_ones() {
        for (code, exponent) in
            [("JPY", 0), ("KRW", 0), ("USD", 2), ("CNY", 2), ("KWD", 3), ("TND", 3), ("CLF", 4), ("UYW", 4)]
        {
            assert_eq!(Currency::parse(code).map(Currency::exponent), Some(exponent), "{code}");
        }
        for code in ["", "US", "USDX", "ABC", "XAU", "XXX", "U\u{e9}"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        for (text, code, expected) in [
            ("12.34", "USD", Ok(1234)),
            ("12.3400", "USD", Ok(1234)),
            ("1.2e3", "USD", Ok(120_000)),
            ("1234e-2", "USD", Ok(1234)),
            (".5", "USD", Ok(50)),
            ("-0.00", "USD", Ok(0)),
            ("100", "JPY", Ok(100)),
            ("0.001", "KWD", Ok(1)),
            ("90071992547409.91", "USD", Ok(AMOUNT_MINOR_MAX)),
            ("90071992547409.92", "USD", Err(AmountError::TooLarge)),
            ("99999999999999999999", "USD", Err(AmountError::TooLarge)),
            ("1e400", "USD", Err(AmountError::TooLarge)),
            ("12.345", "USD", Err(AmountError::TooPrecise)),
            ("1.5", "JPY", Err(AmountError::TooPrecise)),
            ("-1", "USD", Err(AmountError::Negative)),
            ("NaN", "USD", Err(AmountError::NotANumber)),
            ("", "USD", Err(AmountError::NotANumber)),
            ("1,234.00", "USD", Err(AmountError::NotANumber)),
        ] {
            assert_eq!(parse(text, code), expected, "{text} {code}");
        }
    }

    #[test]
    fn floats_give_the_decimal_they_were_read_from() {
        let usd = Currency::parse("USD").unwrap();
        for minor in (0..20_000_000).step_by(7) {
            let money = Money { minor, currency: usd };
            assert_eq!(Money::from_major(money.major(), usd), Ok(money));
        }
        assert_eq!(Money::from_major(0.1 + 0.2, usd), Ok(Money { minor: 30, currency: usd }));
        assert_eq!(Money::from_major(12.345, usd), Err(AmountError::TooPrecise));
        assert_eq!(Money::from_major(12.340_001, usd), Err(AmountError::TooPrecise));
        assert_eq!(Money::from_major(f64::NAN, usd), Err(AmountError::NotANumber));
    }

    #[test]
    fn conversion_rounds_half_to_even() {
        let rates = Rates::parse("version = 'v'\nbase = 'USD'\n[rates]\nEUR = '0.5'").unwrap();
        let eur = Currency::parse("EUR").unwrap();
        for (minor, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (2, 1)] {
            assert_eq!(
                rates.to_base(Money { minor, currency: eur }).map(|m| m.minor),
                Some(expected),
                "{minor}"
            );
        }
        assert_eq!(rates.to_base(Money { minor: 1, currency: Currency::parse("GBP").unwrap() }), None);
    }
}
