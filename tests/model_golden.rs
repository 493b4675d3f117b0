//! Contributions and categories of imported models are those that the tools themselves tell.
//!
//! The answers in tests/golden are written by tests/golden/make.py.

use std::path::Path;

use tollgate::learn::import::{Inputs, Source};
use tollgate::{Artifact, Model};

const DIR: &str = "../shared/data/perf/models";

fn import(path: &str) -> (Artifact, Box<dyn Model>) {
    let source = Source::read(&std::fs::read(path).unwrap()).unwrap();
    let map: String = source.features.iter().map(|f| format!("{f} = \"amount\"\n")).collect();
    let inputs = Inputs::parse(&format!("[inputs]\n{map}")).unwrap();
    let artifact = source.artifact("m", path, &inputs).unwrap();
    let model = artifact.compile().unwrap();
    (artifact, model)
}

/// The numbers of each line, absent ones as NaN; a line with `#` says who wrote them.
fn table(path: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let cell = |cell: &str| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() };
    lines.map(|line| line.split(',').map(cell).collect()).collect()
}

/// The furthest that a Shapley value, or the expected margin behind them, is from the tool's own.
fn distance(model: &dyn Model, row: &[f32], expected: &[f64]) -> f64 {
    let mut values = vec![0.0; row.len()];
    let rest = model.shapley(row, &mut values);
    assert_eq!(expected.len(), row.len() + 1);
    values.iter().chain([&rest]).zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn contributions_are_those_of_the_source() {
    if !Path::new(DIR).is_dir() {
        eprintln!("SKIPPED: {DIR} is absent, so contributions were not compared with LightGBM and XGBoost");
        return;
    }
    let rows: Vec<Vec<f32>> = std::fs::read_to_string(format!("{DIR}/rows.csv"))
        .unwrap()
        .lines()
        .map(|line| line.split(',').map(|x| x.parse().unwrap()).collect())
        .collect();
    for (file, golden) in [("lgb500.txt", "lgb500"), ("xgb100.json", "xgb100"), ("xgb100.ubj", "xgb100")] {
        let (_, model) = import(&format!("{DIR}/{file}"));
        let golden = table(&format!("tests/golden/{golden}.csv"));
        assert_eq!(golden.len(), 40);
        let far =
            rows.iter().zip(&golden).map(|(row, told)| distance(&*model, row, told)).fold(0.0, f64::max);
        eprintln!("{file}: at most {far:e} apart");
        assert!(far < 1e-6, "{file}: {far:e}");
    }
}

#[test]
fn categories_go_where_lightgbm_sends_them() {
    let (artifact, model) = import("tests/golden/lgb_categories.txt");
    assert!(format!("{:?}", artifact.form).contains("In("), "the model splits by category");
    let golden = table("tests/golden/lgb_categories.csv");
    assert_eq!(golden.len(), 41);
    for told in golden {
        let row: Vec<f32> = told[..3].iter().map(|x| *x as f32).collect();
        assert_eq!(model.margin(&row), told[3], "{row:?}");
        let far = distance(&*model, &row, &told[4..]);
        assert!(far < 1e-9, "{row:?}: {far:e}");
    }
}
