//! The sidecar: payments come in over a socket, decisions go out.
//!
//! | file | question it answers |
//! |---|---|
//! | `config.rs` `limits.rs` `journaling.rs` `source.rs` | what may be set, and where do settings come from? |
//! | `listen.rs` `accept.rs` `stream.rs` `tls.rs` | who may connect, how many, for how long? |
//! | `http.rs` `routes.rs` `openapi.rs` | what can be asked? |
//! | `keys.rs` `secret.rs` `basic.rs` `admit.rs` `budget.rs` `idempotency.rs` | who asks, is there room, what if not, was it asked before? |
//! | `body.rs` `desk.rs` `score.rs` `reply.rs` `ndjson.rs` | from bytes to a decision to bytes |
//! | `gate.rs` `form.rs` `authz.rs` | may a request pass? asked by gateways, over HTTP |
//! | `spop/` `grpc/` | the same over HAProxy's protocol, and Envoy's |
//! | `signifyd.rs` | the same as Hyperswitch asks it |
//! | `recent.rs` `decisions.rs` `settle.rs` | which payments are remembered, and what became of them? |
//! | `control.rs` `watch.rs` `lists.rs` `signals.rs` | how do rules and lists change while payments are scored? |
//! | `monitor.rs` `brakes.rs` | when does a rule go past its brake, and how is it released? |
//! | `metrics.rs` `exemplar.rs` `exposition.rs` `health.rs` `log.rs` `trace.rs` `problem.rs` | what do people and machines get to know? |
//! | `keeper.rs` `snapshots.rs` `restored.rs` | is what was decided recorded, and what comes back at a start? |
//! | `cashier/` | what becomes of payments that move money? |
//! | `totals.rs` `stats.rs` `console/` | what was counted lately, and the page that shows it |

mod accept;
mod admit;
mod app;
mod authz;
mod basic;
mod body;
mod brakes;
mod budget;
mod cashier;
mod cohort;
pub(crate) mod config;
mod console;
mod control;
mod decisions;
mod desk;
mod exemplar;
mod exposition;
mod form;
mod gate;
#[cfg(feature = "grpc")]
mod grpc;
mod health;
mod http;
mod idempotency;
mod journaling;
mod keeper;
mod keys;
mod limits;
mod listen;
mod lists;
mod log;
mod metrics;
mod monitor;
mod ndjson;
mod openapi;
mod problem;
mod recent;
mod reply;
mod restored;
mod routes;
mod score;
mod secret;
mod settle;
mod signals;
mod signifyd;
mod snapshots;
pub(crate) mod source;
pub(crate) mod spop;
mod stats;
mod stream;
mod tls;
mod totals;
mod trace;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::Receiver;

use crate::channel::{Channel, Terms};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::institution::{Guard, GuardSettings};
use crate::journal::Journal;
use crate::pipeline::{Options, Pipeline};
use crate::sms::Provider;
use accept::{ADMIN_CONNECTIONS_MAX, Entrance, Places};
use app::{App, Door};
use cashier::Recalled;
pub(crate) use cashier::kept;
use config::Config;
use keeper::Keeper;
use listen::Bound;
use log::Level;
use signals::Signals;

/// Most threads that serve.
pub(crate) const THREADS_MAX: usize = 256;

/// What only the program around a sidecar can bring.
#[derive(Default)]
struct Own {
    messages: Option<Arc<dyn Provider>>,
    ways: Vec<(Arc<Guard>, Option<Terms>)>,
}

