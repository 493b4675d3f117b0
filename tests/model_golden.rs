//! Contributions and categories of imported models are those that the tools themselves tell.
//!
//! The answers in tests/golden are written by tests/golden/make.py.

use std::path::Path;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tollgate::learn::import::{Inputs, Source};
use tollgate::{Artifact, Branch, Form, Model, Node};

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

/// A row, and what is known of it.
type Known = (Vec<f32>, Vec<f64>);

/// A model and the rows of `features` numbers that its tool answered, with what it said of each.
fn golden(model: &str, answers: &str, features: usize) -> (Artifact, Box<dyn Model>, Vec<Known>) {
    let (artifact, model) = import(&format!("tests/golden/{model}"));
    let rows = table(&format!("tests/golden/{answers}.csv")).into_iter().map(|told| {
        let (row, said) = told.split_at(features);
        (row.iter().map(|x| *x as f32).collect(), said.to_vec())
    });
    (artifact, model, rows.collect())
}

#[test]
fn categories_go_where_xgboost_sends_them() {
    for file in ["xgb_categories.json", "xgb_categories.ubj"] {
        let (artifact, model, rows) = golden(file, "xgb_categories", 3);
        let Form::Trees(trees) = &artifact.form else { panic!("trees") };
        let sizes = trees.trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| match node {
            Node::Split { branch: Branch::Among(set), .. } => Some(set.len()),
            _ => None,
        });
        let (one_hot, partitions): (Vec<usize>, Vec<usize>) = sizes.partition(|size| *size == 1);
        assert!(!one_hot.is_empty() && !partitions.is_empty(), "{one_hot:?}, {partitions:?}");
        assert!(rows.len() > 100, "{}", rows.len());
        let mut margins = vec![0.0; rows.len()];
        model.margins(&rows.iter().flat_map(|(row, _)| row.clone()).collect::<Vec<f32>>(), &mut margins);
        for ((row, said), margin) in rows.iter().zip(margins) {
            assert_eq!(model.margin(row), said[0], "{file}, {row:?}");
            assert_eq!(margin, said[0], "{file}, {row:?}, among others");
            let far = distance(&*model, row, &said[1..]);
            assert!(far < 1e-6, "{file}, {row:?}: {far:e}");
        }
    }
}

#[test]
fn categories_of_a_data_frame_are_asked_by_their_values() {
    let (_, model, rows) = golden("xgb_frame.json", "xgb_frame", 2);
    assert!(rows.len() > 20, "{}", rows.len());
    for (row, said) in &rows {
        assert_eq!(model.margin(row), said[0], "{row:?}");
    }
}

#[test]
fn zeros_go_where_lightgbm_sends_absent_values() {
    let (artifact, model, rows) = golden("lgb_zeros.txt", "lgb_zeros", 3);
    assert!(artifact.inputs.iter().map(|input| input.zero_is_absent).eq([true, true, false]));
    assert!(rows.len() > 60, "{}", rows.len());
    for (row, said) in &rows {
        assert_eq!(model.margin(row), said[0], "{row:?}");
        let far = distance(&*model, row, &said[1..]);
        assert!(far < 1e-9, "{row:?}: {far:e}");
    }
}

/// One byte of another tool's file changed: refused, or a model whose answers are numbers.
#[test]
fn mutants_are_refused_or_finite() {
    let mut random = SmallRng::seed_from_u64(11);
    for file in ["xgb_categories.json", "xgb_categories.ubj", "xgb_frame.json", "lgb_zeros.txt"] {
        let good = std::fs::read(format!("tests/golden/{file}")).unwrap();
        let mut loaded = 0;
        for _ in 0..1_000 {
            let mut mutant = good.clone();
            let at = random.random_range(0..mutant.len());
            mutant[at] = random.random();
            let Ok(source) = Source::read(&mutant) else { continue };
            let inputs = ["x", "z", "kind", "way", "mcc"].map(|f| format!("{f} = \"amount\"\n")).concat();
            let inputs = Inputs::parse(&format!("[inputs]\n{inputs}")).unwrap();
            let Ok(artifact) = source.artifact("m", file, &inputs) else { continue };
            let model = artifact.compile().unwrap();
            for value in [f32::NAN, -1.0, 0.0, 3.0, f32::MAX] {
                assert!(model.margin(&vec![value; model.width()]).is_finite(), "{file}: byte {at}");
            }
            loaded += 1;
        }
        assert!((1..1_000).contains(&loaded), "{file}: {loaded}");
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
