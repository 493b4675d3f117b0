//! Is it the payer? A code is sent, tried and compared; or the merchant's 3-D Secure has the answer.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use super::happen::{Fault, advance, changed, happen};
use super::{Cashier, words};
use crate::pay::{ChallengeResult, Change, Effect, Error as Refusal, MerchantId, Payment, PaymentId, State};
use crate::serve::app::App;
use crate::serve::log::{self, Level};
use crate::serve::problem::{Kind, Problem};

/// What the payer, or the merchant for them, brings.
pub(super) enum Proof {
    /// The code that they were sent.
    Code(Zeroizing<String>),
    /// What 3-D Secure came to: its transaction status.
    ThreeDs(String),
    /// The code is to be sent again.
    Again,
}

/// Counts that the code is sent.
pub(super) async fn send(cashier: &Arc<Cashier>, payment: &PaymentId) -> Result<Vec<Effect>, Fault> {
    let has_phone = cashier.held.get(payment).is_some_and(|held| held.phone.is_some());
    let merchant = cashier.book.lock().any(payment).map(|p| p.merchant().clone());
    let Some(merchant) = merchant.filter(|_| has_phone) else { return Ok(Vec::new()) };
    cashier.durable(changed(&merchant, payment, Change::CodeSent)).await
}

/// Hands the code to whoever sends messages.
pub(super) fn deliver(cashier: &Cashier, payment: &PaymentId) {
    let phone = cashier.held.get(payment).and_then(|held| held.phone.clone());
    let message = cashier.book.lock().any(payment).and_then(|p| {
        let code = cashier.codes.code(p)?;
        Some(words::code(p, code.as_str()))
    });
    let (Some(phone), Some([en, zh])) = (phone, message) else { return };
    let line = json!({ "payment": payment.as_str(), "to": phone, "text": { "en": *en, "zh": *zh } });
    let line = Zeroizing::new(format!("{line}\n"));
    let written = match &cashier.settings.codes {
        None => std::io::stderr().lock().write_all(line.as_bytes()),
        Some(path) => {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(line.as_bytes()))
        }
    };
    if let Err(e) = written {
        let fields = [("payment", payment.as_str().into()), ("detail", e.to_string().into())];
        log::event(Level::Error, "code_not_sent", &fields);
    }
}

/// Takes a proof; the payment then goes on, or is over.
pub(super) async fn prove(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    (merchant, payment): (&MerchantId, &PaymentId),
    proof: Proof,
) -> Result<(), Fault> {
    let ended = |result| changed(merchant, payment, Change::ChallengeEnded(result));
    let result = match proof {
        Proof::Again => return again(app, cashier, merchant, payment).await,
        Proof::ThreeDs(status) => match status.as_str() {
            "Y" | "A" => ChallengeResult::Passed,
            _ => ChallengeResult::Failed,
        },
        Proof::Code(typed) => {
            match cashier.durable(changed(merchant, payment, Change::CodeTried)).await {
                Ok(_) => {}
                Err(Fault::Refused(refusal @ (Refusal::CodeExpired | Refusal::NoTriesLeft))) => {
                    let expired = refusal == Refusal::CodeExpired;
                    let result = if expired { ChallengeResult::Expired } else { ChallengeResult::Failed };
                    happen(app, cashier, ended(result)).await?;
                    return Err(refusal.into());
                }
                Err(other) => return Err(other),
            }
            let compared = cashier.look(merchant, payment, |p| {
                (cashier.codes.matches(p, &typed), p.challenge().map_or(0, |c| c.tries_left()))
            })?;
            match compared {
                (true, _) => ChallengeResult::Passed,
                (false, 0) => ChallengeResult::Failed,
                (false, left) => {
                    return Err(Problem::new(
                        Kind::PaymentRefused,
                        format!("the code is wrong; {left} tries are left"),
                    )
                    .code("wrong_code")
                    .into());
                }
            }
        }
    };
    happen(app, cashier, ended(result)).await?;
    if result == ChallengeResult::Passed {
        advance(app, cashier, merchant, payment).await?;
    }
    cashier.let_go(merchant, payment);
    Ok(())
}

async fn again(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<(), Fault> {
    cashier.look(merchant, payment, |_| ())?;
    if cashier.held.get(payment).is_none_or(|held| held.phone.is_none()) {
        return Err(Problem::new(Kind::PaymentConflict, "there is no phone to send the code to")
            .code("no_phone")
            .remedy("send `phone` with the payment; after a restart of the server the payer pays anew")
            .into());
    }
    happen(app, cashier, changed(merchant, payment, Change::CodeSent)).await
}

impl Cashier {
    /// Forgets what the payer pays with once nothing can ask for it any more.
    pub(super) fn let_go(&self, merchant: &MerchantId, payment: &PaymentId) {
        let needed = self.look(merchant, payment, |p: &Payment| {
            p.open().is_some() || matches!(p.state(), State::Created | State::Challenged)
        });
        if !needed.unwrap_or(false) {
            self.held.remove(payment);
        }
    }
}
