//! Which rows does a history teach? Replayed point-in-time: inputs as known before each payment, and
//! the label that became known later.

use std::sync::Arc;

use crate::batch::{Scored, Sink};
use crate::codec::Reject;
use crate::error::Error;
use crate::expr::Facts;
use crate::money::Money;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::schema::{FieldId, Kind, field};
use crate::time::{Span, Timestamp};
use crate::velocity::Status;

use super::matrix::Matrix;

/// What says that a payment was fraud.
///
/// ```
/// use tollgate::{Labels, field};
/// assert_ne!(Labels::Field(field::FRAUD), Labels::Unlabelled);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// A settlement as `disputed`; anything else, once it is as old as this, is no fraud. Younger payments
    /// are left out: their dispute may still come.
    Settlements(Span),
    /// A field of outcomes: true or 1 is fraud, absent is not known and left out.
    Field(FieldId),
    /// Nothing: every payment is taken.
    Unlabelled,
}

/// A time from which to before which payments are taken; open where `None`.
///
/// ```
/// use tollgate::{Period, Timestamp};
/// let day = |text| Timestamp::parse(text).unwrap();
/// let period = Period { from: Some(day("2026-11-01")), to: Some(day("2026-12-01")) };
/// assert!(period.holds(day("2026-11-01")) && !period.holds(day("2026-12-01")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// The first instant.
    pub from: Option<Timestamp>,
    /// The first instant that is no longer part of it.
    pub to: Option<Timestamp>,
}

impl Period {
    /// Whether `at` is in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }
}

/// What a row's payment put at stake, for the money curve and Card Precision of a report.
///
/// ```
/// let stake = tollgate::Stake { card: None, amount: None };
/// assert_eq!(stake, tollgate::Stake::default()); // not known
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stake {
    /// What stands for the card.
    pub card: Option<u128>,
    /// What was to be paid.
    pub amount: Option<Money>,
}

/// Rows to learn from, in order of time.
///
/// ```
/// use tollgate::{Matrix, Rows, Timestamp};
/// let mut matrix = Matrix::new(1)?;
/// matrix.push(&[1.0])?;
/// let at = vec![Timestamp::parse("2026-11-23").unwrap()];
/// let rows = Rows { matrix, labels: vec![true], at, stakes: Vec::new() };
/// assert_eq!(rows.frauds(), 1);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The inputs.
    pub matrix: Matrix,
    /// Whether each was fraud.
    pub labels: Vec<bool>,
    /// When each was attempted.
    pub at: Vec<Timestamp>,
    /// What each put at stake; may be left empty, nothing is learnt from it.
    pub stakes: Vec<Stake>,
}

impl Rows {
    /// The rows from number `from` to before `to`.
    pub(super) fn slice(&self, from: usize, to: usize) -> Rows {
        Rows {
            matrix: self.matrix.slice(from, to),
            labels: self.labels[from..to].to_vec(),
            at: self.at[from..to].to_vec(),
            stakes: self.stakes.get(from..to).unwrap_or_default().to_vec(),
        }
    }

    /// Frauds among them.
    pub fn frauds(&self) -> usize {
        self.labels.iter().filter(|l| **l).count()
    }
}

/// Collects the rows of a replay: the sink of a [`crate::batch::run`] with [`crate::batch::Work::Observe`].
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{History, Labels, Pipeline, field};
/// let inputs = Some(("inputs.toml".into(), "[inputs]\nn = \"count(card, 1h)\"".into()));
/// let options = tollgate::Options { inputs, ..Default::default() };
/// let pipeline = Arc::new(Pipeline::shipped_with(&options)?);
/// assert!(History::new(pipeline.clone(), Labels::Field(field::FRAUD), &[]).is_ok());
/// assert!(History::new(pipeline, Labels::Field(field::IS_GUEST), &[]).is_err()); // inputs may read it
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug)]
pub struct History {
    pipeline: Arc<Pipeline>,
    labels: Labels,
    periods: Vec<(Period, Rows)>,
    /// The newest payment seen, taken or not.
    newest: Option<Timestamp>,
    row: Vec<f32>,
    /// Payments whose label is missing or too young.
    unlabelled: u64,
}

impl History {
    /// For rows of the pipeline's inputs in each of the periods.
    ///
    /// # Errors
    /// When the pipeline has no inputs, or a label is a field that inputs may read: it would give away what
    /// is to be found out.
    pub fn new(pipeline: Arc<Pipeline>, labels: Labels, periods: &[Period]) -> Result<History, Error> {
        let width = pipeline.inputs().len();
        if let Labels::Field(id) = labels {
            let found = pipeline.schema().field(id);
            if !found.outcome {
                return Err(Error::new(format!(
                    "the label `{}` is a field that inputs may read, and would give itself away; write \
                     `outcome = true` beside it in the schema",
                    found.name
                )));
            }
            if !matches!(found.kind, Kind::Bool | Kind::Number) {
                return Err(Error::new(format!(
                    "the label `{}` is {}, and a label is a bool or a number",
                    found.name, found.kind
                )));
            }
        }
        let rows =
            Rows { matrix: Matrix::new(width)?, labels: Vec::new(), at: Vec::new(), stakes: Vec::new() };
        Ok(History {
            pipeline,
            labels,
            periods: periods.iter().map(|p| (*p, rows.clone())).collect(),
            newest: None,
            row: Vec::with_capacity(width),
            unlabelled: 0,
        })
    }

