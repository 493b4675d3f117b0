//! Which cards were known to be compromised, and when?

use std::collections::HashMap;
use std::ops::Range;

/// Frauds by card: the day of each and the day on which it became known.
#[derive(Debug, Default)]
pub(crate) struct KnownCards {
    frauds: HashMap<u128, Vec<(i32, i32)>>,
}

impl KnownCards {
    pub(crate) fn add(&mut self, card: u128, day: i32, known: i32) {
        self.frauds.entry(card).or_default().push((day, known));
    }

    /// Whether a fraud of one of the days `since` became known before `day` began: such a card is
    /// blocked, and its payments test nothing.
    pub(crate) fn is_known(&self, card: u128, since: Option<i32>, day: i32) -> bool {
        let frauds = self.frauds.get(&card).map(Vec::as_slice).unwrap_or_default();
        frauds.iter().any(|(fraud, known)| since.is_none_or(|since| *fraud >= since) && *known < day)
    }
}

/// `days` in `count` parts, one after the other, as equal as whole days allow.
pub(crate) fn parts(days: Range<i32>, count: usize) -> impl Iterator<Item = Range<i32>> {
    let length = i64::from(days.end) - i64::from(days.start);
    let edge = move |i: usize| (i64::from(days.start) + length * i as i64 / count as i64) as i32;
    (0..count).map(move |i| edge(i)..edge(i + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_from_the_day_after_its_fraud_became_known() {
        let mut known = KnownCards::default();
        known.add(1, 10, 17);
        let check = |card, since, day, expected| assert_eq!(known.is_known(card, since, day), expected);
        check(1, None, 17, false);
        check(1, None, 18, true);
        check(1, Some(10), 18, true);
        check(1, Some(11), 18, false);
        check(2, None, 18, false);
    }

    #[test]
    fn parts_join_without_gaps() {
        assert_eq!(parts(3..31, 4).collect::<Vec<_>>(), [3..10, 10..17, 17..24, 24..31]);
        assert_eq!(parts(0..5, 2).collect::<Vec<_>>(), [0..2, 2..5]);
    }
}
