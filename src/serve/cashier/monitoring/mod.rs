//! How many of a merchant's payments are disputed or reported as fraud, as the card schemes count them?
//!
//! By merchant, scheme and calendar month (UTC): what was captured in it, and which disputes and issuers' reports became known
//! in it, whenever their payments were made. It is brought along with each event; nothing reads the book again.

mod month;
mod scheme;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::money::{Currency, Money};
use crate::pay::{MerchantId, Payment, Reporter};
use crate::serve::exposition::Text;
use crate::serve::log::{self, Level};
use crate::time::Timestamp;

pub(super) use month::Month;
pub(crate) use scheme::Thresholds;
use scheme::{Program, Scheme, usual};
use view::{FigureView, Page, Ratio, SumView};

/// Most figures that are kept, one for each merchant, scheme and month that saw anything; past it the oldest month goes.
const FIGURES_MAX: usize = 500_000;
/// Most figures of one answer.
const SHOWN_MAX: usize = 10_000;

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
