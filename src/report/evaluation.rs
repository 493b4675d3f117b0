//! How good was it? An evaluation as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::decision::Outcome;
use crate::learn::evaluate::{Evaluation, FALSE_POSITIVE_RATES, Figure, Figures, ThresholdRow};
use crate::money::Currency;
use crate::stage::SCORE_MAX;
use crate::time::Timestamp;

use super::summary::group;

/// What an evaluation is shown with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EvaluationReport {
    /// What was done: a page's heading.
    #[serde(skip)]
    pub(crate) heading: &'static str,
    /// Who gave the scores: a model's name, a column, the pipeline.
    pub(crate) subject: String,
    /// What has to be known about the payments measured.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
    /// What scores are numbers of.
    pub(crate) scale: Scale,
    /// First and last day tested.
    pub(crate) days: [String; 2],
    pub(crate) top_k: usize,
    pub(crate) budget: usize,
    pub(crate) draws: usize,
    pub(crate) seed: u64,
    pub(crate) left_out: LeftOut,
    #[serde(flatten)]
    pub(crate) evaluation: Evaluation,
    /// The same figures of parts of the days, one after the other.
    pub(crate) folds: Vec<Fold>,
    /// Decisions by outcome: `[good, frauds]`; only of the pipeline.
    pub(crate) outcomes: BTreeMap<&'static str, [u64; 2]>,
    /// Mean of what each input adds to margins, without sign; most important first.
    pub(crate) importance: Vec<Importance>,
    /// Where the model comes from, line by line.
    pub(crate) card: Vec<(String, String)>,
}

/// What a score is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// Shown as 0 to 1000 of the probability behind it.
    Probability,
    /// Shown as outcome and score.
    Outcome,
    /// Shown as it is.
    Raw,
}

/// Payments of the tested days that are not measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct LeftOut {
    /// Of cards known to be compromised already.
    pub(crate) known_cards: u64,
    /// Without a label.
    pub(crate) unlabelled: u64,
    /// Too young for their fraud to be known.
    pub(crate) immature: u64,
}

/// A part of the tested days.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fold {
    pub(crate) days: [String; 2],
    pub(crate) figures: Figures,
}

/// An input and what it adds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Importance {
    pub(crate) input: String,
    pub(crate) mean: f64,
}

/// The date of a day since the Unix epoch.
pub(crate) fn date(day: i32) -> String {
    let at = Timestamp::from_micros(i64::from(day) * 86_400_000_000);
    at.map_or_else(|| format!("day {day}"), |at| at.to_string().chars().take(10).collect())
}

impl EvaluationReport {
    /// A row's threshold, as people set thresholds.
    pub(crate) fn threshold(&self, row: &ThresholdRow) -> String {
        match (self.scale, row.probability) {
            (Scale::Probability, Some(p)) => crate::model::score_of(p).to_string(),
            (Scale::Outcome, _) => {
                let rank = row.threshold.max(0.0) as usize;
                let width = usize::from(SCORE_MAX) + 1;
                let outcome = Outcome::ALL[(rank / width).min(3)];
                format!("{} {}", outcome.name(), rank % width)
            }
            _ => format!("{:.4}", row.threshold),
        }
    }

    /// Every figure with its name.
    pub(crate) fn named(&self, figures: &Figures) -> Vec<(String, Figure)> {
        let mut named = vec![
            ("ROC-AUC".to_owned(), figures.auc),
            ("average precision".to_owned(), figures.average_precision),
            (format!("Card Precision@{}", self.top_k), figures.card_precision),
            (format!("recall, {} reviewed a day", self.budget), figures.review_recall),
            ("precision of that review".to_owned(), figures.review_precision),
        ];
        for (rate, figure) in FALSE_POSITIVE_RATES.iter().zip(figures.recall_at) {
            named.push((format!("recall, {} % of good hurt", percent(*rate)), figure));
        }
        if let Some(calibration) = &self.evaluation.calibration
            && std::ptr::eq(figures, &self.evaluation.figures)
        {
            let alone = |value| Figure { value: Some(value), interval: None };
            named.push(("calibration error".to_owned(), alone(calibration.expected_error)));
            named.push(("Brier score".to_owned(), alone(calibration.brier)));
        }
        named
    }

    /// The currencies, the one with the most payments' money at stake first.
    pub(crate) fn currencies(&self) -> Vec<&str> {
        let stake = |code: &str| {
            let end = self.evaluation.money.get(code).and_then(|c| c.last());
            let major = |minor: i128| {
                let exponent = Currency::parse(code).map_or(0, Currency::exponent);
                minor as f64 / 10f64.powi(exponent as i32)
            };
            end.map_or(0.0, |point| major(point.money.saved))
        };
        let mut codes: Vec<&str> = self.evaluation.money.keys().map(String::as_str).collect();
        codes.sort_by(|a, b| stake(b).total_cmp(&stake(a)));
        codes
    }
}

/// A share as percent, as short as it is exact.
pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 1e6).round() / 1e4;
    rounded.to_string()
}

