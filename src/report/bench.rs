//! How fast was it? A run of load as text, and two of them side by side.

use std::fmt;

use crate::bench::compare::{Compared, name};
use crate::bench::environment::Environment;
use crate::bench::measure::{Answers, Latency, PERCENTILES};
use crate::bench::run::{Pace, Phase, Run};
use crate::decision::Outcome;

use super::evaluation::money;
use super::summary::group;

/// Requests sent later than this, in nanoseconds, are told about.
const LATE_NS: u64 = 1_000_000;

/// A duration with a unit that fits it.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.2} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// What it ran on, part by part.
pub(super) fn machine(environment: &Environment) -> Vec<String> {
    let e = environment;
    let guest = match e.virtual_machine {
        Some(true) => ", a virtual machine",
        _ => "",
    };
    let mut parts = vec![format!(
        "{}, {} {}{guest}",
        e.cpu.as_deref().unwrap_or("unknown processor"),
        e.cores,
        if e.cores == 1 { "core" } else { "cores" },
    )];
    let kernel = e.kernel.as_deref().unwrap_or("unknown kernel");
    parts.push(format!("{} {kernel}, clock {}", e.system, e.clock.as_deref().unwrap_or("unknown")));
    parts.push(format!("load before {}", e.load_before.as_deref().unwrap_or("unknown")));
    parts.push(format!("tollgate {}, {} build", e.version, e.build));
    parts
}

/// What has to be known about a phase so that nobody is flattered.
pub(super) fn warnings(phase: &Phase) -> Vec<String> {
    let mut told = Vec::new();
    if let (Some(lateness), Some(ready)) = (&phase.lateness, phase.readiness)
        && lateness.at(99.0) > LATE_NS
    {
        let share = 100.0 * (1.0 - ready);
        let by = time(lateness.at(99.0));
        told.push(format!(
            "{share:.1} % of the requests found nobody ready to send them in time (99 % were sent within {by} of it); \
             their latency counts from their time all the same"
        ));
    }
    if phase.generator_was_late() {
        told.push(
            "the load generator itself could not keep up: give it more --threads or a machine of its own; the figures \
             are its limit, not the target's"
                .to_owned(),
        );
    }
    if phase.answers.unsent > 0 {
        told.push(format!(
            "{} requests were never sent: their time was over before a connection was free",
            group(phase.answers.unsent)
        ));
    }
    if phase.seconds <= 0.0 {
        told.push("it was ended while it warmed up".to_owned());
    }
    told
}

/// How the phase asked.
pub(super) fn manner(phase: &Phase) -> String {
    let who = match phase.connections {
        0 => format!("{} threads", phase.threads),
        n => format!("{n} connections or streams"),
    };
    match phase.pace {
        Pace::Closed => format!("closed loop, {who}, each asks again once it is answered"),
        Pace::Open { rate } => {
            format!(
                "open loop at {} a second, {who}, latency from the time a request was due",
                group(rate as u64)
            )
        }
    }
}

/// Answers that are no success, by what they were.
fn failures(answers: &Answers) -> Vec<String> {
    let kinds = [
        (answers.shed, "shed"),
        (answers.refused, "refused"),
        (answers.broken, "on broken connections"),
        (answers.timed_out, "timed out"),
        (answers.unsent, "never sent"),
    ];
    kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(n, what)| format!("{} {what}", group(n)))
        .collect()
}

fn percentiles(latency: &Latency) -> String {
    let told = PERCENTILES.iter().map(|p| format!("{} {}", name(*p), time(latency.at(*p))));
    told.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.target)?;
        writeln!(f, "  {}", self.workload)?;
        for part in machine(&self.environment) {
            writeln!(f, "  {part}")?;
        }
        if let Some(pipeline) = &self.pipeline {
            writeln!(f, "  pipeline {pipeline}")?;
        }
        if self.environment.build == "debug" {
            writeln!(f, "  a debug build: these figures say nothing; build with --release")?;
        }
        if self.interrupted {
            writeln!(f, "  ended before its time")?;
        }
        match &self.knee {
            None => self.phases.iter().try_for_each(|phase| write_phase(f, phase))?,
            Some(_) => self.write_steps(f)?,
        }
        self.write_attacks(f)
    }
}

