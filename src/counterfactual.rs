//! What would have had to be different for an approval?
//!
//! Every number that rules or champion read is changed by itself, everything else left as it is, and the
//! payment is decided again: what is told has been tried. Tried are the values at which rules and trees
//! change their mind, and a ladder of others for numbers that they read only within a formula.

use std::fmt;

use serde::Serialize;

use crate::decision::{Degraded, Outcome};
use crate::expr::Facts;
use crate::expr::ir::{Node, Num};
use crate::model::Role;
use crate::money::Money;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::schema::{FieldId, Kind, Value};
use crate::velocity::Function;

/// Most values of one number that are tried: about 10 ms a number.
///
/// ```
/// assert_eq!(tollgate::COUNTERFACTUAL_TRIES_MAX, 2048);
/// ```
pub const COUNTERFACTUAL_TRIES_MAX: usize = 2048;

/// Shares of a number's own value that are tried besides the values that rules and trees name.
const LADDER: [f64; 20] = [
    0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0,
    100.0,
];
/// Whole numbers this near are all tried.
const WHOLE_NEAR: i32 = 32;
/// Halvings between a value that fails and one that does.
const HALVINGS: u32 = 24;

/// The smallest change of one number that would have brought an approval.
///
/// ```
/// use tollgate::Counterfactual;
/// let change = Counterfactual { what: "count(card, 1h)".into(), relation: "<=", needed: 3.0, now: 7.0 };
/// assert_eq!(change.to_string(), "would be approved if `count(card, 1h)` were <= 3 (now 7)");
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Counterfactual {
    /// The field or velocity value, as rules write it.
    pub what: String,
    /// `<=` or `>=` when every value tried beyond does as well, else `==`.
    pub relation: &'static str,
    /// The value it would have had to have.
    pub needed: f64,
    /// The value it has.
    pub now: f64,
}

impl fmt::Display for Counterfactual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counterfactual { what, relation, needed, now } = self;
        write!(f, "would be approved if `{what}` were {relation} {needed} (now {now})")
    }
}

impl Counterfactual {
    /// `None` when the payment is approved as it is, or no change of one number does.
    pub(crate) fn find(pipeline: &Pipeline, facts: Facts<'_>, degraded: Degraded) -> Option<Counterfactual> {
        let trial = Trial { pipeline, facts, degraded };
        if trial.approves(facts.payment, facts.activity) {
            return None;
        }
        let nearer = |a: &Counterfactual, b: &Counterfactual| a.distance().total_cmp(&b.distance());
        trial.leaves().filter_map(|leaf| trial.change(&leaf)).min_by(nearer)
    }

    /// How far the change is, as a share of the number.
    fn distance(&self) -> f64 {
        (self.needed - self.now).abs() / self.now.abs().max(1.0)
    }
}

/// A number that can be changed by itself.
#[derive(Debug, Clone, PartialEq)]
enum Leaf {
    Aggregate(usize),
    Field(FieldId),
}

/// A decision that is made again and again.
struct Trial<'a> {
    pipeline: &'a Pipeline,
    facts: Facts<'a>,
    degraded: Degraded,
}

