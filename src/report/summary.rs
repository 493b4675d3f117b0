//! What came of it? The summary of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::batch::Tally;
use crate::comparison::Comparison;
use crate::decision::Outcome;
use crate::engine::Engine;
use crate::model::Role;
use crate::money::{Currency, Money};
use crate::pipeline::Pipeline;
use crate::rules::{Rule, Trip};

/// Rules that the summary shows.
const BUSIEST_SHOWN: usize = 10;
/// Width of the outcome bars, in characters.
const BAR_WIDTH: usize = 40;

/// A run's figures, as text and as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    payments: u64,
    rejected: u64,
    settled: u64,
    seconds: f64,
    payments_per_second: f64,
    outcomes: BTreeMap<&'static str, u64>,
    /// Sums by currency and outcome, exact, as text.
    money: BTreeMap<String, BTreeMap<&'static str, String>>,
    rules: Vec<RuleMatches>,
    past_brake: Vec<PastBrake>,
    /// Champion and challenger side by side; `None` without a challenger.
    challenger: Option<ChallengerFigures>,
    degraded: BTreeMap<&'static str, u64>,
    unknown_fields: BTreeMap<String, u64>,
    rejects: Vec<String>,
    entities: usize,
    memory_bytes: usize,
    peak_memory_bytes: Option<u64>,
    pipeline: String,
    #[serde(skip)]
    silent_rules: usize,
}

#[derive(Debug, Serialize)]
struct RuleMatches {
    rule: String,
    effect: String,
    shadow: bool,
    matches: u64,
}

/// A rule that went past its brake, and where it first did, by the payments' own time.
#[derive(Debug, Serialize)]
struct PastBrake {
    rule: String,
    brake: String,
    at: String,
    payments: u64,
    matches: u64,
}

impl PastBrake {
    fn of(rule: &Rule, trip: Trip) -> PastBrake {
        PastBrake {
            rule: rule.id.clone(),
            brake: rule.brake.map_or_else(String::new, |brake| brake.to_string()),
            at: trip.at.to_string(),
            payments: trip.payments,
            matches: trip.matches,
        }
    }
}

impl fmt::Display for PastBrake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PastBrake { rule, brake, at, payments, matches } = self;
        write!(
            f,
            "rule {rule} went past its brake ({brake}) at {at}: {} of {} payments; ",
            group(*matches),
            group(*payments)
        )?;
        f.write_str("it kept its effect here, `serve` would demote it to shadow")
    }
}

/// How a challenger compares with the champion.
#[derive(Debug, Serialize)]
struct ChallengerFigures {
    name: String,
    champion: String,
    payments: u64,
    same_outcome: u64,
    harder: u64,
    milder: u64,
    /// Decisions by the champion's outcome, then the challenger's.
    outcomes: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// The challenger's score less the champion's.
    score_difference: Option<ScoreDifference>,
}

#[derive(Debug, Serialize)]
struct ScoreDifference {
    mean: f64,
    p05: i32,
    p50: i32,
    p95: i32,
}

impl ChallengerFigures {
    fn new(comparison: &Comparison, pipeline: &Pipeline) -> Option<ChallengerFigures> {
        let challenger = pipeline.models().of(Role::Challenger)?;
        let champion = pipeline.models().of(Role::Champion);
        let (payments, same_outcome, harder) =
            (comparison.payments(), comparison.agreed(), comparison.harder());
        let difference = comparison.mean().and_then(|mean| {
            let [p05, p50, p95] = [0.05, 0.5, 0.95].map(|q| comparison.quantile(q));
            Some(ScoreDifference { mean, p05: p05?, p50: p50?, p95: p95? })
        });
        let named = |counts: [u64; 4]| Outcome::ALL.iter().map(|o| (o.name(), counts[*o as usize])).collect();
        Some(ChallengerFigures {
            name: challenger.name.clone(),
            champion: champion.map_or("rules alone".to_owned(), |c| c.name.clone()),
            payments,
            same_outcome,
            harder,
            milder: payments - same_outcome - harder,
            outcomes: Outcome::ALL
                .iter()
                .map(|o| (o.name(), named(comparison.outcomes[*o as usize])))
                .collect(),
            score_difference: difference,
        })
    }
}

impl fmt::Display for ChallengerFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u64| 100.0 * count as f64 / self.payments.max(1) as f64;
        write!(
            f,
            "  challenger {} against {}: same outcome {:.2} %, harder {:.2} %, milder {:.2} %",
            self.name,
            self.champion,
            share(self.same_outcome),
            share(self.harder),
            share(self.milder)
        )?;
        if let Some(ScoreDifference { mean, p05, p50, p95 }) = &self.score_difference {
            write!(
                f,
                "\n  its score less the champion's: mean {mean:+.1}, p5 {p05:+}, median {p50:+}, p95 {p95:+}"
            )?;
        }
        Ok(())
    }
}

impl Summary {
    /// Whether there were rows, and not one of them a payment: whoever reads no summary is to notice.
    pub fn is_all_rejects(&self) -> bool {
        self.payments == 0 && self.rejected > 0
    }

