//! The order's items: what was bought, how many, at which price.

use super::{Done, Parser};
use crate::codec::names::ITEMS;
use crate::codec::row::wrong;
use crate::codec::shown;
use crate::token::contains_pan;

impl Parser<'_, '_> {
    /// The list of things bought.
    pub(super) fn items(&mut self, name: &str, depth: usize) -> Done {
        match self.byte() {
            Some(b'n') => {
                return match self.word()? {
                    None => Ok(()),
                    Some(_) => Err(self.about(wrong("a list of objects is expected"), name, self.at)),
                };
            }
            Some(b'[') => self.at += 1,
            Some(_) => return Err(self.about(wrong("a list of objects is expected"), name, self.at)),
            None => return Err(self.here("")),
        }
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            if self.byte() != Some(b'{') {
                return Err(self.here(
                    "an item is an object: {\"sku\":..,\"category\":..,\"quantity\":..,\"price\":..}",
                ));
            }
            self.item(depth + 1).map_err(|e| self.about(e, name, start))?;
            if !self.goes_on(b']', "`,` or `]` is expected")? {
                return Ok(());
            }
        }
    }

    fn item(&mut self, depth: usize) -> Done {
        self.at += 1;
        let (mut sku, mut category) =
            (std::mem::take(&mut self.into.scratch.sku), std::mem::take(&mut self.into.scratch.category));
        sku.clear();
        category.clear();
        let mut numbers = [None; 2];
        let done = self.item_fields(depth, &mut sku, &mut category, &mut numbers).and_then(|()| {
            let text = |s: &'_ String| (!s.is_empty()).then(|| s.clone());
            let (sku, category) = (text(&sku), text(&category));
            self.into
                .payment
                .push_item(self.cx.schema, sku.as_deref(), category.as_deref(), numbers[0], numbers[1])
                .map_err(|e| wrong(e.to_string()))
        });
        self.into.scratch.sku = sku;
        self.into.scratch.category = category;
        done
    }

    fn item_fields(
        &mut self,
        depth: usize,
        sku: &mut String,
        category: &mut String,
        numbers: &mut [Option<f64>; 2],
    ) -> Done {
        if self.closes(b'}') {
            return Ok(());
        }
        let mut seen = [false; 4];
        loop {
            self.space();
            let start = self.at;
            let (raw, escaped) = self.string("a field name in quotes is expected")?;
            let mut key = std::mem::take(&mut self.into.scratch.key);
            key.clear();
            let done = match escaped {
                true => self.unescape(raw, start, &mut key),
                false => {
                    key.push_str(raw);
                    Ok(())
                }
            };
            let field = crate::schema::ITEM_FIELDS.iter().position(|(name, _)| *name == key);
            let path = format!("{ITEMS}.{key}");
            self.into.scratch.key = key;
            done?;
            self.colon()?;
            self.count_field()?;
            self.space();
            let value_at = self.at;
            match field {
                None => {
                    // Items repeat their names, so a second time in a row is no mistake.
                    let _ = self.into.unknown.count(&path, self.into.scratch.rows);
                    if self.cx.settings.strict && self.into.scratch.stranger.is_none() {
                        self.into.scratch.stranger = Some(path);
                    }
                    self.skip(depth)?;
                }
                Some(field) => {
                    if std::mem::replace(&mut seen[field], true) {
                        return Err(self.about(wrong("it stands twice in this item"), &path, start));
                    }
                    let text = match field {
                        0 => Some(&mut *sku),
                        1 => Some(&mut *category),
                        _ => None,
                    };
                    let number = field.checked_sub(2).and_then(|i| numbers.get_mut(i));
                    self.item_value(text, number).map_err(|e| self.about(e, &path, value_at))?;
                }
            }
            if !self.goes_on(b'}', "`,` or `}` is expected")? {
                return Ok(());
            }
        }
    }

    fn item_value(&mut self, text: Option<&mut String>, number: Option<&mut Option<f64>>) -> Done {
        let start = self.at;
        let mut buffer = String::new();
        let value: &str = match self.byte() {
            Some(b'"') => match self.string("")? {
                (raw, false) => raw,
                (raw, true) => {
                    self.unescape(raw, start, &mut buffer)?;
                    &buffer
                }
            },
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't' | b'f' | b'n') => match self.word()? {
                None => return Ok(()),
                Some(truth) => return Err(wrong(format!("text or a number is expected, not {truth}"))),
            },
            _ => return Err(self.here("text or a number is expected")),
        };
        if contains_pan(value) {
            return Err(wrong(crate::payment::FieldError::CardNumber.to_string()));
        }
        match (text, number) {
            (Some(text), _) => text.push_str(value),
            (None, Some(_)) if value.is_empty() => {}
            (None, Some(number)) => match value.trim().parse::<f64>() {
                Ok(n) if n.is_finite() => *number = Some(n),
                _ => return Err(wrong(format!("`{}` is not a finite number", shown(value)))),
            },
            (None, None) => {}
        }
        Ok(())
    }
}
