//! One connection, from its first frame to its last.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{self, timeout, timeout_at};

use super::frame::{ABORT, FIN, Frame, LENGTH_BYTES, kind};
use super::hello::{Agreed, disconnect};
use super::notify::{Answer, Question};
use super::status::Status;
use crate::serve::accept::stopped;
use crate::serve::app::App;
use crate::serve::config::{Scope, Timeouts};
use crate::serve::routes::Route;
use crate::serve::{gate, health};

/// Room for reading: what is announced is not believed before it comes.
const READ_BYTES_MIN: usize = 4 << 10;
const READ_BYTES_MAX: usize = 32 << 10;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// HAProxy went away, or can't be written to.
    Gone,
    /// We say why.
    Said(Status),
}

impl From<Status> for End {
    fn from(status: Status) -> End {
        End::Said(status)
    }
}

/// Serves a connection to its end; after the frames in hand once `stop` says so.
pub(in crate::serve) async fn serve<S>(app: Arc<App>, stream: S, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut line = Line::new(stream, &app);
    let greeting = timeout(app.config.timeouts.header.0, greet(&app, &mut line));
    let end = match greeting.await.unwrap_or(Err(Status::Timeout.into())) {
        // Of a mere check nothing more is said.
        Ok(agreed) if agreed.check => End::Gone,
        Ok(agreed) => converse(&app, &mut line, agreed, &mut stop).await,
        Err(end) => end,
    };
    let End::Said(status) = end else { return };
    match status {
        Status::Normal | Status::Stopping => {}
        Status::Timeout => app.metrics.connections.timeouts.add(1),
        _ => app.metrics.connections.broken.add(1),
    }
    let mut out = Vec::new();
    disconnect(&mut out, status);
    // Whoever has gone does not want to know why.
    let _ = line.write(&out).await;
}

/// Finds what both sides keep to.
async fn greet<S>(app: &App, line: &mut Line<S>) -> Result<Agreed, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bytes = line.next().await?;
    let agreed = Agreed::on(&Frame::read(&bytes)?, app.config.limits.spop_frame_bytes)?;
    if agreed.check && health::unready(app).is_some() {
        return Err(Status::Stopping.into());
    }
    let mut out = Vec::new();
    agreed.write(&mut out);
    line.write(&out).await?;
    line.most = agreed.frame_bytes;
    Ok(agreed)
}

/// Answers frames as they come, several at a time, until there is a reason to end.
async fn converse<S>(
    app: &Arc<App>,
    line: &mut Line<S>,
    agreed: Agreed,
    stop: &mut watch::Receiver<bool>,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let most = app.config.limits.streams as usize;
    let mut answers: JoinSet<Result<Vec<u8>, Status>> = JoinSet::new();
    let mut end = None;
    loop {
        if let Some(end) = end.filter(|_| answers.is_empty()) {
            return end;
        }
        tokio::select! {
            next = line.next(), if end.is_none() && answers.len() < most => {
                match next.and_then(|bytes| Ok(is_notify(&Frame::read(&bytes)?)?.then_some(bytes))) {
                    Ok(Some(bytes)) => {
                        answers.spawn(answer(app.clone(), agreed, bytes));
                    }
                    Ok(None) => {}
                    Err(End::Gone) => return End::Gone,
                    Err(said) => end = Some(said),
                }
            }
            Some(first) = answers.join_next() => {
                let more = std::iter::from_fn(|| answers.try_join_next());
                let mut out = Vec::new();
                for done in std::iter::once(first).chain(more) {
                    match done {
                        Ok(Ok(ack)) => out.extend(ack),
                        Ok(Err(status)) => end = Some(status.into()),
                        Err(_) => end = Some(Status::Unknown.into()),
                    }
                }
                if let Err(gone) = line.write(&out).await {
                    return gone;
                }
            }
            () = stopped(stop), if end.is_none() => end = Some(Status::Stopping.into()),
        }
    }
}

/// Whether a frame asks for an answer; others may be passed over.
///
/// # Errors
/// When it ends the connection.
fn is_notify(frame: &Frame<'_>) -> Result<bool, Status> {
    match frame.kind {
        kind::DISCONNECT => Err(Status::Normal),
        kind::HELLO => Err(Status::Invalid),
        kind::UNSET => Err(Status::Fragmented),
        kind::NOTIFY if frame.flags & FIN == 0 => Err(Status::Fragmented),
        kind::NOTIFY => Ok(frame.flags & ABORT == 0),
        _ => Ok(false),
    }
}

/// The ACK of a NOTIFY.
///
/// # Errors
/// When it is malformed.
async fn answer(app: Arc<App>, agreed: Agreed, notify: Bytes) -> Result<Vec<u8>, Status> {
    let began = Instant::now();
    let frame = Frame::read(&notify)?;
    let question = Question::read(frame.payload)?;
    let headers = &question.headers;
    let asked = match app.keys.caller(headers, Scope::Score) {
        Ok(key) => gate::ask(&app, key, headers, question.object(), began).await,
        Err(problem) => Err(problem),
    };
    let (refusal, told, status) = gate::answered(&app, Route::Spop, asked);
    let answer = Answer {
        // What the server has no answer to is for HAProxy to decide.
        pass: (status < 500).then_some(refusal.is_none()),
        problem: refusal.map(|problem| problem.kind.parts().1),
        told,
    };
    let mut out = Vec::new();
    answer.write((frame.stream, frame.id), app.config.spop_scope, agreed.frame_bytes, &mut out);
    Ok(out)
}

/// Frames over a stream of bytes.
struct Line<S> {
    stream: S,
    read: BytesMut,
    /// Bytes of the largest frame that is taken.
    most: usize,
    /// Since when we wait: for the first byte of a frame, or for its last.
    since: time::Instant,
    timeouts: Timeouts,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    fn new(stream: S, app: &App) -> Line<S> {
        let (most, timeouts) = (app.config.limits.spop_frame_bytes, app.config.timeouts.clone());
        Line { stream, read: BytesMut::new(), most, since: time::Instant::now(), timeouts }
    }

    /// The next frame, without its length. Nothing is lost when it is not waited for to its end.
    async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            let lacking = match self.read.first_chunk() {
                None => LENGTH_BYTES,
                Some(length) => {
                    let length = u32::from_be_bytes(*length) as usize;
                    if length > self.most {
                        return Err(Status::TooBig.into());
                    }
                    (LENGTH_BYTES + length).saturating_sub(self.read.len())
                }
            };
            if lacking == 0 {
                let length = self.read.get_u32() as usize;
                self.since = time::Instant::now();
                return Ok(self.read.split_to(length).freeze());
            }
            let begun = !self.read.is_empty();
            let wait = if begun { self.timeouts.body } else { self.timeouts.idle };
            self.read.reserve(lacking.clamp(READ_BYTES_MIN, READ_BYTES_MAX));
            match timeout_at(self.since + wait.0, self.stream.read_buf(&mut self.read)).await {
                Ok(Ok(1..)) if begun => {}
                Ok(Ok(1..)) => self.since = time::Instant::now(),
                Ok(_) => return Err(End::Gone),
                Err(_) => return Err(Status::Timeout.into()),
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.since = time::Instant::now();
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.timeouts.write.0, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}
