//! Which operator stands next, how tightly does it bind, and what follows it?

use super::Parser;
use crate::expr::ast::{Arith, Expr, How, Kind, Op};
use crate::expr::error::ExprError;
use crate::expr::lex::{Mark, Word};

/// Strengths of the operators, weakest first.
pub(super) const OR: u8 = 1;
pub(super) const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const COMPARE: u8 = 4;
pub(super) const SUM: u8 = 5;
pub(super) const PRODUCT: u8 = 6;
pub(super) const SIGN: u8 = 7;

/// What may follow an operand.
pub(super) enum Infix {
    Or,
    And,
    Compare(Op),
    In,
    Between,
    Match(How),
    Arith(Arith),
}

impl Infix {
    pub(super) fn strength(&self) -> u8 {
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
    /// The operator that stands next, how many words it takes and whether `not` is one of them.
    pub(super) fn infix(&self) -> Option<(Infix, usize, bool)> {
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
    pub(super) fn rest(&mut self, left: Expr, infix: Infix, negated: bool) -> Result<Expr, ExprError> {
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
}
