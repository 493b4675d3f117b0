//! What is one currency worth in another? A rate that can be kept apart from the table it is from.

use std::fmt;

use super::{Currency, Money, POWERS, RATE_DECIMALS, RATE_MAX};

/// The rate from one currency to another, exact: what each is worth in the table's base. It converts the same ever
/// after, whatever becomes of the table.
///
/// ```
/// use tollgate::{Currency, Money, Rates};
/// let rates = Rates::parse("version = 'v'\nbase = 'USD'\n[rates]\nEUR = '1.0842'\nJPY = '0.00655'").unwrap();
/// let (euro, yen) = (Currency::parse("EUR").unwrap(), Currency::parse("JPY").unwrap());
/// let rate = rates.between(euro, yen).unwrap();
/// assert_eq!(rate.to_string(), "165.526717557");
/// let price = Money::parse("10.00", euro).unwrap();
/// assert_eq!(rate.convert(price).unwrap().to_string(), "1655 JPY");
/// assert_eq!(rate.convert(Money::parse("10", yen).unwrap()), None); // the other way round
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    from: Currency,
    to: Currency,
    /// Base units for one unit of each, in billionths.
    worth: [i64; 2],
}

impl Rate {
    /// From what one unit of each is worth, in billionths of any third; `None` unless both are in range.
    pub(crate) fn new(from: Currency, to: Currency, worth: [i64; 2]) -> Option<Rate> {
        worth.iter().all(|w| (1..=RATE_MAX).contains(w)).then_some(Rate { from, to, worth })
    }

    /// What each is worth, in billionths of the base.
    pub(crate) fn worth(&self) -> [i64; 2] {
        self.worth
    }

    /// Which currency is converted.
    pub fn from(&self) -> Currency {
        self.from
    }

    /// Into which.
    pub fn to(&self) -> Currency {
        self.to
    }

    /// The amount in the other currency, rounded half to even to its minor unit; `None` when it is not in
    /// [`from`](Rate::from), or the result is above [`AMOUNT_MINOR_MAX`](super::AMOUNT_MINOR_MAX).
    pub fn convert(&self, money: Money) -> Option<Money> {
        if money.currency != self.from {
            return None;
        }
        let [from, to] = self.worth.map(i128::from);
        let up = i128::from(money.minor) * from * i128::from(POWERS[self.to.exponent() as usize]);
        let down = to * i128::from(POWERS[self.from.exponent() as usize]);
        Money::from_minor(i64::try_from(half_even(up, down)).ok()?, self.to).ok()
    }
}

/// As a decimal with nine digits after the point, rounded half to even; exact is [`convert`](Rate::convert).
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10i128.pow(RATE_DECIMALS as u32);
        let rate = half_even(i128::from(self.worth[0]) * one, i128::from(self.worth[1]));
        let text = format!("{}.{:09}", rate / one, rate % one);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(short)
    }
}

/// Nothing is negative here.
fn half_even(up: i128, down: i128) -> i128 {
    let (quotient, remainder) = (up / down, up % down);
    match (remainder * 2).cmp(&down) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Equal => quotient + quotient % 2,
        std::cmp::Ordering::Greater => quotient + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_in_range_and_show_nine_decimals() {
        let currency = |code| Currency::parse(code).unwrap();
        let rate = |worth| Rate::new(currency("EUR"), currency("USD"), worth);
        assert!(rate([1, RATE_MAX]).is_some() && rate([RATE_MAX, 1]).is_some());
        for worth in [[0, 1], [1, 0], [-1, 1], [1, RATE_MAX + 1], [RATE_MAX + 1, 1]] {
            assert_eq!(rate(worth), None, "{worth:?}");
        }
        for (worth, shown) in [
            ([1, 1], "1"),
            ([1, 2], "0.5"),
            ([1, 3], "0.333333333"),
            ([2, 3], "0.666666667"),
            ([100, 1], "100"),
        ] {
            assert_eq!(rate(worth).unwrap().to_string(), shown);
        }
    }
}
