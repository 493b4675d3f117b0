//! Who is trusted over TLS, and who do we say we are? TLS 1.2 and 1.3.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::error::Error;

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Files of a certificate chain and its private key, in PEM.
pub(crate) type Identity<'a> = (&'a Path, &'a Path);

/// The authorities of a file, else the machine's own.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn roots(ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => {
            // What can't be read is nobody to trust: then the first connection says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| Error::new(e.to_string()).at(path))?;
            }
        }
    }
    Ok(roots)
}

/// For who connects.
///
/// # Errors
/// What is wrong with which file.
pub(crate) fn client(roots: RootCertStore, own: Option<Identity<'_>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(|e| Error::new(e.to_string()))?
        .with_root_certificates(roots);
    match own {
        None => Ok(config.with_no_client_auth()),
        Some((cert, key)) => {
            config.with_client_auth_cert(certificates(cert)?, private(key)?).map_err(|e| apart(&e, cert))
        }
    }
}

/// For who is connected to; `client_ca` are the authorities whose certificates clients have to have.
///
/// # Errors
/// What is wrong with which file.
pub(crate) fn server((cert, key): Identity<'_>, client_ca: Option<&Path>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)
        .map_err(|e| Error::new(e.to_string()))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(Some(path))?), provider)
                    .build()
                    .map_err(|e| Error::new(e.to_string()).at(path))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(certificates(cert)?, private(key)?).map_err(|e| apart(&e, cert))
}

fn apart(error: &rustls::Error, cert: &Path) -> Error {
    Error::new(format!("certificate and key don't go together: {error}")).at(cert)
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| Error::new(format!("no private key in PEM: {e}")).at(path))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |e: rustls::pki_types::pem::Error| Error::new(format!("no certificate in PEM: {e}")).at(path);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect();
    match found.map_err(wrong)? {
        none if none.is_empty() => Err(Error::new("no certificate in PEM").at(path)),
        found => Ok(found),
    }
}
