//! What does the engine hear of what became of payments, and does it hear each thing once?
//!
//! [`settle`] gives the engine what it has not been given; once its journal has that for good, [`run`] records how far
//! it was told. A crash between the two leaves the engine ahead of that record: [`Settling::resume`] looks into its
//! journal, from where the book says that it can stand. What it decided about payments that nobody knows to be decided
//! is found on the same way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Cashier;
use super::assess::vouched;
use super::happen::Fault;
use super::later::Later;
use crate::error::Error;
use crate::failpoint::{Failpoint, reach};
use crate::journal::{self, Busy, Heard, Known};
use crate::pay::{Book, Event, Payment, PaymentId, State};
use crate::serve::app::App;
use crate::serve::desk;
use crate::serve::keeper::{Keeper, not_recorded};
use crate::serve::log::{self, Level};
use crate::stage::Settlement;

/// How long what was given is gathered before it is recorded, and how long it is waited when there is no room.
const GATHERED: Duration = Duration::from_millis(20);

/// How much the engine has been given, and what of that is recorded.
#[derive(Default)]
pub(super) struct Settling {
    /// How many of a payment's settlements, until the book says so, too. The book is locked within it.
    given: DashMap<PaymentId, u32>,
    /// What is to be recorded.
    told: Mutex<Vec<Told>>,
    wake: Notify,
    /// What could not be given, and when that is tried again.
    pub(super) again: Later,
    /// What the engine decided about payments of which the book does not know it: another process ended in between.
    pub(super) decided: DashMap<PaymentId, Known>,
}

/// The engine knows so many settlements of a payment, the last one by this record of its journal.
struct Told {
    payment: PaymentId,
    settlements: u32,
    record: u64,
}

impl Settling {
    /// Finds out what the engine was told of what the book does not say that it was.
    ///
    /// # Errors
    /// When the engine's journal can't be read.
    pub(super) fn resume(book: &Book, keeper: &Keeper) -> Result<Settling, Error> {
        let settling = Settling::default();
        let is_undecided = |p: &Payment| p.state() == State::Created && !p.is_assessed();
        let open = book.payments().filter(|p| !p.unsettled().is_empty() || is_undecided(p));
        let open: HashMap<&str, &Payment> = open.map(|p| (p.id().as_str(), p)).collect();
        if open.is_empty() {
            return Ok(settling);
        }
        let Some((engine, dir)) = keeper.journal_in() else {
            // Windows have forgotten the payments themselves.
            let unsettled = open.values().filter(|p| !p.unsettled().is_empty());
            unsettled.for_each(|p| settling.told(p, p.settlements().len() as u32, 0));
            return Ok(settling);
        };
        // A journal that is shorter than it was is another one.
        let last = engine.records();
        let behind = |p: &Payment| Some(p.settled_by()).filter(|by| *by <= last).unwrap_or(0);
        let after = open.values().map(|p| behind(p)).min().unwrap_or(0);
        let mut found: HashMap<PaymentId, (usize, u64)> = HashMap::new();
        journal::settlements(dir, after, &mut |record, id, heard| {
            let Some(payment) = open.get(id).filter(|p| record > behind(p)) else { return };
            let status = match heard {
                Heard::Settled(status) => status,
                Heard::Scored(decided) if is_undecided(payment) => {
                    // One that can't be read is of no use: it is decided about anew.
                    if let Ok(known) = decided.keep() {
                        settling.decided.insert(payment.id().clone(), known);
                    }
                    return;
                }
                Heard::Scored(_) => return,
            };
            let (count, by) = found.entry(payment.id().clone()).or_default();
            if payment.unsettled().get(*count).is_some_and(|(next, _)| *next == status) {
                (*count, *by) = (*count + 1, record);
            }
        })?;
        let now = Instant::now();
        let (mut known, mut lost) = (0, 0);
        for payment in open.values() {
            let (count, by) = found.get(payment.id()).copied().unwrap_or_default();
            if count > 0 {
                settling.told(payment, payment.settled() + count as u32, by);
            }
            if count < payment.unsettled().len() {
                settling.again.add(now, payment.id().clone());
            }
            (known, lost) = (known + count, lost + payment.unsettled().len() - count);
        }
        let decided = settling.decided.len();
        let fields = [("known", known.into()), ("lost", lost.into()), ("decided", decided.into())];
        log::event(Level::Info, "settlements_resumed", &fields);
        Ok(settling)
    }

    fn told(&self, payment: &Payment, settlements: u32, record: u64) {
        self.given.insert(payment.id().clone(), settlements);
        self.note(Told { payment: payment.id().clone(), settlements, record });
    }

