//! What is told of a model: where it comes from, what it rests on, and how its training went.

use crate::learn::evaluate::{Evaluation, Questions};
use crate::learn::metrics::Case;
use crate::learn::{Judged, Told, calibration_name};
use crate::model::{Artifact, score_of};
use crate::stage::Thresholds;

use super::evaluation::{EvaluationReport, Importance, LeftOut, Scale, date};

/// Where a model comes from, line by line.
pub(crate) fn card(artifact: &Artifact) -> Vec<(String, String)> {
    let card = &artifact.card;
    let mut lines = vec![("source".to_owned(), card.source.clone())];
    if let Some([first, last]) = &card.period {
        lines.push(("trained on".to_owned(), format!("{first} to {last}")));
    }
    lines.push(("rows".to_owned(), format!("{}, {} of them fraud", card.rows, card.frauds)));
    lines.push(("calibration".to_owned(), calibration_name(artifact.calibration.as_ref()).to_owned()));
    lines.push(("seed".to_owned(), card.seed.to_string()));
    lines.push(("data".to_owned(), card.data_digest.clone()));
    lines.extend(card.settings.iter().map(|(name, value)| (name.clone(), value.clone())));
    lines.extend(card.metrics.iter().map(|(name, value)| (name.replace('_', " "), value.to_string())));
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// The inputs of a model with the mean of what each adds, most important first.
pub(crate) fn importance(artifact: &Artifact, means: &[f64]) -> Vec<Importance> {
    let named = artifact.inputs.iter().zip(means);
    let mut importance: Vec<Importance> =
        named.map(|(input, mean)| Importance { input: input.name.clone(), mean: *mean }).collect();
    importance.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    importance
}

/// The scores that the policy sets thresholds at.
pub(crate) fn scores(thresholds: &Thresholds) -> Vec<f64> {
    let set = [thresholds.challenge, thresholds.review, thresholds.decline];
    set.into_iter().flatten().map(f64::from).collect()
}

/// For each score of 0 to 1000, what the lowest case that reaches it is ranked by; none where no case does.
pub(crate) fn lowest_at(cases: &[Case], scores: &[f64]) -> Vec<f64> {
    let lowest = |score: &f64| {
        let reached = cases.iter().filter(|c| f64::from(score_of(c.probability)) >= *score);
        reached.map(|c| c.score).min_by(f64::total_cmp)
    };
    scores.iter().filter_map(lowest).collect()
}

/// How a training went, at the thresholds of the policy.
pub(crate) fn training(
    artifact: &Artifact,
    judged: &Judged,
    thresholds: &Thresholds,
    unlabelled: u64,
) -> EvaluationReport {
    let cases = &judged.cases;
    let scale = if artifact.calibration.is_some() { Scale::Probability } else { Scale::Raw };
    let questions = Questions {
        thresholds: match scale {
            Scale::Probability => lowest_at(cases, &scores(thresholds)),
            _ => Vec::new(),
        },
        ..Questions::default()
    };
    let days = cases.iter().map(|c| c.day);
    let days = [days.clone().min(), days.max()].map(|day| day.map_or_else(String::new, date));
    EvaluationReport {
        heading: "Training",
        subject: format!("model {}", artifact.name),
        note: note(artifact, judged),
        scale,
        days,
        top_k: questions.top_k,
        budget: questions.budget,
        draws: questions.draws,
        seed: questions.seed,
        left_out: LeftOut { unlabelled, ..LeftOut::default() },
        evaluation: Evaluation::new(cases, &questions),
        folds: Vec::new(),
        outcomes: Default::default(),
        importance: importance(artifact, &judged.importance),
        card: card(artifact),
    }
}

fn note(artifact: &Artifact, judged: &Judged) -> String {
    let refit = artifact.card.settings.get("refit").is_some_and(|refit| refit == "true");
    match judged.told {
        Told::Nothing => "Measured on the rows of --test, which had no part in the training.".to_owned(),
        Told::Calibration => {
            let again = if refit {
                " The model that was written has then learnt from all rows, these among them."
            } else {
                ""
            };
            format!(
                "Measured on the latest rows, by the model of the rows before them. They fitted the calibration and \
                 said when to stop, so their figures flatter a little: --test measures on rows that had no part.{again}"
            )
        }
        Told::Inputs if judged.cases.iter().any(|c| c.fraud) => {
            "Measured on the rows that were learnt from, of which only the inputs were read.".to_owned()
        }
        Told::Inputs => {
            "The rows that were learnt from. No fraud is known of them, so how well frauds are found can't be said."
                .to_owned()
        }
    }
}
