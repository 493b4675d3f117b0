//! Something happens: it is recorded, and then all is done that is to be done because of it, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Cashier, ask, codes, fraud, settling};
use crate::failpoint::{Failpoint, reach};
use crate::journal::{Busy, Ticket};
use crate::pay::{
    ANSWER_BYTES_MAX, Change, Effect, Error as Refusal, Event, MerchantId, Operation, Payment, PaymentId,
    State,
};
use crate::serve::app::App;
use crate::serve::keeper::not_recorded;
use crate::serve::log;
use crate::serve::problem::{Kind, Problem};

use super::monitoring::Seen;
use super::settings::Capture;

/// Room that a record may take.
const RECORD_BYTES: usize = ANSWER_BYTES_MAX + 1024;
/// Steps that follow from one another without anybody asking: authorize, capture.
const STEPS_MAX: usize = 4;

/// Why something did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// The book refuses it: nothing has changed.
    Refused(Refusal),
    /// It is not recorded.
    Disk(Busy),
    /// Anything else, as it is told.
    Other(Problem),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused(refusal)
    }
}

impl From<Busy> for Fault {
    fn from(busy: Busy) -> Fault {
        Fault::Disk(busy)
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        Fault::Other(problem)
    }
}

impl Fault {
    /// As callers are told.
    pub(super) fn problem(self) -> Problem {
        match self {
            Fault::Other(problem) => problem,
            Fault::Disk(busy) => not_recorded(&busy),
            Fault::Refused(refusal) => {
                let kind = match refusal {
                    Refusal::NotFound(_) => Kind::NotFound,
                    Refusal::KeyReused => Kind::KeyReused,
                    Refusal::KeyInFlight => Kind::KeyInFlight,
                    Refusal::Exists(_)
                    | Refusal::OrderPaid(_)
                    | Refusal::OrderInPayment(_)
                    | Refusal::AttemptExists(_)
                    | Refusal::AttemptGap(_)
                    | Refusal::Illegal { .. }
                    | Refusal::NotAssessed
                    | Refusal::InFlight
                    | Refusal::Contradiction { .. } => Kind::PaymentConflict,
                    _ => Kind::PaymentRefused,
                };
                Problem::new(kind, refusal.to_string()).code(refusal.code())
            }
        }
    }
}

impl Cashier {
    /// Takes an event. What is to be done may be done once the ticket says so; no ticket means that it was known.
    pub(super) fn take(&self, event: Event) -> Result<(Vec<Effect>, Option<Ticket>), Fault> {
        let mut book = self.book.lock();
        self.chronicle.admit(RECORD_BYTES)?;
        let changes = match &event {
            Event::Changed { payment, .. } => {
                Some((payment.clone(), book.any(payment).map(Seen::of).unwrap_or_default()))
            }
            _ => None,
        };
        let mut effects = book.apply(log::now(), event)?;
        if let Some((payment, seen)) = changes
            && let Some(now) = book.any(&payment)
        {
            self.reviews.lock().happened(now);
            self.figures.lock().happened(seen, now);
        }
        // Under the lock, so that the records' order is the book's.
        let ticket = match effects.first() {
            Some(Effect::Persist(record)) => {
                Some(self.chronicle.append(record.kind, record.version, &record.payload))
            }
            _ => None,
        };
        if ticket.is_some() {
            effects.remove(0);
        }
        // Though whoever took it may not come to what follows, merchants are told.
        for effect in &effects {
            if let Effect::Notify(notice) = effect {
                self.hooks.announce(&notice.payment);
            }
        }
        Ok((effects, ticket))
    }

    /// Takes an event and waits until it is recorded.
    pub(super) async fn durable(&self, event: Event) -> Result<Vec<Effect>, Fault> {
        let (effects, ticket) = self.take(event)?;
        if let Some(ticket) = ticket {
            ticket.await?;
        }
        Ok(effects)
    }

