//! Which institution is asked, and what did it say?

use std::sync::Arc;

use super::happen::{Fault, changed};
use super::{Calls, Cashier, Note, assess};
use crate::channel::{Before, Channel, Reply, Request, Routed, Way};
use crate::failpoint::{Failpoint, reach};
use crate::institution::Guard;
use crate::pay::{
    Answer, Call, CallKey, Change, ChannelId, DeclineGroup, Effect, Event, MerchantId, Operation, PaymentId,
};
use crate::serve::log::{self, Level};

/// Marks a key as being asked about for as long as it lives.
struct Running<'a>(&'a Cashier, CallKey);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.calls.lock().running.remove(&self.1);
    }
}

/// Has intent and way on the disk before a byte is sent.
struct Recorded<'a> {
    cashier: &'a Cashier,
    merchant: &'a MerchantId,
    call: &'a Call,
}

impl Before<Guard> for Recorded<'_> {
    type Error = Fault;

    async fn asked(&mut self, way: &Way<Guard>) -> Result<(), Fault> {
        let channel = ChannelId::parse(way.channel.name())?;
        let (merchant, payment) = (self.merchant.clone(), self.call.payment.clone());
        self.cashier.take(Event::Routed { merchant, payment, channel })?;
        self.cashier.recorded().await?;
        reach(Failpoint::CallIntended);
        self.cashier.calls.lock().sent.insert(self.call.key);
        Ok(())
    }
}

