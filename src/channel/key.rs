//! Who signed this? RSA-SHA256 (PKCS #1 v1.5) with keys that are read from PEM files.

use std::fmt;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;

/// Characters of a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// A private RSA key of 2048 to 8192 bits. `Debug` shows nothing of it, and it is wiped when dropped.
///
/// ```
/// use tollgate::channel::SigningKey;
/// let key = SigningKey::generate()?;
/// let signature = key.sign(b"a=1&b=2")?;
/// assert!(key.public().verifies(b"a=1&b=2", &signature));
/// assert!(!key.public().verifies(b"a=1&b=3", &signature));
/// assert_eq!(format!("{key:?}"), "SigningKey");
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// A new key of 2048 bits, for simulators and tests.
    ///
    /// # Errors
    /// When the machine has no random numbers.
    pub fn generate() -> Result<SigningKey, Error> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048);
        key.map(SigningKey).map_err(|_| Error::new("no RSA key could be made"))
    }

    /// Reads `BEGIN PRIVATE KEY` (PKCS #8) or `BEGIN RSA PRIVATE KEY` (PKCS #1).
    ///
    /// # Errors
    /// What it is instead. Nothing of the text is shown.
    pub fn from_pem(pem: &str) -> Result<SigningKey, Error> {
        let wrong = || Error::new("no private RSA key in PEM; openssl genpkey -algorithm RSA makes one");
        let mut key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong()),
        };
        key.zeroize();
        pair.map(SigningKey).map_err(|e| Error::new(format!("the RSA key is not usable: {e}")))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`], with the file's name.
    pub fn open(path: &Path) -> Result<SigningKey, Error> {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?);
        SigningKey::from_pem(&text).map_err(|e| e.at(path))
    }

    /// The key as `BEGIN PRIVATE KEY`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, Error> {
        let der =
            AsDer::<Pkcs8V1Der<'_>>::as_der(&self.0).map_err(|_| Error::new("the key can't be written"))?;
        Ok(Zeroizing::new(pem("PRIVATE KEY", der.as_ref())))
    }

    /// Signs; the signature in base64.
    ///
    /// # Errors
    /// When the machine has no random numbers, with which the computation is blinded.
    pub fn sign(&self, message: &[u8]) -> Result<String, Error> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| Error::new("the message could not be signed"))?;
        Ok(STANDARD.encode(signature))
    }

    /// What others check its signatures with.
    pub fn public(&self) -> VerifyingKey {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key());
        VerifyingKey::of(der.as_ref().map_or(&[], |der| der.as_ref()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A public RSA key of 2048 to 8192 bits.
///
/// ```
/// use tollgate::channel::{SigningKey, VerifyingKey};
/// let public = SigningKey::generate()?.public();
/// assert!(VerifyingKey::from_pem(&public.to_pem()).is_ok());
/// assert!(VerifyingKey::from_pem("MIIBIjANBgkqhkiG9w0B").is_err());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    der: Box<[u8]>,
    /// `None` verifies nothing.
    key: Option<std::sync::Arc<ParsedPublicKey>>,
}

impl VerifyingKey {
    fn of(der: &[u8]) -> VerifyingKey {
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok();
        VerifyingKey { der: der.into(), key: key.map(std::sync::Arc::new) }
    }

    /// The key of a certificate; `None` when it is none of RSA.
    pub(super) fn from_der(der: &[u8]) -> Option<VerifyingKey> {
        Some(VerifyingKey::of(der)).filter(|key| key.key.is_some())
    }

    /// Reads `BEGIN PUBLIC KEY`.
    ///
    /// # Errors
    /// When it is none, or none of RSA.
    pub fn from_pem(pem: &str) -> Result<VerifyingKey, Error> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| Error::new(format!("no public key in PEM: {e}; it begins with BEGIN PUBLIC KEY")))?;
        VerifyingKey::from_der(der.as_ref()).ok_or_else(|| Error::new("the public key is none of RSA"))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_pem`], with the file's name.
    pub fn open(path: &Path) -> Result<VerifyingKey, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        VerifyingKey::from_pem(&text).map_err(|e| e.at(path))
    }

    /// The key as `BEGIN PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// Whether the signature (in base64) is this key's of the message.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        self.key.as_ref().is_some_and(|key| key.verify_sig(message, &signature).is_ok())
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &VerifyingKey) -> bool {
        self.der == other.der
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey")
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = String::with_capacity(text.len() + text.len() / PEM_LINE + 64);
    pem.push_str(&format!("-----BEGIN {what}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {what}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_pem() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
        let signature = again.sign(b"words").unwrap();
        assert_eq!(signature, key.sign(b"words").unwrap(), "PKCS #1 v1.5 has no chance in it");
        let public = VerifyingKey::from_pem(&key.public().to_pem()).unwrap();
        assert!(public.verifies(b"words", &signature));
        assert!(!public.verifies(b"word", &signature));
        assert!(!public.verifies(b"words", ""));
        assert!(!public.verifies(b"words", "?"));
        assert!(!public.verifies(b"words", &signature.to_lowercase()));
        assert!(!SigningKey::generate().unwrap().public().verifies(b"words", &signature));
    }

    #[test]
    fn what_is_no_key_is_not_shown() {
        for pem in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"] {
            let error = SigningKey::from_pem(pem).unwrap_err().to_string();
            assert!(!error.contains("c2VjcmV0") && !error.contains("secret"), "{error}");
            assert!(VerifyingKey::from_pem(pem).is_err());
        }
    }
}
