//! By which certificates do the two sides know one another? Each goes by a hash of its issuer and its number.

use std::path::Path;

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::x509::AttributeTypeAndValue;

use crate::channel::VerifyingKey;
use crate::error::Error;

/// Signatures by RSA (RFC 8017). Alipay's file of roots has those of other kinds, too; they are not named.
const RSA: &str = "1.2.840.113549.1.1.";
/// What the parts of an issuer's name are called.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("1.2.840.113549.1.9.1", "E"),
];

/// What Alipay's answers are known by.
///
/// ```
/// use tollgate::channel::{AlipayKeys, SigningKey};
/// let keys = AlipayKeys::from(SigningKey::generate()?.public());
/// assert!(matches!(keys, AlipayKeys::Key(_)));
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum AlipayKeys {
    /// Alipay's public key.
    Key(VerifyingKey),
    /// Alipay's certificates, and those that requests name.
    Certificates(AlipayCertificates),
}

/// The certificates of both sides, from the files that Alipay's open platform gives out.
///
/// ```no_run
/// use tollgate::channel::AlipayCertificates;
/// use std::path::Path;
/// let certificates = AlipayCertificates::open(
///     Path::new("appCertPublicKey.crt"),
///     Path::new("alipayRootCert.crt"),
///     &["alipayCertPublicKey_RSA2.crt"],
/// )?;
/// assert_eq!(certificates.app().len(), 32);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AlipayCertificates {
    app: String,
    app_key: VerifyingKey,
    root: String,
    alipay: Vec<(String, VerifyingKey)>,
}

impl From<VerifyingKey> for AlipayKeys {
    fn from(key: VerifyingKey) -> AlipayKeys {
        AlipayKeys::Key(key)
    }
}

impl AlipayKeys {
    /// Whether there is a key for what names this certificate, or none.
    pub(super) fn knows(&self, named: Option<&str>) -> bool {
        self.of(named).next().is_some()
    }

    /// Whether the signature is Alipay's, by the certificate that it names.
    pub(super) fn verifies(&self, named: Option<&str>, message: &[u8], signature: &str) -> bool {
        self.of(named).any(|key| key.verifies(message, signature))
    }

    fn of<'a>(&'a self, named: Option<&'a str>) -> impl Iterator<Item = &'a VerifyingKey> {
        let (one, all): (_, &[(String, VerifyingKey)]) = match self {
            AlipayKeys::Key(key) => (Some(key), &[]),
            AlipayKeys::Certificates(known) => (None, &known.alipay),
        };
        let named = all.iter().filter(move |(name, _)| named.is_none_or(|named| named == name));
        one.into_iter().chain(named.map(|(_, key)| key))
    }
}

impl AlipayCertificates {
    /// Reads the application's certificate, Alipay's roots, and Alipay's own certificates: several while one takes
    /// over from another.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(app: &Path, root: &Path, alipay: &[impl AsRef<Path>]) -> Result<AlipayCertificates, Error> {
        let (name, app_key) = own(app)?;
        if alipay.is_empty() {
            return Err(Error::new("there is no certificate of Alipay's to believe its answers by"));
        }
        let alipay = alipay.iter().map(|path| own(path.as_ref())).collect::<Result<_, _>>()?;
        Ok(AlipayCertificates { app: name, app_key, root: roots(root)?, alipay })
    }

    /// `app_cert_sn`: what requests call the application's certificate.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// `alipay_root_cert_sn`: what they call Alipay's roots.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// `alipay_cert_sn`: what Alipay may call its own.
    pub fn alipay(&self) -> impl Iterator<Item = &str> {
        self.alipay.iter().map(|(name, _)| name.as_str())
    }

    /// Whether the application's certificate is of this key.
    pub(super) fn is_of(&self, key: &VerifyingKey) -> bool {
        self.app_key == *key
    }
}

/// The first certificate of a file, with its key.
fn own(path: &Path) -> Result<(String, VerifyingKey), Error> {
    let read = |certificate: &X509Certificate<'_>| {
        let key = VerifyingKey::from_der(certificate.public_key().raw);
        key.map(|key| (name(certificate), key))
    };
    let first = each(path, read)?.into_iter().next().flatten();
    let (name, key) = first.ok_or_else(|| Error::new("its public key is none of RSA").at(path))?;
    Ok((name.map_err(|e| e.at(path))?, key))
}

/// What all roots of a file are called that RSA has signed.
fn roots(path: &Path) -> Result<String, Error> {
    let read = |certificate: &X509Certificate<'_>| {
        let signed = certificate.signature_algorithm.algorithm.to_id_string();
        signed.starts_with(RSA).then(|| name(certificate))
    };
    let names: Vec<String> =
        each(path, read)?.into_iter().flatten().collect::<Result<_, Error>>().map_err(|e| e.at(path))?;
    if names.is_empty() {
        return Err(Error::new("none of its certificates is signed by RSA").at(path));
    }
    Ok(names.join("_"))
}

/// What is read of each certificate of a file; there is at least one.
fn each<T>(path: &Path, read: impl Fn(&X509Certificate<'_>) -> T) -> Result<Vec<T>, Error> {
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let wrong = |why: String| Error::new(format!("no certificate in PEM: {why}")).at(path);
    let mut all = Vec::new();
    for pem in Pem::iter_from_buffer(&text) {
        let pem = pem.map_err(|e| wrong(e.to_string()))?;
        all.push(read(&pem.parse_x509().map_err(|e| wrong(e.to_string()))?));
    }
    match all.is_empty() {
        true => Err(wrong("it begins with BEGIN CERTIFICATE".to_owned())),
        false => Ok(all),
    }
}

/// A certificate's name: the MD5 of its issuer, the last part first, and its number in decimal digits.
fn name(certificate: &X509Certificate<'_>) -> Result<String, Error> {
    let mut parts = certificate.issuer().iter_attributes().map(part).collect::<Result<Vec<_>, _>>()?;
    parts.reverse();
    let text = format!("{}{}", parts.join(","), certificate.tbs_certificate.serial);
    Ok(HEXLOWER.encode(&Md5::digest(text)))
}

fn part(attribute: &AttributeTypeAndValue<'_>) -> Result<String, Error> {
    let kind = attribute.attr_type().to_id_string();
    let known = NAMES.iter().find(|(id, _)| *id == kind);
    let (_, name) = known.ok_or_else(|| Error::new(format!("its issuer has a part of kind {kind}")))?;
    let value = attribute.as_str().map_err(|_| Error::new(format!("its issuer's {name} is no text")))?;
    Ok(format!("{name}={value}"))
}
