//! The planted frauds: who does what when, and the signs that each leaves.
//!
//! Everything is planned before the first payment, as a list of instants; what happens at each is
//! drawn when its time comes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Ground;
use super::draft::{Channel, Draft};
use super::people::{Address, Card, Mailbox, Merchant, Person, Spot};
use super::world::{DISPOSABLE, MAIL, PLACES, TRADES, home_address, hosted_address, mix, pick, share_of};
use crate::velocity::Status;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How the fraudulent payments divide, in order: card testing, takeover, bust-out; what is left is
/// friendly fraud, which looks like any other payment.
pub(super) const SHARES: [f64; 3] = [0.45, 0.20, 0.15];
/// What the `campaign` field says, and of friendly fraud.
pub(super) const NAMES: [&str; 3] = ["card_testing", "takeover", "bust_out"];
pub(super) const FRIENDLY: &str = "friendly";

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// A bot tries stolen cards: `step` counts its attempts.
    Testing,
    /// A ring pays from accounts of others: `member` is the victim.
    Takeover,
    /// An account opened for it pays small amounts like anybody, ...
    Buildup,
    /// ... and one day large ones.
    Bust,
}

/// One payment of a campaign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    pub at: i64,
    kind: Kind,
    member: u16,
    step: u16,
    /// When the account of a bust-out was opened.
    opened: i64,
    /// All that is fixed of the campaign is `mix` of this.
    seed: u64,
}

/// All planted payments of the period, in order of time; of `frauds` in sum by `shares`, and the
/// harmless ones that build up to a bust-out.
pub(super) fn plan(
    rng: &mut ChaCha8Rng,
    start: i64,
    period: i64,
    frauds: f64,
    shares: [f64; 3],
) -> Vec<Planned> {
    let mut plan = Vec::new();
    let [mut testing, mut takeover, mut bust] = shares.map(|share| (share * frauds).round() as u64);
    while testing > 0 {
        let seed = rng.random();
        let attempts = (60 + rng.random_range(0..300u64)).min(testing);
        testing -= attempts;
        // A try every 10 to 40 seconds; every two minutes or so by those who hide.
        let pace = rng.random_range(10.0..40.0) * if hides(seed) { 5e6 } else { 1e6 };
        let length = (attempts as f64 * pace).min(period as f64 * 0.5);
        let from = start + (rng.random::<f64>() * (period as f64 - length)) as i64;
        for step in 0..attempts {
            let at = from + (length * (step as f64 + rng.random::<f64>()) / attempts as f64) as i64;
            plan.push(Planned { at, kind: Kind::Testing, member: 0, step: step as u16, opened: 0, seed });
        }
    }
    while takeover > 0 {
        let seed = rng.random();
        let length = period.min(5 * DAY) as f64 * 0.5;
        let from = start + (rng.random::<f64>() * (period as f64 - length)) as i64;
        for member in 0..rng.random_range(3..9u16) {
            let payments = rng.random_range(2..6u64).min(takeover);
            takeover -= payments;
            let mut at = from + (rng.random::<f64>() * length * 0.9) as i64;
            for step in 0..payments {
                plan.push(Planned { at, kind: Kind::Takeover, member, step: step as u16, opened: 0, seed });
                at += (rng.random_range(2.0..25.0) * length.min(HOUR as f64) / 60.0) as i64;
            }
        }
    }
    while bust > 0 {
        let seed = rng.random();
        let payments = rng.random_range(5..13u64).min(bust);
        bust -= payments;
        let history = (period as f64 * 0.6).min(24.0 * DAY as f64);
        let burst = (period as f64 * 0.05).min(20.0 * HOUR as f64);
        let from = start + (rng.random::<f64>() * (period as f64 - history - burst)) as i64;
        for step in 0..rng.random_range(6..15u16) {
            let at = from + (history * rng.random_range(0.02..0.95)) as i64;
            plan.push(Planned { at, kind: Kind::Buildup, member: 0, step, opened: from, seed });
        }
        for step in 0..payments {
            let at = from + (history + burst * rng.random::<f64>()) as i64;
            plan.push(Planned { at, kind: Kind::Bust, member: 0, step: step as u16, opened: from, seed });
        }
    }
    plan.sort_by_key(|p| (p.at, p.seed, p.step));
    plan
}

/// One bot in four takes its time, and another device and address for every card.
fn hides(seed: u64) -> bool {
    mix(seed, 13).is_multiple_of(4)
}

/// One in five tries few cards, but each at every door it knows.
fn hammers(seed: u64) -> bool {
    !hides(seed) && mix(seed, 14).is_multiple_of(5)
}

impl Planned {
    /// The kind of the attack that it is a part of, and a number of this one: a bot's series of cards, one
    /// account taken over, one bust-out. Building up to a bust-out is no attack yet.
    pub(super) fn attack(&self) -> Option<(&'static str, u64)> {
        match self.kind {
            Kind::Testing => Some((NAMES[0], self.seed)),
            Kind::Takeover => Some((NAMES[1], mix(self.seed, u64::from(self.member)))),
            Kind::Buildup => None,
            Kind::Bust => Some((NAMES[2], self.seed)),
        }
    }

