//! Do probabilities mean what they say?

use serde::Serialize;

use super::Case;

/// Bins of equal width that the expected calibration error is taken over (Guo et al. 2017).
pub const CALIBRATION_BINS: usize = 15;

/// Edges of the table's bands: probabilities spread over decades, as frauds are rare.
const BANDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9];

/// How far claimed probabilities are from what happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// Expected calibration error: the mean, weighted by payments, of the distance between mean
    /// probability and share of frauds, over [`CALIBRATION_BINS`] bins of equal width.
    pub expected_error: f64,
    /// Mean square of probability less label (Brier 1950).
    pub brier: f64,
    /// Mean probability of all.
    pub claimed: f64,
    /// Share of frauds of all.
    pub happened: f64,
    /// The same by bands of probability; only bands that hold payments.
    pub bands: Vec<Band>,
}

/// Payments whose probability lies in `[from, to)`; 1 lies in the last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Lowest probability of the band.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Payments in it.
    pub payments: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Mean probability claimed.
    pub claimed: f64,
    /// Share of frauds.
    pub happened: f64,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    payments: u64,
    frauds: u64,
    claimed: f64,
}

impl Bin {
    fn add(&mut self, case: &Case) {
        self.payments += 1;
        self.frauds += u64::from(case.fraud);
        self.claimed += case.probability.clamp(0.0, 1.0);
    }
}

impl Reliability {
    /// Of the cases that claim a probability; `None` when none does.
    ///
    /// ```
    /// use tollgate::learn::metrics::{Case, Reliability};
    /// let case = |probability, fraud| {
    ///     Case { score: probability, probability, fraud, day: 0, card: None, amount: None }
    /// };
    /// let found = Reliability::new(&[case(0.5, true), case(0.5, false), case(0.0, false)]).unwrap();
    /// assert_eq!(found.expected_error, 0.0);
    /// assert!((found.brier - 0.5 / 3.0).abs() < 1e-12);
    /// ```
    pub fn new(cases: &[Case]) -> Option<Reliability> {
        let mut even = [Bin::default(); CALIBRATION_BINS];
        let mut bands = [Bin::default(); BANDS.len() + 1];
        let mut all = Bin::default();
        let mut squares = 0.0;
        for case in cases.iter().filter(|case| !case.probability.is_nan()) {
            let p = case.probability.clamp(0.0, 1.0);
            even[((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1)].add(case);
            bands[BANDS.partition_point(|edge| *edge <= p)].add(case);
            all.add(case);
            squares += (p - f64::from(u8::from(case.fraud))).powi(2);
        }
        let count = all.payments as f64;
        let gaps: f64 = even.iter().map(|bin| (bin.claimed - bin.frauds as f64).abs()).sum();
        let edge = |i: usize| BANDS.get(i).copied().unwrap_or(1.0);
        let band = |(i, bin): (usize, &Bin)| Band {
            from: if i == 0 { 0.0 } else { edge(i - 1) },
            to: edge(i),
            payments: bin.payments,
            frauds: bin.frauds,
            claimed: bin.claimed / bin.payments as f64,
            happened: bin.frauds as f64 / bin.payments as f64,
        };
        (all.payments > 0).then(|| Reliability {
            expected_error: gaps / count,
            brier: squares / count,
            claimed: all.claimed / count,
            happened: all.frauds as f64 / count,
            bands: bands.iter().enumerate().filter(|(_, bin)| bin.payments > 0).map(band).collect(),
        })
    }
}
