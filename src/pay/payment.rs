//! What is known about one payment?

use super::challenge::{Challenge, ThreeDs};
use super::conversion::Conversion;
use super::effect::{Call, CallKey, CallSecret, Effect, Notice};
use super::error::Error;
use super::event::{Change, Operation};
use super::heard::Heard;
use super::id::{ChannelId, DisputeId, MerchantId, OrderId, PaymentId};
use super::ledger::Ledger;
use super::report::FraudReport;
use super::state::{DeclineGroup, DisputeKind, Method, State};
use crate::money::Money;
use crate::time::Timestamp;
use crate::velocity::Status;

/// Most requests to institutions that one payment may cause.
///
/// ```
/// assert_eq!(tollgate::pay::OPERATIONS_MAX, 1_000);
/// ```
pub const OPERATIONS_MAX: usize = 1_000;
/// Most disputes of one payment.
///
/// ```
/// assert_eq!(tollgate::pay::DISPUTES_MAX, 100);
/// ```
pub const DISPUTES_MAX: usize = 100;
/// Most bytes that are kept of what is known about a payment besides.
///
/// ```
/// assert_eq!(tollgate::pay::FACTS_BYTES_MAX, 16 << 10);
/// ```
pub const FACTS_BYTES_MAX: usize = 16 << 10;
/// Most bytes of where a payer goes on that are kept: wallets' own limits are 512 (WeChat Pay) and 1,024 (Alipay).
///
/// ```
/// assert_eq!(tollgate::pay::PAY_URL_BYTES_MAX, 4 << 10);
/// ```
pub const PAY_URL_BYTES_MAX: usize = 4 << 10;

/// One attempt to pay an order, and all that became of it. A [`Book`](super::Book) holds and changes it.
///
/// ```
/// use tollgate::{Currency, Money, Timestamp, pay::*};
/// let (merchant, order) = (MerchantId::parse("m1")?, OrderId::parse("o1")?);
/// let (payment, amount) = (PaymentId::parse("p1")?, amount(1999, Currency::parse("EUR").unwrap(), 2)?);
/// let mut book = Book::new(CallSecret::new([7; 32]));
/// let at = Timestamp::default();
/// book.apply(at, Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount })?;
/// let event = Event::PaymentRequested {
///     merchant: merchant.clone(), order, attempt: 1, payment: payment.clone(), method: Method::Card, amount,
/// };
/// book.apply(at, event)?;
/// let found = book.payment(&merchant, &payment).unwrap();
/// assert_eq!((found.state(), found.amount()), (State::Created, amount));
/// assert!(book.payment(&MerchantId::parse("m2")?, &payment).is_none()); // another merchant's
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub(super) id: PaymentId,
    pub(super) merchant: MerchantId,
    pub(super) order: OrderId,
    pub(super) attempt: u32,
    pub(super) method: Method,
    pub(super) amount: Money,
    /// The order's.
    pub(super) conversion: Option<Box<Conversion>>,
    /// Never [`State::Unknown`]: where it is apart from what the institution has not answered.
    pub(super) beneath: State,
    pub(super) clearance: Clearance,
    /// The last one.
    pub(super) challenge: Option<Challenge>,
    /// Whether the payer has proved who they are.
    pub(super) stepped_up: bool,
    /// The last result of 3-D Secure.
    pub(super) three_ds: Option<Box<ThreeDs>>,
    pub(super) ledger: Ledger,
    /// What the institution was asked for; only the last may be without an answer.
    pub(super) operations: Vec<Requested>,
    pub(super) disputes: Vec<Dispute>,
    pub(super) reports: Vec<FraudReport>,
    /// What the engine is told, and since when.
    pub(super) settlements: Vec<(Status, Timestamp)>,
    /// How much of that it was told for certain.
    pub(super) heard: Heard,
    /// What the engine answered, while somebody may be asked to look; else empty.
    pub(super) explanation: Box<[u8]>,
    /// The label that lists and training know of.
    pub(super) told: Option<bool>,
    pub(super) sequence: u32,
    /// Which way it goes.
    pub(super) channel: Option<ChannelId>,
    /// Where the payer goes on, while an institution waits for them; else empty.
    pub(super) pay_url: Box<str>,
    /// Empty until it is described.
    pub(super) facts: Box<[u8]>,
    /// Sequence, state and time of what the merchant has not taken notice of yet, oldest first.
    pub(super) notices: Vec<(u32, State, Timestamp)>,
    pub(super) created: Timestamp,
    pub(super) captured: Option<Timestamp>,
    pub(super) changed: Timestamp,
}

/// Whether the payment may go to the institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clearance {
    /// Nobody has decided.
    Unassessed,
    /// It may.
    Cleared,
    /// It may, but somebody has to look before it is captured.
    Held,
    /// Somebody looked and said no.
    Refused,
}

/// One thing that the institution was asked for.
///
/// ```
/// use tollgate::pay::{CallKey, Operation, Phase, Requested};
/// let requested = Requested { key: CallKey([1; 16]), operation: Operation::Void, phase: Phase::Sent };
/// assert!(!requested.phase.is_final());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The key it was asked with.
    pub key: CallKey,
    /// For what.
    pub operation: Operation,
    /// What it said.
    pub phase: Phase,
}

