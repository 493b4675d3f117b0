//! How does the simulated WeChat Pay answer? Signed JSON both ways.

mod letter;

use std::sync::Arc;

use hyper::http::request::Parts;
use serde_json::{Value as Json, json};

use super::notify;
use super::order::{Fault, Placed, Standing};
use super::{Said, Wallet};
use crate::channel::http::now;
use crate::channel::wechatpay::sign::{APART_MAX, SCHEME, of_answer, of_request};
use crate::institution::simulator::{Act, Entry, Operation};
use crate::money::{Currency, Money};
use crate::pay::CallKey;
use crate::time::{Span, Timestamp};
pub(super) use letter::{letter, refund_letter};

/// What the simulator's key is called.
const SERIAL: &str = "PUB_KEY_ID_0119000000012026";
/// How long an order can be paid that does not say so.
const PAY_WITHIN: Span = Span::from_secs(7 * 86_400);
/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// What is said: a status and an object.
type Answer = (Act, u16, Json);

pub(super) fn answer(wallet: &Arc<Wallet>, head: &Parts, body: &[u8]) -> Said {
    if !is_merchants(wallet, head, body) {
        // Not signed: WeChat Pay signs for those alone whom it knows.
        return Said::new(
            Act::Approve,
            401,
            json!({ "code": "SIGN_ERROR", "message": "signature" }).to_string(),
        );
    }
    let content: Json = serde_json::from_slice(body).unwrap_or_default();
    let path = head.uri.path();
    let (method, number) = (head.method.as_str(), path.strip_prefix("/v3/pay/transactions/out-trade-no/"));
    let refund = path.strip_prefix("/v3/refund/domestic/refunds");
    let answered = match (method, number, refund) {
        ("POST", None, None) if path == "/v3/pay/transactions/native" => native(wallet, &content),
        ("POST", None, None) if path == "/v3/pay/transactions/codepay" => coded(wallet, &content),
        ("POST", Some(number), None) => match number.split_once('/') {
            Some((number, "close")) => CallKey::parse(number).map(|key| close(wallet, key)),
            Some((number, "reverse")) => CallKey::parse(number).and_then(|key| reverse(wallet, key)),
            _ => None,
        },
        ("GET", Some(number), None) => CallKey::parse(number).map(|key| query(wallet, head, key)),
        ("POST", None, Some("")) => refunds(wallet, &content),
        ("GET", None, Some(number)) => {
            number.strip_prefix('/').and_then(CallKey::parse).map(|key| refund_query(wallet, key))
        }
        _ => Some((Act::Approve, 404, json!({ "code": "RESOURCE_NOT_EXISTS", "message": "path" }))),
    };
    let (act, status, object) = answered.unwrap_or_else(|| error(Act::Approve, "PARAM_ERROR"));
    let body = if object.is_null() { String::new() } else { object.to_string() };
    let mut said = Said::new(act, status, body);
    match headers(wallet, &said.body, now()) {
        Some(headers) => said.headers = headers,
        None => said.status = 500,
    }
    said
}

/// Whether the merchant signed this, now.
fn is_merchants(wallet: &Wallet, head: &Parts, body: &[u8]) -> bool {
    let authorization =
        head.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(parts) = authorization.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(' ')) else {
        return false;
    };
    let part = |name: &str| {
        parts.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    let Some(((timestamp, nonce), signature)) =
        part("timestamp").zip(part("nonce_str")).zip(part("signature"))
    else {
        return false;
    };
    let (Ok(body), Ok(at)) = (std::str::from_utf8(body), timestamp.parse::<i64>()) else { return false };
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let message = of_request(head.method.as_str(), path, timestamp, nonce, body);
    let apart = now().micros().saturating_sub(at.saturating_mul(SECOND)).saturating_abs();
    apart <= APART_MAX.micros() && wallet.keys.merchant.verifies(message.as_bytes(), signature)
}

