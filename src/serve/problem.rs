//! What an error looks like from outside: RFC 9457 problem details, with the place and what would do.

use bytes::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::reply::Reply;
use crate::codec::RowError;
use crate::error::Error;
use crate::token::redact;

/// What each `type` begins with.
const TYPE: &str = "urn:tollgate:problem:";

macro_rules! kinds {
    ($($kind:ident $status:literal $slug:literal $title:literal;)*) => {
        /// What sort of thing went wrong; docs/http-api.md has the same table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Status, last part of the type, title.
            pub(super) const fn parts(self) -> (u16, &'static str, &'static str) {
                match self { $(Kind::$kind => ($status, $slug, $title)),* }
            }
        }
    };
}

kinds! {
    NotAPayment 400 "not-a-payment" "The body is no payment";
    BadRequest 400 "bad-request" "The request is malformed";
    NoKey 401 "no-key" "A key is needed";
    Declined 403 "declined" "The payment is declined";
    PaymentRequired 402 "declined" "The payment is declined";
    NotPassed 403 "not-passed" "The request was not let through";
    NotAllowed 403 "not-allowed" "The key does not allow this";
    NotFound 404 "not-found" "There is no such thing";
    WrongMethod 405 "wrong-method" "The path has no such method";
    TooSlow 408 "too-slow" "The body did not come in time";
    PaymentConflict 409 "payment-conflict" "The payment is in another state than that";
    KeyInFlight 409 "idempotency-in-flight" "The first request with this key is still being answered";
    HeldBack 409 "held-back" "The pipeline would change too many decisions";
    TooLarge 413 "too-large" "The body is too large";
    Encoded 415 "encoded" "The body is compressed";
    KeyReused 422 "idempotency-mismatch" "The key was used with another body";
    BadPipeline 422 "bad-pipeline" "The pipeline has mistakes";
    PaymentRefused 422 "payment-refused" "The payment can't be made so";
    BadItem 422 "bad-item" "The value can't be on this list";
    TooManyCodes 429 "too-many-codes" "There were too many codes lately";
    OverShare 429 "over-share" "The key has more requests in flight than its share";
    PaymentsOff 501 "payments-off" "No payments that move money are taken here";
    Shed 503 "shed" "There is more to do than can be done in time";
    Late 503 "late" "The deadline passed before the payment's turn came";
    NotRecorded 503 "not-recorded" "The decision could not be recorded";
    NotReady 503 "not-ready" "The server is stopping, or can record nothing";
}

/// An error on its way out.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    rest: Box<Rest>,
}

/// What it says, apart, so that results stay small where nothing is wrong.
#[derive(Debug, Clone, Default)]
struct Rest {
    detail: String,
    body: Extra,
    retry_after: Option<u64>,
    allow: Option<String>,
    close: bool,
}

/// What some problems say besides.
#[derive(Debug, Clone, Default, Serialize)]
struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Place>,
}

/// A mistake in a posted or read file.
#[derive(Debug, Clone, Serialize)]
struct Place {
    path: String,
    line: usize,
    column: usize,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, rest: Box::new(Rest { detail: detail.into(), ..Rest::default() }) }
    }

    /// What would do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Problem {
        self.rest.body.remedy = Some(redact(&remedy.into()).into_owned());
        self
    }

    /// A word for machines, where the kind says less.
    pub(super) fn code(mut self, code: &'static str) -> Problem {
        self.rest.body.code = Some(code);
        self
    }

    /// The same of another kind.
    pub(super) fn but(mut self, kind: Kind) -> Problem {
        self.kind = kind;
        self
    }

    /// When to come again, in seconds.
    pub(super) fn retry_after(mut self, seconds: u64) -> Problem {
        self.rest.retry_after = Some(seconds);
        self
    }

    /// The methods that the path has.
    pub(super) fn allow(mut self, methods: String) -> Problem {
        self.rest.allow = Some(methods);
        self
    }

    /// Ends the connection after the answer: what may still come on it is no request.
    pub(super) fn close(mut self) -> Problem {
        self.rest.close = true;
        self
    }

    /// Why a body is no payment.
    pub(super) fn row(error: RowError) -> Problem {
        let mut problem = Problem::new(Kind::NotAPayment, error.reason);
        problem.rest.body.field = error.field;
        problem.rest.body.column = error.column;
        problem
    }

    /// All that is wrong with a pipeline.
    pub(super) fn pipeline(error: &Error) -> Problem {
        let mut problem = Problem::new(Kind::BadPipeline, "");
        problem.rest.body.diagnostics = error
            .diagnostics()
            .iter()
            .map(|d| Place {
                path: redact(d.path()).into_owned(),
                line: d.place().0,
                column: d.place().1,
                message: redact(d.message()).into_owned(),
                remedy: d.remedy().map(|r| redact(r).into_owned()),
            })
            .collect();
        problem.rest.detail = match problem.rest.body.diagnostics.len() {
            0 => error.to_string(),
            1 => "one mistake; the pipeline in force stays".to_owned(),
            n => format!("{n} mistakes; the pipeline in force stays"),
        };
        problem
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As JSON. No text in it holds a card number.
    pub(super) fn json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            #[serde(skip_serializing_if = "str::is_empty")]
            detail: &'a str,
            #[serde(flatten)]
            extra: &'a Extra,
        }
        let (status, slug, title) = self.kind.parts();
        let detail = redact(&self.rest.detail);
        let body =
            Body { r#type: format!("{TYPE}{slug}"), title, status, detail: &detail, extra: &self.rest.body };
        // Plain data always serialises.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    pub(super) fn response(&self) -> Response<Reply> {
        let mut response = Response::new(Reply::whole(Bytes::from(self.json())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.rest.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.rest.allow.as_deref().and_then(|m| HeaderValue::from_str(m).ok()) {
            headers.insert(ALLOW, methods);
        }
        if self.kind == Kind::NoKey {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.rest.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_documented() {
        let docs = std::fs::read_to_string("docs/http-api.md").unwrap();
        for kind in Kind::ALL {
            let (status, slug, _) = kind.parts();
            assert!(docs.contains(&format!("`{slug}`")) && docs.contains(&status.to_string()), "{slug}");
        }
    }
}