impl Cashier {
    /// `None` when somebody asks about it already.
    fn running(&self, key: CallKey) -> Option<Running<'_>> {
        let is_first = self.calls.lock().running.insert(key);
        // Made only when it is wanted: its end takes the mark away.
        is_first.then(|| Running(self, key))
    }

    /// All that a channel needs for a call; with the merchant and the way it goes.
    fn request(&self, call: &Call) -> Option<(Request, Option<ChannelId>)> {
        let book = self.book.lock();
        let payment = book.called(&call.key)?;
        let original = match call.operation {
            Operation::Authorize => None,
            _ => payment.operations().iter().find(|o| o.operation == Operation::Authorize),
        };
        let held = self.held.get(&call.payment);
        let request = Request {
            call: call.clone(),
            merchant: payment.merchant().clone(),
            order: payment.order().clone(),
            requested: payment.created_at(),
            original: original.map(|o| (o.key, payment.amount())),
            instrument: held.and_then(|held| held.instrument.clone()),
            subject: payment.order().to_string(),
            authenticated: payment.is_stepped_up(),
            three_ds: payment.three_ds().filter(|found| found.status().is_proof()).cloned(),
            placed: payment.pay_url().is_some(),
            repetition: u32::from(self.calls.lock().sent.contains(&call.key)),
        };
        Some((request, payment.channel().cloned()))
    }

    /// Keeps what the institution told besides.
    fn note(&self, call: &Call, reply: &Reply) {
        let Reply { code, reference, .. } = reply;
        if code.is_none() && reference.is_none() {
            return;
        }
        let mut note = self.notes.entry(call.payment.clone()).or_default();
        let Note { code: c, reference: r } = &mut *note;
        for (kept, told) in [(c, code), (r, reference)] {
            if told.is_some() {
                kept.clone_from(told);
            }
        }
    }

    /// Records where the payer goes on, so that it is told after a restart, too. Whoever tells it waits for the record.
    fn placed(&self, merchant: &MerchantId, call: &Call, reply: &Reply) -> Result<(), Fault> {
        let Some(pay_url) = reply.pay_url.as_deref() else { return Ok(()) };
        let (merchant, payment) = (merchant.clone(), call.payment.clone());
        match self.take(Event::Placed { merchant, payment, pay_url: pay_url.into() }) {
            // It is known by now; or all was over meanwhile, and nobody goes on there.
            Ok(_) | Err(Fault::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// What was answered is an event like any other.
    async fn answered(
        &self,
        merchant: &MerchantId,
        call: &Call,
        answer: Answer,
    ) -> Result<Vec<Effect>, Fault> {
        self.durable(changed(merchant, &call.payment, Change::Answered { key: call.key, answer })).await
    }
}

/// Asks for something, by the payment's way or by the first that can be reached, and takes the answer.
pub(super) async fn call(cashier: &Arc<Cashier>, call: Call) -> Result<Vec<Effect>, Fault> {
    let Some(_running) = cashier.running(call.key) else { return Ok(Vec::new()) };
    let Some((request, chosen)) = cashier.request(&call) else { return Ok(Vec::new()) };
    let (merchant, first) = (request.merchant.clone(), request.repetition == 0);
    let country = cashier.book.lock().any(&call.payment).and_then(|p| assess::country(p.facts()));
    let chosen = chosen.as_ref().map(ChannelId::as_str);
    let before = Recorded { cashier, merchant: &merchant, call: &call };
    let Routed { reply, unreached, .. } = cashier.ways.ask(&request, country, chosen, before).await?;
    for (channel, why) in unreached {
        let fields = [("channel", channel.into()), ("why", why.into())];
        log::event(Level::Warn, "institution_unreachable", &fields);
    }
    let answer = match reply.answer {
        // Nothing of it has left this process, ever.
        Answer::Unknown if !reply.sent && first => {
            cashier.calls.lock().sent.remove(&call.key);
            Answer::Declined(DeclineGroup::Technical)
        }
        answer => answer,
    };
    cashier.note(&call, &reply);
    reach(Failpoint::CallAnswered);
    cashier.placed(&merchant, &call, &reply)?;
    let effects = cashier.answered(&merchant, &call, answer).await?;
    reach(Failpoint::CallRecorded);
    Ok(effects)
}

/// Asks what became of something, and takes the answer; nothing when it is being asked for now.
pub(super) async fn query(cashier: &Arc<Cashier>, call: Call) -> Result<Vec<Effect>, Fault> {
    let Some(_running) = cashier.running(call.key) else { return Ok(Vec::new()) };
    let Some((request, chosen)) = cashier.request(&call) else { return Ok(Vec::new()) };
    let channel = match &chosen {
        Some(name) => cashier.ways.named(name.as_str()).map(|way| way.channel.clone()),
        // Recorded as intended and not as routed: nothing was sent.
        None => {
            let answer = Answer::Declined(DeclineGroup::Technical);
            return cashier.answered(&request.merchant, &call, answer).await;
        }
    };
    let Some(channel) = channel else { return Ok(Vec::new()) };
    let request = Request { repetition: request.repetition.max(1), ..request };
    let reply = channel.query(&request).await;
    reach(Failpoint::QueryAnswered);
    cashier.note(&call, &reply);
    cashier.placed(&request.merchant, &call, &reply)?;
    cashier.answered(&request.merchant, &call, reply.answer).await
}

/// Takes what an institution tells by itself.
pub(super) async fn told(cashier: &Arc<Cashier>, reply: &Reply) -> Result<(PaymentId, Vec<Effect>), Fault> {
    let found = reply.key.and_then(|key| {
        let book = cashier.book.lock();
        let payment = book.called(&key)?;
        Some((payment.merchant().clone(), payment.called(&key)?))
    });
    let (merchant, call) = found.ok_or(crate::pay::Error::UnknownCall)?;
    cashier.note(&call, reply);
    reach(Failpoint::CallbackRead);
    let effects = cashier.answered(&merchant, &call, reply.answer).await?;
    reach(Failpoint::CallbackRecorded);
    Ok((call.payment, effects))
}

/// What an institution was asked for and has not answered, and whether it is being asked about. What is recorded and
/// about to be sent is not among it; what is answered is forgotten here.
pub(super) fn unfinished(cashier: &Cashier) -> Vec<(Call, bool)> {
    let book = cashier.book.lock();
    let mut calls = cashier.calls.lock();
    let Calls { sent, running } = &mut *calls;
    let mut open = Vec::new();
    sent.retain(|key| {
        let payment = book.called(key).filter(|p| p.open().is_some_and(|open| open.key == *key));
        let call = payment.and_then(|p| p.called(key));
        let is_open = call.is_some();
        open.extend(call.map(|call| (call, running.contains(key))));
        is_open
    });
    open
}
