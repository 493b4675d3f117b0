//! `verify`: is a journal whole?

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::{exit, print, print_json};
use crate::error::Error;
use crate::journal::{Verified, Whole, bytes, verify};
use crate::report::progress::Progress;

/// Read all of a journal and check every byte; change nothing
///
/// Every header, checksum, link of the chain and record is looked at. A tail that was being written when the
/// program or the machine stopped is no damage: it is told, and the next start cuts it off. Damage is told
/// with the file, the byte and the records that are lost, and makes the exit code 6.
///
/// A journal of decisions and one of payments that move money are told apart by what is in them. Of payments, every
/// record is taken into an empty book as well, and one that does not follow from those before it is damage too. So is a
/// snapshot that is damaged, or is not what the records up to it come to, though a start does without it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate verify /var/lib/tollgate\n  \
    tollgate verify /var/lib/tollgate/payments\n  \
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
    #[cfg(feature = "serve")]
    if crate::serve::kept::is_here(&args.dir) {
        return payments(&args);
    }
    let progress = Progress::new(bytes(&args.dir));
    let verified = verify(&args.dir, &|bytes, payments| progress.hear(bytes, payments));
    progress.finish();
    let verified = verified?;
    if args.json {
        print_json(&Found { journal: "decisions", verified: &verified })?;
        return Ok(exit::OK);
    }
    let Verified { whole, contents } = verified;
    print(format_args!("whole: {}, of decisions", counted(&whole)))?;
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
    print_end(&whole)?;
    Ok(exit::OK)
}

/// Which kind of journal it is, and what is in it.
#[derive(Serialize)]
struct Found<'a, T> {
    journal: &'static str,
    #[serde(flatten)]
    verified: &'a T,
}

fn counted(whole: &Whole) -> String {
    format!("{} records in {} frames, {} files", whole.records, whole.frames, whole.segments)
}

fn print_end(whole: &Whole) -> Result<(), Error> {
    match (&whole.torn, whole.sealed) {
        (Some(torn), _) => print(format_args!("a tail was being written at the end: {torn}"))?,
        (None, true) => print("sealed: every record was synced")?,
        (None, false) => print("not sealed: the program was killed, or is running")?,
    }
    print(format_args!("chain {}", whole.chain))
}

/// The journal of payments that move money: each record has to follow from those before it.
#[cfg(feature = "serve")]
fn payments(args: &Args) -> Result<u8, Error> {
    use crate::serve::kept::{Kept, Snapshots, verify};

    #[derive(Serialize)]
    struct Verified {
        #[serde(flatten)]
        whole: Whole,
        payments: usize,
        disputes: usize,
        fraud_reports: usize,
        unfinished: usize,
        /// Those that are what the records come to.
        snapshots: usize,
        passed_over: Vec<String>,
    }
    let progress = Progress::new(bytes(&args.dir));
    let kept = verify(&args.dir, &|bytes, payments| progress.hear(bytes, payments));
    progress.finish();
    let (Kept { book, whole }, Snapshots { agree, passed_over }) = kept?;
    let verified = Verified {
        whole,
        payments: book.payments().count(),
        disputes: book.payments().map(|p| p.disputes().len()).sum(),
        fraud_reports: book.payments().map(|p| p.reports().len()).sum(),
        unfinished: book.unfinished().len(),
        snapshots: agree,
        passed_over,
    };
    if args.json {
        print_json(&Found { journal: "payments", verified: &verified })?;
        return Ok(exit::OK);
    }
    let Verified { whole, payments, disputes, fraud_reports, unfinished, snapshots, passed_over } = verified;
    print(format_args!("whole: {}, of payments that move money", counted(&whole)))?;
    print(format_args!(
        "{payments} payments, {disputes} disputes, {fraud_reports} reports of fraud; {unfinished} wait for an institution"
    ))?;
    if snapshots > 0 {
        print(format_args!("{snapshots} snapshots, each what the records up to it come to"))?;
    }
    passed_over.iter().try_for_each(|why| print(format_args!("passed over: {why}")))?;
    print_end(&whole)?;
    Ok(exit::OK)
}
