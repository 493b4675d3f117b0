//! What do WeChat Pay's codes and states say about the matter they answer?

use crate::pay::{Answer, DeclineGroup};

use DeclineGroup::{Hard, Soft, Technical};

/// What there is to say of an error. What is not here is unknown: no proof of anything. Two spellings are in use, with
/// and without underscores; both are known.
const ERRORS: &[(&str, Answer)] = &[
    ("PARAM_ERROR", Answer::Declined(Technical)),
    ("INVALID_REQUEST", Answer::Declined(Technical)),
    ("SIGN_ERROR", Answer::Declined(Technical)),
    ("NO_AUTH", Answer::Declined(Technical)),
    ("APPID_MCHID_NOT_MATCH", Answer::Declined(Technical)),
    ("MCH_NOT_EXISTS", Answer::Declined(Technical)),
    ("OPENID_MISMATCH", Answer::Declined(Technical)),
    ("INVALID_TRANSACTIONID", Answer::Declined(Technical)),
    ("ACCOUNT_ERROR", Answer::Declined(Hard)),
    ("USER_ACCOUNT_ABNORMAL", Answer::Declined(Hard)),
    ("RULE_LIMIT", Answer::Declined(Soft)),
    ("AUTH_CODE_EXPIRED", Answer::Declined(Soft)),
    ("AUTH_CODE_INVALID", Answer::Declined(Soft)),
    ("AUTH_CODE_ERROR", Answer::Declined(Soft)),
    ("TRADE_ERROR", Answer::Declined(Soft)),
    ("ORDER_CLOSED", Answer::Declined(Soft)),
    ("ORDER_NOT_EXIST", Answer::Declined(Hard)),
    ("RESOURCE_NOT_EXISTS", Answer::Declined(Hard)),
    // The order is there already: a question will say how it stands.
    ("OUT_TRADE_NO_USED", Answer::Unknown),
    ("ORDER_PAID", Answer::Unknown),
    ("USER_PAYING", Answer::Unknown),
    ("SYSTEM_ERROR", Answer::Unknown),
    ("BANK_ERROR", Answer::Unknown),
    // Not done now, and to be asked for again under the same number.
    ("NOT_ENOUGH", Answer::Absent),
    ("FREQUENCY_LIMITED", Answer::Absent),
    ("RATELIMIT_EXCEEDED", Answer::Absent),
];

/// Whether two names of an error are the same but for underscores.
fn same(one: &str, other: &str) -> bool {
    one.bytes().filter(|b| *b != b'_').eq(other.bytes().filter(|b| *b != b'_'))
}

/// What an error comes to.
pub(super) fn error(code: &str) -> Answer {
    ERRORS.iter().find(|(name, _)| same(name, code)).map_or(Answer::Unknown, |(_, answer)| *answer)
}

/// Whether it says that there is no such order or refund.
pub(super) fn is_nothing_there(code: &str) -> bool {
    same(code, "ORDER_NOT_EXIST") || same(code, "RESOURCE_NOT_EXISTS")
}

/// Whether it says that the payer types their password.
pub(super) fn is_paying(code: &str) -> bool {
    same(code, "USER_PAYING")
}

/// Whether it says that somebody has not enough money.
pub(super) fn is_too_little(code: &str) -> bool {
    same(code, "NOT_ENOUGH")
}

/// Whether only orders whose payers show a code can stand so.
pub(super) fn is_of_a_code(state: &str) -> bool {
    ["USERPAYING", "PAYERROR", "REVOKED"].contains(&state)
}

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Paid, whatever was given back since.
    Paid,
    /// It can be paid still. A failed try is no end: the payer may try again until the order is closed.
    Open,
    /// It can't be paid any more, and was not.
    Closed,
}

const STATES: &[(&str, Order)] = &[
    ("SUCCESS", Order::Paid),
    ("REFUND", Order::Paid),
    ("NOTPAY", Order::Open),
    ("USERPAYING", Order::Open),
    ("ACCEPT", Order::Open),
    ("PAYERROR", Order::Open),
    ("CLOSED", Order::Closed),
    ("REVOKED", Order::Closed),
];

/// How an order stands; `None` for a word that is not known.
pub(super) fn order(state: &str) -> Option<Order> {
    STATES.iter().find(|(name, _)| *name == state).map(|(_, order)| *order)
}

/// What the state of a refund comes to, `None` being that it was done.
const REFUNDS: &[(&str, Option<Answer>)] = &[
    ("SUCCESS", None),
    ("PROCESSING", Some(Answer::Unknown)),
    // The payer's account takes nothing back; somebody ends it on WeChat Pay's own pages.
    ("ABNORMAL", Some(Answer::Unknown)),
    ("CLOSED", Some(Answer::Declined(Hard))),
];

/// What a refund's state comes to when the refund is of this amount.
pub(super) fn refund(state: &str, done: Answer) -> Answer {
    let known = REFUNDS.iter().find(|(name, _)| *name == state);
    known.map_or(Answer::Unknown, |(_, answer)| answer.unwrap_or(done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Currency, Money};

    #[test]
    fn every_line_is_reached_and_none_stands_twice() {
        for (i, (code, answer)) in ERRORS.iter().enumerate() {
            assert_eq!(error(code), *answer, "{code}");
            assert_eq!(error(&code.replace('_', "")), *answer, "{code} in its other spelling");
            assert_eq!(ERRORS.iter().position(|(other, _)| same(other, code)), Some(i), "{code}");
        }
        for (i, (state, found)) in STATES.iter().enumerate() {
            assert_eq!(order(state), Some(*found), "{state}");
            assert_eq!(STATES.iter().position(|(other, _)| other == state), Some(i), "{state}");
        }
    }

    /// By codes that one would look up, apart from the tables.
    #[test]
    fn codes_are_grouped_by_what_to_do_next() {
        for (code, expected) in [
            ("PARAM_ERROR", Answer::Declined(Technical)),
            ("RULELIMIT", Answer::Declined(Soft)),
            ("USER_ACCOUNT_ABNORMAL", Answer::Declined(Hard)),
            ("NOTENOUGH", Answer::Absent),
            ("FREQUENCY_LIMITED", Answer::Absent),
            ("ORDERPAID", Answer::Unknown),
            ("SYSTEM_ERROR", Answer::Unknown),
            ("SOMETHING_NEW", Answer::Unknown),
            ("", Answer::Unknown),
        ] {
            assert_eq!(error(code), expected, "{code}");
        }
        assert_eq!(order("PAID"), None);
        assert!(is_nothing_there("ORDERNOTEXIST") && !is_nothing_there("ORDER_CLOSED"));
    }

    #[test]
    fn states_of_refunds_come_to_what_they_say() {
        let done = Answer::Approved { amount: Money { minor: 5, currency: Currency::parse("CNY").unwrap() } };
        for (state, expected) in [
            ("SUCCESS", done),
            ("PROCESSING", Answer::Unknown),
            ("ABNORMAL", Answer::Unknown),
            ("CLOSED", Answer::Declined(Hard)),
            ("success", Answer::Unknown),
        ] {
            assert_eq!(refund(state, done), expected, "{state}");
        }
        assert_eq!(REFUNDS.len(), 4);
    }
}
