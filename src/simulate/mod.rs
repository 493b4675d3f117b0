//! Payments to practise on: seeded, in order of time, with frauds planted and labelled.
//!
//! One seed gives one sequence, byte for byte. The payments have the shape of real ones (few busy
//! cards and merchants, nights and weekends, ten currencies, three channels, people who travel, forget
//! passwords and ask for their money back), not the statistics of anybody's.

mod campaign;
mod draft;
mod people;
mod rhythm;
mod world;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Error;
use crate::money::Currency;
use crate::payment::Payment;
use crate::schema::Schema;
use crate::time::Timestamp;
use crate::velocity::Status;
use campaign::Planned;
use draft::{Channel, Draft};
use people::{Layout, Merchant, Person, Spot};
use rhythm::Rhythm;
use world::{PLACES, TRADES, currencies, mix, pick};

/// Most days that a simulation may last.
///
/// ```
/// use tollgate::{SIMULATED_DAYS_MAX, Simulator, SimulatorSettings};
/// let settings = SimulatorSettings { days: SIMULATED_DAYS_MAX + 1, ..SimulatorSettings::default() };
/// assert!(Simulator::new(settings).is_err());
/// ```
pub const SIMULATED_DAYS_MAX: u32 = 3_660;
/// Most payments of one simulation: their numbers have ten digits.
///
/// ```
/// use tollgate::{SIMULATED_PAYMENTS_MAX, Simulator, SimulatorSettings};
/// let settings = SimulatorSettings { payments: SIMULATED_PAYMENTS_MAX + 1, ..SimulatorSettings::default() };
/// assert!(Simulator::new(settings).is_err());
/// ```
pub const SIMULATED_PAYMENTS_MAX: u64 = 9_999_999_999;
/// Most cards and merchants, each.
///
/// ```
/// use tollgate::{SIMULATED_PARTIES_MAX, Simulator, SimulatorSettings};
/// let settings = SimulatorSettings { cards: SIMULATED_PARTIES_MAX + 1, ..SimulatorSettings::default() };
/// assert!(Simulator::new(settings).is_err());
/// ```
pub const SIMULATED_PARTIES_MAX: u64 = 1_000_000;
/// The largest share of frauds; above it nothing would look normal.
///
/// ```
/// use tollgate::{SIMULATED_FRAUD_MAX, Simulator, SimulatorSettings};
/// let settings = SimulatorSettings { fraud: SIMULATED_FRAUD_MAX + 0.01, ..SimulatorSettings::default() };
/// assert!(Simulator::new(settings).is_err());
/// ```
pub const SIMULATED_FRAUD_MAX: f64 = 0.2;
/// Most frauds of one simulation: their plan is kept in memory, 40 bytes each.
///
/// ```
/// assert_eq!(tollgate::SIMULATED_FRAUDS_MAX, 10_000_000);
/// ```
pub const SIMULATED_FRAUDS_MAX: u64 = 10_000_000;

/// What to simulate.
///
/// ```
/// use tollgate::SimulatorSettings;
/// let week = SimulatorSettings { payments: 10_000, days: 7, ..SimulatorSettings::default() };
/// assert_eq!((week.seed, week.cards), (1, 100_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatorSettings {
    /// How many payments.
    pub payments: u64,
    /// Over how many days.
    pub days: u32,
    /// From when.
    pub start: Timestamp,
    /// Which of all possible worlds.
    pub seed: u64,
    /// How many cards, about: one in five customers has two.
    pub cards: u64,
    /// How many merchants.
    pub merchants: u64,
    /// The share of payments that are frauds: 45 % card testing, 20 % takeover, 15 % bust-out, and
    /// 20 % friendly fraud, which bears a label and no signs.
    pub fraud: f64,
}

impl Default for SimulatorSettings {
    fn default() -> SimulatorSettings {
        SimulatorSettings {
            payments: 1_000_000,
            days: 30,
            // 2026-01-05T00:00:00Z, a Monday.
            start: Timestamp::from_micros(1_767_571_200_000_000).unwrap_or_default(),
            seed: 1,
            cards: 100_000,
            merchants: 5_000,
            fraud: 0.01,
        }
    }
}

