//! Whose is the money? Double entry for one payment: every posting leaves one account and enters another.

use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};

/// Where the money of a payment can be.
///
/// ```
/// assert_eq!(tollgate::pay::Account::ALL.len(), 4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// With the payer; below zero by what they have paid.
    Payer,
    /// Held for the merchant by the institution.
    Held,
    /// The merchant's; below zero after a refund and a lost dispute of the same money.
    Merchant,
    /// Kept back while a dispute is open.
    Disputed,
}

impl Account {
    /// All of them.
    pub const ALL: [Account; 4] = [Account::Payer, Account::Held, Account::Merchant, Account::Disputed];
}

/// Balances of one payment and what was ever authorized, captured, refunded and lost. All are minor units of
/// the payment's currency, at most [`AMOUNT_MINOR_MAX`] each, so that no sum of them overflows.
///
/// ```
/// use tollgate::{Currency, pay::{Account, Ledger}};
/// let ledger = Ledger::new(Currency::parse("EUR").unwrap());
/// assert_eq!(ledger.balance(Account::Payer), 0);
/// assert!(ledger.is_balanced());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    currency: Currency,
    balances: [i64; 4],
    authorized: i64,
    captured: i64,
    refunded: i64,
    lost: i64,
}

impl Ledger {
    /// Nothing moved yet.
    pub fn new(currency: Currency) -> Ledger {
        Ledger { currency, balances: [0; 4], authorized: 0, captured: 0, refunded: 0, lost: 0 }
    }

    /// Minor units on an account.
    pub fn balance(&self, account: Account) -> i64 {
        self.balances[account as usize]
    }

    /// What was ever held.
    pub fn authorized(&self) -> Money {
        self.money(self.authorized)
    }

    /// What was ever captured.
    pub fn captured(&self) -> Money {
        self.money(self.captured)
    }

    /// What was ever refunded: never above what was captured.
    pub fn refunded(&self) -> Money {
        self.money(self.refunded)
    }

    /// What was lost in disputes.
    pub fn lost(&self) -> Money {
        self.money(self.lost)
    }

    /// What is held now, and can be captured.
    pub fn held(&self) -> Money {
        self.money(self.balance(Account::Held))
    }

    /// What can still be refunded.
    pub fn refundable(&self) -> Money {
        self.money(self.captured - self.refunded)
    }

    /// What can still be disputed: the capture, without what is disputed or lost already.
    pub fn disputable(&self) -> Money {
        self.money(self.captured - self.lost - self.balance(Account::Disputed))
    }

    /// Whether nothing was made or lost on the way, and no more was given back than was taken.
    pub fn is_balanced(&self) -> bool {
        self.balances.iter().sum::<i64>() == 0
            && self.balance(Account::Held) >= 0
            && self.balance(Account::Disputed) >= 0
            && (0..=self.captured).contains(&self.refunded)
            && (0..=self.captured).contains(&self.lost)
            && (0..=self.authorized).contains(&self.captured)
    }

    /// All of it, for images.
    pub(super) fn numbers(&self) -> [i64; 8] {
        let [payer, held, merchant, disputed] = self.balances;
        [payer, held, merchant, disputed, self.authorized, self.captured, self.refunded, self.lost]
    }

    /// `None` unless they are balanced.
    pub(super) fn of_numbers(currency: Currency, numbers: [i64; 8]) -> Option<Ledger> {
        let [payer, held, merchant, disputed, authorized, captured, refunded, lost] = numbers;
        let balances = [payer, held, merchant, disputed];
        let ledger = Ledger { currency, balances, authorized, captured, refunded, lost };
        let is_small = |minor: &i64| (-AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX).contains(minor);
        (numbers.iter().all(is_small) && ledger.is_balanced()).then_some(ledger)
    }

    fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.currency }
    }

    fn post(&mut self, from: Account, to: Account, minor: i64) {
        self.balances[from as usize] -= minor;
        self.balances[to as usize] += minor;
    }

    pub(super) fn authorize(&mut self, minor: i64) {
        self.authorized += minor;
        self.post(Account::Payer, Account::Held, minor);
    }

    /// Gives the payer back what is held.
    pub(super) fn release(&mut self) {
        self.post(Account::Held, Account::Payer, self.balance(Account::Held));
    }

    /// Takes a part of what is held, and releases the rest.
    pub(super) fn capture(&mut self, minor: i64) {
        self.captured += minor;
        self.post(Account::Held, Account::Merchant, minor);
        self.release();
    }

    pub(super) fn refund(&mut self, minor: i64) {
        self.refunded += minor;
        self.post(Account::Merchant, Account::Payer, minor);
    }

    pub(super) fn dispute(&mut self, minor: i64) {
        self.post(Account::Merchant, Account::Disputed, minor);
    }

    pub(super) fn win(&mut self, minor: i64) {
        self.post(Account::Disputed, Account::Merchant, minor);
    }

    pub(super) fn lose(&mut self, minor: i64) {
        self.lost += minor;
        self.post(Account::Disputed, Account::Payer, minor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(post: impl Fn(&mut Ledger), balances: [i64; 4]) {
        let mut ledger = Ledger::new(Currency::parse("EUR").unwrap());
        ledger.authorize(100);
        post(&mut ledger);
        assert_eq!(ledger.balances, balances);
        assert!(ledger.is_balanced());
    }

    #[test]
    fn every_posting_has_two_sides() {
        let captured = |post: fn(&mut Ledger)| {
            move |l: &mut Ledger| {
                l.capture(70);
                post(l);
            }
        };
        let disputed = |post: fn(&mut Ledger)| {
            move |l: &mut Ledger| {
                l.capture(70);
                l.dispute(50);
                post(l);
            }
        };
        // payer, held, merchant, disputed
        check(|_| {}, [-100, 100, 0, 0]);
        check(|l| l.release(), [0, 0, 0, 0]);
        check(|l| l.capture(100), [-100, 0, 100, 0]);
        check(captured(|_| {}), [-70, 0, 70, 0]);
        check(captured(|l| l.refund(30)), [-40, 0, 40, 0]);
        check(disputed(|_| {}), [-70, 0, 20, 50]);
        check(disputed(|l| l.win(50)), [-70, 0, 70, 0]);
        check(disputed(|l| l.lose(50)), [-20, 0, 20, 0]);
        check(disputed(|l| [l.refund(70), l.lose(50)].into_iter().collect()), [50, 0, -50, 0]);
    }

    #[test]
    fn what_is_not_balanced_is_noticed() {
        let mut ledger = Ledger::new(Currency::parse("EUR").unwrap());
        ledger.authorize(100);
        ledger.capture(60);
        let over = Ledger { refunded: 61, ..ledger };
        let made = Ledger { balances: [-60, 0, 61, 0], ..ledger };
        assert!(ledger.is_balanced() && !over.is_balanced() && !made.is_balanced());
    }
}
