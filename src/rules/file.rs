//! How is a rule file read? TOML frame by serde, `when` by the expression compiler, every mistake
//! with its place in the file.

use std::collections::{HashMap, hash_map};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::error::Diagnostic;
use crate::expr::{ExprError, Scope, Test};
use crate::rules::{Brake, Rule, RuleScope, example};
use crate::stage::{Effect, SCORE_MAX};

/// Largest rule file, in bytes.
///
/// ```
/// assert_eq!(tollgate::RULE_FILE_BYTES_MAX, 8 << 20);
/// ```
pub const RULE_FILE_BYTES_MAX: usize = 8 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default)]
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    when: Spanned<String>,
    then: Option<Spanned<String>>,
    weight: Option<Spanned<i64>>,
    reason: Spanned<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    hard: bool,
    #[serde(default)]
    shadow: bool,
    brake: Option<Spanned<String>>,
    scope: Option<Spanned<ScopeEntry>>,
    #[serde(default)]
    example: ExampleEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeEntry {
    #[serde(default)]
    gateway: Vec<String>,
    #[serde(default)]
    channel: Vec<String>,
    #[serde(default)]
    institution: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ExampleEntry {
    #[serde(default)]
    fires: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    quiet: Vec<Spanned<toml::Table>>,
}

/// The ids of a folder's rules, right or wrong, and where each is.
pub(crate) type Taken = HashMap<String, String>;

/// Reads the rules of one file. What is right is compiled even when other parts are wrong, so that
/// all mistakes are found in one pass.
pub(crate) fn parse(
    path: &str,
    text: &str,
    scope: &mut Scope,
    taken: &mut Taken,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<Rule> {
    if text.len() > RULE_FILE_BYTES_MAX {
        wrong.push(Diagnostic::whole(path, format!("the file is larger than {RULE_FILE_BYTES_MAX} bytes")));
        return Vec::new();
    }
    let file: RuleFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(e) => {
            wrong.push(Diagnostic::at(path, text, e.span().unwrap_or(0..0), e.message()));
            return Vec::new();
        }
    };
    let mut source = Source { path, text, taken, wrong };
    file.rule.into_iter().filter_map(|entry| source.rule(entry, scope)).collect()
}

struct Source<'a> {
    path: &'a str,
    text: &'a str,
    taken: &'a mut Taken,
    wrong: &'a mut Vec<Diagnostic>,
}

