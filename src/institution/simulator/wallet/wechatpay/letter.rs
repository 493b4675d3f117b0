//! What does the simulated WeChat Pay tell by itself?

use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};

use super::{headers, refund_object, transaction};
use crate::channel::wechatpay::notify::{ALGORITHM, Seal};
use crate::institution::simulator::Entry;
use crate::institution::simulator::wallet::Wallet;
use crate::institution::simulator::wallet::notify::Letter;
use crate::institution::simulator::wallet::order::{Placed, Standing};
use crate::time::Timestamp;

/// A notification of how an order stands.
pub(in crate::institution::simulator::wallet) fn letter(
    wallet: &Wallet,
    order: &Placed,
    standing: Standing,
    at: Timestamp,
) -> Option<Letter> {
    let event = if standing == Standing::Paid { "TRANSACTION.SUCCESS" } else { "TRANSACTION.OTHER" };
    sealed(wallet, event, "transaction", &transaction(wallet, order, standing), at)
}

/// A notification of a refund.
pub(in crate::institution::simulator::wallet) fn refund_letter(
    wallet: &Wallet,
    order: &Placed,
    refund: &Entry,
    at: Timestamp,
) -> Option<Letter> {
    let mut object = refund_object(refund, order.amount.minor);
    object["mchid"] = order.merchant.clone().into();
    object["refund_status"] = object["status"].take();
    if let Some(amount) = object["amount"].as_object_mut() {
        amount.remove("currency");
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    sealed(wallet, "REFUND.SUCCESS", "refund", &object, at)
}

fn sealed(wallet: &Wallet, event: &str, what: &str, plain: &Json, at: Timestamp) -> Option<Letter> {
    let mut nonce = [0; 6];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let nonce = HEXLOWER.encode(&nonce);
    let ciphertext =
        Seal::new(wallet.keys.api_key.as_bytes())?.close(plain.to_string().as_bytes(), &nonce, what)?;
    let body = json!({
        "id": nonce, "event_type": event, "resource_type": "encrypt-resource", "summary": event,
        "resource": { "algorithm": ALGORITHM, "original_type": what, "ciphertext": ciphertext,
            "associated_data": what, "nonce": nonce },
    })
    .to_string();
    Some(Letter { headers: headers(wallet, &body, at)?, body })
}
