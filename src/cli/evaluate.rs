//! `evaluate`: how good are the scores of a model, of the pipeline, or of anybody?

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::batch::{Scored, Sink};
use crate::cli::open::{InputArgs, RulesArgs, RunArgs};
use crate::cli::{exit, print_json};
use crate::codec::Reject;
use crate::decision::Outcome;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::learn::cases::{CASES_MAX, Collected, Collector, Judge, Label, Terms, pipeline_rank};
use crate::learn::evaluate::{DRAWS_MAX, Evaluation, FOLDS_MAX, Figures, Questions};
use crate::learn::known::parts;
use crate::learn::metrics::{Case, Ranking, day_of};
use crate::model::Artifact;
use crate::payment::Payment;
use crate::pipeline::{Options, Pipeline};
use crate::report::evaluation::{EvaluationReport, Fold, LeftOut, Scale, date};
use crate::report::html;
use crate::report::output::{Destination, Output};
use crate::report::training::{card, importance, lowest_at, scores};
use crate::schema::{FieldId, Kind, Schema};
use crate::stage::Thresholds;
use crate::time::{Span, Timestamp};

/// Measure how well scores tell fraud from good payments
///
/// The labelled history is replayed through the engine, so every score rests on what was known before
/// its payment. Scores are those of a model, of a column of the files, or else of the whole
/// pipeline. Days are days of UTC. Payments of cards that were known to be compromised before the day
/// began are left out: they would be blocked anyway.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate evaluate history.parquet                                         the whole pipeline\n  \
    tollgate evaluate history.parquet --model models/mine.json --test 2026-03-01..\n  \
    tollgate evaluate scored.csv --score-column their_score --json\n  \
    tollgate evaluate history.parquet --test 2026-03-01..2026-03-29 --folds 4  four weeks, one by one")]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rules: RulesArgs,

    /// Evaluate this model (models/NAME.json) [default: the whole pipeline]
    #[arg(long, value_name = "FILE", conflicts_with = "score_column")]
    model: Option<PathBuf>,

    /// Evaluate the scores that stand in this column of the files; higher is more suspicious
    #[arg(long, value_name = "NAME")]
    score_column: Option<String>,

    /// The column's scores are probabilities: measure their calibration too
    #[arg(long, requires = "score_column")]
    probabilities: bool,

    /// Days to test: FROM..TO without TO, FROM..=TO with it, FROM.. to the end; earlier days only fill
    /// the windows [default: all]
    #[arg(long, value_name = "DAYS", value_parser = test_days)]
    test: Option<Range<i32>>,

    /// Field of the label [default: `fraud`, or where no row has it, `status` = disputed]
    #[arg(long, value_name = "FIELD")]
    label: Option<String>,

    /// How long a fraud takes to become known where the row has no `settled_at`
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    delay: Span,

    /// Leave out payments this much younger than the last one: their frauds may not be known yet
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = span)]
    maturity: Span,

    /// Field that cards are told apart by
    #[arg(long, value_name = "FIELD", default_value = "card")]
    card: String,

    /// Only frauds of this time before the tested days make a card known [default: all]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    known_for: Option<Span>,

    /// Keep payments of cards known to be compromised
    #[arg(long, conflicts_with = "known_for")]
    keep_known: bool,

    /// Cards looked at each day, for Card Precision@k
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,

    /// Payments reviewed each day
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    budget: u32,

    /// Scores to show confusion and money at, besides those that hurt 0.1, 0.5, 1 and 5 % of good
    /// payments: 0 to 1000, or as they stand in the column [default: the pipeline's thresholds]
    #[arg(long, value_name = "SCORE,...", value_delimiter = ',')]
    threshold: Vec<f64>,

    /// Cut the tested days into this many parts, of a day at least, and show each (prequential evaluation)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=FOLDS_MAX as i64))]
    folds: u16,

    /// Draws of days for confidence intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(0..=DRAWS_MAX as i64))]
    draws: u16,

    /// Seed of the draws
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Write the evaluation as one page of HTML that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let artifact = args.model.as_deref().map(read_artifact).transpose()?;
    let pipeline = open(&args, artifact.as_ref())?;
    let field = |name: &str| find(pipeline.schema(), name);
    let label = args.label.as_deref().map(field).transpose()?.map_or(Label::Usual, Label::Field);
    let judge = judge(&args, artifact.as_ref(), pipeline.schema())?;
    let terms = Terms {
        test: args.test.clone().unwrap_or(i32::MIN..i32::MAX),
        label,
        card: field(&args.card)?,
        delay: args.delay,
        maturity: args.maturity,
        cases_max: CASES_MAX,
    };
    let work = judge.work();
    let thresholds = *pipeline.thresholds();
    let engine = Engine::new(pipeline);
    let destination = Destination { out: None, format: None, rejects: args.input.rejects.clone() };
    let mut sink = Both {
        collector: Collector::new(engine.pipeline(), judge, terms)?,
        output: Output::decisions(&destination, engine.pipeline())?,
    };
    let summary = args.run.collect(&engine, &args.input, work, &mut sink)?;
    let Both { collector, output } = sink;
    output.finish()?;
    let report = report(&args, artifact.as_ref(), &collector.finish()?, &thresholds)?;
    if let Some(path) = &args.html {
        html::save(&report, path)?;
    }
    if args.run.json {
        print_json(&report)?;
    } else {
        super::print(&report)?;
        eprintln!("{}", summary.head());
    }
    Ok(exit::OK)
}