impl Source<'_> {
    fn complain(&mut self, span: Range<usize>, message: impl Into<String>, label: &str) {
        self.wrong.push(Diagnostic::at(self.path, self.text, span, message).label(label));
    }

    fn rule(&mut self, entry: Entry, scope: &mut Scope) -> Option<Rule> {
        let before = self.wrong.len();
        if !is_id(entry.id.get_ref()) {
            self.complain(
                entry.id.span(),
                "a rule's id is 1 to 64 letters, digits, dots, dashes and underscores",
                "such as \"card-testing-burst\"",
            );
        }
        self.take(&entry.id);
        if !is_reason(entry.reason.get_ref()) {
            self.complain(
                entry.reason.span(),
                "a reason is a code for machines: 1 to 64 capitals, digits and underscores",
                "such as \"CARD_TESTING\"; words for people go into `text`",
            );
        }
        let effect = self.effect(&entry);
        let when = self.when(&entry.when, scope);
        let brake = entry.brake.as_ref().and_then(|brake| self.brake(brake, entry.hard));
        let rule_scope = entry.scope.as_ref().and_then(|s| self.scope(s));
        let examples =
            example::read(entry.example.fires, true).chain(example::read(entry.example.quiet, false));
        let mut rule = Rule {
            id: entry.id.get_ref().clone(),
            path: self.path.to_owned(),
            line: line_of(self.text, entry.id.span().start),
            source: entry.when.get_ref().clone(),
            when: when?,
            effect: effect?,
            reason: entry.reason.get_ref().clone(),
            text: entry.text,
            shadow: entry.shadow,
            brake,
            scope: rule_scope,
            examples: Vec::new(),
        };
        for example in examples {
            match example::compile(example, &rule, scope) {
                Ok(example) => rule.examples.push(example),
                Err(wrong) => {
                    let shown =
                        Diagnostic::at(self.path, self.text, wrong.span, wrong.message).label(wrong.label);
                    self.wrong.push(if wrong.fails { shown.of_example() } else { shown });
                }
            }
        }
        (self.wrong.len() == before).then_some(rule)
    }

    /// Keeps the id for this rule.
    fn take(&mut self, id: &Spanned<String>) {
        match self.taken.entry(id.get_ref().clone()) {
            hash_map::Entry::Vacant(free) => {
                free.insert(format!("{}:{}", self.path, line_of(self.text, id.span().start)));
            }
            hash_map::Entry::Occupied(other) => {
                let message = format!("there is a rule `{}` already", id.get_ref());
                let wrong = Diagnostic::at(self.path, self.text, id.span(), message);
                let wrong = wrong.label("another name, or leave one out");
                self.wrong.push(wrong.help(format!("the other is at {}", other.get())));
            }
        }
    }

    fn effect(&mut self, entry: &Entry) -> Option<Effect> {
        let effect = match (&entry.then, &entry.weight) {
            (Some(then), None) => match then.get_ref().as_str() {
                "allow" => Effect::Allow,
                "decline" => Effect::Decline,
                "review" => Effect::Review,
                "challenge" => Effect::Challenge,
                other => {
                    let message = format!("`{other}` is nothing a rule can do");
                    self.complain(then.span(), message, "one of: allow challenge review decline");
                    return None;
                }
            },
            (None, Some(weight)) => {
                let points = *weight.get_ref();
                match i32::try_from(points).ok().filter(|p| p.unsigned_abs() <= u32::from(SCORE_MAX)) {
                    Some(points) => Effect::Points(points),
                    None => {
                        self.complain(weight.span(), "score points are out of range", "-1000 to 1000");
                        return None;
                    }
                }
            }
            (Some(_), Some(weight)) => {
                self.complain(
                    weight.span(),
                    "a rule has either `then` or `weight`, not both",
                    "make it two rules",
                );
                return None;
            }
            (None, None) => {
                self.complain(
                    entry.id.span(),
                    "the rule has no effect",
                    "add then = \"decline\" (allow, challenge, review) or weight = 120",
                );
                return None;
            }
        };
        match (entry.hard, effect) {
            (false, effect) => Some(effect),
            (true, Effect::Decline) => Some(Effect::Hard),
            (true, _) => {
                self.complain(
                    entry.id.span(),
                    "only a rule with then = \"decline\" can be hard",
                    "drop `hard`",
                );
                None
            }
        }
    }

    fn when(&mut self, when: &Spanned<String>, scope: &mut Scope) -> Option<Test> {
        match Test::compile(when.get_ref(), scope) {
            Ok(test) => Some(test),
            Err(errors) => {
                self.wrong.extend(diagnose(self.path, self.text, when, errors));
                None
            }
        }
    }

    fn brake(&mut self, brake: &Spanned<String>, hard: bool) -> Option<Brake> {
        if hard {
            // Sanctions and the lists of the proven must not wear off because they match often.
            self.complain(brake.span(), "a hard rule can't have a brake", "drop `hard` or `brake`");
        }
        match Brake::parse(brake.get_ref()) {
            Ok(brake) => Some(brake),
            Err(error) => {
                self.wrong.extend(diagnose(self.path, self.text, brake, vec![error]));
                None
            }
        }
    }

    fn scope(&mut self, entry: &Spanned<ScopeEntry>) -> Option<RuleScope> {
        let scope = entry.get_ref();
        let named = [
            (RuleScope::Gateway as fn(Vec<String>) -> RuleScope, &scope.gateway),
            (RuleScope::Channel, &scope.channel),
            (RuleScope::Institution, &scope.institution),
        ];
        let mut named = named.into_iter().filter(|(_, ids)| !ids.is_empty());
        match (named.next(), named.next()) {
            (Some((kind, ids)), None) => Some(kind(ids.clone())),
            _ => {
                self.complain(
                    entry.span(),
                    "a scope names the ids of one of gateway, channel and institution",
                    "put further conditions into `when`",
                );
                None
            }
        }
    }
}

