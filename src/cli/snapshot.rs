//! `snapshot`: save a journal's next start its way from the beginning.

use std::path::PathBuf;

use crate::cli::open::RulesArgs;
use crate::cli::{exit, print};
use crate::engine::Engine;
use crate::error::Error;
use crate::journal::{Journal, snapshot};
use crate::pipeline::Options;

/// Write what the windows hold at the end of a journal, so that the next start reads only what comes after
///
/// This reads the journal as a start would, beside the program that writes it, which is not held up. The two
/// newest snapshots are kept; one that is damaged is passed over. A start with other rules reads the whole
/// journal again: its windows may ask for what the old ones did not keep.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate snapshot /var/lib/tollgate --rules my-rules      every hour, by a timer\n\n\
    Exit codes: 0 written; 3 the rules are wrong, or not those of the journal; 4 there is no journal, or the\n\
    disk fails; 6 damaged.")]
pub(super) struct Args {
    /// Directory of the journal
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    rules: RulesArgs,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let seed = Journal::seed(&args.dir)?.unwrap_or_default();
    let engine = Engine::new(args.rules.open_options(Options { seed, ..Options::default() })?);
    let lsn = snapshot(&args.dir, &engine)?;
    let (entities, bytes) = engine.memory();
    print(format_args!("snapshot after record {lsn}: {entities} entities, {} MB", bytes / 1_000_000))?;
    Ok(exit::OK)
}
