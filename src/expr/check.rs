//! Does the expression make sense, and as which typed program?
//!
//! Every part is checked even when another is wrong, so that one reading shows all mistakes; a part
//! that was complained about is [`Typed::Wrong`] and is not complained about again.

use std::ops::Range;

use super::ast::{Arith, Expr, How, Item, ItemKind, Kind as Ast, Literal, Op, Set};
use super::countries::country;
use super::error::ExprError;
use super::ir::{
    DigitRange, Ip, ItemNumber, ItemText, Listed, Net, Node, Num, Pattern, Same, Shared, Text, TextSet,
};
use super::parse::parse;
use super::radar;
use super::scope::Scope;
use super::text::{Letters, same};
use crate::error::nearest;
use crate::list::ListKind;
use crate::money::Currency;
use crate::risk::{Answer, Risk};
use crate::schema::{Kind, field};
use crate::time::Timestamp;
use crate::token::{contains_pan, redact};

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

/// Most characters of an expression that a message repeats.
const SAID_MAX: usize = 48;

pub(super) struct Checker<'a> {
    pub scope: &'a mut Scope,
    source: &'a str,
    wrong: Vec<ExprError>,
    /// Inside `any(items, ..)` or `sum(items, ..)`.
    pub in_items: bool,
    /// Inside `where`.
    pub in_where: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scope: &'a mut Scope, source: &'a str) -> Checker<'a> {
        Checker { scope, source, wrong: Vec::new(), in_items: false, in_where: false }
    }

    /// The mistakes, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<ExprError> {
        self.wrong.sort_by_key(|e| (e.span.start, e.span.end));
        self.wrong.dedup();
        self.wrong
    }

    pub(super) fn complain(&mut self, error: ExprError) -> Typed {
        self.wrong.push(error);
        Typed::Wrong
    }

    pub(super) fn said(&self, span: &Range<usize>) -> String {
        let text = self.source.get(span.clone()).unwrap_or_default();
        let text = redact(text).split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(SAID_MAX) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    /// A condition; `None` when it was complained about.
    pub(super) fn test(&mut self, e: &Expr) -> Option<Node> {
        match self.value(e) {
            Typed::Test(node) => Some(node),
            Typed::Wrong => None,
            other => {
                let said = self.said(&e.span);
                let error = ExprError::new(
                    e.span.clone(),
                    format!("a condition stands here, and `{said}` is {}", other.what()),
                );
                self.complain(match &other {
                    Typed::Number(..) => error.label("compare it with something, such as `> 5`"),
                    Typed::Text(..) => error.label("compare it with something, such as `== \"...\"`"),
                    _ => error.label("compare it with something"),
                });
                None
            }
        }
    }

    /// A number; `None` when it was complained about.
    pub(super) fn number(&mut self, e: &Expr) -> Option<(Num, Unit)> {
        match self.value(e) {
            Typed::Number(num, unit) => Some((num, unit)),
            Typed::Wrong => None,
            other => {
                let said = self.said(&e.span);
                self.complain(
                    ExprError::new(
                        e.span.clone(),
                        format!("a number stands here, and `{said}` is {}", other.what()),
                    )
                    .label(other.what()),
                );
                None
            }
        }
    }

    /// A feature: a number, or a condition as 1 and 0.
    pub(super) fn input(&mut self, e: &Expr) -> Option<Num> {
        match self.value(e) {
            Typed::Test(node) => Some(Num::Truth(Box::new(node))),
            Typed::Number(num, _) => Some(num),
            Typed::Wrong => None,
            other => {
                let said = self.said(&e.span);
                self.complain(
                    ExprError::new(
                        e.span.clone(),
                        format!("an input is a number or a condition, and `{said}` is {}", other.what()),
                    )
                    .label("compare it: a condition is 1 or 0"),
                );
                None
            }
        }
    }

    pub(super) fn value(&mut self, e: &Expr) -> Typed {
        match &e.kind {
            Ast::Bool(b) => Typed::Test(Node::Const(Some(*b))),
            Ast::Number(n) => Typed::Number(Num::Const(*n), Unit::Plain),
            Ast::Duration(d) => Typed::Number(Num::Const(d.secs()), Unit::Plain),
            Ast::Text { text, exact } => Typed::Literal { text: text.clone(), exact: *exact },
            Ast::Address(text) => Typed::Literal { text: text.clone(), exact: false },
            Ast::Name(name) => self.name(name, &e.span),
            Ast::Radar(name) => self.radar(name, &e.span),
            Ast::Metadata(key) => self.metadata(key, &e.span),
            Ast::Not(inner) => match self.test(inner) {
                Some(node) => Typed::Test(not(node)),
                None => Typed::Wrong,
            },
            Ast::And(all) => self.joined(all, Node::And),
            Ast::Or(all) => self.joined(all, Node::Or),
            Ast::Neg(inner) => match self.number(inner) {
                Some((Num::Const(n), unit)) => Typed::Number(Num::Const(-n), unit),
                Some((_, Unit::Time)) => {
                    self.complain(ExprError::new(e.span.clone(), "a timestamp has no negative"))
                }
                Some((num, unit)) => Typed::Number(Num::Neg(Box::new(num)), unit),
                None => Typed::Wrong,
            },
            Ast::Arith { op, left, right } => {
                let (left_num, right_num) = (self.number(left), self.number(right));
                match (left_num, right_num) {
                    (Some(l), Some(r)) => self.arith(*op, l, r, &e.span),
                    _ => Typed::Wrong,
                }
            }
            Ast::Compare { op, left, right } => {
                let (l, r) = (self.value(left), self.value(right));
                self.compare(*op, (l, &left.span), (r, &right.span))
            }
            Ast::Between { value, negated, low, high } => {
                let v = self.value(value);
                let (l, h) = (self.value(low), self.value(high));
                let from = self.compare(Op::Ge, (v.clone(), &value.span), (l, &low.span));
                let to = self.compare(Op::Le, (v, &value.span), (h, &high.span));
                match (from, to) {
                    (Typed::Test(from), Typed::Test(to)) => {
                        let both = Node::And(vec![from, to]);
                        Typed::Test(if *negated { not(both) } else { both })
                    }
                    _ => Typed::Wrong,
                }
            }
            Ast::In { value, negated, set } => {
                let typed = self.value(value);
                let found = match set {
                    Set::List(name, span) => self.in_list(typed, &value.span, name, span),
                    Set::Items(items) => self.in_items(typed, &value.span, items),
                };
                match found {
                    Some(node) => Typed::Test(if *negated { not(node) } else { node }),
                    None => Typed::Wrong,
                }
            }
            Ast::Match { how, value, negated, texts } => {
                let typed = self.value(value);
                match self.matches(*how, typed, &value.span, texts) {
                    Some(node) => Typed::Test(if *negated { not(node) } else { node }),
                    None => Typed::Wrong,
                }
            }
            Ast::Call { name, name_span, args } => self.call(name, name_span, args, &e.span),
        }
    }

    fn joined(&mut self, all: &[Expr], join: fn(Vec<Node>) -> Node) -> Typed {
        let nodes: Vec<Option<Node>> = all.iter().map(|e| self.test(e)).collect();
        match nodes.into_iter().collect() {
            Some(nodes) => Typed::Test(flat(join(nodes))),
            None => Typed::Wrong,
        }
    }

    /// What a bare name is.
    pub(super) fn name(&mut self, name: &str, span: &Range<usize>) -> Typed {
        if self.in_items {
            match name {
                "sku" => return Typed::Text(Text::Item(ItemText::Sku), Kind::Token),
                "category" => return Typed::Text(Text::Item(ItemText::Category), Kind::Text),
                "quantity" => return Typed::Number(Num::Item(ItemNumber::Quantity), Unit::Plain),
                "price" => return Typed::Number(Num::Item(ItemNumber::Price), Unit::Own),
                _ => {}
            }
        }
        let Some(id) = self.scope.schema.find(name) else {
            return self.risk(name, span).unwrap_or_else(|| self.unknown(name, span));
        };
        let field = self.scope.schema.field(id);
        if field.outcome {
            return self.complain(
                ExprError::new(span.clone(), format!("`{name}` is an outcome, known only after the payment"))
                    .label("no expression may read it")
                    .help("count outcomes of the past instead, such as `count(card, 7d, disputed)`"),
            );
        }
        match field.kind {
            Kind::Number => Typed::Number(Num::Field(id), Unit::Plain),
            Kind::Money => Typed::Number(Num::Money(id), Unit::Own),
            Kind::Timestamp => Typed::Number(Num::Time(id), Unit::Time),
            Kind::Bool => Typed::Test(Node::Field(id)),
            kind @ (Kind::Text | Kind::Token | Kind::Country) => Typed::Text(Text::Field(id), kind),
            Kind::Ip => Typed::Ip(Ip { field: id, kept: None }),
        }
    }

    /// What the models say; a field of the same name goes before it.
    fn risk(&mut self, name: &str, span: &Range<usize>) -> Option<Typed> {
        let typed = match Answer::named(name) {
            Some(answer) => Typed::Number(Num::Risk(answer), Unit::Plain),
            None if name == Answer::LEVEL => Typed::Text(Text::RiskLevel, Kind::Text),
            None => return None,
        };
        Some(match self.in_where {
            false => typed,
            true => self.complain(
                ExprError::new(span.clone(), format!("the models' `{name}` is not kept for the past"))
                    .label("`where` reads the payment's own fields"),
            ),
        })
    }

    fn unknown(&mut self, name: &str, span: &Range<usize>) -> Typed {
        if name == "items" {
            return Typed::Items;
        }
        // Radar's counters are so long and regular that they need no colons.
        if let Some(Ok(meaning)) = radar::expand(name, &self.scope.rates)
            && meaning.contains('(')
        {
            return self.alias(name, &meaning, span);
        }
        let error = ExprError::new(span.clone(), format!("unknown name `{name}`"));
        if super::functions::is_function(name) {
            return self.complain(
                ExprError::new(span.clone(), format!("`{name}` is a function and takes arguments"))
                    .label(super::functions::form(name)),
            );
        }
        let items = ["sku", "category", "quantity", "price"];
        if items.contains(&name) {
            return self.complain(
                error
                    .label("an item's field")
                    .help("items are asked about with `any(items, ...)` or `sum(items, ...)`"),
            );
        }
        let names = self.scope.schema.fields().filter(|(_, f)| !f.outcome).map(|(_, f)| f.name.as_str());
        let names = names.chain(Answer::NAMES.map(|(name, _)| name)).chain([Answer::LEVEL]);
        let label = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("if it is a text, write \"{name}\""),
        };
        self.complain(error.label(label))
    }

    fn radar(&mut self, name: &str, span: &Range<usize>) -> Typed {
        match radar::expand(name, &self.scope.rates) {
            Some(Ok(meaning)) => self.alias(name, &meaning, span),
            Some(Err(reason)) => self.complain(
                ExprError::new(span.clone(), format!("`:{name}:` has no meaning here")).label(reason),
            ),
            None if self.scope.schema.find(name).is_some() => self.name(name, span),
            None => self.complain(
                ExprError::new(span.clone(), format!("unknown attribute `:{name}:`"))
                    .label("declare a field of that name in rules/schema.toml, if your payments carry it"),
            ),
        }
    }

    fn metadata(&mut self, key: &str, span: &Range<usize>) -> Typed {
        let name: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        if self.scope.schema.find(&name).is_some() {
            return self.name(&name, span);
        }
        self.complain(
            ExprError::new(span.clone(), format!("no field holds the metadata `{key}`"))
                .label(format!("declare a field `{name}` in rules/schema.toml")),
        )
    }

    /// What an alias stands for; mistakes in it are shown at the alias.
    fn alias(&mut self, name: &str, meaning: &str, span: &Range<usize>) -> Typed {
        let before = self.wrong.len();
        let limits = self.scope.limits().clone();
        let typed = match parse(meaning, &limits) {
            Ok(mut expr) => {
                expr.place(span);
                self.value(&expr)
            }
            Err(error) => self.complain(ExprError { span: span.clone(), ..error }),
        };
        for error in &mut self.wrong[before..] {
            error.help.get_or_insert_with(|| format!("`{name}` stands for `{meaning}`"));
        }
        typed
    }

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

    fn arith(&mut self, op: Arith, left: (Num, Unit), right: (Num, Unit), span: &Range<usize>) -> Typed {
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

    fn compare(&mut self, op: Op, left: (Typed, &Range<usize>), right: (Typed, &Range<usize>)) -> Typed {
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

    fn same_text(
        &mut self,
        (left, lk): (Text, Kind),
        (right, rk): (Text, Kind),
        ls: &Range<usize>,
        rs: &Range<usize>,
    ) -> Option<Node> {
        if lk != rk {
            let message = format!(
                "`{}` is {}, and `{}` is {}: they can't be compared",
                self.said(ls),
                kind_name(lk),
                self.said(rs),
                kind_name(rk)
            );
            let error = ExprError::new(ls.start..rs.end.max(ls.end), message);
            self.complain(match (lk, rk) {
                (Kind::Token, _) => {
                    error.label(format!("write `lower({})` to compare the letters", self.said(ls)))
                }
                (_, Kind::Token) => error.label(format!("if you mean the word, write \"{}\"", self.said(rs))),
                _ => error.label("a country compares with a country"),
            });
            return None;
        }
        let how = match lk {
            Kind::Country => Same::Symbols,
            _ if has_symbol(&left) && has_symbol(&right) => Same::Symbols,
            Kind::Token => Same::Exact,
            _ => Same::Folded,
        };
        Some(Node::SameText { left, right, how })
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

    fn net(&mut self, text: &str, span: &Range<usize>) -> Option<Net> {
        let net = Net::parse(text);
        if net.is_none() {
            self.complain(
                ExprError::new(span.clone(), "this is neither an address nor a network")
                    .label("such as 192.0.2.1, 10.0.0.0/8 or \"2001:db8::/32\""),
            );
        }
        net
    }

    /// A text that is one of some literals.
    fn texts(&mut self, text: Text, kind: Kind, literals: &[(String, bool, Range<usize>)]) -> Option<Node> {
        let mut symbols = Vec::new();
        let (mut folded, mut exact) = (Vec::<Box<str>>::new(), Vec::<Box<str>>::new());
        let mut good = true;
        for (literal, is_exact, span) in literals {
            if kind == Kind::Country {
                match country(literal) {
                    Ok(country) => symbols.push(country.packed()),
                    Err(label) => {
                        let error =
                            ExprError::new(span.clone(), format!("`{}` is not a country", redact(literal)));
                        self.complain(error.label(label));
                        good = false;
                    }
                }
                continue;
            }
            if contains_pan(literal) {
                self.complain(
                    ExprError::new(
                        span.clone(),
                        "a card number is never in a payment, so it can't be compared with",
                    )
                    .label("write its token"),
                );
                good = false;
            }
            if text == Text::Field(field::CURRENCY) && Currency::parse(literal).is_none() {
                self.complain(
                    ExprError::new(span.clone(), format!("`{}` is not a currency", redact(literal)))
                        .label("such as \"EUR\": ISO 4217, with minor units"),
                );
                good = false;
            }
            if text == Text::RiskLevel && !Risk::is_level(literal) {
                self.complain(
                    ExprError::new(span.clone(), format!("`{}` is no risk level", redact(literal)))
                        .label(Risk::level_hint(literal)),
                );
                good = false;
            }
            if kind == Kind::Token || *is_exact {
                exact.push(literal.as_str().into());
            } else {
                folded.push(literal.to_ascii_lowercase().into());
            }
        }
        if !good {
            return None;
        }
        // Symbols decide when each literal folds as the field does.
        if kind == Kind::Token && has_symbol(&text) {
            symbols = exact.iter().map(|t| self.scope.schema.symbol(t, true)).collect();
        } else if kind == Kind::Text && has_symbol(&text) && exact.is_empty() {
            symbols = folded.iter().map(|t| self.scope.schema.symbol(t, false)).collect();
        }
        symbols.sort_unstable();
        symbols.dedup();
        for letters in [&mut folded, &mut exact] {
            letters.sort_unstable();
            letters.dedup();
        }
        Some(Node::InTexts {
            text,
            set: TextSet { symbols: symbols.into(), folded: folded.into(), exact: exact.into() },
        })
    }

    fn in_items(&mut self, value: Typed, span: &Range<usize>, items: &[Item]) -> Option<Node> {
        match value {
            Typed::Wrong => None,
            Typed::Number(num, unit) => self.in_numbers(num, unit, items),
            Typed::Text(text, kind) => self.in_texts(text, kind, items),
            Typed::Ip(ip) => {
                let nets: Vec<Option<Net>> = items
                    .iter()
                    .map(|item| match &item.kind {
                        ItemKind::Text { text, .. } | ItemKind::Address(text) => self.net(text, &item.span),
                        _ => self.net("", &item.span),
                    })
                    .collect();
                let nets: Option<Vec<Net>> = nets.into_iter().collect();
                nets.map(|nets| Node::InNets { ip, nets: Net::merge(nets) })
            }
            other => {
                let said = self.said(span);
                self.complain(
                    ExprError::new(
                        span.clone(),
                        format!("`in` finds a field's value among others, and `{said}` is {}", other.what()),
                    )
                    .label("a field stands here"),
                );
                None
            }
        }
    }

    fn in_numbers(&mut self, num: Num, unit: Unit, items: &[Item]) -> Option<Node> {
        let mut set = Vec::with_capacity(items.len());
        let mut good = true;
        for item in items {
            match &item.kind {
                ItemKind::Number { value, .. } if unit != Unit::Time => set.push(value + 0.0),
                ItemKind::Duration(d) if unit != Unit::Time => set.push(d.secs()),
                ItemKind::Text { text, .. } if unit == Unit::Time => match self.timestamp(text, &item.span) {
                    Some(Num::Const(n)) => set.push(n),
                    _ => good = false,
                },
                ItemKind::Digits { .. } => {
                    self.complain(
                        ExprError::new(item.span.clone(), "`..` is a range of card beginnings")
                            .label("for numbers write `between .. and ..`"),
                    );
                    good = false;
                }
                _ => {
                    let what = if unit == Unit::Time { "a timestamp" } else { "a number" };
                    self.complain(
                        ExprError::new(item.span.clone(), format!("the value is {what}, and this is not"))
                            .label(format!("{what} stands here")),
                    );
                    good = false;
                }
            }
        }
        set.sort_by(f64::total_cmp);
        set.dedup();
        match (good, set.as_slice()) {
            (false, _) => None,
            (true, [one]) => Some(Node::Compare { op: Op::Eq, left: num, right: Num::Const(*one) }),
            _ => Some(Node::InNumbers { value: num, set: set.into() }),
        }
    }

    fn in_texts(&mut self, text: Text, kind: Kind, items: &[Item]) -> Option<Node> {
        let mut literals = Vec::new();
        let mut ranges = Vec::new();
        let mut good = true;
        for item in items {
            let range = match &item.kind {
                ItemKind::Text { text, exact } => {
                    literals.push((text.clone(), *exact, item.span.clone()));
                    continue;
                }
                ItemKind::Number { digits, .. } if kind == Kind::Text => digit_range(digits, digits),
                ItemKind::Digits { low, high } if kind == Kind::Text => digit_range(low, high),
                _ => None,
            };
            match range {
                Some(range) => ranges.push(range),
                None => {
                    let error = ExprError::new(
                        item.span.clone(),
                        format!("the value is {}, and this is not", kind_name(kind)),
                    );
                    self.complain(match &item.kind {
                        ItemKind::Digits { .. } => {
                            ExprError::new(item.span.clone(), "this is no range of card beginnings")
                                .label("two ends of as many digits, the lower first: 411111..411119")
                        }
                        _ => error.label("write it in quotes"),
                    });
                    good = false;
                }
            }
        }
        let literals = (!literals.is_empty()).then(|| self.texts(text.clone(), kind, &literals));
        ranges.sort_unstable();
        ranges.dedup();
        let bins = (!ranges.is_empty()).then(|| Node::InBins { text, ranges: ranges.into() });
        match (literals, bins) {
            _ if !good => None,
            (Some(texts), Some(bins)) => Some(Node::Or(vec![texts?, bins])),
            (Some(texts), None) => texts,
            (None, bins) => bins,
        }
    }

    fn in_list(&mut self, value: Typed, at: &Range<usize>, name: &str, span: &Range<usize>) -> Option<Node> {
        let Some(list) = self.scope.lists.get(name) else {
            let known: Vec<String> = self.scope.lists.names().map(|n| format!("@{n}")).collect();
            let error = ExprError::new(span.clone(), format!("there is no list `@{name}`"));
            let near = nearest(name, self.scope.lists.names()).map(|near| format!("did you mean `@{near}`?"));
            let error = error.label(near.unwrap_or_else(|| match known.as_slice() {
                [] => "no lists are loaded".to_owned(),
                known => format!("there are {}", known.join(" ")),
            }));
            self.complain(error);
            return None;
        };
        let kind = list.kind();
        let value = match (value, kind) {
            (Typed::Wrong, _) => return None,
            (Typed::Text(text, Kind::Text), ListKind::Text)
            | (Typed::Text(text, Kind::Token), ListKind::Token) => Listed::Text(text),
            (Typed::Text(text, Kind::Country), ListKind::Country) => Listed::Country(text),
            (Typed::Text(text, Kind::Text), ListKind::Bin) => Listed::Bin(text),
            (Typed::Ip(ip), ListKind::Ip) => Listed::Ip(ip),
            (other, _) => {
                let message = format!(
                    "list `@{name}` holds {}, and `{}` is {}",
                    list_name(kind),
                    self.said(at),
                    other.what()
                );
                let error = ExprError::new(at.clone(), message);
                self.complain(match (&other, kind) {
                    (Typed::Text(Text::Field(field::CARD), _), ListKind::Bin) => {
                        error.label("write `bin(card)`")
                    }
                    _ => error.label(other.what()),
                });
                return None;
            }
        };
        Some(Node::InList { value, list: Shared(list) })
    }

    fn matches(&mut self, how: How, value: Typed, span: &Range<usize>, texts: &[Literal]) -> Option<Node> {
        let mut good = true;
        let most = self.scope.limits().pattern_bytes;
        for literal in texts.iter().filter(|l| l.text.len() > most) {
            self.complain(
                ExprError::new(literal.span.clone(), format!("`{}` takes at most {most} bytes", how.word()))
                    .label(format!("{} bytes", literal.text.len())),
            );
            good = false;
        }
        match value {
            Typed::Text(text, kind @ (Kind::Text | Kind::Token)) if good => {
                let patterns = texts.iter().map(|l| Pattern::new(&l.text, l.exact || kind == Kind::Token));
                Some(Node::Match { how, text, patterns: patterns.collect() })
            }
            Typed::Text(_, Kind::Text | Kind::Token) | Typed::Wrong => None,
            other => {
                let said = self.said(span);
                let error = ExprError::new(
                    span.clone(),
                    format!("`{}` looks into a text, and `{said}` is {}", how.word(), other.what()),
                );
                self.complain(match other {
                    Typed::Ip(_) => error.label("networks are asked about with `in`"),
                    Typed::Text(..) => error.label("countries are asked about with `==` and `in`"),
                    other => error.label(other.what()),
                });
                None
            }
        }
    }
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

impl Unit {
    fn what(self) -> &'static str {
        match self {
            Unit::Plain => "a number",
            Unit::Own => "money in the payment's own currency",
            Unit::In(_) => "money in one currency",
            Unit::Time => "a timestamp",
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

fn list_name(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Text => "texts",
        ListKind::Token => "tokens",
        ListKind::Country => "countries",
        ListKind::Ip => "addresses",
        ListKind::Bin => "card beginnings",
    }
}

fn digit_range(low: &str, high: &str) -> Option<DigitRange> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(low) && digits(high) && low.len() == high.len() && low <= high)
        .then(|| DigitRange { low: low.into(), high: high.into() })
}

/// Whether symbols stand for the text.
pub(super) fn has_symbol(text: &Text) -> bool {
    match text {
        Text::Field(_) | Text::Const { .. } => true,
        Text::Coalesce(all) => all.iter().all(has_symbol),
        _ => false,
    }
}

pub(super) fn not(node: Node) -> Node {
    match node {
        Node::Not(inner) => *inner,
        Node::Const(truth) => Node::Const(truth.map(|t| !t)),
        other => Node::Not(Box::new(other)),
    }
}

fn flat(node: Node) -> Node {
    let (all, and) = match node {
        Node::And(all) => (all, true),
        Node::Or(all) => (all, false),
        other => return other,
    };
    let mut parts = Vec::with_capacity(all.len());
    for part in all {
        match part {
            Node::And(inner) if and => parts.extend(inner),
            Node::Or(inner) if !and => parts.extend(inner),
            other => parts.push(other),
        }
    }
    if and { Node::And(parts) } else { Node::Or(parts) }
}

/// An operation on two numbers, done at once when both are literal and there is a result.
pub(super) fn binary(op: Arith, left: Num, right: Num) -> Num {
    match (&left, &right) {
        // Absent stays an operation: NaN would make equal programs differ.
        (Num::Const(a), Num::Const(b)) if !op.apply(*a, *b).is_nan() => Num::Const(op.apply(*a, *b)),
        _ => Num::Arith { op, left: Box::new(left), right: Box::new(right) },
    }
}
