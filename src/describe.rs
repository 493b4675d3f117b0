//! A decision in words: what people and machines outside read.

use std::fmt;

use serde::Serialize;

use crate::attribution::{Attribution, ModelReason};
use crate::decision::Decision;
use crate::expr::Facts;
use crate::matched::{self, Matched, Seen};
use crate::payment::Payment;
use crate::pipeline::Pipeline;

/// A decision with its rules, reasons and the values they read, as text.
///
/// ```
/// use tollgate::{Engine, Payment, Pipeline, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let schema = engine.pipeline().schema().clone();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
/// let decision = engine.score(&payment);
/// let words = engine.describe(&payment, &decision).unwrap();
/// assert_eq!((words.id.as_str(), words.outcome), ("p1", decision.outcome.name()));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Description {
    /// The payment's id.
    pub id: String,
    /// The outcome's name.
    pub outcome: &'static str,
    /// 0 to 1000.
    pub score: u16,
    /// The champion's probability of fraud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How strange the anomaly model finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<f64>,
    /// The model's inputs that raised the score, largest share first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<ModelReason>,
    /// What the challenger would have made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenger: Option<ChallengerAnswer>,
    /// Rules with effect that matched, the deciding one first.
    pub reasons: Vec<Reason>,
    /// Rules in shadow that matched, and rules that were braked.
    pub shadow: Vec<Reason>,
    /// What had to be done without.
    pub degraded: Vec<&'static str>,
    /// Digest of the pipeline.
    pub pipeline: String,
}

/// What the challenger would have made of a payment.
///
/// ```
/// use tollgate::ChallengerAnswer;
/// let answer = ChallengerAnswer { outcome: "review", score: 600, probability: 0.02 };
/// assert!(answer.score <= tollgate::SCORE_MAX);
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct ChallengerAnswer {
    /// The outcome's name.
    pub outcome: &'static str,
    /// 0 to 1000.
    pub score: u16,
    /// Its probability of fraud.
    pub probability: f64,
}

/// A rule that matched, and why.
///
/// ```
/// use tollgate::Reason;
/// let values = vec![("count(card, 1h)".to_owned(), None)]; // absent
/// let reason = Reason { rule: "r".into(), code: "FAST".into(), text: String::new(), effect: "review".into(), values };
/// assert!(reason.values[0].1.is_none());
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Reason {
    /// The rule's id.
    pub rule: String,
    /// Its machine code.
    pub code: String,
    /// Its words for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What it asked for.
    pub effect: String,
    /// What it read: name and value, in the order of the rule's inputs.
    #[serde(serialize_with = "as_map")]
    pub values: Vec<(String, Option<String>)>,
}

