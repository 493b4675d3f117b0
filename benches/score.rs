//! What a whole score costs, struct in and out, with the shipped packs: one by one, in batch, on two
//! threads, against the same rules asked one after the other; and with a model of 500 trees.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::{
    Artifact, Branch, Calibration, Combine, Decision, Engine, Form, Input, Node, Payment, Pipeline,
    Simulator, SimulatorSettings, Tree, Trees, Width,
};

const PAYMENTS: usize = 100_000;

fn payments(engine: &Engine) -> Vec<Payment> {
    let schema = engine.pipeline().schema().clone();
    let settings = SimulatorSettings { payments: PAYMENTS as u64, days: 3, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).expect("good settings");
    let mut payment = Payment::new(&schema);
    let mut payments = Vec::with_capacity(PAYMENTS);
    while simulator.next(&schema, &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

fn engine() -> Engine {
    Engine::new(Pipeline::shipped().expect("shipped rules are tested"))
}

/// Times `threads` threads that score all payments between them on a fresh engine.
fn on_threads(payments: &[Payment], threads: usize) -> Duration {
    let engine = engine();
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(64, Ordering::Relaxed);
                    let Some(some) = payments.get(from..payments.len().min(from + 64)) else { break };
                    for payment in some {
                        black_box(engine.score(payment));
                    }
                    if some.is_empty() {
                        break;
                    }
                }
            });
        }
    });
    started.elapsed()
}

fn score(c: &mut Criterion) {
    let payments = payments(&engine());
    let mut group = c.benchmark_group("score/100,000 payments, fresh engine");
    group.throughput(Throughput::Elements(PAYMENTS as u64));
    group.sample_size(10);
    for threads in [1, 2] {
        group.bench_function(format!("one by one, {threads} threads"), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| on_threads(&payments, threads)).sum());
        });
    }
    group.bench_function("in batches, all cores", |b| {
        b.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let engine = engine();
                    let mut decisions: Vec<Decision> = Vec::with_capacity(PAYMENTS);
                    let started = Instant::now();
                    payments.chunks(4096).for_each(|chunk| engine.score_all(chunk, &mut decisions));
                    started.elapsed()
                })
                .sum()
        });
    });
    group.finish();

    let warm = engine();
    payments.iter().for_each(|p| drop(warm.score(p)));
    let some = &payments[..2000];
    let mut group = c.benchmark_group("score/2,000 payments, warm engine");
    group.throughput(Throughput::Elements(some.len() as u64));
    group.bench_function("preview", |b| {
        b.iter(|| some.iter().map(|p| warm.preview(black_box(p)).score as usize).sum::<usize>());
    });
    group.sample_size(10);
    group.bench_function("every rule by itself, with words", |b| {
        b.iter(|| some.iter().map(|p| warm.explain(black_box(p)).rules.len()).sum::<usize>());
    });
    group.finish();
}

/// The whole score of the target: 12 velocity values, 50 rules, 500 trees of 31 leaves over 30 inputs, reasons.
const TREES: usize = 500;
const LEAVES: usize = 31;
const RULES: usize = 50;
const WINDOWS: [&str; 12] = [
    "count(card, 10m)",
    "count(card, 1h)",
    "count(card, 1d)",
    "sum(amount, card, 1d)",
    "avg(amount, card, 7d)",
    "max(amount, card, 7d)",
    "count(device, 1h)",
    "count(ip, 1h)",
    "distinct(merchant, card, 1h)",
    "distinct(card, device, 1d)",
    "since(card)",
    "count(account, 1d)",
];

fn inputs() -> Vec<(String, f64)> {
    let windows = WINDOWS.map(|w| (w.to_owned(), if w.contains("amount") { 400.0 } else { 6.0 }));
    let amounts = (1..=6).map(|i| (format!("amount * {i}"), 200.0 * f64::from(i)));
    let ratios = (0..6).map(|i| (format!("amount_in(\"USD\") / (1 + {})", WINDOWS[i]), 100.0));
    let hours = (0..6).map(|i| (format!("abs(hour(at) - {})", i * 4), 12.0));
    windows.into_iter().chain(amounts).chain(ratios).chain(hours).collect()
}

