//! Who pays and who is paid: customers, their cards and accounts, and merchants.
//!
//! Nobody is stored. A customer is a number, and everything about them is `mix` of it.

use std::net::IpAddr;

use super::world::{DISPOSABLE, MAIL, PLACES, TRADES, home_address, hosted_address, mix, pick, share_of};

const DAY: i64 = 86_400_000_000;

/// Numbers dealt out to places in blocks, the busiest first within each.
#[derive(Debug)]
pub(super) struct Layout {
    blocks: [(u64, u64); PLACES.len()],
    /// With more of it the first is less far above the mean.
    flat: f64,
}

impl Layout {
    /// `count` numbers; rank r of a block has weight 1 / (r + q), as in Zipf-Mandelbrot with
    /// exponent 1, where q is `flat`, or that share of the block when below 1.
    pub(super) fn new(count: u64, flat: f64) -> Layout {
        let mut sum = 0.0;
        let blocks = std::array::from_fn(|p| {
            let from = (sum * count as f64) as u64;
            sum += PLACES[p].share;
            let to = (sum * count as f64) as u64;
            (from.min(count - 1), (to.saturating_sub(from)).max(1))
        });
        Layout { blocks, flat }
    }

    /// The member of `place` that `u` of its payments come up to.
    pub(super) fn member(&self, place: usize, u: f64) -> u64 {
        let (from, count) = self.blocks[place];
        let n = count as f64;
        let q = if self.flat < 1.0 { (n * self.flat).max(1.0) } else { self.flat };
        let rank = q * (((n + q) / q).ln() * u).exp() - q;
        from + (rank as u64).min(count - 1)
    }

