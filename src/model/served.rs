//! How is a model asked? Its inputs compiled into the pipeline's plan, its margin turned into what rules read.

use super::{Artifact, Branch, Calibration, Form, Input, MODEL_INPUTS_MAX, Model, Node};
use crate::error::Diagnostic;
use crate::expr::{Facts, Number, Scope};

/// The layout of artifacts that is read.
const FORMAT: u32 = 1;

/// What a pipeline wants of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its score counts.
    Champion,
    /// Its score is recorded beside the champion's.
    Challenger,
    /// Its margin says how strange a payment is.
    Anomaly,
}

impl Role {
    /// All of them.
    pub(crate) const ALL: [Role; 3] = [Role::Champion, Role::Challenger, Role::Anomaly];

    /// The key in `policy.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Champion => "champion",
            Role::Challenger => "challenger",
            Role::Anomaly => "anomaly",
        }
    }
}

/// An artifact that is ready to answer.
#[derive(Debug)]
pub(crate) struct Served {
    /// The artifact's name.
    pub(crate) name: String,
    /// Its inputs as the artifact has them, reason codes filled in.
    pub(crate) inputs: Vec<Input>,
    /// Its trees; 0 of a weighted sum.
    pub(crate) trees: usize,
    /// For each input, the values at which a tree's answer may change, ascending.
    pub(crate) cuts: Vec<Vec<f64>>,
    numbers: Vec<Number>,
    model: Box<dyn Model>,
    calibration: Option<Calibration>,
}

impl Served {
    /// Reads an artifact and compiles its inputs by the scope of the rules. Mistakes go to `wrong`, all
    /// that can be found at once.
    pub(crate) fn read(
        role: Role,
        path: &str,
        text: &str,
        scope: &mut Scope,
        wrong: &mut Vec<Diagnostic>,
    ) -> Option<Served> {
        let mut artifact: Artifact = match serde_json::from_str(text) {
            Ok(artifact) => artifact,
            Err(e) => {
                let at = place(text, e.line(), e.column());
                wrong.push(Diagnostic::at(path, text, at..at, format!("this is no model: {e}")));
                return None;
            }
        };
        let before = wrong.len();
        if let Some(message) = refusal(role, &artifact) {
            wrong.push(Diagnostic::whole(path, message.0).help(message.1));
        }
        let numbers: Vec<Number> =
            artifact.inputs.iter().filter_map(|input| compile(path, input, scope, wrong)).collect();
        let model = artifact.compile().map_err(|e| wrong.push(Diagnostic::whole(path, e.to_string()))).ok();
        if let Some(model) = &model
            && model.width() != artifact.inputs.len()
        {
            let (width, inputs) = (model.width(), artifact.inputs.len());
            wrong.push(Diagnostic::whole(
                path,
                format!("the form takes {width} inputs, and {inputs} are listed"),
            ));
        }
        if wrong.len() > before {
            return None;
        }
        for input in artifact.inputs.iter_mut().filter(|input| input.reason.is_empty()) {
            input.reason = code_of(&input.name);
        }
        Some(Served {
            name: artifact.name,
            trees: match &artifact.form {
                Form::Trees(trees) => trees.trees.len(),
                Form::Logistic(_) => 0,
            },
            cuts: cuts(&artifact.form, artifact.inputs.len()),
            inputs: artifact.inputs,
            numbers,
            model: model?,
            calibration: artifact.calibration,
        })
    }

    /// Inputs of a row.
    pub(crate) fn width(&self) -> usize {
        self.numbers.len()
    }

    /// The inputs' programs, in order.
    pub(crate) fn numbers(&self) -> &[Number] {
        &self.numbers
    }

