//! What does a program say of one payment?
//!
//! Total: no error, clock, lock or allocation. Recursion is as deep as the program, which the
//! parser bounds.

use jiff::tz::TimeZone;

use super::ir::{Ip, ItemNumber, ItemText, Listed, Node, Num, Operand, Same, Text};
use super::nets::{Net, network};
use super::text::{Letters, same};
use crate::payment::{Item, Payment};
use crate::risk::Risk;
use crate::schema::FieldId;

/// A payment, what its entities did before, and the item that is looked at, if any.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub payment: &'a Payment,
    pub activity: &'a [f64],
    pub risk: &'a Risk,
    pub item: Option<&'a Item>,
}

/// Microseconds in an hour and in a day.
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Mean radius of the Earth, IUGG.
const EARTH_KM: f64 = 6371.0088;

impl Node {
    /// Kleene's three-valued logic: `None` is unknown.
    pub(crate) fn holds(&self, row: Row<'_>) -> Option<bool> {
        match self {
            Node::Const(truth) => *truth,
            Node::Field(id) => row.payment.bool(*id),
            Node::Not(inner) => inner.holds(row).map(|t| !t),
            Node::And(all) => decide(all, row, false),
            Node::Or(all) => decide(all, row, true),
            Node::Coalesce(all) => all.iter().find_map(|n| n.holds(row)),
            Node::SameTruth { left, right } => Some(left.holds(row)? == right.holds(row)?),
            Node::Compare { op, left, right } => {
                let (left, right) = (left.value(row), right.value(row));
                (!left.is_nan() && !right.is_nan()).then(|| op.holds(left, right))
            }
            Node::InNumbers { value, set } => {
                let value = value.value(row);
                (!value.is_nan()).then(|| set.binary_search_by(|n| n.total_cmp(&(value + 0.0))).is_ok())
            }
            Node::SameText { left, right, how } => Some(match how {
                Same::Symbols => left.symbol(row)? == right.symbol(row)?,
                Same::Folded => same(left.letters(row)?, right.letters(row)?, false),
                Same::Exact => same(left.letters(row)?, right.letters(row)?, true),
            }),
            Node::InTexts { text, set } => Some(match &*set.symbols {
                [] => set.contains(text.letters(row)?),
                [one] => text.symbol(row)? == *one,
                many => many.binary_search(&text.symbol(row)?).is_ok(),
            }),
            Node::Match { how, text, patterns } => {
                let letters = text.letters(row)?;
                Some(patterns.iter().any(|p| p.fits(*how, letters)))
            }
            Node::InBins { text, ranges } => {
                let digits = text.letters(row)?.text;
                Some(ranges.iter().any(|r| r.holds(digits)))
            }
            Node::SameIp { left, right } => Some(left.address(row)? == right.address(row)?),
            Node::InNets { ip, nets } => Some(Net::any_holds(nets, ip.address(row)?)),
            Node::InList { value, list } => {
                let at = row.payment.at();
                Some(match value {
                    Listed::Text(text) => match text {
                        Text::Field(id) => list.contains_symbol(row.payment.symbol(*id)?, at),
                        derived => list.contains_text(derived.letters(row)?.text, at),
                    },
                    Listed::Country(text) => {
                        let packed = text.symbol(row)?;
                        list.contains_text(crate::schema::Country::from_packed(packed).code(), at)
                    }
                    Listed::Bin(text) => list.contains_bin(text.letters(row)?.text, at),
                    Listed::Ip(ip) => list.contains_ip(std::net::Ipv6Addr::from_bits(ip.address(row)?), at),
                })
            }
            Node::Missing(operand) => Some(match operand {
                Operand::Field(id) => !row.payment.has(*id),
                Operand::Num(num) => num.value(row).is_nan(),
                Operand::Text(text) => text.letters(row).is_none(),
                Operand::Ip(ip) => ip.address(row).is_none(),
                Operand::Node(node) => node.holds(row).is_none(),
                Operand::Items => row.payment.items().is_empty(),
            }),
            Node::AnyItem(inner) => {
                let mut unknown = row.payment.items().is_empty();
                for item in row.payment.items() {
                    match inner.holds(Row { item: Some(item), ..row }) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => unknown = true,
                    }
                }
                (!unknown).then_some(false)
            }
        }
    }
}

