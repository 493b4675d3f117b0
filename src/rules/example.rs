//! What is a rule's proof? Payments, with the velocity values it reads, for which it fires or stays quiet.

use std::ops::Range;

use toml::{Spanned, Table, Value as Toml};

use crate::error::nearest;
use crate::expr::ir::Num;
use crate::expr::{Facts, Number, Scope};
use crate::money::{Currency, Money};
use crate::payment::Payment;
use crate::risk::{Answer, Risk};
use crate::rules::Rule;
use crate::schema::{Country, FieldId, Kind, Schema, Value, field};
use crate::time::{Span, Timestamp};

/// What an example says of required fields that it leaves out.
const DEFAULT_AT: &str = "2026-01-05T12:00:00Z";
const DEFAULT_AMOUNT: &str = "50.00";
const DEFAULT_CURRENCY: &str = "USD";

/// A payment for which a rule must fire, or must not.
///
/// ```
/// let pipeline = tollgate::Pipeline::shipped()?;
/// let fires = |rule: &tollgate::Rule| rule.examples.iter().any(|example| example.fires);
/// assert!(pipeline.rules().iter().all(fires));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Example {
    /// Whether the rule must fire.
    pub fires: bool,
    payment: Payment,
    /// Values of the aggregates that the example gives; the others are absent.
    values: Vec<(usize, f64)>,
    /// What the models say; absent unless the example gives it.
    risk: Risk,
}

/// An example as written.
pub(crate) struct Draft {
    fires: bool,
    table: Table,
    span: Range<usize>,
}

/// What is wrong with an example.
pub(crate) struct Complaint {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    /// What was found, or what would do.
    pub(crate) label: String,
    /// Whether the example is well formed and does not hold.
    pub(crate) fails: bool,
}

pub(crate) fn read(entries: Vec<Spanned<Table>>, fires: bool) -> impl Iterator<Item = Draft> {
    entries.into_iter().map(move |entry| Draft { fires, span: entry.span(), table: entry.into_inner() })
}

/// Turns the draft into a payment and runs it.
pub(crate) fn compile(draft: Draft, rule: &Rule, scope: &mut Scope) -> Result<Example, Complaint> {
    let Draft { fires, table, span } = draft;
    let complain =
        |message: String, label: String| Complaint { span: span.clone(), message, label, fails: false };
    let schema = scope.schema().clone();
    let mut payment = Payment::new(&schema);
    let (mut values, mut risk) = (Vec::new(), Risk::NONE);
    let currency = match table.get("currency").and_then(Toml::as_str) {
        Some(code) => Some(
            Currency::parse(code)
                .ok_or_else(|| complain(format!("`{code}` is not an ISO 4217 currency"), String::new()))?,
        ),
        None => None,
    };
    for (key, value) in &table {
        if key == "currency" {
            continue;
        }
        if key == "items" {
            items(&mut payment, &schema, value).map_err(|m| complain(m, String::new()))?;
        } else if let Some(id) = schema.find(key) {
            set(&mut payment, &schema, id, value, currency)
                .map_err(|m| complain(format!("`{key}`: {m}"), String::new()))?;
        } else if let Some(answer) = Answer::named(key) {
            let value = plain_number(value).ok_or_else(|| {
                let message = format!("the value of `{key}` is not a number");
                complain(message, "leave the key out to make it absent".to_owned())
            })?;
            *risk.answer_mut(answer) = value;
        } else if key.contains('(') || key.contains(':') {
            values.push(aggregate(key, value, rule, scope).map_err(|(m, l)| complain(m, l))?);
        } else {
            let names = schema.fields().map(|(_, f)| f.name.as_str());
            let near = nearest(key, names.chain(Answer::NAMES.map(|(name, _)| name)));
            let label = match near {
                _ if key == Answer::LEVEL => "give the `score` it follows from".to_owned(),
                near => near.map_or(String::new(), |n| format!("did you mean `{n}`?")),
            };
            return Err(complain(format!("no field is called `{key}`"), label));
        }
    }
    defaults(
        &mut payment,
        &schema,
        currency.unwrap_or(Currency::parse(DEFAULT_CURRENCY).expect("USD is a currency")),
    );
    let example = Example { fires, payment, values, risk };
    let holds = example.run(rule, scope.plan().aggregates().len());
    if (holds == Some(true)) == fires {
        return Ok(example);
    }
    let found = match holds {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown: something it compares is absent",
    };
    let message =
        format!("rule `{}` must {} for this example", rule.id, if fires { "fire" } else { "stay quiet" });
    Err(Complaint { fails: true, ..complain(message, format!("the condition is {found}")) })
}

