//! Who brings a code to the payer? A file or standard error for whoever reads it there, or a provider over HTTP.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::settings::Payments;
use super::template::{Form, Message, Template};
use crate::channel::http::{Heard, Http};
use crate::error::{Error, ErrorKind};
use crate::serve::config::Pause;

/// How long a provider may take, unless set.
const TIMEOUT_MS: u64 = 5_000;
/// Most headers that may be set.
const HEADERS_MAX: usize = 32;

/// A provider of messages, `[payments.sms]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmsEntry {
    url: String,
    /// `POST` or `PUT`.
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: Vec<HeaderEntry>,
    /// What the body is.
    #[serde(default)]
    form: Form,
    body: String,
    #[serde(default = "timeout")]
    timeout: Pause,
    /// Authorities to trust instead of the machine's own.
    ca: Option<PathBuf>,
}

/// A header, with its value or the file that has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderEntry {
    name: String,
    value: Option<String>,
    file: Option<PathBuf>,
}

fn post() -> String {
    "POST".to_owned()
}

fn timeout() -> Pause {
    Pause::millis(TIMEOUT_MS)
}

/// The way of codes, and how often it went well.
pub(super) struct Sender {
    way: Way,
    sent: AtomicU64,
    failed: AtomicU64,
}

enum Way {
    Console,
    File(PathBuf),
    Http(Box<Provider>),
}

struct Provider {
    http: Http,
    method: Method,
    /// With its query.
    path: String,
    headers: Vec<(String, Zeroizing<String>)>,
    template: Template,
    timeout: std::time::Duration,
}

impl Sender {
    /// # Errors
    /// What is wrong with the provider.
    pub(super) fn of(settings: &Payments) -> Result<Sender, Error> {
        let way = match (&settings.codes, &settings.sms) {
            (None, None) => Way::Console,
            (Some(path), None) => Way::File(path.clone()),
            (None, Some(entry)) => {
                let place = |e: Error| e.of(ErrorKind::Rules).at("payments.sms");
                Way::Http(Box::new(Provider::of(entry).map_err(place)?))
            }
            (Some(_), Some(_)) => {
                let why =
                    "codes go to the file `payments.codes` or to the provider `payments.sms`, not to both";
                return Err(Error::new(why).of(ErrorKind::Rules));
            }
        };
        Ok(Sender { way, sent: AtomicU64::new(0), failed: AtomicU64::new(0) })
    }

    /// How many messages were sent, and how many could not be.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("sent", self.sent.load(Ordering::Relaxed)), ("failed", self.failed.load(Ordering::Relaxed))]
    }

    /// Sends it.
    ///
    /// # Errors
    /// Why it may not have arrived, without anything of the message.
    pub(super) async fn send(&self, message: &Message) -> Result<(), String> {
        let done = match &self.way {
            Way::Console => {
                std::io::stderr().lock().write_all(line(message).as_bytes()).map_err(|e| e.to_string())
            }
            Way::File(path) => {
                let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
                file.and_then(|mut file| file.write_all(line(message).as_bytes())).map_err(|e| e.to_string())
            }
            Way::Http(provider) => provider.send(message).await,
        };
        let count = if done.is_ok() { &self.sent } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
        done
    }
}

/// For whoever reads files.
fn line(message: &Message) -> Zeroizing<String> {
    let [en, zh] = &message.text;
    let line = json!({
        "payment": message.payment, "to": message.phone.as_str(), "text": { "en": en.as_str(), "zh": zh.as_str() },
    });
    Zeroizing::new(format!("{line}\n"))
}

