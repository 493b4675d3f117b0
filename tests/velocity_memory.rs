//! A budget of bytes for the windows: far more cards than it has room for, most of them seen once, and among
//! them busy ones, which must stay exact. The short form; `TOLLGATE_SOAK=50 cargo test --release --test
//! velocity_memory -- --nocapture` has five million cards and ten thousand busy ones. With `MIMALLOC_PURGE_DELAY=0`
//! before it, it looks at the process, too.

use std::sync::Arc;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tollgate::*;

/// The program's own: others keep what tables have grown out of.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times the short form.
fn soak() -> usize {
    std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

const STRANGERS: usize = 100_000;
const BUSY: usize = 200;
const BUDGET: usize = 5 << 20;
/// One payment in so many is a busy card's.
const BUSY_ONE_IN: usize = 5;
/// Room for a busy card's payments, of which each has about 125.
const PAYMENTS_MAX: usize = 300;
const HOUR: i64 = 3_600_000_000;
/// 2026-11-24T00:00:00Z.
const START: i64 = 1_795_478_400_000_000;
/// Microseconds between two payments: the long form takes 17 hours.
const STEP: i64 = 10_000;

/// A busy card's payment: when, minor units, which of 16 merchants.
type Past = Vec<(i64, i64, u32)>;

/// Payments and their sum and merchants in a window, by their definition.
fn window(past: &Past, from: i64) -> [f64; 3] {
    let within = past.iter().rev().take_while(|(at, ..)| *at >= from);
    let (count, sum, merchants) =
        within.fold((0, 0, 0u32), |(n, sum, seen), (_, minor, m)| (n + 1, sum + minor, seen | 1 << m));
    [f64::from(count), sum as f64 / 100.0, f64::from(merchants.count_ones())]
}

/// Bytes of memory that are the process's own.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn busy_cards_stay_exact_within_a_budget_and_strangers_are_forgotten() {
    let (strangers, busy, budget) = (STRANGERS * soak(), BUSY * soak(), BUDGET * soak());
    let schema = Schema::standard();
    let usd = Currency::parse("USD").unwrap();
    let mut plan = Plan::default();
    for (function, entity, hours) in [
        (Function::Count, field::CARD, 1),
        (Function::Sum(field::AMOUNT), field::CARD, 24),
        (Function::Distinct(field::MERCHANT), field::CARD, 24),
        (Function::Count, field::DEVICE, 24),
    ] {
        let window = Some(Span::from_micros(hours * HOUR));
        let entity = [entity].into_iter().collect();
        let delay = Span::default();
        plan.add(Aggregate { function, entity, window, delay, including: false, status: None, filter: None })
            .unwrap();
    }
    let limits = VelocityLimits { memory: Some(budget), ..VelocityLimits::default() };
    let velocity = Velocity::new(&plan, &schema, Arc::new(Rates::only(usd)), limits);
    // Written to, so that what the process grows by is the windows alone.
    let mut pasts: Vec<Past> = vec![vec![(1, 1, 1); PAYMENTS_MAX]; busy];
    pasts.iter_mut().for_each(Vec::clear);
    let mut payment = Payment::new(&schema);
    let before = resident();

    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (mut stranger, mut paid, mut compared, mut absent) = (0, 0usize, 0, 0);
    let began = Instant::now();
    let (mut most, mut resident_most) = (0, 0);
    while stranger < strangers {
        let at = START + paid as i64 * STEP;
        let known = paid.is_multiple_of(BUSY_ONE_IN).then(|| rng.random_range(0..busy));
        let (minor, merchant) = (rng.random_range(1..10_000), rng.random_range(0..16u32));
        payment.clear();
        let mut set = |id, value: Value<'_>| payment.set(&schema, id, value).unwrap();
        set(field::AT, Value::Timestamp(Timestamp::from_micros(at).unwrap()));
        set(field::AMOUNT, Value::Money(Money { minor, currency: usd }));
        set(field::MERCHANT, Value::Token(&format!("m{merchant}")));
        set(field::DEVICE, Value::Token(&format!("d{}", rng.random_range(0..strangers / 4))));
        set(field::CARD, Value::Token(&known.map_or_else(|| format!("s{stranger}"), |b| format!("b{b}"))));
        let mut activity = [0.0; 4];
        let degraded = velocity.observe(&payment, 0, &mut activity);
        match known {
            Some(b) => {
                let [_, sum, merchants] = window(&pasts[b], at - 24 * HOUR);
                let [count, ..] = window(&pasts[b], at - HOUR);
                assert_eq!(activity[..3], [count, sum, merchants], "busy card {b} at payment {paid}");
                pasts[b].push((at, minor, merchant));
                compared += 1;
            }
            None => {
                // Nobody has seen it before; whoever can't be sure of that says so instead of zero.
                let [count, _, merchants, _] = activity;
                for value in [count, merchants] {
                    assert!(value == 0.0 || value.is_nan() && degraded.contains(Degraded::EVICTED));
                }
                absent += usize::from(merchants.is_nan());
                stranger += 1;
            }
        }
        paid += 1;
        if paid.is_multiple_of(STRANGERS / 10) {
            most = most.max(velocity.bytes());
            resident_most = resident_most.max(resident().saturating_sub(before));
        }
    }
    println!(
        "{paid} payments in {:?}; budget {} MiB, counted {} MiB, process grew by {} MiB; {} entities, {} evictions, \
         {absent} strangers absent, {compared} windows of busy cards exact",
        began.elapsed(),
        budget >> 20,
        most >> 20,
        resident_most >> 20,
        velocity.entities(),
        velocity.evictions()
    );
    assert!(velocity.evictions() > strangers as u64 / 2 && absent > strangers / 2);
    assert!(velocity.entities() > strangers / 20, "the budget is made use of");
    assert!(most <= budget + budget / 10, "{most} bytes of {budget}");
    // Otherwise the allocator keeps for a while what tables have grown out of; among a few MiB the process's own
    // doings count too much.
    let prompt =
        cfg!(feature = "mimalloc") && std::env::var("MIMALLOC_PURGE_DELAY").is_ok_and(|ms| ms == "0");
    let looks = prompt && soak() > 1;
    assert!(!looks || resident_most <= budget + budget / 10, "{resident_most} bytes of {budget}");
}