    /// Any member of `place`, all equally.
    pub(super) fn anyone(&self, place: usize, u: f64) -> u64 {
        let (from, count) = self.blocks[place];
        from + ((u * count as f64) as u64).min(count - 1)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Merchant {
    pub number: u64,
    pub place: usize,
    pub trade: usize,
    /// Which of the place's acquirers it uses.
    pub acquirer: usize,
    /// Its prices over those of its trade.
    pub price: f64,
}

impl Merchant {
    pub(super) fn new(seed: u64, number: u64, place: usize) -> Merchant {
        let key = mix(seed ^ 0x4d45_5243, number);
        Merchant {
            number,
            place,
            trade: pick(TRADES.iter().map(|t| t.share), share_of(key)),
            acquirer: (key & 1) as usize,
            price: 0.6 + 0.9 * share_of(mix(key, 1)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Card {
    /// What its token is written from.
    pub key: u64,
    pub bin: u32,
    pub place: usize,
    pub issuer: u8,
}

impl Card {
    /// A card of one of a place's issuers; `key` is what its token is written from.
    pub(super) fn new(place: usize, key: u64) -> Card {
        Card::of_issuer(place, (mix(key, 3) % 6) as u8, mix(key, 4) % 3, key)
    }

    /// A card with a given BIN: each issuer has three.
    pub(super) fn of_issuer(place: usize, issuer: u8, which: u64, key: u64) -> Card {
        let head = match (PLACES[place].code, issuer) {
            ("CN", _) => 62,
            ("JP", 0..=1) => 35,
            ("US", 5) => 37,
            (_, 0..=2) => 40 + u32::from(issuer),
            _ => 51 + u32::from(issuer) - 3,
        };
        let tail = (place as u32 * 600 + u32::from(issuer) * 60 + which as u32 * 7) % 10_000;
        Card { key, bin: head * 10_000 + tail, place, issuer }
    }

    pub(super) fn brand(&self) -> &'static str {
        match self.bin / 10_000 {
            62 => "unionpay",
            35 => "jcb",
            37 => "amex",
            51..=55 => "mastercard",
            _ => "visa",
        }
    }

    pub(super) fn funding(&self) -> &'static str {
        ["debit", "credit", "prepaid", "unknown"]
            [pick([0.46, 0.45, 0.06, 0.03].into_iter(), share_of(mix(self.key, 5)))]
    }
}

/// Where somebody lives, or where goods go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub place: usize,
    pub key: u64,
}

impl Spot {
    pub(super) fn latitude(&self) -> f64 {
        rounded(PLACES[self.place].lat + (share_of(self.key) - 0.5) * 6.0)
    }

    pub(super) fn longitude(&self) -> f64 {
        rounded(PLACES[self.place].lon + (share_of(mix(self.key, 1)) - 0.5) * 8.0)
    }
}

/// To ten metres, as address databases say it; with all its decimals it could pass for a card number.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e4).round() / 1e4
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub key: u64,
    pub created: i64,
    pub password_changed: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    pub ip: IpAddr,
    pub spot: Spot,
    pub proxy: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Mailbox {
    pub key: u64,
    pub domain: &'static str,
}

/// A customer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub key: u64,
    pub home: Spot,
    created: i64,
    has_account: bool,
}

impl Person {
    /// The person behind `key`, in a world that is watched from `start` for `period` (microseconds).
    pub(super) fn new(key: u64, place: usize, start: i64, period: i64) -> Person {
        let age = share_of(mix(key, 10));
        // One in twenty opens the account while we watch.
        let created = match mix(key, 11) % 20 {
            0 => start + (age * period as f64) as i64,
            _ => start - DAY - (age * 1_500.0 * DAY as f64) as i64,
        };
        Person { key, home: Spot { place, key: mix(key, 12) }, created, has_account: mix(key, 13) % 100 < 78 }
    }

    /// A person who opened an account at `created` to defraud with.
    pub(super) fn invented(key: u64, place: usize, created: i64) -> Person {
        Person { key, home: Spot { place, key: mix(key, 12) }, created, has_account: true }
    }

    pub(super) fn card(&self, which: u64) -> Card {
        // One in five has a second card; three in a hundred bank abroad.
        let second = which & 3 == 3 && mix(self.key, 14).is_multiple_of(5);
        let abroad = mix(self.key, 15) % 100 < 3;
        let place = if abroad { (mix(self.key, 16) % PLACES.len() as u64) as usize } else { self.home.place };
        Card::new(place, mix(self.key, 20 + u64::from(second)))
    }

    /// The account as it stands at `at`; `None` for those who check out as guests.
    pub(super) fn account(&self, at: i64) -> Option<Account> {
        if !self.has_account || self.created > at {
            return None;
        }
        let day = at.div_euclid(DAY);
        let today = day * DAY + (share_of(mix(self.key, day as u64)) * DAY as f64) as i64;
        // Forgetting a password is no crime: once in 400 days.
        let changed = if mix(self.key ^ 0x5057, day as u64).is_multiple_of(400) && today <= at {
            Some(today)
        } else {
            let once = self.created + (share_of(mix(self.key, 18)) * 300.0 * DAY as f64) as i64;
            Some(once).filter(|once| mix(self.key, 17) % 10 < 4 && *once <= at)
        };
        Some(Account { key: mix(self.key, 19), created: self.created, password_changed: changed })
    }

    /// A new device every four months or so; one in six people use two.
    pub(super) fn device(&self, at: i64, which: u64) -> u64 {
        let generation =
            (at + (share_of(mix(self.key, 22)) * 120.0 * DAY as f64) as i64).div_euclid(120 * DAY);
        let second = which & 7 == 7 && mix(self.key, 23).is_multiple_of(6);
        mix(mix(self.key, 24 + u64::from(second)), generation as u64)
    }

    /// Where they are in the week of `at`: one week in sixty-four abroad.
    pub(super) fn whereabouts(&self, at: i64) -> Spot {
        let week = at.div_euclid(7 * DAY) as u64;
        let chance = mix(self.key ^ 0x7472, week);
        if chance.is_multiple_of(64) {
            let place = (chance >> 32) as usize % PLACES.len();
            Spot { place, key: mix(chance, 1) }
        } else {
            self.home
        }
    }

    pub(super) fn address(&self, at: i64, which: u64) -> Address {
        let spot = self.whereabouts(at);
        if mix(self.key, 26) % 1_000 < 8 {
            // Those who always use a VPN come out wherever it does.
            let net = mix(self.key, 27);
            let exit = Spot { place: (net >> 8) as usize % PLACES.len(), key: net };
            return Address { ip: hosted_address(net, net >> 16), spot: exit, proxy: true };
        }
        // On the move one payment in five.
        let key = if which % 5 == 4 { mix(spot.key, which >> 8 & 15) } else { mix(spot.key, 2) };
        Address { ip: home_address(spot.place, key), spot, proxy: false }
    }

    pub(super) fn mailbox(&self) -> Mailbox {
        let key = mix(self.key, 28);
        let domain = if key % 1_000 < 6 {
            DISPOSABLE[(key >> 16) as usize % DISPOSABLE.len()]
        } else {
            let share = [0.34, 0.2, 0.13, 0.12, 0.08, 0.06, 0.04, 0.03];
            MAIL[pick(share.into_iter(), share_of(mix(key, 1)))]
        };
        Mailbox { key, domain }
    }

    /// A merchant's number they come back to, as `u` for a layout; they have four.
    pub(super) fn favourite(&self, which: u64) -> f64 {
        share_of(mix(self.key, 30 + which % 4))
    }
}
