//! From what happened to the fields of a payment: every text is written on the stack.

use arrayvec::ArrayString;

use super::people::{Account, Address, Card, Mailbox, Merchant, Spot};
use super::world::{PLACES, TRADES, mix};
use crate::money::{Currency, Money};
use crate::payment::Payment;
use crate::schema::{FieldId, Schema, Value, field};
use crate::time::Timestamp;
use crate::velocity::Status;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Channel {
    Card,
    Alipay,
    WechatPay,
}

/// A payment before its texts are written.
pub(super) struct Draft {
    pub at: i64,
    pub merchant: Merchant,
    pub order: u64,
    pub minor: i64,
    pub channel: Channel,
    pub card: Option<Card>,
    pub account: Option<Account>,
    pub device: Option<u64>,
    pub address: Option<Address>,
    pub mailbox: Mailbox,
    /// Whose phone it is, and where.
    pub phone: Option<Spot>,
    pub billing: Spot,
    pub shipping: Option<Spot>,
    pub recurring: bool,
    /// Whether the payer's browser is a program, and says so.
    pub script: bool,
    pub authenticated: bool,
    pub cvv: Option<bool>,
    pub avs: Option<bool>,
    pub status: Status,
    pub settled_at: i64,
    pub fraud: bool,
    pub campaign: Option<&'static str>,
}

type Word = ArrayString<64>;

/// Appends what fits; words here are shorter than their buffer.
fn push(word: &mut Word, text: &str) {
    let _ = word.try_push_str(text);
}

fn push_hex(word: &mut Word, bits: u64, digits: u32) {
    for i in (0..digits).rev() {
        let digit = b"0123456789abcdef"[(bits >> (i * 4) & 15) as usize];
        let _ = word.try_push(digit as char);
    }
}

fn push_decimal(word: &mut Word, number: u64, digits: u32) {
    for i in (0..digits).rev() {
        let _ = word.try_push((b'0' + (number / 10u64.pow(i) % 10) as u8) as char);
    }
}

fn hex(prefix: &str, bits: u64, digits: u32) -> Word {
    let mut word = Word::new();
    push(&mut word, prefix);
    push_hex(&mut word, bits, digits);
    word
}

fn decimal(prefix: &str, number: u64, digits: u32) -> Word {
    let mut word = Word::new();
    push(&mut word, prefix);
    push_decimal(&mut word, number, digits);
    word
}

const FIRST: [&str; 16] = [
    "ann", "ben", "chen", "dai", "eva", "fatma", "gil", "hana", "ivo", "jun", "kim", "lea", "mei", "noor",
    "oya", "pia",
];
const LAST: [&str; 16] = [
    "abe", "brown", "costa", "diaz", "evans", "fischer", "garcia", "huang", "ito", "jones", "khan", "li",
    "meyer", "novak", "okafor", "petit",
];
const STREETS: [&str; 12] = [
    "Elm Street",
    "Hill Road",
    "Station Road",
    "Lake View",
    "Mill Lane",
    "Park Avenue",
    "Garden Way",
    "Bridge Street",
    "River Walk",
    "Church Lane",
    "Market Square",
    "Harbour Road",
];
/// A device's operating system and browser, by share.
const SYSTEMS: [(&str, &str); 8] = [
    ("android", "Mozilla/5.0 (Linux; Android 16) Chrome/142"),
    ("ios", "Mozilla/5.0 (iPhone; iOS 26) Safari/26"),
    ("windows", "Mozilla/5.0 (Windows NT 10.0) Chrome/142"),
    ("android", "Mozilla/5.0 (Linux; Android 15) Chrome/141"),
    ("ios", "Mozilla/5.0 (iPhone; iOS 18) Safari/18"),
    ("macos", "Mozilla/5.0 (Macintosh) Safari/26"),
    ("windows", "Mozilla/5.0 (Windows NT 10.0) Firefox/145"),
    ("linux", "Mozilla/5.0 (X11; Linux) Firefox/145"),
];

fn mail(mailbox: Mailbox) -> Word {
    let key = mailbox.key;
    let mut word = Word::new();
    push(&mut word, FIRST[(key >> 20 & 15) as usize]);
    push(&mut word, ".");
    push(&mut word, LAST[(key >> 24 & 15) as usize]);
    push_hex(&mut word, key >> 28, 5);
    push(&mut word, "@");
    push(&mut word, mailbox.domain);
    word
}

fn postcode(spot: Spot) -> Word {
    decimal("", spot.key % 900 + 100 + (spot.place as u64) * 8_000, 5)
}

fn street(spot: Spot) -> Word {
    let key = mix(spot.key, 9);
    let mut word = decimal("", key % 180 + 10, 3);
    push(&mut word, " ");
    push(&mut word, STREETS[(key >> 16) as usize % STREETS.len()]);
    push(&mut word, ", ");
    push(&mut word, &postcode(spot));
    word
}