    /// Waits until all that anybody can have seen is recorded.
    pub(super) async fn recorded(&self) -> Result<(), Fault> {
        self.chronicle.so_far().await?;
        Ok(())
    }

    /// Looks at a merchant's payment.
    pub(super) fn look<T>(
        &self,
        merchant: &MerchantId,
        payment: &PaymentId,
        look: impl FnOnce(&Payment) -> T,
    ) -> Result<T, Fault> {
        let book = self.book.lock();
        Ok(book.payment(merchant, payment).map(look).ok_or(Refusal::NotFound("payment"))?)
    }
}

/// What happened to a payment.
pub(super) fn changed(merchant: &MerchantId, payment: &PaymentId, change: Change) -> Event {
    Event::Changed { merchant: merchant.clone(), payment: payment.clone(), change }
}

/// Takes an event and does all that follows from it, each effect once what caused it is recorded. Whoever answers
/// waits for [`Cashier::recorded`].
pub(super) async fn happen(app: &Arc<App>, cashier: &Arc<Cashier>, event: Event) -> Result<(), Fault> {
    let (effects, ticket) = cashier.take(event)?;
    // Without effects nothing leaves this process, and whatever does next waits for this record too; a call waits
    // itself, once its way is chosen.
    if let Some(ticket) = ticket
        && !matches!(effects.first(), None | Some(Effect::Call(_)))
    {
        ticket.await?;
        reach(Failpoint::ChangeRecorded);
    }
    follow(app, cashier, effects.into()).await
}

/// Does what is to be done, and what follows from that.
pub(super) async fn follow(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    mut todo: VecDeque<Effect>,
) -> Result<(), Fault> {
    let mut refused = Ok(());
    while let Some(effect) = todo.pop_front() {
        match effect {
            Effect::Call(call) => todo.extend(ask::call(cashier, call).await?),
            Effect::Settle(payment, _) => settling::settle(app, cashier, &payment).await?,
            Effect::StepUp(payment) => {
                cashier.expires(&payment);
                match codes::begin(cashier, &payment).await {
                    // Nobody guesses on: the challenge is over, and whoever asked is told why.
                    Err(fault) if cashier.proof(&payment).is_closed() => {
                        todo.extend(codes::close(cashier, &payment).await?);
                        refused = Err(fault);
                    }
                    begun => todo.extend(begun?),
                }
            }
            Effect::SendCode(payment) => codes::deliver(cashier, &payment).await,
            Effect::Review(payment) => cashier.expires(&payment),
            Effect::Label(payment, _) => fraud::tell(app, cashier, &payment).await?,
            Effect::Query(_) => cashier.work.notify_one(),
            // Whoever counted the try compares; what was recorded is recorded; merchants are told already.
            Effect::Compare(_) | Effect::Persist(_) | Effect::Notify(_) => {}
        }
    }
    refused
}

/// Takes a payment as far as it goes without anybody: it is authorized once cleared, and captured once authorized.
pub(super) async fn advance(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<(), Fault> {
    for _ in 0..STEPS_MAX {
        let (state, amount, is_open) =
            cashier.look(merchant, payment, |p| (p.state(), p.amount(), p.open().is_some()))?;
        let next = match state {
            _ if is_open => return Ok(()),
            State::Created => Operation::Authorize,
            State::Authorized if cashier.merchants.capture(merchant) == Capture::Auto => {
                Operation::Capture { amount }
            }
            _ => return Ok(()),
        };
        let asked = happen(app, cashier, changed(merchant, payment, Change::Intended(next))).await;
        match asked {
            // Somebody else does it, or did.
            Err(Fault::Refused(Refusal::NotAssessed | Refusal::InFlight | Refusal::Illegal { .. })) => {
                return Ok(());
            }
            other => other?,
        }
        // Captured in vain: the merchant may try again.
        if cashier.look(merchant, payment, Payment::state)? == state {
            return Ok(());
        }
    }
    Ok(())
}
