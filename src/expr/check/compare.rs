//! May these two be compared, and how?

use std::ops::Range;

use super::typed::Typed;
use super::units::Unit;
use super::{Checker, not};
use crate::expr::ast::Op;
use crate::expr::error::ExprError;
use crate::expr::ir::{Ip, Net, Node, Num};
use crate::expr::text::{Letters, same};
use crate::time::Timestamp;

impl Checker<'_> {
    pub(super) fn compare(
        &mut self,
        op: Op,
        left: (Typed, &Range<usize>),
        right: (Typed, &Range<usize>),
    ) -> Typed {
        let span = left.1.start.min(right.1.start)..left.1.end.max(right.1.end);
        let equality = matches!(op, Op::Eq | Op::Ne);
        let node = match (left.0, right.0) {
            (Typed::Wrong, _) | (_, Typed::Wrong) => return Typed::Wrong,
            (Typed::Number(l, lu), Typed::Number(r, ru)) => {
                if self.common(lu, ru, &span).is_none() {
                    return Typed::Wrong;
                }
                return Typed::Test(match (&l, &r) {
                    (Num::Const(a), Num::Const(b)) => Node::Const(Some(op.holds(*a, *b))),
                    (Num::Const(_), _) => Node::Compare { op: op.mirrored(), left: r, right: l },
                    _ => Node::Compare { op, left: l, right: r },
                });
            }
            (Typed::Number(num, Unit::Time), Typed::Literal { text, .. }) => {
                let Some(at) = self.timestamp(&text, right.1) else { return Typed::Wrong };
                return Typed::Test(Node::Compare { op, left: num, right: at });
            }
            (Typed::Literal { text, .. }, Typed::Number(num, Unit::Time)) => {
                let Some(at) = self.timestamp(&text, left.1) else { return Typed::Wrong };
                return Typed::Test(Node::Compare { op: op.mirrored(), left: num, right: at });
            }
            (Typed::Text(..) | Typed::Ip(_) | Typed::Literal { .. }, _)
            | (_, Typed::Text(..) | Typed::Ip(_) | Typed::Literal { .. })
                if !equality =>
            {
                return self.complain(
                    ExprError::new(span, format!("`{}` orders numbers and timestamps", op.sign()))
                        .label("use `==`, `!=`, `in` or `like`"),
                );
            }
            (Typed::Text(text, kind), Typed::Literal { text: literal, exact }) => {
                self.texts(text, kind, &[(literal, exact, right.1.clone())])
            }
            (Typed::Literal { text: literal, exact }, Typed::Text(text, kind)) => {
                self.texts(text, kind, &[(literal, exact, left.1.clone())])
            }
            (Typed::Text(l, lk), Typed::Text(r, rk)) => self.same_text((l, lk), (r, rk), left.1, right.1),
            (Typed::Ip(l), Typed::Ip(r)) => Some(Node::SameIp { left: l, right: r }),
            (Typed::Ip(ip), Typed::Literal { text, .. }) => self.same_net(ip, &text, right.1),
            (Typed::Literal { text, .. }, Typed::Ip(ip)) => self.same_net(ip, &text, left.1),
            (Typed::Literal { text: l, exact: a }, Typed::Literal { text: r, exact: b }) => {
                let letters = |text| Letters { text, lower: false };
                Some(Node::Const(Some(same(letters(&l), letters(&r), a || b))))
            }
            (Typed::Test(l), Typed::Test(r)) if equality => Some(match (l, r) {
                (Node::Const(Some(t)), other) | (other, Node::Const(Some(t))) => {
                    if t {
                        other
                    } else {
                        not(other)
                    }
                }
                (l, r) => Node::SameTruth { left: Box::new(l), right: Box::new(r) },
            }),
            (l, r) => return self.mismatch((l, left.1), (r, right.1), &span),
        };
        match node {
            Some(node) => Typed::Test(if op == Op::Ne { not(node) } else { node }),
            None => Typed::Wrong,
        }
    }

    fn mismatch(
        &mut self,
        left: (Typed, &Range<usize>),
        right: (Typed, &Range<usize>),
        span: &Range<usize>,
    ) -> Typed {
        let (l, r) = (left.0.what(), right.0.what());
        let message = format!(
            "`{}` is {l}, and `{}` is {r}: they can't be compared",
            self.said(left.1),
            self.said(right.1)
        );
        let error = ExprError::new(span.clone(), message);
        let error = match (&left.0, &right.0) {
            (Typed::Text(..), Typed::Number(Num::Const(_), _)) => {
                let said = self.said(right.1);
                error.label(format!("write the digits in quotes: \"{said}\""))
            }
            (Typed::Number(..), Typed::Literal { text, .. }) if text.parse::<f64>().is_ok() => {
                error.label(format!("write the number without quotes: {text}"))
            }
            (Typed::Test(_), Typed::Literal { .. } | Typed::Number(Num::Const(_), _)) => {
                error.label("compare it with `true` or `false`, or not at all")
            }
            (Typed::Test(_), _) | (_, Typed::Test(_)) => error.label("parentheses may be missing"),
            _ => error.label(format!("{l} and {r}")),
        };
        self.complain(error)
    }

    pub(super) fn timestamp(&mut self, text: &str, span: &Range<usize>) -> Option<Num> {
        let at = Timestamp::parse(text);
        if at.is_none() {
            self.complain(
                ExprError::new(span.clone(), "this text is no timestamp")
                    .label("such as \"2026-01-31T00:00:00Z\""),
            );
        }
        at.map(|at| Num::Const(at.micros() as f64))
    }

    fn same_net(&mut self, ip: Ip, text: &str, span: &Range<usize>) -> Option<Node> {
        let net = self.net(text, span)?;
        if net.first != net.last && ip.kept.is_none() {
            self.complain(
                ExprError::new(span.clone(), "an address is never equal to a network")
                    .label(format!("write `in {text}`")),
            );
            return None;
        }
        Some(Node::InNets { ip, nets: [net].into() })
    }

    pub(super) fn net(&mut self, text: &str, span: &Range<usize>) -> Option<Net> {
        let net = Net::parse(text);
        if net.is_none() {
            self.complain(
                ExprError::new(span.clone(), "this is neither an address nor a network")
                    .label("such as 192.0.2.1, 10.0.0.0/8 or \"2001:db8::/32\""),
            );
        }
        net
    }
}
