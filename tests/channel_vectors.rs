//! Wallets' signatures against fixed vectors that their SDKs made: tests/channels/vectors.cjs.
#![cfg(feature = "serve")]

use serde_json::Value as Json;
use tollgate::channel::{
    Alipay, AlipayCertificates, AlipayKeys, AlipaySettings, Callback, CallbackError, Channel, Request,
    SigningKey, VerifyingKey, WechatPay, WechatPaySettings,
};
use tollgate::pay::{Answer, Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId};
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
        alipay: VerifyingKey::from_pem(text(&vectors, "/wallet")).unwrap().into(),
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

/// Certificates, and what Alipay's own SDK calls them: tests/channels/certificates.cjs.
struct Certificates {
    json: Json,
    folder: tempfile::TempDir,
}

impl Certificates {
    /// As files of the simulated Alipay's folder.
    fn new() -> Certificates {
        let json: Json = serde_json::from_str(include_str!("channels/certificates.json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (file, name) in [
            ("app.crt", "/app"),
            ("root.crt", "/root"),
            ("alipay.crt", "/alipay"),
            ("merchant.pem", "/app_key"),
            ("wallet.pem", "/alipay_key"),
        ] {
            std::fs::write(folder.path().join(file), text(&json, name)).unwrap();
        }
        Certificates { json, folder }
    }

    fn open(&self, app: &str, root: &str, alipay: &[&str]) -> Result<AlipayCertificates, tollgate::Error> {
        let at = |name: &str| self.folder.path().join(name);
        let alipay: Vec<_> = alipay.iter().map(|name| at(name)).collect();
        AlipayCertificates::open(&at(app), &at(root), &alipay)
    }

    fn channel(&self, gateway: &str, alipay: AlipayKeys) -> Result<Alipay, tollgate::Error> {
        Alipay::new(AlipaySettings {
            name: "alipay".to_owned(),
            gateway: gateway.to_owned(),
            app_id: "2021000000000001".to_owned(),
            key: SigningKey::from_pem(text(&self.json, "/app_key")).unwrap(),
            alipay,
            notify_url: None,
            pay_within: Span::from_secs(900),
            ca: None,
        })
    }
}

#[test]
fn certificates_are_called_what_alipays_sdk_calls_them() {
    let files = Certificates::new();
    let opened = files.open("app.crt", "root.crt", &["alipay.crt"]).unwrap();
    let names = |name: &str| text(&files.json, &format!("/names/{name}")).to_owned();
    assert_eq!((opened.app(), opened.root()), (names("app").as_str(), names("root").as_str()));
    assert_eq!(opened.alipay().collect::<Vec<_>>(), [names("alipay")]);
    // Of the file of roots the one that RSA has not signed is passed over.
    assert_eq!(opened.root().split('_').count(), 2);

    let said =
        |app: &str, root: &str, alipay: &[&str]| files.open(app, root, alipay).unwrap_err().to_string();
    std::fs::write(files.folder.path().join("empty.crt"), "").unwrap();
    let ec = text(&files.json, "/root").split_inclusive("-----END CERTIFICATE-----\n").nth(1).unwrap();
    std::fs::write(files.folder.path().join("ec.crt"), ec).unwrap();
    for (app, root, alipay, expected) in [
        ("none.crt", "root.crt", &["alipay.crt"][..], "none.crt"),
        ("empty.crt", "root.crt", &["alipay.crt"], "BEGIN CERTIFICATE"),
        ("merchant.pem", "root.crt", &["alipay.crt"], "no certificate in PEM"),
        ("ec.crt", "root.crt", &["alipay.crt"], "none of RSA"),
        ("app.crt", "ec.crt", &["alipay.crt"], "signed by RSA"),
        ("app.crt", "root.crt", &[], "no certificate of Alipay's"),
    ] {
        assert!(said(app, root, alipay).contains(expected), "{expected}: {}", said(app, root, alipay));
    }
    let others = AlipayKeys::Certificates(files.open("alipay.crt", "root.crt", &["alipay.crt"]).unwrap());
    let error = files.channel("https://openapi.alipay.com/gateway.do", others).unwrap_err().to_string();
    assert!(error.contains("another key"), "{error}");
}

#[tokio::test]
async fn both_sides_are_known_by_their_certificates() {
    use tollgate::institution::simulator::{Institution, Kind, Ledger, Script, WalletKeys};
    let files = Certificates::new();
    let keys = WalletKeys::open(files.folder.path()).unwrap();
    let alipay =
        Institution::listen(Kind::Alipay, "127.0.0.1:0", Script::default(), Ledger::new(Kind::Alipay));
    let alipay = alipay.await.unwrap().keys(keys);
    let gateway = format!("http://{}/gateway.do", alipay.address());
    tokio::spawn(alipay.serve());
    let known =
        |alipay: &[&str]| AlipayKeys::Certificates(files.open("app.crt", "root.crt", alipay).unwrap());
    let plain = VerifyingKey::open(&files.folder.path().join("wallet.pub.pem")).unwrap();
    for (keys, is_placed, expected) in [
        (known(&["alipay.crt"]), true, "10000"),
        // One takes over from another.
        (known(&["app.crt", "alipay.crt"]), true, "10000"),
        // An answer by a certificate that nobody has named, though its signature may be right.
        (known(&["app.crt"]), false, "which is not among those of Alipay's"),
        // A request that names none.
        (plain.into(), false, "isv.invalid-cert-sn, unsigned"),
    ] {
        let reply = files.channel(&gateway, keys).unwrap().ask(&order()).await;
        assert_eq!((reply.answer, reply.pay_url.is_some()), (Answer::Unknown, is_placed), "{reply:?}");
        assert!(reply.code.as_ref().is_some_and(|code| code.contains(expected)), "{expected}: {reply:?}");
    }
}

fn order() -> Request {
    Request {
        call: Call {
            key: CallKey([7; 16]),
            payment: PaymentId::parse("p1").unwrap(),
            method: Method::Alipay,
            operation: Operation::Authorize,
            amount: Money { minor: 1234, currency: Currency::parse("CNY").unwrap() },
        },
        merchant: MerchantId::parse("m1").unwrap(),
        order: OrderId::parse("o1").unwrap(),
        requested: now(),
        original: None,
        instrument: None,
        subject: "Shoes".to_owned(),
        authenticated: false,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap()).unwrap()
}
