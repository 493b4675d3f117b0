//! `replay`: would the same be decided again?

use std::path::PathBuf;

use crate::cli::open::RulesArgs;
use crate::cli::{exit, print, print_json};
use crate::engine::Engine;
use crate::error::Error;
use crate::journal::{Journal, Replayed, bytes, replay};
use crate::pipeline::Options;
use crate::report::progress::Progress;

/// Decide everything in a journal again and compare byte for byte; change nothing
///
/// A decision depends on the payment, the past and the pipeline alone, so the same pipeline must come to the
/// same answer: outcome, score, rules, values and reasons. Decisions that another pipeline made are counted
/// apart, with how many outcomes would be the same by these rules.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate replay /var/lib/tollgate --rules my-rules\n  \
    tollgate replay /var/lib/tollgate --rules new-rules --json | jq .other_pipelines\n\n\
    Exit codes: 0 all decisions of this pipeline are the same; 1 some differ; 3 the rules are wrong;\n\
    4 there is no journal, or it can't be read; 6 damaged.")]
pub(super) struct Args {
    /// Directory of the journal
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    rules: RulesArgs,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let seed = Journal::seed(&args.dir)?.unwrap_or_default();
    let engine = Engine::new(args.rules.open_options(Options { seed, ..Options::default() })?);
    let progress = Progress::new(bytes(&args.dir));
    let replayed = replay(&args.dir, &engine, &|bytes, payments| progress.hear(bytes, payments));
    progress.finish();
    let replayed = replayed?;
    let code = if replayed.different == 0 { exit::OK } else { exit::FOUND };
    if args.json {
        print_json(&replayed)?;
        return Ok(code);
    }
    show(&replayed)?;
    Ok(code)
}

fn show(replayed: &Replayed) -> Result<(), Error> {
    let Replayed { pipeline, contents, same, different, other_pipelines, .. } = replayed;
    print(format_args!("{} payments, {} settlements", contents.payments, contents.settlements))?;
    print(format_args!("pipeline {pipeline}: {same} decisions the same, {different} different"))?;
    for (digest, other) in other_pipelines {
        print(format_args!(
            "pipeline {digest}: {} decisions, not compared; {} outcomes would be the same",
            other.decisions, other.same_outcome
        ))?;
    }
    for difference in &replayed.differences {
        print(format_args!("\nrecord {}, payment {}:", difference.lsn, difference.payment))?;
        for (name, before, now) in &difference.fields {
            print(format_args!("  {name}: {before} -> {now}"))?;
        }
    }
    let shown = replayed.differences.len() as u64;
    if *different > shown {
        print(format_args!("\nand {} more", different - shown))?;
    }
    if replayed.orphaned_edits > 0 {
        print(format_args!("{} edits are of lists that these rules lack", replayed.orphaned_edits))?;
    }
    if let Some(torn) = &replayed.torn {
        print(format_args!("a tail was being written at the end: {torn}"))?;
    }
    Ok(())
}
