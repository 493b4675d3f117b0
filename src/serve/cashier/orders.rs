//! Orders are created and paid.

use hyper::StatusCode;

use super::answer::Asked;
use super::asked::{OrderBody, PayBody, read};
use super::happen::{Fault, advance, changed};
use super::{Cashier, assess, view};
use crate::channel::Instrument;
use crate::failpoint::{Failpoint, reach};
use crate::money::{Currency, Money};
use crate::pay::{
    Change, Conversion, Error as Refusal, Event, MerchantId, Method, OrderId, PaymentId, State, ThreeDs,
};
use crate::serve::problem::{Kind, Problem};

impl Asked {
    pub(super) async fn create(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let merchant = self.merchant()?;
        let body: OrderBody = read(&self.body)?;
        let (order, amount, wanted) = (OrderId::parse(&body.id)?, body.amount()?, body.settlement()?);
        // The same again is the same order, by the rate that it was created with.
        let same = |cashier: &Cashier| {
            let book = cashier.book.lock();
            let known = book.order(&merchant, &order)?;
            let settlement = known.conversion.as_ref().map_or(amount.currency, |c| c.amount().currency);
            Some(known.amount == amount && wanted.is_none_or(|wanted| wanted == settlement))
        };
        let status = match same(&self.cashier) {
            Some(true) => StatusCode::OK,
            Some(false) => return Err(Refusal::Exists("order").into()),
            None => {
                self.cashier.room()?;
                let to = wanted.or_else(|| self.cashier.merchants.settlement(&merchant));
                let created = self.created(&merchant, &order, amount, to)?;
                match self.cashier.durable(created).await {
                    Ok(_) => {
                        reach(Failpoint::OrderRecorded);
                        StatusCode::CREATED
                    }
                    // Somebody else was first.
                    Err(Fault::Refused(refusal @ Refusal::Exists(_))) => match same(&self.cashier) {
                        Some(true) => StatusCode::OK,
                        _ => return Err(refusal.into()),
                    },
                    Err(fault) => return Err(fault),
                }
            }
        };
        self.order_shown(status, &merchant, &order).await
    }

    /// What happens when an order is created; with a conversion when its merchant settles in another currency.
    fn created(
        &self,
        merchant: &MerchantId,
        order: &OrderId,
        amount: Money,
        to: Option<Currency>,
    ) -> Result<Event, Fault> {
        let (merchant, order) = (merchant.clone(), order.clone());
        let Some(to) = to.filter(|to| *to != amount.currency) else {
            return Ok(Event::OrderCreated { merchant, order, amount });
        };
        let rates = self.app.keeper.turn().current().pipeline().rates().clone();
        let conversion = Conversion::of(&rates, amount, to).map_err(|e| match e {
            Refusal::NoRate { .. } => Fault::Other(
                Problem::new(Kind::PaymentRefused, format!("{e} in the rate table `{}`", rates.version()))
                    .code(e.code())
                    .remedy(
                        "add the currency to rates.toml of the rules, or settle in the order's own currency",
                    ),
            ),
            other => other.into(),
        })?;
        Ok(Event::OrderConverted { merchant, order, conversion: Box::new(conversion) })
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
        let cashier = &self.cashier;
        let merchant = self.merchant()?;
        let body: PayBody = read(&self.body)?;
        let (order, method, instrument) = (OrderId::parse(&body.order)?, body.method()?, body.instrument()?);
        let (phone, three_ds) = (body.phone()?, body.three_ds()?);
        if three_ds.is_some() && method != Method::Card {
            let why = format!("a payment by {method} is not proved by 3-D Secure");
            return Err(Problem::new(Kind::PaymentRefused, why).code("bad_three_ds").into());
        }
        if let Some((found, brand)) = three_ds.as_ref().zip(instrument.as_ref().and_then(Instrument::brand)) {
            found.fits(brand)?;
        }
        if !assess::fits(method, instrument.as_ref()) {
            let detail = match method.captures_at_once() {
                false => "a payment by card has a `card`",
                true => "a wallet's payment has a `code` or nothing",
            };
            return Err(Problem::new(Kind::PaymentRefused, detail).code("bad_instrument").into());
        }
        let (amount, attempts) = {
            let book = cashier.book.lock();
            let found = book.order(&merchant, &order).ok_or(Refusal::NotFound("order"))?;
            (found.amount, found.attempts.len())
        };
        if body.attempt as usize > attempts {
            cashier.room()?;
        }
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
        reach(Failpoint::PaymentRequested);
        {
            // Whoever comes with it at the same time finds it decided, and where it got to.
            let _turn = cashier.turns.take(&payment).await;
            self.go((&merchant, &payment), (instrument, phone), three_ds, body.facts()).await?;
        }
        self.shown(status, &merchant, &payment).await
    }

    /// Takes a payment as far as it goes, if nobody has.
    async fn go(
        &self,
        (merchant, payment): (&MerchantId, &PaymentId),
        (instrument, phone): (Option<Instrument>, Option<String>),
        three_ds: Option<Box<ThreeDs>>,
        facts: &[u8],
    ) -> Result<(), Fault> {
        let (app, cashier) = (&self.app, &self.cashier);
        let (state, is_open, is_assessed) =
            cashier.look(merchant, payment, |p| (p.state(), p.open().is_some(), p.is_assessed()))?;
        if !matches!(state, State::Created | State::Authorized) || is_open {
            return Ok(());
        }
        cashier.hold(payment, instrument, phone);
        let assessed = match is_assessed {
            true => Ok(()),
            false => self.assessed((merchant, payment), three_ds, facts).await,
        };
        let advanced = match assessed {
            Ok(()) => advance(app, cashier, merchant, payment).await,
            Err(fault) => Err(fault),
        };
        cashier.let_go(merchant, payment);
        if advanced.is_err() {
            cashier.expires(payment);
        }
        advanced
    }

    /// Takes what 3-D Secure came to before, and has the engine decide.
    async fn assessed(
        &self,
        (merchant, payment): (&MerchantId, &PaymentId),
        three_ds: Option<Box<ThreeDs>>,
        facts: &[u8],
    ) -> Result<(), Fault> {
        if let Some(found) = three_ds {
            self.cashier.take(changed(merchant, payment, Change::Authenticated(found)))?;
        }
        // Windows count it for good: a payment that no start remembers would come again as another one.
        self.cashier.recorded().await?;
        assess::assess(&self.app, &self.cashier, self.key()?, (merchant, payment), facts).await
    }
}
