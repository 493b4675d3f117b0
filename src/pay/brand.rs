//! Whose card is it? Told by the first digits of its number.

use super::state::names;

names! {
    /// A scheme of cards.
    ///
    /// ```
    /// use tollgate::pay::Brand;
    /// assert_eq!(Brand::of_digits("411111"), Some(Brand::Visa));
    /// assert_eq!(Brand::of_digits("222300").map(Brand::name), Some("mastercard"));
    /// assert_eq!(Brand::of_digits("9"), None);
    /// ```
    Brand {
        /// Visa.
        Visa = "visa",
        /// Mastercard.
        Mastercard = "mastercard",
        /// American Express.
        Amex = "amex",
        /// China UnionPay.
        UnionPay = "unionpay",
        /// JCB.
        Jcb = "jcb",
        /// Discover.
        Discover = "discover",
    }
}

impl Brand {
    /// By the ranges of issuer identification numbers (ISO/IEC 7812) that the schemes publish: of a number, or of its
    /// first digits.
    pub fn of_digits(digits: &str) -> Option<Brand> {
        let first =
            |n: usize| digits.get(..n).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default();
        match (first(1), first(2), first(4)) {
            (4, ..) => Some(Brand::Visa),
            (_, 51..=55, _) | (_, _, 2221..=2720) => Some(Brand::Mastercard),
            (_, 34 | 37, _) => Some(Brand::Amex),
            (_, 62, _) => Some(Brand::UnionPay),
            (_, _, 3528..=3589) => Some(Brand::Jcb),
            (_, 64 | 65, _) | (_, _, 6011) => Some(Brand::Discover),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_begin_and_end_where_they_do() {
        for (digits, expected) in [
            ("4", Some(Brand::Visa)),
            ("2220", None),
            ("2221", Some(Brand::Mastercard)),
            ("2720", Some(Brand::Mastercard)),
            ("2721", None),
            ("50", None),
            ("51", Some(Brand::Mastercard)),
            ("55", Some(Brand::Mastercard)),
            ("56", None),
            ("34", Some(Brand::Amex)),
            ("37", Some(Brand::Amex)),
            ("62", Some(Brand::UnionPay)),
            ("3527", None),
            ("3528", Some(Brand::Jcb)),
            ("3589", Some(Brand::Jcb)),
            ("3590", None),
            ("6011", Some(Brand::Discover)),
            ("65", Some(Brand::Discover)),
            ("", None),
            ("x", None),
            ("四", None),
        ] {
            assert_eq!(Brand::of_digits(digits), expected, "{digits}");
        }
    }
}
