//! `POST /v1/score:batch`: payments as JSON lines, decided in their order while they come.
//!
//! The answer's body pulls the request's: no more is read than the client takes of the answer, and no more
//! is held than one line, one part of the request and the answer to a turn, which waits until it is recorded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::Sleep;

use super::app::App;
use super::keys::Key;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::{self, Asked, Source};
use crate::journal::Ticket;

/// Payments that are decided before others have their turn on this thread.
const ROWS_PER_TURN: usize = 32;

/// A batch on its way through.
pub(super) struct Batch {
    app: Arc<App>,
    key: u16,
    body: Incoming,
    /// What came and is not decided yet.
    held: BytesMut,
    /// How far `held` was searched for a line's end.
    searched: usize,
    wait: Pin<Box<Sleep>>,
    waiting: bool,
    line: u64,
    rows: u64,
    /// The last record of this turn.
    ticket: Option<Ticket>,
    /// The answer to a turn, which waits for its last record, and the turn's first line.
    unrecorded: Option<(Ticket, Bytes, u64)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// More may come.
    Reading,
    /// All has come.
    Rest,
    Done,
}

/// Answers one batch.
pub(super) fn answer(app: Arc<App>, key: &Key, body: Incoming) -> Response<Reply> {
    let wait = Box::pin(tokio::time::sleep(app.config.timeouts.body.0));
    let batch = Batch {
        key: key.index,
        body,
        held: BytesMut::new(),
        searched: 0,
        wait,
        waiting: false,
        line: 0,
        rows: 0,
        ticket: None,
        unrecorded: None,
        state: State::Reading,
        app,
    };
    let mut response = Response::new(Reply::Batch(Box::new(batch)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

impl Batch {
    /// The next part of the answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(part) = ready!(self.poll_recorded(cx)) {
                return Poll::Ready(Some(part));
            }
            let (mut out, first) = (BytesMut::new(), self.line + 1);
            let more = self.decide(&mut out);
            if let Some(ticket) = self.ticket.take() {
                self.unrecorded = Some((ticket, out.freeze(), first));
                continue;
            }
            if !out.is_empty() {
                return Poll::Ready(Some(out.freeze()));
            }
            match self.state {
                State::Done => return Poll::Ready(None),
                State::Rest if !more => self.state = State::Done,
                State::Rest => {}
                State::Reading if more => {}
                State::Reading => {
                    if let Some(problem) = ready!(self.poll_read(cx)) {
                        self.state = State::Done;
                        self.line += 1;
                        self.problem(self.line, &problem, &mut out);
                        return Poll::Ready(Some(out.freeze()));
                    }
                }
            }
        }
    }

    /// The answer to the turn before, once it is recorded.
    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((ticket, _, _)) = &mut self.unrecorded else { return Poll::Ready(None) };
        let done = ready!(Pin::new(ticket).poll(cx));
        let Some((_, part, first)) = self.unrecorded.take() else { return Poll::Ready(None) };
        if done.is_ok() {
            return Poll::Ready(Some(part));
        }
        self.state = State::Done;
        let detail = format!("from line {first} on nothing is known to be recorded");
        let mut out = BytesMut::new();
        let problem = Problem::new(Kind::NotRecorded, detail).remedy("send these lines again");
        self.problem(self.line, &problem, &mut out);
        Poll::Ready(Some(out.freeze()))
    }

    /// Reads one part of the request.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Problem>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let limit = self.app.config.timeouts.body.0;
                if !self.waiting {
                    self.wait.as_mut().reset(tokio::time::Instant::now() + limit);
                    self.waiting = true;
                }
                ready!(self.wait.as_mut().poll(cx));
                return Poll::Ready(Some(too_slow(limit)));
            }
        };
        self.waiting = false;
        match frame {
            None => self.state = State::Rest,
            Some(Err(_)) => {
                return Poll::Ready(Some(Problem::new(Kind::BadRequest, "the body ended in the middle")));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.held.extend_from_slice(&data);
                }
            }
        }
        Poll::Ready(None)
    }

    /// Decides about some of what is held; whether there is more that can be.
    fn decide(&mut self, out: &mut BytesMut) -> bool {
        let mut lines = Vec::with_capacity(ROWS_PER_TURN);
        let taken = self.take(&mut lines);
        self.score(&lines, out);
        taken.unwrap_or_else(|problem| {
            self.state = State::Done;
            self.problem(self.line, &problem, out);
            false
        })
    }

    /// Takes the lines of one turn, with their numbers, from what is held; whether there are more.
    ///
    /// # Errors
    /// What ends the batch after these lines.
    fn take(&mut self, lines: &mut Vec<(u64, BytesMut)>) -> Result<bool, Problem> {
        let limits = &self.app.config.limits;
        if self.state == State::Done {
            return Ok(false);
        }
        for _ in 0..ROWS_PER_TURN {
            let end = memchr::memchr(b'\n', &self.held[self.searched..]).map(|i| self.searched + i);
            let line = match (end, self.state) {
                (Some(end), _) => {
                    let line = self.held.split_to(end);
                    self.held.advance(1);
                    line
                }
                (None, State::Rest) if !self.held.is_empty() => self.held.split(),
                (None, State::Reading) if self.held.len() > limits.body_bytes => {
                    self.line += 1;
                    return Err(super::body::too_large(limits.body_bytes));
                }
                (None, _) => {
                    self.searched = self.held.len();
                    return Ok(false);
                }
            };
            self.searched = 0;
            self.line += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.rows += 1;
            if self.rows > limits.batch_rows {
                let max = limits.batch_rows;
                let detail = format!("a batch has at most {max} rows; none from this one on was scored");
                return Err(Problem::new(Kind::TooLarge, detail).remedy("send the rest as another batch"));
            }
            lines.push((self.line, line));
        }
        Ok(true)
    }

    /// Decides about the lines of a turn, which has one place among what is in flight.
    fn score(&mut self, lines: &[(u64, BytesMut)], out: &mut BytesMut) {
        if lines.is_empty() {
            return;
        }
        let app = self.app.clone();
        let Some(key) = app.keys.at(self.key) else { return };
        let asked: Vec<Asked<'_>> =
            lines.iter().map(|(_, body)| Asked { key, body, source: Source::Whole, request: None }).collect();
        let place = app.admission.place(key, app.config.overload.concurrency);
        let decided = score::each_at_once(&app, &asked, place.as_ref().err().copied());
        for ((line, _), decided) in lines.iter().zip(decided) {
            match decided {
                Ok((scored, recorded)) => {
                    out.extend_from_slice(&scored.line);
                    self.ticket = recorded.into_ticket().or(self.ticket.take());
                }
                Err(problem) => self.problem(*line, &problem, out),
            }
        }
    }

    /// A line that says what is wrong with a row.
    fn problem(&self, line: u64, problem: &Problem, out: &mut BytesMut) {
        out.extend_from_slice(b"{\"line\":");
        out.extend_from_slice(itoa::Buffer::new().format(line).as_bytes());
        out.extend_from_slice(b",\"problem\":");
        out.extend_from_slice(&problem.json());
        out.extend_from_slice(b"}\n");
    }
}

fn too_slow(limit: Duration) -> Problem {
    Problem::new(Kind::TooSlow, format!("nothing came for {limit:?}"))
}
