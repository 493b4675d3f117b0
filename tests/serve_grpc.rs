//! The sidecar as Envoy's authorization server and external processor, asked by a gRPC client.
#![cfg(feature = "grpc")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as Asked};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_client::ExternalProcessorClient;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request as Part;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response as Reply;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    HttpBody, HttpHeaders, HttpTrailers, ProcessingRequest, ProtocolConfiguration,
};
use sidecar::Sidecar;
use tonic::codegen::tokio_stream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, IntoRequest, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// On the list of rules/lists/never.toml.
const STOLEN: &str = "tok_example_stolen";

fn start(settings: &[&str]) -> Sidecar {
    let mut args = vec!["--set", "empty_past=true"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    Sidecar::start(&args)
}

async fn channel(sidecar: &Sidecar) -> Channel {
    Endpoint::new(format!("http://{}", sidecar.main)).unwrap().connect().await.unwrap()
}

fn body(card: &str) -> String {
    format!(r#"{{"amount":"20.00","currency":"USD","card":"{card}"}}"#)
}

fn question(body: &str, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    let http = HttpRequest { headers: map(headers), raw_body: body.into(), ..HttpRequest::default() };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Asked { http: Some(http), ..Asked::default() }),
            context_extensions: map(extensions),
            ..AttributeContext::default()
        }),
    }
}

async fn check(channel: &Channel, question: impl IntoRequest<CheckRequest>) -> Result<CheckResponse, Status> {
    let mut client = AuthorizationClient::new(channel.clone());
    client.check(question).await.map(tonic::Response::into_inner)
}

/// What a header is set to, in either of its fields.
fn header(headers: &[HeaderValueOption], name: &str) -> Option<String> {
    let header = headers.iter().filter_map(|h| h.header.as_ref()).find(|h| h.key == name)?;
    let raw = String::from_utf8(header.raw_value.clone()).unwrap();
    Some(if raw.is_empty() { header.value.clone() } else { raw })
}

/// Status of a denial, and its problem's name; panics at anything else.
fn denied(response: CheckResponse) -> (i32, String) {
    assert_eq!(response.status.unwrap().code, i32::from(Code::PermissionDenied));
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else { panic!("it passes") };
    assert_eq!(header(&denied.headers, "content-type").as_deref(), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
    let name = problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    (denied.status.unwrap().code, name)
}

#[tokio::test]
async fn check_passes_good_payments_and_denies_bad_ones() {
    let sidecar = start(&["authz.decline_status=402"]);
    let channel = channel(&sidecar).await;
    let headers = [(":path", "/v1/payments"), ("idempotency-key", "g1"), ("x-deadline-ms", "0")];
    let good = check(&channel, question(&body("tok_grpc"), &headers, &[("channel", "card")])).await.unwrap();
    assert_eq!(good.status.unwrap().code, i32::from(Code::Ok));
    let Some(HttpResponse::OkResponse(passed)) = good.http_response else { panic!("it is denied") };
    assert_eq!(header(&passed.headers, "x-risk-decision").as_deref(), Some("approve"));
    assert_eq!(header(&passed.headers, "x-risk-id").as_deref(), Some("g1"));
    assert!(header(&passed.headers, "x-risk-score").is_some());
    // What the payer says of risk goes no further.
    assert!(passed.headers_to_remove.contains(&"x-risk-degraded".to_owned()), "{passed:?}");
    assert_eq!(sidecar.ask("GET", "/v1/decisions/g1", &[], "").status, 200);

    let bad = check(&channel, question(&body(STOLEN), &[], &[])).await.unwrap();
    assert_eq!(denied(bad), (402, "declined".into()));
    for (body, headers) in
        [("<xml/>", &[][..]), ("", &[]), (&body("tok_cut")[..], &[("x-envoy-auth-partial-body", "true")])]
    {
        let none = check(&channel, question(body, headers, &[])).await.unwrap();
        assert_eq!(denied(none), (403, "not-passed".into()), "{body}");
    }
    let encoded = check(&channel, question("{}", &[("content-encoding", "gzip")], &[])).await.unwrap();
    assert_eq!(denied(encoded), (415, "encoded".into()));
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"grpc\",status=\"2xx\"}"), 1.0);
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"grpc\",status=\"4xx\"}"), 5.0);
    // HTTP goes on beside it on the same listener.
    assert_eq!(sidecar.post("/v1/score", &sidecar::payment("h")).status, 200);
}