    /// The rows of each period, by time, and how many payments had no label (yet).
    ///
    /// # Errors
    /// None at present.
    pub fn finish(self) -> Result<(Vec<Rows>, u64), Error> {
        let mut unlabelled = self.unlabelled;
        let mut periods = Vec::new();
        for (_, rows) in self.periods {
            let ripe = |row: usize| match (self.labels, self.newest) {
                (Labels::Settlements(maturity), Some(newest)) => {
                    rows.labels[row] || rows.at[row].plus(maturity) <= newest
                }
                _ => true,
            };
            let mut order: Vec<usize> = (0..rows.at.len()).filter(|row| ripe(*row)).collect();
            unlabelled += (rows.at.len() - order.len()) as u64;
            let in_order = order.len() == rows.at.len() && rows.at.is_sorted();
            if in_order {
                periods.push(rows);
                continue;
            }
            // Late payments came after younger ones: a stable sort puts them where their time is.
            order.sort_by_key(|row| rows.at[*row]);
            let mut sorted = rows.slice(0, 0);
            for row in order {
                sorted.matrix.push(rows.matrix.row(row))?;
                sorted.labels.push(rows.labels[row]);
                sorted.at.push(rows.at[row]);
                sorted.stakes.push(rows.stakes[row]);
            }
            periods.push(sorted);
        }
        Ok((periods, unlabelled))
    }

    fn label(&self, payment: &Payment) -> Result<Option<bool>, Error> {
        Ok(match self.labels {
            Labels::Unlabelled => Some(false),
            Labels::Field(id) => match payment.bool(id) {
                Some(label) => Some(label),
                None => match payment.number(id) {
                    0.0 => Some(false),
                    1.0 => Some(true),
                    x if x.is_nan() => None,
                    x => {
                        let name = &self.pipeline.schema().field(id).name;
                        let id = payment.id();
                        return Err(Error::new(format!(
                            "payment {id}: the label `{name}` is {x}, and a label is 0 or 1"
                        )));
                    }
                },
            },
            Labels::Settlements(_) => {
                let disputed = payment.text(field::STATUS).and_then(Status::parse) == Some(Status::Disputed);
                if disputed && payment.timestamp(field::SETTLED_AT).is_none() {
                    self.check_delays(payment)?;
                }
                Some(disputed)
            }
        })
    }

    /// A dispute that is known at once, as no dispute is, must not be read at once by an input.
    fn check_delays(&self, payment: &Payment) -> Result<(), Error> {
        let plan = self.pipeline.plan().aggregates();
        for (name, input) in self.pipeline.inputs() {
            let hasty = input.inputs().aggregates.into_iter().find(|a| {
                plan.get(*a).is_some_and(|a| a.status == Some(Status::Disputed) && a.delay == Span::default())
            });
            if let Some(aggregate) = hasty {
                return Err(Error::new(format!(
                    "the input `{name}` reads `{}`, and the dispute of payment {} is known at once, before it \
                     could be in life; give `settled_at` in the history, or write `delay 7d` in the input",
                    self.pipeline.aggregate_name(aggregate),
                    payment.id()
                )));
            }
        }
        Ok(())
    }
}

/// One payment's inputs as a model is fed them: nearest `f32`, NaN where absent.
pub(crate) fn fill_row(pipeline: &Pipeline, facts: Facts<'_>, row: &mut Vec<f32>) {
    row.clear();
    row.extend(pipeline.inputs().iter().map(|(_, input)| input.value(facts).map_or(f32::NAN, |x| x as f32)));
}

impl Sink for History {
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error> {
        let Scored::Activity(activity) = scored else { return Ok(()) };
        let width = self.pipeline.plan().aggregates().len();
        for (i, payment) in payments.iter().enumerate() {
            let at = payment.at();
            self.newest = self.newest.max(Some(at));
            let Some(period) = self.periods.iter().position(|(p, _)| p.holds(at)) else { continue };
            let Some(label) = self.label(payment)? else {
                self.unlabelled += 1;
                continue;
            };
            let activity = activity.get(i * width..(i + 1) * width).unwrap_or_default();
            fill_row(&self.pipeline, Facts::new(payment, activity), &mut self.row);
            let rows = &mut self.periods[period].1;
            rows.matrix.push(&self.row)?;
            rows.labels.push(label);
            rows.at.push(at);
            let card = payment.entity_key(self.pipeline.schema(), field::CARD);
            rows.stakes.push(Stake { card, amount: payment.amount() });
        }
        Ok(())
    }

    fn reject(&mut self, _: &[Reject]) -> Result<(), Error> {
        Ok(())
    }
}
