//! May this value be looked for among others, in brackets or on a list, and how?

use std::ops::Range;

use super::Checker;
use super::typed::{Typed, kind_name};
use super::units::Unit;
use crate::error::nearest;
use crate::expr::ast::{Item, ItemKind, Op};
use crate::expr::error::ExprError;
use crate::expr::ir::{DigitRange, Listed, Net, Node, Num, Shared, Text};
use crate::list::ListKind;
use crate::schema::{Kind, field};

impl Checker<'_> {
    pub(super) fn in_items(&mut self, value: Typed, span: &Range<usize>, items: &[Item]) -> Option<Node> {
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

    pub(super) fn in_list(
        &mut self,
        value: Typed,
        at: &Range<usize>,
        name: &str,
        span: &Range<usize>,
    ) -> Option<Node> {
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
