//! Windows against a list of everything: the oracle keeps all payments in order of arrival and
//! answers each question by its definition.

use std::sync::Arc;

use proptest::prelude::*;
use tollgate::*;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// 2026-11-24T00:00:00Z.
const NOW: i64 = 1_795_478_400_000_000;

fn rates() -> Rates {
    Rates::parse("version = 'v'\nbase = 'USD'\n[rates]\nEUR = '1.0842'\nJPY = '0.00655'").unwrap()
}

fn entity(fields: &[FieldId]) -> Entity {
    fields.iter().copied().collect()
}

fn ask(function: Function, fields: &[FieldId], window: Option<i64>) -> Aggregate {
    Aggregate {
        function,
        entity: entity(fields),
        window: window.map(Span::from_micros),
        delay: Span::default(),
        including: false,
        status: None,
        filter: None,
    }
}

fn plan(asked: &[Aggregate]) -> Plan {
    let mut plan = Plan::default();
    for aggregate in asked {
        plan.add(aggregate.clone()).unwrap();
    }
    plan
}

fn velocity(plan: &Plan, limits: VelocityLimits) -> Velocity {
    Velocity::new(plan, &Schema::standard(), Arc::new(rates()), limits)
}

/// One payment, as small as a test needs it.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    at: i64,
    card: Option<u8>,
    device: Option<u8>,
    merchant: u8,
    /// Minor units, and which currency.
    amount: Option<(i64, u8)>,
    latitude: Option<f64>,
    filters: u32,
}

impl Row {
    fn payment(&self, id: usize) -> Payment {
        let schema = Schema::standard();
        let mut payment = Payment::new(&schema);
        let mut set = |id, value: Value<'_>| payment.set(&schema, id, value).unwrap();
        set(field::ID, Value::Token(&format!("p{id}")));
        set(field::AT, Value::Timestamp(Timestamp::from_micros(self.at).unwrap()));
        set(field::MERCHANT, Value::Token(&format!("m{}", self.merchant)));
        if let Some(card) = self.card {
            set(field::CARD, Value::Token(&format!("c{card}")));
        }
        if let Some(device) = self.device {
            set(field::DEVICE, Value::Token(&format!("d{device}")));
        }
        if let Some((minor, currency)) = self.amount {
            let currency = Currency::parse(["USD", "EUR", "JPY", "GBP"][usize::from(currency)]).unwrap();
            set(field::AMOUNT, Value::Money(Money { minor, currency }));
        }
        if let Some(latitude) = self.latitude {
            set(field::IP_LAT, Value::Number(latitude));
        }
        payment
    }

    /// The entity's value, as text; `None` when a field of it is missing.
    fn entity(&self, fields: &[FieldId]) -> Option<Vec<u8>> {
        fields
            .iter()
            .map(|id| match *id {
                field::CARD => self.card,
                field::DEVICE => self.device,
                _ => Some(self.merchant),
            })
            .collect()
    }

    /// Parts of one, and how many make one.
    fn number(&self, id: FieldId) -> (Option<i128>, f64) {
        if id == field::AMOUNT {
            let base = self.amount.and_then(|(minor, c)| match c {
                0 => Some(i128::from(minor)),
                1 => Some(half_even(i128::from(minor) * 10_842, 10_000)),
                2 => Some(half_even(i128::from(minor) * 655, 1_000)),
                _ => None,
            });
            (base, 100.0)
        } else {
            (self.latitude.map(|l| (l * 1e6).round_ties_even() as i128), 1e6)
        }
    }

    fn value(&self, id: FieldId) -> Option<String> {
        match id {
            field::AMOUNT => self.amount.map(|a| format!("{a:?}")),
            field::DEVICE => self.device.map(|d| d.to_string()),
            field::MERCHANT => Some(self.merchant.to_string()),
            _ => self.latitude.map(|l| (l + 0.0).to_string()),
        }
    }
}