impl Draft {
    /// Writes it as the payment numbered `number`. `payment` must be empty.
    pub(super) fn write(&self, number: u64, currency: Currency, schema: &Schema, payment: &mut Payment) {
        let at = |micros: i64| Value::Timestamp(Timestamp::from_micros(micros).unwrap_or_default());
        let mut set = |id: FieldId, value: Value<'_>| {
            let done = payment.set(schema, id, value);
            debug_assert!(done.is_ok(), "{}: {done:?}", schema.field(id).name);
        };
        set(field::ID, Value::Token(&decimal("p", number, 10)));
        set(field::AT, at(self.at));
        set(field::AMOUNT, Value::Money(Money { minor: self.minor, currency }));
        let (place, trade) = (&PLACES[self.merchant.place], &TRADES[self.merchant.trade]);
        set(field::MERCHANT, Value::Token(&decimal("mer_", self.merchant.number, 6)));
        set(field::MERCHANT_COUNTRY, Value::Country(place.country()));
        set(field::MCC, Value::Text(trade.mcc));
        set(field::ORDER, Value::Token(&hex("ord_", self.order, 10)));
        set(field::GATEWAY, Value::Text(place.gateway));
        let (channel, institution) = match self.channel {
            Channel::Card => ("card", place.acquirers[self.merchant.acquirer]),
            Channel::Alipay => ("alipay", "alipay"),
            Channel::WechatPay => ("wechatpay", "wechatpay"),
        };
        set(field::CHANNEL, Value::Text(channel));
        set(field::INSTITUTION, Value::Text(institution));
        if let Some(card) = self.card {
            set(field::CARD, Value::Token(&hex("tok_", card.key, 16)));
            set(field::BIN, Value::Text(&decimal("", u64::from(card.bin), 6)));
            set(field::LAST4, Value::Text(&decimal("", mix(card.key, 7) % 10_000, 4)));
            set(field::CARD_BRAND, Value::Text(card.brand()));
            set(field::CARD_COUNTRY, Value::Country(PLACES[card.place].country()));
            set(field::CARD_FUNDING, Value::Text(card.funding()));
            let mut issuer = Word::new();
            push(&mut issuer, PLACES[card.place].code);
            push(&mut issuer, "-bank-");
            push_decimal(&mut issuer, u64::from(card.issuer), 1);
            set(field::CARD_ISSUER, Value::Text(&issuer));
        }
        if let Some(account) = self.account {
            set(field::ACCOUNT, Value::Token(&hex("acc_", account.key, 12)));
            set(field::ACCOUNT_CREATED, at(account.created));
            if let Some(changed) = account.password_changed {
                set(field::PASSWORD_CHANGED, at(changed));
            }
        }
        set(field::IS_GUEST, Value::Bool(self.account.is_none()));
        if let Some(device) = self.device {
            set(field::DEVICE, Value::Token(&hex("dev_", device, 12)));
            let (system, agent) = SYSTEMS[(device >> 50 & 7) as usize];
            set(field::DEVICE_OS, Value::Text(system));
            set(field::USER_AGENT, Value::Text(if self.script { "python-requests/2.32" } else { agent }));
            set(field::SESSION, Value::Token(&hex("ses_", mix(device, self.order), 12)));
        }
        if let Some(address) = self.address {
            set(field::IP, Value::Ip(address.ip));
            set(field::IP_COUNTRY, Value::Country(PLACES[address.spot.place].country()));
            set(field::IP_PROXY, Value::Bool(address.proxy));
            set(field::IP_LAT, Value::Number(address.spot.latitude()));
            set(field::IP_LON, Value::Number(address.spot.longitude()));
        }
        set(field::EMAIL, Value::Text(&mail(self.mailbox)));
        if let Some(phone) = self.phone {
            set(field::PHONE, Value::Text(&decimal(PLACES[phone.place].dial, phone.key % 1_000_000_000, 9)));
        }
        set(field::BILLING_COUNTRY, Value::Country(PLACES[self.billing.place].country()));
        set(field::BILLING_POSTCODE, Value::Text(&postcode(self.billing)));
        set(field::BILLING_LAT, Value::Number(self.billing.latitude()));
        set(field::BILLING_LON, Value::Number(self.billing.longitude()));
        if let Some(shipping) = self.shipping {
            set(field::SHIPPING_COUNTRY, Value::Country(PLACES[shipping.place].country()));
            set(field::SHIPPING_POSTCODE, Value::Text(&postcode(shipping)));
            set(field::SHIPPING_ADDRESS, Value::Text(&street(shipping)));
        }
        set(field::IS_RECURRING, Value::Bool(self.recurring));
        set(field::AUTHENTICATED, Value::Bool(self.authenticated));
        if let Some(matched) = self.cvv {
            set(field::CVV_MATCH, Value::Bool(matched));
        }
        if let Some(matched) = self.avs {
            set(field::AVS_MATCH, Value::Bool(matched));
        }
        set(field::STATUS, Value::Text(self.status.name()));
        set(field::SETTLED_AT, at(self.settled_at));
        set(field::FRAUD, Value::Bool(self.fraud));
        if let Some(campaign) = self.campaign {
            set(field::CAMPAIGN, Value::Text(campaign));
        }
    }
}
