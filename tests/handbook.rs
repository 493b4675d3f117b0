//! The published features of the Fraud Detection Handbook, computed from its raw rows.
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
