//! Who takes connections? One listener, and what all of an institution's connections share.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Delivered, Kind, Ledger, Order, Script, card};
use crate::error::Error;

/// Most connections at a time; who comes after waits.
///
/// ```
/// assert_eq!(tollgate::institution::simulator::SIMULATOR_CONNECTIONS_MAX, 1_000);
/// ```
pub const SIMULATOR_CONNECTIONS_MAX: usize = 1_000;

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
}

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
        Ok(Institution { kind, listener, address, books: Arc::new(Books { script, ledger }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections, for ever.
    pub async fn serve(self) {
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
            let books = self.books.clone();
            match self.kind {
                Kind::Card => tokio::spawn(async move {
                    card::serve(stream, books).await;
                    drop(place);
                }),
            };
        }
    }
}
