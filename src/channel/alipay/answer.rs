//! What did Alipay say? Read only once it is proved to have said it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::AlipayKeys;
use super::codes::{DONE, NOT_THERE, REFUSED, WAITING, refusal};
use super::form::{Ask, order};
use crate::channel::{Reply, Request};
use crate::money::{Currency, Money};
use crate::pay::{Answer, DeclineGroup, Operation};

/// Bytes of a code that is kept; Alipay's have at most 64.
const CODE_BYTES_MAX: usize = 64;

/// An answer's object, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    code: String,
    sub_code: Option<String>,
    out_trade_no: Option<String>,
    out_request_no: Option<String>,
    trade_no: Option<String>,
    total_amount: Option<String>,
    qr_code: Option<String>,
    trade_status: Option<String>,
    send_pay_date: Option<String>,
    fund_change: Option<String>,
    refund_status: Option<String>,
    refund_amount: Option<String>,
    retry_flag: Option<String>,
}

/// The parts of an answer: the bytes that are signed, and the signature.
struct Parts<'a> {
    object: &'a RawValue,
    sign: Option<Cow<'a, str>>,
    /// By which certificate it is signed.
    certificate: Option<Cow<'a, str>>,
}

/// Why an answer tells nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Not Alipay's form.
    Garbled,
    /// Without a signature: what Alipay answers to those whom it does not know, and anybody else might. Its code.
    Unsigned(String),
    /// With a wrong one.
    Forged,
    /// By a certificate that is not known. What it is called.
    Stranger(String),
}

impl Unread {
    pub(super) fn code(self) -> String {
        match self {
            Unread::Garbled => "the answer can't be read".to_owned(),
            Unread::Unsigned(code) => format!("{code}, unsigned"),
            Unread::Forged => "the answer's signature is wrong".to_owned(),
            Unread::Stranger(name) => {
                format!("the answer is signed by certificate {name}, which is not among those of Alipay's")
            }
        }
    }
}

/// Reads the object of a name, and an error's where there is none; each once.
fn parts<'a>(body: &'a str, name: &str) -> Option<Parts<'a>> {
    struct Top<'n>(&'n str);

    impl<'de> Visitor<'de> for Top<'_> {
        type Value = Option<Parts<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an answer of Alipay's")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut object, mut sign): (Option<&RawValue>, Option<Text<'de>>) = (None, None);
            let mut certificate: Option<Text<'de>> = None;
            while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                if key == self.0 || key == "error_response" {
                    if object.replace(map.next_value()?).is_some() {
                        return Ok(None);
                    }
                } else if key == "sign" || key == "alipay_cert_sn" {
                    let place = if key == "sign" { &mut sign } else { &mut certificate };
                    if place.replace(map.next_value()?).is_some() {
                        return Ok(None);
                    }
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            let (sign, certificate) = (sign.map(|Text(sign)| sign), certificate.map(|Text(name)| name));
            Ok(object.map(|object| Parts { object, sign, certificate }))
        }
    }

    let mut reader = serde_json::Deserializer::from_str(body);
    let parts = reader.deserialize_map(Top(name)).ok()?;
    reader.end().ok()?;
    parts
}

/// A text, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads an answer.
///
/// # Errors
/// Why it tells nothing.
pub(super) fn read(body: &[u8], ask: Ask, keys: &AlipayKeys) -> Result<Said, Unread> {
    let body = std::str::from_utf8(body).map_err(|_| Unread::Garbled)?;
    let parts = parts(body, &ask.answered()).ok_or(Unread::Garbled)?;
    let said: Result<Said, _> = serde_json::from_str(parts.object.get());
    let named = parts.certificate.as_deref();
    match parts.sign {
        Some(_) if !keys.knows(named) => Err(Unread::Stranger(plain(named.unwrap_or_default()))),
        Some(sign) if !keys.verifies(named, parts.object.get().as_bytes(), &sign) => Err(Unread::Forged),
        Some(_) => said.map_err(|_| Unread::Garbled),
        None => Err(Unread::Unsigned(said.map_err(|_| Unread::Garbled)?.own_code())),
    }
}

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(CODE_BYTES_MAX).collect()
}

impl Said {
    /// The code that says most.
    fn own_code(&self) -> String {
        plain(self.sub_code.as_ref().unwrap_or(&self.code))
    }

    /// What ends an order that can't be paid any more, if anything has to. One that waits is closed, which fails should
    /// it be paid at this moment. A QR code that nobody has scanned is no order yet: it is called off.
    pub(super) fn end(&self) -> Option<Ask> {
        match (self.code.as_str(), self.trade_status.as_deref()) {
            (DONE, Some("WAIT_BUYER_PAY")) => Some(Ask::Close),
            _ if self.is_not_there() => Some(Ask::Cancel),
            _ => None,
        }
    }

    fn is_not_there(&self) -> bool {
        self.code == REFUSED && self.sub_code.as_deref() == Some(NOT_THERE)
    }

