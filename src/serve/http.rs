//! One request, one answer: finds the route, asks for the key, calls the handler.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::HeaderName;
use hyper::http::request::Parts;
use hyper::{Request, Response};

#[cfg(feature = "grpc")]
use super::app::Door;
use super::app::{App, Caller};
use super::config::Scope;
use super::control::{self, Ask};
#[cfg(feature = "grpc")]
use super::grpc;
use super::metrics::Stage;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::routes::{self, Entry, Route};
use super::{
    authz, body, brakes, cashier, console, decisions, form, health, lists, ndjson, openapi, score, settle,
    signifyd, stats, trace,
};

/// Answers.
pub(super) async fn answer(app: Arc<App>, caller: Caller, request: Request<Incoming>) -> Response<Reply> {
    #[cfg(feature = "grpc")]
    if caller.door == Door::Main && grpc::is_call(&request) {
        return grpc::answer(app, request).await;
    }
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let traceparent = trace::answer(&head.headers, rand::random);
    let (route, done) =
        match routes::find(caller.door, app.config.admin_on_main, head.method.as_str(), head.uri.path()) {
            Ok(found) => (found.entry.route, handle(&app, found.entry, found.part, &head, body, began).await),
            Err(methods) => (Route::Unknown, Err(nothing(&methods))),
        };
    let mut response = done.unwrap_or_else(|problem| problem.response());
    let took = began.elapsed();
    if let Some(traceparent) = traceparent {
        if route == Route::Score {
            app.metrics.exemplars.keep(&traceparent, took);
        }
        response.headers_mut().insert(HeaderName::from_static(trace::HEADER), traceparent);
    }
    app.metrics.answered(route, response.status().as_u16());
    if route == Route::Score {
        app.metrics.took(Stage::Total, took);
    }
    response
}

fn nothing(methods: &[&str]) -> Problem {
    match methods {
        [] => Problem::new(Kind::NotFound, "no such path on this listener")
            .remedy("`GET /openapi.json` of the admin listener lists them"),
        methods => Problem::new(Kind::WrongMethod, "").allow(methods.join(", ")),
    }
}