fn half_even(up: i128, down: i128) -> i128 {
    let (q, r) = (up / down, up % down);
    q + i128::from(r * 2 > down || (r * 2 == down && q % 2 == 1))
}

/// Everything that was, in order of arrival.
#[derive(Default)]
struct Oracle {
    past: Vec<(Row, u32)>,
}

impl Oracle {
    fn value(&self, a: &Aggregate, now: &Row) -> f64 {
        let Some(who) = now.entity(&a.entity) else { return f64::NAN };
        let (delay, t) = (a.delay.micros(), now.at);
        let from = match (a.window, a.function) {
            (None, Function::FirstSeen) => i64::MIN,
            (window, _) => {
                let open = a.including || delay > 0;
                t - delay - window.unwrap_or(WINDOW_MAX).micros() + i64::from(open)
            }
        };
        let mut events: Vec<(&Row, u32)> = self
            .past
            .iter()
            .filter(|(row, _)| row.at >= from && row.at <= t - delay)
            .filter(|(row, _)| row.entity(&a.entity).as_ref() == Some(&who))
            .map(|(row, status)| (row, *status))
            .collect();
        if a.including && delay == 0 {
            events.push((now, 0));
        }
        let attempts = |(row, _): &&(&Row, u32)| a.filter.is_none_or(|f| row.filters >> f & 1 == 1);
        let whole = events.iter().filter(attempts).count();
        events.retain(|e| attempts(&e));
        events.retain(|(_, status)| a.status.is_none_or(|s| status >> s as u8 & 1 == 1));
        let numbers = |id| {
            let (mut all, mut parts) = (Vec::new(), 1.0);
            for (row, _) in &events {
                let (number, scale) = row.number(id);
                all.extend(number);
                parts = scale;
            }
            (all, parts)
        };
        let or_absent = |some: bool, value: f64| if some { value } else { f64::NAN };
        match a.function {
            Function::Count => events.len() as f64,
            Function::Ratio => or_absent(whole > 0, events.len() as f64 / whole as f64),
            Function::FirstSeen => events.iter().map(|(r, _)| r.at).min().map_or(f64::NAN, |at| at as f64),
            Function::Since => {
                events.iter().map(|(r, _)| r.at).max().map_or(f64::NAN, |at| (t - at) as f64 / 1e6)
            }
            Function::Distinct(id) => {
                let mut values: Vec<String> = events.iter().filter_map(|(r, _)| r.value(id)).collect();
                values.sort();
                values.dedup();
                values.len() as f64
            }
            Function::Sum(id) => {
                let (all, parts) = numbers(id);
                all.iter().sum::<i128>() as f64 / parts
            }
            Function::Avg(id) => {
                let (all, parts) = numbers(id);
                or_absent(!all.is_empty(), all.iter().sum::<i128>() as f64 / (all.len() as f64 * parts))
            }
            Function::Min(id) => {
                let (all, parts) = numbers(id);
                all.iter().min().map_or(f64::NAN, |m| *m as f64 / parts)
            }
            Function::Max(id) => {
                let (all, parts) = numbers(id);
                all.iter().max().map_or(f64::NAN, |m| *m as f64 / parts)
            }
            Function::StdDev(id) => {
                let (all, parts) = numbers(id);
                let n = all.len() as f64;
                // Twice through, about the mean: another formula than the store's.
                let mean = all.iter().map(|x| *x as f64).sum::<f64>() / n;
                let around = all.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>();
                or_absent(all.len() > 1, (around / (n - 1.0)).sqrt() / parts)
            }
        }
    }
}

