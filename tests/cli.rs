//! The command line as a person meets it: files in, files out, exit codes, pipes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn tollgate() -> Command {
    Command::cargo_bin("tollgate").unwrap()
}

fn simulated(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    tollgate().args(["simulate", "--payments", "3000", "--days", "1", "--out"]).arg(&path).assert().success();
    path
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_format_gives_the_same_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    let formats: &[&str] =
        if cfg!(feature = "columnar") { &["csv", "jsonl", "parquet", "arrow"] } else { &["csv", "jsonl"] };
    for format in formats {
        let payments = simulated(dir.path(), &format!("p.{format}"));
        let out = dir.path().join(format!("{format}.jsonl"));
        tollgate().arg("score").arg(&payments).arg("--out").arg(&out).assert().success();
        all.push((format, lines(&out)));
    }
    assert_eq!(all[0].1.len(), 3000);
    for (format, decisions) in &all[1..] {
        assert!(*decisions == all[0].1, "{format} differs from csv");
    }
}

#[test]
fn threads_do_not_change_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let payments = simulated(dir.path(), "p.csv");
    let run = |threads: &str| {
        let out = dir.path().join(format!("{threads}.jsonl"));
        tollgate()
            .args(["score", "--threads", threads])
            .arg(&payments)
            .arg("--out")
            .arg(&out)
            .assert()
            .success();
        fs::read(out).unwrap()
    };
    assert!(run("1") == run("2"));
}

#[test]
fn standard_input_and_output_are_pipes() {
    let dir = tempfile::tempdir().unwrap();
    let payments = simulated(dir.path(), "p.jsonl");
    let run = tollgate()
        .args(["score", "--out", "-", "--to", "csv"])
        .write_stdin(fs::read(payments).unwrap())
        .output()
        .unwrap();
    assert!(run.status.success());
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(out.starts_with("id,outcome,score,"), "{}", &out[..80]);
    assert_eq!(out.lines().count(), 3001);
    assert!(String::from_utf8(run.stderr).unwrap().contains("3,000 payments"));
}

