//! `score`: payments in, decisions out.

use std::path::PathBuf;

use crate::batch::Work;
use crate::cli::open::{InputArgs, ModelArgs, RulesArgs, RunArgs};
use crate::cli::{exit, print_json};
use crate::codec::Format;
use crate::engine::Engine;
use crate::error::Error;
use crate::report::output::{Destination, Output};

/// Score payments from files or standard input
///
/// Every payment is decided with what was known before it: its velocity windows are read, its rules
/// asked, and then it is remembered. Payments are taken in the order they come; late ones count
/// where their own time puts them. A row with a `status` is settled once it was scored, so a history
/// file replays as it was known.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate score payments.csv                          summary alone\n  \
    tollgate score payments.csv --out decisions.csv      decisions as CSV, summary on stderr\n  \
    cat payments.jsonl | tollgate score --out - --to jsonl | jq .outcome\n  \
    tollgate score --rules my-rules history.parquet --out decisions.parquet --rejects bad.jsonl\n  \
    tollgate score payments.csv --model new.json --challenger old.json\n  \
    tollgate score payments.csv --json                   summary for machines")]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    models: ModelArgs,

    /// Write decisions here; `-` for standard output [default: only the summary]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Format of the decisions [default: by file name, else jsonl]
    #[arg(long, value_name = "FORMAT", value_parser = crate::cli::open::format)]
    to: Option<Format>,

    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let engine = Engine::new(args.rules.open_with_models(&args.models)?);
    let destination =
        Destination { out: args.out.clone(), format: args.to, rejects: args.input.rejects.clone() };
    let output = Output::decisions(&destination, engine.pipeline())?;
    let summary = args.run.run(&engine, &args.input, Work::Score, output)?;
    // Decisions and summary must not mix on one stream.
    let stdout_taken = args.out.as_ref().is_some_and(|o| o.as_os_str() == "-");
    match (args.run.json, stdout_taken) {
        (true, false) => print_json(&summary)?,
        (true, true) => {
            eprintln!("{}", serde_json::to_string(&summary).map_err(|e| Error::new(e.to_string()))?)
        }
        (false, false) => super::print(&summary)?,
        (false, true) => eprintln!("{summary}"),
    }
    Ok(if summary.is_all_rejects() { exit::INPUT } else { exit::OK })
}
