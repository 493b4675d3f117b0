//! The simulator: one seed one sequence, in order, with the frauds it was asked for and their signs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

use tollgate::{
    Payment, Rates, SIMULATED_DAYS_MAX, SIMULATED_FRAUD_MAX, SIMULATED_FRAUDS_MAX, SIMULATED_PARTIES_MAX,
    SIMULATED_PAYMENTS_MAX, Schema, Simulator, SimulatorSettings, Timestamp, Value, contains_pan, field,
};

fn payments(settings: SimulatorSettings) -> Vec<Payment> {
    let schema = Schema::standard();
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(&schema);
    let mut out = Vec::new();
    while simulator.next(&schema, &mut payment) {
        out.push(payment.clone());
    }
    out
}

fn small(payments: u64) -> SimulatorSettings {
    SimulatorSettings { payments, cards: 20_000, merchants: 1_000, ..SimulatorSettings::default() }
}

fn text(schema: &Schema, payment: &Payment) -> String {
    let fields = schema.fields().map(|(id, field)| match payment.get(schema, id) {
        Some(value) => format!("{}={value};", field.name),
        None => String::new(),
    });
    fields.collect()
}

fn digest(settings: SimulatorSettings) -> u64 {
    let schema = Schema::standard();
    let mut hash = foldhash::quality::FixedState::with_seed(0).build_hasher();
    for payment in payments(settings) {
        hash.write(text(&schema, &payment).as_bytes());
    }
    hash.finish()
}

#[test]
fn one_seed_gives_one_sequence() {
    let settings = small(10_000);
    assert_eq!(digest(settings), digest(settings));
    assert_ne!(digest(settings), digest(SimulatorSettings { seed: 2, ..settings }));
}

#[test]
fn payments_come_in_order_of_time_within_the_period_and_each_is_whole() {
    let settings = small(50_000);
    let all = payments(settings);
    assert_eq!(all.len(), 50_000);
    let end = settings.start.micros() + i64::from(settings.days) * 86_400_000_000;
    assert!(all.windows(2).all(|w| w[0].at() <= w[1].at()));
    assert!(all[0].at() >= settings.start && all[49_999].at().micros() < end);
    let ids: HashSet<_> = all.iter().map(|p| p.id().to_owned()).collect();
    assert_eq!(ids.len(), all.len());
    for payment in &all {
        assert_eq!(payment.missing(), None);
        let channel = payment.text(field::CHANNEL).unwrap();
        assert_eq!(payment.has(field::CARD), channel == "card");
        assert_eq!(payment.has(field::ACCOUNT), payment.bool(field::IS_GUEST) == Some(false));
        assert_eq!(payment.has(field::IP), payment.has(field::DEVICE));
        assert_eq!(payment.bool(field::IS_RECURRING), Some(!payment.has(field::IP)));
        assert!(payment.timestamp(field::SETTLED_AT).unwrap() > payment.at());
        assert!(payment.amount().unwrap().minor > 0);
        for earlier in [field::ACCOUNT_CREATED, field::PASSWORD_CHANGED] {
            assert!(payment.timestamp(earlier).is_none_or(|t| t <= payment.at()));
        }
    }
}

#[test]
fn no_text_looks_like_a_card_number_and_no_address_is_anybodys() {
    let schema = Schema::standard();
    let mut simulator = Simulator::new(SimulatorSettings { fraud: 0.05, ..small(200_000) }).unwrap();
    let mut payment = Payment::new(&schema);
    let own: Vec<ipnet::IpNet> =
        ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]
            .map(|n| n.parse().unwrap())
            .into();
    while simulator.next(&schema, &mut payment) {
        for (id, field) in schema.fields() {
            if let Some(value) = payment.get(&schema, id) {
                match value {
                    Value::Text(t) | Value::Token(t) => assert!(!contains_pan(t), "{} {t}", field.name),
                    Value::Number(n) => assert!(!contains_pan(&n.to_string()), "{} {n}", field.name),
                    Value::Ip(ip) => assert!(own.iter().any(|net| net.contains(&ip)), "{ip}"),
                    _ => {}
                }
            }
        }
        let domain = payment.text(field::EMAIL_DOMAIN).unwrap();
        assert!(
            domain.ends_with(".example") || ["example.com", "example.net", "example.org"].contains(&domain)
        );
    }
}

