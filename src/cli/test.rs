//! `test`: the rules' own examples.

use crate::cli::open::FolderArgs;
use crate::cli::{exit, print, print_json};
use crate::error::{Error, ErrorKind};

/// Run the rules' examples alone
///
/// Every rule carries payments for which it must fire and for which it must stay quiet. This runs
/// them all and says which fail, and what the condition came to.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tollgate test\n  tollgate test my-rules --json")]
pub(super) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Report {
    rules: usize,
    examples: usize,
    without_examples: Vec<String>,
    failed: Vec<String>,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    // Loading runs every example; a failing one is a mistake of the file like any other.
    let (report, code) = match args.folder.open() {
        Ok(pipeline) => {
            let rules = pipeline.rules();
            let report = Report {
                rules: rules.len(),
                examples: rules.iter().map(|r| r.examples.len()).sum(),
                without_examples: rules
                    .iter()
                    .filter(|r| r.examples.is_empty())
                    .map(|r| r.id.clone())
                    .collect(),
                failed: Vec::new(),
            };
            (report, exit::OK)
        }
        Err(e) if e.kind() == ErrorKind::Rules && !e.diagnostics().is_empty() => {
            if e.diagnostics().iter().any(|d| !d.is_example()) {
                return Err(e);
            }
            let failed = e.diagnostics().iter().map(ToString::to_string).collect();
            (Report { rules: 0, examples: 0, without_examples: Vec::new(), failed }, exit::FOUND)
        }
        Err(e) => return Err(e),
    };
    if args.json {
        print_json(&report)?;
    } else if report.failed.is_empty() {
        print(format_args!("{} examples of {} rules hold", report.examples, report.rules))?;
        for id in &report.without_examples {
            print(format_args!("  rule `{id}` has no example"))?;
        }
    } else {
        for failed in &report.failed {
            eprintln!("{failed}\n");
        }
        eprintln!("{} examples fail", report.failed.len());
    }
    Ok(code)
}
