//! How does another pipeline come into force? Read, checked, tried on recent payments, swapped whole.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::App;
use super::keeper::not_recorded;
use super::log::{self, Level};
use super::problem::{Kind, Problem};
use crate::engine::Prepared;
use crate::error::Error;
use crate::pipeline::{Options, Pipeline};

/// Most files of a posted folder.
const POSTED_FILES_MAX: usize = 1_000;

/// Where pipelines come from.
pub(super) struct Control {
    pub(super) folder: Option<PathBuf>,
    options: Options,
    /// Held for as long as a pipeline is made and swapped.
    turn: Mutex<()>,
    /// The files in force, when they were posted.
    posted: Mutex<Option<Vec<(String, String)>>>,
}

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// Whatever it changes.
    pub(super) force: bool,
    /// Only tell what would be.
    pub(super) dry_run: bool,
    /// The files, instead of the folder's.
    pub(super) files: Option<Vec<(String, String)>>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) swapped: bool,
    dry_run: bool,
    pipeline: String,
    before: String,
    rules: usize,
    /// Whether velocity goes on as it was.
    keeps_windows: bool,
    /// Recent payments that were decided again, and how many came to another outcome.
    tried: usize,
    changed: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    files: HashMap<String, String>,
}

impl Control {
    pub(super) fn new((folder, options): (Option<PathBuf>, Options)) -> Control {
        Control { folder, options, turn: Mutex::default(), posted: Mutex::default() }
    }

    /// The pipeline in force once more, or what the folder has become since.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn again(&self) -> Result<Pipeline, Error> {
        let posted = self.posted.lock().clone();
        self.build(posted)
    }

    fn build(&self, files: Option<Vec<(String, String)>>) -> Result<Pipeline, Error> {
        match (files, &self.folder) {
            (Some(files), folder) => Pipeline::of_texts(files, folder.as_deref(), &self.options),
            (None, Some(folder)) => Pipeline::open_with(folder, &self.options),
            (None, None) => Pipeline::shipped_with(&self.options),
        }
    }
}

/// Reads a posted folder: `{"files": {"PATH": "TEXT"}}`; nothing for the folder on disk.
///
/// # Errors
/// When it is neither.
pub(super) fn posted(body: &[u8]) -> Result<Option<Vec<(String, String)>>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let bad = |detail: String| {
        Problem::new(Kind::BadRequest, detail)
            .remedy("post {\"files\": {\"rules.toml\": \"...\", \"lists/never.toml\": \"...\"}}, or nothing to read the folder")
    };
    // The reader's own message may repeat what was posted.
    let posted: Posted = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is no folder (line {}, column {})", e.line(), e.column())))?;
    // A folder without rules approves everything; nobody posts that on purpose.
    if posted.files.is_empty() {
        return Err(bad("no files".to_owned()));
    }
    if posted.files.len() > POSTED_FILES_MAX {
        return Err(bad(format!("more than {POSTED_FILES_MAX} files")));
    }
    let strange = |path: &&String| {
        path.starts_with('/') || path.split('/').any(|part| part.is_empty() || part.starts_with('.'))
    };
    if let Some(path) = posted.files.keys().find(strange) {
        return Err(bad(format!("`{path}` is no path within a folder")));
    }
    Ok(Some(posted.files.into_iter().collect()))
}

/// Makes the pipeline and swaps it in, if it may be. Takes as long as reading it takes: not for a thread
/// that serves payments.
///
/// # Errors
/// Every mistake, or how many outcomes would change; the pipeline in force then stays.
pub(super) fn reload(app: &App, why: &str, ask: Ask) -> Result<Report, Problem> {
    let _turn = app.control.turn.lock();
    let done = attempt(app, &ask);
    if ask.dry_run {
        return done;
    }
    let counts = &app.metrics.reloads;
    let (counter, stale, level) = match &done {
        Ok(report) if report.swapped => (&counts.swapped, 0, Level::Info),
        Ok(_) => (&counts.unchanged, 0, Level::Info),
        Err(problem) if problem.kind == Kind::HeldBack => (&counts.held_back, 1, Level::Warn),
        Err(_) => (&counts.failed, 1, Level::Error),
    };
    counter.add(1);
    counts.stale.store(stale, Ordering::Relaxed);
    let told = match &done {
        Ok(report) => serde_json::to_value(report),
        Err(problem) => serde_json::from_slice(&problem.json()),
    };
    log::event(level, "reload", &[("why", why.into()), ("result", told.unwrap_or(Value::Null))]);
    done
}

fn attempt(app: &App, ask: &Ask) -> Result<Report, Problem> {
    let pipeline = app.control.build(ask.files.clone()).map_err(|e| Problem::pipeline(&e))?;
    let current = app.engine().pipeline();
    let mut report = Report {
        swapped: false,
        dry_run: ask.dry_run,
        pipeline: pipeline.digest().to_string(),
        before: current.digest().to_string(),
        rules: pipeline.rules().len(),
        keeps_windows: true,
        tried: 0,
        changed: 0,
    };
    if pipeline.digest() == current.digest() {
        return Ok(report);
    }
    let prepared = app.engine().prepare(pipeline);
    app.keeper.edit_again(prepared.pipeline());
    report.keeps_windows = prepared.keeps_memory;
    (report.tried, report.changed) = rehearse(app, &prepared);
    if ask.dry_run {
        return Ok(report);
    }
    let settings = &app.config.reload;
    let share = report.changed as f64 / report.tried.max(1) as f64;
    if !ask.force && report.tried >= settings.sample_min && share > settings.max_changed {
        let Report { tried, changed, keeps_windows, .. } = report;
        let windows = if keeps_windows { "" } else { "; its windows would start anew" };
        let detail = format!(
            "{changed} of the last {tried} payments would come to another outcome, more than {} of them{windows}",
            settings.max_changed
        );
        return Err(Problem::new(Kind::HeldBack, detail)
            .remedy("look at it with ?dry_run=true, and send ?force=true if it is meant"));
    }
    // Edits made while it was tried are made on it too.
    let next = prepared.pipeline().clone();
    let recorded = app.keeper.adopt(prepared)?;
    app.control.posted.lock().clone_from(&ask.files);
    recorded.wait().map_err(|busy| not_recorded(&busy))?;
    report.swapped = true;
    tell_released(&current, &next);
    Ok(report)
}

/// Says which braked rules have their effect back, or are gone.
fn tell_released(before: &Pipeline, after: &Pipeline) {
    let still = after.braked();
    for (rule, _) in before.braked() {
        if still.iter().all(|(other, _)| other.id != rule.id) {
            let fields = [("rule", rule.id.as_str().into()), ("why", "reload".into())];
            log::event(Level::Info, "rule_released", &fields);
        }
    }
}

/// Decides recent payments by both pipelines: how many were tried, and how many come to another outcome.
fn rehearse(app: &App, prepared: &Prepared) -> (usize, usize) {
    let current = app.engine().current();
    let max = app.config.reload.sample;
    let before = app.recent.sample(max, current.pipeline().schema());
    let same = current.pipeline().schema().fields().eq(prepared.pipeline().schema().fields());
    let changed = before.iter().filter(|payment| {
        let after = match same {
            true => prepared.preview(payment),
            false => prepared
                .preview(&payment.by_schema(current.pipeline().schema(), prepared.pipeline().schema())),
        };
        current.preview(payment).outcome != after.outcome
    });
    (before.len(), changed.count())
}
