//! Payments that move money, as a merchant makes them: the sidecar between a shop and simulated institutions.
#![cfg(feature = "serve")]

use std::time::{Duration, Instant};

use institution::Institution;
use rules::{DOUBTFUL, ODD};
use serde_json::{Value, json};
use sidecar::{Answer, PATIENCE, Sidecar, TOKEN_KEY};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/rules.rs"]
mod rules;
#[path = "support/sidecar.rs"]
mod sidecar;

const VISA: &str = "4111 1111 1111 1111";

const BAD: &str = r#"
[[rule]]
id = "bad"
when = 'device_os == "bad" or count(card, 1h, declined) >= 3'
then = "decline"
reason = "BAD"
example.fires = [{ device_os = "bad" }]
example.quiet = [{ device_os = "plain", "count(card, 1h, declined)" = 0 }]
"#;

/// A sidecar with its folder, which outlives it.
struct Shop {
    dir: tempfile::TempDir,
    institution: Institution,
    settings: String,
}

impl Shop {
    /// With a card institution; `settings` come after `[payments]`.
    fn new(script: Option<&str>, settings: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let institution = Institution::start("card", dir.path(), script, &[]);
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), [DOUBTFUL, ODD, BAD].concat()).unwrap();
        Shop { dir, institution, settings: settings.to_owned() }
    }

    fn open(&self) -> Sidecar {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let text = format!(
            "rules = '{}'\nempty_past = true\n[journal]\ndir = '{}'\n[payments]\ndir = '{}'\ncodes = '{}'\n\
             ask_again = '100ms'\n{}\n[[payments.channel]]\nname = 'acquirer'\ndeadline = '1s'\ncard.address = '{}'\n",
            at("rules"),
            at("journal"),
            at("payments"),
            at("codes.jsonl"),
            self.settings,
            self.institution.address
        );
        let path = self.dir.path().join("serve.toml");
        std::fs::write(&path, text).unwrap();
        Sidecar::start_with(&["--config", path.to_str().unwrap()], &[TOKEN_KEY])
    }

    /// The last code that was sent.
    fn code(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("codes.jsonl")).unwrap();
        let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        line["text"]["en"].as_str().unwrap()[..6].to_owned()
    }
}

fn order(sidecar: &Sidecar, id: &str, amount: &str) -> Answer {
    sidecar.post("/v1/orders", &json!({ "id": id, "amount": amount }).to_string())
}

fn card(order: &str, number: &str, os: &str) -> String {
    json!({
        "order": order, "method": "card", "phone": "+8613800000000",
        "card": { "number": number, "expiry": "09/28", "cvv": "123" },
        "facts": { "device_os": os, "ip": "203.0.113.7" },
    })
    .to_string()
}

/// Creates an order and pays it by card.
fn pay(sidecar: &Sidecar, id: &str, amount: &str, os: &str) -> Answer {
    assert_eq!(order(sidecar, id, amount).status, 201);
    sidecar.post("/v1/payments", &card(id, VISA, os))
}

fn on(payment: &Value, what: &str) -> String {
    format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap())
}

fn show(sidecar: &Sidecar, payment: &Value) -> Value {
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    sidecar.ask("GET", &path, &[], "").json()
}

