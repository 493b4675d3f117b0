//! Which payers have an authenticator? It is enrolled for an account, shows once that it works, and is removed.

use data_encoding::BASE32_NOPAD;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::answer::Asked;
use super::asked::read;
use super::happen::Fault;
use super::words;
use crate::pay::{AccountId, Authenticator, Enrolment, Error as Refusal, Event, MerchantId, TotpHash};
use crate::serve::log;
use crate::serve::problem::{Kind, Problem};
use crate::serve::routes::Route;

/// Digits that the app shows.
const DIGITS: u8 = 6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolBody {
    /// What the app shows, once it has the secret.
    code: Option<String>,
}

#[derive(Serialize)]
struct View<'a> {
    account: &'a str,
    confirmed: bool,
    /// For an app that is typed into; told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// The same for an app that reads QR codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    otpauth_uri: Option<&'a str>,
    message: words::Message,
}

impl Asked {
    /// Enrols, confirms, shows or removes the authenticator of an account.
    pub(super) async fn authenticator(&self) -> Result<(StatusCode, Vec<u8>), Fault> {
        let merchant = self.merchant()?;
        let account = AccountId::parse(&self.part)?;
        match self.route {
            Route::AuthenticatorEnrol => match read::<EnrolBody>(&self.body)?.code {
                None => self.enrol(&merchant, &account).await,
                Some(code) => self.confirm(&merchant, &account, &Zeroizing::new(code)).await,
            },
            Route::AuthenticatorRemove => {
                let removed =
                    Event::AuthenticatorRemoved { merchant: merchant.clone(), account: account.clone() };
                self.cashier.durable(removed).await?;
                Ok((StatusCode::OK, view(&account, false, None, words::REMOVED)))
            }
            _ => {
                let found = self.enrolment(&merchant, &account)?;
                self.cashier.recorded().await?;
                let words = if found.is_confirmed() { words::CONFIRMED } else { words::ENROLLED };
                Ok((StatusCode::OK, view(&account, found.is_confirmed(), None, words)))
            }
        }
    }

    fn enrolment(&self, merchant: &MerchantId, account: &AccountId) -> Result<Enrolment, Fault> {
        let book = self.cashier.book.lock();
        Ok(*book.authenticator(merchant, account).ok_or(Refusal::NotFound("authenticator"))?)
    }

    async fn enrol(
        &self,
        merchant: &MerchantId,
        account: &AccountId,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let salt: [u8; 16] = rand::random();
        let enrolled =
            Event::AuthenticatorEnrolled { merchant: merchant.clone(), account: account.clone(), salt };
        self.cashier.durable(enrolled).await?;
        let secret = Zeroizing::new(BASE32_NOPAD.encode(&self.cashier.codes.seed(merchant, account, &salt)));
        let uri = uri(merchant, account, &secret);
        Ok((StatusCode::CREATED, view(account, false, Some((&secret, &uri)), words::ENROLLED)))
    }

    async fn confirm(
        &self,
        merchant: &MerchantId,
        account: &AccountId,
        typed: &str,
    ) -> Result<(StatusCode, Vec<u8>), Fault> {
        let found = self.enrolment(merchant, account)?;
        if found.is_confirmed() {
            return Err(Refusal::Exists("authenticator").into());
        }
        let seed = self.cashier.codes.seed(merchant, account, &found.salt);
        let app = Authenticator::new(&seed, TotpHash::Sha1, DIGITS)?;
        let step = app.accepts(typed, log::now(), None).ok_or_else(|| {
            Problem::new(Kind::PaymentRefused, "the code is not the one that the app shows now")
                .code("wrong_code")
                .remedy("check the device's clock, or enrol anew: a POST without `code` gives another secret")
        })?;
        let used = Event::AuthenticatorUsed { merchant: merchant.clone(), account: account.clone(), step };
        self.cashier.durable(used).await?;
        Ok((StatusCode::OK, view(account, true, None, words::CONFIRMED)))
    }
}

fn view(
    account: &AccountId,
    confirmed: bool,
    secret: Option<(&Zeroizing<String>, &Zeroizing<String>)>,
    words: words::Words,
) -> Vec<u8> {
    let view = View {
        account: account.as_str(),
        confirmed,
        secret: secret.map(|(secret, _)| secret.as_str()),
        otpauth_uri: secret.map(|(_, uri)| uri.as_str()),
        message: words.into(),
    };
    // Plain data always serialises.
    serde_json::to_vec(&view).unwrap_or_default()
}

/// What an app reads: the key's URI format that authenticators have in common.
fn uri(merchant: &MerchantId, account: &AccountId, secret: &str) -> Zeroizing<String> {
    // Of an id's characters the colon alone has a meaning there.
    let plain = |text: &str| text.replace(':', "%3A");
    let (issuer, account) = (plain(merchant.as_str()), plain(account.as_str()));
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period=30"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_reads_the_uri() {
        let (merchant, account) = (MerchantId::parse("m:1").unwrap(), AccountId::parse("ann").unwrap());
        assert_eq!(
            uri(&merchant, &account, "MZXW6YTB").as_str(),
            "otpauth://totp/m%3A1:ann?secret=MZXW6YTB&issuer=m%3A1&algorithm=SHA1&digits=6&period=30"
        );
    }
}
