//! Imported models answer as the tools that wrote them, on 2,000 rows.

use std::path::Path;

use tollgate::learn::import::{Inputs, Source};

const DIR: &str = "../shared/data/perf/models";

/// The probabilities of a model for all rows, and what its tool says; nothing when the data is absent.
fn answers(file: &str, column: &str) -> Option<Vec<(f64, f64)>> {
    if !Path::new(DIR).is_dir() {
        eprintln!("SKIPPED: {DIR} is absent, {file} is not compared");
        return None;
    }
    let source = Source::read(&std::fs::read(format!("{DIR}/{file}")).unwrap()).unwrap();
    let map: String = source.features.iter().map(|f| format!("{f} = \"amount\"\n")).collect();
    let artifact = source.artifact("m", file, &Inputs::parse(&format!("[inputs]\n{map}")).unwrap()).unwrap();
    let model = artifact.compile().unwrap();
    let expected = std::fs::read_to_string(format!("{DIR}/expected.csv")).unwrap();
    let place = expected.lines().next().unwrap().split(',').position(|c| c == column).unwrap();
    let expected = expected.lines().skip(1).map(|l| l.split(',').nth(place).unwrap().parse::<f64>().unwrap());
    let rows = std::fs::read_to_string(format!("{DIR}/rows.csv")).unwrap();
    let calibration = artifact.calibration.unwrap();
    let got = rows.lines().map(|line| {
        let row: Vec<f32> = line.split(',').map(|x| x.parse().unwrap()).collect();
        calibration.probability(model.margin(&row))
    });
    let pairs: Vec<_> = got.zip(expected).collect();
    assert_eq!(pairs.len(), 2000);
    Some(pairs)
}

/// The most units in the last place between the pairs, in `f64` or in `f32`.
fn worst(pairs: &[(f64, f64)], single: bool) -> u64 {
    let apart = |(a, b): &(f64, f64)| match single {
        true => u64::from((*a as f32).to_bits().abs_diff((*b as f32).to_bits())),
        false => a.to_bits().abs_diff(b.to_bits()),
    };
    pairs.iter().map(apart).max().unwrap()
}

/// The source computes in `f64`, or in `f32` when `single`.
fn check(file: &str, column: &str, single: bool, ulps: u64) {
    let Some(pairs) = answers(file, column) else { return };
    let found = worst(&pairs, single);
    let width = if single { "f32" } else { "f64" };
    eprintln!("{file}: at most {found} ulp of {width}");
    assert!(found <= ulps, "{file}: {found} ulp of {width}");
}

#[test]
fn lightgbm_text_is_within_an_ulp_of_f64() {
    check("lgb500.txt", "lgb500", false, 1);
}

#[test]
fn xgboost_is_within_an_ulp_of_f32_in_json_and_ubjson() {
    check("xgb100.json", "xgb100", true, 1);
    check("xgb100.ubj", "xgb100", true, 1);
}

#[test]
fn scikit_learn_forests_are_within_an_ulp_of_f64() {
    check("rf100.json", "rf100", false, 1);
    check("iso100.json", "iso100", false, 1);
}