    pub(super) fn draft(&self, ground: &Ground, rng: &mut ChaCha8Rng) -> Draft {
        match self.kind {
            Kind::Testing => self.testing(ground, rng),
            Kind::Takeover => self.takeover(ground, rng),
            Kind::Buildup | Kind::Bust => self.bust_out(ground, rng),
        }
    }

    /// The same merchant for the same `which`, of the trades that `fits`.
    fn merchant(&self, ground: &Ground, which: u64, fits: impl Fn(usize) -> bool) -> Merchant {
        let key = mix(self.seed, which);
        let mut merchant =
            ground.merchant(pick(PLACES.iter().map(|p| p.share), share_of(key)), share_of(mix(key, 1)));
        for i in 2..60 {
            if fits(merchant.trade) {
                break;
            }
            let place = pick(PLACES.iter().map(|p| p.share), share_of(mix(key, 100 + i)));
            merchant = ground.merchant(place, share_of(mix(key, i)));
        }
        merchant
    }

    fn testing(&self, ground: &Ground, rng: &mut ChaCha8Rng) -> Draft {
        let seed = self.seed;
        let which = if hammers(seed) {
            u64::from(self.step % 7)
        } else {
            u64::from(self.step % 8 == 7 && seed.is_multiple_of(3))
        };
        let merchant = self.merchant(ground, which, |t| TRADES[t].testable);
        // One to three BINs of one issuer; each card is tried up to three times.
        let place = (mix(seed, 3) % PLACES.len() as u64) as usize;
        let tries = if hammers(seed) { 8 + mix(seed, 4) % 4 } else { 1 + mix(seed, 4) % 3 };
        let stolen = mix(seed, 1_000 + u64::from(self.step) / tries);
        let card = Card::of_issuer(place, (mix(seed, 5) % 6) as u8, stolen % (1 + mix(seed, 6) % 3), stolen);
        let devices = 1 + mix(seed, 7) % 3;
        let from = Spot { place: (mix(seed, 8) % PLACES.len() as u64) as usize, key: mix(seed, 9) };
        // Three bots in five sit at a hosting provider, the others in people's homes.
        let hosted = !hides(seed) && mix(seed, 10) % 5 < 3;
        let host = mix(seed, 60 + rng.random_range(0..6u64));
        let device =
            if hides(seed) { mix(stolen, 8) } else { mix(seed, 40 + u64::from(self.step) % devices) };
        let ip = match (hides(seed), hosted) {
            (true, _) => home_address(from.place, mix(stolen, 9)),
            (_, true) => hosted_address(seed, host),
            (_, false) => home_address(from.place, mix(seed, 11) & !(0xff << 32) | (host & 0xf) << 32),
        };
        let address = Address { ip, spot: from, proxy: hosted && rng.random_bool(0.7) };
        let domain = if mix(seed, 12).is_multiple_of(2) {
            DISPOSABLE[(stolen % 6) as usize]
        } else {
            MAIL[(stolen % 3) as usize]
        };
        let (status, later) = match rng.random_range(0..100) {
            0..70 => (Status::Declined, 0),
            70..73 => (Status::OtpFailed, 0),
            73..77 => (Status::Disputed, rng.random_range(5..40) * DAY),
            _ => (Status::Authorized, 0),
        };
        let owner = Spot { place: card.place, key: mix(stolen, 1) };
        Draft {
            at: self.at,
            merchant,
            order: rng.random(),
            minor: ground.minor(merchant.place, rng.random_range(0.4..3.0), rng),
            channel: Channel::Card,
            card: Some(card),
            account: None,
            device: Some(device),
            address: Some(address),
            mailbox: Mailbox {
                key: mix(stolen, 2 + if hammers(seed) { u64::from(self.step) } else { 0 }),
                domain,
            },
            phone: None,
            billing: owner,
            shipping: None,
            recurring: false,
            script: mix(seed, 15).is_multiple_of(8),
            authenticated: false,
            cvv: Some(rng.random_bool(0.45)),
            avs: PLACES[card.place].avs.then(|| rng.random_bool(0.3)),
            status,
            settled_at: self.at + rng.random_range(300_000..2_000_000) + later,
            fraud: true,
            campaign: Some(NAMES[0]),
        }
    }

