//! Merchants are told what becomes of their payments: signed, in order, until they take it.
#![cfg(feature = "serve")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use institution::Institution;
use serde_json::{Value, json};
use sidecar::{PATIENCE, Sidecar, TOKEN_KEY};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/sidecar.rs"]
mod sidecar;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Nothing comes within so long: nothing comes.
const QUIET: Duration = Duration::from_millis(600);

/// One request that the merchant got, and what was answered.
#[derive(Debug, Clone)]
struct Told {
    status: u16,
    head: String,
    body: Value,
}

impl Told {
    fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    fn sequence(&self) -> u64 {
        self.body["sequence"].as_u64().unwrap()
    }

    fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

/// A merchant's server. What it answers is taken from the front of a list; its last entry stays.
#[derive(Clone)]
struct Merchant {
    address: String,
    answers: Arc<Mutex<Vec<u16>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Merchant {
    fn answering(answers: &[u16]) -> Merchant {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (answers, told) = (Arc::new(Mutex::new(answers.to_vec())), Arc::default());
        let merchant = Merchant { address, answers, told };
        let each = merchant.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let merchant = each.clone();
                std::thread::spawn(move || while merchant.listen(&socket).is_some() {});
            }
        });
        merchant
    }

    /// Takes one request; nothing when there is none any more.
    fn listen(&self, mut socket: &TcpStream) -> Option<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut body = vec![0; header(&head, "content-length").parse().unwrap()];
        socket.read_exact(&mut body).ok()?;
        let status = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0] }
        };
        // A signature that does not fit is answered as a merchant would: then nothing is ever delivered.
        let status = if is_signed(&head, &body) { status } else { 401 };
        let body = serde_json::from_slice(&body).unwrap();
        self.told.lock().unwrap().push(Told { status, head, body });
        let elsewhere = format!("http://{}/elsewhere", self.address);
        let answer = format!("HTTP/1.1 {status} x\r\nlocation: {elsewhere}\r\ncontent-length: 2\r\n\r\nok");
        socket.write_all(answer.as_bytes()).ok()
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// What was told, once as many as that were taken.
    fn taken(&self, count: usize) -> Vec<Told> {
        let start = Instant::now();
        loop {
            let told = self.told();
            if told.iter().filter(|t| t.status == 200).count() >= count {
                return told;
            }
            assert!(start.elapsed() < PATIENCE, "not {count}: {told:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let found =
        head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no {name} in {head}")).1
}

fn is_signed(head: &str, body: &[u8]) -> bool {
    let (id, at) = (header(head, "webhook-id"), header(head, "webhook-timestamp"));
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - at.parse::<u64>().unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    age < 60 && header(head, "webhook-signature") == format!("v1,{expected}")
}

/// A shop's folder, with an institution for cards.
struct Shop {
    dir: tempfile::TempDir,
    institution: Institution,
}

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let institution = Institution::start("card", dir.path(), None, &[]);
        std::fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let rules = dir.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("rules.toml"), RULES).unwrap();
        Shop { dir, institution }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes the settings; `merchant` is what is set of the one merchant.
    fn settings(&self, merchant: &str) -> String {
        let text = format!(
            "rules = '{}'\nempty_past = true\n[journal]\ndir = '{}'\n\
             [payments]\ndir = '{}'\nwebhook_again = '20ms'\n\
             [[payments.merchant]]\nid = 'anybody'\n{merchant}\n\
             [[payments.channel]]\nname = 'acquirer'\ncard.address = '{}'\n",
            self.path("rules"),
            self.path("journal"),
            self.path("payments"),
            self.institution.address
        );
        std::fs::write(self.dir.path().join("serve.toml"), text).unwrap();
        self.path("serve.toml")
    }

    fn open(&self, merchant: &str) -> Sidecar {
        Sidecar::start_with(&["--config", &self.settings(merchant)], &[TOKEN_KEY])
    }

    /// The merchant's settings with a webhook.
    fn hook(&self, merchant: &Merchant) -> String {
        format!(
            "webhook = 'http://{}/hook?shop=1'\nwebhook_secret = '{}'",
            merchant.address,
            self.path("secret")
        )
    }
}

const RULES: &str = r#"
[[rule]]
id = "bad"
when = 'device_os == "bad"'
then = "decline"
reason = "BAD"
example.fires = [{ device_os = "bad" }]
example.quiet = [{ device_os = "plain" }]
"#;

fn pay(sidecar: &Sidecar, id: &str, os: &str) -> Value {
    let order = json!({ "id": id, "amount": "100.00 EUR" }).to_string();
    assert_eq!(sidecar.post("/v1/orders", &order).status, 201);
    let card = json!({
        "order": id, "method": "card",
        "card": { "number": "4111 1111 1111 1111", "expiry": "09/28", "cvv": "123" },
        "facts": { "device_os": os },
    });
    let paid = sidecar.post("/v1/payments", &card.to_string());
    assert_eq!(paid.status, 201, "{paid:?}");
    paid.json()
}

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter().map(Told::kind).collect()
}

