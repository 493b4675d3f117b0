//! Every format that is read, by files of a few nodes whose answers are worked out by hand; and what is refused.

mod foreign;

use std::fs;
use std::process::Output;

use assert_cmd::Command;
use tollgate::learn::import::{CATEGORIES_MAX, IMPORT_BYTES_MAX, IMPORT_TREES_MAX, Inputs, Source};
use tollgate::{Artifact, Model};

use foreign::{LIGHTGBM, ONNX_CAST, PLAIN, XGBOOST, XGBOOST_CATEGORIES, onnx, onnx_with, ubjson};

const ABSENT: f32 = f32::NAN;

fn map(source: &Source) -> Inputs {
    let lines: String = source.features.iter().map(|f| format!("{f} = \"amount\"\n")).collect();
    Inputs::parse(&format!("[inputs]\n{lines}")).unwrap()
}

fn import(bytes: &[u8]) -> (Artifact, Box<dyn Model>) {
    let source = Source::read(bytes).unwrap();
    let inputs = map(&source);
    let artifact = source.artifact("m", "file", &inputs).unwrap();
    // What was written is what is read.
    let artifact = Artifact::read(&serde_json::to_vec(&artifact).unwrap()).unwrap();
    let model = artifact.compile().unwrap();
    (artifact, model)
}

/// Rows with the margin that each must have, to the bit; and the probability of the last one.
fn check(bytes: &[u8], rows: &[(&[f32], f64)], probability: f64) {
    let (artifact, model) = import(bytes);
    for (row, expected) in rows {
        assert_eq!(model.margin(row), *expected, "{row:?}");
    }
    let last = rows[rows.len() - 1].1;
    let found = artifact.calibration.map_or(last, |c| c.probability(last));
    assert!((found - probability).abs() < 1e-12, "{found} and {probability}");
}

fn refuse(bytes: &[u8], expected: &str) {
    let wrong = match Source::read(bytes) {
        Ok(source) => {
            let inputs = map(&source);
            source.artifact("m", "file", &inputs).unwrap_err()
        }
        Err(wrong) => wrong,
    };
    assert!(wrong.to_string().contains(expected), "{wrong}, and `{expected}` is expected");
}

