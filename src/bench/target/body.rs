//! What is sent? A payment as the sidecar takes it, or in the words of a template; and what became of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::template::Template;
use crate::codec::{PaymentTable, Sheet, json_string};
use crate::payment::Payment;
use crate::schema::{FieldId, Schema, field};
use crate::velocity::Status;

/// What is known of a payment only later, and never sent with it.
const LABELS: [FieldId; 4] = [field::STATUS, field::SETTLED_AT, field::FRAUD, field::CAMPAIGN];

/// How payments are written.
#[derive(Clone)]
pub(crate) enum Form {
    /// As one JSON object of the schema's fields.
    Payment,
    /// In the words of another service.
    Template(Arc<Template>),
    /// As the body of the request that Envoy asks about, over gRPC.
    #[cfg(feature = "grpc")]
    Grpc,
}

/// Writes bodies, in memory that stays.
pub(crate) struct Writer {
    schema: Arc<Schema>,
    form: Form,
    table: PaymentTable,
    sheet: Sheet,
}

impl Writer {
    pub(crate) fn new(schema: Arc<Schema>, form: Form) -> Writer {
        let fields: Vec<FieldId> =
            schema.fields().map(|(id, _)| id).filter(|id| !LABELS.contains(id)).collect();
        let table = PaymentTable::of(&schema, &fields).with_items();
        let sheet = Sheet::sparse_json_lines(table.columns());
        Writer { schema, form, table, sheet }
    }

    /// The body that asks about a payment.
    pub(crate) fn payment(&mut self, payment: &Payment) -> Bytes {
        match &self.form {
            Form::Payment => self.object(payment, Bytes::copy_from_slice),
            #[cfg(feature = "grpc")]
            Form::Grpc => self.object(payment, super::grpc::question),
            Form::Template(template) => {
                let mut body = Vec::new();
                template.write(&self.schema, payment, &mut body);
                body.into()
            }
        }
    }

    /// One JSON object of the payment's fields, made into a body.
    fn object(&mut self, payment: &Payment, body: impl FnOnce(&[u8]) -> Bytes) -> Bytes {
        self.table.write(&self.schema, payment, &mut self.sheet);
        self.sheet.take_text(|text| body(text.trim_ascii_end()))
    }
}

/// The body that tells what became of a payment.
pub(crate) fn settlement(id: &str, status: Status) -> Bytes {
    let mut body = br#"{"id":"#.to_vec();
    json_string(&mut body, id);
    body.extend_from_slice(br#","status":"#);
    json_string(&mut body, status.name());
    body.push(b'}');
    body.into()
}

/// A body of known bytes.
pub(crate) struct Whole(Option<Bytes>);

impl Whole {
    pub(super) fn new(bytes: Bytes) -> Whole {
        Whole(Some(bytes))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
