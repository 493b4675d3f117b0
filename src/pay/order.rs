//! What is to be paid, and may it be tried now?

use super::amount::{movable, same};
use super::conversion::Conversion;
use super::error::Error;
use super::id::PaymentId;
use super::payment::Payment;
use super::state::State;
use crate::money::Money;
use crate::time::Timestamp;

/// Most attempts at one order.
///
/// ```
/// assert_eq!(tollgate::pay::ATTEMPTS_MAX, 100);
/// ```
pub const ATTEMPTS_MAX: usize = 100;
/// Most orders of a book unless it is said otherwise; they are never forgotten.
///
/// ```
/// assert_eq!(tollgate::pay::ORDERS_MAX, 1_000_000);
/// ```
pub const ORDERS_MAX: usize = 1_000_000;

/// What a merchant wants paid, and the attempts at it.
///
/// ```
/// use tollgate::{Currency, Money, Timestamp, pay::{Book, CallSecret, Event, MerchantId, OrderId}};
/// let (merchant, order) = (MerchantId::parse("m1")?, OrderId::parse("o1")?);
/// let amount = Money { minor: 1999, currency: Currency::parse("EUR").unwrap() };
/// let mut book = Book::new(CallSecret::new([7; 32]));
/// let event = Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount };
/// book.apply(Timestamp::default(), event)?;
/// assert!(book.order(&merchant, &order).unwrap().attempts.is_empty());
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How much.
    pub amount: Money,
    /// What that is in the merchant's own currency, when it settles in another.
    pub conversion: Option<Box<Conversion>>,
    /// The payments, in the order of their attempts. Only the last can still end well.
    pub attempts: Vec<PaymentId>,
    /// When it was created.
    pub created: Timestamp,
}

impl Order {
    /// Whether another attempt may be made now, which is paid by one payment of the whole amount. `last` is the
    /// payment of the last attempt.
    pub(super) fn admits(&self, attempt: u32, amount: Money, last: Option<&Payment>) -> Result<(), Error> {
        if let Some(known) = attempt.checked_sub(1).and_then(|at| self.attempts.get(at as usize)) {
            return Err(Error::AttemptExists(known.clone()));
        }
        let next = self.attempts.len() as u32 + 1;
        if attempt != next {
            return Err(Error::AttemptGap(next));
        }
        same(self.amount, movable(amount)?)?;
        if let Some(last) = last {
            match last.state() {
                State::Declined | State::Voided => {}
                State::Created
                | State::Challenged
                | State::Authorized
                | State::ReviewHeld
                | State::Unknown => return Err(Error::OrderInPayment(last.id.clone())),
                State::Captured
                | State::PartiallyRefunded
                | State::Refunded
                | State::Disputed
                | State::Won
                | State::Lost => return Err(Error::OrderPaid(last.id.clone())),
            }
        }
        if self.attempts.len() >= ATTEMPTS_MAX {
            return Err(Error::Full("attempts"));
        }
        Ok(())
    }
}