fn write_phase(f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    writeln!(f, "\n{}", manner(phase))?;
    let good = phase.answers.good();
    writeln!(f, "  {} a second; {} in {:.2} s", group(phase.rate as u64), group(good), phase.seconds)?;
    for percentile in PERCENTILES {
        writeln!(f, "    {:8} {:>12}", name(percentile), time(phase.latency.at(percentile)))?;
    }
    let all = phase.answers.all().max(1) as f64;
    let outcomes = Outcome::ALL.iter().zip(phase.answers.outcomes()).filter(|(_, count)| *count > 0);
    let shares = outcomes.map(|(outcome, n)| format!("{outcome} {:.2} %", 100.0 * n as f64 / all));
    let shares: Vec<String> = shares.collect();
    if !shares.is_empty() {
        writeln!(f, "  {}", shares.join(", "))?;
    }
    let failures = failures(&phase.answers);
    if !failures.is_empty() {
        writeln!(f, "  not answered well: {}; not in the latencies", failures.join(", "))?;
    }
    if let Some(shed) = &phase.shed {
        writeln!(f, "  shed after: {}", percentiles(shed))?;
    }
    writeln!(f, "  meanwhile a sleep of 1 ms was too long by: {}", percentiles(&phase.hiccups))?;
    warnings(phase).iter().try_for_each(|warning| writeln!(f, "  note: {warning}"))
}

impl Run {
    fn write_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = self.phases.first() {
            writeln!(f, "\nopen loops of {:.1} s", phase.seconds)?;
        }
        let columns = ["asked/s", "good/s", "good %", "p50", "p99", "p99.9", "max", "1 ms late by (p99)"];
        writeln!(
            f,
            "  {:>10} {:>10} {:>8} {:>11} {:>11} {:>11} {:>11} {:>20}",
            columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7]
        )?;
        for phase in &self.phases {
            let Pace::Open { rate } = phase.pace else { continue };
            let at = |p| time(phase.latency.at(p));
            writeln!(
                f,
                "  {:>10} {:>10} {:>8.3} {:>11} {:>11} {:>11} {:>11} {:>20}{}",
                group(rate as u64),
                group(phase.rate as u64),
                100.0 * phase.success(),
                at(50.0),
                at(99.0),
                at(99.9),
                at(100.0),
                time(phase.hiccups.at(99.0)),
                if phase.generator_was_late() { "  generator's limit" } else { "" }
            )?;
        }
        let Some(knee) = &self.knee else { return Ok(()) };
        let limit = time(knee.slo_ns);
        match (knee.borne, knee.failed) {
            (Some(borne), Some(failed)) => writeln!(
                f,
                "\nknee: {} a second with p99 within {limit} and 99.9 % answered well; {} was too much",
                group(borne as u64),
                group(failed as u64)
            ),
            (Some(borne), None) => {
                writeln!(f, "\n{} a second was borne, and nothing more was tried", group(borne as u64))
            }
            (None, _) => {
                writeln!(f, "\nno rate that was tried kept p99 within {limit} with 99.9 % answered well")
            }
        }
    }

    fn write_attacks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attacks.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n  {:14} {:>8} {:>8}   {:>27}   {:>40}",
            "attacks",
            "whole",
            "blocked",
            "payments before (mid/90%/max)",
            "paid out before the first decline"
        )?;
        for a in &self.attacks {
            let [middle, most] = a.payments_before_block;
            let of = |minor: i64| money(i128::from(minor), &self.currency);
            writeln!(
                f,
                "  {:14} {:>8} {:>8}   {:>29}   {:>40}{}",
                a.kind,
                group(a.attacks),
                group(a.blocked),
                format!("{middle} / {most} / {}", a.payments_before_block_max),
                format!("{} of {}", of(a.lost_minor), of(a.at_stake_minor)),
                if a.unanswered > 0 {
                    format!("  {} unanswered", group(a.unanswered))
                } else {
                    String::new()
                }
            )?;
        }
        match self.settled {
            true => Ok(()),
            false => writeln!(
                f,
                "  without what became of payments (--settle), so rules on declined payments were silent"
            ),
        }
    }
}

/// Two runs side by side.
pub(crate) struct Comparison<'a>(pub(crate) &'a [Compared]);

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "the runs have no phase in common");
        }
        writeln!(f, "{:10} {:22} {:>14} {:>14} {:>8}", "phase", "figure", "before", "after", "ratio")?;
        for c in self.0 {
            writeln!(
                f,
                "{:10} {:22} {:>14.2} {:>14.2} {:>8.3}  {}",
                c.phase,
                c.figure,
                c.before,
                c.after,
                c.ratio,
                c.verdict.words()
            )?;
        }
        Ok(())
    }
}
