//! `bench`: load, and what it found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::compare::{self, Verdict};
use crate::bench::run::{Pace, Plan, Run, Shape, Steps};
use crate::bench::target::Target;
use crate::bench::target::body::{Form, Writer};
use crate::bench::target::http::{Http, Wanted};
use crate::bench::target::template::Template;
use crate::bench::workload::{Mix, Workload};
use crate::bench::{hgrm, run};
use crate::cli::open::{ModelArgs, RulesArgs};
use crate::cli::{exit, print, print_json};
use crate::codec::whole;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::pipeline::Pipeline;
use crate::report::bench::Comparison;
use crate::report::html;
use crate::report::progress::Progress;
use crate::time::Timestamp;

/// The variable that holds the key sent to a server.
const KEY_VARIABLE: &str = "TOLLGATE_BENCH_KEY";
/// Seconds of warm-up and measuring where nothing is said.
const WARMUP: f64 = 1.0;
const DURATION: f64 = 5.0;
/// The rate that a search begins with, in this process and over a network.
const FIRST_RATES: [f64; 2] = [10_000.0, 500.0];

/// Measure the engine or a server under load
///
/// Without arguments: the engine in this process with the rules in force and simulated payments, as fast as all cores can,
/// then at half of that rate. With --rate requests come at their times whether or not earlier ones were answered, and
/// latency counts from those times; without it each connection asks again once it is answered.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tollgate bench\n  \
    tollgate bench http://127.0.0.1:8731 --rate 5000 --duration 30\n  \
    tollgate bench unix:/run/tollgate.sock --connections 16\n  \
    tollgate bench http://127.0.0.1:8731 --http2 --streams 8 --steps --slo 5\n  \
    tollgate bench --attack card_testing=0.8,takeover=0.2 --fraud 0.05\n  \
    tollgate bench https://other.example/decide --template body.json --header 'x-api-key: KEY'\n  \
    tollgate bench --json before.json && tollgate bench --json after.json --compare before.json\n\n\
    TARGET is `engine`, `nothing` (what asking costs by itself), http://HOST:PORT[/PATH], https://HOST[/PATH], unix:PATH or\n\
    grpc://HOST:PORT (grpcs:// over TLS), in builds that have it.\n\
    A key for the server is taken from TOLLGATE_BENCH_KEY or a --header, and never shown. See docs/bench.md.")]
pub(super) struct Args {
    /// Who is asked
    #[arg(value_name = "TARGET", default_value = "engine")]
    target: String,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    models: ModelArgs,
    /// Payments of this file instead of simulated ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["payments", "seed", "fraud", "attack"])]
    workload: Option<PathBuf>,
    /// How many payments are simulated; once all have been asked about they come again as others, later
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    payments: u64,
    /// Another seed gives other payments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of payments that are frauds, 0 to 0.2
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    fraud: f64,
    /// Which frauds: shares of card_testing, takeover and bust_out; what is left is friendly fraud. Implies --settle
    #[arg(long, value_name = "KIND=SHARE,...")]
    attack: Option<String>,
    /// Tell the target what became of each payment after its answer, where that was known within a minute
    #[arg(long)]
    settle: bool,
    /// Open loop: requests a second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Find the highest rate that is borne, from --rate on, or try the rates of a list: --steps=1000,2000
    #[arg(long, value_name = "RATES", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    steps: Option<String>,
    /// Milliseconds that the 99th percentile may be [default with --steps: 10]
    #[arg(long, value_name = "MS", value_parser = positive)]
    slo: Option<f64>,
    /// Seconds that are measured, of each phase [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    duration: Option<f64>,
    /// Seconds before, which are not [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = not_negative)]
    warmup: Option<f64>,
    /// Threads that ask [default: in this process all cores, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Connections to a server
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Requests under way at once on each connection, over HTTP/2
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    streams: u16,
    /// Speak HTTP/2, by prior knowledge where there is no TLS
    #[arg(long)]
    http2: bool,
    /// Milliseconds after which a request has failed
    #[arg(long, value_name = "MS", default_value_t = 2_000.0, value_parser = positive)]
    timeout: f64,
    /// Milliseconds that a request of an open loop waits for a free connection [default: until it has failed]
    #[arg(long, value_name = "MS", value_parser = positive)]
    patience: Option<f64>,
    /// Path of the server that takes payments [default: the URL's, else /v1/score]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Header to send, 'Name: value'; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// Trust the authorities of this file instead of the machine's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Bodies for another service: this file with {{field}} where a payment's values go
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Write the whole run as JSON; `-` for standard output, instead of the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the distribution for HdrHistogram's plotters; one file a phase
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Write a page with curves
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Compare with the run of this file; with two files compare those and run nothing
    #[arg(long, value_name = "FILE", num_args = 1..=2)]
    compare: Vec<PathBuf>,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| "not a number such as 2.5".to_owned())
}

