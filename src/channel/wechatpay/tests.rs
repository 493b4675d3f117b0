//! Requests, answers and notifications, against what they come to.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::ask::asked;
use super::notify::ALGORITHM;
use super::sign::{APART_MAX, authorization, of_answer, of_request, verify};
use super::*;
use crate::channel::Instrument;
use crate::channel::samples::{self, yuan};
use crate::money::Money;
use crate::pay::CallKey;
use crate::time::Timestamp;

static KEYS: LazyLock<[Zeroizing<String>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| SigningKey::generate().unwrap().to_pem().unwrap()));
const API_KEY: &str = "0123456789abcdef0123456789abcdef";
const SERIAL: &str = "PUB_KEY_ID_0119000000012026";
const SOFT: Answer = Answer::Declined(DeclineGroup::Soft);
const HARD: Answer = Answer::Declined(DeclineGroup::Hard);

fn wechats() -> SigningKey {
    SigningKey::from_pem(&KEYS[1]).unwrap()
}

fn settings() -> WechatPaySettings {
    WechatPaySettings {
        name: "wechatpay".to_owned(),
        gateway: "http://127.0.0.1:1".to_owned(),
        app_id: "wxd678efh567hg6787".to_owned(),
        merchant_id: "1900000001".to_owned(),
        key: SigningKey::from_pem(&KEYS[0]).unwrap(),
        key_serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1".to_owned(),
        wechat_keys: vec![
            ("7777".to_owned(), SigningKey::from_pem(&KEYS[0]).unwrap().public()),
            (SERIAL.to_owned(), wechats().public()),
        ],
        api_key: API_KEY.to_owned().into(),
        notify_url: "https://pay.example/wechatpay".to_owned(),
        pay_within: Span::from_secs(900),
        ca: None,
    }
}

fn request() -> Request {
    samples::request(Method::WechatPay, 1234)
}

fn coded() -> Request {
    Request { instrument: Some(Instrument::Code("130061098828009406".to_owned().into())), ..request() }
}

fn refund() -> Request {
    samples::refund(Method::WechatPay)
}

fn void() -> Request {
    samples::void(Method::WechatPay)
}

#[test]
fn each_thing_is_asked_for_in_its_own_words() {
    let (order, back) = ("07".repeat(16), "09".repeat(16));
    let native = json!({ "appid": "wxd678efh567hg6787", "mchid": "1900000001", "out_trade_no": order,
        "description": "Shoes", "notify_url": "https://pay.example/wechatpay",
        "time_expire": "1970-01-01T08:15:00+08:00", "amount": { "total": 1234, "currency": "CNY" } });
    let code = json!({ "appid": "wxd678efh567hg6787", "mchid": "1900000001", "out_trade_no": order,
        "description": "Shoes", "payer": { "auth_code": "130061098828009406" },
        "amount": { "total": 1234, "currency": "CNY" }, "scene_info": { "store_info": { "out_id": "m1" } } });
    let refunds = json!({ "out_trade_no": order, "out_refund_no": back,
        "notify_url": "https://pay.example/wechatpay",
        "amount": { "refund": 500, "total": 1234, "currency": "CNY" } });
    let number = format!("/v3/pay/transactions/out-trade-no/{order}");
    for (ask, request, method, path, body) in [
        (Ask::Native, request(), "POST", "/v3/pay/transactions/native".to_owned(), Some(native)),
        (Ask::Query, request(), "GET", format!("{number}?mchid=1900000001"), None),
        (Ask::Query, void(), "GET", format!("{number}?mchid=1900000001"), None),
        (Ask::Close, void(), "POST", format!("{number}/close"), Some(json!({ "mchid": "1900000001" }))),
        (Ask::Code, coded(), "POST", "/v3/pay/transactions/codepay".to_owned(), Some(code)),
        (
            Ask::Reverse,
            request(),
            "POST",
            format!("{number}/reverse"),
            Some(json!({ "appid": "wxd678efh567hg6787", "mchid": "1900000001" })),
        ),
        (Ask::Refund, refund(), "POST", "/v3/refund/domestic/refunds".to_owned(), Some(refunds)),
        (Ask::RefundQuery, refund(), "GET", format!("/v3/refund/domestic/refunds/{back}"), None),
    ] {
        let sent = asked(&settings(), ask, &request).unwrap();
        assert_eq!((sent.method, &sent.path), (method, &path));
        assert_eq!(serde_json::from_str::<Json>(&sent.body).ok(), body, "{ask:?}");
        let again = Request { repetition: 7, ..request };
        assert_eq!(asked(&settings(), ask, &again), Some(sent), "a repetition is the same");
    }
    for (length, kept) in [(127, 127), (128, 127)] {
        let long = Request { subject: "x".repeat(length), ..self::request() };
        let body: Json = serde_json::from_str(&asked(&settings(), Ask::Native, &long).unwrap().body).unwrap();
        assert_eq!(body["description"].as_str().unwrap().len(), kept);
    }
    let orphan = Request { original: None, ..refund() };
    assert_eq!(asked(&settings(), Ask::Refund, &orphan), None);
}

