//! Payments that move money: what merchants ask for is recorded, assessed, carried to an institution and answered.
//!
//! | file | question it answers |
//! |---|---|
//! | `settings.rs` `merchants.rs` | what may be set, and what may a merchant do? |
//! | `signed.rs` | is the request the merchant's, whole and new? |
//! | `answer.rs` `asked.rs` | what is asked for, was it answered before, and what is answered? |
//! | `orders.rs` `acts.rs` | an order is created and paid; what happens to its payment then? |
//! | `happen.rs` | what is to be done because of it, in which order? |
//! | `turns.rs` | who takes a payment on its way, when two want to? |
//! | `assess.rs` `settling.rs` | what does the engine say of it, and what is it told? |
//! | `ask.rs` `ways.rs` | which institution is asked, and what did it say? |
//! | `proofs.rs` `stepup.rs` | how does a payer prove that it is them, and is it? |
//! | `codes.rs` `sender.rs` | may a code be sent, and by whom? |
//! | `accounts.rs` | which payers have an authenticator? |
//! | `chores.rs` `later.rs` | what has become of what nobody asks about, and when is it looked at? |
//! | `fraud.rs` | what do lists and training learn of fraud? |
//! | `monitoring/` | how much of a merchant is disputed, as the schemes count? |
//! | `reviews.rs` | what waits for somebody to look? |
//! | `figures.rs` | how does it go? |
//! | `webhooks.rs` `lanes.rs` | how are merchants told, and whose turn is it? |
//! | `recalled.rs` `kept.rs` | what does the folder hold, for who serves and for those who do not? |
//! | `view.rs` `words.rs` | what do merchants and payers get to see? |

mod accounts;
mod acts;
mod answer;
mod ask;
mod asked;
mod assess;
mod chores;
mod codes;
mod figures;
mod fraud;
mod happen;
pub(crate) mod kept;
mod lanes;
mod later;
mod merchants;
mod monitoring;
mod orders;
mod proofs;
mod recalled;
mod reviews;
mod sender;
pub(crate) mod settings;
mod settling;
mod signed;
mod stepup;
mod turns;
mod view;
mod ways;
mod webhooks;
mod words;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(super) use answer::{answer, callback};
pub(super) use chores::start;
pub(super) use recalled::{Recalled, save_now_and_then};

use super::Own;
use super::keeper::Keeper;
use super::problem::{Kind, Problem};
use crate::channel::Instrument;
use crate::error::Error;
use crate::journal::Chronicle;
use crate::pay::{Book, CallKey, CodeSecret, PaymentId};
use fraud::Frauds;
use later::Later;
use merchants::Merchants;
use monitoring::Figures;
use proofs::Proof;
use recalled::Saving;
use reviews::Reviews;
use sender::Sender;
use settings::Payments;
use settling::Settling;
use signed::Nonces;
use turns::Turns;
use ways::Ways;
use webhooks::Hooks;

/// Most payments whose instruments wait for a challenge to be passed; past it the payer pays anew.
const HELD_MAX: usize = 100_000;

/// Seconds that merchants are told to wait when the disk is full.
const FULL_RETRY_AFTER: u64 = 5;

/// All that payments that move money share.
pub(super) struct Cashier {
    book: Mutex<Book>,
    chronicle: Chronicle,
    codes: CodeSecret,
    sender: Sender,
    /// Held by whoever counts a code against its limits.
    counting: Mutex<()>,
    ways: Ways,
    merchants: Merchants,
    settings: Payments,
    /// What payers pay with and where they are reached, until their challenges are over: in memory alone.
    held: DashMap<PaymentId, Held>,
    /// How challenges are answered: in memory alone, and settled anew after a restart.
    proofs: DashMap<PaymentId, Proof>,
    /// What institutions told of payments besides: in memory alone.
    notes: DashMap<PaymentId, Note>,
    /// What institutions may have been asked for.
    calls: Mutex<Calls>,
    /// What is over at some time if nobody does anything.
    due: Later,
    /// Nonces of signed requests.
    nonces: Nonces,
    /// Something is to be looked after.
    work: Notify,
    /// Merchants are to be told something.
    hooks: Hooks,
    /// What fraud leads to.
    frauds: Frauds,
    /// What the engine hears.
    settling: Settling,
    /// Whose turn it is to take a payment on its way.
    turns: Turns,
    /// What waits for somebody to look. Locked within the book, as are the figures.
    reviews: Mutex<Reviews>,
    figures: Mutex<Figures>,
    /// How the next start reads less.
    saving: Saving,
}