/// Bit for bit, except for the standard deviation, whose oracle rounds.
fn agree(a: &Aggregate, got: f64, expected: f64) -> bool {
    match a.function {
        Function::StdDev(_) if !expected.is_nan() => (got - expected).abs() <= 1e-6 + expected * 1e-9,
        _ => got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pay(Row),
    /// What became of the nth payment before.
    Settle(usize, u8),
}

const ENTITIES: [&[FieldId]; 4] =
    [&[field::CARD], &[field::DEVICE], &[field::MERCHANT], &[field::CARD, field::MERCHANT]];

fn any_aggregate() -> impl Strategy<Value = Aggregate> {
    let number = prop_oneof![Just(field::AMOUNT), Just(field::IP_LAT)];
    let value =
        prop_oneof![Just(field::AMOUNT), Just(field::IP_LAT), Just(field::DEVICE), Just(field::MERCHANT)];
    let function = prop_oneof![
        2 => Just(Function::Count),
        1 => number.clone().prop_map(Function::Sum),
        1 => number.clone().prop_map(Function::Avg),
        1 => number.clone().prop_map(Function::Min),
        1 => number.clone().prop_map(Function::Max),
        1 => number.prop_map(Function::StdDev),
        2 => value.prop_map(Function::Distinct),
        1 => Just(Function::FirstSeen),
        1 => Just(Function::Since),
        1 => Just(Function::Ratio),
    ];
    let window = prop_oneof![
        Just(None),
        Just(Some(0)),
        Just(Some(1)),
        Just(Some(10 * MINUTE)),
        Just(Some(60 * MINUTE)),
        Just(Some(DAY))
    ];
    let delay = prop_oneof![3 => Just(0), 1 => Just(5 * MINUTE), 1 => Just(DAY)];
    let status = prop_oneof![2 => Just(None), 1 => (0..3usize).prop_map(|s| Some(Status::ALL[s]))];
    let filter = prop_oneof![2 => Just(None), 1 => (0..2u8).prop_map(Some)];
    (function, 0..ENTITIES.len(), window, delay, any::<bool>(), status, filter).prop_map(
        |(function, e, window, delay, including, status, filter)| Aggregate {
            function,
            entity: entity(ENTITIES[e]),
            window: window.map(Span::from_micros),
            delay: Span::from_micros(delay),
            including,
            status,
            filter,
        },
    )
}

fn any_row() -> impl Strategy<Value = Row> {
    let at = prop_oneof![
        // In a minute's steps, so that ties and edges of windows are met.
        20 => (0..240i64).prop_map(|m| NOW + m * MINUTE),
        6 => (0..240i64, -1..=1i64).prop_map(|(m, d)| NOW + m * MINUTE + d),
        3 => (0..5i64).prop_map(|d| NOW - d * DAY),
        1 => Just(0),
        1 => Just(-NOW),
        1 => Just(9_214_646_400_000_000), // 2262
    ];
    let amount = proptest::option::weighted(0.9, (0..5_000i64, 0..4u8));
    let latitude = proptest::option::of(prop_oneof![Just(0.0), Just(-0.0), -90.0..90.0f64, Just(1e9)]);
    (
        at,
        proptest::option::weighted(0.9, 0..3u8),
        proptest::option::of(0..4u8),
        0..2u8,
        amount,
        latitude,
        0..4u32,
    )
        .prop_map(|(at, card, device, merchant, amount, latitude, filters)| Row {
            at,
            card,
            device,
            merchant,
            amount,
            latitude,
            filters,
        })
}

fn any_steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any_row().prop_map(Step::Pay),
        1 => (0..40usize, 0..3u8).prop_map(|(n, s)| Step::Settle(n, s)),
    ];
    // Mostly in order, as the world is; the rest is as drawn.
    (proptest::collection::vec(step, 1..most), 0..4u8).prop_map(|(mut steps, mode)| {
        if mode > 0 {
            let mut times: Vec<i64> =
                steps.iter().filter_map(|s| if let Step::Pay(r) = s { Some(r.at) } else { None }).collect();
            times.sort_unstable();
            if mode == 1 {
                times.chunks_mut(5).for_each(|c| c.reverse());
            }
            let mut next = times.into_iter();
            for step in &mut steps {
                if let Step::Pay(row) = step {
                    row.at = next.next().unwrap_or(row.at);
                }
            }
        }
        steps
    })
}

