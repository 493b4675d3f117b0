//! A decision as a row: the one form that files of decisions and answers over the wire have.

use crate::codec::{CellKind, Sheet, TableColumn};
use crate::decision::Decision;
use crate::describe::{Description, Reason};
use crate::payment::Payment;
use crate::pipeline::Pipeline;

/// Columns of a table of decisions. What is no single value is JSON.
pub(crate) fn columns() -> Vec<TableColumn> {
    [
        ("id", CellKind::Text),
        ("outcome", CellKind::Text),
        ("score", CellKind::Integer),
        ("probability", CellKind::Float),
        ("anomaly", CellKind::Float),
        ("rules", CellKind::TextList),
        ("reasons", CellKind::Json),
        ("model", CellKind::Json),
        ("challenger_score", CellKind::Integer),
        ("challenger_outcome", CellKind::Text),
        ("shadow", CellKind::TextList),
        ("degraded", CellKind::TextList),
        ("pipeline", CellKind::Text),
    ]
    .map(|(name, kind)| TableColumn::new(name, kind))
    .into()
}

/// Writes decisions as rows; keeps what is the same for all.
pub(crate) struct Rows {
    digest: String,
    reasons: Vec<u8>,
}

impl Rows {
    pub(crate) fn new(pipeline: &Pipeline) -> Rows {
        Rows { digest: pipeline.digest().to_string(), reasons: Vec::new() }
    }

    /// Writes one row; `pipeline` is the one that decided.
    pub(crate) fn write(
        &mut self,
        pipeline: &Pipeline,
        sheet: &mut Sheet,
        payment: &Payment,
        decision: &Decision,
    ) {
        sheet.text(payment.id());
        sheet.text(decision.outcome.name());
        sheet.integer(i64::from(decision.score));
        sheet.float(decision.probability.unwrap_or(f64::NAN));
        sheet.float(decision.anomaly.unwrap_or(f64::NAN));
        let described = match decision.matched.is_empty() && decision.contributions.is_empty() {
            true => None,
            false => Description::new(pipeline, payment, decision),
        };
        let (reasons, model, shadow) =
            described.map_or_else(Default::default, |d| (d.reasons, d.model, d.shadow));
        list(sheet, &reasons);
        self.json(sheet, &reasons);
        self.json(sheet, &model);
        match decision.challenged {
            Some(challenged) => {
                sheet.integer(i64::from(challenged.score));
                sheet.text(challenged.outcome.name());
            }
            None => (0..2).for_each(|_| sheet.absent()),
        }
        list(sheet, &shadow);
        let degraded: Vec<&str> = decision.degraded.names().collect();
        sheet.list(&degraded);
        sheet.text(&self.digest);
        sheet.end_row();
    }

    fn json(&mut self, sheet: &mut Sheet, list: &impl serde::Serialize) {
        self.reasons.clear();
        // Writing plain data into memory can't fail; an empty list would be the answer if it did.
        let written = serde_json::to_writer(&mut self.reasons, list).is_ok();
        sheet.json(std::str::from_utf8(&self.reasons).ok().filter(|_| written).unwrap_or("[]"));
    }
}

fn list(sheet: &mut Sheet, reasons: &[Reason]) {
    let rules: Vec<&str> = reasons.iter().map(|r| r.rule.as_str()).collect();
    sheet.list(&rules);
}
