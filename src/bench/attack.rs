//! What did the attacks cost? For each one the payments and the money that passed before its first decline.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

use super::measure::Answer;
use super::workload::Workload;
use crate::decision::Outcome;
use crate::money::Rates;
use crate::payment::Payment;
use crate::schema::{Schema, field};
use crate::velocity::Status;

/// The attack that a payment is a part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attack {
    pub(crate) kind: Arc<str>,
    /// Which of its kind.
    pub(crate) number: u64,
}

impl Attack {
    /// By the labels of a recorded payment: those of one `campaign` and one account, or else device, belong together.
    pub(super) fn labelled(schema: &Schema, payment: &Payment) -> Option<Attack> {
        let kind = payment.text(field::CAMPAIGN)?.into();
        let by = [field::ACCOUNT, field::DEVICE, field::CARD].into_iter().find_map(|id| payment.text(id))?;
        let number = foldhash::fast::FixedState::with_seed(schema.seed()).hash_one(Key(by));
        Some(Attack { kind, number })
    }
}

#[derive(Hash)]
struct Key<'a>(&'a str);

/// What was answered to each payment of the first round.
pub(crate) struct Board(Box<[AtomicU8]>);

/// Nobody has answered yet.
const UNASKED: u8 = 0;
/// Answered, and not with a decline; or not answered, which leaves it to the caller.
const PASSED: u8 = 1;
const DECLINED: u8 = 2;
const UNANSWERED: u8 = 3;

impl Board {
    pub(super) fn new(payments: usize) -> Board {
        Board((0..payments).map(|_| AtomicU8::new(UNASKED)).collect())
    }

    #[inline]
    pub(super) fn note(&self, place: usize, answer: Answer) {
        let noted = match answer {
            Answer::Decided(Outcome::Decline) => DECLINED,
            Answer::Decided(_) | Answer::Fine => PASSED,
            _ => UNANSWERED,
        };
        // Read once all who write have ended.
        self.0[place].store(noted, Ordering::Relaxed);
    }

    fn at(&self, place: usize) -> u8 {
        self.0[place].load(Ordering::Relaxed)
    }
}

/// All attacks of a kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttackFigures {
    /// The simulator's name for it, or the file's `campaign`.
    pub(crate) kind: String,
    /// Attacks that were asked about whole.
    pub(crate) attacks: u64,
    /// Those of which a payment was declined.
    pub(crate) blocked: u64,
    /// Their payments.
    pub(crate) payments: u64,
    /// Payments that nobody answered; they count as passed.
    pub(crate) unanswered: u64,
    /// Payments of an attack before its first decline, or all: the middle attack, and one in ten.
    pub(crate) payments_before_block: [u64; 2],
    /// The largest of them.
    pub(crate) payments_before_block_max: u64,
    /// Minor units that the institution paid out before the first decline, in sum.
    pub(crate) lost_minor: i64,
    /// Minor units that it would have paid out without any decline.
    pub(crate) at_stake_minor: i64,
    /// Payments in a currency without a rate; their money is in no sum.
    pub(crate) without_rate: u64,
}

#[derive(Default)]
struct Course {
    payments: u64,
    unanswered: u64,
    unasked: bool,
    blocked: bool,
    before: u64,
    lost: i64,
    stake: i64,
    without_rate: u64,
}

/// The figures of each kind of attack, with money in the rates' base currency.
pub(super) fn figures(workload: &Workload, board: &Board, rates: &Rates) -> Vec<AttackFigures> {
    let mut courses: BTreeMap<&Attack, Course> = BTreeMap::new();
    for (place, attack, payment) in workload.labelled() {
        let course = courses.entry(attack).or_default();
        let answer = board.at(place);
        course.payments += 1;
        course.unasked |= answer == UNASKED;
        course.unanswered += u64::from(answer == UNANSWERED);
        course.blocked |= answer == DECLINED;
        let money = match paid_out(payment) {
            true => payment.amount().map(|amount| rates.to_base(amount)),
            false => None,
        };
        course.without_rate += u64::from(money == Some(None));
        let minor = money.flatten().map_or(0, |money| money.minor);
        course.stake = course.stake.saturating_add(minor);
        if !course.blocked {
            course.before += 1;
            course.lost = course.lost.saturating_add(minor);
        }
    }
    let mut kinds: BTreeMap<&str, (AttackFigures, Vec<u64>)> = BTreeMap::new();
    for (attack, course) in courses.into_iter().filter(|(_, course)| !course.unasked) {
        let (figures, before) = kinds.entry(&attack.kind).or_default();
        figures.attacks += 1;
        figures.blocked += u64::from(course.blocked);
        figures.payments += course.payments;
        figures.unanswered += course.unanswered;
        figures.lost_minor = figures.lost_minor.saturating_add(course.lost);
        figures.at_stake_minor = figures.at_stake_minor.saturating_add(course.stake);
        figures.without_rate += course.without_rate;
        before.push(course.before);
    }
    let figures = kinds.into_iter().map(|(kind, (mut figures, mut before))| {
        before.sort_unstable();
        let at = |share: usize| before.get((before.len() * share / 10).min(before.len() - 1)).copied();
        figures.kind = kind.to_owned();
        figures.payments_before_block = [at(5), at(9)].map(Option::unwrap_or_default);
        figures.payments_before_block_max = before.last().copied().unwrap_or_default();
        figures
    });
    figures.collect()
}

/// Whether the institution pays, once we let it pass.
fn paid_out(payment: &Payment) -> bool {
    let status = payment.text(field::STATUS).and_then(Status::parse);
    !matches!(status, Some(Status::Declined | Status::OtpFailed | Status::Blocked))
}