/// Cases go to one, rows that are no payments to the other.
struct Both {
    collector: Collector,
    output: Output,
}

impl Sink for Both {
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error> {
        self.collector.write(payments, scored)
    }

    fn reject(&mut self, rejects: &[Reject]) -> Result<(), Error> {
        self.output.reject(rejects)
    }
}

fn read_artifact(path: &Path) -> Result<Artifact, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::new(format!("no model: {e}")).of(ErrorKind::Rules).at(path))
}

/// The field that a foreign column of scores is read into.
const SCORE_FIELD: &str = "evaluated_score";

fn open(args: &Args, artifact: Option<&Artifact>) -> Result<Pipeline, Error> {
    // A model or a column is judged alone; the pipeline with the models that it names.
    let alone = artifact.is_some() || args.score_column.is_some();
    let mut options = Options { without_models: alone, ..Options::default() };
    if let (Some(artifact), Some(path)) = (artifact, &args.model) {
        // JSON's strings are TOML's basic strings, but for one control character that no name has.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let lines =
            artifact.inputs.iter().map(|i| format!("{} = {}\n", quoted(&i.name), quoted(&i.expression)));
        options.inputs =
            Some((path.display().to_string(), "[inputs]\n".to_owned() + &lines.collect::<String>()));
    }
    if let Some(column) = &args.score_column
        && args.rules.open()?.schema().column(column).is_none()
    {
        let (path, text) = args.rules.schema_text()?;
        let column = serde_json::Value::from(column.as_str());
        let field = format!(
            "\n[[field]]\nname = \"{SCORE_FIELD}\"\nkind = \"number\"\noutcome = true\ncolumns = [{column}]\n"
        );
        options.schema = Some((path, text + &field));
    }
    args.rules.open_options(options)
}

fn find(schema: &Schema, name: &str) -> Result<FieldId, Error> {
    schema.find(name).ok_or_else(|| {
        let near = schema.nearest(name).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Error::new(format!("the schema has no field `{name}`{near}")).of(ErrorKind::Rules)
    })
}

fn judge(args: &Args, artifact: Option<&Artifact>, schema: &Schema) -> Result<Judge, Error> {
    if let (Some(artifact), Some(path)) = (artifact, &args.model) {
        let model =
            artifact.compile().map_err(|e| Error::new(e.to_string()).of(ErrorKind::Rules).at(path))?;
        return Ok(Judge::Model(model, artifact.calibration.clone()));
    }
    let Some(column) = &args.score_column else { return Ok(Judge::Pipeline) };
    let field = schema.column(column).map(|(id, _)| id).filter(|id| schema.field(*id).kind == Kind::Number);
    match field {
        Some(field) => Ok(Judge::Field(field, args.probabilities)),
        None => Err(Error::new(format!(
            "column `{column}` is read into a field that is no number; a score is a number"
        ))),
    }
}

