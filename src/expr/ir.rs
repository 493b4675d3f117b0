//! What is computed: the typed program of an expression.
//!
//! Names are slots, literals have their final form, time zones and lists are resolved. `And` and
//! `Or` are flat, a constant stands on the right of a comparison, and equal programs are `==`, so
//! that the rules' index can share the parts they have in common.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub(crate) use super::ast::{Arith, How, Op};
pub(crate) use super::nets::{DigitRange, Net};
pub(crate) use super::text::{Pattern, TextSet};
use crate::list::List;
use crate::money::{Currency, Rates};
use crate::risk::Answer;
use crate::schema::FieldId;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// The same for every payment; `None` is unknown.
    Const(Option<bool>),
    /// A bool field.
    Field(FieldId),
    Not(Box<Node>),
    /// At least two, none of them an `And`.
    And(Vec<Node>),
    /// At least two, none of them an `Or`.
    Or(Vec<Node>),
    /// The first that is known.
    Coalesce(Vec<Node>),
    /// Two conditions that are both true or both false.
    SameTruth {
        left: Box<Node>,
        right: Box<Node>,
    },
    Compare {
        op: Op,
        left: Num,
        right: Num,
    },
    /// The number is one of these, which are ascending.
    InNumbers {
        value: Num,
        set: Box<[f64]>,
    },
    /// Two texts, tokens or countries that are the same.
    SameText {
        left: Text,
        right: Text,
        how: Same,
    },
    /// A text, token or country that is one of some literals (or the only one).
    InTexts {
        text: Text,
        set: TextSet,
    },
    /// A text that one of the patterns fits.
    Match {
        how: How,
        text: Text,
        patterns: Box<[Pattern]>,
    },
    /// A text whose first digits are within one of the ranges.
    InBins {
        text: Text,
        ranges: Box<[DigitRange]>,
    },
    SameIp {
        left: Ip,
        right: Ip,
    },
    /// An address within one of these, which are ascending and apart.
    InNets {
        ip: Ip,
        nets: Box<[Net]>,
    },
    InList {
        value: Listed,
        list: Shared<List>,
    },
    /// Whether there is no value; always known.
    Missing(Operand),
    /// Whether the condition holds for at least one item of the order.
    AnyItem(Box<Node>),
}

/// A number; NaN is absent. Timestamps are microseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Num {
    Const(f64),
    /// A number field.
    Field(FieldId),
    /// A money field, in major units of its own currency.
    Money(FieldId),
    /// A timestamp field.
    Time(FieldId),
    /// A value of the payment's activity.
    Aggregate(usize),
    /// What a model says.
    Risk(Answer),
    Item(ItemNumber),
    Arith {
        op: Arith,
        left: Box<Num>,
        right: Box<Num>,
    },
    Neg(Box<Num>),
    Abs(Box<Num>),
    Min(Vec<Num>),
    Max(Vec<Num>),
    /// The first that is present.
    Coalesce(Vec<Num>),
    /// A money field converted, in major units of `currency`.
    AmountIn {
        field: FieldId,
        currency: Currency,
        rates: Shared<Rates>,
    },
    /// The hour of the day, 0 to 23.
    Hour {
        time: Box<Num>,
        zone: TimeZone,
    },
    /// The day of the week, Monday = 0.
    Weekday {
        time: Box<Num>,
        zone: TimeZone,
    },
    /// Great-circle distance of latitude, longitude, latitude, longitude in degrees.
    DistanceKm(Box<[Num; 4]>),
    SumItems(Box<Num>),
    /// 1 where the condition holds, 0 where it doesn't.
    Truth(Box<Node>),
}

/// A text, a token or a country.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Text {
    Field(FieldId),
    Item(ItemText),
    /// The score's level, in words.
    RiskLevel,
    /// A literal beside a text of some kind, and its symbol in that kind.
    Const {
        text: Arc<str>,
        symbol: u64,
    },
    Lower(Box<Text>),
    /// What follows the last `@`.
    Domain(Box<Text>),
    /// The first characters.
    Prefix(Box<Text>, usize),
    Coalesce(Vec<Text>),
}

/// An address, cut down to its network when it says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ip {
    pub field: FieldId,
    /// Bits kept of an IPv4 and of an IPv6 address; without the latter such an address is absent.
    pub kept: Option<(u8, Option<u8>)>,
}

/// How two texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Same {
    /// Both are fields with symbols of one folding.
    Symbols,
    /// Letter by letter, without ASCII case.
    Folded,
    /// Letter by letter.
    Exact,
}

