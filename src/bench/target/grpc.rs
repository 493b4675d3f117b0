//! What is asked over gRPC, and what is answered: Envoy's question whether a request may pass, with the payment
//! as its body.

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use hyper::HeaderMap;
use prost::Message;

use super::link::{BY_POLICY, DEGRADED};
use crate::bench::measure::Answer;
use crate::decision::Outcome;

/// The call.
pub(super) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Says how a call went, after or instead of the answer.
const STATUS: &str = "grpc-status";
/// Says why it did not go well.
const MESSAGE: &str = "grpc-message";
/// Says what was decided.
const DECISION: &str = "x-risk-decision";
/// Statuses: it went well; too much to do.
const OK: &str = "0";
const EXHAUSTED: &str = "8";
const UNAVAILABLE: &str = "14";
/// In front of a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// The message that asks about a payment.
pub(super) fn question(payment: &[u8]) -> Bytes {
    let http = HttpRequest { raw_body: payment.to_vec(), ..HttpRequest::default() };
    let request = Request { http: Some(http), ..Request::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let check = CheckRequest { attributes: Some(attributes) };
    let length = check.encoded_len();
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    body.put_slice(&check.encode_to_vec());
    body.freeze()
}

/// What sort of answer it is, and what it says when it is no decision. `end` are headers that came after it.
pub(super) fn answer(head: &HeaderMap, end: Option<&HeaderMap>, body: &[u8]) -> (Answer, String) {
    let told = |name: &str| end.and_then(|end| end.get(name)).or_else(|| head.get(name))?.to_str().ok();
    match told(STATUS) {
        Some(OK) => {}
        Some(UNAVAILABLE | EXHAUSTED) => return (Answer::Shed, String::new()),
        Some(status) => {
            let message = told(MESSAGE).unwrap_or("nothing");
            return (Answer::Refused, format!("gRPC status {status}, {message}"));
        }
        None => return (Answer::Broken, "no gRPC status".to_owned()),
    }
    let message = body.get(PREFIX_BYTES..).unwrap_or_default();
    let Ok(CheckResponse { http_response: Some(response), .. }) = CheckResponse::decode(message) else {
        return (Answer::Refused, "no answer to a check".to_owned());
    };
    let (headers, said) = match response {
        HttpResponse::OkResponse(passed) => (passed.headers, String::new()),
        HttpResponse::DeniedResponse(denied) => (denied.headers, denied.body),
        // What this program does not ask for.
        _ => return (Answer::Refused, "an answer of another kind".to_owned()),
    };
    if header(&headers, DEGRADED).is_some_and(|names| BY_POLICY.iter().any(|name| names.contains(name))) {
        return (Answer::Shed, String::new());
    }
    match header(&headers, DECISION).and_then(|name| Outcome::ALL.into_iter().find(|o| o.name() == name)) {
        Some(outcome) => (Answer::Decided(outcome), String::new()),
        None if said.is_empty() => (Answer::Fine, said),
        None => (Answer::Refused, said),
    }
}

fn header<'a>(headers: &'a [HeaderValueOption], name: &str) -> Option<&'a str> {
    let header = headers.iter().filter_map(|option| option.header.as_ref()).find(|h| h.key == name)?;
    let raw = std::str::from_utf8(&header.raw_value).ok()?;
    Some(if raw.is_empty() { &header.value } else { raw })
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::core::v3::HeaderValue;
    use envoy_types::pb::envoy::service::auth::v3::{DeniedHttpResponse, OkHttpResponse};

    fn ended(status: &'static str) -> HeaderMap {
        [(STATUS, status)].into_iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    fn said(response: HttpResponse) -> Answer {
        let response = CheckResponse { http_response: Some(response), ..CheckResponse::default() };
        let body = [&[0; PREFIX_BYTES][..], &response.encode_to_vec()].concat();
        answer(&HeaderMap::new(), Some(&ended(OK)), &body).0
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<HeaderValueOption> {
        let header = |(key, value): &(&str, &str)| HeaderValue {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            ..HeaderValue::default()
        };
        let option = |pair| HeaderValueOption { header: Some(header(pair)), ..HeaderValueOption::default() };
        pairs.iter().map(option).collect()
    }

    #[test]
    fn answers_are_decisions_sheds_and_refusals() {
        let passed = |pairs: &[(&str, &str)]| {
            let headers = headers(pairs);
            said(HttpResponse::OkResponse(OkHttpResponse { headers, ..OkHttpResponse::default() }))
        };
        assert_eq!(passed(&[(DECISION, "review")]), Answer::Decided(Outcome::Review));
        assert_eq!(
            passed(&[(DECISION, "approve"), (DEGRADED, "warming")]),
            Answer::Decided(Outcome::Approve)
        );
        assert_eq!(passed(&[(DECISION, "approve"), (DEGRADED, "overload")]), Answer::Shed);
        assert_eq!(passed(&[]), Answer::Fine);
        let denied = |pairs: &[(&str, &str)]| {
            let (headers, body) = (headers(pairs), "{}".to_owned());
            said(HttpResponse::DeniedResponse(DeniedHttpResponse { headers, body, status: None }))
        };
        assert_eq!(denied(&[(DECISION, "decline")]), Answer::Decided(Outcome::Decline));
        assert_eq!(denied(&[]), Answer::Refused);
        for (status, expected) in [
            (UNAVAILABLE, Answer::Shed),
            (EXHAUSTED, Answer::Shed),
            ("12", Answer::Refused),
            (OK, Answer::Refused),
        ] {
            // Without an answer the status may stand among the first headers.
            assert_eq!(answer(&ended(status), None, &[]).0, expected, "{status}");
        }
        assert_eq!(answer(&HeaderMap::new(), None, &[]).0, Answer::Broken);
    }

    #[test]
    fn a_question_is_one_message_with_the_payment_as_body() {
        let body = question(br#"{"id":"p"}"#);
        assert_eq!(body[..PREFIX_BYTES], [0, 0, 0, 0, (body.len() - PREFIX_BYTES) as u8]);
        let check = CheckRequest::decode(&body[PREFIX_BYTES..]).unwrap();
        let http = check.attributes.unwrap().request.unwrap().http.unwrap();
        assert_eq!(http.raw_body, br#"{"id":"p"}"#);
    }
}
