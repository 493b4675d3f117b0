//! The gateway ends at every failpoint, one after the other, is started anew, and its merchants come again: what was
//! acknowledged is there, the institutions' own books have each thing once, and everything has come to an end.
//!
//! Failpoints are those of the list in src/failpoint.rs: one that this does not pass is an error. Each is passed once,
//! and those that are about requests to institutions more often; `TOLLGATE_SOAK=1 cargo test --all-features --test
//! payments_failpoints -- --nocapture` ends at every passage of each, and prints how long it took to be back.
#![cfg(all(feature = "serve", feature = "failpoints"))]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use institution::Institution;
use rules::{DOUBTFUL, ODD};
use serde_json::{Value, json};
use sidecar::{PATIENCE, Sidecar, TOKEN_KEY, try_ask};
use tollgate::failpoint::Failpoint;

#[path = "support/institution.rs"]
mod institution;
#[path = "support/rules.rs"]
mod rules;
#[path = "support/sidecar.rs"]
mod sidecar;

const VISA: &str = "4111 1111 1111 1111";

/// Orders that are paid for no other reason than that journals go on to their next files.
const FILLERS: usize = 40;
/// How long snapshots, notices and what a wallet tells are waited for.
const BESIDE: Duration = Duration::from_millis(400);
/// Passages of one failpoint that are tried at most, whatever is asked for.
const PASSAGES_MAX: u64 = 400;

/// A gateway with its folder, institutions and a merchant that is told.
struct World {
    dir: tempfile::TempDir,
    bank: Institution,
    wallet: Institution,
    listen: String,
    told: TcpListener,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let bank = Institution::start("card", dir.path(), None, &[]);
        let keys = dir.path().join("keys");
        let wallet = Institution::start(
            "alipay",
            dir.path(),
            None,
            &["--keys", keys.to_str().unwrap(), "--pay-after", "0"],
        );
        std::fs::create_dir_all(dir.path().join("rules/lists")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), [DOUBTFUL, ODD].concat()).unwrap();
        let list = "kind = \"token\"\nabout = \"of a test\"\nitems = []\n";
        std::fs::write(dir.path().join("rules/lists/stolen.toml"), list).unwrap();
        std::fs::write(dir.path().join("secret"), "s".repeat(32)).unwrap();
        // A port that is free, for the wallet to call and for every life of the gateway.
        let listen = sidecar::free_address();
        World { dir, bank, wallet, listen, told: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// Takes every notice, until the test is over.
    fn take_notices(&self, over: &std::sync::atomic::AtomicBool) {
        self.told.set_nonblocking(true).unwrap();
        while !over.load(Ordering::Relaxed) {
            let Ok((mut socket, _)) = self.told.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            if read_request(&mut socket).is_some() {
                let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            }
        }
    }

    fn config(&self) -> String {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let keys = ["one", "two", "boss"].map(|name| {
            use sha2::Digest as _;
            let digest: String = sha2::Sha256::digest(name).iter().map(|b| format!("{b:02x}")).collect();
            let (merchant, scopes) = match name {
                "boss" => (String::new(), "'review'"),
                name => (format!("merchant = '{name}'\n"), "'pay'"),
            };
            format!("[[key]]\nname = '{name}'\nsha256 = '{digest}'\n{merchant}scopes = [{scopes}]\n")
        });
        let text = format!(
            "rules = '{rules}'\nempty_past = true\nlisten = '{listen}'\n{keys}\
             [journal]\ndir = '{journal}'\nsegment_bytes = 131072\nsnapshot = '100ms'\n\
             [payments]\ndir = '{payments}'\nsegment_bytes = 131072\nsnapshot_records = 40\ncodes = '{codes}'\n\
             ask_again = '50ms'\nask_again_max = '200ms'\nwebhook_again = '20ms'\n\
             [[payments.merchant]]\nid = 'one'\nwebhook = 'http://{told}/'\nwebhook_secret = '{secret}'\n\
             [[payments.merchant]]\nid = 'two'\ncapture = 'manual'\n\
             [[payments.on_fraud]]\nfield = 'card'\nlist = 'stolen'\n\
             [[payments.channel]]\nname = 'bank'\ndeadline = '3s'\ncard.address = '{bank}'\n\
             [[payments.channel]]\nname = 'ali'\ndeadline = '3s'\n[payments.channel.alipay]\n\
             gateway = 'http://{wallet}/gateway.do'\napp_id = '2021000000000001'\nkey = '{k}/merchant.pem'\n\
             institution_key = '{k}/wallet.pub.pem'\nnotify_url = 'http://{listen}/v1/callbacks/ali'\n",
            rules = at("rules"),
            listen = self.listen,
            keys = keys.concat(),
            journal = at("journal"),
            payments = at("payments"),
            codes = at("codes.jsonl"),
            told = self.told.local_addr().unwrap(),
            secret = at("secret"),
            bank = self.bank.address,
            wallet = self.wallet.address,
            k = at("keys"),
        );
        let path = at("serve.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn open(&self, failpoint: &str) -> Sidecar {
        let variables = [TOKEN_KEY, ("TOLLGATE_FAILPOINT", failpoint)];
        let count = if failpoint.is_empty() { 1 } else { 2 };
        let listen = format!("--listen={}", self.listen);
        Sidecar::spawn(&[], &["--config", &self.config(), &listen], &variables[..count])
    }

    /// The code that was sent last for a payment.
    fn code(&self, payment: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.path().join("codes.jsonl")).ok()?;
        let sent: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let line = sent.iter().rev().find(|line| line["payment"] == payment)?;
        Some(line["text"]["en"].as_str()?[..6].to_owned())
    }
}

