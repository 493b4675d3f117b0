//! The sidecar beside its journal: what it answered is there after its end, whatever the end.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sidecar::{Sidecar, ask_on, connect, payment};

/// More rounds: `TOLLGATE_SOAK=10 cargo test --release --test serve_journal`.
fn rounds() -> u64 {
    5 * std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn start(dir: &Path, more: &[&str]) -> Sidecar {
    let dir = dir.display().to_string();
    Sidecar::start(&[&["--journal", &dir], more].concat())
}

fn tollgate(args: &[&str], dir: &Path) -> String {
    let mut command = assert_cmd::Command::cargo_bin("tollgate").unwrap();
    let out = command.args(args).arg(dir).current_dir(dir).assert().success().get_output().stdout.clone();
    String::from_utf8(out).unwrap()
}

fn replayed(dir: &Path) -> serde_json::Value {
    let replayed: serde_json::Value = serde_json::from_str(&tollgate(&["replay", "--json"], dir)).unwrap();
    assert_eq!(replayed["different"], 0, "{replayed}");
    assert_eq!(replayed["same"], replayed["contents"]["payments"], "{replayed}");
    replayed
}

fn recovered(sidecar: &Sidecar) -> serde_json::Value {
    serde_json::from_str(&sidecar.wait_for("\"event\":\"recovered\"")).unwrap()
}

/// A payment of one card; cards come back, so that windows matter.
fn of_card(id: u64) -> String {
    format!(
        r#"{{"id":"p{id}","at":"2026-11-23T12:{:02}:{:02}Z","amount":"20.00","currency":"USD","card":"tok_{}","merchant":"m"}}"#,
        id / 60 % 60,
        id % 60,
        id % 7
    )
}

/// The number in `x-risk-record: 17;durability=written`.
fn record(answer: &sidecar::Answer) -> u64 {
    let header = answer.header("x-risk-record").unwrap_or_else(|| panic!("{answer:?}"));
    header.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn a_restart_knows_windows_lists_and_settlements() {
    let dir = tempfile::tempdir().unwrap();
    let mut sidecar = start(dir.path(), &["--set", "empty_past=true"]);
    for id in 0..30 {
        let answer = sidecar.post("/v1/score", &of_card(id));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(record(&answer), id + 2, "the pipeline is the first record");
        assert!(answer.header("x-risk-record").unwrap().ends_with(";durability=written"));
    }
    let settled = sidecar.post("/v1/settlements", r#"{"id":"p3","status":"disputed"}"#);
    assert_eq!(settled.status, 200, "{settled:?}");
    let put = r#"{"value":"tok_2","reason":"called"}"#;
    let put = sidecar.admin("PUT", "/v1/lists/never/items", &[], put);
    assert_eq!(put.status, 200, "{put:?}");
    let before = sidecar.post("/v1/explain", &of_card(99)).json();
    sidecar.signal("TERM");
    assert!(sidecar.ended(), "{}", sidecar.log());
    assert!(sidecar.log().contains("\"event\":\"journal_closed\""), "{}", sidecar.log());

    // Not told that the past is empty: what the journal knows of it stays true.
    let sidecar = start(dir.path(), &[]);
    let told = recovered(&sidecar);
    assert_eq!(told["payments"], 30, "{told}");
    assert_eq!(told["ended_in_good_order"], true, "{told}");
    assert!(told["from_snapshot"].is_u64(), "{told}");
    let after = sidecar.post("/v1/explain", &of_card(99)).json();
    assert_eq!(before, after);
    let listed = sidecar.post("/v1/score", &of_card(2)).json();
    assert_eq!(listed["outcome"], "decline", "{listed}");
    drop(sidecar);
    let replayed = replayed(dir.path());
    assert_eq!(replayed["contents"]["settlements"], 1);
    assert_eq!(replayed["contents"]["list_edits"], 1);
}

/// Sends until the server is gone; the number of the last record that it was told of.
fn load(address: &str, batch: bool, next: &AtomicU64, last: &AtomicU64, stop: &AtomicBool) {
    let mut socket = connect(address);
    if !batch {
        while !stop.load(Ordering::Relaxed) {
            let body = of_card(next.fetch_add(1, Ordering::Relaxed));
            let request =
                format!("POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if socket.write_all(request.as_bytes()).is_err() {
                return;
            }
            let Some(answer) = sidecar::read_answer(&mut socket) else { return };
            assert_eq!(answer.status, 200, "{answer:?}");
            last.fetch_max(record(&answer), Ordering::Relaxed);
        }
        return;
    }
    // A batch tells no numbers: its payments are looked for by their ids.
    let head = "POST /v1/score:batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    if socket.write_all(head.as_bytes()).is_err() {
        return;
    }
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    while !stop.load(Ordering::Relaxed) {
        let line = of_card(next.fetch_add(1, Ordering::Relaxed)) + "\n";
        if write!(socket, "{:x}\r\n{line}\r\n", line.len()).is_err() {
            return;
        }
        let mut answer = String::new();
        while !answer.contains("\"outcome\"") {
            answer.clear();
            if reader.read_line(&mut answer).unwrap_or(0) == 0 {
                return;
            }
        }
        last.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_killed_sidecar_has_recorded_all_that_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (next, mut payments) = (AtomicU64::new(0), 0);
    for round in 0..rounds() {
        let mut sidecar = start(dir.path(), &["--threads", "2", "--set", "journal.segment_bytes=1048576"]);
        let told = recovered(&sidecar);
        assert!(round == 0 || told["ended_in_good_order"] == false, "{told}");
        assert!(told["payments"].as_u64().unwrap() >= payments, "{told}");
        let (last, lines, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| load(&sidecar.main, false, &next, &last, &stop));
            }
            scope.spawn(|| load(&sidecar.main, true, &next, &lines, &stop));
            while last.load(Ordering::Relaxed) == 0 || lines.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(50 + round * 37 % 150));
            sidecar.signal("KILL");
            stop.store(true, Ordering::Relaxed);
        });
        let _ = sidecar.ended();
        let verified: serde_json::Value =
            serde_json::from_str(&tollgate(&["verify", "--json"], dir.path())).unwrap();
        let records = verified["records"].as_u64().unwrap();
        assert!(records >= last.load(Ordering::Relaxed), "{verified}");
        let recorded = verified["contents"]["payments"].as_u64().unwrap();
        assert!(recorded >= payments + lines.load(Ordering::Relaxed), "{verified}");
        payments = recorded;
    }
    replayed(dir.path());
}

