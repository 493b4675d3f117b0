//! Which probability does a margin stand for?

use serde::{Deserialize, Serialize};

/// Turns margins into probabilities; never falls as the margin rises.
///
/// ```
/// use tollgate::Calibration;
/// let platt = Calibration::Platt { slope: 1.0, intercept: 0.0 };
/// assert_eq!(platt.probability(0.0), 0.5);
/// let isotonic = Calibration::Isotonic { margins: vec![0.0, 1.0], probabilities: vec![0.1, 0.3] };
/// assert!((isotonic.probability(0.5) - 0.2).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// The margin is a probability already.
    Identity,
    /// `1 / (1 + exp(-(slope * margin + intercept)))` (Platt 1999).
    Platt {
        /// At least 0.
        slope: f64,
        /// Log-odds at margin 0.
        intercept: f64,
    },
    /// A line through these points, level outside of them (isotonic regression).
    Isotonic {
        /// Ascending.
        margins: Vec<f64>,
        /// One for each margin; never falling.
        probabilities: Vec<f64>,
    },
}

impl Calibration {
    /// The probability, 0 to 1.
    pub fn probability(&self, margin: f64) -> f64 {
        match self {
            Calibration::Identity => margin.clamp(0.0, 1.0),
            Calibration::Platt { slope, intercept } => 1.0 / (1.0 + (-(slope * margin + intercept)).exp()),
            Calibration::Isotonic { margins, probabilities } => {
                let above = margins.partition_point(|m| *m <= margin);
                match (above.checked_sub(1), probabilities.get(above)) {
                    (Some(below), Some(&high)) => {
                        let (low, from, to) = (probabilities[below], margins[below], margins[above]);
                        // Rounding must not lift a point above its right neighbour.
                        (low + (high - low) * ((margin - from) / (to - from))).min(high)
                    }
                    (None, high) => high.copied().unwrap_or(0.0),
                    (Some(below), None) => probabilities.get(below).copied().unwrap_or(0.0),
                }
            }
        }
    }
}