/// Minor units as an amount with its code, digits in groups.
pub(crate) fn money(minor: i128, code: &str) -> String {
    let exponent = Currency::parse(code).map_or(0, Currency::exponent);
    let unit = 10u128.pow(exponent);
    let whole = group((minor.unsigned_abs() / unit) as u64);
    let sign = if minor < 0 { "-" } else { "" };
    match exponent {
        0 => format!("{sign}{whole} {code}"),
        _ => {
            format!("{sign}{whole}.{:0width$} {code}", minor.unsigned_abs() % unit, width = exponent as usize)
        }
    }
}

pub(crate) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"))
}

impl fmt::Display for EvaluationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.evaluation.figures;
        writeln!(
            f,
            "{}: {} payments, {} of them fraud, on {} days from {} to {}",
            self.subject,
            group(figures.payments),
            group(figures.frauds),
            figures.days,
            self.days[0],
            self.days[1]
        )?;
        for (count, why) in [
            (self.left_out.known_cards, "of cards known to be compromised"),
            (self.left_out.unlabelled, "without a label"),
            (self.left_out.immature, "too young for their fraud to be known"),
        ] {
            if count > 0 {
                writeln!(f, "  left out: {} payments {why}", group(count))?;
            }
        }
        writeln!(f, "\n  {:34} {:>8}   95 % of draws of days", "", "figure")?;
        for (name, figure) in self.named(figures) {
            let value = self::figure(figure.value);
            match figure.interval {
                Some(i) => writeln!(f, "  {name:34} {value:>8}   {:.4} to {:.4}", i.low, i.high)?,
                None => writeln!(f, "  {name:34} {value:>8}")?,
            }
        }
        self.write_thresholds(f)?;
        self.write_outcomes(f)?;
        self.write_folds(f)?;
        self.write_importance(f)
    }
}

/// Inputs that the table shows.
const IMPORTANCE_SHOWN: usize = 10;

impl EvaluationReport {
    fn write_thresholds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.evaluation.thresholds.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n  {:>14} {:>9} {:>9} {:>10} {:>10} {:>9}   saved / hurt",
            "from score on", "caught", "missed", "good hurt", "precision", "recall"
        )?;
        for row in &self.evaluation.thresholds {
            let c = &row.confusion;
            write!(
                f,
                "  {:>14} {:>9} {:>9} {:>10} {:>10} {:>9} ",
                self.threshold(row),
                group(c.true_positive),
                group(c.false_negative),
                group(c.false_positive),
                figure(c.precision()),
                figure(c.recall())
            )?;
            for code in self.currencies() {
                if let Some(at) = row.money.get(code) {
                    write!(f, "  {} / {}", money(at.saved, code), money(at.hurt, code))?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_outcomes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.outcomes.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  {:12} {:>12} {:>12}", "outcome", "good", "fraud")?;
        for outcome in Outcome::ALL {
            let [good, frauds] = self.outcomes.get(outcome.name()).copied().unwrap_or_default();
            writeln!(f, "  {:12} {:>12} {:>12}", outcome.name(), group(good), group(frauds))?;
        }
        Ok(())
    }

    fn write_folds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.folds.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n  {:24} {:>10} {:>8} {:>8} {:>8} {:>8}",
            "fold",
            "payments",
            "frauds",
            "AUC",
            "AP",
            format!("CP@{}", self.top_k)
        )?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, counts: [String; 2], values: [Option<f64>; 3]| {
            let [a, b, c] = values.map(figure);
            writeln!(f, "  {name:24} {:>10} {:>8} {a:>8} {b:>8} {c:>8}", counts[0], counts[1])
        };
        for fold in &self.folds {
            let counts = [group(fold.figures.payments), group(fold.figures.frauds)];
            let name = format!("{} to {}", fold.days[0], fold.days[1]);
            line(f, &name, counts, fold.figures.headline())?;
        }
        let (mean, spread) = mean_and_spread(self.folds.iter().map(|fold| fold.figures.headline()));
        line(f, "mean", [String::new(), String::new()], mean)?;
        line(f, "standard deviation", [String::new(), String::new()], spread)
    }

    fn write_importance(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.importance.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  {:40} mean |contribution|", "input")?;
        for importance in self.importance.iter().take(IMPORTANCE_SHOWN) {
            writeln!(f, "  {:40} {:.4}", importance.input, importance.mean)?;
        }
        if let Some(more) = self.importance.len().checked_sub(IMPORTANCE_SHOWN).filter(|more| *more > 0) {
            writeln!(f, "  and {more} more in --json")?;
        }
        Ok(())
    }
}

/// Mean and standard deviation (of a sample) of each of three figures over folds.
pub(crate) fn mean_and_spread(
    folds: impl Iterator<Item = [Option<f64>; 3]>,
) -> ([Option<f64>; 3], [Option<f64>; 3]) {
    let folds: Vec<_> = folds.collect();
    let of = |i: usize| folds.iter().filter_map(|fold| fold[i]).collect::<Vec<f64>>();
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let spread = |values: &[f64]| {
        let mean = mean(values).filter(|_| values.len() > 1)?;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some((squares / (values.len() - 1) as f64).sqrt())
    };
    (std::array::from_fn(|i| mean(&of(i))), std::array::from_fn(|i| spread(&of(i))))
}
