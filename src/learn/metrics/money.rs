//! What is a threshold worth? Money by currency, in exact minor units.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Case, falling, rankable, spread};
use crate::money::Currency;

/// What declining from a threshold on does to the money of one currency. Sums are minor units, as
/// wide as no number of payments can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MoneyAt {
    /// Money of frauds at the threshold or above.
    pub saved: i128,
    /// Money of frauds below.
    pub lost: i128,
    /// Money of good payments at the threshold or above.
    pub hurt: i128,
    /// Good payments at the threshold or above.
    pub hurt_payments: u64,
    /// Money of good payments below.
    pub passed: i128,
}

impl MoneyAt {
    fn add(&mut self, case: &Case, minor: i64, declined: bool) {
        let sum = match (case.fraud, declined) {
            (true, true) => &mut self.saved,
            (true, false) => &mut self.lost,
            (false, true) => &mut self.hurt,
            (false, false) => &mut self.passed,
        };
        *sum += i128::from(minor);
        self.hurt_payments += u64::from(declined && !case.fraud);
    }
}

/// What declining scores of `threshold` and above does, by currency. Payments without an amount are
/// left out.
///
/// ```
/// use tollgate::{Currency, Money, learn::metrics::{Case, money_at}};
/// let euro = Currency::parse("EUR").unwrap();
/// let case = |score, fraud, minor| {
///     let amount = Money::from_minor(minor, euro).ok();
///     Case { score, fraud, day: 0, card: None, probability: f64::NAN, amount }
/// };
/// let money = money_at(&[case(0.9, true, 500), case(0.9, false, 20), case(0.1, true, 70)], 0.5);
/// let euro = &money[&euro];
/// assert_eq!((euro.saved, euro.lost, euro.hurt, euro.hurt_payments), (500, 70, 20, 1));
/// ```
pub fn money_at(cases: &[Case], threshold: f64) -> BTreeMap<Currency, MoneyAt> {
    let mut sums: BTreeMap<Currency, MoneyAt> = BTreeMap::new();
    for case in cases {
        let Some(money) = case.amount else { continue };
        let declined = rankable(case.score) >= rankable(threshold);
        sums.entry(money.currency).or_default().add(case, money.minor, declined);
    }
    sums
}

/// A point of the money curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MoneyPoint {
    /// Share of the currency's payments that are declined.
    pub declined: f64,
    /// What that does.
    #[serde(flatten)]
    pub money: MoneyAt,
}

/// For each currency, what declining ever more of its payments does, from none to all, in at most
/// `points_max` points; equal scores are declined together.
///
/// ```
/// use tollgate::{Currency, Money, learn::metrics::{Case, money_curve}};
/// let yen = Currency::parse("JPY").unwrap();
/// let case = |score, fraud| {
///     let amount = Money::from_minor(100, yen).ok();
///     Case { score, fraud, day: 0, card: None, probability: f64::NAN, amount }
/// };
/// let curve = &money_curve(&[case(0.9, true), case(0.1, false)], 10)[&yen];
/// let saved: Vec<_> = curve.iter().map(|p| (p.declined, p.money.saved, p.money.hurt)).collect();
/// assert_eq!(saved, [(0.0, 0, 0), (0.5, 100, 0), (1.0, 100, 100)]);
/// ```
pub fn money_curve(cases: &[Case], points_max: usize) -> BTreeMap<Currency, Vec<MoneyPoint>> {
    let mut of: BTreeMap<Currency, Vec<(&Case, i64)>> = BTreeMap::new();
    for case in cases {
        let Some(money) = case.amount else { continue };
        of.entry(money.currency).or_default().push((case, money.minor));
    }
    of.into_iter().map(|(currency, cases)| (currency, curve(cases, points_max))).collect()
}

fn curve(mut cases: Vec<(&Case, i64)>, points_max: usize) -> Vec<MoneyPoint> {
    cases.sort_by(|a, b| falling(a.0.score, b.0.score));
    let mut now = MoneyAt::default();
    for (case, minor) in &cases {
        now.add(case, *minor, false);
    }
    let mut points = vec![MoneyPoint { declined: 0.0, money: now }];
    let mut declined = 0;
    for tied in cases.chunk_by(|a, b| rankable(a.0.score) == rankable(b.0.score)) {
        for (case, minor) in tied {
            *if case.fraud { &mut now.lost } else { &mut now.passed } -= i128::from(*minor);
            now.add(case, *minor, true);
        }
        declined += tied.len();
        points.push(MoneyPoint { declined: declined as f64 / cases.len() as f64, money: now });
    }
    spread(points.len(), points_max).map(|i| points[i]).collect()
}