/// What an answer or a notification is signed with.
fn headers(wallet: &Wallet, body: &str, at: Timestamp) -> Option<Vec<(&'static str, String)>> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let (nonce, at) = (format!("{:032X}", u128::from_le_bytes(nonce)), (at.micros() / SECOND).to_string());
    let signature = wallet.keys.wallet.sign(&of_answer(&at, &nonce, body.as_bytes())).ok()?;
    Some(vec![
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("wechatpay-timestamp", at),
        ("wechatpay-nonce", nonce),
        ("wechatpay-serial", SERIAL.to_owned()),
        ("wechatpay-signature", signature),
        ("wechatpay-signature-type", SCHEME.to_owned()),
    ])
}

/// An error, with the status that it has at WeChat Pay.
fn error(act: Act, code: &str) -> Answer {
    let status = match code {
        "SIGN_ERROR" => 401,
        "NO_AUTH"
        | "RULE_LIMIT"
        | "TRADE_ERROR"
        | "OUT_TRADE_NO_USED"
        | "NOT_ENOUGH"
        | "NOTENOUGH"
        | "ACCOUNT_ERROR"
        | "USER_ACCOUNT_ABNORMAL" => 403,
        "ORDER_NOT_EXIST" | "RESOURCE_NOT_EXISTS" => 404,
        "FREQUENCY_LIMITED" | "RATELIMIT_EXCEEDED" => 429,
        "SYSTEM_ERROR" | "BANK_ERROR" => 500,
        _ => 400,
    };
    (act, status, json!({ "code": code, "message": code }))
}

fn fault(act: Act, fault: Fault) -> Answer {
    error(
        act,
        match fault {
            Fault::Paid => "ORDERPAID",
            Fault::Closed => "ORDER_CLOSED",
            Fault::Differs => "OUT_TRADE_NO_USED",
            Fault::Late => "PARAM_ERROR",
            Fault::NotThere => "ORDER_NOT_EXIST",
            Fault::Broken => "SYSTEM_ERROR",
        },
    )
}

fn fen(content: &Json, name: &str) -> Option<Money> {
    let amount = content.get("amount")?;
    let currency = Currency::parse(amount.get("currency").map_or(Some("CNY"), Json::as_str)?)?;
    Some(Money { minor: amount.get(name)?.as_i64().filter(|minor| *minor > 0)?, currency })
}

/// An order as it is asked for.
fn order(content: &Json, act: &Act, is_coded: bool) -> Option<Placed> {
    let text = |name: &str| content.get(name)?.as_str().map(str::to_owned);
    Some(Placed {
        key: CallKey::parse(&text("out_trade_no")?)?,
        amount: fen(content, "total")?,
        until: match content.get("time_expire") {
            Some(at) => Timestamp::parse(at.as_str()?)?,
            None => now().plus(PAY_WITHIN),
        },
        merchant: text("mchid")?,
        app: text("appid")?,
        notify_url: text("notify_url"),
        act: act.clone(),
        is_seen: true,
        is_coded,
    })
}

/// The payer shows a code, and has paid, or types their password first.
fn coded(wallet: &Arc<Wallet>, content: &Json) -> Option<Answer> {
    let code = content.get("payer")?.get("auth_code")?.as_str()?;
    content.get("scene_info")?.as_object()?;
    let asked = order(content, &Act::Approve, true)?;
    let (key, minor) = (asked.key, asked.amount.minor);
    let act = wallet.orders.act(key, Operation::Authorize, minor, Some(code));
    let types = matches!(&act, Act::Decline(Some(code)) if code == "USERPAYING");
    match &act {
        Act::Lost => return Some((act, 200, Json::Null)),
        Act::Decline(code) if !types => {
            return Some(error(act.clone(), code.as_deref().unwrap_or("TRADE_ERROR")));
        }
        _ => {}
    }
    // Until it is called off, or closed by WeChat Pay itself.
    let until = now().plus(PAY_WITHIN);
    let placed = match wallet.orders.find(key) {
        Some((known, _)) if known.amount == asked.amount => known,
        _ => Placed { act: act.clone(), until, ..asked },
    };
    if let Err(why) = wallet.orders.place(placed.clone(), now()) {
        return Some(fault(act, why));
    }
    if types {
        wallet.expect_payer(key);
        return Some(error(act, "USERPAYING"));
    }
    Some(match wallet.pay(key) {
        Ok(()) => (act, 200, transaction(wallet, &placed, Standing::Paid)),
        Err(why) => fault(act, why),
    })
}

