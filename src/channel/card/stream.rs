//! What is under the frames? TCP, or TLS over it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::channel::tls;
use crate::error::{Error, ErrorKind};

/// How an institution proves that it is the one that is meant, and we that we are its merchants' gateway.
///
/// ```
/// use tollgate::channel::card::{CardChannel, CardSettings, CardTls};
/// let tls = CardTls { name: Some("iso.acquirer.example".to_owned()), ..CardTls::default() };
/// let settings = CardSettings { tls: Some(tls), ..CardSettings::to("10.1.2.3:8583") };
/// assert!(CardChannel::new(settings).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardTls {
    /// The name in the institution's certificate; the address's host when absent.
    pub name: Option<String>,
    /// Authorities to trust instead of the machine's own, in PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its private key, in PEM, where the institution asks for them.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// The same, read.
#[derive(Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").field(&self.name).finish()
    }
}

impl Trust {
    /// # Errors
    /// What is wrong with a file or the name.
    pub(super) fn open(settings: &CardTls, address: &str) -> Result<Trust, Error> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = settings.name.as_deref().unwrap_or(host).trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            let why = format!("`{name}` is no name of a server; say which with `tls.name`");
            Error::new(why).of(ErrorKind::Rules)
        })?;
        let own = settings.own.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let config = tls::client(tls::roots(settings.ca.as_deref())?, own)?;
        Ok(Trust { config: Arc::new(config), name })
    }
}

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Makes one, and has the other side prove itself if it is to.
    pub(super) async fn connect(address: &str, trust: Option<&Trust>) -> io::Result<Stream> {
        let tcp = TcpStream::connect(address).await?;
        // Questions are small, and each is waited for.
        tcp.set_nodelay(true)?;
        let Some(Trust { config, name }) = trust else { return Ok(Stream::Plain(tcp)) };
        let connected = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await?;
        Ok(Stream::Tls(Box::new(connected)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
