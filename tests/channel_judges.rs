//! Signatures of wallets, judged by the vendors' and the community's SDKs. Run by hand: tests/channels/README.md.
#![cfg(feature = "serve")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tollgate::channel::{
    Alipay, AlipaySettings, Callback, CallbackError, Channel, Request, SigningKey, WechatPay,
    WechatPaySettings,
};
use tollgate::institution::simulator::{Institution, Kind, Ledger, Script, WalletKeys};
use tollgate::pay::{Answer, Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId};
use tollgate::{Currency, Money, Span, Timestamp};

const SERIAL: &str = "PUB_KEY_ID_0119000000012026";

fn judges() -> PathBuf {
    PathBuf::from(std::env::var_os("TOLLGATE_JUDGES").expect("TOLLGATE_JUDGES names where the SDKs are"))
}

fn fen(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("CNY").expect("yuan") }
}

/// A script that is running; it ends with the test.
struct Judge {
    child: Child,
    port: u16,
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(script: &str, args: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/channels").join(script);
    let interpreter = match script.extension().and_then(|e| e.to_str()) {
        Some("py") => judges().join("venv/bin/python"),
        _ => PathBuf::from("node"),
    };
    let mut command = Command::new(interpreter);
    command.arg(script).args(args).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

fn start(script: &str, args: &[&str]) -> Judge {
    let mut child = command(script, args).spawn().expect("the judge starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a port");
    Judge { port: line.trim().parse().expect("a port"), child }
}

/// Keys of both sides in files.
struct Keys {
    dir: tempfile::TempDir,
    ours: SigningKey,
    theirs: SigningKey,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys {
            dir: tempfile::tempdir().expect("a folder"),
            ours: SigningKey::generate().expect("a key"),
            theirs: SigningKey::generate().expect("a key"),
        };
        for (name, key) in [("ours", &keys.ours), ("theirs", &keys.theirs)] {
            std::fs::write(keys.path(name), key.to_pem().expect("PEM").as_bytes()).expect("written");
            std::fs::write(keys.path(&format!("{name}.pub")), key.public().to_pem()).expect("written");
        }
        keys
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn alipay(&self, port: u16) -> Alipay {
        Alipay::new(AlipaySettings {
            name: "alipay".to_owned(),
            gateway: format!("http://127.0.0.1:{port}/gateway.do"),
            app_id: "2021000000000001".to_owned(),
            key: SigningKey::open(self.path("ours").as_ref()).expect("our key"),
            alipay: self.theirs.public().into(),
            notify_url: Some("https://pay.example/alipay?a=b&c=d".to_owned()),
            pay_within: Span::from_secs(900),
            ca: None,
        })
        .expect("settings")
    }

    fn wechatpay(&self, port: u16) -> WechatPay {
        WechatPay::new(WechatPaySettings {
            name: "wechatpay".to_owned(),
            gateway: format!("http://127.0.0.1:{port}"),
            app_id: "wxd678efh567hg6787".to_owned(),
            merchant_id: "1900000001".to_owned(),
            key: SigningKey::open(self.path("ours").as_ref()).expect("our key"),
            key_serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1".to_owned(),
            wechat_keys: vec![(SERIAL.to_owned(), self.theirs.public())],
            api_key: "0123456789abcdef0123456789abcdef".to_owned().into(),
            notify_url: "https://pay.example/wechatpay".to_owned(),
            pay_within: Span::from_secs(900),
            ca: None,
        })
        .expect("settings")
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(since.as_micros() as i64).expect("a time")
}

fn request(method: Method, key: u8) -> Request {
    Request {
        call: Call {
            key: CallKey([key; 16]),
            payment: PaymentId::parse("p1").expect("an id"),
            method,
            operation: Operation::Authorize,
            amount: fen(1234),
        },
        merchant: MerchantId::parse("m1").expect("an id"),
        order: OrderId::parse("o1").expect("an id"),
        requested: now(),
        original: None,
        instrument: None,
        subject: "Shoes, 鞋 \u{1f45f} + \"50%\"".to_owned(),
        authenticated: false,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

/// The judge's verdict on our request is in the QR code; its signed answers are ours to judge.
fn judged(channel: &dyn Channel) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let method = channel.method();
    let asked = runtime.block_on(channel.ask(&request(method, 7)));
    assert_eq!(asked.pay_url.as_deref(), Some("true,false"), "{asked:?}");
    let good = runtime.block_on(channel.query(&request(method, 7)));
    assert_eq!(good.answer, Answer::Approved { amount: fen(1234) }, "{good:?}");
    let tampered = runtime.block_on(channel.query(&request(method, 0xff)));
    assert_eq!(tampered.answer, Answer::Unknown);
    assert!(tampered.code.is_some_and(|code| code.contains("signature")));
}

#[test]
#[ignore = "needs the SDKs"]
fn alipays_own_sdk_signs_as_we_do() {
    let keys = Keys::new();
    let judge = start("gateway_alipay.cjs", &[&keys.path("ours"), &keys.path("theirs")]);
    judged(&keys.alipay(judge.port));
}

#[test]
#[ignore = "needs the SDKs"]
fn python_alipay_sdk_verifies_what_we_sign() {
    let keys = Keys::new();
    let judge = start("gateway_alipay.py", &[&keys.path("ours.pub"), &keys.path("theirs")]);
    judged(&keys.alipay(judge.port));
}

#[test]
#[ignore = "needs the SDKs"]
fn wechatpayv3_verifies_what_we_sign_and_seals_what_we_open() {
    let keys = Keys::new();
    let judge = start("gateway_wechatpay.py", &[&keys.path("ours.pub"), &keys.path("theirs")]);
    let channel = keys.wechatpay(judge.port);
    judged(&channel);

    let told: serde_json::Value =
        serde_json::from_str(&get(judge.port, "/notification/1234")).expect("headers and body");
    let headers: Vec<(String, String)> = told["headers"]
        .as_object()
        .expect("headers")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let body = told["body"].as_str().expect("a body");
    let read =
        |body: &str| channel.callback(&Callback { now: now(), headers: &headers, body: body.as_bytes() });
    let reply = read(body).expect("theirs");
    assert_eq!((reply.key, reply.answer), (Some(CallKey([7; 16])), Answer::Approved { amount: fen(1234) }));
    assert_eq!(read(&body.replace("SUCCESS", "REFUNDS")), Err(CallbackError::Forged));
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("sent");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("an answer");
    all.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

/// An SDK is the merchant, and the wallet is our simulator.
fn bought(script: &str, kind: Kind, path: &str) {
    bought_in(script, kind, path, &[]);
}

/// The same, with files in the folder of keys.
fn bought_in(script: &str, kind: Kind, path: &str, files: &[(&str, &str)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).expect("written"));
    let port = runtime.block_on(async {
        let keys = WalletKeys::open(folder.path()).expect("keys");
        let institution =
            Institution::listen(kind, "127.0.0.1:0", Script::default(), Ledger::new(kind)).await;
        let institution = institution.expect("it listens").keys(keys);
        let port = institution.address().port();
        tokio::spawn(institution.serve());
        port
    });
    let keys = folder.path().display().to_string();
    let done =
        command(script, &[&format!("http://127.0.0.1:{port}{path}"), &keys]).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.trim().ends_with("ok"), "{said}");
}

#[test]
#[ignore = "needs the SDKs"]
fn alipays_own_sdk_buys_from_our_alipay() {
    bought("merchant_alipay.cjs", Kind::Alipay, "/gateway.do");
}

#[test]
#[ignore = "needs the SDKs"]
fn alipays_own_sdk_buys_by_certificates() {
    let made: serde_json::Value =
        serde_json::from_str(include_str!("channels/certificates.json")).expect("certificates");
    let files = [
        ("app.crt", "app"),
        ("root.crt", "root"),
        ("alipay.crt", "alipay"),
        ("merchant.pem", "app_key"),
        ("wallet.pem", "alipay_key"),
    ];
    let files = files.map(|(file, name)| (file, made[name].as_str().expect("PEM")));
    bought_in("merchant_alipay.cjs", Kind::Alipay, "/gateway.do", &files);
}

#[test]
#[ignore = "needs the SDKs"]
fn wechatpayv3_buys_from_our_wechat_pay() {
    bought("merchant_wechatpay.py", Kind::Wechatpay, "");
}

#[test]
#[ignore = "needs the SDKs"]
fn wechatpay_node_v3_buys_from_our_wechat_pay() {
    bought("merchant_wechatpay.cjs", Kind::Wechatpay, "");
}
