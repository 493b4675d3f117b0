//! How do the words of an expression hang together?
//!
//! One recursive function climbs the operators' strengths, so that a level of nesting costs two
//! stack frames, and every level is counted before it is entered.
//!
//! | file | question |
//! |---|---|
//! | `operators.rs` | which operator stands next, how tightly does it bind, what follows it? |
//! | `operands.rs` | which value stands here: a literal, a name, a call, a negation? |
//! | `literals.rs` | which literals stand after `in`, `like` and the rest? |

mod literals;
mod operands;
mod operators;

use std::ops::Range;

use super::Limits;
use super::ast::{Arg, Expr, Kind};
use super::error::ExprError;
use super::lex::{Mark, Token, Word, lex};
use operators::COMPARE;

/// The syntax tree of `text`.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Expr, ExprError> {
    if text.len() > limits.bytes {
        return Err(ExprError::new(0..0, format!("the expression has more than {} bytes", limits.bytes))
            .label("long lists of values belong in a list file: `@name`"));
    }
    let mut parser = Parser { text, tokens: lex(text)?, at: 0, nodes: 0, level: 0, limits };
    if parser.peek() == &Word::End {
        return Err(ExprError::new(0..text.len(), "the expression is empty").label("such as `amount > 100`"));
    }
    let expr = parser.expr(0)?;
    match parser.peek() {
        Word::End => Ok(expr),
        Word::Mark(Mark::RightParen) => {
            Err(ExprError::new(parser.span(), "this `)` closes nothing").label("one too many"))
        }
        _ => Err(ExprError::new(parser.span(), "the expression ends before this")
            .label("an operator is missing here, such as `and`")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
    level: usize,
    limits: &'a Limits,
}

impl Parser<'_> {
    fn peek(&self) -> &Word {
        self.tokens.get(self.at).map_or(&Word::End, |t| &t.word)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |t| t.span.clone())
    }

    fn last_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or(0, |t| t.span.end)
    }

    fn source(&self) -> &str {
        &self.text[self.span()]
    }

    fn take(&mut self, mark: Mark) -> bool {
        let found = self.peek() == &Word::Mark(mark);
        self.at += usize::from(found);
        found
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| t.word == Word::Name && self.text[t.span.clone()].eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(self.at, word);
        self.at += usize::from(found);
        found
    }

    fn node(&mut self, kind: Kind, start: usize) -> Result<Expr, ExprError> {
        let span = start..self.last_end();
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(ExprError::new(
                span,
                format!("the expression has more than {} parts", self.limits.nodes),
            )
            .label("split it into several rules"));
        }
        let deepest = match &kind {
            Kind::Not(e) | Kind::Neg(e) => e.depth,
            Kind::And(all) | Kind::Or(all) => all.iter().map(|e| e.depth).max().unwrap_or(0),
            Kind::Arith { left, right, .. } | Kind::Compare { left, right, .. } => {
                left.depth.max(right.depth)
            }
            Kind::In { value, .. } | Kind::Match { value, .. } => value.depth,
            Kind::Between { value, low, high, .. } => value.depth.max(low.depth).max(high.depth),
            Kind::Call { args, .. } => args
                .iter()
                .map(|a| match a {
                    Arg::Expr(e) | Arg::Where(e) => e.depth,
                    Arg::Delay(..) => 0,
                })
                .max()
                .unwrap_or(0),
            _ => 0,
        };
        if deepest >= self.limits.depth {
            return Err(self.too_deep(span));
        }
        Ok(Expr { kind, span, depth: deepest + 1 })
    }

    fn too_deep(&self, span: Range<usize>) -> ExprError {
        ExprError::new(span, format!("the expression is nested deeper than {} levels", self.limits.depth))
            .label("split it into several rules")
    }

    /// An expression whose operators bind more tightly than `weakest`.
    fn expr(&mut self, weakest: u8) -> Result<Expr, ExprError> {
        self.level += 1;
        if self.level > self.limits.depth {
            return Err(self.too_deep(self.span()));
        }
        let mut left = self.operand()?;
        while let Some((infix, words, negated)) = self.infix() {
            let strength = infix.strength();
            if strength <= weakest {
                // `a < b < c` would compare a truth with a number.
                if strength == COMPARE && weakest == COMPARE {
                    return Err(ExprError::new(self.span(), "comparisons don't chain")
                        .label("write `a < b and b < c`, or `b between a and c`"));
                }
                break;
            }
            self.at += words;
            left = self.rest(left, infix, negated)?;
        }
        self.level -= 1;
        Ok(left)
    }
}

/// Words that are never names.
const RESERVED: [&str; 11] =
    ["and", "or", "not", "in", "between", "like", "starts_with", "ends_with", "includes", "true", "false"];
