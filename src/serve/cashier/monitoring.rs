//! How many of a merchant's payments are disputed or reported as fraud, as the card schemes count them?
//!
//! By merchant, scheme and calendar month (UTC): what was captured in it, and which disputes and issuers' reports became known
//! in it, whenever their payments were made. It is brought along with each event; nothing reads the book again.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money};
use crate::pay::{Brand, MerchantId, Method, Payment, Reporter};
use crate::serve::exposition::Text;
use crate::serve::log::{self, Level};
use crate::time::Timestamp;

/// Most figures that are kept, one for each merchant, scheme and month that saw anything; past it the oldest month goes.
const FIGURES_MAX: usize = 500_000;
/// Most figures of one answer.
const SHOWN_MAX: usize = 10_000;

/// Whose rules a payment is under. The set is closed, so that metrics stay few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Visa,
    Mastercard,
    Amex,
    UnionPay,
    Jcb,
    Discover,
    Alipay,
    WechatPay,
    Other,
}

impl Scheme {
    const ALL: [Scheme; 9] = [
        Scheme::Visa,
        Scheme::Mastercard,
        Scheme::Amex,
        Scheme::UnionPay,
        Scheme::Jcb,
        Scheme::Discover,
        Scheme::Alipay,
        Scheme::WechatPay,
        Scheme::Other,
    ];

    const fn name(self) -> &'static str {
        match self {
            Scheme::Visa => "visa",
            Scheme::Mastercard => "mastercard",
            Scheme::Amex => "amex",
            Scheme::UnionPay => "unionpay",
            Scheme::Jcb => "jcb",
            Scheme::Discover => "discover",
            Scheme::Alipay => "alipay",
            Scheme::WechatPay => "wechatpay",
            Scheme::Other => "other",
        }
    }

    /// By the method; a card's by its brand, else by its first digits.
    fn of(payment: &Payment) -> Scheme {
        #[derive(Deserialize)]
        struct Known {
            card_brand: Option<String>,
            bin: Option<String>,
        }
        match payment.method() {
            Method::Alipay => return Scheme::Alipay,
            Method::WechatPay => return Scheme::WechatPay,
            Method::Card => {}
        }
        let Ok(Known { card_brand, bin }) = serde_json::from_slice(payment.facts()) else {
            return Scheme::Other;
        };
        let brand = card_brand.map(|brand| brand.to_ascii_lowercase());
        let named = Scheme::ALL.into_iter().find(|scheme| Some(scheme.name()) == brand.as_deref());
        let told = || bin.as_deref().and_then(Brand::of_digits).map_or(Scheme::Other, Scheme::from);
        named.unwrap_or_else(told)
    }

    /// The programme whose ratio is told.
    const fn program(self) -> Program {
        match self {
            Scheme::Visa => Program::Vamp,
            Scheme::Mastercard => Program::Ecp,
            _ => Program::Plain,
        }
    }
}

impl From<Brand> for Scheme {
    fn from(brand: Brand) -> Scheme {
        match brand {
            Brand::Visa => Scheme::Visa,
            Brand::Mastercard => Scheme::Mastercard,
            Brand::Amex => Scheme::Amex,
            Brand::UnionPay => Scheme::UnionPay,
            Brand::Jcb => Scheme::Jcb,
            Brand::Discover => Scheme::Discover,
        }
    }
}

/// How a ratio is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// Visa Acquirer Monitoring Program: issuers' reports of fraud (TC40) and disputes of all kinds (TC15), over what was
    /// settled in the same month (TC05).
    Vamp,
    /// Mastercard Excessive Chargeback Program: chargebacks over the sales of the month before.
    Ecp,
    /// Disputes over the sales of the same month.
    Plain,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Program::Vamp => "vamp",
            Program::Ecp => "ecp",
            Program::Plain => "disputes",
        }
    }
}

/// A month of a year, counted from that of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month(i32);

