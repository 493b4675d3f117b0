//! `explain`: why was this payment decided as it was?

use crate::batch::{CHUNK_ROWS, Step, Timeline};
use crate::cli::open::{InputArgs, ModelArgs, RulesArgs};
use crate::cli::{exit, print, print_json};
use crate::codec::Chunk;
use crate::counterfactual::Counterfactual;
use crate::describe::Explanation;
use crate::engine::{Engine, Event};
use crate::error::Error;

/// Show every rule's truth and every value for one payment of a file
///
/// The file is replayed up to the payment, so the velocity values are the ones that were known then.
/// Of a model the exact Shapley value of every input is shown.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate explain pay_0000042 --in payments.csv\n  \
    tollgate explain pay_0000042 --in payments.csv --firing --counterfactual\n  \
    tollgate explain pay_0000042 --in payments.csv --json | jq '.rules[] | select(.holds)'")]
pub(super) struct Args {
    /// The payment's id
    id: String,
    /// The file it is in
    #[arg(long = "in", value_name = "FILE")]
    file: std::path::PathBuf,
    /// Format of the file [default: by file name, else by content]
    #[arg(long, value_name = "FORMAT", value_parser = crate::cli::open::format)]
    from: Option<crate::codec::Format>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    models: ModelArgs,
    /// Show only rules that fire
    #[arg(long)]
    firing: bool,
    /// Also show the smallest change of one number that would have brought an approval
    #[arg(long)]
    counterfactual: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterfactual: Option<Counterfactual>,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let engine = Engine::new(args.rules.open_with_models(&args.models)?);
    let input = InputArgs {
        files: vec![args.file.clone()],
        from: args.from,
        strict: false,
        rejects: None,
        max_rejects: None,
    };
    let pipeline = engine.pipeline();
    let mut timeline = Timeline::default();
    for mut reader in input.open(pipeline.schema())? {
        let mut chunk = Chunk::new(pipeline.schema(), CHUNK_ROWS);
        while reader.read(&mut chunk)? {
            let payments = chunk.payments();
            let found = payments.iter().position(|p| p.id() == args.id);
            let (steps, due) = timeline.order(payments);
            let before = steps.iter().take_while(|s| !matches!(s, Step::Score(i) if Some(*i) == found));
            let events: Vec<Event<'_>> = before.map(|s| s.event(payments, &due)).collect();
            engine.observe(&events);
            if let Some(found) = found {
                let payment = &payments[found];
                let mut explanation = engine.explain(payment);
                if args.firing {
                    explanation.rules.retain(|r| r.in_scope && r.holds == Some(true));
                }
                let change = args.counterfactual.then(|| engine.counterfactual(payment));
                if args.json {
                    print_json(&Answer { explanation: &explanation, counterfactual: change.flatten() })?;
                    return Ok(exit::OK);
                }
                print(&explanation)?;
                match change {
                    None => {}
                    Some(Some(change)) => print(format_args!("\n{change}"))?,
                    Some(None) if explanation.decision.outcome == "approve" => {
                        print("\nis approved as it is")?;
                    }
                    Some(None) => print("\nno change of one number alone would bring an approval")?,
                }
                return Ok(exit::OK);
            }
        }
    }
    Err(Error::new(format!("no payment has the id `{}`", crate::token::redact(&args.id))).at(&args.file))
}
