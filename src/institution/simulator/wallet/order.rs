//! How does an order at a simulated wallet stand? Placed, then paid, closed, or over.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Error;
use crate::institution::simulator::{
    Act, Asked, Books, Delivered, Entry, LEDGER_ENTRIES_MAX, Operation, Order,
};
use crate::money::{Currency, Money};
use crate::pay::CallKey;
use crate::time::Timestamp;

/// An order as it was placed.
#[derive(Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) key: CallKey,
    pub(super) amount: Money,
    /// Until when it can be paid.
    pub(super) until: Timestamp,
    /// What the merchant and its application are called.
    pub(super) merchant: String,
    pub(super) app: String,
    pub(super) notify_url: Option<String>,
    /// What the script says of it.
    pub(super) act: Act,
    /// Whether the payer has it before them. Alipay knows of a QR code only what somebody has scanned.
    pub(super) is_seen: bool,
    /// Whether they showed a code to be read by the merchant.
    pub(super) is_coded: bool,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    Paid,
    Closed,
}

/// Why an order is not placed, paid or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Paid,
    Closed,
    /// Another of the same number.
    Differs,
    /// Its time is over.
    Late,
    NotThere,
    /// It could not be written down.
    Broken,
}

/// All orders. What moves money is in the books, the rest in memory.
pub(super) struct Orders {
    books: Arc<Books>,
    placed: Mutex<HashMap<CallKey, (Placed, bool)>>,
    asked: Mutex<HashMap<(CallKey, Operation), u32>>,
}

impl Orders {
    pub(super) fn new(books: Arc<Books>) -> Orders {
        Orders { books, placed: Mutex::default(), asked: Mutex::default() }
    }

    /// What the script says of a request.
    pub(super) fn act(&self, key: CallKey, operation: Operation, minor: i64, payer: Option<&str>) -> Act {
        let mut asked = self.asked.lock();
        if asked.len() >= LEDGER_ENTRIES_MAX {
            return Act::Lost;
        }
        let delivery = asked.entry((key, operation)).or_default();
        *delivery += 1;
        self.books.act(&Asked { key, operation, minor, payer, delivery: *delivery })
    }

    /// Places an order; one that is there already stays as it is.
    pub(super) fn place(&self, order: Placed, now: Timestamp) -> Result<(), Fault> {
        let mut placed = self.placed.lock();
        if self.paid(order.key).is_some() {
            return Err(Fault::Paid);
        }
        match placed.get(&order.key) {
            Some((known, _)) if known.amount != order.amount || known.until != order.until => {
                Err(Fault::Differs)
            }
            Some((_, true)) => Err(Fault::Closed),
            Some(_) => Ok(()),
            None if now > order.until => Err(Fault::Late),
            None => {
                placed.insert(order.key, (order, false));
                Ok(())
            }
        }
    }

    /// The payer pays. `Ok` is the order, and whether it was paid just now.
    pub(super) fn pay(&self, key: CallKey, now: Timestamp) -> Result<Placed, Fault> {
        let mut placed = self.placed.lock();
        if self.paid(key).is_some() {
            return Err(Fault::Paid);
        }
        let (order, is_closed) = placed.get_mut(&key).ok_or(Fault::NotThere)?;
        if *is_closed {
            return Err(Fault::Closed);
        }
        if now > order.until {
            return Err(Fault::Late);
        }
        order.is_seen = true;
        let (amount, operation) = (order.amount, Operation::Authorize);
        let posted = self.books.post(&Order { key, operation, amount, original: None });
        posted.map_err(broken).map(|_| order.clone())
    }

    /// Closes an order that is not paid.
    pub(super) fn close(&self, key: CallKey) -> Result<(), Fault> {
        let mut placed = self.placed.lock();
        if self.paid(key).is_some() {
            return Err(Fault::Paid);
        }
        placed.get_mut(&key).ok_or(Fault::NotThere)?.1 = true;
        Ok(())
    }

    /// Gives back, once for each key.
    pub(super) fn refund(&self, key: CallKey, original: CallKey, amount: Money) -> Result<Delivered, Fault> {
        let order = Order { key, operation: Operation::Refund, amount, original: Some(original) };
        self.books.post(&order).map_err(broken)
    }

    /// A refund that was made.
    pub(super) fn refunded(&self, key: CallKey) -> Option<Entry> {
        self.books.find(key).filter(|entry| entry.operation == Operation::Refund && entry.effects > 0)
    }

    /// The books' line of an order that was paid.
    pub(super) fn paid(&self, key: CallKey) -> Option<Entry> {
        self.books.find(key).filter(|entry| entry.operation == Operation::Authorize && entry.effects > 0)
    }

    /// How an order stands. After a restart what was paid is known still, what was only placed is not.
    pub(super) fn find(&self, key: CallKey) -> Option<(Placed, Standing)> {
        let placed = self.placed.lock().get(&key).cloned();
        match (placed, self.paid(key)) {
            (Some((order, _)), Some(_)) => Some((order, Standing::Paid)),
            (Some((order, is_closed)), None) => {
                Some((order, if is_closed { Standing::Closed } else { Standing::Waiting }))
            }
            (None, Some(entry)) => {
                let amount = Money { minor: entry.minor, currency: Currency::parse(&entry.currency)? };
                let order = Placed {
                    key,
                    amount,
                    until: Timestamp::MIN,
                    merchant: String::new(),
                    app: String::new(),
                    notify_url: None,
                    act: Act::Approve,
                    is_seen: true,
                    is_coded: false,
                };
                Some((order, Standing::Paid))
            }
            (None, None) => None,
        }
    }
}

fn broken(error: Error) -> Fault {
    eprintln!("error: {error}");
    Fault::Broken
}
