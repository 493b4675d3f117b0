//! An order and its payments in an image.

use foldhash::HashMap;

use crate::journal::wire::{Cursor, Malformed, put_bytes, put_instant, put_option, put_signed, put_varint};
use crate::money::Money;
use crate::pay::challenge::Challenge;
use crate::pay::effect::CallKey;
use crate::pay::heard::Heard;
use crate::pay::id::{ChannelId, DisputeId, MerchantId, OrderId, PaymentId, ReportId};
use crate::pay::ledger::Ledger;
use crate::pay::order::Order;
use crate::pay::payment::{Clearance, Dispute, Payment, Phase, Requested};
use crate::pay::record::parts::{
    all, conversion, id, money, one_of, operation, put_all, put_conversion, put_money, put_one_of,
    put_operation, put_text, put_three_ds, three_ds,
};
use crate::pay::report::{FraudReport, FraudType, Reporter};
use crate::pay::state::{DeclineGroup, DisputeKind, Method, State};
use crate::velocity::Status;

const CLEARANCES: &[Clearance] =
    &[Clearance::Unassessed, Clearance::Cleared, Clearance::Held, Clearance::Refused];

/// An order with its payments.
pub(super) type Ordered = ((MerchantId, OrderId), Order, Vec<Payment>);

/// An order and its payments, which say nothing that it says.
pub(super) fn put_order(out: &mut Vec<u8>, order: &Order, payments: &HashMap<PaymentId, Payment>) {
    let Order { amount, conversion, attempts, created } = order;
    put_money(out, *amount);
    put_option(out, conversion.as_deref(), put_conversion);
    put_instant(out, *created);
    put_varint(out, attempts.len() as u64);
    attempts.iter().filter_map(|id| payments.get(id)).for_each(|payment| put_payment(out, payment));
}

pub(super) fn ordered(c: &mut Cursor<'_>) -> Result<Ordered, Malformed> {
    let name = (id(c, MerchantId::parse)?, id(c, OrderId::parse)?);
    let amount = money(c)?;
    let conversion = c.option(conversion)?.map(Box::new);
    let created = c.instant()?;
    let mut order = Order { amount, conversion, attempts: Vec::new(), created };
    let mut payments = Vec::new();
    for attempt in 1..=c.number()? {
        let payment = payment(c, &name, &order, attempt)?;
        order.attempts.push(payment.id.clone());
        payments.push(payment);
    }
    Ok((name, order, payments))
}

fn put_payment(out: &mut Vec<u8>, payment: &Payment) {
    // Merchant, order, attempt, amount and conversion are the order's.
    let Payment {
        id,
        merchant: _,
        order: _,
        attempt: _,
        method,
        amount: _,
        conversion: _,
        beneath,
        clearance,
        challenge,
        stepped_up,
        three_ds,
        ledger,
        operations,
        disputes,
        reports,
        settlements,
        heard,
        explanation,
        told,
        sequence,
        channel,
        pay_url,
        facts,
        notices,
        created,
        captured,
        changed,
    } = payment;
    put_text(out, id.as_str());
    put_one_of(out, Method::ALL, *method);
    put_one_of(out, State::ALL, *beneath);
    put_one_of(out, CLEARANCES, *clearance);
    put_option(out, *challenge, put_challenge);
    out.push(u8::from(*stepped_up));
    put_option(out, three_ds.as_deref(), put_three_ds);
    ledger.numbers().into_iter().for_each(|minor| put_signed(out, minor));
    put_all(out, operations, |out, Requested { key, operation, phase }| {
        out.extend_from_slice(&key.0);
        put_operation(out, operation);
        put_phase(out, *phase);
    });
    put_all(out, disputes, put_dispute);
    put_all(out, reports, |out, FraudReport { id, by, kind, at }| {
        put_text(out, id.as_str());
        put_one_of(out, Reporter::ALL, *by);
        put_one_of(out, FraudType::ALL, *kind);
        put_instant(out, *at);
    });
    put_all(out, settlements, |out, (status, at)| {
        put_one_of(out, &Status::ALL, *status);
        put_instant(out, *at);
    });
    put_varint(out, u64::from(heard.settlements));
    put_varint(out, heard.record);
    put_bytes(out, explanation);
    put_option(out, *told, |out, fraud| out.push(u8::from(fraud)));
    put_varint(out, u64::from(*sequence));
    put_option(out, channel.as_ref().map(ChannelId::as_str), put_text);
    put_text(out, pay_url);
    put_bytes(out, facts);
    put_all(out, notices, |out, (sequence, state, at)| {
        put_varint(out, u64::from(*sequence));
        put_one_of(out, State::ALL, *state);
        put_instant(out, *at);
    });
    put_instant(out, *created);
    put_option(out, *captured, put_instant);
    put_instant(out, *changed);
}

