//! What time is it, as far as the payments tell? An answer that a few wild timestamps don't move.

use super::image::Words;

/// Times that the clock remembers; half of them must be wild before the clock is.
const SAMPLES: usize = 31;
/// The clock is set again every so many samples: finding quartiles is cheap, not free.
const SET_EVERY: u64 = 16;
/// How many times the spread of recent times (between their quartiles) a payment may be ahead of the
/// clock, beyond the lateness bound. Where payments are rare the clock lags, and the spread says so.
const SPREADS: i64 = 8;

/// The median of recent event times.
#[derive(Debug)]
pub(super) struct Clock {
    times: [i64; SAMPLES],
    seen: u64,
    now: Option<i64>,
    spread: i64,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { times: [0; SAMPLES], seen: 0, now: None, spread: 0 }
    }

    pub fn image(&self, out: &mut Vec<u64>) {
        out.extend(self.times.map(|at| at as u64));
        out.extend([self.seen, u64::from(self.now.is_some()), self.now.unwrap_or(0) as u64]);
        out.push(self.spread as u64);
    }

    pub fn of_image(words: &mut Words<'_>) -> Option<Clock> {
        let mut clock = Clock::new();
        for at in &mut clock.times {
            *at = words.signed()?;
        }
        clock.seen = words.next()?;
        let (known, now) = (words.next()?, words.signed()?);
        clock.now = (known != 0).then_some(now);
        clock.spread = words.signed()?;
        Some(clock)
    }

    /// The median; `None` until enough payments have been seen.
    pub fn now(&self) -> Option<i64> {
        self.now
    }

    /// The latest time that is believed.
    pub fn horizon(&self, lateness: i64) -> i64 {
        self.now.map_or(i64::MAX, |now| now.saturating_add(lateness).saturating_add(self.spread))
    }

    pub fn tell(&mut self, at: i64) {
        self.times[(self.seen % SAMPLES as u64) as usize] = at;
        self.seen += 1;
        if self.seen >= SAMPLES as u64 && (self.now.is_none() || self.seen.is_multiple_of(SET_EVERY)) {
            let mut times = self.times;
            let (below, now, above) = times.select_nth_unstable(SAMPLES / 2);
            self.now = Some(*now);
            let low = *below.select_nth_unstable(SAMPLES / 4).1;
            let high = *above.select_nth_unstable(SAMPLES * 3 / 4 - SAMPLES / 2 - 1).1;
            let between = high.saturating_sub(low);
            self.spread = between.saturating_mul(SPREADS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_wild_times_of_thirty_one_do_not_move_it() {
        let mut clock = Clock::new();
        (0..1000).for_each(|t| clock.tell(t));
        (0..15).for_each(|_| clock.tell(i64::MAX));
        assert!(clock.now().is_some_and(|now| (960..1000).contains(&now)), "{:?}", clock.now());
    }

    #[test]
    fn a_slow_stream_in_order_is_believed() {
        let (mut clock, day) = (Clock::new(), 86_400_000_000i64);
        for t in (0..400).map(|i| i * day) {
            assert!(t <= clock.horizon(day), "{t}");
            clock.tell(t);
        }
    }

    #[test]
    fn it_says_nothing_before_it_has_seen_enough() {
        let mut clock = Clock::new();
        (1..SAMPLES as i64).for_each(|t| clock.tell(t));
        assert_eq!(clock.now(), None);
        clock.tell(31);
        assert_eq!(clock.now(), Some(16));
    }
}
