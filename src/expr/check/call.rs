//! Which function is called, and with how many arguments?

use std::ops::Range;

use super::Checker;
use super::functions::is_items;
use super::typed::Typed;
use super::units::Unit;
use super::velocity;
use crate::error::nearest;
use crate::expr::ast::Arg;
use crate::expr::error::ExprError;
use crate::expr::ir::{Num, Text};
use crate::schema::Kind;

/// Every function and its form, as messages and completions show it.
const FORMS: [(&str, &str); 27] = [
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
}

fn names() -> Vec<&'static str> {
    FORMS.iter().map(|(name, _)| *name).filter(|n| !["including", "where", "delay"].contains(n)).collect()
}
