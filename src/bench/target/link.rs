//! One connection to a server, and what comes back over it.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
#[cfg(feature = "grpc")]
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::body::Whole;
#[cfg(feature = "grpc")]
use super::http::GRPC;
use super::http::{Http, Place};
use crate::bench::measure::Answer;
use crate::decision::Outcome;

/// Says what a decision had to do without.
pub(super) const DEGRADED: &str = "x-risk-degraded";
/// What it had to do without when it was no score.
pub(super) const BY_POLICY: [&str; 3] = ["overload", "deadline", "unrecorded"];

/// A way to ask.
pub(crate) struct Link {
    sender: Sender,
}

enum Sender {
    One(http1::SendRequest<Whole>),
    Two(http2::SendRequest<Whole>),
}

/// What was answered.
pub(crate) struct Reply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
    /// Headers that came after the body.
    #[cfg(feature = "grpc")]
    end: Option<HeaderMap>,
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When that fails, why.
    pub(crate) async fn open(http: &Http) -> Result<Link, String> {
        match &http.place {
            Place::Unix(path) => Link::over(UnixStream::connect(path).await.map_err(said)?, http.http2).await,
            Place::Tcp(host, port) => {
                let host = host.trim_matches(['[', ']']);
                let socket = TcpStream::connect((host, *port)).await.map_err(said)?;
                // A request is one write; waiting for more of it only delays it.
                socket.set_nodelay(true).map_err(said)?;
                match &http.tls {
                    None => Link::over(socket, http.http2).await,
                    Some((config, name)) => {
                        let connector = TlsConnector::from(config.clone());
                        let secured = connector.connect(name.clone(), socket).await.map_err(said)?;
                        Link::over(secured, http.http2).await
                    }
                }
            }
        }
    }

    async fn over<T>(io: T, http2: bool) -> Result<Link, String>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(io);
        // How a connection ends is told by the requests that were on it.
        let sender = match http2 {
            true => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                let (sender, connection) =
                    builder.timer(TokioTimer::new()).handshake(io).await.map_err(said)?;
                tokio::spawn(async move { drop(connection.await) });
                Sender::Two(sender)
            }
            false => {
                let (sender, connection) = http1::handshake(io).await.map_err(said)?;
                tokio::spawn(async move { drop(connection.await) });
                Sender::One(sender)
            }
        };
        Ok(Link { sender })
    }

    /// Another way to ask over the same connection, where the protocol allows it.
    pub(crate) fn share(&self) -> Option<Link> {
        match &self.sender {
            Sender::One(_) => None,
            Sender::Two(sender) => Some(Link { sender: Sender::Two(sender.clone()) }),
        }
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// When the connection ends before.
    pub(crate) async fn ask(&mut self, parts: Parts, body: Bytes) -> Result<Reply, String> {
        let request = Request::from_parts(parts, Whole::new(body));
        let response = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await.map_err(said)?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await.map_err(said)?;
                sender.send_request(request).await
            }
        };
        Reply::read(response.map_err(said)?).await
    }
}

impl Reply {
    async fn read(response: Response<Incoming>) -> Result<Reply, String> {
        let (head, mut incoming) = response.into_parts();
        let (mut first, mut more) = (Bytes::new(), BytesMut::new());
        #[cfg(feature = "grpc")]
        let mut end = None;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
            let data = match frame.map_err(said)?.into_data() {
                Ok(data) => data,
                #[cfg(feature = "grpc")]
                Err(frame) => {
                    end = frame.into_trailers().ok();
                    continue;
                }
                #[cfg(not(feature = "grpc"))]
                Err(_) => continue,
            };
            if first.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&data);
            }
        }
        let body = if more.is_empty() { first } else { more.freeze() };
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            #[cfg(feature = "grpc")]
            end,
        })
    }

    /// The text of this name in the answer's object: the first one that looks so.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let start = memmem::find(&self.body, format!("\"{name}\":\"").as_bytes())? + name.len() + 4;
        let rest = &self.body[start..];
        std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()
    }

    /// What sort of answer it is, and what it says when it came over gRPC and is no decision.
    #[cfg(feature = "grpc")]
    pub(super) fn over_grpc(&self) -> Option<(Answer, String)> {
        let kind = self.headers.get(CONTENT_TYPE)?;
        let grpc = self.status.is_success() && kind.as_bytes().starts_with(GRPC.as_bytes());
        grpc.then(|| super::grpc::answer(&self.headers, self.end.as_ref(), &self.body))
    }

    /// What sort of answer it is.
    pub(crate) fn answer(&self) -> Answer {
        #[cfg(feature = "grpc")]
        if let Some((answer, _)) = self.over_grpc() {
            return answer;
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return Answer::Shed;
        }
        if !self.status.is_success() {
            return Answer::Refused;
        }
        let degraded = self.headers.get(DEGRADED).and_then(|value| value.to_str().ok());
        if degraded.is_some_and(|names| BY_POLICY.iter().any(|name| names.contains(name))) {
            return Answer::Shed;
        }
        let outcome =
            self.text("outcome").and_then(|name| Outcome::ALL.into_iter().find(|o| o.name() == name));
        outcome.map_or(Answer::Fine, Answer::Decided)
    }
}