fn report(
    args: &Args,
    artifact: Option<&Artifact>,
    found: &Collected,
    thresholds: &Thresholds,
) -> Result<EvaluationReport, Error> {
    let days = found.days.clone();
    let cases = chosen(args, found, &days);
    if !cases.iter().any(|c| c.fraud) {
        return Err(Error::new(
            "every fraud tested is of a card known to be compromised; widen --test, or keep them with --keep-known",
        ));
    }
    let scale = match (artifact, args.score_column.is_some()) {
        (None, false) => Scale::Outcome,
        _ if cases.iter().any(|c| !c.probability.is_nan()) => Scale::Probability,
        _ => Scale::Raw,
    };
    let questions = Questions {
        top_k: args.top_k as usize,
        budget: args.budget as usize,
        thresholds: wanted(args, scale, &cases, thresholds),
        draws: usize::from(args.draws),
        seed: args.seed,
    };
    let evaluation = Evaluation::new(&cases, &questions);
    let fold = |days: Range<i32>| {
        let cases = chosen(args, found, &days);
        let ranking = Ranking::new(cases.iter().map(|c| (c.score, c.fraud)));
        let figures = Figures::new(&cases, &ranking, &questions);
        Fold { days: [date(days.start), date(days.end - 1)], figures }
    };
    let folds = usize::from(args.folds);
    let (all, outcomes) = found.all();
    let mut by_outcome = std::collections::BTreeMap::new();
    for (case, outcome) in all.iter().zip(outcomes) {
        by_outcome.entry(outcome.name()).or_insert([0, 0])[usize::from(case.fraud)] += 1;
    }
    Ok(EvaluationReport {
        heading: "Evaluation",
        note: String::new(),
        subject: match (artifact, &args.score_column) {
            (Some(artifact), _) => format!("model {}", artifact.name),
            (None, Some(column)) => format!("column {column}"),
            (None, None) => "whole pipeline".to_owned(),
        },
        scale,
        days: [date(days.start), date(days.end - 1)],
        top_k: questions.top_k,
        budget: questions.budget,
        draws: questions.draws,
        seed: questions.seed,
        left_out: LeftOut {
            known_cards: (all.len() - cases.len()) as u64,
            unlabelled: found.unlabelled,
            immature: found.immature,
        },
        evaluation,
        folds: if folds > 1 {
            parts(days, folds).filter(|part| !part.is_empty()).map(fold).collect()
        } else {
            Vec::new()
        },
        outcomes: by_outcome,
        importance: artifact.map(|a| importance(a, &found.importance)).unwrap_or_default(),
        card: artifact.map(card).unwrap_or_default(),
    })
}

/// The cases of some days, without known cards unless they were asked for.
fn chosen(args: &Args, found: &Collected, days: &Range<i32>) -> Vec<Case> {
    if args.keep_known {
        return found.of(days);
    }
    let since = args.known_for.map(|span| days.start.saturating_sub((span.secs() / 86_400.0).ceil() as i32));
    found.unknown(days, since)
}

/// The thresholds asked for, as the scores that cases have.
fn wanted(args: &Args, scale: Scale, cases: &[Case], thresholds: &Thresholds) -> Vec<f64> {
    let asked: Vec<f64> = match (args.threshold.is_empty(), scale) {
        (false, _) => args.threshold.clone(),
        (true, Scale::Raw) => Vec::new(),
        (true, Scale::Probability) => scores(thresholds),
        (true, Scale::Outcome) => {
            return [Outcome::Challenge, Outcome::Review, Outcome::Decline]
                .map(|o| pipeline_rank(o, 0))
                .to_vec();
        }
    };
    match scale {
        Scale::Probability => lowest_at(cases, &asked),
        _ => asked,
    }
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "a length of time is like 7d, 12h or 30m".to_owned())
}

/// Reads `FROM..TO`, `FROM..=TO`, `FROM..` and `..TO`.
fn test_days(text: &str) -> Result<Range<i32>, String> {
    let wrong =
        || "days are written 2026-03-01..2026-03-08 (without the last) or 2026-03-01..=2026-03-07".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let day = |text: &str| {
        let at = Some(text).filter(|t| t.len() == 10).and_then(Timestamp::parse);
        at.map(day_of).ok_or_else(wrong)
    };
    let start = if from.is_empty() { i32::MIN } else { day(from)? };
    let end = match (to, to.strip_prefix('=')) {
        ("", _) => i32::MAX,
        (_, Some(last)) => day(last)? + 1,
        (to, None) => day(to)?,
    };
    (start < end).then_some(start..end).ok_or_else(|| format!("{text} holds no day"))
}

#[cfg(test)]
mod tests {
    use super::test_days;

    #[test]
    fn days_are_read_or_refused() {
        for (text, expected) in [
            ("1970-01-02..1970-01-04", Some(1..3)),
            ("1970-01-02..=1970-01-04", Some(1..4)),
            ("1970-01-02..", Some(1..i32::MAX)),
            ("..1970-01-02", Some(i32::MIN..1)),
            ("1970-01-02..1970-01-02", None),
            ("1970-01-04..1970-01-02", None),
            ("1970-01-02", None),
            ("2..3", None),
            ("1970-01-02T00..1970-01-03", None),
            ("", None),
        ] {
            assert_eq!(test_days(text).ok(), expected, "{text}");
        }
    }
}
