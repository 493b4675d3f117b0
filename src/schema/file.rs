//! What does `schema.toml` say?

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Column, FIELDS_MAX, Field, FieldId, Kind, Schema};
use crate::error::Diagnostic;
use crate::money::Currency;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    #[serde(default)]
    field: Vec<FieldEntry>,
    #[serde(default)]
    columns: BTreeMap<String, ColumnEntry>,
    #[serde(default)]
    defaults: BTreeMap<String, toml::Spanned<String>>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    pan_exempt: Vec<toml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldEntry {
    name: toml::Spanned<String>,
    kind: Kind,
    #[serde(default)]
    entity: bool,
    #[serde(default)]
    outcome: bool,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    about: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    unit: Unit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    field: toml::Spanned<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    unit: Unit,
}

#[derive(Deserialize, Default, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Major,
    Minor,
}

impl Schema {
    /// Reads `schema.toml`: `[[field]]` adds fields, `[columns]` maps foreign columns onto any
    /// field, `[defaults]` gives values to fields without a column, `ignore` names columns that
    /// are passed over, `pan_exempt` fields whose digits are never card numbers.
    ///
    /// # Errors
    /// Every mistake in the file, each with its place.
    pub fn parse(path: &str, text: &str) -> Result<Schema, Vec<Diagnostic>> {
        let file: SchemaFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(e) => return Err(vec![Diagnostic::at(path, text, e.span().unwrap_or(0..0), e.message())]),
        };
        let mut schema = Schema::standard();
        let mut wrong = Vec::new();
        for entry in file.field {
            let name = entry.name.get_ref().clone();
            let problem = if !is_name(&name) {
                Some(
                    "a field's name is lower-case letters, digits and underscores, and begins with a letter"
                        .to_owned(),
                )
            } else if schema.names.contains_key(&name) {
                Some(format!("there is a field `{name}` already"))
            } else if entry.kind == Kind::Money {
                Some(
                    "a field of the user's own can't be money; use a number, or map the column onto `amount`"
                        .to_owned(),
                )
            } else if schema.fields.len() == FIELDS_MAX {
                Some(format!("a schema has at most {FIELDS_MAX} fields"))
            } else {
                None
            };
            if let Some(problem) = problem {
                wrong.push(Diagnostic::at(path, text, entry.name.span(), problem));
                continue;
            }
            let id = schema.add(Field {
                name,
                kind: entry.kind,
                entity: entry.entity,
                outcome: entry.outcome,
                about: entry.about,
            });
            let column = Column { values: entry.values, minor: entry.unit == Unit::Minor };
            for name in entry.columns {
                schema.columns.entry(name).or_default().push((id, column.clone()));
            }
            let own = schema.fields[id.index()].name.clone();
            schema.columns.insert(own, vec![(id, column)]);
        }
        for (name, entry) in file.columns {
            match schema.known(entry.field.get_ref()) {
                Ok(id) => {
                    let column = Column { values: entry.values, minor: entry.unit == Unit::Minor };
                    let targets = schema.columns.entry(name).or_default();
                    targets.retain(|(other, _)| *other != id);
                    targets.push((id, column));
                }
                Err(label) => wrong.push(
                    Diagnostic::at(
                        path,
                        text,
                        entry.field.span(),
                        format!("no field is called `{}`", entry.field.get_ref()),
                    )
                    .label(label),
                ),
            }
        }
        for (name, value) in file.defaults {
            let at = value.span();
            match (schema.known(&name), name.as_str()) {
                (Ok(_), "currency") => match Currency::parse(value.get_ref()) {
                    Some(currency) => schema.default_currency = Some(currency),
                    None => wrong.push(Diagnostic::at(
                        path,
                        text,
                        at,
                        "not an ISO 4217 currency with minor units",
                    )),
                },
                (Ok(id), _)
                    if matches!(schema.fields[id.index()].kind, Kind::Text | Kind::Token | Kind::Country) =>
                {
                    schema.default_texts.push((id, value.into_inner()));
                }
                (Ok(_), _) => wrong.push(Diagnostic::at(
                    path,
                    text,
                    at,
                    "only text, token and country fields take a default",
                )),
                (Err(label), _) => {
                    wrong.push(
                        Diagnostic::at(path, text, at, format!("no field is called `{name}`")).label(label),
                    );
                }
            }
        }
        for name in file.pan_exempt {
            match schema.known(name.get_ref()) {
                Ok(id) => schema.pan_exempt.push(id),
                Err(label) => wrong.push(
                    Diagnostic::at(
                        path,
                        text,
                        name.span(),
                        format!("no field is called `{}`", name.get_ref()),
                    )
                    .label(label),
                ),
            }
        }
        schema.ignored = file.ignore;
        if wrong.is_empty() { Ok(schema) } else { Err(wrong) }
    }

    fn known(&self, name: &str) -> Result<FieldId, String> {
        self.find(name).ok_or_else(|| match self.nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`tollgate check --fields` lists them".to_owned(),
        })
    }
}

/// Whether `name` may name a field: it must be one word of the expression language.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::standard::STANDARD;

    #[test]
    fn mistakes_are_all_shown_with_their_place() {
        let text = "[[field]]\nname = \"Amount\"\nkind = \"number\"\n[[field]]\nname = \"card\"\nkind = \"text\"\n[columns]\nX = { field = \"acount\" }\n";
        let wrong = Schema::parse("s.toml", text).unwrap_err();
        let shown: Vec<_> = wrong.iter().map(|d| (d.place().0, d.to_string())).collect();
        assert_eq!(shown.iter().map(|s| s.0).collect::<Vec<_>>(), [2, 5, 8]);
        assert!(shown[2].1.contains("did you mean `account`?"), "{}", shown[2].1);
    }

    #[test]
    fn the_field_limit_is_met_and_not_passed() {
        let own = |n: usize| {
            (0..n).map(|i| format!("[[field]]\nname = \"f{i}\"\nkind = \"number\"\n")).collect::<String>()
        };
        let room = FIELDS_MAX - STANDARD.len();
        assert!(Schema::parse("s", &own(room)).is_ok());
        assert!(Schema::parse("s", &own(room + 1)).unwrap_err()[0].message().contains("at most 128"));
    }
}
