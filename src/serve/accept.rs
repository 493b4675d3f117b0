//! Who may connect, how many at a time, and how long each may take?

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Duration, timeout};

use super::app::{App, Caller, Door};
use super::http;
use super::listen::{Accepted, Listener};
use super::log::{self, Level};
use super::spop;
use super::stream::{Guarded, Protocol};

/// Connections of the admin listener at one time.
pub(super) const ADMIN_CONNECTIONS_MAX: usize = 64;
/// How long accepting pauses when the machine has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);
/// Bytes that one HTTP/2 connection may have us hold for a stream, and for all.
const WINDOWS: (u32, u32) = (128 << 10, 1 << 20);

/// The places for connections of one listener or more.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    size: usize,
    open: Arc<AtomicUsize>,
    handshakes: Arc<Semaphore>,
    peers: Arc<DashMap<IpAddr, usize>>,
    per_peer: usize,
}

impl Places {
    pub(super) fn new(all: usize, per_peer: usize, handshakes: usize) -> Places {
        let all = all.clamp(1, u32::MAX as usize >> 4);
        Places {
            all: Arc::new(Semaphore::new(all)),
            size: all,
            open: Arc::default(),
            handshakes: Arc::new(Semaphore::new(handshakes.max(1))),
            peers: Arc::default(),
            per_peer,
        }
    }

    /// How many connections are open.
    pub(super) fn taken(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A connection's place, given back when dropped.
    fn of_connection(&self, permit: OwnedSemaphorePermit) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { open: self.open.clone(), _permit: permit }
    }

    /// Waits until none is taken any more.
    pub(super) async fn empty(&self) {
        // The places are never closed, so waiting can't fail.
        let _ = self.all.acquire_many(self.size as u32).await;
    }

    /// A place for a peer, given back when dropped; `None` when it has enough.
    fn of_peer(&self, peer: IpAddr) -> Option<PeerPlace> {
        let mut taken = self.peers.entry(peer).or_insert(0);
        if *taken >= self.per_peer {
            return None;
        }
        *taken += 1;
        Some(PeerPlace { peer, peers: self.peers.clone() })
    }
}

struct Place {
    open: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

struct PeerPlace {
    peer: IpAddr,
    peers: Arc<DashMap<IpAddr, usize>>,
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        self.peers.remove_if_mut(&self.peer, |_, taken| {
            *taken = taken.saturating_sub(1);
            *taken == 0
        });
    }
}

/// One listener and what belongs to it.
pub(super) struct Entrance {
    pub(super) app: Arc<App>,
    pub(super) listener: Listener,
    pub(super) door: Door,
    pub(super) places: Places,
    /// Turns true when no more connections are to be accepted.
    pub(super) stop: watch::Receiver<bool>,
}

/// Accepts until told to stop.
pub(super) async fn accept(entrance: Entrance) {
    let Entrance { app, listener, door, places, mut stop } = entrance;
    loop {
        // At the limit nothing is accepted: who comes waits in the backlog.
        let place = tokio::select! {
            place = places.all.clone().acquire_owned() => place,
            () = stopped(&mut stop) => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let (Ok(place), Ok(accepted)) = (place, accepted) else {
            app.metrics.connections.accept_errors.add(1);
            log::event(Level::Warn, "accept", &[("detail", "no room for another connection".into())]);
            tokio::time::sleep(NO_ROOM).await;
            continue;
        };
        app.metrics.connections.accepted.add(1);
        let place = places.of_connection(place);
        let connection =
            Connection { app: app.clone(), door, places: places.clone(), place, stop: stop.clone() };
        tokio::spawn(connection.serve(accepted));
    }
}

/// Returns when no more connections are to be accepted.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone wants nothing any more either.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves a connection to its end, which is after the request in hand once no more are to be accepted.
async fn until_stopped<C>(connection: C, stop: &mut watch::Receiver<bool>) -> Result<(), C::Error>
where
    C: GracefulConnection,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = &mut connection => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

struct Connection {
    app: Arc<App>,
    door: Door,
    places: Places,
    /// Held for as long as the connection is.
    place: Place,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(self, accepted: Accepted) {
        match accepted {
            Accepted::Unix(socket) => self.speak(socket).await,
            Accepted::Tcp(socket, peer) => {
                let Some(_peer_place) = self.places.of_peer(peer) else {
                    self.app.metrics.connections.refused.add(1);
                    return;
                };
                let tls =
                    self.app.tls.as_ref().filter(|_| self.door != Door::Admin).map(|tls| tls.load_full());
                let Some(tls) = tls else { return self.speak(socket).await };
                let wait = self.app.config.timeouts.handshake.0;
                let shaken = async {
                    let _turn = self.places.handshakes.acquire().await.ok()?;
                    timeout(wait, tokio_rustls::TlsAcceptor::from(tls).accept(socket)).await.ok()?.ok()
                };
                match shaken.await {
                    Some(stream) => self.speak(stream).await,
                    None => self.app.metrics.connections.handshake_errors.add(1),
                }
            }
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: S) {
        if self.door == Door::Spop {
            return spop::serve(self.app, stream, self.stop).await;
        }
        let timeouts = &self.app.config.timeouts;
        let opening = Guarded::open(stream, timeouts.write.0, timeouts.idle.0);
        let Ok(Ok((stream, protocol))) = timeout(timeouts.header.0, opening).await else {
            self.app.metrics.connections.timeouts.add(1);
            return;
        };
        let (app, door) = (self.app.clone(), self.door);
        let service = service_fn(move |request| {
            let (app, caller) = (app.clone(), Caller { door });
            async move { Ok::<_, Infallible>(http::answer(app, caller, request).await) }
        });
        let limits = &self.app.config.limits;
        let stream = TokioIo::new(stream);
        let ended = match protocol {
            Protocol::Http1 => {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(timeouts.header.0)
                    .max_headers(limits.headers)
                    .max_header_size(limits.header_bytes)
                    .half_close(false);
                until_stopped(builder.serve_connection(stream, service), &mut self.stop).await
            }
            Protocol::Http2 => {
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(limits.streams)
                    .max_pending_accept_reset_streams(limits.resets)
                    .max_local_error_reset_streams(limits.resets)
                    .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                    .initial_stream_window_size(WINDOWS.0)
                    .initial_connection_window_size(WINDOWS.1);
                until_stopped(builder.serve_connection(stream, service), &mut self.stop).await
            }
        };
        match ended {
            Ok(()) => {}
            Err(e) if e.is_timeout() => self.app.metrics.connections.timeouts.add(1),
            Err(_) => self.app.metrics.connections.broken.add(1),
        }
        drop(self.place);
    }
}
