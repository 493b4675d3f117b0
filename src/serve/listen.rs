//! Where are payments taken? TCP and Unix sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::error::Error;

/// What an address of a Unix socket begins with.
const UNIX: &str = "unix:";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 4_096;

/// A socket that is listened on, before a runtime has it.
pub(super) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

/// The same, in a runtime.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that was accepted.
pub(super) enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Bound {
    /// Listens on `HOST:PORT` or `unix:PATH`. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When that can't be done.
    pub(super) fn open(address: &str) -> Result<Bound, Error> {
        let wrong = |e: io::Error| Error::new(format!("can't listen on it: {e}")).at(address);
        if let Some(path) = address.strip_prefix(UNIX) {
            let path = PathBuf::from(path);
            remove_dead(&path)?;
            let listener = std::os::unix::net::UnixListener::bind(&path).map_err(wrong)?;
            listener.set_nonblocking(true).map_err(wrong)?;
            return Ok(Bound::Unix(listener, path));
        }
        let mut found = std::net::ToSocketAddrs::to_socket_addrs(address).map_err(|_| {
            Error::new("no address; write HOST:PORT, such as 127.0.0.1:8731, or unix:PATH").at(address)
        })?;
        let address = found.next().ok_or_else(|| Error::new("the name has no address").at(address))?;
        let listener = tcp(address).map_err(wrong)?;
        Ok(Bound::Tcp(listener))
    }

    /// As it is written in logs, with the port that was given for port 0.
    pub(super) fn name(&self) -> String {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string()),
            Bound::Unix(_, path) => format!("{UNIX}{}", path.display()),
        }
    }

    /// Whether only this machine can reach it.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Bound::Tcp(listener) => listener.local_addr().is_ok_and(|a| a.ip().is_loopback()),
            Bound::Unix(..) => true,
        }
    }

    /// Hands it to the runtime of this thread.
    ///
    /// # Errors
    /// When the runtime can't have it.
    pub(super) fn into_listener(self) -> io::Result<Listener> {
        Ok(match self {
            Bound::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener, _) => Listener::Unix(UnixListener::from_std(listener)?),
        })
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    // The standard library's own listener has a backlog of 128, which a burst fills.
    let domain = if address.is_ipv6() { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn remove_dead(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(Error::new("it is a file and no socket; remove it or name another path").at(path));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(Error::new("another process listens on it; stop that or name another path").at(path)),
        Err(_) => std::fs::remove_file(path).map_err(|e| Error::io(path, e)),
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                // An answer is one write; waiting for more of it only delays it.
                let _ = socket.set_nodelay(true);
                Ok(Accepted::Tcp(socket, peer.ip()))
            }
            Listener::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}
