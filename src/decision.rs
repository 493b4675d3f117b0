//! What was decided about one payment: plain data, no heap, copied as a value.

use std::fmt;

use arrayvec::ArrayVec;
use data_encoding::HEXLOWER;

/// Most rules of one pipeline, shadow rules included: a decision holds one bit for each.
///
/// ```
/// use tollgate::{RULES_MAX, RuleSet};
/// let mut set = RuleSet::EMPTY;
/// set.insert(RULES_MAX); // one past the last: no rule
/// assert!(set.is_empty());
/// ```
pub const RULES_MAX: usize = 1024;
/// Most velocity values a decision keeps of those its matching rules read.
///
/// ```
/// let pipeline = tollgate::Pipeline::shipped()?;
/// let engine = tollgate::Engine::new(pipeline);
/// let payment = tollgate::Payment::new(engine.pipeline().schema());
/// assert_eq!(engine.score(&payment).seen.capacity(), tollgate::VALUES_MAX);
/// # Ok::<(), tollgate::Error>(())
/// ```
pub const VALUES_MAX: usize = 24;
/// Most model inputs a decision keeps of those that raised the score.
///
/// ```
/// let pipeline = tollgate::Pipeline::shipped()?;
/// let engine = tollgate::Engine::new(pipeline);
/// let payment = tollgate::Payment::new(engine.pipeline().schema());
/// assert_eq!(engine.score(&payment).contributions.capacity(), tollgate::CONTRIBUTIONS_MAX);
/// # Ok::<(), tollgate::Error>(())
/// ```
pub const CONTRIBUTIONS_MAX: usize = 5;

/// What becomes of the payment, from mildest to hardest.
///
/// ```
/// use tollgate::Outcome;
/// assert!(Outcome::Approve < Outcome::Challenge && Outcome::Review < Outcome::Decline);
/// assert_eq!(Outcome::Decline.to_string(), "decline");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    /// Go on.
    #[default]
    Approve,
    /// Go on once the payer has proved who they are.
    Challenge,
    /// Authorize, but hold the capture until somebody has looked.
    Review,
    /// Stop.
    Decline,
}

impl Outcome {
    /// All outcomes, mildest first.
    pub const ALL: [Outcome; 4] = [Outcome::Approve, Outcome::Challenge, Outcome::Review, Outcome::Decline];

    /// The word used in rules, files and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Approve => "approve",
            Outcome::Challenge => "challenge",
            Outcome::Review => "review",
            Outcome::Decline => "decline",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a decision had to do without. Empty when nothing.
///
/// ```
/// use tollgate::Degraded;
/// let flags = Degraded::LATE | Degraded::EVICTED;
/// assert_eq!(flags.names().collect::<Vec<_>>(), ["late", "evicted"]);
/// assert!(flags.contains(Degraded::LATE) && !Degraded::NONE.contains(Degraded::LATE));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Degraded(u16);

impl Degraded {
    /// Nothing was missing.
    pub const NONE: Degraded = Degraded(0);
    /// The payment is older than the lateness bound; windows may have let go of what it needs.
    pub const LATE: Degraded = Degraded(1);
    /// A window that was asked for had been evicted; it counted as absent.
    pub const EVICTED: Degraded = Degraded(2);
    /// A window reaches back before the engine began to watch; it counted as absent.
    pub const WARMING: Degraded = Degraded(4);
    /// A window holds more events than are kept one by one; its value is within the documented bound.
    pub const SATURATED: Degraded = Degraded(8);
    /// The amount's currency is not in the rate table; sums of money leave it out.
    pub const NO_RATE: Degraded = Degraded(16);
    /// The payment's time is further ahead than the clock that recent payments set can believe.
    pub const WILD_TIME: Degraded = Degraded(32);
    /// A model gave no number; what it says counted as absent, and the rules decided alone.
    pub const NO_MODEL: Degraded = Degraded(64);
    /// The server had more to do than it may take on; the payment was not scored, a policy decided.
    pub const OVERLOAD: Degraded = Degraded(128);
    /// The caller's deadline had passed before the payment's turn came; a policy decided.
    pub const DEADLINE: Degraded = Degraded(256);
    /// The decision could not be recorded; a policy decided.
    pub const UNRECORDED: Degraded = Degraded(512);
    /// A rule that matched had gone past its brake, and had no effect.
    pub const RULE_BRAKED: Degraded = Degraded(1024);

    const NAMES: [&'static str; 11] = [
        "late",
        "evicted",
        "warming",
        "saturated",
        "no_rate",
        "wild_time",
        "no_model",
        "overload",
        "deadline",
        "unrecorded",
        "rule_braked",
    ];

    /// All flags' names, in the order of their bits.
    #[cfg(feature = "serve")]
    pub(crate) const fn all_names() -> &'static [&'static str] {
        &Degraded::NAMES
    }

    /// The set flags' places in [`Degraded::all_names`].
    #[cfg(feature = "serve")]
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        (0..Degraded::NAMES.len()).filter(move |i| self.0 >> i & 1 == 1)
    }

    /// Whether all of `other` is set.
    pub fn contains(self, other: Degraded) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is set.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The flags as a number, for records.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// The flags of a number; `None` when it has one that has no name.
    pub(crate) fn from_bits(bits: u16) -> Option<Degraded> {
        (bits >> Degraded::NAMES.len() == 0).then_some(Degraded(bits))
    }

    /// The set flags' names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Degraded::NAMES.into_iter().enumerate().filter(move |(i, _)| self.0 >> i & 1 == 1).map(|(_, n)| n)
    }
}

