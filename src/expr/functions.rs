//! What does a function make of its arguments?

use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::ast::{Arg, Arith, Expr, Kind as Ast};
use super::check::{Checker, Typed, Unit, binary};
use super::countries::country;
use super::error::ExprError;
use super::ir::{Ip, Node, Num, Operand, Shared, Text};
use super::velocity;
use crate::error::nearest;
use crate::money::Currency;
use crate::schema::{Kind, TEXT_BYTES_MAX, field};
use crate::token::redact;

/// Every function and its form, as messages and completions show it.
pub(super) const FORMS: [(&str, &str); 27] = [
    ("is_missing", "is_missing(field)"),
    ("coalesce", "coalesce(value, other, ...)"),
    ("lower", "lower(text)"),
    ("domain", "domain(email)"),
    ("bin", "bin(card)"),
    ("prefix", "prefix(text, 4)"),
    ("cidr", "cidr(ip, 24)"),
    ("hour", "hour(at, \"Asia/Shanghai\")"),
    ("weekday", "weekday(at, \"Asia/Shanghai\")"),
    ("age_hours", "age_hours(account_created)"),
    ("distance_km", "distance_km(lat, lon, lat, lon)"),
    ("amount_in", "amount_in(\"USD\")"),
    ("min", "min(a, b) or min(amount, card, 1h)"),
    ("max", "max(a, b) or max(amount, card, 1h)"),
    ("abs", "abs(number)"),
    ("any", "any(items, condition)"),
    ("sum", "sum(amount, card, 1h) or sum(items, number)"),
    ("count", "count(card, 10m)"),
    ("avg", "avg(amount, card, 1h)"),
    ("stddev", "stddev(amount, card, 7d)"),
    ("distinct", "distinct(merchant, card, 1h)"),
    ("first_seen", "first_seen(card)"),
    ("since", "since(card, 1d)"),
    ("ratio", "ratio(card, 7d, declined)"),
    // Words that are only understood inside the others.
    ("including", "count(card, 1h, including)"),
    ("where", "count(card, 1h, where amount > 100)"),
    ("delay", "count(card, 7d, delay 7d)"),
];

pub(super) fn is_function(name: &str) -> bool {
    FORMS.iter().any(|(known, _)| *known == name)
}

pub(super) fn form(name: &str) -> String {
    FORMS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(String::new(), |(_, form)| format!("write `{form}`"))
}

impl Checker<'_> {
    pub(super) fn call(&mut self, name: &str, at: &Range<usize>, args: &[Arg], span: &Range<usize>) -> Typed {
        let velocity = match name {
            "count" | "avg" | "stddev" | "distinct" | "first_seen" | "since" | "ratio" => true,
            "sum" => !matches!(args.first(), Some(Arg::Expr(e)) if is_items(e)),
            "min" | "max" => velocity::is_meant(&self.scope.schema, args),
            _ => false,
        };
        if velocity {
            return self.velocity(name, at, args, span);
        }
        if !is_function(name) || ["including", "where", "delay"].contains(&name) {
            let error = ExprError::new(at.clone(), format!("there is no function `{name}`"));
            let known = FORMS.iter().map(|(name, _)| *name);
            return self.complain(match nearest(name, known) {
                Some(near) => error.label(format!("did you mean `{near}`?")),
                None => error.label("not a function").help(format!("there are {}", names().join(" "))),
            });
        }
        let mut plain = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                Arg::Expr(e) => plain.push(e),
                Arg::Where(_) | Arg::Delay(..) => {
                    return self.complain(
                        ExprError::new(
                            arg.span(),
                            format!("`{name}` counts nothing, so it takes no options"),
                        )
                        .label(form(name)),
                    );
                }
            }
        }
        let arity = match name {
            "is_missing" | "lower" | "domain" | "bin" | "age_hours" | "amount_in" | "abs" => 1..=1,
            "hour" | "weekday" => 0..=2,
            "cidr" => 2..=3,
            "prefix" | "any" | "sum" => 2..=2,
            "distance_km" => 4..=4,
            _ => 2..=usize::MAX,
        };
        if !arity.contains(&plain.len()) {
            return self.complain(
                ExprError::new(span.clone(), format!("`{name}` doesn't take {} arguments", plain.len()))
                    .label(form(name)),
            );
        }
        match (name, plain.as_slice()) {
            ("is_missing", [e]) => self.is_missing(e),
            ("coalesce", all) => self.coalesce(all, span),
            ("lower", [e]) => self.of_text(name, e, |text| (Text::Lower(Box::new(text)), Kind::Text)),
            ("domain", [e]) => self.of_text(name, e, |text| (Text::Domain(Box::new(text)), Kind::Text)),
            ("bin", [e]) => self.bin(e),
            ("prefix", [e, n]) => self.prefix(e, n),
            ("cidr", [e, bits @ ..]) => self.cidr(e, bits),
            ("hour" | "weekday", rest) => self.clock(name, rest),
            ("age_hours", [e]) => self.age_hours(e),
            ("distance_km", four) => self.distance(four),
            ("amount_in", [e]) => self.amount_in(e),
            ("min" | "max", all) => self.extreme(name, all, span),
            ("abs", [e]) => match self.number(e) {
                Some((_, Unit::Time)) => {
                    self.complain(ExprError::new(e.span.clone(), "a timestamp has no size"))
                }
                Some((num, unit)) => Typed::Number(Num::Abs(Box::new(num)), unit),
                None => Typed::Wrong,
            },
            ("any" | "sum", [items, inner]) => self.of_items(name, items, inner),
            _ => Typed::Wrong,
        }
    }

    fn is_missing(&mut self, e: &Expr) -> Typed {
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

    fn coalesce(&mut self, all: &[&Expr], span: &Range<usize>) -> Typed {
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

    fn of_text(&mut self, name: &str, e: &Expr, make: fn(Text) -> (Text, Kind)) -> Typed {
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

    fn bin(&mut self, e: &Expr) -> Typed {
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

    fn prefix(&mut self, e: &Expr, n: &Expr) -> Typed {
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

    fn cidr(&mut self, e: &Expr, bits: &[&Expr]) -> Typed {
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

    fn clock(&mut self, name: &str, args: &[&Expr]) -> Typed {
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

    fn age_hours(&mut self, e: &Expr) -> Typed {
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

    fn distance(&mut self, four: &[&Expr]) -> Typed {
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

    fn amount_in(&mut self, e: &Expr) -> Typed {
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

    fn extreme(&mut self, name: &str, all: &[&Expr], span: &Range<usize>) -> Typed {
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

    fn of_items(&mut self, name: &str, items: &Expr, inner: &Expr) -> Typed {
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

fn is_items(e: &Expr) -> bool {
    matches!(&e.kind, Ast::Name(name) if name == "items")
}

fn names() -> Vec<&'static str> {
    FORMS.iter().map(|(name, _)| *name).filter(|n| !["including", "where", "delay"].contains(n)).collect()
}
