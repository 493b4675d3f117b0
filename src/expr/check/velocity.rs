//! Which question about the past does a call ask?

use std::ops::Range;

use super::Checker;
use super::call::form;
use super::typed::{Typed, kind_name};
use super::units::Unit;
use crate::error::nearest;
use crate::expr::Test;
use crate::expr::ast::{Arg, Arith, Expr, Kind as Ast};
use crate::expr::error::ExprError;
use crate::expr::ir::{Ip, Node, Num, Text};
use crate::schema::{FieldId, Kind, Schema, field};
use crate::time::Span;
use crate::velocity::{Aggregate, ENTITY_FIELDS_MAX, Entity, FILTERS_MAX, Function, Status, WINDOW_MAX};

/// Words that stand among the options of a velocity function.
const OPTIONS: [&str; 2] = ["attempts", "including"];

/// Whether `min` or `max` is asked of the past: when the first or the second argument is an entity,
/// not a number.
pub(super) fn is_meant(schema: &Schema, args: &[Arg]) -> bool {
    let entity = |arg: Option<&Arg>| matches!(arg, Some(Arg::Expr(e)) if names_entity(schema, e));
    entity(args.first()) || entity(args.get(1)) || args.iter().any(|a| !matches!(a, Arg::Expr(_)))
}

fn names_entity(schema: &Schema, e: &Expr) -> bool {
    match &e.kind {
        Ast::Name(name) => schema.find(name).is_some_and(|id| {
            let field = schema.field(id);
            field.entity && field.kind != Kind::Number
        }),
        Ast::Arith { op: Arith::Add, left, right } => {
            names_entity(schema, left) && names_entity(schema, right)
        }
        _ => false,
    }
}

fn names_field(schema: &Schema, e: &Expr) -> bool {
    match &e.kind {
        Ast::Name(name) => schema.find(name).is_some(),
        Ast::Radar(_) | Ast::Metadata(_) => true,
        Ast::Arith { op: Arith::Add, left, right } => names_field(schema, left) && names_field(schema, right),
        _ => false,
    }
}

