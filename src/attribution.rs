//! How much did each input of the model count?

use serde::Serialize;

use crate::decision::Decision;
use crate::expr::Facts;
use crate::model::{Role, Served};
use crate::pipeline::Pipeline;

/// An input of the champion that raised the score.
///
/// ```
/// use tollgate::ModelReason;
/// let reason = ModelReason {
///     code: "NEW_DEVICE".into(),
///     input: "device_age".into(),
///     expression: "since(device)".into(),
///     value: None,
///     share: 0.7,
/// };
/// assert!(reason.share > 0.0 && reason.value.is_none()); // absent, and a risk for that
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct ModelReason {
    /// Its machine code.
    pub code: String,
    /// The input's name.
    pub input: String,
    /// The expression that gives it.
    pub expression: String,
    /// Its value as the model saw it; `None` for absent.
    pub value: Option<String>,
    /// Its share of the margin, in the margin's own unit (mostly log-odds).
    pub share: f64,
}

impl ModelReason {
    /// Of a decision of this pipeline, largest share first; nothing of another's.
    pub(crate) fn of(pipeline: &Pipeline, decision: &Decision) -> Vec<ModelReason> {
        if decision.digest != pipeline.digest() {
            return Vec::new();
        }
        let Some(champion) = pipeline.models().of(Role::Champion) else { return Vec::new() };
        let reasons = decision.contributions.iter().filter_map(|contribution| {
            let input = champion.inputs.get(usize::from(contribution.input))?;
            Some(ModelReason {
                code: input.reason.clone(),
                input: input.name.clone(),
                expression: input.expression.clone(),
                value: show(contribution.value),
                share: contribution.share,
            })
        });
        reasons.collect()
    }
}

/// An input's value as people read it: the shortest text that is the same `f32`.
fn show(value: f32) -> Option<String> {
    (!value.is_nan()).then(|| value.to_string())
}

/// Where the champion's margin comes from, exactly: the Shapley values of its inputs.
///
/// ```
/// use tollgate::{Attribution, InputValue};
/// let input = InputValue { input: "n".into(), expression: "count(card, 1h)".into(), value: Some("3".into()), shapley: 0.5 };
/// let whole = Attribution { model: "m".into(), expected: -2.0, margin: -1.5, inputs: vec![input] };
/// assert_eq!(whole.margin, whole.expected + whole.inputs[0].shapley);
/// assert!(whole.to_string().contains("n = 3  [count(card, 1h)]"));
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Attribution {
    /// The model's name.
    pub model: String,
    /// What it answers on average over its training rows.
    pub expected: f64,
    /// What it answers for this payment: `expected` and all Shapley values.
    pub margin: f64,
    /// Every input, the weightiest first.
    pub inputs: Vec<InputValue>,
}

/// One input of an [`Attribution`].
///
/// ```
/// use tollgate::InputValue;
/// let input = InputValue {
///     input: "amount".into(),
///     expression: "amount".into(),
///     value: Some("12.5".into()),
///     shapley: -0.25,
/// };
/// assert!(input.shapley < 0.0); // it lowered the margin
/// ```
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct InputValue {
    /// Its name.
    pub input: String,
    /// The expression that gives it.
    pub expression: String,
    /// Its value as the model saw it; `None` for absent.
    pub value: Option<String>,
    /// Its exact Shapley value (path-dependent TreeSHAP, Lundberg 2018).
    pub shapley: f64,
}

impl Attribution {
    /// `None` without a champion.
    pub(crate) fn of(pipeline: &Pipeline, facts: Facts<'_>) -> Option<Attribution> {
        pipeline.models().of(Role::Champion).map(|champion| Attribution::by(champion, facts))
    }

    fn by(champion: &Served, facts: Facts<'_>) -> Attribution {
        let (mut row, mut margin) = (Vec::new(), [0.0]);
        champion.fill(&[facts], &mut row);
        champion.margins(&row, &mut margin);
        let mut values = vec![0.0; champion.width()];
        let expected = champion.shapley(&row, &mut values);
        let inputs = champion.inputs.iter().zip(&row).zip(&values);
        let mut inputs: Vec<InputValue> = inputs
            .map(|((input, value), shapley)| InputValue {
                input: input.name.clone(),
                expression: input.expression.clone(),
                value: show(*value),
                shapley: *shapley,
            })
            .collect();
        inputs.sort_by(|a, b| b.shapley.abs().total_cmp(&a.shapley.abs()));
        Attribution { model: champion.name.clone(), expected, margin: margin[0], inputs }
    }
}

impl std::fmt::Display for Attribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "model {}: margin {:.4}, on average {:.4}", self.model, self.margin, self.expected)?;
        for input in &self.inputs {
            let value = input.value.as_deref().unwrap_or("(absent)");
            write!(f, "\n  {:+9.4}  {} = {value}", input.shapley, input.input)?;
            if input.input != input.expression {
                write!(f, "  [{}]", input.expression)?;
            }
        }
        Ok(())
    }
}
