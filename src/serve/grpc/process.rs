//! `envoy.service.ext_proc.v3.ExternalProcessor`: a request, part by part.
//!
//! Headers are kept until the whole body is there (`request_body_mode: BUFFERED`); without a body they are all
//! there is. What follows the decision is passed on unread.

use envoy_types::pb::envoy::config::core::v3::{
    HeaderMap as Headers, HeaderValue as Header, HeaderValueOption,
};
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::ExternalProcessor;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request as Part;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response as Reply;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse, ProcessingRequest,
    ProcessingResponse, TrailersResponse,
};
use hyper::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::asked::{Asked, Question, Said};

/// Answers that wait for Envoy to take them.
const ANSWERS_WAITING_MAX: usize = 4;

#[async_trait]
impl ExternalProcessor for Asked {
    type ProcessStream = ReceiverStream<Result<ProcessingResponse, Status>>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let own = request.metadata().clone().into_headers();
        let (answers, taken) = mpsc::channel(ANSWERS_WAITING_MAX);
        let parts = request.into_inner();
        tokio::spawn(
            Exchange { asked: self.clone(), own, headers: Vec::new(), state: State::Asking }
                .hold(parts, answers),
        );
        Ok(Response::new(ReceiverStream::new(taken)))
    }
}

/// One request on its way through Envoy.
struct Exchange {
    asked: Asked,
    /// The headers of the call.
    own: HeaderMap,
    /// Those of the request, until it was decided.
    headers: Vec<Header>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    Decided,
}

impl Exchange {
    /// Answers part after part, until there are no more, or the request was refused.
    async fn hold(
        mut self,
        mut parts: Streaming<ProcessingRequest>,
        answers: mpsc::Sender<Result<ProcessingResponse, Status>>,
    ) {
        let wait = self.asked.app.config.timeouts.idle.0;
        loop {
            let part = tokio::select! {
                part = timeout(wait, parts.message()) => part,
                // Nobody takes answers any more.
                () = answers.closed() => return,
            };
            let answer = match part {
                Ok(Ok(Some(part))) => self.answer(part).await,
                Ok(Ok(None)) => return,
                Ok(Err(status)) => Err(status),
                Err(_) => Err(Status::deadline_exceeded("nothing came for too long")),
            };
            let Some(answer) = answer.transpose() else { continue };
            let last = match &answer {
                Ok(response) => matches!(response.response, Some(Reply::ImmediateResponse(_))),
                Err(_) => true,
            };
            if answers.send(answer).await.is_err() || last {
                return;
            }
        }
    }

    /// The answer to one part; none where Envoy only lets us look on.
    async fn answer(&mut self, part: ProcessingRequest) -> Result<Option<ProcessingResponse>, Status> {
        let mode = part.protocol_config.as_ref().map(|config| config.request_body_mode());
        let bodiless = match mode {
            None | Some(BodySendMode::Buffered) => false,
            Some(BodySendMode::None) => true,
            Some(_) => return Err(Status::failed_precondition("set request_body_mode: BUFFERED")),
        };
        let response = match part.request {
            Some(Part::RequestHeaders(headers)) => {
                self.headers = headers.headers.unwrap_or_default().headers;
                match bodiless || headers.end_of_stream {
                    true => {
                        self.decide(b"", |response| Reply::RequestHeaders(HeadersResponse { response }))
                            .await?
                    }
                    false => Reply::RequestHeaders(HeadersResponse::default()),
                }
            }
            Some(Part::RequestBody(body)) if self.state == State::Asking => {
                self.decide(&body.body, |response| Reply::RequestBody(BodyResponse { response })).await?
            }
            Some(Part::RequestBody(_)) => Reply::RequestBody(BodyResponse::default()),
            Some(Part::RequestTrailers(_)) => Reply::RequestTrailers(TrailersResponse::default()),
            Some(Part::ResponseHeaders(_)) => Reply::ResponseHeaders(HeadersResponse::default()),
            Some(Part::ResponseBody(_)) => Reply::ResponseBody(BodyResponse::default()),
            Some(Part::ResponseTrailers(_)) => Reply::ResponseTrailers(TrailersResponse::default()),
            None => return Err(Status::invalid_argument("a message without a part")),
        };
        let response = ProcessingResponse { response: Some(response), ..ProcessingResponse::default() };
        Ok((!part.observability_mode).then_some(response))
    }

    /// Decides about the request: it goes on with headers, or is answered at once.
    async fn decide(
        &mut self,
        body: &[u8],
        goes_on: impl FnOnce(Option<CommonResponse>) -> Reply,
    ) -> Result<Reply, Status> {
        self.state = State::Decided;
        let headers = Headers { headers: std::mem::take(&mut self.headers) };
        let question = Question { headers: headers.headers.iter().map(pair).collect(), body, fields: &[] };
        let Said { refusal, headers, unset } = self.asked.ask(&self.own, question).await?;
        let set_headers = headers.into_iter().map(raw).collect();
        Ok(match refusal {
            None => {
                let header_mutation = Some(HeaderMutation { set_headers, remove_headers: unset });
                goes_on(Some(CommonResponse { header_mutation, ..CommonResponse::default() }))
            }
            Some(refusal) => Reply::ImmediateResponse(ImmediateResponse {
                status: Some(refusal.status),
                headers: Some(HeaderMutation { set_headers, remove_headers: Vec::new() }),
                body: refusal.body,
                ..ImmediateResponse::default()
            }),
        })
    }
}

/// A header's name and value, whichever of both fields that is in.
pub(super) fn pair(header: &Header) -> (&[u8], &[u8]) {
    let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
    (header.key.as_bytes(), value)
}

/// The same header with its value as bytes, as this service has them.
fn raw(mut option: HeaderValueOption) -> HeaderValueOption {
    if let Some(header) = &mut option.header {
        header.raw_value = std::mem::take(&mut header.value).into_bytes();
    }
    option
}
