//! The world that payments come from: places, trades, mail providers, networks.
//!
//! Networks are those set aside for documentation and measurement (RFC 5737, RFC 2544, RFC 3849),
//! mail domains those of RFC 2606, so that nothing generated belongs to anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::money::Currency;
use crate::schema::Country;

/// A country, its people's habits and its money.
pub(super) struct Place {
    pub code: &'static str,
    pub currency: &'static str,
    /// Units of the currency for one US dollar, roughly.
    pub per_usd: f64,
    /// Local time, without summer time.
    pub offset_minutes: i64,
    /// Share of all customers and merchants.
    pub share: f64,
    pub lat: f64,
    pub lon: f64,
    pub dial: &'static str,
    /// Share of payments made by Alipay or WeChat Pay.
    pub wallet: f64,
    /// Share of card payments authenticated by 3-D Secure.
    pub authenticated: f64,
    /// Whether issuers check the billing address.
    pub avs: bool,
    pub gateway: &'static str,
    /// Acquirers that merchants of the place use.
    pub acquirers: [&'static str; 2],
}

#[allow(clippy::too_many_arguments)]
const fn place(
    code: &'static str,
    currency: &'static str,
    per_usd: f64,
    offset_minutes: i64,
    share: f64,
    (lat, lon): (f64, f64),
    dial: &'static str,
    (wallet, authenticated, avs): (f64, f64, bool),
    gateway: &'static str,
) -> Place {
    let acquirers = match gateway.as_bytes()[3] {
        b'a' => ["acquirer-hudson", "acquirer-sierra"],
        b'e' => ["acquirer-rhine", "acquirer-thames"],
        _ => ["acquirer-harbour", "acquirer-lotus"],
    };
    Place {
        code,
        currency,
        per_usd,
        offset_minutes,
        share,
        lat,
        lon,
        dial,
        wallet,
        authenticated,
        avs,
        gateway,
        acquirers,
    }
}

pub(super) static PLACES: [Place; 11] = [
    place("US", "USD", 1.0, -360, 0.26, (39.0, -95.0), "+1", (0.01, 0.10, true), "gw-americas"),
    place("CN", "CNY", 7.1, 480, 0.12, (32.0, 114.0), "+86", (0.86, 0.60, false), "gw-pacific"),
    place("GB", "GBP", 0.77, 0, 0.11, (52.5, -1.5), "+44", (0.01, 0.75, true), "gw-europe"),
    place("DE", "EUR", 0.92, 60, 0.10, (51.0, 10.0), "+49", (0.01, 0.80, false), "gw-europe"),
    place("JP", "JPY", 152.0, 540, 0.09, (35.7, 138.0), "+81", (0.05, 0.45, false), "gw-pacific"),
    place("FR", "EUR", 0.92, 60, 0.08, (46.5, 2.5), "+33", (0.01, 0.80, false), "gw-europe"),
    place("BR", "BRL", 5.6, -180, 0.08, (-18.0, -47.0), "+55", (0.00, 0.25, false), "gw-americas"),
    place("IN", "INR", 84.0, 330, 0.07, (22.0, 78.0), "+91", (0.01, 0.90, false), "gw-pacific"),
    place("AU", "AUD", 1.5, 600, 0.04, (-33.0, 147.0), "+61", (0.04, 0.40, true), "gw-pacific"),
    place("MX", "MXN", 19.0, -360, 0.03, (20.0, -100.0), "+52", (0.00, 0.20, false), "gw-americas"),
    place("KW", "KWD", 0.307, 180, 0.02, (29.3, 47.7), "+965", (0.00, 0.85, false), "gw-europe"),
];

impl Place {
    pub fn country(&self) -> Country {
        let code = self.code.as_bytes();
        Country([code[0], code[1]])
    }
}

/// The currency of each place and the power of ten of its minor unit.
pub(super) fn currencies() -> [(Currency, f64); PLACES.len()] {
    std::array::from_fn(|i| {
        let currency = Currency::parse(PLACES[i].currency).expect("the table's codes are ISO 4217");
        (currency, 10f64.powi(currency.exponent() as i32))
    })
}

/// What a merchant sells.
pub(super) struct Trade {
    pub mcc: &'static str,
    /// Share of payments.
    pub share: f64,
    /// Median amount in US dollars, and the spread of its logarithm.
    pub median: f64,
    pub spread: f64,
    /// Whether goods are sent.
    pub ships: bool,
    /// Share of payments made by agreement, the payer absent.
    pub recurring: f64,
    /// Where stolen cards are tried: tiny amounts, delivered at once.
    pub testable: bool,
    /// What is bought with them: easily sold again.
    pub resellable: bool,
}

#[allow(clippy::too_many_arguments)]
const fn trade(
    mcc: &'static str,
    share: f64,
    median: f64,
    spread: f64,
    ships: bool,
    recurring: f64,
    testable: bool,
    resellable: bool,
) -> Trade {
    Trade { mcc, share, median, spread, ships, recurring, testable, resellable }
}

pub(super) static TRADES: [Trade; 14] = [
    trade("5411", 0.19, 38.0, 0.70, true, 0.0, false, false), // groceries
    trade("5812", 0.15, 19.0, 0.60, false, 0.0, false, false), // restaurants
    trade("5651", 0.12, 55.0, 0.80, true, 0.0, false, false), // clothes
    trade("4121", 0.10, 14.0, 0.55, false, 0.0, false, false), // taxis
    trade("5968", 0.09, 11.0, 0.35, false, 0.8, false, false), // subscriptions
    trade("5816", 0.08, 9.0, 0.90, false, 0.0, true, false),  // games
    trade("5732", 0.07, 120.0, 0.95, true, 0.0, false, true), // electronics
    trade("5912", 0.06, 22.0, 0.65, true, 0.0, false, false), // pharmacies
    trade("4900", 0.04, 70.0, 0.50, false, 0.6, false, false), // utilities
    trade("5734", 0.03, 35.0, 0.85, false, 0.3, true, false), // software
    trade("4511", 0.03, 240.0, 0.70, false, 0.0, false, true), // air travel
    trade("5947", 0.02, 45.0, 0.70, false, 0.0, false, true), // gift cards
    trade("5944", 0.01, 180.0, 0.90, true, 0.0, false, true), // jewellery
    trade("8398", 0.01, 20.0, 0.90, false, 0.2, true, false), // charities
];

/// Mail providers that people keep for years.
pub(super) static MAIL: [&str; 8] = [
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
    "inbox.example",
    "work.example",
    "campus.example",
];
/// Mail providers that anybody can use once; the shipped list `disposable_domains` knows most.
pub(super) static DISPOSABLE: [&str; 6] = [
    "tempmail.example",
    "tenminutes.example",
    "trashbox.example",
    "burner.example",
    "throwaway.example",
    "nospam.example",
];

/// Blocks of 198.18.0.0/15 that each place's people are found in: forty of 256 addresses.
const NETS: u64 = 40;

/// An address of people in a place, one for each `key`.
pub(super) fn home_address(place: usize, key: u64) -> IpAddr {
    if key & 7 < 3 {
        // 2001:db8:PNNN::/48, P the place.
        let net = (place as u128) << 12 | u128::from(key >> 8 & 0xfff);
        let host = u128::from(mix(key, 1));
        return IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | net << 80 | host));
    }
    let net = place as u64 * NETS + (key >> 8) % NETS;
    let base = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (net as u32) * 256;
    IpAddr::V4(Ipv4Addr::from(base + 1 + (key >> 32) as u32 % 254))
}

/// An address of a hosting provider, of network `net` (0 to 2).
pub(super) fn hosted_address(net: u64, key: u64) -> IpAddr {
    let [a, b, c] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][(net % 3) as usize];
    IpAddr::V4(Ipv4Addr::new(a, b, c, 1 + (key % 254) as u8))
}

/// 64 bits that look drawn at random and are the same for the same two numbers (SplitMix64,
/// Steele, Lea and Flood 2014): people and merchants are made of these, and stored nowhere.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// `mix` as a number in `[0, 1)`.
pub(super) fn share_of(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The first entry whose cumulated share exceeds `u` of all.
pub(super) fn pick(shares: impl Iterator<Item = f64>, u: f64) -> usize {
    let (mut sum, mut last) = (0.0, 0);
    for (i, share) in shares.enumerate() {
        sum += share;
        last = i;
        if u < sum {
            break;
        }
    }
    last
}