#[tokio::test]
async fn bodies_and_messages_are_limited_and_late_ones_are_for_envoy() {
    let sidecar = start(&["limits.body_bytes=1000", "limits.header_bytes=1000", "limits.headers=2"]);
    let channel = channel(&sidecar).await;
    let padded = |bytes: usize| {
        let payment = body("tok_long");
        format!("{payment}{}", " ".repeat(bytes - payment.len()))
    };
    let asked =
        async |bytes, headers: &[(&str, &str)]| check(&channel, question(&padded(bytes), headers, &[])).await;
    let two = [("x-a", "1"), ("x-b", "2")];
    let at = asked(1_000, &two).await.unwrap();
    assert!(matches!(at.http_response, Some(HttpResponse::OkResponse(_))), "{at:?}");
    assert_eq!(denied(asked(1_001, &[]).await.unwrap()), (413, "too-large".into()));
    let three = [("x-a", "1"), ("x-b", "2"), ("x-c", "3")];
    assert_eq!(denied(asked(200, &three).await.unwrap()), (400, "bad-request".into()));
    // Past twice the body, the headers and 16 KiB a message is not read.
    assert_eq!(asked(3_000 + (16 << 10), &[]).await.unwrap_err().code(), Code::OutOfRange);
    assert_eq!(denied(asked(2_500 + (16 << 10), &[]).await.unwrap()), (413, "too-large".into()));

    let mut late = Request::new(question(&body("tok_late"), &[], &[]));
    late.metadata_mut().insert("x-deadline-ms", "0".parse().unwrap());
    let status = check(&channel, late).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "late"));
    let mut malformed = Request::new(question(&body("tok_late"), &[], &[]));
    malformed.metadata_mut().insert("x-deadline-ms", "soon".parse().unwrap());
    assert_eq!(denied(check(&channel, malformed).await.unwrap()), (400, "bad-request".into()));
}

#[tokio::test]
async fn keys_are_in_metadata_and_the_payers_own_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    // The SHA-256 of `abc`.
    let key = "[[key]]\nname = \"edge\"\nscopes = [\"score\"]\n\
        sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    std::fs::write(&config, key).unwrap();
    let sidecar = Sidecar::start(&["--config", config.to_str().unwrap()]);
    let channel = channel(&sidecar).await;
    let asked = |name: &'static str, value: &str| {
        let mut request = Request::new(question(&body("tok_key"), &[("x-api-key", "abc")], &[]));
        request.metadata_mut().insert(name, value.parse().unwrap());
        request
    };
    for (name, value) in [("x-a", "abc"), ("x-api-key", "abd"), ("authorization", "Bearer abd")] {
        assert_eq!(denied(check(&channel, asked(name, value)).await.unwrap()), (401, "no-key".into()));
    }
    for (name, value) in [("x-api-key", "abc"), ("authorization", "Bearer abc")] {
        let passed = check(&channel, asked(name, value)).await.unwrap();
        assert!(matches!(passed.http_response, Some(HttpResponse::OkResponse(_))), "{passed:?}");
    }
}

fn part(request: Part) -> ProcessingRequest {
    ProcessingRequest { request: Some(request), ..ProcessingRequest::default() }
}

