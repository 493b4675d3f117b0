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
            ("took_ms", millis(self.took).into()),
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
                let fields = [("record", record.into()), ("took_ms", millis(began.elapsed()).into())];
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

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
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