impl Month {
    pub(super) fn of(at: Timestamp) -> Month {
        let text = at.to_string();
        Month::parse(text.get(..7).unwrap_or_default()).unwrap_or(Month(0))
    }

    /// `2026-11`.
    pub(super) fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let plain =
            year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        let (year, month) = (year.parse::<i32>().ok()?, month.parse::<i32>().ok()?);
        (plain && (1..=12).contains(&month)).then_some(Month(year * 12 + month - 1))
    }

    fn before(self) -> Month {
        Month(self.0 - 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// How many, and how much in each currency.
#[derive(Debug, Clone, Default)]
struct Sum {
    count: u64,
    amounts: BTreeMap<String, (Currency, i128)>,
}

impl Sum {
    fn add(&mut self, amount: Money) {
        self.count += 1;
        let code = amount.currency.code();
        if let Some((_, minor)) = self.amounts.get_mut(code) {
            *minor += i128::from(amount.minor);
        } else {
            self.amounts.insert(code.to_owned(), (amount.currency, i128::from(amount.minor)));
        }
    }

    fn shown(&self) -> SumView {
        let text = |(currency, minor): &(Currency, i128)| {
            let minor = i64::try_from(*minor).unwrap_or(i64::MAX);
            Money { minor, currency: *currency }.to_string()
        };
        SumView { count: self.count, amounts: self.amounts.values().map(text).collect() }
    }
}

/// What a merchant saw of a scheme in a month.
#[derive(Debug, Clone, Default)]
struct Figure {
    sales: Sum,
    disputes: Sum,
    fraud_disputes: Sum,
    fraud_reports: Sum,
}

/// What was counted of a payment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    captured: bool,
    disputes: usize,
    reported: bool,
}

impl Seen {
    pub(super) fn of(payment: &Payment) -> Seen {
        Seen {
            captured: payment.captured_at().is_some(),
            disputes: payment.disputes().len(),
            reported: first_report(payment).is_some(),
        }
    }
}

/// When an issuer first reported it: a payment counts once, however often it is reported.
fn first_report(payment: &Payment) -> Option<Timestamp> {
    payment.reports().iter().find(|r| r.by == Reporter::Issuer).map(|r| r.at)
}

/// From when on a ratio is worth a warning.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    ratio: f64,
    /// So many disputes and reports at least.
    events: u64,
}

/// Thresholds by scheme.
pub(crate) type Thresholds = BTreeMap<Scheme, Threshold>;

/// A merchant's from the programmes' own: Visa's from April 2026 on (220 basis points before), Mastercard's lower step.
fn usual(scheme: Scheme) -> Option<Threshold> {
    match scheme {
        Scheme::Visa => Some(Threshold { ratio: 0.015, events: 1_500 }),
        Scheme::Mastercard => Some(Threshold { ratio: 0.015, events: 100 }),
        _ => None,
    }
}

/// The figures of all merchants.
#[derive(Debug, Default)]
pub(super) struct Figures {
    thresholds: Thresholds,
    months: BTreeMap<Month, BTreeMap<Place, Figure>>,
    /// Over all months.
    len: usize,
    /// Disputes by scheme and whether they are of fraud, and reports by scheme, of all months.
    totals: BTreeMap<Scheme, [u64; 3]>,
    /// Of whom it was warned.
    warned: HashSet<(Month, Place)>,
}

/// Whose figures, under whose rules.
type Place = (MerchantId, Scheme);

impl Figures {
    pub(super) fn new(thresholds: &Thresholds) -> Figures {
        Figures { thresholds: thresholds.clone(), ..Figures::default() }
    }

