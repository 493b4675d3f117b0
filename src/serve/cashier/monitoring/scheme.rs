//! Under whose rules is a payment, how does that scheme count, and from when on does it mind?

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pay::{Brand, Method, Payment};

/// Whose rules a payment is under. The set is closed, so that metrics stay few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Visa,
    Mastercard,
    Amex,
    UnionPay,
    Jcb,
    Discover,
    Alipay,
    WechatPay,
    Other,
}

impl Scheme {
    const ALL: [Scheme; 9] = [
        Scheme::Visa,
        Scheme::Mastercard,
        Scheme::Amex,
        Scheme::UnionPay,
        Scheme::Jcb,
        Scheme::Discover,
        Scheme::Alipay,
        Scheme::WechatPay,
        Scheme::Other,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Scheme::Visa => "visa",
            Scheme::Mastercard => "mastercard",
            Scheme::Amex => "amex",
            Scheme::UnionPay => "unionpay",
            Scheme::Jcb => "jcb",
            Scheme::Discover => "discover",
            Scheme::Alipay => "alipay",
            Scheme::WechatPay => "wechatpay",
            Scheme::Other => "other",
        }
    }

    /// By the method; a card's by its brand, else by its first digits.
    pub(super) fn of(payment: &Payment) -> Scheme {
        #[derive(Deserialize)]
        struct Known {
            card_brand: Option<String>,
            bin: Option<String>,
        }
        match payment.method() {
            Method::Alipay => return Scheme::Alipay,
            Method::WechatPay => return Scheme::WechatPay,
            Method::Card => {}
        }
        let Ok(Known { card_brand, bin }) = serde_json::from_slice(payment.facts()) else {
            return Scheme::Other;
        };
        let brand = card_brand.map(|brand| brand.to_ascii_lowercase());
        let named = Scheme::ALL.into_iter().find(|scheme| Some(scheme.name()) == brand.as_deref());
        let told = || bin.as_deref().and_then(Brand::of_digits).map_or(Scheme::Other, Scheme::from);
        named.unwrap_or_else(told)
    }

    /// The programme whose ratio is told.
    pub(super) const fn program(self) -> Program {
        match self {
            Scheme::Visa => Program::Vamp,
            Scheme::Mastercard => Program::Ecp,
            _ => Program::Plain,
        }
    }
}

impl From<Brand> for Scheme {
    fn from(brand: Brand) -> Scheme {
        match brand {
            Brand::Visa => Scheme::Visa,
            Brand::Mastercard => Scheme::Mastercard,
            Brand::Amex => Scheme::Amex,
            Brand::UnionPay => Scheme::UnionPay,
            Brand::Jcb => Scheme::Jcb,
            Brand::Discover => Scheme::Discover,
        }
    }
}

/// How a ratio is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// Visa Acquirer Monitoring Program: issuers' reports of fraud (TC40) and disputes of all kinds (TC15), over what was
    /// settled in the same month (TC05).
    Vamp,
    /// Mastercard Excessive Chargeback Program: chargebacks over the sales of the month before.
    Ecp,
    /// Disputes over the sales of the same month.
    Plain,
}

impl Program {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Program::Vamp => "vamp",
            Program::Ecp => "ecp",
            Program::Plain => "disputes",
        }
    }
}

/// From when on a ratio is worth a warning.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    pub(super) ratio: f64,
    /// So many disputes and reports at least.
    pub(super) events: u64,
}

/// Thresholds by scheme.
pub(crate) type Thresholds = BTreeMap<Scheme, Threshold>;

/// A merchant's from the programmes' own: Visa's from April 2026 on (220 basis points before), Mastercard's lower step.
pub(super) fn usual(scheme: Scheme) -> Option<Threshold> {
    match scheme {
        Scheme::Visa => Some(Threshold { ratio: 0.015, events: 1_500 }),
        Scheme::Mastercard => Some(Threshold { ratio: 0.015, events: 100 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brands_scheme_has_its_name() {
        assert!(Brand::ALL.iter().all(|brand| Scheme::from(*brand).name() == brand.name()));
    }
}
