//! `demo`: a gateway, three institutions and a shop on this machine, and the journeys of ten payments.
//!
//! `stage` starts the processes, `http` talks to them, `shop` is the merchant.

mod http;
mod shop;
mod stage;

use std::path::PathBuf;

use crate::cli::exit;
use crate::error::Error;
use shop::Shop;
use stage::Stage;

/// Watch ten payments go from a shop to a bank, Alipay and WeChat Pay
///
/// Starts a gateway, three simulated institutions and a small shop on loopback, as processes of their own, and tells
/// what becomes of ten payments: approved, declined, challenged, reviewed, undone, refunded, disputed, scanned, and
/// one whose gateway is killed. At the end the institutions' books are compared with the gateway's. No money moves.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  tollgate demo\n  tollgate demo --keep demo     leave settings, journals and ledgers there"
)]
pub(super) struct Args {
    /// Work in this folder, which must not be there yet, and leave it [default: a temporary one]
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let folder = args.keep.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!(
            "tollgate-demo-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ))
    });
    std::fs::create_dir(&folder).map_err(|e| Error::io(&folder, e))?;
    let done = play(&folder);
    if args.keep.is_none() {
        // Whatever is left of a temporary folder is the system's to clear.
        let _ = std::fs::remove_dir_all(&folder);
    }
    done
}

fn play(folder: &std::path::Path) -> Result<u8, Error> {
    let mut stage = Stage::set(folder)?;
    super::print(format_args!("gateway {}  {}\n", stage.gateway(), stage.institutions()))?;
    let agreed = Shop::new(&mut stage).open()?;
    Ok(if agreed { exit::OK } else { exit::FOUND })
}