fn headers(end: bool, pairs: &[(&str, &str)]) -> Part {
    let header = |(key, value): &(&str, &str)| HeaderValue {
        key: (*key).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    };
    let headers = HeaderMap { headers: pairs.iter().map(header).collect() };
    Part::RequestHeaders(HttpHeaders { headers: Some(headers), end_of_stream: end, ..HttpHeaders::default() })
}

fn whole(body: &str) -> Part {
    Part::RequestBody(HttpBody { body: body.into(), end_of_stream: true, ..HttpBody::default() })
}

/// The answers to these parts, up to the end or the error.
async fn process(channel: &Channel, parts: Vec<ProcessingRequest>) -> (Vec<Reply>, Option<Code>) {
    let mut client = ExternalProcessorClient::new(channel.clone());
    let mut answers = client.process(tokio_stream::iter(parts)).await.unwrap().into_inner();
    let mut replies = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => replies.push(answer.response.unwrap()),
            Ok(None) => return (replies, None),
            Err(status) => return (replies, Some(status.code())),
        }
    }
}

#[tokio::test]
async fn process_decides_once_the_body_is_there() {
    let sidecar = start(&[]);
    let channel = channel(&sidecar).await;
    let parts = vec![
        part(headers(false, &[(":method", "POST"), ("idempotency-key", "x1")])),
        part(whole(&body("tok_proc"))),
        part(Part::RequestTrailers(HttpTrailers::default())),
        part(Part::ResponseHeaders(HttpHeaders::default())),
        part(Part::ResponseBody(HttpBody::default())),
        part(Part::ResponseTrailers(HttpTrailers::default())),
    ];
    let (replies, end) = process(&channel, parts).await;
    let [Reply::RequestHeaders(_), Reply::RequestBody(decided), rest @ ..] = &replies[..] else {
        panic!("{replies:?}")
    };
    let mutation = decided.response.as_ref().unwrap().header_mutation.as_ref().unwrap();
    assert_eq!(header(&mutation.set_headers, "x-risk-decision").as_deref(), Some("approve"));
    assert_eq!(header(&mutation.set_headers, "x-risk-id").as_deref(), Some("x1"));
    assert!(mutation.remove_headers.contains(&"x-risk-degraded".to_owned()));
    assert!(matches!(
        rest,
        [
            Reply::RequestTrailers(_),
            Reply::ResponseHeaders(_),
            Reply::ResponseBody(_),
            Reply::ResponseTrailers(_)
        ]
    ));
    assert_eq!(end, None);

    // A refusal ends it; without a body the headers are all there is.
    let stolen = [("x-payment-amount", "1"), ("x-payment-currency", "USD"), ("x-payment-card", STOLEN)];
    for parts in [
        vec![part(headers(false, &[])), part(whole(&body(STOLEN))), part(whole(""))],
        vec![part(headers(true, &stolen)), part(whole(""))],
        vec![part(whole(&body(STOLEN)))],
    ] {
        let (replies, end) = process(&channel, parts).await;
        let Some(Reply::ImmediateResponse(refused)) = replies.last() else { panic!("{replies:?}") };
        assert_eq!((refused.status.as_ref().unwrap().code, end), (403, None));
        assert!(String::from_utf8_lossy(&refused.body).contains("declined"));
        let set = &refused.headers.as_ref().unwrap().set_headers;
        assert_eq!(header(set, "x-risk-decision").as_deref(), Some("decline"));
    }
}

