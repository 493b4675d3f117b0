//! How do rows become an artifact? The oldest teach, the newest calibrate.

use crate::error::Error;
use crate::model::{Artifact, Form, Input, Sample};

use super::boost::{Boost, Stopping};
use super::calibrate::{CalibrationKind, calibration, calibration_error};
use super::card::card;
use super::forest::RandomForest;
use super::history::Rows;
use super::isolation::IsolationForest;
use super::judged::Trained;
use super::logistic::LogisticBaseline;
use super::matrix::{Matrix, check_labels};
use super::metrics::Ranking;

/// Rows that an artifact carries to prove its load.
const SAMPLES: usize = 16;
/// The version of [`Artifact`]'s layout.
const FORMAT: u32 = 1;

/// What learns.
///
/// ```
/// use tollgate::{Boost, Learner};
/// assert_eq!(Learner::Boost(Boost::default()).name(), "boost");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Learner {
    /// Gradient boosting.
    Boost(Boost),
    /// A random forest.
    Forest(RandomForest),
    /// The weighted sum.
    Logistic(LogisticBaseline),
    /// An isolation forest, which needs no labels.
    Isolation(IsolationForest),
}

impl Learner {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Learner::Boost(_) => "boost",
            Learner::Forest(_) => "forest",
            Learner::Logistic(_) => "logistic",
            Learner::Isolation(_) => "isolation",
        }
    }
}

/// How to train.
///
/// ```
/// use tollgate::{IsolationForest, Learner, Training};
/// let training = Training {
///     name: "strange".into(),
///     learner: Learner::Isolation(IsolationForest::default()),
///     seed: 1,
///     later: 0.2,
///     patience: None,
///     calibration: None,
///     refit: false,
/// };
/// assert_eq!(training.learner.name(), "isolation");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The model's name.
    pub name: String,
    /// What learns.
    pub learner: Learner,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Share of rows, the latest ones, that calibrate and say when to stop; above 0 and below 1.
    pub later: f64,
    /// Trees without a better log loss on the later rows after which boosting stops; never when `None`.
    pub patience: Option<usize>,
    /// The calibration's form; chosen by the number of frauds when `None`.
    pub calibration: Option<CalibrationKind>,
    /// Whether, once calibrated, the model learns again from all rows with as many trees. The calibration
    /// stays the one of the later rows, which the first fit had not seen.
    pub refit: bool,
}

