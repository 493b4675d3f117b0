//! What does an evaluation look like, or a run of load? One page that needs nothing but itself: tables and inline SVG.
//!
//! No script and no address of anything elsewhere; colours follow the reader's light or dark scheme.
//! Every text that comes from a file is escaped.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod chart;

use std::fmt::Write;
use std::path::Path;

use crate::codec::whole;
use crate::decision::Outcome;
use crate::error::Error;
use crate::money::Currency;

use self::chart::{Chart, Line};
use super::evaluation::{EvaluationReport, figure, money};
use super::summary::group;

/// Inputs that the page shows.
const IMPORTANCE_SHOWN: usize = 30;
/// Currencies that are shown, those with the largest numbers.
const CURRENCIES_SHOWN: usize = 4;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2330;--paper:#fff;--grid:#dde2ea;--one:#1f5fbf;--two:#b3401b;--soft:#5a6475}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--paper:#12161d;--grid:#2b3340;--one:#7fb2ff;--two:#ff9a6b;--soft:#a3adbd}}\
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:64rem;margin:2rem auto;padding:0 1rem}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.5rem}\
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}\
.grid{stroke:var(--grid);fill:none}polyline{fill:none;stroke-width:2}.one{stroke:var(--one)}\
.two{stroke:var(--two);stroke-dasharray:6 3}.even{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 4}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid var(--grid)}\
th:first-child,td:first-child{text-align:left;overflow-wrap:break-word;min-width:5.5rem}p,.note{color:var(--soft)}";

/// The text as it may stand between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A table of a heading, column names and rows; nothing without rows.
fn table(heading: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells = |tag: &str, of: &mut dyn Iterator<Item = &str>| -> String {
        of.map(|cell| format!("<{tag}>{}</{}>", escape(cell), &tag[..2])).collect()
    };
    let mut html = format!("<h2>{}</h2><div class=\"wide\"><table><thead><tr>", escape(heading));
    html.push_str(&cells("th scope=\"col\"", &mut columns.iter().copied()));
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        let _ = write!(html, "<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str)));
    }
    html + "</tbody></table></div>"
}

/// How many payments are not measured, by the reason.
fn left_out(report: &EvaluationReport) -> String {
    let counts = &report.left_out;
    let reasons = [
        (counts.known_cards, "of cards known to be compromised"),
        (counts.unlabelled, "without a label"),
        (counts.immature, "too young"),
    ];
    let told = reasons.into_iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, why)| format!("{} {why}", group(count))).collect();
    if told.is_empty() { String::new() } else { format!("Left out: {}.", told.join(", ")) }
}

/// Writes the report as one page of HTML; an interrupt leaves the old page or the new one.
pub(crate) fn save(report: &EvaluationReport, path: &Path) -> Result<(), Error> {
    whole::write(path, page(report).as_bytes()).map_err(|e| Error::io(path, e))
}

/// The report as one page of HTML.
fn page(report: &EvaluationReport) -> String {
    let figures = &report.evaluation.figures;
    let subject = escape(&report.subject);
    let mut html = format!(
        "<p>{} payments, {} of them fraud, on {} days from {} to {}. {}</p>\
         <p>{}</p>",
        group(figures.payments),
        group(figures.frauds),
        figures.days,
        escape(&report.days[0]),
        escape(&report.days[1]),
        left_out(report),
        escape(&report.note)
    );
    let told = report.named(figures).into_iter().filter(|_| figures.frauds > 0);
    let named = told.map(|(name, found)| {
        let interval = found.interval.map_or(String::new(), |i| format!("{:.4} to {:.4}", i.low, i.high));
        vec![name, figure(found.value), interval]
    });
    html += &table("Figures", &["", "figure", "95 % of draws of days"], &named.collect::<Vec<_>>());
    html += "<h2>Curves</h2><div class=\"charts\">";
    for chart in charts(report) {
        html += &chart.svg();
    }
    html += "</div><p>Solid: what was found, good payments or money hurt. Dashed: frauds or money saved, \
             where a chart has both. Dotted: what chance or true probabilities would give.</p>";
    if let Some(more) = report.currencies().len().checked_sub(CURRENCIES_SHOWN).filter(|more| *more > 0) {
        let _ = write!(
            html,
            "<p>Of money, the {CURRENCIES_SHOWN} currencies with the largest numbers; {more} more were paid in.</p>"
        );
    }
    html += &tables(report);
    document(&format!("{} of {subject}", report.heading), &html)
}

/// A page of this title, which is markup already, and body.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