async fn handle(
    app: &Arc<App>,
    entry: &Entry,
    part: &str,
    head: &Parts,
    incoming: Incoming,
    began: Instant,
) -> Result<Response<Reply>, Problem> {
    let (limits, timeouts) = (&app.config.limits, &app.config.timeouts);
    match entry.scope {
        None => {}
        Some(Scope::Lists | Scope::Admin) => {
            app.keys.caller(&head.headers, entry.scope.unwrap_or(Scope::Admin))?;
        }
        Some(scope) => {
            if entry.route == Route::Signifyd {
                return Ok(for_signifyd(app, scope, part, head, incoming, began).await);
            }
            let key = app.keys.caller(&head.headers, scope)?;
            if entry.route == Route::Authz {
                return authz::answer(app, key, head, incoming, began).await;
            }
            body::plain(&head.headers)?;
            if entry.route == Route::Batch {
                return Ok(ndjson::answer(app.clone(), key, incoming));
            }
            let bytes = body::read(incoming, limits.body_bytes, timeouts.body.0).await?;
            if matches!(scope, Scope::Pay | Scope::Review) {
                return cashier::answer(app, key, entry, decoded(part)?, head, bytes).await;
            }
            return match entry.route {
                Route::Score => score::answer(app, key, head, bytes, began).await,
                Route::Explain => score::explain(app, key, &bytes),
                Route::Settle => settle::settle(app, key, &bytes).await,
                Route::Decisions => decisions::answer(app, key, head.uri.query()),
                Route::Stats => stats::answer(app, key),
                _ => settle::decision(app, key, &decoded(part)?),
            };
        }
    }
    let query = head.uri.query();
    let flag = |name| form::query(query, name).is_some_and(|v| v == "true" || v == "1");
    match entry.route {
        Route::Live => Ok(health::live()),
        Route::Ready => health::ready(app),
        Route::Metrics => Ok(health::metrics(app, &head.headers)),
        Route::Version => Ok(health::version(app)),
        Route::OpenApi => Ok(score::json(openapi::document().to_string())),
        Route::Console => Ok(console::page()),
        Route::ConsolePart => console::part(part),
        Route::Callback => {
            body::plain(&head.headers)?;
            let bytes = body::read(incoming, limits.body_bytes, timeouts.body.0).await?;
            cashier::callback(app, decoded(part)?, head.clone(), bytes).await
        }
        Route::Lists => Ok(lists::names(app)),
        Route::ListLookup => {
            let bytes = body::read(incoming, limits.body_bytes, timeouts.body.0).await?;
            lists::lookup(app, &decoded(part)?, &bytes)
        }
        Route::ListItems => lists::items(app, &decoded(part)?, form::query(query, "after").as_deref()),
        Route::ListPut => {
            let bytes = body::read(incoming, limits.body_bytes, timeouts.body.0).await?;
            lists::put(app, &decoded(part)?, &bytes).await
        }
        Route::ListDelete => {
            let bytes = body::read(incoming, limits.body_bytes, timeouts.body.0).await?;
            lists::delete(app, &decoded(part)?, form::query(query, "value").as_deref(), &bytes).await
        }
        Route::Brakes => Ok(brakes::list(app)),
        Route::Release => brakes::release(app, &decoded(part)?).await,
        Route::Pipeline => {
            body::plain(&head.headers)?;
            let bytes = body::read(incoming, limits.pipeline_bytes, timeouts.body.0).await?;
            let ask = Ask { force: flag("force"), dry_run: flag("dry_run"), files: control::posted(&bytes)? };
            let app = app.clone();
            // Compiling rules takes long; the thread that serves payments does not wait for it.
            let report = tokio::task::spawn_blocking(move || control::reload(&app, "api", ask)).await;
            let report =
                report.map_err(|_| Problem::new(Kind::BadPipeline, "it could not be compiled"))??;
            Ok(score::json(serde_json::to_vec(&report).unwrap_or_default()))
        }
        Route::Score
        | Route::Batch
        | Route::Settle
        | Route::Decision
        | Route::Decisions
        | Route::Stats
        | Route::Explain
        | Route::Authz
        | Route::Signifyd
        | Route::OrderCreate
        | Route::Order
        | Route::Pay
        | Route::Payment
        | Route::Capture
        | Route::Void
        | Route::Refund
        | Route::Challenge
        | Route::Reviews
        | Route::DisputeFigures
        | Route::Review
        | Route::Dispute
        | Route::Resolve
        | Route::AuthenticatorEnrol
        | Route::Authenticator
        | Route::AuthenticatorRemove
        | Route::Spop
        | Route::Grpc
        | Route::Unknown => Err(nothing(&[])),
    }
}

/// The same for Signifyd's clients, who look elsewhere for what went wrong.
async fn for_signifyd(
    app: &App,
    scope: Scope,
    part: &str,
    head: &Parts,
    incoming: Incoming,
    began: Instant,
) -> Response<Reply> {
    let taken = async {
        let key = app.keys.caller(&head.headers, scope)?;
        body::plain(&head.headers)?;
        let bytes = body::read(incoming, app.config.limits.body_bytes, app.config.timeouts.body.0).await?;
        Ok::<_, Problem>((key, bytes))
    };
    match taken.await {
        Ok((key, bytes)) => signifyd::answer(app, key, head, part, &bytes, began).await,
        Err(problem) => signifyd::refusal(&problem),
    }
}

fn decoded(part: &str) -> Result<String, Problem> {
    // A `+` in a path is a plus.
    form::decode(part.replace('+', "%2B").as_bytes()).map_err(|_| {
        Problem::new(Kind::BadRequest, "the path holds a `%` without two hex digits, or no UTF-8")
    })
}
