//! `check`: are these rules right, and what do they cost?

use std::time::Instant;

use crate::cli::open::FolderArgs;
use crate::cli::{exit, print, print_json};
use crate::engine::Engine;
use crate::error::Error;
use crate::expr::Facts;
use crate::model::Role;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::simulate::{Simulator, SimulatorSettings};

/// Compile rules and lists, run the examples, measure what each rule costs
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate check                     the folder ./rules\n  \
    tollgate check my-rules --cost     with nanoseconds for each rule\n  \
    tollgate check --fields            the fields rules can read\n  \
    tollgate check my-rules --json")]
pub(super) struct Args {
    #[command(flatten)]
    folder: FolderArgs,
    /// Show what each rule costs by itself, on simulated payments
    #[arg(long)]
    cost: bool,
    /// List the fields that rules can read
    #[arg(long)]
    fields: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Report {
    pipeline: String,
    rules: Vec<RuleLine>,
    aggregates: Vec<String>,
    lists: Vec<(String, usize)>,
    rates: String,
    models: Vec<ModelLine>,
    /// Median nanoseconds that models and rules together take for one payment.
    all_rules_ns: f64,
}

#[derive(serde::Serialize)]
struct ModelLine {
    role: &'static str,
    name: String,
    inputs: usize,
    /// 0 of a weighted sum.
    trees: usize,
    /// Median nanoseconds that inputs and answer take for one payment.
    ns: f64,
}

#[derive(serde::Serialize)]
struct RuleLine {
    id: String,
    place: String,
    effect: String,
    shadow: bool,
    brake: Option<String>,
    examples: usize,
    /// Median nanoseconds of the condition by itself.
    ns: f64,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let pipeline = args.folder.open()?;
    if args.fields {
        return fields(&pipeline, args.json);
    }
    let engine = Engine::new(pipeline);
    let report = measure(&engine)?;
    if args.json {
        print_json(&report)?;
        return Ok(exit::OK);
    }
    let examples: usize = report.rules.iter().map(|r| r.examples).sum();
    print(format_args!(
        "{} rules, {examples} examples, {} velocity values, {} lists: all right",
        report.rules.len(),
        report.aggregates.len(),
        report.lists.len()
    ))?;
    print(format_args!("pipeline {}, rates {}", report.pipeline, report.rates))?;
    print(format_args!(
        "models and all rules together: {:.0} ns a payment (median, simulated payments)",
        report.all_rules_ns
    ))?;
    for model in &report.models {
        let ModelLine { role, name, inputs, trees, ns } = model;
        let form = if *trees == 0 { "a weighted sum".to_owned() } else { format!("{trees} trees") };
        print(format_args!("{role} {name}: {inputs} inputs, {form}, {ns:.0} ns a payment"))?;
    }
    match report.rules.iter().filter(|rule| rule.brake.is_some()).count() {
        0 => {}
        n => print(format_args!(
            "{n} of the rules carry a brake: past it `serve`, and nothing else, demotes them"
        ))?,
    }
    if args.cost {
        let width = report.rules.iter().map(|r| r.id.len()).max().unwrap_or(0);
        print(format_args!("\n{:width$}  {:>9}  {:>8}  effect", "rule", "ns alone", "examples"))?;
        let mut lines: Vec<_> = report.rules.iter().collect();
        lines.sort_by(|a, b| b.ns.total_cmp(&a.ns));
        for rule in lines {
            let shadow = if rule.shadow { " (shadow)" } else { "" };
            let brake = rule.brake.as_ref().map_or_else(String::new, |brake| format!(" (brake {brake})"));
            print(format_args!(
                "{:width$}  {:>9.1}  {:>8}  {}{shadow}{brake}",
                rule.id, rule.ns, rule.examples, rule.effect
            ))?;
        }
    }
    Ok(exit::OK)
}

#[derive(serde::Serialize)]
struct FieldLine<'a> {
    name: &'a str,
    kind: String,
    entity: bool,
    outcome: bool,
    about: &'a str,
}

