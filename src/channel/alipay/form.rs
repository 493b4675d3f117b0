//! How is Alipay asked? Forms whose fields are signed in the order of their names.

use serde_json::{Value as Json, json};

use super::{AlipayKeys, AlipaySettings};
use crate::channel::wallet::{china, cut};
use crate::channel::{Instrument, Request};
use crate::error::Error;
use crate::money::Money;
use crate::pay::{CallKey, Operation};
use crate::time::Timestamp;

/// Bytes of an order's title that Alipay takes.
const SUBJECT_BYTES_MAX: usize = 256;
/// What a title must not hold.
const SUBJECT_WITHOUT: &[char] = &['/', '=', '&'];
/// A time as Alipay writes it.
pub(crate) const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// What Alipay can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// For money, with the code that the payer shows.
    Pay,
    /// For a QR code that the payer scans.
    Precreate,
    /// How an order stands.
    Query,
    /// To close an order that nobody has paid.
    Close,
    /// To call an order off; what was paid goes back.
    Cancel,
    /// For money back.
    Refund,
    /// How a refund stands.
    RefundQuery,
}

impl Ask {
    /// Its name at the gateway.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Ask::Pay => "alipay.trade.pay",
            Ask::Precreate => "alipay.trade.precreate",
            Ask::Query => "alipay.trade.query",
            Ask::Close => "alipay.trade.close",
            Ask::Cancel => "alipay.trade.cancel",
            Ask::Refund => "alipay.trade.refund",
            Ask::RefundQuery => "alipay.trade.fastpay.refund.query",
        }
    }

    /// Under which name the answer comes.
    pub(crate) fn answered(self) -> String {
        format!("{}_response", self.method().replace('.', "_"))
    }

    /// Whether it only asks how something stands: an error is then about the question.
    pub(super) const fn is_question(self) -> bool {
        matches!(self, Ask::Query | Ask::RefundQuery)
    }

    /// What a request is for Alipay; `None` for what a wallet does not do.
    pub(super) fn of(request: &Request) -> Option<Ask> {
        Some(match (&request.call.operation, &request.instrument) {
            (Operation::Authorize, Some(Instrument::Code(_))) => Ask::Pay,
            (Operation::Authorize, None) => Ask::Precreate,
            (Operation::Authorize, Some(Instrument::Card { .. })) | (Operation::Capture { .. }, _) => {
                return None;
            }
            (Operation::Void, _) => Ask::Cancel,
            (Operation::Refund { .. }, _) => Ask::Refund,
        })
    }

    /// What asks how a request stands.
    pub(super) fn about(request: &Request) -> Option<Ask> {
        Some(match request.call.operation {
            Operation::Authorize | Operation::Void => Ask::Query,
            Operation::Refund { .. } => Ask::RefundQuery,
            Operation::Capture { .. } => return None,
        })
    }
}

/// The order's number: the key of what it began with.
pub(super) fn order(request: &Request) -> CallKey {
    request.original.map_or(request.call.key, |(key, _)| key)
}

/// The whole body of a request.
///
/// # Errors
/// When it can't be signed.
pub(super) fn form(
    settings: &AlipaySettings,
    ask: Ask,
    request: &Request,
    now: Timestamp,
) -> Result<String, Error> {
    let content = content(settings, ask, request).to_string();
    let mut fields = vec![
        ("app_id", settings.app_id.clone()),
        ("biz_content", content),
        ("charset", "utf-8".to_owned()),
        ("format", "JSON".to_owned()),
        ("method", ask.method().to_owned()),
        ("sign_type", "RSA2".to_owned()),
        ("timestamp", china(now, TIME)),
        ("version", "1.0".to_owned()),
    ];
    if let Some(url) = &settings.notify_url
        && matches!(ask, Ask::Pay | Ask::Precreate)
    {
        fields.push(("notify_url", url.clone()));
    }
    if let AlipayKeys::Certificates(certificates) = &settings.alipay {
        fields.push(("app_cert_sn", certificates.app().to_owned()));
        fields.push(("alipay_root_cert_sn", certificates.root().to_owned()));
    }
    let sign = settings.key.sign(signed(&fields, &[]).as_bytes())?;
    fields.push(("sign", sign));
    Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}