/// What may be looked up in a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Listed {
    Text(Text),
    Country(Text),
    Bin(Text),
    Ip(Ip),
}

/// What may be missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Field(FieldId),
    Num(Num),
    Text(Text),
    Ip(Ip),
    Node(Box<Node>),
    Items,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemNumber {
    Quantity,
    Price,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemText {
    Sku,
    Category,
}

/// A table of the pipeline; equal when it is the very same one.
pub(crate) struct Shared<T>(pub Arc<T>);

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}", Arc::as_ptr(&self.0))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a program reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// Bit i: the field of slot i.
    pub fields: u128,
    /// Indices of aggregates, ascending.
    pub aggregates: Vec<usize>,
    /// Whether the order's items are read.
    pub items: bool,
    /// Whether the models' answers are read.
    pub risk: bool,
}

impl Inputs {
    pub(crate) fn of(node: &Node) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.add(node);
        inputs
    }

    /// Adds what `node` reads.
    pub(crate) fn add(&mut self, node: &Node) {
        match node {
            Node::Const(_) => {}
            Node::Field(id) => self.field(*id),
            Node::Not(inner) => self.add(inner),
            Node::And(all) | Node::Or(all) | Node::Coalesce(all) => all.iter().for_each(|n| self.add(n)),
            Node::SameTruth { left, right } => {
                self.add(left);
                self.add(right);
            }
            Node::Compare { left, right, .. } => {
                self.add_num(left);
                self.add_num(right);
            }
            Node::InNumbers { value, .. } => self.add_num(value),
            Node::SameText { left, right, .. } => {
                self.add_text(left);
                self.add_text(right);
            }
            Node::InTexts { text, .. } | Node::Match { text, .. } | Node::InBins { text, .. } => {
                self.add_text(text);
            }
            Node::SameIp { left, right } => {
                self.field(left.field);
                self.field(right.field);
            }
            Node::InNets { ip, .. } => self.field(ip.field),
            Node::InList { value, .. } => match value {
                Listed::Text(text) | Listed::Country(text) | Listed::Bin(text) => self.add_text(text),
                Listed::Ip(ip) => self.field(ip.field),
            },
            Node::Missing(operand) => match operand {
                Operand::Field(id) => self.field(*id),
                Operand::Num(num) => self.add_num(num),
                Operand::Text(text) => self.add_text(text),
                Operand::Ip(ip) => self.field(ip.field),
                Operand::Node(node) => self.add(node),
                Operand::Items => self.items = true,
            },
            Node::AnyItem(inner) => {
                self.items = true;
                self.add(inner);
            }
        }
    }

    /// Adds what `num` reads.
    pub(crate) fn add_num(&mut self, num: &Num) {
        match num {
            Num::Const(_) => {}
            Num::Field(id) | Num::Money(id) | Num::Time(id) | Num::AmountIn { field: id, .. } => {
                self.field(*id);
            }
            Num::Aggregate(i) => {
                if let Err(at) = self.aggregates.binary_search(i) {
                    self.aggregates.insert(at, *i);
                }
            }
            Num::Risk(_) => self.risk = true,
            Num::Item(_) => self.items = true,
            Num::Arith { left, right, .. } => {
                self.add_num(left);
                self.add_num(right);
            }
            Num::Neg(inner)
            | Num::Abs(inner)
            | Num::Hour { time: inner, .. }
            | Num::Weekday { time: inner, .. } => self.add_num(inner),
            Num::Min(all) | Num::Max(all) | Num::Coalesce(all) => all.iter().for_each(|n| self.add_num(n)),
            Num::DistanceKm(four) => four.iter().for_each(|n| self.add_num(n)),
            Num::SumItems(inner) => {
                self.items = true;
                self.add_num(inner);
            }
            Num::Truth(node) => self.add(node),
        }
    }

    fn add_text(&mut self, text: &Text) {
        match text {
            Text::Field(id) => self.field(*id),
            Text::Item(_) => self.items = true,
            Text::RiskLevel => self.risk = true,
            Text::Const { .. } => {}
            Text::Lower(inner) | Text::Domain(inner) | Text::Prefix(inner, _) => self.add_text(inner),
            Text::Coalesce(all) => all.iter().for_each(|t| self.add_text(t)),
        }
    }

    fn field(&mut self, id: FieldId) {
        self.fields |= 1 << id.index();
    }

    /// The fields, in slot order.
    pub(crate) fn field_ids(&self) -> impl Iterator<Item = FieldId> {
        let fields = self.fields;
        (0..128u16).filter(move |i| fields >> i & 1 == 1).map(FieldId)
    }
}
