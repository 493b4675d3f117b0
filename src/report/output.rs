//! Where do decisions go? Tables of decisions or features, and the rows that are no payments.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::answer;
use crate::batch::{Scored, Sink};
use crate::codec::{CellKind, Format, Reject, Sheet, TableColumn, TableWriter};
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
                Body::Decisions(TableWriter::create(path, format, &answer::columns())?)
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

fn format(path: &std::path::Path, asked: Option<Format>, fallback: Format) -> Format {
    asked.or_else(|| Format::of_path(path)).unwrap_or(fallback)
}

impl Sink for Output {
    fn write(&mut self, payments: &[Payment], scored: &Scored) -> Result<(), Error> {
        let (table, mut sheet) = match (&mut self.body, scored) {
            (Body::Decisions(table), Scored::Decisions(decisions)) => {
                let mut sheet = table.sheet();
                let mut rows = answer::Rows::new(&self.pipeline);
                payments
                    .iter()
                    .zip(decisions)
                    .for_each(|(p, d)| rows.write(&self.pipeline, &mut sheet, p, d));
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
