//! `simulate`: payments that never happened.

#[cfg(feature = "serve")]
mod institution;

use std::path::PathBuf;

use crate::batch::Observer;
use crate::cli::exit;
use crate::codec::{Format, PaymentTable, TableWriter};
use crate::error::Error;
use crate::payment::Payment;
use crate::report::progress::Progress;
use crate::schema::{Schema, field};
use crate::simulate::{Simulator, SimulatorSettings};
use crate::time::Timestamp;

/// Write simulated payments, with labels
///
/// Seeded: the same arguments give the same bytes. Cards and merchants follow a Zipf law, days and
/// weeks have their rhythm, and fraud campaigns are planted: card testing, account takeover, bust-out.
/// Outcomes come along: `status`, `settled_at`, the label `fraud` and the `campaign`.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
    tollgate simulate --payments 1000000 --out payments.parquet\n  \
    tollgate simulate --seed 7 --days 60 --to jsonl | tollgate score\n  \
    tollgate simulate institution --kind card --listen 127.0.0.1:8583"
)]
pub(super) struct Args {
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    other: Option<Other>,
    /// How many payments
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    payments: u64,
    /// Over how many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// The first instant
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    start: Option<Timestamp>,
    /// Another seed gives other payments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of payments that campaigns make, 0 to 0.2
    #[arg(long, value_name = "SHARE")]
    fraud: Option<f64>,
    /// Write here; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Format [default: by file name, else csv]
    #[arg(long, value_name = "FORMAT", value_parser = crate::cli::open::format)]
    to: Option<Format>,
    /// Print figures as JSON on stderr
    #[arg(long)]
    json: bool,
}

/// What is simulated instead of payments.
#[cfg(feature = "serve")]
#[derive(clap::Subcommand)]
enum Other {
    Institution(institution::Args),
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not an instant such as 2026-01-01T00:00:00Z".to_owned())
}

/// Payments between two hand-overs to the file.
const SHEET_ROWS: u64 = 8192;

pub(super) fn run(args: Args) -> Result<u8, Error> {
    #[cfg(feature = "serve")]
    if let Some(Other::Institution(args)) = args.other {
        return institution::run(args);
    }
    let schema = Schema::standard();
    let defaults = SimulatorSettings::default();
    let settings = SimulatorSettings {
        payments: args.payments,
        days: args.days.unwrap_or(defaults.days),
        start: args.start.unwrap_or(defaults.start),
        seed: args.seed,
        fraud: args.fraud.unwrap_or(defaults.fraud),
        ..defaults
    };
    let mut simulator = Simulator::new(settings)?;
    let format = args.to.or_else(|| Format::of_path(&args.out)).unwrap_or(Format::Csv);
    let columns = PaymentTable::all(&schema);
    let mut table = TableWriter::create_sparse(&args.out, format, columns.columns())?;
    let progress = Progress::new(Some(args.payments));
    let mut payment = Payment::new(&schema);
    let mut sheet = table.sheet();
    let (mut written, mut frauds) = (0, 0);
    let started = std::time::Instant::now();
    while simulator.next(&schema, &mut payment) {
        columns.write(&schema, &payment, &mut sheet);
        written += 1;
        frauds += u64::from(payment.bool(field::FRAUD) == Some(true));
        if written % SHEET_ROWS == 0 {
            table.append(&mut sheet)?;
            progress.progress(written, written);
        }
    }
    table.append(&mut sheet)?;
    table.finish()?;
    progress.finish();
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        let figures = serde_json::json!({ "payments": written, "frauds": frauds, "seconds": seconds });
        eprintln!("{figures}");
    } else {
        eprintln!("{written} payments, {frauds} of them fraud, in {seconds:.2} s");
    }
    Ok(exit::OK)
}
