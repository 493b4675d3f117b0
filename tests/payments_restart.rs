//! What a restart, two requests at once and a disk that is full or fails leave of payments: each thing known, once.
#![cfg(feature = "serve")]

use std::time::{Duration, Instant};

use rules::ODD;
use serde_json::{Value, json};
use shop::{Shop, on, pay};
use sidecar::{PATIENCE, Sidecar, TOKEN_KEY};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/rules.rs"]
mod rules;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/sidecar.rs"]
mod sidecar;

const VISA: &str = "4111 1111 1111 1111";
/// Declined by the simulated institution: not enough on it.
#[cfg(feature = "failpoints")]
const EMPTY: &str = "4000 0000 0000 9995";

const AGAIN: &str = r#"
[[rule]]
id = "again"
when = 'count(card, 1h, declined) >= 3'
then = "decline"
reason = "AGAIN"
example.quiet = [{ "count(card, 1h, declined)" = 2 }]
"#;

/// What the engine's journal holds, whoever writes it.
fn recorded(shop: &Shop, what: &str) -> u64 {
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["verify", &shop.at("journal"), "--json"])
        .output()
        .unwrap();
    assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    let found: Value = serde_json::from_slice(&command.stdout).unwrap();
    found["contents"][what].as_u64().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stop(mut sidecar: Sidecar) {
    sidecar.signal("TERM");
    assert!(sidecar.ended(), "{}", sidecar.log());
}

/// An order, and a payment of it that may not be answered.
#[cfg(feature = "failpoints")]
fn try_pay(sidecar: &Sidecar, order: &str, number: &str) -> Option<sidecar::Answer> {
    let created = json!({ "id": order, "amount": "10.00 EUR" }).to_string();
    sidecar::try_ask(&sidecar.main, "POST", "/v1/orders", &[], &created)?;
    sidecar::try_ask(&sidecar.main, "POST", "/v1/payments", &[], &card(order, number, "plain"))
}

fn card(order: &str, number: &str, os: &str) -> String {
    json!({
        "order": order, "method": "card",
        "card": { "number": number, "expiry": "09/28", "cvv": "123" }, "facts": { "device_os": os },
    })
    .to_string()
}

/// The third decline is known to the payments' journal and not to the engine, or to both and the one does not say so.
#[cfg(feature = "failpoints")]
#[test]
fn the_engine_hears_of_what_became_of_a_payment_once_however_the_process_ended() {
    for (failpoint, known, lost) in [("call-recorded:3", 0, 1), ("settlement-given:3", 1, 0)] {
        let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
        let mut sidecar = shop.open_at(failpoint);
        for order in ["o1", "o2"] {
            assert_eq!(try_pay(&sidecar, order, EMPTY).unwrap().json()["state"], "declined");
        }
        assert!(try_pay(&sidecar, "o3", EMPTY).is_none(), "it ends at {failpoint}");
        assert!(!sidecar.ended());
        assert_eq!(recorded(&shop, "settlements"), 2 + known, "{failpoint}");
        let sidecar = shop.open();
        let resumed: Value = serde_json::from_str(&sidecar.wait_for("\"settlements_resumed\"")).unwrap();
        // The first two may not have been known to be told, either.
        assert_eq!(resumed["lost"], lost, "{failpoint}: {resumed}");
        assert!((known..=known + 2).contains(&resumed["known"].as_u64().unwrap()), "{failpoint}: {resumed}");
        until("told", || recorded(&shop, "settlements") == 3);
        // The windows have all three.
        let fourth = try_pay(&sidecar, "o4", EMPTY).unwrap().json();
        assert_eq!(
            (&fourth["state"], &fourth["operations"]),
            (&json!("declined"), &json!([])),
            "{failpoint}"
        );
        stop(sidecar);
        assert_eq!(recorded(&shop, "settlements"), 4);
        // And nobody tells it again.
        let sidecar = shop.open();
        stop(sidecar);
        assert_eq!(recorded(&shop, "settlements"), 4, "{failpoint}");
    }
}

