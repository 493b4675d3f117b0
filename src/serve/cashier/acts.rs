//! What happens to a payment that is there: it is captured, let go of, given back, proved, looked at, disputed, resolved.

use std::sync::Arc;

use hyper::StatusCode;

use super::answer::Asked;
use super::asked::{
    CaptureBody, ChallengeBody, DisputeBody, RefundBody, ResolveBody, ReviewBody, Turn, Verdict, read,
};
use super::happen::{Fault, advance, changed, happen};
use super::{Cashier, stepup, view};
use crate::money::Money;
use crate::pay::{
    Change, DisputeId, Error as Refusal, FraudType, Ledger, MerchantId, Operation, OperatorId, Payment,
    PaymentId, RefundId, ReportId, Reporter, ReviewResult, State,
};
use crate::serve::app::App;
use crate::serve::routes::Route;

/// Most payments of a list.
const LISTED_MAX: usize = 1_000;

/// What is reported as fraud while somebody is to look at it needs no looking at: it is declined, and its money let go.
async fn reviewed(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<(), Fault> {
    let is_held = |p: &Payment| p.state() == State::ReviewHeld && p.label().is_some_and(|label| label.fraud);
    if !cashier.look(merchant, payment, is_held)? {
        return Ok(());
    }
    let declined = changed(merchant, payment, Change::ReviewEnded(ReviewResult::Declined));
    match happen(app, cashier, declined).await {
        // Somebody else ends it, or did.
        Err(Fault::Refused(Refusal::InFlight | Refusal::Illegal { .. })) => Ok(()),
        other => other,
    }
}

impl Asked {
    /// What happens to a payment that is there.
    pub(super) async fn act(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<(), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let ledger = |pick: fn(&Ledger) -> Money| cashier.look(merchant, payment, |p| pick(p.ledger()));
        let change = match self.route {
            Route::Capture => {
                let body: CaptureBody = read(&self.body)?;
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => ledger(Ledger::held)?,
                };
                Change::Intended(Operation::Capture { amount })
            }
            Route::Void => Change::Intended(Operation::Void),
            Route::Refund => {
                let body: RefundBody = read(&self.body)?;
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => ledger(Ledger::refundable)?,
                };
                let refund = RefundId::parse(&body.id)?;
                if self.refunded(merchant, payment, &refund, amount)? {
                    return Ok(());
                }
                Change::Intended(Operation::Refund { refund, amount })
            }
            Route::Challenge => {
                let proof = read::<ChallengeBody>(&self.body)?.proof()?;
                return stepup::prove(app, cashier, (merchant, payment), proof).await;
            }
            Route::Review => return self.review(merchant, payment).await,
            Route::Dispute => self.dispute(merchant, payment)?,
            _ => {
                let body: ResolveBody = read(&self.body)?;
                let operator = OperatorId::parse(&body.operator)?;
                let open = cashier.look(merchant, payment, |p| p.open().map(|open| open.key))?;
                let key = open.ok_or(Refusal::UnknownCall)?;
                Change::Resolved { key, took_effect: body.took_effect, operator }
            }
        };
        happen(app, cashier, changed(merchant, payment, change)).await?;
        if self.route == Route::Dispute {
            reviewed(app, cashier, merchant, payment).await?;
        }
        if self.route == Route::Resolve {
            advance(app, cashier, merchant, payment).await?;
        }
        Ok(())
    }

    /// Whether this very refund was asked for before.
    fn refunded(
        &self,
        merchant: &MerchantId,
        payment: &PaymentId,
        refund: &RefundId,
        amount: Money,
    ) -> Result<bool, Fault> {
        let same = Operation::Refund { refund: refund.clone(), amount };
        self.cashier.look(merchant, payment, |p| p.operations().iter().any(|o| o.operation == same))
    }

    async fn review(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<(), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let body: ReviewBody = read(&self.body)?;
        let result = match body.decision {
            Verdict::Approve => ReviewResult::Approved,
            Verdict::Decline | Verdict::RefundAndReport => ReviewResult::Declined,
        };
        let state = cashier.look(merchant, payment, |p| p.state())?;
        // What was captured before somebody looked goes back.
        let is_captured =
            matches!(state, State::Captured | State::PartiallyRefunded | State::Refunded | State::Won);
        // There is nothing left to refund; it may still be told that it was fraud.
        let is_stopped = matches!(state, State::Voided | State::Declined | State::Disputed | State::Lost);
        if body.decision == Verdict::RefundAndReport && is_captured {
            let left = cashier.look(merchant, payment, |p| p.ledger().refundable())?;
            if left.minor > 0 {
                let refund = RefundId::parse("review")?;
                let change = Change::Intended(Operation::Refund { refund, amount: left });
                happen(app, cashier, changed(merchant, payment, change)).await?;
            }
        } else if !(body.decision == Verdict::RefundAndReport && is_stopped) {
            happen(app, cashier, changed(merchant, payment, Change::ReviewEnded(result))).await?;
        }
        if body.decision == Verdict::RefundAndReport {
            let (report, by) = (ReportId::parse("review")?, Reporter::Reviewer);
            let change = Change::FraudReported { report, by, kind: FraudType::Other };
            happen(app, cashier, changed(merchant, payment, change)).await?;
        }
        if result == ReviewResult::Approved {
            advance(app, cashier, merchant, payment).await?;
        }
        Ok(())
    }

    fn dispute(&self, merchant: &MerchantId, payment: &PaymentId) -> Result<Change, Fault> {
        let body: DisputeBody = read(&self.body)?;
        let dispute = || DisputeId::parse(&body.id);
        Ok(match body.event {
            Turn::Reported => Change::FraudReported {
                report: ReportId::parse(&body.id)?,
                by: Reporter::Issuer,
                kind: body.fraud_type()?,
            },
            Turn::Won => Change::DisputeWon { dispute: dispute()? },
            Turn::Lost => Change::DisputeLost { dispute: dispute()? },
            Turn::Opened => {
                let amount = match body.amount()? {
                    Some(amount) => amount,
                    None => self.cashier.look(merchant, payment, |p| p.ledger().disputable())?,
                };
                Change::DisputeOpened { dispute: dispute()?, amount, kind: body.kind()? }
            }
        })
    }

    /// What somebody is to look at, the oldest first.
    pub(super) async fn reviews(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let owner = self.owner()?;
        let shown = {
            let book = self.cashier.book.lock();
            let reviews = self.cashier.reviews.lock();
            let mine = |p: &&Payment| owner.as_ref().is_none_or(|owner| p.merchant() == owner);
            let held = reviews.queue().filter_map(|id| book.any(id)).filter(mine);
            view::reviews(&self.cashier, held.take(LISTED_MAX))
        };
        self.cashier.recorded().await?;
        Ok((StatusCode::OK, shown))
    }
}
