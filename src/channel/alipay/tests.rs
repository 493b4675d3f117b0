//! Answers and notifications, against what they come to.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::answer::{Unread, read};
use super::*;
use crate::channel::Instrument;
use crate::channel::samples::{self, yuan};
use crate::money::Money;
use crate::pay::CallKey;
use crate::time::Timestamp;

static KEYS: LazyLock<[Zeroizing<String>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| SigningKey::generate().unwrap().to_pem().unwrap()));

fn alipays() -> SigningKey {
    SigningKey::from_pem(&KEYS[1]).unwrap()
}

pub(super) fn settings() -> AlipaySettings {
    AlipaySettings {
        name: "alipay".to_owned(),
        gateway: "http://127.0.0.1:1/gateway.do".to_owned(),
        app_id: "2021000000000001".to_owned(),
        key: SigningKey::from_pem(&KEYS[0]).unwrap(),
        alipay: alipays().public().into(),
        notify_url: Some("https://pay.example/alipay".to_owned()),
        pay_within: Span::from_secs(900),
        ca: None,
    }
}

pub(super) fn request() -> Request {
    samples::request(Method::Alipay, 1234)
}

fn refund() -> Request {
    samples::refund(Method::Alipay)
}

fn void() -> Request {
    samples::void(Method::Alipay)
}

/// An answer as Alipay signs it.
fn signed(ask: Ask, said: &Json) -> String {
    let object = said.to_string();
    let sign = alipays().sign(object.as_bytes()).unwrap();
    format!("{{\"{}\":{object},\"sign\":\"{sign}\"}}", ask.answered())
}

fn reply(ask: Ask, request: &Request, said: &Json) -> Reply {
    let said = read(signed(ask, said).as_bytes(), ask, &alipays().public().into()).unwrap();
    said.reply(ask, request)
}

const SOFT: Answer = Answer::Declined(DeclineGroup::Soft);
const HARD: Answer = Answer::Declined(DeclineGroup::Hard);