/// Waits until the payment is in a state.
fn until(sidecar: &Sidecar, payment: &Value, state: &str) -> Value {
    let start = Instant::now();
    loop {
        let now = show(sidecar, payment);
        if now["state"] == state {
            return now;
        }
        assert!(start.elapsed() < PATIENCE, "not {state}: {now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_order_is_paid_refunded_and_disputed() {
    let shop = Shop::new(None, "");
    let sidecar = shop.open();
    let paid = pay(&sidecar, "o1", "100.00 EUR", "plain");
    assert_eq!(paid.status, 201, "{paid:?}");
    let paid = paid.json();
    assert_eq!((paid["state"].as_str(), paid["captured"].as_str()), (Some("captured"), Some("100.00 EUR")));
    assert_eq!(paid["channel"], "acquirer");
    // The order knows; the order is paid once.
    assert_eq!(sidecar.ask("GET", "/v1/orders/o1", &[], "").json()["payments"][0], paid["id"]);
    let second = card("o1", VISA, "plain").replace("\"order\"", "\"attempt\":2,\"order\"");
    let second = sidecar.post("/v1/payments", &second);
    assert_eq!((second.status, second.json()["code"].as_str()), (409, Some("order_paid")));

    let refund = |id: &str, amount: &str| {
        sidecar.post(&on(&paid, "refunds"), &json!({ "id": id, "amount": amount }).to_string())
    };
    assert_eq!(refund("r1", "30.00 EUR").json()["state"], "partially_refunded");
    assert_eq!(refund("r1", "30.00 EUR").json()["refunded"], "30.00 EUR", "the same refund again");
    assert_eq!(refund("r1", "31.00 EUR").status, 409, "another by the same id");
    assert_eq!(refund("r2", "70.01 EUR").json()["code"], "above_available");
    let dispute = |body: Value| sidecar.post(&on(&paid, "disputes"), &body.to_string());
    let opened =
        dispute(json!({ "id": "d1", "event": "opened", "reason": { "scheme": "visa", "code": "10.4" } }));
    assert_eq!(opened.json()["state"], "disputed", "{opened:?}");
    assert_eq!(opened.json()["disputes"][0]["kind"], "fraud");
    assert_eq!(refund("r2", "1.00 EUR").status, 409, "while it is disputed");
    assert_eq!(dispute(json!({ "id": "d1", "event": "won" })).json()["state"], "won");
    assert_eq!(refund("r2", "70.00 EUR").json()["state"], "refunded");
    let books = &shop.institution;
    assert_eq!((books.sum("captured"), books.sum("refunded")), (10_000, 10_000));
}

#[test]
fn what_the_engine_says_is_what_happens() {
    let shop = Shop::new(None, "");
    let sidecar = shop.open();
    let declined = pay(&sidecar, "bad", "10.00 EUR", "bad").json();
    assert_eq!(
        (declined["state"].as_str(), declined["operations"].as_array().unwrap().len()),
        (Some("declined"), 0)
    );
    assert!(declined["message"]["zh"].as_str().unwrap().contains("拒绝"));

    // A challenge: wrong codes, then the right one.
    let challenged = pay(&sidecar, "doubtful", "10.00 EUR", "doubtful").json();
    assert_eq!(challenged["state"], "challenged");
    let try_code = |payment: &Value, code: &str| {
        sidecar.post(&on(payment, "challenge"), &json!({ "code": code }).to_string())
    };
    let right = shop.code();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    assert_eq!(try_code(&challenged, wrong).json()["code"], "wrong_code");
    assert_eq!(show(&sidecar, &challenged)["challenge"]["tries_left"], 4);
    assert_eq!(try_code(&challenged, &right).json()["state"], "captured");
    assert_eq!(try_code(&challenged, &right).status, 409, "a code is good once");

    // Five wrong ones end it.
    let guessed = pay(&sidecar, "guessed", "10.00 EUR", "doubtful").json();
    let right = shop.code();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    (0..4).for_each(|_| assert_eq!(try_code(&guessed, wrong).json()["code"], "wrong_code"));
    assert_eq!(try_code(&guessed, wrong).json()["state"], "declined");
    assert_eq!(try_code(&guessed, &right).status, 409);

    // A review: held, listed, approved; or declined and let go.
    let held = pay(&sidecar, "odd", "10.00 EUR", "odd").json();
    assert_eq!(held["state"], "review_held");
    let other = pay(&sidecar, "odder", "10.00 EUR", "odd").json();
    let listed = sidecar.ask("GET", "/v1/reviews", &[], "").json();
    assert_eq!(
        listed.as_array().unwrap().iter().map(|p| &p["id"]).collect::<Vec<_>>(),
        [&held["id"], &other["id"]]
    );
    let review = |payment: &Value, decision: &str| {
        sidecar.post(&on(payment, "review"), &json!({ "decision": decision }).to_string()).json()
    };
    assert_eq!(review(&held, "approve")["state"], "captured");
    assert_eq!(review(&other, "decline")["state"], "voided");
    assert_eq!(shop.institution.sum("captured"), 2_000);
}

#[test]
fn institutions_that_fail_charge_nobody_twice() {
    let shop = Shop::new(None, "");
    let sidecar = shop.open();
    // Declined by its code; the next attempt may go well.
    assert_eq!(order(&sidecar, "o1", "10.00 EUR").status, 201);
    let declined = sidecar.post("/v1/payments", &card("o1", "4000 0000 0000 9995", "plain")).json();
    assert_eq!((declined["state"].as_str(), declined["decline"].as_str()), (Some("declined"), Some("soft")));
    assert_eq!(declined["institution_code"], "51");
    let second = card("o1", VISA, "plain").replace("\"order\"", "\"attempt\":2,\"order\"");
    assert_eq!(sidecar.post("/v1/payments", &second).json()["state"], "captured");
    // It did it and said nothing; said garbage; hung up: undone, and declined for certain.
    for (order, amount) in [("t2", "92.02 EUR"), ("t5", "92.05 EUR"), ("t6", "92.06 EUR")] {
        let began = pay(&sidecar, order, amount, "plain");
        assert!(began.status == 201, "{began:?}");
        let ended = until(&sidecar, &began.json(), "declined");
        assert_eq!(ended["decline"], "technical", "{ended}");
    }
    // Answers twice, and late.
    for (id, amount) in [("t3", "92.03 EUR"), ("t4", "92.04 EUR")] {
        // By another card: the rules have seen the first fail three times.
        assert_eq!(order(&sidecar, id, amount).status, 201);
        let paid = sidecar.post("/v1/payments", &card(id, "5555 5555 5555 4444", "plain"));
        assert_eq!(paid.json()["state"], "captured");
    }
    let refused = pay(&sidecar, "t7", "10.00 EUR", "plain").json();
    assert_eq!(
        (refused["state"].as_str(), refused["operations"].as_array().unwrap().len()),
        (Some("declined"), 0)
    );
    let held: i64 = shop.institution.sum("held");
    assert_eq!((held, shop.institution.sum("captured")), (0, 1_000 + 9_203 + 9_204));
    assert!(shop.institution.books().iter().all(|entry| entry["effects"].as_i64().unwrap() <= 1));
}

#[test]
fn an_institution_that_is_not_there_is_asked_for_nothing() {
    let mut shop = Shop::new(None, "");
    let _ = shop.institution.child.kill();
    let _ = shop.institution.child.wait();
    let sidecar = shop.open();
    let declined = pay(&sidecar, "o1", "10.00 EUR", "plain").json();
    assert_eq!(
        (declined["state"].as_str(), declined["decline"].as_str()),
        (Some("declined"), Some("technical"))
    );
    // It comes back.
    shop.institution = Institution::start_at(&shop.institution.address, "card", shop.dir.path(), None, &[]);
    let second = card("o1", VISA, "plain").replace("\"order\"", "\"attempt\":2,\"order\"");
    // On a busy machine the answer may come late, and is asked for.
    let second = sidecar.post("/v1/payments", &second).json();
    assert_eq!(until(&sidecar, &second, "captured")["state"], "captured");
}

/// More rounds: `TOLLGATE_SOAK=40 cargo test --release --test payments` is two hundred.
fn rounds() -> usize {
    5 * std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse::<usize>().ok()).unwrap_or(1)
}

#[test]
fn a_killed_gateway_loses_nothing_and_charges_nobody_twice() {
    // Some of the institution's answers are late, lost or said twice.
    let script = "seed = 7\n[[rule]]\nshare = 0.1\nthen = 'delay'\ndelay_ms = 30\n\
                  [[rule]]\nshare = 0.02\ntimes = 1\nthen = 'disconnect'\n\
                  [[rule]]\nshare = 0.02\nthen = 'duplicate'\n";
    let shop = Shop::new(Some(script), "");
    let mut number = 0;
    let mut acknowledged: Vec<(String, Value)> = Vec::new();
    for round in 0..rounds() {
        let mut sidecar = shop.open();
        let life = Duration::from_millis(40 + (round as u64 * 67) % 200);
        let started = Instant::now();
        let told = std::sync::Mutex::new(Vec::new());
        let next = std::sync::atomic::AtomicUsize::new(number);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Until nobody answers.
                    loop {
                        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let id = format!("o{n}");
                        let send = |path: &str, body: &str| try_post(&sidecar.main, path, body);
                        let body = json!({ "id": id, "amount": "10.00 EUR" }).to_string();
                        if send("/v1/orders", &body).is_none() {
                            return;
                        }
                        let Some(paid) = send("/v1/payments", &card(&id, CARDS[n % 3], "plain")) else {
                            return;
                        };
                        told.lock().unwrap().push((id, paid));
                    }
                });
            }
            std::thread::sleep(life.saturating_sub(started.elapsed()));
            sidecar.signal("KILL");
        });
        sidecar.ended();
        number = next.into_inner();
        let told = told.into_inner().unwrap();
        acknowledged.extend(told.into_iter().filter(|(_, paid)| paid["state"].is_string()));
    }
    assert!(acknowledged.len() > rounds(), "it was at work: {}", acknowledged.len());
    let sidecar = shop.open();
    // What was begun is paid by whoever comes again with it; everything comes to an end.
    let mut captured = 0;
    for n in 0..number {
        let path = format!("/v1/orders/o{n}");
        let found = sidecar.ask("GET", &path, &[], "");
        let known = acknowledged.iter().find(|(id, _)| *id == format!("o{n}")).map(|(_, paid)| paid);
        if found.status == 404 {
            assert!(known.is_none(), "{path} was acknowledged and is gone");
            continue;
        }
        let Some(id) = found.json()["payments"][0].as_str().map(str::to_owned) else { continue };
        let start = Instant::now();
        let ended = loop {
            let now = show(&sidecar, &json!({ "id": id }));
            let is_open = now["operations"]
                .as_array()
                .unwrap()
                .iter()
                .any(|o| ["sent", "unknown"].contains(&o["phase"].as_str().unwrap()));
            if !is_open && now["state"] != "authorized" {
                break now;
            }
            assert!(start.elapsed() < PATIENCE, "no end: {now}");
            std::thread::sleep(Duration::from_millis(20));
        };
        if let Some(known) = known {
            assert_eq!(known["id"], ended["id"]);
            assert!(known["state"] != "captured" || ended["state"] == "captured", "{known} became {ended}");
        }
        captured += i64::from(ended["state"] == "captured");
    }
    let books = shop.institution.books();
    assert_eq!(shop.institution.sum("captured"), 1_000 * captured, "both books agree");
    assert_eq!(shop.institution.sum("held"), 0, "nothing is held that nobody knows of");
    assert!(books.iter().all(|entry| entry["effects"].as_i64().unwrap() <= 1));
}

