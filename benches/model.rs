//! What a model costs a payment: one row and many, against a walk node by node that branches, and against
//! smartcore's own forest.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use tollgate::learn::import::{Inputs, Source};
use tollgate::{Artifact, Branch, Combine, Form, Input, Model, Node, TrainingCard, Tree, Trees, Width};

const INPUTS: usize = 30;
const ROWS: usize = 2_000;

/// Splits the leaf that `pick` names until `leaves` are there.
fn grow(random: &mut SmallRng, leaves: usize, mut pick: impl FnMut(&mut SmallRng, usize) -> usize) -> Tree {
    let leaf = |random: &mut SmallRng| Node::Leaf { value: random.random_range(0.0..1.0), cover: 1.0 };
    let mut nodes = vec![leaf(random)];
    let mut open = vec![0];
    while open.len() < leaves {
        let chosen = pick(random, open.len());
        let at = open.remove(chosen);
        let next = nodes.len();
        nodes[at] = Node::Split {
            input: random.random_range(0..INPUTS) as u16,
            branch: Branch::AtMost(random.random_range(-1.0..1.0)),
            missing_left: true,
            left: next as u32,
            right: next as u32 + 1,
            cover: 1.0,
            value: 0.5,
        };
        open.extend([next, next + 1]);
        nodes.extend([leaf(random), leaf(random)]);
    }
    Tree { nodes }
}

fn ensemble(random: &mut SmallRng, count: usize, leaves: usize, even: bool, combine: Combine) -> Trees {
    let trees = (0..count)
        .map(|_| grow(random, leaves, |random, open| if even { 0 } else { random.random_range(0..open) }))
        .collect();
    Trees { width: Width::F64, combine, trees }
}

fn compile(trees: &Trees) -> Box<dyn Model> {
    let input = |i| Input {
        name: format!("i{i}"),
        expression: "amount".into(),
        reason: String::new(),
        zero_is_absent: false,
    };
    let artifact = Artifact {
        format: 1,
        name: "bench".into(),
        inputs: (0..INPUTS).map(input).collect(),
        form: Form::Trees(trees.clone()),
        calibration: None,
        card: TrainingCard::default(),
        samples: Vec::new(),
    };
    artifact.compile().expect("a sound model")
}

/// Asks node by node, a branch at each.
fn walk(trees: &Trees, row: &[f32]) -> f64 {
    let mut sum = 0.0;
    for tree in &trees.trees {
        let mut at = 0;
        loop {
            match &tree.nodes[at] {
                Node::Leaf { value, .. } => {
                    sum += value;
                    break;
                }
                Node::Split { input, branch, left, right, .. } => {
                    let x = f64::from(row[usize::from(*input)]);
                    let goes_left = match branch {
                        Branch::AtMost(t) => x <= *t,
                        Branch::Below(t) => x < *t,
                        Branch::In(_) | Branch::Among(_) => unreachable!("none of these models has a set"),
                    };
                    at = if goes_left { *left } else { *right } as usize;
                }
            }
        }
    }
    sum
}

fn models(c: &mut Criterion) {
    let mut random = SmallRng::seed_from_u64(7);
    let rows: Vec<f32> = (0..ROWS * INPUTS).map(|_| random.random_range(-1.0..1.0)).collect();
    let log_odds = Combine::LogOdds { base: 0.0 };
    let isolation = Combine::Isolation { samples: 256 };
    for (name, count, leaves, even, combine) in [
        ("500 drawn trees x 31 leaves", 500, 31, false, log_odds),
        ("100 drawn trees x depth 6", 100, 64, true, log_odds),
        ("isolation, 100 drawn trees x 256 leaves", 100, 256, false, isolation),
    ] {
        let trees = ensemble(&mut random, count, leaves, even, combine);
        ask(c, name, &trees, &rows);
    }
    trained(c);
    smartcore_forest(c, &rows);
}

/// Models that other tools trained, and the rows they were asked about.
fn trained(c: &mut Criterion) {
    const DIR: &str = "../shared/data/perf/models";
    let Ok(text) = std::fs::read_to_string(format!("{DIR}/rows.csv")) else {
        return eprintln!("SKIPPED: {DIR} is absent; only drawn trees are timed");
    };
    let rows: Vec<f32> =
        text.lines().flat_map(|line| line.split(',').map(|x| x.parse::<f32>().expect("a number"))).collect();
    for (name, file) in [
        ("LightGBM, 500 trees x 31 leaves", "lgb500.txt"),
        ("XGBoost, 100 trees x depth 6", "xgb100.json"),
        ("scikit-learn isolation forest, 100 trees of 256 rows", "iso100.json"),
    ] {
        let bytes = std::fs::read(format!("{DIR}/{file}")).expect("it lies beside the rows");
        let source = Source::read(&bytes).expect("a sound file");
        let inputs: String = source.features.iter().map(|f| format!("{f} = \"amount\"\n")).collect();
        let inputs = Inputs::parse(&format!("[inputs]\n{inputs}")).expect("one expression for all");
        let artifact = source.artifact("bench", file, &inputs).expect("every feature has an input");
        let Form::Trees(trees) = artifact.form else { continue };
        ask(c, name, &trees, &rows);
    }
}

fn ask(c: &mut Criterion, name: &str, trees: &Trees, rows: &[f32]) {
    let model = compile(trees);
    let mut group = c.benchmark_group(format!("model/{name}"));
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("one row, each of 2000", |b| {
        b.iter(|| black_box(rows).chunks_exact(INPUTS).map(|row| model.margin(row)).sum::<f64>());
    });
    let mut out = vec![0.0; ROWS];
    group.bench_function("batch of 2000", |b| b.iter(|| model.margins(black_box(rows), &mut out)));
    let mut shares = [0.0; INPUTS];
    group.bench_function("contributions", |b| {
        b.iter(|| {
            black_box(rows).chunks_exact(INPUTS).map(|row| model.contributions(row, &mut shares)).sum::<f64>()
        });
    });
    group.bench_function("node by node, branching", |b| {
        b.iter(|| black_box(rows).chunks_exact(INPUTS).map(|row| walk(trees, row)).sum::<f64>());
    });
    group.finish();
}

/// A forest of smartcore's own growing, 100 trees of depth 10, asked for the same rows.
fn smartcore_forest(c: &mut Criterion, rows: &[f32]) {
    let table: Vec<Vec<f32>> = rows.chunks_exact(INPUTS).map(<[f32]>::to_vec).collect();
    let labels: Vec<f32> =
        table.iter().map(|row| if row[0] + row[1] * row[2] > 0.5 { 1.0 } else { 0.0 }).collect();
    let x = DenseMatrix::from_2d_vec(&table).expect("rows of one width");
    let settings =
        RandomForestRegressorParameters::default().with_n_trees(100).with_max_depth(10).with_seed(7);
    let forest = RandomForestRegressor::fit(&x, &labels, settings).expect("a forest");
    let mut group = c.benchmark_group("model/smartcore forest, 100 trees x depth 10");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("batch of 2000", |b| b.iter(|| forest.predict(black_box(&x)).expect("rows")));
    let one = DenseMatrix::from_2d_vec(&table[..1].to_vec()).expect("a row");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one row", |b| b.iter(|| forest.predict(black_box(&one)).expect("a row")));
    group.finish();
}

criterion_group!(benches, models);
criterion_main!(benches);
