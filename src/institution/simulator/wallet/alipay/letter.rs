//! What does the simulated Alipay tell by itself?

use super::{status, trade_no, yuan_of};
use crate::channel::alipay::form::{TIME, signed, yuan};
use crate::channel::wallet::china;
use crate::institution::simulator::Entry;
use crate::institution::simulator::wallet::Wallet;
use crate::institution::simulator::wallet::notify::Letter;
use crate::institution::simulator::wallet::order::{Placed, Standing};
use crate::time::Timestamp;

/// A notification of how an order stands, or of a refund of it.
pub(in crate::institution::simulator::wallet) fn letter(
    wallet: &Wallet,
    order: &Placed,
    standing: Standing,
    refund: Option<&Entry>,
    at: Timestamp,
) -> Option<Letter> {
    let id = format!("{}{}", order.key, at.micros());
    let at = china(at, TIME);
    let mut fields = vec![
        ("app_id", order.app.clone()),
        ("charset", "utf-8".to_owned()),
        ("notify_id", id),
        ("notify_time", at.clone()),
        ("notify_type", "trade_status_sync".to_owned()),
        ("out_trade_no", order.key.to_string()),
        ("sign_type", "RSA2".to_owned()),
        ("subject", "\u{978b} & \"more\" + 50%".to_owned()),
        ("total_amount", yuan(order.amount)),
        ("trade_no", trade_no(order.key)),
        ("trade_status", status(wallet, order, standing).to_owned()),
        ("version", "1.0".to_owned()),
    ];
    if standing == Standing::Paid {
        fields.push(("gmt_payment", at.clone()));
    }
    if let Some(refund) = refund {
        let sum = wallet.orders.paid(order.key).map_or(0, |entry| entry.refunded);
        fields.extend([("gmt_refund", at), ("out_biz_no", refund.key.clone()), ("refund_fee", yuan_of(sum))]);
    }
    let sign = wallet.keys.wallet.sign(signed(&fields, &["sign_type"]).as_bytes()).ok()?;
    fields.push(("sign", sign));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let kind = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
    Some(Letter { headers: vec![("content-type", kind)], body })
}
