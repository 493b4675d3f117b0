//! The sidecar as its users meet it: a process, sockets, signals.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use sidecar::{Sidecar, ask_on, payment, read_answer};

/// SHA-256 of `key-one` and `key-two`.
const KEYS: &str = r#"
[[key]]
name = "one"
sha256 = "ONE"
merchant = "m1"
scopes = ["score", "settle"]

[[key]]
name = "two"
sha256 = "TWO"
scopes = ["admin"]
"#;

fn keys() -> tempfile::NamedTempFile {
    use sha2::Digest;
    let hex = |key: &str| sha2::Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEYS.replace("ONE", &hex("key-one")).replace("TWO", &hex("key-two")))
        .unwrap();
    file
}

/// A folder with one rule: payments of more than `amount` dollars come to `then`.
fn folder(amount: u32, then: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    write_rule(&dir.path().join("rules"), amount, then);
    dir
}

fn write_rule(dir: &std::path::Path, amount: u32, then: &str) {
    std::fs::create_dir_all(dir.join("lists")).unwrap();
    std::fs::write(dir.join("lists/never.toml"), "kind = \"token\"\nitems = [\"acc-0\"]").unwrap();
    let rule = format!(
        "[[rule]]\nid = \"big\"\nwhen = 'amount > {amount}'\nthen = \"{then}\"\nreason = \"BIG\"\n\
         [[rule]]\nid = \"never\"\nwhen = 'account in @never'\nthen = \"decline\"\nreason = \"NEVER\"\n\
         [[rule]]\nid = \"often\"\nwhen = 'count(device, 1h) >= 2'\nthen = \"review\"\nreason = \"OFTEN\"\n\
         [[rule]]\nid = \"disputed\"\nwhen = 'count(account, 90d, disputed) >= 1'\nthen = \"decline\"\nreason = \"DISPUTED\"\n"
    );
    std::fs::write(dir.join("rules.toml"), rule).unwrap();
}

fn path(dir: &tempfile::TempDir) -> String {
    dir.path().join("rules").display().to_string()
}

#[test]
fn a_payment_is_scored_as_the_command_line_scores_it() {
    let sidecar = Sidecar::start(&[]);
    let answer = sidecar.post("/v1/score", &payment("p1"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    std::fs::write(file.path(), payment("p1")).unwrap();
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["score", "--out", "-"])
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(answer.body, String::from_utf8(command.stdout).unwrap());
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.starts_with("parse;dur=0.") && timing.contains(", score;dur="), "{timing}");
    assert_eq!(sidecar.ask("GET", "/v1/decisions/p1", &[], "").body, answer.body);
    assert_eq!(sidecar.ask("GET", "/v1/decisions/p2", &[], "").problem(), "not-found");
    let explained = sidecar.post("/v1/explain", &payment("p1")).json();
    assert_eq!(explained["decision"]["id"], "p1");
    assert_eq!(sidecar.metric("tollgate_decisions_total{outcome=\"approve\"}"), 1.0);
    assert_eq!(sidecar.metric("tollgate_stage_seconds_count{stage=\"total\"}"), 1.0);
}