/// The sidecar, for a program that has parts of its own for it. `tollgate serve` is one without.
///
/// ```
/// use tollgate::{Error, Options, Sidecar, sms::{Message, Provider, Sending}};
///
/// struct Quiet;
/// impl Provider for Quiet {
///     fn send<'a>(&'a self, _: &'a Message) -> Sending<'a> {
///         Box::pin(async { Err(Error::new("nobody is told anything")) })
///     }
/// }
/// # let path = std::env::temp_dir().join(format!("tollgate-sidecar-{}.toml", std::process::id()));
/// # std::fs::write(&path, "listen = '127.0.0.1:0'\n").unwrap();
/// let sidecar = Sidecar::open(&path, Options::default())?.messages(Quiet);
/// # std::fs::remove_file(path).unwrap();
/// # let _ = || {
/// sidecar.serve()?; // until it is told to stop
/// # Ok::<(), Error>(()) };
/// # Ok::<(), Error>(())
/// ```
pub struct Sidecar {
    config: Config,
    pipeline: Pipeline,
    /// Where rules are read again from.
    source: (Option<PathBuf>, Options),
    own: Own,
}

impl Sidecar {
    /// Reads a file of settings, and the rules that it names; those built in when it names none. The seed of
    /// `options` is the journal's, or drawn.
    ///
    /// # Errors
    /// When settings or rules are wrong, with their places.
    pub fn open(settings: impl AsRef<Path>, options: Options) -> Result<Sidecar, Error> {
        let config = source::read(Some(settings.as_ref()), std::iter::empty(), &[])?;
        let folder = config.rules.clone();
        Sidecar::of(config, folder, options)
    }

    /// # Errors
    /// When rules are wrong, or the journal can't be read.
    pub(crate) fn of(config: Config, folder: Option<PathBuf>, options: Options) -> Result<Sidecar, Error> {
        let begun = config.journal.dir.as_ref().map(Journal::seed).transpose()?.flatten();
        // Strangers choose the texts that are hashed here.
        let options = Options { seed: begun.unwrap_or_else(rand::random), ..options };
        let pipeline = match &folder {
            Some(dir) => Pipeline::open_with(dir, &options)?,
            None => Pipeline::shipped_with(&options)?,
        };
        Ok(Sidecar { config, pipeline, source: (folder, options), own: Own::default() })
    }

    /// Has one-time codes sent by a provider of one's own, instead of those of the settings.
    pub fn messages(mut self, provider: impl Provider + 'static) -> Sidecar {
        self.own.messages = Some(Arc::new(provider));
        self
    }

    /// Has payments take a channel of one's own, after those of the settings. Its name is in metrics, and in the
    /// records of the payments that went there: it has to be there again after a restart. Without terms it takes
    /// whatever comes by its method.
    pub fn channel(
        mut self,
        channel: impl Channel + 'static,
        guard: GuardSettings,
        terms: Option<Terms>,
    ) -> Sidecar {
        self.own.ways.push((Arc::new(Guard::new(Arc::new(channel), guard)), terms));
        self
    }

    /// Serves until told to stop, by SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When settings or certificates are wrong, or an address can't be listened on.
    pub fn serve(self) -> Result<(), Error> {
        run(self)
    }
}

