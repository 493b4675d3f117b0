//! When does a rule go past its brake? Ten times a second the counters of the rules that carry one are read, by
//! a thread of its own: scoring does nothing for it but what metrics do anyway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::app::App;
use super::log::{self, Level};
use super::metrics::Counter;
use crate::pipeline::Pipeline;
use crate::rules::brake::{Reading, Watch};
use crate::rules::{Brake, BrakeChange, Trip};

/// How often it looks.
const STEP: Duration = Duration::from_millis(100);

/// Starts to watch; the thread ends with the process.
pub(super) fn start(app: &Arc<App>) {
    let mut monitor = Monitor::of(app, Instant::now());
    let app = app.clone();
    let spawned = std::thread::Builder::new().name("brakes".into()).spawn(move || {
        loop {
            std::thread::sleep(STEP);
            monitor.look(&app);
        }
    });
    if let Err(error) = spawned {
        log::event(Level::Error, "brakes", &[("detail", error.to_string().into())]);
    }
}

/// The rules of one pipeline that may be braked.
struct Monitor {
    began: Instant,
    pipeline: Arc<Pipeline>,
    watched: Vec<Watched>,
}

struct Watched {
    rule: usize,
    brake: Brake,
    hits: Arc<Counter>,
    watch: Watch,
}

impl Watched {
    fn reading(&self, at: i64, payments: u64) -> Reading {
        Reading { at, payments, matches: self.hits.get() }
    }

    /// Forgets what was counted up to now.
    fn anew(&mut self, now: Reading) {
        self.watch = Watch::new(self.brake, now);
    }
}

impl Monitor {
    /// Begins with the pipeline in force: what was counted before does not matter.
    fn of(app: &App, began: Instant) -> Monitor {
        let pipeline = app.engine().pipeline();
        let hits = app.metrics.rule_hits(&pipeline);
        let (at, payments) = (micros(began), app.metrics.scored());
        let watched = pipeline.rules().iter().zip(&hits).enumerate().filter_map(|(rule, (of, hits))| {
            let brake = of.brake.filter(|_| !of.shadow)?;
            let watch = Watch::new(brake, Reading { at, payments, matches: hits.get() });
            Some(Watched { rule, brake, hits: hits.clone(), watch })
        });
        Monitor { began, watched: watched.collect(), pipeline }
    }

    fn look(&mut self, app: &App) {
        if !Arc::ptr_eq(&self.pipeline, &app.engine().pipeline()) {
            *self = Monitor::of(app, self.began);
        }
        if self.watched.is_empty() {
            return;
        }
        let Monitor { began, pipeline, watched } = self;
        let (at, payments) = (micros(*began), app.metrics.scored());
        for watched in watched {
            let now = watched.reading(at, payments);
            if pipeline.is_braked(watched.rule) {
                watched.anew(now);
            } else if let Some((payments, matches)) = watched.watch.look(now) {
                let trip = Trip { at: log::now(), payments, matches };
                if demote(app, pipeline, watched, trip) {
                    watched.anew(now);
                }
            }
        }
    }
}

fn micros(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// Demotes the rule to shadow. When that can't be recorded it is not done, for replays would differ, and tried again
/// at the next step; what else can't be recorded is not decided by rules either.
fn demote(app: &App, pipeline: &Arc<Pipeline>, watched: &Watched, trip: Trip) -> bool {
    let Some(rule) = pipeline.rules().get(watched.rule) else { return false };
    let change = BrakeChange { rule: rule.id.clone(), trip: Some(trip) };
    let Ok((true, recorded)) = app.keeper.brake(pipeline, change) else { return false };
    app.metrics.brake_trips(&rule.id).add(1);
    let fields = [
        ("rule", rule.id.as_str().into()),
        ("brake", watched.brake.to_string().into()),
        ("payments", trip.payments.into()),
        ("matches", trip.matches.into()),
        ("recorded", recorded.wait().is_ok().into()),
    ];
    log::event(Level::Warn, "rule_braked", &fields);
    true
}