#[test]
fn errors_are_problems_with_place_and_remedy() {
    let sidecar = Sidecar::start(&["--set", "strict=true", "--set", "limits.body_bytes=200"]);
    let large = |n: usize| format!("{}{}", payment("p"), " ".repeat(n - payment("p").len()));
    for (method, path, body, status, problem) in [
        ("POST", "/v1/score", "", 400, "not-a-payment"),
        ("POST", "/v1/score", r#"{"id":"p","at":"soon","amount":1}"#, 400, "not-a-payment"),
        ("POST", "/v1/score", r#"{"id":"p","acount":"a"}"#, 400, "not-a-payment"),
        ("GET", "/v1/score", "", 405, "wrong-method"),
        ("POST", "/v1/scores", "", 404, "not-found"),
        ("POST", "/v1/settlements", "{}", 400, "bad-request"),
        ("POST", "/v1/settlements", r#"{"id":"nobody","status":"disputed"}"#, 404, "not-found"),
        ("GET", "/v1/decisions/%zz", "", 400, "bad-request"),
        ("POST", "/v1/score", &large(200), 200, ""),
        ("POST", "/v1/score", &large(201), 413, "too-large"),
    ] {
        let answer = sidecar.ask(method, path, &[], body);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{method} {path} {body}: {answer:?}"
        );
        if status >= 400 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.json()["status"], status);
        }
    }
    assert_eq!(sidecar.ask("GET", "/v1/score", &[], "").header("allow"), Some("POST"));
    let wrong = sidecar.post("/v1/score", r#"{"id":"p","at":"soon","amount":1}"#).json();
    assert_eq!((&wrong["field"], &wrong["column"]), (&"at".into(), &16.into()));
    let compressed = sidecar.ask("POST", "/v1/score", &[("content-encoding", "gzip")], &payment("p"));
    assert_eq!((compressed.status, compressed.problem().as_str()), (415, "encoded"));
}

#[test]
fn batches_are_answered_line_by_line_in_order() {
    let sidecar = Sidecar::start(&["--set", "limits.batch_rows=101"]);
    let rows = |n: usize| (0..n).map(|i| payment(&format!("b{i}")) + "\n").collect::<String>();
    let answer = sidecar.post("/v1/score:batch", &rows(100));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let ids: Vec<String> = answer
        .body
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, (0..100).map(|i| format!("b{i}")).collect::<Vec<_>>());
    let mixed = format!("{}\n\nnot json\n{}", payment("x"), payment("y"));
    let lines: Vec<serde_json::Value> = sidecar
        .post("/v1/score:batch", &mixed)
        .body
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["line"], &lines[1]["problem"]["status"]), (&3.into(), &400.into()));
    assert_eq!((&lines[0]["id"], &lines[2]["id"]), (&"x".into(), &"y".into()));
    assert_eq!(sidecar.post("/v1/score:batch", &rows(101)).body.lines().count(), 101); // at the limit
    let past = sidecar.post("/v1/score:batch", &rows(103)).body; // past it
    assert!(past.lines().count() == 102 && past.lines().last().unwrap().contains("\"line\":102"), "{past}");

    // Answers come while the client still sends.
    let mut socket = sidecar.connect();
    socket
        .write_all(b"POST /v1/score:batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let row = payment("first") + "\n";
    socket.write_all(format!("{:x}\r\n{row}\r\n", row.len()).as_bytes()).unwrap();
    let mut seen = String::new();
    while !seen.contains("\"id\":\"first\"") {
        let mut part = [0; 1024];
        let n = socket.read(&mut part).unwrap();
        assert!(n > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..n]));
    }
}