/// A duration in a unit that a person gives; a day of seconds at most.
fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|n| match n {
        0.0..=86_400.0 => Ok(n),
        _ => Err("it is from 0 to 86400".to_owned()),
    })
}

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text).and_then(|n| if n > 0.0 { Ok(n) } else { Err("it is more than 0".to_owned()) })
}

fn rate(text: &str) -> Result<f64, String> {
    number(text).and_then(|n| match n {
        0.01..=1e8 => Ok(n),
        _ => Err("a rate is from 0.01 to 100000000 requests a second".to_owned()),
    })
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(message).of(ErrorKind::Rules)
}

impl Args {
    fn shape(&self) -> Result<Shape, Error> {
        let canonical = self.target == "engine" && self.workload.is_none();
        Ok(match (&self.steps, self.rate) {
            (Some(list), first) if list.is_empty() => {
                let [local, remote] = FIRST_RATES;
                let fallback = if self.is_local() { local } else { remote };
                Shape::Steps(Steps::Search(first.unwrap_or(fallback)))
            }
            (Some(_), Some(_)) => return Err(wrong("a list of --steps says all rates; leave --rate out")),
            (Some(list), None) => {
                let rates: Result<Vec<f64>, String> = list.split(',').map(|r| rate(r.trim())).collect();
                let rates =
                    rates.map_err(|e| wrong(format!("--steps={list}: {e}, such as --steps=1000,2000")))?;
                Shape::Steps(Steps::List(rates))
            }
            (None, Some(rate)) => Shape::One(Pace::Open { rate }),
            (None, None) if canonical => Shape::Canonical,
            (None, None) => Shape::One(Pace::Closed),
        })
    }

    fn is_local(&self) -> bool {
        matches!(self.target.as_str(), "engine" | "nothing")
    }