fn run(Sidecar { mut config, pipeline, source, own }: Sidecar) -> Result<(), Error> {
    let doors = [(Door::Main, &config.listen), (Door::Spop, &config.spop)];
    let all = doors.iter().flat_map(|(door, addresses)| addresses.iter().map(|a| (*door, a)));
    let payments: Vec<(Door, Bound)> =
        all.map(|(door, address)| Ok((door, Bound::open(address)?))).collect::<Result<_, Error>>()?;
    let admin = Some(config.admin.as_str()).filter(|a| !a.is_empty()).map(Bound::open).transpose()?;
    let threads = match config.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    if payments.is_empty() || threads > THREADS_MAX {
        return Err(wrong(format!(
            "there must be an address to listen on, and at most {THREADS_MAX} threads"
        )));
    }
    let named = payments.iter().filter(|(door, _)| *door == Door::Main);
    config.listen = named.map(|(_, bound)| bound.name()).collect();
    let engine = match config.empty_past {
        true => Engine::new(pipeline),
        false => Engine::starting_at(pipeline, log::now()),
    };
    // Both journals are read at the same time.
    let (keeper, recalled) = std::thread::scope(|scope| {
        let recalled = scope.spawn(|| Recalled::read(&config.payments));
        let keeper = Keeper::open(&config.journal, engine);
        (keeper, recalled.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let app = Arc::new(App::new(config, (keeper?, recalled?), source, own)?);
    if app.keys.open()
        && !app.config.insecure
        && let Some(bound) =
            payments.iter().map(|(_, bound)| bound).chain(&admin).find(|bound| !bound.is_local())
    {
        let message = "others can reach this address and no keys are set; set [[key]] entries, listen on 127.0.0.1 or a \
                       Unix socket, or say --insecure";
        return Err(wrong(message).at(bound.name()));
    }
    restored::bring_back(&app);
    watch::start(&app);
    snapshots::start(&app)?;
    cashier::save_now_and_then(&app)?;
    totals::start(&app);
    monitor::start(&app);
    let serving = runtime(threads)?;
    // Whoever reads that it listens may send signals at once.
    let signals = {
        let _within = serving.enter();
        Signals::hear()?
    };
    let bounds =
        || payments.iter().map(|(door, bound)| (*door, bound)).chain(admin.iter().map(|b| (Door::Admin, b)));
    for (door, bound) in bounds() {
        let fields = [
            ("address", bound.name().into()),
            ("door", door.name().into()),
            ("tls", (door != Door::Admin && app.tls.is_some()).into()),
        ];
        log::event(Level::Info, "listening", &fields);
    }
    let sockets: Vec<PathBuf> = bounds()
        .filter_map(|(_, bound)| if let Bound::Unix(_, path) = bound { Some(path.clone()) } else { None })
        .collect();

    let (stop, stopping) = tokio::sync::watch::channel(false);
    if let Some(bound) = admin {
        let (app, stopping) = (app.clone(), stopping.clone());
        let runtime = runtime(1)?;
        // Health and metrics answer even when payments keep every other thread busy.
        std::thread::Builder::new()
            .name("admin".into())
            .spawn(move || runtime.block_on(enter(app, bound, Door::Admin, stopping)))
            .map_err(|e| Error::new(e.to_string()))?;
    }
    serving.block_on(async {
        cashier::start(&app);
        let doors: Vec<_> = payments
            .into_iter()
            .map(|(door, bound)| tokio::spawn(enter(app.clone(), bound, door, stopping.clone())))
            .collect();
        supervisor(&NotifyState::Ready);
        signals.stop(&app).await;
        supervisor(&NotifyState::Stopping);
        log::event(Level::Info, "draining", &[("connections", app.places.taken().into())]);
        app.drain();
        tokio::time::sleep(app.config.timeouts.drain_pause.0).await;
        // The admin listener goes on until the process ends, so that "not ready" can be read.
        let _ = stop.send(true);
        for door in doors {
            let _ = door.await;
        }
        let drained = tokio::time::timeout(app.config.timeouts.drain.0, app.places.empty()).await.is_ok();
        let left = app.places.taken();
        if let Some(cashier) = &app.cashier {
            cashier.close();
        }
        app.keeper.close();
        log::event(Level::Info, "stopped", &[("drained", drained.into()), ("cut", left.into())]);
    });
    drop(serving);
    for path in sockets {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Tells systemd, when that started this.
fn supervisor(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        log::event(Level::Warn, "notify", &[("detail", error.to_string().into())]);
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(message).of(ErrorKind::Rules)
}

/// One thread reads, scores and answers by itself; more share their connections.
fn runtime(threads: usize) -> Result<Runtime, Error> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().map_err(|e| Error::new(e.to_string()))
}

async fn enter(app: Arc<App>, bound: Bound, door: Door, stop: Receiver<bool>) {
    let name = bound.name();
    let listener = match bound.into_listener() {
        Ok(listener) => listener,
        Err(e) => {
            return log::event(
                Level::Error,
                "listen",
                &[("address", name.into()), ("detail", e.to_string().into())],
            );
        }
    };
    let places = match door {
        Door::Main | Door::Spop => app.places.clone(),
        Door::Admin => Places::new(ADMIN_CONNECTIONS_MAX, ADMIN_CONNECTIONS_MAX, 1),
    };
    accept::accept(Entrance { app, listener, door, places, stop }).await;
}
