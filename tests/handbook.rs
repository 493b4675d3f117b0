//! The published features of the Fraud Detection Handbook, computed from its raw rows, and its figures.
//!
//! The data is for development only and not part of the project: the test skips, loudly, where
//! it is not at hand.

#![cfg(feature = "columnar")]

use std::collections::HashMap;
use std::path::Path;

use assert_cmd::Command;

const DATA: &str = "../shared/data/handbook";

#[test]
fn reproduces_the_published_features() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA);
    if !data.is_dir() {
        eprintln!("SKIPPED: {} is not here, so the published features were not compared", data.display());
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let features = out.path().join("features.csv");
    let run = Command::cargo_bin("tollgate")
        .unwrap()
        .args(["features", "--schema", "examples/handbook/schema.toml"])
        .args(["--inputs", "examples/handbook/features.toml"])
        .arg(data.join("transactions.parquet"))
        .arg("--out")
        .arg(&features)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let mut published: HashMap<String, Vec<f64>> = HashMap::new();
    let mut reader = csv::Reader::from_path(data.join("features_check_5000.csv")).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().skip(1).map(str::to_owned).collect();
    for row in reader.records() {
        let row = row.unwrap();
        let values = row.iter().skip(1).map(|v| v.parse().unwrap()).collect();
        published.insert(row[0].to_owned(), values);
    }
    assert_eq!(published.len(), 5000);

    let mut ours = csv::Reader::from_path(&features).unwrap();
    let header: Vec<String> = ours.headers().unwrap().iter().skip(1).map(str::to_owned).collect();
    assert_eq!(header, names);
    let (mut rows, mut compared, mut different) = (0u64, 0, Vec::new());
    for row in ours.records() {
        let row = row.unwrap();
        rows += 1;
        let Some(expected) = published.get(&row[0]) else { continue };
        compared += 1;
        for ((name, expected), found) in names.iter().zip(expected).zip(row.iter().skip(1)) {
            let found: f64 = found.parse().unwrap();
            if (found - expected).abs() > 1e-9 {
                different.push(format!("{} {name}: {found} and not {expected}", &row[0]));
            }
        }
    }
    assert_eq!((rows, compared), (1_754_155, 5000));
    assert!(
        different.is_empty(),
        "{} values differ:\n{}",
        different.len(),
        different[..different.len().min(20)].join("\n")
    );
}

/// A logistic model of two inputs, by hand.
const TWO_INPUTS: &str = r#"{"format":1,"name":"two","inputs":[{"name":"amount","expression":"amount"},
{"name":"risk","expression":"coalesce(ratio(terminal, 7d, disputed, delay 7d), 0)"}],
"form":{"logistic":{"intercept":-7.0,"weights":[0.02,8.0],"means":[0.0,0.0],"scales":[1.0,1.0]}},
"calibration":{"platt":{"slope":1.0,"intercept":0.0}}}"#;

/// The expected figures are scikit-learn's, and the book's own steps for Card Precision, of the same sum over the
/// published features.
#[test]
fn measures_the_published_test_week_as_the_handbook_does() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA);
    if !data.is_dir() {
        eprintln!("SKIPPED: {} is not here, so the test week was not measured", data.display());
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let model = out.path().join("two.json");
    std::fs::write(&model, TWO_INPUTS).unwrap();
    let run = Command::cargo_bin("tollgate")
        .unwrap()
        .args(["evaluate", "--schema", "examples/handbook/schema.toml", "--known-for", "14d"])
        .args(["--test", "2018-08-08..=2018-08-14", "--draws", "0", "--json", "--model"])
        .arg(&model)
        .arg(data.join("transactions.parquet"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let found: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let figures = &found["figures"];
    assert_eq!((&figures["payments"], &figures["frauds"]), (&58_264.into(), &385.into()));
    for (name, expected) in [("auc", 0.8269), ("average_precision", 0.4375), ("card_precision", 0.2729)] {
        let value = figures[name]["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 5e-5, "{name}: {value} and not {expected}");
    }
}
