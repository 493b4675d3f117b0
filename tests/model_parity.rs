//! Imported models answer as the tools that wrote them, on 2,000 rows.

use std::path::Path;

use tollgate::learn::import::{Inputs, Source};

const DIR: &str = "../shared/data/perf/models";

/// A row's margin, probability (or the margin, where there is none) and what the tool itself says.
struct Answer {
    margin: f64,
    probability: f64,
    expected: f64,
}

/// The answers of a model for all rows; nothing when the data is absent. All ways of asking give the same bits.
fn answers(file: &str, column: &str) -> Option<Vec<Answer>> {
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
    let rows: Vec<f32> = rows.lines().flat_map(|l| l.split(',').map(|x| x.parse().unwrap())).collect();
    let mut margins = vec![0.0; 2000];
    model.margins(&rows, &mut margins);
    let got = rows.chunks_exact(model.width()).zip(margins).map(|(row, batch)| {
        let margin = model.margin(row);
        assert_eq!(margin.to_bits(), batch.to_bits(), "{file}");
        let probability = artifact.calibration.as_ref().map_or(margin, |c| c.probability(margin));
        (margin, probability)
    });
    let all: Vec<Answer> = got
        .zip(expected)
        .map(|((margin, probability), expected)| Answer { margin, probability, expected })
        .collect();
    assert_eq!(all.len(), 2000);
    Some(all)
}

/// Units in the last place between the two, in `f64`.
fn ulps(a: f64, b: f64) -> u64 {
    a.to_bits().abs_diff(b.to_bits())
}

/// Units in the last place between the two, in `f32`.
fn ulps32(a: f32, b: f32) -> u64 {
    u64::from(a.to_bits().abs_diff(b.to_bits()))
}

/// The greatest distance, which is printed and must not be above `most`.
fn check(what: &str, distances: impl Iterator<Item = u64>, most: u64) {
    let found = distances.max().unwrap();
    eprintln!("{what}: at most {found} ulp");
    assert!(found <= most, "{what}: {found} ulp");
}

#[test]
fn lightgbm_text_is_within_an_ulp_of_f64() {
    let Some(all) = answers("lgb500.txt", "lgb500") else { return };
    check("lgb500.txt, f64", all.iter().map(|a| ulps(a.probability, a.expected)), 1);
}

#[test]
fn xgboost_is_within_an_ulp_of_f32_in_json_and_ubjson() {
    for file in ["xgb100.json", "xgb100.ubj"] {
        let Some(all) = answers(file, "xgb100") else { return };
        // XGBoost rounds inside its sigmoid too: the same done to our margins gives its answers, and our
        // probability, which is rounded once, is as far from them as that rounding.
        let own = |margin: f64| 1.0 / ((-margin as f32).exp() + 1.0);
        check(file, all.iter().map(|a| ulps32(own(a.margin), a.expected as f32)), 1);
        check(file, all.iter().map(|a| ulps32(a.probability as f32, a.expected as f32)), 2);
    }
}

#[test]
fn scikit_learn_forests_are_within_an_ulp_of_f64() {
    for (file, column) in [("rf100.json", "rf100"), ("iso100.json", "iso100")] {
        let Some(all) = answers(file, column) else { return };
        check(file, all.iter().map(|a| ulps(a.probability, a.expected)), 1);
    }
}

/// ONNX holds thresholds and leaves in `f32`, whatever the model was trained in.
#[test]
fn onnx_is_as_near_to_its_source_as_its_own_floats_allow() {
    for (file, column) in [("lgb500.onnx", "lgb500"), ("rf100.onnx", "rf100")] {
        let Some(all) = answers(file, column) else { return };
        let far = all.iter().map(|a| (a.probability - a.expected).abs()).fold(0.0, f64::max);
        eprintln!("{file}: at most {far:e} apart");
        assert!(far < 2e-6, "{file}: {far:e}");
    }
}
