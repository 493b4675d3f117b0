//! How does the simulated Alipay answer? Forms in, signed objects out.

mod letter;

use std::borrow::Cow;
use std::sync::Arc;

use hyper::http::request::Parts;
use serde_json::{Value as Json, json};

use super::notify;
use super::order::{Fault, Placed, Standing};
use super::{Said, Wallet};
use crate::channel::alipay::form::{Ask, TIME, signed, yuan};
use crate::channel::http::now;
use crate::channel::wallet::china;
use crate::institution::simulator::{Act, Operation};
use crate::money::{Currency, Money};
use crate::pay::CallKey;
use crate::time::{Span, Timestamp};
pub(super) use letter::letter;

/// How long an order can be paid that does not say so.
const PAY_WITHIN: Span = Span::from_secs(15 * 86_400);
/// How far China is ahead.
const CHINA: Span = Span::from_secs(8 * 3_600);
const ASKS: [Ask; 7] =
    [Ask::Pay, Ask::Precreate, Ask::Query, Ask::Close, Ask::Cancel, Ask::Refund, Ask::RefundQuery];

/// A request, proved to be the merchant's.
struct Asked {
    app: String,
    notify_url: Option<String>,
    content: Json,
    key: CallKey,
}

impl Asked {
    fn text(&self, name: &str) -> Option<&str> {
        self.content.get(name)?.as_str()
    }

    fn money(&self, name: &str) -> Option<Money> {
        let text = match self.content.get(name)? {
            Json::String(text) => text.clone(),
            number => number.to_string(),
        };
        Money::parse(&text, Currency::parse("CNY")?).ok().filter(|money| money.minor > 0)
    }
}

/// What an object says first.
fn refused(sub_code: &str) -> Json {
    let code = if sub_code == "ACQ.SYSTEM_ERROR" { "20000" } else { "40004" };
    json!({ "code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": sub_code })
}

