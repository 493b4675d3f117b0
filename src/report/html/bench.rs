//! A run of load as a page: latency by percentile, rates and latencies over time or by rate asked for.

use std::path::Path;

use super::chart::{Chart, Line};
use super::{document, escape, table};
use crate::bench::compare::name;
use crate::bench::measure::{Interval, Latency, PERCENTILES};
use crate::bench::run::{Pace, Phase, Run};
use crate::codec::whole;
use crate::error::Error;
use crate::report::bench::{machine, manner, time, warnings};
use crate::report::evaluation::money;
use crate::report::summary::group;

/// Places of the axis of percentiles: how often ten times rarer.
const NINES: [&str; 5] = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"];
/// Points of a curve for each of them.
const POINTS_PER_NINE: u32 = 25;

/// Writes the run as one page of HTML; an interrupt leaves the old page or the new one.
pub(crate) fn save(run: &Run, path: &Path) -> Result<(), Error> {
    whole::write(path, page(run).as_bytes()).map_err(|e| Error::io(path, e))
}

fn page(run: &Run) -> String {
    let mut html = format!("<p>{}</p>", escape(&run.workload));
    for part in
        machine(&run.environment).iter().chain(&run.pipeline.as_ref().map(|p| format!("pipeline {p}")))
    {
        html += &format!("<p>{}</p>", escape(part));
    }
    if run.knee.is_some() {
        html += &steps(run);
    }
    for phase in &run.phases {
        html += &format!("<h2>{}</h2>", escape(&manner(phase)));
        for warning in warnings(phase) {
            html += &format!("<p>Note: {}.</p>", escape(&warning));
        }
        html += "<div class=\"charts\">";
        html += &by_percentile(phase).svg();
        html += &rate_over_time(&phase.intervals).svg();
        html += &latency_over_time(&phase.intervals).svg();
        html += "</div>";
        html += &figures(phase);
    }
    html += "<p>Latency by percentile: solid what was measured, dotted by how much a sleep of a millisecond was too long in \
             the same time. Over time: solid good answers or p50, dashed failures or p99.</p>";
    html += &attacks(run);
    document(&format!("Load on {}", escape(&run.target)), &html)
}

fn line(class: &'static str, points: Vec<[f64; 2]>) -> Line {
    Line { class, points }
}

fn chart(title: &str, across: &str, up: &str, lines: Vec<Line>) -> Chart {
    let of = |i: usize| lines.iter().flat_map(|l| &l.points).map(move |p| p[i]).filter(|v| v.is_finite());
    let to = [of(0).fold(0.0, f64::max), of(1).fold(0.0, f64::max)];
    Chart {
        title: title.to_owned(),
        axes: [across.to_owned(), up.to_owned()],
        from: [0.0; 2],
        to,
        ticks: None,
        lines,
    }
}

fn by_percentile(phase: &Phase) -> Chart {
    let curve = |latency: &Latency| -> Vec<[f64; 2]> {
        let histogram = latency.histogram();
        let nines = (0..=4 * POINTS_PER_NINE).map(|i| f64::from(i) / f64::from(POINTS_PER_NINE));
        nines.map(|n| [n, histogram.value_at_quantile(1.0 - 0.1_f64.powf(n)) as f64 / 1e3]).collect()
    };
    let lines = vec![line("one", curve(&phase.latency)), line("even", curve(&phase.hiccups))];
    let chart = chart("Latency by percentile", "percentile", "microseconds", lines);
    Chart { ticks: Some(NINES), to: [4.0, chart.to[1]], ..chart }
}

fn rate_over_time(intervals: &[Interval]) -> Chart {
    let at = |of: &dyn Fn(&Interval) -> f64| intervals.iter().map(|i| [i.begin_seconds, of(i)]).collect();
    let failed = at(&|i| i.failed as f64 / i.seconds.max(1e-9));
    let lines = vec![line("one", at(&Interval::rate)), line("two", failed)];
    chart("Answers over time", "seconds", "a second", lines)
}

fn latency_over_time(intervals: &[Interval]) -> Chart {
    let at = |of: &dyn Fn(&Interval) -> u64| {
        intervals.iter().map(|i| [i.begin_seconds, of(i) as f64 / 1e3]).collect()
    };
    let lines = vec![line("one", at(&|i| i.p50_ns)), line("two", at(&|i| i.p99_ns))];
    chart("Latency over time", "seconds", "microseconds", lines)
}

/// The curves by the rate that was asked for.
fn steps(run: &Run) -> String {
    let mut steps: Vec<(f64, &Phase)> = Vec::new();
    for phase in &run.phases {
        if let Pace::Open { rate } = phase.pace {
            steps.push((rate, phase));
        }
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |of: &dyn Fn(&Phase) -> f64| steps.iter().map(|(rate, phase)| [*rate, of(phase)]).collect();
    let highest = steps.last().map_or(1.0, |(rate, _)| *rate);
    let even = line("even", vec![[0.0, 0.0], [highest, highest]]);
    let rates = vec![line("one", at(&|p| p.rate)), even];
    let of = |percentile| move |p: &Phase| p.latency.at(percentile) as f64 / 1e6;
    let latencies = vec![line("one", at(&of(50.0))), line("two", at(&of(99.0)))];
    let mut html = "<h2>By rate</h2><div class=\"charts\">".to_owned();
    html += &chart("Good answers by rate", "asked a second", "good a second", rates).svg();
    html += &chart("Latency by rate", "asked a second", "milliseconds", latencies).svg();
    html += "</div>";
    let rate = |rate: Option<f64>| rate.map_or("none that was tried".to_owned(), |r| group(r as u64));
    let knee = run.knee.iter().map(|k| vec![time(k.slo_ns), rate(k.borne), rate(k.failed)]);
    html + &table(
        "Knee",
        &["p99 within", "highest rate borne", "lowest rate too much"],
        &knee.collect::<Vec<_>>(),
    )
}

fn figures(phase: &Phase) -> String {
    let mut rows: Vec<Vec<String>> = vec![vec!["good answers a second".to_owned(), group(phase.rate as u64)]];
    rows.extend(PERCENTILES.iter().map(|p| vec![name(*p), time(phase.latency.at(*p))]));
    let a = &phase.answers;
    let counts = [
        ("approve", a.approve),
        ("challenge", a.challenge),
        ("review", a.review),
        ("decline", a.decline),
        ("without outcome", a.without_outcome),
        ("shed", a.shed),
        ("refused", a.refused),
        ("broken connections", a.broken),
        ("timed out", a.timed_out),
        ("never sent", a.unsent),
    ];
    rows.extend(counts.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| vec![what.to_owned(), group(n)]));
    table("Figures", &["", ""], &rows)
}

fn attacks(run: &Run) -> String {
    let rows = run.attacks.iter().map(|a| {
        let of = |minor: i64| money(i128::from(minor), &run.currency);
        let [middle, most] = a.payments_before_block;
        vec![
            a.kind.clone(),
            group(a.attacks),
            group(a.blocked),
            middle.to_string(),
            most.to_string(),
            of(a.lost_minor),
            of(a.at_stake_minor),
        ]
    });
    let columns =
        ["attack", "whole", "blocked", "payments before, middle", "90 %", "paid out before", "at stake"];
    table("Attacks", &columns, &rows.collect::<Vec<_>>())
}
