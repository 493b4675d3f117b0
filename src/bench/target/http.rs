//! Which server is asked, and how? A URL or a Unix socket, HTTP/1.1 or HTTP/2, with or without TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::body::Form;
use super::link::Link;
#[cfg(feature = "grpc")]
use crate::bench::measure::Answer;
use crate::error::{Error, ErrorKind};
use crate::token::redact;

/// Where the sidecar scores, and where it is told what became of payments.
const SCORE: &str = "/v1/score";
const SETTLEMENTS: &str = "/v1/settlements";
/// What bodies over gRPC are.
pub(super) const GRPC: &str = "application/grpc";
/// Bytes of an answer that a message shows.
const SHOWN_BYTES_MAX: usize = 200;

/// What the command line says of a server.
pub(crate) struct Wanted {
    /// `http://...`, `https://...`, `grpc://...`, `grpcs://...` or `unix:PATH`.
    pub(crate) url: String,
    /// The path asked on a Unix socket, or where the URL has none.
    pub(crate) path: Option<String>,
    pub(crate) http2: bool,
    /// `Name: value` each.
    pub(crate) headers: Vec<String>,
    /// A key, sent as `authorization: Bearer`.
    pub(crate) key: Option<String>,
    /// Authorities to trust instead of the machine's own.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) form: Form,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) timeout: Duration,
}

/// A server to be asked. Headers are never told to anybody but it.
pub(crate) struct Http {
    pub(super) place: Place,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) http2: bool,
    score: Parts,
    settle: Parts,
    pub(crate) form: Form,
    pub(crate) connections: usize,
    /// Requests under way on each connection; one over HTTP/1.1.
    pub(crate) streams: usize,
    pub(crate) timeout: Duration,
    name: String,
}

/// Where it listens.
pub(super) enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(message).of(ErrorKind::Rules)
}

impl Http {
    /// Makes sense of what is wanted.
    ///
    /// # Errors
    /// When it is no URL, a header is none, or there is no authority to trust.
    pub(crate) fn new(wanted: Wanted) -> Result<Http, Error> {
        let (form, url) = spoken(wanted.form, &wanted.url)?;
        let words = form.words();
        let http2 = wanted.http2 || form.is_grpc();
        let (place, scheme, authority, path) = match url.strip_prefix("unix:") {
            Some(path) => (Place::Unix(PathBuf::from(path)), "http", "localhost".to_owned(), None),
            None => tcp(&url)?,
        };
        let path = wanted.path.or(path).unwrap_or_else(|| form.path().to_owned());
        if !path.starts_with('/') {
            return Err(wrong(format!("`{path}` is no path; write it as --path {SCORE}")));
        }
        let tls = match (scheme, &place) {
            ("https", Place::Tcp(host, _)) => {
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
                let name = name.map_err(|_| wrong(format!("`{host}` is no name a certificate can bear")))?;
                Some((Arc::new(trusting(wanted.ca.as_deref(), http2)?), name))
            }
            _ => None,
        };
        let headers = headers(&wanted.headers, wanted.key.as_deref())?;
        let parts = |path: &str, headers: &HeaderMap| parts(scheme, &authority, path, http2, headers);
        let mut asking = headers.clone();
        form.mark(&mut asking);
        let protocol = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        let url = match &place {
            Place::Unix(socket) => format!("unix:{}{path}", socket.display()),
            Place::Tcp(..) => format!("{scheme}://{authority}{path}"),
        };
        let streams = if http2 { wanted.streams } else { 1 };
        Ok(Http {
            tls,
            http2,
            score: parts(&path, &asking)?,
            settle: parts(SETTLEMENTS, &headers)?,
            form,
            connections: wanted.connections,
            streams,
            timeout: wanted.timeout,
            name: format!("{} over {protocol}{words}", redact(&url)),
            place,
        })
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// The head of a request about a payment.
    pub(crate) fn score(&self) -> Parts {
        self.score.clone()
    }

    /// The head of a request that tells what became of one.
    pub(crate) fn settle(&self) -> Parts {
        self.settle.clone()
    }

    /// Asks once, before anything is measured: the pipeline that answers, where it says so.
    ///
    /// # Errors
    /// When nobody answers, or not with success; the message says what would help.
    pub(crate) fn introduce(&self, body: bytes::Bytes) -> Result<Option<String>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::new(e.to_string()))?;
        let reply = runtime.block_on(async {
            let ask = async {
                let mut link = Link::open(self).await?;
                link.ask(self.score(), body).await
            };
            match tokio::time::timeout(self.timeout, ask).await {
                Ok(reply) => reply,
                Err(_) => Err(format!("no answer within {:?}", self.timeout)),
            }
        });
        let reply = reply.map_err(|e| {
            let remedy = "is it running (`tollgate serve`), and is this where it listens?";
            Error::new(format!("{}: {e}; {remedy}", self.name))
        })?;
        #[cfg(feature = "grpc")]
        if let Some((Answer::Refused | Answer::Broken, said)) = reply.over_grpc() {
            let said: String = said.chars().take(SHOWN_BYTES_MAX).collect();
            return Err(Error::new(format!("{} refuses; it said: {}", self.name, redact(&said))));
        }
        if reply.status.is_success() {
            return Ok(reply.text("pipeline").map(str::to_owned));
        }
        let remedy = match reply.status.as_u16() {
            401 | 403 => {
                "; give a key that may score in TOLLGATE_BENCH_KEY or by --header 'authorization: Bearer KEY'"
            }
            404 | 405 => "; name the path that takes payments in the URL or by --path",
            400 | 413 | 415 | 422 => "; a body for this service is made by --template",
            429 | 503 => "; it has too much to do already",
            _ => "",
        };
        let said: String = String::from_utf8_lossy(&reply.body).chars().take(SHOWN_BYTES_MAX).collect();
        Err(Error::new(format!("{} answers {}{remedy}; it said: {}", self.name, reply.status, redact(&said))))
    }
}

