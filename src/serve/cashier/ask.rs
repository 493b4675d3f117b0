//! Which institution is asked, and what did it say?

use std::sync::Arc;

use super::happen::{Fault, changed};
use super::ways::Way;
use super::{Calls, Cashier, Note, assess};
use crate::channel::{Channel, Reply, Request};
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
            placed: self.notes.get(&call.payment).is_some_and(|note| note.pay_url.is_some()),
            repetition: u32::from(self.calls.lock().sent.contains(&call.key)),
        };
        Some((request, payment.channel().cloned()))
    }

    /// Keeps what the institution told besides.
    fn note(&self, call: &Call, reply: &Reply) {
        let Reply { code, reference, pay_url, .. } = reply;
        if code.is_none() && reference.is_none() && pay_url.is_none() {
            return;
        }
        let mut note = self.notes.entry(call.payment.clone()).or_default();
        let Note { code: c, reference: r, pay_url: u } = &mut *note;
        for (kept, told) in [(c, code), (r, reference), (u, pay_url)] {
            if told.is_some() {
                kept.clone_from(told);
            }
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
    let merchant = request.merchant.clone();
    let first = request.repetition == 0;
    let mut ways: Vec<Way> =
        chosen.as_ref().and_then(|name| cashier.ways.named(name)).cloned().into_iter().collect();
    // Only what was never sent may go another way.
    if first && call.operation == Operation::Authorize {
        let country = cashier.book.lock().any(&call.payment).and_then(|p| assess::country(p.facts()));
        let others = cashier.ways.taking(call.method, call.amount, country);
        ways.extend(others.filter(|way| Some(&way.name) != chosen.as_ref()).cloned());
    }
    let mut reply = Reply::unsent("no way to the institution");
    for Way { name, channel, .. } in ways {
        let routed = Event::Routed {
            merchant: merchant.clone(),
            payment: call.payment.clone(),
            channel: name.clone(),
        };
        cashier.take(routed)?;
        // Intent and way are on the disk before a byte is sent.
        cashier.recorded().await?;
        cashier.calls.lock().sent.insert(call.key);
        reply = channel.ask(&request).await;
        if reply.sent {
            break;
        }
        let fields = [("channel", name.as_str().into()), ("why", reply.code.clone().into())];
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
    cashier.answered(&merchant, &call, answer).await
}

/// Asks what became of something, and takes the answer; nothing when it is being asked for now.
pub(super) async fn query(cashier: &Arc<Cashier>, call: Call) -> Result<Vec<Effect>, Fault> {
    let Some(_running) = cashier.running(call.key) else { return Ok(Vec::new()) };
    let Some((request, chosen)) = cashier.request(&call) else { return Ok(Vec::new()) };
    let channel = match &chosen {
        Some(name) => cashier.ways.named(name).map(|way| way.channel.clone()),
        // Recorded as intended and not as routed: nothing was sent.
        None => {
            let answer = Answer::Declined(DeclineGroup::Technical);
            return cashier.answered(&request.merchant, &call, answer).await;
        }
    };
    let Some(channel) = channel else { return Ok(Vec::new()) };
    let request = Request { repetition: request.repetition.max(1), ..request };
    let reply = channel.query(&request).await;
    cashier.note(&call, &reply);
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
    let effects = cashier.answered(&merchant, &call, reply.answer).await?;
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
