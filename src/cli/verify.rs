//! `verify`: is a journal whole?

use std::path::PathBuf;

use crate::cli::{exit, print, print_json};
use crate::error::Error;
use crate::journal::{Verified, bytes, verify};
use crate::report::progress::Progress;

/// Read all of a journal and check every byte; change nothing
///
/// Every header, checksum, link of the chain and record is looked at. A tail that was being written when the
/// program or the machine stopped is no damage: it is told, and the next start cuts it off. Damage is told
/// with the file, the byte and the records that are lost, and makes the exit code 6.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate verify /var/lib/tollgate\n  \
    tollgate verify /var/lib/tollgate --json | jq .contents\n  \
    tollgate verify backup && tollgate verify original    two copies are equal when their chains are\n\n\
    Exit codes: 0 whole; 4 there is no journal, or it can't be read; 6 damaged.")]
pub(super) struct Args {
    /// Directory of the journal
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let progress = Progress::new(bytes(&args.dir));
    let verified = verify(&args.dir, &|bytes, payments| progress.hear(bytes, payments));
    progress.finish();
    let verified = verified?;
    if args.json {
        print_json(&verified)?;
        return Ok(exit::OK);
    }
    let Verified { segments, frames, records, contents, sealed, torn, chain } = verified;
    print(format_args!("whole: {records} records in {frames} frames, {segments} files"))?;
    print(format_args!(
        "{} payments, {} settlements, {} list edits, {} pipelines, {} shutdowns",
        contents.payments, contents.settlements, contents.list_edits, contents.pipelines, contents.shutdowns
    ))?;
    if contents.undecided > 0 {
        print(format_args!("{} payments without a decision: a stage failed", contents.undecided))?;
    }
    if contents.unscored > 0 {
        print(format_args!("{} payments decided by a policy, without their score", contents.unscored))?;
    }
    match (torn, sealed) {
        (Some(torn), _) => print(format_args!("a tail was being written at the end: {torn}"))?,
        (None, true) => print("sealed: every record was synced")?,
        (None, false) => print("not sealed: the program was killed, or is running")?,
    }
    print(format_args!("chain {chain}"))?;
    Ok(exit::OK)
}
