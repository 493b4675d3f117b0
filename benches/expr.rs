//! What an expression costs to read and check, and what one condition costs a payment: one by one,
//! as a column, and as a walk over JSON by name, which is what an interpreter without slots does.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value as Json, json};
use tollgate::{
    Columns, Country, Currency, Facts, Money, Number, Payment, Rates, Schema, Scope, Test, Value, field,
};

const SMALL: &str = "amount > 100";
const BURST: &str =
    r#"channel == "card" and amount < 5 and count(card, 10m) >= 6 and distinct(merchant, card, 10m) >= 4"#;
const WIDE: &str = r#"card_country != ip_country and (amount > 300 or is_guest) and not (channel in ["wallet", "transfer", "cash"]) and count(card, 1h) > 2"#;

fn scope() -> Scope {
    let usd = Currency::parse("USD").unwrap();
    Scope::new(Arc::new(Schema::standard()), Arc::default(), Arc::new(Rates::only(usd)))
}

fn compile(c: &mut Criterion) {
    let bins: Vec<String> = (0..1_000).map(|i| format!("\"{}\"", 400_000 + 7 * i)).collect();
    let large = (0..50).map(|_| format!("({WIDE})")).collect::<Vec<_>>().join(" or ");
    let list = format!("bin in [{}]", bins.join(", "));
    let mut group = c.benchmark_group("expr/compile");
    for (name, text) in
        [("small", SMALL), ("a rule", BURST), ("50 rules in one", &large), ("1000 literals", &list)]
    {
        let mut scope = scope();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| Test::compile(black_box(text), &mut scope).unwrap()));
    }
    group.finish();
}

/// Varied payments, a third of whose fields are absent, and their past.
fn payments(schema: &Schema) -> (Vec<Payment>, Vec<f64>) {
    let usd = Currency::parse("USD").unwrap();
    let mut state = 1u64;
    let mut draw = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % n
    };
    let mut activity = Vec::new();
    let payments = (0..1_000).map(|_| {
        let mut p = Payment::new(schema);
        let mut set = |id, value| p.set(schema, id, value).unwrap();
        set(field::AMOUNT, Value::Money(Money::from_minor(draw(60_000) as i64, usd).unwrap()));
        set(field::CHANNEL, Value::Text(["card", "wallet", "alipay"][draw(3) as usize]));
        let mut country = || Country::parse(["DE", "US", "CN", "NG"][draw(4) as usize]).unwrap();
        let (card, ip) = (country(), country());
        set(field::CARD_COUNTRY, Value::Country(card));
        if draw(3) > 0 {
            set(field::IP_COUNTRY, Value::Country(ip));
            set(field::IS_GUEST, Value::Bool(draw(2) == 0));
        }
        activity.extend([
            draw(10) as f64,
            draw(6) as f64,
            if draw(3) == 0 { f64::NAN } else { draw(5) as f64 },
        ]);
        p
    });
    (payments.collect(), activity)
}

/// The same payments as JSON objects, and [`WIDE`] and [`BURST`] as trees over their keys.
fn as_json(schema: &Schema, payments: &[Payment], activity: &[f64]) -> Vec<Json> {
    let show = |(i, p): (usize, &Payment)| {
        let mut object = serde_json::Map::new();
        for (id, f) in schema.fields() {
            let value = match p.get(schema, id) {
                None => continue,
                Some(Value::Money(m)) => json!(m.major()),
                Some(Value::Bool(b)) => json!(b),
                Some(other) => json!(other.to_string()),
            };
            object.insert(f.name.clone(), value);
        }
        for (j, name) in ["count(card, 10m)", "distinct", "count(card, 1h)"].iter().enumerate() {
            object.insert((*name).to_owned(), json!(activity[i * 3 + j]));
        }
        Json::Object(object)
    };
    payments.iter().enumerate().map(show).collect()
}

fn walk(tree: &Json, row: &Json) -> Option<bool> {
    let parts = tree.as_array()?;
    let (op, rest) = parts.split_first()?;
    let value = |e: &Json| e["var"].as_str().map_or(Some(e.clone()), |name| row.get(name).cloned());
    match op.as_str()? {
        "and" => rest.iter().try_fold(true, |all, e| Some(all && walk(e, row)?)),
        "or" => rest.iter().try_fold(false, |any, e| Some(any || walk(e, row)?)),
        "not" => walk(&rest[0], row).map(|t| !t),
        "is" => value(&rest[0])?.as_bool(),
        "in" => Some(rest[1].as_array()?.contains(&value(&rest[0])?)),
        "==" => Some(value(&rest[0])? == value(&rest[1])?),
        "!=" => Some(value(&rest[0])? != value(&rest[1])?),
        sign => {
            let (a, b) = (value(&rest[0])?.as_f64()?, value(&rest[1])?.as_f64()?);
            Some(match sign {
                "<" => a < b,
                ">" => a > b,
                _ => a >= b,
            })
        }
    }
}

fn run(c: &mut Criterion) {
    let mut scope = scope();
    // In the order of a row's activity.
    for text in ["count(card, 10m)", "distinct(merchant, card, 10m)", "count(card, 1h)"] {
        Number::compile(text, &mut scope).unwrap();
    }
    let schema = scope.schema().clone();
    let (payments, activity) = payments(&schema);
    let rows = as_json(&schema, &payments, &activity);
    let var = |name: &str| json!({ "var": name });
    let burst = json!([
        "and",
        ["==", var("channel"), "card"],
        ["<", var("amount"), 5],
        [">=", var("count(card, 10m)"), 6],
        [">=", var("distinct"), 4]
    ]);
    let wide = json!([
        "and",
        ["!=", var("card_country"), var("ip_country")],
        ["or", [">", var("amount"), 300], ["is", var("is_guest")]],
        ["not", ["in", var("channel"), ["wallet", "transfer", "cash"]]],
        [">", var("count(card, 1h)"), 2]
    ]);
    for (name, text, tree) in [("burst", BURST, &burst), ("wide", WIDE, &wide)] {
        let test = Test::compile(text, &mut scope).unwrap();
        let mut group = c.benchmark_group(format!("expr/run {name}, 1000 payments"));
        group.throughput(Throughput::Elements(payments.len() as u64));
        group.bench_function("one by one", |b| {
            b.iter(|| {
                let rows = payments.iter().zip(activity.chunks_exact(3));
                let hits = rows
                    .filter(|(payment, activity)| test.holds(Facts::new(payment, activity)) == Some(true));
                hits.count()
            });
        });
        let mut out = Vec::new();
        group.bench_function("columns, made first", |b| {
            b.iter(|| {
                let mut columns = Columns::new(&schema, black_box(&payments), &activity, 3);
                test.holds_all(&mut columns, &mut out);
                out.len()
            });
        });
        let mut columns = Columns::new(&schema, &payments, &activity, 3);
        group.bench_function("columns at hand", |b| {
            b.iter(|| {
                test.holds_all(black_box(&mut columns), &mut out);
                out.len()
            });
        });
        group.bench_function("a walk over JSON by name", |b| {
            b.iter(|| rows.iter().filter(|row| walk(tree, row) == Some(true)).count());
        });
        group.finish();
    }
}

criterion_group!(benches, compile, run);
criterion_main!(benches);
