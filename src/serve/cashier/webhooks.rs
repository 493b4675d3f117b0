//! How are merchants told what becomes of their payments? At least once, in order, signed, until they take it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Uri;
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::lanes::Lanes;
use super::settings::MerchantEntry;
use super::{Cashier, view};
use crate::channel::http::Http;
use crate::error::{Error, ErrorKind};
use crate::failpoint::{Failpoint, reach};
use crate::pay::{Event, MerchantId, PaymentId};
use crate::serve::log::{self, Level};
use crate::serve::secret;
use crate::time::{Span, Timestamp};

/// How long a merchant may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long it is tried to tell them.
const GIVEN_UP_AFTER: Span = Span::from_secs(24 * 3_600);
/// The shortest time between two tries, whatever is set.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// So many payments of merchants who hear of nothing are passed over in one go.
const PASSED_OVER_MAX: usize = 256;

/// Where merchants are told, and what there is to tell.
pub(super) struct Hooks {
    all: HashMap<MerchantId, Arc<Hook>>,
    /// Payments to which something has happened.
    fresh: Mutex<HashSet<PaymentId>>,
    wake: Notify,
}

/// Where one merchant is told.
struct Hook {
    http: Http,
    /// With its query.
    path: String,
    secret: Zeroizing<Vec<u8>>,
}

impl Hooks {
    /// # Errors
    /// What is wrong with which merchant's.
    pub(super) fn of(entries: &[MerchantEntry]) -> Result<Hooks, Error> {
        let mut all = HashMap::new();
        for entry in entries {
            let place = |e: Error| e.of(ErrorKind::Rules).at(format!("payments.merchant `{}`", entry.id));
            let wants = |what: &str| Err(place(Error::new(what)));
            let (url, secret) = match (&entry.webhook, &entry.webhook_secret) {
                (None, None) => continue,
                (Some(url), Some(secret)) => (url, secret),
                (Some(_), None) => return wants("`webhook` wants `webhook_secret` beside it: a file"),
                (None, Some(_)) => return wants("`webhook_secret` wants `webhook` beside it: an address"),
            };
            let id = MerchantId::parse(&entry.id).map_err(|e| place(Error::new(e.to_string())))?;
            all.insert(id, Arc::new(Hook::new(url, secret).map_err(place)?));
        }
        Ok(Hooks { all, fresh: Mutex::default(), wake: Notify::new() })
    }

    /// Something has happened to a payment.
    pub(super) fn announce(&self, payment: &PaymentId) {
        self.fresh.lock().insert(payment.clone());
        self.wake.notify_one();
    }
}

impl Hook {
    fn new(url: &str, secret: &Path) -> Result<Hook, Error> {
        let wrong = |e: Error| Error::new(format!("`webhook`: {e}"));
        let address = url.split_once('?').map_or(url, |(address, _)| address);
        let http = Http::new(address, None).map_err(wrong)?;
        let uri: Uri = url.parse().map_err(|_| wrong(Error::new("it is no address")))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let secret = secret::read(secret).map_err(|why| Error::new(format!("`webhook_secret`: {why}")))?;
        Ok(Hook { http, path, secret })
    }

    /// HMAC-SHA-256 of id, time and body, as Standard Webhooks have it.
    fn signature(&self, id: &str, at: &str, body: &[u8]) -> String {
        // Any length is a key's.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return String::new() };
        for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// # Errors
    /// Why it was not taken.
    async fn send(&self, id: &str, body: Vec<u8>) -> Result<(), String> {
        let at = log::now().micros().div_euclid(1_000_000).to_string();
        let signature = self.signature(id, &at, &body);
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "tollgate"),
            ("webhook-id", id),
            ("webhook-timestamp", &at),
            ("webhook-signature", &signature),
        ];
        match tokio::time::timeout(ANSWER_MAX, self.http.post(&self.path, &headers, body)).await {
            Ok(Ok(200..=299)) => Ok(()),
            Ok(Ok(status)) => Err(format!("it answered {status}")),
            Ok(Err(why)) => Err(why),
            Err(_) => Err("it did not answer in time".to_owned()),
        }
    }
}

/// What came of a try.
enum Ended {
    /// It is taken, or given up; whether there is more.
    Over { more: bool },
    /// It is to be tried again.
    Failed(String),
}

/// Tells merchants until the process ends.
pub(super) async fn run(cashier: Arc<Cashier>) {
    let began = log::now();
    let first = cashier.settings.webhook_again.0.max(PAUSE_MIN);
    let mut lanes = Lanes::default();
    let mut running = JoinSet::new();
    while cashier.failure().is_none() {
        sort(&cashier, &mut lanes).await;
        let now = Instant::now();
        while let Some((merchant, payment)) = lanes.next(now) {
            let cashier = cashier.clone();
            running.spawn(async move {
                let told = tokio::spawn(tell(cashier, merchant.clone(), payment.clone(), began));
                let ended = told.await.unwrap_or_else(|e| Ended::Failed(e.to_string()));
                (merchant, payment, ended)
            });
        }
        let next = lanes.wake();
        tokio::select! {
            () = cashier.hooks.wake.notified() => {}
            () = tokio::time::sleep_until(next.unwrap_or(now).into()), if next.is_some() => {}
            Some(Ok((merchant, payment, ended))) = running.join_next(), if !running.is_empty() => {
                let now = Instant::now();
                match ended {
                    Ended::Over { more } => lanes.taken(now, &merchant, &payment, more),
                    Ended::Failed(why) => {
                        let pause = lanes.failed(now, &merchant, &payment, first);
                        // The first failure is said; those after it come with the giving up.
                        if pause == first {
                            say("webhook_failed", &merchant, &payment, why);
                        }
                    }
                }
            }
        }
    }
}

