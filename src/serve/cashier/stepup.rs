//! Is it the payer? A code is tried and compared; or the merchant's 3-D Secure has the answer.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::happen::{Fault, advance, changed, follow, happen};
use super::proofs::By;
use super::{Cashier, codes};
use crate::failpoint::{Failpoint, reach};
use crate::pay::{
    Authenticator, ChallengeResult, Change, Effect, Error as Refusal, Event, MerchantId, Method, Payment,
    PaymentId, State, ThreeDs, TotpHash, TransStatus,
};
use crate::serve::app::App;
use crate::serve::log;
use crate::serve::problem::{Kind, Problem};

/// Digits that an authenticator shows.
const DIGITS: u8 = 6;

/// What the payer, or the merchant for them, brings.
pub(super) enum Proof {
    /// The code that they were sent, or that their authenticator shows.
    Code(Zeroizing<String>),
    /// What 3-D Secure came to.
    ThreeDs(Box<ThreeDs>),
    /// The code is to be sent again.
    Again,
}

/// What a code is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    Right,
    Wrong,
    /// An authenticator's, and it was right before.
    Used,
}

/// Takes a proof; the payment then goes on, or is over, or waits for another.
pub(super) async fn prove(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    (merchant, payment): (&MerchantId, &PaymentId),
    proof: Proof,
) -> Result<(), Fault> {
    let method = cashier.look(merchant, payment, Payment::method)?;
    let result = match proof {
        Proof::Again => return again(app, cashier, merchant, payment).await,
        Proof::ThreeDs(_) if method != Method::Card => {
            let why = format!("a payment by {method} is not proved by 3-D Secure");
            return Err(Problem::new(Kind::PaymentRefused, why).code("bad_three_ds").into());
        }
        Proof::ThreeDs(found) => {
            if let Some(brand) = cashier.held.get(payment).and_then(|held| held.instrument.as_ref()?.brand())
            {
                found.fits(brand)?;
            }
            count(app, cashier, merchant, payment).await?;
            let status = found.status();
            cashier.durable(changed(merchant, payment, Change::Authenticated(found))).await?;
            let is_last =
                cashier.look(merchant, payment, |p| p.challenge().map_or(0, |c| c.tries_left()))? == 0;
            match status {
                _ if status.is_proof() => ChallengeResult::Passed,
                _ if status.is_final() || is_last => ChallengeResult::Failed,
                // Another proof is asked for, or 3-D Secure once more.
                TransStatus::Unavailable => {
                    return follow(app, cashier, [Effect::StepUp(payment.clone())].into()).await;
                }
                _ => return Ok(()),
            }
        }
        Proof::Code(_) if cashier.proof(payment).by == By::ThreeDs => return Err(at_the_bank()),
        Proof::Code(typed) => {
            count(app, cashier, merchant, payment).await?;
            reach(Failpoint::CodeTried);
            let compared = compare(cashier, merchant, payment, &typed).await?;
            let left = cashier.look(merchant, payment, |p| p.challenge().map_or(0, |c| c.tries_left()))?;
            match (compared, left) {
                (Compared::Right, _) => ChallengeResult::Passed,
                (Compared::Used | Compared::Wrong, 0) => ChallengeResult::Failed,
                (Compared::Used, _) => return Err(Refusal::CodeUsed.into()),
                (Compared::Wrong, left) => {
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
    happen(app, cashier, changed(merchant, payment, Change::ChallengeEnded(result))).await?;
    if result == ChallengeResult::Passed {
        advance(app, cashier, merchant, payment).await?;
    }
    cashier.let_go(merchant, payment);
    Ok(())
}

/// Counts a try, on the disk, before anything is compared.
async fn count(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<(), Fault> {
    match cashier.durable(changed(merchant, payment, Change::CodeTried)).await {
        Ok(_) => Ok(()),
        Err(Fault::Refused(refusal @ (Refusal::CodeExpired | Refusal::NoTriesLeft))) => {
            let expired = refusal == Refusal::CodeExpired;
            let result = if expired { ChallengeResult::Expired } else { ChallengeResult::Failed };
            happen(app, cashier, changed(merchant, payment, Change::ChallengeEnded(result))).await?;
            Err(refusal.into())
        }
        Err(other) => Err(other),
    }
}

async fn compare(
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
    typed: &str,
) -> Result<Compared, Fault> {
    if cashier.proof(payment).by != By::Authenticator {
        let is_right = cashier.look(merchant, payment, |p| cashier.codes.matches(p, typed))?;
        return Ok(if is_right { Compared::Right } else { Compared::Wrong });
    }
    // One that was removed meanwhile has no right code.
    let Some((merchant, account, enrolment)) = cashier.authenticator(payment) else {
        return Ok(Compared::Wrong);
    };
    let seed = cashier.codes.seed(&merchant, &account, &enrolment.salt);
    let Some(step) = Authenticator::new(&seed, TotpHash::Sha1, DIGITS)?.accepts(typed, log::now(), None)
    else {
        return Ok(Compared::Wrong);
    };
    match cashier.durable(Event::AuthenticatorUsed { merchant, account, step }).await {
        Ok(_) => Ok(Compared::Right),
        Err(Fault::Refused(Refusal::CodeUsed)) => Ok(Compared::Used),
        Err(Fault::Refused(Refusal::NotFound(_))) => Ok(Compared::Wrong),
        Err(other) => Err(other),
    }
}

async fn again(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<(), Fault> {
    let state = cashier.look(merchant, payment, Payment::state)?;
    match cashier.proof(payment).by {
        _ if state != State::Challenged => {
            return Err(Refusal::Illegal { state, event: Change::CodeSent.name() }.into());
        }
        By::Code if cashier.held.get(payment).is_some_and(|held| held.phone.is_some()) => {}
        By::ThreeDs => return Err(at_the_bank()),
        By::Authenticator => {
            return Err(Problem::new(
                Kind::PaymentConflict,
                "the code is in the payer's authenticator; none is sent",
            )
            .code("authenticator")
            .remedy("DELETE /v1/accounts/{id}/authenticator removes one that is lost, for later payments")
            .into());
        }
        By::Code | By::Nothing => {
            return Err(Problem::new(Kind::PaymentConflict, "there is no phone to send the code to")
                .code("no_phone")
                .remedy("send `phone` with the payment; after a restart of the server the payer pays anew")
                .into());
        }
    }
    let effects = codes::send(cashier, merchant, payment, By::Code).await?;
    follow(app, cashier, effects.into()).await
}

fn at_the_bank() -> Fault {
    Problem::new(Kind::PaymentConflict, "the payer proves it at the 3-D Secure server, not by a code")
        .code("three_ds_wanted")
        .remedy("send them to `next_action.url`, and post what came of it as `three_ds`")
        .into()
}

impl Cashier {
    /// Forgets what the payer pays with once nothing can ask for it any more.
    pub(super) fn let_go(&self, merchant: &MerchantId, payment: &PaymentId) {
        let needed = self.look(merchant, payment, |p: &Payment| {
            p.open().is_some() || matches!(p.state(), State::Created | State::Challenged)
        });
        if !needed.unwrap_or(false) {
            self.held.remove(payment);
            self.proofs.remove(payment);
            self.settling.decided.remove(payment);
        }
    }
}
