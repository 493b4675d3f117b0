//! Which institution is played?

use super::{Codes, Script};

/// A sort of institution.
///
/// ```
/// use tollgate::institution::simulator::Kind;
/// assert_eq!(Kind::Card.name(), "card");
/// assert!(!Kind::Card.captures_at_once());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A card's issuer behind its acquirer: ISO 8583 over TCP
    Card,
    /// Alipay's gateway: signed forms over HTTP
    Alipay,
    /// WeChat Pay's API v3: signed JSON over HTTP
    Wechatpay,
}

impl Kind {
    /// Its word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Card => "card",
            Kind::Alipay => "alipay",
            Kind::Wechatpay => "wechatpay",
        }
    }

    /// Whether paying is authorization and capture in one.
    pub const fn captures_at_once(self) -> bool {
        match self {
            Kind::Card => false,
            Kind::Alipay | Kind::Wechatpay => true,
        }
    }

    /// What it says, in its own codes.
    pub const fn codes(self) -> Codes {
        match self {
            Kind::Card => {
                Codes { approved: "00", declined: "05", not_found: "25", above: "13", closed: "12" }
            }
            Kind::Alipay => Codes {
                approved: "10000",
                declined: "ACQ.PAYMENT_FAIL",
                not_found: "ACQ.TRADE_NOT_EXIST",
                above: "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
                closed: "ACQ.TRADE_STATUS_ERROR",
            },
            Kind::Wechatpay => Codes {
                approved: "SUCCESS",
                declined: "TRADE_ERROR",
                not_found: "RESOURCE_NOT_EXISTS",
                above: "INVALID_REQUEST",
                closed: "ORDER_CLOSED",
            },
        }
    }

    /// What it does when nobody gave it a script.
    ///
    /// # Panics
    /// Never: that the shipped texts can be read is a test.
    pub fn script(self) -> Script {
        let text = match self {
            Kind::Card => include_str!("card.toml"),
            Kind::Alipay => include_str!("alipay.toml"),
            Kind::Wechatpay => include_str!("wechatpay.toml"),
        };
        Script::parse(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shipped_script_can_be_read() {
        for kind in Kind::value_variants() {
            assert!(kind.script() != Script::default(), "{}", kind.name());
        }
    }
}