impl Example {
    /// What the rule's condition says of the example; `aggregates` is the size of the plan.
    pub(crate) fn run(&self, rule: &Rule, aggregates: usize) -> Option<bool> {
        let mut activity = vec![f64::NAN; aggregates];
        for &(i, value) in &self.values {
            activity[i] = value;
        }
        rule.when.holds(Facts { risk: &self.risk, ..Facts::new(&self.payment, &activity) })
    }
}

fn aggregate(
    key: &str,
    value: &Toml,
    rule: &Rule,
    scope: &mut Scope,
) -> Result<(usize, f64), (String, String)> {
    let number = Number::compile(key, scope)
        .map_err(|errors| (format!("`{key}`: {}", errors[0].message), errors[0].label.clone()))?;
    let index = match number.root() {
        Num::Aggregate(i) => Some(*i),
        _ => None,
    };
    let index = index.filter(|i| rule.when.inputs().aggregates.contains(i)).ok_or_else(|| {
        (format!("the rule does not read `{key}`"), "write the call as it stands in `when`".to_owned())
    })?;
    let value = match value {
        Toml::String(text) => {
            Span::parse(text).map(Span::secs).or_else(|| Timestamp::parse(text).map(|at| at.micros() as f64))
        }
        other => plain_number(other),
    };
    let value = value.ok_or_else(|| {
        (format!("the value of `{key}` is not a number"), "leave the key out to make it absent".to_owned())
    })?;
    Ok((index, value))
}

fn plain_number(value: &Toml) -> Option<f64> {
    match value {
        Toml::Integer(n) => Some(*n as f64),
        Toml::Float(n) if n.is_finite() => Some(*n),
        _ => None,
    }
}

fn defaults(payment: &mut Payment, schema: &Schema, currency: Currency) {
    let at = Timestamp::parse(DEFAULT_AT).expect("a valid instant");
    // Yen have no decimals: the amount's text must fit every currency.
    let text = if currency.exponent() == 0 { "50" } else { DEFAULT_AMOUNT };
    let money = Money::parse(text, currency).expect("a valid amount");
    for (id, value) in [
        (field::ID, Value::Token("example")),
        (field::AT, Value::Timestamp(at)),
        (field::AMOUNT, Value::Money(money)),
    ] {
        if !payment.has(id) {
            payment.set(schema, id, value).expect("a standard field of this kind");
        }
    }
}

fn set(
    payment: &mut Payment,
    schema: &Schema,
    id: FieldId,
    value: &Toml,
    currency: Option<Currency>,
) -> Result<(), String> {
    let kind = schema.field(id).kind;
    let text = match value {
        Toml::String(text) => text.clone(),
        Toml::Integer(n) => n.to_string(),
        Toml::Float(n) => n.to_string(),
        Toml::Boolean(b) => b.to_string(),
        Toml::Datetime(at) => at.to_string(),
        Toml::Array(_) | Toml::Table(_) => {
            return Err(format!("the field holds {kind}, not an array or a table"));
        }
    };
    let wrong = || format!("not {} {kind}", if kind == Kind::Ip { "an" } else { "a" });
    let value = match kind {
        Kind::Number => Value::Number(text.parse().map_err(|_| wrong())?),
        Kind::Bool => Value::Bool(text.parse().map_err(|_| wrong())?),
        Kind::Text => Value::Text(&text),
        Kind::Token => Value::Token(&text),
        Kind::Country => Value::Country(Country::parse(&text).ok_or_else(wrong)?),
        Kind::Ip => Value::Ip(text.parse().map_err(|_| wrong())?),
        Kind::Timestamp => Value::Timestamp(Timestamp::parse(&text).ok_or_else(wrong)?),
        Kind::Money => {
            let (amount, code) = text.rsplit_once(' ').unwrap_or((&text, ""));
            let currency = Currency::parse(code)
                .or(currency)
                .ok_or_else(|| "an amount is written with its currency, such as \"12.34 USD\"".to_owned())?;
            Value::Money(Money::parse(amount, currency).map_err(|e| e.to_string())?)
        }
    };
    payment.set(schema, id, value).map_err(|e| e.to_string())
}

fn items(payment: &mut Payment, schema: &Schema, value: &Toml) -> Result<(), String> {
    let wrong = || "`items` is an array of tables with sku, category, quantity and price".to_owned();
    for item in value.as_array().ok_or_else(wrong)? {
        let item = item.as_table().ok_or_else(wrong)?;
        if item.keys().any(|k| !["sku", "category", "quantity", "price"].contains(&k.as_str())) {
            return Err(wrong());
        }
        let text = |key: &str| item.get(key).and_then(Toml::as_str);
        let number = |key: &str| match item.get(key) {
            Some(Toml::Integer(n)) => Some(*n as f64),
            Some(Toml::Float(n)) => Some(*n),
            _ => None,
        };
        payment
            .push_item(schema, text("sku"), text("category"), number("quantity"), number("price"))
            .map_err(|e| e.to_string())?;
    }
    Ok(())
}