/// Reads one request to its end.
fn read_request(socket: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Some(());
            }
        }
        match socket.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
    }
}

/// What merchants were told: whatever was acknowledged.
#[derive(Default)]
struct Told {
    orders: Vec<(String, &'static str)>,
    payments: BTreeMap<String, (String, &'static str)>,
}

/// Merchants and those who review go through all that can happen; again from the beginning after a restart.
struct Merchants<'a> {
    world: &'a World,
    sidecar: &'a Sidecar,
    told: &'a mut Told,
    /// So that keys are new in every life: what they keep is one of the things that may be lost before it was told.
    life: u32,
    keys: u32,
    /// Whether so many orders are paid that journals go on to their next files.
    fill: bool,
    /// Whether an institution is silent once.
    silent: bool,
}

impl Merchants<'_> {
    fn ask(&mut self, key: &str, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        self.keys += 1;
        let own = format!("{}-{}", self.life, self.keys);
        let headers = [("x-api-key", key), ("idempotency-key", own.as_str())];
        let answer = try_ask(&self.sidecar.main, method, path, &headers, body)?;
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
        Some((answer.status, answer.json()))
    }

    /// An order and its payment, as far as that has got.
    fn pay(&mut self, key: &'static str, order: &str, amount: &str, more: Value) -> Option<Value> {
        let wanted = json!({ "id": order, "amount": amount }).to_string();
        let (_, created) = self.ask(key, "POST", "/v1/orders", &wanted)?;
        assert_eq!(created["id"], order, "{created}");
        self.told.orders.push((order.to_owned(), key));
        let mut body = json!({ "order": order });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, paid) = self.ask(key, "POST", "/v1/payments", &body.to_string())?;
        assert!(status < 300, "{paid}");
        self.heard(key, &paid);
        self.known(key, order, paid)
    }

    /// Waits for what a slow machine has not heard in time; nobody waits for silence, or for a payer.
    fn known(&mut self, key: &'static str, order: &str, mut payment: Value) -> Option<Value> {
        let start = Instant::now();
        while payment["state"] == "unknown" && !["silent", "scanned"].contains(&order) {
            assert!(start.elapsed() < PATIENCE, "{payment}");
            std::thread::sleep(Duration::from_millis(20));
            let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
            payment = self.ask(key, "GET", &path, "")?.1;
        }
        Some(payment)
    }

    fn heard(&mut self, key: &'static str, payment: &Value) {
        if let (Some(id), Some(state)) = (payment["id"].as_str(), payment["state"].as_str()) {
            self.told.payments.insert(id.to_owned(), (state.to_owned(), key));
        }
    }

    fn act(&mut self, key: &'static str, payment: &Value, what: &str, body: Value) -> Option<Value> {
        let id = payment["id"].as_str().unwrap();
        let path = format!("/v1/payments/{id}/{what}");
        let (status, answer) = self.ask(key, "POST", &path, &body.to_string())?;
        // In the first life nothing has been done before; later much of it may have.
        assert!(status < 300 || self.life > 1 || body["code"] == "000000", "{what} {body}: {answer}");
        if key != "boss" {
            self.heard(key, &answer);
        }
        Some(answer)
    }

    /// All that can happen. `None` when the gateway is gone.
    fn go(&mut self) -> Option<()> {
        let card = |os: &str| {
            json!({
                "method": "card", "phone": "+8613800000000",
                "card": { "number": VISA, "expiry": "09/28", "cvv": "123" },
                "facts": { "device_os": os, "ip": "203.0.113.7" },
            })
        };
        let paid = self.pay("one", "refunded", "10.00 EUR", card("plain"))?;
        self.act("one", &paid, "refunds", json!({ "id": "r1", "amount": "4.00 EUR" }))?;
        self.act("one", &paid, "refunds", json!({ "id": "r2", "amount": "1.00 EUR" }))?;
        self.act("boss", &paid, "disputes", json!({ "id": "d1", "event": "opened", "kind": "fraud" }))?;
        let paid = self.pay("two", "captured", "10.00 EUR", card("plain"))?;
        self.act("two", &paid, "capture", json!({ "amount": "6.00 EUR" }))?;
        let paid = self.pay("two", "voided", "10.00 EUR", card("plain"))?;
        self.act("two", &paid, "void", json!({}))?;
        let held = self.pay("one", "approved", "10.00 EUR", card("odd"))?;
        self.act("boss", &held, "review", json!({ "decision": "approve" }))?;
        let held = self.pay("one", "reviewed", "10.00 EUR", card("odd"))?;
        self.act("boss", &held, "review", json!({ "decision": "decline" }))?;
        let asked = self.pay("one", "challenged", "10.00 EUR", card("doubtful"))?;
        self.act("one", &asked, "challenge", json!({ "code": "000000" }))?;
        if let Some(code) = self.world.code(asked["id"].as_str().unwrap()) {
            self.act("one", &asked, "challenge", json!({ "code": code }))?;
        }
        // It is done and never answered: that takes its time.
        if self.silent {
            self.pay("one", "silent", "92.02 EUR", card("plain"))?;
        }
        // The payer scans it soon, and the wallet tells.
        self.pay("one", "scanned", "12.00 CNY", json!({ "method": "alipay" }))?;
        for n in 0..if self.fill { FILLERS } else { 1 } {
            self.pay("one", &format!("filler{n}"), "1.00 EUR", card("plain"))?;
        }
        // What goes on beside is given the time to.
        if self.life > 1 {
            return Some(());
        }
        let start = Instant::now();
        loop {
            let metrics = try_ask(&self.sidecar.admin, "GET", "/metrics", &[], "")?.body;
            if metrics.contains("\ntollgate_payments_unfinished 0\n") && start.elapsed() > BESIDE {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "unfinished: {}", self.sidecar.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(())
    }
}

/// Ends there and comes back, after how long; nothing when nobody passed it so often.
fn ended_at(failpoint: &str) -> Option<Duration> {
    let world = World::new();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| world.take_notices(&over));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(&world, failpoint)));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|e| std::panic::resume_unwind(e))
    })
}

