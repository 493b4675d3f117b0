//! Is a text another, one of some, or like one?

use std::ops::Range;

use super::Checker;
use super::typed::{Typed, kind_name};
use crate::expr::ast::{How, Literal};
use crate::expr::countries::country;
use crate::expr::error::ExprError;
use crate::expr::ir::{Node, Pattern, Same, Text, TextSet};
use crate::money::Currency;
use crate::risk::Risk;
use crate::schema::{Kind, field};
use crate::token::{contains_pan, redact};

impl Checker<'_> {
    pub(super) fn same_text(
        &mut self,
        (left, lk): (Text, Kind),
        (right, rk): (Text, Kind),
        ls: &Range<usize>,
        rs: &Range<usize>,
    ) -> Option<Node> {
        if lk != rk {
            let message = format!(
                "`{}` is {}, and `{}` is {}: they can't be compared",
                self.said(ls),
                kind_name(lk),
                self.said(rs),
                kind_name(rk)
            );
            let error = ExprError::new(ls.start..rs.end.max(ls.end), message);
            self.complain(match (lk, rk) {
                (Kind::Token, _) => {
                    error.label(format!("write `lower({})` to compare the letters", self.said(ls)))
                }
                (_, Kind::Token) => error.label(format!("if you mean the word, write \"{}\"", self.said(rs))),
                _ => error.label("a country compares with a country"),
            });
            return None;
        }
        let how = match lk {
            Kind::Country => Same::Symbols,
            _ if has_symbol(&left) && has_symbol(&right) => Same::Symbols,
            Kind::Token => Same::Exact,
            _ => Same::Folded,
        };
        Some(Node::SameText { left, right, how })
    }

    /// A text that is one of some literals.
    pub(super) fn texts(
        &mut self,
        text: Text,
        kind: Kind,
        literals: &[(String, bool, Range<usize>)],
    ) -> Option<Node> {
        let mut symbols = Vec::new();
        let (mut folded, mut exact) = (Vec::<Box<str>>::new(), Vec::<Box<str>>::new());
        let mut good = true;
        for (literal, is_exact, span) in literals {
            if kind == Kind::Country {
                match country(literal) {
                    Ok(country) => symbols.push(country.packed()),
                    Err(label) => {
                        let error =
                            ExprError::new(span.clone(), format!("`{}` is not a country", redact(literal)));
                        self.complain(error.label(label));
                        good = false;
                    }
                }
                continue;
            }
            if contains_pan(literal) {
                self.complain(
                    ExprError::new(
                        span.clone(),
                        "a card number is never in a payment, so it can't be compared with",
                    )
                    .label("write its token"),
                );
                good = false;
            }
            if text == Text::Field(field::CURRENCY) && Currency::parse(literal).is_none() {
                self.complain(
                    ExprError::new(span.clone(), format!("`{}` is not a currency", redact(literal)))
                        .label("such as \"EUR\": ISO 4217, with minor units"),
                );
                good = false;
            }
            if text == Text::RiskLevel && !Risk::is_level(literal) {
                self.complain(
                    ExprError::new(span.clone(), format!("`{}` is no risk level", redact(literal)))
                        .label(Risk::level_hint(literal)),
                );
                good = false;
            }
            if kind == Kind::Token || *is_exact {
                exact.push(literal.as_str().into());
            } else {
                folded.push(literal.to_ascii_lowercase().into());
            }
        }
        if !good {
            return None;
        }
        // Symbols decide when each literal folds as the field does.
        if kind == Kind::Token && has_symbol(&text) {
            symbols = exact.iter().map(|t| self.scope.schema.symbol(t, true)).collect();
        } else if kind == Kind::Text && has_symbol(&text) && exact.is_empty() {
            symbols = folded.iter().map(|t| self.scope.schema.symbol(t, false)).collect();
        }
        symbols.sort_unstable();
        symbols.dedup();
        for letters in [&mut folded, &mut exact] {
            letters.sort_unstable();
            letters.dedup();
        }
        Some(Node::InTexts {
            text,
            set: TextSet { symbols: symbols.into(), folded: folded.into(), exact: exact.into() },
        })
    }

    pub(super) fn matches(
        &mut self,
        how: How,
        value: Typed,
        span: &Range<usize>,
        texts: &[Literal],
    ) -> Option<Node> {
        let mut good = true;
        let most = self.scope.limits().pattern_bytes;
        for literal in texts.iter().filter(|l| l.text.len() > most) {
            self.complain(
                ExprError::new(literal.span.clone(), format!("`{}` takes at most {most} bytes", how.word()))
                    .label(format!("{} bytes", literal.text.len())),
            );
            good = false;
        }
        match value {
            Typed::Text(text, kind @ (Kind::Text | Kind::Token)) if good => {
                let patterns = texts.iter().map(|l| Pattern::new(&l.text, l.exact || kind == Kind::Token));
                Some(Node::Match { how, text, patterns: patterns.collect() })
            }
            Typed::Text(_, Kind::Text | Kind::Token) | Typed::Wrong => None,
            other => {
                let said = self.said(span);
                let error = ExprError::new(
                    span.clone(),
                    format!("`{}` looks into a text, and `{said}` is {}", how.word(), other.what()),
                );
                self.complain(match other {
                    Typed::Ip(_) => error.label("networks are asked about with `in`"),
                    Typed::Text(..) => error.label("countries are asked about with `==` and `in`"),
                    other => error.label(other.what()),
                });
                None
            }
        }
    }
}

/// Whether symbols stand for the text.
fn has_symbol(text: &Text) -> bool {
    match text {
        Text::Field(_) | Text::Const { .. } => true,
        Text::Coalesce(all) => all.iter().all(has_symbol),
        _ => false,
    }
}