fn fields(pipeline: &Pipeline, json: bool) -> Result<u8, Error> {
    let lines: Vec<_> = pipeline
        .schema()
        .fields()
        .map(|(_, f)| FieldLine {
            name: &f.name,
            kind: f.kind.to_string(),
            entity: f.entity,
            outcome: f.outcome,
            about: &f.about,
        })
        .collect();
    if json {
        print_json(&lines)?;
        return Ok(exit::OK);
    }
    for line in lines {
        let mark = match (line.entity, line.outcome) {
            (true, _) => "entity",
            (_, true) => "outcome",
            _ => "",
        };
        print(format_args!("{:17} {:9} {mark:8} {}", line.name, line.kind, line.about))?;
    }
    Ok(exit::OK)
}

/// Simulated payments that costs are measured on.
const PAYMENTS: usize = 2_000;
/// Rounds over those payments; the median round counts.
const ROUNDS: usize = 9;

fn measure(engine: &Engine) -> Result<Report, Error> {
    let pipeline = engine.pipeline();
    let (payments, activity) = sample(engine, &pipeline)?;
    let width = pipeline.plan().aggregates().len();
    let facts: Vec<Facts<'_>> = payments
        .iter()
        .enumerate()
        .map(|(i, payment)| Facts::new(payment, &activity[i * width..(i + 1) * width]))
        .collect();
    let rules = pipeline
        .rules()
        .iter()
        .map(|rule| RuleLine {
            id: rule.id.clone(),
            place: format!("{}:{}", rule.path, rule.line),
            effect: rule.effect.to_string(),
            shadow: rule.shadow,
            brake: rule.brake.map(|brake| brake.to_string()),
            examples: rule.examples.len(),
            ns: median_ns(&facts, |f| rule.when.holds(f) == Some(true)),
        })
        .collect();
    let models = Role::ALL.into_iter().filter_map(|role| {
        let served = pipeline.models().of(role)?;
        let (mut row, mut margin) = (Vec::new(), [0.0]);
        let ns = median_ns(&facts, |f| {
            served.fill(&[f], &mut row);
            served.margins(&row, &mut margin);
            margin[0] > 0.0
        });
        let (name, inputs) = (served.name.clone(), served.width());
        Some(ModelLine { role: role.name(), name, inputs, trees: served.trees, ns })
    });
    Ok(Report {
        models: models.collect(),
        pipeline: pipeline.digest().to_string(),
        rules,
        aggregates: (0..width).map(|i| pipeline.aggregate_name(i).to_owned()).collect(),
        lists: pipeline
            .lists()
            .names()
            .filter_map(|n| Some((n.to_owned(), pipeline.lists().get(n)?.len())))
            .collect(),
        rates: pipeline.rates().version().to_owned(),
        all_rules_ns: median_ns(&facts, |f| !pipeline.decide(f, Default::default()).matched.is_empty()),
    })
}

fn sample(engine: &Engine, pipeline: &Pipeline) -> Result<(Vec<Payment>, Vec<f64>), Error> {
    let schema = pipeline.schema();
    let mut simulator =
        Simulator::new(SimulatorSettings { payments: PAYMENTS as u64, days: 1, ..Default::default() })?;
    let mut payments = Vec::with_capacity(PAYMENTS);
    let mut payment = Payment::new(schema);
    while simulator.next(schema, &mut payment) {
        payments.push(payment.clone());
    }
    let events: Vec<_> = payments.iter().map(crate::engine::Event::Score).collect();
    let activity = engine.observe(&events);
    Ok((payments, activity))
}

/// Median over rounds of the mean nanoseconds a payment, by way of a histogram in hundredths.
fn median_ns(facts: &[Facts<'_>], mut holds: impl FnMut(Facts<'_>) -> bool) -> f64 {
    let mut histogram: hdrhistogram::Histogram<u64> =
        hdrhistogram::Histogram::new(3).expect("three digits are within the histogram's range");
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let matches = facts.iter().filter(|f| holds(**f)).count();
        std::hint::black_box(matches);
        let hundredths = started.elapsed().as_nanos() * 100 / facts.len().max(1) as u128;
        // The histogram grows by itself; what it can't hold after that is no time anybody waits.
        let _ = histogram.record(hundredths as u64);
    }
    histogram.value_at_quantile(0.5) as f64 / 100.0
}
