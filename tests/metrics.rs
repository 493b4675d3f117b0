//! Figures of scores, compared with something dumber and with scikit-learn.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tollgate::learn::metrics::{
    Case, Interval, Ranking, Reliability, Resample, card_days, money_at, money_curve, review_days,
};
use tollgate::{Currency, Money};

const CURRENCIES: [&str; 3] = ["CNY", "JPY", "USD"];

/// Few distinct scores, days and cards, so that ties and returning cards are common.
fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (0..6u8, any::<bool>(), 0..4i32, 0..7u8, 0..1000i64, 0..4usize);
    let case = case.prop_map(|(score, fraud, day, card, minor, currency)| {
        let score = if score == 5 { f64::NAN } else { f64::from(score) / 4.0 };
        let currency = CURRENCIES.get(currency).and_then(|c| Currency::parse(c));
        Case {
            score,
            probability: score,
            fraud,
            day,
            card: (card > 0).then_some(u128::from(card)),
            amount: currency.map(|c| Money::from_minor(minor, c).unwrap()),
        }
    });
    prop::collection::vec(case, 0..60)
}

/// The score as the oracle ranks it.
fn rank(case: &Case) -> f64 {
    if case.score.is_nan() { -1e9 } else { case.score }
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-12,
        (a, b) => a == b,
    }
}

fn ranking(cases: &[Case]) -> Ranking {
    Ranking::new(cases.iter().map(|c| (c.score, c.fraud)))
}

