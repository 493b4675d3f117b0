//! What does a simulated wallet tell by itself, how often, and how wrongly when it is told to?

use std::time::Duration;

use hyper::Method;

use super::order::{Placed, Standing};
use super::{Wallet, alipay, wechatpay};
use crate::channel::http::{Heard, Http, now};
use crate::institution::simulator::{Act, Entry, Kind};
use crate::time::Span;

/// How often it is told before the wallet gives up; real ones try for a day.
const TRIES_MAX: u32 = 5;
/// The first pause between two tries; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// How long what is to be overtaken waits.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(200);
/// How old a late one is.
const LATE: Span = Span::from_secs(-301);

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Rightly,
    /// Signed by somebody else.
    Forged,
    /// Signed some time ago, where that shows.
    Late,
}

/// What is posted.
pub(super) struct Letter {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// Tells that an order was paid, as the script has it.
pub(super) async fn paid(wallet: &Wallet, order: &Placed) {
    match order.act {
        Act::Duplicate => {
            until_taken(wallet, order, Standing::Paid).await;
            tell(wallet, order, Standing::Paid, How::Rightly).await;
        }
        // That it waits for its payer is told after it was paid.
        Act::Reorder => {
            until_taken(wallet, order, Standing::Paid).await;
            tokio::time::sleep(OVERTAKEN_WITHIN).await;
            tell(wallet, order, Standing::Waiting, How::Rightly).await;
        }
        _ => until_taken(wallet, order, Standing::Paid).await,
    }
}

async fn until_taken(wallet: &Wallet, order: &Placed, standing: Standing) {
    for n in 0..TRIES_MAX {
        if order.notify_url.is_none() || tell(wallet, order, standing, How::Rightly).await {
            return;
        }
        tokio::time::sleep(PAUSE * 2u32.pow(n)).await;
    }
}

/// Tells how an order stands; whether that was taken.
pub(super) async fn tell(wallet: &Wallet, order: &Placed, standing: Standing, how: How) -> bool {
    let at = if how == How::Late { now().plus(LATE) } else { now() };
    let letter = match wallet.kind {
        Kind::Wechatpay => wechatpay::letter(wallet, order, standing, at),
        _ => alipay::letter(wallet, order, standing, None, at),
    };
    post(wallet, order, letter, how).await
}

/// Tells of a refund.
pub(super) async fn refunded(wallet: &Wallet, order: &Placed, refund: &Entry) -> bool {
    let letter = match wallet.kind {
        Kind::Wechatpay => wechatpay::refund_letter(wallet, order, refund, now()),
        _ => alipay::letter(wallet, order, Standing::Paid, Some(refund), now()),
    };
    post(wallet, order, letter, How::Rightly).await
}

async fn post(wallet: &Wallet, order: &Placed, letter: Option<Letter>, how: How) -> bool {
    let Some((url, mut letter)) = order.notify_url.as_ref().zip(letter) else { return false };
    if how == How::Forged {
        forge(&mut letter);
    }
    // Where the path begins: after the slashes of the scheme.
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url[start..].find('/').map_or(url.len(), |at| start + at);
    let Ok(http) = Http::new(&url[..path], None) else { return false };
    let headers: Vec<(&str, &str)> = letter.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let target = if path == url.len() { "/" } else { &url[path..] };
    match http.send(Method::POST, target, &headers, letter.body).await {
        Heard::Answer(answered) => match wallet.kind {
            Kind::Wechatpay => (200..300).contains(&answered.status),
            _ => answered.status == 200 && answered.body.as_ref() == b"success",
        },
        Heard::Unsent(_) | Heard::Lost(_) => false,
    }
}

/// Another amount under the same signature.
fn forge(letter: &mut Letter) {
    for (from, to) in [("total_amount=", "total_amount=9"), ("\"ciphertext\":\"", "\"ciphertext\":\"AAAA")] {
        letter.body = letter.body.replace(from, to);
    }
}
