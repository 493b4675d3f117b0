//! What time is it, as far as the payments tell? An answer that a few wild timestamps don't move.

use super::image::Words;
use super::prefetch::prefetch;

/// Times that the clock remembers; half of them must be wild before the clock is.
const SAMPLES: usize = 31;
/// The clock is set again every so many samples: finding quartiles is cheap, not free.
const SET_EVERY: u64 = 16;
/// How many times the spread of recent times (between their quartiles) a payment may be ahead of the
/// clock, beyond the lateness bound. Where payments are rare the clock lags, and the spread says so.
const SPREADS: i64 = 8;

/// No time: nothing is known of it before enough payments.
const UNKNOWN: i64 = i64::MIN;

/// The median of recent event times.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Clock {
    // What every payment looks at comes first, so that it lies in one line of the cache.
    seen: u64,
    now: i64,
    spread: i64,
    times: [i64; SAMPLES],
}

impl Clock {
    pub fn new() -> Clock {
        Clock { seen: 0, now: UNKNOWN, spread: 0, times: [0; SAMPLES] }
    }

    pub fn image(&self, out: &mut Vec<u64>) {
        out.extend(self.times.map(|at| at as u64));
        out.extend([self.seen, self.now as u64, self.spread as u64]);
    }

    pub fn of_image(words: &mut Words<'_>) -> Option<Clock> {
        let mut clock = Clock::new();
        for at in &mut clock.times {
            *at = words.signed()?;
        }
        (clock.seen, clock.now, clock.spread) = (words.next()?, words.signed()?, words.signed()?);
        Some(clock)
    }

    /// The median; `None` until enough payments have been seen.
    #[inline]
    pub fn now(&self) -> Option<i64> {
        (self.now != UNKNOWN).then_some(self.now)
    }

    /// Payments that it was told of, modulo 2^32.
    #[inline]
    pub fn told(&self) -> u32 {
        self.seen as u32
    }

    /// Asks for the memory that the next time is written to.
    #[inline]
    pub fn expect(&self) {
        prefetch(&self.times, (self.seen % SAMPLES as u64) as usize);
    }

    /// The latest time that is believed.
    pub fn horizon(&self, lateness: i64) -> i64 {
        self.now().map_or(i64::MAX, |now| now.saturating_add(lateness).saturating_add(self.spread))
    }

    pub fn tell(&mut self, at: i64) {
        self.times[(self.seen % SAMPLES as u64) as usize] = at;
        self.seen += 1;
        if self.seen >= SAMPLES as u64 && (self.now == UNKNOWN || self.seen.is_multiple_of(SET_EVERY)) {
            let times = self.sorted();
            // Instants end far above what stands for none.
            self.now = times[SAMPLES / 2].max(UNKNOWN + 1);
            let between = times[SAMPLES * 3 / 4].saturating_sub(times[SAMPLES / 4]);
            self.spread = between.saturating_mul(SPREADS);
        }
    }

    /// Payments come nearly in order, which an insertion sort of times as they came makes use of.
    fn sorted(&self) -> [i64; SAMPLES] {
        let mut times = self.times;
        times.rotate_left((self.seen % SAMPLES as u64) as usize);
        for i in 1..SAMPLES {
            let (at, mut hole) = (times[i], i);
            while hole > 0 && times[hole - 1] > at {
                times[hole] = times[hole - 1];
                hole -= 1;
            }
            times[hole] = at;
        }
        times
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
    fn times_are_sorted_however_they_came() {
        let mut clock = Clock::new();
        for t in (0..100).map(|i| i * 7_919 % 101) {
            clock.tell(t);
            let mut times = clock.times;
            times.sort_unstable();
            assert_eq!(clock.sorted(), times);
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
