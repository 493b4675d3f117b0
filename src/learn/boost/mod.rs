//! Trees that each mend what those before them got wrong: gradient boosting with logistic loss.
//!
//! Splits are exact: every pair of neighbouring values is tried, not the edges of 256 bins. Rates and
//! counts of few, sharp values are what fraud shows in, and bins blur them.

mod grow;
mod sorted;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::model::{Combine, Tree, Trees, Width};

use super::matrix::{Matrix, check_labels};
use super::means::leaf_value;
use grow::Growth;

/// Most trees of a boosted model.
///
/// ```
/// use tollgate::{BOOST_TREES_MAX, Boost};
/// assert!(Boost::default().trees <= BOOST_TREES_MAX);
/// ```
pub const BOOST_TREES_MAX: usize = 10_000;
/// Most questions in a row: 2^16 leaves are more than any history here has evidence for.
///
/// ```
/// use tollgate::{BOOST_DEPTH_MAX, Boost};
/// assert!(Boost::default().depth <= BOOST_DEPTH_MAX);
/// ```
pub const BOOST_DEPTH_MAX: u8 = 16;

/// Gradient boosting with logistic loss (Friedman 2001; regularised as Chen and Guestrin 2016).
///
/// ```
/// use tollgate::{Boost, Matrix};
/// let mut matrix = Matrix::new(1)?;
/// (0..100).try_for_each(|i| matrix.push(&[i as f32]))?;
/// let labels: Vec<bool> = (0..100).map(|i| i >= 90).collect();
/// let boost = Boost { trees: 10, ..Boost::default() };
/// let model = boost.fit(&matrix, &labels, 1, None, &mut |_| true)?;
/// assert_eq!(model.trees.len(), 10);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Boost {
    /// How many trees at most; 1 to [`BOOST_TREES_MAX`].
    pub trees: usize,
    /// Questions in a row at most; 1 to [`BOOST_DEPTH_MAX`].
    pub depth: u8,
    /// What share of its answer each tree may give; above 0, at most 1.
    pub rate: f64,
    /// Weight of the squared leaf values in the loss; 0 or more.
    pub l2: f64,
    /// Least sum of second derivatives (a row gives at most 0.25) on each side of a split; above 0.
    pub child_weight_min: f64,
    /// What a split must lower twice the loss by.
    pub gain_min: f64,
    /// Share of rows that each tree sees; above 0, at most 1.
    pub rows: f64,
    /// Share of inputs that each tree may ask about; above 0, at most 1.
    pub inputs: f64,
    /// How much more a fraud counts than a good payment; above 0. 1 keeps probabilities honest.
    pub fraud_weight: f64,
}

impl Default for Boost {
    /// Small steps and shallow trees: chosen on early weeks of the Handbook (ARCHITECTURE.md, "Choices").
    fn default() -> Boost {
        Boost {
            trees: 300,
            depth: 3,
            rate: 0.05,
            l2: 1.0,
            child_weight_min: 1.0,
            gain_min: 1e-6,
            rows: 1.0,
            inputs: 1.0,
            fraud_weight: 1.0,
        }
    }
}

/// Later rows that say when to stop.
///
/// ```
/// use tollgate::{Matrix, Stopping};
/// let later = Matrix::new(1)?;
/// let stopping = Stopping { matrix: &later, labels: &[], patience: 20 };
/// assert_eq!(stopping.matrix.rows(), stopping.labels.len());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Stopping<'a> {
    /// Rows that are later than those learnt from.
    pub matrix: &'a Matrix,
    /// Their labels.
    pub labels: &'a [bool],
    /// Trees without a better log loss after which no more are grown.
    pub patience: usize,
}

