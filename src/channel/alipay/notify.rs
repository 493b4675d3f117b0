//! What does Alipay tell by itself?

use std::borrow::Cow;

use super::AlipaySettings;
use super::answer::status;
use super::form::signed;
use crate::channel::{CallbackError, Reply};
use crate::pay::CallKey;

/// Fields of a notification; Alipay's have some thirty.
const FIELDS_MAX: usize = 128;

/// Reads a notification. One that is told again says the same again; its money is moved once, by the book.
///
/// # Errors
/// When it is not Alipay's, not for this application, or about no order of ours.
pub(super) fn read(settings: &AlipaySettings, body: &[u8]) -> Result<Reply, CallbackError> {
    let malformed = |why: &str| CallbackError::Malformed(why.to_owned());
    if !body.is_ascii() {
        return Err(malformed("it is not a form"));
    }
    let fields: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(body).take(FIELDS_MAX + 1).collect();
    if fields.len() > FIELDS_MAX {
        return Err(malformed("it has too many fields"));
    }
    // Of two fields of one name it would be open which is meant.
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(malformed("it says something twice"));
    }
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref());
    let sign = field("sign").ok_or(CallbackError::Forged)?;
    if field("sign_type").is_some_and(|kind| kind != "RSA2")
        || !settings.alipay.verifies(
            field("alipay_cert_sn"),
            signed(&fields, &["sign_type"]).as_bytes(),
            sign,
        )
    {
        return Err(CallbackError::Forged);
    }
    if field("app_id") != Some(settings.app_id.as_str()) {
        return Err(malformed("it is for another application"));
    }
    let key = field("out_trade_no")
        .and_then(CallKey::parse)
        .ok_or_else(|| malformed("it is about no order of ours"))?;
    let state = field("trade_status");
    // A refund's notification is about the paid order, too: what it gives back `alipay.trade.refund` has answered.
    let paid = field("gmt_payment").is_some_and(|at| !at.is_empty());
    let answer = status(state, field("total_amount"), paid);
    Ok(Reply {
        key: Some(key),
        code: state.map(str::to_owned),
        reference: field("trade_no").map(str::to_owned),
        ..Reply::new(answer)
    })
}
