//! What a record costs the thread that scores, and how long an answer waits for it, beside the plain way:
//! a buffered writer and a sync for every record.
//!
//! `cargo bench --bench journal`. The directory is the system's temporary one; `TMPDIR` names another.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate::{
    Durability, Engine, Journal, JournalSettings, Payment, Pipeline, Simulator, SimulatorSettings,
};

const PAYMENTS: u64 = 20_000;

fn payments(engine: &Engine) -> Vec<Payment> {
    let schema = engine.pipeline().schema().clone();
    let settings = SimulatorSettings { payments: PAYMENTS, days: 1, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).expect("settings within bounds");
    let mut payment = Payment::new(&schema);
    let mut payments = Vec::new();
    while simulator.next(&schema, &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Pipeline::shipped().expect("shipped rules are right")))
}

fn journal(dir: &tempfile::TempDir, durability: Durability) -> Journal {
    let settings = JournalSettings { durability, ..JournalSettings::default() };
    Journal::open(dir.path(), &settings, engine()).expect("a new journal").0
}

/// Scores payments over and over, as fast as answers are not waited for.
fn appending(c: &mut Criterion) {
    let payments = payments(&engine());
    let mut group = c.benchmark_group("a score");
    let plain = engine();
    let mut next = payments.iter().cycle();
    group.bench_function("without a journal", |b| {
        b.iter(|| black_box(plain.score(next.next().expect("payments are cycled"))))
    });
    let dir = tempfile::tempdir().expect("a directory");
    let journal = journal(&dir, Durability::Async);
    group.bench_function("recorded, not waited for", |b| {
        b.iter(|| {
            let payment = next.next().expect("payments are cycled");
            // At the limit of the buffer a server refuses; here the disk is given its time.
            while journal.score(payment).map(black_box).is_err() {
                std::thread::sleep(Duration::from_micros(200));
            }
        })
    });
    group.finish();
}

/// One answer at a time, each waited for.
fn waiting(c: &mut Criterion) {
    let payments = payments(&engine());
    let mut group = c.benchmark_group("an answer");
    group.sample_size(20);
    for durability in [Durability::Async, Durability::Written, Durability::Sync] {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = journal(&dir, durability);
        let mut next = payments.iter().cycle();
        group.bench_function(durability.name(), |b| {
            b.iter(|| {
                let payment = next.next().expect("payments are cycled");
                if let Ok((decision, ticket)) = journal.score(payment) {
                    ticket.wait().expect("a disk that works");
                    black_box(decision);
                }
            })
        });
    }
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine();
    let mut file = BufWriter::new(File::create(dir.path().join("plain")).expect("a file"));
    let mut next = payments.iter().cycle();
    group.bench_function("plain: write and sync a record of 300 bytes", |b| {
        b.iter(|| {
            let decision = engine.score(next.next().expect("payments are cycled"));
            file.write_all(&[7; 300]).and_then(|()| file.flush()).expect("a disk that works");
            file.get_ref().sync_data().expect("a disk that works");
            black_box(decision)
        })
    });
    group.finish();
}

/// Bringing back what was recorded.
fn opening(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let payments = payments(&engine());
    let filled = journal(&dir, Durability::Async);
    for payment in payments.iter().cycle().take(200_000) {
        while filled.score(payment).is_err() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    filled.close().expect("a disk that works");
    let mut group = c.benchmark_group("a start");
    group.sample_size(10);
    group.bench_function("200,000 payments brought back", |b| {
        b.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let started = Instant::now();
                    let opened = journal(&dir, Durability::Async);
                    let took = started.elapsed();
                    drop(opened);
                    took
                })
                .sum()
        })
    });
    group.finish();
}

criterion_group!(benches, appending, waiting, opening);
criterion_main!(benches);
