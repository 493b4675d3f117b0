//! Codes by a provider of messages over HTTP: a request whose body is a template's.

use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use zeroize::Zeroizing;

use super::template::{Form, Template};
use super::{Message, Provider, Sending, TIMEOUT};
use crate::channel::http::{Heard, Http as Connections};
use crate::error::Error;

/// Most headers that may be set.
///
/// ```
/// use tollgate::sms::{HEADERS_MAX, Http, HttpSettings};
/// let with = |n: usize| {
///     let mut settings = HttpSettings::to("https://sms.example/v1", r#"{"to":"{phone}","text":"{text}"}"#);
///     settings.headers = (0..n).map(|n| (format!("x-{n}"), "y".to_owned().into())).collect();
///     Http::new(settings)
/// };
/// assert!(with(HEADERS_MAX).is_ok() && with(HEADERS_MAX + 1).is_err());
/// ```
pub const HEADERS_MAX: usize = 32;
/// Those that are set by the program.
const OWN: [&str; 5] = ["content-type", "content-length", "transfer-encoding", "host", "connection"];

/// Where a provider is, and what it is sent.
///
/// ```
/// use tollgate::sms::{Form, Http, HttpSettings};
/// let settings = HttpSettings {
///     form: Form::Form,
///     ..HttpSettings::to("https://sms.example/v1/send?from=shop", "To={phone}&Body={text_en}")
/// };
/// assert!(Http::new(settings).is_ok());
/// assert!(Http::new(HttpSettings::to("https://sms.example/", "{}")).is_err()); // it has no `{phone}`
/// ```
#[derive(Clone)]
pub struct HttpSettings {
    /// `https://HOST/PATH?QUERY`, or `http://` on this machine.
    pub url: String,
    /// `POST` or `PUT`.
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// What the body is.
    pub form: Form,
    /// The body, with places: `{phone}`, `{code}`, `{text}`, `{text_en}`, `{text_zh}`, `{payment}`, `{merchant}`,
    /// `{amount}`.
    pub body: String,
    /// How long it may take.
    pub timeout: Duration,
    /// Authorities to trust instead of the machine's own, in PEM.
    pub ca: Option<PathBuf>,
}

impl HttpSettings {
    /// A POST of JSON; all else as usual.
    pub fn to(url: impl Into<String>, body: impl Into<String>) -> HttpSettings {
        HttpSettings {
            url: url.into(),
            method: "POST".to_owned(),
            headers: Vec::new(),
            form: Form::default(),
            body: body.into(),
            timeout: TIMEOUT,
            ca: None,
        }
    }
}

/// A provider over HTTP: whatever has a status from 200 to 299 has taken the message. Redirections are not followed.
///
/// ```
/// use tollgate::sms::{Http, HttpSettings};
/// let body = r#"{"to": "{phone}", "text": "{text_en}"}"#;
/// assert!(Http::new(HttpSettings::to("https://sms.example/v1/messages", body)).is_ok());
/// assert!(Http::new(HttpSettings::to("http://sms.example/v1/messages", body)).is_err()); // not safe
/// ```
pub struct Http {
    connections: Connections,
    method: Method,
    /// With its query.
    path: String,
    headers: Vec<(String, Zeroizing<String>)>,
    template: Template,
    timeout: Duration,
}

impl Http {
    /// A provider that has not been connected to yet.
    ///
    /// # Errors
    /// What is wrong with which setting; never its value, when that may be a secret.
    pub fn new(settings: HttpSettings) -> Result<Http, Error> {
        let wrong = |what: &str, why: String| Error::new(format!("`{what}`: {why}"));
        let address = settings.url.split_once('?').map_or(settings.url.as_str(), |(address, _)| address);
        let connections =
            Connections::new(address, settings.ca.as_deref()).map_err(|e| wrong("url", e.to_string()))?;
        let uri: Uri = settings.url.parse().map_err(|_| wrong("url", "it is no address".to_owned()))?;
        let method = match settings.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(wrong("method", format!("`{other}` is neither POST nor PUT"))),
        };
        if settings.timeout.is_zero() {
            return Err(wrong("timeout", "nobody answers in no time".to_owned()));
        }
        if settings.headers.len() > HEADERS_MAX {
            return Err(wrong("headers", format!("there are more than {HEADERS_MAX}")));
        }
        let headers = settings.headers.iter().map(header).collect::<Result<_, _>>();
        Ok(Http {
            connections,
            method,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: headers.map_err(|why| wrong("headers", why))?,
            template: Template::parse(&settings.body, settings.form).map_err(|why| wrong("body", why))?,
            timeout: settings.timeout,
        })
    }

    async fn asked(&self, message: &Message) -> Result<(), Error> {
        let mut headers =
            vec![("content-type", self.template.form().content_type()), ("user-agent", "tollgate")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let body = self.template.fill(message).to_string();
        match self.connections.send(self.method.clone(), &self.path, &headers, body).await {
            Heard::Answer(answer) if (200..=299).contains(&answer.status) => Ok(()),
            // Whatever else it says may repeat what it was sent.
            Heard::Answer(answer) => Err(Error::new(format!("the provider answered {}", answer.status))),
            Heard::Unsent(why) | Heard::Lost(why) => {
                Err(Error::new(format!("the provider was not reached: {why}")))
            }
        }
    }
}

impl Provider for Http {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.asked(message))
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn header((name, value): &(String, Zeroizing<String>)) -> Result<(String, Zeroizing<String>), String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name"))?;
    if OWN.contains(&name.as_str()) {
        return Err(format!("`{name}` is set by the program"));
    }
    match value.is_empty() || HeaderValue::from_str(value).is_err() {
        true => Err(format!("the value of `{name}` is no header's")),
        false => Ok((name.as_str().to_owned(), value.clone())),
    }
}
