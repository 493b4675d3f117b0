//! `serve`: the sidecar.

use std::path::PathBuf;

use crate::cli::exit;
use crate::cli::open::RulesArgs;
use crate::error::{Error, ErrorKind};
use crate::pipeline::Options;
use crate::serve::{Sidecar, source};

/// Serve decisions over HTTP, next to a gateway
///
/// Without anything else it serves the rules of ./rules, or those built in, to this machine alone. Settings come
/// from the file, then the environment (TOLLGATE_SERVE_...), then these options.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate serve\n  \
    tollgate serve --config serve.toml --journal /var/lib/tollgate/journal\n  \
    tollgate serve --listen unix:/run/tollgate.sock --threads 1 --set limits.body_bytes=16384\n  \
    curl -d '{\"id\":\"p1\",\"at\":\"2026-11-23T12:00:00Z\",\"amount\":\"20.00\",\"currency\":\"USD\"}' http://127.0.0.1:8731/v1/score\n\n\
    SIGHUP reads the rules (and certificates) again, SIGTERM finishes what is in flight and ends.")]
pub(super) struct Args {
    /// File of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RulesArgs,
    /// Where payments are taken, HOST:PORT or unix:PATH; may be repeated [default: 127.0.0.1:8731]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Where health, metrics and control are [default: 127.0.0.1:8732]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Directory of the journal: what was decided is recorded there, and remembered at the next start
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Threads that serve [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask clients for certificates that one of these authorities signed
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Listen where others can reach it, though no keys are set
    #[arg(long)]
    insecure: bool,
    /// Any other setting, such as limits.body_bytes=16384; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl Args {
    /// What the options say, as settings' names and values.
    fn settings(&self) -> Result<Vec<(String, String)>, Error> {
        let mut flags = Vec::new();
        for setting in &self.set {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                Error::new("--set takes NAME=VALUE, such as limits.body_bytes=16384").of(ErrorKind::Rules)
            })?;
            flags.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut text = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.push((name.to_owned(), toml::Value::String(value).to_string()));
            }
        };
        text("admin", self.admin.clone());
        text("journal.dir", path_of(&self.journal));
        text("tls.cert", path_of(&self.tls_cert));
        text("tls.key", path_of(&self.tls_key));
        text("tls.client_ca", path_of(&self.client_ca));
        if !self.listen.is_empty() {
            let all = self.listen.iter().cloned().map(toml::Value::String).collect();
            flags.push(("listen".to_owned(), toml::Value::Array(all).to_string()));
        }
        if let Some(threads) = self.threads {
            flags.push(("threads".to_owned(), threads.to_string()));
        }
        if self.insecure {
            flags.push(("insecure".to_owned(), "true".to_owned()));
        }
        // A certificate without its key is no setting yet, so they are checked together.
        flags.sort_by_key(|(name, _)| name.starts_with("tls."));
        Ok(flags)
    }
}

pub(super) fn run(mut args: Args) -> Result<u8, Error> {
    let config = source::read(args.config.as_deref(), variables(), &args.settings()?)?;
    if args.rules.rules.is_none() {
        args.rules.rules.clone_from(&config.rules);
    }
    let (folder, options) = args.rules.source(Options::default())?;
    Sidecar::of(config, folder, options)?.serve()?;
    Ok(exit::OK)
}

fn path_of(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|p| p.display().to_string())
}

/// The environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
