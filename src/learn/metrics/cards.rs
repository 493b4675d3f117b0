//! If investigators look at the k most suspicious cards of each day, how many are compromised?

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Case, by_day, falling};

/// What looking at the top k cards of one day gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CardDay {
    /// Days since the Unix epoch.
    pub day: i32,
    /// Compromised cards among those looked at.
    pub caught: u64,
    /// Compromised cards of the day.
    pub compromised: u64,
    /// Cards of the day.
    pub cards: u64,
}

/// Card Precision top-k as the Fraud Detection Handbook defines it (Le Borgne et al. 2022, chapter 4,
/// "Precision top-k metrics"): a card's score on a day is its payments' highest, it is compromised when any
/// of them was fraud, and a card that was caught is removed from the days after. The day's precision
/// is `caught / k`, the figure is the mean over days. Payments without a card are left out.
///
/// ```
/// use tollgate::learn::metrics::{Case, card_days};
/// let case = |day, card, score, fraud| {
///     Case { score, fraud, day, card: Some(card), probability: f64::NAN, amount: None }
/// };
/// let cases = [case(0, 1, 0.9, true), case(0, 2, 0.8, false), case(1, 1, 0.9, true), case(1, 3, 0.1, true)];
/// let days = card_days(&cases, 1);
/// // On the second day card 1 is known already, so card 3 is looked at.
/// assert_eq!(days.iter().map(|d| d.caught).collect::<Vec<_>>(), [1, 1]);
/// ```
pub fn card_days(cases: &[Case], k: usize) -> Vec<CardDay> {
    let mut known: HashSet<u128> = HashSet::new();
    by_day(cases).into_iter().map(|(day, cases)| card_day(day, &cases, k, &mut known)).collect()
}

fn card_day(day: i32, cases: &[&Case], k: usize, known: &mut HashSet<u128>) -> CardDay {
    let mut index: HashMap<u128, usize> = HashMap::new();
    let mut cards: Vec<(u128, f64, bool)> = Vec::new();
    for case in cases {
        let Some(card) = case.card.filter(|card| !known.contains(card)) else { continue };
        let at = *index.entry(card).or_insert_with(|| {
            cards.push((card, f64::NEG_INFINITY, false));
            cards.len() - 1
        });
        let (_, score, fraud) = &mut cards[at];
        // `max` takes the number where the other is NaN.
        *score = score.max(case.score);
        *fraud |= case.fraud;
    }
    let compromised = cards.iter().filter(|(_, _, fraud)| *fraud).count() as u64;
    // Stable: of equal scores the card that came first.
    cards.sort_by(|a, b| falling(a.1, b.1));
    let caught: Vec<u128> = cards.iter().take(k).filter(|c| c.2).map(|c| c.0).collect();
    let found = CardDay { day, caught: caught.len() as u64, compromised, cards: cards.len() as u64 };
    known.extend(caught);
    found
}
