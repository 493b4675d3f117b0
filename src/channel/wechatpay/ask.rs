//! How is WeChat Pay asked? JSON at paths of its API v3.

use serde_json::json;

use super::WechatPaySettings;
use crate::channel::wallet::{china, cut};
use crate::channel::{Instrument, Request, Units};
use crate::pay::{CallKey, Operation};

/// Bytes of a description that WeChat Pay takes.
const DESCRIPTION_BYTES_MAX: usize = 127;
/// Bytes of a shop's own name.
const STORE_BYTES_MAX: usize = 32;
/// A time as WeChat Pay writes it.
pub(crate) const TIME: &str = "%Y-%m-%dT%H:%M:%S+08:00";

/// What WeChat Pay can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// For a QR code that the payer scans.
    Native,
    /// For money, with the code that the payer shows.
    Code,
    /// How an order stands.
    Query,
    /// To close an order that nobody has paid.
    Close,
    /// To call off an order whose payer showed a code; what was paid goes back.
    Reverse,
    /// For money back.
    Refund,
    /// How a refund stands.
    RefundQuery,
}

/// A request's parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

impl Ask {
    /// What a request is for WeChat Pay; `None` for what this wallet does not do.
    pub(super) fn of(request: &Request) -> Option<Ask> {
        Some(match (&request.call.operation, &request.instrument) {
            (Operation::Authorize, None) => Ask::Native,
            (Operation::Authorize, Some(Instrument::Code(_))) => Ask::Code,
            (Operation::Authorize, Some(Instrument::Card { .. })) | (Operation::Capture { .. }, _) => {
                return None;
            }
            (Operation::Void, _) => Ask::Close,
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

    /// Whether it only asks how something stands: an error is then about the question.
    pub(super) const fn is_question(self) -> bool {
        matches!(self, Ask::Query | Ask::RefundQuery)
    }
}

/// The order's number: the key of what it began with.
pub(super) fn order(request: &Request) -> CallKey {
    request.original.map_or(request.call.key, |(key, _)| key)
}

/// What is sent: the same bytes whenever the same is asked for. `None` for an amount that is none in fen.
pub(super) fn asked(settings: &WechatPaySettings, ask: Ask, request: &Request) -> Option<Asked> {
    let (number, merchant) = (order(request), settings.merchant_id.as_str());
    let amount = request.call.amount;
    let fen = Units::default().of(amount)?;
    let post = |path: String, body: serde_json::Value| Asked { method: "POST", path, body: body.to_string() };
    let get = |path: String| Asked { method: "GET", path, body: String::new() };
    Some(match ask {
        Ask::Native => post(
            "/v3/pay/transactions/native".to_owned(),
            json!({
                "appid": settings.app_id, "mchid": merchant, "out_trade_no": number.to_string(),
                "description": cut(&request.subject, DESCRIPTION_BYTES_MAX), "notify_url": settings.notify_url,
                // As an instant, not as minutes from now: a repetition does not move it.
                "time_expire": china(request.requested.plus(settings.pay_within), TIME),
                "amount": { "total": fen, "currency": amount.currency.code() },
            }),
        ),
        // It has no end of its own and tells nothing by itself: the code is good for a minute.
        Ask::Code => {
            let Some(Instrument::Code(code)) = &request.instrument else { return None };
            post(
                "/v3/pay/transactions/codepay".to_owned(),
                json!({
                    "appid": settings.app_id, "mchid": merchant, "out_trade_no": number.to_string(),
                    "description": cut(&request.subject, DESCRIPTION_BYTES_MAX),
                    "payer": { "auth_code": code.as_str() },
                    "amount": { "total": fen, "currency": amount.currency.code() },
                    "scene_info": { "store_info": { "out_id": cut(request.merchant.as_str(), STORE_BYTES_MAX) } },
                }),
            )
        }
        Ask::Query => get(format!("/v3/pay/transactions/out-trade-no/{number}?mchid={merchant}")),
        Ask::Close => {
            post(format!("/v3/pay/transactions/out-trade-no/{number}/close"), json!({ "mchid": merchant }))
        }
        Ask::Reverse => post(
            format!("/v3/pay/transactions/out-trade-no/{number}/reverse"),
            json!({ "appid": settings.app_id, "mchid": merchant }),
        ),
        Ask::Refund => {
            let (_, total) = request.original?;
            post(
                "/v3/refund/domestic/refunds".to_owned(),
                json!({
                    "out_trade_no": number.to_string(), "out_refund_no": request.call.key.to_string(),
                    "notify_url": settings.notify_url,
                    "amount": { "refund": fen, "total": Units::default().of(total)?,
                        "currency": amount.currency.code() },
                }),
            )
        }
        Ask::RefundQuery => get(format!("/v3/refund/domestic/refunds/{}", request.call.key)),
    })
}
