//! How are bytes brought to a wallet or a merchant, and did any of them leave?

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::http::request::Builder;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;

use super::tls;
use crate::error::Error;
use crate::failpoint::{Failpoint, reach};
use crate::time::Timestamp;

/// Most bytes of an answer; those of wallets are a few thousand.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Most bytes that are read of an answer of which nothing but its status matters: so that the connection is kept.
const ACK_BYTES_MAX: usize = 4 * 1024;
/// And how long they may take.
const ACK_MAX: Duration = Duration::from_millis(500);
/// A wallet closes connections that nothing goes over; we do before.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Longer than that a connection is not waited for: nothing was sent yet.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Connections to one address.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Scheme and authority, without a path.
    base: String,
    path: String,
}

/// What came back.
pub(crate) enum Heard {
    /// No connection: not a byte was sent.
    Unsent(String),
    /// The connection ended before the answer did.
    Lost(String),
    /// An answer.
    Answer(Answered),
}

/// An answer, whole.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    /// The header of a name, if it is plain text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Http {
    /// To `https://HOST[:PORT][/PATH]`, or `http://` on this machine; `ca` are authorities to trust instead of the
    /// machine's own.
    ///
    /// # Errors
    /// When it is no such address, or there is nobody to trust.
    pub(crate) fn new(url: &str, ca: Option<&Path>) -> Result<Http, Error> {
        let wrong = || Error::new(format!("`{url}` is no address to send to; write it as https://HOST/PATH"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(Error::new("the address bears no password; what is sent is signed instead"));
        }
        if uri.query().is_some() {
            return Err(wrong());
        }
        let is_here = matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]");
        match scheme {
            "https" => {}
            "http" if is_here => {}
            "http" => return Err(Error::new(format!("`{url}` is not safe; write it as https://"))),
            _ => return Err(wrong()),
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let roots = match (scheme, ca) {
            ("http", None) => RootCertStore::empty(),
            (_, ca) => tls::roots(ca)?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(roots, None)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Http { client, base: format!("{scheme}://{authority}"), path })
    }

    /// The path of the address, without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Sends one request and waits for the whole answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Heard {
        let (head, body) = match self.request(method, path, headers, body.into()).await {
            Ok(response) => response.into_parts(),
            Err(heard) => return heard,
        };
        reach(Failpoint::RequestSent);
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Heard::Answer(Answered {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            }),
            Err(e) => Heard::Lost(e.to_string()),
        }
    }

    /// Posts something of whose answer nothing but the status matters. Redirections are not followed.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<u16, String> {
        let response = match self.request(Method::POST, path, headers, body.into()).await {
            Ok(response) => response,
            Err(Heard::Unsent(why) | Heard::Lost(why)) => return Err(why),
            Err(Heard::Answer(answered)) => return Ok(answered.status),
        };
        let status = response.status().as_u16();
        let rest = Limited::new(response.into_body(), ACK_BYTES_MAX).collect();
        drop(tokio::time::timeout(ACK_MAX, rest).await);
        Ok(status)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, Heard> {
        let builder = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let builder = headers.iter().fold(builder, |b: Builder, (name, value)| b.header(*name, *value));
        let request = builder.body(Full::new(body)).map_err(|e| Heard::Unsent(e.to_string()))?;
        self.client.request(request).await.map_err(|e| match e.is_connect() {
            true => Heard::Unsent(chain(&e)),
            false => Heard::Lost(chain(&e)),
        })
    }
}

/// What time it is: signatures bear it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).ok().and_then(Timestamp::from_micros).unwrap_or_default()
}

/// What went wrong, down to its cause.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_wallets_are_safe_ones() {
        for (url, path) in [
            ("https://openapi.alipay.com/gateway.do", Some("/gateway.do")),
            ("https://api.mch.weixin.qq.com", Some("")),
            ("https://api.mch.weixin.qq.com/", Some("")),
            ("http://127.0.0.1:8080/gateway.do", Some("/gateway.do")),
            ("http://[::1]:8080", Some("")),
            ("http://openapi.alipay.com/gateway.do", None),
            ("http://127.0.0.1.example/", None),
            ("https://me:secret@openapi.alipay.com/", None),
            ("https://openapi.alipay.com/?a=b", None),
            ("ftp://127.0.0.1/", None),
            ("openapi.alipay.com", None),
            ("", None),
        ] {
            assert_eq!(Http::new(url, None).ok().as_ref().map(Http::path), path, "{url}");
        }
    }
}
