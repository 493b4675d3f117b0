//! `/console`: one page that shows what is decided and why. It asks what `/v1` answers, with the reader's own key.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::problem::{Kind, Problem};
use super::reply::Reply;

/// The page may ask this server alone, run and look like what this server sends alone, and be in no other's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Name, media type and text of the page's files.
const PARTS: [(&str, &str, &str); 9] = [
    ("console.css", "text/css; charset=utf-8", include_str!("console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("console.js")),
    ("server.js", "text/javascript; charset=utf-8", include_str!("server.js")),
    ("markup.js", "text/javascript; charset=utf-8", include_str!("markup.js")),
    ("figures.js", "text/javascript; charset=utf-8", include_str!("figures.js")),
    ("decisions.js", "text/javascript; charset=utf-8", include_str!("decisions.js")),
    ("lists.js", "text/javascript; charset=utf-8", include_str!("lists.js")),
    ("reviews.js", "text/javascript; charset=utf-8", include_str!("reviews.js")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// The page.
pub(super) fn page() -> Response<Reply> {
    text("text/html; charset=utf-8", include_str!("page.html"))
}

/// A file of the page.
///
/// # Errors
/// When there is none of this name.
pub(super) fn part(name: &str) -> Result<Response<Reply>, Problem> {
    let found = PARTS.iter().find(|(part, ..)| *part == name);
    let (_, kind, body) =
        found.ok_or_else(|| Problem::new(Kind::NotFound, "the page has no file of this name"))?;
    Ok(text(kind, body))
}

fn text(kind: &'static str, body: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::whole(Bytes::from_static(body.as_bytes())));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        // After an upgrade the next look is at the new page.
        (CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
