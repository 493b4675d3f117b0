//! Where do decisions go? Tables of decisions or features, and the rows that are no payments.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::{Scored, Sink};
use crate::codec::{CellKind, Format, Reject, Sheet, TableColumn, TableWriter};
use crate::decision::Decision;
use crate::describe::{Description, Reason};
use crate::error::Error;
use crate::expr::Facts;
use crate::payment::Payment;
use crate::pipeline::Pipeline;

/// What the person asked for: where to and in which format.
pub(crate) struct Destination {
    pub(crate) out: Option<PathBuf>,
    pub(crate) format: Option<Format>,
    pub(crate) rejects: Option<PathBuf>,
}

/// The files a run writes.
pub(crate) struct Output {
    pipeline: Arc<Pipeline>,
    body: Body,
    rejects: Option<(PathBuf, BufWriter<File>)>,
}

enum Body {
    Nothing,
    /// One row a decision.
    Decisions(TableWriter),
    /// One row a payment, one column an input.
    Features(TableWriter),
}

impl Output {
    /// For decisions.
    pub(crate) fn decisions(destination: &Destination, pipeline: Arc<Pipeline>) -> Result<Output, Error> {
        let body = match &destination.out {
            None => Body::Nothing,
            Some(path) => {
                let format = format(path, destination.format, Format::JsonLines);
                Body::Decisions(TableWriter::create(path, format, &decision_columns())?)
            }
        };
        Output::new(destination, pipeline, body)
    }

    /// For features: the payment's id, and a column for each input.
    pub(crate) fn features(destination: &Destination, pipeline: Arc<Pipeline>) -> Result<Output, Error> {
        let names: Vec<String> = match pipeline.inputs() {
            [] => (0..pipeline.plan().aggregates().len())
                .map(|i| pipeline.aggregate_name(i).to_owned())
                .collect(),
            inputs => inputs.iter().map(|(name, _)| name.clone()).collect(),
        };
        let mut table = vec![TableColumn::new("id", CellKind::Text)];
        table.extend(names.into_iter().map(|name| TableColumn::new(name, CellKind::Float)));
        let path = destination.out.clone().unwrap_or_else(|| PathBuf::from("-"));
        let format = format(&path, destination.format, Format::Csv);
        let body = Body::Features(TableWriter::create(&path, format, &table)?);
        Output::new(destination, pipeline, body)
    }

    fn new(destination: &Destination, pipeline: Arc<Pipeline>, body: Body) -> Result<Output, Error> {
        let rejects = match &destination.rejects {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|e| Error::io(path, e))?;
                Some((path.clone(), BufWriter::new(file)))
            }
        };
        Ok(Output { pipeline, body, rejects })
    }

    /// Puts the files under their names.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.body {
            Body::Nothing => {}
            Body::Decisions(table) | Body::Features(table) => table.finish()?,
        }
        if let Some((path, mut file)) = self.rejects {
            file.flush().map_err(|e| Error::io(path, e))?;
        }
        Ok(())
    }
}

/// Columns of a table of decisions. What is no single value is JSON.
fn decision_columns() -> Vec<TableColumn> {
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

fn format(path: &std::path::Path, asked: Option<Format>, fallback: Format) -> Format {
    asked.or_else(|| Format::of_path(path)).unwrap_or(fallback)
}

impl Sink for Output {
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error> {
        let (table, mut sheet) = match (&mut self.body, scored) {
            (Body::Decisions(table), Scored::Decisions(decisions)) => {
                let mut sheet = table.sheet();
                let mut rows = Rows::new(&self.pipeline);
                payments.iter().zip(decisions).for_each(|(p, d)| rows.write(&mut sheet, p, d));
                (table, sheet)
            }
            (Body::Features(table), Scored::Activity(activity)) => {
                let mut sheet = table.sheet();
                features(&self.pipeline, &mut sheet, payments, activity);
                (table, sheet)
            }
            _ => return Ok(()),
        };
        table.append(&mut sheet)
    }

    fn reject(&mut self, rejects: &[Reject]) -> Result<(), Error> {
        let Some((path, file)) = &mut self.rejects else { return Ok(()) };
        for reject in rejects {
            let line = serde_json::json!({
                "file": &*reject.path,
                "line": reject.line,
                "column": reject.column,
                "field": reject.field,
                "reason": reject.reason,
                "raw": reject.raw,
            });
            serde_json::to_writer(&mut *file, &line)
                .map_err(std::io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(|e| Error::io(&*path, e))?;
        }
        Ok(())
    }
}

/// Writes decisions as rows; keeps what is the same for all.
struct Rows<'a> {
    pipeline: &'a Pipeline,
    digest: String,
    reasons: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn new(pipeline: &'a Pipeline) -> Rows<'a> {
        Rows { pipeline, digest: pipeline.digest().to_string(), reasons: Vec::new() }
    }

    fn write(&mut self, sheet: &mut Sheet, payment: &Payment, decision: &Decision) {
        sheet.text(payment.id());
        sheet.text(decision.outcome.name());
        sheet.integer(i64::from(decision.score));
        sheet.float(decision.probability.unwrap_or(f64::NAN));
        sheet.float(decision.anomaly.unwrap_or(f64::NAN));
        let described = match decision.matched.is_empty() && decision.contributions.is_empty() {
            true => None,
            false => Description::new(self.pipeline, payment, decision),
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

fn features(pipeline: &Pipeline, sheet: &mut Sheet, payments: &[Payment], activity: &[f64]) {
    let width = pipeline.plan().aggregates().len();
    for (i, payment) in payments.iter().enumerate() {
        let activity = activity.get(i * width..(i + 1) * width).unwrap_or_default();
        sheet.text(payment.id());
        if pipeline.inputs().is_empty() {
            activity.iter().for_each(|value| sheet.float(*value));
        } else {
            let facts = Facts::new(payment, activity);
            pipeline
                .inputs()
                .iter()
                .for_each(|(_, input)| sheet.float(input.value(facts).unwrap_or(f64::NAN)));
        }
        sheet.end_row();
    }
}
