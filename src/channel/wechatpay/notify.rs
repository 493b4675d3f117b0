//! What does WeChat Pay tell by itself? Its part that matters is sealed by AES-256-GCM.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::answer::{Said, read};
use super::sign::verify;
use super::{WechatPay, WechatPaySettings};
use crate::channel::{Callback, CallbackError, Reply};

/// How the sealed part is sealed; there is no other way.
pub(crate) const ALGORITHM: &str = "AEAD_AES_256_GCM";

#[derive(Deserialize)]
pub(super) struct Notification {
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    ciphertext: String,
    #[serde(default)]
    associated_data: String,
    nonce: String,
}

impl Notification {
    /// Opens the sealed part; `None` when it was sealed in another way, with another key, or changed.
    pub(super) fn open(&self, seal: &Seal) -> Option<Zeroizing<Vec<u8>>> {
        let Resource { algorithm, ciphertext, associated_data, nonce } = &self.resource;
        if algorithm == ALGORITHM { seal.open(ciphertext, nonce, associated_data) } else { None }
    }
}

/// The key that notifications are sealed with. It is wiped when dropped, by the library that keeps it.
pub(crate) struct Seal(LessSafeKey);

impl Seal {
    /// From the 32 bytes of an APIv3 key; `None` when they are not.
    pub(crate) fn new(key: &[u8]) -> Option<Seal> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Seal(LessSafeKey::new(key)))
    }

    /// Opens what was sealed; `None` when it was not sealed with this key, or was changed.
    pub(crate) fn open(&self, sealed: &str, nonce: &str, beside: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(STANDARD.decode(sealed).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::from(beside.as_bytes()), &mut bytes).ok()?.len();
        bytes.truncate(plain);
        Some(bytes)
    }

    /// Seals, as WeChat Pay does: for simulators.
    pub(crate) fn close(&self, plain: &[u8], nonce: &str, beside: &str) -> Option<String> {
        let mut bytes = Zeroizing::new(plain.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
        self.0.seal_in_place_append_tag(nonce, Aad::from(beside.as_bytes()), &mut *bytes).ok()?;
        Some(STANDARD.encode(&*bytes))
    }
}

/// Reads a notification. Told again within its five minutes it says the same again; money is moved once, by the book.
///
/// # Errors
/// When it is not WeChat Pay's, not of now, not for this merchant, or about no order of ours.
pub(super) fn open(channel: &WechatPay, callback: &Callback<'_>) -> Result<Reply, CallbackError> {
    let malformed = |why: &str| CallbackError::Malformed(why.to_owned());
    let settings = &channel.settings;
    verify(&settings.wechat_keys, |name| callback.header(name), callback.body, callback.now)?;
    let notification = serde_json::from_slice::<Notification>(callback.body);
    let notification = notification.map_err(|_| malformed("it is no notification"))?;
    let plain =
        notification.open(&channel.seal).ok_or_else(|| malformed("it is sealed otherwise than agreed"))?;
    let said = read(&plain).ok_or_else(|| malformed("its sealed part is no object"))?;
    if !is_for(&said, settings) {
        return Err(malformed("it is for another merchant"));
    }
    said.notified().ok_or_else(|| malformed("it is about no order of ours"))
}

fn is_for(said: &Said, settings: &WechatPaySettings) -> bool {
    said.mchid.as_ref() == Some(&settings.merchant_id)
        && said.appid.as_ref().is_none_or(|app| *app == settings.app_id)
}
