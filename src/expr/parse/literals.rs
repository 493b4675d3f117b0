//! Which literals stand after `in`, `like` and the rest?

use super::Parser;
use crate::expr::ast::{How, Item, ItemKind, Literal, Set};
use crate::expr::error::ExprError;
use crate::expr::lex::{Mark, Word};
use crate::time::Span;

impl Parser<'_> {
    /// What stands after `in`.
    pub(super) fn set(&mut self) -> Result<Set, ExprError> {
        let span = self.span();
        if self.peek() == &Word::List {
            let name = self.text[span.start + 1..span.end].to_owned();
            self.at += 1;
            return Ok(Set::List(name, span));
        }
        let items = self.listed(|p| p.item())?;
        Ok(Set::Items(items))
    }

    /// One literal, or several in brackets.
    fn listed<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, ExprError>) -> Result<Vec<T>, ExprError> {
        let span = self.span();
        let close = if self.take(Mark::LeftBracket) {
            Mark::RightBracket
        } else if self.take(Mark::LeftParen) {
            Mark::RightParen
        } else {
            return Ok(vec![one(self)?]);
        };
        let mut all = Vec::new();
        while !self.take(close) {
            if all.len() == self.limits.list_items {
                return Err(ExprError::new(
                    self.span(),
                    format!("a literal list has at most {} items", self.limits.list_items),
                )
                .label("put them into a list file: `@name`"));
            }
            all.push(one(self)?);
            if !self.take(Mark::Comma) && self.peek() != &Word::Mark(close) {
                return Err(match self.peek() {
                    Word::End => {
                        ExprError::new(span, "this list is never closed").label("its end is missing")
                    }
                    _ => ExprError::new(self.span(), "the items of a list are separated by commas")
                        .label("a comma is missing before this"),
                });
            }
        }
        if all.is_empty() {
            return Err(ExprError::new(span.start..self.last_end(), "the list is empty")
                .label("nothing is ever in it"));
        }
        Ok(all)
    }

    fn item(&mut self) -> Result<Item, ExprError> {
        let start = self.span().start;
        let negative = self.take(Mark::Minus);
        let word = self.peek().clone();
        let source = self.source().to_owned();
        let digits = match &word {
            Word::Number(_) => source.clone(),
            Word::Text { text, .. } => text.clone(),
            _ => String::new(),
        };
        self.at += 1;
        let kind = match word {
            Word::Number(value) if negative => {
                ItemKind::Number { value: -value, digits: format!("-{digits}") }
            }
            Word::Duration(d) if negative => ItemKind::Duration(Span::from_micros(-d.micros())),
            _ if negative => return Err(self.not_an_item(start)),
            Word::Number(_) | Word::Text { .. } if self.take(Mark::Range) => {
                let high = match self.peek() {
                    Word::Number(_) => self.source().to_owned(),
                    Word::Text { text, .. } => text.clone(),
                    _ => {
                        return Err(ExprError::new(self.span(), "a range has two ends")
                            .label("such as `411111..411119`"));
                    }
                };
                self.at += 1;
                ItemKind::Digits { low: digits, high }
            }
            Word::Number(value) => ItemKind::Number { value, digits },
            Word::Duration(d) => ItemKind::Duration(d),
            Word::Text { text, exact } => match text.split_once("..") {
                // `"400000..400099"`: only digits around the dots make it a range.
                Some((low, high)) if !exact && all_digits(low) && all_digits(high) => {
                    ItemKind::Digits { low: low.to_owned(), high: high.to_owned() }
                }
                _ => ItemKind::Text { text, exact },
            },
            Word::Address => ItemKind::Address(source),
            Word::Name | Word::Radar | Word::Metadata | Word::List | Word::Mark(_) | Word::End => {
                return Err(self.not_an_item(start));
            }
        };
        Ok(Item { kind, span: start..self.last_end() })
    }

    fn not_an_item(&mut self, start: usize) -> ExprError {
        self.at = self.at.saturating_sub(1);
        let end = self.span().end.max(start);
        let error = ExprError::new(start..end, "after `in` stand literal values, or one list");
        match self.peek() {
            Word::Name => {
                let name = self.source();
                error.label(format!("a list is `in @{name}`, a text is \"{name}\""))
            }
            Word::List => error.label("write `in @name`, without brackets"),
            Word::End => error.label("a value is missing here"),
            _ => error.label("such as `in [\"DE\", \"FR\"]` or `in @name`"),
        }
    }

    pub(super) fn texts(&mut self, how: How) -> Result<Vec<Literal>, ExprError> {
        self.listed(|p| {
            let span = p.span();
            let Word::Text { text, exact } = p.peek().clone() else {
                return Err(ExprError::new(span, format!("`{}` takes a literal text", how.word()))
                    .label("in quotes, or several in brackets"));
            };
            p.at += 1;
            Ok(Literal { text, exact, span })
        })
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
