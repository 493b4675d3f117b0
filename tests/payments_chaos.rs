//! Institutions answer late, twice, in another order, nonsense, not at all, or hang up in the middle; the gateway is
//! killed now and then. Nobody is charged twice, nothing acknowledged is lost, and both sides' books agree.
//!
//! 500 payments in every run; `TOLLGATE_SOAK=200 cargo test --release --all-features --test payments_chaos -- --nocapture`
//! makes 100,000 and prints what became of them.
#![cfg(feature = "serve")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use institution::Institution;
use serde_json::{Value, json};
use sidecar::{PATIENCE, Sidecar, TOKEN_KEY, try_ask};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/sidecar.rs"]
mod sidecar;

const CARDS: [&str; 3] = ["4111 1111 1111 1111", "5555 5555 5555 4444", "3782 822463 10005"];
/// A wallet's code, as a payer shows it.
const SHOWN: &str = "28763443825664394";

/// Payments of a run, and lives of the gateway in which they are made.
const PAYMENTS: usize = 500;
const LIVES: usize = 4;
const CLIENTS: usize = 24;

/// What goes wrong, each at so many requests of a hundred: one in seven in all. What ends a connection ends all that is
/// under way on it, and too much of that would have the institution left alone.
const SCRIPT: &str = "seed = 20261127
[[rule]]
share = 0.04
then = 'delay'
delay_ms = 40
[[rule]]
share = 0.01
then = 'disconnect'
[[rule]]
share = 0.02
then = 'time_out'
[[rule]]
share = 0.02
then = 'lost'
[[rule]]
share = 0.03
then = 'duplicate'
[[rule]]
share = 0.01
then = 'garbage'
[[rule]]
share = 0.02
then = 'reorder'
";

fn payments() -> usize {
    PAYMENTS * std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse::<usize>().ok()).unwrap_or(1)
}

struct World {
    dir: tempfile::TempDir,
    institutions: [Institution; 3],
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        let rule = "[[rule]]\nid = \"never\"\nwhen = 'device_os == \"never\"'\nthen = \"decline\"\nreason = \"NEVER\"\n\
                    example.fires = [{ device_os = \"never\" }]\nexample.quiet = [{ device_os = \"plain\" }]\n";
        std::fs::write(dir.path().join("rules/rules.toml"), rule).unwrap();
        let start = |kind: &str| {
            let keys = dir.path().join(format!("{kind}-keys")).display().to_string();
            // A payer whose code was lost with a life of the gateway is shown one, and scans it.
            let more: &[&str] = if kind == "card" { &[] } else { &["--keys", &keys, "--pay-after", "0"] };
            Institution::start(kind, dir.path(), Some(SCRIPT), more)
        };
        let institutions = ["card", "alipay", "wechatpay"].map(start);
        World { dir, institutions }
    }

    fn open(&self) -> Sidecar {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let [card, ali, wx] = &self.institutions;
        let text = format!(
            "rules = '{rules}'\nempty_past = true\n[journal]\ndir = '{journal}'\n[payments]\ndir = '{payments}'\n\
             ask_again = '100ms'\nask_again_max = '500ms'\n\
             [[payments.channel]]\nname = 'bank'\ndeadline = '250ms'\ncard = {{ address = '{card}', connections = 16 }}\n\
             [[payments.channel]]\nname = 'ali'\ndeadline = '250ms'\n[payments.channel.alipay]\n\
             gateway = 'http://{ali}/gateway.do'\napp_id = '2021000000000001'\nkey = '{a}/merchant.pem'\n\
             institution_key = '{a}/wallet.pub.pem'\n\
             [[payments.channel]]\nname = 'wx'\ndeadline = '250ms'\n[payments.channel.wechatpay]\ngateway = 'http://{wx}'\n\
             app_id = 'wxd678efh567hg6787'\nmerchant_id = '1900000001'\nkey = '{w}/merchant.pem'\n\
             key_serial = '5157F09EFDC096DE15EBE81A47057A7232F1B8E1'\ninstitution_key = '{w}/wallet.pub.pem'\n\
             institution_serial = 'PUB_KEY_ID_0119000000012026'\napi_key = '{w}/api_key'\n\
             notify_url = 'http://127.0.0.1:9/v1/callbacks/wx'\n",
            rules = at("rules"),
            journal = at("journal"),
            payments = at("payments"),
            card = card.address,
            ali = ali.address,
            wx = wx.address,
            a = at("alipay-keys"),
            w = at("wechatpay-keys"),
        );
        let path = at("serve.toml");
        std::fs::write(&path, text).unwrap();
        Sidecar::start_with(&["--config", &path], &[TOKEN_KEY])
    }
}

/// Which institution the payment of a number goes to: half of them are cards'.
fn way(n: usize) -> usize {
    [0, 1, 0, 2][n % 4]
}

fn currency(n: usize) -> &'static str {
    if way(n) == 0 { "EUR" } else { "CNY" }
}

