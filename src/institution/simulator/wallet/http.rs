//! How does a simulated wallet take a request, and misbehave?

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use super::order::Fault;
use super::{Said, Wallet, alipay, notify, wechatpay};
use crate::institution::simulator::{Act, Kind, SCRIPT_DELAY_MAX, Stream};
use crate::pay::CallKey;

/// Most bytes of a request.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// What is mixed into an answer to make garbage of it.
const NOISE: u8 = 0x5a;

/// Serves a connection to its end.
pub(in crate::institution::simulator) async fn serve(stream: Stream, wallet: Arc<Wallet>) {
    let service = service_fn(|request| take(wallet.clone(), request));
    // How it ends is for the other side to wonder about.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn take(wallet: Arc<Wallet>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let said = match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => answer(&wallet, &head, &body.to_bytes()).await,
        Err(_) => Said::new(Act::Approve, 413, String::new()),
    };
    Ok(respond(said).await)
}

async fn answer(wallet: &Arc<Wallet>, head: &Parts, body: &[u8]) -> Said {
    if let Some(path) = head.uri.path().strip_prefix("/simulate/") {
        return order_about(wallet, head, path).await;
    }
    match wallet.kind {
        Kind::Wechatpay => wechatpay::answer(wallet, head, body),
        _ => alipay::answer(wallet, head, body),
    }
}

/// `POST /simulate/ORDER/pay`, and `.../notify` with `?how=again`, `forged` or `late`: what payer and wallet do when
/// they are told to.
async fn order_about(wallet: &Arc<Wallet>, head: &Parts, path: &str) -> Said {
    let plain = |status: u16, words: &str| Said::new(Act::Approve, status, format!("{words}\n"));
    let Some((key, what)) = path.split_once('/').and_then(|(key, what)| Some((CallKey::parse(key)?, what)))
    else {
        return plain(404, "say /simulate/ORDER/pay or /simulate/ORDER/notify");
    };
    if head.method != Method::POST {
        return plain(405, "post it");
    }
    match (what, head.uri.query()) {
        ("pay", None) => match wallet.pay(key) {
            Ok(()) => plain(200, "paid"),
            Err(Fault::NotThere) => plain(404, "there is no such order"),
            Err(fault) => plain(409, &format!("it can't be paid: {fault:?}")),
        },
        ("notify", how) => {
            let how = match how {
                None | Some("how=again") => notify::How::Rightly,
                Some("how=forged") => notify::How::Forged,
                Some("how=late") => notify::How::Late,
                Some(_) => return plain(404, "how is again, forged or late"),
            };
            match wallet.orders.find(key) {
                Some((order, standing)) => {
                    let taken = notify::tell(wallet, &order, standing, how).await;
                    plain(200, if taken { "taken" } else { "not taken" })
                }
                None => plain(404, "there is no such order"),
            }
        }
        _ => plain(404, "say pay or notify"),
    }
}

async fn respond(said: Said) -> Response<Answer> {
    let mut bytes = said.body.into_bytes();
    let mut cut = None;
    match said.act {
        Act::Approve | Act::Decline(_) | Act::Duplicate | Act::Reorder => {}
        Act::Delay(time) => tokio::time::sleep(time).await,
        Act::Garbage => bytes.iter_mut().for_each(|byte| *byte ^= NOISE),
        Act::Disconnect => cut = Some(bytes.len() / 2),
        // Longer than anybody waits; then it hangs up without a word.
        Act::TimeOut | Act::Lost => {
            tokio::time::sleep(SCRIPT_DELAY_MAX).await;
            cut = Some(0);
        }
    }
    let mut builder = Response::builder().status(said.status);
    for (name, value) in said.headers {
        builder = builder.header(name, value);
    }
    let length = bytes.len() as u64;
    bytes.truncate(cut.unwrap_or(bytes.len()));
    let answer = Answer { bytes: Some(bytes.into()), length, is_cut: cut.is_some() };
    builder.body(answer).unwrap_or_else(|_| Response::new(Answer { bytes: None, length: 0, is_cut: false }))
}

/// A body that may end before its time, and the connection with it.
struct Answer {
    bytes: Option<Bytes>,
    length: u64,
    is_cut: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.is_cut => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.is_cut && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