fn logistic(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

#[test]
fn lightgbm_text() {
    // a <= 2.5 or absent: 0.5 for kinds 1 and 3, else -0.25; above: 1. A tree of one leaf adds 0.125.
    check(
        LIGHTGBM.as_bytes(),
        &[
            (&[2.5, 1.0], 0.625),
            (&[2.5, 2.0], -0.125),
            (&[ABSENT, 3.0], 0.625),
            (&[0.0, ABSENT], -0.125),
            (&[0.0, -1.0], -0.125),
            (&[2.6, 3.0], 1.125),
        ],
        // sigmoid:2
        logistic(2.25),
    );
    let of = |a: &str, b: &str| LIGHTGBM.replacen(a, b, 1);
    for (file, expected) in [
        (of("binary sigmoid:2", "multiclass num_class:3"), "objective `multiclass num_class:3`"),
        (of("binary sigmoid:2", "regression"), "`regression` is not read; train with `binary`"),
        (of("binary sigmoid:2", "binary sigmoid:0"), "`binary sigmoid:0`"),
        (of("num_tree_per_iteration=1", "num_tree_per_iteration=3"), "several classes"),
        (of("objective=", "average_output\nobjective="), "boosting=gbdt"),
        (of("end of trees", ""), "copy the whole file"),
        (of("right_child=-3 -2", "right_child=-3 7"), "tree 0 points at node 7"),
        (of("left_child=1 -1", "left_child=0 -1"), "tree 0 reaches node 0 twice"),
        (of("left_child=1 -1", "left_child=1"), "line 15: `left_child=` does not hold 2 numbers"),
        (of("split_feature=0 1", "split_feature=0 2"), "split 1 asks feature 2, of 2"),
        (of("threshold=2.5 0", "threshold=2.5 1"), "split 1: its categories are missing"),
        (of("cat_boundaries=0 1", "cat_boundaries=0 9"), "cat_boundaries"),
        (of("threshold=2.5 0", "threshold=nan 0"), "split 0: its threshold is no number"),
        (of("decision_type=10 1", "decision_type=14 1"), "unknown missing type"),
        (
            of("decision_type=10 1", "decision_type=4 1").replacen(
                "split_feature=0 1",
                "split_feature=0 0",
                1,
            ),
            "a zero of `a` is absent at some splits only",
        ),
        (of("is_linear=0", "is_linear=1"), "linear_tree=false"),
        (of("leaf_value=0.5", "leaf_value=inf"), "node 2: the leaf inf"),
        (of("num_leaves=3", "num_leaves=99999999999"), "does not hold 99999999999 numbers"),
    ] {
        refuse(file.as_bytes(), expected);
    }
}

/// LightGBM parts absent values from all others at the largest `f64`, which no `f32` holds.
#[test]
fn a_split_at_the_largest_number_is_written_and_read_again() {
    let file = LIGHTGBM.replacen("threshold=2.5 0", "threshold=1.7976931348623157e+308 0", 1);
    let file = file.replacen("decision_type=10 1", "decision_type=8 1", 1);
    check(file.as_bytes(), &[(&[f32::MAX, 1.0], 0.625), (&[ABSENT, 1.0], 1.125)], logistic(2.25));
}

/// With zeros as absent values, a zero goes where the split sends those, whatever its threshold says.
#[test]
fn lightgbm_zeros_as_absent_values() {
    let rows = |absent: f64| -> [(&[f32], f64); 6] {
        [
            (&[0.0, 1.0], absent),
            (&[-0.0, 1.0], absent),
            (&[1e-35, 1.0], absent),
            (&[ABSENT, 1.0], absent),
            (&[1.1e-35, 1.0], 0.625),
            (&[2.6, 1.0], 1.125),
        ]
    };
    for (decision, absent) in [("4", 1.125), ("6", 0.625)] {
        let file = LIGHTGBM.replacen("decision_type=10 1", &format!("decision_type={decision} 1"), 1);
        check(file.as_bytes(), &rows(absent), logistic(2.25));
        let (artifact, _) = import(file.as_bytes());
        let zeros: Vec<bool> = artifact.inputs.iter().map(|input| input.zero_is_absent).collect();
        // A category of 0 is one.
        assert_eq!(zeros, [true, false]);
    }
}

#[test]
fn xgboost_categories() {
    // Kinds 0 and 3 go right: 0.75; others left, negative and far ones too: -0.5; absent ones as the node says.
    let rows = |absent: f64| -> [(&[f32], f64); 9] {
        [
            (&[0.0, 0.0], 0.75),
            (&[0.0, -0.0], 0.75),
            (&[0.0, 3.9], 0.75),
            (&[0.0, 2.0], -0.5),
            (&[0.0, -0.5], -0.5),
            (&[0.0, -3.0], -0.5),
            (&[0.0, 4_294_967_299.0], -0.5),
            (&[0.0, f32::INFINITY], -0.5),
            (&[0.0, ABSENT], absent),
        ]
    };
    let of = |a: &str, b: &str| XGBOOST_CATEGORIES.replacen(a, b, 1);
    for (file, absent) in [(XGBOOST_CATEGORIES.into(), 0.75), (of("left\":[0", "left\":[1"), -0.5)] {
        check(file.as_bytes(), &rows(absent), logistic(absent));
        check(&ubjson(&serde_json::from_str(&file).unwrap()), &rows(absent), logistic(absent));
    }
    // A data frame's whole numbers stand for the places that the tree knows.
    let listed = |values: &str| of("\"trees\"", &format!("\"cats\":{{\"enc\":[{{}},{values}]}},\"trees\""));
    let frame = listed(r#"{"type":15,"values":[5411,5812,6011,7995]}"#);
    let rows: [(&[f32], f64); 3] = [(&[0.0, 5411.0], 0.75), (&[0.0, 7995.0], 0.75), (&[0.0, 3.0], -0.5)];
    check(frame.as_bytes(), &rows, logistic(-0.5));
    let (most, past) = (CATEGORIES_MAX - 1, CATEGORIES_MAX);
    assert!(Source::read(of("[0,3]", &format!("[0,{most}]")).as_bytes()).is_ok());
    for (file, expected) in [
        (
            of("[0,3]", &format!("[0,{past}]")),
            "category 16777216 of `k` isn't listed, or no whole number below",
        ),
        (of("[0,3]", "[0,-3]"), "category -3 of `k`"),
        (of("[0,3]", "[0]"), "tree 0: the categories of node 0 aren't there"),
        (of("segments\":[0]", "segments\":[18446744073709551615]"), "the categories of node 0 aren't there"),
        (of("sizes\":[2]", "sizes\":[0]"), "the categories of node 0 aren't there"),
        (of("sizes\":[2]", "sizes\":[2,2]"), "columns of categories differ in length"),
        (
            of("nodes\":[0]", "nodes\":[1]"),
            "tree 0, node 0: it splits by category, and its categories are missing",
        ),
        (
            of("split_type\":[1", "split_type\":[0"),
            "tree 0, node 0: it splits by a threshold, and has categories",
        ),
        (of("split_type\":[1", "split_type\":[2"), "node 0: neither a split by threshold nor by category"),
        (of("split_type\":[1,0,0]", "split_type\":[1]"), "columns differ in length"),
        (
            of("nodes\":[0]", "nodes\":[0,0]").replacen("segments\":[0]", "segments\":[0,0]", 1).replacen(
                "sizes\":[2]",
                "sizes\":[1,1]",
                1,
            ),
            "node 0 has categories twice",
        ),
        (listed(r#"{"offsets":[0,1,2,3,4],"values":[97,98,99,100]}"#), "the categories of `k` are texts"),
        (listed(r#"{"type":15,"values":[5411,5812]}"#), "category 3 of `k` isn't listed"),
        (listed(r#"{"type":15,"values":[5411,5812,6011,-1]}"#), "category 3 of `k` isn't listed"),
    ] {
        refuse(file.as_bytes(), expected);
        // No kind of UBJSON holds a whole number past `i64`.
        if !file.contains("18446744073709551615") {
            refuse(&ubjson(&serde_json::from_str(&file).unwrap()), expected);
        }
    }
}

#[test]
fn xgboost_json_and_ubjson() {
    // Below 1.5 or absent: -0.5, else 0.75; the base score 0.5 adds nothing. 1.5 itself is not below.
    let rows: [(&[f32], f64); 3] = [(&[1.4, 0.0], -0.5), (&[ABSENT, 0.0], -0.5), (&[1.5, 0.0], 0.75)];
    let value: serde_json::Value = serde_json::from_str(XGBOOST).unwrap();
    check(XGBOOST.as_bytes(), &rows, logistic(0.75));
    check(&ubjson(&value), &rows, logistic(0.75));
    let of = |a: &str, b: &str| XGBOOST.replacen(a, b, 1);
    for (file, expected) in [
        (of("binary:logistic", "multi:softprob"), "objective `multi:softprob`"),
        (of("binary:logistic", "rank:ndcg"), "`rank:ndcg` is not read; train with `binary:logistic`"),
        (of("\"gbtree\"", "\"dart\""), "booster `dart`"),
        (of("\"gbtree\"", "\"gblinear\""), "booster `gblinear`"),
        (of("[1,-1,-1]", "[9,-1,-1]"), "points at node 9"),
        (of("[1,-1,-1]", "[0,-1,-1]"), "reaches node 0 twice"),
        (of("[1,-1,-1]", "[1,-1]"), "columns differ in length"),
        (of("\"split_indices\":[0", "\"split_indices\":[2"), "tree 0, node 0: a feature"),
        (of("\"split_type\":[0", "\"split_type\":[1"), "splits by category"),
        (of("\"5E-1\"", "\"1\""), "`base_score` is `1`"),
        (of("\"num_feature\":\"2\"", "\"num_feature\":\"65536\""), "not 0 to 65535"),
    ] {
        refuse(file.as_bytes(), expected);
        refuse(&ubjson(&serde_json::from_str(&file).unwrap()), expected);
    }
    refuse(&XGBOOST.as_bytes()[..XGBOOST.len() - 3], "no XGBoost model");
    // A wider float than XGBoost has: past `f32`, not rounded to infinity.
    refuse(of("1.5", "1e39").as_bytes(), "no XGBoost model");
    let whole = ubjson(&value);
    refuse(&whole[..whole.len() - 1], "ends too soon");
}

#[test]
fn plain_forests_of_both_kinds() {
    // Up to 0.5: a quarter, above or absent: three quarters; a tree of one leaf says a half.
    let rows: [(&[f32], f64); 3] = [(&[0.5], 0.375), (&[ABSENT], 0.625), (&[0.6], 0.625)];
    check(PLAIN.as_bytes(), &rows, 0.625);
    // Values above 1 are rows: one alone at depth 1, or three, where c(3) is expected further down.
    let isolation =
        PLAIN.replace("[0.4,0.25,0.75]", "[4,1,3]").replace(",\n{\"left\":[-1]", ",{\"left\":[-1]");
    let isolation = format!("{}]", &isolation[..isolation.find(",{").unwrap()]);
    let c = |n: f64| 2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n;
    let (artifact, model) = import(isolation.as_bytes());
    assert!(artifact.calibration.is_none());
    for (x, length) in [(0.0, 1.0), (1.0, 1.0 + c(3.0))] {
        let expected = 2f64.powf(-length / c(4.0));
        assert!((model.margin(&[x]) - expected).abs() < 1e-12, "{} and {expected}", model.margin(&[x]));
    }
    let of = |a: &str, b: &str| PLAIN.replacen(a, b, 1);
    for (file, expected) in [
        (of("[1,-1,-1]", "[3,-1,-1]"), "tree 0 points at node 3"),
        (of("[1,-1,-1]", "[2,-1,-1]"), "tree 0 reaches node 2 twice"),
        (of("[1,-1,-1]", "[-2,-1,-1]"), "a child below 0"),
        (of("[1,-1,-1]", "[1,-1]"), "differ in length"),
        (of("[0,-2,-2]", "[-1,-2,-2]"), "a feature out of range"),
        ("[]".to_owned(), "0 trees"),
        (PLAIN[..PLAIN.len() - 2].to_owned(), "no plain forest"),
        (of("0.25", "1e999"), "no plain forest"),
    ] {
        refuse(file.as_bytes(), expected);
    }
}

#[test]
fn onnx_ensembles() {
    // Up to 1.5: -0.5, else 0.75, and absent too: it makes no comparison true. The base adds 0.25.
    let rows: [(&[f32], f64); 3] = [(&[1.5], -0.25), (&[ABSENT], 1.0), (&[1.6], 1.0)];
    check(&onnx("TreeEnsembleRegressor", "BRANCH_LEQ", "LOGISTIC"), &rows, logistic(1.0));
    check(&onnx("TreeEnsembleRegressor", "BRANCH_LEQ", "NONE"), &rows, 1.0);
    // `x > 1.5` is true on the other side.
    let swapped: [(&[f32], f64); 2] = [(&[1.5], 1.0), (&[1.6], -0.25)];
    check(&onnx("TreeEnsembleRegressor", "BRANCH_GT", "NONE"), &swapped, 0.0);
}

#[test]
fn onnx_refusals_name_what_is_not_read() {
    let regressor = |mode: &str, transform: &str| onnx("TreeEnsembleRegressor", mode, transform);
    refuse(&regressor("BRANCH_EQ", "NONE"), "tree 0, node 0: the mode `BRANCH_EQ`");
    refuse(&regressor("BRANCH_LEQ", "SOFTMAX"), "post_transform");
    for operator in ["LinearClassifier", "TreeEnsemble", "Scaler"] {
        refuse(&onnx(operator, "BRANCH_LEQ", "NONE"), &format!("`{operator}`"));
    }
    let good = regressor("BRANCH_LEQ", "NONE");
    for cut in [good.len() - 1, good.len() / 2, 5] {
        assert!(Source::read(&good[..cut]).is_err(), "cut at {cut}");
    }
    // Operators around the trees: what leaves inputs and answers alone is read over, all else is named.
    let rows: [(&[f32], f64); 1] = [(&[1.5], -0.25)];
    check(&onnx_with(&["Identity", ONNX_CAST], &["ZipMap"], false), &rows, 0.0);
    refuse(&onnx_with(&["Scaler"], &[], false), "`Scaler` before the trees");
    refuse(&onnx_with(&["Cast"], &[], false), "`Cast` before the trees");
    refuse(&onnx_with(&[], &["Sigmoid"], false), "`Sigmoid` behind the trees");
    refuse(&onnx_with(&[], &["Mul"], false), "`Mul` behind the trees");
    refuse(&onnx_with(&[], &[], true), "`nodes_values_as_tensor` holds wider floats");
}

#[test]
fn sizes_are_taken_to_their_limits_and_not_one_past() {
    let leaf = r#"{"left":[-1],"right":[-1],"feature":[-2],"threshold":[-2],"value":[0.5]}"#;
    let forest = |trees: usize| format!("[{}]", vec![leaf; trees].join(","));
    assert!(Source::read(forest(IMPORT_TREES_MAX).as_bytes()).is_ok());
    refuse(forest(IMPORT_TREES_MAX + 1).as_bytes(), "10001 trees");
    let zeros = vec![0; IMPORT_BYTES_MAX + 1];
    refuse(&zeros[..IMPORT_BYTES_MAX], "no model of a known format");
    refuse(&zeros, "at most 268435456 are read");
}

fn run(dir: &std::path::Path, file: &str) -> Output {
    let args = ["import", "model", file, "--map", "map.toml", "--out", "old.json"];
    Command::cargo_bin("tollgate").unwrap().current_dir(dir).args(args).output().unwrap()
}

#[test]
fn an_import_that_fails_leaves_the_old_model() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(dir.path().join(name), text).unwrap();
    write("good.txt", LIGHTGBM.as_bytes());
    write("cut.txt", &LIGHTGBM.as_bytes()[..300]);
    write("map.toml", b"[inputs]\na = \"amount\"\nk = \"count(card, 1h)\"\n");
    assert!(run(dir.path(), "good.txt").status.success());
    let old = fs::read(dir.path().join("old.json")).unwrap();
    for (file, map, expected) in [
        ("cut.txt", "[inputs]\na = \"amount\"\nk = \"amount\"\n", "end of trees"),
        ("none.txt", "[inputs]\na = \"amount\"\nk = \"amount\"\n", "none.txt"),
        ("good.txt", "[inputs]\na = \"amount\"\n", "no expression for k"),
        ("good.txt", "[inputs]\na = \"amuont\"\nk = \"amount\"\n", "amuont"),
        ("good.txt", "[inputs]\na = 7\n", "map.toml"),
    ] {
        write("map.toml", map.as_bytes());
        let done = run(dir.path(), file);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(expected), "{file}: {said}");
        assert_eq!(fs::read(dir.path().join("old.json")).unwrap(), old, "{file}");
    }
}
