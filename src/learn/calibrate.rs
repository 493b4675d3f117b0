//! Which probability does a margin stand for? Fitted on rows later than those the model learnt from.

use crate::error::Error;
use crate::model::Calibration;

/// Frauds from which on there is evidence for a free form; below, two numbers must do.
///
/// ```
/// assert_eq!(tollgate::ISOTONIC_FRAUDS_MIN, 200);
/// ```
pub const ISOTONIC_FRAUDS_MIN: usize = 200;
/// Most points of an isotonic calibration; neighbours are joined beyond it.
///
/// ```
/// assert_eq!(tollgate::ISOTONIC_POINTS_MAX, 256);
/// ```
pub const ISOTONIC_POINTS_MAX: usize = 256;

/// The forms of a calibration.
///
/// ```
/// use tollgate::{Calibration, CalibrationKind, calibration};
/// let fitted = calibration(&[-1.0, 0.0, 0.5, 1.0], &[false, true, false, true], Some(CalibrationKind::Platt))?;
/// assert!(matches!(fitted, Calibration::Platt { .. }));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalibrationKind {
    /// Any form that doesn't fall (pool adjacent violators; Barlow 1972, Zadrozny and Elkan 2002).
    Isotonic,
    /// A logistic curve (Platt 1999).
    Platt,
}

/// Fits a calibration to margins and labels; without `kind`, isotonic when there are at least
/// [`ISOTONIC_FRAUDS_MIN`] frauds, else Platt's.
///
/// ```
/// use tollgate::{CalibrationKind, calibration};
/// let margins: Vec<f64> = (0..1000).map(|i| f64::from(i) / 100.0).collect();
/// let labels: Vec<bool> = (0..1000).map(|i| i % 10 < i / 100).collect();
/// let fitted = calibration(&margins, &labels, Some(CalibrationKind::Isotonic))?;
/// assert!((fitted.probability(5.5) - 0.5).abs() < 0.06);
/// # Ok::<(), tollgate::Error>(())
/// ```
///
/// # Errors
/// When margins and labels are not as many, or the labels are of one class.
pub fn calibration(
    margins: &[f64],
    labels: &[bool],
    kind: Option<CalibrationKind>,
) -> Result<Calibration, Error> {
    if margins.len() != labels.len() {
        let (m, l) = (margins.len(), labels.len());
        return Err(Error::new(format!("{m} margins and {l} labels don't go together")));
    }
    let frauds = labels.iter().filter(|l| **l).count();
    if frauds == 0 || frauds == labels.len() {
        return Err(Error::new(format!(
            "{frauds} of {} rows kept for calibration are frauds, and both kinds are needed; a longer period \
             or another share would do",
            labels.len()
        )));
    }
    let kind = kind.unwrap_or(if frauds >= ISOTONIC_FRAUDS_MIN {
        CalibrationKind::Isotonic
    } else {
        CalibrationKind::Platt
    });
    Ok(match kind {
        CalibrationKind::Isotonic => isotonic(margins, labels),
        CalibrationKind::Platt => platt(margins, labels),
    })
}

/// Rows that share a probability.
#[derive(Clone, Copy)]
struct Block {
    margins: f64,
    frauds: f64,
    rows: f64,
}

impl Block {
    fn rate(self) -> f64 {
        self.frauds / self.rows
    }

    fn join(self, other: Block) -> Block {
        Block {
            margins: self.margins + other.margins,
            frauds: self.frauds + other.frauds,
            rows: self.rows + other.rows,
        }
    }
}

fn isotonic(margins: &[f64], labels: &[bool]) -> Calibration {
    let mut order: Vec<usize> = (0..margins.len()).collect();
    order.sort_unstable_by(|a, b| margins[*a].total_cmp(&margins[*b]));
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = 0;
    while at < order.len() {
        // Equal margins can't be told apart, so they are one block from the start.
        let margin = margins[order[at]];
        let end = at + order[at..].iter().take_while(|i| margins[**i] == margin).count().max(1);
        let frauds = order[at..end].iter().filter(|i| labels[**i]).count() as f64;
        let rows = (end - at) as f64;
        let mut block = Block { margins: margin * rows, frauds, rows };
        while let Some(before) = blocks.last().copied().filter(|b| b.rate() >= block.rate()) {
            blocks.pop();
            block = before.join(block);
        }
        blocks.push(block);
        at = end;
    }
    while blocks.len() > ISOTONIC_POINTS_MAX {
        blocks = blocks
            .chunks(2)
            .map(|pair| pair.iter().copied().reduce(Block::join).unwrap_or(pair[0]))
            .collect();
    }
    let all = margins.len() as f64;
    let (mut at, mut probabilities) = (Vec::<f64>::new(), Vec::new());
    for block in blocks {
        let margin = block.margins / block.rows;
        // Means of huge margins may round to their neighbour's.
        if at.last().is_some_and(|before| *before >= margin) {
            continue;
        }
        at.push(margin);
        // Never 0 or 1: a few hundred rows are no proof of certainty. The prior is half a row in all.
        let prior = 0.5 / all;
        probabilities.push(block.rate().clamp(prior, 1.0 - prior));
    }
    Calibration::Isotonic { margins: at, probabilities }
}

