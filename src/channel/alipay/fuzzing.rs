//! Alipay's part of the fuzz target.

use std::sync::LazyLock;

use super::AlipaySettings;
use super::answer::{Said, read};
use super::form::Ask;
use super::notify;
use crate::channel::Request;
use crate::channel::fuzzing::KEY;
use crate::pay::{Answer, Operation};
use crate::time::Span;

const ASKS: [Ask; 7] =
    [Ask::Pay, Ask::Precreate, Ask::Query, Ask::Close, Ask::Cancel, Ask::Refund, Ask::RefundQuery];

/// Takes the bytes for an answer as it comes, and for the object in one.
pub(in crate::channel) fn answer(bytes: &[u8], request: &Request) {
    let Some(key) = KEY.as_ref().map(|key| super::AlipayKeys::from(key.public())) else { return };
    for ask in ASKS {
        assert!(read(bytes, ask, &key).is_err(), "nobody signed it");
        let Ok(said) = serde_json::from_slice::<Said>(bytes) else { continue };
        let waits = said.end() == Some(Ask::Close);
        let reply = said.reply(ask, request);
        assert!(
            reply.sent
                && !(waits
                    && ask == Ask::Query
                    && request.call.operation == Operation::Authorize
                    && reply.answer != Answer::Unknown)
        );
    }
}

/// One party that plays both: what it is to believe is signed with its own key. Reading a key takes far longer than
/// reading a notification.
static SETTINGS: LazyLock<Option<AlipaySettings>> = LazyLock::new(|| {
    let key = KEY.as_ref()?;
    Some(AlipaySettings {
        name: String::new(),
        gateway: String::new(),
        app_id: "1".to_owned(),
        key: super::SigningKey::from_pem(&key.to_pem().ok()?).ok()?,
        alipay: key.public().into(),
        notify_url: None,
        pay_within: Span::from_secs(900),
        ca: None,
    })
});

/// Takes the bytes for a notification, as they come and signed.
pub(in crate::channel) fn notification(bytes: &[u8]) {
    let Some(settings) = SETTINGS.as_ref() else { return };
    assert!(notify::read(settings, bytes).is_err(), "nobody signed it");
    let mut fields: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    fields.retain(|(name, _)| name != "sign");
    fields.push(("app_id".to_owned(), "1".to_owned()));
    let signed = super::form::signed(&fields, &["sign_type"]);
    let Ok(sign) = settings.key.sign(signed.as_bytes()) else { return };
    fields.push(("sign".to_owned(), sign));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    drop(notify::read(settings, body.as_bytes()));
}
