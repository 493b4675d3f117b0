//! What both of Envoy's services ask and are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as PlainHeader, HeaderValueOption};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tonic::Status;

use crate::serve::admit::DEADLINE_HEADER;
use crate::serve::app::App;
use crate::serve::body;
use crate::serve::config::Scope;
use crate::serve::gate::{self, Verdict};
use crate::serve::keys::KEY_HEADER;
use crate::serve::problem::{Kind, Problem};
use crate::serve::routes::Route;

/// How gRPC says how long the caller waits.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Most digits of it.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// The services.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) app: Arc<App>,
}

/// A request that is asked about.
#[derive(Debug, Default)]
pub(super) struct Question<'a> {
    /// Its headers, by name and value.
    pub(super) headers: Vec<(&'a [u8], &'a [u8])>,
    pub(super) body: &'a [u8],
    /// Fields of the payment that the proxy names.
    pub(super) fields: &'a [(String, String)],
}

/// What came of it.
pub(super) struct Said {
    /// Why it may not pass.
    pub(super) refusal: Option<Refusal>,
    /// Headers for whoever gets the request, or the refusal.
    pub(super) headers: Vec<HeaderValueOption>,
    /// Headers that only we may set, and did not.
    pub(super) unset: Vec<String>,
}

/// An answer to the payer.
pub(super) struct Refusal {
    pub(super) status: HttpStatus,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Decides; `own` are the headers of the call.
    ///
    /// # Errors
    /// What HTTP would answer with a 5xx: the proxy's configuration then decides.
    pub(super) async fn ask(&self, own: &HeaderMap, question: Question<'_>) -> Result<Said, Status> {
        let asked = self.verdict(own, question).await;
        let (refusal, told, status) = gate::answered(&self.app, Route::Grpc, asked);
        let told: Vec<_> = told.into_iter().flat_map(|told| told.headers()).collect();
        let set = |name: &HeaderName| told.iter().any(|(n, _)| n == name);
        let unset = gate::HEADERS.iter().filter(|n| !set(n)).map(|n| n.as_str().to_owned()).collect();
        let mut headers: Vec<_> = told.iter().map(|(name, value)| header(name, value)).collect();
        let refusal = match refusal {
            None => None,
            Some(problem) if status >= 500 => return Err(Status::unavailable(problem.kind.parts().1)),
            Some(problem) => {
                headers.push(header(&CONTENT_TYPE, &HeaderValue::from_static("application/problem+json")));
                Some(Refusal { status: HttpStatus { code: status.into() }, body: problem.json() })
            }
        };
        Ok(Said { refusal, headers, unset })
    }

    async fn verdict(&self, own: &HeaderMap, question: Question<'_>) -> Result<Verdict, Problem> {
        let began = Instant::now();
        let (app, limits) = (&self.app, &self.app.config.limits);
        let key = app.keys.caller(own, Scope::Score)?;
        let headers = headers(&question.headers, own, limits.headers)?;
        body::plain(&headers)?;
        if question.body.len() > limits.body_bytes {
            return Err(body::too_large(limits.body_bytes));
        }
        let object = gate::object(&headers, question.body, question.fields);
        gate::ask(app, key, &headers, object, began).await
    }
}

/// Headers of the request, with the caller's deadline instead of the payer's.
fn headers(asked: &[(&[u8], &[u8])], own: &HeaderMap, max: usize) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in asked {
        // `:path` and its like are no headers.
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        if headers.len() == max {
            return Err(Problem::new(Kind::BadRequest, format!("more than {max} headers")));
        }
        headers.append(name, value);
    }
    headers.remove(KEY_HEADER);
    headers.remove(DEADLINE_HEADER);
    let deadline = match (own.get(DEADLINE_HEADER), own.get(GRPC_TIMEOUT)) {
        (Some(millis), _) => Some(millis.clone()),
        (None, Some(text)) => {
            let wait = text.to_str().ok().and_then(timeout).ok_or_else(|| {
                Problem::new(Kind::BadRequest, format!("`{GRPC_TIMEOUT}` is no length of time"))
            })?;
            Some(HeaderValue::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
        }
        (None, None) => None,
    };
    if let Some(millis) = deadline {
        headers.insert(DEADLINE_HEADER, millis);
    }
    Ok(headers)
}

/// A length of time as gRPC writes it: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > TIMEOUT_DIGITS_MAX || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A header that takes the place of any of its name.
fn header(name: &HeaderName, value: &HeaderValue) -> HeaderValueOption {
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    HeaderValueOption {
        header: Some(PlainHeader { key: name.as_str().to_owned(), value, ..PlainHeader::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        for (text, millis) in [
            ("250m", Some(250)),
            ("2S", Some(2_000)),
            ("1M", Some(60_000)),
            ("1H", Some(3_600_000)),
            ("2500u", Some(2)),
            ("99999999n", Some(99)), // at the limit
            ("100000000n", None),    // past it
            ("", None),
            ("m", None),
            ("1", None),
            ("-1m", None),
            ("1\u{fc}", None),
        ] {
            assert_eq!(timeout(text).map(|t| t.as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn the_payer_says_neither_deadline_nor_key_and_headers_are_limited() {
        let own = HeaderMap::from_iter([(HeaderName::from_static(GRPC_TIMEOUT), "250m".parse().unwrap())]);
        let asked: [(&[u8], &[u8]); 4] =
            [(b":path", b"/"), (b"x-deadline-ms", b"0"), (b"x-api-key", b"k"), (b"x-a", b"1")];
        let found = headers(&asked, &own, 3).unwrap(); // at the limit
        assert_eq!((found.len(), &found[DEADLINE_HEADER]), (2, &"250".parse::<HeaderValue>().unwrap()));
        assert!(headers(&asked, &own, 2).is_err()); // past it
        let own = HeaderMap::from_iter([(HeaderName::from_static(GRPC_TIMEOUT), "soon".parse().unwrap())]);
        assert!(headers(&asked, &own, 3).is_err());
    }
}
