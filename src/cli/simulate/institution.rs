//! `simulate institution`: what plays an institution's part.

use std::path::PathBuf;

use crate::cli::exit;
use crate::error::Error;
use crate::institution::simulator::{Institution, Kind, Ledger, Script};

/// Play an institution that moves no money
///
/// It listens, speaks the kind's own wire form, does what its script says, and keeps books of its own. The first
/// line that it prints is where it listens.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate simulate institution --kind card --listen 127.0.0.1:8583\n  \
    tollgate simulate institution --kind card --listen 127.0.0.1:0 --script faults.toml --ledger ledger.jsonl\n\n\
    docs/channels.md has the script's form, and the cards and amounts that do something without one.")]
pub(in crate::cli) struct Args {
    /// Which institution
    #[arg(long, value_enum)]
    kind: Kind,
    /// Where it listens, HOST:PORT; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: String,
    /// What it does about which request, in TOML [default: the kind's own]
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Write what it did here, a line of JSON for each change; what is in it already is known again
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: Args) -> Result<u8, Error> {
    let script = match &args.script {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            Script::parse(&text).map_err(|e| e.at(path))?
        }
        None => args.kind.script(),
    };
    let ledger = match &args.ledger {
        Some(path) => Ledger::open(args.kind, path)?,
        None => Ledger::new(args.kind),
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Error::io("the runtime", e))?;
    runtime.block_on(async {
        let institution = Institution::listen(args.kind, &args.listen, script, ledger).await?;
        crate::cli::print(format_args!("{} listens on {}", args.kind.name(), institution.address()))?;
        tokio::select! {
            () = institution.serve() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(exit::OK)
    })
}