/// Closes what is not paid, and gives back what is.
fn reverse(wallet: &Wallet, key: CallKey) -> Option<Answer> {
    let act = wallet.orders.act(key, Operation::Void, 0, None);
    match &act {
        Act::Lost => return Some((act, 200, Json::Null)),
        Act::Decline(code) => {
            return Some(error(act.clone(), code.as_deref().unwrap_or("SYSTEM_ERROR")));
        }
        _ => {}
    }
    match wallet.orders.find(key) {
        None => return Some(error(act, "ORDER_NOT_EXIST")),
        Some((order, _)) if !order.is_coded => return Some(error(act, "TRADE_ERROR")),
        Some((_, Standing::Paid)) => {
            let entry = wallet.orders.paid(key)?;
            let left = entry.captured - entry.refunded;
            let mut back = key;
            back.0.iter_mut().for_each(|byte| *byte = !*byte);
            let amount = Money { minor: left, currency: Currency::parse(&entry.currency)? };
            if left > 0 {
                wallet.orders.refund(back, key, amount).ok()?;
            }
        }
        Some(_) => {
            if let Err(why) = wallet.orders.close(key) {
                return Some(fault(act, why));
            }
        }
    }
    Some((act, 200, json!({ "out_trade_no": key.to_string() })))
}

fn native(wallet: &Arc<Wallet>, content: &Json) -> Option<Answer> {
    let asked = order(content, &Act::Approve, false)?;
    let key = asked.key;
    let act = wallet.orders.act(key, Operation::Authorize, asked.amount.minor, None);
    match &act {
        Act::Lost => return Some((act, 200, Json::Null)),
        Act::Decline(code) => return Some(error(act.clone(), code.as_deref().unwrap_or("TRADE_ERROR"))),
        _ => {}
    }
    let order = Placed { act: act.clone(), ..asked };
    Some(match wallet.orders.place(order, now()) {
        Ok(()) => {
            wallet.expect_payer(key);
            (act, 200, json!({ "code_url": format!("weixin://wxpay/bizpayurl?pr={key}") }))
        }
        Err(why) => fault(act, why),
    })
}

fn close(wallet: &Wallet, key: CallKey) -> Answer {
    let act = wallet.orders.act(key, Operation::Void, 0, None);
    let is_coded = wallet.orders.find(key).is_some_and(|(order, _)| order.is_coded);
    match &act {
        Act::Lost => (act, 204, Json::Null),
        Act::Decline(code) => error(act.clone(), code.as_deref().unwrap_or("SYSTEM_ERROR")),
        // It is to be called off instead.
        _ if is_coded => error(act, "TRADE_ERROR"),
        _ => match wallet.orders.close(key) {
            Ok(()) => (act, 204, Json::Null),
            Err(why) => fault(act, why),
        },
    }
}

/// What the script says of a question; what is lost there was never heard of.
fn asked(wallet: &Wallet, key: CallKey, nothing: &str) -> Result<Act, Answer> {
    match wallet.orders.act(key, Operation::Query, 0, None) {
        Act::Lost => Err(error(Act::Approve, nothing)),
        Act::Decline(code) => Err(error(Act::Approve, code.as_deref().unwrap_or("SYSTEM_ERROR"))),
        act => Ok(act),
    }
}