    fn shares(&self) -> Result<[f64; 3], Error> {
        const KINDS: [&str; 3] = ["card_testing", "takeover", "bust_out"];
        let Some(text) = &self.attack else { return Ok([0.45, 0.20, 0.15]) };
        let remedy = "--attack takes shares of card_testing, takeover and bust_out, such as card_testing=0.8,takeover=0.2";
        let mut shares = [0.0; 3];
        for part in text.split(',') {
            let (kind, share) = part.split_once('=').ok_or_else(|| wrong(remedy))?;
            let place = KINDS.iter().position(|k| *k == kind.trim());
            let share: Option<f64> = share.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share));
            match (place, share) {
                (Some(place), Some(share)) => shares[place] = share,
                _ => return Err(wrong(format!("`{part}`: {remedy}"))),
            }
        }
        match shares.iter().sum::<f64>() {
            sum if sum <= 1.0 + 1e-9 => Ok(shares),
            sum => Err(wrong(format!("the shares of --attack are {sum} together, and 1 is all of them"))),
        }
    }

    fn workload(&self, pipeline: &Pipeline) -> Result<Workload, Error> {
        let schema = pipeline.schema().clone();
        match &self.workload {
            Some(path) => Workload::recorded(schema, path),
            None => {
                let Args { payments, seed, fraud, .. } = *self;
                Workload::simulated(schema, &Mix { payments, seed, fraud, shares: self.shares()? })
            }
        }
    }

    fn server(&self, pipeline: &Pipeline) -> Result<Http, Error> {
        let form = match &self.template {
            None => Form::Payment,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
                let template = Template::parse(&path.display().to_string(), &text, pipeline.schema())?;
                Form::Template(Arc::new(template))
            }
        };
        if self.settle && self.template.is_some() {
            return Err(wrong("--settle speaks to a sidecar; leave it out with --template"));
        }
        Http::new(Wanted {
            url: self.target.clone(),
            path: self.path.clone(),
            http2: self.http2,
            headers: self.header.clone(),
            key: std::env::var(KEY_VARIABLE).ok(),
            ca: self.ca.clone(),
            form,
            connections: usize::from(self.connections),
            streams: usize::from(self.streams),
            timeout: Duration::from_secs_f64(self.timeout / 1e3),
        })
    }

    fn plan(&self) -> Result<Plan, Error> {
        let shape = self.shape()?;
        let pipeline = match self.target.as_str() {
            "engine" => self.rules.open_with_models(&self.models)?,
            _ => self.rules.open()?,
        };
        let rates = pipeline.rates().clone();
        // A server is asked whether it answers before anything larger is made.
        let server = if self.is_local() { None } else { Some(self.server(&pipeline)?) };
        let mut workload = self.workload(&pipeline)?;
        let (target, digest) = match (self.target.as_str(), server) {
            (_, Some(http)) => {
                workload.begin_at(now());
                let first = workload.introduction();
                let body = Writer::new(workload.schema.clone(), http.form.clone()).payment(&first);
                let digest = http.introduce(body)?;
                (Target::Http(Arc::new(http)), digest)
            }
            ("nothing", None) => (Target::Nothing, None),
            (_, None) => {
                let digest = pipeline.digest().to_string();
                (Target::Engine(Box::new(Engine::new(pipeline))), Some(digest))
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or(if self.is_local() { cores } else { 1 }, usize::from);
        Ok(Plan {
            target,
            pipeline: digest,
            workload,
            rates,
            shape,
            threads,
            warmup: Duration::from_secs_f64(self.warmup.unwrap_or(WARMUP)),
            duration: Duration::from_secs_f64(self.duration.unwrap_or(DURATION)),
            timeout: Duration::from_secs_f64(self.timeout / 1e3),
            patience: Duration::from_secs_f64(self.patience.unwrap_or(self.timeout).min(self.timeout) / 1e3),
            settle: self.settle || (self.attack.is_some() && self.template.is_none()),
            slo: self.slo.map(|ms| Duration::from_secs_f64(ms / 1e3)),
        })
    }

    /// Writes the files that were asked for, and shows the rest.
    fn show(&self, run: &Run) -> Result<(), Error> {
        if let Some(path) = &self.html {
            html::bench::save(run, path)?;
        }
        for phase in self.hgrm.iter().flat_map(|_| &run.phases) {
            let path = self.hgrm.as_deref().unwrap_or(Path::new("")).to_owned();
            let path = match run.phases.len() {
                1 => path,
                _ => path.with_extension(format!("{}.hgrm", phase.name.replace('/', "-"))),
            };
            whole::write(&path, hgrm::text(&phase.latency).as_bytes()).map_err(|e| Error::io(&path, e))?;
        }
        match self.json.as_deref() {
            Some(path) if path == Path::new("-") => print_json(run),
            Some(path) => {
                let text = serde_json::to_string(run).map_err(|e| Error::new(e.to_string()))?;
                whole::write(path, text.as_bytes()).map_err(|e| Error::io(path, e))?;
                print(run)
            }
            None => print(run),
        }
    }

    /// Whether the limit of the 99th percentile was kept; without one it was.
    fn kept(&self, run: &Run) -> bool {
        let Some(slo) = run.slo_ns else { return true };
        match &run.knee {
            Some(knee) => knee.borne.is_some(),
            None => run.phases.iter().all(|phase| run::bears(phase, slo)),
        }
    }
}

/// The machine's time.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).ok().and_then(Timestamp::from_micros).unwrap_or_default()
}

/// Sets `stop` at the first Ctrl-C; the second one ends the process as ever.
fn heed_interrupts(stop: Arc<AtomicBool>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::new(e.to_string()))?;
    let listen = move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.store(true, Ordering::Relaxed);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    };
    std::thread::Builder::new()
        .name("interrupts".into())
        .spawn(listen)
        .map_err(|e| Error::new(e.to_string()))?;
    Ok(())
}

/// Prints the comparison: whether nothing got worse.
fn compared(before: &Run, after: &Run) -> Result<bool, Error> {
    let compared = compare::compare(before, after);
    for (what, before, after) in [
        ("target", &before.target, &after.target),
        ("workload", &before.workload, &after.workload),
        ("build", &before.environment.build, &after.environment.build),
    ] {
        if before != after {
            print(format_args!("the runs differ in their {what}: {before}; {after}"))?;
        }
    }
    print(Comparison(&compared))?;
    Ok(compared.iter().all(|c| c.verdict != Verdict::Worse))
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    if let [before, after] = args.compare.as_slice() {
        let fine = compared(&Run::read(before)?, &Run::read(after)?)?;
        return Ok(if fine { exit::OK } else { exit::FOUND });
    }
    let before = args.compare.first().map(|path| Run::read(path)).transpose()?;
    let plan = args.plan()?;
    let stop = Arc::new(AtomicBool::new(false));
    heed_interrupts(stop.clone())?;
    let progress = Progress::new(plan.length().and_then(|length| u64::try_from(length.as_millis()).ok()));
    let run = plan.run(&stop, &progress);
    progress.finish();
    let run = run?;
    args.show(&run)?;
    let better = match &before {
        Some(before) => compared(before, &run)?,
        None => true,
    };
    let fine = run.answered() || run.interrupted;
    Ok(if fine && better && args.kept(&run) { exit::OK } else { exit::FOUND })
}