/// How far an operation is.
///
/// ```
/// assert!(tollgate::pay::Phase::Approved.is_final());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The institution is being asked; or was, when the machine stopped.
    Sent,
    /// It did not answer in time.
    Unknown,
    /// It did it.
    Approved,
    /// It did not.
    Declined(DeclineGroup),
}

impl Phase {
    /// Whether the institution has said what became of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Phase::Approved | Phase::Declined(_))
    }

    /// The word used in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Sent => "sent",
            Phase::Unknown => "unknown",
            Phase::Approved => "approved",
            Phase::Declined(_) => "declined",
        }
    }
}

/// Money that the payer called back.
///
/// ```
/// use tollgate::{Currency, Money, Timestamp, pay::*};
/// let dispute = Dispute {
///     id: DisputeId::parse("dp_1")?,
///     amount: Money { minor: 500, currency: Currency::parse("EUR").unwrap() },
///     kind: DisputeKind::Fraud,
///     won: None,
///     opened: Timestamp::default(),
///     ended: None,
/// };
/// assert!(dispute.won.is_none()); // open
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The institution's name of it.
    pub id: DisputeId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub kind: DisputeKind,
    /// Whether the merchant won it; `None` while it is open.
    pub won: Option<bool>,
    /// When it became known here.
    pub opened: Timestamp,
    /// When it became known here how it ended.
    pub ended: Option<Timestamp>,
}

impl Payment {
    pub(super) fn requested(
        at: Timestamp,
        id: &PaymentId,
        (merchant, order): (MerchantId, OrderId),
        attempt: u32,
        method: Method,
        amount: Money,
    ) -> Payment {
        Payment {
            id: id.clone(),
            merchant,
            order,
            attempt,
            method,
            amount,
            conversion: None,
            beneath: State::Created,
            clearance: Clearance::Unassessed,
            challenge: None,
            stepped_up: false,
            three_ds: None,
            ledger: Ledger::new(amount.currency),
            operations: Vec::new(),
            disputes: Vec::new(),
            reports: Vec::new(),
            settlements: Vec::new(),
            heard: Heard::default(),
            explanation: Box::default(),
            told: None,
            sequence: 1,
            channel: None,
            pay_url: Box::default(),
            facts: Box::default(),
            notices: Vec::new(),
            created: at,
            captured: None,
            changed: at,
        }
    }

    /// Its id.
    pub fn id(&self) -> &PaymentId {
        &self.id
    }

    /// Whose order it pays.
    pub fn merchant(&self) -> &MerchantId {
        &self.merchant
    }

    /// Which order it pays.
    pub fn order(&self) -> &OrderId {
        &self.order
    }

    /// Which attempt at the order it is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How it is paid.
    pub fn method(&self) -> Method {
        self.method
    }

    /// How much is to be paid.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// What that is in the currency that its merchant settles in, if that is another.
    pub fn conversion(&self) -> Option<&Conversion> {
        self.conversion.as_deref()
    }

    /// Where it is.
    pub fn state(&self) -> State {
        match self.open() {
            Some(Requested { phase: Phase::Unknown, .. }) => State::Unknown,
            _ => self.beneath,
        }
    }

    /// Its last challenge, which is open while the payment is [`State::Challenged`].
    pub fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// Whose its money is.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the institution was asked for, in order.
    pub fn operations(&self) -> &[Requested] {
        &self.operations
    }

    /// Its disputes, in order.
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// How often it has changed.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// What is known about it besides: as it was described, or nothing.
    pub fn facts(&self) -> &[u8] {
        &self.facts
    }

    /// Whether the payer has proved who they are.
    pub fn is_stepped_up(&self) -> bool {
        self.stepped_up
    }

    /// The last result of 3-D Secure, if there was one.
    pub fn three_ds(&self) -> Option<&ThreeDs> {
        self.three_ds.as_deref()
    }

    /// By which channel it goes, once one was chosen.
    pub fn channel(&self) -> Option<&ChannelId> {
        self.channel.as_ref()
    }

    /// Whether the engine has decided about it.
    pub fn is_assessed(&self) -> bool {
        self.clearance != Clearance::Unassessed || self.beneath != State::Created
    }

    /// Whether an institution has approved something of it, or may have: then its way is settled.
    fn is_on_its_way(&self) -> bool {
        self.operations.iter().any(|o| !matches!(o.phase, Phase::Sent | Phase::Declined(_)))
    }

    pub(super) fn routed(&mut self, channel: &ChannelId) -> Result<Taken, Error> {
        if self.channel.as_ref() == Some(channel) {
            return Ok(Taken::NOTHING);
        }
        if self.is_on_its_way() {
            return Err(Error::Illegal { state: self.state(), event: "route" });
        }
        self.channel = Some(channel.clone());
        Ok(Taken::with([]))
    }

    /// Where the payer goes on, when an institution waits for them: an address, or the text of a QR code.
    pub fn pay_url(&self) -> Option<&str> {
        Some(&*self.pay_url).filter(|url| !url.is_empty())
    }

