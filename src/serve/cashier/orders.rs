//! Orders are created and paid.

use hyper::StatusCode;

use super::answer::Asked;
use super::asked::{OrderBody, PayBody, read};
use super::happen::{Fault, advance};
use super::{assess, view};
use crate::pay::{Error as Refusal, Event, MerchantId, OrderId, PaymentId, State};
use crate::serve::problem::{Kind, Problem};

impl Asked {
    pub(super) async fn create(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let merchant = self.merchant()?;
        let body: OrderBody = read(&self.body)?;
        let (order, amount) = (OrderId::parse(&body.id)?, body.amount()?);
        let created = Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount };
        let status = match self.cashier.durable(created).await {
            Ok(_) => StatusCode::CREATED,
            // The same again is the same order.
            Err(Fault::Refused(refusal @ Refusal::Exists(_))) => {
                let book = self.cashier.book.lock();
                let is_same = book.order(&merchant, &order).is_some_and(|known| known.amount == amount);
                if !is_same {
                    return Err(refusal.into());
                }
                StatusCode::OK
            }
            Err(fault) => return Err(fault),
        };
        self.order_shown(status, &merchant, &order).await
    }

    pub(super) async fn order(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let order = OrderId::parse(&self.part).map_err(|_| Refusal::NotFound("order"))?;
        self.order_shown(StatusCode::OK, &self.merchant()?, &order).await
    }

    async fn order_shown(
        &self,
        status: StatusCode,
        merchant: &MerchantId,
        order: &OrderId,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let shown = {
            let book = self.cashier.book.lock();
            let found = book.order(merchant, order).ok_or(Refusal::NotFound("order"))?;
            view::order(order, found)
        };
        self.cashier.recorded().await?;
        Ok((status, shown))
    }

    /// The way of a payment: asked for, assessed, authorized, captured; or as far as it goes.
    pub(super) async fn pay(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let merchant = self.merchant()?;
        let body: PayBody = read(&self.body)?;
        let (order, method, instrument) = (OrderId::parse(&body.order)?, body.method()?, body.instrument()?);
        if !assess::fits(method, instrument.as_ref()) {
            let detail = match method.captures_at_once() {
                false => "a payment by card has a `card`",
                true => "a wallet's payment has a `code` or nothing",
            };
            return Err(Problem::new(Kind::PaymentRefused, detail).code("bad_instrument").into());
        }
        let amount = {
            let book = cashier.book.lock();
            book.order(&merchant, &order).ok_or(Refusal::NotFound("order"))?.amount
        };
        cashier
            .merchants
            .admit(&merchant, method, amount)
            .map_err(|(code, why)| Problem::new(Kind::PaymentRefused, why).code(code))?;
        if cashier.ways.taking(method, amount, assess::country(body.facts())).next().is_none() {
            let why = format!("no channel takes {amount} by {method} from this payer");
            return Err(Problem::new(Kind::PaymentRefused, why)
                .code("no_channel")
                .remedy("[[payments.channel]] entries are the channels there are")
                .into());
        }
        let fresh = PaymentId::parse(&format!("pay_{:032x}", rand::random::<u128>()))?;
        let requested = Event::PaymentRequested {
            merchant: merchant.clone(),
            order,
            attempt: body.attempt,
            payment: fresh.clone(),
            method,
            amount,
        };
        let (payment, status) = match cashier.take(requested) {
            Ok(_) => (fresh, StatusCode::CREATED),
            // The same attempt again is the same payment, however late it comes.
            Err(Fault::Refused(Refusal::AttemptExists(known))) => {
                let is_same = cashier.look(&merchant, &known, |p| p.method() == method)?;
                if !is_same {
                    return Err(Refusal::AttemptExists(known).into());
                }
                (known, StatusCode::OK)
            }
            Err(fault) => return Err(fault),
        };
        let (state, is_open, is_assessed) =
            cashier.look(&merchant, &payment, |p| (p.state(), p.open().is_some(), p.is_assessed()))?;
        if matches!(state, State::Created | State::Authorized) && !is_open {
            cashier.hold(&payment, instrument, body.phone.clone());
            let assessed = match is_assessed {
                true => Ok(()),
                false => {
                    let named = (&merchant, &payment);
                    assess::assess(app, cashier, self.key()?, named, body.facts()).await
                }
            };
            let advanced = match assessed {
                Ok(()) => advance(app, cashier, &merchant, &payment).await,
                Err(fault) => Err(fault),
            };
            cashier.let_go(&merchant, &payment);
            if let Err(fault) = advanced {
                cashier.expires(&payment);
                return Err(fault);
            }
        }
        self.shown(status, &merchant, &payment).await
    }
}
