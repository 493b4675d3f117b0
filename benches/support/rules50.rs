//! The 50 rules and 1,000 payments that rival engines were measured on, where they are at hand.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use tollgate::{Country, Currency, Kind, Lists, Payment, Rates, Schema, Scope, Test, Value};

/// The rules as abstract syntax and as ours, and the payments as JSON and as ours.
pub struct Rules50 {
    pub asts: Vec<Json>,
    pub tests: Vec<Test>,
    pub json: Vec<Json>,
    pub payments: Vec<Payment>,
}

/// `amount` and `currency` have meanings of their own here, so the file's go by other names.
fn own_name(name: &str) -> &str {
    match name {
        "amount" => "paid",
        "currency" => "paid_in",
        "hour" => "hour_of_day",
        other => other,
    }
}

pub fn load() -> Option<Rules50> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/perf");
    let read = |name: &str| -> Option<Json> {
        serde_json::from_str(&std::fs::read_to_string(dir.join(name)).ok()?).ok()
    };
    let (rules, payments) = (read("rules50.json")?, read("payments.json")?);
    let schema = Arc::new(schema(&rules["attributes"]));
    let rates = Arc::new(Rates::only(Currency::parse("USD").unwrap()));
    let mut scope = Scope::new(schema.clone(), Arc::new(Lists::default()), rates);
    let asts: Vec<Json> = rules["rules"].as_array()?.iter().map(|r| r["ast"].clone()).collect();
    let compile =
        |ast| Test::compile(&text(ast), &mut scope).unwrap_or_else(|e| panic!("{}: {e:?}", text(ast)));
    let tests = asts.iter().map(compile).collect();
    let json = payments.as_array()?.clone();
    let payments = json.iter().map(|p| payment(&schema, p)).collect();
    Some(Rules50 { asts, tests, json, payments })
}

fn schema(attributes: &Json) -> Schema {
    let standard = Schema::standard();
    let mut file = String::new();
    for (group, kind) in [("numbers", "number"), ("strings", "text"), ("booleans", "bool")] {
        for name in attributes[group].as_array().unwrap() {
            let name = own_name(name.as_str().unwrap());
            if standard.find(name).is_none() {
                let kind = if name.ends_with("country") { "country" } else { kind };
                file.push_str(&format!("[[field]]\nname = \"{name}\"\nkind = \"{kind}\"\n"));
            }
        }
    }
    Schema::parse("rules50", &file).unwrap()
}

fn payment(schema: &Schema, json: &Json) -> Payment {
    let mut payment = Payment::new(schema);
    for (name, value) in json.as_object().unwrap() {
        let id = schema.find(own_name(name)).unwrap();
        let value = match (value, schema.field(id).kind) {
            (Json::Number(n), _) => Value::Number(n.as_f64().unwrap()),
            (Json::Bool(b), _) => Value::Bool(*b),
            (Json::String(s), Kind::Country) => Value::Country(Country::parse(s).unwrap()),
            (Json::String(s), _) => Value::Text(s),
            _ => panic!("{value}"),
        };
        payment.set(schema, id, value).unwrap();
    }
    payment
}

/// The abstract syntax in our spelling.
fn text(ast: &Json) -> String {
    match ast {
        Json::String(name) => own_name(name).to_owned(),
        Json::Number(n) => n.to_string(),
        Json::Object(literal) => literal["s"].to_string(),
        Json::Array(parts) => {
            let part = |i: usize| text(&parts[i]);
            let joined = |by: &str| parts[1..].iter().map(text).collect::<Vec<_>>().join(by);
            match parts[0].as_str().unwrap() {
                "cmp" => format!("{} {} {}", text(&parts[2]), parts[1].as_str().unwrap(), text(&parts[3])),
                "and" => format!("({})", joined(" and ")),
                "or" => format!("({})", joined(" or ")),
                "not" => format!("not {}", part(1)),
                "bool" => part(1),
                "in" => format!("{} in {}", part(1), parts[2]),
                "prefix" => format!("{} starts_with {}", part(1), parts[2]),
                op => format!("({})", joined(&format!(" {op} "))),
            }
        }
        other => panic!("{other}"),
    }
}

/// What the abstract syntax comes to for a payment: the dumb way, which is also the oracle.
pub fn holds(ast: &Json, payment: &Json) -> bool {
    let parts = ast.as_array().unwrap();
    match parts[0].as_str().unwrap() {
        "and" => parts[1..].iter().all(|p| holds(p, payment)),
        "or" => parts[1..].iter().any(|p| holds(p, payment)),
        "not" => !holds(&parts[1], payment),
        "bool" => payment[parts[1].as_str().unwrap()].as_bool().unwrap(),
        "in" => parts[2].as_array().unwrap().contains(&payment[parts[1].as_str().unwrap()]),
        "prefix" => {
            payment[parts[1].as_str().unwrap()].as_str().unwrap().starts_with(parts[2].as_str().unwrap())
        }
        "cmp" => {
            let (left, right) = (value(&parts[2], payment), value(&parts[3], payment));
            match (parts[1].as_str().unwrap(), left.as_f64(), right.as_f64()) {
                ("==", None, _) => left == right,
                ("!=", None, _) => left != right,
                ("==", Some(l), Some(r)) => l == r,
                ("!=", Some(l), Some(r)) => l != r,
                ("<", Some(l), Some(r)) => l < r,
                ("<=", Some(l), Some(r)) => l <= r,
                (">", Some(l), Some(r)) => l > r,
                (">=", Some(l), Some(r)) => l >= r,
                _ => panic!("{ast}"),
            }
        }
        _ => panic!("{ast}"),
    }
}

fn value(ast: &Json, payment: &Json) -> Json {
    match ast {
        Json::String(name) => payment[name].clone(),
        Json::Object(literal) => literal["s"].clone(),
        Json::Array(parts) => {
            let number = |i: usize| value(&parts[i], payment).as_f64().unwrap();
            Json::from(match parts[0].as_str().unwrap() {
                "+" => number(1) + number(2),
                "-" => number(1) - number(2),
                "*" => number(1) * number(2),
                "/" => number(1) / number(2),
                op => panic!("{op}"),
            })
        }
        number => number.clone(),
    }
}