impl Checker<'_> {
    pub(super) fn velocity(
        &mut self,
        name: &str,
        at: &Range<usize>,
        args: &[Arg],
        span: &Range<usize>,
    ) -> Typed {
        if self.in_where {
            return self.complain(
                ExprError::new(span.clone(), format!("`where` reads one payment, and `{name}` asks of many"))
                    .label("only the payment's own fields stand here"),
            );
        }
        let Some(Arg::Expr(first)) = args.first() else {
            return self.complain(
                ExprError::new(at.clone(), format!("`{name}` counts by an entity")).label(form(name)),
            );
        };
        // What is computed over, and whether its name was the first argument.
        let second_is_field = matches!(args.get(1), Some(Arg::Expr(e)) if names_field(&self.scope.schema, e));
        let (of, rest) = match name {
            "distinct" => (Some(first), &args[1..]),
            "sum" | "avg" | "min" | "max" | "stddev" if second_is_field => (Some(first), &args[1..]),
            _ => (None, args),
        };
        let function = self.function(name, of);
        let entity = match rest.first() {
            Some(Arg::Expr(e)) => self.entity(name, e),
            _ => {
                self.complain(
                    ExprError::new(span.clone(), format!("`{name}` counts by an entity")).label(form(name)),
                );
                None
            }
        };
        let mut aggregate = Aggregate {
            function: Function::Count,
            entity: Entity::new(),
            window: None,
            delay: Span::default(),
            including: false,
            status: None,
            filter: None,
        };
        let mut good = true;
        for option in rest.iter().skip(1) {
            good &= self.option(name, option, &mut aggregate);
        }
        if aggregate.including && aggregate.delay != Span::default() {
            self.complain(
                ExprError::new(span.clone(), "`including` and `delay` exclude each other")
                    .label("a delayed window ends before this payment"),
            );
            good = false;
        }
        if name == "ratio" && aggregate.status.is_none() {
            self.complain(
                ExprError::new(span.clone(), "`ratio` needs the status whose share is asked")
                    .label(form("ratio")),
            );
            good = false;
        }
        let (Some(function), Some(entity), true) = (function, entity, good) else { return Typed::Wrong };
        aggregate.function = function;
        aggregate.entity = entity;
        let unit = match function {
            Function::Sum(id)
            | Function::Avg(id)
            | Function::Min(id)
            | Function::Max(id)
            | Function::StdDev(id)
                if self.scope.schema.field(id).kind == Kind::Money =>
            {
                Unit::In(self.scope.rates.base())
            }
            Function::FirstSeen => Unit::Time,
            _ => Unit::Plain,
        };
        match self.scope.plan.add(aggregate) {
            Ok(i) => Typed::Number(Num::Aggregate(i), unit),
            Err(full) => {
                self.complain(ExprError::new(span.clone(), full.to_string()).label("one more than that"))
            }
        }
    }

    fn function(&mut self, name: &str, of: Option<&Expr>) -> Option<Function> {
        let of = match of {
            Some(e) => Some(self.of_field(name, e)?),
            None => None,
        };
        let amount = of.unwrap_or(field::AMOUNT);
        Some(match name {
            "sum" => Function::Sum(amount),
            "avg" => Function::Avg(amount),
            "min" => Function::Min(amount),
            "max" => Function::Max(amount),
            "stddev" => Function::StdDev(amount),
            "distinct" => Function::Distinct(of?),
            "first_seen" => Function::FirstSeen,
            "since" => Function::Since,
            "ratio" => Function::Ratio,
            _ => Function::Count,
        })
    }

    /// The field that is summed, or whose values are counted.
    fn of_field(&mut self, name: &str, e: &Expr) -> Option<FieldId> {
        let id = self.plain_field(e, "the past is kept of fields, not of computed values")?;
        let kind = self.scope.schema.field(id).kind;
        if name != "distinct" && !matches!(kind, Kind::Money | Kind::Number) {
            let said = self.said(&e.span);
            self.complain(
                ExprError::new(
                    e.span.clone(),
                    format!("`{name}` adds up numbers or money, and `{said}` is {}", kind_name(kind)),
                )
                .label(form(name)),
            );
            return None;
        }
        Some(id)
    }

    /// A field by its name, which may be Radar's.
    fn plain_field(&mut self, e: &Expr, otherwise: &str) -> Option<FieldId> {
        let in_items = std::mem::take(&mut self.in_items);
        let typed = match &e.kind {
            Ast::Name(_) | Ast::Radar(_) | Ast::Metadata(_) => self.value(e),
            _ => Typed::Items,
        };
        self.in_items = in_items;
        match typed {
            Typed::Number(Num::Field(id) | Num::Money(id) | Num::Time(id), _)
            | Typed::Text(Text::Field(id), _)
            | Typed::Ip(Ip { field: id, kept: None })
            | Typed::Test(Node::Field(id)) => Some(id),
            Typed::Wrong => None,
            _ => {
                self.complain(ExprError::new(e.span.clone(), otherwise).label("a field's name stands here"));
                None
            }
        }
    }

    fn entity(&mut self, name: &str, e: &Expr) -> Option<Entity> {
        let mut parts = Vec::new();
        let mut rest = e;
        while let Ast::Arith { op: Arith::Add, left, right } = &rest.kind {
            parts.push(&**right);
            rest = left;
        }
        parts.push(rest);
        parts.reverse();
        let mut entity = Entity::new();
        for part in parts {
            let otherwise = format!("`{name}` counts by an entity: a field, or several joined by `+`");
            let id = self.plain_field(part, &otherwise)?;
            let field = self.scope.schema.field(id);
            if !field.entity {
                let message = format!(
                    "`{name}` counts by an entity, and `{}` is {}",
                    field.name,
                    kind_name(field.kind)
                );
                let label = format!("one of: {}", self.entities());
                self.complain(
                    ExprError::new(part.span.clone(), message)
                        .label(label)
                        .help("a field of your own becomes one with `entity = true` in rules/schema.toml"),
                );
                return None;
            }
            if entity.contains(&id) {
                self.complain(
                    ExprError::new(part.span.clone(), "this field is in the entity twice").label("again"),
                );
                return None;
            }
            if entity.try_push(id).is_err() {
                self.complain(
                    ExprError::new(
                        e.span.clone(),
                        format!("an entity joins at most {ENTITY_FIELDS_MAX} fields"),
                    )
                    .label("too many"),
                );
                return None;
            }
        }
        entity.sort_unstable();
        Some(entity)
    }

    /// The entities most rules count by, then the user's own.
    fn entities(&self) -> String {
        let common = ["card", "account", "device", "ip", "merchant", "email"];
        let own = self.scope.schema.fields().filter(|(id, f)| f.entity && *id > field::CAMPAIGN);
        let own = own.map(|(_, f)| f.name.as_str());
        common.into_iter().chain(own).collect::<Vec<_>>().join(" ")
    }

    fn option(&mut self, name: &str, option: &Arg, aggregate: &mut Aggregate) -> bool {
        let twice = |what: &str| {
            ExprError::new(option.span(), format!("`{name}` was given {what} already")).label("one too many")
        };
        let error = match option {
            Arg::Where(condition) => {
                if aggregate.filter.is_some() {
                    self.complain(twice("a condition"));
                    return false;
                }
                let in_items = std::mem::take(&mut self.in_items);
                self.in_where = true;
                let node = self.test(condition);
                self.in_where = false;
                self.in_items = in_items;
                let Some(root) = node else { return false };
                aggregate.filter = self.scope.filter(Test::new(root, condition.to_string()));
                if aggregate.filter.is_some() {
                    return true;
                }
                ExprError::new(
                    condition.span.clone(),
                    format!("a pipeline has at most {FILTERS_MAX} different `where` conditions"),
                )
                .label("one more than that")
            }
            Arg::Delay(delay, span) => {
                if aggregate.delay != Span::default() {
                    twice("a delay")
                } else if *delay <= Span::default() || *delay > WINDOW_MAX {
                    ExprError::new(span.clone(), format!("a delay is at most {WINDOW_MAX}"))
                        .label("more than nothing, and no more than that")
                } else {
                    aggregate.delay = *delay;
                    return true;
                }
            }
            Arg::Expr(e) => match &e.kind {
                Ast::Duration(window) => {
                    if aggregate.window.is_some() {
                        twice("a window")
                    } else if *window <= Span::default() || *window > WINDOW_MAX {
                        ExprError::new(e.span.clone(), format!("a window is at most {WINDOW_MAX}"))
                            .label("more than nothing, and no more than that")
                    } else {
                        aggregate.window = Some(*window);
                        return true;
                    }
                }
                Ast::Name(word) if word.eq_ignore_ascii_case("including") => {
                    aggregate.including = true;
                    return true;
                }
                Ast::Name(word) if word.eq_ignore_ascii_case("attempts") => return true,
                Ast::Name(word) => match Status::parse(word) {
                    Some(_) if aggregate.status.is_some() => twice("a status"),
                    Some(status) => {
                        aggregate.status = Some(status);
                        return true;
                    }
                    None => self.not_an_option(name, e),
                },
                _ => self.not_an_option(name, e),
            },
        };
        self.complain(error);
        false
    }

    fn not_an_option(&self, name: &str, e: &Expr) -> ExprError {
        let said = self.said(&e.span);
        let error = ExprError::new(e.span.clone(), format!("`{said}` is no option of `{name}`"));
        let words: Vec<&str> = Status::ALL.iter().map(|s| s.name()).chain(OPTIONS).collect();
        if let Ast::Number(_) = e.kind {
            return error.label("a window has a unit: 500ms 90s 10m 1h 7d 2w");
        }
        match nearest(&said, words.iter().copied()) {
            Some(near) => error.label(format!("did you mean `{near}`?")),
            None => error
                .label("a window, a status, `including`, `delay 7d` or `where ...`")
                .help(format!("statuses are {}", Status::ALL.map(Status::name).join(" "))),
        }
    }
}
