//! How do the stages come to a decision?

use arrayvec::ArrayVec;

use super::Pipeline;
use super::models::{Answers, Scratch, with_scratch};
use crate::decision::{Challenged, Decision, Degraded, Outcome, Seen};
use crate::expr::Facts;
use crate::risk::Risk;
use crate::stage::{Assessment, Flow};

impl Pipeline {
    /// Which `where` conditions hold for the payment, as bits.
    pub(crate) fn filters(&self, payment: &crate::payment::Payment) -> u32 {
        let facts = Facts::new(payment, &[]);
        (0..)
            .zip(&self.filters)
            .fold(0, |bits, (i, test)| bits | u32::from(test.holds(facts) == Some(true)) << i)
    }

    /// The decision about a payment whose activity is known.
    pub(crate) fn decide(&self, facts: Facts<'_>, degraded: Degraded) -> Decision {
        with_scratch(|scratch| {
            self.models.ask(&[facts], scratch);
            self.decide_one(facts, degraded, scratch)
        })
    }

    fn decide_one(&self, facts: Facts<'_>, degraded: Degraded, scratch: &mut Scratch) -> Decision {
        let answers = scratch.answers[0];
        let facts = Facts { risk: &answers.risk, ..facts };
        let mut assessment = Assessment::new(Answers::base(answers.risk.probability));
        for (stage, &entry) in self.stages.iter().zip(&self.stage_entries) {
            assessment.enter(entry);
            if stage.assess(facts, &mut assessment) == Flow::Stop {
                break;
            }
        }
        self.conclude(&assessment, facts, degraded, &answers, (0, scratch))
    }

    /// What the models say of a payment whose activity is known.
    pub(crate) fn risk(&self, facts: Facts<'_>) -> Risk {
        with_scratch(|scratch| {
            self.models.ask(&[facts], scratch);
            scratch.answers[0].risk
        })
    }

    /// The decisions about many payments, stage by stage; one for each into `out`.
    pub(crate) fn decide_all(&self, facts: &[Facts<'_>], degraded: &[Degraded], out: &mut [Decision]) {
        with_scratch(|scratch| {
            self.models.ask(facts, scratch);
            self.decide_many(facts, degraded, out, scratch);
        });
    }

    fn decide_many(
        &self,
        facts: &[Facts<'_>],
        degraded: &[Degraded],
        out: &mut [Decision],
        scratch: &mut Scratch,
    ) {
        let answers = scratch.answers.clone();
        let rows = facts.iter().zip(&answers);
        let facts: Vec<Facts<'_>> = rows.map(|(facts, a)| Facts { risk: &a.risk, ..*facts }).collect();
        let bases = answers.iter().map(|a| Answers::base(a.risk.probability));
        let mut assessments: Vec<Assessment> = bases.map(Assessment::new).collect();
        let mut flows = vec![Flow::Continue; facts.len()];
        for (stage, &entry) in self.stages.iter().zip(&self.stage_entries) {
            assessments.iter_mut().for_each(|a| a.enter(entry));
            stage.assess_all(&facts, &mut assessments, &mut flows);
        }
        for (i, decision) in out.iter_mut().enumerate() {
            *decision = self.conclude(&assessments[i], facts[i], degraded[i], &answers[i], (i, scratch));
        }
    }

    /// The decision of an assessment; the champion's inputs are a row of the scratch.
    fn conclude(
        &self,
        assessment: &Assessment,
        facts: Facts<'_>,
        degraded: Degraded,
        answers: &Answers,
        (row, scratch): (usize, &mut Scratch),
    ) -> Decision {
        let (outcome, deciding) = assessment.decide(&self.thresholds);
        let mut seen: ArrayVec<Seen, { crate::decision::VALUES_MAX }> = ArrayVec::new();
        // The deciding rule's values first, so that they are the last to be left out.
        let others = assessment.matched().iter().filter(|r| Some(*r as u16) != deciding);
        for rule in deciding.map(usize::from).into_iter().chain(others) {
            for &aggregate in self.entries.get(rule).map_or(&[][..], |e| &e.aggregates) {
                let aggregate = aggregate as u16;
                if seen.iter().all(|s| s.aggregate != aggregate) {
                    let value = facts.activity.get(usize::from(aggregate)).copied().unwrap_or(f64::NAN);
                    let _ = seen.try_push(Seen { aggregate, value });
                }
            }
        }
        let score = assessment.score();
        let asked_why = outcome != Outcome::Approve || self.thresholds.lowest().is_some_and(|t| score >= t);
        let braked = match assessment.braked().is_empty() {
            true => Degraded::NONE,
            false => Degraded::RULE_BRAKED,
        };
        let present = |answer: f64| (!answer.is_nan()).then_some(answer);
        Decision {
            outcome,
            score,
            probability: present(answers.risk.probability),
            anomaly: present(answers.risk.anomaly),
            contributions: match asked_why && !answers.risk.probability.is_nan() {
                true => self.models.contributions(row, scratch),
                false => ArrayVec::new(),
            },
            challenged: present(answers.challenger).map(|probability| {
                let base = Answers::base(probability);
                Challenged {
                    probability,
                    score: assessment.score_from(base),
                    outcome: assessment.decide_from(base, &self.thresholds).0,
                }
            }),
            degraded: degraded | answers.degraded | braked,
            deciding,
            digest: self.digest,
            matched: *assessment.matched(),
            braked: *assessment.braked(),
            seen,
        }
    }

    pub(crate) fn settle(&self, facts: Facts<'_>, settlement: crate::stage::Settlement) {
        for stage in self.stages.iter().rev() {
            stage.settle(facts, settlement);
        }
    }
}
