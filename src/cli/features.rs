//! `features`: the inputs of rules or of a model, as columns.

use std::path::PathBuf;

use crate::batch::{self, Work};
use crate::cli::exit;
use crate::cli::open::{InputArgs, RulesArgs, on_threads};
use crate::codec::Format;
use crate::engine::Engine;
use crate::error::Error;
use crate::report::output::{Destination, Output};
use crate::report::progress::Progress;

/// Write the inputs of rules or of a model as columns
///
/// One row for each payment: its id and the value of each input, as known before the payment, or
/// empty where absent. Inputs are the velocity values that the rules read, or the expressions of a
/// TOML file: `[inputs]` and lines of `name = "expression"`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate features payments.csv --out features.parquet\n  \
    tollgate features --inputs inputs.toml history.parquet --out - --to csv | head")]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rules: RulesArgs,

    /// TOML file of named expressions [default: every velocity value of the rules]
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,

    /// Write the columns here; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,

    /// Format of the columns [default: by file name, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = crate::cli::open::format)]
    to: Option<Format>,

    /// Threads that compute [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Print the run's figures as JSON on stderr
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let engine = Engine::new(args.rules.open_with(args.inputs.as_deref())?);
    let pipeline = engine.pipeline();
    let readers = args.input.open(pipeline.schema())?;
    let progress = Progress::new(readers.iter().map(crate::codec::Reader::total_bytes).sum());
    let destination =
        Destination { out: Some(args.out), format: args.to, rejects: args.input.rejects.clone() };
    let mut output = Output::features(&destination, pipeline.clone())?;
    let tally = on_threads(args.threads.map(usize::from), || {
        batch::run(&engine, readers, Work::Observe, args.input.max_rejects, &mut output, &progress)
    });
    progress.finish();
    let tally = tally?;
    output.finish()?;
    let summary = crate::report::summary::Summary::new(&tally, &engine);
    if args.json {
        eprintln!("{}", serde_json::to_string(&summary).map_err(|e| Error::new(e.to_string()))?);
    } else {
        eprintln!("{}", summary.head());
    }
    Ok(exit::OK)
}
