//! What does a name stand for: a field, an item's field, what a model says, or an alias of Radar's?

use std::ops::Range;

use super::Checker;
use super::call::{form, is_function};
use super::typed::Typed;
use super::units::Unit;
use crate::error::nearest;
use crate::expr::error::ExprError;
use crate::expr::ir::{Ip, ItemNumber, ItemText, Node, Num, Text};
use crate::expr::parse::parse;
use crate::expr::radar;
use crate::risk::Answer;
use crate::schema::Kind;

impl Checker<'_> {
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
        if is_function(name) {
            return self.complain(
                ExprError::new(span.clone(), format!("`{name}` is a function and takes arguments"))
                    .label(form(name)),
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

    pub(super) fn radar(&mut self, name: &str, span: &Range<usize>) -> Typed {
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

    pub(super) fn metadata(&mut self, key: &str, span: &Range<usize>) -> Typed {
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
}