#[tokio::test]
async fn process_says_what_it_does_not_take() {
    let sidecar = start(&[]);
    let channel = channel(&sidecar).await;
    let mode = |mode: BodySendMode, end| ProcessingRequest {
        protocol_config: Some(ProtocolConfiguration { request_body_mode: mode.into(), ..Default::default() }),
        ..part(headers(end, &[]))
    };
    for other in [BodySendMode::Streamed, BodySendMode::BufferedPartial, BodySendMode::FullDuplexStreamed] {
        assert_eq!(
            process(&channel, vec![mode(other, false)]).await,
            (vec![], Some(Code::FailedPrecondition))
        );
    }
    // Without a body to come it is decided by the headers, which are no payment here.
    let (replies, _) = process(&channel, vec![mode(BodySendMode::None, false)]).await;
    assert!(matches!(replies[..], [Reply::ImmediateResponse(_)]), "{replies:?}");
    let nothing = ProcessingRequest::default();
    assert_eq!(process(&channel, vec![nothing]).await.1, Some(Code::InvalidArgument));
    // Who only looks on is told nothing, and the payment is decided all the same.
    let looked = |request| ProcessingRequest { observability_mode: true, ..part(request) };
    let seen = vec![looked(headers(false, &[])), looked(whole(&body(STOLEN)))];
    assert_eq!(process(&channel, seen).await, (vec![], None));
    assert_eq!(sidecar.metric("tollgate_decisions_total{outcome=\"decline\"}"), 1.0);
}

#[tokio::test]
async fn health_is_told_until_it_stops() {
    let mut sidecar = start(&["timeouts.drain_pause=\"500ms\"", "timeouts.drain=\"500ms\""]);
    let mut health = HealthClient::new(channel(&sidecar).await);
    let mut ask = async |service: &str| {
        health.check(HealthCheckRequest { service: service.into() }).await.map(|r| r.into_inner().status)
    };
    assert_eq!(ask("").await.unwrap(), 1);
    assert_eq!(ask("envoy.service.auth.v3.Authorization").await.unwrap(), 1);
    assert_eq!(ask("other").await.unwrap_err().code(), Code::NotFound);
    sidecar.signal("TERM");
    sidecar.wait_for("draining");
    assert_eq!(ask("").await.unwrap(), 2);
    drop(health);
    assert!(sidecar.ended());
}

#[tokio::test]
async fn no_card_number_gets_out() {
    let pans = ["4242424242424242", "4242 4242 4242 4242", "378282246310005"];
    let sidecar = start(&[]);
    let channel = channel(&sidecar).await;
    let mut out = String::new();
    for pan in pans {
        for name in ["id", "card", "amount", "currency", "ip", "unknown"] {
            let bodies = [
                format!(r#"{{"amount":1,"currency":"USD","{name}":"{pan}"}}"#),
                format!("{{\"{pan}\""),
                pan.to_owned(),
            ];
            for body in bodies {
                out += &format!("{:?}", check(&channel, question(&body, &[], &[])).await);
                out += &format!("{:?}", process(&channel, vec![part(whole(&body))]).await);
            }
            let fields = [("amount", "1"), ("currency", "USD"), (name, pan)];
            out += &format!("{:?}", check(&channel, question("", &[], &fields)).await);
        }
        for name in [
            "idempotency-key",
            "x-request-id",
            "user-agent",
            "content-type",
            "content-encoding",
            "x-payment-card",
        ] {
            out += &format!("{:?}", check(&channel, question(&body("tok_h"), &[(name, pan)], &[])).await);
            out += &format!(
                "{:?}",
                check(&channel, question("amount=1&currency=USD", &[(name, pan)], &[])).await
            );
        }
        for name in ["x-deadline-ms", "x-api-key", "grpc-timeout"] {
            let mut request = Request::new(question(&body("tok_m"), &[], &[]));
            request.metadata_mut().insert(name, pan.parse().unwrap());
            out += &format!("{:?}", check(&channel, request).await);
        }
        let mut health = HealthClient::new(channel.clone());
        out += &format!("{:?}", health.check(HealthCheckRequest { service: pan.into() }).await);
    }
    assert!(out.contains("x-risk-decision"), "there were answers");
    out.push_str(&sidecar.admin("GET", "/metrics", &[], "").body);
    out.push_str(&sidecar.log());
    for pan in pans {
        if let Some(at) = out.find(pan) {
            panic!("{pan} got out: {}", &out[at.saturating_sub(200)..at + pan.len()]);
        }
    }
}