/// What of a form is signed: `name=value`, sorted, joined by `&`; `sign` and what else is not.
pub(crate) fn signed<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)], without: &[&str]) -> String {
    let mut kept: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    kept.retain(|(name, _)| *name != "sign" && !without.contains(name));
    kept.sort_unstable();
    kept.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What is asked for: the same bytes whenever the same is asked for.
fn content(settings: &AlipaySettings, ask: Ask, request: &Request) -> Json {
    let number = order(request).to_string();
    let amount = yuan(request.call.amount);
    // As an instant, not as minutes from now: a repetition does not move it.
    let until = china(request.requested.plus(settings.pay_within), TIME);
    match ask {
        Ask::Pay => {
            let code = match &request.instrument {
                Some(Instrument::Code(code)) => code.as_str(),
                _ => "",
            };
            json!({ "out_trade_no": number, "total_amount": amount, "subject": subject(&request.subject),
                "scene": "bar_code", "auth_code": code, "time_expire": until })
        }
        Ask::Precreate => json!({ "out_trade_no": number, "total_amount": amount,
            "subject": subject(&request.subject), "time_expire": until }),
        Ask::Query | Ask::Close | Ask::Cancel => json!({ "out_trade_no": number }),
        Ask::Refund => json!({ "out_trade_no": number, "out_request_no": request.call.key.to_string(),
            "refund_amount": amount }),
        Ask::RefundQuery => json!({ "out_trade_no": number, "out_request_no": request.call.key.to_string() }),
    }
}

/// An amount as Alipay writes it: yuan with two decimals.
pub(crate) fn yuan(money: Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}

/// A title as Alipay takes it.
fn subject(text: &str) -> String {
    cut(&text.replace(SUBJECT_WITHOUT, " "), SUBJECT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{request, settings};
    use super::*;
    use crate::pay::RefundId;

    fn asked(ask: Ask, request: &Request, now: Timestamp) -> Vec<(String, String)> {
        let body = form(&settings(), ask, request, now).unwrap();
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    }

    fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
        form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn forms_are_signed_over_all_fields_in_order() {
        let form = asked(Ask::Precreate, &request(), Timestamp::default());
        let text = signed(&form, &[]);
        assert!(text.starts_with("app_id=2021000000000001&biz_content={"), "{text}");
        assert!(text.ends_with("&sign_type=RSA2&timestamp=1970-01-01 08:00:00&version=1.0"), "{text}");
        assert!(settings().key.public().verifies(text.as_bytes(), field(&form, "sign")));
        let other = text.replace("12.34", "12.35");
        assert_ne!(other, text);
        assert!(!settings().key.public().verifies(other.as_bytes(), field(&form, "sign")));
    }

    #[test]
    fn a_repetition_is_the_same_order_whenever_it_is_sent() {
        let mut again = request();
        again.repetition = 7;
        let later = Timestamp::from_micros(3_600_000_000).unwrap();
        let (first, second) =
            (asked(Ask::Precreate, &request(), Timestamp::default()), asked(Ask::Precreate, &again, later));
        assert_eq!(field(&first, "biz_content"), field(&second, "biz_content"));
        assert_ne!(field(&first, "timestamp"), field(&second, "timestamp"));
    }

    #[test]
    fn each_thing_is_asked_for_in_its_own_words() {
        let mut coded = request();
        coded.instrument = Some(Instrument::Code("28763443825664394".to_owned().into()));
        let mut refund = request();
        let amount = Money { minor: 5, ..refund.call.amount };
        refund.original = Some((refund.call.key, refund.call.amount));
        refund.call.key = CallKey([9; 16]);
        refund.call.amount = amount;
        refund.call.operation = Operation::Refund { refund: RefundId::parse("r1").unwrap(), amount };
        let order = "07".repeat(16);
        let back = "09".repeat(16);
        let until = "1970-01-01 08:15:00";
        for (ask, request, expected) in [
            (
                Ask::Precreate,
                request(),
                json!({ "out_trade_no": order, "total_amount": "12.34", "subject": "Shoes",
                "time_expire": until }),
            ),
            (
                Ask::Pay,
                coded,
                json!({ "out_trade_no": order, "total_amount": "12.34", "subject": "Shoes",
                "scene": "bar_code", "auth_code": "28763443825664394", "time_expire": until }),
            ),
            (Ask::Query, request(), json!({ "out_trade_no": order })),
            (Ask::Cancel, request(), json!({ "out_trade_no": order })),
            (
                Ask::Refund,
                refund.clone(),
                json!({ "out_trade_no": order, "out_request_no": back,
                "refund_amount": "0.05" }),
            ),
            (Ask::RefundQuery, refund, json!({ "out_trade_no": order, "out_request_no": back })),
        ] {
            let form = asked(ask, &request, Timestamp::default());
            assert_eq!(serde_json::from_str::<Json>(field(&form, "biz_content")).unwrap(), expected);
            assert_eq!(field(&form, "method"), ask.method());
            let told = matches!(ask, Ask::Pay | Ask::Precreate);
            assert_eq!(field(&form, "notify_url").is_empty(), !told);
        }
    }

    #[test]
    fn titles_are_plain_and_short() {
        assert_eq!(subject("a/b=c&d"), "a b c d");
        assert_eq!(subject(&"x".repeat(SUBJECT_BYTES_MAX)).len(), SUBJECT_BYTES_MAX);
        assert_eq!(subject(&"x".repeat(SUBJECT_BYTES_MAX + 1)).len(), SUBJECT_BYTES_MAX);
    }
}
