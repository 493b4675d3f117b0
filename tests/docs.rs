//! Every public name of the crate shows how it is used: reads the `pub use` lines of src/lib.rs and the
//! docs of what they name. That the examples run is for the doc tests to prove.

use std::fs;
use std::path::Path;

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

/// Module and name of everything re-exported; hidden lines apart.
fn exported(lib: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (at, start) in lib.match_indices("\npub use ") {
        if lib[..at].ends_with("#[doc(hidden)]") {
            continue;
        }
        let line = lib[at + start.len()..].split(';').next().unwrap_or("");
        let (module, list) = line.split_once("::").expect("a path");
        for name in list.trim_matches(['{', '}']).split(',') {
            let name = name.split(" as ").next().unwrap_or("").trim();
            if !name.is_empty() {
                names.push((module.to_owned(), name.to_owned()));
            }
        }
    }
    names
}

/// Whether the item's docs hold an example; `None` when `text` does not declare it.
fn shown(text: &str, name: &str) -> Option<bool> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let declares = |line: &str| {
        ["struct", "enum", "trait", "const", "mod", "type", "fn"].iter().any(|word| {
            let rest = line.strip_prefix("pub ").and_then(|l| l.strip_prefix(word)?.strip_prefix(' '));
            let rest = rest.and_then(|r| r.strip_prefix(name));
            rest.is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                && !(*word == "fn" && line.contains("self"))
        })
    };
    let at = lines.iter().position(|line| declares(line))?;
    let docs = lines[..at].iter().rev().take_while(|l| l.starts_with("///") || l.starts_with("#["));
    Some(docs.into_iter().any(|line| line.starts_with("/// ```")))
}

#[test]
fn every_public_name_has_an_example() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let names = exported(&fs::read_to_string("src/lib.rs").expect("src/lib.rs"));
    assert!(names.len() > 100, "the names were found");
    let mut wrong = Vec::new();
    for (module, name) in &names {
        let own = files.iter().filter(|(file, _)| file.split(['/', '.']).next() == Some(module));
        let found: Vec<bool> = own.filter_map(|(_, text)| shown(text, name)).collect();
        if found.is_empty() || found.contains(&false) {
            wrong.push(format!("{module}::{name}"));
        }
    }
    assert!(wrong.is_empty(), "without an example: {wrong:?}");
}

#[test]
fn a_name_without_an_example_is_noticed() {
    assert_eq!(shown("/// Words.\npub struct A;", "A"), Some(false));
    assert_eq!(shown("/// ```\n/// ```\n#[derive(Debug)]\npub struct A;", "A"), Some(true));
    assert_eq!(shown("/// ```\npub struct Ab;", "A"), None);
}
