//! What do merchants see of orders and payments?

use serde::Serialize;
use serde_json::value::RawValue;

use super::proofs::{By, NextAction};
use super::{Cashier, Note, words};
use crate::pay::{Account, Conversion, Notice, Order, OrderId, Payment, Phase};
use crate::time::Span;

/// An order as JSON.
pub(super) fn order(id: &OrderId, order: &Order) -> Vec<u8> {
    #[derive(Serialize)]
    struct View<'a> {
        id: &'a str,
        amount: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        settlement: Option<Settlement<'a>>,
        created_at: String,
        payments: Vec<&'a str>,
    }
    json(&View {
        id: id.as_str(),
        amount: order.amount.to_string(),
        settlement: order.conversion.as_deref().map(|c| Settlement::of(c, None)),
        created_at: order.created.to_string(),
        payments: order.attempts.iter().map(|p| p.as_str()).collect(),
    })
}

#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    merchant: &'a str,
    order: &'a str,
    attempt: u32,
    method: &'a str,
    amount: String,
    state: &'a str,
    captured: String,
    refunded: String,
    /// What may still be refunded.
    refundable: String,
    merchant_balance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement: Option<Settlement<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    /// The group of the institution's last decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    decline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    institution_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Where the payer goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
    /// What the payer does next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action: Option<NextAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    three_ds: Option<ThreeDs<'a>>,
    operations: Vec<Operation<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disputes: Vec<Dispute<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reports: Vec<Report<'a>>,
    sequence: u32,
    created_at: String,
    changed_at: String,
    message: words::Message,
}

#[derive(Serialize)]
struct Challenge {
    number: u32,
    expires_at: String,
    tries_left: u8,
    sends: u8,
    /// `sent`, `failed` or `limited`: what became of the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    /// When the code can be sent again, if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_at: Option<String>,
    message: words::Message,
}

/// What the merchant gets, in its own currency: by the rate that the order was created with.
#[derive(Serialize)]
struct Settlement<'a> {
    amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded: Option<String>,
    rate: String,
    rates_version: &'a str,
}

impl<'a> Settlement<'a> {
    fn of(conversion: &'a Conversion, payment: Option<&Payment>) -> Settlement<'a> {
        let part = |money| conversion.rate().convert(money).map(|m| m.to_string());
        Settlement {
            amount: conversion.amount().to_string(),
            captured: payment.and_then(|p| part(p.ledger().captured())),
            refunded: payment.and_then(|p| part(p.ledger().refunded())),
            rate: conversion.rate().to_string(),
            rates_version: conversion.version(),
        }
    }
}

/// What came of 3-D Secure, without what the issuer knows it by.
#[derive(Serialize)]
struct ThreeDs<'a> {
    version: &'a str,
    trans_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    eci: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ds_trans_id: Option<&'a str>,
    liability_shift: bool,
}

#[derive(Serialize)]
struct Operation<'a> {
    operation: &'a str,
    amount: String,
    phase: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<&'a str>,
}

#[derive(Serialize)]
struct Dispute<'a> {
    id: &'a str,
    amount: String,
    kind: &'a str,
    state: &'a str,
    opened_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

/// A report of fraud.
#[derive(Serialize)]
struct Report<'a> {
    id: &'a str,
    by: &'a str,
    r#type: &'a str,
    at: String,
}

/// A payment as JSON.
pub(super) fn payment(cashier: &Cashier, payment: &Payment) -> Vec<u8> {
    json(&view(cashier, payment))
}

/// What a merchant is told, as JSON.
pub(super) fn notice(cashier: &Cashier, id: &str, notice: &Notice, payment: &Payment) -> Vec<u8> {
    #[derive(Serialize)]
    struct Told<'a> {
        id: &'a str,
        r#type: String,
        payment: View<'a>,
        sequence: u32,
        created_at: String,
    }
    json(&Told {
        id,
        r#type: format!("payment.{}", notice.state.name()),
        payment: view(cashier, payment),
        sequence: notice.sequence,
        created_at: notice.at.to_string(),
    })
}

