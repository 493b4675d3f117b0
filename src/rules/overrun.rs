//! Which rules went past their brake over a run of files? By the payments' own time, and without consequence: a
//! history is decided by the rules as they stand.

use crate::decision::{Decision, Degraded};
use crate::payment::Payment;
use crate::rules::brake::{Reading, Watch};
use crate::rules::{Rule, Trip};
use crate::time::Timestamp;

/// The rules of a run that carry a brake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overruns {
    watched: Vec<Watched>,
    payments: u64,
    /// The latest time of a payment that can be believed.
    clock: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Watched {
    rule: usize,
    matches: u64,
    /// Until it is past, and from the first payment on.
    watch: Option<Watch>,
    first: Option<Trip>,
}

impl Overruns {
    /// Those of these rules; none in shadow, which have no effect to lose.
    pub(crate) fn of(rules: &[Rule]) -> Overruns {
        let carries = |rule: &Rule| rule.brake.is_some() && !rule.shadow;
        let watched = rules.iter().enumerate().filter(|(_, rule)| carries(rule));
        let watched = watched.map(|(rule, _)| Watched { rule, matches: 0, watch: None, first: None });
        Overruns { watched: watched.collect(), ..Overruns::default() }
    }

    /// Counts a decision.
    pub(crate) fn count(&mut self, rules: &[Rule], payment: &Payment, decision: &Decision) {
        if self.watched.is_empty() {
            return;
        }
        let believed = !decision.degraded.contains(Degraded::WILD_TIME);
        self.clock = self.clock.max(believed.then(|| payment.at()));
        // Before the first time that can be believed nothing is measured.
        let Some(clock) = self.clock else { return };
        let (at, before) = (clock.micros(), self.payments);
        self.payments += 1;
        for Watched { rule, matches, watch, first } in self.watched.iter_mut().filter(|w| w.first.is_none()) {
            let Some(brake) = rules.get(*rule).and_then(|rule| rule.brake) else { continue };
            let from = Reading { at, payments: before, matches: *matches };
            *matches += u64::from(decision.matched.contains(*rule));
            let now = Reading { at, payments: self.payments, matches: *matches };
            let past = watch.get_or_insert_with(|| Watch::new(brake, from)).look(now);
            *first = past.map(|(payments, matches)| Trip { at: clock, payments, matches });
        }
    }

    /// The rules that went past their brake, by their numbers, and where each first did.
    pub(crate) fn first(&self) -> impl Iterator<Item = (usize, Trip)> {
        self.watched.iter().filter_map(|watched| Some((watched.rule, watched.first?)))
    }
}
