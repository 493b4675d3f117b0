//! One thread's place of work: bytes become a payment, a decision becomes bytes, all in memory that stays.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;

use super::app::App;
use super::keys::Key;
use super::metrics::RuleHits;
use super::problem::{Kind, Problem};
use crate::answer::{self, Rows};
use crate::codec::{JsonDecoder, RowError, Settings, Sheet};
use crate::decision::Decision;
use crate::engine::Current;
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::schema::{Schema, Value, field};

thread_local! {
    static DESK: Cell<Option<Box<Desk>>> = const { Cell::new(None) };
}

/// What a thread keeps from payment to payment, for one pipeline.
pub(super) struct Desk {
    pipeline: Arc<Pipeline>,
    decoder: JsonDecoder,
    pub(super) payment: Payment,
    /// Payments that are read and wait for the next step.
    by: Vec<Payment>,
    rows: Rows,
    sheet: Sheet,
    pub(super) hits: RuleHits,
}

/// How much of a payment the bytes are.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// All of it.
    Whole,
    /// What the sender knows of it; the rest is filled in.
    Part(Fill<'a>),
}

/// Fills in what a payment lacks.
pub(super) type Fill<'a> = &'a (dyn Fn(&Schema, &mut Payment) -> Result<(), RowError> + Sync);

/// Works at this thread's desk, which is laid out anew when the pipeline has changed.
pub(super) fn at<T>(app: &App, current: &Current, work: impl FnOnce(&mut Desk) -> T) -> T {
    // Taken out while it is worked at, so that nothing can find it in use.
    let desk = DESK.take().filter(|desk| Arc::ptr_eq(&desk.pipeline, current.pipeline()));
    let mut desk = desk.unwrap_or_else(|| Box::new(Desk::new(app, current.pipeline().clone())));
    let done = work(&mut desk);
    DESK.set(Some(desk));
    done
}

impl Desk {
    fn new(app: &App, pipeline: Arc<Pipeline>) -> Desk {
        let settings = Settings {
            strict: app.config.strict,
            line_bytes_max: app.config.limits.body_bytes,
            ..Settings::default()
        };
        Desk {
            decoder: JsonDecoder::new(pipeline.schema().clone(), settings),
            payment: Payment::new(pipeline.schema()),
            by: Vec::new(),
            rows: Rows::new(&pipeline),
            sheet: Sheet::json_lines(&answer::columns()),
            hits: app.metrics.rule_hits(&pipeline),
            pipeline,
        }
    }

    /// Reads the payment.
    ///
    /// # Errors
    /// Why the bytes are no payment that this caller may send.
    pub(super) fn read(&mut self, key: &Key, bytes: &[u8], source: Source<'_>) -> Result<(), Problem> {
        match source {
            Source::Whole => self.decoder.read(bytes, &mut self.payment).map_err(Problem::row)?,
            Source::Part(fill) => {
                self.decoder.read_part(bytes, &mut self.payment).map_err(Problem::row)?;
                fill(self.pipeline.schema(), &mut self.payment).map_err(Problem::row)?;
                if let Some(lacking) = self.decoder.lacking(&self.payment) {
                    return Err(Problem::row(lacking));
                }
            }
        }
        let Some(merchant) = &key.merchant else { return Ok(()) };
        match self.payment.text(field::MERCHANT) {
            Some(named) if named == merchant => Ok(()),
            Some(_) => {
                Err(Problem::new(Kind::NotAllowed, "the payment names another merchant than the key's")
                    .remedy("leave `merchant` out, or use that merchant's key"))
            }
            None => {
                let value = Value::Token(merchant);
                self.payment.set(self.pipeline.schema(), field::MERCHANT, value).map_err(|e| {
                    let (field, reason) = (Some("merchant".to_owned()), e.to_string());
                    Problem::row(RowError { field, column: None, reason })
                })
            }
        }
    }

    /// Reads a payment that was read, and kept, before.
    ///
    /// # Errors
    /// When the schema of today can't read it.
    pub(super) fn read_kept(&mut self, line: &[u8]) -> Result<(), Problem> {
        self.decoder.read(line.trim_ascii_end(), &mut self.payment).map_err(Problem::row)
    }

    /// Puts the payment by at a place, and takes up the one that is there.
    pub(super) fn put_by(&mut self, place: usize) {
        while self.by.len() <= place {
            self.by.push(Payment::new(self.pipeline.schema()));
        }
        if let Some(by) = self.by.get_mut(place) {
            std::mem::swap(by, &mut self.payment);
        }
    }

    /// The payment that was put by at a place.
    pub(super) fn at_place(&self, place: usize) -> &Payment {
        self.by.get(place).unwrap_or(&self.payment)
    }

    /// The decision as a line of JSON, with its line's end.
    pub(super) fn write(&mut self, decision: &Decision) -> Bytes {
        self.rows.write(&self.pipeline, &mut self.sheet, &self.payment, decision);
        self.sheet.take_text(Bytes::copy_from_slice)
    }

    pub(super) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }
}
