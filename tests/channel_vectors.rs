//! Wallets' signatures against fixed vectors that their SDKs made: tests/channels/vectors.cjs.
#![cfg(feature = "serve")]

use serde_json::Value as Json;
use tollgate::channel::{
    Alipay, AlipaySettings, Callback, CallbackError, Channel, SigningKey, VerifyingKey, WechatPay,
    WechatPaySettings,
};
use tollgate::pay::{Answer, CallKey};
use tollgate::{Currency, Money, Span, Timestamp};

fn vectors() -> Json {
    serde_json::from_str(include_str!("channels/vectors.json")).unwrap()
}

fn text<'a>(vectors: &'a Json, path: &str) -> &'a str {
    vectors.pointer(path).and_then(Json::as_str).unwrap()
}

fn key(vectors: &Json) -> SigningKey {
    SigningKey::from_pem(text(vectors, "/merchant")).unwrap()
}

fn paid() -> Answer {
    Answer::Approved { amount: Money { minor: 1234, currency: Currency::parse("CNY").unwrap() } }
}

/// PKCS #1 v1.5 has no chance in it: the same text and key give the same signature, whoever signs.
#[test]
fn the_sdks_signatures_are_ours() {
    let vectors = vectors();
    let fields = vectors["alipay"]["request"].as_object().unwrap();
    let mut signed: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != "sign")
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
        .collect();
    signed.sort();
    let ours = key(&vectors).sign(signed.join("&").as_bytes()).unwrap();
    assert_eq!(ours, text(&vectors, "/alipay/request/sign"));

    let order = "07".repeat(16);
    let message = format!(
        "GET\n/v3/pay/transactions/out-trade-no/{order}?mchid=1900000001\n{}\n{}\n\n",
        text(&vectors, "/wechatpay/timestamp"),
        text(&vectors, "/wechatpay/nonce"),
    );
    assert_eq!(key(&vectors).sign(message.as_bytes()).unwrap(), text(&vectors, "/wechatpay/request"));
}

#[test]
fn a_notification_that_alipays_sdk_signed_is_believed_and_a_changed_one_is_not() {
    let vectors = vectors();
    let alipay = Alipay::new(AlipaySettings {
        name: "alipay".to_owned(),
        gateway: "https://openapi.alipay.com/gateway.do".to_owned(),
        app_id: "2021000000000001".to_owned(),
        key: key(&vectors),
        alipay_key: VerifyingKey::from_pem(text(&vectors, "/wallet")).unwrap(),
        notify_url: None,
        pay_within: Span::from_secs(900),
        ca: None,
    })
    .unwrap();
    let read = |body: &str| {
        alipay.callback(&Callback { now: Timestamp::default(), headers: &[], body: body.as_bytes() })
    };
    let body = text(&vectors, "/alipay/notification");
    let reply = read(body).unwrap();
    assert_eq!((reply.key, reply.answer), (Some(CallKey([7; 16])), paid()));
    for (from, to) in
        [("12.34", "12.35"), ("TRADE_SUCCESS", "TRADE_FINISHED"), ("=0707", "=0708"), ("RSA2", "RSA")]
    {
        assert_eq!(read(&body.replacen(from, to, 1)), Err(CallbackError::Forged), "{from}");
    }
}

#[test]
fn a_notification_that_was_sealed_and_signed_elsewhere_is_opened_and_a_changed_one_is_not() {
    let vectors = vectors();
    let serial = text(&vectors, "/wechatpay/serial");
    let wechat = WechatPay::new(WechatPaySettings {
        name: "wechatpay".to_owned(),
        gateway: "https://api.mch.weixin.qq.com".to_owned(),
        app_id: "wxd678efh567hg6787".to_owned(),
        merchant_id: "1900000001".to_owned(),
        key: key(&vectors),
        key_serial: "5157F09E".to_owned(),
        wechat_keys: vec![(serial.to_owned(), VerifyingKey::from_pem(text(&vectors, "/wallet")).unwrap())],
        api_key: text(&vectors, "/api_key").to_owned().into(),
        notify_url: "https://pay.example/wechatpay".to_owned(),
        pay_within: Span::from_secs(900),
        ca: None,
    })
    .unwrap();
    let headers = [
        ("Wechatpay-Timestamp", text(&vectors, "/wechatpay/timestamp")),
        ("Wechatpay-Nonce", text(&vectors, "/wechatpay/nonce")),
        ("Wechatpay-Serial", serial),
        ("Wechatpay-Signature", text(&vectors, "/wechatpay/notification/signature")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let at = Timestamp::parse(text(&vectors, "/wechatpay/timestamp")).unwrap();
    let read = |body: &str, now| wechat.callback(&Callback { now, headers: &headers, body: body.as_bytes() });
    let body = text(&vectors, "/wechatpay/notification/body");
    let reply = read(body, at).unwrap();
    assert_eq!((reply.key, reply.answer), (Some(CallKey([7; 16])), paid()));
    assert_eq!(read(body, at.plus(Span::from_secs(301))), Err(CallbackError::Late));
    assert_eq!(read(&body.replacen("SUCCESS", "REFUNDS", 1), at), Err(CallbackError::Forged));
}
