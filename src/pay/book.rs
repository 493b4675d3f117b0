//! Which orders and payments are there, and what may happen to them?

use foldhash::{HashMap, HashMapExt};

use super::amount::movable;
use super::challenge::{AUTHENTICATORS_MAX, Enrolment, Enrolments, Mark, SENDS_MAX, Sends};
use super::conversion::Conversion;
use super::effect::{Call, CallKey, CallSecret, Effect};
use super::error::{Error, RestoreError};
use super::event::Event;
use super::id::{AccountId, MerchantId, OrderId, PaymentId};
use super::ledger::Account;
use super::order::{ORDERS_MAX, Order};
use super::payment::{Payment, Taken};
use super::record::{Record, decode};
use super::requests::{REQUESTS_MAX, RequestKey, Requests};
use crate::journal::wire::Malformed;
use crate::money::{Currency, Money};
use crate::time::Timestamp;

/// All orders and payments. It does nothing by itself: it takes events, and says what is to be done.
///
/// ```
/// use tollgate::{Currency, Outcome, Timestamp, pay::*};
/// let (merchant, order, payment) = (MerchantId::parse("m1")?, OrderId::parse("o1")?, PaymentId::parse("p1")?);
/// let amount = amount(1999, Currency::parse("EUR").unwrap(), 2)?;
/// let mut book = Book::new(CallSecret::new([7; 32]));
/// let at = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
/// book.apply(at, Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount })?;
/// book.apply(at, Event::PaymentRequested {
///     merchant: merchant.clone(), order, attempt: 1, payment: payment.clone(), method: Method::Card, amount,
/// })?;
/// let changed = |change| Event::Changed { merchant: merchant.clone(), payment: payment.clone(), change };
/// book.apply(at, changed(Change::Assessed(Outcome::Approve)))?;
///
/// // The intent is durable before the institution hears of it.
/// let effects = book.apply(at, changed(Change::Intended(Operation::Authorize)))?;
/// let [Effect::Persist(_), Effect::Call(call)] = &effects[..] else { panic!() };
///
/// let approved = Change::Answered { key: call.key, answer: Answer::Approved { amount } };
/// book.apply(at, changed(approved))?;
/// assert_eq!(book.payment(&merchant, &payment).unwrap().state(), State::Authorized);
///
/// // More than is held can't be captured, and nothing has changed.
/// let too_much = Operation::Capture { amount: tollgate::pay::amount(2000, amount.currency, 2)? };
/// let refused = book.apply(at, changed(Change::Intended(too_much)));
/// assert_eq!(refused.unwrap_err().code(), "above_available");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Book {
    secret: CallSecret,
    orders_max: usize,
    pub(super) orders: HashMap<(MerchantId, OrderId), Order>,
    pub(super) payments: HashMap<PaymentId, Payment>,
    pub(super) calls: HashMap<CallKey, PaymentId>,
    pub(super) requests: Requests,
    pub(super) enrolments: Enrolments,
    pub(super) sends: Sends,
    /// The engine has been told of settlements up to this record of its journal.
    pub(super) settled_by: u64,
    /// Which payment a transaction of 3-D Secure is for.
    pub(super) authentications: HashMap<String, PaymentId>,
}

/// Two books are equal when they know the same. Which requests are being answered right now is not knowledge.
impl PartialEq for Book {
    fn eq(&self, other: &Book) -> bool {
        (&self.orders, &self.payments, &self.calls, &self.requests, &self.enrolments, &self.sends)
            == (
                &other.orders,
                &other.payments,
                &other.calls,
                &other.requests,
                &other.enrolments,
                &other.sends,
            )
            && (self.settled_by, &self.authentications) == (other.settled_by, &other.authentications)
    }
}

impl Book {
    /// An empty book, for at most [`ORDERS_MAX`] orders and [`REQUESTS_MAX`] requests.
    pub fn new(secret: CallSecret) -> Book {
        Book::with_limits(secret, ORDERS_MAX, REQUESTS_MAX)
    }

    /// An empty book for so many orders and kept requests.
    pub fn with_limits(secret: CallSecret, orders_max: usize, requests_max: usize) -> Book {
        Book {
            secret,
            orders_max,
            orders: HashMap::new(),
            payments: HashMap::new(),
            calls: HashMap::new(),
            requests: Requests::new(requests_max),
            enrolments: Enrolments::new(AUTHENTICATORS_MAX),
            sends: Sends::new(SENDS_MAX),
            settled_by: 0,
            authentications: HashMap::new(),
        }
    }