#[test]
fn frauds_come_in_the_shares_asked_for() {
    for fraud in [0.0, 0.01, 0.1] {
        let all = payments(SimulatorSettings { fraud, ..small(100_000) });
        let mut campaigns: BTreeMap<&str, f64> = BTreeMap::new();
        for payment in &all {
            let label = payment.bool(field::FRAUD).unwrap();
            assert_eq!(label, payment.has(field::CAMPAIGN));
            if let Some(name) = payment.text(field::CAMPAIGN) {
                *campaigns.entry(name).or_default() += 1.0;
            }
        }
        for (name, share) in
            [("card_testing", 0.45), ("takeover", 0.2), ("bust_out", 0.15), ("friendly", 0.2)]
        {
            let expected = 100_000.0 * fraud * share;
            let found = campaigns.get(name).copied().unwrap_or(0.0);
            // Friendly fraud is drawn, the others are counted out.
            let slack = if name == "friendly" { 4.0 * expected.sqrt() } else { 1.0 };
            assert!((found - expected).abs() <= slack, "{name}: {found} of {expected}");
        }
    }
}

fn share<'a>(of: impl Iterator<Item = &'a Payment>, holds: impl Fn(&Payment) -> bool) -> f64 {
    let (mut all, mut some) = (0.0, 0.0);
    for payment in of {
        all += 1.0;
        some += f64::from(u8::from(holds(payment)));
    }
    some / all
}

fn rates() -> Rates {
    Rates::parse(
        "version = 't'\nbase = 'USD'\n[rates]\nEUR = '1.09'\nGBP = '1.3'\nJPY = '0.0066'\nCNY = '0.141'\nKWD = '3.26'\nBRL = '0.178'\nINR = '0.0119'\nAUD = '0.667'\nMXN = '0.0526'\n",
    )
    .unwrap()
}

#[test]
fn every_campaign_shows_its_signs() {
    let all = payments(SimulatorSettings { fraud: 0.03, ..small(200_000) });
    let rates = rates();
    let usd = |p: &Payment| rates.to_base(p.amount().unwrap()).unwrap().major();
    let of = |name: &'static str| all.iter().filter(move |p| p.text(field::CAMPAIGN) == Some(name));
    let good = || all.iter().filter(|p| p.bool(field::FRAUD) == Some(false));
    let status = |p: &Payment, s: &str| p.text(field::STATUS) == Some(s);
    let minutes_since_change = |p: &Payment| {
        p.timestamp(field::PASSWORD_CHANGED).map_or(f64::MAX, |t| p.at().since(t).secs() / 60.0)
    };
    let abroad =
        |p: &Payment| p.has(field::IP) && p.country(field::IP_COUNTRY) != p.country(field::BILLING_COUNTRY);

    // Card testing: tiny amounts, mostly declined, many cards of few BINs on few devices.
    assert!(share(of("card_testing"), |p| usd(p) < 5.0) > 0.98);
    assert!(share(of("card_testing"), |p| status(p, "declined")) > 0.6);
    let mut cards: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut bins: HashMap<&str, HashSet<&str>> = HashMap::new();
    for p in of("card_testing") {
        let device = p.text(field::DEVICE).unwrap();
        cards.entry(device).or_default().insert(p.text(field::CARD).unwrap());
        bins.entry(device).or_default().insert(p.text(field::BIN).unwrap());
    }
    let mean =
        |m: &HashMap<&str, HashSet<&str>>| m.values().map(|s| s.len() as f64).sum::<f64>() / m.len() as f64;
    assert!(mean(&cards) > 2.0 && mean(&bins) <= 3.0, "{} {}", mean(&cards), mean(&bins));

    // Takeover: a password just changed, high amounts, mostly from abroad and disputed later.
    assert!(share(of("takeover"), |p| minutes_since_change(p) < 180.0) > 0.6);
    assert!(share(of("takeover"), |p| usd(p) > 100.0) > 0.75);
    assert!(share(of("takeover"), abroad) > 0.4);
    assert!(share(of("takeover"), |p| status(p, "disputed")) > 0.3);

    // Bust-out: young accounts, quiet before, large amounts at once.
    let young = |p: &Payment| {
        p.timestamp(field::ACCOUNT_CREATED).is_some_and(|t| p.at().since(t).secs() < 40.0 * 86_400.0)
    };
    assert!(share(of("bust_out"), young) > 0.6);
    assert!(share(of("bust_out"), |p| usd(p) > 150.0) > 0.65);
    let accounts: HashSet<_> = of("bust_out").map(|p| p.text(field::ACCOUNT).unwrap()).collect();
    let quiet = |p: &&Payment| p.text(field::ACCOUNT).is_some_and(|a| accounts.contains(a));
    assert!(good().filter(quiet).count() > accounts.len() * 5);
    assert!(share(good().filter(quiet), |p| usd(p) < 70.0) > 0.98);

    // Nobody else looks like that, but for a few.
    for (sign, rate) in [
        (share(good(), |p| usd(p) < 5.0), 0.2),
        (share(good(), |p| status(p, "declined")), 0.08),
        (share(good(), |p| minutes_since_change(p) < 180.0), 0.01),
        (share(good(), abroad), 0.1),
        (share(good(), young), 0.1),
    ] {
        assert!(sign > 0.0 && sign < rate, "{sign} of {rate}");
    }
    // Friendly fraud bears no sign.
    assert!(share(of("friendly"), |p| status(p, "disputed")) == 1.0);
    let typical = |f: fn(&Payment) -> bool| (share(of("friendly"), f) - share(good(), f)).abs() < 0.05;
    assert!(
        typical(|p| p.bool(field::IS_GUEST) == Some(true))
            && typical(|p| p.text(field::CHANNEL) == Some("card"))
    );
}

