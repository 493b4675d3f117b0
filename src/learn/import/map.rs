//! Which expression gives a feature?

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Source;
use crate::model::{Input, MODEL_INPUTS_MAX, ModelError, Node};

/// A file of `[inputs]`, from the names of features to expressions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// By the feature's name.
    pub inputs: BTreeMap<String, Named>,
}

/// What a name stands for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Named {
    /// `name = "expression"`
    Plain(String),
    /// `name = { expression = "...", reason = "CODE" }`
    #[serde(rename_all = "snake_case")]
    WithReason {
        /// The expression.
        expression: String,
        /// The machine code of the reason.
        #[serde(default)]
        reason: String,
    },
}

impl Inputs {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    ///
    /// ```
    /// use tollgate::learn::import::Inputs;
    /// assert!(Inputs::parse("[inputs]\nf0 = \"amount\"").is_ok());
    /// assert!(Inputs::parse("[inputs]\nf0 = 7").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Inputs, ModelError> {
        toml::from_str(text).map_err(|e| ModelError::new(format!("the map of inputs: {e}")))
    }

    /// The inputs of the features that are mapped; the trees' inputs are numbered anew.
    pub(super) fn fit(&self, source: &mut Source) -> Result<Vec<Input>, ModelError> {
        let Source { features, zeros_absent, trees, .. } = source;
        let mut asked = vec![false; features.len()];
        let splits = trees.trees.iter_mut().flat_map(|t| &mut t.nodes).filter_map(|node| match node {
            Node::Split { input, .. } => Some(input),
            Node::Leaf { .. } => None,
        });
        let splits: Vec<&mut u16> = splits.collect();
        splits.iter().for_each(|input| asked[usize::from(**input)] = true);
        let lost: Vec<&str> = (features.iter().zip(&asked))
            .filter(|(name, asked)| **asked && !self.inputs.contains_key(*name))
            .map(|(name, _)| name.as_str())
            .collect();
        if !lost.is_empty() {
            let lost = lost.join(", ");
            return Err(ModelError::new(format!(
                "no expression for {lost}; add a line for each under [inputs] of the map"
            )));
        }
        let mut inputs = Vec::new();
        let mut places = vec![0; features.len()];
        for (feature, (name, place)) in features.iter().zip(&mut places).enumerate() {
            let Some(named) = self.inputs.get(name) else { continue };
            let (expression, reason) = match named {
                Named::Plain(expression) => (expression.clone(), String::new()),
                Named::WithReason { expression, reason } => (expression.clone(), reason.clone()),
            };
            *place = inputs.len() as u16;
            let zero_is_absent = zeros_absent.get(feature).copied().unwrap_or(false);
            inputs.push(Input { name: name.clone(), expression, reason, zero_is_absent });
        }
        if inputs.len() > MODEL_INPUTS_MAX {
            let found = inputs.len();
            return Err(ModelError::new(format!(
                "{found} inputs, at most {MODEL_INPUTS_MAX} are allowed; train on fewer"
            )));
        }
        splits.into_iter().for_each(|input| *input = places[usize::from(*input)]);
        Ok(inputs)
    }
}