impl Trial<'_> {
    fn approves(&self, payment: &Payment, activity: &[f64]) -> bool {
        let facts = Facts::new(payment, activity);
        self.pipeline.decide(facts, self.degraded).outcome == Outcome::Approve
    }

    /// Numbers that rules with effect or the champion read.
    fn leaves(&self) -> impl Iterator<Item = Leaf> {
        let rules = self.pipeline.rules().iter().filter(|r| !r.shadow).map(|r| r.when.inputs());
        let champion = self.pipeline.models().of(Role::Champion);
        let inputs = champion.into_iter().flat_map(|c| c.numbers()).map(|n| n.inputs());
        let (mut aggregates, mut fields) = (Vec::new(), 0u128);
        for read in rules.chain(inputs) {
            fields |= read.fields;
            aggregates.extend(read.aggregates);
        }
        aggregates.sort_unstable();
        aggregates.dedup();
        let fields = (0..128u16).filter(move |i| fields >> i & 1 == 1).map(FieldId);
        let fields = fields.filter(|id| self.is_free(*id)).map(Leaf::Field);
        let plan = self.pipeline.plan().aggregates();
        // An instant is no number that anybody would have had smaller.
        let asked = move |i: &usize| plan.get(*i).is_some_and(|a| a.function != Function::FirstSeen);
        aggregates.into_iter().filter(asked).map(Leaf::Aggregate).chain(fields)
    }

    /// Whether a field is a number that no window has taken in already.
    fn is_free(&self, id: FieldId) -> bool {
        let number = matches!(self.pipeline.schema().field(id).kind, Kind::Number | Kind::Money);
        let mut windows = self.pipeline.plan().aggregates().iter().filter(|a| a.including);
        let reads = |function: Function| match function {
            Function::Sum(f)
            | Function::Avg(f)
            | Function::Min(f)
            | Function::Max(f)
            | Function::StdDev(f) => f == id,
            Function::Distinct(f) => f == id,
            Function::Count | Function::FirstSeen | Function::Since | Function::Ratio => false,
        };
        number && !windows.any(|a| a.filter.is_some() || reads(a.function))
    }

    /// The money in a field of that kind.
    fn money(&self, id: FieldId) -> Option<Money> {
        let kind = self.pipeline.schema().field(id).kind;
        if kind == Kind::Money { self.facts.payment.money(id) } else { None }
    }

    fn now(&self, leaf: &Leaf) -> f64 {
        match leaf {
            Leaf::Aggregate(i) => self.facts.activity.get(*i).copied().unwrap_or(f64::NAN),
            Leaf::Field(id) => match self.money(*id) {
                Some(money) => money.major(),
                None if self.facts.payment.has(*id) => self.facts.payment.number(*id),
                None => f64::NAN,
            },
        }
    }

    /// Whether the payment is approved with the number changed.
    fn approves_with(&self, leaf: &Leaf, value: f64) -> bool {
        match leaf {
            Leaf::Aggregate(i) => {
                let mut activity = self.facts.activity.to_vec();
                activity.get_mut(*i).is_some_and(|slot| {
                    *slot = value;
                    true
                }) && self.approves(self.facts.payment, &activity)
            }
            Leaf::Field(id) => {
                let mut payment = self.facts.payment.clone();
                let value = match self.money(*id) {
                    None => Some(Value::Number(value)),
                    Some(money) => Money::from_major(value, money.currency).ok().map(Value::Money),
                };
                value.is_some_and(|v| payment.set(self.pipeline.schema(), *id, v).is_ok())
                    && self.approves(&payment, self.facts.activity)
            }
        }
    }

    /// The nearest value of the number that does.
    fn change(&self, leaf: &Leaf) -> Option<Counterfactual> {
        let now = self.now(leaf);
        if now.is_nan() {
            return None;
        }
        let grid = self.grid(leaf);
        let tries = nearest(self.values(leaf, now, grid), now);
        let found = tries.iter().position(|value| self.approves_with(leaf, *value))?;
        let side = |value: &&f64| (**value > now) == (tries[found] > now);
        let failed = tries[..found].iter().rfind(side).copied().unwrap_or(now);
        let needed = self.refine(leaf, failed, tries[found], grid);
        let beyond = tries[found..].iter().filter(side).all(|value| self.approves_with(leaf, *value));
        let what = match leaf {
            Leaf::Aggregate(i) => self.pipeline.aggregate_name(*i).to_owned(),
            Leaf::Field(id) => self.pipeline.schema().field(*id).name.clone(),
        };
        let relation = match (beyond, needed < now) {
            (true, true) => "<=",
            (true, false) => ">=",
            (false, _) => "==",
        };
        Some(Counterfactual { what, relation, needed, now })
    }

    /// The step in which the number is counted: 1 of counts, a minor unit of money; `None` of others.
    fn grid(&self, leaf: &Leaf) -> Option<f64> {
        match leaf {
            Leaf::Aggregate(i) => match self.pipeline.plan().aggregates().get(*i)?.function {
                Function::Count | Function::Distinct(_) => Some(1.0),
                _ => None,
            },
            Leaf::Field(id) => {
                let exponent = self.money(*id)?.currency.exponent();
                Some(1.0 / 10f64.powi(exponent as i32))
            }
        }
    }

    /// The values that are tried.
    fn values(&self, leaf: &Leaf, now: f64, grid: Option<f64>) -> Vec<f64> {
        let mut marks = Vec::new();
        for rule in self.pipeline.rules() {
            constants(rule.when.root(), leaf, &mut marks);
        }
        if let Some(champion) = self.pipeline.models().of(Role::Champion) {
            let inputs = champion.numbers().iter().zip(&champion.cuts);
            inputs.filter(|(n, _)| is_leaf(n.root(), leaf)).for_each(|(_, cuts)| marks.extend(cuts));
        }
        marks.extend(LADDER.map(|share| share * now));
        if grid == Some(1.0) {
            marks.extend((-WHOLE_NEAR..=WHOLE_NEAR).map(|step| now + f64::from(step)));
        }
        let mut values: Vec<f64> = marks.iter().flat_map(|mark| around(*mark, grid)).collect();
        // What counts or adds up can't fall below nothing.
        values.retain(|v| v.is_finite() && *v != now && (*v >= 0.0 || now < 0.0));
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// Halves the way between a value that fails and one that does; then a rounder value, if one does.
    fn refine(&self, leaf: &Leaf, failed: f64, found: f64, grid: Option<f64>) -> f64 {
        let (mut failed, mut found) = (failed, found);
        for _ in 0..HALVINGS {
            let middle = on_grid(failed + (found - failed) / 2.0, grid);
            if middle == failed || middle == found {
                break;
            }
            if self.approves_with(leaf, middle) { found = middle } else { failed = middle }
        }
        let up = found > failed;
        let rounder = (2..=6).map(|digits| round_to(found, digits, up));
        if grid.is_some() {
            return found;
        }
        rounder.into_iter().find(|value| self.approves_with(leaf, *value)).unwrap_or(found)
    }
}

