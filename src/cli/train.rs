//! `train`: a history in, a model out.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::batch::{self, Work};
use crate::cli::learner::{Kind, LearnerArgs};
use crate::cli::open::{InputArgs, RulesArgs};
use crate::cli::{exit, print, print_json};
use crate::codec::Reader;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::learn::{History, Labels, Matrix, Period, Training, calibration_name, train_and_keep};
use crate::model::{Artifact, Input};
use crate::pipeline::Pipeline;
use crate::report::html;
use crate::report::progress::Progress;
use crate::report::training::training;
use crate::schema::field;
use crate::time::{Span, Timestamp};

/// Train a model on your own history
///
/// The history is replayed through the engine: each payment's inputs are what was known before it, by the
/// very expressions that serve later. A payment is fraud when its `status` is `disputed`, and no fraud when
/// it is not and is older than --maturity; or as the field --label says. The latest rows of the period
/// (--later) calibrate, and stop boosting when it no longer gains; then the model learns from all.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate simulate --payments 300000 --out history.csv\n  \
    tollgate train --inputs models/shipped.inputs.toml --label fraud --out model.json history.csv\n  \
    tollgate train --inputs inputs.toml --learner isolation --out anomaly.json history.parquet")]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rules: RulesArgs,

    /// TOML file of the model's inputs: `[inputs]`, and lines of name = "expression" or
    /// name = { expression = "...", reason = "CODE" }
    #[arg(long, value_name = "FILE")]
    inputs: PathBuf,
    /// Write the model here; nothing is written before it is complete
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The model's name [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// Learn from payments of these days (last one included) or instants (last one excluded)
    #[arg(long, value_name = "FROM..TO", value_parser = period, default_value = "..")]
    train: Period,
    /// Measure on payments of these days or instants, which must be later
    #[arg(long, value_name = "FROM..TO", value_parser = period)]
    test: Option<Period>,
    /// How long it takes until a label is known: --test must begin this much after --train ends
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "7d")]
    delay: Span,
    /// A payment without a dispute is no fraud once it is this old, and left out before
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "60d")]
    maturity: Span,
    /// Field that says what was fraud, instead of disputes; absent is left out
    #[arg(long, value_name = "FIELD")]
    label: Option<String>,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of rows, the latest, that calibrate
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    later: f64,
    /// Boosting stops after this many trees without a gain on the later rows; 0 for never
    #[arg(long, value_name = "N", default_value_t = 50)]
    patience: usize,
    /// Keep the model of the earlier rows, instead of learning again from all once calibrated
    #[arg(long)]
    no_refit: bool,
    #[command(flatten)]
    learner: LearnerArgs,
    /// Write the report here: one page of HTML that needs nothing else [default: the model's place, as .html]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write no report
    #[arg(long, conflicts_with = "html")]
    no_html: bool,
    /// Print the training card as JSON
    #[arg(long)]
    json: bool,
}

/// Reads a span of time.
fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "not a length of time, such as 7d".to_owned())
}

/// Reads `FROM..TO`: days, the last of which is included, or instants, the last of which is not.
fn period(text: &str) -> Result<Period, String> {
    let (from, to) = text.split_once("..").ok_or("a period is FROM..TO, such as 2026-01-01..2026-03-31")?;
    let instant = |text: &str, whole_day: bool| -> Result<Option<Timestamp>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let day = Timestamp::parse(&format!("{text}T00:00:00Z"));
        match (day, Timestamp::parse(text)) {
            (Some(day), _) => Ok(Some(day.plus(Span::from_secs(if whole_day { 86_400 } else { 0 })))),
            (None, Some(at)) => Ok(Some(at)),
            (None, None) => Err(format!("`{text}` is no day or instant such as 2026-01-31")),
        }
    };
    let period = Period { from: instant(from, false)?, to: instant(to, true)? };
    if period.from.zip(period.to).is_some_and(|(from, to)| from >= to) {
        return Err("the period ends before it begins".to_owned());
    }
    Ok(period)
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let learner = args.learner.learner()?;
    let page = page(&args)?;
    let periods = periods(&args)?;
    let engine = Engine::new(args.rules.open_with_inputs(Some(&args.inputs))?);
    let pipeline = engine.pipeline();
    let labels = labels(&args, &pipeline)?;
    let mut history = History::new(pipeline.clone(), labels, &periods)?;

    let readers = args.input.open(pipeline.schema())?;
    let progress = Progress::new(readers.iter().map(Reader::total_bytes).sum());
    let tally = batch::run(&engine, readers, Work::Observe, args.input.max_rejects, &mut history, &progress);
    progress.finish();
    tally?;
    let (mut rows, unlabelled) = history.finish()?;
    let test = (rows.len() > 1).then(|| rows.pop()).flatten();
    let Some(rows) = rows.pop() else { return Err(Error::new("there is no period to learn from")) };
    if rows.labels.is_empty() {
        return Err(Error::new(format!(
            "no payment of the --train period can be learnt from ({unlabelled} have no label yet: see --label, \
             --maturity)"
        )));
    }

    let inputs = inputs(&pipeline);
    warn_of_alike(&inputs, &rows.matrix);
    let settings = Training {
        name: name(&args),
        learner,
        seed: args.seed,
        later: args.later,
        patience: (args.patience > 0).then_some(args.patience),
        calibration: args.learner.calibrate,
        refit: !args.no_refit,
    };
    let bar = ProgressBar::no_length();
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} trees  {elapsed}") {
        bar.set_style(style);
    }
    let started = std::time::Instant::now();
    let trained = train_and_keep(inputs, &rows, test.as_ref(), &settings, &mut |trees| {
        bar.set_position(trees as u64);
        true
    });
    bar.finish_and_clear();
    let trained = trained?;
    let artifact = &trained.artifact;
    let seconds = started.elapsed().as_secs_f64();
    let report = page.as_deref().map(|page| {
        let judged = trained.judge(&rows, test.as_ref())?;
        Ok::<_, Error>((page, training(artifact, &judged, pipeline.thresholds(), unlabelled)))
    });
    let report = report.transpose()?;
    artifact.save(&args.out).map_err(|e| Error::new(e.to_string()))?;
    if let Some((page, report)) = &report {
        html::save(report, page)?;
    }
    if args.json {
        print_json(&serde_json::json!({
            "name": artifact.name, "card": artifact.card, "seconds": seconds, "unlabelled": unlabelled,
            "calibration": calibration_name(artifact.calibration.as_ref()),
        }))?;
    } else {
        print(summary(artifact, &args.out, seconds, unlabelled))?;
        if let Some(page) = &page {
            print(format!("  {:26} {}", "report", page.display()))?;
        }
    }
    Ok(exit::OK)
}

