//! What was each payment's score, and was it fraud? A history becomes cases as it is replayed.

use std::ops::Range;
use std::sync::Arc;

use super::known::KnownCards;
use super::metrics::{Case, day_of};
use crate::batch::{Scored, Sink, Work};
use crate::codec::Reject;
use crate::decision::Outcome;
use crate::error::Error;
use crate::expr::Facts;
use crate::model::{Calibration, Model};
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::schema::{FieldId, Kind, field};
use crate::stage::SCORE_MAX;
use crate::time::Span;
use crate::velocity::Status;

/// Most labelled payments that are measured at once: each takes about a hundred bytes.
pub(crate) const CASES_MAX: usize = 50_000_000;

/// Who gives the score.
#[derive(Debug)]
pub(crate) enum Judge {
    /// A model, whose inputs are the pipeline's.
    Model(Box<dyn Model>, Option<Calibration>),
    /// Somebody else: it stands in a number field. Whether it is a probability.
    Field(FieldId, bool),
    /// The pipeline: by outcome first, by score within an outcome.
    Pipeline,
}

impl Judge {
    /// What the engine has to compute for it.
    pub(crate) fn work(&self) -> Work {
        match self {
            Judge::Pipeline => Work::Score,
            _ => Work::Observe,
        }
    }
}

/// Where the label stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// In `fraud`, or when no row has that, in `status`.
    Usual,
    /// In this field: a boolean, a number that is 0 or not, or a status that is `disputed` or not.
    Field(FieldId),
}

/// Which payments count, and what was known when.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Days of payments that are tested; all when absent.
    pub(crate) test: Range<i32>,
    pub(crate) label: Label,
    /// What cards are told apart by.
    pub(crate) card: FieldId,
    /// How long it takes for a fraud to become known, where the history doesn't say.
    pub(crate) delay: Span,
    /// Payments this much younger than the last one are not tested: their frauds may not be known yet.
    pub(crate) maturity: Span,
    /// Most cases.
    pub(crate) cases_max: usize,
}

/// Collects cases while a history is replayed.
#[derive(Debug)]
pub(crate) struct Collector {
    pipeline: Arc<Pipeline>,
    judge: Judge,
    terms: Terms,
    rows: Vec<Row>,
    frauds: Vec<Fraud>,
    /// For each input, the sum of what it added to margins, without sign.
    shares: Vec<f64>,
    shared: u64,
    labels: Labels,
    last_day: i32,
}

/// A payment of the tested days.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Its label is that of `status`.
    case: Case,
    /// Its label as `fraud`, or the field that was named, says.
    said: Option<bool>,
    outcome: Option<Outcome>,
}

/// A fraud of any day, by what says so.
#[derive(Debug, Clone, Copy)]
struct Fraud {
    card: u128,
    day: i32,
    known: i32,
    said: bool,
    disputed: bool,
}

/// How many payments had a label, by where it stood.
#[derive(Debug, Clone, Copy, Default)]
struct Labels {
    said: u64,
    status: u64,
}

/// What a replay has left.
#[derive(Debug)]
pub(crate) struct Collected {
    cases: Vec<Case>,
    outcomes: Vec<Outcome>,
    known: KnownCards,
    /// For each input of the model, the mean of what it added to margins, without sign.
    pub(crate) importance: Vec<f64>,
    /// Payments of the tested days that have no label.
    pub(crate) unlabelled: u64,
    /// Payments of the tested days that are too young.
    pub(crate) immature: u64,
    /// The days that are tested.
    pub(crate) days: Range<i32>,
}

impl Collector {
    pub(crate) fn new(pipeline: Arc<Pipeline>, judge: Judge, terms: Terms) -> Result<Collector, Error> {
        if let Label::Field(id) = terms.label {
            let label = pipeline.schema().field(id);
            if id != field::STATUS && ![Kind::Bool, Kind::Number].contains(&label.kind) {
                return Err(Error::new(format!(
                    "`{}` is a {} and no label; a label is a bool, a number that is 0 or not, or `status`",
                    label.name, label.kind
                )));
            }
        }
        let width = match &judge {
            Judge::Model(model, _) if model.width() != pipeline.inputs().len() => {
                return Err(Error::new(format!(
                    "the model takes {} inputs, and {} are named",
                    model.width(),
                    pipeline.inputs().len()
                )));
            }
            Judge::Model(model, _) => model.width(),
            _ => 0,
        };
        Ok(Collector {
            pipeline,
            judge,
            terms,
            rows: Vec::new(),
            frauds: Vec::new(),
            shares: vec![0.0; width],
            shared: 0,
            labels: Labels::default(),
            last_day: i32::MIN,
        })
    }