/// The engine's journal has the decision, and the payments' journal has not: the merchant who comes again gets it, and
/// windows have the payment once. Another payer's facts are another payment, and are decided about anew.
#[cfg(feature = "failpoints")]
#[test]
fn what_the_engine_decided_before_a_kill_it_is_not_asked_again() {
    for (again, scored) in [("odd", 1), ("plain", 2)] {
        let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
        let mut sidecar = shop.open_at("payment-scored");
        let order = json!({ "id": "o1", "amount": "10.00 EUR" }).to_string();
        assert_eq!(sidecar.post("/v1/orders", &order).status, 201);
        let ended = sidecar::try_ask(&sidecar.main, "POST", "/v1/payments", &[], &card("o1", VISA, "odd"));
        assert!(ended.is_none() && !sidecar.ended());
        assert_eq!(recorded(&shop, "payments"), 1);
        let sidecar = shop.open();
        let resumed: Value = serde_json::from_str(&sidecar.wait_for("\"settlements_resumed\"")).unwrap();
        assert_eq!(resumed["decided"], 1, "{resumed}");
        let came = sidecar.post("/v1/payments", &card("o1", VISA, again));
        let expected = if again == "odd" { "review_held" } else { "captured" };
        assert_eq!((came.status, &came.json()["state"]), (200, &json!(expected)), "{came:?}");
        assert_eq!(recorded(&shop, "payments"), scored, "{again}");
        let queue = sidecar.ask("GET", "/v1/reviews", &[], "").json();
        let held = queue.as_array().unwrap();
        assert_eq!(held.len(), usize::from(again == "odd"));
        assert!(held.iter().all(|one| one["decision"]["outcome"] == "review"), "{queue}");
        // And that is what stays.
        stop(sidecar);
        let sidecar = shop.open();
        let log = sidecar.log();
        let resumed = log.lines().find(|line| line.contains("\"settlements_resumed\""));
        assert!(resumed.is_none_or(|line| line.contains("\"decided\":0")), "{log}");
        assert_eq!(recorded(&shop, "payments"), scored);
    }
}

#[test]
fn who_comes_with_a_payment_at_the_same_time_finds_it_decided() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
    let sidecar = shop.open();
    let (orders, callers) = (12, 8);
    for n in 0..orders {
        let order = format!("o{n}");
        let created = sidecar.post("/v1/orders", &json!({ "id": order, "amount": "10.00 EUR" }).to_string());
        assert_eq!(created.status, 201);
        let together = std::sync::Barrier::new(callers);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked = || {
                together.wait();
                sidecar.post("/v1/payments", &card(&order, VISA, "plain"))
            };
            let all: Vec<_> = (0..callers).map(|_| scope.spawn(asked)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(
            (created, answers.iter().filter(|a| a.status == 200).count()),
            (1, callers - 1),
            "{answers:?}"
        );
        for answer in &answers {
            let shown = answer.json();
            assert_eq!((&shown["id"], &shown["state"]), (&answers[0].json()["id"], &json!("captured")));
        }
    }
    assert_eq!(recorded(&shop, "payments"), orders, "each was scored once");
    assert_eq!(shop.institution.sum("captured"), 1_000 * orders as i64);
}

#[test]
fn whoever_looks_after_a_restart_sees_what_the_engine_said() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
    let mut sidecar = shop.open();
    let held = pay(&sidecar, "o1", "10.00 EUR", VISA, json!({ "device_os": "odd" })).json();
    assert_eq!(held["state"], "review_held");
    let queue = |sidecar: &Sidecar| sidecar.ask("GET", "/v1/reviews", &[], "").json();
    let before = queue(&sidecar);
    assert_eq!(before[0]["decision"]["outcome"], "review", "{before}");
    assert_eq!(before[0]["id"], held["id"]);
    sidecar.signal("KILL");
    sidecar.ended();
    let sidecar = shop.open();
    let after = queue(&sidecar);
    assert_eq!((&after[0]["decision"], &after[0]["facts"]), (&before[0]["decision"], &before[0]["facts"]));
    let approved = sidecar.post(&on(&held, "review"), r#"{"decision":"approve"}"#).json();
    assert_eq!(approved["state"], "captured");
}

#[test]
fn a_report_of_fraud_ends_the_review_and_lets_the_money_go() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
    let sidecar = shop.open();
    let held = pay(&sidecar, "o1", "10.00 EUR", VISA, json!({ "device_os": "odd" })).json();
    assert_eq!((held["state"].as_str(), shop.institution.sum("held")), (Some("review_held"), 1_000));
    let report = r#"{"id":"t1","event":"reported","type":"stolen"}"#;
    let reported = sidecar.post(&on(&held, "disputes"), report);
    assert_eq!((reported.status, &reported.json()["state"]), (200, &json!("voided")), "{reported:?}");
    assert_eq!(sidecar.ask("GET", "/v1/reviews", &[], "").json(), json!([]));
    assert_eq!((shop.institution.sum("held"), shop.institution.sum("captured")), (0, 0));
    // Told again it changes nothing.
    assert_eq!(sidecar.post(&on(&held, "disputes"), report).json()["state"], "voided");
}

