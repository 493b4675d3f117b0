//! WeChat Pay's part of the fuzz target.

use super::answer::read;
use super::ask::Ask;
use super::notify::{Notification, Seal};
use crate::channel::Request;
use crate::pay::{Answer, Operation};

const ASKS: [Ask; 7] =
    [Ask::Native, Ask::Code, Ask::Query, Ask::Close, Ask::Reverse, Ask::Refund, Ask::RefundQuery];
const STATUSES: [u16; 4] = [200, 204, 400, 500];

/// Takes the bytes for an answer whose signature has been checked.
pub(in crate::channel) fn answer(bytes: &[u8], request: &Request) {
    for (ask, status) in ASKS.into_iter().flat_map(|ask| STATUSES.map(|status| (ask, status))) {
        let Some(said) = read(bytes) else { return };
        let is_open = said.end().is_some();
        let reply = said.reply(status, ask, request, false);
        let asks = ask == Ask::Query && request.call.operation == Operation::Authorize && status == 200;
        assert!(reply.sent && !(asks && is_open && reply.answer != Answer::Unknown));
    }
}

/// Takes the bytes for a notification whose signature has been checked, and for its sealed part.
pub(in crate::channel) fn notification(bytes: &[u8]) {
    let Some(seal) = Seal::new(&[7; 32]) else { return };
    if let Ok(notification) = serde_json::from_slice::<Notification>(bytes) {
        assert!(notification.open(&seal).is_none(), "nobody sealed it");
    }
    if let Some(reply) = read(bytes).and_then(super::answer::Said::notified) {
        assert!(reply.key.is_some() && reply.sent);
    }
    let sealed = seal.close(bytes, "fdasflkja484", "beside");
    let opened = sealed.and_then(|sealed| seal.open(&sealed, "fdasflkja484", "beside"));
    assert_eq!(opened.as_ref().map(|plain| plain.as_slice()), Some(bytes));
}
