//! What may a merchant do?

use std::collections::HashMap;

use super::settings::{Capture, MerchantEntry};
use crate::error::{Error, ErrorKind};
use crate::money::{Currency, Money};
use crate::pay::{MerchantId, Method};
use crate::schema::Country;

/// What is particular to merchants; the others may do everything.
pub(super) struct Merchants(HashMap<MerchantId, Merchant>);

struct Merchant {
    capture: Capture,
    methods: Option<Vec<Method>>,
    currencies: Option<Vec<Currency>>,
    amount_max: Vec<Money>,
    country: Option<Country>,
    settlement: Option<Currency>,
    three_ds: Option<String>,
}

/// `12.34 EUR`.
pub(super) fn money(text: &str) -> Result<Money, String> {
    let (amount, code) = text
        .trim()
        .rsplit_once(' ')
        .ok_or_else(|| "an amount is written with its currency, such as \"12.34 EUR\"".to_owned())?;
    let currency = Currency::parse(code)
        .ok_or_else(|| "the currency is no ISO 4217 code with a minor unit".to_owned())?;
    Money::parse(amount, currency).map_err(|e| e.to_string())
}

/// An address that a payer's browser may be sent to.
fn page(url: &str) -> Result<String, String> {
    let wrong = || "it is no address of a page; write it as https://HOST/PATH".to_owned();
    let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_here = matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]");
    match uri.scheme_str() {
        _ if authority.as_str().contains('@') => Err(wrong()),
        Some("https") => Ok(url.to_owned()),
        Some("http") if is_here => Ok(url.to_owned()),
        _ => Err(wrong()),
    }
}

impl Merchants {
    /// # Errors
    /// What is wrong with which merchant.
    pub(super) fn of(entries: &[MerchantEntry]) -> Result<Merchants, Error> {
        let mut all = HashMap::new();
        for entry in entries {
            let wrong = |why: String| {
                Error::new(why).of(ErrorKind::Rules).at(format!("payments.merchant `{}`", entry.id))
            };
            let id = MerchantId::parse(&entry.id).map_err(|e| wrong(e.to_string()))?;
            let method = |name: &String| {
                let found = Method::ALL.iter().copied().find(|m| m.name() == name);
                found.ok_or_else(|| wrong(format!("`{name}` is none of card, alipay, wechatpay")))
            };
            let currency = |code: &String| {
                Currency::parse(code)
                    .ok_or_else(|| wrong(format!("`{code}` is no currency with a minor unit")))
            };
            let merchant = Merchant {
                capture: entry.capture,
                methods: entry.methods.as_ref().map(|m| m.iter().map(method).collect()).transpose()?,
                currencies: entry
                    .currencies
                    .as_ref()
                    .map(|c| c.iter().map(currency).collect())
                    .transpose()?,
                amount_max: entry
                    .amount_max
                    .iter()
                    .map(|text| money(text).map_err(|why| wrong(format!("`amount_max`: {why}"))))
                    .collect::<Result<_, _>>()?,
                country: entry
                    .country
                    .as_ref()
                    .map(|code| {
                        Country::parse(code)
                            .ok_or_else(|| wrong(format!("`{code}` is no country of two letters")))
                    })
                    .transpose()?,
                settlement: entry.settlement.as_ref().map(currency).transpose()?,
                three_ds: entry
                    .three_ds
                    .as_ref()
                    .map(|url| page(url).map_err(|why| wrong(format!("`three_ds`: {why}"))))
                    .transpose()?,
            };
            if all.insert(id, merchant).is_some() {
                return Err(wrong("it is there twice".to_owned()));
            }
        }
        Ok(Merchants(all))
    }

    pub(super) fn capture(&self, merchant: &MerchantId) -> Capture {
        self.0.get(merchant).map_or(Capture::default(), |m| m.capture)
    }

    /// Where it is.
    pub(super) fn country(&self, merchant: &MerchantId) -> Option<Country> {
        self.0.get(merchant)?.country
    }

    /// The currency that it gets its money in, when it is one.
    pub(super) fn settlement(&self, merchant: &MerchantId) -> Option<Currency> {
        self.0.get(merchant)?.settlement
    }

    /// The address of its 3-D Secure server.
    pub(super) fn three_ds(&self, merchant: &MerchantId) -> Option<&str> {
        self.0.get(merchant)?.three_ds.as_deref()
    }

    /// Whether the merchant may be paid so much in this way.
    ///
    /// # Errors
    /// A machine's word and a sentence: why not.
    pub(super) fn admit(
        &self,
        merchant: &MerchantId,
        method: Method,
        amount: Money,
    ) -> Result<(), (&'static str, String)> {
        let Some(known) = self.0.get(merchant) else { return Ok(()) };
        if known.methods.as_ref().is_some_and(|methods| !methods.contains(&method)) {
            return Err(("method_not_allowed", format!("{method} is not among the merchant's methods")));
        }
        if known.currencies.as_ref().is_some_and(|all| !all.contains(&amount.currency)) {
            let why = format!("{} is not among the merchant's currencies", amount.currency);
            return Err(("currency_not_allowed", why));
        }
        let max = known.amount_max.iter().find(|max| max.currency == amount.currency);
        match max {
            Some(max) if amount.minor > max.minor => {
                Err(("above_merchant_limit", format!("the merchant's largest payment is {max}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<Merchants, Error> {
        Merchants::of(&[toml::from_str(text).unwrap()])
    }

    #[test]
    fn merchants_have_limits() {
        let merchants = entry(
            "id = 'm1'\ncapture = 'manual'\nmethods = ['card']\ncurrencies = ['EUR']\namount_max = ['100 EUR']",
        )
        .unwrap();
        let (m1, m2) = (MerchantId::parse("m1").unwrap(), MerchantId::parse("m2").unwrap());
        assert_eq!((merchants.capture(&m1), merchants.capture(&m2)), (Capture::Manual, Capture::Auto));
        let tried = |merchant, method, amount| {
            merchants.admit(merchant, method, money(amount).unwrap()).map_err(|(code, _)| code)
        };
        assert_eq!(tried(&m1, Method::Card, "100.00 EUR"), Ok(()));
        assert_eq!(tried(&m1, Method::Card, "100.01 EUR"), Err("above_merchant_limit"));
        assert_eq!(tried(&m1, Method::Alipay, "1 EUR"), Err("method_not_allowed"));
        assert_eq!(tried(&m1, Method::Card, "1 USD"), Err("currency_not_allowed"));
        assert_eq!(tried(&m2, Method::Alipay, "1000000 USD"), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("id = 'm 1'", "the merchant's id"),
            ("id = 'm1'\nmethods = ['cash']", "`cash` is none of"),
            ("id = 'm1'\ncurrencies = ['XXX']", "`XXX` is no currency"),
            ("id = 'm1'\ncountry = 'Germany'", "`Germany` is no country"),
            ("id = 'm1'\nsettlement = 'EURO'", "`EURO` is no currency"),
            ("id = 'm1'\nthree_ds = 'http://shop.example/3ds'", "`three_ds`: it is no address"),
            ("id = 'm1'\nthree_ds = 'https://me:x@shop.example/'", "`three_ds`: it is no address"),
            ("id = 'm1'\namount_max = ['5']", "such as \"12.34 EUR\""),
            ("id = 'm1'\namount_max = ['-5 EUR']", "`amount_max`"),
        ] {
            let said = entry(text).err().unwrap().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