fn done(asked: &Asked, more: Json) -> Json {
    let mut object = json!({ "code": "10000", "msg": "Success", "out_trade_no": asked.key.to_string() });
    if let (Json::Object(object), Json::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

pub(super) fn answer(wallet: &Arc<Wallet>, head: &Parts, body: &[u8]) -> Said {
    let query = head.uri.query().unwrap_or_default().as_bytes();
    // Alipay's own SDK puts into the address what is not the content.
    let fields: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(query).chain(form_urlencoded::parse(body)).collect();
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref());
    let unsigned = |sub_code: &str| {
        let object = json!({ "code": "40002", "msg": "Invalid Arguments", "sub_code": sub_code });
        Said::new(Act::Approve, 200, json!({ "error_response": object }).to_string())
    };
    let Some(ask) = ASKS.into_iter().find(|ask| Some(ask.method()) == field("method")) else {
        return unsigned("isv.invalid-method");
    };
    if field("sign_type") != Some("RSA2")
        || !field("sign")
            .is_some_and(|sign| wallet.keys.merchant.verifies(signed(&fields, &[]).as_bytes(), sign))
    {
        return unsigned("isv.invalid-signature");
    }
    let certificates = wallet.keys.certificates.as_ref();
    if let Some(known) = certificates
        && (field("app_cert_sn") != Some(known.app()) || field("alipay_root_cert_sn") != Some(known.root()))
    {
        return unsigned("isv.invalid-cert-sn");
    }
    let content: Json =
        field("biz_content").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let key = content.get("out_trade_no").and_then(Json::as_str).and_then(CallKey::parse);
    let asked = key.zip(field("app_id")).map(|(key, app)| {
        let notify_url = field("notify_url").map(str::to_owned);
        Asked { app: app.to_owned(), notify_url, content, key }
    });
    let (act, object) = match asked {
        Some(asked) => {
            asked_for(wallet, ask, &asked).unwrap_or_else(|| (Act::Approve, refused("ACQ.INVALID_PARAMETER")))
        }
        None => (Act::Approve, refused("ACQ.INVALID_PARAMETER")),
    };
    let object = object.to_string();
    match wallet.keys.wallet.sign(object.as_bytes()) {
        Ok(sign) => {
            let own = certificates.and_then(|known| known.alipay().next());
            let own = own.map_or(String::new(), |name| format!("\"alipay_cert_sn\":\"{name}\","));
            Said::new(act, 200, format!("{{\"{}\":{object},{own}\"sign\":\"{sign}\"}}", ask.answered()))
        }
        Err(_) => Said::new(act, 500, String::new()),
    }
}

/// `None` for what makes no sense.
fn asked_for(wallet: &Arc<Wallet>, ask: Ask, asked: &Asked) -> Option<(Act, Json)> {
    let orders = &wallet.orders;
    Some(match ask {
        Ask::Pay | Ask::Precreate => {
            let amount = asked.money("total_amount")?;
            let code = if ask == Ask::Pay { Some(asked.text("auth_code")?) } else { None };
            let act = orders.act(asked.key, Operation::Authorize, amount.minor, code);
            let object = match &act {
                Act::Lost => Json::Null,
                Act::Decline(Some(code)) if code == "10003" => wait(wallet, asked, amount, act.clone()),
                Act::Decline(code) => refused(code.as_deref().unwrap_or("ACQ.PAYMENT_FAIL")),
                _ => order(wallet, ask, asked, amount, act.clone()),
            };
            (act, object)
        }
        Ask::Query => {
            let act = orders.act(asked.key, Operation::Query, 0, None);
            let object = match &act {
                Act::Lost => refused("ACQ.TRADE_NOT_EXIST"),
                Act::Decline(code) => refused(code.as_deref().unwrap_or("ACQ.SYSTEM_ERROR")),
                _ => query(wallet, asked),
            };
            (if act == Act::Lost { Act::Approve } else { act }, object)
        }
        Ask::Close | Ask::Cancel => {
            let act = orders.act(asked.key, Operation::Void, 0, None);
            let object = match (&act, ask) {
                (Act::Lost, _) => Json::Null,
                (Act::Decline(code), _) => refused(code.as_deref().unwrap_or("ACQ.SYSTEM_ERROR")),
                (_, Ask::Close) => match orders.close(asked.key) {
                    Ok(()) => done(asked, json!({})),
                    Err(Fault::NotThere) => refused("ACQ.TRADE_NOT_EXIST"),
                    Err(_) => refused("ACQ.TRADE_STATUS_ERROR"),
                },
                _ => cancel(wallet, asked)?,
            };
            (act, object)
        }
        Ask::Refund => {
            let amount = asked.money("refund_amount")?;
            let key = CallKey::parse(asked.text("out_request_no")?)?;
            let act = orders.act(key, Operation::Refund, amount.minor, None);
            let object = match &act {
                Act::Lost => Json::Null,
                Act::Decline(code) => refused(code.as_deref().unwrap_or("ACQ.TRADE_NOT_ALLOW_REFUND")),
                _ => refund(wallet, asked, key, amount),
            };
            (act, object)
        }
        Ask::RefundQuery => {
            let key = CallKey::parse(asked.text("out_request_no")?)?;
            let act = orders.act(key, Operation::Query, 0, None);
            let object = match (&act, orders.refunded(key)) {
                (Act::Decline(code), _) => refused(code.as_deref().unwrap_or("ACQ.SYSTEM_ERROR")),
                // Of what it has never heard Alipay says that all is well, and nothing else.
                (Act::Lost, _) | (_, None) => json!({ "code": "10000", "msg": "Success" }),
                (_, Some(entry)) => done(
                    asked,
                    json!({ "out_request_no": key.to_string(),
                    "refund_status": "REFUND_SUCCESS", "refund_amount": yuan_of(entry.minor) }),
                ),
            };
            (if act == Act::Lost { Act::Approve } else { act }, object)
        }
    })
}

fn yuan_of(minor: i64) -> String {
    Currency::parse("CNY").map_or(String::new(), |currency| yuan(Money { minor, currency }))
}

fn placed(asked: &Asked, amount: Money, act: Act, is_seen: bool) -> Placed {
    let until = asked
        .text("time_expire")
        .and_then(Timestamp::parse)
        .map(|at| at.plus(Span::from_micros(-CHINA.micros())));
    Placed {
        key: asked.key,
        amount,
        until: until.unwrap_or_else(|| now().plus(PAY_WITHIN)),
        merchant: String::new(),
        app: asked.app.clone(),
        notify_url: asked.notify_url.clone(),
        act,
        is_seen,
        is_coded: false,
    }
}

/// The payer has to type their password first.
fn wait(wallet: &Arc<Wallet>, asked: &Asked, amount: Money, act: Act) -> Json {
    match wallet.orders.place(placed(asked, amount, act, true), now()) {
        Ok(()) => {
            wallet.expect_payer(asked.key);
            json!({ "code": "10003", "msg": "order success pay inprocess", "out_trade_no": asked.key.to_string() })
        }
        Err(fault) => refused(fault_code(fault)),
    }
}

fn fault_code(fault: Fault) -> &'static str {
    match fault {
        Fault::Paid => "ACQ.TRADE_HAS_SUCCESS",
        Fault::Closed => "ACQ.TRADE_HAS_CLOSE",
        Fault::Differs => "ACQ.CONTEXT_INCONSISTENT",
        Fault::Late => "ACQ.INVALID_PARAMETER",
        Fault::NotThere => "ACQ.TRADE_NOT_EXIST",
        Fault::Broken => "ACQ.SYSTEM_ERROR",
    }
}