/// Whoever takes over knows that nobody has to look any more.
#[cfg(feature = "failpoints")]
#[test]
fn a_review_that_fraud_has_ended_ends_after_a_crash() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
    let mut sidecar = shop.open_at("label-listed");
    let held = pay(&sidecar, "o1", "10.00 EUR", VISA, json!({ "device_os": "odd" })).json();
    let report = r#"{"id":"t1","event":"reported","type":"stolen"}"#;
    assert!(sidecar::try_ask(&sidecar.main, "POST", &on(&held, "disputes"), &[], report).is_none());
    sidecar.ended();
    assert_eq!(shop.institution.sum("held"), 1_000);
    let sidecar = shop.open();
    let path = format!("/v1/payments/{}", held["id"].as_str().unwrap());
    until("voided", || sidecar.ask("GET", &path, &[], "").json()["state"] == "voided");
    assert_eq!(shop.institution.sum("held"), 0);
}

/// What comes back, as the log has it.
fn recovered(sidecar: &Sidecar) -> Value {
    serde_json::from_str(&sidecar.wait_for("\"payments_recovered\"")).unwrap()
}

/// `tollgate verify` of the payments' journal: how it ended, and all it said.
fn verified(shop: &Shop) -> (Option<i32>, String) {
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["verify", &shop.at("payments")])
        .output()
        .unwrap();
    let said = [command.stdout, command.stderr].concat();
    (command.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// The files of what was saved, the newest last.
fn snapshots(shop: &Shop) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(shop.at("payments")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "snapshot")).collect();
    all.sort();
    all
}

/// What was saved while it worked and when it stopped shortens the way, and is never needed.
#[test]
fn a_start_begins_with_what_was_saved_and_a_damaged_one_is_passed_over() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "snapshot_records = 40\n");
    let sidecar = shop.open();
    let mut shown = Vec::new();
    for n in 0..8 {
        let paid = pay(&sidecar, &format!("o{n}"), "10.00 EUR", VISA, json!({})).json();
        assert_eq!(paid["state"], "captured");
        shown.push(paid);
    }
    let held = pay(&sidecar, "held", "10.00 EUR", VISA, json!({ "device_os": "odd" })).json();
    until("saved", || sidecar.log().contains("\"payments_snapshot\""));
    sidecar.signal("KILL");
    drop(sidecar);
    let known = |sidecar: &Sidecar| {
        for paid in &shown {
            let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
            let now = sidecar.ask("GET", &path, &[], "").json();
            assert_eq!(
                ["state", "captured", "operations"].map(|f| &now[f]),
                ["state", "captured", "operations"].map(|f| &paid[f])
            );
            // A natural key is for ever: the same attempt is the same payment.
            let again = sidecar.post("/v1/payments", &card(paid["order"].as_str().unwrap(), VISA, "plain"));
            assert_eq!((again.status, &again.json()["id"]), (200, &paid["id"]), "{again:?}");
        }
        let queue = sidecar.ask("GET", "/v1/reviews", &[], "").json();
        assert_eq!((&queue[0]["id"], &queue[0]["decision"]["outcome"]), (&held["id"], &json!("review")));
        assert_eq!(shop.institution.sum("captured"), 8_000);
    };
    // From what was saved in the middle, and the rest.
    let sidecar = shop.open();
    let found = recovered(&sidecar);
    let (from, records) = (found["from_snapshot"].as_u64().unwrap(), found["records"].as_u64().unwrap());
    assert!((40..=records).contains(&from) && found["passed_over"] == json!([]), "{found}");
    known(&sidecar);
    // Something that the one in the middle does not know, however late it was saved.
    let created = sidecar.post("/v1/orders", r#"{"id":"later","amount":"10.00 EUR"}"#);
    assert_eq!(created.status, 201, "{created:?}");
    stop(sidecar);
    // From what was saved at the end: nothing is left to be read.
    let (status, said) = verified(&shop);
    assert!(status == Some(0) && said.contains("snapshots, each what the records"), "{said}");
    let sidecar = shop.open();
    let found = recovered(&sidecar);
    assert_eq!(found["from_snapshot"], found["records"], "{found}");
    known(&sidecar);
    stop(sidecar);
    // A byte that has rotted is found by who looks for it, and a start does without.
    let mut all = snapshots(&shop);
    assert_eq!(all.len(), 2, "{all:?}");
    let newest = all.pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    let (status, said) = verified(&shop);
    assert!(status == Some(6) && said.contains("it is damaged; no record is lost"), "{status:?} {said}");
    let sidecar = shop.open();
    let found = recovered(&sidecar);
    assert!(found["passed_over"][0].as_str().unwrap().contains("it is damaged"), "{found}");
    assert!(found["from_snapshot"].as_u64().unwrap() < found["records"].as_u64().unwrap(), "{found}");
    known(&sidecar);
    sidecar.signal("KILL");
    drop(sidecar);
    // Without any of them all records are read.
    snapshots(&shop).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let sidecar = shop.open();
    assert_eq!(recovered(&sidecar)["from_snapshot"], json!(null));
    known(&sidecar);
}

