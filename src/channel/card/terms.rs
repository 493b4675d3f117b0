//! What has been agreed with the acquirer? What every message says besides the payment.

use std::collections::BTreeMap;

use super::mti::Version;
use crate::channel::Units;
use crate::error::{Error, ErrorKind};
use crate::pay::MerchantId;

/// What has been agreed with an acquirer.
///
/// ```
/// use tollgate::channel::card::Terms;
/// let terms = Terms { acquirer: "123456".to_owned(), ..Terms::default() };
/// assert!(terms.check().is_ok());
/// let error = Terms { acquirer: "ACME".to_owned(), ..terms }.check().unwrap_err();
/// assert_eq!(error.to_string(), "`acquirer` has 1 to 11 digits");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The edition: the first digit of every message's type, and the forms of its fields.
    pub version: Version,
    /// The acquirer's number, field 32: 1 to 11 digits.
    pub acquirer: String,
    /// The terminal, field 41: up to 8 characters.
    pub terminal: String,
    /// The merchants' category, field 18: the four digits of ISO 18245.
    pub category: String,
    /// The acquirer's names of merchants, field 42: up to 15 characters. Who is not in it goes by their own id, if it fits.
    pub merchants: BTreeMap<MerchantId, String>,
    /// Where the merchants are, field 43: up to 13 characters.
    pub city: String,
    /// Their country in the same field: two letters.
    pub country: String,
    /// Decimals of amounts, where they are not the currency's.
    pub units: Units,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            version: Version::Of1987,
            acquirer: "1".to_owned(),
            terminal: "TOLLGATE".to_owned(),
            // Miscellaneous and speciality retail shops.
            category: "5999".to_owned(),
            merchants: BTreeMap::new(),
            city: String::new(),
            country: String::new(),
            units: Units::default(),
        }
    }
}

impl Terms {
    /// That messages can be written with it.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let wrong = if !(1..=11).contains(&self.acquirer.len()) || !digits(&self.acquirer) {
            "`acquirer` has 1 to 11 digits"
        } else if !printable(&self.terminal, 8) {
            "`terminal` has up to 8 characters of ASCII"
        } else if self.category.len() != 4 || !digits(&self.category) {
            "`category` has the four digits of ISO 18245"
        } else if !printable(&self.city, 13) {
            "`city` has up to 13 characters of ASCII"
        } else if ![0, 2].contains(&self.country.len())
            || !self.country.bytes().all(|b| b.is_ascii_uppercase())
        {
            "`country` has two capital letters"
        } else if self.merchants.values().any(|name| name.is_empty() || !printable(name, 15)) {
            "`merchants` have 1 to 15 characters of ASCII each"
        } else {
            return Ok(());
        };
        Err(Error::new(wrong).of(ErrorKind::Rules))
    }

    /// Field 42, padded. `None` when the merchant has no name that fits.
    pub(super) fn merchant(&self, merchant: &MerchantId) -> Option<String> {
        let name = self.merchants.get(merchant).map_or(merchant.as_str(), String::as_str);
        (name.len() <= 15).then(|| format!("{name:15}"))
    }

    /// The acquirer as the part of field 90 that it is.
    pub(super) fn acquirer_padded(&self) -> String {
        format!("{:0>11}", self.acquirer)
    }
}

fn printable(text: &str, most: usize) -> bool {
    text.len() <= most && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_taken_at_their_limits_and_not_past_them() {
        type Put = fn(&mut Terms, String);
        for (most, put) in [
            (11, (|terms, text| terms.acquirer = text) as Put),
            (8, |terms, text| terms.terminal = text),
            (4, |terms, text| terms.category = text),
            (13, |terms, text| terms.city = text),
            (15, |terms, text| {
                terms.merchants.insert(MerchantId::parse("m").unwrap(), text);
            }),
        ] {
            for (length, good) in [(most, true), (most + 1, false)] {
                let mut terms = Terms::default();
                put(&mut terms, "1".repeat(length));
                assert_eq!(terms.check().is_ok(), good, "{length}");
            }
        }
        assert!(Terms { country: "DE".to_owned(), ..Terms::default() }.check().is_ok());
        assert!(Terms { country: "Germany".to_owned(), ..Terms::default() }.check().is_err());
        let terms = Terms::default();
        assert_eq!(terms.merchant(&MerchantId::parse("m1").unwrap()).as_deref(), Some("m1             "));
        assert_eq!(terms.merchant(&MerchantId::parse(&"m".repeat(16)).unwrap()), None);
    }
}