fn one(world: &World, failpoint: &str) -> Option<Duration> {
    let mut told = Told::default();
    let mut sidecar = world.open(failpoint);
    let (fill, silent) = (failpoint.starts_with("segment"), failpoint.starts_with("query"));
    if sidecar.listens() {
        let mut merchants =
            Merchants { world, sidecar: &sidecar, told: &mut told, life: 1, keys: 0, fill, silent };
        let gone = merchants.go().is_none();
        if !gone {
            // Nobody passed it so often; the end of the process may.
            sidecar.signal("TERM");
        }
    }
    let good = sidecar.ended();
    let said = format!("\"event\":\"failpoint\",\"name\":\"{}\"", failpoint.split(':').next().unwrap());
    if !sidecar.log().contains(&said) {
        assert!(good, "{failpoint}: it ended otherwise:\n{}", sidecar.log());
        return None;
    }
    drop(sidecar);

    let start = Instant::now();
    let mut sidecar = world.open("");
    assert!(sidecar.listens(), "{failpoint}: it does not come back:\n{}", sidecar.log());
    while sidecar.metric("tollgate_payments_unfinished") > 0.0 {
        assert!(start.elapsed() < PATIENCE, "{failpoint}: unfinished:\n{}", sidecar.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    let back = start.elapsed();
    check(&sidecar, &told, failpoint);
    // Merchants come again with all of it.
    let mut again = Told::default();
    let mut merchants =
        Merchants { world, sidecar: &sidecar, told: &mut again, life: 2, keys: 0, fill, silent };
    let came = merchants.go();
    assert!(came.is_some(), "{failpoint}: {}", sidecar.log());
    check(&sidecar, &told, failpoint);
    check(&sidecar, &again, failpoint);
    again.orders.extend(told.orders);
    balance(world, &sidecar, &again, failpoint);
    Some(back)
}

/// Where a payment is after it was told to be somewhere: as far, or further.
fn follows(told: &str, now: &str) -> bool {
    let after = |state: &str| match state {
        // A challenge that is passed leaves it where it was before.
        "created" | "unknown" | "challenged" => 0,
        "review_held" | "authorized" => 2,
        "captured" | "voided" | "declined" => 3,
        "partially_refunded" | "refunded" => 4,
        _ => 5,
    };
    let is_refused = |state: &str| state == "voided" || state == "declined";
    after(now) >= after(told) && (after(told) < 3 || is_refused(now) == is_refused(told))
}

/// What was acknowledged is there, and is what it was said to be.
fn check(sidecar: &Sidecar, told: &Told, failpoint: &str) {
    let get = |key: &str, path: &str| sidecar.ask("GET", path, &[("x-api-key", key)], "");
    for (order, key) in &told.orders {
        let found = get(key, &format!("/v1/orders/{order}"));
        assert_eq!(found.status, 200, "{failpoint}: order {order} was acknowledged and is gone");
    }
    for (id, (state, key)) in &told.payments {
        let found = get(key, &format!("/v1/payments/{id}"));
        assert_eq!(found.status, 200, "{failpoint}: payment {id} was acknowledged and is gone");
        let now = found.json()["state"].as_str().unwrap().to_owned();
        assert!(follows(state, &now), "{failpoint}: payment {id} was {state} and is {now}");
    }
}

/// Everything has come to an end, or waits for its payer, and both sides' books agree.
fn balance(world: &World, sidecar: &Sidecar, told: &Told, failpoint: &str) {
    const ENDS: [&str; 6] = ["captured", "partially_refunded", "refunded", "voided", "declined", "disputed"];
    let mut sums = BTreeMap::from([("EUR", [0, 0]), ("CNY", [0, 0])]);
    let orders: std::collections::BTreeSet<_> = told.orders.iter().collect();
    for (order, key) in orders {
        let found = sidecar.ask("GET", &format!("/v1/orders/{order}"), &[("x-api-key", key)], "").json();
        let ids = found["payments"].as_array().unwrap();
        assert_eq!(ids.len(), 1, "{failpoint}: {found}");
        let start = Instant::now();
        let ended = loop {
            let path = format!("/v1/payments/{}", ids[0].as_str().unwrap());
            let now = sidecar.ask("GET", &path, &[("x-api-key", key)], "").json();
            let state = now["state"].as_str().unwrap();
            // A payer whose card is gone, or who was sent no code, has five minutes.
            if ENDS.contains(&state) || (order == "challenged" && state == "challenged") {
                break now;
            }
            assert!(start.elapsed() < PATIENCE, "{failpoint}: no end: {now}\n{}", sidecar.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        for (at, what) in ["captured", "refunded"].iter().enumerate() {
            let (amount, currency) = ended[what].as_str().unwrap().split_once(' ').unwrap();
            sums.get_mut(currency).unwrap()[at] += amount.replace('.', "").parse::<i64>().unwrap();
        }
    }
    for (institution, currency) in [(&world.bank, "EUR"), (&world.wallet, "CNY")] {
        let theirs = ["captured", "refunded"].map(|what| institution.sum(what));
        assert_eq!(theirs, sums[currency], "{failpoint}: {currency}, theirs and ours\n{}", sidecar.log());
        assert_eq!(institution.sum("held"), 0, "{failpoint}: nothing is held that nobody knows of");
        assert!(
            institution.books().iter().all(|entry| entry["effects"].as_i64().unwrap() <= 1),
            "{failpoint}"
        );
    }
}

/// How often a failpoint is passed in the short form.
fn passages(point: Failpoint) -> u64 {
    match point {
        Failpoint::CallIntended
        | Failpoint::RequestSent
        | Failpoint::CallAnswered
        | Failpoint::CallRecorded => 8,
        Failpoint::ChangeRecorded | Failpoint::SettlementGiven => 6,
        Failpoint::SegmentPrepared | Failpoint::SegmentBegun | Failpoint::SegmentNamed => 4,
        _ => 1,
    }
}

#[test]
fn wherever_the_gateway_ends_nothing_acknowledged_is_lost_and_nothing_is_done_twice() {
    let soak = std::env::var("TOLLGATE_SOAK").is_ok();
    let points = Failpoint::ALL;
    let (next, took) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let most = if soak { PASSAGES_MAX } else { passages(*point) };
                    for passage in 1..=most {
                        let named = format!("{}:{passage}", point.name());
                        let Some(back) = ended_at(&named) else {
                            assert!(passage > 1, "{named}: nobody passes it; have it passed above");
                            break;
                        };
                        took.lock().unwrap().push((back, named));
                    }
                }
            });
        }
    });
    let mut took = took.into_inner().unwrap();
    took.sort();
    let (slowest, at) = took.last().unwrap();
    let median = took[took.len() / 2].0;
    println!(
        "{} ends; back and all asked after {median:?} in the middle, {slowest:?} at most ({at})",
        took.len()
    );
    assert!(took.len() >= points.len());
}
