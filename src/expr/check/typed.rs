//! What is a part of an expression, and what is it called in messages?

use super::units::Unit;
use crate::expr::ir::{Ip, Node, Num, Text};
use crate::schema::Kind;

/// What a part of an expression is.
#[derive(Debug, Clone)]
pub(super) enum Typed {
    Test(Node),
    Number(Num, Unit),
    /// `Kind::Text`, `Kind::Token` or `Kind::Country`.
    Text(Text, Kind),
    Ip(Ip),
    /// A text in quotes; its neighbour tells what it stands for.
    Literal {
        text: String,
        exact: bool,
    },
    /// The order's items.
    Items,
    /// Already complained about.
    Wrong,
}

impl Typed {
    /// With its article, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Typed::Test(Node::Field(_)) => "a bool",
            Typed::Test(_) => "a condition",
            Typed::Number(_, unit) => unit.what(),
            Typed::Text(_, kind) => kind_name(*kind),
            Typed::Ip(_) => "an address",
            Typed::Literal { .. } => "a literal text",
            Typed::Items => "a list of items",
            Typed::Wrong => "wrong",
        }
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a number",
        Kind::Money => "money",
        Kind::Bool => "a bool",
        Kind::Text => "text",
        Kind::Country => "a country",
        Kind::Ip => "an address",
        Kind::Timestamp => "a timestamp",
        Kind::Token => "a token",
    }
}
