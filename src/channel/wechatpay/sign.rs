//! Who says this, and when? `WECHATPAY2-SHA256-RSA2048`, on requests, answers and notifications alike.

use super::WechatPaySettings;
use crate::channel::{CallbackError, VerifyingKey};
use crate::error::Error;
use crate::time::{Span, Timestamp};

/// The scheme's name.
pub(crate) const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";
/// How far the time of a signature may be from ours.
pub(crate) const APART_MAX: Span = Span::from_secs(300);
/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// What of a request is signed.
pub(crate) fn of_request(method: &str, path: &str, timestamp: &str, nonce: &str, body: &str) -> String {
    format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n")
}

/// What of an answer or a notification is signed.
pub(crate) fn of_answer(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{timestamp}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    message
}

/// The `Authorization` of a request.
///
/// # Errors
/// When it can't be signed.
pub(super) fn authorization(
    settings: &WechatPaySettings,
    method: &str,
    path: &str,
    body: &str,
    now: Timestamp,
    nonce: &str,
) -> Result<String, Error> {
    let timestamp = now.micros().div_euclid(SECOND).to_string();
    let message = of_request(method, path, &timestamp, nonce, body);
    let signature = settings.key.sign(message.as_bytes())?;
    let (merchant, serial) = (&settings.merchant_id, &settings.key_serial);
    Ok(format!(
        "{SCHEME} mchid=\"{merchant}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
         timestamp=\"{timestamp}\",serial_no=\"{serial}\""
    ))
}

/// That an answer or a notification is WeChat Pay's, and of now.
///
/// # Errors
/// [`CallbackError::Forged`], [`CallbackError::Late`].
pub(super) fn verify<'a>(
    keys: &[(String, VerifyingKey)],
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), CallbackError> {
    let required = |name: &str| header(name).ok_or(CallbackError::Forged);
    let (timestamp, nonce) = (required("Wechatpay-Timestamp")?, required("Wechatpay-Nonce")?);
    let (serial, signature) = (required("Wechatpay-Serial")?, required("Wechatpay-Signature")?);
    let key = keys.iter().find(|(known, _)| known.eq_ignore_ascii_case(serial));
    if !key.is_some_and(|(_, key)| key.verifies(&of_answer(timestamp, nonce, body), signature)) {
        return Err(CallbackError::Forged);
    }
    let signed =
        timestamp.parse::<i64>().ok().and_then(|at| at.checked_mul(SECOND)).ok_or(CallbackError::Late)?;
    let apart = now.micros().checked_sub(signed).and_then(i64::checked_abs).ok_or(CallbackError::Late)?;
    if apart > APART_MAX.micros() { Err(CallbackError::Late) } else { Ok(()) }
}