/// The form of the header, and the example text of WeChat Pay's documents: each line ends in a newline.
#[test]
fn requests_are_signed_line_by_line() {
    let at = Timestamp::from_micros(1_554_208_460_000_000).unwrap();
    let header =
        authorization(&settings(), "GET", "/v3/certificates?a=b", "", at, "593BEC0C930BF1AFEB40B4A08C8FB242");
    let header = header.unwrap();
    let rest = header.strip_prefix("WECHATPAY2-SHA256-RSA2048 mchid=\"1900000001\",").unwrap();
    let rest = rest.strip_prefix("nonce_str=\"593BEC0C930BF1AFEB40B4A08C8FB242\",signature=\"").unwrap();
    let (signature, rest) = rest.split_once('"').unwrap();
    assert_eq!(rest, ",timestamp=\"1554208460\",serial_no=\"5157F09EFDC096DE15EBE81A47057A7232F1B8E1\"");
    let message = "GET\n/v3/certificates?a=b\n1554208460\n593BEC0C930BF1AFEB40B4A08C8FB242\n\n";
    assert_eq!(
        of_request("GET", "/v3/certificates?a=b", "1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242", ""),
        message
    );
    assert!(settings().key.public().verifies(message.as_bytes(), signature));
}

fn reply(status: u16, ask: Ask, request: &Request, overdue: bool, said: &str) -> Reply {
    answer::read(said.as_bytes()).unwrap().reply(status, ask, request, overdue)
}

