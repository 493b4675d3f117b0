//! Rules that go past their brake, in the sidecar: they lose their effect, scoring goes on, and all of it is in
//! the journal.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use sidecar::{Sidecar, ask_on, connect};

/// `wide` declines what is above 100; `other` would brake itself only at half of all payments.
fn rules(wide: &str) -> String {
    rules_with(wide, "amount > 5000")
}

fn rules_with(wide: &str, plain: &str) -> String {
    let rule = |id: &str, when: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nwhen = '{when}'\nreason = \"{}\"\n{more}\n",
            id.to_ascii_uppercase()
        )
    };
    rule("wide", wide, "then = \"decline\"\nbrake = \"2% of payments in 5m\"")
        + &rule("other", "amount > 200", "then = \"review\"\nbrake = \"50% of payments in 1m, at least 50\"")
        + &rule("dark", "amount > 0", "then = \"decline\"\nshadow = true\nbrake = \"1% of payments in 5m\"")
        + &rule("plain", plain, "then = \"challenge\"")
}

struct Place {
    rules: tempfile::TempDir,
    journal: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { rules: tempfile::tempdir().unwrap(), journal: tempfile::tempdir().unwrap() };
        place.write(&rules("amount > 100"));
        place
    }

    fn write(&self, rules: &str) {
        std::fs::write(self.rules.path().join("r.toml"), rules).unwrap();
    }

    fn start(&self, journal: bool) -> Sidecar {
        let (rules, dir) = (text(self.rules.path()), text(self.journal.path()));
        let mut args = vec![
            "--rules",
            &rules,
            "--set",
            "reload.watch=false",
            "--set",
            "empty_past=true",
            "--threads",
            "2",
        ];
        if journal {
            args.extend(["--journal", &dir]);
        }
        Sidecar::start(&args)
    }

    fn replayed(&self) -> Value {
        let mut command = assert_cmd::Command::cargo_bin("tollgate").unwrap();
        command.args(["replay", "--json", "--rules"]).arg(self.rules.path()).arg(self.journal.path());
        let out = command.assert().success().get_output().stdout.clone();
        let replayed: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(replayed["different"], 0, "{replayed}");
        replayed
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn of(id: &str, amount: u64) -> String {
    format!(r#"{{"id":"{id}","at":"2026-11-23T12:00:00Z","amount":"{amount}.00","currency":"USD"}}"#)
}

fn score(sidecar: &Sidecar, id: &str, amount: u64) -> Value {
    let answer = sidecar.post("/v1/score", &of(id, amount));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Sends small payments, and then as many large ones.
fn send(sidecar: &Sidecar, small: u64, large: u64) {
    let mut socket = connect(&sidecar.main);
    for i in 0..small + large {
        let body = of(&format!("s{i}"), if i < small { 10 } else { 150 });
        assert_eq!(ask_on(&mut socket, "POST", "/v1/score", &[], body.as_bytes()).status, 200);
    }
}

fn brakes(sidecar: &Sidecar) -> Vec<(String, bool)> {
    let brakes = sidecar.admin("GET", "/v1/brakes", &[], "").json();
    let brakes = brakes["brakes"].as_array().unwrap();
    brakes.iter().map(|b| (b["rule"].as_str().unwrap().to_owned(), b["braked"].as_bool().unwrap())).collect()
}

/// Two periods of the monitor and more: what has not happened by then does not.
fn a_while() {
    std::thread::sleep(std::time::Duration::from_millis(500));
}

#[test]
fn a_rule_that_matches_too_much_demotes_itself_under_load_and_replays_agree() {
    let place = Place::new();
    let sidecar = place.start(true);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut socket = connect(&sidecar.main);
                while !stop.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let body = of(&format!("p{i}"), if i.is_multiple_of(5) { 150 } else { 10 });
                    let answer = ask_on(&mut socket, "POST", "/v1/score", &[], body.as_bytes());
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
        let told: Value = serde_json::from_str(&sidecar.wait_for("\"event\":\"rule_braked\"")).unwrap();
        assert_eq!((&told["rule"], &told["level"]), (&json!("wide"), &json!("warn")), "{told}");
        assert_eq!(told["brake"], "2% of payments in 5m");
        let (matches, payments) = (told["matches"].as_u64().unwrap(), told["payments"].as_u64().unwrap());
        assert!(payments >= 100 && matches * 50 > payments, "{told}");
        std::thread::sleep(std::time::Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
    });
    // What it asks for is told, and no longer done.
    let answer = sidecar.post("/v1/score", &of("after", 150));
    assert_eq!(answer.header("x-risk-degraded"), Some("rule_braked"), "{answer:?}");
    let after = answer.json();
    assert_eq!((&after["outcome"], &after["rules"]), (&json!("approve"), &json!([])));
    assert_eq!((&after["shadow"], &after["degraded"]), (&json!(["wide", "dark"]), &json!(["rule_braked"])));
    let quiet = score(&sidecar, "quiet", 10);
    assert_eq!(quiet["degraded"], json!([]), "it did not match");
    assert_eq!(score(&sidecar, "large", 300)["outcome"], "review", "other rules go on");

    let listed = sidecar.admin("GET", "/v1/brakes", &[], "").json();
    let wide = &listed["brakes"][0];
    assert!(wide["since"].is_string() && wide["payments"].as_u64().unwrap() >= 100, "{listed}");
    assert_eq!(
        listed["brakes"][2],
        json!({"rule": "dark", "brake": "1% of payments in 5m", "shadow": true, "braked": false})
    );
    let gauge = |rule: &str| sidecar.metric(&format!("tollgate_rule_braked{{rule=\"{rule}\"}}"));
    assert_eq!((gauge("wide"), gauge("other"), gauge("dark")), (1.0, 0.0, 0.0));
    let trips = |rule: &str| sidecar.metric(&format!("tollgate_brake_trips_total{{rule=\"{rule}\"}}"));
    assert_eq!((trips("wide"), trips("other"), trips("dark")), (1.0, 0.0, 0.0));
    assert!(!sidecar.admin("GET", "/metrics", &[], "").body.contains("braked{rule=\"plain\"}"));
    assert!(sidecar.metric("tollgate_degraded_total{reason=\"rule_braked\"}") >= 2.0);
    let stats = sidecar.admin("GET", "/v1/stats", &[], "").json();
    assert_eq!(stats["braked"], json!(["wide"]));
    let busiest = stats["since_start"]["busiest_rules"].as_array().unwrap();
    assert!(busiest.iter().any(|busy| busy["rule"] == "wide" && busy["braked"] == true), "{stats}");
    drop(sidecar); // killed

    let replayed = place.replayed();
    assert_eq!(replayed["contents"]["brakes"], 1, "{replayed}");
    assert_eq!(replayed["same"], replayed["contents"]["payments"], "{replayed}");
}

#[test]
fn a_restart_keeps_it_braked_and_a_release_or_another_condition_ends_it() {
    let place = Place::new();
    let mut sidecar = place.start(true);
    send(&sidecar, 100, 5);
    sidecar.wait_for("\"event\":\"rule_braked\"");
    sidecar.signal("KILL");
    let _ = sidecar.ended();
    let mut sidecar = place.start(true);
    assert_eq!(score(&sidecar, "killed", 150)["outcome"], "approve");
    assert_eq!(brakes(&sidecar), [("wide".into(), true), ("other".into(), false), ("dark".into(), false)]);
    sidecar.signal("TERM");
    assert!(sidecar.ended(), "{}", sidecar.log());
    let sidecar = place.start(true);
    assert_eq!(score(&sidecar, "stopped", 150)["outcome"], "approve", "the snapshot knows it too");

    // The same files again change nothing; a release counts from then on, so that it does not trip at once.
    assert_eq!(sidecar.admin("PUT", "/v1/pipeline", &[], "").json()["swapped"], false);
    assert!(brakes(&sidecar)[0].1);
    let release = |rule: &str| sidecar.admin("DELETE", &format!("/v1/brakes/{rule}"), &[], "");
    assert_eq!(release("wide").json(), json!({"rule": "wide", "released": true}));
    assert_eq!(release("wide").json(), json!({"rule": "wide", "released": false}));
    let none = release("wode");
    assert_eq!((none.status, none.problem().as_str()), (404, "not-found"), "{none:?}");
    assert_eq!(
        (none.json()["remedy"].as_str(), release("plain").status),
        (Some("did you mean `wide`?"), 404)
    );
    assert_eq!(score(&sidecar, "released", 150)["outcome"], "decline");
    a_while();
    assert!(!brakes(&sidecar)[0].1, "one payment is none too many");
    send(&sidecar, 100, 5);
    sidecar.wait_for("\"event\":\"rule_braked\"");

    place.write(&rules("amount > 120"));
    let swapped = sidecar.admin("PUT", "/v1/pipeline?force=true", &[], "").json();
    assert_eq!(swapped["swapped"], true, "{swapped}");
    assert!(brakes(&sidecar).iter().all(|(_, braked)| !braked));
    assert_eq!(score(&sidecar, "reloaded", 150)["outcome"], "decline");
    drop(sidecar);
    // Braked, released, braked.
    let replayed = place.replayed();
    assert_eq!(replayed["contents"]["brakes"], 3, "{replayed}");
    place.write(&rules("amount > 100"));
    let replayed = place.replayed();
    let payments = replayed["contents"]["payments"].as_u64().unwrap();
    assert_eq!(replayed["same"].as_u64(), Some(payments - 1), "all but the one of other rules: {replayed}");
}

#[test]
fn other_rules_around_it_leave_it_braked_at_a_reload_and_at_a_start() {
    for journal in [true, false] {
        let place = Place::new();
        let mut sidecar = place.start(journal);
        send(&sidecar, 100, 50);
        sidecar.wait_for("\"event\":\"rule_braked\"");
        let wide =
            |sidecar: &Sidecar| sidecar.admin("GET", "/v1/brakes", &[], "").json()["brakes"][0].clone();
        let trip = wide(&sidecar);
        assert!(trip["braked"] == true && trip["since"].is_string(), "{trip}");

        place.write(&rules_with("amount > 100", "amount > 6000"));
        let swapped = sidecar.admin("PUT", "/v1/pipeline", &[], "").json();
        assert_eq!((&swapped["swapped"], &swapped["changed"]), (&json!(true), &json!(0)), "{swapped}");
        assert!(swapped["tried"].as_u64().unwrap() >= 100, "nothing is held back for it: {swapped}");
        assert_eq!(wide(&sidecar), trip);
        let answer = score(&sidecar, "reloaded", 150);
        assert_eq!((&answer["outcome"], &answer["degraded"]), (&json!("approve"), &json!(["rule_braked"])));

        if journal {
            sidecar.signal("KILL");
            let _ = sidecar.ended();
            sidecar = place.start(true);
            assert_eq!(wide(&sidecar), trip, "with the same rules");
            sidecar.signal("TERM");
            assert!(sidecar.ended(), "{}", sidecar.log());
            place.write(&rules_with("amount > 100", "amount > 7000"));
            sidecar = place.start(true);
            assert_eq!(wide(&sidecar), trip, "with others");
            assert_eq!(score(&sidecar, "restarted", 150)["outcome"], "approve");
        }
        place.write(&rules_with("amount > 110", "amount > 6000"));
        assert_eq!(sidecar.admin("PUT", "/v1/pipeline?force=true", &[], "").json()["swapped"], true);
        let told: Value = serde_json::from_str(&sidecar.wait_for("\"event\":\"rule_released\"")).unwrap();
        assert_eq!((&told["rule"], &told["why"]), (&json!("wide"), &json!("reload")));
        assert_eq!(score(&sidecar, "changed", 150)["outcome"], "decline");
        drop(sidecar);
        if journal {
            // The trip, at the reload, at the start.
            assert_eq!(place.replayed()["contents"]["brakes"], 3);
        }
    }
}

#[test]
fn few_payments_and_a_share_that_is_kept_trip_nothing_and_no_journal_is_needed() {
    let place = Place::new();
    let sidecar = place.start(false);
    send(&sidecar, 0, 99);
    a_while();
    assert!(!brakes(&sidecar)[0].1, "fewer than a hundred");
    send(&sidecar, 1, 0);
    sidecar.wait_for("\"event\":\"rule_braked\"");
    assert_eq!(score(&sidecar, "after", 150)["outcome"], "approve");
    let sidecar = place.start(false);
    send(&sidecar, 98, 2);
    a_while();
    assert!(!brakes(&sidecar)[0].1, "at the share");
    assert_eq!(score(&sidecar, "past", 150)["outcome"], "decline");
    sidecar.wait_for("\"event\":\"rule_braked\"");
}

#[test]
fn what_a_policy_decides_is_no_payment_that_the_rule_was_asked_about() {
    let place = Place::new();
    let rules = text(place.rules.path());
    let sidecar = Sidecar::start(&["--rules", &rules, "--set", "unavailable.policy=review"]);
    for i in 0..500 {
        let late = sidecar.ask("POST", "/v1/score", &[("x-deadline-ms", "0")], &of(&format!("l{i}"), 10));
        assert_eq!(late.json()["outcome"], "review", "{late:?}");
    }
    send(&sidecar, 97, 3);
    sidecar.wait_for("\"event\":\"rule_braked\"");
}

#[test]
fn brakes_are_for_keys_that_may_administer() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    // printf %s lists | sha256sum
    let key = "[[key]]\nname = \"l\"\nsha256 = \"4c14c4a453f98de4bd1c972fea7850adb52822c5823e5da287085165afcf2020\"\nscopes = [\"lists\"]\n";
    std::fs::write(&config, key).unwrap();
    let sidecar = Sidecar::start(&["--config", &text(&config)]);
    for (method, path) in [("GET", "/v1/brakes"), ("DELETE", "/v1/brakes/wide")] {
        assert_eq!(sidecar.admin(method, path, &[], "").status, 401, "{method} {path}");
        let wrong = [("x-api-key", "lists")];
        assert_eq!(sidecar.admin(method, path, &wrong, "").status, 403, "{method} {path}");
    }
}