fn query(wallet: &Wallet, head: &Parts, key: CallKey) -> Answer {
    let act = match asked(wallet, key, "ORDER_NOT_EXIST") {
        Ok(act) => act,
        Err(answer) => return answer,
    };
    let merchant = head.uri.query().and_then(|query| query.strip_prefix("mchid=")).unwrap_or_default();
    match wallet.orders.find(key) {
        None => error(act, "ORDER_NOT_EXIST"),
        Some((order, standing)) => {
            let mut object = transaction(wallet, &order, standing);
            object["mchid"] = merchant.into();
            (act, 200, object)
        }
    }
}

/// An order as it is told.
fn transaction(wallet: &Wallet, order: &Placed, standing: Standing) -> Json {
    let paid = wallet.orders.paid(order.key);
    let state = match standing {
        Standing::Paid if paid.is_some_and(|entry| entry.refunded > 0) => "REFUND",
        Standing::Paid => "SUCCESS",
        // Even when its time is over: until it is closed.
        Standing::Waiting if order.is_coded => "USERPAYING",
        Standing::Waiting => "NOTPAY",
        Standing::Closed if order.is_coded => "REVOKED",
        Standing::Closed => "CLOSED",
    };
    let mut object = json!({
        "mchid": order.merchant, "appid": order.app, "out_trade_no": order.key.to_string(), "trade_state": state,
        "trade_type": if order.is_coded { "MICROPAY" } else { "NATIVE" }, "attach": "\u{978b}",
        "amount": { "total": order.amount.minor, "currency": order.amount.currency.code() },
    });
    if standing == Standing::Paid {
        object["transaction_id"] =
            format!("4200{:024}", u128::from_be_bytes(order.key.0) % 10u128.pow(24)).into();
    }
    object
}

fn refunds(wallet: &Arc<Wallet>, content: &Json) -> Option<Answer> {
    let text = |name: &str| content.get(name)?.as_str();
    let (original, key) = (CallKey::parse(text("out_trade_no")?)?, CallKey::parse(text("out_refund_no")?)?);
    let (amount, total) = (fen(content, "refund")?, fen(content, "total")?);
    let act = wallet.orders.act(key, Operation::Refund, amount.minor, None);
    match &act {
        Act::Lost => return Some((act, 200, Json::Null)),
        Act::Decline(code) => return Some(error(act.clone(), code.as_deref().unwrap_or("NOT_ENOUGH"))),
        _ => {}
    }
    let Some(order) = wallet.orders.paid(original) else { return Some(error(act, "RESOURCE_NOT_EXISTS")) };
    if order.minor != total.minor {
        return Some(error(act, "PARAM_ERROR"));
    }
    Some(match wallet.orders.refund(key, original, amount) {
        Err(why) => fault(act, why),
        Ok(given) => match given.entry.filter(|entry| entry.effects > 0 && given.code == "SUCCESS") {
            None => error(act, &given.code),
            Some(entry) => {
                if !given.repeated
                    && let Some((order, _)) = wallet.orders.find(original)
                {
                    let (wallet, entry) = (wallet.clone(), entry.clone());
                    tokio::spawn(async move { notify::refunded(&wallet, &order, &entry).await });
                }
                (act, 200, refund_object(&entry, total.minor))
            }
        },
    })
}

fn refund_object(entry: &Entry, total: i64) -> Json {
    json!({
        "refund_id": format!("5030{}", entry.key), "out_refund_no": entry.key, "out_trade_no": entry.original,
        "status": "SUCCESS", "amount": { "total": total, "refund": entry.minor, "currency": entry.currency },
    })
}

fn refund_query(wallet: &Wallet, key: CallKey) -> Answer {
    let act = match asked(wallet, key, "RESOURCE_NOT_EXISTS") {
        Ok(act) => act,
        Err(answer) => return answer,
    };
    match wallet.orders.refunded(key) {
        None => error(act, "RESOURCE_NOT_EXISTS"),
        Some(entry) => {
            let original = entry.original.as_deref().and_then(CallKey::parse);
            let total = original.and_then(|key| wallet.orders.paid(key)).map_or(0, |order| order.minor);
            (act, 200, refund_object(&entry, total))
        }
    }
}
