//! Imports go down only: reads every `crate::` path of the sources and fails on an arrow that goes up.

use std::fs;
use std::path::Path;

/// The floors, lowest first; ARCHITECTURE.md has the same table.
const FLOORS: &[&[&str]] = &[
    &["time", "money", "token", "error", "failpoint"],
    &["payment", "schema", "decision", "risk"],
    &["velocity", "list", "codec", "simulate"],
    &["expr"],
    &["stage", "rules", "model"],
    &["policy", "scope"],
    &["pipeline"],
    &["answer", "attribution", "comparison", "counterfactual", "describe", "engine", "matched"],
    &["batch", "bench", "journal", "learn"],
    &["pay"],
    &["channel"],
    &["institution", "sms"],
    &["serve"],
    &["cli", "report", "main"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Every module named after `crate::` in the text, tests and comments included.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("crate::").flat_map(|(at, found)| {
        let rest = &text[at + found.len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or("").split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        names.into_iter().map(|name| {
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            &name[..end]
        })
    })
}

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix("src").expect("below src").to_string_lossy().replace('\\', "/");
            found.push((name, fs::read_to_string(&path).expect("a text")));
        }
    }
}

#[test]
fn imports_go_down_only() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(files.len() > 20, "the sources were found");
    let mut up = Vec::new();
    for (name, text) in &files {
        let module = name.split(['/', '.']).next().unwrap_or("");
        if module == "lib" {
            continue;
        }
        let Some(own) = floor(module) else {
            up.push(format!("{name}: `{module}` is on no floor"));
            continue;
        };
        for import in imports(text).filter(|i| *i != module) {
            match floor(import) {
                Some(other) if other < own => {}
                // Siblings of one floor may know each other where the text says so.
                Some(other) if other == own && SIBLINGS.contains(&(module, import)) => {}
                Some(_) => up.push(format!("{name} imports {import}")),
                None => {}
            }
        }
    }
    assert!(up.is_empty(), "arrows that go up:\n{}", up.join("\n"));
}

/// Arrows within a floor, each for a reason.
const SIBLINGS: &[(&str, &str)] = &[
    ("payment", "schema"),     // a payment is a record of its schema's slots
    ("rules", "stage"),        // a rule's effect is what a stage records
    ("model", "stage"),        // a probability's score is on the stages' scale
    ("answer", "attribution"), // a row holds the description's parts
    ("answer", "matched"),
    ("describe", "matched"),
    ("engine", "describe"),
    ("describe", "attribution"), // a description tells what counted
    ("engine", "counterfactual"),
    ("simulate", "velocity"), // a simulated payment has a status
    ("learn", "batch"),       // histories are replayed as files are scored
    ("bench", "batch"),       // a run is watched as a run over files is
    ("cli", "report"),
    ("main", "cli"),
];

#[test]
fn the_checker_sees_an_arrow_that_goes_up() {
    let found: Vec<_> =
        imports("use crate::engine::Engine; use crate::{time::Span, expr}; crate::cli::run()").collect();
    assert_eq!(found, ["engine", "time", "expr", "cli"]);
    assert!(floor("engine") > floor("expr"));
}