/// Wild payments make the shard's clock believe in nothing; give them room.
fn patient() -> VelocityLimits {
    VelocityLimits { lateness: Span::from_secs(1_000 * 365 * 86_400), ..VelocityLimits::default() }
}

fn compare_with_oracle(asked: &[Aggregate], steps: &[Step]) -> Result<(), TestCaseError> {
    let plan = plan(asked);
    let velocity = velocity(&plan, patient());
    let mut oracle = Oracle::default();
    let mut payments = Vec::new();
    let (mut peeked, mut got) = (vec![0.0; plan.aggregates().len()], vec![0.0; plan.aggregates().len()]);
    for step in steps {
        match step {
            Step::Pay(row) => {
                let payment = row.payment(payments.len());
                let flags = velocity.peek(&payment, row.filters, &mut peeked);
                prop_assert_eq!(velocity.observe(&payment, row.filters, &mut got), flags);
                prop_assert_eq!(bits(&peeked), bits(&got));
                for (i, a) in plan.aggregates().iter().enumerate() {
                    let expected = oracle.value(a, row);
                    prop_assert!(
                        agree(a, got[i], expected),
                        "payment {}: {a:?} is {}, not {expected}",
                        payments.len(),
                        got[i]
                    );
                }
                oracle.past.push((row.clone(), 0));
                payments.push(payment);
            }
            Step::Settle(back, status) if *back < payments.len() => {
                let i = payments.len() - 1 - back;
                prop_assert!(velocity.settle(&payments[i], Status::ALL[usize::from(*status)]));
                oracle.past[i].1 |= 1 << status;
            }
            Step::Settle(..) => {}
        }
    }
    Ok(())
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_is_what_the_list_of_everything_says(
        asked in proptest::collection::vec(any_aggregate(), 1..12), steps in any_steps(60)
    ) {
        compare_with_oracle(&asked, &steps)?;
    }

    #[test]
    fn so_are_windows_of_entities_with_many_events(
        asked in proptest::collection::vec(any_aggregate(), 1..8), steps in any_steps(500)
    ) {
        compare_with_oracle(&asked, &steps)?;
    }
}

/// A seeded stream: what a test needs many of.
fn stream(count: usize, seed: u64, spread: i64) -> Vec<Row> {
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|i| Row {
            at: NOW + i as i64 * 1_000_000 - random(spread as u64 + 1) as i64,
            card: Some(random(200) as u8),
            device: (random(10) > 0).then(|| random(40) as u8),
            merchant: random(5) as u8,
            amount: Some((random(10_000) as i64, random(4) as u8)),
            latitude: (random(2) == 0).then(|| random(180) as f64 - 90.0),
            filters: random(4) as u32,
        })
        .collect()
}

fn many_questions() -> Plan {
    let mut asked = Vec::new();
    for fields in ENTITIES {
        for window in [Some(60 * MINUTE), Some(DAY), None] {
            asked.push(ask(Function::Count, fields, window));
            asked.push(ask(Function::Sum(field::AMOUNT), fields, window));
            asked.push(ask(Function::Max(field::IP_LAT), fields, window));
            asked.push(ask(Function::Distinct(field::DEVICE), fields, window));
            asked.push(Aggregate { status: Some(Status::Disputed), ..ask(Function::Ratio, fields, window) });
            asked.push(Aggregate { filter: Some(1), ..ask(Function::FirstSeen, fields, window) });
        }
    }
    plan(&asked)
}

