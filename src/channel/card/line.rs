//! Who holds the connection, and what if it ends? One that is kept, shared by all who ask.
//!
//! A task owns the socket, what is to be written and who waits for what, so a question that is not waited for
//! any more can't leave half of itself on the line, and when the line ends it is known to the byte what was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::frames::{FRAME_BYTES_MAX, Frames, frame};
use super::message::Message;
use super::mti::Version;
use super::stream::{Stream, Trust};
use super::wire::{self, Wire};

/// Most questions that wait to be written, on one connection.
pub(super) const QUEUE_MAX: usize = 1_000;
/// After a connection could not be made, whoever asks within this time is told so at once.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// How a connection is kept.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    pub(super) trust: Option<Trust>,
    pub(super) address: String,
    pub(super) version: Version,
    pub(super) connect_within: Duration,
    pub(super) sign_on: bool,
    pub(super) echo_every: Option<Duration>,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message with its type and numbers.
    Answer(Message),
    /// It was sent, or begun to be, and the connection ended.
    Gone(String),
    /// Not a byte of it was written.
    NotSent(String),
}

/// A question on its way to the task.
pub(super) struct Outgoing {
    pub(super) question: Message,
    pub(super) tell: oneshot::Sender<Heard>,
}

/// A connection, made when it is needed.
pub(super) struct Line {
    keeping: Arc<Keeping>,
    current: Mutex<Current>,
    strays: Arc<AtomicU64>,
}

#[derive(Default)]
struct Current {
    queue: Option<mpsc::Sender<Outgoing>>,
    failed: Option<(Instant, String)>,
}

impl Line {
    pub(super) fn new(keeping: Keeping) -> Line {
        Line { keeping: Arc::new(keeping), current: Mutex::default(), strays: Arc::default() }
    }

    /// Answers that nobody waited for.
    pub(super) fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }

    /// Asks, and waits for the answer as long as the connection lasts.
    pub(super) async fn ask(&self, question: &Message) -> Heard {
        let heard = self.ask_once(question).await;
        // The institution had closed a connection that was idle, and it was not seen before it was used.
        if matches!(heard, Heard::NotSent(_)) { self.ask_once(question).await } else { heard }
    }

    async fn ask_once(&self, question: &Message) -> Heard {
        let queue = match self.queue().await {
            Ok(queue) => queue,
            Err(why) => return Heard::NotSent(why),
        };
        let (tell, told) = oneshot::channel();
        match queue.try_send(Outgoing { question: question.clone(), tell }) {
            Ok(()) => told.await.unwrap_or_else(|_| Heard::Gone("the connection's task ended".to_owned())),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Heard::NotSent(format!("{QUEUE_MAX} requests wait to be written already"))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Heard::NotSent("the connection had ended".to_owned())
            }
        }
    }

    /// The way to a connection that stands.
    async fn queue(&self) -> Result<mpsc::Sender<Outgoing>, String> {
        let mut current = self.current.lock().await;
        if let Some(queue) = current.queue.as_ref().filter(|queue| !queue.is_closed()) {
            return Ok(queue.clone());
        }
        if let Some((_, why)) = current.failed.as_ref().filter(|(at, _)| at.elapsed() < RECONNECT_AFTER) {
            return Err(why.clone());
        }
        match self.connect().await {
            Ok((stream, frames)) => {
                let (queue, questions) = mpsc::channel(QUEUE_MAX);
                let wire = Wire::new(stream, frames, self.keeping.clone(), self.strays.clone());
                tokio::spawn(wire.serve(questions));
                *current = Current { queue: Some(queue.clone()), failed: None };
                Ok(queue)
            }
            Err(why) => {
                *current = Current { queue: None, failed: Some((Instant::now(), why.clone())) };
                Err(why)
            }
        }
    }

    async fn connect(&self) -> Result<(Stream, Frames), String> {
        let address = &self.keeping.address;
        let made = async {
            let made = Stream::connect(address, self.keeping.trust.as_ref()).await;
            let mut stream = made.map_err(|e| format!("{address}: {e}"))?;
            let mut frames = Frames::default();
            if self.keeping.sign_on {
                let signed = sign_on(&mut stream, &mut frames, self.keeping.version).await;
                signed.map_err(|e| format!("{address}: {e}"))?;
            }
            Ok((stream, frames))
        };
        let within = self.keeping.connect_within;
        timeout(within, made)
            .await
            .unwrap_or_else(|_| Err(format!("{address}: no connection within {within:?}")))
    }
}

/// Says who we are, and waits for a welcome. What else the institution has to say meanwhile is passed over.
async fn sign_on(stream: &mut Stream, frames: &mut Frames, version: Version) -> Result<(), String> {
    let request = wire::network(version, wire::SIGN_ON, 1).ok_or("a sign-on can't be written")?;
    let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX);
    frame(&mut bytes, &request).ok_or("a sign-on can't be written")?;
    stream.write_all(&bytes).await.map_err(|e| e.to_string())?;
    stream.flush().await.map_err(|e| e.to_string())?;
    loop {
        while let Some(message) = frames.next()? {
            if Some(message.mti) == request.mti.answer() {
                return if wire::is_taken(&message) {
                    Ok(())
                } else {
                    Err("it refuses the sign-on".to_owned())
                };
            }
        }
        let length = stream.read(frames.room()).await.map_err(|e| e.to_string())?;
        if length == 0 {
            return Err("it hung up at the sign-on".to_owned());
        }
        frames.filled(length);
    }
}
