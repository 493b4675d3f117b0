//! What goes over a connection while it lasts? Frames of two bytes of length and a message, both ways at once.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use zeroize::{Zeroize, Zeroizing};

use super::frames::{FRAME_BYTES_MAX, Frames, frame};
use super::line::{Heard, Keeping, Outgoing};
use super::message::Message;
use super::mti::{Class, Function, Mti, Version};
use super::stream::Stream;
use crate::failpoint::{Failpoint, reach};

/// Bytes that wait to be written; more is left in the queue.
const OUT_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
/// Most questions that wait for their answers, on one connection.
pub(super) const IN_FLIGHT_MAX: usize = 10_000;
/// How long an echo may take.
const ECHO_WITHIN: Duration = Duration::from_secs(10);
/// What a network message wants: field 70 of 1987, field 24 of 1993.
pub(super) const SIGN_ON: [&str; 2] = ["001", "801"];
const ECHO: [&str; 2] = ["301", "831"];

/// What an answer has to have for somebody to be waiting for it: type, trace number and reference number.
type Tag = (Mti, String, String);

struct Waiting {
    tell: oneshot::Sender<Heard>,
    /// Bytes that were to be written before its first.
    start: u64,
}

/// What became of bytes.
enum Moved {
    /// So many came; none when no more will.
    In(usize),
    /// So many were written.
    Out(usize),
    /// All that was written is on its way.
    Away,
}

