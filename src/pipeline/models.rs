//! What do the pipeline's models say of payments, and why?

use std::cell::Cell;

use arrayvec::ArrayVec;

use crate::decision::{CONTRIBUTIONS_MAX, Contribution, Degraded};
use crate::expr::Facts;
use crate::model::{Role, Served, score_of};
use crate::risk::Risk;

/// The models a pipeline asks.
#[derive(Debug, Default)]
pub(crate) struct Models {
    served: [Option<Served>; Role::ALL.len()],
}

/// The answers about one payment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers {
    /// What rules read.
    pub(super) risk: Risk,
    /// The challenger's probability; NaN without one.
    pub(super) challenger: f64,
    /// Whether a model gave no number.
    pub(super) degraded: Degraded,
}

/// Room for rows and margins of some payments; a thread keeps its own, so that asking does not allocate.
#[derive(Default)]
pub(super) struct Scratch {
    /// The champion's inputs, row after row: reasons are found in them later.
    rows: Vec<f32>,
    /// The inputs of the other models, one after the other.
    others: Vec<f32>,
    margins: Vec<f64>,
    /// Where the champion's only row led, or that of many which is asked why.
    trail: Vec<u32>,
    shares: Vec<f64>,
    pub(super) answers: Vec<Answers>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Does the work with this thread's room. A stage that scores within `work` finds none and makes its own.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|cell| {
        let mut scratch = cell.take().unwrap_or_default();
        let answer = work(&mut scratch);
        cell.set(Some(scratch));
        answer
    })
}

impl Answers {
    /// The score that a model without any rule gives; 0 without a model.
    pub(super) fn base(probability: f64) -> u16 {
        if probability.is_nan() { 0 } else { score_of(probability) }
    }

    const NONE: Answers = Answers { risk: Risk::NONE, challenger: f64::NAN, degraded: Degraded::NONE };
}

impl Models {
    pub(super) fn put(&mut self, role: Role, served: Served) {
        self.served[role as usize] = Some(served);
    }

    /// The model of a role.
    pub(crate) fn of(&self, role: Role) -> Option<&Served> {
        self.served[role as usize].as_ref()
    }

    /// Asks every model about every payment; the answers lie in the scratch.
    pub(super) fn ask(&self, facts: &[Facts<'_>], scratch: &mut Scratch) {
        let Scratch { rows, others, margins, trail, answers, .. } = scratch;
        trail.clear();
        answers.clear();
        answers.resize(facts.len(), Answers::NONE);
        margins.resize(facts.len(), 0.0);
        for role in Role::ALL {
            let Some(served) = self.of(role) else { continue };
            let rows = if role == Role::Champion { &mut *rows } else { &mut *others };
            served.fill(facts, rows);
            match &mut **margins {
                [one] if role == Role::Champion => *one = served.margin_and_trail(rows, trail),
                many => served.margins(rows, many),
            }
            for (answers, &margin) in answers.iter_mut().zip(&*margins) {
                answers.take(role, served, margin);
            }
        }
    }

    /// What raised the champion's margin most for the payment of that row of the scratch.
    pub(super) fn contributions(
        &self,
        row: usize,
        scratch: &mut Scratch,
    ) -> ArrayVec<Contribution, CONTRIBUTIONS_MAX> {
        let mut most = ArrayVec::new();
        let Some(champion) = self.of(Role::Champion) else { return most };
        let width = champion.width();
        let Some(row) = scratch.rows.get(row * width..(row + 1) * width) else { return most };
        scratch.shares.clear();
        scratch.shares.resize(width, 0.0);
        if scratch.answers.len() > 1 {
            champion.margin_and_trail(row, &mut scratch.trail);
        }
        champion.contributions(row, &scratch.trail, &mut scratch.shares);
        for (input, (&share, &value)) in (0..).zip(scratch.shares.iter().zip(row)) {
            if share > 0.0 {
                insert(&mut most, Contribution { input, value, share });
            }
        }
        most
    }
}

/// Keeps the largest shares, largest first; of equal ones the first.
fn insert(most: &mut ArrayVec<Contribution, CONTRIBUTIONS_MAX>, new: Contribution) {
    let at = most.partition_point(|other| other.share >= new.share);
    if at < CONTRIBUTIONS_MAX {
        if most.is_full() {
            most.pop();
        }
        most.insert(at, new);
    }
}

impl Answers {
    fn take(&mut self, role: Role, served: &Served, margin: f64) {
        let answer = match role {
            Role::Champion => {
                let probability = served.probability(margin);
                if !probability.is_nan() {
                    self.risk.score = f64::from(score_of(probability));
                }
                self.risk.probability = probability;
                probability
            }
            Role::Challenger => {
                self.challenger = served.probability(margin);
                self.challenger
            }
            Role::Anomaly => {
                self.risk.anomaly = margin;
                margin
            }
        };
        // Sums of finite numbers may still overflow to a difference of infinities.
        if answer.is_nan() {
            self.degraded |= Degraded::NO_MODEL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_shares_are_kept_and_ties_go_to_the_first_input() {
        let shares = [0.1, 0.5, 0.2, 0.5, 0.05, 0.3, 0.4, 0.2];
        let mut most = ArrayVec::new();
        for (input, share) in (0..).zip(shares) {
            insert(&mut most, Contribution { input, value: 0.0, share });
        }
        let inputs: Vec<u16> = most.iter().map(|c| c.input).collect();
        assert_eq!(inputs, [1, 3, 6, 5, 2]);
    }
}