/// Payments that somebody is to look at, each with what the engine answered, as a JSON array.
pub(super) fn reviews<'a>(cashier: &Cashier, held: impl Iterator<Item = &'a Payment>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Held<'a> {
        #[serde(flatten)]
        payment: View<'a>,
        /// When it is declined if nobody has looked.
        expires_at: String,
        /// What is known of it.
        facts: Option<Box<RawValue>>,
        /// What the engine answered.
        decision: Option<Box<RawValue>>,
    }
    let patience = i64::try_from(cashier.settings.review.0.as_micros()).unwrap_or(i64::MAX);
    let held = held.map(|p| Held {
        payment: view(cashier, p),
        expires_at: p.changed_at().plus(Span::from_micros(patience)).to_string(),
        facts: serde_json::from_slice(p.facts()).ok(),
        decision: serde_json::from_slice(p.explanation()).ok(),
    });
    json(&held.collect::<Vec<_>>())
}

fn view<'a>(cashier: &Cashier, payment: &'a Payment) -> View<'a> {
    use crate::pay::Operation as Op;
    let ledger = payment.ledger();
    let money = |minor| crate::money::Money { minor, currency: payment.amount().currency }.to_string();
    let note = cashier.notes.get(payment.id()).map(|note| note.clone()).unwrap_or_default();
    let Note { code, reference } = note;
    let declined = |phase| match phase {
        Phase::Declined(group) => Some(group.name()),
        _ => None,
    };
    let challenge = payment.challenge().filter(|_| payment.state() == crate::pay::State::Challenged);
    let (next_action, asked) = match challenge {
        Some(_) => cashier.next_action(payment),
        None => (None, words::state(payment.state())),
    };
    let proof = cashier.proof(payment.id());
    View {
        id: payment.id().as_str(),
        merchant: payment.merchant().as_str(),
        order: payment.order().as_str(),
        attempt: payment.attempt(),
        method: payment.method().name(),
        amount: payment.amount().to_string(),
        state: payment.state().name(),
        captured: ledger.captured().to_string(),
        refunded: ledger.refunded().to_string(),
        refundable: ledger.refundable().to_string(),
        merchant_balance: money(ledger.balance(Account::Merchant)),
        settlement: payment.conversion().map(|c| Settlement::of(c, Some(payment))),
        channel: payment.channel().map(|c| c.as_str()),
        decline: payment.operations().last().and_then(|o| declined(o.phase)),
        institution_code: code,
        reference,
        pay_url: payment.pay_url().map(str::to_owned),
        challenge: challenge.map(|c| Challenge {
            number: c.number,
            expires_at: c.begun.plus(crate::pay::CODE_KEPT).to_string(),
            tries_left: c.tries_left(),
            sends: c.sends,
            delivery: proof.delivery.name(),
            resend_at: Some(c)
                .filter(|c| proof.by == By::Code && c.sends < crate::pay::CODE_SENDS_MAX)
                .map(|c| if c.sends == 0 { c.begun } else { c.sent.plus(crate::pay::CODE_SENDS_APART) })
                .map(|at| at.to_string()),
            message: asked.into(),
        }),
        next_action,
        three_ds: payment.three_ds().map(|found| ThreeDs {
            version: found.version(),
            trans_status: found.status().name(),
            eci: found.eci(),
            ds_trans_id: found.ds_trans_id(),
            liability_shift: found.shifts_liability(),
        }),
        operations: payment
            .operations()
            .iter()
            .map(|o| Operation {
                operation: o.operation.name(),
                amount: match &o.operation {
                    Op::Authorize | Op::Void => payment.amount().to_string(),
                    Op::Capture { amount } | Op::Refund { amount, .. } => amount.to_string(),
                },
                phase: o.phase.name(),
                decline: declined(o.phase),
                refund: match &o.operation {
                    Op::Refund { refund, .. } => Some(refund.as_str()),
                    _ => None,
                },
            })
            .collect(),
        disputes: payment
            .disputes()
            .iter()
            .map(|d| Dispute {
                id: d.id.as_str(),
                amount: d.amount.to_string(),
                kind: d.kind.name(),
                state: match d.won {
                    None => "open",
                    Some(true) => "won",
                    Some(false) => "lost",
                },
                opened_at: d.opened.to_string(),
                ended_at: d.ended.map(|at| at.to_string()),
            })
            .collect(),
        reports: payment
            .reports()
            .iter()
            .map(|r| Report {
                id: r.id.as_str(),
                by: r.by.name(),
                r#type: r.kind.name(),
                at: r.at.to_string(),
            })
            .collect(),
        sequence: payment.sequence(),
        created_at: payment.created_at().to_string(),
        changed_at: payment.changed_at().to_string(),
        message: words::state(payment.state()).into(),
    }
}

/// Plain data always serialises.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