impl Boost {
    /// Learns. `seed` is that of the rows and inputs drawn; `progress` is told the trees grown after each
    /// tree and may stop the work by answering false.
    ///
    /// # Errors
    /// When a setting is outside of its range, labels are of one class, no input tells rows apart, or
    /// `progress` stopped the work.
    pub fn fit(
        &self,
        matrix: &Matrix,
        labels: &[bool],
        seed: u64,
        stopping: Option<Stopping<'_>>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Trees, Error> {
        self.check()?;
        check_labels(matrix, labels)?;
        let columns = sorted::columns(matrix);
        let useful: Vec<usize> = (0..matrix.width()).filter(|i| !columns[*i].is_constant()).collect();
        if useful.is_empty() {
            return Err(Error::new("every input is the same in all rows, so there is nothing to learn from"));
        }
        let base = self.base(labels);
        let mut margins = vec![base; matrix.rows()];
        let mut judge = stopping.map(|s| Judge::new(s, base));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut slopes = vec![[0.0f32; 2]; matrix.rows()];
        let mut values = vec![0.0; matrix.rows()];
        let mut trees: Vec<Tree> = Vec::new();
        while trees.len() < self.trees {
            for ((slope, margin), label) in slopes.iter_mut().zip(&margins).zip(labels) {
                let weight = if *label { self.fraud_weight } else { 1.0 };
                let p = 1.0 / (1.0 + (-margin).exp());
                *slope = [
                    (weight * (p - f64::from(u8::from(*label)))) as f32,
                    (weight * (p * (1.0 - p)).max(HESSIAN_MIN)) as f32,
                ];
            }
            if self.rows < 1.0 {
                slopes.iter_mut().filter(|_| rng.random::<f64>() >= self.rows).for_each(|s| *s = [0.0; 2]);
            }
            let inputs = self.draw_inputs(&useful, &mut rng);
            let growth = Growth {
                matrix,
                columns: &columns,
                inputs: &inputs,
                depth: self.depth,
                rate: self.rate,
                l2: self.l2,
                child_weight_min: self.child_weight_min,
                gain_min: self.gain_min,
            };
            let tree = growth.grow(&slopes, &mut values);
            margins.iter_mut().zip(&values).for_each(|(margin, value)| *margin += value);
            trees.push(tree);
            if !progress(trees.len()) {
                return Err(Error::new("stopped before the model was complete; nothing was written"));
            }
            if let (Some(judge), Some(tree)) = (&mut judge, trees.last())
                && judge.has_seen_enough(tree, trees.len())
            {
                break;
            }
        }
        if let Some(judge) = judge {
            trees.truncate(judge.best.1.max(1));
        }
        Ok(Trees { width: Width::F64, combine: Combine::LogOdds { base }, trees })
    }

    fn draw_inputs(&self, useful: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
        let count = ((useful.len() as f64 * self.inputs).round() as usize).clamp(1, useful.len());
        let mut inputs = useful.to_vec();
        if count < inputs.len() {
            inputs.shuffle(rng);
            inputs.truncate(count);
            inputs.sort_unstable();
        }
        inputs
    }

    /// Log-odds of fraud among the rows, by weight.
    fn base(&self, labels: &[bool]) -> f64 {
        let frauds = labels.iter().filter(|l| **l).count() as f64;
        (self.fraud_weight * frauds / (labels.len() as f64 - frauds)).ln()
    }

    fn check(&self) -> Result<(), Error> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let wrong = if !(1..=BOOST_TREES_MAX).contains(&self.trees) {
            format!("trees are 1 to {BOOST_TREES_MAX}, and not {}", self.trees)
        } else if !(1..=BOOST_DEPTH_MAX).contains(&self.depth) {
            format!("the depth is 1 to {BOOST_DEPTH_MAX}, and not {}", self.depth)
        } else if !share(self.rate) {
            format!("the rate is above 0 and at most 1, and not {}", self.rate)
        } else if !share(self.rows) || !share(self.inputs) {
            format!(
                "shares of rows and inputs are above 0 and at most 1, and not {} and {}",
                self.rows, self.inputs
            )
        } else if !(self.l2 >= 0.0 && self.l2.is_finite() && self.gain_min >= 0.0) {
            format!("l2 and the least gain are 0 or more, and not {} and {}", self.l2, self.gain_min)
        } else if !positive(self.child_weight_min) || !positive(self.fraud_weight) {
            let (child, fraud) = (self.child_weight_min, self.fraud_weight);
            format!("the least child weight and the frauds' weight are above 0, and not {child} and {fraud}")
        } else {
            return Ok(());
        };
        Err(Error::new(wrong))
    }
}

/// Keeps a step finite where a probability is 0 or 1.
const HESSIAN_MIN: f64 = 1e-16;

/// Watches the log loss of later rows.
struct Judge<'a> {
    stopping: Stopping<'a>,
    margins: Vec<f64>,
    /// The best loss, and the trees it took.
    best: (f64, usize),
}

impl<'a> Judge<'a> {
    fn new(stopping: Stopping<'a>, base: f64) -> Judge<'a> {
        Judge { margins: vec![base; stopping.matrix.rows()], stopping, best: (f64::INFINITY, 0) }
    }

    fn has_seen_enough(&mut self, tree: &Tree, trees: usize) -> bool {
        let mut loss = 0.0;
        for (row, (margin, label)) in self.margins.iter_mut().zip(self.stopping.labels).enumerate() {
            *margin += leaf_value(tree, self.stopping.matrix.row(row));
            let signed = if *label { -*margin } else { *margin };
            loss += signed.max(0.0) + (-signed.abs()).exp().ln_1p();
        }
        if loss < self.best.0 {
            self.best = (loss, trees);
        }
        trees - self.best.1 >= self.stopping.patience
    }
}