    /// What it comes to.
    pub(super) fn reply(self, ask: Ask, request: &Request) -> Reply {
        let is_order = request.call.operation == Operation::Authorize;
        // Nobody has scanned the code yet.
        let is_unseen = ask == Ask::Query && is_order && request.placed && self.is_not_there();
        // What moves money has to say of which order; an error, or a QR code, does not.
        let silent = matches!(ask, Ask::Precreate | Ask::Cancel | Ask::Close)
            || (ask == Ask::RefundQuery && self.refund_status.is_none());
        let named = self.code != DONE || silent;
        let ours = order(request).to_string();
        if self.out_trade_no.as_ref().map_or(!named, |number| *number != ours) {
            return Reply {
                code: Some("the answer is about another order".to_owned()),
                ..Reply::new(Answer::Unknown)
            };
        }
        let answer = match self.code.as_str() {
            DONE => self.done(ask, request),
            WAITING => Answer::Unknown,
            _ if is_unseen => Answer::Unknown,
            _ if ask == Ask::Query && self.is_not_there() => Answer::Absent,
            // Errors of a question, and of what brings an overdue order to its end, are not about the payment.
            _ if ask.is_question() || ask == Ask::Close || (ask == Ask::Cancel && is_order) => {
                Answer::Unknown
            }
            code => match refusal(code, self.sub_code.as_deref()) {
                // That a repetition is refused does not say what becomes of the first.
                Answer::Declined(_) if request.repetition > 0 && is_order => Answer::Unknown,
                answer => answer,
            },
        };
        let waits = is_unseen || [DONE, WAITING].contains(&self.code.as_str());
        let pending = answer == Answer::Unknown && waits;
        let code = Some(self.own_code());
        let pay_url = self.qr_code.filter(|_| ask == Ask::Precreate && self.code == DONE);
        Reply { code, reference: self.trade_no, pending, pay_url, ..Reply::new(answer) }
    }

    fn done(&self, ask: Ask, request: &Request) -> Answer {
        let asked = request.call.amount;
        match ask {
            Ask::Pay => approved(self.total_amount.as_deref()),
            Ask::Precreate => Answer::Unknown,
            Ask::Query if request.call.operation == Operation::Void => match self.trade_status.as_deref() {
                Some("TRADE_CLOSED") => Answer::Approved { amount: asked },
                Some("TRADE_FINISHED") => Answer::Declined(DeclineGroup::Hard),
                Some("WAIT_BUYER_PAY" | "TRADE_SUCCESS") => Answer::Absent,
                _ => Answer::Unknown,
            },
            Ask::Query => {
                let paid = self.send_pay_date.as_ref().is_some_and(|date| !date.is_empty());
                status(self.trade_status.as_deref(), self.total_amount.as_deref(), paid)
            }
            // Closed because nobody paid in time.
            Ask::Close => Answer::Declined(DeclineGroup::Soft),
            // Called off for that: had it been paid at this moment, the money went back.
            Ask::Cancel if request.call.operation == Operation::Authorize => match self.retry_flag.as_deref()
            {
                Some("N") => Answer::Declined(DeclineGroup::Soft),
                _ => Answer::Unknown,
            },
            Ask::Cancel => match self.retry_flag.as_deref() {
                Some("N") => Answer::Approved { amount: asked },
                Some("Y") => Answer::Absent,
                _ => Answer::Unknown,
            },
            // Its `refund_fee` is the sum of all refunds; the amount is ours, or it would have refused it.
            Ask::Refund if self.fund_change.as_deref() == Some("Y") => Answer::Approved { amount: asked },
            // Told before, or not told: a question says.
            Ask::Refund => Answer::Unknown,
            Ask::RefundQuery => match self.refund_status.as_deref() {
                _ if self.out_request_no.as_ref().is_some_and(|n| *n != request.call.key.to_string()) => {
                    Answer::Unknown
                }
                Some("REFUND_SUCCESS") => approved(self.refund_amount.as_deref()),
                // Not received, or failed: it wants to be sent again under the same number.
                None | Some("") => Answer::Absent,
                Some(_) => Answer::Unknown,
            },
        }
    }
}

/// How an order stands.
pub(super) fn status(status: Option<&str>, total: Option<&str>, paid: bool) -> Answer {
    match status {
        Some("TRADE_SUCCESS" | "TRADE_FINISHED") => approved(total),
        // Closed is what nobody paid, and what was paid and wholly given back.
        Some("TRADE_CLOSED") if paid => approved(total),
        Some("TRADE_CLOSED") => Answer::Declined(DeclineGroup::Soft),
        _ => Answer::Unknown,
    }
}

fn approved(yuan: Option<&str>) -> Answer {
    let amount = Currency::parse("CNY").and_then(|cny| Money::parse(yuan?, cny).ok());
    amount.map_or(Answer::Unknown, |amount| Answer::Approved { amount })
}