    /// Works out the inputs of some payments, row after row; NaN is absent.
    pub(crate) fn fill(&self, facts: &[Facts<'_>], rows: &mut Vec<f32>) {
        rows.clear();
        for facts in facts {
            let row = facts.row();
            rows.extend(self.numbers.iter().map(|number| number.root().value(row) as f32));
        }
    }

    /// The margins of some rows.
    pub(crate) fn margins(&self, rows: &[f32], margins: &mut [f64]) {
        match margins {
            [one] => *one = self.model.margin(rows),
            many => self.model.margins(rows, many),
        }
    }

    /// The margin of one row, and where it led, for [`Served::contributions`].
    pub(crate) fn margin_and_trail(&self, row: &[f32], trail: &mut Vec<u32>) -> f64 {
        self.model.margin_and_trail(row, trail)
    }

    /// The probability of a margin; NaN without a calibration, and for a margin that is no number.
    pub(crate) fn probability(&self, margin: f64) -> f64 {
        match &self.calibration {
            Some(calibration) if !margin.is_nan() => calibration.probability(margin),
            _ => f64::NAN,
        }
    }

    /// Each input's share of the margin along the paths, added to `shares`. The trail is that row's, or empty.
    pub(crate) fn contributions(&self, row: &[f32], trail: &[u32], shares: &mut [f64]) -> f64 {
        self.model.contributions_along(row, trail, shares)
    }

    /// Each input's Shapley value, added to `values`, and the expected margin.
    pub(crate) fn shapley(&self, row: &[f32], values: &mut [f64]) -> f64 {
        self.model.shapley(row, values)
    }
}

/// Why an artifact can't play its role, and what would do.
fn refusal(role: Role, artifact: &Artifact) -> Option<(String, &'static str)> {
    let inputs = artifact.inputs.len();
    if artifact.format != FORMAT {
        let message = format!("the model's layout is {}, and {FORMAT} is read", artifact.format);
        return Some((message, "write it with the release that reads it"));
    }
    if inputs == 0 || inputs > MODEL_INPUTS_MAX {
        let message = format!("a model has 1 to {MODEL_INPUTS_MAX} inputs, and this has {inputs}");
        return Some((message, "train it with other inputs"));
    }
    if role != Role::Anomaly && artifact.calibration.is_none() {
        let message = format!("a {} needs a calibration, and this model has none", role.name());
        return Some((message, "calibrate it, or name it as `anomaly` in policy.toml"));
    }
    None
}

fn compile(path: &str, input: &Input, scope: &mut Scope, wrong: &mut Vec<Diagnostic>) -> Option<Number> {
    // The artifact's own line is of no help: the expression is shown by itself.
    let at = format!("{path}, input `{}`", input.name);
    if !input.reason.is_empty() && input.reason != code_of(&input.reason) {
        let message = format!("`{}` is no reason code", input.reason);
        wrong.push(Diagnostic::whole(at.clone(), message).help("capitals, digits and underscores"));
    }
    match Number::compile(&input.expression, scope) {
        Ok(number) if number.inputs().risk => {
            let span = 0..input.expression.len();
            let message = "an input can't read what the models say";
            wrong.push(Diagnostic::at(at, &input.expression, span, message));
            None
        }
        Ok(number) => Some(number),
        Err(errors) => {
            wrong.extend(errors.into_iter().map(|error| {
                let shown = Diagnostic::at(at.clone(), &input.expression, error.span, error.message);
                let shown = shown.label(error.label);
                match error.help {
                    Some(help) => shown.help(help),
                    None => shown,
                }
            }));
            None
        }
    }
}

/// A name as a machine code.
fn code_of(name: &str) -> String {
    name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The byte at a line and column, both from 1.
fn place(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

fn cuts(form: &Form, inputs: usize) -> Vec<Vec<f64>> {
    let mut cuts = vec![Vec::new(); inputs];
    let Form::Trees(trees) = form else { return cuts };
    for node in trees.trees.iter().flat_map(|tree| &tree.nodes) {
        if let Node::Split { input, branch: Branch::AtMost(cut) | Branch::Below(cut), .. } = node
            && let Some(cuts) = cuts.get_mut(usize::from(*input))
        {
            cuts.push(*cut);
        }
    }
    for cuts in &mut cuts {
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
    }
    cuts
}