/// A tree that has had random leaves split until there are enough.
fn random_tree(inputs: &[(String, f64)], draw: &mut impl FnMut() -> f64) -> Tree {
    let leaf = |draw: &mut dyn FnMut() -> f64| Node::Leaf { value: (draw() - 0.55) * 0.1, cover: 1.0 };
    let mut nodes = vec![leaf(draw)];
    let mut leaves = vec![0usize];
    while leaves.len() < LEAVES {
        let at = leaves.swap_remove((draw() * leaves.len() as f64) as usize);
        let input = (draw() * inputs.len() as f64) as usize;
        let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
        let branch = Branch::AtMost((draw() * inputs[input].1).floor() + 0.5);
        let input = input as u16;
        nodes[at] = Node::Split { input, branch, missing_left: true, left, right, cover: 2.0, value: 0.0 };
        nodes.extend([leaf(draw), leaf(draw)]);
        leaves.extend([left as usize, right as usize]);
    }
    Tree { nodes }
}

fn folder() -> tempfile::TempDir {
    let mut state = 7u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let inputs = inputs();
    let trees = (0..TREES).map(|_| random_tree(&inputs, &mut draw)).collect();
    let artifact = Artifact {
        format: 1,
        name: "bench".into(),
        inputs: inputs
            .iter()
            .map(|(e, _)| Input {
                name: e.clone(),
                expression: e.clone(),
                reason: String::new(),
                zero_is_absent: false,
            })
            .collect(),
        form: Form::Trees(Trees { width: Width::F64, combine: Combine::LogOdds { base: 0.0 }, trees }),
        calibration: Some(Calibration::Platt { slope: 1.0, intercept: 0.0 }),
        card: Default::default(),
        samples: Vec::new(),
    };
    let rules: String = (0..RULES)
        .map(|i| {
            let (window, at) = (WINDOWS[i % WINDOWS.len()], i + 1);
            let when = format!("{window} > {at} and amount > {} and score > {}", i * 3, i * 10);
            format!("[[rule]]\nid = \"r{i}\"\nwhen = '{when}'\nweight = {at}\nreason = \"R{i}\"\n")
        })
        .collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(dir.path().join("models")).expect("a folder");
    let model = serde_json::to_string(&artifact).expect("plain data");
    // From score 1 on somebody may ask why: every payment gets its reasons.
    let policy = "[thresholds]\nchallenge = 1\n[model]\nchampion = \"bench\"\n";
    for (name, text) in [("a.toml", &*rules), ("policy.toml", policy), ("models/bench.json", &*model)] {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    dir
}

fn with_model(c: &mut Criterion) {
    let folder = folder();
    let engine = Engine::new(Pipeline::open(folder.path()).expect("a good folder"));
    assert_eq!(engine.pipeline().plan().aggregates().len(), WINDOWS.len());
    let payments = payments(&engine);
    payments.iter().for_each(|p| drop(engine.score(p)));
    let some = &payments[..20_000];
    let mut times: hdrhistogram::Histogram<u64> = hdrhistogram::Histogram::new(3).expect("three digits");
    let mut reasons = 0;
    for payment in some {
        let started = Instant::now();
        let decision = black_box(engine.score(payment));
        times.record(started.elapsed().as_nanos() as u64).expect("a histogram that grows");
        reasons += decision.contributions.len();
    }
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| times.value_at_quantile(q) as f64 / 1e3);
    println!(
        "whole score with {TREES} trees: p50 {p50:.2} us, p99 {p99:.2} us, p99.9 {p999:.2} us; {reasons} reasons"
    );

    let mut group = c.benchmark_group("score/500 trees, 50 rules, 12 windows, warm engine");
    group.throughput(Throughput::Elements(2_000));
    group.sample_size(10);
    group.bench_function("preview", |b| {
        b.iter(|| some[..2_000].iter().map(|p| engine.preview(black_box(p)).score as usize).sum::<usize>());
    });
    let mut decisions = Vec::new();
    group.bench_function("in batches", |b| {
        b.iter(|| {
            decisions.clear();
            engine.score_all(black_box(&some[..2_000]), &mut decisions);
        });
    });
    group.finish();
}

criterion_group!(benches, score, with_model);
criterion_main!(benches);
