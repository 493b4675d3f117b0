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
fn a_restart_gives_the_answers_that_were_given_and_scores_no_request_twice() {
    let (dir, keys, rules) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write_rules = |limit: u32| {
        let rule = format!(
            "[[rule]]\nid = \"r\"\nwhen = 'amount > {limit} and count(card, 1h) > 1'\nthen = \"review\"\nreason = \"R\"\n"
        );
        std::fs::write(rules.path().join("r.toml"), rule).unwrap();
    };
    let config = keys.path().join("serve.toml");
    // printf %s KEY | sha256sum
    let [a, b] = [
        ("a", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("b", "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"),
    ]
    .map(|(name, sha)| format!("[[key]]\nname = \"{name}\"\nsha256 = \"{sha}\"\nscopes = [\"admin\"]\n"));
    let start = |keys: &str| {
        std::fs::write(&config, keys).unwrap();
        let (config, rules) = (config.display().to_string(), rules.path().display().to_string());
        let more = ["--set", "empty_past=true", "--set", "unavailable.policy=challenge"];
        start(dir.path(), &[&["--config", &config, "--rules", &rules], &more[..]].concat())
    };
    let ask = |sidecar: &Sidecar, id: u64, name: &str| {
        let headers = [("x-api-key", "a"), ("idempotency-key", name)];
        sidecar.ask("POST", "/v1/score", &headers, &of_card(id * 7))
    };
    let decision = |sidecar: &Sidecar, id: u64, key: &str| {
        let path = format!("/v1/decisions/p{}", id * 7);
        sidecar.ask("GET", &path, &[("x-api-key", key)], "")
    };
    write_rules(10);
    let mut sidecar = start(&format!("{a}{b}"));
    let first: Vec<_> = (0..5).map(|id| ask(&sidecar, id, &format!("k{id}"))).collect();
    assert!(first[4].body.contains("\"R\"") && first[4].status == 200, "{:?}", first[4]);
    // Decided by policy, for it is late.
    let late = [("x-api-key", "a"), ("idempotency-key", "late"), ("x-deadline-ms", "0")];
    let refused = sidecar.ask("POST", "/v1/score", &late, &of_card(1));
    assert_eq!((refused.status, refused.json()["outcome"].as_str()), (200, Some("challenge")), "{refused:?}");
    sidecar.signal("KILL");
    let _ = sidecar.ended();
    for _ in 0..2 {
        // The keys have changed their places; at the second time there is a snapshot.
        sidecar = start(&format!("{b}{a}"));
        let told: serde_json::Value =
            serde_json::from_str(&sidecar.wait_for("\"event\":\"restored\"")).unwrap();
        assert_eq!((&told["payments"], &told["idempotency_keys"]), (&6.into(), &6.into()), "{told}");
        for (id, first) in (0..).zip(&first) {
            let again = ask(&sidecar, id, &format!("k{id}"));
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again:?}");
            assert_eq!((again.status, &again.body), (200, &first.body));
            assert_eq!(decision(&sidecar, id, "a").body, first.body);
            assert_eq!(decision(&sidecar, id, "b").status, 404, "it is another's");
        }
        let again = sidecar.ask("POST", "/v1/score", &late, &of_card(1));
        assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &refused.body));
        let other = ask(&sidecar, 1, "k2");
        assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-mismatch"));
        let all = sidecar.admin("GET", "/v1/decisions", &[("x-api-key", "b")], "").json();
        let ids = all["decisions"].as_array().unwrap().iter().map(|d| d["decision"]["id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), ["p1", "p28", "p21", "p14", "p7", "p0"]);
        sidecar.signal("TERM");
        assert!(sidecar.ended(), "{}", sidecar.log());
    }
    sidecar = start(&format!("{b}{a}"));
    let settled =
        sidecar.ask("POST", "/v1/settlements", &[("x-api-key", "a")], r#"{"id":"p7","status":"disputed"}"#);
    assert_eq!((settled.status, settled.json()["counted"].as_bool()), (200, Some(true)), "{settled:?}");
    drop(sidecar);
    let mut command = assert_cmd::Command::cargo_bin("tollgate").unwrap();
    let replayed = command.args(["replay", "--json", "--rules"]).arg(rules.path()).arg(dir.path());
    let replayed = replayed.assert().success().get_output().stdout.clone();
    let replayed: serde_json::Value = serde_json::from_slice(&replayed).unwrap();
    assert_eq!((&replayed["same"], &replayed["contents"]["payments"]), (&5.into(), &5.into()), "{replayed}");
    // Other rules can't say what those before have decided.
    write_rules(15);
    let sidecar = start(&format!("{a}{b}"));
    assert_eq!(decision(&sidecar, 1, "a").status, 404);
    let anew = ask(&sidecar, 1, "k1");
    assert_eq!((anew.status, anew.header("idempotent-replayed")), (200, None), "{anew:?}");
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