    /// Lets go of how much was given of a payment, once the book says as much.
    fn forget(&self, payment: &PaymentId, book: &Mutex<Book>) {
        self.given
            .remove_if(payment, |_, given| book.lock().any(payment).is_none_or(|p| p.settled() >= *given));
    }

    fn note(&self, told: Told) {
        self.told.lock().push(told);
        self.wake.notify_one();
    }
}

/// Tells the engine what became of a payment, as far as it has not been told. What can't be recorded now is tried again.
///
/// # Errors
/// When it can't be recorded.
pub(super) async fn settle(app: &App, cashier: &Cashier, payment: &PaymentId) -> Result<(), Fault> {
    let settling = &cashier.settling;
    let done = match give(app, cashier, payment) {
        Ok(Some((settlements, Some(record)))) => match record.done().await {
            Ok(by) => {
                reach(Failpoint::SettlementGiven);
                let record = by.map_or(0, |(record, _)| record);
                settling.note(Told { payment: payment.clone(), settlements, record });
                return Ok(());
            }
            Err(busy) => Err(busy),
        },
        Ok(Some((settlements, None))) => {
            settling.note(Told { payment: payment.clone(), settlements, record: 0 });
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(busy) => Err(busy),
    };
    done.map_err(|busy| {
        let next = Instant::now() + cashier.settings.ask_again.0;
        settling.again.add(next, payment.clone());
        not_recorded(&busy).into()
    })
}

/// How many settlements the engine has been given by now, and the promise of the last one, if it was given any;
/// `None` when there was nothing to give.
type Given = Option<(u32, Option<crate::serve::keeper::Recorded>)>;

fn give(app: &App, cashier: &Cashier, payment: &PaymentId) -> Result<Given, Busy> {
    // Held for as long as is given: whoever comes meanwhile finds it done.
    let mut given = cashier
        .settling
        .given
        .entry(payment.clone())
        .or_insert_with(|| cashier.book.lock().any(payment).map_or(0, Payment::settled));
    // Only what is read here: the book keeps much more of a payment.
    let known = cashier.book.lock().any(payment).map(|p| {
        let waiting = p.settlements().get(*given as usize..).unwrap_or_default().to_vec();
        (waiting, p.facts().to_vec(), p.three_ds().cloned())
    });
    let Some((waiting, facts, three_ds)) = known.filter(|(waiting, ..)| !waiting.is_empty()) else {
        drop(given);
        cashier.settling.forget(payment, &cashier.book);
        return Ok(None);
    };
    let all = *given + waiting.len() as u32;
    // Given up before anybody had decided about it: no window knows it.
    if facts.is_empty() {
        *given = all;
        return Ok(Some((*given, None)));
    }
    let turn = app.keeper.turn();
    desk::at(app, turn.current(), |desk| {
        // A rule folder that has lost a field may not read what it once wrote; the payment goes on without.
        if let Err(problem) = desk.read_kept(&facts) {
            let fields = [
                ("payment", payment.as_str().into()),
                ("detail", String::from_utf8_lossy(&problem.json()).into_owned().into()),
            ];
            log::event(Level::Warn, "not_settled", &fields);
            *given = all;
            return Ok(Some((*given, None)));
        }
        // What the challenge came to is known by now.
        for (id, value) in three_ds.iter().flat_map(vouched).flatten() {
            let _ = desk.payment.set(turn.current().pipeline().schema(), id, value);
        }
        let mut last = None;
        for (status, _) in waiting {
            let (_, recorded) = turn.settle(&desk.payment, Settlement { status })?;
            *given += 1;
            last = Some(recorded);
        }
        Ok(Some((*given, last)))
    })
}

/// Records how far the engine was told, once its journal has that for good, until the process ends.
pub(super) async fn run(app: std::sync::Arc<App>, cashier: std::sync::Arc<Cashier>) {
    let settling = &cashier.settling;
    while cashier.failure().is_none() {
        settling.wake.notified().await;
        tokio::time::sleep(GATHERED).await;
        let mut told = std::mem::take(&mut *settling.told.lock());
        told.sort_by_key(|told| told.record);
        if let Some(last) = told.last().map(|told| told.record).filter(|record| *record > 0)
            && app.keeper.synced(last).done().await.is_err()
        {
            return; // its journal has failed: what it lost is told again after the next start
        }
        for Told { payment, settlements, record } in told {
            let merchant = cashier.book.lock().any(&payment).map(|p| p.merchant().clone());
            let Some(merchant) = merchant else { continue };
            let event = Event::Settled { merchant, payment: payment.clone(), settlements, record };
            while let Err(Fault::Disk(busy)) = cashier.take(event.clone()) {
                match busy {
                    Busy::Full => tokio::time::sleep(GATHERED).await,
                    _ => return,
                }
            }
            settling.forget(&payment, &cashier.book);
        }
    }
}