#[test]
fn answers_come_to_what_they_say() {
    let (order, back, other) = ("07".repeat(16), "09".repeat(16), "08".repeat(16));
    let paid = Answer::Approved { amount: yuan(1234) };
    let given = Answer::Approved { amount: yuan(500) };
    let state = |number: &str, state: &str| json!({ "out_trade_no": number, "trade_state": state, "amount": { "total": 1234, "currency": "CNY" } });
    let status = |number: &str, status: &str| {
        json!({ "out_trade_no": order, "out_refund_no": number, "status": status,
            "amount": { "total": 1234, "refund": 500, "currency": "CNY" } })
    };
    let error = |code: &str| json!({ "code": code, "message": "m" });
    let mut euros = state(&order, "SUCCESS");
    euros["amount"]["currency"] = "EUR".into();
    let euro = Answer::Approved { amount: Money { minor: 1234, currency: Currency::parse("EUR").unwrap() } };
    for (ask, request, http, said, expected) in [
        (Ask::Native, request(), 200, json!({ "code_url": "weixin://1" }), Answer::Unknown),
        (Ask::Native, request(), 400, error("PARAM_ERROR"), Answer::Declined(DeclineGroup::Technical)),
        (Ask::Native, request(), 400, error("ORDER_CLOSED"), SOFT),
        (Ask::Native, request(), 403, error("OUT_TRADE_NO_USED"), Answer::Unknown),
        (Ask::Native, request(), 500, error("SYSTEM_ERROR"), Answer::Unknown),
        (Ask::Native, request(), 429, error("FREQUENCY_LIMITED"), Answer::Absent),
        (Ask::Native, request(), 500, json!({}), Answer::Unknown),
        (Ask::Query, request(), 200, state(&order, "SUCCESS"), paid),
        (Ask::Query, request(), 200, state(&order, "REFUND"), paid),
        (Ask::Query, request(), 200, state(&order, "NOTPAY"), Answer::Unknown),
        (Ask::Query, request(), 200, state(&order, "PAYERROR"), Answer::Unknown),
        (Ask::Query, request(), 200, state(&order, "CLOSED"), SOFT),
        (Ask::Query, request(), 200, state(&order, "SOMETHING"), Answer::Unknown),
        (Ask::Query, request(), 200, state(&other, "SUCCESS"), Answer::Unknown),
        (
            Ask::Query,
            request(),
            200,
            json!({ "trade_state": "SUCCESS", "amount": { "total": 1234 } }),
            Answer::Unknown,
        ),
        (
            Ask::Query,
            request(),
            200,
            json!({ "out_trade_no": order, "trade_state": "SUCCESS" }),
            Answer::Unknown,
        ),
        // Another currency is for the book to refuse.
        (Ask::Query, request(), 200, euros, euro),
        (Ask::Query, request(), 404, error("ORDER_NOT_EXIST"), Answer::Absent),
        (Ask::Query, request(), 400, error("PARAM_ERROR"), Answer::Unknown),
        (Ask::Code, coded(), 200, state(&order, "SUCCESS"), paid),
        (Ask::Code, coded(), 200, state(&order, "USERPAYING"), Answer::Unknown),
        (Ask::Code, coded(), 200, state(&"08".repeat(16), "SUCCESS"), Answer::Unknown),
        (
            Ask::Code,
            coded(),
            200,
            json!({ "out_trade_no": order, "transaction_id": "4200" }),
            Answer::Unknown,
        ),
        (Ask::Code, coded(), 400, error("USERPAYING"), Answer::Unknown),
        (Ask::Code, coded(), 400, error("AUTH_CODE_EXPIRED"), SOFT),
        (Ask::Code, coded(), 403, error("NOTENOUGH"), SOFT),
        (Ask::Code, Request { repetition: 1, ..coded() }, 403, error("NOTENOUGH"), Answer::Unknown),
        (Ask::Code, coded(), 500, error("BANKERROR"), Answer::Unknown),
        (Ask::Reverse, request(), 200, json!({ "out_trade_no": order }), SOFT),
        (Ask::Reverse, request(), 500, error("SYSTEM_ERROR"), Answer::Unknown),
        (Ask::Close, request(), 204, Json::Null, SOFT),
        (Ask::Close, request(), 400, error("ORDERPAID"), Answer::Unknown),
        (Ask::Close, request(), 400, error("PARAM_ERROR"), Answer::Unknown),
        (Ask::Close, void(), 204, Json::Null, given),
        (Ask::Close, void(), 400, error("PARAM_ERROR"), Answer::Declined(DeclineGroup::Technical)),
        (Ask::Query, void(), 200, state(&order, "CLOSED"), given),
        (Ask::Query, void(), 200, state(&order, "NOTPAY"), Answer::Absent),
        (Ask::Query, void(), 200, state(&order, "SUCCESS"), HARD),
        (Ask::Refund, refund(), 200, status(&back, "SUCCESS"), given),
        (Ask::Refund, refund(), 200, status(&back, "PROCESSING"), Answer::Unknown),
        (Ask::Refund, refund(), 200, status(&back, "ABNORMAL"), Answer::Unknown),
        (Ask::Refund, refund(), 200, status(&back, "CLOSED"), HARD),
        (Ask::Refund, refund(), 200, status(&other, "SUCCESS"), Answer::Unknown),
        (
            Ask::Refund,
            refund(),
            200,
            json!({ "status": "SUCCESS", "amount": { "refund": 500 } }),
            Answer::Unknown,
        ),
        (Ask::Refund, refund(), 403, error("NOT_ENOUGH"), Answer::Absent),
        (Ask::Refund, refund(), 403, error("USER_ACCOUNT_ABNORMAL"), HARD),
        (Ask::Refund, refund(), 404, error("RESOURCE_NOT_EXISTS"), HARD),
        (Ask::RefundQuery, refund(), 200, status(&back, "SUCCESS"), given),
        (Ask::RefundQuery, refund(), 404, error("RESOURCE_NOT_EXISTS"), Answer::Absent),
        (Ask::RefundQuery, refund(), 403, error("NO_AUTH"), Answer::Unknown),
    ] {
        let body = if said.is_null() { String::new() } else { said.to_string() };
        let reply = reply(http, ask, &request, false, &body);
        assert_eq!(reply.answer, expected, "{ask:?} {http} {said}");
        assert!(reply.sent && reply.code.is_some());
    }
}

