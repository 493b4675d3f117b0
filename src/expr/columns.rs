//! What does a program say of many payments at once?
//!
//! The inputs of a batch are laid out as columns once, however many programs read them, and each
//! node runs over its whole column in a loop without branches. What needs letters, items or lists
//! goes row by row through the very code that serves one payment.

use std::borrow::Cow;
use std::collections::HashMap;

use super::eval::{Row, distance_km, greatest, least, local};
use super::ir::{Inputs, Node, Num, Op, Operand, Same, Text};
use crate::payment::Payment;
use crate::risk::Risk;
use crate::schema::{FieldId, Kind, Schema};

/// A batch of payments with what their entities did before. Columns are made as programs ask for
/// them, so keep it for all programs of a batch. What models say of a payment is absent here.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Columns, Currency, Lists, Payment, Rates, Schema, Scope, Test, Value, field};
/// let schema = Arc::new(Schema::standard());
/// let rates = Rates::only(Currency::parse("USD").unwrap());
/// let mut scope = Scope::new(schema.clone(), Arc::new(Lists::default()), Arc::new(rates));
/// let test = Test::compile(r#"channel == "card" and count(card, 10m) >= 6"#, &mut scope).unwrap();
///
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::CHANNEL, Value::Text("card")).unwrap();
/// let batch = [payment.clone(), payment.clone(), Payment::new(&schema)];
/// let activity = [7.0, f64::NAN, 1.0]; // one aggregate for each of three payments
/// let mut columns = Columns::new(&schema, &batch, &activity, 1);
/// let mut out = Vec::new();
/// test.holds_all(&mut columns, &mut out);
/// assert_eq!(out, [Some(true), None, Some(false)]);
/// ```
pub struct Columns<'a> {
    schema: &'a Schema,
    payments: &'a [Payment],
    activity: &'a [f64],
    width: usize,
    /// Number, money and timestamp fields; NaN is absent.
    numbers: HashMap<FieldId, Box<[f64]>>,
    aggregates: HashMap<usize, Box<[f64]>>,
    /// Bool fields.
    truths: HashMap<FieldId, Box<[u8]>>,
    /// Text, token and country fields.
    symbols: HashMap<FieldId, Symbols>,
    /// Bit i: the field of slot i has its column.
    made: u128,
}

struct Symbols {
    symbols: Box<[u64]>,
    /// 1 where there is none.
    absent: Box<[u8]>,
}

/// A truth as two bits, so that the connectives are bit operations: may be true, may be false.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const UNKNOWN: u8 = 3;

fn pack(truth: Option<bool>) -> u8 {
    match truth {
        Some(true) => TRUE,
        Some(false) => FALSE,
        None => UNKNOWN,
    }
}

#[inline]
fn pack_if(truth: bool, absent: bool) -> u8 {
    u8::from(truth | absent) | u8::from(!truth | absent) << 1
}