/// `And` is decided by the first false, `Or` by the first true.
fn decide(all: &[Node], row: Row<'_>, by: bool) -> Option<bool> {
    let mut unknown = false;
    for node in all {
        match node.holds(row) {
            Some(truth) if truth == by => return Some(by),
            Some(_) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(!by)
}

impl Num {
    /// The number; NaN when absent.
    pub(crate) fn value(&self, row: Row<'_>) -> f64 {
        match self {
            Num::Const(n) => *n,
            Num::Field(id) => row.payment.number(*id),
            Num::Money(id) => row.payment.money(*id).map_or(f64::NAN, |m| m.major()),
            Num::Time(id) => row.payment.timestamp(*id).map_or(f64::NAN, |t| t.micros() as f64),
            Num::Aggregate(i) => row.activity.get(*i).copied().unwrap_or(f64::NAN),
            Num::Risk(answer) => row.risk.answer(*answer),
            Num::Item(which) => row
                .item
                .and_then(|item| match which {
                    ItemNumber::Quantity => item.quantity,
                    ItemNumber::Price => item.price,
                })
                .unwrap_or(f64::NAN),
            Num::Arith { op, left, right } => op.apply(left.value(row), right.value(row)),
            Num::Neg(inner) => -inner.value(row),
            Num::Abs(inner) => inner.value(row).abs(),
            Num::Min(all) => all.iter().map(|n| n.value(row)).reduce(least).unwrap_or(f64::NAN),
            Num::Max(all) => all.iter().map(|n| n.value(row)).reduce(greatest).unwrap_or(f64::NAN),
            Num::Coalesce(all) => all.iter().map(|n| n.value(row)).find(|n| !n.is_nan()).unwrap_or(f64::NAN),
            Num::AmountIn { field, currency, rates } => row
                .payment
                .money(*field)
                .and_then(|m| rates.convert(m, *currency))
                .map_or(f64::NAN, |m| m.major()),
            Num::Hour { time, zone } => local(time.value(row), zone).map_or(f64::NAN, hour_of),
            Num::Weekday { time, zone } => local(time.value(row), zone).map_or(f64::NAN, weekday_of),
            Num::DistanceKm(four) => distance_km(four.each_ref().map(|n| n.value(row))),
            Num::SumItems(inner) => {
                let items = row.payment.items();
                if items.is_empty() {
                    return f64::NAN;
                }
                let sum: f64 = items.iter().map(|i| inner.value(Row { item: Some(i), ..row })).sum();
                if sum.is_finite() { sum } else { f64::NAN }
            }
            Num::Truth(node) => node.holds(row).map_or(f64::NAN, |t| f64::from(u8::from(t))),
        }
    }
}

/// The lesser; absent when either is.
pub(super) fn least(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// The greater; absent when either is.
pub(super) fn greatest(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

pub(super) fn hour_of(local: i64) -> f64 {
    (local.rem_euclid(DAY) / HOUR) as f64
}

/// Monday is 0; the epoch was a Thursday.
pub(super) fn weekday_of(local: i64) -> f64 {
    (local.div_euclid(DAY) + 3).rem_euclid(7) as f64
}

/// Microseconds on the zone's own clock.
pub(super) fn local(micros: f64, zone: &TimeZone) -> Option<i64> {
    if micros.is_nan() {
        return None;
    }
    let at = jiff::Timestamp::from_microsecond(micros as i64).ok()?;
    Some(at.as_microsecond() + i64::from(zone.to_offset(at).seconds()) * 1_000_000)
}

/// The haversine of two places in degrees; absent when one is off the globe.
pub(super) fn distance_km([lat1, lon1, lat2, lon2]: [f64; 4]) -> f64 {
    let on_globe = |lat: f64, lon: f64| lat.abs() <= 90.0 && lon.abs() <= 360.0;
    if !on_globe(lat1, lon1) || !on_globe(lat2, lon2) {
        return f64::NAN;
    }
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let h = half(lat1, lat2) + lat1.to_radians().cos() * lat2.to_radians().cos() * half(lon1, lon2);
    2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
}

impl Text {
    /// The symbol of a text that is a field, or the first present of some fields.
    pub(super) fn symbol(&self, row: Row<'_>) -> Option<u64> {
        match self {
            Text::Field(id) => row.payment.symbol(*id),
            Text::Const { symbol, .. } => Some(*symbol),
            Text::Coalesce(all) => all.iter().find_map(|t| t.symbol(row)),
            _ => None,
        }
    }

    pub(super) fn letters<'a>(&'a self, row: Row<'a>) -> Option<Letters<'a>> {
        let plain = |text| Letters { text, lower: false };
        match self {
            Text::Field(id) => row.payment.text(*id).map(plain),
            Text::Item(which) => {
                let item = row.item?;
                match which {
                    ItemText::Sku => row.payment.sku(item),
                    ItemText::Category => row.payment.category(item),
                }
                .map(plain)
            }
            Text::Const { text, .. } => Some(plain(text)),
            Text::RiskLevel => row.risk.level().map(plain),
            Text::Lower(inner) => inner.letters(row).map(|l| Letters { lower: true, ..l }),
            Text::Domain(inner) => {
                let letters = inner.letters(row)?;
                letters.text.rsplit_once('@').map(|(_, text)| Letters { text, ..letters })
            }
            Text::Prefix(inner, length) => inner.letters(row).map(|l| {
                let end = l.text.char_indices().nth(*length).map_or(l.text.len(), |(i, _)| i);
                Letters { text: l.text.get(..end).unwrap_or_default(), ..l }
            }),
            Text::Coalesce(all) => all.iter().find_map(|t| t.letters(row)),
        }
    }
}

impl Ip {
    /// The address, or its network's first, as a number.
    pub(super) fn address(&self, row: Row<'_>) -> Option<u128> {
        self.cut(row.payment, self.field)
    }

    fn cut(&self, payment: &Payment, field: FieldId) -> Option<u128> {
        let ip = payment.ip(field)?;
        match self.kept {
            None => Some(ip.to_bits()),
            Some((v4, v6)) => network(ip, v4, v6),
        }
    }
}