#[test]
fn every_state_arrives_in_order_signed() {
    let (shop, merchant) = (Shop::new(), Merchant::answering(&[500, 302, 200]));
    let hook = shop.hook(&merchant);
    let sidecar = shop.open(&hook);
    let paid = pay(&sidecar, "o1", "plain");
    for (refund, amount) in [("r1", "30.00 EUR"), ("r2", "70.00 EUR")] {
        let path = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
        let body = json!({ "id": refund, "amount": amount }).to_string();
        assert_eq!(sidecar.post(&path, &body).status, 200);
    }
    let told = merchant.taken(4);
    assert_eq!(told.iter().map(|t| t.status).collect::<Vec<_>>(), [500, 302, 200, 200, 200, 200]);
    // The first comes until it is taken, the same each time; a redirection is not followed.
    assert!(told.iter().all(|t| t.head.starts_with("POST /hook?shop=1 HTTP/1.1\r\n")), "{told:#?}");
    assert!(told[..3].iter().all(|t| t.id() == told[0].id()), "{told:#?}");
    assert_eq!(
        kinds(&told[2..]),
        ["payment.authorized", "payment.captured", "payment.partially_refunded", "payment.refunded"]
    );
    for (one, next) in told[2..].iter().zip(&told[3..]) {
        assert!(one.sequence() < next.sequence(), "{told:#?}");
        assert!(one.body["created_at"].as_str() <= next.body["created_at"].as_str(), "{told:#?}");
    }
    for t in &told {
        assert_eq!(t.id(), format!("{}-{}", paid["id"].as_str().unwrap(), t.sequence()));
        assert_eq!(t.id(), header(&t.head, "webhook-id"));
        assert_eq!((&t.body["payment"]["id"], &t.body["payment"]["amount"]), (&paid["id"], &paid["amount"]));
    }
    let last = &told.last().unwrap().body;
    assert_eq!(
        (&last["payment"]["state"], &last["payment"]["sequence"]),
        (&json!("refunded"), &last["sequence"])
    );
    sidecar.wait_for("\"event\":\"webhook_failed\"");
    // What the engine declines is told, too.
    let declined = pay(&sidecar, "o2", "bad");
    let told = merchant.taken(5);
    assert_eq!((told[6].kind(), &told[6].body["payment"]["id"]), ("payment.declined", &declined["id"]));
    // All that was taken is recorded as such: a restart tells nothing again.
    std::thread::sleep(QUIET);
    drop(sidecar);
    let _sidecar = shop.open(&hook);
    std::thread::sleep(QUIET);
    assert_eq!(merchant.told().len(), told.len(), "{:#?}", merchant.told());
}

#[test]
fn a_killed_sidecar_tells_the_rest_when_it_is_back() {
    let (shop, merchant) = (Shop::new(), Merchant::answering(&[200, 503]));
    let sidecar = shop.open(&shop.hook(&merchant));
    let paid = pay(&sidecar, "o1", "plain");
    // The first is taken, the second is not; then `kill -9`.
    let start = Instant::now();
    while merchant.told().len() < 3 {
        assert!(start.elapsed() < PATIENCE, "{:#?}", merchant.told());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(sidecar);
    let before = merchant.told();
    assert_eq!(kinds(&before)[..2], ["payment.authorized", "payment.captured"]);
    assert!(before[1..].iter().all(|t| t.id() == before[1].id() && t.status == 503), "{before:#?}");
    *merchant.answers.lock().unwrap() = vec![200];
    let sidecar = shop.open(&shop.hook(&merchant));
    let told = merchant.taken(2);
    assert_eq!(told.last().unwrap().id(), before[1].id());
    // And what happens after it.
    let refunds = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
    assert_eq!(sidecar.post(&refunds, &json!({ "id": "r1" }).to_string()).status, 200);
    let told = merchant.taken(3);
    assert_eq!(kinds(&told[before.len()..]), ["payment.captured", "payment.refunded"]);
}

#[test]
fn one_who_hears_of_nothing_is_not_told_later() {
    let (shop, merchant) = (Shop::new(), Merchant::answering(&[200]));
    let sidecar = shop.open("");
    pay(&sidecar, "o1", "plain");
    std::thread::sleep(QUIET);
    // Once this is recorded, all before it is.
    let second = pay(&sidecar, "o2", "plain");
    std::thread::sleep(QUIET);
    pay(&sidecar, "o3", "bad");
    assert_ne!(second["id"], Value::Null);
    drop(sidecar);
    let sidecar = shop.open(&shop.hook(&merchant));
    let paid = pay(&sidecar, "o4", "plain");
    merchant.taken(2);
    let about = merchant.told().into_iter().filter(|t| t.body["payment"]["order"] != "o3");
    assert!(about.clone().count() == 2 && about.into_iter().all(|t| t.body["payment"]["id"] == paid["id"]));
}

#[test]
fn wrong_settings_are_named() {
    let shop = Shop::new();
    std::fs::write(shop.dir.path().join("short"), &SECRET[1..]).unwrap();
    let hook =
        |url: &str, secret: &str| format!("webhook = '{url}'\nwebhook_secret = '{}'", shop.path(secret));
    for (merchant, expected) in [
        (hook("https://shop.example/", "short"), "has 31 bytes and wants 32"),
        (hook("https://shop.example/", "nowhere"), "nowhere"),
        (hook("http://shop.example/", "secret"), "is not safe"),
        (hook("ftp://127.0.0.1/", "secret"), "is no address"),
        ("webhook = 'https://shop.example/'".to_owned(), "wants `webhook_secret`"),
    ] {
        let said = refused(Path::new(&shop.settings(&merchant)));
        assert!(said.contains(expected) && said.contains("`anybody`"), "{merchant}: {said}");
    }
}

/// What a sidecar says that does not start.
fn refused(config: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["serve", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    let mut child = command.env(TOKEN_KEY.0, TOKEN_KEY.1).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}
