//! Single payments from JSON, for programs that have them one by one.

use std::sync::Arc;

use super::{Context, Into, Scratch, payment_of, stranger};
use crate::codec::names::{Names, Unknown};
use crate::codec::row::{Row, wrong};
use crate::codec::{RowError, Settings};
use crate::payment::Payment;
use crate::schema::Schema;

/// Reads single payments from JSON.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::codec::{JsonDecoder, Settings};
/// use tollgate::{Payment, Schema};
/// let schema = Arc::new(Schema::standard());
/// let mut decoder = JsonDecoder::new(schema.clone(), Settings::default());
/// let mut payment = Payment::new(&schema);
/// decoder.read(br#"{"id":"p1","at":"2026-11-23T09:00:00Z","amount":12.34,"currency":"EUR"}"#, &mut payment)?;
/// assert_eq!(payment.amount().unwrap().to_string(), "12.34 EUR");
/// let wrong = decoder.read(br#"{"id":"p1","at":"soon","amount":1}"#, &mut payment).unwrap_err();
/// assert_eq!(wrong.to_string(), "at (column 17): `soon` is not a timestamp such as 2026-11-23T09:00:00Z");
/// # Ok::<(), tollgate::codec::RowError>(())
/// ```
pub struct JsonDecoder {
    schema: Arc<Schema>,
    names: Names,
    settings: Settings,
    row: Row,
    scratch: Scratch,
    unknown: Unknown,
}

impl JsonDecoder {
    /// A decoder of payments of `schema`.
    pub fn new(schema: Arc<Schema>, settings: Settings) -> JsonDecoder {
        JsonDecoder {
            names: Names::of(&schema),
            schema,
            settings,
            row: Row::default(),
            scratch: Scratch::default(),
            unknown: Unknown::default(),
        }
    }

    /// Reads one object, and nothing after it, into `payment`.
    ///
    /// # Errors
    /// Why it is no payment; `payment` then holds a part of it.
    pub fn read(&mut self, bytes: &[u8], payment: &mut Payment) -> Result<(), RowError> {
        self.read_object(bytes, payment, false)
    }

    /// As [`JsonDecoder::read`], but what every payment needs may be missing.
    #[cfg(feature = "serve")]
    pub(crate) fn read_part(&mut self, bytes: &[u8], payment: &mut Payment) -> Result<(), RowError> {
        self.read_object(bytes, payment, true)
    }

    /// What a payment still lacks, as an error.
    #[cfg(feature = "serve")]
    pub(crate) fn lacking(&self, payment: &Payment) -> Option<RowError> {
        payment.missing().map(|id| *crate::codec::row::missing(&self.schema, id))
    }

    fn read_object(&mut self, bytes: &[u8], payment: &mut Payment, partial: bool) -> Result<(), RowError> {
        if bytes.len() > self.settings.line_bytes_max {
            return Err(*wrong(format!("the object is longer than {} bytes", self.settings.line_bytes_max)));
        }
        let cx = Context { schema: &self.schema, names: &self.names, settings: &self.settings, partial };
        let (row, scratch, unknown) = (&mut self.row, &mut self.scratch, &mut self.unknown);
        payment_of(&cx, bytes, Into { payment, row, scratch, unknown }).map_err(|e| *e)?;
        match self.scratch.stranger.take() {
            Some(name) if self.settings.strict => Err(*stranger(&self.schema, &name)),
            _ => Ok(()),
        }
    }

    /// Adds the unknown names met so far to `table`, and forgets them.
    pub fn take_unknown(&mut self, table: &mut std::collections::BTreeMap<String, u64>) {
        self.unknown.drain_into(table);
    }
}