/// Pairs as a JSON object, in their order.
fn as_map<V: Serialize, S: serde::Serializer>(
    pairs: &[(String, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

impl Description {
    /// `None` when the decision is another pipeline's.
    pub(crate) fn new(pipeline: &Pipeline, payment: &Payment, decision: &Decision) -> Option<Description> {
        if decision.digest != pipeline.digest() {
            return None;
        }
        let mut rules = Vec::new();
        matched::rank(pipeline, decision, &mut rules);
        let of = |&rule: &usize| Matched { pipeline, payment, decision, rule };
        let reasons = |shadow: bool| {
            rules.iter().map(of).filter(|matched| matched.in_shadow() == shadow).map(Reason::of).collect()
        };
        Some(Description {
            id: payment.id().to_owned(),
            outcome: decision.outcome.name(),
            score: decision.score,
            probability: decision.probability,
            anomaly: decision.anomaly,
            model: ModelReason::of(pipeline, decision),
            challenger: decision.challenged.map(|c| ChallengerAnswer {
                outcome: c.outcome.name(),
                score: c.score,
                probability: c.probability,
            }),
            reasons: reasons(false),
            shadow: reasons(true),
            degraded: decision.degraded.names().collect(),
            pipeline: decision.digest.to_string(),
        })
    }
}

impl Reason {
    fn of(matched: Matched<'_>) -> Reason {
        let entry = matched.entry();
        let values = matched.values().map(|(name, value)| (name.to_owned(), value.map(|v| v.to_string())));
        Reason {
            rule: entry.id.clone(),
            code: entry.reason.clone(),
            text: entry.text.clone(),
            effect: entry.effect.clone(),
            values: values.collect(),
        }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (score {}", self.id, self.outcome, self.score)?;
        if let Some(probability) = self.probability {
            write!(f, ", probability {probability:.4}")?;
        }
        if let Some(anomaly) = self.anomaly {
            write!(f, ", anomaly {anomaly:.3}")?;
        }
        f.write_str(")")?;
        for (title, reasons) in [("", &self.reasons), ("shadow: ", &self.shadow)] {
            for reason in reasons {
                write!(f, "\n  {title}{} [{}] {}", reason.code, reason.effect, reason.rule)?;
                if !reason.text.is_empty() {
                    write!(f, ": {}", reason.text)?;
                }
                for (name, value) in &reason.values {
                    write!(f, "\n    {name} = {}", value.as_deref().unwrap_or("(absent)"))?;
                }
            }
        }
        for reason in &self.model {
            let ModelReason { code, expression, share, .. } = reason;
            let value = reason.value.as_deref().unwrap_or("(absent)");
            write!(f, "\n  {code} [model {share:+.3}]\n    {expression} = {value}")?;
        }
        if let Some(other) = &self.challenger {
            let ChallengerAnswer { outcome, score, probability } = other;
            write!(f, "\n  challenger: {outcome} (score {score}, probability {probability:.4})")?;
        }
        if !self.degraded.is_empty() {
            write!(f, "\n  degraded: {}", self.degraded.join(", "))?;
        }
        Ok(())
    }
}

/// The truth of every rule for one payment, and the value of everything they read.
///
/// ```
/// use tollgate::{Engine, Payment, Pipeline, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let schema = engine.pipeline().schema().clone();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
/// let all = engine.explain(&payment);
/// assert_eq!(all.rules.len(), engine.pipeline().rules().len());
/// assert!(all.fields.contains(&("id".into(), "p1".into())));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Explanation {
    /// The decision in words.
    pub decision: Description,
    /// Where the champion's margin comes from; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Attribution>,
    /// Every rule, in order.
    pub rules: Vec<Truth>,
    /// Every field that has a value.
    #[serde(serialize_with = "as_map")]
    pub fields: Vec<(String, String)>,
    /// Every velocity value; `None` for absent.
    #[serde(serialize_with = "as_map")]
    pub velocity: Vec<(String, Option<String>)>,
}

/// What one rule's condition came to.
///
/// ```
/// use tollgate::{Engine, Payment, Pipeline, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let schema = engine.pipeline().schema().clone();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
/// let all = engine.explain(&payment);
/// assert!(all.rules.iter().any(|truth| truth.holds == None)); // they read what the payment has not
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Truth {
    /// The rule's id.
    pub rule: String,
    /// Its condition, as written.
    pub when: String,
    /// `None` for unknown.
    pub holds: Option<bool>,
    /// Whether the rule is asked of this payment at all (its scope).
    pub in_scope: bool,
    /// What it asks for.
    pub effect: String,
}

impl Explanation {
    pub(crate) fn new(pipeline: &Pipeline, facts: Facts<'_>, decision: &Decision) -> Explanation {
        let schema = pipeline.schema();
        let risk = pipeline.risk(facts);
        let facts = Facts { risk: &risk, ..facts };
        let rules = pipeline.rules().iter().map(|rule| Truth {
            rule: rule.id.clone(),
            when: rule.source.clone(),
            holds: rule.when.holds(facts),
            in_scope: rule.scope.as_ref().is_none_or(|s| s.holds(facts.payment)),
            effect: rule.effect.to_string(),
        });
        let fields = schema
            .fields()
            .filter_map(|(id, field)| Some((field.name.clone(), facts.payment.get(schema, id)?.to_string())));
        let velocity = facts.activity.iter().enumerate().map(|(i, v)| {
            (pipeline.aggregate_name(i).to_owned(), Seen::aggregate(pipeline, i, *v).map(|v| v.to_string()))
        });
        Explanation {
            decision: Description::new(pipeline, facts.payment, decision)
                .expect("this pipeline's own decision"),
            model: Attribution::of(pipeline, facts),
            rules: rules.collect(),
            fields: fields.collect(),
            velocity: velocity.collect(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.decision)?;
        if let Some(model) = &self.model {
            writeln!(f, "\n{model}")?;
        }
        writeln!(f, "\nrules")?;
        for rule in &self.rules {
            let truth = match (rule.in_scope, rule.holds) {
                (false, _) => "not asked",
                (true, Some(true)) => "TRUE",
                (true, Some(false)) => "false",
                (true, None) => "unknown",
            };
            writeln!(f, "  {truth:9} {} [{}]\n            {}", rule.rule, rule.effect, rule.when)?;
        }
        writeln!(f, "\nvelocity")?;
        for (name, value) in &self.velocity {
            writeln!(f, "  {name} = {}", value.as_deref().unwrap_or("(absent)"))?;
        }
        write!(f, "\nfields")?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, "\n  {name} = {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Degraded;
    use crate::schema::{Value, field};

    fn json(list: &impl Serialize) -> String {
        serde_json::to_string(list).unwrap()
    }

    #[test]
    fn reasons_are_written_alike_with_and_without_a_copy() {
        let pipeline = Pipeline::shipped().unwrap();
        let mut payment = Payment::new(pipeline.schema());
        for (id, value) in [(field::ID, Value::Token("p\"1")), (field::IP_PROXY, Value::Bool(true))] {
            payment.set(pipeline.schema(), id, value).unwrap();
        }
        // What is counted is absent, a whole number or one with decimals.
        for activity in [f64::NAN, 7.0, 1.0 / 3.0] {
            let activity = vec![activity; pipeline.plan().aggregates().len()];
            let decision = pipeline.decide(Facts::new(&payment, &activity), Degraded::NONE);
            let words = Description::new(&pipeline, &payment, &decision).unwrap();
            let mut rules = Vec::new();
            matched::rank(&pipeline, &decision, &mut rules);
            let of =
                |&rule: &usize| Matched { pipeline: &pipeline, payment: &payment, decision: &decision, rule };
            let (shadow, reasons): (Vec<_>, Vec<_>) = rules.iter().map(of).partition(Matched::in_shadow);
            assert!(!reasons.is_empty());
            assert_eq!(json(&reasons), json(&words.reasons));
            assert_eq!(json(&shadow), json(&words.shadow));
        }
    }
}
