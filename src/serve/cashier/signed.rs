//! Is the request the merchant's, whole and new? Its signature, its time and its nonce say so.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use hyper::http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::serve::log;
use crate::serve::problem::{Kind, Problem};

/// How far a request's time may be from ours, either way.
const CLOCK_SKEW: Duration = Duration::from_secs(300);
/// Most nonces that are remembered; past it signed requests are refused until some are old enough.
const NONCES_MAX: usize = 1_000_000;
/// Most bytes of a nonce.
const NONCE_BYTES_MAX: usize = 128;

const TIMESTAMP: &str = "x-signature-timestamp";
const NONCE: &str = "x-signature-nonce";
const SIGNATURE: &str = "x-signature";

/// Nonces that have been seen, by caller, until their time is over.
pub(super) struct Nonces {
    seen: DashMap<[u8; 32], Instant>,
    max: usize,
}

impl Default for Nonces {
    fn default() -> Nonces {
        Nonces { seen: DashMap::new(), max: NONCES_MAX }
    }
}

impl Nonces {
    /// Whether it is new; it is remembered then.
    fn is_new(&self, key: u16, nonce: &str, now: Instant) -> Result<bool, Problem> {
        let name: [u8; 32] =
            Sha256::new().chain_update(key.to_le_bytes()).chain_update(nonce).finalize().into();
        if self.seen.len() >= self.max {
            self.seen.retain(|_, until| *until > now);
        }
        if self.seen.len() >= self.max {
            return Err(Problem::new(Kind::Shed, "too many signed requests at once").retry_after(1));
        }
        // A request is good for as long as its time may be off, either way.
        let until = now + 2 * CLOCK_SKEW;
        Ok(self.seen.insert(name, until).is_none_or(|until| until <= now))
    }
}

/// What is signed: method, path with query, time, nonce and the body's SHA-256, a line each.
fn text(method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(body));
    format!("{method}\n{path}\n{timestamp}\n{nonce}\n{digest}")
}

/// Checks a request of a caller who signs.
///
/// # Errors
/// What is wrong with the signature.
pub(super) fn check(
    (key, secret): (u16, &[u8]),
    head: &Parts,
    body: &[u8],
    nonces: &Nonces,
) -> Result<(), Problem> {
    let wrong = |detail: &str, code| {
        Problem::new(Kind::NoKey, detail).code(code).remedy("docs/payments.md says how requests are signed")
    };
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|v| v.to_str().ok());
        value.ok_or_else(|| wrong(&format!("the request has no `{name}`"), "unsigned"))
    };
    let (timestamp, nonce, shown) = (header(TIMESTAMP)?, header(NONCE)?, header(SIGNATURE)?);
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    // An HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| wrong("no secret", "unsigned"))?;
    mac.update(text(head.method.as_str(), path, timestamp, nonce, body).as_bytes());
    let expected = HEXLOWER.encode(&mac.finalize().into_bytes());
    if !bool::from(expected.as_bytes().ct_eq(shown.trim().to_ascii_lowercase().as_bytes())) {
        return Err(wrong("the signature is wrong", "bad_signature"));
    }
    // What follows is only told to whoever has the secret.
    let seconds: i64 =
        timestamp.parse().map_err(|_| wrong("the time is no number of seconds", "bad_time"))?;
    let now = log::now().micros() / 1_000_000;
    if now.abs_diff(seconds) > CLOCK_SKEW.as_secs() {
        return Err(wrong(
            "it was signed at another time than now: more than five minutes off",
            "clock_skew",
        ));
    }
    if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
        return Err(wrong("a nonce has 1 to 128 characters", "bad_nonce"));
    }
    match nonces.is_new(key, nonce, Instant::now())? {
        true => Ok(()),
        false => Err(wrong("the nonce was used before", "replayed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_once_and_their_number_has_a_limit() {
        let nonces = Nonces { seen: DashMap::new(), max: 2 };
        let now = Instant::now();
        assert!(nonces.is_new(1, "a", now).unwrap());
        assert!(!nonces.is_new(1, "a", now).unwrap());
        assert!(nonces.is_new(2, "a", now).unwrap(), "another caller's");
        assert_eq!(nonces.is_new(1, "b", now).unwrap_err().kind, Kind::Shed);
        let later = now + 2 * CLOCK_SKEW + Duration::from_secs(1);
        assert!(nonces.is_new(1, "a", later).unwrap());
    }

    #[test]
    fn what_is_signed_is_written_down() {
        let text = text("POST", "/v1/orders?x=1", "1764223200", "n1", b"{}");
        assert_eq!(
            text,
            "POST\n/v1/orders?x=1\n1764223200\nn1\n44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }
}
