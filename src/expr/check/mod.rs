//! Does the expression make sense, and as which typed program?
//!
//! Every part is checked even when another is wrong, so that one reading shows all mistakes; a part
//! that was complained about is [`Typed::Wrong`] and is not complained about again.
//!
//! | file | question |
//! |---|---|
//! | `typed.rs` | what is a part, and what is it called in messages? |
//! | `names.rs` | what does a name stand for? |
//! | `units.rs` | what do numbers measure, and may they be added, multiplied? |
//! | `compare.rs` | may these two be compared, and how? |
//! | `members.rs` | may this be looked for in a list, and how? |
//! | `texts.rs` | is a text another, one of some, or like one? |
//! | `call.rs` | which function is called, with how many arguments? |
//! | `functions.rs` | what does a function make of its arguments? |
//! | `parts.rs` | which part of a text, a card number or an address does it take? |
//! | `velocity.rs` | which question about the past does a call ask? |

mod call;
mod compare;
mod functions;
mod members;
mod names;
mod parts;
mod texts;
mod typed;
mod units;
mod velocity;

use std::ops::Range;

use super::ast::{Expr, Kind as Ast, Op, Set};
use super::error::ExprError;
use super::ir::{Node, Num};
use super::scope::Scope;
use crate::token::redact;
use typed::Typed;
use units::Unit;

/// Most characters of an expression that a message repeats.
const SAID_MAX: usize = 48;

pub(super) struct Checker<'a> {
    scope: &'a mut Scope,
    source: &'a str,
    wrong: Vec<ExprError>,
    /// Inside `any(items, ..)` or `sum(items, ..)`.
    in_items: bool,
    /// Inside `where`.
    in_where: bool,
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

    fn complain(&mut self, error: ExprError) -> Typed {
        self.wrong.push(error);
        Typed::Wrong
    }

    fn said(&self, span: &Range<usize>) -> String {
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
    fn number(&mut self, e: &Expr) -> Option<(Num, Unit)> {
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

    fn value(&mut self, e: &Expr) -> Typed {
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
}

fn not(node: Node) -> Node {
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
