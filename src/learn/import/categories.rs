//! Which categories does an XGBoost tree send right?
//!
//! Written from `src/tree/tree_model.cc`, `src/common/categorical.h` and `src/data/cat_container.cc` of XGBoost 3:
//! a node's set goes right, whether it was found one-hot or by partition, and all others go left, negative ones
//! and those past the largest too. Absent values go where the node says.

use std::collections::HashMap;

use serde::Deserialize;

use crate::model::ModelError;

/// Categories from here on are none: `OutOfRangeCat` of XGBoost, the first whole number behind those that every
/// `f32` can tell apart.
pub const CATEGORIES_MAX: u32 = 1 << 24;

/// What a tree says of its categories: for each node that splits by them, where its set lies in the list.
pub(super) struct Sets<'a> {
    pub(super) categories: &'a [i64],
    pub(super) nodes: &'a [u32],
    /// Where each node's set begins.
    pub(super) segments: &'a [u64],
    pub(super) sizes: &'a [u64],
}

impl<'a> Sets<'a> {
    /// The categories that go right, by node.
    pub(super) fn by_node(&self, t: usize) -> Result<HashMap<usize, &'a [i64]>, ModelError> {
        let wrong = |what: String| ModelError::new(format!("tree {t}: {what}; save the model again"));
        let count = self.nodes.len();
        if [self.segments.len(), self.sizes.len()] != [count; 2] {
            return Err(wrong("its columns of categories differ in length".into()));
        }
        let mut sets = HashMap::new();
        let ends = self.segments.iter().zip(self.sizes);
        for (node, (first, size)) in self.nodes.iter().zip(ends) {
            let end = first.checked_add(*size).and_then(|end| usize::try_from(end).ok());
            let set = end.and_then(|end| self.categories.get(*first as usize..end));
            let Some(set) = set.filter(|set| !set.is_empty()) else {
                return Err(wrong(format!("the categories of node {node} aren't there")));
            };
            if sets.insert(*node as usize, set).is_some() {
                return Err(wrong(format!("node {node} has categories twice")));
            }
        }
        Ok(sets)
    }
}

/// What a model keeps of the categories of a data frame: trees know them by their places in these lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Frame {
    enc: Vec<Encoded>,
}

/// The categories of one feature: none, whole numbers, or texts, cut out of one by offsets.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Encoded {
    offsets: Vec<u64>,
    values: Vec<i64>,
}

impl Frame {
    /// The values of a feature's categories.
    pub(super) fn values(&self, feature: usize, name: &str, set: &[i64]) -> Result<Vec<u32>, ModelError> {
        let encoded = self.enc.get(feature);
        if encoded.is_some_and(|e| !e.offsets.is_empty()) {
            return Err(ModelError::new(format!(
                "the categories of `{name}` are texts, which no input gives; train on whole numbers as categories"
            )));
        }
        let known = encoded.map(|e| e.values.as_slice()).filter(|values| !values.is_empty());
        let value = |category: &i64| {
            let value = match known {
                Some(known) => usize::try_from(*category).ok().and_then(|place| known.get(place)),
                None => Some(category),
            };
            let value = value.and_then(|value| u32::try_from(*value).ok()).filter(|v| *v < CATEGORIES_MAX);
            value.ok_or_else(|| {
                ModelError::new(format!(
                    "category {category} of `{name}` isn't listed, or no whole number below {CATEGORIES_MAX}; number \
                     the categories anew and train again"
                ))
            })
        };
        set.iter().map(value).collect()
    }
}