/// Newton's method with Platt's targets, as Lin, Lin and Weng (2007) mend it.
fn platt(margins: &[f64], labels: &[bool]) -> Calibration {
    let frauds = labels.iter().filter(|l| **l).count() as f64;
    let goods = labels.len() as f64 - frauds;
    let target = |label: bool| if label { (frauds + 1.0) / (frauds + 2.0) } else { 1.0 / (goods + 2.0) };
    let loss = |slope: f64, intercept: f64| -> f64 {
        margins
            .iter()
            .zip(labels)
            .map(|(m, l)| {
                let z = slope * m + intercept;
                z.max(0.0) - z * target(*l) + (-z.abs()).exp().ln_1p()
            })
            .sum()
    };
    let (mut slope, mut intercept) = (0.0, ((frauds + 1.0) / (goods + 1.0)).ln());
    let mut before = loss(slope, intercept);
    for _ in 0..NEWTON_STEPS_MAX {
        let (mut gs, mut gi, mut hss, mut hsi, mut hii) = (0.0, 0.0, RIDGE, 0.0, RIDGE);
        for (m, l) in margins.iter().zip(labels) {
            let p = 1.0 / (1.0 + (-(slope * m + intercept)).exp());
            let (d, w) = (p - target(*l), p * (1.0 - p));
            gs += d * m;
            gi += d;
            hss += w * m * m;
            hsi += w * m;
            hii += w;
        }
        let determinant = hss * hii - hsi * hsi;
        let step = [-(hii * gs - hsi * gi) / determinant, -(hss * gi - hsi * gs) / determinant];
        // Halve the step until the loss falls.
        let taken = (0..STEP_HALVINGS_MAX).map(|i| 0.5f64.powi(i)).find_map(|size| {
            let (s, i) = (slope + size * step[0], intercept + size * step[1]);
            let after = loss(s, i);
            (after < before).then_some((s, i, after))
        });
        let Some((s, i, after)) = taken else { break };
        let settled = before - after < 1e-12 * before.abs();
        (slope, intercept, before) = (s, i, after);
        if settled {
            break;
        }
    }
    // A model worse than chance must not turn its own scores around.
    Calibration::Platt { slope: slope.max(0.0), intercept }
}

/// Keeps the equations solvable when all margins are the same.
const RIDGE: f64 = 1e-12;
const NEWTON_STEPS_MAX: usize = 100;
const STEP_HALVINGS_MAX: i32 = 30;

/// Bins of the calibration error.
const ERROR_BINS: usize = 20;

