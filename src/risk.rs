//! What do the models say of one payment?

use crate::error::nearest;

/// The models' answers about one payment, as rules and stages read them. NaN is absent: no model of
/// that kind is loaded, or it had no answer.
///
/// ```
/// use tollgate::Risk;
/// let risk = Risk { score: 520.0, probability: 0.57, anomaly: f64::NAN };
/// assert_eq!(risk.level(), Some("highest"));
/// assert_eq!(Risk::NONE.level(), None);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Risk {
    /// The champion's score, 0 to 1000 (see [`score_of`](crate::score_of)), before any rule's points.
    pub score: f64,
    /// The champion's calibrated probability of fraud, 0 to 1.
    pub probability: f64,
    /// The anomaly model's margin; higher is stranger. An isolation forest's is within 0 and 1.
    pub anomaly: f64,
}

/// The levels in words and the score each begins at. 350 is one fraud in nine, more than most shops
/// can bear; from 500 on a payment is more likely a fraud than not.
const LEVELS: [(&str, f64); 3] = [("normal", 0.0), ("elevated", 350.0), ("highest", 500.0)];

impl Risk {
    /// No model has answered.
    pub const NONE: Risk = Risk { score: f64::NAN, probability: f64::NAN, anomaly: f64::NAN };

    /// `normal`, `elevated` (from score 350 on) or `highest` (from 500 on); `None` without a score.
    pub fn level(&self) -> Option<&'static str> {
        LEVELS.iter().rev().find(|(_, from)| self.score >= *from).map(|(name, _)| *name)
    }

    /// Whether a text names a level.
    pub(crate) fn is_level(text: &str) -> bool {
        LEVELS.iter().any(|(name, _)| name.eq_ignore_ascii_case(text))
    }

    /// What stands beside a text that names none.
    pub(crate) fn level_hint(text: &str) -> String {
        let names = LEVELS.map(|(name, _)| name);
        match nearest(text, names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of: {}", names.join(" ")),
        }
    }

    /// One of the answers.
    #[inline]
    pub(crate) fn answer(&self, answer: Answer) -> f64 {
        match answer {
            Answer::Score => self.score,
            Answer::Probability => self.probability,
            Answer::Anomaly => self.anomaly,
        }
    }

    /// The same, to be filled in.
    pub(crate) fn answer_mut(&mut self, answer: Answer) -> &mut f64 {
        match answer {
            Answer::Score => &mut self.score,
            Answer::Probability => &mut self.probability,
            Answer::Anomaly => &mut self.anomaly,
        }
    }
}

/// Which of the models' answers an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `score`.
    Score,
    /// `probability`.
    Probability,
    /// `anomaly`.
    Anomaly,
}

impl Answer {
    /// The names that expressions use for numbers.
    pub(crate) const NAMES: [(&str, Answer); 3] =
        [("score", Answer::Score), ("probability", Answer::Probability), ("anomaly", Answer::Anomaly)];
    /// The name of the level, a text.
    pub(crate) const LEVEL: &str = "risk_level";

    /// The answer of that name.
    pub(crate) fn named(name: &str) -> Option<Answer> {
        Answer::NAMES.iter().find(|(n, _)| *n == name).map(|(_, answer)| *answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_begins_at_its_score() {
        let level = |score| Risk { score, ..Risk::NONE }.level();
        assert_eq!([0.0, 349.0, 350.0, 499.0, 500.0, 1000.0].map(level), {
            ["normal", "normal", "elevated", "elevated", "highest", "highest"].map(Some)
        });
        assert_eq!(level(f64::NAN), None);
    }
}
