//! What do the files of a folder say that are no rules: thresholds, limits, named inputs?

use serde::Deserialize;

use crate::error::Diagnostic;
use crate::expr::{Number, Scope};
use crate::model::Role;
use crate::rules::file;
use crate::stage::{SCORE_MAX, Thresholds};
use crate::time::Span;
use crate::velocity::{Limits, MEMORY_MIN};

/// `policy.toml`: what is no rule and yet decides.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    thresholds: ThresholdsEntry,
    #[serde(default)]
    limits: LimitsEntry,
    #[serde(default)]
    model: ModelEntry,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    champion: Option<toml::Spanned<String>>,
    challenger: Option<toml::Spanned<String>>,
    anomaly: Option<toml::Spanned<String>>,
}

/// What `policy.toml` says.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) thresholds: Thresholds,
    pub(super) limits: Limits,
    /// Names of models, in the order of [`Role::ALL`].
    pub(super) models: [Option<toml::Spanned<String>>; Role::ALL.len()],
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ThresholdsEntry {
    challenge: Option<toml::Spanned<u16>>,
    review: Option<toml::Spanned<u16>>,
    decline: Option<toml::Spanned<u16>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LimitsEntry {
    entities: Option<usize>,
    events: Option<usize>,
    memory: Option<toml::Spanned<String>>,
    lateness: Option<toml::Spanned<String>>,
}

pub(super) fn policy_file(path: &str, text: &str, wrong: &mut Vec<Diagnostic>) -> Settings {
    let file: PolicyFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(e) => {
            wrong.push(Diagnostic::at(path, text, e.span().unwrap_or(0..0), e.message()));
            return Default::default();
        }
    };
    let entries = [&file.thresholds.challenge, &file.thresholds.review, &file.thresholds.decline];
    let mut floor = 1;
    for threshold in entries.into_iter().flatten() {
        if *threshold.get_ref() < floor || *threshold.get_ref() > SCORE_MAX {
            let message = "thresholds are scores of 1 to 1000, with challenge <= review <= decline";
            wrong.push(Diagnostic::at(path, text, threshold.span(), message));
        }
        floor = floor.max(*threshold.get_ref());
    }
    let [challenge, review, decline] = entries.map(|t| t.as_ref().map(|t| *t.get_ref()));
    let mut limits = Limits::default();
    if let Some(entities) = file.limits.entities {
        limits.entities = entities;
    }
    if let Some(events) = file.limits.events {
        limits.events = events;
    }
    if let Some(memory) = file.limits.memory {
        match bytes(memory.get_ref()) {
            Some(bytes) if bytes >= MEMORY_MIN => limits.memory = Some(bytes),
            _ => wrong.push(
                Diagnostic::at(path, text, memory.span(), "not a budget of bytes, of 1 MiB or more")
                    .label("such as \"2GiB\" or \"512MiB\""),
            ),
        }
    }
    if let Some(lateness) = file.limits.lateness {
        match Span::parse(lateness.get_ref()) {
            Some(span) => limits.lateness = span,
            None => wrong.push(
                Diagnostic::at(path, text, lateness.span(), "not a length of time")
                    .label("such as \"1d\" or \"30m\""),
            ),
        }
    }
    let ModelEntry { champion, challenger, anomaly } = file.model;
    Settings {
        thresholds: Thresholds { challenge, review, decline },
        limits,
        models: [champion, challenger, anomaly],
    }
}

/// A number of bytes with its unit: `"512MiB"`, `"2GiB"`.
fn bytes(text: &str) -> Option<usize> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    let number = number.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number.parse::<usize>().ok()?.checked_mul(1 << shift)).flatten()
}

/// Inputs are there before any model is asked.
pub(super) const READS_RISK: &str = "an input can't read what the models say";
/// An input of the file: its name, its number, the machine code of a reason that rests on it.
pub(super) type NamedInput = (String, Number, String);

/// Named expressions, in the order of the file.
pub(super) fn inputs_file(
    path: &str,
    text: &str,
    scope: &mut Scope,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<NamedInput> {
    let file: InputsFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(e) => {
            wrong.push(Diagnostic::at(path, text, e.span().unwrap_or(0..0), e.message()));
            return Vec::new();
        }
    };
    let mut entries: Vec<_> = file.inputs.into_iter().collect();
    entries.sort_by_key(|(_, entry)| entry.span().start);
    let mut inputs = Vec::new();
    for (name, entry) in entries {
        let (expression, reason) = match input_entry(text, &entry) {
            Ok(input) => input,
            Err(message) => {
                wrong.push(Diagnostic::at(path, text, entry.span(), message));
                continue;
            }
        };
        match Number::compile(expression.get_ref(), scope) {
            Ok(number) if number.inputs().risk => wrong.push(
                Diagnostic::at(path, text, expression.span(), READS_RISK)
                    .label("what the payment and its past say"),
            ),
            Ok(number) => inputs.push((name, number, reason)),
            Err(errors) => wrong.extend(file::diagnose(path, text, &expression, errors)),
        }
    }
    inputs
}

/// The expression with its place, and the reason: from a text, or from `{ expression, reason }`.
fn input_entry(
    text: &str,
    entry: &toml::Spanned<toml::Value>,
) -> Result<(toml::Spanned<String>, String), &'static str> {
    let form = "an input is an expression, or { expression = \"...\", reason = \"CODE\" }";
    let table = match entry.get_ref() {
        toml::Value::String(expression) => {
            return Ok((toml::Spanned::new(entry.span(), expression.clone()), String::new()));
        }
        toml::Value::Table(table) => table,
        _ => return Err(form),
    };
    let known = table.keys().all(|key| ["expression", "reason"].contains(&key.as_str()));
    let Some(expression) = table.get("expression").and_then(toml::Value::as_str).filter(|_| known) else {
        return Err(form);
    };
    let reason = match table.get("reason") {
        None => "",
        Some(reason) => reason
            .as_str()
            .filter(|r| file::is_reason(r))
            .ok_or("a reason is a code of 1 to 64 capitals, digits and `_`, such as \"CARD_VELOCITY\"")?,
    };
    // The table's span is known, the text's within it is found again; quotes are part of it.
    let within = text.get(entry.span()).and_then(|table| table.find(expression));
    let span = within.map_or(entry.span(), |at| {
        let start = entry.span().start + at;
        start.saturating_sub(1)..start + expression.len() + 1
    });
    Ok((toml::Spanned::new(span, expression.to_owned()), reason.to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputsFile {
    inputs: std::collections::BTreeMap<String, toml::Spanned<toml::Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_bytes_has_a_unit_and_a_least_value() {
        let read = |memory: &str| {
            let mut wrong = Vec::new();
            let text = format!("[limits]\nmemory = \"{memory}\"\n");
            let settings = policy_file("policy.toml", &text, &mut wrong);
            assert!(wrong.iter().all(|d| d.to_string().contains("1 MiB or more")), "{wrong:?}");
            (settings.limits.memory, wrong.len())
        };
        assert_eq!(read("1MiB"), (Some(MEMORY_MIN), 0)); // at the least
        assert_eq!(read("1024KiB"), (Some(MEMORY_MIN), 0));
        assert_eq!(read("2 GiB"), (Some(2 << 30), 0));
        for wrong in ["1023KiB", "0GiB", "-1GiB", "+1GiB", "1", "GiB", "1GB", "16777216TiB", "1.5GiB", ""] {
            assert_eq!(read(wrong), (None, 1), "{wrong}");
        }
    }
}
