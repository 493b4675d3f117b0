//! What do numbers measure, and what does a result of two of them?

use std::ops::Range;

use super::Checker;
use super::typed::Typed;
use crate::expr::ast::Arith;
use crate::expr::error::ExprError;
use crate::expr::ir::Num;
use crate::money::Currency;

/// What a number measures; different units don't add up or compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    Plain,
    /// Major units of the payment's own currency.
    Own,
    /// Major units of this currency.
    In(Currency),
    /// Microseconds since the epoch.
    Time,
}

impl Unit {
    pub(super) fn what(self) -> &'static str {
        match self {
            Unit::Plain => "a number",
            Unit::Own => "money in the payment's own currency",
            Unit::In(_) => "money in one currency",
            Unit::Time => "a timestamp",
        }
    }
}

impl Checker<'_> {
    /// The unit of a sum, a comparison or a choice of two numbers.
    pub(super) fn common(&mut self, left: Unit, right: Unit, span: &Range<usize>) -> Option<Unit> {
        match (left, right) {
            (a, b) if a == b => Some(a),
            (Unit::Plain, other) | (other, Unit::Plain) if other != Unit::Time => Some(other),
            (a, b) => {
                let error =
                    ExprError::new(span.clone(), format!("{} and {} don't go together", a.what(), b.what()));
                let error = match (a, b) {
                    (Unit::Own, Unit::In(currency)) | (Unit::In(currency), Unit::Own) => {
                        error.label(format!("write `amount_in(\"{currency}\")`"))
                    }
                    (Unit::Time, Unit::Plain) | (Unit::Plain, Unit::Time) => {
                        error.label("a difference of two timestamps is a number of seconds").help(
                            "such as `at - account_created < 7d`, or compare with \"2026-01-31T00:00:00Z\"",
                        )
                    }
                    _ => error.label("convert one of them"),
                };
                self.complain(error);
                None
            }
        }
    }

    pub(super) fn arith(
        &mut self,
        op: Arith,
        left: (Num, Unit),
        right: (Num, Unit),
        span: &Range<usize>,
    ) -> Typed {
        let ((l, lu), (r, ru)) = (left, right);
        let scaled = |n: Num| binary(Arith::Mul, n, Num::Const(1e6));
        let unit = match (op, lu, ru) {
            (Arith::Sub, Unit::Time, Unit::Time) => {
                return Typed::Number(
                    binary(Arith::Div, binary(Arith::Sub, l, r), Num::Const(1e6)),
                    Unit::Plain,
                );
            }
            (Arith::Add | Arith::Sub, Unit::Time, Unit::Plain) => {
                return Typed::Number(binary(op, l, scaled(r)), Unit::Time);
            }
            (Arith::Add, Unit::Plain, Unit::Time) => {
                return Typed::Number(binary(op, scaled(l), r), Unit::Time);
            }
            (Arith::Mul | Arith::Div, _, _) if lu == Unit::Time || ru == Unit::Time => {
                return self.complain(
                    ExprError::new(span.clone(), format!("a timestamp has no `{}`", op.sign()))
                        .label("a difference of two timestamps is a number of seconds"),
                );
            }
            (Arith::Add | Arith::Sub, _, _) => self.common(lu, ru, span),
            (Arith::Mul, Unit::Plain, other) | (Arith::Mul | Arith::Div, other, Unit::Plain) => Some(other),
            (Arith::Div, Unit::Plain, _) => Some(Unit::Plain),
            (Arith::Div, _, _) => self.common(lu, ru, span).map(|_| Unit::Plain),
            (Arith::Mul, _, _) => {
                self.complain(
                    ExprError::new(span.clone(), "money times money is nothing")
                        .label("multiply by a number"),
                );
                None
            }
        };
        match unit {
            Some(unit) => Typed::Number(binary(op, l, r), unit),
            None => Typed::Wrong,
        }
    }
}

/// An operation on two numbers, done at once when both are literal and there is a result.
pub(super) fn binary(op: Arith, left: Num, right: Num) -> Num {
    match (&left, &right) {
        // Absent stays an operation: NaN would make equal programs differ.
        (Num::Const(a), Num::Const(b)) if !op.apply(*a, *b).is_nan() => Num::Const(op.apply(*a, *b)),
        _ => Num::Arith { op, left: Box::new(left), right: Box::new(right) },
    }
}