    /// Takes the records that were durable, in their order, into an empty book: it then equals the one that made them.
    ///
    /// # Errors
    /// At the first record that can't be read or does not follow from those before it: nothing is guessed.
    ///
    /// ```
    /// use tollgate::{Currency, Money, Timestamp, pay::*};
    /// let mut book = Book::new(CallSecret::new([7; 32]));
    /// let event = Event::OrderCreated {
    ///     merchant: MerchantId::parse("m1")?,
    ///     order: OrderId::parse("o1")?,
    ///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
    /// };
    /// let effects = book.apply(Timestamp::default(), event)?;
    /// let [Effect::Persist(record)] = &effects[..] else { panic!() };
    /// let again = Book::new(CallSecret::new([7; 32])).restore([record]).unwrap();
    /// assert_eq!(again, book);
    /// let twice = Book::new(CallSecret::new([7; 32])).restore([record, record]).unwrap_err();
    /// assert_eq!(twice.to_string(), "record 1: the order's id is taken");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn restore<'a>(
        mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<Book, RestoreError> {
        for (number, record) in records.into_iter().enumerate() {
            self.replay(record).map_err(|why| RestoreError { number, why })?;
        }
        Ok(self)
    }

    /// Takes one record that was durable, and says what was to be done because of it. Whoever remembers how far
    /// merchants and engine had been told does the rest again; institutions are queried, and never called, for
    /// what is [`unfinished`](Book::unfinished).
    ///
    /// # Errors
    /// Why the record can't be read, or does not follow from those before it. The book is as it was.
    ///
    /// ```
    /// use tollgate::pay::{Book, CallSecret, Record};
    /// let mut book = Book::new(CallSecret::new([7; 32]));
    /// let later = Record { kind: 32, version: 9, payload: Vec::new() };
    /// assert!(book.replay(&later).unwrap_err().contains("a later release wrote it"));
    /// ```
    pub fn replay(&mut self, record: &Record) -> Result<Vec<Effect>, String> {
        self.take_record(record.kind, record.version, &record.payload)
    }

    /// As [`Book::replay`], of a record whose bytes are somebody else's.
    pub(super) fn take_record(
        &mut self,
        kind: u8,
        version: u8,
        payload: &[u8],
    ) -> Result<Vec<Effect>, String> {
        let (at, event) = decode(kind, version, payload).map_err(|Malformed(why)| why)?;
        let taken = self.take(at, &event).map_err(|e| e.to_string())?;
        // Whoever answered requests then is gone.
        self.requests.interrupt();
        Ok(taken.effects)
    }

    /// Takes an event, and says what is to be done because of it, in which order. No effects at all mean that
    /// it was known already.
    ///
    /// # Errors
    /// Why it can't be taken. The book is then as it was, and there is nothing to record.
    pub fn apply(&mut self, at: Timestamp, event: Event) -> Result<Vec<Effect>, Error> {
        let Taken { changed, mut effects } = self.take(at, &event)?;
        if changed {
            effects.insert(0, Effect::Persist(Record::encode(at, &event)));
        }
        Ok(effects)
    }