/// The values by how near they are, the furthest left out past [`COUNTERFACTUAL_TRIES_MAX`].
fn nearest(mut values: Vec<f64>, now: f64) -> Vec<f64> {
    values.sort_by(|a, b| (a - now).abs().total_cmp(&(b - now).abs()));
    values.truncate(COUNTERFACTUAL_TRIES_MAX);
    values
}

/// A value and its neighbours on both sides.
fn around(mark: f64, grid: Option<f64>) -> [f64; 3] {
    match grid {
        Some(step) => [-1.0, 0.0, 1.0].map(|by| on_grid(mark + by * step, grid)),
        // Models see numbers as `f32`.
        None => {
            let narrow = mark as f32;
            [f64::from(narrow.next_down()), mark, f64::from(narrow.next_up())]
        }
    }
}

fn on_grid(value: f64, grid: Option<f64>) -> f64 {
    grid.map_or(value, |step| {
        let steps = (value / step).round();
        // Hundredths are no binary fractions: divide, so that 0.07 is 0.07.
        if step < 1.0 { steps / (1.0 / step).round() } else { steps * step }
    })
}

/// The value rounded up or down to that many digits.
fn round_to(value: f64, digits: i32, up: bool) -> f64 {
    if value == 0.0 {
        return value;
    }
    let scale = 10f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    let scaled = value * scale;
    (if up { scaled.ceil() } else { scaled.floor() }) / scale
}

fn is_leaf(num: &Num, leaf: &Leaf) -> bool {
    match (num, leaf) {
        (Num::Aggregate(a), Leaf::Aggregate(b)) => a == b,
        (Num::Field(a) | Num::Money(a), Leaf::Field(b)) => a == b,
        _ => false,
    }
}

/// The constants that a condition compares the number with.
fn constants(node: &Node, leaf: &Leaf, found: &mut Vec<f64>) {
    match node {
        Node::Not(inner) => constants(inner, leaf, found),
        Node::And(all) | Node::Or(all) | Node::Coalesce(all) => {
            all.iter().for_each(|node| constants(node, leaf, found));
        }
        Node::SameTruth { left, right } => {
            constants(left, leaf, found);
            constants(right, leaf, found);
        }
        Node::Compare { left, right: Num::Const(constant), .. } if is_leaf(left, leaf) => {
            found.push(*constant)
        }
        Node::InNumbers { value, set } if is_leaf(value, leaf) => found.extend(set.iter()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_values_are_tried_up_to_the_limit_and_not_one_past() {
        let values = |count: usize| (0..count).rev().map(|i| i as f64).collect::<Vec<_>>();
        assert_eq!(nearest(values(COUNTERFACTUAL_TRIES_MAX), -1.0).len(), COUNTERFACTUAL_TRIES_MAX);
        let tried = nearest(values(COUNTERFACTUAL_TRIES_MAX + 1), -1.0);
        assert_eq!(tried.len(), COUNTERFACTUAL_TRIES_MAX);
        assert_eq!((tried[0], tried[COUNTERFACTUAL_TRIES_MAX - 1]), (0.0, 2047.0));
    }
}
