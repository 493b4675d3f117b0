//! What was recorded, read back; and how does the next start read less of it?
//!
//! What the records come to is saved from time to time, by a book of its own that follows the journal beside the one
//! that is at work, which is not held up. A snapshot is never needed: the records are what lasts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::settings::Payments;
use super::{Cashier, kept};
use crate::error::Error;
use crate::journal::{self, Chronicle, Reopened};
use crate::pay::{Book, CallSecret};
use crate::serve::app::App;
use crate::serve::log::{self, Level};

/// How often it is looked how many records there are by now.
const LOOK: Duration = Duration::from_millis(100);
/// Of a large book another is saved when its records have grown by one in so many: it takes longer to write.
const GROWN: u64 = 8;

/// What was recorded, read back.
pub(in crate::serve) struct Recalled {
    pub(super) book: Book,
    pub(super) chronicle: Chronicle,
    pub(super) code: [u8; 32],
    pub(super) found: Reopened,
    pub(super) saving: Saving,
    pub(super) took: Duration,
}

/// What it takes to save.
pub(super) struct Saving {
    dir: PathBuf,
    secret: CallSecret,
    /// The record up to which it was saved at the start.
    from: u64,
    /// One saves at a time.
    turn: Mutex<()>,
}

impl Recalled {
    /// Reads what was recorded; `None` when no payments are to be taken.
    ///
    /// # Errors
    /// When the journal is damaged, another process has it, or the disk fails.
    pub(in crate::serve) fn read(settings: &Payments) -> Result<Option<Recalled>, Error> {
        let Some(dir) = &settings.dir else { return Ok(None) };
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let (call, code) = secrets(dir)?;
        let (secret, began) = (CallSecret::new(call), Instant::now());
        let new = || Book::new(secret.clone());
        let (chronicle, book, found) = Chronicle::open(dir, settings.segment_bytes, &new)?;
        let from = found.snapshot.unwrap_or(0);
        let saving = Saving { dir: dir.clone(), secret, from, turn: Mutex::default() };
        Ok(Some(Recalled { book, chronicle, code, found, saving, took: began.elapsed() }))
    }

    /// Tells what came back.
    pub(super) fn tell(&self, dir: &Path, unfinished: usize) {
        let Reopened { records, snapshot, passed_over, torn } = &self.found;
        let fields = [
            ("journal", dir.display().to_string().into()),
            ("records", (*records).into()),
            ("from_snapshot", (*snapshot).into()),
            ("passed_over", passed_over.clone().into()),
            ("torn", torn.clone().into()),
            ("unfinished", unfinished.into()),
            ("took_ms", log::millis(self.took).into()),
        ];
        let level = if passed_over.is_empty() { Level::Info } else { Level::Warn };
        log::event(level, "payments_recovered", &fields);
    }
}

impl Cashier {
    /// Saves what the records so far come to.
    fn save(&self) {
        let began = Instant::now();
        let Saving { dir, secret, turn, .. } = &self.saving;
        let _turn = turn.lock();
        match journal::follow(dir, &|| Book::new(secret.clone())) {
            Ok(record) => {
                let fields = [("record", record.into()), ("took_ms", log::millis(began.elapsed()).into())];
                log::event(Level::Info, "payments_snapshot", &fields);
            }
            // Closed meanwhile, or the disk has failed: the records are there all the same.
            Err(error) => {
                log::event(Level::Warn, "payments_snapshot", &[("detail", error.to_string().into())]);
            }
        }
    }

    /// Ends the journal in good order, and saves what it came to.
    pub(in crate::serve) fn close(&self) {
        let _turn = self.saving.turn.lock();
        let closed = self.chronicle.close(&*self.book.lock());
        let (level, detail) = match closed {
            Ok(()) => (Level::Info, serde_json::Value::Null),
            Err(error) => (Level::Warn, error.to_string().into()),
        };
        let fields = [("records", self.chronicle.records().into()), ("detail", detail)];
        log::event(level, "payments_closed", &fields);
    }
}

/// Starts to save what payments' records come to, on a thread of its own that ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(in crate::serve) fn save_now_and_then(app: &Arc<App>) -> Result<(), Error> {
    let every = app.config.payments.snapshot_records;
    let Some(cashier) = app.cashier.clone().filter(|_| every > 0) else { return Ok(()) };
    let app = app.clone();
    let spawned = std::thread::Builder::new().name("payments-snapshots".into()).spawn(move || {
        let mut tried = cashier.saving.from;
        while !app.draining() && cashier.failure().is_none() {
            let records = cashier.chronicle.records();
            if records.saturating_sub(tried) >= every.max(tried / GROWN) {
                cashier.save();
                tried = records;
            }
            std::thread::sleep(LOOK);
        }
    });
    spawned.map(|_| ()).map_err(|e| Error::new(e.to_string()))
}

