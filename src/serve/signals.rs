//! What is the process told by signals?

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::app::App;
use super::control::{self, Ask};
use super::log::{self, Level};
use super::tls;
use crate::error::Error;

/// Signals that don't end the process.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// Those that come from now on are heard, however late they are asked for. To be called within a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn hear() -> Result<Signals, Error> {
        let on = |kind| signal(kind).map_err(|e| Error::new(e.to_string()));
        Ok(Signals {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
            hup: on(SignalKind::hangup())?,
        })
    }

    /// Takes SIGHUP as a wish for the folder's rules and the certificates; returns when it is time to stop.
    pub(super) async fn stop(mut self, app: &Arc<App>) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => {
                    let app = app.clone();
                    tokio::task::spawn_blocking(move || {
                        reload_certificates(&app);
                        // What went wrong is logged and counted there.
                        let _ = control::reload(&app, "sighup", Ask::default());
                    });
                }
            }
        }
    }
}

fn reload_certificates(app: &App) {
    let (Some(settings), Some(kept)) = (&app.config.tls, &app.tls) else { return };
    match tls::open(settings) {
        Ok(tls) => {
            kept.store(tls);
            log::event(Level::Info, "certificates", &[]);
        }
        Err(error) => log::event(Level::Error, "certificates", &[("detail", error.to_string().into())]),
    }
}
