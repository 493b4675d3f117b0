//! `simulate institution`: what plays an institution's part.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::exit;
use crate::error::Error;
use crate::institution::simulator::{Institution, Kind, Ledger, Script, WalletKeys};

/// Play an institution that moves no money
///
/// It listens, speaks the kind's own wire form, does what its script says, and keeps books of its own. The first
/// line that it prints is where it listens.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate simulate institution --kind card --listen 127.0.0.1:8583\n  \
    tollgate simulate institution --kind card --listen 127.0.0.1:0 --script faults.toml --ledger ledger.jsonl\n  \
    tollgate simulate institution --kind alipay --listen 127.0.0.1:8600 --keys keys --pay-after 2000\n\n\
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
    /// Keys of a wallet and its merchant, made here if they are not there [default: some that nobody knows]
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    /// Listen over TLS, with this certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask clients for certificates that one of these authorities signed
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Payers pay a wallet's order so many milliseconds after it was placed [default: when POST /simulate/ORDER/pay
    /// says so]
    #[arg(long, value_name = "MS")]
    pay_after: Option<u64>,
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
    let keys = args.keys.as_deref().map(WalletKeys::open).transpose()?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Error::io("the runtime", e))?;
    runtime.block_on(async {
        let mut institution = Institution::listen(args.kind, &args.listen, script, ledger).await?;
        if let Some(keys) = keys {
            institution = institution.keys(keys);
        }
        if let Some((cert, key)) = args.tls_cert.as_deref().zip(args.tls_key.as_deref()) {
            institution = institution.tls(cert, key, args.client_ca.as_deref())?;
        }
        if let Some(delay) = args.pay_after {
            institution = institution.pay_after(Duration::from_millis(delay));
        }
        crate::cli::print(format_args!("{} listens on {}", args.kind.name(), institution.address()))?;
        tokio::select! {
            () = institution.serve() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(exit::OK)
    })
}
