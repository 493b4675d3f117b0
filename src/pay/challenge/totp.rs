//! The codes of an authenticator app: TOTP, RFC 6238.

use std::fmt;

use totp_rs::{Algorithm, Builder, Totp};

use crate::pay::error::Error;
use crate::time::Timestamp;

/// The hash of an authenticator. Many apps know the first alone, whatever they are told.
///
/// ```
/// assert_eq!(tollgate::pay::TotpHash::default(), tollgate::pay::TotpHash::Sha1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TotpHash {
    /// HMAC-SHA-1, which collisions of SHA-1 don't concern.
    #[default]
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// A payer's authenticator: steps of 30 seconds, one step early or late accepted (RFC 6238, section 5.2).
///
/// ```
/// use tollgate::{Timestamp, pay::{Authenticator, TotpHash}};
/// let app = Authenticator::new(b"12345678901234567890", TotpHash::Sha1, 8)?;
/// let at = Timestamp::parse("1970-01-01T00:00:59Z").unwrap(); // a vector of the RFC
/// let step = app.accepts("94287082", at, None).unwrap();
/// assert_eq!(app.accepts("94287082", at, Some(step)), None); // once
/// assert!(Authenticator::new(b"too short", TotpHash::Sha1, 6).is_err());
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
pub struct Authenticator(Totp);

impl Authenticator {
    /// From the secret that was shared with the app (16 bytes or more) and how many digits it shows (6 to 8).
    ///
    /// # Errors
    /// [`Error::BadAuthenticator`].
    pub fn new(secret: &[u8], hash: TotpHash, digits: u8) -> Result<Authenticator, Error> {
        let algorithm = match hash {
            TotpHash::Sha1 => Algorithm::SHA1,
            TotpHash::Sha256 => Algorithm::SHA256,
            TotpHash::Sha512 => Algorithm::SHA512,
        };
        let built = Builder::new()
            .with_algorithm(algorithm)
            .with_digits(digits)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(secret.to_vec())
            .build();
        built.map(Authenticator).map_err(|_| Error::BadAuthenticator)
    }

    /// The step whose code it is, compared in constant time; `None` when it is wrong, or not of a later step
    /// than `last`, the last that was accepted of this payer. Whoever asks keeps the step: a code is good once.
    pub fn accepts(&self, typed: &str, at: Timestamp, last: Option<u64>) -> Option<u64> {
        let seconds = u64::try_from(at.micros().div_euclid(1_000_000)).ok()?;
        self.0.check(typed, seconds).filter(|step| last.is_none_or(|last| *step > last))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
