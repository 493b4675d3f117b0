//! What 50 rules cost a payment: the index one by one, column by column, against the
//! same rules asked one after the other as compiled trees, and against a walk over their JSON syntax.

mod support {
    pub mod rules50;
}

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::{Facts, RuleColumns, RuleIndex};

fn rules(c: &mut Criterion) {
    let Some(work) = support::rules50::load() else {
        eprintln!("SKIPPED: ../shared/data/perf is not here");
        return;
    };
    let index = RuleIndex::new(&work.tests.iter().collect::<Vec<_>>());
    let facts: Vec<Facts<'_>> = work.payments.iter().map(|payment| Facts::new(payment, &[])).collect();
    let mut group = c.benchmark_group("rules/run 50 rules, 1000 payments");
    group.throughput(Throughput::Elements(facts.len() as u64));
    group.bench_function("index, one by one", |b| {
        b.iter(|| {
            let mut hits = 0;
            for facts in &facts {
                index.matches(*black_box(facts), |rule| hits += rule);
            }
            hits
        });
    });
    let mut columns = RuleColumns::default();
    columns.fill(&index, &facts);
    group.bench_function("index, columns at hand", |b| {
        b.iter(|| {
            let mut hits = 0;
            index.matches_columns(black_box(&columns), &facts, |_, rule| hits += rule);
            hits
        });
    });
    group.bench_function("index, columns gathered from payments", |b| {
        b.iter(|| {
            let mut hits = 0;
            index.matches_all(black_box(&facts), |_, rule| hits += rule);
            hits
        });
    });
    group.bench_function("compiled trees, one by one", |b| {
        b.iter(|| {
            facts
                .iter()
                .map(|f| work.tests.iter().filter(|t| t.holds(*f) == Some(true)).count())
                .sum::<usize>()
        });
    });
    group.sample_size(10);
    group.bench_function("walk over JSON", |b| {
        b.iter(|| {
            let hits = |p| work.asts.iter().filter(|a| support::rules50::holds(a, p)).count();
            work.json.iter().map(hits).sum::<usize>()
        });
    });
    group.finish();
    let mut group = c.benchmark_group("rules/load 50 rules");
    group.bench_function("index", |b| b.iter(|| RuleIndex::new(&work.tests.iter().collect::<Vec<_>>())));
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
