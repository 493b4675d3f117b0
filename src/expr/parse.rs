//! How do the words of an expression hang together?
//!
//! One recursive function climbs the operators' strengths, so that a level of nesting costs two
//! stack frames, and every level is counted before it is entered.

use std::ops::Range;

use super::Limits;
use super::ast::{Arg, Arith, Expr, How, Item, ItemKind, Kind, Literal, Op, Set};
use super::error::ExprError;
use super::lex::{Mark, Token, Word, lex};
use crate::time::Span;

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

/// Strengths of the operators, weakest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const SIGN: u8 = 7;

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
    level: usize,
    limits: &'a Limits,
}

/// What may follow an operand.
enum Infix {
    Or,
    And,
    Compare(Op),
    In,
    Between,
    Match(How),
    Arith(Arith),
}

impl Infix {
    fn strength(&self) -> u8 {
        match self {
            Infix::Or => OR,
            Infix::And => AND,
            Infix::Arith(Arith::Add | Arith::Sub) => SUM,
            Infix::Arith(_) => PRODUCT,
            _ => COMPARE,
        }
    }
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

    /// The operator that stands next, how many words it takes and whether `not` is one of them.
    fn infix(&self) -> Option<(Infix, usize, bool)> {
        let at = self.at;
        let simple = |infix| Some((infix, 1, false));
        match self.peek() {
            Word::Mark(mark) => simple(match mark {
                Mark::Or => Infix::Or,
                Mark::And => Infix::And,
                Mark::Eq => Infix::Compare(Op::Eq),
                Mark::Ne => Infix::Compare(Op::Ne),
                Mark::Lt => Infix::Compare(Op::Lt),
                Mark::Le => Infix::Compare(Op::Le),
                Mark::Gt => Infix::Compare(Op::Gt),
                Mark::Ge => Infix::Compare(Op::Ge),
                Mark::Plus => Infix::Arith(Arith::Add),
                Mark::Minus => Infix::Arith(Arith::Sub),
                Mark::Times => Infix::Arith(Arith::Mul),
                Mark::Over => Infix::Arith(Arith::Div),
                _ => return None,
            }),
            Word::Name => {
                let negated = self.is_word(at, "not");
                let word = at + usize::from(negated);
                let is = |name| self.is_word(word, name);
                let infix = if is("in") {
                    Infix::In
                } else if is("between") {
                    Infix::Between
                } else if let Some(how) = How::ALL.into_iter().find(|h| is(h.word())) {
                    Infix::Match(how)
                } else if !negated && is("and") {
                    Infix::And
                } else if !negated && is("or") {
                    Infix::Or
                } else {
                    return None;
                };
                Some((infix, 1 + usize::from(negated), negated))
            }
            _ => None,
        }
    }

    /// What follows the operator, joined to `left`.
    fn rest(&mut self, left: Expr, infix: Infix, negated: bool) -> Result<Expr, ExprError> {
        let start = left.span.start;
        let kind = match infix {
            Infix::Or | Infix::And => {
                let or = matches!(infix, Infix::Or);
                let right = self.expr(if or { OR } else { AND })?;
                let mut all = Vec::new();
                for side in [left, right] {
                    match side.kind {
                        Kind::Or(parts) if or => all.extend(parts),
                        Kind::And(parts) if !or => all.extend(parts),
                        _ => all.push(side),
                    }
                }
                if or { Kind::Or(all) } else { Kind::And(all) }
            }
            Infix::Arith(op) => {
                let right = self.expr(if matches!(op, Arith::Add | Arith::Sub) { SUM } else { PRODUCT })?;
                Kind::Arith { op, left: Box::new(left), right: Box::new(right) }
            }
            Infix::Compare(op) => {
                let right = self.expr(COMPARE)?;
                Kind::Compare { op, left: Box::new(left), right: Box::new(right) }
            }
            Infix::Between => {
                let low = self.expr(COMPARE)?;
                if !self.take_word("and") && !self.take(Mark::And) {
                    return Err(ExprError::new(self.span(), "`between` takes two ends")
                        .label("such as `between 10 and 20`"));
                }
                let high = self.expr(COMPARE)?;
                Kind::Between { value: Box::new(left), negated, low: Box::new(low), high: Box::new(high) }
            }
            Infix::In => Kind::In { value: Box::new(left), negated, set: self.set()? },
            Infix::Match(how) => Kind::Match { how, value: Box::new(left), negated, texts: self.texts(how)? },
        };
        self.node(kind, start)
    }

    /// A literal, a name, a call, a negation or something in parentheses.
    fn operand(&mut self) -> Result<Expr, ExprError> {
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

    /// What stands after `in`.
    fn set(&mut self) -> Result<Set, ExprError> {
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
            Word::Name => error.label(format!("if it is a text, write \"{}\"", self.source())),
            Word::List => error.label("write `in @name`, without brackets"),
            Word::End => error.label("a value is missing here"),
            _ => error.label("such as `in [\"DE\", \"FR\"]` or `in @name`"),
        }
    }

    fn texts(&mut self, how: How) -> Result<Vec<Literal>, ExprError> {
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

/// Words that are never names.
pub(super) const RESERVED: [&str; 11] =
    ["and", "or", "not", "in", "between", "like", "starts_with", "ends_with", "includes", "true", "false"];

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
