//! How is a request's body read? Up to its limit, in its time, and without a copy where it came in one piece.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use tokio::time::timeout;

use super::problem::{Kind, Problem};

/// Reads the whole body.
///
/// # Errors
/// When it is larger than `max` bytes, slower than `wait`, or ends in the middle.
pub(super) async fn read(mut body: Incoming, max: usize, wait: Duration) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let whole = async {
        let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
        if body.is_end_stream() {
            return within(first, max);
        }
        let mut all = BytesMut::from(first);
        while let Some(more) = next(&mut body).await? {
            if all.len() + more.len() > max {
                return Err(too_large(max));
            }
            all.extend_from_slice(&more);
        }
        within(all.freeze(), max)
    };
    match timeout(wait, whole).await {
        Ok(read) => read,
        Err(_) => {
            Err(Problem::new(Kind::TooSlow, format!("the body was not there {wait:?} after the headers"))
                .remedy("send it at once; `timeouts.body` is the limit")
                .close())
        }
    }
}

fn within(bytes: Bytes, max: usize) -> Result<Bytes, Problem> {
    if bytes.len() > max { Err(too_large(max)) } else { Ok(bytes) }
}

pub(super) fn too_large(max: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("the body has more than {max} bytes"))
        .remedy("`limits.body_bytes` is the limit of one payment")
        .close()
}

/// The next part with bytes in it.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Problem::new(
                    Kind::BadRequest,
                    "the body ended in the middle, or its chunks are malformed",
                )
                .close());
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Refuses compressed bodies: a few bytes of them can be very many.
///
/// # Errors
/// When the headers say that it is compressed.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::new(Kind::Encoded, "bodies are taken as they are, without `content-encoding`")
                .remedy("send it uncompressed")
                .close())
        }
        _ => Ok(()),
    }
}
