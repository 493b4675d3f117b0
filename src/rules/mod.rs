//! What is a rule? A condition, an effect, a reason and its own proof.

pub(crate) mod brake;
pub(crate) mod example;
pub(crate) mod file;
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod group;
pub(crate) mod index;
pub(crate) mod overrun;
pub(crate) mod shipped;
pub(crate) mod text;
pub(crate) mod trips;

use crate::expr::Test;
use crate::payment::Payment;
use crate::schema::field;
use crate::stage::Effect;

pub use brake::{BRAKE_PAYMENTS_MIN, Brake};
pub use example::Example;
pub use file::RULE_FILE_BYTES_MAX;
pub use index::{RuleColumns, RuleIndex};
pub use trips::{BrakeChange, Trip};

/// The ids a rule is for: it is asked only for payments of one of these gateways, channels or
/// institutions, by the stage of that name.
///
/// ```
/// use tollgate::{Payment, RuleScope, Schema, Value, field};
/// let schema = Schema::standard();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::CHANNEL, Value::Text("Card")).unwrap();
/// assert!(RuleScope::Channel(vec!["card".into()]).holds(&payment));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleScope {
    /// Payments accepted by one of these gateways.
    Gateway(Vec<String>),
    /// Payments by one of these channels.
    Channel(Vec<String>),
    /// Payments whose money one of these institutions moves.
    Institution(Vec<String>),
}

impl RuleScope {
    /// Whether a payment is within it.
    pub fn holds(&self, payment: &Payment) -> bool {
        let (id, ids) = match self {
            RuleScope::Gateway(ids) => (field::GATEWAY, ids),
            RuleScope::Channel(ids) => (field::CHANNEL, ids),
            RuleScope::Institution(ids) => (field::INSTITUTION, ids),
        };
        payment.text(id).is_some_and(|own| ids.iter().any(|i| i.eq_ignore_ascii_case(own)))
    }
}

/// One rule of a pipeline.
///
/// ```
/// let pipeline = tollgate::Pipeline::shipped()?;
/// let rule = &pipeline.rules()[0];
/// assert!(rule.line > 0 && !rule.id.is_empty() && !rule.source.is_empty());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique in its pipeline.
    pub id: String,
    /// The file it was read from.
    pub path: String,
    /// The line of its id there.
    pub line: usize,
    /// The condition, as written.
    pub source: String,
    /// The condition, compiled.
    pub when: Test,
    /// What it asks for.
    pub effect: Effect,
    /// The machine code the merchant may see.
    pub reason: String,
    /// What people read; may be empty.
    pub text: String,
    /// Recorded without effect.
    pub shadow: bool,
    /// Past it the rule is demoted to shadow while it is served; `None` for never.
    pub brake: Option<Brake>,
    /// Whom it is for; `None` for everybody.
    pub scope: Option<RuleScope>,
    /// Its proof.
    pub examples: Vec<Example>,
}