    /// Counts what is new of a payment; the months in which anything speaks against the merchant.
    fn count(&mut self, seen: Seen, payment: &Payment) -> Vec<Month> {
        let now = Seen::of(payment);
        if (now.captured, now.disputes, now.reported) == (seen.captured, seen.disputes, seen.reported) {
            return Vec::new();
        }
        let place = place(payment);
        let scheme = place.1;
        let mut against = Vec::new();
        if let Some(at) = payment.captured_at().filter(|_| !seen.captured) {
            self.at(Month::of(at), &place).sales.add(payment.ledger().captured());
        }
        for dispute in payment.disputes().iter().skip(seen.disputes) {
            let figure = self.at(Month::of(dispute.opened), &place);
            figure.disputes.add(dispute.amount);
            if dispute.kind.is_fraud() {
                figure.fraud_disputes.add(dispute.amount);
            }
            self.totals.entry(scheme).or_default()[usize::from(dispute.kind.is_fraud())] += 1;
            against.push(Month::of(dispute.opened));
        }
        if let Some(at) = first_report(payment).filter(|_| !seen.reported) {
            self.at(Month::of(at), &place).fraud_reports.add(payment.amount());
            self.totals.entry(scheme).or_default()[2] += 1;
            against.push(Month::of(at));
        }
        self.trim(FIGURES_MAX);
        against
    }

    fn at(&mut self, month: Month, place: &Place) -> &mut Figure {
        let figures = self.months.entry(month).or_default();
        if !figures.contains_key(place) {
            self.len += 1;
        }
        figures.entry(place.clone()).or_default()
    }

    /// Lets go of the oldest months while there are more figures than that.
    fn trim(&mut self, max: usize) {
        while self.len > max && self.months.len() > 1 {
            let Some((month, figures)) = self.months.pop_first() else { return };
            self.len -= figures.len();
            self.warned.retain(|(warned, _)| *warned != month);
        }
    }

    /// Takes in a payment that was there before.
    pub(super) fn resume(&mut self, payment: &Payment) {
        self.count(Seen::default(), payment);
    }

    /// Takes in what happened to a payment since; warns, once a month, of a merchant that is past the threshold.
    pub(super) fn happened(&mut self, seen: Seen, payment: &Payment) {
        for month in self.count(seen, payment) {
            let place = place(payment);
            let Some(ratio) = self.past(month, &place) else { continue };
            if !self.warned.insert((month, place.clone())) {
                continue;
            }
            let (merchant, scheme) = &place;
            let fields = [
                ("merchant", merchant.as_str().into()),
                ("scheme", scheme.name().into()),
                ("month", month.to_string().into()),
                ("program", ratio.program.into()),
                ("events", ratio.events.into()),
                ("sales", ratio.sales.into()),
                ("ratio", ratio.ratio.into()),
            ];
            log::event(Level::Warn, "dispute_ratio", &fields);
        }
    }

    /// The ratio of a place that is past its threshold.
    fn past(&self, month: Month, place: &Place) -> Option<Ratio> {
        let threshold = self.thresholds.get(&place.1).copied().or_else(|| usual(place.1))?;
        let ratio = self.ratio(month, place);
        let is_past = ratio.events >= threshold.events && ratio.ratio.is_some_and(|r| r >= threshold.ratio);
        is_past.then_some(ratio)
    }

    fn ratio(&self, month: Month, place: &Place) -> Ratio {
        let of = |month: Month| self.months.get(&month).and_then(|figures| figures.get(place));
        let sales = |month| of(month).map_or(0, |f| f.sales.count);
        let (disputes, reports) = of(month).map_or((0, 0), |f| (f.disputes.count, f.fraud_reports.count));
        let program = place.1.program();
        let (events, sales) = match program {
            Program::Vamp => (disputes + reports, sales(month)),
            Program::Ecp => (disputes, sales(month.before())),
            Program::Plain => (disputes, sales(month)),
        };
        Ratio { program: program.name(), events, sales, ratio: share(events, sales) }
    }