impl<'a> Columns<'a> {
    /// Payments of `schema`, and `activity` of `width` values for each, row after row.
    pub fn new(
        schema: &'a Schema,
        payments: &'a [Payment],
        activity: &'a [f64],
        width: usize,
    ) -> Columns<'a> {
        Columns {
            schema,
            payments,
            activity,
            width,
            numbers: HashMap::new(),
            aggregates: HashMap::new(),
            truths: HashMap::new(),
            symbols: HashMap::new(),
            made: 0,
        }
    }

    /// How many payments.
    pub fn rows(&self) -> usize {
        self.payments.len()
    }

    /// Lays out what is read and isn't yet.
    pub(super) fn make(&mut self, inputs: &Inputs) {
        let missing = inputs.fields & !self.made;
        self.made |= inputs.fields;
        let payments = self.payments;
        let wanted = Inputs { fields: missing, ..Inputs::default() };
        for id in wanted.field_ids() {
            let numbers = |read: fn(&Payment, FieldId) -> f64| payments.iter().map(|p| read(p, id)).collect();
            match self.schema.field(id).kind {
                Kind::Number => drop(self.numbers.insert(id, numbers(|p, id| p.number(id)))),
                Kind::Money => {
                    let major = |p: &Payment, id| p.money(id).map_or(f64::NAN, |m| m.major());
                    self.numbers.insert(id, numbers(major));
                }
                Kind::Timestamp => {
                    let micros = |p: &Payment, id| p.timestamp(id).map_or(f64::NAN, |t| t.micros() as f64);
                    self.numbers.insert(id, numbers(micros));
                }
                Kind::Bool => {
                    self.truths.insert(id, payments.iter().map(|p| pack(p.bool(id))).collect());
                }
                Kind::Text | Kind::Token | Kind::Country => {
                    let symbols = payments.iter().map(|p| p.symbol(id).unwrap_or_default()).collect();
                    let absent = payments.iter().map(|p| u8::from(!p.has(id))).collect();
                    self.symbols.insert(id, Symbols { symbols, absent });
                }
                Kind::Ip => {}
            }
        }
        for &i in &inputs.aggregates {
            let value = |row: usize| self.activity.get(row * self.width + i).copied().unwrap_or(f64::NAN);
            let column = || match i < self.width {
                true => (0..payments.len()).map(value).collect(),
                false => vec![f64::NAN; payments.len()].into(),
            };
            self.aggregates.entry(i).or_insert_with(column);
        }
    }

    fn each(&self) -> impl Iterator<Item = Row<'a>> {
        let (activity, width) = (self.activity, self.width);
        self.payments.iter().enumerate().map(move |(i, payment)| Row {
            payment,
            activity: activity.get(i * width..(i + 1) * width).unwrap_or_default(),
            risk: &Risk::NONE,
            item: None,
        })
    }

    pub(super) fn holds(&self, node: &Node, out: &mut Vec<Option<bool>>) {
        out.clear();
        out.extend(self.truth(node).iter().map(|t| match *t {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }));
    }

    pub(super) fn values(&self, num: &Num, out: &mut Vec<f64>) {
        out.clear();
        out.extend_from_slice(&self.number(num));
    }

    fn truth(&self, node: &Node) -> Cow<'_, [u8]> {
        let rows = self.payments.len();
        Cow::Owned(match node {
            Node::Const(truth) => vec![pack(*truth); rows],
            Node::Field(id) => match self.truths.get(id) {
                Some(column) => return Cow::Borrowed(column),
                None => self.truth_by_rows(node),
            },
            Node::Not(inner) => self.truth(inner).iter().map(|t| t >> 1 | (t & 1) << 1).collect(),
            Node::And(all) => self.joined(all, |a, b| a & b & TRUE | (a | b) & FALSE),
            Node::Or(all) => self.joined(all, |a, b| (a | b) & TRUE | a & b & FALSE),
            Node::Coalesce(all) => self.joined(all, |a, b| if a == UNKNOWN { b } else { a }),
            Node::SameTruth { left, right } => {
                let (left, right) = (self.truth(left), self.truth(right));
                let same = |(a, b): (&u8, &u8)| pack_if(a == b, *a == UNKNOWN || *b == UNKNOWN);
                left.iter().zip(right.iter()).map(same).collect()
            }
            Node::Compare { op, left, right } => self.compare(*op, left, right),
            Node::InNumbers { value, set } => {
                let one = |n: &f64| {
                    let found = set.binary_search_by(|s| s.total_cmp(&(n + 0.0))).is_ok();
                    pack_if(found, n.is_nan())
                };
                self.number(value).iter().map(one).collect()
            }
            Node::SameText { left: Text::Field(left), right: Text::Field(right), how: Same::Symbols } => {
                match (self.symbols.get(left), self.symbols.get(right)) {
                    (Some(l), Some(r)) => {
                        let left = l.symbols.iter().zip(l.absent.iter());
                        let right = r.symbols.iter().zip(r.absent.iter());
                        left.zip(right).map(|((a, x), (b, y))| pack_if(a == b, x | y != 0)).collect()
                    }
                    _ => self.truth_by_rows(node),
                }
            }
            Node::InTexts { text: Text::Field(id), set } => match (self.symbols.get(id), &*set.symbols) {
                (None, _) | (_, []) => self.truth_by_rows(node),
                (Some(column), [one]) => column.test(|s| s == *one),
                // Few enough that comparing with each beats searching.
                (Some(column), few) if few.len() <= 8 => {
                    column.test(|s| few.iter().fold(false, |found, f| found | (s == *f)))
                }
                (Some(column), many) => column.test(|s| many.binary_search(&s).is_ok()),
            },
            Node::Missing(Operand::Field(id)) => {
                self.payments.iter().map(|p| pack(Some(!p.has(*id)))).collect()
            }
            Node::Missing(Operand::Num(num)) => {
                self.number(num).iter().map(|n| pack(Some(n.is_nan()))).collect()
            }
            Node::Missing(Operand::Node(inner)) => {
                self.truth(inner).iter().map(|t| pack(Some(*t == UNKNOWN))).collect()
            }
            Node::SameText { .. }
            | Node::InTexts { .. }
            | Node::Match { .. }
            | Node::InBins { .. }
            | Node::SameIp { .. }
            | Node::InNets { .. }
            | Node::InList { .. }
            | Node::Missing(_)
            | Node::AnyItem(_) => self.truth_by_rows(node),
        })
    }

    fn truth_by_rows(&self, node: &Node) -> Vec<u8> {
        self.each().map(|row| pack(node.holds(row))).collect()
    }

    fn joined(&self, all: &[Node], join: impl Fn(u8, u8) -> u8) -> Vec<u8> {
        let mut parts = all.iter();
        let mut out = parts.next().map_or_else(Vec::new, |n| self.truth(n).into_owned());
        for part in parts {
            for (o, t) in out.iter_mut().zip(self.truth(part).iter()) {
                *o = join(*o, *t);
            }
        }
        out
    }

    fn compare(&self, op: Op, left: &Num, right: &Num) -> Vec<u8> {
        let left = self.number(left);
        if let Num::Const(right) = right {
            return match op {
                Op::Eq => against(&left, *right, |a, b| a == b),
                Op::Ne => against(&left, *right, |a, b| a != b),
                Op::Lt => against(&left, *right, |a, b| a < b),
                Op::Le => against(&left, *right, |a, b| a <= b),
                Op::Gt => against(&left, *right, |a, b| a > b),
                Op::Ge => against(&left, *right, |a, b| a >= b),
            };
        }
        let right = self.number(right);
        let one = |(a, b): (&f64, &f64)| pack_if(op.holds(*a, *b), a.is_nan() | b.is_nan());
        left.iter().zip(right.iter()).map(one).collect()
    }

    fn number(&self, num: &Num) -> Cow<'_, [f64]> {
        let column = match num {
            Num::Field(id) | Num::Money(id) | Num::Time(id) => self.numbers.get(id),
            Num::Aggregate(i) => self.aggregates.get(i),
            _ => None,
        };
        if let Some(column) = column {
            return Cow::Borrowed(column);
        }
        Cow::Owned(match num {
            Num::Const(n) => vec![*n; self.payments.len()],
            Num::Arith { op, left, right } => {
                let mut out = self.number(left).into_owned();
                match **right {
                    Num::Const(right) => out.iter_mut().for_each(|a| *a = op.apply(*a, right)),
                    ref right => {
                        let right = self.number(right);
                        out.iter_mut().zip(right.iter()).for_each(|(a, b)| *a = op.apply(*a, *b));
                    }
                }
                out
            }
            Num::Neg(inner) => self.number(inner).iter().map(|n| -n).collect(),
            Num::Abs(inner) => self.number(inner).iter().map(|n| n.abs()).collect(),
            Num::Min(all) => self.folded(all, least),
            Num::Max(all) => self.folded(all, greatest),
            Num::Coalesce(all) => self.folded(all, |a, b| if a.is_nan() { b } else { a }),
            Num::DistanceKm(four) => {
                let [a, b, c, d] = four.each_ref().map(|n| self.number(n));
                let pairs = a.iter().zip(b.iter()).zip(c.iter().zip(d.iter()));
                pairs.map(|((a, b), (c, d))| distance_km([*a, *b, *c, *d])).collect()
            }
            Num::Truth(node) => {
                let one = |t: &u8| match *t {
                    TRUE => 1.0,
                    FALSE => 0.0,
                    _ => f64::NAN,
                };
                self.truth(node).iter().map(one).collect()
            }
            Num::Hour { time, zone } => {
                let times = self.number(time);
                times.iter().map(|t| local(*t, zone).map_or(f64::NAN, super::eval::hour_of)).collect()
            }
            Num::Weekday { time, zone } => {
                let times = self.number(time);
                times.iter().map(|t| local(*t, zone).map_or(f64::NAN, super::eval::weekday_of)).collect()
            }
            Num::Field(_)
            | Num::Money(_)
            | Num::Time(_)
            | Num::Aggregate(_)
            | Num::Risk(_)
            | Num::Item(_)
            | Num::AmountIn { .. }
            | Num::SumItems(_) => self.each().map(|row| num.value(row)).collect(),
        })
    }

    fn folded(&self, all: &[Num], fold: fn(f64, f64) -> f64) -> Vec<f64> {
        let mut parts = all.iter();
        let mut out = parts.next().map_or_else(Vec::new, |n| self.number(n).into_owned());
        for part in parts {
            out.iter_mut().zip(self.number(part).iter()).for_each(|(a, b)| *a = fold(*a, *b));
        }
        out
    }
}

impl Symbols {
    fn test(&self, holds: impl Fn(u64) -> bool) -> Vec<u8> {
        self.symbols
            .iter()
            .zip(self.absent.iter())
            .map(|(s, absent)| pack_if(holds(*s), *absent != 0))
            .collect()
    }
}

fn against(left: &[f64], right: f64, holds: impl Fn(f64, f64) -> bool) -> Vec<u8> {
    if right.is_nan() {
        return vec![UNKNOWN; left.len()];
    }
    left.iter().map(|a| pack_if(holds(*a, right), a.is_nan())).collect()
}