#[test]
fn payments_that_come_together_are_decided_one_after_the_other() {
    let (rules, journal) = (folder(50, "decline"), tempfile::tempdir().unwrap());
    let (rules, journal) = (path(&rules), journal.path().display().to_string());
    for more in [&[][..], &["--journal", &journal]] {
        let sidecar = Sidecar::start(
            &[&["--rules", &rules, "--threads", "1", "--set", "empty_past=true"], more].concat(),
        );
        let body = |n: usize| match n % 9 {
            8 => "not JSON".to_owned(),
            _ => payment(&format!("p{n}")).replace('}', r#","device":"d1"}"#),
        };
        let mut sockets: Vec<_> = (0..90).map(|_| sidecar.connect()).collect();
        // While it can't look, all of them come.
        sidecar.signal("STOP");
        for (n, socket) in sockets.iter_mut().enumerate() {
            let body = body(n);
            let head =
                format!("POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).unwrap();
        }
        sidecar.signal("CONT");
        let mut outcomes = std::collections::BTreeMap::new();
        for (n, socket) in sockets.iter_mut().enumerate() {
            let answer = read_answer(socket).unwrap();
            if n % 9 == 8 {
                assert_eq!(answer.status, 400, "{}", answer.body);
                continue;
            }
            let decision = answer.json();
            assert_eq!(decision["id"], format!("p{n}").as_str());
            *outcomes.entry(decision["outcome"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        // The third of the device and all after it have two before them.
        assert_eq!(outcomes, [("approve".to_owned(), 2), ("review".to_owned(), 78)].into());
        assert_eq!(sidecar.metric("tollgate_stage_seconds_count{stage=\"score\"}"), 80.0);
    }
    let replay = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["replay", &journal, "--rules", &rules])
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
}

#[test]
fn settlements_are_learnt() {
    let dir = folder(100, "review");
    let sidecar = Sidecar::start(&["--rules", &path(&dir), "--set", "empty_past=true"]);
    let pay = |id: &str, minute: u32| {
        let body = format!(
            r#"{{"id":"{id}","at":"2026-11-23T12:{minute:02}:00Z","amount":1,"currency":"USD","account":"acc-1"}}"#
        );
        sidecar.post("/v1/score", &body).json()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!((pay("s1", 0).as_str(), pay("s2", 1).as_str()), ("approve", "approve"));
    let settled =
        sidecar.post("/v1/settlements", r#"{"id":"s1","status":"disputed","at":"2026-11-23T12:02:00Z"}"#);
    assert_eq!((settled.status, &settled.json()["counted"]), (200, &true.into()), "{settled:?}");
    assert_eq!(pay("s3", 3), "decline");
    // A payment may come along, whatever is remembered of it here.
    let whole = |payment: &str| {
        sidecar.post("/v1/settlements", &format!(r#"{{"payment":{payment},"status":"\u0072efunded"}}"#))
    };
    let scored = r#"{"id":"s2","at":"2026-11-23T12:01:00Z","amount":1,"currency":"USD","account":"acc-1"}"#;
    assert_eq!(whole(scored).json()["counted"], true);
    assert_eq!(whole(&scored.replace("s2", "never-seen")).json()["counted"], false);
    assert_eq!(whole(r#"{"id":"s2"}"#).problem(), "not-a-payment");
    let both = r#"{"id":"s2","payment":{},"status":"refunded"}"#;
    assert_eq!(sidecar.post("/v1/settlements", both).problem(), "bad-request");
    assert_eq!(sidecar.post("/v1/settlements", r#"{"status":"refunded"}"#).problem(), "bad-request");
}

#[test]
fn a_request_sent_again_gets_the_first_answer() {
    let dir = folder(100, "review");
    let sidecar = Sidecar::start(&["--rules", &path(&dir), "--set", "empty_past=true"]);
    let body = |id: &str| {
        format!(r#"{{"id":"{id}","at":"2026-11-23T12:00:00Z","amount":1,"currency":"USD","device":"d"}}"#)
    };
    let send = |key: &str, id: &str| sidecar.ask("POST", "/v1/score", &[("idempotency-key", key)], &body(id));
    let first = send("k1", "i1");
    for _ in 0..3 {
        let again = send("k1", "i1");
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    let other = send("k1", "i2");
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-mismatch"));
    // One effect: the device was seen once, so the third payment is the first that is often.
    assert_eq!(send("k2", "i2").json()["outcome"], "approve");
    assert_eq!(send("k3", "i3").json()["outcome"], "review");
    assert_eq!(sidecar.metric("tollgate_idempotent_replays_total"), 3.0);
    // What was refused may be sent again.
    assert_eq!(sidecar.ask("POST", "/v1/score", &[("idempotency-key", "k4")], "{}").status, 400);
    assert_eq!(send("k4", "i4").status, 200);
}

#[test]
fn keys_open_what_their_scopes_say_and_keep_merchants_apart() {
    let file = keys();
    let sidecar = Sidecar::start(&["--config", file.path().to_str().unwrap()]);
    let one = [("authorization", "Bearer key-one")];
    let two = [("x-api-key", "key-two")];
    let score = |headers: &[(&str, &str)], body: &str| {
        let answer = sidecar.ask("POST", "/v1/score", headers, body);
        (answer.status, answer.problem())
    };
    assert_eq!(score(&[], &payment("p1")), (401, "no-key".into()));
    assert_eq!(score(&[("x-api-key", "key-onf")], &payment("p1")), (401, "no-key".into()));
    assert_eq!(score(&one, &payment("p1")).0, 200);
    let of = |merchant: &str| payment("p2").replacen('{', &format!("{{\"merchant\":\"{merchant}\","), 1);
    assert_eq!(score(&one, &of("m1")).0, 200);
    assert_eq!(score(&one, &of("m2")), (403, "not-allowed".into()));
    let look = |headers: &[(&str, &str)], id: &str| {
        sidecar.ask("GET", &format!("/v1/decisions/{id}"), headers, "").status
    };
    assert_eq!((look(&one, "p1"), look(&two, "p1"), look(&[], "p1")), (200, 404, 401));
    let lists = |headers: &[(&str, &str)]| sidecar.admin("GET", "/v1/lists/never/items", headers, "").status;
    assert_eq!((lists(&[]), lists(&one), lists(&two)), (401, 403, 200));
    let reload = |headers: &[(&str, &str)]| sidecar.admin("PUT", "/v1/pipeline", headers, "").status;
    assert_eq!((reload(&[]), reload(&one), reload(&two)), (401, 403, 200));
    assert_eq!(sidecar.admin("GET", "/livez", &[], "").status, 200);
}

#[test]
fn others_are_not_listened_to_without_keys() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["serve", "--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && told.contains("--insecure"), "{told}");
    let sidecar = Sidecar::start(&["--listen", "0.0.0.0:0", "--insecure"]);
    assert!(sidecar.main.starts_with("0.0.0.0:"));
}

#[test]
fn lists_are_edited_while_payments_are_scored_and_edits_outlive_reloads() {
    let dir = folder(100, "review");
    let sidecar = Sidecar::start(&["--rules", &path(&dir), "--set", "reload.watch=false"]);
    let outcome = |account: &str| {
        let body = payment("l").replacen('{', &format!("{{\"account\":\"{account}\","), 1);
        sidecar.post("/v1/score", &body).json()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!((outcome("acc-0").as_str(), outcome("acc-9").as_str()), ("decline", "approve"));
    let put =
        sidecar.admin("PUT", "/v1/lists/never/items", &[], r#"{"value":"acc-9","reason":"seen twice"}"#);
    assert_eq!(put.status, 200, "{put:?}");
    assert!(sidecar.admin("DELETE", "/v1/lists/never/items?value=acc-0", &[], "").body.contains("true"));
    assert_eq!((outcome("acc-0").as_str(), outcome("acc-9").as_str()), ("approve", "decline"));
    let items = sidecar.admin("GET", "/v1/lists/never/items", &[], "").json();
    assert_eq!(
        (&items["items"][0]["value"], &items["items"][0]["reason"]),
        (&"acc-9".into(), &"seen twice".into())
    );
    write_rule(&dir.path().join("rules"), 50, "review");
    assert_eq!(sidecar.admin("PUT", "/v1/pipeline", &[], "").json()["swapped"], true);
    assert_eq!((outcome("acc-0").as_str(), outcome("acc-9").as_str()), ("approve", "decline"));
    let list = |name: &str, body: &str| sidecar.admin("PUT", &format!("/v1/lists/{name}/items"), &[], body);
    assert_eq!(list("neve", "{\"value\":\"x\"}").json()["remedy"], "did you mean `never`?");
    assert_eq!(list("never", "{\"value\":\"\"}").problem(), "bad-item");
    assert_eq!(list("never", "{\"value\":\"x\",\"expires\":\"soon\"}").problem(), "bad-item");
}

#[test]
fn a_pipeline_is_swapped_whole_or_not_at_all() {
    let dir = folder(100, "review");
    let rules = dir.path().join("rules");
    let sidecar = Sidecar::start(&[
        "--rules",
        &path(&dir),
        "--set",
        "reload.watch=false",
        "--set",
        "reload.sample_min=10",
        "--set",
        "empty_past=true",
    ]);
    let digest = || sidecar.admin("GET", "/version", &[], "").json()["pipeline"].clone();
    for i in 0..20 {
        sidecar.post("/v1/score", &payment(&format!("r{i}")).replacen('{', "{\"device\":\"d\",", 1));
    }
    let before = digest();
    std::fs::write(rules.join("bad.toml"), "[[rule]]\nid = \"x\"\nwhen = 'amuont > 1'\nthen = \"deny\"\n")
        .unwrap();
    let bad = sidecar.admin("PUT", "/v1/pipeline", &[], "");
    assert_eq!((bad.status, bad.problem().as_str()), (422, "bad-pipeline"));
    assert!(bad.json()["diagnostics"][0]["path"].as_str().unwrap().ends_with("bad.toml"), "{bad:?}");
    assert_eq!((digest(), sidecar.metric("tollgate_reload_stale")), (before.clone(), 1.0));
    std::fs::remove_file(rules.join("bad.toml")).unwrap();

    write_rule(&rules, 1, "decline"); // all of them would be declined
    let dry = sidecar.admin("PUT", "/v1/pipeline?dry_run=true", &[], "").json();
    assert_eq!((&dry["swapped"], &dry["tried"], &dry["changed"]), (&false.into(), &20.into(), &20.into()));
    let held = sidecar.admin("PUT", "/v1/pipeline", &[], "");
    assert_eq!((held.status, held.problem().as_str()), (409, "held-back"));
    assert_eq!(digest(), before);
    let forced = sidecar.admin("PUT", "/v1/pipeline?force=true", &[], "");
    assert_eq!((&forced.json()["swapped"], &forced.json()["keeps_windows"]), (&true.into(), &true.into()));
    assert_ne!(digest(), before);
    let decided = sidecar.post("/v1/score", &payment("r99").replacen('{', "{\"device\":\"d\",", 1)).json();
    assert_eq!(decided["outcome"], "decline");
    assert!(decided["rules"].as_array().unwrap().contains(&"often".into()), "windows survive: {decided}");

    let posted = serde_json::json!({"files": {"r.toml": "[[rule]]\nid = \"p\"\nwhen = 'amount > 1'\nthen = \"challenge\"\nreason = \"P\"\n"}});
    let taken = sidecar.admin("PUT", "/v1/pipeline?force=true", &[], &posted.to_string()).json();
    assert_eq!((&taken["swapped"], &taken["rules"]), (&true.into(), &1.into()));
    assert_eq!(sidecar.post("/v1/score", &payment("r100")).json()["outcome"], "challenge");
    for wrong in ["{\"files\":{\"../x.toml\":\"\"}}", "{\"file\":{}}", "{\"files\":{}}", "[]"] {
        assert_eq!(sidecar.admin("PUT", "/v1/pipeline", &[], wrong).status, 400, "{wrong}");
    }
}

#[test]
fn a_folder_is_read_again_when_it_changes_is_swapped_or_on_sighup() {
    let dir = folder(100, "review");
    let sidecar = Sidecar::start(&["--rules", &path(&dir), "--set", "reload.settle=\"50ms\""]);
    let outcome = || sidecar.post("/v1/score", &payment("w")).json()["outcome"].as_str().unwrap().to_owned();
    let becomes = |expected: &str| {
        let start = Instant::now();
        while outcome() != expected {
            assert!(start.elapsed() < sidecar::PATIENCE, "not {expected}:\n{}", sidecar.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    becomes("approve");
    write_rule(&dir.path().join("rules"), 1, "challenge");
    becomes("challenge");
    // As a deployment does it: another folder takes the name.
    let next = dir.path().join("next");
    write_rule(&next, 1, "review");
    std::fs::rename(dir.path().join("rules"), dir.path().join("old")).unwrap();
    std::fs::rename(&next, dir.path().join("rules")).unwrap();
    becomes("review");
    write_rule(&dir.path().join("rules"), 1, "decline");
    becomes("decline");
    sidecar.signal("HUP");
    sidecar.wait_for("\"why\":\"sighup\"");
}

#[test]
fn gateways_get_yes_or_no() {
    let dir = folder(100, "decline");
    let sidecar = Sidecar::start(&["--rules", &path(&dir), "--set", "authz.trust_forwarded=true"]);
    let form = "amount=12.00&currency=USD&card%5Bcountry%5D=FR&x=";
    let json = r#"{"amount":"200.00","currency":"USD"}"#;
    for (method, path, headers, body, status, decision) in [
        ("POST", "/authz/v1/charges", &[][..], form, 200, Some("approve")),
        (
            "POST",
            "/authz",
            &[("content-type", "application/x-www-form-urlencoded")],
            form,
            200,
            Some("approve"),
        ),
        (
            "PUT",
            "/authz/x",
            &[("idempotency-key", "pay-7"), ("x-forwarded-for", "203.0.113.7, 10.0.0.1")],
            json,
            403,
            Some("decline"),
        ),
        (
            "GET",
            "/authz/x",
            &[("x-payment-amount", "5.00"), ("x-payment-currency", "USD")],
            "",
            200,
            Some("approve"),
        ),
        ("GET", "/authz/x", &[], "", 403, None),
        ("POST", "/authz/x", &[("x-envoy-auth-partial-body", "true")], json, 403, None),
        ("POST", "/authz/x", &[], "<xml/>", 403, None),
        ("POST", "/authz/x", &[], "amount=%zz", 403, None),
        ("POST", "/authz/x", &[], r#"{"amount":"200.00"#, 403, None),
    ] {
        let answer = sidecar.ask(method, path, headers, body);
        assert_eq!(
            (answer.status, answer.header("x-risk-decision")),
            (status, decision),
            "{method} {path} {body}: {answer:?}"
        );
        match decision {
            Some("decline") => {
                assert_eq!(
                    (answer.header("x-risk-reasons"), answer.header("x-risk-id")),
                    (Some("BIG"), Some("pay-7"))
                );
                assert_eq!(answer.problem(), "declined");
            }
            None => assert_eq!(answer.problem(), "not-passed"),
            _ => {}
        }
    }
    // nginx' auth_request: a length and no body. It must not be waited for.
    let mut socket = sidecar.connect();
    let start = Instant::now();
    socket.write_all(b"GET /authz HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\nx-payment-amount: 5.00\r\nx-payment-currency: USD\r\n\r\n").unwrap();
    let answer = read_answer(&mut socket).unwrap();
    assert!(answer.status == 200 && start.elapsed() < Duration::from_secs(1), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);

    let other = Sidecar::start(&[
        "--rules",
        &path(&dir),
        "--set",
        "authz.decline_status=402",
        "--set",
        "authz.pass_unreadable=true",
    ]);
    assert_eq!(other.ask("POST", "/authz/x", &[], json).status, 402);
    assert_eq!(other.ask("POST", "/authz/x", &[], "<xml/>").status, 200);
}

#[test]
fn what_can_not_be_scored_in_time_goes_by_policy_within_its_budget() {
    let late = [("x-deadline-ms", "0")];
    let closed = Sidecar::start(&[]);
    let answer = closed.ask("POST", "/v1/score", &late, &payment("d1"));
    assert_eq!(
        (answer.status, answer.problem().as_str(), answer.header("retry-after")),
        (503, "late", Some("1"))
    );
    assert_eq!(closed.ask("POST", "/v1/score", &[("x-deadline-ms", "soon")], &payment("d1")).status, 400);
    assert_eq!(closed.ask("POST", "/v1/score", &[("x-deadline-ms", "1000")], &payment("d1")).status, 200);
    let open = Sidecar::start(&[
        "--set",
        "unavailable.policy=open",
        "--set",
        "unavailable.payments_per_hour=2",
        "--set",
        "unavailable.amount_per_hour=\"1000 USD\"",
    ]);
    let outcome = |id: &str| {
        let answer = open.ask("POST", "/v1/score", &late, &payment(id));
        assert_eq!((answer.status, answer.header("x-risk-degraded")), (200, Some("deadline")), "{answer:?}");
        assert_eq!(answer.json()["degraded"], serde_json::json!(["deadline"]));
        answer.json()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!([outcome("o1"), outcome("o2"), outcome("o3")], ["approve", "approve", "review"]);
    assert_eq!(open.metric("tollgate_degraded_total{reason=\"deadline\"}"), 3.0);
    assert_eq!(open.metric("tollgate_refused_total{reason=\"late\"}"), 3.0);
}

#[test]
fn traces_go_through() {
    let sidecar = Sidecar::start(&[]);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = sidecar.ask("POST", "/v1/score", &[("traceparent", parent)], &payment("t"));
    let own = answer.header("traceparent").unwrap();
    assert!(own.starts_with(&parent[..36]) && own.ends_with("-01") && own != parent, "{own}");
}

#[test]
fn in_flight_is_finished_when_stopping() {
    let mut sidecar = Sidecar::start(&["--set", "timeouts.drain_pause=\"300ms\""]);
    let mut idle = sidecar.connect();
    assert_eq!(ask_on(&mut idle, "POST", "/v1/score", &[], payment("a").as_bytes()).status, 200);
    let mut busy = sidecar.connect();
    let body = payment("b");
    let (first, rest) = body.split_at(10);
    let head = format!("POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{first}", body.len());
    busy.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    sidecar.signal("TERM");
    sidecar.wait_for("\"event\":\"draining\"");
    let ready = sidecar.admin("GET", "/readyz", &[], "");
    assert_eq!((ready.status, ready.problem().as_str()), (503, "not-ready"));
    std::thread::sleep(Duration::from_millis(500));
    busy.write_all(rest.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut busy).unwrap().status, 200);
    assert!(sidecar.ended());
    assert!(sidecar.wait_for("\"event\":\"stopped\"").contains("\"drained\":true"));
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn systemd_is_told_when_payments_are_taken_and_when_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(sidecar::PATIENCE)).unwrap();
    let said = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut sidecar = Sidecar::start_with(&[], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(said(), "READY=1\n");
    assert_eq!(sidecar.post("/v1/score", &payment("p1")).status, 200);
    sidecar.signal("TERM");
    assert_eq!(said(), "STOPPING=1\n");
    assert!(sidecar.ended());
}

#[test]
fn stopping_does_not_wait_longer_than_its_limit() {
    let mut sidecar = Sidecar::start(&["--set", "timeouts.drain=\"200ms\""]);
    let mut stuck = sidecar.connect();
    stuck.write_all(b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    sidecar.signal("TERM");
    assert!(sidecar.ended() && start.elapsed() < Duration::from_millis(1_900));
    assert!(sidecar.wait_for("\"event\":\"stopped\"").contains("\"cut\":1"));
}

#[test]
fn unix_sockets_are_served_and_cleaned_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // a dead one is in the way
    let mut sidecar = Sidecar::start(&["--listen", &format!("unix:{}", path.display())]);
    let mut socket = UnixStream::connect(&path).unwrap();
    for i in 0..3 {
        assert_eq!(
            ask_on(&mut socket, "POST", "/v1/score", &[], payment(&format!("u{i}")).as_bytes()).status,
            200
        );
    }
    drop(socket);
    sidecar.signal("TERM");
    assert!(sidecar.ended() && !path.exists());
}

#[test]
fn openapi_lists_every_route_and_version_and_health_answer() {
    let sidecar = Sidecar::start(&["--set", "admin_on_main=true"]);
    let document = sidecar.ask("GET", "/openapi.json", &[], "").json();
    let mut served = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let answer =
                sidecar.ask(&method.to_ascii_uppercase(), &path.replace("{", "").replace("}", ""), &[], "");
            assert!(
                !["not-found", "wrong-method"].contains(&answer.problem().as_str()) || path.contains('{'),
                "{method} {path}"
            );
            served += 1;
        }
    }
    assert!(served >= 15, "{served}");
    let outside = Sidecar::start(&[]);
    assert_eq!(outside.ask("GET", "/metrics", &[], "").status, 404);
    assert!(outside.admin("GET", "/metrics", &[], "").body.ends_with("# EOF\n"));
}

/// A certificate for `localhost` and an authority with a client's certificate, as files in a folder.
struct Certificates {
    dir: tempfile::TempDir,
    roots: rustls::RootCertStore,
    client: (Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>),
}

fn certificates() -> Certificates {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let dir = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), own.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let client =
        CertificateParams::new(vec!["client".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Certificates { dir, roots, client: (vec![client.der().clone()], key) }
}

impl Certificates {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn ask(
        &self,
        address: &str,
        show: bool,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Option<u16> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match show {
            true => builder.with_client_auth_cert(self.client.0.clone(), self.client.1.clone_key()).unwrap(),
            false => builder.with_no_client_auth(),
        };
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(session, sidecar::connect(address));
        let body = payment("tls");
        let request = format!(
            "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        Some(read_answer(&mut stream)?.status)
    }
}

#[test]
fn tls_is_spoken_with_and_without_client_certificates() {
    let both: &[_] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let made = certificates();
    let (cert, key, ca) = (made.path("cert.pem"), made.path("key.pem"), made.path("ca.pem"));
    let sidecar =
        Sidecar::start(&["--tls-cert", &cert, "--tls-key", &key, "--set", "timeouts.handshake=\"300ms\""]);
    assert_eq!(made.ask(&sidecar.main, false, both), Some(200));
    assert_eq!(made.ask(&sidecar.main, false, &[&rustls::version::TLS12]), Some(200));
    // Plain HTTP, and a handshake that does not go on.
    let mut plain = sidecar.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(read_answer(&mut plain).is_none());
    let mut half = sidecar.connect();
    half.write_all(&[0x16, 3, 1]).unwrap();
    let start = Instant::now();
    assert_eq!(half.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(sidecar.metric("tollgate_connections_failed_total{reason=\"handshake\"}"), 2.0);
    sidecar.signal("HUP");
    sidecar.wait_for("\"event\":\"certificates\"");
    assert_eq!(made.ask(&sidecar.main, false, both), Some(200));

    let mutual = Sidecar::start(&["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &ca]);
    assert_eq!(made.ask(&mutual.main, true, both), Some(200));
    assert_eq!(made.ask(&mutual.main, false, both), None);
    let other = certificates();
    let stranger = Certificates { dir: other.dir, roots: made.roots.clone(), client: other.client };
    assert_eq!(stranger.ask(&mutual.main, true, both), None);
}

#[test]
fn http2_is_spoken_to_those_who_begin_with_it() {
    let sidecar = Sidecar::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(&sidecar.main).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(socket))
                .await
                .unwrap();
        let _connection = tokio::spawn(connection);
        let ask = |i: usize| {
            let mut sender = sender.clone();
            async move {
                let request = hyper::Request::post("http://localhost/v1/score")
                    .body(payment(&format!("h{i}")))
                    .unwrap();
                sender.send_request(request).await.unwrap().status().as_u16()
            }
        };
        let asked: Vec<_> = (0..50).map(|i| tokio::spawn(ask(i))).collect();
        for one in asked {
            assert_eq!(one.await.unwrap(), 200);
        }
    });
    // One for all of them, and the one that asks.
    assert_eq!(sidecar.metric("tollgate_connections_accepted_total"), 2.0);
}