/// The next file of the payments' journal can't be made: a folder is where it is written.
#[test]
fn a_disk_that_is_full_takes_nothing_new_and_ends_what_is_under_way() {
    let shop =
        Shop::new(&[ODD, AGAIN].concat(), &[], "[[payments.merchant]]\nid = 'anybody'\ncapture = 'manual'\n");
    let sidecar = shop.open();
    let one = pay(&sidecar, "o1", "10.00 EUR", VISA, json!({})).json();
    let other = pay(&sidecar, "o2", "10.00 EUR", VISA, json!({})).json();
    assert_eq!((&one["state"], &other["state"]), (&json!("authorized"), &json!("authorized")));
    let order = |sidecar: &Sidecar, id: &str| {
        sidecar.post("/v1/orders", &json!({ "id": id, "amount": "10.00 EUR" }).to_string())
    };
    assert_eq!(order(&sidecar, "o3").status, 201);
    stop(sidecar);
    let (reserve, making) = (shop.at("payments/reserve.log"), shop.at("payments/reserve.tmp"));
    std::fs::remove_file(&reserve).unwrap();
    std::fs::create_dir(&making).unwrap();

    let sidecar = shop.open();
    until("full", || sidecar.admin("GET", "/readyz", &[], "").body.contains("no room for its next file"));
    assert_eq!(sidecar.metric("tollgate_payments_disk_low"), 1.0);
    let asked = shop.institution.books().len();
    for refused in [order(&sidecar, "o4"), sidecar.post("/v1/payments", &card("o3", VISA, "plain"))] {
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("storage_full")), "{refused:?}");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(shop.institution.books().len(), asked, "nobody is asked for what is not recorded");
    assert_eq!(order(&sidecar, "o3").status, 200, "what is known is told");
    assert_eq!(sidecar.post(&on(&one, "capture"), "").json()["state"], "captured");
    assert_eq!(sidecar.post(&on(&other, "void"), "").json()["state"], "voided");
    let refund = json!({ "id": "r1", "amount": "4.00 EUR" }).to_string();
    assert_eq!(sidecar.post(&on(&one, "refunds"), &refund).json()["state"], "partially_refunded");

    // There is room again, and nobody starts anything anew.
    std::fs::remove_dir(&making).unwrap();
    until("room", || sidecar.admin("GET", "/readyz", &[], "").status == 200);
    assert!(std::path::Path::new(&reserve).exists());
    assert_eq!(sidecar.post("/v1/payments", &card("o3", VISA, "plain")).json()["state"], "authorized");
    assert_eq!((shop.institution.sum("captured"), shop.institution.sum("refunded")), (1_000, 400));
}

