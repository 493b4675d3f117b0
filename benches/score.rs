//! What a whole score costs, struct in and out, with the shipped packs: one by one, in batch, on two
//! threads, against the same rules asked one after the other.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::{Decision, Engine, Payment, Pipeline, Simulator, SimulatorSettings};

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

criterion_group!(benches, score);
criterion_main!(benches);