    /// Score, probability and outcome of the payments with these indices.
    fn judge(
        &mut self,
        of: &[usize],
        payments: &[Payment],
        scored: &Scored,
    ) -> Vec<(f64, f64, Option<Outcome>)> {
        match (&self.judge, scored) {
            (Judge::Model(model, calibration), Scored::Activity(activity)) => {
                let inputs = self.pipeline.inputs();
                let width = self.pipeline.plan().aggregates().len();
                let mut rows = Vec::with_capacity(of.len() * inputs.len());
                for &i in of {
                    let facts = Facts::new(&payments[i], &activity[i * width..(i + 1) * width]);
                    rows.extend(inputs.iter().map(|(_, n)| n.value(facts).map_or(f32::NAN, |x| x as f32)));
                }
                let mut margins = vec![0.0; of.len()];
                model.margins(&rows, &mut margins);
                let mut shares = vec![0.0; inputs.len()];
                for row in rows.chunks_exact(inputs.len().max(1)) {
                    shares.fill(0.0);
                    model.contributions(row, &mut shares);
                    self.shares.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share.abs());
                }
                self.shared += of.len() as u64;
                let probability = |m| calibration.as_ref().map_or(f64::NAN, |c| c.probability(m));
                margins.into_iter().map(|m| (m, probability(m), None)).collect()
            }
            (Judge::Field(id, probable), _) => {
                let score = |i: &usize| payments[*i].number(*id);
                of.iter().map(score).map(|s| (s, if *probable { s } else { f64::NAN }, None)).collect()
            }
            (Judge::Pipeline, Scored::Decisions(decisions)) => {
                let ranked = |i: &usize| {
                    let decision = &decisions[*i];
                    let score = pipeline_rank(decision.outcome, decision.score);
                    (score, decision.probability.unwrap_or(f64::NAN), Some(decision.outcome))
                };
                of.iter().map(ranked).collect()
            }
            // The work asked of the engine is the judge's own.
            _ => Vec::new(),
        }
    }

    fn said(&self, payment: &Payment) -> Option<bool> {
        let schema = self.pipeline.schema();
        match self.terms.label {
            Label::Usual => payment.bool(field::FRAUD),
            Label::Field(field::STATUS) => None,
            Label::Field(id) if schema.field(id).kind == Kind::Bool => payment.bool(id),
            Label::Field(id) => Some(payment.number(id)).filter(|n| !n.is_nan()).map(|n| n != 0.0),
        }
    }

    /// What was collected, with the label taken from where it stands.
    ///
    /// # Errors
    /// When no payment of the tested days has a label, or all have the same.
    pub(crate) fn finish(self) -> Result<Collected, Error> {
        let by_status = match self.terms.label {
            Label::Usual => self.labels.said == 0,
            Label::Field(id) => id == field::STATUS,
        };
        if (if by_status { self.labels.status } else { self.labels.said }) == 0 {
            return Err(Error::new(
                "no payment has a label, neither `fraud` nor `status`; name its field with --label, or map its column in the schema",
            ));
        }
        let mut known = KnownCards::default();
        for fraud in self.frauds.iter().filter(|f| if by_status { f.disputed } else { f.said }) {
            known.add(fraud.card, fraud.day, fraud.known);
        }
        let mature_days = (self.terms.maturity.micros() / 86_400_000_000) as i32;
        let mature = self.last_day.saturating_sub(mature_days);
        let (mut unlabelled, mut immature) = (0, 0);
        let (mut cases, mut outcomes) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for row in self.rows {
            let fraud = if by_status { Some(row.case.fraud) } else { row.said };
            match fraud {
                _ if row.case.day > mature => immature += 1,
                None => unlabelled += 1,
                Some(fraud) => {
                    cases.push(Case { fraud, ..row.case });
                    outcomes.extend(row.outcome);
                }
            }
        }
        let frauds = cases.iter().filter(|c| c.fraud).count();
        if frauds == 0 || frauds == cases.len() {
            return Err(Error::new(match (cases.len(), frauds) {
                (0, _) => {
                    "no labelled payment lies in the days to be tested; widen --test, or lower --maturity"
                        .to_owned()
                }
                (n, 0) => format!(
                    "none of the {n} payments tested is fraud, so there is nothing to tell apart; widen --test, or name another --label"
                ),
                (n, _) => format!(
                    "all of the {n} payments tested are fraud, so there is nothing to tell apart; name another --label"
                ),
            }));
        }
        let days = cases.iter().map(|c| c.day);
        let first = days.clone().min().unwrap_or(0).max(self.terms.test.start);
        let first = if self.terms.test.start == i32::MIN { first } else { self.terms.test.start };
        let last = days.max().unwrap_or(0);
        let end = if self.terms.test.end == i32::MAX { last + 1 } else { self.terms.test.end };
        let importance = self.shares.iter().map(|sum| sum / self.shared.max(1) as f64).collect();
        Ok(Collected { cases, outcomes, known, importance, unlabelled, immature, days: first..end })
    }
}

