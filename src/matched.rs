//! The rules of a decision as they are told of, read where they stand: nothing is copied.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::decision::Decision;
use crate::payment::Payment;
use crate::pipeline::{Entry, Pipeline};
use crate::schema::Value;
use crate::time::Timestamp;
use crate::velocity::Function;

/// Orders the rules that matched: the deciding one first, then those that asked for the same. Nothing when
/// the decision is another pipeline's.
pub(crate) fn rank(pipeline: &Pipeline, decision: &Decision, rules: &mut Vec<usize>) {
    rules.clear();
    if decision.digest != pipeline.digest() {
        return;
    }
    let entries = pipeline.entries();
    rules.extend(decision.matched.iter().filter(|rule| *rule < entries.len()));
    let deciding = decision.deciding.map(usize::from);
    rules.sort_by_key(|&rule| match deciding {
        Some(d) if d == rule => 0,
        // Rules that asked for the same stand with the one that decided.
        Some(d) if entries[d].effect == entries[rule].effect => 1,
        _ => 2,
    });
}

/// A rule that matched, and what it read. It is written as a [`Reason`](crate::Reason) is.
#[derive(Clone, Copy)]
pub(crate) struct Matched<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) payment: &'a Payment,
    pub(crate) decision: &'a Decision,
    /// Its place in the pipeline.
    pub(crate) rule: usize,
}

/// A value that a rule read, as people read it.
#[derive(Clone, Copy)]
pub(crate) enum Seen<'a> {
    Value(Value<'a>),
    Number(f64),
}

impl<'a> Matched<'a> {
    pub(crate) fn entry(&self) -> &'a Entry {
        &self.pipeline.entries()[self.rule]
    }

    /// Whether it had no effect.
    pub(crate) fn in_shadow(&self) -> bool {
        self.pipeline.in_shadow(self.decision, self.rule)
    }

    /// What it read: name and value, in the order of the rule's inputs; `None` for absent.
    pub(crate) fn values(self) -> impl Iterator<Item = (&'a str, Option<Seen<'a>>)> {
        let schema = self.pipeline.schema();
        let fields =
            self.entry().fields.iter().map(move |&id| {
                (schema.field(id).name.as_str(), self.payment.get(schema, id).map(Seen::Value))
            });
        let aggregates = self.entry().aggregates.iter().map(move |&aggregate| {
            let seen = self.decision.seen.iter().find(|s| usize::from(s.aggregate) == aggregate);
            let value = seen.and_then(|s| Seen::aggregate(self.pipeline, aggregate, s.value));
            (self.pipeline.aggregate_name(aggregate), value)
        });
        fields.chain(aggregates)
    }
}

impl Seen<'_> {
    /// An aggregate's value; `None` when absent.
    pub(crate) fn aggregate(pipeline: &Pipeline, aggregate: usize, value: f64) -> Option<Self> {
        if value.is_nan() {
            return None;
        }
        match pipeline.plan().aggregates().get(aggregate).map(|a| a.function) {
            Some(Function::FirstSeen) => {
                Timestamp::from_micros(value as i64).map(|at| Seen::Value(Value::Timestamp(at)))
            }
            // Averages and deviations have more digits than anybody wants to read.
            _ => Some(Seen::Number((value * 1e6).round() / 1e6)),
        }
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Value(value) => value.fmt(f),
            Seen::Number(number) => number.fmt(f),
        }
    }
}

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Seen::Value(Value::Text(text) | Value::Token(text)) => serializer.serialize_str(text),
            Seen::Value(Value::Bool(truth)) => {
                serializer.serialize_str(if *truth { "true" } else { "false" })
            }
            _ => serializer.collect_str(self),
        }
    }
}

/// Its values as a JSON object.
struct Values<'a>(Matched<'a>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values())
    }
}

impl Serialize for Matched<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { id, reason, text, effect, .. } = self.entry();
        let mut object = serializer.serialize_struct("Reason", 5)?;
        object.serialize_field("rule", id)?;
        object.serialize_field("code", reason)?;
        match text.is_empty() {
            true => object.skip_field("text")?,
            false => object.serialize_field("text", text)?,
        }
        object.serialize_field("effect", effect)?;
        object.serialize_field("values", &Values(*self))?;
        object.end()
    }
}
