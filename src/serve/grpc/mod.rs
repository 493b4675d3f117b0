//! Envoy asks over gRPC whether a request may pass, on the HTTP/2 connections of the main listeners.
//!
//! | file | question it answers |
//! |---|---|
//! | `check.rs` | `envoy.service.auth.v3.Authorization`: one question, one answer |
//! | `process.rs` | `envoy.service.ext_proc.v3.ExternalProcessor`: a request, part by part |
//! | `health.rs` | `grpc.health.v1.Health`: does it take payments? |
//! | `asked.rs` | what both services ask and are told |

mod asked;
mod check;
mod health;
mod process;

use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::ExternalProcessorServer;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, Version};
use tokio::time::timeout;
use tonic::Status;
use tonic::codegen::Service;
use tonic_health::pb::health_server::HealthServer;

use super::app::App;
use super::reply::Reply;

/// Bytes of a message besides a request's body and headers.
const MESSAGE_BYTES_REST: usize = 16 << 10;
/// How many times as large as `limits.body_bytes` a body may be to be refused rather than not read at all.
const BODIES_READ: usize = 2;

/// Whether a request is a gRPC call.
pub(super) fn is_call(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map(|v| v.as_bytes()).unwrap_or_default();
    request.version() == Version::HTTP_2 && kind.starts_with(b"application/grpc")
}

/// Answers a call.
pub(super) async fn answer(app: Arc<App>, request: Request<Incoming>) -> Response<Reply> {
    let (limits, timeouts) = (&app.config.limits, &app.config.timeouts);
    let bytes = BODIES_READ * limits.body_bytes + limits.header_bytes + MESSAGE_BYTES_REST;
    let wait = timeouts.body.0 + app.config.overload.deadline_max.0;
    let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let asked = asked::Asked { app: app.clone() };
    let answered = match service {
        "envoy.service.auth.v3.Authorization" => {
            let mut server = AuthorizationServer::new(asked).max_decoding_message_size(bytes);
            timeout(wait, server.call(request)).await
        }
        "envoy.service.ext_proc.v3.ExternalProcessor" => {
            let mut server = ExternalProcessorServer::new(asked).max_decoding_message_size(bytes);
            timeout(wait, server.call(request)).await
        }
        "grpc.health.v1.Health" => {
            let mut server = HealthServer::new(asked).max_decoding_message_size(MESSAGE_BYTES_REST);
            timeout(wait, server.call(request)).await
        }
        _ => Ok(Ok(Status::unimplemented("no such service").into_http())),
    };
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => Status::deadline_exceeded("the message did not come in time").into_http(),
    };
    response.map(|body| Reply::Grpc(Box::new(body)))
}