    fn take(&mut self, at: Timestamp, event: &Event) -> Result<Taken, Error> {
        match event {
            Event::OrderCreated { merchant, order, amount } => {
                self.create(at, (merchant.clone(), order.clone()), *amount, None)
            }
            Event::OrderConverted { merchant, order, conversion } => {
                movable(conversion.amount())?;
                let name = (merchant.clone(), order.clone());
                self.create(at, name, conversion.presented(), Some(conversion.clone()))
            }
            Event::PaymentRequested { merchant, order, attempt, payment, method, amount } => {
                let name = (merchant.clone(), order.clone());
                let found = self.orders.get_mut(&name).ok_or(Error::NotFound("order"))?;
                let last = found.attempts.last().and_then(|id| self.payments.get(id));
                found.admits(*attempt, *amount, last)?;
                if self.payments.contains_key(payment) {
                    return Err(Error::Exists("payment"));
                }
                found.attempts.push(payment.clone());
                let conversion = found.conversion.clone();
                let requested = Payment::requested(at, payment, name, *attempt, *method, *amount);
                let mut requested = Payment { conversion, ..requested };
                // Whatever the engine says of it stands behind what it was told before of others.
                requested.begin_settling(self.settled_by);
                self.payments.insert(payment.clone(), requested);
                Ok(Taken::with([]))
            }
            Event::Changed { merchant, payment, change } => {
                let found = owned(&mut self.payments, merchant, payment)?;
                let transaction = change.transaction();
                let elsewhere = |id: &str| self.authentications.get(id).is_some_and(|other| other != payment);
                if transaction.is_some_and(elsewhere) {
                    return Err(Error::Exists("3-D Secure transaction"));
                }
                let is_settled = found.unsettled().is_empty();
                let taken = found.apply(at, change, &self.secret)?;
                if is_settled && !found.unsettled().is_empty() {
                    found.begin_settling(self.settled_by);
                }
                if let Some(id) = transaction {
                    self.authentications.insert(id.to_owned(), payment.clone());
                }
                if let Some(key) = found.open().map(|open| open.key) {
                    self.calls.entry(key).or_insert_with(|| payment.clone());
                }
                Ok(taken)
            }
            Event::Described { merchant, payment, facts } => {
                owned(&mut self.payments, merchant, payment)?.described(facts)
            }
            Event::Routed { merchant, payment, channel } => {
                owned(&mut self.payments, merchant, payment)?.routed(channel)
            }
            Event::Placed { merchant, payment, pay_url } => {
                owned(&mut self.payments, merchant, payment)?.placed(pay_url)
            }
            Event::Delivered { merchant, payment, sequence } => {
                Ok(owned(&mut self.payments, merchant, payment)?.delivered(*sequence))
            }
            Event::AuthenticatorEnrolled { merchant, account, salt } => {
                self.enrolments.enrol(merchant, account, *salt).map(|()| Taken::with([]))
            }
            Event::AuthenticatorUsed { merchant, account, step } => {
                self.enrolments.used(merchant, account, *step).map(|()| Taken::with([]))
            }
            Event::AuthenticatorRemoved { merchant, account } => {
                self.enrolments.remove(merchant, account).map(|()| Taken::with([]))
            }
            Event::CodeCounted { marks } => self.sends.add(at, marks).map(|()| Taken::with([])),
            Event::Labelled { merchant, payment, fraud } => {
                Ok(owned(&mut self.payments, merchant, payment)?.labelled(*fraud))
            }
            Event::Settled { merchant, payment, settlements, record } => {
                let taken =
                    owned(&mut self.payments, merchant, payment)?.told_engine(*settlements, *record)?;
                if taken.changed && *record > 0 {
                    // The last one, not the greatest: a new journal begins anew.
                    self.settled_by = *record;
                }
                Ok(taken)
            }
            Event::Explained { merchant, payment, answer } => {
                owned(&mut self.payments, merchant, payment)?.explained(answer)
            }
            Event::RequestBegun { request, body } => {
                let changed = self.requests.begin(at, *request, *body)?;
                Ok(if changed { Taken::with([]) } else { Taken::NOTHING })
            }
            Event::RequestAnswered { request, answer } => {
                let changed = self.requests.keep(request, answer)?;
                Ok(if changed { Taken::with([]) } else { Taken::NOTHING })
            }
            Event::RequestDropped { request } => self.requests.drop(request).map(|()| Taken::with([])),
        }
    }

    fn create(
        &mut self,
        at: Timestamp,
        name: (MerchantId, OrderId),
        amount: Money,
        conversion: Option<Box<Conversion>>,
    ) -> Result<Taken, Error> {
        let amount = movable(amount)?;
        if self.orders.contains_key(&name) {
            return Err(Error::Exists("order"));
        }
        if self.orders.len() >= self.orders_max {
            return Err(Error::Full("orders"));
        }
        self.orders.insert(name, Order { amount, conversion, attempts: Vec::new(), created: at });
        Ok(Taken::with([]))
    }

    /// A payment, whoever's it is: for those who oversee all merchants.
    pub fn any(&self, payment: &PaymentId) -> Option<&Payment> {
        self.payments.get(payment)
    }

