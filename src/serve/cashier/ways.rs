//! Which ways to institutions are there, and which of them take a payment?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::merchants::money;
use crate::channel::card::{CardChannel, CardSettings, CardTls, Terms as CardTerms, Version};
use crate::channel::{
    Alipay, AlipayCertificates, AlipayKeys, AlipaySettings, Channel, Fee, Route, SigningKey, Tariff, Terms,
    VerifyingKey, WechatPay, WechatPaySettings,
};
use crate::error::{Error, ErrorKind};
use crate::institution::{Guard, GuardSettings};
use crate::money::{AMOUNT_MINOR_MAX, Currency};
use crate::pay::ChannelId;
use crate::schema::Country;
use crate::serve::config::Pause;
use crate::time::Span;

/// One way, `[[payments.channel]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelEntry {
    name: String,
    /// How long an institution may take to answer, with all tries.
    #[serde(default = "deadline")]
    deadline: Pause,
    /// How many requests may be on their way to it.
    #[serde(default = "concurrent")]
    concurrent: usize,
    /// What it takes; everything when empty.
    #[serde(default)]
    tariff: Vec<TariffEntry>,
    /// Whose payers it takes, by the card's country or the billing address; everybody's when empty.
    #[serde(default)]
    countries: Vec<String>,
    card: Option<CardEntry>,
    alipay: Option<AlipayEntry>,
    wechatpay: Option<WechatPayEntry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TariffEntry {
    currency: String,
    /// Such as `"0.50 EUR"`.
    min: Option<String>,
    max: Option<String>,
    #[serde(default)]
    basis_points: u32,
    fixed: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardEntry {
    address: String,
    #[serde(default = "one")]
    connections: usize,
    #[serde(default)]
    sign_on: bool,
    acquirer: Option<String>,
    terminal: Option<String>,
    category: Option<String>,
    #[serde(default)]
    city: String,
    #[serde(default)]
    country: String,
    /// Of ISO 8583.
    #[serde(default)]
    edition: Edition,
    /// How the institution proves itself over TLS; none when absent.
    tls: Option<CardTlsEntry>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Edition {
    #[default]
    #[serde(rename = "1987")]
    Of1987,
    #[serde(rename = "1993")]
    Of1993,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardTlsEntry {
    name: Option<String>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlipayEntry {
    gateway: String,
    app_id: String,
    key: PathBuf,
    institution_key: Option<PathBuf>,
    /// Certificates instead of that key: the application's, Alipay's roots, and Alipay's own.
    app_cert: Option<PathBuf>,
    root_cert: Option<PathBuf>,
    #[serde(default)]
    institution_certs: Vec<PathBuf>,
    notify_url: Option<String>,
    #[serde(default = "pay_within")]
    pay_within: Pause,
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WechatPayEntry {
    gateway: String,
    app_id: String,
    merchant_id: String,
    key: PathBuf,
    key_serial: String,
    institution_key: PathBuf,
    institution_serial: String,
    /// A file with the APIv3 key.
    api_key: PathBuf,
    notify_url: String,
    #[serde(default = "pay_within")]
    pay_within: Pause,
    ca: Option<PathBuf>,
}

fn one() -> usize {
    1
}

fn deadline() -> Pause {
    Pause(GuardSettings::default().deadline)
}

fn concurrent() -> usize {
    GuardSettings::default().concurrent
}

fn pay_within() -> Pause {
    Pause(std::time::Duration::from_secs(900))
}

/// The ways, in the order in which they are tried, each behind its guard.
pub(super) type Ways = Route<Guard>;

type Way = (Arc<Guard>, Option<Terms>);

/// The ways of the settings, and then those that the program brings.
///
/// # Errors
/// What is wrong with which channel.
pub(super) fn open(entries: &[ChannelEntry], own: Vec<Way>) -> Result<Ways, Error> {
    let place = |name: &str, e: Error| Error::new(format!("channel `{name}`: {e}")).of(ErrorKind::Rules);
    let mut ways: Vec<Way> = Vec::new();
    let set = entries.iter().map(|entry| way(entry).map_err(|e| place(&entry.name, e)));
    for way in set.chain(own.into_iter().map(Ok)) {
        let way = way?;
        let name = way.0.name();
        ChannelId::parse(name).map_err(|e| place(name, Error::new(e.to_string())))?;
        if ways.iter().any(|(known, _)| known.name() == name) {
            return Err(place(name, Error::new("another channel has this name")));
        }
        ways.push(way);
    }
    Ok(Route::new(ways))
}

fn way(entry: &ChannelEntry) -> Result<Way, Error> {
    let channel: Arc<dyn Channel> = match (&entry.card, &entry.alipay, &entry.wechatpay) {
        (Some(card), None, None) => Arc::new(CardChannel::new(card.settings(&entry.name)?)?),
        (None, Some(alipay), None) => Arc::new(Alipay::new(alipay.settings(&entry.name)?)?),
        (None, None, Some(wechat)) => Arc::new(WechatPay::new(wechat.settings(&entry.name)?)?),
        _ => {
            return Err(Error::new(
                "a channel has one of the tables `card`, `alipay`, `wechatpay`: [payments.channel.card]",
            ));
        }
    };
    let settings = GuardSettings {
        deadline: entry.deadline.0,
        concurrent: entry.concurrent,
        ..GuardSettings::default()
    };
    Ok((Arc::new(Guard::new(channel, settings)), terms(entry)?))
}

fn terms(entry: &ChannelEntry) -> Result<Option<Terms>, Error> {
    let country = |code: &String| {
        Country::parse(code).ok_or_else(|| Error::new(format!("`{code}` is no country of two letters")))
    };
    let countries = entry.countries.iter().map(country).collect::<Result<Vec<_>, _>>()?;
    if entry.tariff.is_empty() && countries.is_empty() {
        return Ok(None);
    }
    if entry.tariff.is_empty() {
        return Err(Error::new("`countries` wants `tariff` entries beside it: which currencies it takes"));
    }
    let tariffs = entry.tariff.iter().map(TariffEntry::tariff).collect::<Result<_, _>>()?;
    Ok(Some(Terms { tariffs, countries }))
}

impl TariffEntry {
    fn tariff(&self) -> Result<Tariff, Error> {
        let currency = Currency::parse(&self.currency)
            .ok_or_else(|| Error::new(format!("`{}` is no currency with a minor unit", self.currency)))?;
        let minor = |name: &str, text: &Option<String>, default: i64| match text {
            None => Ok(default),
            Some(text) => match money(text) {
                Ok(money) if money.currency == currency => Ok(money.minor),
                Ok(_) => Err(Error::new(format!("`{name}` is in another currency than the tariff"))),
                Err(why) => Err(Error::new(format!("`{name}`: {why}"))),
            },
        };
        let fee = Fee::new(self.basis_points, minor("fixed", &self.fixed, 0)?);
        Ok(Tariff {
            currency,
            min: minor("min", &self.min, 1)?,
            max: minor("max", &self.max, AMOUNT_MINOR_MAX)?,
            fee: fee.ok_or_else(|| Error::new("`basis_points` is at most 10000"))?,
        })
    }
}

impl CardEntry {
    fn settings(&self, name: &str) -> Result<CardSettings, Error> {
        let usual = CardTerms::default();
        let terms = CardTerms {
            version: match self.edition {
                Edition::Of1987 => Version::Of1987,
                Edition::Of1993 => Version::Of1993,
            },
            acquirer: self.acquirer.clone().unwrap_or(usual.acquirer),
            terminal: self.terminal.clone().unwrap_or(usual.terminal),
            category: self.category.clone().unwrap_or(usual.category),
            city: self.city.clone(),
            country: self.country.clone(),
            ..CardTerms::default()
        };
        Ok(CardSettings {
            name: name.to_owned(),
            terms,
            connections: self.connections,
            sign_on: self.sign_on,
            tls: self.tls.as_ref().map(CardTlsEntry::settings).transpose()?,
            ..CardSettings::to(self.address.as_str())
        })
    }
}

impl CardTlsEntry {
    fn settings(&self) -> Result<CardTls, Error> {
        let own = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => return Err(Error::new("`tls.cert` and `tls.key` go together")),
        };
        Ok(CardTls { name: self.name.clone(), ca: self.ca.clone(), own })
    }
}

impl AlipayEntry {
    fn settings(&self, name: &str) -> Result<AlipaySettings, Error> {
        Ok(AlipaySettings {
            name: name.to_owned(),
            gateway: self.gateway.clone(),
            app_id: self.app_id.clone(),
            key: SigningKey::open(&self.key)?,
            alipay: self.alipay()?,
            notify_url: self.notify_url.clone(),
            pay_within: span(self.pay_within),
            ca: self.ca.clone(),
        })
    }
}

impl AlipayEntry {
    fn alipay(&self) -> Result<AlipayKeys, Error> {
        match (&self.institution_key, &self.app_cert, &self.root_cert, self.institution_certs.as_slice()) {
            (Some(key), None, None, []) => Ok(VerifyingKey::open(key)?.into()),
            (None, Some(app), Some(root), [_, ..]) => {
                let certificates = AlipayCertificates::open(app, root, &self.institution_certs)?;
                Ok(AlipayKeys::Certificates(certificates))
            }
            _ => Err(Error::new(
                "Alipay is known by `institution_key`, or by `app_cert`, `root_cert` and `institution_certs`",
            )),
        }
    }
}

impl WechatPayEntry {
    fn settings(&self, name: &str) -> Result<WechatPaySettings, Error> {
        Ok(WechatPaySettings {
            name: name.to_owned(),
            gateway: self.gateway.clone(),
            app_id: self.app_id.clone(),
            merchant_id: self.merchant_id.clone(),
            key: SigningKey::open(&self.key)?,
            key_serial: self.key_serial.clone(),
            wechat_keys: vec![(self.institution_serial.clone(), VerifyingKey::open(&self.institution_key)?)],
            api_key: secret(&self.api_key)?,
            notify_url: self.notify_url.clone(),
            pay_within: span(self.pay_within),
            ca: self.ca.clone(),
        })
    }
}

fn span(pause: Pause) -> Span {
    Span::from_secs(i64::try_from(pause.0.as_secs()).unwrap_or(i64::MAX))
}

/// A secret that stands alone in a file.
fn secret(path: &Path) -> Result<Zeroizing<String>, Error> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pay::Method;

    fn ways(text: &str) -> Result<Ways, Error> {
        #[derive(Deserialize)]
        struct File {
            channel: Vec<ChannelEntry>,
        }
        open(&toml::from_str::<File>(text).unwrap().channel, Vec::new())
    }

    #[test]
    fn payments_go_where_they_are_taken() {
        let ways = ways(
            "[[channel]]\nname = 'euro'\ncountries = ['DE']\ncard.address = '127.0.0.1:1'\n\
             tariff = [{ currency = 'EUR', max = '100 EUR', basis_points = 30, fixed = '0.10 EUR' }]\n\
             [[channel]]\nname = 'any'\ncard.address = '127.0.0.1:2'",
        )
        .unwrap();
        let names = |amount: &str, country: Option<&str>| {
            let taking = ways.taking(Method::Card, money(amount).unwrap(), country.and_then(Country::parse));
            taking.map(|(way, _)| way.channel.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("100 EUR", Some("DE")), ["euro", "any"]);
        assert_eq!(names("100.01 EUR", Some("DE")), ["any"]);
        assert_eq!(names("1 EUR", None), ["any"]);
        assert_eq!(names("1 USD", Some("DE")), ["any"]);
        assert_eq!(ways.taking(Method::Alipay, money("1 CNY").unwrap(), None).count(), 0);
    }

    #[test]
    fn what_is_wrong_with_a_channel_is_named() {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), SigningKey::generate().unwrap().to_pem().unwrap().as_bytes()).unwrap();
        for (text, expected) in [
            ("name = 'a b'\ncard.address = 'x:1'", "the channel's id"),
            ("name = 'a'", "one of the tables"),
            ("name = 'a'\ncard.address = 'x:1'\ncard.connections = 0", "`connections`"),
            ("name = 'a'\ncard.address = 'x:1'\ncountries = ['DE']", "`tariff`"),
            ("name = 'a'\ncard.address = 'x:1'\ncard.tls.cert = '/none'", "go together"),
            ("name = 'a'\ncard.address = 'x:1'\ncard.tls.ca = '/none'", "/none"),
            ("name = 'a'\ncard.address = 'x y:1'\ncard.tls = {}", "`x y` is no name of a server"),
            (
                "name = 'a'\ncard.address = 'x:1'\ntariff = [{ currency = 'EUR', max = '1 USD' }]",
                "another currency",
            ),
            (
                "name = 'a'\nalipay = { gateway = 'https://x/y', app_id = '1', key = 'KEY' }",
                "`institution_key`",
            ),
            (
                "name = 'a'\nalipay = { gateway = 'https://x/y', app_id = '1', key = 'KEY', app_cert = 'a', institution_key = 'b' }",
                "`institution_certs`",
            ),
            (
                "name = 'a'\nalipay = { gateway = 'https://x/y', app_id = '1', key = 'KEY', app_cert = '/none', root_cert = 'b', institution_certs = ['c'] }",
                "/none",
            ),
            (
                "name = 'a'\nalipay = { gateway = 'https://x/y', app_id = '1', key = '/none', institution_key = '/none' }",
                "/none",
            ),
        ] {
            let text = text.replace("KEY", &key.path().display().to_string());
            let said = ways(&format!("[[channel]]\n{text}")).err().unwrap().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