/// Every write fails from some moment on: the system lets the process write no byte to a file any more.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_ends_payments_before_anybody_is_asked_for_money() {
    let shop = Shop::new(&[ODD, AGAIN].concat(), &[], "");
    // The signal that comes with the limit would end the process; the error is what a disk says.
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    let mut sidecar = Sidecar::spawn(&ignoring, &["--config", &shop.config()], &[TOKEN_KEY]);
    assert!(sidecar.listens(), "{}", sidecar.log());
    let paid = pay(&sidecar, "o1", "10.00 EUR", VISA, json!({})).json();
    assert_eq!(paid["state"], "captured");
    let order = |sidecar: &Sidecar, id: &str| {
        sidecar.post("/v1/orders", &json!({ "id": id, "amount": "10.00 EUR" }).to_string())
    };
    assert_eq!(order(&sidecar, "o2").status, 201);
    // 92.01 is answered a second late: by then nothing can be written.
    assert_eq!(sidecar.post("/v1/orders", r#"{"id":"late","amount":"92.01 EUR"}"#).status, 201);
    let late = std::thread::scope(|scope| {
        let late = scope.spawn(|| sidecar.post("/v1/payments", &card("late", VISA, "plain")));
        until("asked", || shop.institution.books().iter().any(|entry| entry["minor"] == 9_201));
        let limited = std::process::Command::new("prlimit")
            .args(["--fsize=0", "--pid", &sidecar.id().to_string()])
            .status();
        assert!(limited.expect("prlimit of util-linux").success());
        late.join().unwrap()
    });
    assert_eq!((late.status, late.problem().as_str()), (503, "not-recorded"), "{late:?}");
    let before = shop.institution.books();
    for refused in [
        order(&sidecar, "o3"),
        sidecar.post("/v1/payments", &card("o2", VISA, "plain")),
        sidecar.post(&on(&paid, "refunds"), r#"{"id":"r1"}"#),
    ] {
        assert_eq!((refused.status, refused.problem().as_str()), (503, "not-recorded"), "{refused:?}");
    }
    let ready = sidecar.admin("GET", "/readyz", &[], "");
    assert!(ready.status == 503 && ready.body.contains("payments' journal has failed"), "{ready:?}");
    assert_eq!(shop.institution.books(), before, "nobody is asked for what is not recorded");
    sidecar.signal("KILL");
    sidecar.ended();

    // What was acknowledged is there; what was not is done now, once.
    let sidecar = shop.open();
    let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
    assert_eq!(sidecar.ask("GET", &path, &[], "").json()["state"], "captured");
    assert_eq!(sidecar.post("/v1/payments", &card("o2", VISA, "plain")).json()["state"], "captured");
    let known = sidecar.ask("GET", "/v1/orders/late", &[], "").json();
    let path = format!("/v1/payments/{}", known["payments"][0].as_str().unwrap());
    until("ended", || sidecar.ask("GET", &path, &[], "").json()["state"] == "declined");
    assert_eq!((shop.institution.sum("captured"), shop.institution.sum("held")), (2_000, 0));
    assert!(shop.institution.books().iter().all(|entry| entry["effects"].as_i64().unwrap() <= 1));
}

/// How long it takes to be back with a large book, by hand: `TOLLGATE_BOOK=100000 cargo test --release --test
/// payments_restart -- --ignored --nocapture` pays so many, has two hundred unanswered at the end, kills and starts anew.
#[test]
#[ignore = "a measurement"]
fn back_with_a_large_book() {
    let read = |name: &str, or: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let (book, open) = (read("TOLLGATE_BOOK", 2_000), read("TOLLGATE_OPEN", 200));
    let rules =
        "[[rule]]\nid = \"never\"\nwhen = 'device_os == \"never\"'\nthen = \"decline\"\nreason = \"NEVER\"\n";
    let shop = Shop::new(rules, &[], "");
    let pay = |sidecar: &Sidecar, from: usize, to: usize, clients: usize| {
        let next = std::sync::atomic::AtomicUsize::new(from);
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if n >= to {
                            return;
                        }
                        let order = format!("o{n}");
                        let created = json!({ "id": order, "amount": "10.00 EUR" }).to_string();
                        let post =
                            |path: &str, body: &str| sidecar::try_ask(&sidecar.main, "POST", path, &[], body);
                        if post("/v1/orders", &created).is_none() {
                            return;
                        }
                        drop(post("/v1/payments", &card(&order, VISA, "plain")));
                    }
                });
            }
        });
    };
    let back = |what: &str| {
        let start = Instant::now();
        let mut sidecar = shop.open();
        let listens = start.elapsed();
        let unfinished = sidecar.metric("tollgate_payments_unfinished");
        until("asked again", || sidecar.metric("tollgate_payments_unfinished") == 0.0);
        println!(
            "{what}: listens after {listens:?}; {unfinished} unfinished, all asked after {:?}",
            start.elapsed()
        );
        for event in ["\"recovered\"", "\"payments_recovered\""] {
            println!("  {}", sidecar.wait_for(event));
        }
        assert!(sidecar.running());
        sidecar
    };
    let start = Instant::now();
    let sidecar = shop.open();
    pay(&sidecar, 0, book, 32);
    println!("{book} payments in {:?}", start.elapsed());
    // The institution is stopped, and has as many questions as there are callers.
    let signal = |name: &str| {
        let id = shop.institution.child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success()
        );
    };
    signal("STOP");
    std::thread::scope(|scope| {
        scope.spawn(|| pay(&sidecar, book, book + open, open));
        until("open", || sidecar.metric("tollgate_payments_unfinished") >= open as f64);
        sidecar.signal("KILL");
    });
    signal("CONT");
    drop(sidecar);
    let sidecar = back("after a kill");
    stop(sidecar);
    let sidecar = back("after an end in good order");
    drop(sidecar);
}
