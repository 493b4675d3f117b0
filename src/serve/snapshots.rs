//! How does the next start read less? What the windows hold is saved from time to time, by an engine of its
//! own that follows the journal beside the one that scores, which is not held up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::app::App;
use super::log::{self, Level};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};

/// How often it looks whether the server is stopping.
const LOOK: Duration = Duration::from_millis(250);

/// Starts to save, on a thread of its own that ends with the process.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(app: &Arc<App>) -> Result<(), Error> {
    let every = app.config.journal.snapshot.0;
    if app.keeper.journal().is_none() || every.is_zero() {
        return Ok(());
    }
    let app = app.clone();
    let spawned = std::thread::Builder::new().name("snapshots".into()).spawn(move || {
        let mut last = Instant::now();
        while !app.draining() {
            std::thread::sleep(LOOK.min(every));
            if last.elapsed() >= every {
                save(&app);
                last = Instant::now();
            }
        }
    });
    spawned.map(|_| ()).map_err(|e| Error::new(e.to_string()))
}

fn save(app: &App) {
    let began = Instant::now();
    let saved = app.control.again().and_then(|pipeline| {
        if pipeline.digest() != app.engine().pipeline().digest() {
            let why = "the rules on disk are not those in force, which is what a snapshot would be read by";
            return Err(Error::new(why).of(ErrorKind::Rules));
        }
        app.keeper.snapshot(&Engine::new(pipeline))
    });
    let took = log::millis(began.elapsed());
    match saved {
        Ok(record) => {
            log::event(Level::Info, "snapshot", &[("record", record.into()), ("took_ms", took.into())]);
        }
        Err(error) => log::event(Level::Warn, "snapshot", &[("detail", error.to_string().into())]),
    }
}
