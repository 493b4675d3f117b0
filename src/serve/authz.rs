//! `/authz/*`: gateways ask by their forward-auth whether a request may pass (Envoy, Traefik, nginx, Caddy, mirrors).

use std::time::Instant;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;

use super::app::App;
use super::body;
use super::gate;
use super::keys::Key;
use super::problem::Problem;
use super::reply::Reply;

/// Answers whether the request may pass.
///
/// # Errors
/// When it may not: the problem is for whoever sent it.
pub(super) async fn answer(
    app: &App,
    key: &Key,
    head: &Parts,
    body: Incoming,
    began: Instant,
) -> Result<Response<Reply>, Problem> {
    // nginx' auth_request says how long the body is and sends none: nothing is waited for that such a
    // method has no use for. What is still said to come makes the connection useless.
    let bodiless = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let unread = bodiless && !body.is_end_stream();
    let close = |problem: Problem| if unread { problem.close() } else { problem };
    let bytes = match bodiless {
        true => Bytes::new(),
        false => {
            body::plain(&head.headers)?;
            body::read(body, app.config.limits.body_bytes, app.config.timeouts.body.0).await?
        }
    };
    let object = gate::object(&head.headers, &bytes, &[]);
    let verdict = gate::ask(app, key, &head.headers, object, began).await.map_err(close)?;
    let mut response = match verdict.refusal(&app.config.authz) {
        None => Response::new(Reply::whole(Bytes::new())),
        Some(problem) => close(problem).response(),
    };
    response.headers_mut().extend(verdict.told().headers());
    if unread {
        response.headers_mut().insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
