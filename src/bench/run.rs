//! Which phases does a run have? And the run as it is kept: the file that `--json` writes and `--compare` reads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attack::{self, AttackFigures, Board};
use super::environment::Environment;
use super::load::Stage;
pub(crate) use super::load::{Pace, Phase};
pub(crate) use super::steps::Steps;
use super::target::Target;
use super::workload::Workload;
use crate::batch::Observer;
use crate::error::Error;
use crate::money::Rates;

/// The form of the file; another number for another form.
pub(crate) const FORMAT: u32 = 1;
/// Share of requests that must be answered well where a rate is said to be borne.
pub(crate) const SUCCESS_MIN: f64 = 0.999;
/// How much of what the closed loop reached the open loop of the canonical run asks for.
const CANONICAL_SHARE: f64 = 0.5;

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A closed loop, then an open one at half of what that reached.
    Canonical,
    /// One phase.
    One(Pace),
    /// Open loops at several rates.
    Steps(Steps),
}

/// What to run.
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// The pipeline that answers, where it is known.
    pub(crate) pipeline: Option<String>,
    pub(crate) workload: Workload,
    /// For the money that attacks cost.
    pub(crate) rates: Arc<Rates>,
    pub(crate) shape: Shape,
    pub(crate) threads: usize,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) timeout: Duration,
    /// How long a request of an open loop waits for somebody to send it.
    pub(crate) patience: Duration,
    pub(crate) settle: bool,
    /// What the 99th percentile may be.
    pub(crate) slo: Option<Duration>,
}

/// A run and all that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) format: u32,
    pub(crate) target: String,
    pub(crate) workload: String,
    /// Whether outcomes were told to the target after its answers.
    pub(crate) settled: bool,
    pub(crate) pipeline: Option<String>,
    pub(crate) environment: Environment,
    /// Whether it was ended before its time.
    pub(crate) interrupted: bool,
    pub(crate) slo_ns: Option<u64>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) knee: Option<Knee>,
    /// The currency of the attacks' money.
    pub(crate) currency: String,
    pub(crate) attacks: Vec<AttackFigures>,
}

/// The highest rate at which the 99th percentile stayed within the limit and requests were answered well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Knee {
    pub(crate) slo_ns: u64,
    pub(crate) borne: Option<f64>,
    /// The lowest rate that was too much.
    pub(crate) failed: Option<f64>,
}

impl Run {
    /// Reads a run that was written as JSON.
    ///
    /// # Errors
    /// When it is none, or of another form.
    pub(crate) fn read(path: &Path) -> Result<Run, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let no_run = |e: serde_json::Error| {
            Error::new(format!("it is no run that `tollgate bench --json` wrote: {e}")).at(path)
        };
        let form: Form = serde_json::from_str(&text).map_err(no_run)?;
        if form.format != FORMAT {
            let message =
                format!("it is of format {}, and this is tollgate for format {FORMAT}", form.format);
            return Err(Error::new(message).at(path));
        }
        serde_json::from_str(&text).map_err(no_run)
    }

    /// Whether any request was answered well.
    pub(crate) fn answered(&self) -> bool {
        self.phases.iter().any(|phase| phase.answers.good() > 0)
    }
}

impl Plan {
    /// How long it will take; unknown where that depends on what is found.
    pub(crate) fn length(&self) -> Option<Duration> {
        let phases = match &self.shape {
            Shape::Canonical => 2,
            Shape::One(_) => 1,
            Shape::Steps(Steps::List(rates)) => u32::try_from(rates.len()).ok()?,
            Shape::Steps(Steps::Search(_)) => return None,
        };
        (self.warmup + self.duration).checked_mul(phases)
    }

    /// Runs it, until it is done or `stop` is set.
    ///
    /// # Errors
    /// When nothing can be set up to ask with.
    pub(crate) fn run(self, stop: &Arc<AtomicBool>, observer: &dyn Observer) -> Result<Run, Error> {
        let environment = Environment::here();
        let workload = Arc::new(self.workload);
        let board = Arc::new(Board::new(workload.len()));
        let stage = Stage {
            target: &self.target,
            workload: workload.clone(),
            board: board.clone(),
            next: Arc::default(),
            stop: stop.clone(),
            observer,
            threads: self.threads,
            timeout: self.timeout,
            patience: self.patience,
            settle: self.settle,
            passed: Default::default(),
        };
        let phase = |name: &str, pace| stage.phase(name, pace, self.warmup, self.duration);
        let (mut phases, mut knee) = (Vec::new(), None);
        match &self.shape {
            Shape::One(pace @ Pace::Closed) => phases.push(phase("closed", *pace)?),
            Shape::One(pace @ Pace::Open { .. }) => phases.push(phase("open", *pace)?),
            Shape::Canonical => {
                let closed = phase("closed", Pace::Closed)?;
                let rate = (closed.rate * CANONICAL_SHARE).round();
                phases.push(closed);
                if rate >= 1.0 && !stop.load(Ordering::Relaxed) {
                    phases.push(phase("open", Pace::Open { rate })?);
                }
            }
            Shape::Steps(steps) => {
                let slo = super::measure::nanos(self.slo.unwrap_or(SLO));
                let [borne, failed] = super::steps::knee(steps, |rate| {
                    let step = phase(&format!("{rate:.0}/s"), Pace::Open { rate })?;
                    let bears = bears(&step, slo);
                    let stopped = stop.load(Ordering::Relaxed);
                    phases.push(step);
                    Ok::<_, Error>((!stopped).then_some(bears))
                })?;
                knee = Some(Knee { slo_ns: slo, borne, failed });
            }
        }
        Ok(Run {
            format: FORMAT,
            target: self.target.name(),
            workload: workload.name.clone(),
            settled: self.settle,
            pipeline: self.pipeline,
            environment,
            interrupted: stop.load(Ordering::Relaxed),
            slo_ns: self.slo.map(super::measure::nanos),
            phases,
            knee,
            currency: self.rates.base().to_string(),
            attacks: attack::figures(&workload, &board, &self.rates),
        })
    }
}

/// What the 99th percentile may be where nothing is said.
pub(crate) const SLO: Duration = Duration::from_millis(10);

/// Whether a phase kept within `slo` nanoseconds and answered well.
pub(crate) fn bears(phase: &Phase, slo: u64) -> bool {
    phase.latency.count > 0 && phase.latency.at(99.0) <= slo && phase.success() >= SUCCESS_MIN
}