#[test]
fn many_threads_give_the_answers_of_one_by_one() {
    let rows = stream(3_000, 3, 60_000_000);
    let payments: Vec<Payment> = rows.iter().enumerate().map(|(i, r)| r.payment(i)).collect();
    let mut ops = Vec::new();
    for (i, payment) in payments.iter().enumerate() {
        ops.push(Op::Observe { payment, filters: rows[i].filters });
        if i % 7 == 3 {
            ops.push(Op::Settle { payment: &payments[i - 3], status: Status::Disputed });
        }
    }
    // Room enough, and so little that entities are evicted and events folded.
    for (entities, events) in [(10_000_000, 4096), (16_384, 8), (20, 3)] {
        let limits = VelocityLimits { entities, events, ..VelocityLimits::default() };
        let plan = many_questions();
        let width = plan.aggregates().len();
        let run = |threads: usize, chunk: usize| {
            let velocity = velocity(&plan, limits);
            let (mut all, mut flags) = (Vec::new(), Vec::new());
            for ops in ops.chunks(chunk) {
                let observed = ops.iter().filter(|op| matches!(op, Op::Observe { .. })).count();
                let (mut activity, mut degraded) =
                    (vec![0.0; observed * width], vec![Degraded::NONE; observed]);
                velocity.observe_all(ops, &mut activity, &mut degraded, threads);
                all.extend(bits(&activity));
                flags.extend(degraded);
            }
            (all, flags)
        };
        let expected = run(1, ops.len());
        for (threads, chunk) in [(2, ops.len()), (3, 100), (2, 1)] {
            let got = run(threads, chunk);
            assert!(got.0 == expected.0, "{threads} threads, {entities} entities: values");
            assert!(got.1 == expected.1, "{threads} threads, {entities} entities: flags");
        }
    }
}

