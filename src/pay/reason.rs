//! What does a scheme's reason code of a dispute mean, and may a model of fraud learn from it?

use super::state::DisputeKind::{self, Authorization, Consumer, Fraud, Processing};
use super::state::names;

names! {
    /// Whose reason codes they are.
    ///
    /// ```
    /// assert_eq!(tollgate::pay::Scheme::Visa.name(), "visa");
    /// ```
    Scheme {
        /// Visa's dispute conditions, 10 to 13.
        Visa = "visa",
        /// Mastercard's message reason codes, 48xx; those merged into others in 2016 and later still come.
        Mastercard = "mastercard",
        /// The problem types of WeChat Pay's complaints.
        WechatPay = "wechatpay",
    }
}

/// What a reason code means.
///
/// ```
/// use tollgate::pay::{DisputeKind, Reason, Scheme};
/// let reason = Reason::find(Scheme::Visa, "10.4").unwrap();
/// assert_eq!((reason.kind, reason.name), (DisputeKind::Fraud, "other fraud, card absent"));
/// assert!(Reason::find(Scheme::Mastercard, "4853").is_some_and(|r| !r.kind.is_fraud()));
/// assert!(Reason::find(Scheme::Visa, "99.9").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Whose code it is.
    pub scheme: Scheme,
    /// The code.
    pub code: &'static str,
    /// What the dispute is about.
    pub kind: DisputeKind,
    /// The code's meaning, in words.
    pub name: &'static str,
}

impl Reason {
    /// All that are known, by scheme and code.
    pub const ALL: &[Reason] = &[
        visa("10.1", Fraud, "liability shift, counterfeit card"),
        visa("10.2", Fraud, "liability shift, lost or stolen card"),
        visa("10.3", Fraud, "other fraud, card present"),
        visa("10.4", Fraud, "other fraud, card absent"),
        visa("10.5", Fraud, "fraud monitoring program"),
        visa("11.1", Authorization, "card recovery bulletin"),
        visa("11.2", Authorization, "declined authorization"),
        visa("11.3", Authorization, "no authorization"),
        visa("12.1", Processing, "late presentment"),
        visa("12.2", Processing, "incorrect transaction code"),
        visa("12.3", Processing, "incorrect currency"),
        visa("12.4", Processing, "incorrect account number"),
        visa("12.5", Processing, "incorrect amount"),
        visa("12.6", Processing, "duplicate processing, or paid by other means"),
        visa("12.6.1", Processing, "duplicate processing"),
        visa("12.6.2", Processing, "paid by other means"),
        visa("12.7", Processing, "invalid data"),
        visa("13.1", Consumer, "goods or services not received"),
        visa("13.2", Consumer, "cancelled recurring payment"),
        visa("13.3", Consumer, "not as described, or defective"),
        visa("13.4", Consumer, "counterfeit goods"),
        visa("13.5", Consumer, "misrepresentation"),
        visa("13.6", Consumer, "credit not processed"),
        visa("13.7", Consumer, "cancelled goods or services"),
        visa("13.8", Consumer, "original credit not accepted"),
        visa("13.9", Consumer, "cash or load value not received"),
        mastercard("4807", Authorization, "warning bulletin file"),
        mastercard("4808", Authorization, "authorization-related"),
        mastercard("4812", Authorization, "account number not on file"),
        mastercard("4831", Processing, "transaction amount differs"),
        mastercard("4834", Processing, "point-of-interaction error"),
        mastercard("4837", Fraud, "no cardholder authorization"),
        mastercard("4840", Fraud, "fraudulent processing of transactions"),
        mastercard("4841", Consumer, "cancelled recurring or digital goods"),
        mastercard("4842", Processing, "late presentment"),
        mastercard("4846", Processing, "currency code missing or incorrect"),
        mastercard("4849", Fraud, "questionable merchant activity"),
        mastercard("4850", Consumer, "instalment billing"),
        mastercard("4853", Consumer, "cardholder dispute"),
        mastercard("4854", Consumer, "cardholder dispute, not classified elsewhere"),
        mastercard("4855", Consumer, "goods or services not provided"),
        mastercard("4859", Consumer, "addendum, no-show or cash machine"),
        mastercard("4860", Consumer, "credit not processed"),
        mastercard("4863", Fraud, "cardholder does not recognise it"),
        mastercard("4870", Fraud, "chip liability shift"),
        mastercard("4871", Fraud, "chip and PIN liability shift"),
        wechat("OTHERS", "something else"),
        wechat("REFUND", "asks for a refund"),
        wechat("SERVICE_NOT_WORK", "what was paid for does not work"),
    ];

    /// What a code means; `None` when it is not known. Whoever has to open such a dispute takes
    /// [`DisputeKind::Consumer`], which teaches nothing wrong.
    pub fn find(scheme: Scheme, code: &str) -> Option<&'static Reason> {
        Reason::ALL.iter().find(|reason| reason.scheme == scheme && reason.code == code)
    }
}

const fn visa(code: &'static str, kind: DisputeKind, name: &'static str) -> Reason {
    Reason { scheme: Scheme::Visa, code, kind, name }
}

const fn mastercard(code: &'static str, kind: DisputeKind, name: &'static str) -> Reason {
    Reason { scheme: Scheme::Mastercard, code, kind, name }
}

/// A wallet's complaint is a consumer's: who was robbed reports that to the wallet, which takes the money back itself.
const fn wechat(code: &'static str, name: &'static str) -> Reason {
    Reason { scheme: Scheme::WechatPay, code, kind: Consumer, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_their_groups_are_the_schemes() {
        assert!(Reason::ALL.is_sorted_by(|a, b| (a.scheme, a.code) < (b.scheme, b.code)));
        for reason in Reason::ALL.iter().filter(|r| r.scheme == Scheme::Visa) {
            let group = match reason.code.split_once('.').unwrap().0 {
                "10" => Fraud,
                "11" => Authorization,
                "12" => Processing,
                _ => Consumer,
            };
            assert_eq!(reason.kind, group, "{}", reason.code);
        }
        let frauds = |scheme| {
            let frauds = Reason::ALL.iter().filter(|r| r.scheme == scheme && r.kind.is_fraud());
            frauds.map(|r| r.code).collect::<Vec<_>>()
        };
        assert_eq!(frauds(Scheme::Mastercard), ["4837", "4840", "4849", "4863", "4870", "4871"]);
        assert!(frauds(Scheme::WechatPay).is_empty());
    }
}
