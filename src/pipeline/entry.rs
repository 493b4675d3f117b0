//! What does a bit of a decision stand for?

use crate::rules::Rule;
use crate::schema::FieldId;

/// What a bit of [`Decision::matched`](crate::Decision::matched) stands for.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) effect: String,
    pub(crate) shadow: bool,
    pub(crate) fields: Vec<FieldId>,
    pub(crate) aggregates: Vec<usize>,
}

impl Entry {
    pub(super) fn of_rule(rule: &Rule) -> Entry {
        let inputs = rule.when.inputs();
        Entry {
            id: rule.id.clone(),
            reason: rule.reason.clone(),
            text: rule.text.clone(),
            effect: rule.effect.to_string(),
            shadow: rule.shadow,
            fields: inputs.field_ids().collect(),
            aggregates: inputs.aggregates,
        }
    }

    pub(super) fn of_stage(name: &str) -> Entry {
        Entry {
            id: name.to_owned(),
            reason: name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
            text: String::new(),
            effect: "stage".to_owned(),
            shadow: false,
            fields: Vec::new(),
            aggregates: Vec::new(),
        }
    }
}