const CARDS: [&str; 3] = [VISA, "5555 5555 5555 4444", "3782 822463 10005"];

/// One request; nothing when nobody answers.
fn try_post(address: &str, path: &str, body: &str) -> Option<Value> {
    use std::io::Write as _;
    let mut socket = std::net::TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).ok()?;
    Some(sidecar::read_answer(&mut socket)?.json())
}

#[test]
fn merchants_capture_by_hand_and_void() {
    let shop =
        Shop::new(None, "[[payments.merchant]]\nid = 'anybody'\ncapture = 'manual'\namount_max = ['50 EUR']");
    let sidecar = shop.open();
    let one = pay(&sidecar, "o1", "20.00 EUR", "plain").json();
    assert_eq!(one["state"], "authorized");
    let capture = |payment: &Value, body: &str| sidecar.post(&on(payment, "capture"), body);
    assert_eq!(capture(&one, r#"{"amount":"20.01 EUR"}"#).json()["code"], "above_available");
    assert_eq!(capture(&one, r#"{"amount":"5.00 USD"}"#).json()["code"], "wrong_currency");
    assert_eq!(capture(&one, r#"{"amount":"0 EUR"}"#).json()["code"], "amount_zero");
    assert_eq!(capture(&one, r#"{"amount":"15.00 EUR"}"#).json()["captured"], "15.00 EUR");
    assert_eq!(capture(&one, "").status, 409);
    let two = pay(&sidecar, "o2", "20.00 EUR", "plain").json();
    assert_eq!(sidecar.post(&on(&two, "void"), "").json()["state"], "voided");
    assert_eq!(pay(&sidecar, "o3", "50.01 EUR", "plain").json()["code"], "above_merchant_limit");
    assert_eq!((shop.institution.sum("captured"), shop.institution.sum("held")), (1_500, 0));
}

#[test]
fn a_key_gives_the_answer_that_it_gave() {
    let shop = Shop::new(None, "");
    let sidecar = shop.open();
    order(&sidecar, "o1", "10.00 EUR");
    let key = [("idempotency-key", "one")];
    let first = sidecar.ask("POST", "/v1/payments", &key, &card("o1", VISA, "plain"));
    let again = sidecar.ask("POST", "/v1/payments", &key, &card("o1", VISA, "plain"));
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = sidecar.ask("POST", "/v1/payments", &key, &card("o1", VISA, "other"));
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-mismatch"));
    // Without a key the attempt is the key.
    let natural = sidecar.post("/v1/payments", &card("o1", VISA, "plain"));
    assert_eq!((natural.status, natural.json()["id"].as_str()), (200, first.json()["id"].as_str()));
    drop(sidecar);
    // And after a restart.
    let sidecar = shop.open();
    let again = sidecar.ask("POST", "/v1/payments", &key, &card("o1", VISA, "plain"));
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(shop.institution.sum("captured"), 1_000);
}

#[test]
fn another_merchants_is_not_found() {
    let digest = |key: &str| {
        use sha2::Digest as _;
        sha2::Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let entry = |name: &str, merchant: &str, scopes: &str| {
        format!("[[key]]\nname = '{name}'\nsha256 = '{}'\n{merchant}scopes = [{scopes}]\n", digest(name))
    };
    let keys = entry("one", "merchant = 'm1'\n", "'pay', 'review'")
        + &entry("two", "merchant = 'm2'\n", "'pay', 'review'")
        + &entry("boss", "", "'review'")
        + &entry("scorer", "merchant = 'm1'\n", "'score'");
    let shop = Shop::new(None, &keys);
    let sidecar = shop.open();
    let by = |key: &str, method: &str, path: &str, body: &str| {
        sidecar.ask(method, path, &[("x-api-key", key)], body)
    };
    assert_eq!(by("one", "POST", "/v1/orders", r#"{"id":"o1","amount":"10 EUR"}"#).status, 201);
    let paid = by("one", "POST", "/v1/payments", &card("o1", VISA, "odd")).json();
    assert_eq!((paid["merchant"].as_str(), paid["state"].as_str()), (Some("m1"), Some("review_held")));
    let routes = [
        ("POST", "capture", ""),
        ("POST", "void", ""),
        ("POST", "refunds", r#"{"id":"r1"}"#),
        ("POST", "challenge", r#"{"code":"123456"}"#),
        ("POST", "review", r#"{"decision":"approve"}"#),
        ("POST", "disputes", r#"{"id":"d1","event":"won"}"#),
        ("POST", "resolve", r#"{"took_effect":true,"operator":"ann"}"#),
    ];
    for (method, what, body) in routes {
        let theirs = by("two", method, &on(&paid, what), body);
        let nobodys = by("two", method, &format!("/v1/payments/pay_0/{what}"), body);
        assert_eq!((theirs.status, &theirs.body), (404, &nobodys.body), "{what}: they can't be told apart");
        assert_eq!(by("scorer", method, &on(&paid, what), body).status, 403, "{what}");
        assert_eq!(by("nobody", method, &on(&paid, what), body).status, 401, "{what}");
    }
    let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
    assert_eq!(by("two", "GET", &path, "").status, 404);
    assert_eq!(by("two", "GET", "/v1/orders/o1", "").status, 404);
    assert_eq!(by("two", "POST", "/v1/payments", &card("o1", VISA, "plain")).status, 404);
    assert_eq!(by("two", "GET", "/v1/reviews", "").json(), json!([]));
    assert_eq!(by("boss", "GET", "/v1/reviews", "").json().as_array().unwrap().len(), 1);
    assert_eq!(by("boss", "POST", "/v1/orders", r#"{"id":"o2","amount":"10 EUR"}"#).status, 403);
    assert_eq!(
        by("boss", "POST", &on(&paid, "review"), r#"{"decision":"approve"}"#).json()["state"],
        "captured"
    );
}

#[test]
fn no_card_number_is_anywhere() {
    let shop = Shop::new(None, "");
    let sidecar = shop.open();
    let digits: String = VISA.split(' ').collect();
    let paid = pay(&sidecar, "o1", "10.00 EUR", "plain");
    let malformed = card("o2", VISA, "plain").replace("\"cvv\"", &format!("\"{digits}\""));
    let refused = sidecar.post("/v1/payments", &malformed);
    let in_id = sidecar.post("/v1/orders", &json!({ "id": digits, "amount": "1 EUR" }).to_string());
    assert_eq!((refused.status, in_id.status), (400, 422));
    let mut seen = format!("{}{}{}{}", paid.body, refused.body, in_id.body, sidecar.log());
    drop(sidecar);
    seen += &sidecar::contents(shop.dir.path());
    assert!(seen.contains("o1") && !seen.contains(&digits) && !seen.contains(VISA));
}

#[test]
fn wallets_are_paid_by_scanning_and_told_by_callback() {
    let folder = tempfile::tempdir().unwrap();
    // A port that is free, for the wallets to call.
    let listen = sidecar::free_address();
    let at = |name: &str| folder.path().join(name);
    let start = |kind: &str| {
        let keys = at(&format!("{kind}-keys"));
        (Institution::start(kind, folder.path(), None, &["--keys", keys.to_str().unwrap()]), keys)
    };
    let (alipay, alipay_keys) = start("alipay");
    let (wechat, wechat_keys) = start("wechatpay");
    let settings = format!(
        "listen = '{listen}'\nempty_past = true\n[payments]\ndir = '{}'\nask_again = '60s'\n\
         [[payments.channel]]\nname = 'ali'\n[payments.channel.alipay]\ngateway = 'http://{}/gateway.do'\n\
         app_id = '2021000000000001'\nkey = '{a}/merchant.pem'\ninstitution_key = '{a}/wallet.pub.pem'\n\
         notify_url = 'http://{listen}/v1/callbacks/ali'\n\
         [[payments.channel]]\nname = 'wx'\n[payments.channel.wechatpay]\ngateway = 'http://{}'\n\
         app_id = 'wxd678efh567hg6787'\nmerchant_id = '1900000001'\nkey = '{w}/merchant.pem'\n\
         key_serial = '5157F09EFDC096DE15EBE81A47057A7232F1B8E1'\ninstitution_key = '{w}/wallet.pub.pem'\n\
         institution_serial = 'PUB_KEY_ID_0119000000012026'\napi_key = '{w}/api_key'\nnotify_url = 'http://{listen}/v1/callbacks/wx'\n",
        at("payments").display(),
        alipay.address,
        wechat.address,
        a = alipay_keys.display(),
        w = wechat_keys.display(),
    );
    let path = at("serve.toml");
    std::fs::write(&path, settings).unwrap();
    let listening = format!("--listen={listen}");
    let sidecar = Sidecar::start(&["--config", path.to_str().unwrap(), &listening]);
    for (method, wallet) in [("alipay", &alipay), ("wechatpay", &wechat)] {
        assert_eq!(order(&sidecar, method, "12.00 CNY").status, 201);
        let body = json!({ "order": method, "method": method }).to_string();
        let asked = sidecar.post("/v1/payments", &body).json();
        assert_eq!(asked["state"], "unknown", "{asked}");
        assert!(asked["pay_url"].is_string(), "{asked}");
        // The payer scans: the order's number, which is the call's key, is in the code.
        let url = asked["pay_url"].as_str().unwrap();
        let hex = |run: &&str| run.len() == 32 && run.bytes().all(|b| b.is_ascii_hexdigit());
        let key = url.split(|c: char| !c.is_ascii_alphanumeric()).find(hex).unwrap().to_owned();
        assert_eq!(
            sidecar::ask(&wallet.address, "POST", &format!("/simulate/{key}/pay"), &[], b"").status,
            200
        );
        let paid = until(&sidecar, &asked, "captured");
        assert_eq!(paid["captured"], "12.00 CNY");
        let refund = json!({ "id": "r1", "amount": "2.00 CNY" }).to_string();
        let refunded = sidecar.post(&on(&paid, "refunds"), &refund).json();
        assert_eq!(refunded["refunded"], "2.00 CNY", "{refunded}");
        // Told again, forged: nothing changes.
        for (how, refused) in [("again", 0.0), ("forged", 1.0)] {
            let notify = format!("/simulate/{key}/notify?how={how}");
            let _ = sidecar::ask(&wallet.address, "POST", &notify, &[], b"");
            let start = Instant::now();
            let metric = || sidecar.metric("tollgate_requests_total{route=\"callback\",status=\"4xx\"}");
            while refused > 0.0 && metric() < refused {
                assert!(start.elapsed() < PATIENCE);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        assert_eq!(show(&sidecar, &paid)["refunded"], "2.00 CNY");
        assert_eq!((wallet.sum("captured"), wallet.sum("refunded")), (1_200, 200));
    }
}

#[test]
fn a_code_that_nobody_has_scanned_yet_is_not_placed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let keys = at("keys");
    let alipay = Institution::start("alipay", folder.path(), None, &["--keys", &keys]);
    let settings = format!(
        "empty_past = true\n[payments]\ndir = '{}'\nask_again = '20ms'\nask_again_max = '40ms'\n\
         [[payments.channel]]\nname = 'ali'\n[payments.channel.alipay]\ngateway = 'http://{}/gateway.do'\n\
         app_id = '2021000000000001'\nkey = '{keys}/merchant.pem'\ninstitution_key = '{keys}/wallet.pub.pem'\n",
        at("payments"),
        alipay.address,
    );
    std::fs::write(folder.path().join("serve.toml"), settings).unwrap();
    let start = || Sidecar::start(&["--config", &at("serve.toml")]);
    let sidecar = start();
    let count = |sidecar: &Sidecar, what: &str| {
        sidecar.metric(&format!("tollgate_institution_requests_total{{channel=\"ali\",what=\"{what}\"}}"))
    };
    // How often it was placed, once it was asked about so often.
    let placed = |sidecar: &Sidecar, queries: f64| {
        let began = Instant::now();
        while count(sidecar, "queried") < queries {
            assert!(began.elapsed() < PATIENCE, "it is not asked about");
            std::thread::sleep(Duration::from_millis(10));
        }
        let asked = count(sidecar, "asked");
        asked - count(sidecar, "queried")
    };
    assert_eq!(order(&sidecar, "o1", "12.00 CNY").status, 201);
    let asked = sidecar.post("/v1/payments", r#"{"order":"o1","method":"alipay"}"#).json();
    let url = asked["pay_url"].as_str().unwrap().to_owned();
    assert!(placed(&sidecar, 5.0) <= 1.0);
    assert_eq!(count(&sidecar, "absent"), 0.0);
    assert_eq!(show(&sidecar, &asked)["pay_url"], url.as_str());
    sidecar.signal("KILL");
    drop(sidecar);
    // After a restart it is known, though the wallet says nothing: nobody asks for the code again.
    let signal = |name: &str| {
        let id = alipay.child.id().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.unwrap().success());
    };
    signal("STOP");
    let sidecar = start();
    assert_eq!(show(&sidecar, &asked)["pay_url"], url.as_str());
    signal("CONT");
    assert!(placed(&sidecar, 6.0) <= 1.0);
    assert_eq!((count(&sidecar, "absent"), &show(&sidecar, &asked)["pay_url"]), (0.0, &json!(url)));
    let key = url.rsplit('/').next().unwrap();
    let scanned = sidecar::ask(&alipay.address, "POST", &format!("/simulate/{key}/pay"), &[], b"");
    assert_eq!(scanned.status, 200);
    assert_eq!(until(&sidecar, &asked, "captured")["captured"], "12.00 CNY");
    assert_eq!(alipay.sum("captured"), 1_200);
}

#[test]
fn requests_that_merchants_sign_are_taken_once_whole_and_in_time() {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest as _, Sha256};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let secret = "s".repeat(32);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signing");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let key = format!(
        "[[key]]\nname = 'one'\nsha256 = '{}'\nmerchant = 'm1'\nscopes = ['pay']\nsigning = '{}'\n",
        hex(&Sha256::digest("one")),
        file.display()
    );
    let shop = Shop::new(None, &key);
    let sidecar = shop.open();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let body = r#"{"id":"o1","amount":"10 EUR"}"#;
    let send = |sent: &str, signed: &str, path: &str, at: i64, nonce: &str| {
        let text = format!("POST\n{path}\n{at}\n{nonce}\n{}", hex(&Sha256::digest(signed)));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let (at, signature) = (at.to_string(), hex(&mac.finalize().into_bytes()));
        let headers = [
            ("x-api-key", "one"),
            ("x-signature-timestamp", at.as_str()),
            ("x-signature-nonce", nonce),
            ("x-signature", signature.as_str()),
        ];
        sidecar.ask("POST", "/v1/orders", &headers, sent)
    };
    let code =
        |answer: Answer| (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned());
    let orders = "/v1/orders";
    assert_eq!(send(body, body, orders, now(), "n1").status, 201);
    assert_eq!(code(send(body, body, orders, now(), "n1")), (401, "replayed".to_owned()));
    assert_eq!(
        code(send(&body.replace("10", "99"), body, orders, now(), "n2")),
        (401, "bad_signature".to_owned())
    );
    assert_eq!(code(send(body, body, "/v1/payments", now(), "n3")), (401, "bad_signature".to_owned()));
    for skew in [-301, 302] {
        assert_eq!(code(send(body, body, orders, now() + skew, "n4")), (401, "clock_skew".to_owned()));
    }
    assert_eq!(send(body, body, orders, now() - 290, "n5").status, 200, "within five minutes");
    let unsigned = sidecar.ask("POST", orders, &[("x-api-key", "one")], body);
    assert_eq!(code(unsigned), (401, "unsigned".to_owned()));
}