impl std::ops::BitOr for Degraded {
    type Output = Degraded;
    fn bitor(self, other: Degraded) -> Degraded {
        Degraded(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Degraded {
    fn bitor_assign(&mut self, other: Degraded) {
        self.0 |= other.0;
    }
}

/// The first 128 bits of the SHA-256 of everything a pipeline was built from.
///
/// ```
/// use tollgate::Digest;
/// assert_eq!(Digest([0xab; 16]).to_string(), "ab".repeat(16));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub [u8; 16]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A set of rules, by their index in the pipeline.
///
/// ```
/// use tollgate::RuleSet;
/// let mut set = RuleSet::EMPTY;
/// set.insert(64);
/// set.insert(3);
/// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64]);
/// assert!(set.contains(64) && set.len() == 2 && !set.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleSet([u64; RULES_MAX / 64]);

impl RuleSet {
    /// No rule.
    pub const EMPTY: RuleSet = RuleSet([0; RULES_MAX / 64]);

    /// Adds a rule; an index at or above [`RULES_MAX`] is no rule and is passed over.
    pub fn insert(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    /// Whether the rule is in it.
    pub fn contains(&self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }

    /// The rules, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors((word != 0).then_some(word), |w| Some(w & (w - 1)).filter(|w| *w != 0))
                .map(move |w| i * 64 + w.trailing_zeros() as usize)
        })
    }

    /// How many rules.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }
}

/// A velocity value that a matching rule read.
///
/// ```
/// use tollgate::Seen;
/// let absent = Seen { aggregate: 0, value: f64::NAN };
/// assert!(absent.value.is_nan());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Index of the aggregate in the pipeline.
    pub aggregate: u16,
    /// Its value; NaN for absent.
    pub value: f64,
}

/// How much an input of the champion raised the score.
///
/// ```
/// use tollgate::Contribution;
/// let raised = Contribution { input: 2, value: f32::NAN, share: 0.4 };
/// assert!(raised.value.is_nan() && raised.share > 0.0); // absent, and a risk for that
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Index of the input in the model.
    pub input: u16,
    /// Its value as the model saw it; NaN for absent.
    pub value: f32,
    /// Its share of the margin along the trees' paths, in the margin's own unit (mostly log-odds).
    pub share: f64,
}

/// What the challenger would have made of the payment.
///
/// ```
/// use tollgate::{Challenged, Outcome};
/// let other = Challenged { probability: 0.9, score: 870, outcome: Outcome::Decline };
/// assert!(other.outcome > Outcome::Review);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Challenged {
    /// Its probability of fraud.
    pub probability: f64,
    /// Its score, with the points of the same rules.
    pub score: u16,
    /// The outcome by that score. Rules that read the score were asked with the champion's.
    pub outcome: Outcome,
}

/// The answer for one payment. Rules and aggregates are indices of the pipeline that `digest`
/// names; `Pipeline::describe` turns them into words.
///
/// ```
/// use tollgate::{Engine, Payment, Pipeline, Value, field};
/// let engine = Engine::new(Pipeline::shipped()?);
/// let schema = engine.pipeline().schema().clone();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
/// let decision = engine.score(&payment);
/// assert!(decision.score <= tollgate::SCORE_MAX);
/// assert_eq!(decision.digest, engine.pipeline().digest());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What becomes of the payment.
    pub outcome: Outcome,
    /// 0 (no risk seen) to 1000: the champion's score and the rules' points.
    pub score: u16,
    /// The champion's calibrated probability of fraud; `None` without a champion.
    pub probability: Option<f64>,
    /// The anomaly model's margin; `None` without one.
    pub anomaly: Option<f64>,
    /// What had to be done without.
    pub degraded: Degraded,
    /// The rule that decided the outcome; `None` when the score or nothing did.
    pub deciding: Option<u16>,
    /// The pipeline that decided.
    pub digest: Digest,
    /// All rules that matched, shadow rules included.
    pub matched: RuleSet,
    /// Those of them that had gone past their brake, and so had no effect.
    pub braked: RuleSet,
    /// The velocity values that the matching rules read, as far as [`VALUES_MAX`] goes.
    pub seen: ArrayVec<Seen, VALUES_MAX>,
    /// The champion's inputs that raised the score most, largest share first. Kept when the outcome is not
    /// approve or the score reaches the lowest threshold: nobody asks why of the others.
    pub contributions: ArrayVec<Contribution, CONTRIBUTIONS_MAX>,
    /// What the challenger would have made of it; `None` without one.
    pub challenged: Option<Challenged>,
}

impl Decision {
    /// No decision yet: room for one.
    pub(crate) const NONE: Decision = Decision {
        outcome: Outcome::Approve,
        score: 0,
        probability: None,
        anomaly: None,
        degraded: Degraded::NONE,
        deciding: None,
        digest: Digest([0; 16]),
        matched: RuleSet::EMPTY,
        braked: RuleSet::EMPTY,
        seen: ArrayVec::new_const(),
        contributions: ArrayVec::new_const(),
        challenged: None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_sets_keep_every_index_up_to_the_limit() {
        let mut set = RuleSet::EMPTY;
        let rules = [0, 1, 63, 64, 500, RULES_MAX - 1];
        rules.iter().for_each(|&r| set.insert(r));
        set.insert(RULES_MAX); // one past the limit: no such rule
        assert_eq!(set.iter().collect::<Vec<_>>(), rules);
        assert!(set.contains(64) && !set.contains(65) && !set.contains(RULES_MAX));
    }
}