/// One number that orders a pipeline's decisions: the outcome first, the score within it.
pub(crate) fn pipeline_rank(outcome: Outcome, score: u16) -> f64 {
    f64::from(outcome as u16 * (SCORE_MAX + 1) + score)
}

impl Sink for Collector {
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error> {
        let schema = self.pipeline.schema().clone();
        let mut tested = Vec::new();
        for (i, payment) in payments.iter().enumerate() {
            let day = day_of(payment.at());
            self.last_day = self.last_day.max(day);
            let status = payment.text(field::STATUS).and_then(Status::parse);
            let (said, disputed) = (self.said(payment), status == Some(Status::Disputed));
            self.labels.said += u64::from(said.is_some());
            self.labels.status += u64::from(status.is_some());
            if let (Some(card), true) =
                (payment.entity_key(&schema, self.terms.card), said == Some(true) || disputed)
            {
                let told = payment.timestamp(field::SETTLED_AT).filter(|_| disputed);
                let known = day_of(told.unwrap_or_else(|| payment.at().plus(self.terms.delay)));
                self.frauds.push(Fraud { card, day, known, said: said == Some(true), disputed });
            }
            if self.terms.test.contains(&day) {
                tested.push((i, said, disputed));
            }
        }
        if self.rows.len() + tested.len() > self.terms.cases_max {
            return Err(Error::new(format!(
                "more than {} payments to be tested; choose fewer days with --test",
                self.terms.cases_max
            )));
        }
        let indices: Vec<usize> = tested.iter().map(|(i, _, _)| *i).collect();
        let judged = self.judge(&indices, payments, scored);
        for ((i, said, disputed), (score, probability, outcome)) in tested.into_iter().zip(judged) {
            let payment = &payments[i];
            let case = Case {
                score,
                probability,
                fraud: disputed,
                day: day_of(payment.at()),
                card: payment.entity_key(&schema, self.terms.card),
                amount: payment.amount(),
            };
            self.rows.push(Row { case, said, outcome });
        }
        Ok(())
    }

    fn reject(&mut self, _rejects: &[Reject]) -> Result<(), Error> {
        Ok(())
    }
}

impl Collected {
    /// Every labelled payment of the tested days, with the outcome where the pipeline judged.
    pub(crate) fn all(&self) -> (&[Case], &[Outcome]) {
        (&self.cases, &self.outcomes)
    }

    /// The payments of `days`, without those of cards that a fraud since `since` had shown to be
    /// compromised before the payment's day.
    pub(crate) fn unknown(&self, days: &Range<i32>, since: Option<i32>) -> Vec<Case> {
        let fresh = |case: &&Case| {
            days.contains(&case.day)
                && !case.card.is_some_and(|card| self.known.is_known(card, since, case.day))
        };
        self.cases.iter().filter(fresh).copied().collect()
    }

    /// The payments of `days`.
    pub(crate) fn of(&self, days: &Range<i32>) -> Vec<Case> {
        self.cases.iter().filter(|case| days.contains(&case.day)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Value;
    use crate::time::Timestamp;

    fn payment(pipeline: &Pipeline, fraud: bool) -> Payment {
        let mut payment = Payment::new(pipeline.schema());
        let at = Timestamp::parse("2026-01-01").unwrap();
        payment.set(pipeline.schema(), field::AT, Value::Timestamp(at)).unwrap();
        payment.set(pipeline.schema(), field::FRAUD, Value::Bool(fraud)).unwrap();
        payment
    }

    #[test]
    fn cases_are_taken_to_the_limit_and_not_one_past() {
        let pipeline = Arc::new(Pipeline::shipped().unwrap());
        let terms = Terms {
            test: i32::MIN..i32::MAX,
            label: Label::Usual,
            card: field::CARD,
            delay: Span::default(),
            maturity: Span::default(),
            cases_max: 3,
        };
        assert_eq!(CASES_MAX, 50_000_000);
        let judge = Judge::Field(field::FRAUD, false);
        let mut collector = Collector::new(pipeline.clone(), judge, terms).unwrap();
        let none = Scored::Activity(Vec::new());
        collector.write(&[true, false].map(|fraud| payment(&pipeline, fraud)), &none).unwrap();
        let two = [false, false].map(|fraud| payment(&pipeline, fraud));
        let wrong = collector.write(&two, &none).unwrap_err().to_string();
        assert!(wrong.contains("more than 3 payments") && wrong.contains("--test"), "{wrong}");
        collector.write(&two[..1], &none).unwrap();
        assert_eq!(collector.finish().unwrap().all().0.len(), 3);
    }
}
