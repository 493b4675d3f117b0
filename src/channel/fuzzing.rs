//! Do any bytes make reading a wallet's answers and notifications fail? What the fuzz target calls.

use std::sync::LazyLock;

use super::alipay::fuzzing as alipay;
use super::wechatpay::fuzzing as wechatpay;
use super::{Request, SigningKey};
use crate::money::{Currency, Money};
use crate::pay::{Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId, RefundId};
use crate::time::Timestamp;

/// One key for all: what is read is taken for signed.
pub(super) static KEY: LazyLock<Option<SigningKey>> = LazyLock::new(|| SigningKey::generate().ok());

/// Takes the bytes for an answer of either wallet, to each of its questions, and for a notification.
pub fn wallet(bytes: &[u8]) {
    let Some(requests) = requests() else { return };
    for request in &requests {
        alipay::answer(bytes, request);
        wechatpay::answer(bytes, request);
    }
    alipay::notification(bytes);
    wechatpay::notification(bytes);
}

/// One of each operation.
fn requests() -> Option<Vec<Request>> {
    let amount = Money { minor: 1234, currency: Currency::parse("CNY")? };
    let refund = RefundId::parse("r1").ok()?;
    let operations = [Operation::Authorize, Operation::Void, Operation::Refund { refund, amount }];
    let request = |operation: Operation| {
        Some(Request {
            call: Call {
                key: CallKey([7; 16]),
                payment: PaymentId::parse("p1").ok()?,
                method: Method::Alipay,
                operation,
                amount,
            },
            merchant: MerchantId::parse("m1").ok()?,
            order: OrderId::parse("o1").ok()?,
            requested: Timestamp::default(),
            original: Some((CallKey([7; 16]), amount)),
            instrument: None,
            subject: String::new(),
            authenticated: false,
            three_ds: None,
            placed: false,
            repetition: 0,
        })
    };
    operations.into_iter().map(request).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            wallet(&bytes);
        }

        #[test]
        fn any_words_in_the_right_places_are_read_without_a_panic(
            words in prop::collection::vec("[A-Z_0-9.]{0,12}|10000|40004|SUCCESS|TRADE_CLOSED|07{31}", 8),
            number: i64,
        ) {
            let names = ["code", "sub_code", "out_trade_no", "trade_status", "trade_state", "status", "total_amount",
                "out_refund_no"];
            let mut said: serde_json::Map<String, serde_json::Value> =
                names.iter().zip(&words).map(|(name, word)| ((*name).to_owned(), word.clone().into())).collect();
            said.insert("amount".to_owned(), serde_json::json!({ "total": number, "refund": number }));
            wallet(serde_json::Value::Object(said).to_string().as_bytes());
        }
    }
}
