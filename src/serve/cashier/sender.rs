//! Whose provider brings codes to payers, and how often did it go well?

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::settings::Payments;
use crate::error::{Error, ErrorKind};
use crate::serve::config::Pause;
use crate::sms::{Console, File, Form, Http, HttpSettings, Message, Provider, TIMEOUT};

/// A provider of messages, `[payments.sms]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmsEntry {
    url: String,
    /// `POST` or `PUT`.
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: Vec<HeaderEntry>,
    /// What the body is.
    #[serde(default)]
    form: Form,
    body: String,
    #[serde(default = "timeout")]
    timeout: Pause,
    /// Authorities to trust instead of the machine's own.
    ca: Option<PathBuf>,
}

/// A header, with its value or the file that has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderEntry {
    name: String,
    value: Option<String>,
    file: Option<PathBuf>,
}

fn post() -> String {
    "POST".to_owned()
}

fn timeout() -> Pause {
    Pause(TIMEOUT)
}

/// The way of codes, and how often it went well.
pub(super) struct Sender {
    provider: Arc<dyn Provider>,
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Sender {
    /// By `own`, if somebody brought one, else as the settings say.
    ///
    /// # Errors
    /// What is wrong with the provider.
    pub(super) fn of(settings: &Payments, own: Option<Arc<dyn Provider>>) -> Result<Sender, Error> {
        let provider: Arc<dyn Provider> = match (own, &settings.codes, &settings.sms) {
            (Some(own), None, None) => own,
            (None, None, None) => Arc::new(Console),
            (None, Some(path), None) => Arc::new(File(path.clone())),
            (None, None, Some(entry)) => {
                let place = |e: Error| e.of(ErrorKind::Rules).at("payments.sms");
                Arc::new(entry.settings().and_then(Http::new).map_err(place)?)
            }
            (None, Some(_), Some(_)) => {
                let why =
                    "codes go to the file `payments.codes` or to the provider `payments.sms`, not to both";
                return Err(Error::new(why).of(ErrorKind::Rules));
            }
            (Some(_), ..) => {
                let why = "codes go by the program's own provider, or by `payments.codes` or `payments.sms`";
                return Err(Error::new(why).of(ErrorKind::Rules));
            }
        };
        Ok(Sender { provider, sent: AtomicU64::new(0), failed: AtomicU64::new(0) })
    }

    /// How many messages were sent, and how many could not be.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("sent", self.sent.load(Ordering::Relaxed)), ("failed", self.failed.load(Ordering::Relaxed))]
    }

    /// Sends it.
    ///
    /// # Errors
    /// Why it may not have arrived, without anything of the message.
    pub(super) async fn send(&self, message: &Message) -> Result<(), Error> {
        let sending = tokio::time::timeout(self.provider.timeout(), self.provider.send(message));
        let done = sending.await.unwrap_or_else(|_| Err(Error::new("the provider did not answer in time")));
        let count = if done.is_ok() { &self.sent } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
        done
    }
}

impl SmsEntry {
    fn settings(&self) -> Result<HttpSettings, Error> {
        let headers = self.headers.iter().map(HeaderEntry::read).collect::<Result<_, _>>();
        Ok(HttpSettings {
            url: self.url.clone(),
            method: self.method.clone(),
            headers: headers.map_err(|why| Error::new(format!("`headers`: {why}")))?,
            form: self.form,
            body: self.body.clone(),
            timeout: self.timeout.0,
            ca: self.ca.clone(),
        })
    }
}

impl HeaderEntry {
    fn read(&self) -> Result<(String, Zeroizing<String>), String> {
        let value = match (&self.value, &self.file) {
            (Some(value), None) => Zeroizing::new(value.clone()),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
                let read = Zeroizing::new(read);
                Zeroizing::new(read.trim().to_owned())
            }
            _ => return Err(format!("`{}` has a `value` or the `file` of one", self.name)),
        };
        Ok((self.name.clone(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Currency, Money};
    use crate::pay::{MerchantId, PaymentId};
    use crate::sms::{HEADERS_MAX, Sending};

    fn sender(text: &str) -> Result<Sender, Error> {
        Sender::of(&toml::from_str::<Payments>(text).unwrap(), None)
    }

    /// A provider of somebody's own, which answers once or never.
    struct Own {
        answers: bool,
    }

    impl Provider for Own {
        fn send<'a>(&'a self, _: &'a Message) -> Sending<'a> {
            Box::pin(async { if self.answers { Ok(()) } else { std::future::pending().await } })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ones_own_provider_is_asked_and_not_waited_for_longer_than_it_says() {
        let text = || Zeroizing::new("1".to_owned());
        let message = Message {
            phone: text(),
            code: text(),
            text: [text(), text()],
            payment: PaymentId::parse("p").unwrap(),
            merchant: MerchantId::parse("m").unwrap(),
            amount: Money { minor: 1, currency: Currency::parse("EUR").unwrap() },
        };
        for (answers, expected) in [(true, [1, 0]), (false, [0, 1])] {
            let sender = Sender::of(&Payments::default(), Some(Arc::new(Own { answers }))).unwrap();
            assert_eq!(sender.send(&message).await.is_ok(), answers);
            assert_eq!(sender.counts().map(|(_, n)| n), expected);
        }
        let both = Payments { codes: Some("x".into()), ..Payments::default() };
        assert!(Sender::of(&both, Some(Arc::new(Own { answers: true }))).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_named() {
        let good = "url = 'http://127.0.0.1:1/sms?x=1'\nform = 'form'\nbody = 'to={phone}&c={code}'\n";
        assert!(sender("").is_ok() && sender("codes = 'x'").is_ok());
        assert!(sender(&format!("[sms]\n{good}")).is_ok());
        let header = |entry: &str| format!("[sms]\n{good}headers = [{entry}]");
        let many =
            (0..=HEADERS_MAX).map(|n| format!("{{ name = 'x-{n}', value = 'y' }},")).collect::<String>();
        for (text, expected) in [
            (format!("codes = 'x'\n[sms]\n{good}"), "not to both"),
            (format!("[sms]\n{}", good.replace("127.0.0.1", "sms.example")), "is not safe"),
            (format!("[sms]\n{good}method = 'GET'"), "`GET` is neither POST nor PUT"),
            (format!("[sms]\n{good}timeout = '0s'"), "`timeout`"),
            (format!("[sms]\n{}", good.replace("{code}", "{cod}")), "there is no `{cod}`"),
            (header("{ name = 'a b', value = 'x' }"), "`a b` is no name"),
            (header("{ name = 'host', value = 'x' }"), "set by the program"),
            (header("{ name = 'x', value = 'x', file = 'y' }"), "`value` or the `file`"),
            (header("{ name = 'x', file = '/none' }"), "/none"),
            (header("{ name = 'x', value = '' }"), "no header's"),
            (header(&many), "more than 32"),
        ] {
            let said = sender(&text).err().unwrap().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
        let most = many.replacen("{ name = 'x-0', value = 'y' },", "", 1);
        assert!(sender(&header(&most)).is_ok());
    }
}