#[test]
fn bad_rows_are_named_counted_kept_and_limited() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    let mut file = fs::File::create(&path).unwrap();
    writeln!(file, "id,at,amount,currency").unwrap();
    writeln!(file, "a,2026-01-01T00:00:00Z,1.00,USD").unwrap();
    writeln!(file, "b,2026-01-01T00:00:00Z,-1.00,USD").unwrap();
    writeln!(file, "c,never,1.00,USD").unwrap();
    writeln!(file, "d,2026-01-01T00:00:00Z,1.00,XAU").unwrap();
    writeln!(file, "e,2026-01-01T00:00:01Z,NaN,USD").unwrap();
    drop(file);
    let rejects = dir.path().join("rejects.jsonl");
    let run =
        tollgate().arg("score").arg(&path).arg("--rejects").arg(&rejects).arg("--json").output().unwrap();
    assert!(run.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((&summary["payments"], &summary["rejected"]), (&1.into(), &4.into()));
    let kept: Vec<serde_json::Value> =
        lines(&rejects).iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(kept.iter().map(|r| r["line"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(kept[0]["reason"].as_str().unwrap().contains("negative"));

    let run = tollgate().arg("score").arg(&path).args(["--max-rejects", "3"]).output().unwrap();
    assert_eq!(run.status.code(), Some(5), "{}", String::from_utf8_lossy(&run.stderr));
    tollgate().arg("score").arg(&path).args(["--max-rejects", "4"]).assert().success();

    // Not one payment in it: nobody is to take that for a run that went well. A file without rows is one.
    for (rows, code) in [("c,never,1.00,USD\n", 4), ("", 0)] {
        std::fs::write(&path, format!("id,at,amount,currency\n{rows}")).unwrap();
        tollgate().arg("score").arg(&path).assert().code(code);
    }
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    for bad in ["/nowhere/payments.csv", "/"] {
        let run = tollgate().args(["score", bad]).output().unwrap();
        assert_eq!(run.status.code(), Some(4));
        assert!(String::from_utf8(run.stderr).unwrap().contains(bad));
    }
}

#[test]
fn strict_refuses_what_the_schema_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.jsonl");
    fs::write(
        &path,
        "{\"id\":\"a\",\"at\":\"2026-01-01T00:00:00Z\",\"amount\":1,\"currency\":\"USD\",\"colour\":1}\n",
    )
    .unwrap();
    let run = tollgate().arg("score").arg(&path).output().unwrap();
    assert!(run.status.success());
    assert!(String::from_utf8(run.stdout).unwrap().contains("colour (1)"));
    let run = tollgate().arg("score").arg(&path).arg("--strict").output().unwrap();
    assert_eq!(run.status.code(), Some(4));
    assert!(String::from_utf8(run.stderr).unwrap().contains("colour"));
}

#[test]
fn explain_tells_every_rule_and_agrees_with_score() {
    let dir = tempfile::tempdir().unwrap();
    let payments = simulated(dir.path(), "p.csv");
    let out = dir.path().join("d.jsonl");
    tollgate().arg("score").arg(&payments).arg("--out").arg(&out).assert().success();
    let decisions: Vec<serde_json::Value> =
        lines(&out).iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let reasoned = decisions.iter().rfind(|d| d["rules"].as_array().is_some_and(|r| !r.is_empty())).unwrap();
    let run = tollgate()
        .args(["explain", reasoned["id"].as_str().unwrap(), "--json", "--in"])
        .arg(&payments)
        .output()
        .unwrap();
    let explained: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(explained["decision"]["outcome"], reasoned["outcome"]);
    assert_eq!(explained["decision"]["reasons"], reasoned["reasons"]);
    let truths = explained["rules"].as_array().unwrap();
    let fired: Vec<&str> = truths
        .iter()
        .filter(|r| r["holds"] == true && r["in_scope"] == true)
        .map(|r| r["rule"].as_str().unwrap())
        .collect();
    for rule in reasoned["rules"].as_array().unwrap() {
        assert!(fired.contains(&rule.as_str().unwrap()), "{rule}");
    }
    let run = tollgate().args(["explain", "nobody", "--in"]).arg(&payments).output().unwrap();
    assert_eq!(run.status.code(), Some(4));
}

#[test]
fn features_are_columns_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let payments = simulated(dir.path(), "p.csv");
    let inputs = dir.path().join("inputs.toml");
    fs::write(&inputs, "[inputs]\nzeta = 'amount'\nalpha = 'count(card, 1h)'\n").unwrap();
    let run = tollgate().arg("features").arg(&payments).arg("--inputs").arg(&inputs).output().unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.starts_with("id,zeta,alpha\n"), "in the file's order: {}", &text[..40]);
    assert_eq!(text.lines().count(), 3001);
    fs::write(&inputs, "[inputs]\nzeta = 'amuont'\n").unwrap();
    let run = tollgate().arg("features").arg(&payments).arg("--inputs").arg(&inputs).output().unwrap();
    assert_eq!(run.status.code(), Some(3));
    assert!(String::from_utf8(run.stderr).unwrap().contains("inputs.toml:2:9"));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (simulated(dir.path(), "a.csv"), simulated(dir.path(), "b.csv"));
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
}

#[test]
fn completions_and_help_teach() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = tollgate().args(["completions", shell]).output().unwrap();
        assert!(run.status.success() && run.stdout.len() > 500, "{shell}");
    }
    for command in ["score", "features", "check", "test", "explain", "simulate"] {
        let run = tollgate().args([command, "--help"]).output().unwrap();
        assert!(String::from_utf8(run.stdout).unwrap().contains("Examples:"), "{command}");
    }
    assert_eq!(tollgate().arg("scroe").output().unwrap().status.code(), Some(2));
}

