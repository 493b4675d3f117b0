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
