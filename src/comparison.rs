//! How does the challenger compare with the champion?

use crate::decision::{Decision, Outcome};
use crate::stage::SCORE_MAX;

/// Champion and challenger side by side, over many decisions.
///
/// ```
/// use tollgate::Comparison;
/// let none = Comparison::default();
/// assert_eq!((none.payments(), none.quantile(0.5), none.mean()), (0, None, None));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Decisions by the champion's outcome and the challenger's, in the order of [`Outcome::ALL`].
    pub outcomes: [[u64; Outcome::ALL.len()]; Outcome::ALL.len()],
    /// Decisions by how far the challenger's score is above the champion's, from `-SCORE_MAX` on.
    /// Scores are whole, so quantiles are exact.
    differences: Vec<u64>,
}

impl Comparison {
    /// Takes a decision in; one without a challenger is passed over.
    pub fn count(&mut self, decision: &Decision) {
        let Some(challenged) = decision.challenged else { return };
        self.outcomes[decision.outcome as usize][challenged.outcome as usize] += 1;
        self.differences.resize(usize::from(SCORE_MAX) * 2 + 1, 0);
        let above = usize::from(SCORE_MAX + challenged.score).saturating_sub(usize::from(decision.score));
        if let Some(count) = self.differences.get_mut(above) {
            *count += 1;
        }
    }

    /// Decisions taken in.
    pub fn payments(&self) -> u64 {
        self.outcomes.iter().flatten().sum()
    }

    /// Decisions whose outcome both agree on.
    pub fn agreed(&self) -> u64 {
        (0..Outcome::ALL.len()).map(|i| self.outcomes[i][i]).sum()
    }

    /// Decisions for which the challenger's outcome is harder.
    pub fn harder(&self) -> u64 {
        let rows = self.outcomes.iter().enumerate();
        rows.map(|(champion, row)| row[champion + 1..].iter().sum::<u64>()).sum()
    }

    /// By how much the challenger's score is above the champion's, on average; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        let sum: i128 = self.scores().map(|(above, count)| i128::from(above) * i128::from(count)).sum();
        (self.payments() > 0).then(|| sum as f64 / self.payments() as f64)
    }

    /// The difference of scores that a share `q` of decisions does not exceed; `None` without any.
    pub fn quantile(&self, q: f64) -> Option<i32> {
        let rank = ((self.payments() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut below = 0;
        self.scores().find_map(|(above, count)| {
            below += count;
            (below >= rank).then_some(above)
        })
    }

    fn scores(&self) -> impl Iterator<Item = (i32, u64)> {
        (-i32::from(SCORE_MAX)..).zip(self.differences.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Challenged;

    fn compared(pairs: &[(u16, Outcome, u16, Outcome)]) -> Comparison {
        let mut comparison = Comparison::default();
        for &(score, outcome, other, challenger) in pairs {
            let challenged = Challenged { probability: 0.5, score: other, outcome: challenger };
            comparison.count(&Decision { score, outcome, challenged: Some(challenged), ..Decision::NONE });
        }
        comparison
    }

    #[test]
    fn differences_and_outcomes_are_counted_exactly() {
        use Outcome::*;
        let c = compared(&[
            (0, Approve, 1000, Decline),
            (1000, Decline, 0, Approve),
            (300, Challenge, 310, Challenge),
            (10, Approve, 13, Approve),
        ]);
        assert_eq!((c.payments(), c.agreed(), c.harder()), (4, 2, 1));
        assert_eq!(c.mean(), Some(13.0 / 4.0));
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| c.quantile(q).unwrap()), [-1000, -1000, 3, 10, 1000]);
    }

    #[test]
    fn decisions_without_a_challenger_are_passed_over() {
        let mut comparison = Comparison::default();
        comparison.count(&Decision::NONE);
        assert_eq!(comparison, Comparison::default());
    }
}
