//! `evaluate` as a person meets it: on simulated payments, as a table, as JSON and as a page.

use std::fs;

use assert_cmd::Command;

/// A model of one input, whose names are as hostile as a file can make them.
const HOSTILE: &str = r#"{"format":1,"name":"<script>alert('m')</script>","inputs":[
 {"name":"\"><img src=x>","expression":"amount"}],
 "form":{"logistic":{"intercept":-5.0,"weights":[1.0],"means":[50.0],"scales":[40.0]}},
 "calibration":{"platt":{"slope":1.0,"intercept":0.0}}}"#;

#[test]
fn a_page_escapes_names_and_asks_nothing_of_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let tollgate = || Command::cargo_bin("tollgate").unwrap();
    let [payments, model, html] = ["p.csv", "m.json", "m.html"].map(|name| dir.path().join(name));
    tollgate().args(["simulate", "--payments", "5000", "--out"]).arg(&payments).assert().success();
    fs::write(&model, HOSTILE).unwrap();
    let run = tollgate()
        .arg("evaluate")
        .arg(&payments)
        .args(["--json", "--draws", "20", "--model"])
        .arg(&model)
        .arg("--html")
        .arg(&html)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let page = fs::read_to_string(html).unwrap();
    for markup in ["<script", "<img", "http:", "https:", "url("] {
        assert!(!page.contains(markup), "{markup} is in the page");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("&quot;&gt;&lt;img"));
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let auc = json["figures"]["auc"]["value"].as_f64().unwrap();
    assert!(
        page.contains(&format!("<td>ROC-AUC</td><td>{auc:.4}</td>")),
        "the page tells the figures of --json"
    );
    for chart in ["Precision and recall", "ROC", "Calibration", "Payments by score"] {
        assert!(page.contains(&format!("aria-label=\"{chart}\"")), "no chart {chart}");
    }
}

const HEAD: &str = "id,at,amount,currency,card,fraud,their\n";

/// Four payments of two currencies, not in the order of their time.
const UNORDERED: &str = "1,2026-01-03T00:00:00Z,1.00,USD,c1,true,0.9\n2,2026-01-01T00:00:00Z,200,JPY,c2,false,0.2\n\
                         3,2026-01-02T00:00:00Z,7.5,USD,c3,false,0.3\n4,2026-01-02T00:00:00Z,900,JPY,c4,true,0.25\n";

/// What `evaluate --json` says of the payments, or its error.
fn evaluate(text: &str, args: &[&str]) -> Result<serde_json::Value, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.csv"), text).unwrap();
    let done = Command::cargo_bin("tollgate")
        .unwrap()
        .current_dir(dir.path())
        .args(["evaluate", "p.csv", "--json"])
        .args(args)
        .output()
        .unwrap();
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&done.stdout).unwrap())
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let good = HEAD.to_owned() + &UNORDERED.replace("true", "false");
    let frauds = HEAD.to_owned() + &UNORDERED.replace("false", "true");
    let none = HEAD.to_owned() + &UNORDERED.replace("true", "").replace("false", "");
    let all = HEAD.to_owned() + UNORDERED;
    for (text, args, expected) in [
        (&good, &[][..], "none of the 4 payments tested is fraud"),
        (&frauds, &[], "fraud, so there is nothing to tell apart"),
        (&none, &[], "no payment has a label"),
        (&all, &["--test", "2027-01-01.."], "no labelled payment lies in the days"),
        (&all, &["--label", "amuont"], "did you mean `amount`?"),
        (&all, &["--score-column", "card"], "a score is a number"),
        (&all, &["--draws", "10001"], "10001 is not in 0..=10000"),
        (&all, &["--folds", "367"], "367 is not in 1..=366"),
        (&all, &["--folds", "0"], "0 is not in 1..=366"),
    ] {
        let wrong = evaluate(text, args).expect_err(expected);
        assert!(wrong.contains(expected), "{args:?}: {wrong}");
    }
}

