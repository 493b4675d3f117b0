//! Which rules are asked of every payment? The stage that scores.

use crate::expr::Facts;
use crate::rules::group::RuleGroup;
use crate::stage::{Assessment, Flow, Stage};

/// The stage of the rules that are for everybody.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: RuleGroup,
}

impl Policy {
    pub(crate) fn new(rules: RuleGroup) -> Policy {
        Policy { rules }
    }
}

impl Stage for Policy {
    fn name(&self) -> &str {
        "policy"
    }

    fn assess(&self, facts: Facts<'_>, assessment: &mut Assessment) -> Flow {
        self.rules.assess(facts, assessment);
        Flow::Continue
    }

    fn assess_all(&self, facts: &[Facts<'_>], assessments: &mut [Assessment], _flows: &mut [Flow]) {
        // A stopped payment may be asked again without harm only here, before any stage of the
        // user's own; built-in stages never stop.
        self.rules.assess_all(facts, assessments);
    }
}