/// One connection and what it owes.
pub(super) struct Wire {
    stream: Stream,
    keeping: Arc<Keeping>,
    strays: Arc<AtomicU64>,
    waiting: HashMap<Tag, Vec<Waiting>>,
    frames: Frames,
    out: Zeroizing<Vec<u8>>,
    /// How much of `out` is written.
    at: usize,
    /// How much was written, and how much of that and of `out` was put there, since the beginning.
    written: u64,
    put: u64,
    /// Something written is not on its way yet: TLS sends whole records.
    unflushed: bool,
    heard: Instant,
    echoes: u32,
    echoing: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream, frames: Frames, keeping: Arc<Keeping>, strays: Arc<AtomicU64>) -> Wire {
        Wire {
            stream,
            keeping,
            strays,
            waiting: HashMap::new(),
            frames,
            // Never grown, so that no copy of what was in it is left behind.
            out: Zeroizing::new(Vec::with_capacity(OUT_BYTES_MAX)),
            at: 0,
            written: 0,
            put: 0,
            unflushed: false,
            heard: Instant::now(),
            echoes: 1,
            echoing: false,
        }
    }

    /// Serves the connection to its end, and then tells all who wait.
    pub(super) async fn serve(mut self, mut questions: mpsc::Receiver<Outgoing>) {
        let why = self.converse(&mut questions).await;
        questions.close();
        while let Ok(left) = questions.try_recv() {
            let _ = left.tell.send(Heard::NotSent(why.clone()));
        }
        for waiting in self.waiting.into_values().flatten() {
            let sent = waiting.start < self.written;
            let heard = if sent { Heard::Gone(why.clone()) } else { Heard::NotSent(why.clone()) };
            let _ = waiting.tell.send(heard);
        }
    }

    /// Until there is a reason to end, which it returns.
    async fn converse(&mut self, questions: &mut mpsc::Receiver<Outgoing>) -> String {
        loop {
            let idle = self.heard + self.keeping.echo_every.unwrap_or(Duration::from_secs(3600));
            let wake = if self.echoing { idle + ECHO_WITHIN } else { idle };
            tokio::select! {
                biased;
                moved = poll_fn(|cx| self.poll_moved(cx)) => match moved {
                    Ok(Moved::In(0)) => return "the institution hung up".to_owned(),
                    Ok(Moved::In(length)) => {
                        self.frames.filled(length);
                        (self.heard, self.echoing) = (Instant::now(), false);
                        if let Err(why) = self.hear() {
                            return why;
                        }
                    }
                    Ok(Moved::Out(0)) => return "nothing can be written any more".to_owned(),
                    Ok(Moved::Out(length)) => self.wrote(length),
                    Ok(Moved::Away) => self.unflushed = false,
                    Err(error) => return error.to_string(),
                },
                question = questions.recv(), if self.out.len() + FRAME_BYTES_MAX <= OUT_BYTES_MAX => match question {
                    Some(question) => self.ask(question),
                    None => return "the channel was closed".to_owned(),
                },
                () = sleep_until(wake), if self.keeping.echo_every.is_some() => {
                    if self.echoing {
                        return format!("no answer to an echo within {ECHO_WITHIN:?}");
                    }
                    self.echoing = true;
                    self.echoes = self.echoes.wrapping_add(1);
                    if let Some(echo) = network(self.keeping.version, ECHO, self.echoes) {
                        self.put(&echo);
                    }
                }
            }
        }
    }

    /// The next bytes that come or go. That the institution has hung up is to be seen before anything is written.
    fn poll_moved(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Moved>> {
        let mut stream = Pin::new(&mut self.stream);
        let mut room = ReadBuf::new(self.frames.room());
        if let Poll::Ready(read) = stream.as_mut().poll_read(cx, &mut room) {
            return Poll::Ready(read.map(|()| Moved::In(room.filled().len())));
        }
        match self.out.get(self.at..).unwrap_or_default() {
            [] if self.unflushed => stream.poll_flush(cx).map_ok(|()| Moved::Away),
            [] => Poll::Pending,
            bytes => stream.poll_write(cx, bytes).map_ok(Moved::Out),
        }
    }

    fn wrote(&mut self, length: usize) {
        self.unflushed = true;
        self.at += length;
        self.written += length as u64;
        if self.at >= self.out.len() {
            if !self.waiting.is_empty() {
                reach(Failpoint::RequestSent);
            }
            self.out.zeroize();
            self.at = 0;
        }
    }

    /// Appends a frame if there is room, and says where it starts.
    fn put(&mut self, message: &Message) -> Option<u64> {
        let from = self.out.len();
        frame(&mut self.out, message)?;
        let start = self.put;
        self.put += (self.out.len() - from) as u64;
        Some(start)
    }

    fn ask(&mut self, Outgoing { question, tell }: Outgoing) {
        // Nobody waits for it any more; that it was never sent can only do good.
        if tell.is_closed() {
            return;
        }
        let tag = question.mti.answer().and_then(|mti| tag(mti, &question));
        let Some(tag) = tag else {
            let _ = tell.send(Heard::NotSent("it has no numbers to be answered by".to_owned()));
            return;
        };
        if self.waiting.len() >= IN_FLIGHT_MAX {
            self.waiting.retain(|_, waiting| waiting.iter().any(|one| !one.tell.is_closed()));
        }
        if self.waiting.len() >= IN_FLIGHT_MAX {
            let _ = tell.send(Heard::NotSent(format!("{IN_FLIGHT_MAX} requests are unanswered already")));
            return;
        }
        match self.put(&question) {
            Some(start) => self.waiting.entry(tag).or_default().push(Waiting { tell, start }),
            None => drop(tell.send(Heard::NotSent("the message is too long".to_owned()))),
        }
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// When it can't be read. What comes after it can't be relied on, so the connection ends.
    fn hear(&mut self) -> Result<(), String> {
        while let Some(message) = self.frames.next()? {
            let waiting = tag(message.mti, &message).and_then(|tag| self.waiting.remove(&tag));
            match (waiting, message.mti.class) {
                (Some(waiting), _) => {
                    // The same question may have been asked twice at once.
                    for one in waiting {
                        let _ = one.tell.send(Heard::Answer(message.clone()));
                    }
                }
                (None, Class::Network) => {
                    if let Some(answer) =
                        welcome(&message).filter(|_| self.out.len() + FRAME_BYTES_MAX <= OUT_BYTES_MAX)
                    {
                        self.put(&answer);
                    }
                }
                (None, _) => {
                    self.strays.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }
}

fn tag(mti: Mti, message: &Message) -> Option<Tag> {
    Some((mti, message.get(11)?.to_owned(), message.get(37)?.to_owned()))
}

/// A message about the connection itself.
pub(super) fn network(version: Version, [of_1987, of_1993]: [&str; 2], number: u32) -> Option<Message> {
    let mut message = Message::new(Mti::new(version, Class::Network, Function::Request));
    let at = TimeZone::UTC.to_datetime(jiff::Timestamp::now());
    message.set(7, at.strftime("%m%d%H%M%S").to_string()).ok()?;
    message.set(11, format!("{:06}", number % 999_999 + 1)).ok()?;
    match version {
        Version::Of1987 => message.set(70, of_1987).ok()?,
        Version::Of1993 => {
            message.set(12, at.strftime("%y%m%d%H%M%S").to_string()).ok()?;
            message.set(24, of_1993).ok()?;
        }
    }
    Some(message)
}

/// Whether a network message was taken.
pub(super) fn is_taken(answer: &Message) -> bool {
    matches!(answer.get(39), Some("00" | "000" | "800"))
}

/// The answer to the institution's own echo.
fn welcome(message: &Message) -> Option<Message> {
    let mut answer = Message::new(message.mti.answer()?);
    let (fields, taken): (&[u8], _) = match message.mti.version {
        Version::Of1987 => (&[7, 11, 70], "00"),
        Version::Of1993 => (&[7, 11, 12, 24], "800"),
    };
    for field in fields.iter().copied() {
        if let Some(value) = message.get(field) {
            answer.set(field, value).ok()?;
        }
    }
    answer.set(39, taken).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// Both ends of a connection, and its wire.
    async fn wired() -> (TcpStream, Wire) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stream = TcpStream::connect(&address).await.unwrap();
        let keeping = Keeping {
            trust: None,
            address,
            version: Version::Of1987,
            connect_within: ECHO_WITHIN,
            sign_on: false,
            echo_every: None,
        };
        let wire = Wire::new(Stream::Plain(stream), Frames::default(), Arc::new(keeping), Arc::default());
        (listener.accept().await.unwrap().0, wire)
    }

    fn question(number: usize) -> (Outgoing, oneshot::Receiver<Heard>) {
        let mut question = Message::new(Mti::new(Version::Of1987, Class::Financial, Function::Advice));
        question.set(11, "000001").unwrap();
        question.set(37, format!("{number:012}")).unwrap();
        let (tell, told) = oneshot::channel();
        (Outgoing { question, tell }, told)
    }

    #[tokio::test]
    async fn no_more_wait_than_may_and_who_gave_up_does_not_count() {
        let (_peer, mut wire) = wired().await;
        let mut waiting = Vec::new();
        for number in 0..IN_FLIGHT_MAX {
            let (outgoing, told) = question(number);
            wire.ask(outgoing);
            wire.wrote(wire.out.len());
            waiting.push(told);
        }
        assert!(waiting.iter_mut().all(|told| told.try_recv().is_err()));
        let (outgoing, mut told) = question(IN_FLIGHT_MAX);
        wire.ask(outgoing);
        assert!(matches!(told.try_recv(), Ok(Heard::NotSent(_))) && wire.out.is_empty());
        waiting.truncate(10);
        let (outgoing, mut told) = question(IN_FLIGHT_MAX);
        wire.ask(outgoing);
        assert!(told.try_recv().is_err() && !wire.out.is_empty() && wire.waiting.len() == 11);
    }

    #[tokio::test]
    async fn when_it_ends_everybody_is_told_whether_a_byte_of_theirs_was_written() {
        let (peer, mut wire) = wired().await;
        let ((one, told_one), (two, told_two), (three, told_three)) = (question(1), question(2), question(3));
        wire.ask(one);
        let first = wire.out.len();
        wire.ask(two);
        // A byte of the first, no more; the third is still in the queue.
        wire.wrote(1);
        assert!(first > 1);
        let (queue, questions) = mpsc::channel(1);
        assert!(queue.try_send(three).is_ok());
        drop(peer);
        // Known before anything else is written.
        let Stream::Plain(stream) = &wire.stream else { panic!("it is plain") };
        stream.readable().await.unwrap();
        wire.serve(questions).await;
        assert!(matches!(told_one.await, Ok(Heard::Gone(_))));
        assert!(matches!(told_two.await, Ok(Heard::NotSent(_))));
        assert!(matches!(told_three.await, Ok(Heard::NotSent(_))));
    }
}
