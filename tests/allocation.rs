//! Promise 3: the hot path does not touch the heap.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tollgate::{Engine, Payment, Pipeline, Simulator, SimulatorSettings};

/// Counts the allocations of threads that ask for it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    // The thread may be on its way out, when its locals are gone.
    let _ = ALLOCATIONS.try_with(|a| a.set(a.get().map(|n| n + 1)));
}

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    ALLOCATIONS.with(|a| a.set(Some(0)));
    work();
    ALLOCATIONS.with(|a| a.take()).unwrap_or(0)
}

fn payments(engine: &Engine, count: u64) -> Vec<Payment> {
    let schema = engine.pipeline().schema().clone();
    let settings = SimulatorSettings { payments: count, days: 2, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(&schema);
    let mut payments = Vec::new();
    while simulator.next(&schema, &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1]))) > 0);
}

/// After warm-up, scoring payments of entities that are known allocates nothing; tables and blocks
/// that must grow do so in big steps, which most payments never meet.
#[test]
fn scoring_allocates_nothing_once_warm() {
    let engine = Engine::new(Pipeline::shipped().unwrap());
    let payments = payments(&engine, 1_000);
    let score = |payments: &[Payment]| {
        for payment in payments {
            std::hint::black_box(engine.score(payment));
        }
    };
    // Warm is: every entity has more events than are scanned one by one, and its running totals.
    (0..40).for_each(|_| score(&payments));
    payments.iter().for_each(|payment| drop(engine.preview(payment)));
    let asked = allocations(|| {
        for payment in &payments {
            std::hint::black_box(engine.preview(payment));
        }
    });
    assert_eq!(asked, 0, "preview");
    let mut rounds: Vec<u64> = payments.chunks(20).map(|round| allocations(|| score(round))).collect();
    rounds.sort_unstable();
    assert_eq!(rounds[rounds.len() / 2], 0, "score, the median of rounds of 20: {rounds:?}");
}

/// Inputs, trees, reasons and the challenger have their room; asked twice, it is there.
#[test]
fn models_allocate_nothing_once_warm() {
    let policy =
        "[thresholds]\nchallenge = 200\n[model]\nchampion = \"a\"\nchallenger = \"b\"\nanomaly = \"c\"\n";
    let folder = support::Folder::new(&[
        ("policy.toml", policy),
        ("models/a.json", &support::logistic()),
        ("models/b.json", &support::trees("platt")),
        ("models/c.json", &support::trees("none")),
    ]);
    let engine = Engine::new(folder.open().unwrap());
    let payments = payments(&engine, 5_000);
    payments.iter().for_each(|payment| drop(engine.score(payment)));
    let mut explained = 0;
    let asked = allocations(|| {
        for payment in &payments {
            let decision = std::hint::black_box(engine.preview(payment));
            explained += usize::from(!decision.contributions.is_empty());
        }
    });
    assert_eq!(asked, 0);
    assert!(explained > 50, "{explained} decisions have reasons");
}