/// The secrets of a journal: drawn with its first start, and the same ever after.
fn secrets(dir: &Path) -> Result<([u8; 32], [u8; 32]), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(known) = kept::secrets(dir)? {
        return Ok(known);
    }
    let path = dir.join(kept::SECRETS);
    let bytes: [u8; 64] = rand::random();
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    written.map_err(|e| Error::io(&path, e))?;
    Ok(kept::halves(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Outcome;
    use crate::money::{Currency, Money};
    use crate::pay::{
        Answer, Change, ChannelId, Effect, Event, MerchantId, Method, Operation, OrderId, PaymentId,
        RequestKey,
    };
    use crate::time::{Span, Timestamp};

    /// What a captured payment by card leaves in the journal.
    fn events(book: &Book, n: u64, step: usize) -> Option<Event> {
        let merchant = MerchantId::parse("merchant-1").unwrap();
        let order = OrderId::parse(&format!("order-{n}")).unwrap();
        let payment = PaymentId::parse(&format!("pay_{n:032x}")).unwrap();
        let amount = Money { minor: 1_000, currency: Currency::parse("EUR").unwrap() };
        let changed =
            |change| Event::Changed { merchant: merchant.clone(), payment: payment.clone(), change };
        let approved = || {
            let key = book.any(&payment)?.open()?.key;
            Some(changed(Change::Answered { key, answer: Answer::Approved { amount } }))
        };
        let mut request = [0; 32];
        request[..8].copy_from_slice(&n.to_le_bytes());
        let request = RequestKey(request);
        Some(match step {
            0 => Event::OrderCreated { merchant, order, amount },
            1 => Event::RequestBegun { request, body: [1; 32] },
            2 => {
                Event::PaymentRequested { merchant, order, attempt: 1, payment, method: Method::Card, amount }
            }
            3 => Event::Described { merchant, payment, facts: [b'x'; 300].into() },
            4 => changed(Change::Assessed(Outcome::Approve)),
            5 => changed(Change::Intended(Operation::Authorize)),
            6 => Event::Routed { merchant, payment, channel: ChannelId::parse("bank").unwrap() },
            7 => approved()?,
            8 => changed(Change::Intended(Operation::Capture { amount })),
            9 => approved()?,
            10 => Event::Settled { merchant, payment, settlements: 1, record: 2 * n + 2 },
            11 => Event::RequestAnswered { request, answer: [b'y'; 600].into() },
            12 => Event::Delivered { merchant, payment, sequence: 100 },
            _ => return None,
        })
    }

    /// How long a start takes with a large book, by hand: `TOLLGATE_BOOK=100000 cargo test --release --lib a_large_book --
    /// --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn a_large_book() {
        let payments = std::env::var("TOLLGATE_BOOK").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
        let dir = tempfile::tempdir().unwrap();
        let new = || Book::new(CallSecret::new([7; 32]));
        let (chronicle, mut book, _) = Chronicle::open(dir.path(), 16 << 20, &new).unwrap();
        for n in 0..payments {
            let at = Timestamp::default().plus(Span::from_secs(n as i64 / 100));
            for step in 0.. {
                let Some(event) = events(&book, n, step) else { break };
                if let Some(Effect::Persist(record)) = book.apply(at, event).unwrap().first() {
                    while chronicle.admit(0).is_err() {
                        std::thread::yield_now();
                    }
                    drop(chronicle.append(record.kind, record.version, &record.payload));
                }
            }
        }
        let start = Instant::now();
        chronicle.close(&book).unwrap();
        println!(
            "{} records of {payments} payments; closed and saved in {:?}",
            chronicle.records(),
            start.elapsed()
        );
        drop(chronicle);
        for what in ["from what was saved", "from the beginning"] {
            for _ in 0..3 {
                let start = Instant::now();
                let (chronicle, again, found) = Chronicle::open(dir.path(), 16 << 20, &new).unwrap();
                println!("{what}: {:?}", start.elapsed());
                assert!(again == book && found.snapshot.is_some() == (what == "from what was saved"));
                drop(chronicle);
            }
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "snapshot") {
                    println!("{} bytes saved", path.metadata().unwrap().len());
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
    }
}