/// Orders and pays; a payment in eight is asked for twice at once, one in four is given back in part. `None` when the
/// gateway is gone.
fn pay(address: &str, n: usize) -> Option<Value> {
    let order = format!("o{n}");
    let post = |path: &str, body: &Value| try_ask(address, "POST", path, &[], &body.to_string());
    post("/v1/orders", &json!({ "id": order, "amount": format!("10.00 {}", currency(n)) }))?;
    let body = match way(n) {
        0 => {
            json!({ "order": order, "method": "card", "card": { "number": CARDS[n % 3], "expiry": "09/28" } })
        }
        1 => json!({ "order": order, "method": "alipay", "code": SHOWN }),
        // Scanned by the payer, whom nobody tells of: it is asked about until it is paid.
        _ => json!({ "order": order, "method": "wechatpay" }),
    };
    let paid = match n % 8 {
        5 => std::thread::scope(|scope| {
            let other = scope.spawn(|| post("/v1/payments", &body));
            let one = post("/v1/payments", &body);
            other.join().unwrap().or(one)
        })?,
        _ => post("/v1/payments", &body)?,
    };
    let paid = paid.json();
    if n.is_multiple_of(4) && paid["state"] == "captured" {
        let refund = json!({ "id": "r1", "amount": format!("4.00 {}", currency(n)) });
        post(&format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap()), &refund)?;
    }
    Some(paid)
}

/// Where a payment has come to, once nothing of it is under way.
fn ended(sidecar: &Sidecar, id: &str) -> Value {
    let start = Instant::now();
    loop {
        let now = sidecar.ask("GET", &format!("/v1/payments/{id}"), &[], "").json();
        let open = |o: &Value| ["sent", "unknown"].contains(&o["phase"].as_str().unwrap());
        let is_open = now["operations"].as_array().unwrap().iter().any(open);
        if !is_open && now["state"] != "authorized" {
            return now;
        }
        assert!(start.elapsed() < 3 * PATIENCE, "no end: {now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn minor(amount: &Value) -> i64 {
    amount.as_str().unwrap().split(' ').next().unwrap().replace('.', "").parse().unwrap()
}

#[test]
fn whatever_institutions_do_nobody_is_charged_twice() {
    let (world, all, began) = (World::new(), payments(), Instant::now());
    let next = AtomicUsize::new(0);
    let told = Mutex::new(BTreeMap::new());
    for life in 1..=LIVES {
        let mut sidecar = world.open();
        let until = all * life / LIVES;
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    while next.load(Ordering::Relaxed) < until {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let Some(paid) = pay(&sidecar.main, n) else { return };
                        // What was refused acknowledges nothing.
                        if paid["id"].is_string() {
                            told.lock().unwrap().insert(n, paid);
                        }
                    }
                });
            }
            // All but the last life end in the middle of the work.
            if life < LIVES {
                while next.load(Ordering::Relaxed) + CLIENTS < until {
                    std::thread::sleep(Duration::from_millis(1));
                }
                sidecar.signal("KILL");
            }
        });
        if life < LIVES {
            sidecar.ended();
            continue;
        }
        check(&world, &sidecar, next.load(Ordering::Relaxed), &told.lock().unwrap(), began);
    }
}

fn check(world: &World, sidecar: &Sidecar, all: usize, told: &BTreeMap<usize, Value>, began: Instant) {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut sums = [[0; 2]; 3];
    let mut charged = [0; 3];
    for n in 0..all {
        let found = sidecar.ask("GET", &format!("/v1/orders/o{n}"), &[], "");
        let known = told.get(&n);
        if found.status == 404 {
            assert!(known.is_none(), "o{n} was acknowledged and is gone: {known:?}");
            continue;
        }
        let found = found.json();
        let ids = found["payments"].as_array().unwrap();
        assert!(ids.len() <= 1, "one attempt is one payment: {found}");
        let Some(id) = ids.first().and_then(Value::as_str) else { continue };
        let end = ended(sidecar, id);
        if let Some(known) = known {
            assert_eq!(known["id"], end["id"]);
            let was_paid = known["state"] == "captured";
            assert!(!was_paid || minor(&end["captured"]) == 1_000, "{known} became {end}");
        }
        let captured = minor(&end["captured"]);
        assert!([0, 1_000].contains(&captured), "{end}");
        charged[way(n)] += usize::from(captured > 0);
        sums[way(n)][0] += captured;
        sums[way(n)][1] += minor(&end["refunded"]);
        *states
            .entry(format!("{} {}", end["method"].as_str().unwrap(), end["state"].as_str().unwrap()))
            .or_default() += 1;
    }
    println!("{all} payments in {:?}: {states:?}", began.elapsed());
    for (place, institution) in world.institutions.iter().enumerate() {
        let books = institution.books();
        let twice = books.iter().filter(|entry| entry["effects"].as_i64().unwrap() > 1).count();
        let theirs = books.iter().filter(|entry| entry["captured"].as_i64().unwrap() > 0).count();
        assert_eq!(twice, 0, "institution {place} did something twice");
        assert_eq!(theirs, charged[place], "institution {place}: how many were charged");
        let theirs = ["captured", "refunded"].map(|what| institution.sum(what));
        assert_eq!(theirs, sums[place], "institution {place}: captured and refunded, theirs and ours");
        assert_eq!(institution.sum("held"), 0, "institution {place}: nothing is held that nobody knows of");
    }
    assert!(charged.iter().all(|count| *count * 4 > all / 4), "they were at work: {charged:?}");
}