    fn takeover(&self, ground: &Ground, rng: &mut ChaCha8Rng) -> Draft {
        let seed = self.seed;
        let victim_key = mix(seed, 200 + u64::from(self.member));
        let victim = ground.victim(victim_key, self.at);
        let mut account = victim.account(self.at);
        // One in four comes in by a password that leaked elsewhere, and changes nothing.
        let changes = !mix(victim_key, 7).is_multiple_of(4);
        if let Some(account) = account.as_mut().filter(|_| changes) {
            // The password was changed minutes before the first payment; the last follow within hours.
            let before = MINUTE * (4 + (victim_key % 50) as i64) + i64::from(self.step) * 12 * MINUTE;
            account.password_changed = Some((self.at - before).max(account.created + 1));
        }
        let merchant =
            self.merchant(ground, 300 + u64::from(self.member) * 8 + u64::from(self.step) / 2, |t| {
                TRADES[t].resellable
            });
        let trade = &TRADES[merchant.trade];
        // The ring works from one or two devices, seldom (one in seven) from the victim's own.
        let own_device = mix(victim_key, 1).is_multiple_of(7);
        let device =
            if own_device { victim.device(self.at, 0) } else { mix(seed, 50 + mix(victim_key, 2) % 2) };
        let abroad = mix(victim_key, 3) % 10 < 7;
        let from = if abroad {
            Spot { place: (mix(seed, 8) % PLACES.len() as u64) as usize, key: mix(seed, 9) }
        } else {
            Spot { place: victim.home.place, key: mix(victim_key, 4) }
        };
        let hosted = mix(seed, 10) % 10 < 4;
        let ip = if hosted {
            hosted_address(seed, mix(seed, 11))
        } else {
            home_address(from.place, mix(from.key, 5))
        };
        let drop = Spot {
            place: if abroad { from.place } else { victim.home.place },
            key: mix(seed, 70 + victim_key % 2),
        };
        let shipping = trade.ships.then_some(if mix(victim_key, 6) % 10 < 7 { drop } else { victim.home });
        let amount = trade.median * rng.random_range(1.5..10.0);
        let card = victim.card(0);
        let (status, later) = match rng.random_range(0..100) {
            0..28 => (Status::Declined, 0),
            28..38 => (Status::OtpFailed, 0),
            38..80 => (Status::Disputed, rng.random_range(3..35) * DAY),
            _ => (Status::Authorized, 0),
        };
        Draft {
            at: self.at,
            merchant,
            order: rng.random(),
            minor: ground.minor(merchant.place, amount, rng),
            channel: Channel::Card,
            card: Some(card),
            account,
            device: Some(device),
            address: Some(Address { ip, spot: from, proxy: hosted && rng.random_bool(0.6) }),
            mailbox: victim.mailbox(),
            phone: Some(victim.home),
            billing: victim.home,
            shipping,
            recurring: false,
            script: false,
            authenticated: rng.random_bool(0.08),
            cvv: rng.random_bool(0.5).then(|| rng.random_bool(0.8)),
            avs: PLACES[card.place].avs.then(|| rng.random_bool(0.85)),
            status,
            settled_at: self.at + rng.random_range(300_000..3_000_000) + later,
            fraud: true,
            campaign: Some(NAMES[1]),
        }
    }

    fn bust_out(&self, ground: &Ground, rng: &mut ChaCha8Rng) -> Draft {
        let bust = self.kind == Kind::Bust;
        let place = pick(PLACES.iter().map(|p| p.share * (1.0 - p.wallet)), share_of(mix(self.seed, 1)));
        // One account in four was bought, and is as old as anybody's.
        let age = if mix(self.seed, 3).is_multiple_of(4) {
            (60 + (mix(self.seed, 4) % 300) as i64) * DAY
        } else {
            0
        };
        let person = Person::invented(mix(self.seed, 2), place, self.opened - age);
        let merchant = if bust {
            self.merchant(ground, 300 + u64::from(self.step), |t| TRADES[t].resellable)
        } else {
            ground.merchant(place, person.favourite(u64::from(self.step)))
        };
        let trade = &TRADES[merchant.trade];
        let amount = if bust {
            trade.median * rng.random_range(1.2..12.0)
        } else {
            trade.median.min(40.0) * rng.random_range(0.3..1.0)
        };
        let (status, later) = match rng.random_range(0..100) {
            0..18 if bust => (Status::Declined, 0),
            18..75 if bust => (Status::Disputed, rng.random_range(20..60) * DAY),
            0..3 => (Status::Declined, 0),
            _ => (Status::Authorized, 0),
        };
        let card = person.card(0);
        Draft {
            at: self.at,
            merchant,
            order: rng.random(),
            minor: ground.minor(merchant.place, amount, rng),
            channel: Channel::Card,
            card: Some(card),
            account: person.account(self.at),
            device: Some(person.device(self.at, 0)),
            address: Some(person.address(self.at, 0)),
            mailbox: person.mailbox(),
            phone: Some(person.home),
            billing: person.home,
            shipping: trade.ships.then_some(person.home),
            recurring: false,
            script: false,
            authenticated: rng.random_bool(PLACES[place].authenticated * 0.6),
            cvv: Some(true),
            avs: PLACES[card.place].avs.then(|| rng.random_bool(0.95)),
            status,
            settled_at: self.at + rng.random_range(300_000..3_000_000) + later,
            fraud: bust,
            campaign: bust.then_some(NAMES[2]),
        }
    }
}
