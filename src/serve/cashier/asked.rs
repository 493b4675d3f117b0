//! What is asked for? The bodies of requests, read strictly; no message repeats what was sent.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::merchants::money;
use super::stepup::Proof;
use crate::channel::Instrument;
use crate::money::{Currency, Money};
use crate::pay::{DisputeKind, FraudType, Method, Scheme, ThreeDs, TransStatus};
use crate::serve::problem::{Kind, Problem};
use crate::token::contains_pan;

/// Digits of a phone number, country code included.
const PHONE_DIGITS_MIN: usize = 7;
const PHONE_DIGITS_MAX: usize = 15;

/// An order to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBody {
    pub(super) id: String,
    amount: String,
    /// The currency that the merchant gets its money in.
    settlement: Option<String>,
}

/// A payment to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayBody {
    pub(super) order: String,
    #[serde(default = "first")]
    pub(super) attempt: u32,
    method: String,
    card: Option<Card>,
    /// What a wallet shows to be read by the merchant.
    code: Option<String>,
    /// Where a one-time code is sent, should one be needed.
    phone: Option<String>,
    /// What came of 3-D Secure, when the merchant asked before it came here.
    three_ds: Option<ThreeDsBody>,
    /// What is known of the payment, as `/v1/score` takes it.
    facts: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    number: String,
    expiry: String,
    cvv: Option<String>,
}

fn first() -> u32 {
    1
}

/// A capture; of all when it names no amount.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureBody {
    amount: Option<String>,
}

/// A refund; of all that is left when it names no amount.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundBody {
    pub(super) id: String,
    amount: Option<String>,
}

/// An answer to a challenge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeBody {
    code: Option<String>,
    three_ds: Option<ThreeDsBody>,
    #[serde(default)]
    resend: bool,
}

/// What the merchant's 3-D Secure server came to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThreeDsBody {
    /// `messageVersion`.
    version: String,
    /// `transStatus`.
    trans_status: String,
    eci: Option<String>,
    /// `authenticationValue`.
    #[serde(alias = "authentication_value")]
    cavv: Option<String>,
    /// `dsTransID`.
    ds_trans_id: Option<String>,
}

impl ThreeDsBody {
    fn result(&self) -> Result<Box<ThreeDs>, Problem> {
        let docs = "docs/payments.md has the shape of each trans_status";
        let status = TransStatus::ALL.iter().copied().find(|s| s.name() == self.trans_status);
        let unknown = || refused("bad_three_ds", "`trans_status` is one of Y, A, N, U, R, C").remedy(docs);
        let id = self.ds_trans_id.as_ref().map(|id| id.to_ascii_lowercase());
        let (eci, cavv) = (self.eci.as_deref(), self.cavv.as_deref());
        let found = ThreeDs::new(status.ok_or_else(unknown)?, &self.version, eci, cavv, id.as_deref());
        found.map(Box::new).map_err(|e| refused(e.code(), e.to_string()).remedy(docs))
    }
}

/// Somebody has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Approve,
    Decline,
    /// It was fraud: the money goes back.
    RefundAndReport,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewBody {
    pub(super) decision: Verdict,
}

/// What became of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Turn {
    Opened,
    Won,
    Lost,
    /// The issuer reports fraud; there is no dispute, or not yet.
    Reported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisputeBody {
    pub(super) id: String,
    pub(super) event: Turn,
    amount: Option<String>,
    /// `fraud`, `authorization`, `processing` or `consumer`; or the scheme's own code.
    kind: Option<String>,
    reason: Option<ReasonBody>,
    /// What kind of fraud is reported.
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    scheme: String,
    code: String,
}

/// Somebody has found out what became of what an institution has not answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveBody {
    pub(super) took_effect: bool,
    pub(super) operator: String,
}

/// Reads a body; an empty one is an object without anything in it.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        // The reader's own message may repeat what was sent; the names of fields are ours.
        let what = match e.to_string() {
            said if said.starts_with("missing field") || said.starts_with("unknown field") => {
                said.split(" at line").next().unwrap_or_default().to_owned()
            }
            _ => "it is not the JSON that is expected here".to_owned(),
        };
        Problem::new(Kind::BadRequest, format!("{what} ({place})"))
            .remedy("docs/payments.md shows what to send")
    })
}

