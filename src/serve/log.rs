//! What is told to people who run it: one line of JSON on standard error for each event.
//!
//! Requests are not logged: they are counted in the metrics. Whatever text an event holds goes through
//! `redact`, so that no card number stands in a log.

use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::time::Timestamp;
use crate::token::redact;

/// How much an event matters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

/// Writes one event.
pub(super) fn event(level: Level, name: &str, fields: &[(&str, Value)]) {
    let line = line(level, name, now(), fields);
    // Nobody is left to be told when standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The machine's time; only the shell may ask.
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).ok().and_then(Timestamp::from_micros).unwrap_or_default()
}

/// A length of time as events have it: whole milliseconds.
pub(super) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn line(level: Level, name: &str, at: Timestamp, fields: &[(&str, Value)]) -> String {
    let mut map = Map::new();
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    map.insert("at".into(), at.to_string().into());
    map.insert("level".into(), level.into());
    map.insert("event".into(), name.into());
    for (name, value) in fields {
        map.insert((*name).to_owned(), redacted(value));
    }
    format!("{}\n", Value::Object(map))
}

/// The value with every text in it redacted.
fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => redact(text).into_owned().into(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (redact(name).into_owned(), redacted(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_without_card_numbers() {
        let line = line(
            Level::Warn,
            "reload",
            Timestamp::default(),
            &[("why", serde_json::json!([{"x": "a 4111111111111111 b"}]))],
        );
        assert!(line.starts_with(r#"{"at":"1970-01-01T00:00:00Z""#), "{line}");
        assert!(line.ends_with("\n") && !line.contains("4111111111111111"), "{line}");
    }
}
