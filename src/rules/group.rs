//! Which of these rules match? Rules that are always asked together, behind one index.

use std::sync::Arc;

use crate::expr::Facts;
use crate::rules::Rule;
use crate::rules::index::RuleIndex;
use crate::rules::trips::Trips;
use crate::stage::{Assessment, Effect};

/// Rules that one stage asks together.
#[derive(Debug)]
pub(crate) struct RuleGroup {
    index: RuleIndex,
    /// What the index's rules are in the pipeline: number, effect, and whether that counts.
    members: Vec<(u16, Effect, Footing)>,
    trips: Arc<Trips>,
}

/// Whether a rule's effect counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Footing {
    Live,
    Shadow,
    /// As long as it is not braked.
    UntilBraked,
}

impl Footing {
    fn of(rule: &Rule) -> Footing {
        match (rule.shadow, rule.brake) {
            (true, _) => Footing::Shadow,
            (false, Some(_)) => Footing::UntilBraked,
            (false, None) => Footing::Live,
        }
    }
}

impl RuleGroup {
    /// The given rules, each with its number in the pipeline, and which of the pipeline's are braked.
    pub(crate) fn new<'a>(rules: impl IntoIterator<Item = (u16, &'a Rule)>, trips: &Arc<Trips>) -> RuleGroup {
        let (members, tests): (Vec<_>, Vec<_>) =
            rules.into_iter().map(|(n, rule)| ((n, rule.effect, Footing::of(rule)), &rule.when)).unzip();
        RuleGroup { index: RuleIndex::new(&tests), members, trips: trips.clone() }
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
        let (number, effect, footing) = self.members[rule];
        if footing == Footing::UntilBraked && self.trips.has(usize::from(number)) {
            return assessment.record_braked(number);
        }
        assessment.record(number, effect, footing == Footing::Shadow);
    }
}
