//! What is a stage? One step of the pipeline: it sees the facts, and the assessment grows.

use crate::decision::{Outcome, RuleSet};
use crate::expr::Facts;
use crate::velocity::Status;

/// Whether the stages after this one are asked too.
///
/// ```
/// assert_ne!(tollgate::Flow::Continue, tollgate::Flow::Stop);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They are.
    Continue,
    /// They are not; what was found so far decides.
    Stop,
}

/// What a matching rule asks for, in order of precedence.
///
/// ```
/// use tollgate::Effect;
/// assert!(Effect::Hard < Effect::Allow); // what comes first wins
/// assert_eq!(Effect::Points(-20).to_string(), "-20");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Decline, whatever else matches: for sanctions and lists of the proven.
    Hard,
    /// Approve, unless something hard matches.
    Allow,
    /// Decline.
    Decline,
    /// Hold the capture.
    Review,
    /// Ask for proof.
    Challenge,
    /// Add to the score (or take from it).
    Points(i32),
}

impl Effect {
    /// Effects that settle the outcome by themselves; the rank is the index.
    const RANKS: [(Effect, Outcome); 5] = [
        (Effect::Hard, Outcome::Decline),
        (Effect::Allow, Outcome::Approve),
        (Effect::Decline, Outcome::Decline),
        (Effect::Review, Outcome::Review),
        (Effect::Challenge, Outcome::Challenge),
    ];

    fn rank(self) -> Option<usize> {
        Effect::RANKS.iter().position(|(effect, _)| *effect == self)
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Effect::Hard => f.write_str("hard decline"),
            Effect::Allow => f.write_str("allow"),
            Effect::Decline => f.write_str("decline"),
            Effect::Review => f.write_str("review"),
            Effect::Challenge => f.write_str("challenge"),
            Effect::Points(points) => write!(f, "{points:+}"),
        }
    }
}

/// From which score on the outcome hardens by itself; `None` for never.
///
/// ```
/// use tollgate::{Outcome, Thresholds};
/// let thresholds = Thresholds { challenge: Some(300), review: None, decline: Some(800) };
/// assert_eq!(thresholds.outcome(299), Outcome::Approve);
/// assert_eq!(thresholds.outcome(799), Outcome::Challenge);
/// assert_eq!(thresholds.outcome(800), Outcome::Decline);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thresholds {
    /// Challenge from this score on.
    pub challenge: Option<u16>,
    /// Review from this score on.
    pub review: Option<u16>,
    /// Decline from this score on.
    pub decline: Option<u16>,
}

impl Thresholds {
    /// The outcome that the score alone calls for.
    pub fn outcome(&self, score: u16) -> Outcome {
        let reached = |threshold: Option<u16>| threshold.is_some_and(|t| score >= t);
        if reached(self.decline) {
            Outcome::Decline
        } else if reached(self.review) {
            Outcome::Review
        } else if reached(self.challenge) {
            Outcome::Challenge
        } else {
            Outcome::Approve
        }
    }

    /// The score from which on anything but approve is called for.
    pub(crate) fn lowest(&self) -> Option<u16> {
        [self.challenge, self.review, self.decline].into_iter().flatten().min()
    }
}

/// The highest score.
///
/// ```
/// assert_eq!(tollgate::SCORE_MAX, 1000);
/// ```
pub const SCORE_MAX: u16 = 1000;

/// What the stages have found about one payment so far. It only grows.
///
/// ```
/// use tollgate::{Assessment, Effect, Facts, Flow, Stage};
/// struct Careful;
/// impl Stage for Careful {
///     fn name(&self) -> &str {
///         "careful"
///     }
///     fn assess(&self, _: Facts<'_>, assessment: &mut Assessment) -> Flow {
///         if assessment.score() > 500 {
///             assessment.raise(Effect::Review);
///         }
///         Flow::Continue
///     }
/// }
/// assert_eq!(Careful.name(), "careful");
/// ```
#[derive(Debug, Clone)]
pub struct Assessment {
    matched: RuleSet,
    /// Those of them that were braked.
    braked: RuleSet,
    /// The champion's score.
    base: u16,
    points: i64,
    /// The first rule found at each rank of [`Effect::RANKS`].
    first: [Option<u16>; 5],
    /// Index of the entry that stands for the stage now asked.
    stage: u16,
}

