//! `envoy.service.auth.v3.Authorization`: one question, one answer.

use envoy_types::pb::envoy::service::auth::v3::authorization_server::Authorization;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use tonic::{Code, Request, Response, Status, async_trait};

use super::asked::{Asked, Question};

#[async_trait]
impl Authorization for Asked {
    /// The payment is in the request's body or headers, and in the route's `context_extensions`.
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let own = request.metadata().clone().into_headers();
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let fields: Vec<(String, String)> = attributes.context_extensions.into_iter().collect();
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        let more = http.header_map.iter().flat_map(|map| &map.headers);
        let headers = http.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let question = Question {
            headers: headers.chain(more.map(super::process::pair)).collect(),
            body: if http.raw_body.is_empty() { http.body.as_bytes() } else { &http.raw_body },
            fields: &fields,
        };
        let said = self.ask(&own, question).await?;
        let (code, response) = match said.refusal {
            None => {
                let (headers, headers_to_remove) = (said.headers, said.unset);
                let passed = OkHttpResponse { headers, headers_to_remove, ..OkHttpResponse::default() };
                (Code::Ok, HttpResponse::OkResponse(passed))
            }
            Some(refusal) => {
                let denied = DeniedHttpResponse {
                    status: Some(refusal.status),
                    headers: said.headers,
                    body: String::from_utf8(refusal.body).unwrap_or_default(),
                };
                (Code::PermissionDenied, HttpResponse::DeniedResponse(denied))
            }
        };
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status { code: code.into(), ..rpc::Status::default() }),
            http_response: Some(response),
            ..CheckResponse::default()
        }))
    }
}
