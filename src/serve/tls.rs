//! What the listener shows of itself: its certificate, and that it speaks HTTP/2.

use std::sync::Arc;

use rustls::ServerConfig;

use super::config::Tls;
use crate::channel::tls;
use crate::error::Error;

/// Reads the files.
///
/// # Errors
/// What is wrong with which file.
pub(super) fn open(settings: &Tls) -> Result<Arc<ServerConfig>, Error> {
    let own = (settings.cert.as_path(), settings.key.as_path());
    let mut config = tls::server(own, settings.client_ca.as_deref())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