impl Provider {
    fn of(entry: &SmsEntry) -> Result<Provider, Error> {
        let wrong = |what: &str, why: String| Error::new(format!("`{what}`: {why}"));
        let address = entry.url.split_once('?').map_or(entry.url.as_str(), |(address, _)| address);
        let http = Http::new(address, entry.ca.as_deref()).map_err(|e| wrong("url", e.to_string()))?;
        let uri: Uri = entry.url.parse().map_err(|_| wrong("url", "it is no address".to_owned()))?;
        let method = match entry.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(wrong("method", format!("`{other}` is neither POST nor PUT"))),
        };
        if entry.timeout.0.is_zero() {
            return Err(wrong("timeout", "nobody answers in no time".to_owned()));
        }
        if entry.headers.len() > HEADERS_MAX {
            return Err(wrong("headers", format!("there are more than {HEADERS_MAX}")));
        }
        let headers = entry.headers.iter().map(header).collect::<Result<_, _>>();
        Ok(Provider {
            http,
            method,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: headers.map_err(|why| wrong("headers", why))?,
            template: Template::parse(&entry.body, entry.form).map_err(|why| wrong("body", why))?,
            timeout: entry.timeout.0,
        })
    }

    async fn send(&self, message: &Message) -> Result<(), String> {
        let mut headers =
            vec![("content-type", self.template.form().content_type()), ("user-agent", "tollgate")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let body = self.template.fill(message).to_string();
        let asked = self.http.send(self.method.clone(), &self.path, &headers, body);
        match tokio::time::timeout(self.timeout, asked).await {
            Err(_) => Err("the provider did not answer in time".to_owned()),
            Ok(Heard::Answer(answer)) if (200..=299).contains(&answer.status) => Ok(()),
            // Whatever else it says may repeat what it was sent.
            Ok(Heard::Answer(answer)) => Err(format!("the provider answered {}", answer.status)),
            Ok(Heard::Unsent(why) | Heard::Lost(why)) => Err(format!("the provider was not reached: {why}")),
        }
    }
}

fn header(entry: &HeaderEntry) -> Result<(String, Zeroizing<String>), String> {
    let name =
        HeaderName::from_bytes(entry.name.as_bytes()).map_err(|_| format!("`{}` is no name", entry.name))?;
    if ["content-type", "content-length", "transfer-encoding", "host", "connection"].contains(&name.as_str())
    {
        return Err(format!("`{name}` is set by the program"));
    }
    let value = match (&entry.value, &entry.file) {
        (Some(value), None) => Zeroizing::new(value.clone()),
        (None, Some(path)) => {
            let read = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let read = Zeroizing::new(read);
            Zeroizing::new(read.trim().to_owned())
        }
        _ => return Err(format!("`{name}` has a `value` or the `file` of one")),
    };
    match value.is_empty() || HeaderValue::from_str(&value).is_err() {
        true => Err(format!("the value of `{name}` is no header's")),
        false => Ok((name.as_str().to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(text: &str) -> Result<Sender, Error> {
        Sender::of(&toml::from_str::<Payments>(text).unwrap())
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_named() {
        let good = "url = 'http://127.0.0.1:1/sms?x=1'\nform = 'form'\nbody = 'to={phone}&c={code}'\n";
        assert!(sender("").is_ok() && sender("codes = 'x'").is_ok());
        assert!(sender(&format!("[sms]\n{good}")).is_ok());
        let header = |entry: &str| format!("[sms]\n{good}headers = [{entry}]");
        let many =
            (0..=HEADERS_MAX).map(|n| format!("{{ name = 'x-{n}', value = 'y' }},")).collect::<String>();
        for (text, expected) in [
            (format!("codes = 'x'\n[sms]\n{good}"), "not to both"),
            (format!("[sms]\n{}", good.replace("127.0.0.1", "sms.example")), "is not safe"),
            (format!("[sms]\n{good}method = 'GET'"), "`GET` is neither POST nor PUT"),
            (format!("[sms]\n{good}timeout = '0s'"), "`timeout`"),
            (format!("[sms]\n{}", good.replace("{code}", "{cod}")), "there is no `{cod}`"),
            (header("{ name = 'a b', value = 'x' }"), "`a b` is no name"),
            (header("{ name = 'host', value = 'x' }"), "set by the program"),
            (header("{ name = 'x', value = 'x', file = 'y' }"), "`value` or the `file`"),
            (header("{ name = 'x', file = '/none' }"), "/none"),
            (header("{ name = 'x', value = '' }"), "no header's"),
            (header(&many), "more than 32"),
        ] {
            let said = sender(&text).err().unwrap().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
        let most = many.replacen("{ name = 'x-0', value = 'y' },", "", 1);
        assert!(sender(&header(&most)).is_ok());
    }
}