#[test]
fn what_a_policy_decides_is_recorded_and_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = start(dir.path(), &["--set", "unavailable.policy=review"]);
    let late = sidecar.ask("POST", "/v1/score", &[("x-deadline-ms", "0")], &payment("late"));
    assert_eq!(late.json()["outcome"], "review", "{late:?}");
    assert_eq!(late.header("x-risk-degraded"), Some("deadline"));
    assert_eq!(record(&late), 2);
    sidecar.post("/v1/score", &payment("on-time"));
    drop(sidecar);
    let contents = replayed(dir.path())["contents"].clone();
    assert_eq!((&contents["unscored"], &contents["payments"]), (&1.into(), &1.into()), "{contents}");
}

#[test]
fn rules_are_recorded_and_a_snapshot_is_taken_beside_the_scoring() {
    let (dir, rules) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rule = |then: &str| {
        format!(
            "[[rule]]\nid = \"big\"\nwhen = \"amount > 1000 and count(card, 1h) >= 0\"\nthen = \"{then}\"\nreason = \"BIG\"\n"
        )
    };
    std::fs::write(rules.path().join("r.toml"), rule("review")).unwrap();
    let folder = rules.path().display().to_string();
    let settings = [
        "--rules",
        &folder,
        "--set",
        "reload.watch=false",
        "--set",
        "journal.snapshot=300ms",
        "--set",
        "empty_past=true",
    ];
    let sidecar = start(dir.path(), &settings);
    (0..20).for_each(|id| assert_eq!(sidecar.post("/v1/score", &of_card(id)).status, 200));
    sidecar.wait_for("\"event\":\"snapshot\",\"level\":\"info\"");
    std::fs::write(rules.path().join("r.toml"), rule("decline")).unwrap();
    let swapped = sidecar.admin("PUT", "/v1/pipeline", &[], "").json();
    assert_eq!(swapped["swapped"], true, "{swapped}");
    let big = of_card(50).replace("20.00", "5000.00");
    assert_eq!(sidecar.post("/v1/score", &big).json()["outcome"], "decline");
    drop(sidecar); // killed
    let sidecar = start(dir.path(), &settings);
    assert_eq!(recovered(&sidecar)["payments"], 21);
    drop(sidecar);
    let replayed: serde_json::Value =
        serde_json::from_str(&tollgate(&["replay", "--json", "--rules", &folder], dir.path())).unwrap();
    assert_eq!(replayed["contents"]["pipelines"], 2, "{replayed}");
    assert_eq!((&replayed["same"], &replayed["different"]), (&1.into(), &0.into()), "{replayed}");
}

#[test]
fn a_second_sidecar_and_a_damaged_journal_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = start(dir.path(), &[]);
    sidecar.post("/v1/score", &payment("p1"));
    let refused = |code: i32| {
        let mut command = assert_cmd::Command::cargo_bin("tollgate").unwrap();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--journal"])
            .arg(dir.path());
        let out = command.timeout(sidecar::PATIENCE).assert().code(code).get_output().stderr.clone();
        String::from_utf8(out).unwrap()
    };
    assert!(refused(4).contains("another process writes this journal"));
    drop(sidecar);
    let segment = dir.path().join("00000001.log");
    let mut bytes = Vec::new();
    std::fs::File::open(&segment).unwrap().read_to_end(&mut bytes).unwrap();
    bytes[4096 + 100] ^= 1; // in the first frame, with others behind it
    std::fs::write(&segment, bytes).unwrap();
    let said = refused(6);
    assert!(said.contains("the journal is damaged") && said.contains("00000001.log"), "{said}");
}

#[test]
fn a_key_sent_again_is_answered_once_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = start(dir.path(), &["--set", "journal.durability=sync"]);
    let mut socket = connect(&sidecar.main);
    let mut ask =
        || ask_on(&mut socket, "POST", "/v1/score", &[("idempotency-key", "k")], payment("p1").as_bytes());
    let (first, again) = (ask(), ask());
    assert!(first.header("x-risk-record").unwrap().ends_with(";durability=sync"), "{first:?}");
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again:?}");
    assert_eq!(first.body, again.body);
    assert_eq!(sidecar.metric("tollgate_journal_records_total"), 2.0);
    assert_eq!(sidecar.metric("tollgate_journal_failed"), 0.0);
    drop(sidecar);
    assert_eq!(replayed(dir.path())["contents"]["payments"], 1);
}