/// Promise 8: whatever field it comes in, no card number leaves.
#[test]
fn a_card_number_reaches_no_artefact() {
    const PAN: &str = "4111111111111111";
    let dir = tempfile::tempdir().unwrap();
    let rows = format!(
        "{{\"id\":\"a\",\"at\":\"2026-01-01T00:00:00Z\",\"amount\":1,\"currency\":\"USD\",\"card\":\"{PAN}\",\"user_agent\":\"x {PAN}\"}}\n\
         {{\"id\":\"{PAN}\",\"at\":\"2026-01-01T00:00:01Z\",\"amount\":{PAN},\"currency\":\"USD\",\"card\":{PAN}}}\n\
         {{\"id\":\"b\",\"at\":\"{PAN}\",\"{PAN}\":1\n"
    );
    let path = dir.path().join("p.jsonl");
    fs::write(&path, rows).unwrap();
    let key = format!("k1:{}", "07".repeat(32));
    for with_key in [false, true] {
        let mut command = tollgate();
        command.arg("score").arg(&path).env_remove("TOLLGATE_TOKEN_KEY");
        if with_key {
            command.env("TOLLGATE_TOKEN_KEY", &key);
        }
        let (out, rejects) = (dir.path().join("d.jsonl"), dir.path().join("r.jsonl"));
        let run = command.arg("--out").arg(&out).arg("--rejects").arg(&rejects).output().unwrap();
        let said = [run.stdout, run.stderr, fs::read(&out).unwrap(), fs::read(&rejects).unwrap()].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains(PAN), "with key {with_key}:\n{said}");
        assert!(with_key || said.contains("TOLLGATE_TOKEN_KEY"), "the remedy is told: {said}");
    }
}

/// A history is decided by the rules as they stand; the summary says where they would not have stood.
#[test]
fn a_rule_past_its_brake_keeps_its_effect_over_files_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let payments: String = (0..1_000)
        .map(|i| {
            // From the 500th second on every fourth is large; one has come from the next century.
            let amount = if i >= 500 && i % 4 == 0 { 150 } else { 10 };
            let year = if i == 700 { 2126 } else { 2026 };
            let (minute, second) = (i / 60, i % 60);
            format!("p{i},{year}-11-23T12:{minute:02}:{second:02}Z,{amount}.00,USD\n")
        })
        .collect();
    let file = dir.path().join("p.csv");
    fs::write(&file, format!("id,at,amount,currency\n{payments}")).unwrap();
    let score = |brakes: [&str; 2], json: bool| {
        let rule = |id: &str, brake: &str| {
            format!(
                "[[rule]]\nid = \"{id}\"\nwhen = 'amount > 100'\nthen = \"decline\"\nreason = \"R\"\n{brake}\n"
            )
        };
        let rules = dir.path().join("rules");
        fs::create_dir_all(&rules).unwrap();
        fs::write(rules.join("r.toml"), rule("one", brakes[0]) + &rule("two", brakes[1])).unwrap();
        let mut command = tollgate();
        command.arg("score").arg(&file).arg("--rules").arg(&rules).args(json.then_some("--json"));
        let out = command.assert().success().get_output().stdout.clone();
        String::from_utf8(out).unwrap()
    };
    let brakes = ["brake = \"5% of payments in 5m\"", "brake = \"60% of payments in 10m\""];
    let summary: serde_json::Value = serde_json::from_str(&score(brakes, true)).unwrap();
    assert_eq!(summary["outcomes"]["decline"], 125, "all of them: {summary}");
    let past = summary["past_brake"].as_array().unwrap();
    assert_eq!(past.len(), 1, "{summary}");
    assert_eq!((&past[0]["rule"], &past[0]["brake"]), (&"one".into(), &"5% of payments in 5m".into()));
    // The window holds the 300 to 303 payments before; the 16th large one, of second 560, is past 5 % of them.
    assert_eq!(
        (&past[0]["at"], &past[0]["matches"]),
        (&"2026-11-23T12:09:20Z".into(), &16.into()),
        "{summary}"
    );
    let among = past[0]["payments"].as_u64().unwrap();
    assert!((300..=303).contains(&among), "{summary}");
    let said = score(brakes, false);
    let expected = "rule one went past its brake (5% of payments in 5m) at 2026-11-23T12:09:20Z: 16 of 30";
    assert!(said.contains(expected) && said.contains("`serve` would demote it to shadow"), "{said}");
    let quiet: serde_json::Value = serde_json::from_str(&score(["", ""], true)).unwrap();
    assert_eq!((&quiet["past_brake"], &quiet["outcomes"]), (&serde_json::json!([]), &summary["outcomes"]));
}