/// Puts what has happened into its merchant's lane, or out of the way when that merchant hears of nothing.
async fn sort(cashier: &Cashier, lanes: &mut Lanes) {
    let fresh = std::mem::take(&mut *cashier.hooks.fresh.lock());
    let now = Instant::now();
    for (number, payment) in fresh.into_iter().enumerate() {
        let found = cashier.book.lock().any(&payment).map(|p| (p.merchant().clone(), p.sequence()));
        let Some((merchant, sequence)) = found else { continue };
        if cashier.hooks.all.contains_key(&merchant) {
            lanes.add(now, &merchant, &payment);
            continue;
        }
        // What the disk is too busy for is passed over with the payment's next change, or after a restart.
        drop(cashier.take(Event::Delivered { merchant, payment, sequence }));
        if number % PASSED_OVER_MAX == PASSED_OVER_MAX - 1 {
            tokio::task::yield_now().await;
        }
    }
}

/// Tells a merchant the oldest thing that they have not been told of a payment.
async fn tell(cashier: Arc<Cashier>, merchant: MerchantId, payment: PaymentId, began: Timestamp) -> Ended {
    let Some(hook) = cashier.hooks.all.get(&merchant) else { return Ended::Over { more: false } };
    let told = {
        let book = cashier.book.lock();
        book.payment(&merchant, &payment).and_then(|p| {
            let notice = p.undelivered().next()?;
            let id = format!("{payment}-{}", notice.sequence);
            let body = view::notice(&cashier, &id, &notice, p);
            Some((notice, id, body))
        })
    };
    let Some((notice, id, body)) = told else { return Ended::Over { more: false } };
    // Nobody is told what a restart would not know of.
    if cashier.recorded().await.is_err() {
        return Ended::Failed("it is not recorded yet".to_owned());
    }
    if let Err(why) = hook.send(&id, body).await {
        if !is_over(log::now(), notice.at, began) {
            return Ended::Failed(why);
        }
        say("webhook_given_up", &merchant, &payment, format!("{id}: {why}"));
    }
    reach(Failpoint::WebhookSent);
    let delivered = Event::Delivered { merchant, payment: payment.clone(), sequence: notice.sequence };
    if cashier.durable(delivered).await.is_err() {
        return Ended::Failed("that it was taken is not recorded".to_owned());
    }
    Ended::Over { more: cashier.book.lock().any(&payment).is_some_and(|p| p.undelivered().next().is_some()) }
}

/// Whether it was tried for long enough; the time before this process began does not count.
fn is_over(now: Timestamp, happened: Timestamp, began: Timestamp) -> bool {
    now.since(happened.max(began)) >= GIVEN_UP_AFTER
}

fn say(event: &str, merchant: &MerchantId, payment: &PaymentId, why: String) {
    let (merchant, payment) = (merchant.as_str().into(), payment.as_str().into());
    let fields = [("merchant", merchant), ("payment", payment), ("detail", why.into())];
    log::event(Level::Warn, event, &fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::secret::SECRET_BYTES_MIN;

    fn hooks(text: &str) -> Result<Hooks, Error> {
        Hooks::of(&[toml::from_str(&format!("id = 'm1'\n{text}")).unwrap()])
    }

    #[test]
    fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        let with = |bytes: usize, url: &str| {
            std::fs::write(&secret, "x".repeat(bytes) + "\n").unwrap();
            hooks(&format!("webhook = '{url}'\nwebhook_secret = '{}'", secret.display()))
        };
        let hook = with(SECRET_BYTES_MIN, "https://shop.example/hook/?shop=1").unwrap();
        let hook = hook.all.values().next().unwrap();
        assert_eq!((hook.path.as_str(), hook.secret.len()), ("/hook/?shop=1", SECRET_BYTES_MIN));
        let said = |hooks: Result<Hooks, Error>| hooks.err().unwrap().to_string();
        for (said, expected) in [
            (said(with(SECRET_BYTES_MIN - 1, "https://shop.example/")), "has 31 bytes and wants 32"),
            (
                said(with(SECRET_BYTES_MIN, "http://shop.example/")),
                "`webhook`: `http://shop.example/` is not safe",
            ),
            (said(with(SECRET_BYTES_MIN, "shop")), "`webhook`: `shop` is no address"),
            (said(hooks("webhook = 'https://shop.example/'")), "wants `webhook_secret`"),
            (said(hooks("webhook_secret = '/none'")), "wants `webhook` beside"),
            (said(hooks("webhook = 'https://shop.example/'\nwebhook_secret = '/none'")), "/none"),
        ] {
            assert!(said.contains(expected) && said.contains("payments.merchant `m1`"), "{expected}: {said}");
        }
        assert!(hooks("").unwrap().all.is_empty());
    }

    /// The example of the Standard Webhooks specification's libraries.
    #[test]
    fn signatures_are_standard() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let http = Http::new("http://127.0.0.1:1/", None).unwrap();
        let hook = Hook { http, path: String::new(), secret: Zeroizing::new(secret) };
        assert_eq!(
            hook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn it_is_given_up_after_a_day() {
        let began = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
        let last = began.plus(GIVEN_UP_AFTER);
        let before = |at: Timestamp| at.plus(Span::from_micros(-1));
        assert!(is_over(last, began, began) && !is_over(before(last), began, began));
        // What happened long before this process began has a day, too.
        let long_ago = began.plus(Span::from_secs(-1_000_000));
        assert!(is_over(last, long_ago, began) && !is_over(before(last), long_ago, began));
        assert!(!is_over(last, before(last), began));
    }
}
