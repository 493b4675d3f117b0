//! What becomes of a payment that could not be scored in time, and what approving blindly may cost.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::config::{OnUnavailable, Unavailable};
use crate::decision::Outcome;
use crate::money::{Currency, Money, Rates};

/// What the budget is for.
const HOUR: Duration = Duration::from_secs(3_600);

/// A caller's policy and what is left of its budget.
pub(super) struct Policy {
    on: OnUnavailable,
    payments: u64,
    amount: Option<Money>,
    amount_max: Option<Money>,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    since: Option<Instant>,
    payments: u64,
    /// In minor units of the rates' base currency.
    minor: i64,
}

impl Policy {
    /// # Errors
    /// When an amount is none.
    pub(super) fn of(settings: &Unavailable) -> Result<Policy, String> {
        Ok(Policy {
            on: settings.policy,
            payments: settings.payments_per_hour,
            amount: settings.amount_per_hour.as_deref().map(money).transpose()?,
            amount_max: settings.amount_max.as_deref().map(money).transpose()?,
            spent: Mutex::default(),
        })
    }

    /// Whether the payment must be read to know what becomes of it.
    pub(super) fn decides(&self) -> bool {
        self.on != OnUnavailable::Closed
    }

    /// The outcome of a payment that was not scored; `None` when the caller must decide. Approvals
    /// are taken from the budget; past it, and for amounts that can't be told, it is review.
    pub(super) fn outcome(&self, amount: Option<Money>, rates: &Rates, now: Instant) -> Option<Outcome> {
        let outcome = self.on.outcome()?;
        if outcome == Outcome::Approve && !self.spend(amount, rates, now) {
            return Some(Outcome::Review);
        }
        Some(outcome)
    }

    fn spend(&self, amount: Option<Money>, rates: &Rates, now: Instant) -> bool {
        let Some(amount) = amount.and_then(|a| rates.to_base(a)) else { return false };
        let cap = |cap: Option<Money>| cap.map(|c| rates.to_base(c).map_or(0, |c| c.minor));
        if cap(self.amount_max).is_some_and(|max| amount.minor > max) {
            return false;
        }
        let mut spent = self.spent.lock();
        if spent.since.is_none_or(|since| now.duration_since(since) >= HOUR) {
            *spent = Spent { since: Some(now), ..Spent::default() };
        }
        let minor = spent.minor.saturating_add(amount.minor);
        if spent.payments >= self.payments || cap(self.amount).is_none_or(|max| minor > max) {
            return false;
        }
        spent.payments += 1;
        spent.minor = minor;
        true
    }
}

fn money(text: &str) -> Result<Money, String> {
    let read = || {
        let (amount, currency) = text.trim().split_once(' ')?;
        Money::parse(amount, Currency::parse(currency.trim())?).ok()
    };
    read().ok_or_else(|| format!("`{}` is no amount; write \"5000 USD\"", crate::token::redact(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blind_approvals_stay_within_count_and_money_of_the_hour() {
        let usd = |text| money(text).unwrap();
        let settings = Unavailable {
            policy: OnUnavailable::Open,
            payments_per_hour: 3,
            amount_per_hour: Some("100 USD".into()),
            amount_max: Some("60 USD".into()),
        };
        let policy = Policy::of(&settings).unwrap();
        let rates = Rates::only(Currency::parse("USD").unwrap());
        let start = Instant::now();
        let ask = |amount: Option<Money>, at: Instant| policy.outcome(amount, &rates, at).unwrap();
        assert_eq!(ask(Some(usd("61 USD")), start), Outcome::Review); // one payment too large
        assert_eq!(ask(None, start), Outcome::Review);
        assert_eq!(ask(Some(usd("60 USD")), start), Outcome::Approve);
        assert_eq!(ask(Some(usd("41 USD")), start), Outcome::Review); // past the hour's money
        assert_eq!(ask(Some(usd("40 USD")), start), Outcome::Approve); // at it
        assert_eq!(ask(Some(usd("0 USD")), start), Outcome::Approve); // at the count
        assert_eq!(ask(Some(usd("0 USD")), start), Outcome::Review); // past it
        assert_eq!(ask(Some(usd("60 USD")), start + HOUR), Outcome::Approve);
        assert_eq!(ask(Some(usd("1 EUR")), start + HOUR), Outcome::Review); // no rate
    }

    #[test]
    fn without_a_budget_nothing_is_approved_blindly() {
        let open =
            Unavailable { policy: OnUnavailable::Open, payments_per_hour: 9, ..Unavailable::default() };
        let rates = Rates::only(Currency::parse("USD").unwrap());
        let outcome =
            |s: &Unavailable| Policy::of(s).unwrap().outcome(money("1 USD").ok(), &rates, Instant::now());
        assert_eq!(outcome(&open), Some(Outcome::Review));
        assert_eq!(outcome(&Unavailable::default()), None);
    }
}
