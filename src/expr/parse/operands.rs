//! Which value stands here: a literal, a name, a call, a negation?

use super::operators::{NOT, SIGN};
use super::{Parser, RESERVED};
use crate::expr::ast::{Arg, Expr, Kind};
use crate::expr::error::ExprError;
use crate::expr::lex::{Mark, Word};

impl Parser<'_> {
    /// A literal, a name, a call, a negation or something in parentheses.
    pub(super) fn operand(&mut self) -> Result<Expr, ExprError> {
        let span = self.span();
        let start = span.start;
        let kind = match self.peek().clone() {
            Word::Number(n) => Kind::Number(n),
            Word::Duration(d) => Kind::Duration(d),
            Word::Text { text, exact } => Kind::Text { text, exact },
            Word::Address => Kind::Address(self.source().to_owned()),
            Word::Radar => Kind::Radar(self.text[start + 1..span.end - 1].trim().to_ascii_lowercase()),
            Word::Metadata => Kind::Metadata(self.text[start + 2..span.end - 2].trim().to_owned()),
            Word::Mark(Mark::LeftParen) => {
                self.at += 1;
                let mut inner = self.expr(0)?;
                if !self.take(Mark::RightParen) {
                    return Err(
                        ExprError::new(span, "this parenthesis is never closed").label("`)` is missing")
                    );
                }
                inner.span = start..self.last_end();
                return Ok(inner);
            }
            Word::Mark(Mark::Minus) => {
                self.at += 1;
                let inner = self.expr(SIGN)?;
                return self.node(Kind::Neg(Box::new(inner)), start);
            }
            Word::Mark(Mark::Not) => {
                self.at += 1;
                let inner = self.expr(NOT)?;
                return self.node(Kind::Not(Box::new(inner)), start);
            }
            Word::Name => return self.word(),
            Word::List => {
                return Err(
                    ExprError::new(span, "a list stands after `in`").label("such as `card in @stolen_cards`")
                );
            }
            Word::Mark(Mark::LeftBracket) => {
                return Err(ExprError::new(span, "values in brackets stand after `in`")
                    .label("such as `channel in [\"card\"]`"));
            }
            Word::End => {
                return Err(
                    ExprError::new(span, "the expression breaks off").label("a value is missing here")
                );
            }
            Word::Mark(_) => {
                return Err(ExprError::new(
                    span.clone(),
                    format!("a value is missing before `{}`", self.source()),
                )
                .label("here"));
            }
        };
        self.at += 1;
        self.node(kind, start)
    }

    fn word(&mut self) -> Result<Expr, ExprError> {
        let span = self.span();
        let name = self.source().to_owned();
        let start = span.start;
        self.at += 1;
        if name.eq_ignore_ascii_case("not") {
            let inner = self.expr(NOT)?;
            return self.node(Kind::Not(Box::new(inner)), start);
        }
        if name.eq_ignore_ascii_case("true") || name.eq_ignore_ascii_case("false") {
            return self.node(Kind::Bool(name.eq_ignore_ascii_case("true")), start);
        }
        if RESERVED.iter().any(|r| name.eq_ignore_ascii_case(r)) {
            return Err(ExprError::new(span, format!("a value is missing before `{name}`")).label("here"));
        }
        if !self.take(Mark::LeftParen) {
            return self.node(Kind::Name(name), start);
        }
        let mut args = Vec::new();
        if !self.take(Mark::RightParen) {
            loop {
                args.push(self.arg()?);
                if self.take(Mark::RightParen) {
                    break;
                }
                if !self.take(Mark::Comma) {
                    let error =
                        ExprError::new(self.span(), format!("the arguments of `{name}` don't end here"));
                    return Err(match self.peek() {
                        Word::End => error.label("`)` is missing"),
                        _ => error.label("arguments are separated by commas"),
                    });
                }
            }
        }
        self.node(Kind::Call { name: name.to_ascii_lowercase(), name_span: span, args }, start)
    }

    fn arg(&mut self) -> Result<Arg, ExprError> {
        let next_begins_a_value = match self.tokens.get(self.at + 1).map(|t| &t.word) {
            Some(Word::Mark(mark)) => matches!(mark, Mark::LeftParen | Mark::Not | Mark::Minus),
            Some(Word::End) | None => false,
            Some(_) => !self.infix_follows(self.at + 1),
        };
        if next_begins_a_value && self.take_word("where") {
            return Ok(Arg::Where(self.expr(0)?));
        }
        if next_begins_a_value && self.is_word(self.at, "delay") {
            let start = self.span().start;
            self.at += 1;
            let Word::Duration(delay) = *self.peek() else {
                return Err(
                    ExprError::new(self.span(), "`delay` takes a duration").label("such as `delay 7d`")
                );
            };
            self.at += 1;
            return Ok(Arg::Delay(delay, start..self.last_end()));
        }
        Ok(Arg::Expr(self.expr(0)?))
    }

    fn infix_follows(&self, at: usize) -> bool {
        RESERVED.iter().any(|r| !matches!(*r, "not" | "true" | "false") && self.is_word(at, r))
    }
}