/// Trains on `rows` and measures on `test`, if there is one. `progress` is told how many trees a boosting has
/// grown, and may stop the work by answering false.
///
/// # Errors
/// When there is nothing to learn (no rows, one class, inputs all alike), a setting is outside of its range, or
/// `progress` stopped the work.
///
/// ```
/// use tollgate::{IsolationForest, Learner, Training};
/// let training = Training {
///     name: "strange".into(),
///     learner: Learner::Isolation(IsolationForest::default()),
///     seed: 1,
///     later: 0.2,
///     patience: None,
///     calibration: None,
///     refit: false,
/// };
/// use tollgate::{Input, Matrix, Rows, Timestamp, train};
/// let mut matrix = Matrix::new(1)?;
/// (0..50).try_for_each(|i| matrix.push(&[i as f32]))?;
/// let at = vec![Timestamp::parse("2026-11-23").unwrap(); 50];
/// let rows = Rows { matrix, labels: vec![false; 50], at, stakes: Vec::new() };
/// let (name, expression) = ("n".into(), "count(card, 1h)".into());
/// let input = Input { name, expression, reason: String::new(), zero_is_absent: false };
/// let artifact = train(vec![input], &rows, None, &training, &mut |_| true)?;
/// assert_eq!((artifact.name.as_str(), artifact.card.rows), ("strange", 50));
/// assert!(artifact.compile().is_ok());
/// # Ok::<(), tollgate::Error>(())
/// ```
pub fn train(
    inputs: Vec<Input>,
    rows: &Rows,
    test: Option<&Rows>,
    training: &Training,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Artifact, Error> {
    train_and_keep(inputs, rows, test, training, progress).map(|trained| trained.artifact)
}

/// [`train`], with what is left to judge it by.
pub(crate) fn train_and_keep(
    inputs: Vec<Input>,
    rows: &Rows,
    test: Option<&Rows>,
    training: &Training,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Trained, Error> {
    if !(training.later > 0.0 && training.later < 1.0) {
        let found = training.later;
        return Err(Error::new(format!("the later share is above 0 and below 1, and not {found}")));
    }
    let mut artifact = Artifact {
        format: FORMAT,
        name: training.name.clone(),
        inputs,
        form: Form::Logistic(no_weights(rows.matrix.width())),
        calibration: None,
        card: card(rows, training),
        samples: Vec::new(),
    };
    let mut later = None;
    if let Learner::Isolation(forest) = &training.learner {
        artifact.form = Form::Trees(forest.fit(&rows.matrix, training.seed)?);
    } else {
        check_labels(&rows.matrix, &rows.labels)?;
        later = Some(learn_and_calibrate(&mut artifact, rows, training, progress)?);
    }
    if let Form::Trees(trees) = &artifact.form {
        artifact.card.settings.insert("trees grown".into(), trees.trees.len().to_string());
    }
    let step = (rows.matrix.rows() / SAMPLES).max(1);
    let picked: Vec<usize> = (0..rows.matrix.rows()).step_by(step).take(SAMPLES).collect();
    let margins = margins(&artifact, &rows.matrix)?;
    artifact.samples = picked
        .into_iter()
        .map(|row| Sample {
            row: rows.matrix.row(row).iter().map(|x| (!x.is_nan()).then_some(*x)).collect(),
            margin: margins[row],
        })
        .collect();
    if let Some(test) = test {
        measure(&mut artifact, test)?;
    }
    Ok(Trained { artifact, later })
}

/// Where the later rows begin, and their margins by the model that had not seen them.
fn learn_and_calibrate(
    artifact: &mut Artifact,
    rows: &Rows,
    training: &Training,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<(usize, Vec<f64>), Error> {
    let all = rows.matrix.rows();
    let cut = cut(rows, training.later)?;
    let (early, later) = (rows.slice(0, cut), rows.slice(cut, all));
    check_labels(&early.matrix, &early.labels)
        .map_err(|e| Error::new(format!("of the rows before the later share, {e}")))?;
    let patience = training.patience.filter(|_| later.frauds() > 0);
    let stopping =
        patience.map(|patience| Stopping { matrix: &later.matrix, labels: &later.labels, patience });
    artifact.form = fit(&training.learner, &early, training.seed, stopping, progress)?;
    let margins = margins(artifact, &later.matrix)?;
    artifact.calibration = Some(calibration(&margins, &later.labels, training.calibration)?);
    let metrics = &mut artifact.card.metrics;
    metrics.insert("later_rows".into(), later.labels.len() as f64);
    metrics.insert("later_frauds".into(), later.frauds() as f64);
    metrics.extend(ranked("later", &margins, &later.labels));
    if training.refit {
        let mut learner = training.learner.clone();
        if let (Learner::Boost(boost), Form::Trees(trees)) = (&mut learner, &artifact.form) {
            boost.trees = trees.trees.len();
        }
        drop((early, later));
        artifact.form = fit(&learner, rows, training.seed, None, progress)?;
    }
    Ok((cut, margins))
}

/// Where the later rows begin: never between two of the same instant.
fn cut(rows: &Rows, later: f64) -> Result<usize, Error> {
    let all = rows.matrix.rows();
    let wanted = (all as f64 * (1.0 - later)).round() as usize;
    let at = rows.at.get(wanted.min(all.saturating_sub(1))).copied();
    let cut = at.map_or(0, |at| rows.at.partition_point(|t| *t < at));
    if cut == 0 || cut == all {
        return Err(Error::new(
            "the rows can't be parted into earlier and later ones: too few, or all of one instant; take a longer \
             --train period",
        ));
    }
    Ok(cut)
}

fn fit(
    learner: &Learner,
    rows: &Rows,
    seed: u64,
    stopping: Option<Stopping<'_>>,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Form, Error> {
    let Rows { matrix, labels, .. } = rows;
    Ok(match learner {
        Learner::Boost(boost) => Form::Trees(boost.fit(matrix, labels, seed, stopping, progress)?),
        Learner::Forest(forest) => Form::Trees(forest.fit(matrix, labels, seed)?),
        Learner::Logistic(logistic) => Form::Logistic(logistic.fit(matrix, labels)?),
        Learner::Isolation(forest) => Form::Trees(forest.fit(matrix, seed)?),
    })
}

fn margins(artifact: &Artifact, matrix: &Matrix) -> Result<Vec<f64>, Error> {
    let model = artifact.compile().map_err(|e| Error::new(format!("the model made here is refused: {e}")))?;
    let mut margins = vec![0.0; matrix.rows()];
    model.margins(matrix.values(), &mut margins);
    Ok(margins)
}

/// How well the margins put frauds first, as figures of a training card; none without frauds.
fn ranked(rows: &str, margins: &[f64], labels: &[bool]) -> Vec<(String, f64)> {
    let ranking = Ranking::new(margins.iter().copied().zip(labels.iter().copied()));
    let figures = [("average_precision", ranking.average_precision()), ("roc_auc", ranking.auc())];
    figures.into_iter().filter_map(|(name, figure)| Some((format!("{rows}_{name}"), figure?))).collect()
}

fn measure(artifact: &mut Artifact, test: &Rows) -> Result<(), Error> {
    let margins = margins(artifact, &test.matrix)?;
    let mut figures = vec![("test_rows", test.labels.len() as f64), ("test_frauds", test.frauds() as f64)];
    if let Some(calibration) = &artifact.calibration {
        let probabilities: Vec<f64> = margins.iter().map(|m| calibration.probability(*m)).collect();
        figures.push(("test_calibration_error", calibration_error(&probabilities, &test.labels)));
    }
    let metrics = &mut artifact.card.metrics;
    metrics.extend(ranked("test", &margins, &test.labels));
    // A test without frauds has no such figure, and JSON no NaN.
    let figures = figures.into_iter().filter(|(_, figure)| figure.is_finite());
    metrics.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
    Ok(())
}

fn no_weights(width: usize) -> crate::model::Logistic {
    crate::model::Logistic {
        intercept: 0.0,
        weights: vec![0.0; width],
        means: vec![0.0; width],
        scales: vec![1.0; width],
    }
}
