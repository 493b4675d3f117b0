//! All that the handlers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::Own;
use super::accept::Places;
use super::admit::Admission;
use super::cashier::{Cashier, Recalled};
use super::config::Config;
use super::control::Control;
use super::idempotency::Answers;
use super::keeper::Keeper;
use super::keys::Keys;
use super::metrics::Metrics;
use super::recent::Recent;
use super::tls;
use super::totals::Past;
use crate::engine::Engine;
use crate::error::Error;
use crate::pipeline::Options;

/// The listener that a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Main,
    /// HAProxy's protocol; no HTTP.
    Spop,
    Admin,
}

impl Door {
    /// As it is written in logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Door::Main => "main",
            Door::Spop => "spop",
            Door::Admin => "admin",
        }
    }
}

/// What is known of a request's sender before its headers.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) door: Door,
}

/// All that the handlers share.
pub(super) struct App {
    pub(super) config: Config,
    pub(super) keeper: Keeper,
    pub(super) keys: Keys,
    pub(super) admission: Admission,
    pub(super) answers: Answers,
    pub(super) recent: Recent,
    pub(super) metrics: Metrics,
    pub(super) past: Past,
    pub(super) control: Control,
    pub(super) tls: Option<ArcSwap<ServerConfig>>,
    pub(super) places: Places,
    /// `None` when no payments that move money are taken.
    pub(super) cashier: Option<Arc<Cashier>>,
    draining: AtomicBool,
}

impl App {
    /// # Errors
    /// What is wrong with keys or certificates.
    pub(super) fn new(
        config: Config,
        (keeper, recalled): (Keeper, Option<Recalled>),
        source: (Option<PathBuf>, Options),
        own: Own,
    ) -> Result<App, Error> {
        let limits = &config.limits;
        let tls = config.tls.as_ref().map(tls::open).transpose()?;
        Ok(App {
            keys: Keys::of(&config)?,
            admission: Admission::new(),
            answers: Answers::new(&config.idempotency),
            recent: Recent::new(limits.recent),
            metrics: Metrics::new(),
            control: Control::new(source),
            past: Past::new(Instant::now()),
            places: Places::new(limits.connections, limits.connections_per_peer, limits.handshakes),
            tls: tls.map(ArcSwap::new),
            cashier: Cashier::open(&config.payments, &keeper, (recalled, own))?,
            draining: AtomicBool::new(false),
            keeper,
            config,
        })
    }

    /// The engine, for all that leaves no trace in windows or lists.
    pub(super) fn engine(&self) -> &Engine {
        self.keeper.engine()
    }

    /// Whether it is about to stop.
    pub(super) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