/// How bodies are written for this URL, and the URL as one of HTTP.
fn spoken(form: Form, url: &str) -> Result<(Form, String), Error> {
    let Some((scheme, rest)) = ["grpc", "grpcs"]
        .into_iter()
        .find_map(|scheme| Some((scheme, url.strip_prefix(scheme)?.strip_prefix("://")?)))
    else {
        return Ok((form, url.to_owned()));
    };
    if matches!(form, Form::Template(_)) {
        return Err(wrong("over gRPC payments are sent as the sidecar takes them; leave --template out"));
    }
    over_grpc(scheme, rest)
}

#[cfg(feature = "grpc")]
fn over_grpc(scheme: &str, rest: &str) -> Result<(Form, String), Error> {
    let scheme = if scheme == "grpcs" { "https" } else { "http" };
    Ok((Form::Grpc, format!("{scheme}://{rest}")))
}

#[cfg(not(feature = "grpc"))]
fn over_grpc(_: &str, _: &str) -> Result<(Form, String), Error> {
    Err(wrong("this program speaks no gRPC; build one that does with `--features grpc`"))
}

impl Form {
    fn is_grpc(&self) -> bool {
        match self {
            Form::Payment | Form::Template(_) => false,
            #[cfg(feature = "grpc")]
            Form::Grpc => true,
        }
    }

    /// What a run's name says of it.
    fn words(&self) -> &'static str {
        match self {
            Form::Payment => "",
            Form::Template(_) => ", bodies by a template",
            #[cfg(feature = "grpc")]
            Form::Grpc => ", by gRPC",
        }
    }

    /// Where the sidecar takes it.
    fn path(&self) -> &'static str {
        match self {
            Form::Payment | Form::Template(_) => SCORE,
            #[cfg(feature = "grpc")]
            Form::Grpc => super::grpc::CHECK,
        }
    }

    /// Says in the headers what it is, where that is no JSON.
    fn mark(&self, headers: &mut HeaderMap) {
        if self.is_grpc() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

type Parsed = (Place, &'static str, String, Option<String>);

fn tcp(url: &str) -> Result<Parsed, Error> {
    let targets =
        "the targets are `engine`, `nothing`, http://HOST:PORT, https://HOST, grpc://HOST:PORT and unix:PATH";
    let no_url = || wrong(format!("`{}` is no target; {targets}", redact(url)));
    let uri: Uri = url.parse().map_err(|_| no_url())?;
    let scheme = match uri.scheme_str() {
        Some("http") => "http",
        Some("https") => "https",
        _ => return Err(no_url()),
    };
    let authority = uri.authority().ok_or_else(no_url)?;
    if authority.as_str().contains('@') {
        return Err(wrong(
            "a password in a URL would be shown; send it by --header 'authorization: Basic ...'",
        ));
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let path = uri.path_and_query().map(|path| path.as_str().to_owned()).filter(|path| path != "/");
    Ok((Place::Tcp(authority.host().to_owned(), port), scheme, authority.to_string(), path))
}

fn headers(wanted: &[String], key: Option<&str>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let key = key.map(|key| format!("authorization: Bearer {key}"));
    for line in wanted.iter().chain(&key) {
        // What a header says may be a secret, so a wrong one is told by its name alone.
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("--header takes 'Name: value', such as --header 'x-api-key: KEY'"))?;
        let value = HeaderValue::from_str(value.trim()).ok();
        let (name, mut value) = HeaderName::try_from(name.trim()).ok().zip(value).ok_or_else(|| {
            wrong(format!("the header `{}` is none that HTTP can carry", redact(name.trim())))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn parts(
    scheme: &str,
    authority: &str,
    path: &str,
    http2: bool,
    headers: &HeaderMap,
) -> Result<Parts, Error> {
    let uri = if http2 { format!("{scheme}://{authority}{path}") } else { path.to_owned() };
    let request = Request::builder().method(Method::POST).uri(uri).body(());
    let (mut parts, ()) = request.map_err(|e| wrong(format!("`{}`: {e}", redact(path))))?.into_parts();
    parts.headers = headers.clone();
    if !http2 {
        let host = HeaderValue::from_str(authority).map_err(|e| wrong(e.to_string()))?;
        parts.headers.insert(HOST, host);
    }
    Ok(parts)
}

fn trusting(ca: Option<&Path>, http2: bool) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unreadable =
                |e: &dyn std::fmt::Display| Error::new(format!("no certificate in PEM: {e}")).at(path);
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
                let certificate = certificate.map_err(|e| unreadable(&e))?;
                roots.add(certificate).map_err(|e| unreadable(&e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(wrong("there is no authority to trust; name a file of certificates by --ca FILE"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(e.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(config)
}
