//! A wallet and its merchant, wired together over real sockets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate::channel::{
    Alipay, AlipaySettings, Callback, CallbackError, Channel, Instrument, Reply, Request, SigningKey,
    VerifyingKey, WechatPay, WechatPaySettings,
};
use tollgate::institution::simulator::{Entry, Institution, Kind, Ledger, Script, WalletKeys};
use tollgate::pay::{Answer, Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId, RefundId};
use tollgate::{Currency, Money, Span, Timestamp};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn fen(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("CNY").unwrap() }
}

pub fn approved(minor: i64) -> Answer {
    Answer::Approved { amount: fen(minor) }
}

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64).unwrap()
}

pub fn key(n: u64) -> CallKey {
    CallKey((u128::from(n) << 64 | 0x5eed).to_be_bytes())
}

/// What a callback came to, as the channel read it.
pub type Told = Arc<Mutex<Vec<Result<Reply, CallbackError>>>>;

/// A wallet that listens, its merchant's channel, and where that is called back.
pub struct Wired {
    pub kind: Kind,
    pub channel: Arc<dyn Channel>,
    pub told: Told,
    pub port: u16,
    callbacks: u16,
    folder: tempfile::TempDir,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Wired {
    pub async fn new(kind: Kind, script: Script, pay_after: Option<Duration>) -> Wired {
        let folder = tempfile::tempdir().unwrap();
        let keys = WalletKeys::open(folder.path()).unwrap();
        let ledger = Ledger::open(kind, &folder.path().join("ledger.jsonl")).unwrap();
        let mut institution =
            Institution::listen(kind, "127.0.0.1:0", script, ledger).await.unwrap().keys(keys);
        if let Some(delay) = pay_after {
            institution = institution.pay_after(delay);
        }
        let port = institution.address().port();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callbacks = listener.local_addr().unwrap().port();
        let mut wired = Wired {
            kind,
            channel: Arc::new(Nobody),
            told: Told::default(),
            port,
            callbacks,
            folder,
            tasks: vec![tokio::spawn(institution.serve())],
        };
        wired.channel = wired.channel_with("merchant", "wallet", 900);
        let (channel, told) = (wired.channel.clone(), wired.told.clone());
        wired.tasks.push(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(called(stream, channel.clone(), told.clone()));
            }
        }));
        wired
    }

    /// A file beside the keys.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A channel with keys of one's choice.
    pub fn channel_with(&self, ours: &str, theirs: &str, pay_within: i64) -> Arc<dyn Channel> {
        let key = SigningKey::open(&self.file(&format!("{ours}.pem"))).unwrap();
        let wallet_key = VerifyingKey::open(&self.file(&format!("{theirs}.pub.pem"))).unwrap();
        let (gateway, callbacks) = (format!("http://127.0.0.1:{}", self.port), self.callbacks);
        let pay_within = Span::from_secs(pay_within);
        match self.kind {
            Kind::Alipay => Arc::new(
                Alipay::new(AlipaySettings {
                    name: "alipay".to_owned(),
                    gateway: format!("{gateway}/gateway.do"),
                    app_id: "2021000000000001".to_owned(),
                    key,
                    alipay: wallet_key.into(),
                    notify_url: Some(format!("http://127.0.0.1:{callbacks}/alipay?a=b")),
                    pay_within,
                    ca: None,
                })
                .unwrap(),
            ),
            _ => Arc::new(
                WechatPay::new(WechatPaySettings {
                    name: "wechatpay".to_owned(),
                    gateway,
                    app_id: "wxd678efh567hg6787".to_owned(),
                    merchant_id: "1900000001".to_owned(),
                    key,
                    key_serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1".to_owned(),
                    wechat_keys: vec![("PUB_KEY_ID_0119000000012026".to_owned(), wallet_key)],
                    api_key: std::fs::read_to_string(self.file("api_key")).unwrap().into(),
                    notify_url: format!("http://127.0.0.1:{callbacks}/wechatpay"),
                    pay_within,
                    ca: None,
                })
                .unwrap(),
            ),
        }
    }

    pub fn request(&self, n: u64, minor: i64) -> Request {
        let method = if self.kind == Kind::Alipay { Method::Alipay } else { Method::WechatPay };
        Request {
            call: Call {
                key: key(n),
                payment: PaymentId::parse("p1").unwrap(),
                method,
                operation: Operation::Authorize,
                amount: fen(minor),
            },
            merchant: MerchantId::parse("m1").unwrap(),
            order: OrderId::parse("o1").unwrap(),
            requested: now(),
            original: None,
            instrument: None,
            subject: "Shoes, \u{978b} & more".to_owned(),
            authenticated: false,
            three_ds: None,
            placed: false,
            repetition: 0,
        }
    }

    pub fn coded(&self, n: u64, minor: i64, code: &str) -> Request {
        Request { instrument: Some(Instrument::Code(code.to_owned().into())), ..self.request(n, minor) }
    }

    /// Of the payment `n`, which was of `paid`, give back so much.
    pub fn refund(&self, n: u64, of: u64, paid: i64, minor: i64) -> Request {
        let mut request = self.request(n, minor);
        request.original = Some((key(of), fen(paid)));
        request.call.operation =
            Operation::Refund { refund: RefundId::parse("r1").unwrap(), amount: fen(minor) };
        request
    }

    pub fn void(&self, n: u64, of: u64, minor: i64) -> Request {
        let mut request = self.refund(n, of, minor, minor);
        request.call.operation = Operation::Void;
        request
    }

    pub async fn ask(&self, request: &Request) -> Reply {
        tokio::time::timeout(PATIENCE, self.channel.ask(request)).await.expect("an answer")
    }

    pub async fn query(&self, request: &Request) -> Reply {
        tokio::time::timeout(PATIENCE, self.channel.query(request)).await.expect("an answer")
    }

    /// Tells payer or wallet to do something: the status of its answer, and its word.
    pub async fn simulate(&self, n: u64, what: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head =
            format!("POST /simulate/{}/{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", key(n));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        let status = all.get(9..12).and_then(|status| status.parse().ok()).unwrap();
        (status, all.rsplit("\r\n\r\n").next().unwrap().trim().to_owned())
    }

    /// Waits until so many callbacks have come.
    pub async fn callbacks(&self, count: usize) -> Vec<Result<Reply, CallbackError>> {
        let began = tokio::time::Instant::now();
        loop {
            let told = self.told.lock().unwrap().clone();
            if told.len() >= count {
                return told;
            }
            assert!(began.elapsed() < PATIENCE, "{count} callbacks, not {}: {told:?}", told.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The wallet's own line about a key.
    pub fn entry(&self, n: u64) -> Option<Entry> {
        self.ledger().into_iter().find(|entry| entry.key == key(n).to_string())
    }

    pub fn ledger(&self) -> Vec<Entry> {
        Ledger::read(&self.file("ledger.jsonl")).unwrap()
    }
}

/// Until there is a channel.
struct Nobody;

impl Channel for Nobody {
    fn name(&self) -> &str {
        "nobody"
    }

    fn method(&self) -> Method {
        Method::Card
    }

    fn ask<'a>(&'a self, _: &'a Request) -> tollgate::channel::Asking<'a> {
        Box::pin(async { Reply::unsent("nobody") })
    }

    fn query<'a>(&'a self, request: &'a Request) -> tollgate::channel::Asking<'a> {
        self.ask(request)
    }
}

/// Takes a callback as a gateway would.
async fn called(mut stream: TcpStream, channel: Arc<dyn Channel>, told: Told) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await.unwrap_or(0);
        if n == 0 {
            return;
        }
        bytes.extend_from_slice(&part[..n]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        let length = end + 4 + length.parse::<usize>().unwrap();
        if bytes.len() >= length {
            break (head, end + 4);
        }
    };
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let read = channel.callback(&Callback { now: now(), headers: &headers, body: &bytes[length..] });
    let (status, word) = match &read {
        Ok(_) => ("200 OK", channel.taken()),
        Err(_) => ("400 Bad Request", "fail"),
    };
    told.lock().unwrap().push(read);
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{word}", word.len());
    drop(stream.write_all(answer.as_bytes()).await);
}
