//! What happened to a payment, in bytes.

use super::parts::{
    id, money, one_of, operation, put_money, put_one_of, put_operation, put_text, put_three_ds, three_ds,
};
use crate::decision::Outcome;
use crate::journal::wire::{Cursor, Malformed};
use crate::pay::effect::CallKey;
use crate::pay::event::{Answer, Change};
use crate::pay::id::{DisputeId, OperatorId, ReportId};
use crate::pay::report::{FraudType, Reporter};
use crate::pay::state::{ChallengeResult, DeclineGroup, DisputeKind, ReviewResult};

mod tag {
    pub const ASSESSED: u8 = 0;
    pub const CHALLENGE_ENDED: u8 = 1;
    pub const REVIEW_ENDED: u8 = 2;
    pub const INTENDED: u8 = 3;
    pub const ANSWERED: u8 = 4;
    pub const RESOLVED: u8 = 5;
    pub const DISPUTE_OPENED: u8 = 6;
    pub const DISPUTE_WON: u8 = 7;
    pub const DISPUTE_LOST: u8 = 8;
    pub const CODE_SENT: u8 = 9;
    pub const CODE_TRIED: u8 = 10;
    pub const AUTHENTICATED: u8 = 32;
    pub const FRAUD_REPORTED: u8 = 11;

    pub const APPROVED: u8 = 0;
    pub const DECLINED: u8 = 1;
    pub const UNKNOWN: u8 = 2;
    pub const ABSENT: u8 = 3;
}

pub(super) fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Assessed(outcome) => {
            out.push(tag::ASSESSED);
            put_one_of(out, &Outcome::ALL, *outcome);
        }
        Change::CodeSent => out.push(tag::CODE_SENT),
        Change::CodeTried => out.push(tag::CODE_TRIED),
        Change::Authenticated(found) => {
            out.push(tag::AUTHENTICATED);
            put_three_ds(out, found);
        }
        Change::ChallengeEnded(result) => {
            out.push(tag::CHALLENGE_ENDED);
            put_one_of(out, ChallengeResult::ALL, *result);
        }
        Change::ReviewEnded(result) => {
            out.push(tag::REVIEW_ENDED);
            put_one_of(out, ReviewResult::ALL, *result);
        }
        Change::Intended(operation) => {
            out.push(tag::INTENDED);
            put_operation(out, operation);
        }
        Change::Answered { key, answer } => {
            out.push(tag::ANSWERED);
            out.extend_from_slice(&key.0);
            put_answer(out, *answer);
        }
        Change::Resolved { key, took_effect, operator } => {
            out.push(tag::RESOLVED);
            out.extend_from_slice(&key.0);
            out.push(u8::from(*took_effect));
            put_text(out, operator.as_str());
        }
        Change::DisputeOpened { dispute, amount, kind } => {
            out.push(tag::DISPUTE_OPENED);
            put_text(out, dispute.as_str());
            put_money(out, *amount);
            put_one_of(out, DisputeKind::ALL, *kind);
        }
        Change::DisputeWon { dispute } => {
            out.push(tag::DISPUTE_WON);
            put_text(out, dispute.as_str());
        }
        Change::DisputeLost { dispute } => {
            out.push(tag::DISPUTE_LOST);
            put_text(out, dispute.as_str());
        }
        Change::FraudReported { report, by, kind } => {
            out.push(tag::FRAUD_REPORTED);
            put_text(out, report.as_str());
            put_one_of(out, Reporter::ALL, *by);
            put_one_of(out, FraudType::ALL, *kind);
        }
    }
}

pub(super) fn change(c: &mut Cursor<'_>) -> Result<Change, Malformed> {
    Ok(match c.byte()? {
        tag::ASSESSED => Change::Assessed(one_of(c, &Outcome::ALL)?),
        tag::CHALLENGE_ENDED => Change::ChallengeEnded(one_of(c, ChallengeResult::ALL)?),
        tag::REVIEW_ENDED => Change::ReviewEnded(one_of(c, ReviewResult::ALL)?),
        tag::INTENDED => Change::Intended(operation(c)?),
        tag::ANSWERED => Change::Answered { key: CallKey(c.array()?), answer: answer(c)? },
        tag::RESOLVED => Change::Resolved {
            key: CallKey(c.array()?),
            took_effect: one_of(c, &[false, true])?,
            operator: id(c, OperatorId::parse)?,
        },
        tag::DISPUTE_OPENED => Change::DisputeOpened {
            dispute: id(c, DisputeId::parse)?,
            amount: money(c)?,
            kind: one_of(c, DisputeKind::ALL)?,
        },
        tag::DISPUTE_WON => Change::DisputeWon { dispute: id(c, DisputeId::parse)? },
        tag::DISPUTE_LOST => Change::DisputeLost { dispute: id(c, DisputeId::parse)? },
        tag::FRAUD_REPORTED => Change::FraudReported {
            report: id(c, ReportId::parse)?,
            by: one_of(c, Reporter::ALL)?,
            kind: one_of(c, FraudType::ALL)?,
        },
        tag::CODE_SENT => Change::CodeSent,
        tag::CODE_TRIED => Change::CodeTried,
        tag::AUTHENTICATED => Change::Authenticated(Box::new(three_ds(c)?)),
        _ => return Err(Malformed::new("its change is unknown")),
    })
}

fn put_answer(out: &mut Vec<u8>, answer: Answer) {
    match answer {
        Answer::Approved { amount } => {
            out.push(tag::APPROVED);
            put_money(out, amount);
        }
        Answer::Declined(group) => {
            out.push(tag::DECLINED);
            put_one_of(out, DeclineGroup::ALL, group);
        }
        Answer::Unknown => out.push(tag::UNKNOWN),
        Answer::Absent => out.push(tag::ABSENT),
    }
}

fn answer(c: &mut Cursor<'_>) -> Result<Answer, Malformed> {
    Ok(match c.byte()? {
        tag::APPROVED => Answer::Approved { amount: money(c)? },
        tag::DECLINED => Answer::Declined(one_of(c, DeclineGroup::ALL)?),
        tag::UNKNOWN => Answer::Unknown,
        tag::ABSENT => Answer::Absent,
        _ => return Err(Malformed::new("its answer is unknown")),
    })
}