#[test]
fn answers_come_to_what_they_say() {
    let paid = Answer::Approved { amount: yuan(1234) };
    let back = Answer::Approved { amount: yuan(500) };
    let (order, other) = ("07".repeat(16), "08".repeat(16));
    let refused = |code: &str| json!({ "code": "40004", "sub_code": code });
    let state = |state: &str| json!({ "code": "10000", "out_trade_no": order, "trade_status": state, "total_amount": "12.34" });
    let mut closed_after_payment = state("TRADE_CLOSED");
    closed_after_payment["send_pay_date"] = "2026-11-27 12:00:00".into();
    let mut elsewhere = state("TRADE_SUCCESS");
    elsewhere["out_trade_no"] = other.clone().into();
    let mut uncounted = state("TRADE_SUCCESS");
    uncounted["total_amount"] = "12.345".into();
    for (ask, request, said, expected) in [
        (
            Ask::Pay,
            request(),
            json!({ "code": "10000", "out_trade_no": order, "total_amount": "12.34" }),
            paid,
        ),
        (
            Ask::Pay,
            request(),
            json!({ "code": "10000", "out_trade_no": other, "total_amount": "12.34" }),
            Answer::Unknown,
        ),
        (Ask::Pay, request(), json!({ "code": "10000", "out_trade_no": order }), Answer::Unknown),
        (Ask::Pay, request(), json!({ "code": "10003", "out_trade_no": order }), Answer::Unknown),
        (Ask::Pay, request(), json!({ "code": "20000", "sub_code": "isp.unknow-error" }), Answer::Unknown),
        (Ask::Pay, request(), refused("ACQ.BUYER_BALANCE_NOT_ENOUGH"), SOFT),
        (Ask::Pay, request(), refused("ACQ.TRADE_HAS_SUCCESS"), Answer::Unknown),
        (
            Ask::Precreate,
            request(),
            json!({ "code": "10000", "qr_code": "https://qr.alipay.com/1" }),
            Answer::Unknown,
        ),
        (Ask::Query, request(), state("WAIT_BUYER_PAY"), Answer::Unknown),
        (Ask::Query, request(), state("TRADE_SUCCESS"), paid),
        (Ask::Query, request(), state("TRADE_FINISHED"), paid),
        (Ask::Query, request(), state("TRADE_CLOSED"), SOFT),
        (Ask::Query, request(), closed_after_payment, paid),
        (Ask::Query, request(), state("TRADE_SOMETHING"), Answer::Unknown),
        (Ask::Query, request(), elsewhere, Answer::Unknown),
        (Ask::Query, request(), uncounted, Answer::Unknown),
        (Ask::Query, request(), refused("ACQ.TRADE_NOT_EXIST"), Answer::Absent),
        (Ask::Query, request(), refused("ACQ.INVALID_PARAMETER"), Answer::Unknown),
        (Ask::Query, request(), json!({ "code": "40002" }), Answer::Unknown),
        (Ask::Close, request(), json!({ "code": "10000", "out_trade_no": order }), SOFT),
        (Ask::Close, request(), refused("ACQ.TRADE_STATUS_ERROR"), Answer::Unknown),
        (Ask::Cancel, void(), json!({ "code": "10000", "retry_flag": "N" }), back),
        (Ask::Cancel, void(), json!({ "code": "10000", "retry_flag": "Y" }), Answer::Absent),
        (Ask::Cancel, void(), json!({ "code": "10000" }), Answer::Unknown),
        (Ask::Query, void(), state("TRADE_CLOSED"), back),
        (Ask::Query, void(), state("TRADE_SUCCESS"), Answer::Absent),
        (Ask::Query, void(), state("TRADE_FINISHED"), HARD),
        (Ask::Query, void(), refused("ACQ.TRADE_NOT_EXIST"), Answer::Absent),
        (
            Ask::Refund,
            refund(),
            json!({ "code": "10000", "out_trade_no": order, "fund_change": "Y", "refund_fee": "9.00" }),
            back,
        ),
        (Ask::Refund, refund(), json!({ "code": "10000", "fund_change": "N" }), Answer::Unknown),
        (Ask::Refund, refund(), refused("ACQ.SELLER_BALANCE_NOT_ENOUGH"), Answer::Absent),
        (Ask::Refund, refund(), refused("ACQ.TRADE_HAS_FINISHED"), HARD),
        (
            Ask::RefundQuery,
            refund(),
            json!({ "code": "10000", "out_trade_no": order, "refund_status": "REFUND_SUCCESS",
            "out_request_no": "09".repeat(16), "refund_amount": "5.00" }),
            back,
        ),
        (
            Ask::RefundQuery,
            refund(),
            json!({ "code": "10000", "out_trade_no": order, "refund_status": "REFUND_SUCCESS",
            "out_request_no": other, "refund_amount": "5.00" }),
            Answer::Unknown,
        ),
        (Ask::RefundQuery, refund(), json!({ "code": "10000" }), Answer::Absent),
        (
            Ask::RefundQuery,
            refund(),
            json!({ "code": "10000", "refund_status": "REFUND_SUCCESS", "refund_amount": "5.00" }),
            Answer::Unknown,
        ),
        (Ask::Pay, request(), json!({ "code": "10000", "total_amount": "12.34" }), Answer::Unknown),
        (Ask::RefundQuery, refund(), refused("ACQ.TRADE_NOT_EXIST"), Answer::Unknown),
    ] {
        let reply = reply(ask, &request, &said);
        assert_eq!(reply.answer, expected, "{ask:?} {said}");
        assert!(reply.sent && reply.code.is_some());
    }
}

#[test]
fn what_waits_for_the_payer_is_no_failure() {
    let order = "07".repeat(16);
    for (ask, said, pending) in [
        (Ask::Precreate, json!({ "code": "10000", "qr_code": "https://qr.alipay.com/1" }), true),
        (Ask::Pay, json!({ "code": "10003", "out_trade_no": order }), true),
        (
            Ask::Query,
            json!({ "code": "10000", "out_trade_no": order, "trade_status": "WAIT_BUYER_PAY" }),
            true,
        ),
        (
            Ask::Query,
            json!({ "code": "10000", "out_trade_no": order, "trade_status": "TRADE_SUCCESS",
            "total_amount": "12.34" }),
            false,
        ),
        (Ask::Query, json!({ "code": "10000", "trade_status": "WAIT_BUYER_PAY" }), false),
        (Ask::Pay, json!({ "code": "20000" }), false),
        (Ask::Pay, json!({ "code": "40004", "sub_code": "ACQ.SYSTEM_ERROR" }), false),
    ] {
        assert_eq!(reply(ask, &request(), &said).pending, pending, "{said}");
    }
}

#[test]
fn a_qr_code_is_where_the_payer_goes_on() {
    let said = json!({ "code": "10000", "qr_code": "https://qr.alipay.com/1" });
    let reply = reply(Ask::Precreate, &request(), &said);
    assert_eq!(reply.pay_url.as_deref(), Some("https://qr.alipay.com/1"));
}