/// Keys of what is not answered, as far as anybody has looked.
struct Calls {
    /// Something may have been sent under them.
    sent: HashSet<CallKey>,
    /// Somebody asks now.
    running: HashSet<CallKey>,
}

struct Held {
    instrument: Option<Instrument>,
    /// Where a code is sent.
    phone: Option<String>,
    until: Instant,
}

/// What an institution told.
#[derive(Debug, Clone, Default)]
struct Note {
    code: Option<String>,
    reference: Option<String>,
}

impl Cashier {
    /// Goes on from what was recorded; `None` when no payments are to be taken.
    ///
    /// # Errors
    /// When settings are wrong, or the engine's journal can't be read.
    pub(super) fn open(
        settings: &Payments,
        keeper: &Keeper,
        (recalled, own): (Option<Recalled>, Own),
    ) -> Result<Option<Arc<Cashier>>, Error> {
        let (Some(dir), Some(recalled)) = (&settings.dir, recalled) else { return Ok(None) };
        let unfinished = recalled.book.unfinished();
        let (length, sent) = (unfinished.len(), unfinished.into_iter().map(|call| call.key).collect());
        let merchants = Merchants::of(&settings.merchant)?;
        let ways = ways::open(&settings.channel, own.ways)?;
        let hooks = Hooks::of(&settings.merchant)?;
        let sender = Sender::of(settings, own.messages)?;
        let frauds = Frauds::of(&settings.on_fraud, &keeper.engine().pipeline())?;
        recalled.tell(dir, length);
        let Recalled { book, chronicle, code, saving, .. } = recalled;
        let settling = Settling::resume(&book, keeper)?;
        frauds.resume(&book, keeper.journal().is_none());
        book.payments().filter(|p| p.undelivered().next().is_some()).for_each(|p| hooks.announce(p.id()));
        let (mut reviews, mut figures) = (Reviews::default(), Figures::new(&settings.monitoring));
        for payment in book.payments() {
            reviews.happened(payment);
            figures.resume(payment);
        }
        let cashier = Cashier {
            due: chores::waiting(&book, settings),
            book: Mutex::new(book),
            chronicle,
            codes: CodeSecret::new(code),
            sender,
            counting: Mutex::new(()),
            ways,
            merchants,
            settings: settings.clone(),
            held: DashMap::new(),
            proofs: DashMap::new(),
            notes: DashMap::new(),
            calls: Mutex::new(Calls { sent, running: HashSet::new() }),
            nonces: Nonces::default(),
            work: Notify::new(),
            hooks,
            frauds,
            settling,
            turns: Turns::default(),
            reviews: Mutex::new(reviews),
            figures: Mutex::new(figures),
            saving,
        };
        for payment in cashier.due.all() {
            cashier.settle_proof(&payment);
        }
        Ok(Some(Arc::new(cashier)))
    }

    /// What the disk said when it failed: no payments are taken any more.
    pub(super) fn failure(&self) -> Option<String> {
        self.chronicle.failure()
    }

    /// What the disk said when it had no room for more than what is under way.
    pub(super) fn storage_failure(&self) -> Option<String> {
        self.chronicle.storage_failure()
    }

    /// Whether there is room to begin something new.
    ///
    /// # Errors
    /// When the disk is full; what is under way goes on.
    fn room(&self) -> Result<(), Problem> {
        match self.chronicle.storage_failure() {
            None => Ok(()),
            Some(_) => {
                Err(Problem::new(Kind::NotRecorded, "the disk has no room for new orders and payments")
                    .code("storage_full")
                    .remedy("what is under way goes on; send it again later")
                    .retry_after(FULL_RETRY_AFTER))
            }
        }
    }

    /// What the payer pays with, and where they are reached, kept for as long as a challenge may last.
    fn hold(&self, payment: &PaymentId, instrument: Option<Instrument>, phone: Option<String>) {
        let now = Instant::now();
        if self.held.len() >= HELD_MAX {
            self.held.retain(|_, held| held.until > now);
        }
        if self.held.len() < HELD_MAX {
            let until = now + Duration::from_secs(crate::pay::CODE_KEPT.secs() as u64 + 60);
            self.held.insert(payment.clone(), Held { instrument, phone, until });
        }
    }
}