impl Assessment {
    /// Nothing found yet, beside a model's score.
    pub(crate) fn new(base: u16) -> Assessment {
        let (matched, braked) = (RuleSet::EMPTY, RuleSet::EMPTY);
        Assessment { matched, braked, base, points: 0, first: [None; 5], stage: u16::MAX }
    }

    pub(crate) fn enter(&mut self, stage: u16) {
        self.stage = stage;
    }

    /// Records that a rule matched, and its effect unless it is in shadow.
    pub(crate) fn record(&mut self, rule: u16, effect: Effect, shadow: bool) {
        self.matched.insert(usize::from(rule));
        if shadow {
            return;
        }
        match (effect, effect.rank()) {
            (Effect::Points(points), _) => self.points += i64::from(points),
            (_, Some(rank)) => {
                let first = &mut self.first[rank];
                *first = Some(first.map_or(rule, |other| other.min(rule)));
            }
            (_, None) => {}
        }
    }

    /// Records that a rule matched which has gone past its brake: without effect.
    pub(crate) fn record_braked(&mut self, rule: u16) {
        self.matched.insert(usize::from(rule));
        self.braked.insert(usize::from(rule));
    }

    /// The rules that matched so far and are braked.
    pub(crate) fn braked(&self) -> &RuleSet {
        &self.braked
    }

    /// For a stage of the user's own: asks for an effect, with the stage's name as the reason.
    pub fn raise(&mut self, effect: Effect) {
        self.record(self.stage, effect, false);
    }

    /// The rules that matched so far, shadow rules included.
    pub fn matched(&self) -> &RuleSet {
        &self.matched
    }

    /// The score so far, 0 to [`SCORE_MAX`]: the champion's and the rules' points.
    pub fn score(&self) -> u16 {
        self.score_from(self.base)
    }

    /// The score so far if the model had said `base`.
    pub(crate) fn score_from(&self, base: u16) -> u16 {
        (i64::from(base) + self.points).clamp(0, i64::from(SCORE_MAX)) as u16
    }

    /// Whether a hard rule matched, so that nothing can change the outcome any more.
    pub fn is_settled(&self) -> bool {
        self.first[0].is_some()
    }

    /// Outcome and deciding rule: the first rank that has a rule, else the score's thresholds.
    pub(crate) fn decide(&self, thresholds: &Thresholds) -> (Outcome, Option<u16>) {
        self.decide_from(self.base, thresholds)
    }

    /// The same if the model had said `base`.
    pub(crate) fn decide_from(&self, base: u16, thresholds: &Thresholds) -> (Outcome, Option<u16>) {
        for (rank, (_, outcome)) in Effect::RANKS.iter().enumerate() {
            if let Some(rule) = self.first[rank] {
                return (*outcome, Some(rule));
            }
        }
        (thresholds.outcome(self.score_from(base)), None)
    }
}

/// What became of a payment, told to the stages on the way out.
///
/// ```
/// use tollgate::{Settlement, Status};
/// assert_eq!(Settlement { status: Status::Disputed }.status.name(), "disputed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it.
    pub status: Status,
}

/// One step of the pipeline.
///
/// Rules, scopes and models are stages; a service adds its own with [`stage`] or with a type that
/// implements this.
///
/// ```
/// use tollgate::{Assessment, Effect, Facts, Flow, Stage};
/// struct Careful;
/// impl Stage for Careful {
///     fn name(&self) -> &str {
///         "careful"
///     }
///     fn assess(&self, _: Facts<'_>, assessment: &mut Assessment) -> Flow {
///         if assessment.score() > 500 {
///             assessment.raise(Effect::Review);
///         }
///         Flow::Continue
///     }
/// }
/// let pipeline = tollgate::Pipeline::shipped()?.then(Careful);
/// assert!(pipeline.rules().len() >= 40);
/// # Ok::<(), tollgate::Error>(())
/// ```
pub trait Stage: Send + Sync {
    /// The stage's name; also the reason code of what it raises by itself, in capitals.
    fn name(&self) -> &str;