#[test]
fn draws_and_folds_are_taken_to_their_limits() {
    let found = evaluate(&(HEAD.to_owned() + UNORDERED), &["--draws", "10000", "--folds", "366"]).unwrap();
    assert_eq!(found["draws"], 10_000);
    // Three days have three parts and no more.
    assert_eq!(found["folds"].as_array().unwrap().len(), 3);
}

#[test]
fn payments_out_of_order_and_of_two_currencies_are_measured_by_themselves() {
    let text = HEAD.to_owned() + UNORDERED;
    let found = evaluate(&text, &["--score-column", "their", "--draws", "0", "--threshold", "0.25"]).unwrap();
    assert_eq!(found["days"], serde_json::json!(["2026-01-01", "2026-01-03"]));
    // Frauds at 0.9 and 0.25, good ones at 0.2 and 0.3: three of four pairs are in order.
    assert_eq!(found["figures"]["auc"]["value"], 0.75);
    assert!((found["figures"]["average_precision"]["value"].as_f64().unwrap() - 5.0 / 6.0).abs() < 1e-12);
    let asked = &found["thresholds"].as_array().unwrap()[4];
    let money =
        |code: &str| ["saved", "lost", "hurt", "passed"].map(|k| asked["money"][code][k].as_i64().unwrap());
    assert_eq!((money("USD"), money("JPY")), ([100, 0, 750, 0], [900, 0, 0, 200]));
    // In the order of time the answer is the same.
    let mut lines: Vec<&str> = UNORDERED.lines().collect();
    lines.sort_by_key(|line| line.split(',').nth(1));
    let sorted = HEAD.to_owned() + &lines.join("\n");
    let again =
        evaluate(&sorted, &["--score-column", "their", "--draws", "0", "--threshold", "0.25"]).unwrap();
    assert_eq!(found, again);
}

#[test]
fn the_whole_pipeline_and_a_column_are_judged_by_the_same_payments() {
    let dir = tempfile::tempdir().unwrap();
    let payments = dir.path().join("p.csv");
    let tollgate = || Command::cargo_bin("tollgate").unwrap();
    tollgate().args(["simulate", "--payments", "20000", "--out"]).arg(&payments).assert().success();
    // The label itself as a score: what no score can beat.
    let mut reader = csv::Reader::from_path(&payments).unwrap();
    let mut names = reader.headers().unwrap().clone();
    let place = names.iter().position(|name| name == "fraud").unwrap();
    names.push_field("perfect");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).unwrap();
    for row in reader.records() {
        let mut row = row.unwrap();
        let fraud = ["1", "true"].contains(&&row[place]);
        row.push_field(if fraud { "1" } else { "0" });
        writer.write_record(&row).unwrap();
    }
    let scored = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    let whole = evaluate(&scored, &["--draws", "50"]).unwrap();
    let column = evaluate(&scored, &["--draws", "50", "--score-column", "perfect"]).unwrap();
    for figure in ["payments", "frauds", "days"] {
        assert_eq!(whole["figures"][figure], column["figures"][figure], "{figure}");
    }
    assert_eq!((&whole["subject"], &column["subject"]), (&"whole pipeline".into(), &"column perfect".into()));
    assert_eq!(column["figures"]["auc"]["value"], 1.0);
    let auc = &whole["figures"]["auc"];
    assert!(auc["value"].as_f64().unwrap() > 0.6 && auc["interval"].is_object(), "{auc}");
    // Only the pipeline has outcomes, and they count every payment once.
    let counted = |found: &serde_json::Value| -> u64 {
        let outcomes = found["outcomes"].as_object().unwrap().values();
        outcomes.flat_map(|pair| pair.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum()
    };
    assert!(counted(&whole) >= whole["figures"]["payments"].as_u64().unwrap());
    assert_eq!(counted(&column), 0);
}