/// Where the report goes; nowhere when none is wanted.
fn page(args: &Args) -> Result<Option<PathBuf>, Error> {
    if args.no_html {
        return Ok(None);
    }
    let page = args.html.clone().unwrap_or_else(|| args.out.with_extension("html"));
    if page == args.out {
        return Err(usage(
            "model and report can't be one file: name the model NAME.json, or give --html FILE",
        ));
    }
    Ok(Some(page))
}

fn name(args: &Args) -> String {
    let stem = || args.out.file_stem().map(|s| s.to_string_lossy().into_owned());
    args.name.clone().or_else(stem).unwrap_or_else(|| "model".to_owned())
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(message).of(ErrorKind::Rules)
}

fn periods(args: &Args) -> Result<Vec<Period>, Error> {
    let Some(test) = args.test else { return Ok(vec![args.train]) };
    let ready = args.train.to.map(|to| to.plus(args.delay));
    match (ready, test.from) {
        (Some(ready), Some(from)) if from >= ready => Ok(vec![args.train, test]),
        (Some(ready), Some(_)) => Err(usage(format!(
            "--test begins before the labels of --train are known: begin it at {ready}, or shorten --delay ({})",
            args.delay
        ))),
        _ => Err(usage("--test needs a --train period with an end, and a beginning of its own")),
    }
}

fn labels(args: &Args, pipeline: &Pipeline) -> Result<Labels, Error> {
    let Some(name) = &args.label else {
        return Ok(match args.learner.learner {
            Kind::Isolation if args.test.is_none() => Labels::Unlabelled,
            _ => Labels::Settlements(args.maturity),
        });
    };
    match pipeline.schema().find(name) {
        Some(field::STATUS) => Ok(Labels::Settlements(args.maturity)),
        Some(id) => Ok(Labels::Field(id)),
        None => Err(usage(format!("--label: there is no field `{name}` in the schema"))),
    }
}

fn inputs(pipeline: &Pipeline) -> Vec<Input> {
    let named = pipeline.inputs().iter().zip(pipeline.input_reasons());
    named
        .map(|((name, number), reason)| Input {
            name: name.clone(),
            expression: number.to_string(),
            reason: reason.clone(),
            zero_is_absent: false,
        })
        .collect()
}

/// Most likely its expression is a mistake; that it changes some day is no reason to stop.
fn warn_of_alike(inputs: &[Input], rows: &Matrix) {
    for (i, Input { name, expression, .. }) in inputs.iter().enumerate() {
        let Some(held) = rows.same_in_all(i) else { continue };
        let held = if held.is_nan() { "absent".to_owned() } else { held.to_string() };
        eprintln!(
            "warning: input `{name}` is {held} in all {} rows and tells nothing apart; look at `{expression}`",
            rows.rows()
        );
    }
}

fn summary(artifact: &Artifact, path: &Path, seconds: f64, unlabelled: u64) -> String {
    let card = &artifact.card;
    let mut lines = vec![
        format!("{} in {}, trained in {seconds:.2} s", artifact.name, path.display()),
        format!("  {:26} {}", "learner", card.source),
        format!("  {:26} {}", "rows", card.rows),
        format!("  {:26} {}", "frauds among them", card.frauds),
        format!("  {:26} {unlabelled}", "left out without a label"),
    ];
    if let Some([from, to]) = &card.period {
        lines.push(format!("  {:26} {from} to {to}", "period"));
    }
    lines.push(format!("  {:26} {}", "calibration", calibration_name(artifact.calibration.as_ref())));
    lines.extend(card.settings.iter().map(|(k, v)| format!("  {k:26} {v}")));
    lines.extend(card.metrics.iter().map(|(k, v)| format!("  {:26} {v:.4}", k.replace('_', " "))));
    lines.join("\n")
}