/// A stream of simulated payments.
///
/// ```
/// use tollgate::{Payment, Schema, Simulator, SimulatorSettings, field};
/// let schema = Schema::standard();
/// let settings = SimulatorSettings { payments: 100, days: 1, ..SimulatorSettings::default() };
/// let mut simulator = Simulator::new(settings)?;
/// let mut payment = Payment::new(&schema);
/// let (mut count, mut last) = (0, settings.start);
/// while simulator.next(&schema, &mut payment) {
///     assert!(payment.at() >= last && payment.text(field::MERCHANT).is_some());
///     (count, last) = (count + 1, payment.at());
/// }
/// assert_eq!(count, 100);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug)]
pub struct Simulator {
    ground: Ground,
    rhythm: Rhythm,
    rng: ChaCha8Rng,
    plan: std::iter::Peekable<std::vec::IntoIter<Planned>>,
    /// Ordinary payments still to come, the share of their activity that is past, and when the next is.
    ordinary: u64,
    past: f64,
    upcoming: i64,
    written: u64,
    payments: u64,
    /// Chance that an ordinary payment will be disputed by the very person who paid.
    friendly: f64,
    recent: [Recent; RECENT],
    /// What the last payment written is a part of.
    #[cfg_attr(not(feature = "bench"), allow(dead_code))]
    attack: Option<(&'static str, u64)>,
}

/// Ordinary payments that are remembered, for those who try again or shop on.
const RECENT: usize = 64;

#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    at: i64,
    customer: u64,
    place: usize,
    merchant: Option<Merchant>,
    minor: i64,
    declined: bool,
}

/// What stays the same through a simulation.
#[derive(Debug)]
struct Ground {
    seed: u64,
    start: i64,
    period: i64,
    customers: Layout,
    merchants: Layout,
    currencies: [(Currency, f64); PLACES.len()],
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Ground {
    fn merchant(&self, place: usize, u: f64) -> Merchant {
        Merchant::new(self.seed, self.merchants.member(place, u), place)
    }

    fn person(&self, number: u64, place: usize) -> Person {
        Person::new(mix(self.seed, number), place, self.start, self.period)
    }

    /// A customer with an account at `at`.
    fn victim(&self, key: u64, at: i64) -> Person {
        let place = pick(PLACES.iter().map(|p| p.share * (1.0 - p.wallet)), world::share_of(key));
        let candidate = |i| self.person(self.customers.anyone(place, world::share_of(mix(key, i))), place);
        (1..20).map(candidate).find(|p| p.account(at).is_some()).unwrap_or_else(|| candidate(0))
    }

    /// An amount of about `usd` dollars in the money of `place`, in minor units, rounded as prices are.
    fn minor(&self, place: usize, usd: f64, rng: &mut ChaCha8Rng) -> i64 {
        let scale = self.currencies[place].1;
        let minor = (usd * PLACES[place].per_usd * scale).round() as i64;
        let style = rng.random_range(0..10);
        let rounded = match (scale as i64, style) {
            (100, 0..4) => minor / 100 * 100 + 99,
            (100, 4..6) => minor / 50 * 50,
            (1, 0..6) if minor > 100 => minor / 10 * 10,
            (1_000, 0..7) => minor / 50 * 50,
            _ => minor,
        };
        rounded.max(1)
    }
}

impl Simulator {
    /// A stream as `settings` say.
    ///
    /// # Errors
    /// When a setting is outside its limits.
    pub fn new(settings: SimulatorSettings) -> Result<Simulator, Error> {
        Simulator::mixed(settings, campaign::SHARES)
    }