#[test]
fn a_code_that_nobody_has_scanned_waits_for_its_payer() {
    let said = json!({ "code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST" });
    let placed = Request { placed: true, ..request() };
    let waits = reply(Ask::Query, &placed, &said);
    assert_eq!((waits.answer, waits.pending), (Answer::Unknown, true));
    // Nobody knows whether it ever came there; what is called off is asked for again all the same.
    assert_eq!(reply(Ask::Query, &request(), &said).answer, Answer::Absent);
    let void = Request { placed: true, ..void() };
    assert_eq!(reply(Ask::Query, &void, &said).answer, Answer::Absent);
    // Other errors of a question say nothing, whatever stands beside them.
    let failed = json!({ "code": "20000", "sub_code": "ACQ.TRADE_NOT_EXIST" });
    let failed = reply(Ask::Query, &placed, &failed);
    assert_eq!((failed.answer, failed.pending), (Answer::Unknown, false));
}

#[test]
fn an_order_is_ended_by_what_it_is() {
    let end = |said: &Json| {
        read(signed(Ask::Query, said).as_bytes(), Ask::Query, &alipays().public().into()).unwrap().end()
    };
    let state = |state: &str| json!({ "code": "10000", "trade_status": state });
    assert_eq!(end(&state("WAIT_BUYER_PAY")), Some(Ask::Close));
    assert_eq!(end(&state("TRADE_SUCCESS")), None);
    assert_eq!(end(&json!({ "code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST" })), Some(Ask::Cancel));
    assert_eq!(end(&json!({ "code": "20000", "sub_code": "ACQ.TRADE_NOT_EXIST" })), None);
    for (said, expected) in [
        (json!({ "code": "10000", "retry_flag": "N" }), SOFT),
        (json!({ "code": "10000", "retry_flag": "N", "action": "refund" }), SOFT),
        (json!({ "code": "10000", "retry_flag": "Y" }), Answer::Unknown),
        (json!({ "code": "40004", "sub_code": "ACQ.INVALID_PARAMETER" }), Answer::Unknown),
    ] {
        assert_eq!(reply(Ask::Cancel, &request(), &said).answer, expected, "{said}");
    }
}

#[test]
fn the_refusal_of_a_repetition_does_not_decline_the_first() {
    let said = json!({ "code": "40004", "sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID" });
    assert_eq!(reply(Ask::Pay, &request(), &said).answer, SOFT);
    let again = Request { repetition: 1, ..request() };
    assert_eq!(reply(Ask::Pay, &again, &said).answer, Answer::Unknown);
}

#[test]
fn what_is_not_signed_by_alipay_tells_nothing() {
    let said = json!({ "code": "10000", "out_trade_no": "07".repeat(16), "total_amount": "12.34" });
    let good = signed(Ask::Pay, &said);
    let key = alipays().public().into();
    let unread = |body: &str| read(body.as_bytes(), Ask::Pay, &key).err();
    assert_eq!(unread(&good), None);
    assert_eq!(unread(&good.replace("12.34", "12.35")), Some(Unread::Forged));
    // A space within the object changes what is signed; around it, it does not.
    assert_eq!(unread(&good.replace("\"12.34\"", " \"12.34\"")), Some(Unread::Forged));
    assert_eq!(unread(&good.replacen('{', "{ ", 1)), None);
    assert_eq!(unread(&signed(Ask::Query, &said)), Some(Unread::Garbled), "an answer to something else");
    let object = said.to_string();
    assert_eq!(
        unread(&format!("{{\"alipay_trade_pay_response\":{object}}}")),
        Some(Unread::Unsigned("10000".to_owned()))
    );
    let twice = good.replacen('{', &format!("{{\"error_response\":{object},"), 1);
    assert_eq!(unread(&twice), Some(Unread::Garbled), "two objects and one signature");
    for garbage in ["", "{", "null", "[]", "<html>", "{}", "{\"alipay_trade_pay_response\":1}", &good[1..]] {
        assert!(unread(garbage).is_some(), "{garbage}");
    }
}