proptest! {
    #[test]
    fn auc_is_the_share_of_pairs_in_order(cases in cases()) {
        let (mut pairs, mut won) = (0.0, 0.0);
        for fraud in cases.iter().filter(|c| c.fraud) {
            for good in cases.iter().filter(|c| !c.fraud) {
                pairs += 1.0;
                won += if rank(fraud) > rank(good) { 1.0 } else if rank(fraud) == rank(good) { 0.5 } else { 0.0 };
            }
        }
        prop_assert!(close(ranking(&cases).auc(), (pairs > 0.0).then(|| won / pairs)));
    }

    #[test]
    fn average_precision_is_the_mean_precision_at_each_fraud(cases in cases()) {
        // Each fraud sees the precision of all that score at least as high: with ties, the same number for all.
        let frauds: Vec<&Case> = cases.iter().filter(|c| c.fraud).collect();
        let precision = |fraud: &Case| {
            let above: Vec<&Case> = cases.iter().filter(|c| rank(c) >= rank(fraud)).collect();
            above.iter().filter(|c| c.fraud).count() as f64 / above.len() as f64
        };
        let mean = frauds.iter().map(|f| precision(f)).sum::<f64>() / frauds.len() as f64;
        prop_assert!(close(ranking(&cases).average_precision(), (!frauds.is_empty()).then_some(mean)));
    }

    #[test]
    fn a_threshold_splits_as_a_filter_does(cases in cases(), threshold in 0..6u8) {
        let threshold = f64::from(threshold) / 4.0;
        let count = |fraud, above| {
            cases.iter().filter(|c| c.fraud == fraud && (rank(c) >= threshold) == above).count() as u64
        };
        let found = ranking(&cases).confusion(threshold);
        prop_assert_eq!(
            (found.true_positive, found.false_positive, found.false_negative, found.true_negative),
            (count(true, true), count(false, true), count(true, false), count(false, false))
        );
    }

    #[test]
    fn recall_at_a_rate_is_the_best_that_a_threshold_reaches(cases in cases(), rate in 0.0..1.0f64) {
        let ranking = ranking(&cases);
        let thresholds = cases.iter().map(rank).chain([f64::INFINITY]);
        let best = thresholds
            .filter_map(|t| {
                let found = Ranking::new(cases.iter().map(|c| (rank(c), c.fraud))).confusion(t);
                (found.false_positive_rate().unwrap_or(0.0) <= rate).then_some(found.recall()?)
            })
            .fold(f64::NAN, f64::max);
        prop_assert!(close(ranking.recall_at(rate), Some(best).filter(|b| !b.is_nan())));
    }

    #[test]
    fn curves_run_from_end_to_end_and_never_turn_back(cases in cases(), points in 4..80usize) {
        let ranking = ranking(&cases);
        let roc = ranking.roc(points);
        prop_assert!(roc.len() <= points + 2);
        prop_assert!(roc.windows(2).all(|w| w[0][0] <= w[1][0] && w[0][1] <= w[1][1]));
        if let (Some(first), Some(last)) = (roc.first(), roc.last()) {
            prop_assert_eq!((*first, *last), ([0.0, 0.0], [1.0, 1.0]));
        }
        let curve = ranking.precision_recall(points);
        prop_assert!(curve.windows(2).all(|w| w[0][0] <= w[1][0]));
    }

    #[test]
    fn card_precision_is_that_of_the_book(cases in cases(), k in 1..5usize) {
        // The book's own steps: group by card, take both maxima, sort, head(k), remember the caught.
        let mut caught_before = BTreeSet::new();
        let days: BTreeSet<i32> = cases.iter().map(|c| c.day).collect();
        let mut expected = Vec::new();
        for day in days {
            let mut cards: BTreeMap<u128, (f64, bool, usize)> = BTreeMap::new();
            for (i, case) in cases.iter().enumerate().filter(|(_, c)| c.day == day) {
                let Some(card) = case.card else { continue };
                if caught_before.contains(&card) { continue }
                let entry = cards.entry(card).or_insert((-1e9, false, i));
                entry.0 = entry.0.max(rank(case));
                entry.1 |= case.fraud;
            }
            let mut left: Vec<_> = cards.clone().into_iter().collect();
            let mut caught = 0;
            for _ in 0..k {
                // Highest score, and of equals the one seen first.
                let best = left.iter().enumerate().max_by(|(_, a), (_, b)| {
                    a.1.0.partial_cmp(&b.1.0).unwrap().then(b.1.2.cmp(&a.1.2))
                });
                let Some((at, _)) = best else { break };
                let (card, (_, fraud, _)) = left.remove(at);
                if fraud {
                    caught += 1;
                    caught_before.insert(card);
                }
            }
            let compromised = cards.values().filter(|c| c.1).count() as u64;
            expected.push((day, caught, compromised, cards.len() as u64));
        }
        let found: Vec<_> =
            card_days(&cases, k).iter().map(|d| (d.day, d.caught, d.compromised, d.cards)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_days_review_takes_the_highest_scores(cases in cases(), budget in 0..8usize) {
        for found in review_days(&cases, budget) {
            let today: Vec<&Case> = cases.iter().filter(|c| c.day == found.day).collect();
            // A payment is reviewed when fewer than `budget` are before it.
            let before = |i: usize| {
                let ahead = |j: usize| rank(today[j]) > rank(today[i]) || (rank(today[j]) == rank(today[i]) && j < i);
                (0..today.len()).filter(|j| ahead(*j)).count()
            };
            let reviewed: Vec<usize> = (0..today.len()).filter(|i| before(*i) < budget).collect();
            prop_assert_eq!(found.reviewed, reviewed.len() as u64);
            prop_assert_eq!(found.caught, reviewed.iter().filter(|i| today[**i].fraud).count() as u64);
            prop_assert_eq!(found.frauds, today.iter().filter(|c| c.fraud).count() as u64);
        }
    }

    #[test]
    fn money_is_kept_to_the_minor_unit(cases in cases(), threshold in 0..6u8) {
        let threshold = f64::from(threshold) / 4.0;
        let sums = money_at(&cases, threshold);
        for code in CURRENCIES {
            let currency = Currency::parse(code).unwrap();
            let own = cases.iter().filter_map(|c| Some((c, c.amount.filter(|m| m.currency == currency)?)));
            let own: Vec<_> = own.collect();
            let sum = |fraud, above| -> i128 {
                own.iter()
                    .filter(|(c, _)| c.fraud == fraud && (rank(c) >= threshold) == above)
                    .map(|(_, m)| i128::from(m.minor))
                    .sum()
            };
            let Some(found) = sums.get(&currency) else {
                prop_assert!(own.is_empty());
                continue;
            };
            prop_assert_eq!(
                (found.saved, found.lost, found.hurt, found.passed),
                (sum(true, true), sum(true, false), sum(false, true), sum(false, false))
            );
        }
        for (currency, curve) in money_curve(&cases, 5) {
            prop_assert!((2..=5).contains(&curve.len()));
            let total = |p: &tollgate::learn::metrics::MoneyAt| (p.saved + p.lost, p.hurt + p.passed);
            prop_assert!(curve.iter().all(|p| total(&p.money) == total(&sums[&currency])));
            prop_assert_eq!((curve[0].money.saved, curve[0].money.hurt), (0, 0));
            let last = curve[curve.len() - 1];
            prop_assert_eq!((last.declined, last.money.lost, last.money.passed), (1.0, 0, 0));
        }
    }

    #[test]
    fn calibration_adds_up(cases in cases()) {
        let claimed: Vec<&Case> = cases.iter().filter(|c| !c.probability.is_nan()).collect();
        let Some(found) = Reliability::new(&cases) else {
            prop_assert!(claimed.is_empty());
            return Ok(());
        };
        prop_assert_eq!(found.bands.iter().map(|b| b.payments).sum::<u64>(), claimed.len() as u64);
        prop_assert_eq!(
            found.bands.iter().map(|b| b.frauds).sum::<u64>(),
            claimed.iter().filter(|c| c.fraud).count() as u64
        );
        // The five probabilities lie in five bins: the error is that of each value by itself.
        let mut error = 0.0;
        for value in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let same: Vec<_> = claimed.iter().filter(|c| c.probability == value).collect();
            let frauds = same.iter().filter(|c| c.fraud).count() as f64;
            error += (same.len() as f64 * value - frauds).abs() / claimed.len() as f64;
        }
        prop_assert!((found.expected_error - error).abs() < 1e-12);
    }

    #[test]
    fn draws_follow_the_seed_and_an_even_figure_is_sure(cases in cases(), seed in any::<u64>()) {
        let resample = Resample::new(&cases, 40, seed);
        let again = Resample::new(&cases, 40, seed);
        let auc = resample.ranking(&cases, Ranking::auc);
        prop_assert_eq!(auc, again.ranking(&cases, Ranking::auc));
        if let Some(interval) = auc {
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
        }
        let days: BTreeSet<i32> = cases.iter().map(|c| c.day).collect();
        let even: Vec<_> = days.iter().map(|d| (*d, 0.5, 1.0)).collect();
        let expected = (days.len() > 1).then_some(Interval { low: 0.5, high: 0.5 });
        prop_assert_eq!(resample.ratio(&even), expected);
    }
}

/// Written by scikit-learn 1.9.1:
///
/// ```python
/// import numpy as np
/// from sklearn.metrics import roc_auc_score, average_precision_score, brier_score_loss, roc_curve
/// i = np.arange(200)
/// y = (i * 7919 % 11 == 0).astype(int)
/// s = np.round(((i * 7907 % 97) / 97 + 0.6 * y) / 1.6, 2)
/// fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
/// print(roc_auc_score(y, s), average_precision_score(y, s), brier_score_loss(y, s))
/// print([tpr[fpr <= r].max() for r in (0.01, 0.05, 0.2)])
/// b = np.minimum((s * 15).astype(int), 14)
/// print(sum(abs(s[b == k].mean() - y[b == k].mean()) * (b == k).mean() for k in range(15) if (b == k).any()))
/// ```
#[test]
fn agrees_with_scikit_learn() {
    let cases: Vec<Case> = (0..200u32)
        .map(|i| {
            let fraud = (i * 7919).is_multiple_of(11);
            let score = (f64::from(i * 7907 % 97) / 97.0 + if fraud { 0.6 } else { 0.0 }) / 1.6;
            let score = (score * 100.0).round_ties_even() / 100.0;
            Case { score, probability: score, fraud, day: 0, card: None, amount: None }
        })
        .collect();
    let ranking = ranking(&cases);
    let reliability = Reliability::new(&cases).unwrap();
    assert_eq!(ranking.frauds(), 19);
    for (name, found, expected) in [
        ("auc", ranking.auc().unwrap(), 0.856_935_155_568_479_3),
        ("average precision", ranking.average_precision().unwrap(), 0.573_709_175_447_405_3),
        ("brier", reliability.brier, 0.137_602_5),
        ("recall at 1 %", ranking.recall_at(0.01).unwrap(), 0.315_789_473_684_210_5),
        ("recall at 5 %", ranking.recall_at(0.05).unwrap(), 0.526_315_789_473_684_2),
        ("recall at 20 %", ranking.recall_at(0.2).unwrap(), 0.631_578_947_368_421),
        ("expected calibration error", reliability.expected_error, 0.257_45),
    ] {
        assert!((found - expected).abs() < 1e-12, "{name}: {found} and not {expected}");
    }
}

#[test]
fn one_class_alone_has_no_ranking() {
    let only = |fraud| Ranking::new([(0.5, fraud), (0.1, fraud)]);
    assert_eq!(only(true).auc(), None);
    assert_eq!(only(true).average_precision(), Some(1.0));
    assert_eq!(only(false).average_precision(), None);
    assert_eq!(only(false).recall_at(0.5), None);
    assert!(only(false).roc(10).is_empty() && only(false).precision_recall(10).is_empty());
    assert_eq!(Ranking::new([]).confusion(0.0), Default::default());
}

#[test]
fn sums_of_the_largest_amounts_do_not_overflow() {
    let usd = Currency::parse("USD").unwrap();
    let amount = Some(Money::from_minor(tollgate::AMOUNT_MINOR_MAX, usd).unwrap());
    let case = Case { score: 1.0, probability: f64::NAN, fraud: true, day: 0, card: None, amount };
    // 2^53 - 1, two thousand times: past i64.
    let sums = money_at(&vec![case; 2000], 0.5);
    assert_eq!(sums[&usd].saved, i128::from(tollgate::AMOUNT_MINOR_MAX) * 2000);
}
