//! What do Alipay's codes say about the matter they answer?

use crate::pay::{Answer, DeclineGroup};

use DeclineGroup::{Fraud, Hard, Sca, Soft, Technical};

/// Done.
pub(crate) const DONE: &str = "10000";
/// The payer has to type their password: no answer yet.
pub(crate) const WAITING: &str = "10003";
/// The matter itself was refused; `sub_code` says why.
pub(crate) const REFUSED: &str = "40004";
/// What there is no trace of. A QR code's trade is there only once somebody has scanned it.
pub(crate) const NOT_THERE: &str = "ACQ.TRADE_NOT_EXIST";

/// What the gateway answers before it looks at the matter: it was not let in, so nothing was done.
const TURNED_AWAY: &[&str] = &["20001", "40001", "40002", "40003", "40006"];

/// What there is to say of a `sub_code`. What is not here is unknown: no proof of anything.
const SUB_CODES: &[(&str, Answer)] = &[
    // Paying.
    ("ACQ.PAYMENT_AUTH_CODE_INVALID", Answer::Declined(Soft)),
    ("ACQ.BUYER_BALANCE_NOT_ENOUGH", Answer::Declined(Soft)),
    ("ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH", Answer::Declined(Soft)),
    ("ACQ.ERROR_BALANCE_PAYMENT_DISABLE", Answer::Declined(Soft)),
    ("ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE", Answer::Declined(Soft)),
    ("ACQ.USER_FACE_PAYMENT_SWITCH_OFF", Answer::Declined(Soft)),
    ("ACQ.MOBILE_PAYMENT_SWITCH_OFF", Answer::Declined(Soft)),
    ("ACQ.PULL_MOBILE_CASHIER_FAIL", Answer::Declined(Soft)),
    ("ACQ.PAYMENT_FAIL", Answer::Declined(Soft)),
    ("ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", Answer::Declined(Soft)),
    ("ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR", Answer::Declined(Soft)),
    ("ACQ.BEYOND_PAY_RESTRICTION", Answer::Declined(Soft)),
    ("ACQ.TRADE_HAS_CLOSE", Answer::Declined(Soft)),
    ("ACQ.BEYOND_PER_RECEIPT_RESTRICTION", Answer::Declined(Hard)),
    ("ACQ.TOTAL_FEE_EXCEED", Answer::Declined(Hard)),
    ("ACQ.BUYER_SELLER_EQUAL", Answer::Declined(Hard)),
    ("ACQ.TRADE_BUYER_NOT_MATCH", Answer::Declined(Hard)),
    ("ACQ.BUYER_ENABLE_STATUS_FORBID", Answer::Declined(Hard)),
    ("ACQ.EXIST_FORBIDDEN_WORD", Answer::Declined(Hard)),
    ("ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT", Answer::Declined(Sca)),
    ("ACQ.PAYMENT_REQUEST_HAS_RISK", Answer::Declined(Fraud)),
    ("ACQ.INVALID_PARAMETER", Answer::Declined(Technical)),
    ("ACQ.ACCESS_FORBIDDEN", Answer::Declined(Technical)),
    ("ACQ.PARTNER_ERROR", Answer::Declined(Technical)),
    ("ACQ.SELLER_BEEN_BLOCKED", Answer::Declined(Technical)),
    ("ACQ.INVALID_STORE_ID", Answer::Declined(Technical)),
    ("ACQ.SUB_MERCHANT_CREATE_FAIL", Answer::Declined(Technical)),
    ("ACQ.MERCHANT_AGREEMENT_NOT_EXIST", Answer::Declined(Technical)),
    // The order is there already: a question will say how it stands.
    ("ACQ.TRADE_HAS_SUCCESS", Answer::Unknown),
    ("ACQ.CONTEXT_INCONSISTENT", Answer::Unknown),
    ("ACQ.DISCORDANT_REPEAT_REQUEST", Answer::Unknown),
    ("ACQ.SYSTEM_ERROR", Answer::Unknown),
    // Giving back.
    ("ACQ.SELLER_BALANCE_NOT_ENOUGH", Answer::Absent),
    ("ACQ.REASON_TRADE_BEEN_FREEZEN", Answer::Declined(Soft)),
    (NOT_THERE, Answer::Declined(Hard)),
    ("ACQ.TRADE_HAS_FINISHED", Answer::Declined(Hard)),
    ("ACQ.TRADE_STATUS_ERROR", Answer::Declined(Hard)),
    ("ACQ.TRADE_NOT_ALLOW_REFUND", Answer::Declined(Hard)),
    ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", Answer::Declined(Hard)),
    ("ACQ.REASON_TRADE_REFUND_FEE_ERR", Answer::Declined(Hard)),
    ("ACQ.REFUND_FEE_ERROR", Answer::Declined(Hard)),
    ("ACQ.BUYER_ERROR", Answer::Declined(Hard)),
];

/// What a refusal of the matter itself, or a failure, comes to.
pub(super) fn refusal(code: &str, sub_code: Option<&str>) -> Answer {
    if TURNED_AWAY.contains(&code) {
        return Answer::Declined(Technical);
    }
    let known = SUB_CODES.iter().find(|(name, _)| code == REFUSED && Some(*name) == sub_code);
    known.map_or(Answer::Unknown, |(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_reached_and_none_stands_twice() {
        for (i, (code, answer)) in SUB_CODES.iter().enumerate() {
            assert_eq!(refusal(REFUSED, Some(code)), *answer, "{code}");
            assert_eq!(SUB_CODES.iter().position(|(other, _)| other == code), Some(i), "{code}");
            // Alipay's failure is no proof, whatever stands beside it.
            assert_eq!(refusal("20000", Some(code)), Answer::Unknown);
        }
        for code in TURNED_AWAY {
            assert_eq!(refusal(code, Some("isv.invalid-signature")), Answer::Declined(Technical));
        }
    }

    /// The groups, by codes that one would look up, apart from the table.
    #[test]
    fn codes_are_grouped_by_what_to_do_next() {
        for (code, expected) in [
            ("ACQ.BUYER_BALANCE_NOT_ENOUGH", Answer::Declined(Soft)),
            ("ACQ.PAYMENT_REQUEST_HAS_RISK", Answer::Declined(Fraud)),
            ("ACQ.BUYER_SELLER_EQUAL", Answer::Declined(Hard)),
            ("ACQ.INVALID_PARAMETER", Answer::Declined(Technical)),
            ("ACQ.SELLER_BALANCE_NOT_ENOUGH", Answer::Absent),
            ("ACQ.TRADE_HAS_SUCCESS", Answer::Unknown),
            ("ACQ.SYSTEM_ERROR", Answer::Unknown),
            ("ACQ.SOMETHING_NEW", Answer::Unknown),
            ("", Answer::Unknown),
        ] {
            assert_eq!(refusal(REFUSED, Some(code)), expected, "{code}");
        }
        assert_eq!(refusal(REFUSED, None), Answer::Unknown);
        assert_eq!(refusal("", None), Answer::Unknown);
    }
}
