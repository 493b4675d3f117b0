//! The bodies of answers: whole ones, and rows that are made as the client takes them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::ndjson::Batch;

/// What no answer of ours fails with; the protocols' libraries might.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub(super) enum Reply {
    Whole(Option<Bytes>),
    Batch(Box<Batch>),
    #[cfg(feature = "grpc")]
    Grpc(Box<tonic::body::Body>),
}

impl Reply {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Reply {
        Reply::Whole(Some(bytes.into()))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Reply::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Reply::Batch(batch) => batch.poll(cx).map(|part| part.map(|b| Ok(Frame::data(b)))),
            #[cfg(feature = "grpc")]
            Reply::Grpc(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Reply::Whole(bytes) => bytes.is_none(),
            Reply::Batch(_) => false,
            #[cfg(feature = "grpc")]
            Reply::Grpc(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Reply::Batch(_) => SizeHint::default(),
            #[cfg(feature = "grpc")]
            Reply::Grpc(body) => body.size_hint(),
        }
    }
}