fn payment(
    c: &mut Cursor<'_>,
    (merchant, name): &(MerchantId, OrderId),
    order: &Order,
    attempt: u32,
) -> Result<Payment, Malformed> {
    let flag = |c: &mut Cursor<'_>| one_of(c, &[false, true]);
    // In the order in which they were put.
    Ok(Payment {
        id: id(c, PaymentId::parse)?,
        merchant: merchant.clone(),
        order: name.clone(),
        attempt,
        method: one_of(c, Method::ALL)?,
        amount: order.amount,
        conversion: order.conversion.clone(),
        beneath: one_of(c, State::ALL)?,
        clearance: one_of(c, CLEARANCES)?,
        challenge: c.option(challenge)?,
        stepped_up: flag(c)?,
        three_ds: c.option(three_ds)?.map(Box::new),
        ledger: {
            let mut numbers = [0; 8];
            for number in &mut numbers {
                *number = c.signed()?;
            }
            let ledger = Ledger::of_numbers(order.amount.currency, numbers);
            ledger.ok_or_else(|| Malformed::new("a payment is not balanced"))?
        },
        operations: all(c, |c| {
            Ok(Requested { key: CallKey(c.array()?), operation: operation(c)?, phase: phase(c)? })
        })?,
        disputes: all(c, |c| dispute(c, order.amount))?,
        reports: all(c, |c| {
            Ok(FraudReport {
                id: id(c, ReportId::parse)?,
                by: one_of(c, Reporter::ALL)?,
                kind: one_of(c, FraudType::ALL)?,
                at: c.instant()?,
            })
        })?,
        settlements: all(c, |c| Ok((one_of(c, &Status::ALL)?, c.instant()?)))?,
        heard: Heard { settlements: c.number()?, record: c.varint()? },
        explanation: c.bytes()?.into(),
        told: c.option(flag)?,
        sequence: c.number()?,
        channel: c.option(|c| id(c, ChannelId::parse))?,
        pay_url: c.text()?.into(),
        facts: c.bytes()?.into(),
        notices: all(c, |c| Ok((c.number()?, one_of(c, State::ALL)?, c.instant()?)))?,
        created: c.instant()?,
        captured: c.option(Cursor::instant)?,
        changed: c.instant()?,
    })
}

fn put_challenge(out: &mut Vec<u8>, challenge: Challenge) {
    let Challenge { number, begun, sends, sent, tries } = challenge;
    put_varint(out, u64::from(number));
    put_instant(out, begun);
    out.push(sends);
    put_instant(out, sent);
    out.push(tries);
}

fn challenge(c: &mut Cursor<'_>) -> Result<Challenge, Malformed> {
    Ok(Challenge {
        number: c.number()?,
        begun: c.instant()?,
        sends: c.byte()?,
        sent: c.instant()?,
        tries: c.byte()?,
    })
}

fn put_phase(out: &mut Vec<u8>, phase: Phase) {
    match phase {
        Phase::Sent => out.push(0),
        Phase::Unknown => out.push(1),
        Phase::Approved => out.push(2),
        Phase::Declined(group) => {
            out.push(3);
            put_one_of(out, DeclineGroup::ALL, group);
        }
    }
}

fn phase(c: &mut Cursor<'_>) -> Result<Phase, Malformed> {
    Ok(match c.byte()? {
        0 => Phase::Sent,
        1 => Phase::Unknown,
        2 => Phase::Approved,
        3 => Phase::Declined(one_of(c, DeclineGroup::ALL)?),
        _ => return Err(Malformed::new("a phase is unknown")),
    })
}

/// Its currency is the payment's.
fn put_dispute(out: &mut Vec<u8>, dispute: &Dispute) {
    let Dispute { id, amount, kind, won, opened, ended } = dispute;
    put_text(out, id.as_str());
    put_signed(out, amount.minor);
    put_one_of(out, DisputeKind::ALL, *kind);
    put_option(out, *won, |out, won| out.push(u8::from(won)));
    put_instant(out, *opened);
    put_option(out, *ended, put_instant);
}

fn dispute(c: &mut Cursor<'_>, paid: Money) -> Result<Dispute, Malformed> {
    Ok(Dispute {
        id: id(c, DisputeId::parse)?,
        amount: Money { minor: c.signed()?, ..paid },
        kind: one_of(c, DisputeKind::ALL)?,
        won: c.option(|c| one_of(c, &[false, true]))?,
        opened: c.instant()?,
        ended: c.option(Cursor::instant)?,
    })
}
