//! What does a function make of its arguments?

use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Checker;
use super::call::form;
use super::typed::Typed;
use super::units::{Unit, binary};
use crate::error::nearest;
use crate::expr::ast::{Arith, Expr, Kind as Ast};
use crate::expr::countries::country;
use crate::expr::error::ExprError;
use crate::expr::ir::{Ip, Node, Num, Operand, Shared, Text};
use crate::money::Currency;
use crate::schema::{Kind, field};
use crate::token::redact;

impl Checker<'_> {
    pub(super) fn is_missing(&mut self, e: &Expr) -> Typed {
        let operand = match self.value(e) {
            Typed::Wrong => return Typed::Wrong,
            Typed::Items => Operand::Items,
            Typed::Literal { .. } | Typed::Number(Num::Const(_), _) | Typed::Test(Node::Const(_)) => {
                return self.complain(
                    ExprError::new(e.span.clone(), "a literal is never missing").label("a field stands here"),
                );
            }
            Typed::Number(Num::Field(id) | Num::Money(id) | Num::Time(id), _)
            | Typed::Text(Text::Field(id), _)
            | Typed::Ip(Ip { field: id, kept: None })
            | Typed::Test(Node::Field(id)) => Operand::Field(id),
            Typed::Number(num, _) => Operand::Num(num),
            // A country has no letters to ask for, and only fields and choices of them are countries.
            Typed::Text(Text::Coalesce(all), Kind::Country) => {
                let missing = all.into_iter().map(|t| match t {
                    Text::Field(id) => Node::Missing(Operand::Field(id)),
                    _ => Node::Const(Some(false)),
                });
                return Typed::Test(Node::And(missing.collect()));
            }
            Typed::Text(text, _) => Operand::Text(text),
            Typed::Ip(ip) => Operand::Ip(ip),
            Typed::Test(node) => Operand::Node(Box::new(node)),
        };
        Typed::Test(Node::Missing(operand))
    }

    pub(super) fn coalesce(&mut self, all: &[&Expr], span: &Range<usize>) -> Typed {
        let typed: Vec<Typed> = all.iter().map(|e| self.value(e)).collect();
        let leader = typed.iter().find(|t| !matches!(t, Typed::Literal { .. } | Typed::Wrong)).cloned();
        let (mut nums, mut nodes, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut unit = Unit::Plain;
        for (typed, e) in typed.into_iter().zip(all) {
            match (&leader, typed) {
                (_, Typed::Wrong) => return Typed::Wrong,
                (Some(Typed::Number(..)), Typed::Number(num, own)) => {
                    let common = if nums.is_empty() { Some(own) } else { self.common(unit, own, span) };
                    let Some(common) = common else { return Typed::Wrong };
                    unit = common;
                    nums.push(num);
                }
                (Some(Typed::Number(_, Unit::Time)), Typed::Literal { text, .. }) => {
                    let Some(num) = self.timestamp(&text, &e.span) else { return Typed::Wrong };
                    unit = Unit::Time;
                    nums.push(num);
                }
                (Some(Typed::Test(_)), Typed::Test(node)) => nodes.push(node),
                (Some(Typed::Text(_, kind)), Typed::Text(text, own)) if *kind == own => texts.push(text),
                (Some(Typed::Text(_, kind)), Typed::Literal { text, .. }) => {
                    let symbol = match kind {
                        Kind::Country => match country(&text) {
                            Ok(country) => country.packed(),
                            Err(label) => {
                                let said = redact(&text).into_owned();
                                let error =
                                    ExprError::new(e.span.clone(), format!("`{said}` is not a country"));
                                return self.complain(error.label(label));
                            }
                        },
                        kind => self.scope.schema.symbol(&text, *kind == Kind::Token),
                    };
                    texts.push(Text::Const { text: Arc::from(text), symbol });
                }
                (leader, other) => {
                    let what = leader.as_ref().map_or("a literal text", Typed::what);
                    return self.complain(
                        ExprError::new(e.span.clone(), "the choices of `coalesce` are of one type")
                            .label(format!("this is {}, and the others are {what}", other.what())),
                    );
                }
            }
        }
        match leader {
            Some(Typed::Number(..)) => Typed::Number(Num::Coalesce(nums), unit),
            Some(Typed::Test(_)) => Typed::Test(Node::Coalesce(nodes)),
            Some(Typed::Text(_, kind)) => Typed::Text(Text::Coalesce(texts), kind),
            _ => Typed::Wrong,
        }
    }

    pub(super) fn clock(&mut self, name: &str, args: &[&Expr]) -> Typed {
        let (time, zone) = match args {
            [] => (None, None),
            [one] if matches!(one.kind, Ast::Text { .. }) => (None, Some(one)),
            [time, rest @ ..] => (Some(time), rest.first()),
        };
        let time = match time {
            None => Num::Time(field::AT),
            Some(e) => match self.number(e) {
                Some((num, Unit::Time)) => num,
                Some(_) => {
                    return self.complain(
                        ExprError::new(e.span.clone(), format!("`{name}` takes a timestamp"))
                            .label(form(name)),
                    );
                }
                None => return Typed::Wrong,
            },
        };
        let zone = match zone.map(|e| (&e.kind, &e.span)) {
            None => TimeZone::UTC,
            Some((Ast::Text { text, .. }, span)) => match TimeZone::get(text) {
                Ok(zone) => zone,
                Err(_) => {
                    let said = redact(text).into_owned();
                    let names: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
                    let error = ExprError::new(span.clone(), format!("there is no time zone `{said}`"));
                    return self.complain(match nearest(text, names.iter().map(String::as_str)) {
                        Some(near) => error.label(format!("did you mean \"{near}\"?")),
                        None => error.label("a name of the IANA database, such as \"Asia/Shanghai\""),
                    });
                }
            },
            Some((_, span)) => {
                return self.complain(
                    ExprError::new(span.clone(), "a time zone is a literal text")
                        .label("such as \"Asia/Shanghai\""),
                );
            }
        };
        let time = Box::new(time);
        let num = if name == "hour" { Num::Hour { time, zone } } else { Num::Weekday { time, zone } };
        Typed::Number(num, Unit::Plain)
    }

    pub(super) fn age_hours(&mut self, e: &Expr) -> Typed {
        match self.number(e) {
            Some((num, Unit::Time)) => {
                let age = binary(Arith::Sub, Num::Time(field::AT), num);
                Typed::Number(binary(Arith::Div, age, Num::Const(3.6e9)), Unit::Plain)
            }
            Some(_) => self.complain(
                ExprError::new(e.span.clone(), "`age_hours` takes a timestamp").label(form("age_hours")),
            ),
            None => Typed::Wrong,
        }
    }

    pub(super) fn distance(&mut self, four: &[&Expr]) -> Typed {
        let nums: Vec<Option<(Num, Unit)>> = four.iter().map(|e| self.number(e)).collect();
        let mut good = true;
        for (e, num) in four.iter().zip(&nums) {
            if num.as_ref().is_some_and(|(_, unit)| *unit != Unit::Plain) {
                self.complain(
                    ExprError::new(e.span.clone(), "latitudes and longitudes are degrees")
                        .label("a number stands here"),
                );
                good = false;
            }
        }
        let nums: Option<Vec<Num>> = nums.into_iter().map(|n| n.map(|(num, _)| num)).collect();
        match nums.and_then(|n| <[Num; 4]>::try_from(n).ok()) {
            Some(four) if good => Typed::Number(Num::DistanceKm(Box::new(four)), Unit::Plain),
            _ => Typed::Wrong,
        }
    }

    pub(super) fn amount_in(&mut self, e: &Expr) -> Typed {
        let currency = match &e.kind {
            Ast::Text { text, .. } => Currency::parse(text),
            _ => None,
        };
        match currency {
            Some(currency) => Typed::Number(
                Num::AmountIn {
                    field: field::AMOUNT,
                    currency,
                    rates: Shared(Arc::clone(&self.scope.rates)),
                },
                Unit::In(currency),
            ),
            None => self.complain(
                ExprError::new(
                    e.span.clone(),
                    "`amount_in` takes a literal ISO 4217 currency with minor units",
                )
                .label("such as \"USD\""),
            ),
        }
    }

    pub(super) fn extreme(&mut self, name: &str, all: &[&Expr], span: &Range<usize>) -> Typed {
        let nums: Vec<Option<(Num, Unit)>> = all.iter().map(|e| self.number(e)).collect();
        let Some(nums) = nums.into_iter().collect::<Option<Vec<_>>>() else { return Typed::Wrong };
        let mut unit = nums.first().map_or(Unit::Plain, |n| n.1);
        for (_, own) in nums.iter().skip(1) {
            match self.common(unit, *own, span) {
                Some(common) => unit = common,
                None => return Typed::Wrong,
            }
        }
        let nums = nums.into_iter().map(|n| n.0).collect();
        Typed::Number(if name == "min" { Num::Min(nums) } else { Num::Max(nums) }, unit)
    }

    pub(super) fn of_items(&mut self, name: &str, items: &Expr, inner: &Expr) -> Typed {
        if !is_items(items) {
            return self.complain(
                ExprError::new(items.span.clone(), format!("`{name}` goes through `items`"))
                    .label(form(name)),
            );
        }
        if self.in_items {
            return self.complain(
                ExprError::new(items.span.clone(), "an item has no items")
                    .label("inside another `any` or `sum`"),
            );
        }
        self.in_items = true;
        let typed = if name == "any" {
            self.test(inner).map(|node| Typed::Test(Node::AnyItem(Box::new(node))))
        } else {
            match self.number(inner) {
                Some((_, Unit::Time)) => Some(
                    self.complain(
                        ExprError::new(inner.span.clone(), "timestamps don't add up")
                            .label("a number stands here"),
                    ),
                ),
                Some((num, unit)) => Some(Typed::Number(Num::SumItems(Box::new(num)), unit)),
                None => None,
            }
        };
        self.in_items = false;
        typed.unwrap_or(Typed::Wrong)
    }
}

pub(super) fn is_items(e: &Expr) -> bool {
    matches!(&e.kind, Ast::Name(name) if name == "items")
}