    pub(crate) fn new(tally: &Tally, engine: &Engine) -> Summary {
        let pipeline = engine.pipeline();
        let seconds = tally.elapsed.as_secs_f64();
        let (entities, memory_bytes) = engine.memory();
        let mut rules: Vec<RuleMatches> = pipeline
            .entries()
            .iter()
            .enumerate()
            .map(|(i, entry)| RuleMatches {
                rule: entry.id.clone(),
                effect: entry.effect.clone(),
                shadow: entry.shadow,
                matches: tally.matches.get(i).copied().unwrap_or(0),
            })
            .collect();
        rules.sort_by(|a, b| b.matches.cmp(&a.matches).then_with(|| a.rule.cmp(&b.rule)));
        let named =
            |counts: &[u64; 4]| Outcome::ALL.iter().map(|o| (o.name(), counts[*o as usize])).collect();
        let money = tally.money.iter().map(|(code, sums)| {
            let sums = Outcome::ALL.iter().map(|o| (o.name(), show_sum(sums[*o as usize], code)));
            (code.clone(), sums.collect())
        });
        Summary {
            payments: tally.payments,
            rejected: tally.rejected,
            settled: tally.settled,
            seconds,
            payments_per_second: tally.payments as f64 / seconds.max(1e-9),
            outcomes: named(&tally.outcomes),
            money: money.collect(),
            silent_rules: rules.iter().filter(|r| r.matches == 0).count(),
            rules,
            past_brake: tally
                .overruns
                .first()
                .filter_map(|(rule, trip)| Some(PastBrake::of(pipeline.rules().get(rule)?, trip)))
                .collect(),
            challenger: ChallengerFigures::new(&tally.comparison, &pipeline),
            degraded: tally.degraded.clone(),
            unknown_fields: tally.unknown.clone(),
            rejects: tally.first_rejects.iter().map(ToString::to_string).collect(),
            entities,
            memory_bytes,
            peak_memory_bytes: peak_memory(),
            pipeline: pipeline.digest().to_string(),
        }
    }

    /// The one line that says what was done.
    pub(crate) fn head(&self) -> String {
        let mut head = format!(
            "{} in {:.2} s, {} a second; {} in {}",
            counted(self.payments, "payment", "payments"),
            self.seconds,
            group(self.payments_per_second as u64),
            counted(self.entities as u64, "entity", "entities"),
            megabytes(self.memory_bytes as u64),
        );
        if let Some(peak) = self.peak_memory_bytes {
            head.push_str(&format!("; peak memory {}", megabytes(peak)));
        }
        if self.rejected > 0 {
            let rows = counted(self.rejected, "row is no payment and was", "rows are no payments and were");
            head.push_str(&format!("\n{rows} left out:"));
            for reject in &self.rejects {
                head.push_str(&format!("\n  {reject}"));
            }
            if self.rejected > self.rejects.len() as u64 {
                head.push_str("\n  ... (--rejects FILE writes them all)");
            }
        }
        if !self.unknown_fields.is_empty() {
            let names: Vec<_> =
                self.unknown_fields.iter().map(|(n, c)| format!("{n} ({})", group(*c))).collect();
            head.push_str(&format!("\nfields the schema does not know: {}", names.join(", ")));
        }
        head
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head())?;
        let total = self.payments.max(1);
        writeln!(f)?;
        for outcome in Outcome::ALL {
            let count = self.outcomes.get(outcome.name()).copied().unwrap_or(0);
            let bar = "#".repeat((count as u128 * BAR_WIDTH as u128).div_ceil(u128::from(total)) as usize);
            let share = 100.0 * count as f64 / total as f64;
            writeln!(f, "  {:10} {:>12}  {share:>6.2} %  {bar}", outcome.name(), group(count))?;
        }
        let busy: Vec<_> = self.rules.iter().filter(|r| r.matches > 0).take(BUSIEST_SHOWN).collect();
        if !busy.is_empty() {
            let width = busy.iter().map(|r| r.rule.len()).max().unwrap_or(0);
            writeln!(f, "\n  {:width$}  {:>10}  effect", "busiest rules", "matches", width = width.max(13))?;
            for rule in busy {
                let shadow = if rule.shadow { " (shadow)" } else { "" };
                writeln!(
                    f,
                    "  {:width$}  {:>10}  {}{shadow}",
                    rule.rule,
                    group(rule.matches),
                    rule.effect,
                    width = width.max(13)
                )?;
            }
        }
        if self.silent_rules > 0 {
            writeln!(f, "  {} rules matched nothing", self.silent_rules)?;
        }
        for past in &self.past_brake {
            writeln!(f, "  {past}")?;
        }
        if let Some(challenger) = &self.challenger {
            writeln!(f, "\n{challenger}")?;
        }
        for (name, count) in &self.degraded {
            writeln!(f, "  degraded: {name} in {} decisions", group(*count))?;
        }
        write!(f, "\n  pipeline {}", self.pipeline)
    }
}

/// Minor units of a sum as major units; sums may exceed what one amount may be.
fn show_sum(minor: i128, code: &str) -> String {
    match Currency::parse(code) {
        Some(currency) => match i64::try_from(minor).ok().and_then(|m| Money::from_minor(m, currency).ok()) {
            Some(money) => money.to_string(),
            None => format!("{minor} minor units {code}"),
        },
        None => minor.to_string(),
    }
}

/// One of a thing, or many of them.
fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", group(n), if n == 1 { one } else { many })
}

/// Digits in groups of three.
pub(super) fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

/// The most memory this process has had resident, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
