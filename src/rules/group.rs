//! Which of these rules match? Rules that are always asked together, behind one index.

use crate::expr::Facts;
use crate::rules::Rule;
use crate::rules::index::RuleIndex;
use crate::stage::{Assessment, Effect};

/// Rules that one stage asks together.
#[derive(Debug)]
pub(crate) struct RuleGroup {
    index: RuleIndex,
    /// What the index's rules are in the pipeline: number, effect, whether in shadow.
    members: Vec<(u16, Effect, bool)>,
}

impl RuleGroup {
    /// The given rules, each with its number in the pipeline.
    pub(crate) fn new<'a>(rules: impl IntoIterator<Item = (u16, &'a Rule)>) -> RuleGroup {
        let (members, tests): (Vec<_>, Vec<_>) =
            rules.into_iter().map(|(n, rule)| ((n, rule.effect, rule.shadow), &rule.when)).unzip();
        RuleGroup { index: RuleIndex::new(&tests), members }
    }

    /// Records every rule that matches.
    pub(crate) fn assess(&self, facts: Facts<'_>, assessment: &mut Assessment) {
        self.index.matches(facts, |rule| self.record(rule, assessment));
    }

    /// The same for many payments, column by column.
    pub(crate) fn assess_all(&self, facts: &[Facts<'_>], assessments: &mut [Assessment]) {
        self.index.matches_all(facts, |row, rule| self.record(rule, &mut assessments[row]));
    }

    fn record(&self, rule: usize, assessment: &mut Assessment) {
        let (number, effect, shadow) = self.members[rule];
        assessment.record(number, effect, shadow);
    }
}
