//! What is gathered over events, in integers: sums that don't depend on the order of their parts.

use super::image::{Words, put_wide};
use super::layout::{Answer, Reading, Wants};

/// For squares, numbers are held within this many parts, so that differences of squares are exact.
const SQUARED_MAX: i64 = (1 << 53) - 1;

/// The events of a window that a cell asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Events; with a column, those that have it; for distinct values, the values.
    pub count: i64,
    /// For a share: the events it is a share of.
    pub whole: i64,
    pub sum: i128,
    /// Of squares, modulo 2^128: what is asked for is a difference that is smaller.
    squares: u128,
    /// Of numbers as they were squared.
    squared: i128,
    pub min: i64,
    pub max: i64,
    pub first: i64,
    pub last: i64,
}

impl Totals {
    pub const NONE: Totals = Totals {
        count: 0,
        whole: 0,
        sum: 0,
        squares: 0,
        squared: 0,
        min: i64::MAX,
        max: i64::MIN,
        first: i64::MAX,
        last: i64::MIN,
    };

    pub fn image(&self, out: &mut Vec<u64>) {
        let Totals { count, whole, sum, squares, squared, min, max, first, last } = *self;
        put_wide(out, sum as u128);
        put_wide(out, squares);
        put_wide(out, squared as u128);
        out.extend([count, whole, min, max, first, last].map(|n| n as u64));
    }

    pub fn of_image(words: &mut Words<'_>) -> Option<Totals> {
        let (sum, squares, squared) = (words.wide()? as i128, words.wide()?, words.wide()? as i128);
        let (count, whole) = (words.signed()?, words.signed()?);
        let (min, max) = (words.signed()?, words.signed()?);
        let (first, last) = (words.signed()?, words.signed()?);
        Some(Totals { count, whole, sum, squares, squared, min, max, first, last })
    }

    pub fn event(&mut self, at: i64) {
        self.count += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// Counts a number; of its square and the extremes only what is wanted.
    #[inline]
    pub fn number(&mut self, number: i64, wants: Wants) {
        self.count += 1;
        self.sum += i128::from(number);
        if wants.squares {
            let near = i128::from(number.clamp(-SQUARED_MAX, SQUARED_MAX));
            self.squared += near;
            self.squares = self.squares.wrapping_add((near * near) as u128);
        }
        if wants.extremes {
            self.min = self.min.min(number);
            self.max = self.max.max(number);
        }
    }

    /// Takes a number out again; the extremes are the caller's care.
    #[inline]
    pub fn remove_number(&mut self, number: i64, wants: Wants) {
        self.count -= 1;
        self.sum -= i128::from(number);
        if wants.squares {
            let near = i128::from(number.clamp(-SQUARED_MAX, SQUARED_MAX));
            self.squared -= near;
            self.squares = self.squares.wrapping_sub((near * near) as u128);
        }
    }

    pub fn add(&mut self, other: &Totals) {
        self.count += other.count;
        self.whole += other.whole;
        self.sum += other.sum;
        self.squared += other.squared;
        self.squares = self.squares.wrapping_add(other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// The value asked for; NaN when there is none. `at` is the payment's time.
    pub fn answer(&self, answer: &Answer, at: i64) -> f64 {
        match answer.reading {
            Reading::Count => self.count as f64,
            Reading::Sum => nearest(self.sum) / answer.parts,
            Reading::StdDev => self.deviation() / answer.parts,
            Reading::Ratio if self.whole > 0 => self.count as f64 / self.whole as f64,
            Reading::Ratio => f64::NAN,
            _ if self.count == 0 => f64::NAN,
            Reading::Avg => nearest(self.sum) / (self.count as f64 * answer.parts),
            Reading::Min => self.min as f64 / answer.parts,
            Reading::Max => self.max as f64 / answer.parts,
            Reading::FirstSeen => self.first as f64,
            Reading::Since => (at - self.last) as f64 / 1e6,
        }
    }

    /// Standard deviation of the sample, in parts. With x = q n + r the sum of (x - q)^2 is exact,
    /// and smaller than 2^128 whatever the sum of squares was.
    fn deviation(&self) -> f64 {
        if self.count < 2 {
            return f64::NAN;
        }
        let n = i128::from(self.count);
        let (q, r) = (self.squared.div_euclid(n), self.squared.rem_euclid(n));
        let around = self
            .squares
            .wrapping_sub((2 * q).wrapping_mul(self.squared) as u128)
            .wrapping_add(n.wrapping_mul(q.wrapping_mul(q)) as u128);
        let spread = match around.checked_mul(n as u128) {
            Some(scaled) => (scaled - (r * r) as u128) as f64 / n as f64,
            None => around as f64,
        };
        (spread / (n - 1) as f64).sqrt()
    }
}

/// The nearest float; sums of 64 bits, which nearly all are, have an instruction for it.
#[inline]
pub(super) fn nearest(sum: i128) -> f64 {
    #[cold]
    #[inline(never)]
    fn of_wide(sum: i128) -> f64 {
        sum as f64
    }
    match i64::try_from(sum) {
        Ok(sum) => sum as f64,
        Err(_) => of_wide(sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wants = Wants { times: true, extremes: true, squares: true };

    fn deviation(numbers: &[i64]) -> f64 {
        let mut totals = Totals::NONE;
        numbers.iter().for_each(|n| totals.number(*n, ALL));
        totals.deviation()
    }

    #[test]
    fn deviations_are_those_of_the_sample() {
        for (numbers, expected) in [
            (vec![2, 4, 4, 4, 5, 5, 7, 9], (32f64 / 7.0).sqrt()),
            (vec![5, 5, 5], 0.0),
            (vec![-1, 0], 0.5f64.sqrt()),
            (vec![SQUARED_MAX, SQUARED_MAX - 1], 0.5f64.sqrt()),
            (vec![SQUARED_MAX, -SQUARED_MAX], (SQUARED_MAX as f64) * 2f64.sqrt()),
            (vec![i64::MAX; 1000], 0.0),
        ] {
            assert!((deviation(&numbers) - expected).abs() <= expected * 1e-15, "{numbers:?}");
        }
        assert!(deviation(&[7]).is_nan());
    }

    #[test]
    fn what_is_taken_out_leaves_no_trace() {
        let mut totals = Totals::NONE;
        totals.number(7, ALL);
        let before = totals;
        totals.number(i64::MAX, ALL);
        totals.remove_number(i64::MAX, ALL);
        assert_eq!(
            (totals.sum, totals.squares, totals.squared),
            (before.sum, before.squares, before.squared)
        );
    }
}