/// The expected calibration error: the difference of mean probability and share of frauds, averaged over
/// 20 bins of equally many rows (Naeini 2015, with bins by rank since nearly all probabilities are small).
///
/// ```
/// assert_eq!(tollgate::calibration_error(&[0.0, 1.0], &[false, true]), 0.0);
/// ```
pub fn calibration_error(probabilities: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..probabilities.len().min(labels.len())).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let all = order.len().max(1);
    let bins = order.chunks(all.div_ceil(ERROR_BINS));
    bins.map(|bin| {
        let expected: f64 = bin.iter().map(|i| probabilities[*i]).sum();
        let found = bin.iter().filter(|i| labels[**i]).count() as f64;
        (expected - found).abs() / all as f64
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Isotonic regression by its min-max formula (Barlow 1972): no pooling, cubic time.
    fn min_max(sorted: &[(f64, bool)]) -> Vec<f64> {
        let mean =
            |i: usize, j: usize| sorted[i..=j].iter().filter(|(_, l)| *l).count() as f64 / (j + 1 - i) as f64;
        let n = sorted.len();
        (0..n)
            .map(|k| {
                (0..=k)
                    .map(|i| (k..n).map(|j| mean(i, j)).fold(f64::INFINITY, f64::min))
                    .fold(f64::NEG_INFINITY, f64::max)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn pooling_gives_the_min_max_formula(labels in prop::collection::vec(any::<bool>(), 2..40)) {
            prop_assume!(labels.iter().any(|l| *l) && labels.iter().any(|l| !*l));
            let rows: Vec<(f64, bool)> = labels.iter().enumerate().map(|(i, l)| (i as f64, *l)).collect();
            let margins: Vec<f64> = rows.iter().map(|r| r.0).collect();
            let Calibration::Isotonic { margins: at, probabilities } = isotonic(&margins, &labels) else {
                panic!("isotonic was asked for")
            };
            // A block stands at the mean of its margins; its rows are those whose formula value is its rate.
            let expected = min_max(&rows);
            for (margin, probability) in at.iter().zip(&probabilities) {
                let nearest = expected[margin.round() as usize].clamp(0.5 / rows.len() as f64, 1.0 - 0.5 / rows.len() as f64);
                prop_assert!((nearest - probability).abs() < 1e-12, "{margin}: {probability} and {nearest}");
            }
            prop_assert!(probabilities.is_sorted());
        }
    }

    #[test]
    fn platt_finds_the_curve_the_labels_were_drawn_from() {
        // A hundred rows at each margin, frauds in the share that slope 2 and intercept -1 give.
        let (mut margins, mut labels) = (Vec::new(), Vec::new());
        for m in [-1.0, -0.5, 0.0, 0.5, 1.0f64] {
            let frauds = (10_000.0 / (1.0 + (-(2.0 * m - 1.0)).exp())).round() as usize;
            (0..10_000).for_each(|i| {
                margins.push(m);
                labels.push(i < frauds);
            });
        }
        let Calibration::Platt { slope, intercept } = platt(&margins, &labels) else {
            panic!("Platt's was asked for")
        };
        assert!((slope - 2.0).abs() < 0.01 && (intercept + 1.0).abs() < 0.01, "{slope} {intercept}");
    }

    #[test]
    fn a_model_worse_than_chance_is_flat_and_equal_margins_are_the_rate() {
        let margins: Vec<f64> = (0..100).map(f64::from).collect();
        let labels: Vec<bool> = (0..100).map(|i| i < 20).collect();
        for kind in [CalibrationKind::Platt, CalibrationKind::Isotonic] {
            let fitted = calibration(&margins, &labels, Some(kind)).unwrap();
            assert!(fitted.probability(0.0) <= fitted.probability(99.0));
        }
        let flat = calibration(
            &[3.0; 10],
            &[true, false, false, false, false, false, false, false, false, false],
            Some(CalibrationKind::Isotonic),
        )
        .unwrap();
        assert_eq!(flat.probability(3.0), 0.1);
    }

    #[test]
    fn few_frauds_get_platts_curve_and_one_class_none() {
        let margins: Vec<f64> = (0..1000).map(f64::from).collect();
        let labels = |frauds: usize| (0..1000).map(|i| i >= 1000 - frauds).collect::<Vec<_>>();
        let kind = |frauds| {
            calibration(&margins, &labels(frauds), None).map(|c| matches!(c, Calibration::Isotonic { .. }))
        };
        assert!(kind(ISOTONIC_FRAUDS_MIN).unwrap());
        assert!(!kind(ISOTONIC_FRAUDS_MIN - 1).unwrap());
        assert!(kind(0).is_err() && kind(1000).is_err());
        assert!(calibration(&margins, &[true], None).is_err());
    }

    #[test]
    fn many_steps_become_few_points() {
        let rows = 200_000u32;
        let margins: Vec<f64> = (0..rows).map(f64::from).collect();
        // Ever denser frauds: far more steps than points.
        let labels: Vec<bool> = (0..rows)
            .map(|i| (f64::from(i).powi(2) / 1e5).fract() < f64::from(i) / f64::from(rows))
            .collect();
        let Calibration::Isotonic { margins: at, .. } = isotonic(&margins, &labels) else { panic!() };
        assert!(at.len() <= ISOTONIC_POINTS_MAX && at.len() > 10, "{}", at.len());
    }

    #[test]
    fn the_error_is_the_mean_distance_of_promise_and_share() {
        assert_eq!(
            calibration_error(&[0.25; 4], &[true, false, false, false]),
            0.75 * 0.25 + 3.0 * 0.25 * 0.25
        );
        assert_eq!(calibration_error(&[], &[]), 0.0);
        let (p, l) = (vec![0.1; 2000], (0..2000).map(|i| i % 10 == 0).collect::<Vec<_>>());
        assert!(calibration_error(&p, &l) < 1e-12);
    }
}
