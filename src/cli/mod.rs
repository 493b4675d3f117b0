//! What did the person ask for? The command line, its help and its exit codes.

#[cfg(feature = "bench")]
mod bench;
mod check;
mod completions;
#[cfg(feature = "serve")]
mod demo;
mod evaluate;
mod explain;
mod features;
mod import;
#[cfg(feature = "serve")]
mod labels;
mod learner;
mod open;
mod replay;
mod score;
#[cfg(feature = "serve")]
mod serve;
mod simulate;
mod snapshot;
mod test;
mod train;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, ErrorKind};

/// What the process's exit code says. 2, a command line that is wrong, is clap's own.
mod exit {
    /// All went well.
    pub const OK: u8 = 0;
    /// The command ran and found something wrong: an example that fails.
    pub const FOUND: u8 = 1;
    /// Rules, schema or lists are wrong.
    pub const RULES: u8 = 3;
    /// Input or output can't be read or written, or not one row of the input is a payment.
    pub const INPUT: u8 = 4;
    /// More bad rows than `--max-rejects` allows.
    pub const REJECTS: u8 = 5;
    /// A journal is damaged.
    pub const DAMAGED: u8 = 6;
}

#[derive(Parser)]
#[command(
    name = "tollgate",
    version,
    about = "Scores payments for fraud risk: lists, velocity windows and declarative rules, in microseconds each.",
    after_help = "Exit codes: 0 done; 1 ran and found something wrong (a failing example); 2 usage; 3 rules, schema or lists \
                  are wrong; 4 input or output failed, or no row is a payment; 5 more bad rows than --max-rejects; 6 a journal is damaged.\n\n\
                  Try it:\n  \
                  tollgate simulate --payments 100000 --out payments.csv\n  \
                  tollgate score payments.csv --out decisions.csv\n  \
                  tollgate check rules",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Score(score::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    Features(features::Args),
    Evaluate(evaluate::Args),
    Check(check::Args),
    Test(test::Args),
    Train(Box<train::Args>),
    #[cfg(feature = "serve")]
    Labels(labels::Args),
    Explain(explain::Args),
    Import(import::Args),
    Simulate(simulate::Args),
    #[cfg(feature = "serve")]
    Demo(demo::Args),
    #[cfg(feature = "bench")]
    Bench(Box<bench::Args>),
    Verify(verify::Args),
    Replay(replay::Args),
    Snapshot(snapshot::Args),
    Completions(completions::Args),
}

/// Runs the command line of this process.
#[doc(hidden)]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Score(args) => score::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args),
        Command::Features(args) => features::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::Train(args) => train::run(*args),
        #[cfg(feature = "serve")]
        Command::Labels(args) => labels::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Import(args) => import::run(args),
        Command::Simulate(args) => simulate::run(args),
        #[cfg(feature = "serve")]
        Command::Demo(args) => demo::run(args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(*args),
        Command::Verify(args) => verify::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Completions(args) => completions::run(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        // The reader of our output has gone (`| head`): nothing is left to be said.
        Err(e) if e.is_broken_pipe() => ExitCode::from(exit::OK),
        Err(e) => {
            eprintln!("{}", if e.diagnostics().is_empty() { format!("error: {e}") } else { e.to_string() });
            ExitCode::from(match e.kind() {
                ErrorKind::Rules => exit::RULES,
                ErrorKind::Input => exit::INPUT,
                ErrorKind::TooManyRejects => exit::REJECTS,
                ErrorKind::Damaged => exit::DAMAGED,
            })
        }
    }
}

/// Prints a value as JSON, one document.
fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    use std::io::Write;
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new(e.to_string()))?;
    writeln!(std::io::stdout(), "{text}").map_err(|e| Error::io("standard output", e))
}

/// Prints a line of text.
fn print(text: impl std::fmt::Display) -> Result<(), Error> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}").map_err(|e| Error::io("standard output", e))
}
