//! Bodies for other services: a text with `{{field}}` where a payment's values go.

use std::fmt::Write;

use crate::codec::json_string;
use crate::error::{Diagnostic, Error};
use crate::payment::Payment;
use crate::schema::{FieldId, Schema, Value, field};

/// The amount in minor units, which many services ask for.
const AMOUNT_MINOR: &str = "amount_minor";

/// A text with places.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Field(FieldId, String),
    Minor,
}

impl Template {
    /// Reads a template: `{{name}}` is a field of the schema, `{{name|else}}` says what stands there when it is absent.
    ///
    /// # Errors
    /// Every place that is no field's.
    pub(crate) fn parse(path: &str, text: &str, schema: &Schema) -> Result<Template, Error> {
        let (mut parts, mut wrong, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(open) = text[at..].find("{{").map(|i| at + i) {
            parts.push(Part::Text(text[at..open].to_owned()));
            let Some(close) = text[open..].find("}}").map(|i| open + i) else {
                let mistake =
                    Diagnostic::at(path, text, open..open + 2, "a place is opened and never closed");
                wrong.push(mistake.label("`}}` is missing"));
                at = text.len();
                break;
            };
            let inner = &text[open + 2..close];
            let (name, otherwise) = inner.split_once('|').unwrap_or((inner, ""));
            match (name.trim(), schema.find(name.trim())) {
                (AMOUNT_MINOR, None) => parts.push(Part::Minor),
                (_, Some(id)) => parts.push(Part::Field(id, otherwise.to_owned())),
                (name, None) => {
                    let message = format!("the schema has no field `{name}`");
                    let near =
                        schema.nearest(name).map_or("see `tollgate check --fields`".to_owned(), |near| {
                            format!("did you mean `{near}`?")
                        });
                    wrong.push(Diagnostic::at(path, text, open + 2..close, message).label(near));
                }
            }
            at = close + 2;
        }
        parts.push(Part::Text(text[at..].to_owned()));
        if wrong.is_empty() { Ok(Template { parts }) } else { Err(wrong.into()) }
    }

    /// Writes it with the values of a payment, texts escaped as within quotes of JSON.
    pub(super) fn write(&self, schema: &Schema, payment: &Payment, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Minor => {
                    let minor = payment.money(field::AMOUNT).map_or(0, |money| money.minor);
                    out.extend_from_slice(itoa::Buffer::new().format(minor).as_bytes());
                }
                Part::Field(id, otherwise) => match payment.get(schema, *id) {
                    None => out.extend_from_slice(otherwise.as_bytes()),
                    Some(value) => place(value, out),
                },
            }
        }
    }
}

fn place(value: Value<'_>, out: &mut Vec<u8>) {
    let mut text = String::new();
    // Writing into a String can't go wrong.
    let _ = match value {
        Value::Text(t) | Value::Token(t) => {
            let mut quoted = Vec::new();
            json_string(&mut quoted, t);
            out.extend_from_slice(&quoted[1..quoted.len() - 1]);
            return;
        }
        Value::Money(money) => {
            let shown = money.to_string();
            write!(text, "{}", shown.split(' ').next().unwrap_or_default())
        }
        Value::Number(number) => write!(text, "{number}"),
        Value::Bool(truth) => write!(text, "{truth}"),
        Value::Country(country) => write!(text, "{}", country.code()),
        Value::Timestamp(at) => write!(text, "{at}"),
        Value::Ip(ip) => write!(text, "{ip}"),
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Currency, Money};

    fn written(text: &str) -> String {
        let schema = Schema::standard();
        let mut payment = Payment::new(&schema);
        let amount = Money::parse("12.30", Currency::parse("EUR").unwrap()).unwrap();
        payment.set(&schema, field::AMOUNT, Value::Money(amount)).unwrap();
        payment.set(&schema, field::EMAIL, Value::Text("a\"b@example.com")).unwrap();
        let mut out = Vec::new();
        Template::parse("t", text, &schema).unwrap().write(&schema, &payment, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn places_are_filled() {
        for (text, expected) in [
            ("{}", "{}"),
            (r#"{"a":{{amount}},"c":"{{ currency }}"}"#, r#"{"a":12.30,"c":"EUR"}"#),
            ("{{amount_minor}}", "1230"),
            ("{{email}}", r#"a\"b@example.com"#),
            ("[{{account|null}}]", "[null]"),
            ("[{{account}}]", "[]"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn every_wrong_place_is_shown() {
        let wrong = Template::parse("t.json", "{{amuont}} {{nothing-like-it}} {{id", &Schema::standard())
            .unwrap_err();
        assert_eq!(wrong.diagnostics().len(), 3);
        assert!(wrong.to_string().contains("did you mean `amount`?"), "{wrong}");
    }
}
