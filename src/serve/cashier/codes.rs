//! May another code be sent, and is it? Codes cost money, and whoever has them sent may earn from it.

use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::happen::{Fault, changed};
use super::proofs::{By, Delivery, Known};
use super::{Cashier, words};
use crate::failpoint::{Failpoint, reach};
use crate::pay::{ChallengeResult, Change, Effect, Event, Mark, MerchantId, PaymentId};
use crate::serve::log::{self, Level};
use crate::serve::problem::{Kind, Problem};
use crate::sms::Message;

/// Digits at the end of a phone number that tell numbers of one range apart.
const RANGE_DIGITS: usize = 4;

/// How many codes an hour, `[payments.code_limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CodeLimits {
    /// To one phone number.
    phone: usize,
    /// To numbers that differ in their last four digits alone.
    range: usize,
    /// Because of payments from one network address.
    ip: usize,
    /// And from one device.
    device: usize,
    /// For one merchant.
    merchant: usize,
    /// Challenges of one account that its authenticator answers.
    account: usize,
}

impl Default for CodeLimits {
    fn default() -> CodeLimits {
        CodeLimits { phone: 5, range: 20, ip: 20, device: 10, merchant: 1_000, account: 10 }
    }
}

/// One thing that codes are counted by.
struct Counted {
    mark: Mark,
    max: usize,
    code: &'static str,
    what: &'static str,
}

impl Cashier {
    fn counted(&self, merchant: &MerchantId, payment: &PaymentId, by: By) -> Vec<Counted> {
        let known = self.book.lock().any(payment).map(|p| Known::of(p.facts())).unwrap_or_default();
        let phone = self.held.get(payment).and_then(|held| held.phone.clone());
        let limits = &self.settings.code_limits;
        let one = |kind, value: &str, max, code, what| Counted {
            mark: self.codes.mark(kind, value),
            max,
            code,
            what,
        };
        if by == By::Authenticator {
            let name = format!("{merchant}/{}", known.account.unwrap_or_default());
            let what = "challenges of this account";
            return vec![one("account", &name, limits.account, "codes_per_account", what)];
        }
        let mut all = Vec::new();
        if let Some(phone) = &phone {
            let range = &phone[..phone.len().saturating_sub(RANGE_DIGITS)];
            all.push(one("phone", phone, limits.phone, "codes_per_phone", "codes to this phone"));
            all.push(one("range", range, limits.range, "codes_per_range", "codes to phones of this range"));
        }
        if let Some(ip) = &known.ip {
            all.push(one("ip", ip, limits.ip, "codes_per_ip", "codes for this network address"));
        }
        if let Some(device) = &known.device {
            all.push(one("device", device, limits.device, "codes_per_device", "codes for this device"));
        }
        let name = merchant.as_str();
        all.push(one("merchant", name, limits.merchant, "codes_per_merchant", "codes for this merchant"));
        all
    }

    /// Counts a code that is to be sent, or asked for, unless there were too many in the last hour. What is to be done
    /// may be done once all that was taken is recorded.
    fn admit(&self, merchant: &MerchantId, payment: &PaymentId, by: By) -> Result<Vec<Effect>, Fault> {
        let counted = self.counted(merchant, payment, by);
        let marks = counted.iter().map(|c| c.mark).collect();
        // One at a time, so that nobody counts what another is about to add.
        let _one = self.counting.lock();
        let now = log::now();
        let over = {
            let book = self.book.lock();
            let over = counted.iter().find(|c| book.codes(&c.mark, now) >= c.max);
            over.map(|c| (c, book.codes_free_at(&c.mark, now)))
        };
        if let Some((limit, free)) = over {
            let wait =
                free.map_or(0, |free| free.since(now).micros()).max(0).unsigned_abs().div_ceil(1_000_000);
            let fields = [("payment", payment.as_str().into()), ("limit", limit.code.into())];
            log::event(Level::Warn, "code_not_admitted", &fields);
            self.proofs.alter(payment, |_, proof| proof.with(Delivery::Limited));
            let why = format!(
                "{} {} in an hour are as many as there may be; payment {payment} waits for its payer",
                limit.max, limit.what
            );
            let remedy =
                "wait, or have the payer prove it in another way: `payments.code_limits` are the limits";
            return Err(Problem::new(Kind::TooManyCodes, why)
                .code(limit.code)
                .remedy(remedy)
                .retry_after(wait.max(1))
                .into());
        }
        let mut effects = Vec::new();
        if by == By::Code {
            effects = self.take(changed(merchant, payment, Change::CodeSent))?.0;
        }
        self.take(Event::CodeCounted { marks })?;
        Ok(effects)
    }
}

/// A challenge begins: how it is answered is settled, and what it takes is counted.
pub(super) async fn begin(cashier: &Arc<Cashier>, payment: &PaymentId) -> Result<Vec<Effect>, Fault> {
    let Some((merchant, by)) = cashier.settle_proof(payment) else { return Ok(Vec::new()) };
    send(cashier, &merchant, payment, by).await
}

/// Ends a challenge that may not be tried.
pub(super) async fn close(cashier: &Arc<Cashier>, payment: &PaymentId) -> Result<Vec<Effect>, Fault> {
    let merchant = cashier.book.lock().any(payment).map(|p| p.merchant().clone());
    let Some(merchant) = merchant else { return Ok(Vec::new()) };
    cashier.durable(changed(&merchant, payment, Change::ChallengeEnded(ChallengeResult::Failed))).await
}

/// Counts that the code is sent, for the first time or again.
pub(super) async fn send(
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
    by: By,
) -> Result<Vec<Effect>, Fault> {
    if matches!(by, By::ThreeDs | By::Nothing) {
        return Ok(Vec::new());
    }
    let effects = cashier.admit(merchant, payment, by)?;
    cashier.recorded().await?;
    reach(Failpoint::CodeCounted);
    Ok(effects)
}

/// Hands the code to whoever sends messages.
pub(super) async fn deliver(cashier: &Cashier, payment: &PaymentId) {
    let phone = cashier.held.get(payment).and_then(|held| held.phone.clone());
    let message = cashier.book.lock().any(payment).and_then(|p| {
        let code = cashier.codes.code(p)?;
        Some(Message {
            phone: Zeroizing::new(phone?),
            text: words::code(p, code.as_str()),
            code: Zeroizing::new(code.as_str().to_owned()),
            payment: payment.clone(),
            merchant: p.merchant().clone(),
            amount: p.amount(),
        })
    });
    let Some(message) = message else { return };
    let delivery = match cashier.sender.send(&message).await {
        Ok(()) => Delivery::Sent,
        Err(why) => {
            let fields = [("payment", payment.as_str().into()), ("detail", why.to_string().into())];
            log::event(Level::Error, "code_not_sent", &fields);
            Delivery::Failed
        }
    };
    reach(Failpoint::CodeSent);
    cashier.proofs.alter(payment, |_, proof| proof.with(delivery));
}