fn order(wallet: &Arc<Wallet>, ask: Ask, asked: &Asked, amount: Money, act: Act) -> Json {
    if let Err(fault) = wallet.orders.place(placed(asked, amount, act, ask == Ask::Pay), now()) {
        return refused(fault_code(fault));
    }
    if ask == Ask::Precreate {
        wallet.expect_payer(asked.key);
        return done(asked, json!({ "qr_code": format!("https://qr.alipay.com/{}", asked.key) }));
    }
    match wallet.pay(asked.key) {
        Ok(()) => done(
            asked,
            json!({ "trade_no": trade_no(asked.key), "total_amount": yuan(amount),
            "gmt_payment": china(now(), TIME) }),
        ),
        Err(fault) => refused(fault_code(fault)),
    }
}

/// Alipay's own number of an order: a number by its nature.
fn trade_no(key: CallKey) -> String {
    format!("2026{:024}", u128::from_be_bytes(key.0) % 10u128.pow(24))
}

fn query(wallet: &Wallet, asked: &Asked) -> Json {
    let Some((order, standing)) = wallet.orders.find(asked.key) else {
        return refused("ACQ.TRADE_NOT_EXIST");
    };
    let mut more = json!({ "trade_no": trade_no(asked.key), "total_amount": yuan(order.amount),
        "trade_status": status(wallet, &order, standing) });
    match standing {
        Standing::Waiting | Standing::Closed if !order.is_seen => return refused("ACQ.TRADE_NOT_EXIST"),
        Standing::Paid => more["send_pay_date"] = china(now(), TIME).into(),
        _ => {}
    }
    done(asked, more)
}

fn status(wallet: &Wallet, order: &Placed, standing: Standing) -> &'static str {
    let is_returned = wallet.orders.paid(order.key).is_some_and(|entry| entry.refunded == entry.captured);
    match standing {
        Standing::Paid if is_returned => "TRADE_CLOSED",
        Standing::Paid => "TRADE_SUCCESS",
        // An order whose time is over is closed by Alipay itself.
        Standing::Waiting if now() <= order.until => "WAIT_BUYER_PAY",
        Standing::Waiting | Standing::Closed => "TRADE_CLOSED",
    }
}

/// Closes what is not paid, and gives back what is.
fn cancel(wallet: &Wallet, asked: &Asked) -> Option<Json> {
    let ended = |action: &str| done(asked, json!({ "retry_flag": "N", "action": action }));
    let Some(entry) = wallet.orders.paid(asked.key) else {
        return Some(match wallet.orders.close(asked.key) {
            Ok(()) => ended("close"),
            // What is not there is called off as well, and nothing was to be done.
            Err(_) => done(asked, json!({ "retry_flag": "N" })),
        });
    };
    let left = entry.captured - entry.refunded;
    if left > 0 {
        let mut key = asked.key;
        key.0.iter_mut().for_each(|byte| *byte = !*byte);
        let amount = Money { minor: left, currency: Currency::parse(&entry.currency)? };
        wallet.orders.refund(key, asked.key, amount).ok()?;
    }
    Some(ended("refund"))
}

fn refund(wallet: &Arc<Wallet>, asked: &Asked, key: CallKey, amount: Money) -> Json {
    let given = match wallet.orders.refund(key, asked.key, amount) {
        Ok(given) => given,
        Err(fault) => return refused(fault_code(fault)),
    };
    let Some(entry) = given.entry.filter(|entry| entry.effects > 0 && given.code == "10000") else {
        return refused(&given.code);
    };
    if !given.repeated
        && let Some((order, _)) = wallet.orders.find(asked.key)
    {
        let wallet = wallet.clone();
        tokio::spawn(async move { notify::refunded(&wallet, &order, &entry).await });
    }
    let sum = wallet.orders.paid(asked.key).map_or(0, |entry| entry.refunded);
    let change = if given.repeated { "N" } else { "Y" };
    done(asked, json!({ "trade_no": trade_no(asked.key), "fund_change": change, "refund_fee": yuan_of(sum) }))
}