    /// A month's figures as JSON: of one merchant, or of all.
    pub(super) fn shown(&self, month: Month, owner: Option<&MerchantId>) -> Vec<u8> {
        let mine = |merchant: &MerchantId| owner.is_none_or(|owner| owner == merchant);
        let figures = self.months.get(&month).into_iter().flatten();
        let figures: Vec<_> = figures.filter(|((merchant, _), _)| mine(merchant)).collect();
        let views = figures.iter().take(SHOWN_MAX).map(|(place, figure)| {
            let (merchant, scheme) = place;
            let Figure { sales, disputes, fraud_disputes, fraud_reports } = figure;
            FigureView {
                merchant: merchant.as_str(),
                scheme: scheme.name(),
                sales: sales.shown(),
                disputes: disputes.shown(),
                fraud_disputes: fraud_disputes.shown(),
                fraud_reports: fraud_reports.shown(),
                dispute_rate: share(disputes.count, sales.count),
                fraud_report_rate: share(fraud_reports.count, sales.count),
                ratio: self.ratio(month, place),
                past_threshold: self.past(month, place).is_some(),
            }
        });
        let left_out = figures.len().saturating_sub(SHOWN_MAX);
        let page = Page { month: month.to_string(), figures: views.collect(), left_out };
        // Plain data always serialises.
        serde_json::to_vec(&page).unwrap_or_default()
    }

    /// Counters, as OpenMetrics text.
    pub(super) fn tell(&self, out: &mut Text) -> fmt::Result {
        out.family(
            "disputes",
            "counter",
            "Disputes that were opened, by scheme and whether they are of fraud.",
        )?;
        for (scheme, [others, frauds, _]) in &self.totals {
            out.count(&[("scheme", scheme.name()), ("fraud", "false")], *others)?;
            out.count(&[("scheme", scheme.name()), ("fraud", "true")], *frauds)?;
        }
        out.family("fraud_reports", "counter", "Payments that issuers reported as fraud, by scheme.")?;
        for (scheme, [.., reports]) in &self.totals {
            out.count(&[("scheme", scheme.name())], *reports)?;
        }
        Ok(())
    }
}

fn place(payment: &Payment) -> Place {
    (payment.merchant().clone(), Scheme::of(payment))
}

/// `None` of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[derive(Serialize)]
struct Page<'a> {
    month: String,
    figures: Vec<FigureView<'a>>,
    /// How many more there are.
    left_out: usize,
}

#[derive(Serialize)]
struct FigureView<'a> {
    merchant: &'a str,
    scheme: &'a str,
    sales: SumView,
    disputes: SumView,
    fraud_disputes: SumView,
    fraud_reports: SumView,
    dispute_rate: Option<f64>,
    fraud_report_rate: Option<f64>,
    ratio: Ratio,
    past_threshold: bool,
}

#[derive(Serialize)]
struct SumView {
    count: u64,
    amounts: Vec<String>,
}

/// A ratio as a programme makes it.
#[derive(Serialize)]
struct Ratio {
    program: &'static str,
    events: u64,
    sales: u64,
    ratio: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Outcome;
    use crate::pay::{
        Answer, Book, CallSecret, Change, DisputeId, DisputeKind, Event, FraudType, Operation, OrderId,
        PaymentId, ReportId,
    };

    /// A book whose changes are counted as they happen.
    struct Desk {
        book: Book,
        figures: Figures,
    }

    impl Desk {
        fn new(thresholds: &str) -> Desk {
            let figures = Figures::new(&toml::from_str(thresholds).unwrap());
            Desk { book: Book::new(CallSecret::new([7; 32])), figures }
        }

        fn happen(&mut self, at: &str, merchant: &str, id: &str, change: Change) {
            let (merchant, payment) = (MerchantId::parse(merchant).unwrap(), PaymentId::parse(id).unwrap());
            let seen = Seen::of(self.book.any(&payment).unwrap());
            let event = Event::Changed { merchant, payment: payment.clone(), change };
            self.book.apply(Timestamp::parse(at).unwrap(), event).unwrap();
            self.figures.happened(seen, self.book.any(&payment).unwrap());
        }