    /// All payments, in no order: for lists of what waits for somebody.
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }

    /// A merchant's order; another merchant's is not found.
    pub fn order(&self, merchant: &MerchantId, order: &OrderId) -> Option<&Order> {
        self.orders.get(&(merchant.clone(), order.clone()))
    }

    /// A merchant's payment; another merchant's is not found.
    pub fn payment(&self, merchant: &MerchantId, payment: &PaymentId) -> Option<&Payment> {
        self.payments.get(payment).filter(|p| p.merchant == *merchant)
    }

    /// The authenticator of a merchant's account; another merchant's is not found.
    pub fn authenticator(&self, merchant: &MerchantId, account: &AccountId) -> Option<&Enrolment> {
        self.enrolments.get(merchant, account)
    }

    /// How many codes under a mark count at a time: those of the hour before it.
    ///
    /// ```
    /// use tollgate::{Timestamp, pay::{Book, CallSecret, Event, Mark, SENDS_WINDOW}};
    /// let (mut book, mark) = (Book::new(CallSecret::new([7; 32])), Mark([1; 16]));
    /// let at = Timestamp::default();
    /// book.apply(at, Event::CodeCounted { marks: [mark].into() })?;
    /// assert_eq!((book.codes(&mark, at), book.codes_free_at(&mark, at)), (1, Some(at.plus(SENDS_WINDOW))));
    /// assert_eq!(book.codes(&mark, at.plus(SENDS_WINDOW)), 0);
    /// # Ok::<(), tollgate::pay::Error>(())
    /// ```
    pub fn codes(&self, mark: &Mark, at: Timestamp) -> usize {
        self.sends.count(mark, at)
    }

    /// When the oldest of them does not count any more; `None` when there is none.
    pub fn codes_free_at(&self, mark: &Mark, at: Timestamp) -> Option<Timestamp> {
        self.sends.free_at(mark, at)
    }

    /// The payment for which an institution was asked under this key: for answers that come by themselves.
    pub fn called(&self, key: &CallKey) -> Option<&Payment> {
        self.payments.get(self.calls.get(key)?)
    }

    /// What institutions have not answered, by payment. After a restart each is to be queried before anything
    /// else is asked of them: the request may have gone out or not.
    pub fn unfinished(&self) -> Vec<Call> {
        let mut open: Vec<Call> =
            self.payments.values().filter_map(|p| p.open().map(|open| p.call(open))).collect();
        open.sort_by(|a, b| a.payment.cmp(&b.payment));
        open
    }

    /// The answer that was given to a request; `None` when it is to be answered now, after
    /// [`Event::RequestBegun`] is recorded. `body` is a digest of what was sent.
    ///
    /// # Errors
    /// [`Error::KeyReused`] when it came with another body, [`Error::KeyInFlight`] while it is being answered.
    ///
    /// ```
    /// use tollgate::{Timestamp, pay::{Book, CallSecret, Error, Event, MerchantId, RequestKey}};
    /// let mut book = Book::new(CallSecret::new([7; 32]));
    /// let at = Timestamp::default();
    /// let request = RequestKey::new(&MerchantId::parse("m1")?, "capture", "key-1")?;
    /// let (body, other) = ([1; 32], [2; 32]);
    /// assert_eq!(book.answer(&request, &body)?, None);
    /// book.apply(at, Event::RequestBegun { request, body })?;
    /// assert_eq!(book.answer(&request, &body), Err(Error::KeyInFlight));
    /// book.apply(at, Event::RequestAnswered { request, answer: b"captured".as_slice().into() })?;
    /// assert_eq!(book.answer(&request, &body)?, Some(b"captured".as_slice()));
    /// assert_eq!(book.answer(&request, &other), Err(Error::KeyReused));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn answer(&self, request: &RequestKey, body: &[u8; 32]) -> Result<Option<&[u8]>, Error> {
        self.requests.answer(request, body)
    }

    /// Minor units of one currency on each of [`Account::ALL`], over all payments; their sum is 0.
    pub fn trial_balance(&self, currency: Currency) -> [i128; 4] {
        let payments = self.payments.values().filter(|p| p.amount.currency == currency);
        payments.fold([0; 4], |mut sums, payment| {
            for (sum, account) in sums.iter_mut().zip(Account::ALL) {
                *sum += i128::from(payment.ledger.balance(account));
            }
            sums
        })
    }
}

/// A merchant's payment; another merchant's is not found.
fn owned<'a>(
    payments: &'a mut HashMap<PaymentId, Payment>,
    merchant: &MerchantId,
    payment: &PaymentId,
) -> Result<&'a mut Payment, Error> {
    payments.get_mut(payment).filter(|p| p.merchant == *merchant).ok_or(Error::NotFound("payment"))
}
