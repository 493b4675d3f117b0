//! `features`: the inputs of rules or of a model, as columns.

use std::path::PathBuf;

use crate::batch::Work;
use crate::cli::exit;
use crate::cli::open::{InputArgs, RulesArgs, RunArgs};
use crate::codec::Format;
use crate::engine::Engine;
use crate::error::Error;
use crate::report::output::{Destination, Output};

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

    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let engine = Engine::new(args.rules.open_with_inputs(args.inputs.as_deref())?);
    let destination =
        Destination { out: Some(args.out.clone()), format: args.to, rejects: args.input.rejects.clone() };
    let output = Output::features(&destination, engine.pipeline())?;
    let summary = args.run.run(&engine, &args.input, Work::Observe, output)?;
    if args.run.json {
        eprintln!("{}", serde_json::to_string(&summary).map_err(|e| Error::new(e.to_string()))?);
    } else {
        eprintln!("{}", summary.head());
    }
    Ok(if summary.is_all_rejects() { exit::INPUT } else { exit::OK })
}
