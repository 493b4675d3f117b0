//! What learning and measuring cost: boosting against the same trees grown by sorting anew at every node, and
//! the area under a curve by one sort against all pairs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tollgate::learn::evaluate::{Evaluation, Questions};
use tollgate::learn::metrics::{Case, Ranking};
use tollgate::{Boost, Matrix};

const ROWS: usize = 20_000;
const INPUTS: usize = 10;
const TREES: usize = 10;

fn rows() -> (Matrix, Vec<bool>) {
    let mut random = SmallRng::seed_from_u64(1);
    let mut matrix = Matrix::new(INPUTS).expect("few inputs");
    let mut labels = Vec::new();
    for _ in 0..ROWS {
        let row: [f32; INPUTS] = std::array::from_fn(|_| random.random_range(-1.0..1.0));
        labels.push(row[0] + row[1] > 1.5 || random.random_bool(0.01));
        matrix.push(&row).expect("room for it");
    }
    (matrix, labels)
}

/// Grows one tree, and adds its answers to the margins: sorts each input's rows at each node.
fn sorting(
    rows: &[usize],
    matrix: &Matrix,
    slopes: &[(f64, f64)],
    depth: u8,
    boost: &Boost,
    out: &mut [f64],
) {
    let sum = |rows: &[usize]| rows.iter().fold((0.0, 0.0), |s, r| (s.0 + slopes[*r].0, s.1 + slopes[*r].1));
    let score = |(g, h): (f64, f64)| g * g / (h + boost.l2);
    let total = sum(rows);
    let mut best = (0.0, 0, 0.0);
    for input in (0..INPUTS).filter(|_| depth > 0) {
        let mut sorted = rows.to_vec();
        sorted.sort_by(|a, b| matrix.row(*a)[input].total_cmp(&matrix.row(*b)[input]));
        let mut left = (0.0, 0.0);
        for pair in sorted.windows(2) {
            left = (left.0 + slopes[pair[0]].0, left.1 + slopes[pair[0]].1);
            let right = (total.0 - left.0, total.1 - left.1);
            let [at, next] = [pair[0], pair[1]].map(|r| matrix.row(r)[input]);
            let gain = score(left) + score(right) - score(total);
            if at < next && left.1.min(right.1) >= boost.child_weight_min && gain > best.0 {
                best = (gain, input, at);
            }
        }
    }
    if best.0 <= 0.0 {
        return rows.iter().for_each(|r| out[*r] -= boost.rate * total.0 / (total.1 + boost.l2));
    }
    let (left, right): (Vec<usize>, Vec<usize>) =
        rows.iter().partition(|r| matrix.row(**r)[best.1] <= best.2);
    sorting(&left, matrix, slopes, depth - 1, boost, out);
    sorting(&right, matrix, slopes, depth - 1, boost, out);
}

fn boost_by_sorting(matrix: &Matrix, labels: &[bool], boost: &Boost) -> Vec<f64> {
    let all: Vec<usize> = (0..ROWS).collect();
    let mut margins = vec![0.0; ROWS];
    for _ in 0..boost.trees {
        let slope = |(m, l): (&f64, &bool)| {
            let p = 1.0 / (1.0 + (-m).exp());
            (p - f64::from(u8::from(*l)), p * (1.0 - p))
        };
        let slopes: Vec<(f64, f64)> = margins.iter().zip(labels).map(slope).collect();
        sorting(&all, matrix, &slopes, boost.depth, boost, &mut margins);
    }
    margins
}

fn train(c: &mut Criterion) {
    let (matrix, labels) = rows();
    let boost = Boost { trees: TREES, depth: 3, ..Boost::default() };
    let mut group = c.benchmark_group(format!("train {TREES} trees on {ROWS} x {INPUTS}"));
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("boost", |b| b.iter(|| boost.fit(&matrix, &labels, 1, None, &mut |_| true)));
    group.bench_function("sorting at every node", |b| {
        b.iter(|| boost_by_sorting(black_box(&matrix), &labels, &boost));
    });
    group.finish();
}

fn metrics(c: &mut Criterion) {
    let mut random = SmallRng::seed_from_u64(2);
    let cases: Vec<Case> = (0..ROWS)
        .map(|i| {
            let score = random.random_range(0.0..1.0);
            let fraud = random.random_bool(0.01 + score / 50.0);
            Case {
                score,
                probability: score,
                fraud,
                day: i as i32 % 7,
                card: Some(i as u128 % 999),
                amount: None,
            }
        })
        .collect();
    let mut group = c.benchmark_group(format!("measure {ROWS} payments"));
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("area by one sort", |b| {
        b.iter(|| Ranking::new(black_box(&cases).iter().map(|c| (c.score, c.fraud))).auc());
    });
    group.bench_function("area by all pairs", |b| {
        b.iter(|| {
            let good: Vec<f64> = black_box(&cases).iter().filter(|c| !c.fraud).map(|c| c.score).collect();
            let frauds = cases.iter().filter(|c| c.fraud);
            frauds.map(|f| good.iter().filter(|g| **g < f.score).count()).sum::<usize>()
        });
    });
    group.bench_function("everything, 500 draws", |b| {
        b.iter(|| Evaluation::new(black_box(&cases), &Questions::default()));
    });
    group.finish();
}

criterion_group!(benches, train, metrics);
criterion_main!(benches);
