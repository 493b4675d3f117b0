//! Which payers have an authenticator, and which of its codes are used up?

use std::collections::HashMap;

use crate::pay::error::Error;
use crate::pay::id::{AccountId, MerchantId};

/// Most authenticators of a book.
///
/// ```
/// assert_eq!(tollgate::pay::AUTHENTICATORS_MAX, 1_000_000);
/// ```
pub const AUTHENTICATORS_MAX: usize = 1_000_000;

/// The authenticator of a merchant's account. Its secret is in no record: it is derived from the salt
/// ([`CodeSecret::seed`](super::CodeSecret::seed)).
///
/// ```
/// use tollgate::{Timestamp, pay::{AccountId, Book, CallSecret, Event, MerchantId}};
/// let (merchant, account) = (MerchantId::parse("m1")?, AccountId::parse("ann")?);
/// let mut book = Book::new(CallSecret::new([7; 32]));
/// let at = Timestamp::default();
/// let enrolled = |salt| Event::AuthenticatorEnrolled { merchant: merchant.clone(), account: account.clone(), salt };
/// book.apply(at, enrolled([1; 16]))?;
/// assert!(!book.authenticator(&merchant, &account).unwrap().is_confirmed());
///
/// // Its first right code confirms it; each step is good once.
/// let used = |step| Event::AuthenticatorUsed { merchant: merchant.clone(), account: account.clone(), step };
/// book.apply(at, used(41))?;
/// assert_eq!(book.authenticator(&merchant, &account).unwrap().last, Some(41));
/// assert_eq!(book.apply(at, used(41)).unwrap_err().code(), "code_used");
/// // It stays until it is removed.
/// assert_eq!(book.apply(at, enrolled([2; 16])).unwrap_err().code(), "exists");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolment {
    /// What its secret is derived with, beside merchant and account: drawn anew with each enrolment.
    pub salt: [u8; 16],
    /// The last step whose code was accepted; `None` until the first, which confirms it.
    pub last: Option<u64>,
}

impl Enrolment {
    /// Whether the payer has shown that their app has the secret. Until then no challenge asks for its codes.
    pub const fn is_confirmed(&self) -> bool {
        self.last.is_some()
    }
}

/// The authenticators of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pay) struct Enrolments {
    max: usize,
    all: HashMap<(MerchantId, AccountId), Enrolment>,
}

impl Enrolments {
    pub fn new(max: usize) -> Enrolments {
        Enrolments { max, all: HashMap::new() }
    }

    pub fn get(&self, merchant: &MerchantId, account: &AccountId) -> Option<&Enrolment> {
        self.all.get(&(merchant.clone(), account.clone()))
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&(MerchantId, AccountId), &Enrolment)> {
        self.all.iter()
    }

    /// One of those entries, into what was empty.
    pub fn put_back(&mut self, of: (MerchantId, AccountId), known: Enrolment) {
        self.all.insert(of, known);
    }

    /// One that nobody has confirmed is replaced.
    pub fn enrol(&mut self, merchant: &MerchantId, account: &AccountId, salt: [u8; 16]) -> Result<(), Error> {
        let known = self.get(merchant, account);
        if known.is_some_and(Enrolment::is_confirmed) {
            return Err(Error::Exists("authenticator"));
        }
        if known.is_none() && self.all.len() >= self.max {
            return Err(Error::Full("authenticators"));
        }
        self.all.insert((merchant.clone(), account.clone()), Enrolment { salt, last: None });
        Ok(())
    }

    /// A step is good once, and none before it any more.
    pub fn used(&mut self, merchant: &MerchantId, account: &AccountId, step: u64) -> Result<(), Error> {
        let known = self.all.get_mut(&(merchant.clone(), account.clone()));
        let known = known.ok_or(Error::NotFound("authenticator"))?;
        if known.last.is_some_and(|last| step <= last) {
            return Err(Error::CodeUsed);
        }
        known.last = Some(step);
        Ok(())
    }

    pub fn remove(&mut self, merchant: &MerchantId, account: &AccountId) -> Result<(), Error> {
        let gone = self.all.remove(&(merchant.clone(), account.clone()));
        gone.map(|_| ()).ok_or(Error::NotFound("authenticator"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_there_may_be_and_none_more() {
        let mut all = Enrolments::new(2);
        let merchant = MerchantId::parse("m1").unwrap();
        let account = |n: u32| AccountId::parse(&format!("a{n}")).unwrap();
        assert_eq!(all.enrol(&merchant, &account(1), [1; 16]), Ok(()));
        assert_eq!(all.enrol(&merchant, &account(2), [2; 16]), Ok(()));
        assert_eq!(all.enrol(&merchant, &account(3), [3; 16]), Err(Error::Full("authenticators")));
        // What is there may be begun anew, and what is gone makes room.
        assert_eq!(all.enrol(&merchant, &account(2), [4; 16]), Ok(()));
        assert_eq!(all.remove(&merchant, &account(1)), Ok(()));
        assert_eq!(all.remove(&merchant, &account(1)), Err(Error::NotFound("authenticator")));
        assert_eq!(all.enrol(&merchant, &account(3), [3; 16]), Ok(()));
    }

    #[test]
    fn a_step_is_good_once_and_none_before_it() {
        let mut all = Enrolments::new(1);
        let (merchant, account) = (MerchantId::parse("m1").unwrap(), AccountId::parse("a").unwrap());
        assert_eq!(all.used(&merchant, &account, 5), Err(Error::NotFound("authenticator")));
        all.enrol(&merchant, &account, [1; 16]).unwrap();
        for (step, expected) in [
            (5, Ok(())),
            (5, Err(Error::CodeUsed)),
            (4, Err(Error::CodeUsed)),
            (6, Ok(())),
            (5, Err(Error::CodeUsed)),
        ] {
            assert_eq!(all.used(&merchant, &account, step), expected, "{step}");
        }
        assert_eq!(all.enrol(&merchant, &account, [2; 16]), Err(Error::Exists("authenticator")));
        let other = MerchantId::parse("m2").unwrap();
        assert_eq!(
            all.used(&other, &account, 9),
            Err(Error::NotFound("authenticator")),
            "another merchant's"
        );
    }
}