#[test]
fn two_threads_at_once_give_the_answers_of_some_order() {
    // Every payment counts its merchant and its card; in any serial order each count of the merchant
    // is given once, and the card's counts rise with the merchant's.
    let plan =
        plan(&[ask(Function::Count, &[field::MERCHANT], None), ask(Function::Count, &[field::DEVICE], None)]);
    let velocity = velocity(&plan, VelocityLimits::default());
    let row =
        Row { at: NOW, card: None, device: Some(1), merchant: 1, amount: None, latitude: None, filters: 0 };
    let payment = row.payment(0);
    let mut seen: Vec<[f64; 2]> = std::thread::scope(|scope| {
        let work = || {
            (0..2_000)
                .map(|_| {
                    let mut activity = [0.0; 2];
                    velocity.observe(&payment, 0, &mut activity);
                    activity
                })
                .collect::<Vec<_>>()
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    seen.sort_by(|a, b| a[0].total_cmp(&b[0]));
    for (i, activity) in seen.iter().enumerate() {
        assert_eq!(*activity, [i as f64; 2]);
    }
}

fn count_of(velocity: &Velocity, row: &Row) -> (f64, Degraded) {
    let mut activity = [0.0];
    let degraded = velocity.peek(&row.payment(0), 0, &mut activity);
    (activity[0], degraded)
}

fn card(n: u8, at: i64) -> Row {
    Row { at, card: Some(n), device: None, merchant: 0, amount: Some((100, 0)), latitude: None, filters: 0 }
}

#[test]
fn an_evicted_entity_is_absent_and_not_zero() {
    let plan = plan(&[ask(Function::Count, &[field::CARD], Some(60 * MINUTE))]);
    let velocity = velocity(&plan, VelocityLimits { entities: 4, ..VelocityLimits::default() });
    let pay = |row: &Row| velocity.observe(&row.payment(0), 0, &mut [0.0]);
    for n in 0..4 {
        pay(&card(n, NOW));
    }
    // At the limit everybody is known, and who is not is new.
    assert_eq!(velocity.entities(), 4);
    (0..4).for_each(|n| assert_eq!(count_of(&velocity, &card(n, NOW)), (1.0, Degraded::NONE)));
    assert_eq!(count_of(&velocity, &card(9, NOW)), (0.0, Degraded::NONE));
    // One past it one is forgotten, and nobody can tell it from one who never came.
    pay(&card(4, NOW));
    assert_eq!(velocity.entities(), 4);
    let known = (0..4).filter(|n| count_of(&velocity, &card(*n, NOW)).0 == 1.0).count();
    assert_eq!(known, 3);
    let (value, why) = count_of(&velocity, &card(9, NOW));
    assert!(value.is_nan() && why == Degraded::EVICTED);
    // The window that begins after its last event is known again.
    assert_eq!(count_of(&velocity, &card(9, NOW + 60 * MINUTE + 1)), (0.0, Degraded::NONE));
}

#[test]
fn before_it_began_to_watch_nothing_is_known() {
    let plan = plan(&[ask(Function::Count, &[field::CARD], Some(60 * MINUTE))]);
    let since = Timestamp::from_micros(NOW);
    let velocity = velocity(&plan, VelocityLimits { known_since: since, ..VelocityLimits::default() });
    let (value, why) = count_of(&velocity, &card(1, NOW + 60 * MINUTE - 1));
    assert!(value.is_nan() && why == Degraded::WARMING);
    assert_eq!(count_of(&velocity, &card(1, NOW + 60 * MINUTE)), (0.0, Degraded::NONE));
}

#[test]
fn past_the_limit_of_events_the_error_is_within_its_bound() {
    let sum = ask(Function::Sum(field::AMOUNT), &[field::CARD], Some(DAY));
    let plan = plan(&[
        ask(Function::Count, &[field::CARD], Some(DAY)),
        sum,
        ask(Function::Count, &[field::CARD], Some(5 * MINUTE)),
    ]);
    let events = 100;
    let velocity = velocity(&plan, VelocityLimits { events, ..VelocityLimits::default() });
    let mut oracle = Oracle::default();
    for i in 0..5_000usize {
        let row = card(1, NOW + i as i64 * MINUTE);
        let mut activity = [0.0; 3];
        let why = velocity.observe(&row.payment(i), 0, &mut activity);
        // Whoever reaches no further than what is kept one by one is exact.
        assert_eq!(activity[2], oracle.value(&plan.aggregates()[2], &row));
        let exact = oracle.value(&plan.aggregates()[0], &row);
        if i <= events {
            assert_eq!((activity[0], activity[1], why), (exact, exact, Degraded::NONE), "{i}");
        } else {
            let folded = (i - events) as f64;
            assert_eq!(why, Degraded::SATURATED);
            assert!(
                activity[0] >= exact && activity[0] - exact <= folded / 32.0,
                "{i}: {} for {exact}",
                activity[0]
            );
            assert_eq!(activity[1], activity[0]);
        }
        oracle.past.push((row, 0));
    }
}

#[test]
fn wild_times_leave_other_windows_as_they_were() {
    let plan = many_questions();
    // Few shards, so that each has seen enough payments to know what time it is.
    let velocity = velocity(&plan, VelocityLimits { entities: 16_384, ..VelocityLimits::default() });
    let rows = stream(2_000, 5, 1_000_000);
    for (i, row) in rows.iter().enumerate() {
        velocity.observe(&row.payment(i), row.filters, &mut vec![0.0; plan.aggregates().len()]);
    }
    let ask_all = || -> Vec<u64> {
        let mut activity = vec![0.0; plan.aggregates().len()];
        let questions = (0..200).map(|n| Row { merchant: n % 5, ..card(n, NOW + 2_000_000_000) });
        questions
            .flat_map(|row| {
                velocity.peek(&row.payment(0), 0, &mut activity);
                bits(&activity)
            })
            .collect()
    };
    let before = ask_all();
    let mut flags = Degraded::NONE;
    for i in 0..100_000i64 {
        // A card that nobody asked for, at a merchant of its own, in 2262.
        let wild = Row { merchant: 77, device: Some(250), ..card(250, 9_214_646_400_000_000 + i) };
        flags |= velocity.observe(&wild.payment(i as usize), 0, &mut vec![0.0; plan.aggregates().len()]);
    }
    assert!(flags.contains(Degraded::WILD_TIME));
    assert!(before == ask_all());
}
