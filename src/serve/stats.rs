//! `GET /v1/stats`: what was counted since the start and in the last minute.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use hyper::Response;
use serde::Serialize;

use super::admit::Refused;
use super::app::App;
use super::keys::Key;
use super::metrics::Stage;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::fresh;
use super::totals::{Times, Totals};
use crate::decision::{Degraded, Outcome};
use crate::pipeline::Pipeline;

/// Most rules that are told of, the busiest.
const BUSIEST_MAX: usize = 20;

type Counts = BTreeMap<&'static str, u64>;

#[derive(Serialize)]
struct Stats<'a> {
    version: &'static str,
    pipeline: String,
    rules: usize,
    /// Where payments are taken, and whether by TLS.
    listen: &'a [String],
    tls: bool,
    uptime_seconds: f64,
    draining: bool,
    in_flight: usize,
    queue_wait_us: f64,
    connections: usize,
    recent_payments: usize,
    reloads: BTreeMap<&'static str, u64>,
    reload_stale: bool,
    /// Whether payments that move money are taken.
    takes_payments: bool,
    /// Rules that are past their brake, and so in shadow.
    braked: Vec<&'a str>,
    since_start: Told,
    last_minute: Told,
}

/// What was counted in some time.
#[derive(Serialize)]
struct Told {
    seconds: f64,
    payments: u64,
    outcomes: Counts,
    degraded: Counts,
    refused: Counts,
    latency: BTreeMap<&'static str, Latency>,
    busiest_rules: Vec<Busy>,
}

/// Of one stage, in microseconds.
#[derive(Serialize)]
struct Latency {
    count: u64,
    mean_us: Option<f64>,
    p50_us: Option<f64>,
    p90_us: Option<f64>,
    p99_us: Option<f64>,
    p99_9_us: Option<f64>,
}

#[derive(Serialize)]
struct Busy {
    rule: String,
    hits: u64,
    /// What it asks for; nothing when it is no longer in force.
    effect: Option<String>,
    shadow: bool,
    /// In shadow because it went past its brake.
    braked: bool,
}

/// Answers.
///
/// # Errors
/// When the key belongs to a merchant: the numbers are everybody's.
pub(super) fn answer(app: &App, key: &Key) -> Result<Response<Reply>, Problem> {
    if key.merchant.is_some() {
        return Err(Problem::new(Kind::NotAllowed, "the numbers are of all merchants")
            .remedy("use a key that belongs to no merchant"));
    }
    let pipeline = app.engine().pipeline();
    let braked: Vec<&str> = pipeline.braked().into_iter().map(|(rule, _)| rule.id.as_str()).collect();
    let now = app.metrics.totals();
    let told = |earlier: &Totals| {
        let seconds = now.at.saturating_duration_since(earlier.at).as_secs_f64();
        Told::of(&now.since(earlier), seconds, &pipeline, &braked)
    };
    let reloads = &app.metrics.reloads;
    let stats = Stats {
        version: env!("CARGO_PKG_VERSION"),
        pipeline: pipeline.digest().to_string(),
        rules: pipeline.rules().len(),
        listen: &app.config.listen,
        tls: app.tls.is_some(),
        uptime_seconds: now.at.saturating_duration_since(app.past.start.at).as_secs_f64(),
        draining: app.draining(),
        in_flight: app.admission.in_flight(),
        queue_wait_us: app.admission.wait().as_secs_f64() * 1e6,
        connections: app.places.taken(),
        recent_payments: app.recent.len(),
        reloads: reloads.by_result().into_iter().map(|(result, counter)| (result, counter.get())).collect(),
        reload_stale: reloads.stale.load(Ordering::Relaxed) != 0,
        takes_payments: app.cashier.is_some(),
        since_start: told(&app.past.start),
        last_minute: told(&app.past.minute_ago()),
        braked: braked.clone(),
    };
    // Plain data always serialises.
    Ok(fresh(serde_json::to_vec(&stats).unwrap_or_default()))
}

impl Told {
    fn of(counted: &Totals, seconds: f64, pipeline: &Pipeline, braked: &[&str]) -> Told {
        let mut rules: Vec<(&String, u64)> =
            counted.rules.iter().map(|(rule, hits)| (rule, *hits)).filter(|(_, hits)| *hits > 0).collect();
        rules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        rules.truncate(BUSIEST_MAX);
        let busy = |(rule, hits): (&String, u64)| {
            let entry = pipeline.entries().iter().find(|entry| entry.id == *rule);
            Busy {
                rule: rule.clone(),
                hits,
                effect: entry.map(|entry| entry.effect.clone()),
                shadow: entry.is_some_and(|entry| entry.shadow),
                braked: braked.contains(&rule.as_str()),
            }
        };
        Told {
            seconds,
            payments: counted.outcomes.iter().sum(),
            outcomes: Outcome::ALL.map(Outcome::name).into_iter().zip(counted.outcomes).collect(),
            degraded: Degraded::all_names().iter().copied().zip(counted.degraded).collect(),
            refused: Refused::ALL.map(Refused::name).into_iter().zip(counted.refused).collect(),
            latency: Stage::ALL
                .map(Stage::name)
                .into_iter()
                .zip(counted.stages.iter().map(Latency::of))
                .collect(),
            busiest_rules: rules.into_iter().map(busy).collect(),
        }
    }
}

impl Latency {
    fn of(times: &Times) -> Latency {
        let count = times.count();
        let micros = |nanos: f64| nanos.round() / 1e3;
        let at = |share| times.quantile(share).map(micros);
        Latency {
            count,
            mean_us: (count > 0).then(|| micros(times.nanos as f64 / count as f64)),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
        }
    }
}
