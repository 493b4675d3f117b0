//! `labels`: what became of payments that move money, as a history to train from.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cli::exit;
use crate::codec::whole;
use crate::error::Error;
use crate::journal::bytes;
use crate::pay::Payment;
use crate::report::progress::Progress;
use crate::serve::kept;
use crate::time::{Span, Timestamp};
use crate::velocity::Status;

/// Write payments with what became of them, for `train` and `evaluate`
///
/// Reads the journal of payments that move money (`payments.dir` of the sidecar) and changes nothing. A line of JSON for
/// each payment that was assessed, in order of time: what was known of it, and
///
/// fraud: true when an issuer or a reviewer reported it or a dispute of kind fraud is open or lost; false when such a
/// dispute was won, or the money was captured and --maturity has passed without any; else absent. Disputes of other kinds
/// are no fraud.
///
/// status, settled_at: what the windows were told last, and when. `disputed` stands with fraud alone, at the time when it
/// became known.
///
/// campaign: of a fraud, `dispute` or the kind that the report names, such as `stolen`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate labels /var/lib/tollgate/payments --out history.jsonl\n  \
    tollgate train --inputs inputs.toml --label fraud --out model.json history.jsonl\n\n\
    Exit codes: 0 written; 4 there is no journal, or it can't be read; 6 damaged.")]
pub(super) struct Args {
    /// Directory of the journal of payments
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Write here, as JSON lines; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// A captured payment without a report is no fraud once the newest one is this much younger
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "60d")]
    maturity: Span,
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "not a length of time, such as 60d".to_owned())
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let progress = Progress::new(bytes(&args.dir));
    let kept = kept::read(&args.dir, &|bytes, payments| progress.hear(bytes, payments));
    progress.finish();
    let book = kept?.book;
    let mut payments: Vec<&Payment> = book.payments().filter(|p| !p.facts().is_empty()).collect();
    payments.sort_by_key(|p| (p.created_at(), p.id()));
    let newest = book.payments().map(Payment::changed_at).max().unwrap_or_default();
    let mut lines = Vec::new();
    for payment in payments {
        let line = line(payment, newest, args.maturity)?;
        serde_json::to_writer(&mut lines, &line).map_err(|e| Error::new(e.to_string()))?;
        lines.push(b'\n');
    }
    if args.out.as_os_str() == "-" {
        std::io::stdout().write_all(&lines).map_err(|e| Error::io("standard output", e))?;
    } else {
        whole::write(&args.out, &lines).map_err(|e| Error::io(&args.out, e))?;
    }
    Ok(exit::OK)
}

/// What was known of a payment, and its outcomes.
fn line(payment: &Payment, newest: Timestamp, maturity: Span) -> Result<Map<String, Value>, Error> {
    let mut line: Map<String, Value> = serde_json::from_slice(payment.facts())
        .map_err(|e| Error::new(format!("what is known of payment {} is no JSON: {e}", payment.id())))?;
    let label = payment.label();
    let fraud = match label {
        Some(label) => Some(label.fraud),
        None => payment.captured_at().filter(|at| at.plus(maturity) <= newest).map(|_| false),
    };
    if let Some(fraud) = fraud {
        line.insert("fraud".into(), fraud.into());
    }
    let known = label.filter(|label| label.fraud).map(|label| label.since);
    if let Some(since) = known {
        let report = payment.reports().iter().find(|r| r.at == since);
        line.insert("campaign".into(), report.map_or("dispute", |r| r.kind.name()).into());
    }
    let told = payment.settlements();
    let is_disputed = told.iter().any(|(status, _)| *status == Status::Disputed);
    let last = match known {
        Some(since) if is_disputed => Some((Status::Disputed, since)),
        _ => told.iter().rfind(|(status, _)| *status != Status::Disputed).copied(),
    };
    if let Some((status, at)) = last {
        line.insert("status".into(), status.name().into());
        line.insert("settled_at".into(), at.to_string().into());
    }
    Ok(line)
}