/// The mistakes of an expression that is a string of the file, each with its place in the file.
pub(crate) fn diagnose(
    path: &str,
    text: &str,
    expression: &Spanned<String>,
    errors: Vec<ExprError>,
) -> impl Iterator<Item = Diagnostic> {
    let place = Place::of(text, expression.span());
    errors.into_iter().map(move |error| {
        let span = place.map(error.span.start)..place.map(error.span.end);
        let diagnostic = Diagnostic::at(path, text, span, error.message).label(error.label);
        match error.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    })
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

pub(crate) fn is_reason(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// Where the bytes of a TOML string's value stand in the file.
struct Place<'a> {
    text: &'a str,
    /// First byte of the value as written.
    start: usize,
    /// Whether backslashes stand for other characters.
    escapes: bool,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: Range<usize>) -> Place<'a> {
        let written = text.get(span.clone()).unwrap_or_default();
        let escapes = written.starts_with('"');
        let quote = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
        let mut start = span.start + quote;
        // TOML drops a line end that follows the opening of a multi-line string at once.
        if quote == 3 {
            let rest = text.get(start..).unwrap_or_default();
            start += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        }
        Place { text, start, escapes }
    }

    /// The file position of byte `at` of the value.
    fn map(&self, at: usize) -> usize {
        if !self.escapes {
            return self.start + at;
        }
        let written = self.text.as_bytes().get(self.start..).unwrap_or_default();
        let (mut i, mut value) = (0, 0);
        while value < at && i < written.len() {
            let (source, bytes) = match (written[i], written.get(i + 1)) {
                (b'\\', Some(b'u')) => (6, escape_bytes(written, i + 2, 4)),
                (b'\\', Some(b'U')) => (10, escape_bytes(written, i + 2, 8)),
                (b'\\', Some(b'x')) => (4, escape_bytes(written, i + 2, 2)),
                (b'\\', Some(c)) if c.is_ascii_whitespace() => {
                    // A line continuation: the backslash and all white space after it are nothing.
                    (1 + written[i + 1..].iter().take_while(|b| b.is_ascii_whitespace()).count(), 0)
                }
                (b'\\', _) => (2, 1),
                _ => (1, 1),
            };
            i += source;
            value += bytes;
        }
        self.start + i
    }
}

/// How many bytes of UTF-8 the escaped character is.
fn escape_bytes(written: &[u8], at: usize, digits: usize) -> usize {
    written
        .get(at..at + digits)
        .and_then(|hex| std::str::from_utf8(hex).ok())
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .and_then(char::from_u32)
        .map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::money::{Currency, Rates};
    use crate::schema::Schema;

    #[test]
    fn places_in_strings_of_every_spelling_are_found() {
        for text in [
            r#"when = 'abc & x'"#,
            r#"when = "abc & x""#,
            r#"when = "\u00e9\t\"&""#,
            "when = '''\nab\n&'''",
            "when = \"\"\"\\\n   ab & c\"\"\"",
        ] {
            #[derive(Deserialize)]
            struct One {
                when: Spanned<String>,
            }
            let one: One = toml::from_str(text).unwrap();
            let at = one.when.get_ref().find('&').unwrap();
            let place = Place::of(text, one.when.span()).map(at);
            assert_eq!(&text[place..place + 1], "&", "{text}");
        }
    }

    #[test]
    fn a_file_is_read_to_the_limit_and_not_past_it() {
        let rule = "[[rule]]\nid = \"a\"\nwhen = \"amount > 5\"\nthen = \"review\"\nreason = \"A\"\n#";
        let schema = Arc::new(Schema::standard());
        let read = |bytes: usize| {
            let rates = Arc::new(Rates::only(Currency::parse("USD").unwrap()));
            let mut scope = Scope::new(schema.clone(), Arc::default(), rates);
            let mut wrong = Vec::new();
            let text = format!("{rule}{}", "#".repeat(bytes - rule.len()));
            (parse("a.toml", &text, &mut scope, &mut Taken::new(), &mut wrong).len(), wrong)
        };
        assert!(matches!(read(RULE_FILE_BYTES_MAX), (1, wrong) if wrong.is_empty()));
        let (rules, wrong) = read(RULE_FILE_BYTES_MAX + 1);
        assert_eq!(rules, 0);
        assert!(wrong[0].to_string().contains("the file is larger than 8388608 bytes"), "{}", wrong[0]);
    }
}
