//! Windows against a list of everything: the oracle keeps all payments in order of arrival and
//! answers each question by its definition.

use std::sync::Arc;

use proptest::prelude::*;
use tollgate::*;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// 2026-11-24T00:00:00Z.
const NOW: i64 = 1_795_478_400_000_000;

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

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
