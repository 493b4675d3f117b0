//! 12 aggregates over 5 entities: hot, and with 1.5 million live entities, beside a hash map of deques
//! that keeps every event and looks through them. Memory an entity is printed first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::*;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const NOW: i64 = 1_795_478_400_000_000;

fn plan() -> Plan {
    let mut plan = Plan::default();
    let (card, account, device) = (field::CARD, field::ACCOUNT, field::DEVICE);
    let (ip, merchant, amount) = (field::IP, field::MERCHANT, field::AMOUNT);
    for (function, entity, window) in [
        (Function::Count, card, 10 * MINUTE),
        (Function::Count, card, 24 * HOUR),
        (Function::Sum(amount), card, 24 * HOUR),
        (Function::Distinct(merchant), card, HOUR),
        (Function::Count, account, HOUR),
        (Function::Sum(amount), account, 24 * HOUR),
        (Function::Count, device, HOUR),
        (Function::Distinct(card), device, 24 * HOUR),
        (Function::Count, ip, 10 * MINUTE),
        (Function::Distinct(card), ip, HOUR),
        (Function::Count, merchant, 10 * MINUTE),
        (Function::Avg(amount), merchant, HOUR),
    ] {
        plan.add(Aggregate {
            function,
            entity: [entity].into_iter().collect(),
            window: Some(Span::from_micros(window)),
            delay: Span::default(),
            including: false,
            status: None,
            filter: None,
        })
        .unwrap();
    }
    plan
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Payments a step apart, for ever; entities drawn from pools of these sizes.
struct Stream {
    schema: Schema,
    pools: [u64; 5],
    step: i64,
    state: u64,
    count: i64,
}

impl Stream {
    fn new(pools: [u64; 5], step: i64) -> Stream {
        Stream { schema: Schema::standard(), pools, step, state: 7, count: 0 }
    }

    fn payment(&mut self) -> Payment {
        let (schema, usd) = (&self.schema, Currency::parse("USD").unwrap());
        let mut payment = Payment::new(schema);
        let mut set = |id, value: Value<'_>| payment.set(schema, id, value).unwrap();
        let [card, account, device, ip, merchant] = self.pools.map(|p| random(&mut self.state) % p);
        let at = NOW + self.count * self.step;
        set(field::ID, Value::Token(&format!("p{}", self.count)));
        set(field::AT, Value::Timestamp(Timestamp::from_micros(at).unwrap()));
        set(field::CARD, Value::Token(&format!("tok_{card:x}")));
        set(field::ACCOUNT, Value::Token(&format!("acc_{account:x}")));
        set(field::DEVICE, Value::Token(&format!("dev_{device:x}")));
        set(field::IP, Value::Ip(std::net::Ipv4Addr::from_bits(0x0a00_0000 + ip as u32).into()));
        set(field::MERCHANT, Value::Token(&format!("m_{merchant:x}")));
        set(field::AMOUNT, Value::Money(Money { minor: 100 + (self.count % 5_000), currency: usd }));
        self.count += 1;
        payment
    }

    /// The time that `observe` takes for `n` payments, each made shortly before.
    fn time(&mut self, n: u64, mut observe: impl FnMut(&Payment)) -> Duration {
        let mut spent = Duration::ZERO;
        let mut left = n as usize;
        while left > 0 {
            let some: Vec<Payment> = (0..left.min(128)).map(|_| self.payment()).collect();
            let start = Instant::now();
            some.iter().for_each(&mut observe);
            spent += start.elapsed();
            left -= some.len();
        }
        spent
    }
}

fn velocity() -> Velocity {
    let usd = Currency::parse("USD").unwrap();
    Velocity::new(&plan(), &Schema::standard(), Arc::new(Rates::only(usd)), VelocityLimits::default())
}

/// Time, minor units, card, merchant.
type Event = (i64, i64, u64, u64);

/// The dumber way: every event of every entity in a deque, each question a pass over it.
struct Deques {
    schema: Schema,
    plan: Plan,
    past: HashMap<(FieldId, u128), VecDeque<Event>>,
}

impl Deques {
    fn observe(&mut self, payment: &Payment, activity: &mut [f64]) {
        let at = payment.at().micros();
        for (value, a) in activity.iter_mut().zip(self.plan.aggregates()) {
            let Some(key) = payment.entity_key(&self.schema, a.entity[0]) else { continue };
            let from = at - a.window.unwrap().micros();
            let events = self.past.get(&(a.entity[0], key));
            let events = events.into_iter().flatten().rev().take_while(|e| e.0 >= from);
            *value = match a.function {
                Function::Count => events.count() as f64,
                Function::Sum(_) => events.map(|e| e.1).sum::<i64>() as f64 / 100.0,
                Function::Avg(_) => {
                    let (n, sum) = events.fold((0, 0), |(n, sum), e| (n + 1, sum + e.1));
                    sum as f64 / (f64::from(n) * 100.0)
                }
                Function::Distinct(field::CARD) => events.map(|e| e.2).collect::<HashSet<_>>().len() as f64,
                _ => events.map(|e| e.3).collect::<HashSet<_>>().len() as f64,
            };
        }
        let minor = payment.amount().map_or(0, |m| m.minor);
        let key = |id| payment.distinct_key(&self.schema, id).unwrap_or(0);
        let event = (at, minor, key(field::CARD), key(field::MERCHANT));
        for id in [field::CARD, field::ACCOUNT, field::DEVICE, field::IP, field::MERCHANT] {
            let Some(key) = payment.entity_key(&self.schema, id) else { continue };
            let events = self.past.entry((id, key)).or_default();
            while events.front().is_some_and(|e| e.0 < at - 24 * HOUR) {
                events.pop_front();
            }
            events.push_back(event);
        }
    }
}

fn deques() -> Deques {
    Deques { schema: Schema::standard(), plan: plan(), past: HashMap::new() }
}

/// So few that what is known of them stays in the second cache; as many events as those of `HOT`.
const NEAR: [u64; 5] = [64; 5];
/// Few enough to stay in the last cache; 10 s apart, so that each has about 9 events a day.
const HOT: [u64; 5] = [1_000; 5];
/// So few that each has thousands of events in its windows.
const BUSY: [u64; 5] = [50; 5];
/// 1.5 million of them live after 1.5 million payments.
const COLD: [u64; 5] = [500_000, 500_000, 400_000, 300_000, 2_000];
/// Payments of one call of `observe_all`.
const CHUNK: usize = 4_096;

fn run(c: &mut Criterion, name: &str, warm: usize, pools: [u64; 5], step: i64) {
    let mut activity = [0.0; 12];
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Elements(1));

    let (store, mut stream) = (velocity(), Stream::new(pools, step));
    for _ in 0..warm {
        store.observe(&stream.payment(), 0, &mut activity);
    }
    let (entities, bytes) = (store.entities(), store.bytes());
    let events = warm as f64 * 5.0 / entities as f64;
    eprintln!("{name}: {entities} entities of {events:.2} events, {} bytes each", bytes / entities);
    group.bench_function("tollgate", |b| {
        b.iter_custom(|n| {
            stream.time(n, |p| {
                black_box(store.observe(p, 0, &mut activity));
            })
        });
    });
    let (mut rows, mut flags) = (vec![0.0; CHUNK * 12], vec![Degraded::NONE; CHUNK]);
    for threads in [1, 2] {
        group.bench_function(format!("tollgate, {CHUNK} at once, {threads} threads"), |b| {
            b.iter_custom(|n| {
                let some: Vec<Payment> = (0..CHUNK).map(|_| stream.payment()).collect();
                let ops: Vec<Op<'_>> =
                    some.iter().map(|payment| Op::Observe { payment, filters: 0 }).collect();
                let start = Instant::now();
                store.observe_all(&ops, &mut rows, &mut flags, threads);
                start.elapsed().mul_f64(n as f64 / CHUNK as f64)
            });
        });
    }
    drop(store);

    let (mut naive, mut stream) = (deques(), Stream::new(pools, step));
    (0..warm).for_each(|_| naive.observe(&stream.payment(), &mut activity));
    group.bench_function("deques", |b| {
        b.iter_custom(|n| stream.time(n, |p| naive.observe(black_box(p), &mut activity)));
    });
    group.finish();
}

fn single_events() {
    let store = velocity();
    let mut stream = Stream::new([u64::MAX; 5], 1);
    for _ in 0..300_000 {
        store.observe(&stream.payment(), 0, &mut [0.0; 12]);
    }
    eprintln!("entities of one event: {} bytes each", store.bytes() / store.entities());
}

fn bench(c: &mut Criterion) {
    single_events();
    run(c, "velocity, near", 20_000, NEAR, 156_000_000);
    run(c, "velocity, hot", 100_000, HOT, 10_000_000);
    run(c, "velocity, busy", 200_000, BUSY, 1_000_000);
    run(c, "velocity, 1.5 M entities", 1_500_000, COLD, 40_000);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = bench
}
criterion_main!(benches);