fn refused(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(Kind::PaymentRefused, detail).code(code)
}

fn amount(text: &str) -> Result<Money, Problem> {
    money(text).map_err(|why| refused("bad_amount", format!("`amount`: {why}")))
}

impl OrderBody {
    pub(super) fn amount(&self) -> Result<Money, Problem> {
        amount(&self.amount)
    }

    /// The currency that the merchant gets its money in, if it says so.
    pub(super) fn settlement(&self) -> Result<Option<Currency>, Problem> {
        let unknown = || refused("bad_currency", "`settlement` is no ISO 4217 code with a minor unit");
        self.settlement.as_deref().map(|code| Currency::parse(code).ok_or_else(unknown)).transpose()
    }
}

impl CaptureBody {
    pub(super) fn amount(&self) -> Result<Option<Money>, Problem> {
        self.amount.as_deref().map(amount).transpose()
    }
}

impl RefundBody {
    pub(super) fn amount(&self) -> Result<Option<Money>, Problem> {
        self.amount.as_deref().map(amount).transpose()
    }
}

impl PayBody {
    pub(super) fn method(&self) -> Result<Method, Problem> {
        let found = Method::ALL.iter().copied().find(|m| m.name() == self.method);
        found.ok_or_else(|| refused("unknown_method", "`method` is one of card, alipay, wechatpay"))
    }

    /// What the payer pays with.
    pub(super) fn instrument(&self) -> Result<Option<Instrument>, Problem> {
        match (&self.card, &self.code) {
            (None, None) => Ok(None),
            (None, Some(code)) => {
                if !(6..=64).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    return Err(refused("bad_code", "`code` is 6 to 64 digits or letters"));
                }
                Ok(Some(Instrument::Code(Zeroizing::new(code.clone()))))
            }
            (Some(card), None) => card.instrument().map(Some),
            (Some(_), Some(_)) => {
                Err(refused("bad_instrument", "a payment has a `card` or a `code`, not both"))
            }
        }
    }

    /// Where a one-time code is sent: the number as E.164 has it.
    pub(super) fn phone(&self) -> Result<Option<String>, Problem> {
        let Some(text) = &self.phone else { return Ok(None) };
        let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let is_number = number.strip_prefix('+').is_some_and(|digits| {
            (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.bytes().all(|b| b.is_ascii_digit())
        });
        match is_number {
            true => Ok(Some(number)),
            false => Err(refused("bad_phone", "`phone` is a number as E.164 has it, such as +4915112345678")),
        }
    }

    /// What came of 3-D Secure before.
    pub(super) fn three_ds(&self) -> Result<Option<Box<ThreeDs>>, Problem> {
        self.three_ds.as_ref().map(ThreeDsBody::result).transpose()
    }

    /// What is known of it.
    pub(super) fn facts(&self) -> &[u8] {
        self.facts.as_ref().map_or(b"{}", |raw| raw.get().as_bytes())
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.number.zeroize();
        self.cvv.zeroize();
    }
}

impl Card {
    fn instrument(&self) -> Result<Instrument, Problem> {
        let kept = self.number.chars().filter(|c| !matches!(c, ' ' | '-'));
        let pan = Zeroizing::new(kept.collect::<String>());
        if !pan.bytes().all(|b| b.is_ascii_digit()) || !contains_pan(&pan) {
            return Err(refused(
                "bad_card",
                "`card.number` is no card number: its check digit or length is wrong",
            ));
        }
        let expiry = expiry(&self.expiry)
            .ok_or_else(|| refused("bad_card", "`card.expiry` is written MM/YY, such as \"09/28\""))?;
        let digits = |cvv: &String| matches!(cvv.len(), 3 | 4) && cvv.bytes().all(|b| b.is_ascii_digit());
        if self.cvv.as_ref().is_some_and(|cvv| !digits(cvv)) {
            return Err(refused("bad_card", "`card.cvv` is 3 or 4 digits"));
        }
        Ok(Instrument::Card { pan, expiry, cvv: self.cvv.clone().map(Zeroizing::new) })
    }
}

/// `MM/YY` as `YYMM`.
fn expiry(text: &str) -> Option<[u8; 4]> {
    let [m1, m2, b'/', y1, y2] = *text.as_bytes() else { return None };
    let month = std::str::from_utf8(&[m1, m2]).ok()?.parse::<u8>().ok()?;
    (1..=12).contains(&month).then_some(())?;
    (y1.is_ascii_digit() && y2.is_ascii_digit()).then_some([y1, y2, m1, m2])
}

