//! `completions`: what the shell may suggest.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::exit;
use crate::error::Error;

/// Print shell completions
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate\n  \
    tollgate completions zsh > \"${fpath[1]}/_tollgate\"")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "tollgate", &mut text);
    super::print(String::from_utf8_lossy(&text).trim_end())?;
    Ok(exit::OK)
}