fn charts(report: &EvaluationReport) -> Vec<Chart> {
    let found = &report.evaluation;
    let axes = |across: &str, up: &str| [across.to_owned(), up.to_owned()];
    let line = |class, points| Line { class, points };
    let unit = |title: &str, axes, lines| Chart {
        title: title.to_owned(),
        axes,
        from: [0.0; 2],
        to: [1.0; 2],
        ticks: None,
        lines,
    };
    let even = || line("even", vec![[0.0, 0.0], [1.0, 1.0]]);
    let share = found.figures.frauds as f64 / found.figures.payments.max(1) as f64;
    let mut charts = Vec::new();
    // Without frauds there is nothing to rank.
    if found.figures.frauds > 0 {
        charts.push(unit(
            "Precision and recall",
            axes("recall", "precision"),
            vec![line("one", found.precision_recall.clone()), line("even", vec![[0.0, share], [1.0, share]])],
        ));
        charts.push(unit(
            "ROC",
            axes("share of good payments hurt", "recall"),
            vec![line("one", found.roc.clone()), even()],
        ));
    }
    if let Some(calibration) = &found.calibration {
        // Frauds are rare, so the bands lie decades apart: as logarithms both ends can be read.
        let log = |p: f64| p.max(1e-4).log10();
        charts.push(Chart {
            title: "Calibration".to_owned(),
            axes: axes("probability claimed, power of ten", "share of frauds, power of ten"),
            from: [-4.0; 2],
            to: [0.0; 2],
            ticks: None,
            lines: vec![
                line("one", calibration.bands.iter().map(|b| [log(b.claimed), log(b.happened)]).collect()),
                line("even", vec![[-4.0, -4.0], [0.0, 0.0]]),
            ],
        });
    }
    let histogram = &found.histogram;
    let log = |counts: &[u64]| -> Vec<[f64; 2]> {
        let height = |n: u64| (n as f64 + 1.0).log10();
        let edges = histogram.edges.windows(2).zip(counts);
        edges.flat_map(|(e, n)| [[e[0], height(*n)], [e[1], height(*n)]]).collect()
    };
    let highest = histogram.good.iter().chain(&histogram.frauds).copied().max().unwrap_or(0);
    charts.push(Chart {
        title: "Payments by score".to_owned(),
        axes: axes(histogram.scale, "payments and one, power of ten"),
        from: [histogram.edges.first().copied().unwrap_or(0.0), 0.0],
        to: [histogram.edges.last().copied().unwrap_or(1.0), (highest as f64 + 1.0).log10().ceil()],
        ticks: None,
        lines: vec![line("one", log(&histogram.good)), line("two", log(&histogram.frauds))],
    });
    let currencies = report.currencies().into_iter().filter(|_| found.figures.frauds > 0);
    for code in currencies.take(CURRENCIES_SHOWN) {
        let Some(points) = found.money.get(code) else { continue };
        let unit = 10f64.powi(Currency::parse(code).map_or(0, Currency::exponent) as i32);
        let of = |minor: i128| minor as f64 / unit;
        let saved = points.iter().map(|p| of(p.money.saved)).fold(0.0, f64::max);
        let hurt = points.iter().map(|p| of(p.money.hurt)).fold(0.0, f64::max);
        charts.push(Chart {
            title: format!("Money of frauds saved by good money hurt, {code}"),
            axes: axes("hurt", "saved"),
            from: [0.0; 2],
            to: [hurt, saved],
            ticks: None,
            lines: vec![line("two", points.iter().map(|p| [of(p.money.hurt), of(p.money.saved)]).collect())],
        });
    }
    charts
}

fn tables(report: &EvaluationReport) -> String {
    let thresholds = report.evaluation.thresholds.iter().map(|row| {
        let c = &row.confusion;
        let shown = report.currencies().into_iter().take(CURRENCIES_SHOWN).filter_map(|code| {
            let at = row.money.get(code)?;
            Some(format!("{} / {}", money(at.saved, code), money(at.hurt, code)))
        });
        let counts = [c.true_positive, c.false_negative, c.false_positive, c.true_negative].map(group);
        let mut cells = vec![report.threshold(row)];
        cells.extend(counts);
        cells.extend([figure(c.precision()), figure(c.recall()), shown.collect::<Vec<_>>().join("; ")]);
        cells
    });
    let columns = [
        "from score on",
        "frauds caught",
        "frauds missed",
        "good hurt",
        "good passed",
        "precision",
        "recall",
        "saved / hurt",
    ];
    let mut html = table("Thresholds", &columns, &thresholds.collect::<Vec<_>>());
    let outcomes = Outcome::ALL.iter().filter(|_| !report.outcomes.is_empty()).map(|outcome| {
        let [good, frauds] = report.outcomes.get(outcome.name()).copied().unwrap_or_default();
        vec![outcome.name().to_owned(), group(good), group(frauds)]
    });
    html += &table("Outcomes", &["outcome", "good", "fraud"], &outcomes.collect::<Vec<_>>());
    let folds = report.folds.iter().map(|fold| {
        let mut cells = vec![format!("{} to {}", fold.days[0], fold.days[1])];
        cells.extend([group(fold.figures.payments), group(fold.figures.frauds)]);
        cells.extend(fold.figures.headline().map(figure));
        cells
    });
    let columns = ["days", "payments", "frauds", "ROC-AUC", "average precision", "Card Precision"];
    html += &table("Folds", &columns, &folds.collect::<Vec<_>>());
    let shown = report.importance.iter().take(IMPORTANCE_SHOWN);
    let rows = shown.map(|i| vec![i.input.clone(), format!("{:.4}", i.mean)]).collect::<Vec<_>>();
    html += &table("Importance", &["input", "mean |contribution|"], &rows);
    if report.importance.len() > IMPORTANCE_SHOWN {
        let more = report.importance.len() - IMPORTANCE_SHOWN;
        let _ = write!(html, "<p>And {more} more in --json.</p>");
    }
    let card = report.card.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    html + &table("Model", &["", ""], &card.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_of_a_text_is_markup() {
        for (text, expected) in [
            ("plain", "plain"),
            ("<script>alert('a')</script>", "&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;"),
            ("\" onload=\"x", "&quot; onload=&quot;x"),
            ("&lt;", "&amp;lt;"),
            ("", ""),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