#[test]
fn people_sleep_and_pay_in_their_own_money() {
    let all = payments(small(100_000));
    let currencies: HashSet<_> = all.iter().map(|p| p.text(field::CURRENCY).unwrap()).collect();
    assert_eq!(currencies.len(), 10);
    let channels: HashSet<_> = all.iter().map(|p| p.text(field::CHANNEL).unwrap()).collect();
    assert_eq!(channels, HashSet::from(["card", "alipay", "wechatpay"]));
    for (country, offset) in [("US", -6), ("CN", 8), ("DE", 1)] {
        let hour = |p: &Payment| (p.at().micros() / 3_600_000_000 + offset).rem_euclid(24);
        let mine = |p: &&Payment| {
            p.text(field::BILLING_POSTCODE).is_some()
                && p.country(field::BILLING_COUNTRY).unwrap().to_string() == country
                && p.bool(field::FRAUD) == Some(false)
        };
        let night = share(all.iter().filter(mine), |p| (1..6).contains(&hour(p)));
        let evening = share(all.iter().filter(mine), |p| (17..22).contains(&hour(p)));
        assert!(night < 0.05 && evening > 0.25, "{country}: {night} at night, {evening} in the evening");
    }
    // A few cards and merchants are busy, and no card beyond belief.
    let busiest = |id| {
        let mut counts: HashMap<&str, u32> = HashMap::new();
        all.iter().filter_map(|p| p.text(id)).for_each(|t| *counts.entry(t).or_default() += 1);
        f64::from(*counts.values().max().unwrap()) * counts.len() as f64 / all.len() as f64
    };
    let (card, merchant) = (busiest(field::CARD), busiest(field::MERCHANT));
    assert!((4.0..40.0).contains(&card) && merchant > 20.0, "{card} {merchant}");
}

#[test]
fn limits_are_met_and_not_passed() {
    let base = SimulatorSettings { payments: 10, cards: 1, merchants: 1, days: 1, fraud: 0.2, ..small(1) };
    assert_eq!(payments(base).len(), 10);
    let frauds = (SIMULATED_FRAUDS_MAX as f64 / 0.2) as u64;
    for (settings, fits) in [
        (SimulatorSettings { payments: 0, ..base }, false),
        (SimulatorSettings { payments: SIMULATED_PAYMENTS_MAX, fraud: 0.0, ..base }, true),
        (SimulatorSettings { payments: SIMULATED_PAYMENTS_MAX + 1, fraud: 0.0, ..base }, false),
        (SimulatorSettings { payments: frauds + 5, ..base }, false),
        (SimulatorSettings { days: 0, ..base }, false),
        (SimulatorSettings { days: SIMULATED_DAYS_MAX, ..base }, true),
        (SimulatorSettings { days: SIMULATED_DAYS_MAX + 1, ..base }, false),
        (SimulatorSettings { cards: SIMULATED_PARTIES_MAX, ..base }, true),
        (SimulatorSettings { cards: SIMULATED_PARTIES_MAX + 1, ..base }, false),
        (SimulatorSettings { merchants: SIMULATED_PARTIES_MAX + 1, ..base }, false),
        (SimulatorSettings { fraud: SIMULATED_FRAUD_MAX + 0.01, ..base }, false),
        (SimulatorSettings { fraud: f64::NAN, ..base }, false),
        (SimulatorSettings { start: Timestamp::MAX, ..base }, false),
        (SimulatorSettings { start: Timestamp::MIN, ..base }, false),
    ] {
        assert_eq!(Simulator::new(settings).is_ok(), fits, "{settings:?}");
    }
}
