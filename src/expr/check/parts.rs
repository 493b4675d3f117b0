//! Which part of a text, a card number or an address does a function take?

use super::Checker;
use super::typed::Typed;
use crate::expr::ast::{Expr, Kind as Ast};
use crate::expr::error::ExprError;
use crate::expr::ir::{Ip, Text};
use crate::schema::{Kind, TEXT_BYTES_MAX, field};

impl Checker<'_> {
    pub(super) fn of_text(&mut self, name: &str, e: &Expr, make: fn(Text) -> (Text, Kind)) -> Typed {
        match self.value(e) {
            Typed::Text(text, Kind::Text | Kind::Token) => {
                let (text, kind) = make(text);
                Typed::Text(text, kind)
            }
            Typed::Wrong => Typed::Wrong,
            other => {
                let what = other.what();
                self.complain(
                    ExprError::new(e.span.clone(), format!("`{name}` takes a text"))
                        .label(format!("this is {what}")),
                )
            }
        }
    }

    pub(super) fn bin(&mut self, e: &Expr) -> Typed {
        match self.value(e) {
            Typed::Text(Text::Field(field::CARD | field::BIN), _) => {
                Typed::Text(Text::Field(field::BIN), Kind::Text)
            }
            Typed::Wrong => Typed::Wrong,
            _ => self.complain(
                ExprError::new(e.span.clone(), "only `card` has a BIN, kept beside its token")
                    .label("write `bin(card)`"),
            ),
        }
    }

    pub(super) fn prefix(&mut self, e: &Expr, n: &Expr) -> Typed {
        let typed = self.value(e);
        let Some(length) = self.whole(n, 1, TEXT_BYTES_MAX) else { return Typed::Wrong };
        match typed {
            Typed::Text(text, kind @ (Kind::Text | Kind::Token)) => {
                Typed::Text(Text::Prefix(Box::new(text), length), kind)
            }
            Typed::Wrong => Typed::Wrong,
            other => self.complain(
                ExprError::new(e.span.clone(), "`prefix` takes a text")
                    .label(format!("this is {}", other.what())),
            ),
        }
    }

    /// A literal whole number.
    fn whole(&mut self, e: &Expr, least: usize, most: usize) -> Option<usize> {
        match e.kind {
            Ast::Number(n) if n.fract() == 0.0 && n >= least as f64 && n <= most as f64 => Some(n as usize),
            _ => {
                self.complain(
                    ExprError::new(e.span.clone(), "a literal whole number stands here")
                        .label(format!("from {least} to {most}")),
                );
                None
            }
        }
    }

    pub(super) fn cidr(&mut self, e: &Expr, bits: &[&Expr]) -> Typed {
        let typed = self.value(e);
        let v4 = bits.first().and_then(|e| self.whole(e, 0, 32));
        let v6 = bits.get(1).map(|e| self.whole(e, 0, 128));
        let (Some(v4), false) = (v4, v6 == Some(None)) else { return Typed::Wrong };
        match typed {
            Typed::Ip(ip) => {
                Typed::Ip(Ip { kept: Some((v4 as u8, v6.flatten().map(|bits| bits as u8))), ..ip })
            }
            Typed::Wrong => Typed::Wrong,
            other => self.complain(
                ExprError::new(e.span.clone(), "`cidr` takes an address")
                    .label(format!("this is {}", other.what())),
            ),
        }
    }
}