    /// Adds what this stage finds. Must not wait, and should not allocate: it runs while the
    /// caller's payment is held up.
    fn assess(&self, facts: Facts<'_>, assessment: &mut Assessment) -> Flow;

    /// Assesses many payments; the answers are those of [`Stage::assess`] on each.
    fn assess_all(&self, facts: &[Facts<'_>], assessments: &mut [Assessment], flows: &mut [Flow]) {
        for ((facts, assessment), flow) in facts.iter().zip(assessments).zip(flows) {
            if *flow == Flow::Continue {
                *flow = self.assess(*facts, assessment);
            }
        }
    }

    /// Learns what became of the payment; called in reverse order of the stages.
    fn settle(&self, _facts: Facts<'_>, _settlement: Settlement) {}
}

/// A stage from a name and a closure.
///
/// ```
/// use tollgate::{Effect, Flow, stage};
/// let nightly = stage("big-ticket", |facts, assessment| {
///     if facts.payment.amount().is_some_and(|m| m.major() > 10_000.0) {
///         assessment.raise(Effect::Review);
///     }
///     Flow::Continue
/// });
/// assert_eq!(tollgate::Stage::name(&nightly), "big-ticket");
/// ```
pub fn stage<F>(name: &str, assess: F) -> impl Stage + use<F>
where
    F: Fn(Facts<'_>, &mut Assessment) -> Flow + Send + Sync,
{
    Closure { name: name.to_owned(), assess }
}

struct Closure<F> {
    name: String,
    assess: F,
}

impl<F> Stage for Closure<F>
where
    F: Fn(Facts<'_>, &mut Assessment) -> Flow + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn assess(&self, facts: Facts<'_>, assessment: &mut Assessment) -> Flow {
        (self.assess)(facts, assessment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(effects: &[Effect], expected: (Outcome, Option<u16>)) {
        let thresholds = Thresholds { challenge: Some(300), review: Some(500), decline: Some(800) };
        // The order in which rules match must not matter.
        for reverse in [false, true] {
            let mut assessment = Assessment::new(0);
            let mut numbered: Vec<_> = effects.iter().enumerate().collect();
            if reverse {
                numbered.reverse();
            }
            for (i, effect) in numbered {
                assessment.record(i as u16, *effect, false);
            }
            assert_eq!(assessment.decide(&thresholds), expected, "{effects:?}");
        }
    }

    #[test]
    fn precedence_is_hard_allow_decline_review_challenge_score() {
        use Effect::*;
        check(&[], (Outcome::Approve, None));
        check(&[Points(1000), Challenge, Review, Decline, Allow, Hard], (Outcome::Decline, Some(5)));
        check(&[Points(1000), Challenge, Review, Decline, Allow], (Outcome::Approve, Some(4)));
        check(&[Points(1000), Challenge, Review, Decline], (Outcome::Decline, Some(3)));
        check(&[Points(1000), Challenge, Review], (Outcome::Review, Some(2)));
        check(&[Points(1000), Challenge], (Outcome::Challenge, Some(1)));
        check(&[Points(700), Points(100)], (Outcome::Decline, None));
        check(&[Points(700), Points(-100), Points(-101)], (Outcome::Challenge, None));
        check(&[Review, Decline, Decline], (Outcome::Decline, Some(1)));
    }

    #[test]
    fn shadow_rules_are_recorded_without_effect() {
        let mut assessment = Assessment::new(0);
        assessment.record(3, Effect::Hard, true);
        assessment.record(4, Effect::Points(900), true);
        assert_eq!(
            assessment.decide(&Thresholds { decline: Some(1), ..Default::default() }),
            (Outcome::Approve, None)
        );
        assert_eq!(assessment.matched().iter().collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn the_score_stays_within_its_scale() {
        let mut assessment = Assessment::new(0);
        assessment.record(0, Effect::Points(-5000), false);
        assert_eq!(assessment.score(), 0);
        assessment.record(1, Effect::Points(50_000), false);
        assert_eq!(assessment.score(), SCORE_MAX);
    }

    #[test]
    fn points_are_added_to_the_models_score() {
        let mut assessment = Assessment::new(342);
        assert_eq!(assessment.score(), 342);
        assessment.record(0, Effect::Points(-50), false);
        assert_eq!((assessment.score(), assessment.score_from(500)), (292, 450));
        let thresholds = Thresholds { review: Some(300), ..Default::default() };
        assert_eq!(assessment.decide(&thresholds).0, Outcome::Approve);
        assert_eq!(assessment.decide_from(350, &thresholds).0, Outcome::Review);
    }
}
