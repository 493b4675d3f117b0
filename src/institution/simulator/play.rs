//! Who takes connections? One listener, and what all of an institution's connections share.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::wallet::{Wallet, WalletKeys};
use super::{Act, Asked, Delivered, Entry, Kind, Ledger, Order, Script, card, wallet};
use crate::channel::tls;
use crate::error::Error;
use crate::pay::CallKey;

/// Most connections at a time; who comes after waits.
///
/// ```
/// assert_eq!(tollgate::institution::simulator::SIMULATOR_CONNECTIONS_MAX, 1_000);
/// ```
pub const SIMULATOR_CONNECTIONS_MAX: usize = 1_000;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What an institution does by, and what it did.
pub(super) struct Books {
    script: Script,
    ledger: Ledger,
}

impl Books {
    /// Takes a request: [`Ledger::deliver`].
    pub(super) fn deliver(&self, order: &Order, payer: Option<&str>) -> Result<Delivered, Error> {
        self.ledger.deliver(order, payer, &self.script)
    }

    /// What the script says of a request, for those who count by themselves how often it came.
    pub(super) fn act(&self, asked: &Asked<'_>) -> Act {
        self.script.act(asked)
    }

    /// Does what is to be done, whatever the script says of it.
    pub(super) fn post(&self, order: &Order) -> Result<Delivered, Error> {
        self.ledger.deliver(order, None, &Script::default())
    }

    /// What is known under a key.
    pub(super) fn find(&self, key: CallKey) -> Option<Entry> {
        self.ledger.find(key)
    }
}

/// An institution that listens.
///
/// ```
/// use tollgate::institution::simulator::{Institution, Kind, Ledger, Script};
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// runtime.block_on(async {
///     let (script, ledger) = (Script::default(), Ledger::new(Kind::Card));
///     let institution = Institution::listen(Kind::Card, "127.0.0.1:0", script, ledger).await?;
///     assert_ne!(institution.address().port(), 0);
///     let task = tokio::spawn(institution.serve()); // until it is aborted
///     task.abort();
///     Ok::<(), tollgate::Error>(())
/// })?;
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Institution {
    kind: Kind,
    listener: TcpListener,
    address: SocketAddr,
    books: Arc<Books>,
    keys: Option<WalletKeys>,
    tls: Option<TlsAcceptor>,
    pay_after: Option<Duration>,
}

/// A connection, whatever it is made of.
pub(super) type Stream = Box<dyn Duplex>;

/// Bytes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Institution {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the address can't be listened at.
    pub async fn listen(
        kind: Kind,
        address: &str,
        script: Script,
        ledger: Ledger,
    ) -> Result<Institution, Error> {
        let listener = TcpListener::bind(address).await.map_err(|e| Error::io(address, e))?;
        let address = listener.local_addr().map_err(|e| Error::io(address, e))?;
        Ok(Institution {
            kind,
            listener,
            address,
            books: Arc::new(Books { script, ledger }),
            keys: None,
            tls: None,
            pay_after: None,
        })
    }

    /// With these keys, if it is a wallet; otherwise it makes some that nobody knows.
    #[must_use]
    pub fn keys(mut self, keys: WalletKeys) -> Institution {
        self.keys = Some(keys);
        self
    }

    /// Over TLS, with a certificate chain and its private key; clients have to have a certificate of `client_ca`, if
    /// that is named.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn tls(mut self, cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Institution, Error> {
        self.tls = Some(TlsAcceptor::from(Arc::new(tls::server((cert, key), client_ca)?)));
        Ok(self)
    }

    /// With payers who pay an order so long after it was placed; otherwise they wait until they are told to.
    #[must_use]
    pub fn pay_after(mut self, delay: Duration) -> Institution {
        self.pay_after = Some(delay);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections, for ever.
    pub async fn serve(self) {
        let keys = match self.keys.map_or_else(WalletKeys::generate, Ok) {
            Ok(keys) => keys,
            Err(error) => return eprintln!("error: {error}"),
        };
        let wallet = Arc::new(Wallet::new(self.kind, self.books.clone(), keys, self.pay_after));
        let room = Arc::new(Semaphore::new(SIMULATOR_CONNECTIONS_MAX));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                // A connection that broke before it was taken, or no descriptors left: neither is for ever.
                Err(_) => {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            };
            let (kind, tls) = (self.kind, self.tls.clone());
            let (books, wallet) = (self.books.clone(), wallet.clone());
            tokio::spawn(async move {
                let _place = place;
                let Some(stream) = opened(stream, tls).await else { return };
                match kind {
                    Kind::Card => card::serve(stream, books).await,
                    Kind::Alipay | Kind::Wechatpay => wallet::serve(stream, wallet).await,
                }
            });
        }
    }
}

/// A connection that is ready to be spoken over; `None` when the other side can't prove itself, or hangs up.
async fn opened(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Stream> {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Some(Box::new(stream)) };
    let accepted = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await;
    Some(Box::new(accepted.ok()?.ok()?))
}