    pub(super) fn placed(&mut self, pay_url: &str) -> Result<Taken, Error> {
        match () {
            () if pay_url.len() > PAY_URL_BYTES_MAX => Err(Error::Full("bytes of where the payer goes on")),
            () if self.open().is_none() => {
                Err(Error::Illegal { state: self.state(), event: "place to go on" })
            }
            () if *self.pay_url == *pay_url => Ok(Taken::NOTHING),
            () => {
                self.pay_url = pay_url.into();
                Ok(Taken::with([]))
            }
        }
    }

    /// What the merchant has not taken notice of yet, oldest first.
    pub fn undelivered(&self) -> impl Iterator<Item = Notice> + '_ {
        self.notices.iter().map(|(sequence, state, at)| self.notice(*sequence, *state, *at))
    }

    fn notice(&self, sequence: u32, state: State, at: Timestamp) -> Notice {
        Notice { merchant: self.merchant.clone(), payment: self.id.clone(), sequence, state, at }
    }

    /// Keeps what is known besides. It is told once, and no more than a repetition is taken later.
    pub(super) fn described(&mut self, facts: &[u8]) -> Result<Taken, Error> {
        match () {
            () if facts.len() > FACTS_BYTES_MAX => Err(Error::Full("bytes of what is known")),
            () if *self.facts == *facts => Ok(Taken::NOTHING),
            () if !self.facts.is_empty() => Err(Error::Exists("description")),
            () => {
                self.facts = facts.into();
                Ok(Taken::with([]))
            }
        }
    }

    /// Forgets the notices up to this one.
    pub(super) fn delivered(&mut self, sequence: u32) -> Taken {
        let before = self.notices.len();
        self.notices.retain(|(number, ..)| *number > sequence);
        if self.notices.len() == before { Taken::NOTHING } else { Taken::with([]) }
    }

    /// What the engine is told became of it, and when that happened, in order.
    pub fn settlements(&self) -> &[(Status, Timestamp)] {
        &self.settlements
    }

    /// When it was asked for.
    pub fn created_at(&self) -> Timestamp {
        self.created
    }

    /// When the money became the merchant's, if it did.
    pub fn captured_at(&self) -> Option<Timestamp> {
        self.captured
    }

    /// When it changed last.
    pub fn changed_at(&self) -> Timestamp {
        self.changed
    }

    /// What the institution has not answered yet.
    pub fn open(&self) -> Option<&Requested> {
        self.operations.last().filter(|last| !last.phase.is_final())
    }

    /// The request that was made of the institution under a key.
    pub fn called(&self, key: &CallKey) -> Option<Call> {
        self.operations.iter().find(|o| o.key == *key).map(|o| self.call(o))
    }

    /// The request as it is, or was, sent to the institution.
    pub(super) fn call(&self, requested: &Requested) -> Call {
        Call {
            key: requested.key,
            payment: self.id.clone(),
            method: self.method,
            operation: requested.operation.clone(),
            amount: self.amount_of(&requested.operation),
        }
    }

    pub(super) fn amount_of(&self, operation: &Operation) -> Money {
        match operation {
            Operation::Authorize | Operation::Void => self.amount,
            Operation::Capture { amount } | Operation::Refund { amount, .. } => *amount,
        }
    }

    /// Takes a change, or says why not and stays as it is.
    pub(super) fn apply(
        &mut self,
        at: Timestamp,
        change: &Change,
        secret: &CallSecret,
    ) -> Result<Taken, Error> {
        let before = (self.state(), self.open().is_some());
        let label = self.label().map(|label| label.fraud);
        let mut taken = self.take(at, change, secret)?;
        debug_assert!(self.ledger.is_balanced());
        if taken.changed {
            self.sequence = self.sequence.saturating_add(1);
            self.changed = at;
            self.settlements.extend(taken.effects.iter().filter_map(|effect| match effect {
                Effect::Settle(_, status) => Some((*status, at)),
                _ => None,
            }));
            if self.is_looked_at() {
                self.explanation = Box::default();
            }
            if self.open().is_none() {
                self.pay_url = Box::default();
            }
            if let Some(now) = self.label().filter(|now| Some(now.fraud) != label) {
                taken.effects.push(Effect::Label(self.id.clone(), now.fraud));
            }
            let ended = before.1 && self.open().is_none();
            if ended || self.state() != before.0 {
                let state = self.state();
                self.notices.push((self.sequence, state, at));
                taken.effects.push(Effect::Notify(self.notice(self.sequence, state, at)));
            }
        }
        Ok(taken)
    }
}

/// What came of a change.
pub(super) struct Taken {
    /// Whether anything is different now, and so has to be recorded.
    pub changed: bool,
    pub effects: Vec<Effect>,
}

impl Taken {
    /// It is known already.
    pub const NOTHING: Taken = Taken { changed: false, effects: Vec::new() };

    pub fn with(effects: impl IntoIterator<Item = Effect>) -> Taken {
        Taken { changed: true, effects: effects.into_iter().collect() }
    }
}
