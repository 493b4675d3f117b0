//! When people pay: by the hour of their day and the day of their week.

use super::world::PLACES;
use crate::time::Timestamp;

const HOUR: i64 = 3_600_000_000;

/// Payments by hour of the local day, noon and evening above the night.
const DAY: [f64; 24] = [
    0.35, 0.20, 0.12, 0.10, 0.10, 0.15, 0.30, 0.50, 0.70, 0.85, 1.00, 1.10, 1.25, 1.20, 1.05, 1.00, 1.05,
    1.15, 1.30, 1.45, 1.50, 1.30, 0.95, 0.60,
];
/// Payments by day of the local week, from Monday.
const WEEK: [f64; 7] = [0.95, 0.95, 0.97, 1.00, 1.10, 1.15, 0.90];
const HOURS: usize = 24 * 7;

/// The world's activity over a period, hour by hour.
#[derive(Debug)]
pub(super) struct Rhythm {
    start: i64,
    hours: usize,
    /// For each hour of the week (UTC, from Monday), the activity of the places up to and with each.
    week: Vec<[f64; PLACES.len()]>,
    /// Activity of all hours before the one at hand, and which that is.
    before: f64,
    hour: usize,
    total: f64,
}

impl Rhythm {
    pub(super) fn new(start: Timestamp, days: u32) -> Rhythm {
        let week = (0..HOURS)
            .map(|hour| {
                let mut sum = 0.0;
                std::array::from_fn(|p| {
                    let minutes = hour as i64 * 60 + PLACES[p].offset_minutes;
                    let local = minutes.div_euclid(60).rem_euclid(HOURS as i64) as usize;
                    sum += PLACES[p].share * DAY[local % 24] * WEEK[local / 24];
                    sum
                })
            })
            .collect();
        let mut rhythm = Rhythm {
            start: start.micros(),
            hours: days as usize * 24,
            week,
            before: 0.0,
            hour: 0,
            total: 0.0,
        };
        rhythm.total = (0..rhythm.hours).map(|hour| rhythm.activity(hour)).sum();
        rhythm
    }

    fn of(&self, hour: usize) -> &[f64; PLACES.len()] {
        // The epoch was a Thursday.
        let hours = self.start.div_euclid(HOUR) + hour as i64 + 3 * 24;
        &self.week[hours.rem_euclid(HOURS as i64) as usize]
    }

    fn activity(&self, hour: usize) -> f64 {
        self.of(hour)[PLACES.len() - 1]
    }

    /// The instant before which the share `u` of all activity lies. Calls must be in ascending order.
    pub(super) fn instant(&mut self, u: f64) -> i64 {
        let wanted = u * self.total;
        while self.hour + 1 < self.hours && self.before + self.activity(self.hour) <= wanted {
            self.before += self.activity(self.hour);
            self.hour += 1;
        }
        let part = ((wanted - self.before) / self.activity(self.hour)).clamp(0.0, 0.999_999);
        self.start + self.hour as i64 * HOUR + (part * HOUR as f64) as i64
    }

    /// The place whose people are `u` of the way through the activity of the hour at hand.
    pub(super) fn place(&self, u: f64) -> usize {
        let sums = self.of(self.hour);
        let wanted = u * sums[PLACES.len() - 1];
        sums.iter().position(|sum| wanted < *sum).unwrap_or(PLACES.len() - 1)
    }
}
