//! A connection that does not wait for ever: bytes read ahead, and clients that take or send nothing.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A connection whose first bytes are known and whose waits are limited.
pub(super) struct Guarded<S> {
    inner: S,
    ahead: [u8; PREFACE.len()],
    ahead_len: usize,
    ahead_taken: usize,
    write: Limit,
    /// Runs while nothing comes and nothing goes.
    idle: Limit,
}

/// A wait that ends with an error.
struct Limit {
    after: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Limit {
    fn new(after: Option<Duration>) -> Limit {
        Limit { after, sleep: None, armed: false }
    }

    /// Called when the other side makes us wait: ready once it has for too long.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(after) = self.after else { return false };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
        if !self.armed {
            sleep.as_mut().reset(Instant::now() + after);
            self.armed = true;
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    /// Reads so much that the protocol is known.
    ///
    /// # Errors
    /// When the connection ends before.
    pub(super) async fn open(
        mut inner: S,
        write: Duration,
        idle: Duration,
    ) -> io::Result<(Guarded<S>, Protocol)> {
        let (mut ahead, mut len) = ([0; PREFACE.len()], 0);
        let protocol = loop {
            if ahead[..len] != PREFACE[..len] {
                break Protocol::Http1;
            }
            if len == PREFACE.len() {
                break Protocol::Http2;
            }
            match inner.read(&mut ahead[len..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => len += n,
            }
        };
        let idle = (protocol == Protocol::Http2).then_some(idle);
        let guarded = Guarded {
            inner,
            ahead,
            ahead_len: len,
            ahead_taken: 0,
            write: Limit::new(Some(write)),
            idle: Limit::new(idle),
        };
        Ok((guarded, protocol))
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.write.armed = false;
            self.idle.armed = false;
        } else if self.write.poll_over(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        done
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ahead_taken < this.ahead_len {
            let rest = &this.ahead[this.ahead_taken..this.ahead_len];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            this.ahead_taken += taken;
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(done) => {
                this.idle.armed = false;
                Poll::Ready(done)
            }
            Poll::Pending if this.idle.poll_over(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_flush(cx);
        self.written(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_shutdown(cx);
        Poll::Ready(ready!(self.written(cx, done)))
    }
}