    /// As [`Simulator::new`], with other shares of card testing, takeover and bust-out; what they leave of 1 is
    /// friendly fraud.
    pub(crate) fn mixed(settings: SimulatorSettings, shares: [f64; 3]) -> Result<Simulator, Error> {
        let SimulatorSettings { payments, days, start, seed, cards, merchants, fraud } = settings;
        let within = |name: &str, value: u64, max: u64| {
            let message =
                || Error::new(format!("a simulation has 1 to {max} {name}, and {value} were asked for"));
            (1..=max).contains(&value).then_some(()).ok_or_else(message)
        };
        within("payments", payments, SIMULATED_PAYMENTS_MAX)?;
        within("days", u64::from(days), u64::from(SIMULATED_DAYS_MAX))?;
        within("cards", cards, SIMULATED_PARTIES_MAX)?;
        within("merchants", merchants, SIMULATED_PARTIES_MAX)?;
        if !(0.0..=SIMULATED_FRAUD_MAX).contains(&fraud) {
            return Err(Error::new(format!(
                "the share of frauds is 0 to {SIMULATED_FRAUD_MAX}, and {fraud} was asked for"
            )));
        }
        let frauds = payments as f64 * fraud;
        if frauds > SIMULATED_FRAUDS_MAX as f64 {
            return Err(Error::new(format!(
                "a simulation has at most {SIMULATED_FRAUDS_MAX} frauds; ask for fewer payments or a smaller share"
            )));
        }
        let period = i64::from(days) * DAY;
        // Settlements come up to 60 days later, and must be instants too.
        if start.micros() + period + 90 * DAY > Timestamp::MAX.micros() || start.micros() < 0 {
            return Err(Error::new("a simulation begins after 1970 and ends before 9999"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = campaign::plan(&mut rng, start.micros(), period, frauds, shares);
        let ordinary = payments.saturating_sub(plan.len() as u64);
        let share = (1.0 - shares.iter().sum::<f64>()).max(0.0);
        let mut simulator = Simulator {
            ground: Ground {
                seed: rng.random(),
                start: start.micros(),
                period,
                customers: Layout::new((cards * 5 / 6).max(1), 1.0 / 60.0),
                merchants: Layout::new(merchants, 2.0),
                currencies: currencies(),
            },
            rhythm: Rhythm::new(start, days),
            rng,
            plan: plan.into_iter().peekable(),
            ordinary,
            past: 0.0,
            upcoming: i64::MAX,
            written: 0,
            payments,
            friendly: (share * frauds / ordinary.max(1) as f64).min(1.0),
            recent: [Recent::default(); RECENT],
            attack: None,
        };
        simulator.advance();
        Ok(simulator)
    }

    /// Writes the next payment into `payment`, whose memory is used again; false at the end.
    /// `schema` must be one and the same for all of a stream, and `payment` of it.
    pub fn next(&mut self, schema: &Schema, payment: &mut Payment) -> bool {
        if self.written == self.payments {
            return false;
        }
        let draft = match self.plan.next_if(|planned| planned.at <= self.upcoming) {
            Some(planned) => {
                self.attack = planned.attack();
                planned.draft(&self.ground, &mut self.rng)
            }
            None => {
                self.attack = None;
                let draft = self.ordinary();
                self.advance();
                draft
            }
        };
        self.written += 1;
        payment.clear();
        let currency = self.ground.currencies[draft.merchant.place].0;
        draft.write(self.written, currency, schema, payment);
        true
    }

    /// Kind and number of the attack that the last payment written is a part of.
    #[cfg(feature = "bench")]
    pub(crate) fn attack(&self) -> Option<(&'static str, u64)> {
        self.attack
    }

    /// Draws the instant of the next ordinary payment: the least of as many uniform numbers as are
    /// left, which keeps both their count and their order without keeping them.
    fn advance(&mut self) {
        if self.ordinary == 0 {
            self.upcoming = i64::MAX;
            return;
        }
        let least = 1.0 - self.rng.random::<f64>().powf(1.0 / self.ordinary as f64);
        self.past += (1.0 - self.past) * least;
        self.ordinary -= 1;
        self.upcoming = self.rhythm.instant(self.past);
    }

    fn ordinary(&mut self) -> Draft {
        let (at, ground, rng) = (self.upcoming, &self.ground, &mut self.rng);
        // Some try again after a decline, some shop on.
        let earlier = self.recent[rng.random_range(0..RECENT)];
        let back = rng.random_bool(0.05) && at - earlier.at < 600 * SECOND;
        let (customer, place) = if back {
            (earlier.customer, earlier.place)
        } else {
            let place = self.rhythm.place(rng.random());
            (ground.customers.member(place, rng.random()), place)
        };
        let person = ground.person(customer, place);
        let which: u64 = rng.random();
        let retry = earlier.merchant.filter(|_| back && earlier.declined && which & 3 != 0);
        let merchant = retry.unwrap_or_else(|| {
            let away = person.whereabouts(at).place;
            match rng.random_range(0..100) {
                0..55 => ground.merchant(place, person.favourite(which)),
                55..90 => ground.merchant(if which.is_multiple_of(3) { place } else { away }, rng.random()),
                _ => ground.merchant(pick(PLACES.iter().map(|p| p.share), rng.random()), rng.random()),
            }
        });
        let trade = &TRADES[merchant.trade];
        let recurring = retry.is_none() && rng.random_bool(trade.recurring);
        let minor = if retry.is_some() {
            earlier.minor
        } else if recurring {
            let level = 0.5 + world::share_of(mix(person.key, merchant.number));
            ground.minor(merchant.place, trade.median * merchant.price * level, rng)
        } else {
            let spread: f64 = rng.sample(StandardNormal);
            ground.minor(merchant.place, trade.median * merchant.price * (trade.spread * spread).exp(), rng)
        };
        let wallet = rng.random_bool(PLACES[place].wallet);
        let channel = match wallet {
            true if mix(person.key, 40).is_multiple_of(2) => Channel::Alipay,
            true => Channel::WechatPay,
            false => Channel::Card,
        };
        let card = (!wallet).then(|| person.card(which));
        let authenticated = wallet || (!recurring && rng.random_bool(PLACES[merchant.place].authenticated));
        let friendly = rng.random_bool(self.friendly);
        let (status, later) = match rng.random_range(0..10_000) {
            _ if friendly => (Status::Disputed, rng.random_range(5..60) * DAY),
            0..480 if !wallet => (Status::Declined, 0),
            0..120 => (Status::Declined, 0),
            480..510 if authenticated => (Status::OtpFailed, 0),
            510..690 => (Status::Refunded, rng.random_range(1..14) * DAY),
            // The parcel never came: a dispute, and no fraud.
            690..694 => (Status::Disputed, rng.random_range(10..60) * DAY),
            _ => (Status::Authorized, 0),
        };
        let shipping = trade.ships.then(|| match rng.random_range(0..100) {
            0..92 => person.home,
            92..98 => Spot { place, key: mix(person.key, which & 7) },
            _ => Spot { place: pick(PLACES.iter().map(|p| p.share), rng.random()), key: which },
        });
        self.recent[(which >> 32) as usize % RECENT] = Recent {
            at,
            customer,
            place,
            merchant: Some(merchant),
            minor,
            declined: status == Status::Declined,
        };
        Draft {
            at,
            merchant,
            order: which,
            minor,
            channel,
            card,
            account: person.account(at),
            device: (!recurring).then(|| person.device(at, which)),
            address: (!recurring).then(|| person.address(at, which)),
            mailbox: person.mailbox(),
            phone: (mix(person.key, 42) % 10 < 7).then_some(person.home),
            billing: person.home,
            shipping,
            recurring,
            script: false,
            authenticated,
            cvv: (!recurring && !wallet).then(|| rng.random_bool(0.985)),
            avs: card.filter(|c| PLACES[c.place].avs).map(|_| rng.random_bool(0.94)),
            status,
            settled_at: at + rng.random_range(300_000..3_000_000) + later,
            fraud: friendly,
            campaign: friendly.then_some(campaign::FRIENDLY),
        }
    }
}
