//! Where do settings come from? A file, the environment and flags, each before the one ahead of it.

use std::path::Path;

use toml::{Table, Value};

use super::config::Config;
use crate::error::{Diagnostic, Error, ErrorKind, nearest};

/// What variables of the environment begin with: `TOLLGATE_SERVE_LIMITS_BODY_BYTES` is `limits.body_bytes`.
const PREFIX: &str = "TOLLGATE_SERVE_";
/// Most bytes of a settings file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads the file, then the variables, then `NAME=VALUE` settings of the command line.
pub(crate) fn read(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Config, Error> {
    let mut table = Table::new();
    if let Some(path) = file {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        if size > FILE_BYTES_MAX {
            return Err(rules(format!("larger than {FILE_BYTES_MAX} bytes")).at(path));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        // Read as settings first, for messages with a place.
        toml::from_str::<Config>(&text).map_err(|e| diagnose(&name, &text, &e))?;
        table = text.parse().map_err(|e: toml::de::Error| diagnose(&name, &text, &e))?;
    }
    let mut variables: Vec<(String, String)> =
        variables.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value))).collect();
    variables.sort();
    for (name, value) in variables {
        set(&mut table, &place_of(&name), &value).map_err(|m| rules(m).at(format!("{PREFIX}{name}")))?;
    }
    checked(&table).map_err(|m| rules(m).at("the environment"))?;
    for (name, value) in flags {
        set(&mut table, name, value).map_err(|m| rules(m).at(name))?;
    }
    let config = checked(&table).map_err(|m| rules(m).at("the command line"))?;
    config.check().map_err(rules)?;
    Ok(config)
}

fn rules(message: impl Into<String>) -> Error {
    Error::new(message).of(ErrorKind::Rules)
}

fn checked(table: &Table) -> Result<Config, String> {
    Value::Table(table.clone()).try_into().map_err(|e: toml::de::Error| {
        let near = suggestion(e.message()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        format!("{}{near}", first_line(e.message()))
    })
}

/// `LIMITS_BODY_BYTES` is `limits.body_bytes`: sections' names are one word.
fn place_of(variable: &str) -> String {
    const SECTIONS: [&str; 10] = [
        "tls",
        "limits",
        "timeouts",
        "overload",
        "idempotency",
        "reload",
        "journal",
        "authz",
        "unavailable",
        "payments",
    ];
    let name = variable.to_ascii_lowercase();
    match name.split_once('_') {
        Some((section, key)) if SECTIONS.contains(&section) => format!("{section}.{key}"),
        _ => name,
    }
}

fn set(table: &mut Table, name: &str, value: &str) -> Result<(), String> {
    // What is no TOML value is text: addresses, paths, lengths of time.
    let parsed = format!("x = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("x"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    let (mut table, mut name) = (table, name);
    while let Some((section, rest)) = name.split_once('.') {
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        table = entry.as_table_mut().ok_or_else(|| format!("`{section}` is no section"))?;
        name = rest;
    }
    table.insert(name.to_owned(), value);
    Ok(())
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}

fn diagnose(name: &str, text: &str, error: &toml::de::Error) -> Error {
    let span = error.span().unwrap_or(0..0);
    let diagnostic = Diagnostic::at(name, text, span, first_line(error.message()));
    match suggestion(error.message()) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
    .into()
}

/// The nearest of the names that serde lists: ``unknown field `a`, expected one of `b`, `c` ``.
fn suggestion(message: &str) -> Option<String> {
    let rest =
        message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("unknown variant `"))?;
    let (unknown, rest) = rest.split_once('`')?;
    nearest(unknown, rest.split('`').skip(1).step_by(2)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn with(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        read(Some(file.path()), owned(variables).into_iter(), &owned(flags)).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let file =
            "threads = 1\nlisten = \"127.0.0.1:1\"\n[limits]\nbody_bytes = 1\n[timeouts]\nbody = \"1s\"";
        let config = with(
            file,
            &[("TOLLGATE_SERVE_THREADS", "2"), ("TOLLGATE_SERVE_LIMITS_BODY_BYTES", "2"), ("HOME", "/")],
            &[("threads", "3"), ("timeouts.header", "7s")],
        )
        .unwrap();
        assert_eq!((config.threads, config.limits.body_bytes), (3, 2));
        assert_eq!(config.timeouts.header.0, Duration::from_secs(7));
        assert_eq!(config.timeouts.body.0, Duration::from_secs(1));
        assert_eq!(config.listen, ["127.0.0.1:1"]);
        assert_eq!(config.limits.headers, 64); // a default
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        for (file, variables, flags) in [
            ("[limits]\nbody_byte = 1", &[][..], &[][..]),
            ("", &[("TOLLGATE_SERVE_LIMITS_BODY_BYTE", "1")], &[]),
            ("", &[], &[("limits.body_byte", "1")]),
        ] {
            let wrong = with(file, variables, flags).unwrap_err();
            assert!(wrong.contains("did you mean `body_bytes`?"), "{wrong}");
        }
        let wrong = with("threads = 1\n[timeouts]\nbody = \"soon\"", &[], &[]).unwrap_err();
        assert!(wrong.contains(":3:") && wrong.contains("250ms"), "{wrong}");
        let wrong = with("[authz]\npass = [\"chalenge\"]", &[], &[]).unwrap_err();
        assert!(wrong.contains("did you mean `challenge`?"), "{wrong}");
        for (setting, value) in [
            ("authz.decline_status", "200"),
            ("reload.max_changed", "1.5"),
            ("overload.concurrency", "0"),
            ("limits.body_bytes", "0"),
        ] {
            let wrong = with("", &[], &[(setting, value)]).unwrap_err();
            assert!(wrong.contains(setting), "{wrong}");
        }
    }
}