#[test]
fn other_currencies_and_cards_are_not_sent() {
    let alipay = Alipay::new(settings()).unwrap();
    let mut euros = request();
    euros.call.amount = Money { minor: 1, currency: Currency::parse("EUR").unwrap() };
    let mut card = request();
    card.instrument = Some(Instrument::Card { pan: String::new().into(), expiry: *b"3012", cvv: None });
    let mut capture = request();
    capture.call.operation = Operation::Capture { amount: yuan(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for request in [euros, card, capture] {
        let reply = runtime.block_on(alipay.ask(&request));
        assert!(!reply.sent);
        assert_eq!(reply.answer, Answer::Declined(DeclineGroup::Technical));
    }
    // Nobody listens there.
    let reply = runtime.block_on(alipay.ask(&request()));
    assert_eq!((reply.sent, reply.answer), (false, Answer::Unknown), "{reply:?}");
}

fn notification(change: &[(&str, Option<&str>)]) -> String {
    let order = "07".repeat(16);
    let mut fields = vec![
        ("app_id", "2021000000000001"),
        ("notify_type", "trade_status_sync"),
        ("out_trade_no", &order),
        ("sign_type", "RSA2"),
        ("subject", "a b&c=d"),
        ("total_amount", "12.34"),
        ("trade_no", "2026"),
        ("trade_status", "TRADE_SUCCESS"),
    ];
    for (name, value) in change {
        fields.retain(|(n, _)| n != name);
        fields.extend(value.map(|value| (*name, value)));
    }
    let sign = alipays().sign(form::signed(&fields, &["sign_type"]).as_bytes()).unwrap();
    fields.push(("sign", &sign));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn told(body: &str) -> Result<Answer, CallbackError> {
    let alipay = Alipay::new(settings()).unwrap();
    let callback = Callback { now: Timestamp::default(), headers: &[], body: body.as_bytes() };
    alipay.callback(&callback).map(|reply| {
        assert_eq!(reply.key, Some(CallKey([7; 16])));
        reply.answer
    })
}

#[test]
fn notifications_come_to_what_they_say() {
    let paid = Answer::Approved { amount: yuan(1234) };
    assert_eq!(told(&notification(&[])), Ok(paid));
    assert_eq!(told(&notification(&[("trade_status", Some("TRADE_FINISHED"))])), Ok(paid));
    assert_eq!(told(&notification(&[("trade_status", Some("WAIT_BUYER_PAY"))])), Ok(Answer::Unknown));
    let closed = ("trade_status", Some("TRADE_CLOSED"));
    assert_eq!(told(&notification(&[closed])), Ok(SOFT));
    // What was paid and given back whole is closed, too, and was paid.
    let at = Some("2026-11-27 12:00:00");
    assert_eq!(told(&notification(&[closed, ("gmt_payment", at), ("refund_fee", Some("12.34"))])), Ok(paid));
}

#[test]
fn notifications_that_are_not_alipays_are_refused() {
    let malformed = |body: &str| matches!(told(body), Err(CallbackError::Malformed(_)));
    let good = notification(&[]);
    assert_eq!(told(&good.replace("12.34", "12.35")), Err(CallbackError::Forged));
    assert_eq!(told(&good.replace("RSA2", "RSA")), Err(CallbackError::Forged));
    assert_eq!(told(good.split("&sign=").next().unwrap()), Err(CallbackError::Forged));
    assert!(malformed(&notification(&[("app_id", Some("2021000000000002"))])));
    assert!(malformed(&notification(&[("out_trade_no", Some("20260001"))])));
    assert!(malformed(&format!("{good}&trade_status=TRADE_FINISHED")));
    let many = |count: usize| -> String { (0..count).map(|n| format!("f{n}=v&")).collect() };
    assert_eq!(told(&many(128)), Err(CallbackError::Forged), "at the limit it is read, and unsigned");
    assert!(malformed(&many(129)));
    assert_eq!(told(""), Err(CallbackError::Forged));
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_nothing_else(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let alipay = Alipay::new(settings()).unwrap();
        let callback = Callback { now: Timestamp::default(), headers: &[], body: &body };
        prop_assert!(alipay.callback(&callback).is_err());
        prop_assert!(read(&body, Ask::Pay, &alipays().public().into()).is_err());
    }

    #[test]
    fn one_changed_byte_is_noticed(at in 0..1_000usize, to in any::<u8>()) {
        let said = json!({ "code": "10000", "out_trade_no": "07".repeat(16), "total_amount": "12.34" });
        let mut body = signed(Ask::Pay, &said).into_bytes();
        let object = body.iter().position(|b| *b == b':').unwrap() + 1..said.to_string().len() + 29;
        let at = object.start + at % object.len();
        prop_assume!(body[at] != to);
        body[at] = to;
        prop_assert!(read(&body, Ask::Pay, &alipays().public().into()).is_err());
    }
}
