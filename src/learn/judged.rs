//! How did a model that was just trained do, and on which rows?

use super::history::Rows;
use super::metrics::{Case, day_of};
use crate::error::Error;
use crate::model::Artifact;

/// What a training gave.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) artifact: Artifact,
    /// Where the later rows begin, and their margins by the model of the earlier ones.
    pub(super) later: Option<(usize, Vec<f64>)>,
}

/// What the rows that are judged were to the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing: they are those of the test.
    Nothing,
    /// The calibration, and when to stop.
    Calibration,
    /// Everything but their labels.
    Inputs,
}

/// The rows a training is judged by.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) told: Told,
    pub(crate) cases: Vec<Case>,
    /// For each input, the mean of what it adds to margins, without sign.
    pub(crate) importance: Vec<f64>,
}

impl Trained {
    /// Judges by `test`; without one, the model of the earlier rows by the later ones; and what knew no labels
    /// by all rows.
    pub(crate) fn judge(&self, rows: &Rows, test: Option<&Rows>) -> Result<Judged, Error> {
        let model = self
            .artifact
            .compile()
            .map_err(|e| Error::new(format!("the model made here is refused: {e}")))?;
        let own = |rows: &Rows| {
            let mut margins = vec![0.0; rows.matrix.rows()];
            model.margins(rows.matrix.values(), &mut margins);
            margins
        };
        let (told, rows, from, margins) = match (test, &self.later) {
            (Some(test), _) => (Told::Nothing, test, 0, own(test)),
            (None, Some((from, margins))) => (Told::Calibration, rows, *from, margins.clone()),
            (None, None) => (Told::Inputs, rows, 0, own(rows)),
        };
        let calibration = self.artifact.calibration.as_ref();
        let (mut sums, mut shares) = (vec![0.0; model.width()], vec![0.0; model.width()]);
        let mut cases = Vec::with_capacity(margins.len());
        for (margin, row) in margins.into_iter().zip(from..) {
            shares.fill(0.0);
            model.contributions(rows.matrix.row(row), &mut shares);
            sums.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share.abs());
            let stake = rows.stakes.get(row).copied().unwrap_or_default();
            cases.push(Case {
                score: margin,
                probability: calibration.map_or(f64::NAN, |c| c.probability(margin)),
                fraud: rows.labels[row],
                day: day_of(rows.at[row]),
                card: stake.card,
                amount: stake.amount,
            });
        }
        let count = cases.len().max(1) as f64;
        let importance = sums.into_iter().map(|sum| sum / count).collect();
        Ok(Judged { told, cases, importance })
    }
}