#[test]
fn what_waits_for_the_payer_is_no_failure() {
    let order = "07".repeat(16);
    for (status, ask, said, pending) in [
        (200, Ask::Native, json!({ "code_url": "weixin://1" }), true),
        (200, Ask::Query, json!({ "out_trade_no": order, "trade_state": "NOTPAY" }), true),
        (200, Ask::Query, json!({ "trade_state": "NOTPAY" }), false),
        (200, Ask::Query, json!({ "out_trade_no": order, "trade_state": "CLOSED" }), false),
        (500, Ask::Query, json!({ "code": "SYSTEM_ERROR" }), false),
    ] {
        assert_eq!(reply(status, ask, &request(), false, &said.to_string()).pending, pending, "{said}");
    }
}

#[test]
fn an_order_that_is_not_there_is_over_once_it_can_not_be_paid() {
    let said = r#"{"code":"ORDER_NOT_EXIST"}"#;
    assert_eq!(reply(404, Ask::Query, &request(), true, said).answer, SOFT);
    assert_eq!(reply(404, Ask::Query, &void(), true, said).answer, Answer::Absent);
}

#[test]
fn the_refusal_of_a_repetition_does_not_decline_the_first() {
    let again = Request { repetition: 1, ..request() };
    assert_eq!(reply(400, Ask::Native, &again, false, r#"{"code":"PARAM_ERROR"}"#).answer, Answer::Unknown);
}

#[test]
fn a_qr_code_is_where_the_payer_goes_on() {
    let said = r#"{"code_url":"weixin://wxpay/bizpayurl?pr=1"}"#;
    let url = reply(200, Ask::Native, &request(), false, said).pay_url;
    assert_eq!(url.as_deref(), Some("weixin://wxpay/bizpayurl?pr=1"));
    assert_eq!(reply(500, Ask::Native, &request(), false, said).pay_url, None);
}

/// A notification as WeChat Pay sends it, signed at its start of time.
fn notification(plain: &Json, api_key: &str) -> (Vec<(String, String)>, String) {
    let seal = Seal::new(api_key.as_bytes()).unwrap();
    let sealed = seal.close(plain.to_string().as_bytes(), "fdasflkja484", "transaction").unwrap();
    let body = json!({ "id": "1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource",
        "resource": { "algorithm": ALGORITHM, "original_type": "transaction", "ciphertext": sealed,
            "associated_data": "transaction", "nonce": "fdasflkja484" } })
    .to_string();
    let signature = wechats().sign(&of_answer("0", "n", body.as_bytes())).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header("Wechatpay-Timestamp", "0"),
        header("wechatpay-nonce", "n"),
        header("WECHATPAY-SERIAL", SERIAL),
        header("Wechatpay-Signature", &signature),
    ];
    (headers, body)
}

fn transaction() -> Json {
    json!({ "mchid": "1900000001", "appid": "wxd678efh567hg6787", "out_trade_no": "07".repeat(16),
        "transaction_id": "4200", "trade_state": "SUCCESS", "amount": { "total": 1234, "currency": "CNY" } })
}

fn told(headers: &[(String, String)], body: &str, now: Timestamp) -> Result<Reply, CallbackError> {
    let wechat = WechatPay::new(settings()).unwrap();
    wechat.callback(&Callback { now, headers, body: body.as_bytes() })
}

fn told_of(plain: &Json) -> Result<Reply, CallbackError> {
    let (headers, body) = notification(plain, API_KEY);
    told(&headers, &body, Timestamp::default())
}

#[test]
fn notifications_come_to_what_they_say() {
    let paid = told_of(&transaction()).unwrap();
    assert_eq!((paid.key, paid.answer), (Some(CallKey([7; 16])), Answer::Approved { amount: yuan(1234) }));
    assert_eq!((paid.code.as_deref(), paid.reference.as_deref()), (Some("SUCCESS"), Some("4200")));
    let refund = |status: &str| {
        json!({ "mchid": "1900000001", "out_trade_no": "07".repeat(16), "out_refund_no": "09".repeat(16),
            "refund_id": "5030", "refund_status": status, "amount": { "total": 1234, "refund": 500 } })
    };
    for (status, expected) in
        [("SUCCESS", Answer::Approved { amount: yuan(500) }), ("CLOSED", HARD), ("ABNORMAL", Answer::Unknown)]
    {
        let back = told_of(&refund(status)).unwrap();
        assert_eq!((back.key, back.answer), (Some(CallKey([9; 16])), expected), "{status}");
    }
}

#[test]
fn notifications_are_good_for_five_minutes_and_say_the_same_each_time() {
    let (headers, body) = notification(&transaction(), API_KEY);
    let at = |micros: i64| told(&headers, &body, Timestamp::from_micros(micros).unwrap());
    let most = APART_MAX.micros();
    assert_eq!(at(0), at(most));
    assert!(at(most).is_ok() && at(-most).is_ok());
    assert_eq!(at(most + 1), Err(CallbackError::Late));
    assert_eq!(at(-most - 1), Err(CallbackError::Late));
    // Times that are none, signed all the same.
    for time in ["", "x", "99999999999999999999", "-9223372036854775808", "1e3"] {
        let signature = wechats().sign(&of_answer(time, "n", b"{}")).unwrap();
        let header = |name: &str| match name {
            "Wechatpay-Timestamp" => Some(time),
            "Wechatpay-Nonce" => Some("n"),
            "Wechatpay-Serial" => Some(SERIAL),
            _ => Some(signature.as_str()),
        };
        let verified = verify(&settings().wechat_keys, header, b"{}", Timestamp::default());
        assert_eq!(verified, Err(CallbackError::Late), "{time}");
    }
}

#[test]
fn notifications_that_are_not_wechat_pays_are_refused() {
    let (headers, body) = notification(&transaction(), API_KEY);
    let now = Timestamp::default();
    for i in 0..headers.len() {
        let mut without = headers.clone();
        without.remove(i);
        assert_eq!(told(&without, &body, now), Err(CallbackError::Forged));
        let mut changed = headers.clone();
        changed[i].1.insert(0, '1');
        assert_eq!(told(&changed, &body, now), Err(CallbackError::Forged));
    }
    // Another key that is known, but is not the one that signed.
    let mut other = headers.clone();
    other[2].1 = "7777".to_owned();
    assert_eq!(told(&other, &body, now), Err(CallbackError::Forged));
    assert_eq!(
        told(&headers, &body.replace("TRANSACTION.SUCCESS", "TRANSACTION.FAILURE"), now),
        Err(CallbackError::Forged)
    );
    assert_eq!(told(&[], "", now), Err(CallbackError::Forged));

    let malformed = |told: Result<Reply, CallbackError>| matches!(told, Err(CallbackError::Malformed(_)));
    let (headers, body) = notification(&transaction(), "another key that is of 32 bytes.");
    assert!(malformed(told(&headers, &body, now)));
    for (name, value) in [("mchid", "1900000002"), ("appid", "wx0"), ("out_trade_no", "20260001")] {
        let mut wrong = transaction();
        wrong[name] = value.into();
        assert!(malformed(told_of(&wrong)), "{name}");
    }
    assert!(malformed(told_of(&json!([]))));
    assert!(malformed(told_of(&json!({ "mchid": "1900000001", "out_refund_no": "09".repeat(16) }))));
}

#[test]
fn settings_that_can_not_be_are_refused() {
    let with = |change: fn(&mut WechatPaySettings)| {
        let mut settings = settings();
        change(&mut settings);
        WechatPay::new(settings).err().map(|e| e.to_string())
    };
    assert_eq!(with(|_| {}), None);
    let short = with(|s| s.api_key = API_KEY[1..].to_owned().into()).unwrap();
    assert!(short.contains("32 bytes") && !short.contains("123456"), "{short}");
    assert!(with(|s| s.gateway.push_str("/v3")).is_some());
    assert!(with(|s| s.merchant_id = "19\"".to_owned()).is_some());
    assert!(with(|s| s.key_serial = String::new()).is_some());
    let shown = format!("{:?}", WechatPay::new(settings()).unwrap());
    assert!(!shown.contains(API_KEY), "{shown}");
}

#[test]
fn an_order_is_ended_by_what_it_is() {
    let end = |said: Json| answer::read(said.to_string().as_bytes()).unwrap().end();
    for (state, kind, expected) in [
        ("NOTPAY", "NATIVE", Some(Ask::Close)),
        ("NOTPAY", "MICROPAY", Some(Ask::Reverse)),
        ("USERPAYING", "", Some(Ask::Reverse)),
        ("PAYERROR", "", Some(Ask::Reverse)),
        ("SUCCESS", "MICROPAY", None),
        ("REVOKED", "", None),
        ("", "MICROPAY", None),
    ] {
        assert_eq!(end(json!({ "trade_state": state, "trade_type": kind })), expected, "{state} {kind}");
    }
    let paying = reply(400, Ask::Code, &coded(), false, &json!({ "code": "USERPAYING" }).to_string());
    assert!(paying.pending, "the payer types their password: nothing is wrong");
}

#[test]
fn cards_and_other_currencies_are_not_sent() {
    let wechat = WechatPay::new(settings()).unwrap();
    let mut euros = request();
    euros.call.amount.currency = Currency::parse("EUR").unwrap();
    let mut card = request();
    card.instrument = Some(Instrument::Card { pan: String::new().into(), expiry: *b"3012", cvv: None });
    let mut capture = request();
    capture.call.operation = Operation::Capture { amount: yuan(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for request in [euros, card, capture] {
        let reply = runtime.block_on(wechat.ask(&request));
        assert_eq!((reply.sent, reply.answer), (false, Answer::Declined(DeclineGroup::Technical)));
    }
    // Nobody listens there.
    let reply = runtime.block_on(wechat.ask(&request()));
    assert_eq!((reply.sent, reply.answer), (false, Answer::Unknown), "{reply:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_nothing_else(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let wechat = WechatPay::new(settings()).unwrap();
        let callback = Callback { now: Timestamp::default(), headers: &[], body: &body };
        prop_assert!(wechat.callback(&callback).is_err());
        // Signed rightly, it is still no notification.
        let signature = wechats().sign(&of_answer("0", "n", &body)).unwrap();
        let headers = [("Wechatpay-Timestamp", "0"), ("Wechatpay-Nonce", "n"), ("Wechatpay-Serial", SERIAL),
            ("Wechatpay-Signature", &signature)].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let callback = Callback { now: Timestamp::default(), headers: &headers, body: &body };
        prop_assert!(wechat.callback(&callback).is_err());
    }
}
