//! A decision as a row: the one form that files of decisions and answers over the wire have.

use serde::{Serialize, Serializer};

use crate::attribution::ModelReason;
use crate::codec::{CellKind, Sheet, TableColumn};
use crate::decision::Decision;
use crate::matched::{self, Matched};
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

/// Writes decisions as rows; keeps what is the same for all, and its memory.
pub(crate) struct Rows {
    digest: String,
    json: Vec<u8>,
    rules: Vec<usize>,
}

impl Rows {
    pub(crate) fn new(pipeline: &Pipeline) -> Rows {
        Rows { digest: pipeline.digest().to_string(), json: Vec::new(), rules: Vec::new() }
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
        matched::rank(pipeline, decision, &mut self.rules);
        let of = |&rule: &usize| Matched { pipeline, payment, decision, rule };
        let reasons = self.rules.iter().map(of).filter(|matched| !matched.in_shadow());
        list(sheet, reasons.clone());
        json(&mut self.json, sheet, reasons);
        json(&mut self.json, sheet, ModelReason::of(pipeline, decision).iter());
        match decision.challenged {
            Some(challenged) => {
                sheet.integer(i64::from(challenged.score));
                sheet.text(challenged.outcome.name());
            }
            None => (0..2).for_each(|_| sheet.absent()),
        }
        list(sheet, self.rules.iter().map(of).filter(Matched::in_shadow));
        let degraded: Vec<&str> = decision.degraded.names().collect();
        sheet.list(&degraded);
        sheet.text(&self.digest);
        sheet.end_row();
    }
}

fn json(out: &mut Vec<u8>, sheet: &mut Sheet, list: impl Iterator<Item: Serialize>) {
    out.clear();
    // Writing plain data into memory can't fail; an empty list would be the answer if it did.
    let written = serde_json::Serializer::new(&mut *out).collect_seq(list).is_ok();
    sheet.json(std::str::from_utf8(out).ok().filter(|_| written).unwrap_or("[]"));
}

fn list<'a>(sheet: &mut Sheet, matched: impl Iterator<Item = Matched<'a>>) {
    let rules: Vec<&str> = matched.map(|matched| matched.entry().id.as_str()).collect();
    sheet.list(&rules);
}