        /// A captured payment of 10 EUR by a card.
        fn paid(&mut self, at: &str, merchant: &str, id: &str, bin: &str) {
            let time = Timestamp::parse(at).unwrap();
            let amount = Money { minor: 1_000, currency: Currency::parse("EUR").unwrap() };
            let (owner, order, payment) = (
                MerchantId::parse(merchant).unwrap(),
                OrderId::parse(id).unwrap(),
                PaymentId::parse(id).unwrap(),
            );
            let facts = format!("{{\"bin\":\"{bin}\"}}").into_bytes().into_boxed_slice();
            for event in [
                Event::OrderCreated { merchant: owner.clone(), order: order.clone(), amount },
                Event::PaymentRequested {
                    merchant: owner.clone(),
                    order,
                    attempt: 1,
                    payment: payment.clone(),
                    method: Method::Card,
                    amount,
                },
                Event::Described { merchant: owner, payment: payment.clone(), facts },
            ] {
                self.book.apply(time, event).unwrap();
            }
            self.happen(at, merchant, id, Change::Assessed(Outcome::Approve));
            for operation in [Operation::Authorize, Operation::Capture { amount }] {
                self.happen(at, merchant, id, Change::Intended(operation));
                let key = self.book.any(&payment).unwrap().open().unwrap().key;
                self.happen(at, merchant, id, Change::Answered { key, answer: Answer::Approved { amount } });
            }
        }

        fn dispute(&mut self, at: &str, merchant: &str, id: &str, kind: DisputeKind) {
            let amount = Money { minor: 400, currency: Currency::parse("EUR").unwrap() };
            let dispute = DisputeId::parse("d1").unwrap();
            self.happen(at, merchant, id, Change::DisputeOpened { dispute, amount, kind });
        }

        fn report(&mut self, at: &str, merchant: &str, id: &str, report: &str, by: Reporter) {
            let report = ReportId::parse(report).unwrap();
            self.happen(at, merchant, id, Change::FraudReported { report, by, kind: FraudType::Other });
        }

        fn shown(&self, month: &str, owner: Option<&str>) -> serde_json::Value {
            let owner = owner.map(|owner| MerchantId::parse(owner).unwrap());
            let shown = self.figures.shown(Month::parse(month).unwrap(), owner.as_ref());
            // What was counted along is what one pass over the book counts.
            let mut again = Figures::new(&self.figures.thresholds);
            self.book.payments().for_each(|payment| again.resume(payment));
            assert_eq!(again.shown(Month::parse(month).unwrap(), owner.as_ref()), shown);
            serde_json::from_slice::<serde_json::Value>(&shown).unwrap()["figures"].take()
        }
    }

    const OCTOBER: &str = "2026-10-31T23:59:59Z";
    const NOVEMBER: &str = "2026-11-01T00:00:00Z";

