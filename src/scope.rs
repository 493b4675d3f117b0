//! Which rules are asked of the payments of one gateway, channel or institution?

use std::collections::HashMap;
use std::sync::Arc;

use crate::expr::Facts;
use crate::rules::group::RuleGroup;
use crate::rules::trips::Trips;
use crate::rules::{Rule, RuleScope};
use crate::schema::{FieldId, Schema, field};
use crate::stage::{Assessment, Flow, Stage};

/// The stage of the rules that are picked by one of the payment's own ids.
#[derive(Debug)]
pub(crate) struct Scoped {
    name: &'static str,
    field: FieldId,
    /// Symbol of the id, and its rules. Few ids, so a sorted list.
    groups: Vec<(u64, RuleGroup)>,
}

/// The three ids, in the order a payment passes them.
const SCOPES: [(&str, FieldId); 3] =
    [("gateway", field::GATEWAY), ("channel", field::CHANNEL), ("institution", field::INSTITUTION)];

impl Scoped {
    /// The stage called `name` with those of `rules` (number and rule) that are scoped by it; `None`
    /// when there are none.
    pub(crate) fn new(
        name: &str,
        rules: &[(u16, &Rule)],
        schema: &Schema,
        trips: &Arc<Trips>,
    ) -> Option<Scoped> {
        let (name, field) = SCOPES.into_iter().find(|(n, _)| *n == name)?;
        let mut by_id: HashMap<u64, Vec<(u16, &Rule)>> = HashMap::new();
        for &(number, rule) in rules {
            let ids = match (&rule.scope, name) {
                (Some(RuleScope::Gateway(ids)), "gateway")
                | (Some(RuleScope::Channel(ids)), "channel")
                | (Some(RuleScope::Institution(ids)), "institution") => ids,
                _ => continue,
            };
            for id in ids {
                let group = by_id.entry(schema.symbol(id, false)).or_default();
                if group.iter().all(|(n, _)| *n != number) {
                    group.push((number, rule));
                }
            }
        }
        let groups = by_id.into_iter().map(|(id, rules)| (id, RuleGroup::new(rules, trips)));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        (!groups.is_empty()).then_some(Scoped { name, field, groups })
    }
}

impl Stage for Scoped {
    fn name(&self) -> &str {
        self.name
    }

    fn assess(&self, facts: Facts<'_>, assessment: &mut Assessment) -> Flow {
        if let Some(symbol) = facts.payment.symbol(self.field)
            && let Ok(i) = self.groups.binary_search_by_key(&symbol, |(id, _)| *id)
        {
            self.groups[i].1.assess(facts, assessment);
        }
        Flow::Continue
    }
}