impl ChallengeBody {
    pub(super) fn proof(self) -> Result<Proof, Problem> {
        match (self.code, self.three_ds, self.resend) {
            (Some(code), None, false) => Ok(Proof::Code(Zeroizing::new(code))),
            (None, Some(three_ds), false) => three_ds.result().map(Proof::ThreeDs),
            (None, None, true) => Ok(Proof::Again),
            _ => Err(Problem::new(
                Kind::BadRequest,
                "a challenge is answered by one of `code`, `three_ds`, `resend`",
            )
            .remedy(
                "send {\"code\": \"123456\"}, {\"three_ds\": {\"trans_status\": \"Y\", ...}} or {\"resend\": true}",
            )),
        }
    }
}

impl DisputeBody {
    pub(super) fn amount(&self) -> Result<Option<Money>, Problem> {
        self.amount.as_deref().map(amount).transpose()
    }

    pub(super) fn fraud_type(&self) -> Result<FraudType, Problem> {
        let Some(name) = &self.r#type else { return Ok(FraudType::Other) };
        FraudType::ALL.iter().copied().find(|t| t.name() == name).ok_or_else(|| {
            let names = FraudType::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ");
            refused("bad_report", format!("`type` is one of {names}"))
        })
    }

    pub(super) fn kind(&self) -> Result<DisputeKind, Problem> {
        let bad = || {
            refused(
                "bad_dispute",
                "a dispute has a `kind` (fraud, authorization, processing, consumer) or a known `reason`",
            )
            .remedy("send {\"reason\": {\"scheme\": \"visa\", \"code\": \"10.4\"}}")
        };
        match (&self.kind, &self.reason) {
            (Some(kind), None) => DisputeKind::ALL.iter().copied().find(|k| k.name() == kind).ok_or_else(bad),
            (None, Some(reason)) => {
                let scheme =
                    Scheme::ALL.iter().copied().find(|s| s.name() == reason.scheme).ok_or_else(bad)?;
                crate::pay::Reason::find(scheme, &reason.code).map(|r| r.kind).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(text: &str) -> Result<Option<Instrument>, Problem> {
        read::<PayBody>(text.as_bytes())?.instrument()
    }

    #[test]
    fn cards_are_read_and_never_repeated() {
        let body = r#"{"order":"o","method":"card","card":{"number":"4111 1111-1111 1111","expiry":"09/28","cvv":"123"}}"#;
        let Ok(Some(Instrument::Card { pan, expiry, cvv })) = pay(body) else { panic!() };
        assert_eq!((pan.as_str(), &expiry, cvv.unwrap().as_str()), ("4111111111111111", b"2809", "123"));
        for (from, to) in [
            ("4111 1111-1111 1111", "4111111111111112"),
            ("4111 1111-1111 1111", "x"),
            ("09/28", "13/28"),
            ("09/28", "9/28"),
            ("\"123\"", "\"12\""),
            ("\"123\"", "4111111111111111"),
            ("\"cvv\"", "\"4111111111111111\""),
        ] {
            let problem = pay(&body.replace(from, to)).unwrap_err();
            let said = String::from_utf8(problem.json()).unwrap();
            assert!(!said.contains("41111") && (said.contains("card") || said.contains("column")), "{said}");
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let said = |body: &[u8]| match read::<OrderBody>(body).map(|b| b.amount()) {
            Ok(Ok(money)) => money.to_string(),
            Ok(Err(problem)) | Err(problem) => String::from_utf8(problem.json()).unwrap(),
        };
        assert_eq!(said(br#"{"id":"o","amount":"12 JPY"}"#), "12 JPY");
        assert!(said(b"").contains("missing field `id`"));
        assert!(said(br#"{"id":"o","amount":"1 EUR","x":1}"#).contains("unknown field `x`"));
        assert!(said(br#"{"id":"o","amount":"1"}"#).contains("bad_amount"));
        assert!(said(br#"{"id":"o","amount":"1.005 EUR"}"#).contains("bad_amount"));
        assert!(said(br#"[1"#).contains("line 1"));
    }
}