    #[test]
    fn schemes_count_in_their_own_ways() {
        let mut desk = Desk::new("");
        for (id, at) in [("a1", OCTOBER), ("a2", OCTOBER), ("a3", NOVEMBER)] {
            desk.paid(at, "m1", id, "411111");
        }
        for (id, at) in [("b1", OCTOBER), ("b2", OCTOBER), ("b3", OCTOBER), ("b4", NOVEMBER)] {
            desk.paid(at, "m1", id, "555555");
        }
        desk.paid(NOVEMBER, "m2", "c1", "355000");
        desk.dispute(NOVEMBER, "m1", "a1", DisputeKind::Consumer);
        desk.report(NOVEMBER, "m1", "a2", "t1", Reporter::Issuer);
        desk.report(NOVEMBER, "m1", "a2", "t2", Reporter::Issuer); // counts once
        desk.report(NOVEMBER, "m1", "a3", "review", Reporter::Reviewer); // is ours, not the scheme's
        desk.dispute(NOVEMBER, "m1", "b1", DisputeKind::Fraud);
        let november = desk.shown("2026-11", Some("m1"));
        let [visa, mastercard] = [&november[0], &november[1]];
        assert_eq!(
            (visa["scheme"].as_str(), mastercard["scheme"].as_str()),
            (Some("visa"), Some("mastercard"))
        );
        assert_eq!(visa["sales"], serde_json::json!({ "count": 1, "amounts": ["10.00 EUR"] }));
        assert_eq!(visa["disputes"], serde_json::json!({ "count": 1, "amounts": ["4.00 EUR"] }));
        assert_eq!(visa["fraud_reports"], serde_json::json!({ "count": 1, "amounts": ["10.00 EUR"] }));
        // Reports and disputes over what was settled in the same month.
        assert_eq!(
            visa["ratio"],
            serde_json::json!({ "program": "vamp", "events": 2, "sales": 1, "ratio": 2.0 })
        );
        // Chargebacks over the sales of the month before.
        assert_eq!(mastercard["ratio"]["sales"], 3);
        assert_eq!(mastercard["ratio"]["ratio"], 1.0 / 3.0);
        assert_eq!(
            (&mastercard["fraud_disputes"]["count"], &mastercard["dispute_rate"]),
            (&1.into(), &1.0.into())
        );
        let all = desk.shown("2026-11", None);
        assert_eq!((all.as_array().unwrap().len(), all[2]["scheme"].as_str()), (3, Some("jcb")));
        assert_eq!(desk.shown("2026-10", Some("m2")), serde_json::json!([]));
        assert_eq!(desk.shown("2026-10", None)[0]["disputes"]["count"], 0);
    }

    #[test]
    fn a_threshold_is_passed_by_ratio_and_events() {
        let mut desk = Desk::new("visa = { ratio = 0.5, events = 2 }");
        for id in ["a1", "a2", "a3"] {
            desk.paid(NOVEMBER, "m1", id, "411111");
        }
        let past = |desk: &Desk| desk.shown("2026-11", None)[0]["past_threshold"].as_bool().unwrap();
        desk.dispute(NOVEMBER, "m1", "a1", DisputeKind::Fraud);
        assert!(!past(&desk) && desk.figures.warned.is_empty());
        desk.dispute(NOVEMBER, "m1", "a2", DisputeKind::Consumer);
        assert!(past(&desk) && desk.figures.warned.len() == 1);
        desk.paid(NOVEMBER, "m1", "a4", "411111");
        assert!(past(&desk), "at it");
        desk.paid(NOVEMBER, "m1", "a5", "411111");
        assert!(!past(&desk), "below it");
        assert_eq!(usual(Scheme::Visa), Some(Threshold { ratio: 0.015, events: 1_500 }));
    }

    #[test]
    fn the_oldest_month_goes_first() {
        let mut desk = Desk::new("");
        for (at, id) in [(OCTOBER, "a1"), (NOVEMBER, "a2")] {
            desk.paid(at, "m1", id, "411111");
        }
        desk.figures.trim(2);
        assert_eq!(desk.figures.len, 2);
        desk.figures.trim(1);
        assert_eq!(desk.figures.months.keys().map(Month::to_string).collect::<Vec<_>>(), ["2026-11"]);
        assert_eq!((desk.figures.len, FIGURES_MAX, SHOWN_MAX), (1, 500_000, 10_000));
    }

    #[test]
    fn a_brands_scheme_has_its_name() {
        assert!(Brand::ALL.iter().all(|brand| Scheme::from(*brand).name() == brand.name()));
    }

    #[test]
    fn months_are_written_and_read() {
        for text in ["2026-11", "2026-01", "0000-12"] {
            assert_eq!(Month::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Month::parse("2026-01").unwrap().before().to_string(), "2025-12");
        for text in ["2026-13", "2026-00", "2026-1", "26-01", "2026-+1", "2026", ""] {
            assert!(Month::parse(text).is_none(), "{text}");
        }
        assert_eq!(Month::of(Timestamp::parse(OCTOBER).unwrap()).to_string(), "2026-10");
    }
}
