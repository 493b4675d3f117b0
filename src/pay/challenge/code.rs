//! A code that is sent to the payer, derived from what it is for.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::sends::Mark;
use crate::pay::id::{AccountId, MerchantId};
use crate::pay::payment::Payment;
use crate::pay::state::State;

/// Digits of a code.
const DIGITS: usize = 6;
/// Bytes of an authenticator's secret: what RFC 4226 recommends.
const SEED_BYTES: usize = 20;
/// What is derived besides codes begins with a number that no merchant's id has for its length.
const SEED: u64 = u64::MAX;
const MARK: u64 = u64::MAX - 1;

/// What codes are derived with: merchant, payment, amount, currency and the challenge's number. A code is
/// right for these alone, is kept nowhere, and is the same after a restart.
///
/// ```
/// let secret = tollgate::pay::CodeSecret::new([7; 32]);
/// assert_eq!(format!("{secret:?}"), "CodeSecret");
/// ```
#[derive(Clone)]
pub struct CodeSecret(Zeroizing<[u8; 32]>);

impl CodeSecret {
    /// From 256 random bits; not those of a [`CallSecret`](crate::pay::CallSecret).
    pub fn new(secret: [u8; 32]) -> CodeSecret {
        CodeSecret(Zeroizing::new(secret))
    }

    /// The code of the payment's challenge, to be sent; `None` when it is not challenged.
    pub fn code(&self, payment: &Payment) -> Option<Code> {
        let challenge = payment.challenge().filter(|_| payment.state() == State::Challenged)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?;
        let amount = payment.amount();
        for text in [payment.merchant().as_str(), payment.id().as_str(), amount.currency.code()] {
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text.as_bytes());
        }
        mac.update(&amount.minor.to_le_bytes());
        mac.update(&challenge.number.to_le_bytes());
        let tag = mac.finalize().into_bytes();
        // Of 2^64 values a million divides all but one in 10^13 evenly.
        let mut number = u64::from_le_bytes(tag[..8].try_into().ok()?) % 10u64.pow(DIGITS as u32);
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Some(Code(digits))
    }

    /// The secret of an account's authenticator, for the app and for [`Authenticator`](super::Authenticator): derived
    /// from merchant, account and the enrolment's salt, so that it is kept nowhere and the same after a restart.
    ///
    /// ```
    /// use tollgate::pay::{AccountId, CodeSecret, MerchantId};
    /// let (secret, merchant) = (CodeSecret::new([7; 32]), MerchantId::parse("m1")?);
    /// let (ann, bob) = (AccountId::parse("ann")?, AccountId::parse("bob")?);
    /// let seed = secret.seed(&merchant, &ann, &[1; 16]);
    /// assert_eq!(seed.len(), 20);
    /// assert_ne!(seed, secret.seed(&merchant, &bob, &[1; 16]));
    /// assert_ne!(seed, secret.seed(&merchant, &ann, &[2; 16]));
    /// # Ok::<(), tollgate::pay::Error>(())
    /// ```
    pub fn seed(&self, merchant: &MerchantId, account: &AccountId, salt: &[u8; 16]) -> Zeroizing<Vec<u8>> {
        let parts = [merchant.as_str().as_bytes(), account.as_str().as_bytes(), salt.as_slice()];
        let mut tag = Zeroizing::new(self.tag(SEED, &parts));
        tag.truncate(SEED_BYTES);
        tag
    }

    /// What codes are counted by, without being it: `kind` tells a phone number from an address.
    pub fn mark(&self, kind: &str, value: &str) -> Mark {
        let tag = self.tag(MARK, &[kind.as_bytes(), value.as_bytes()]);
        let mut mark = [0; 16];
        mark.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        Mark(mark)
    }

    fn tag(&self, what: u64, parts: &[&[u8]]) -> Vec<u8> {
        // An HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return Vec::new() };
        mac.update(&what.to_le_bytes());
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// Whether what the payer typed is the code, compared in constant time; spaces in it don't count. Only for
    /// a try that has been counted: without one it is wrong.
    pub fn matches(&self, payment: &Payment, typed: &str) -> bool {
        let mut digits = [0; DIGITS];
        let mut typed = typed.bytes().filter(|b| *b != b' ');
        for digit in &mut digits {
            let Some(byte) = typed.next() else { return false };
            *digit = byte;
        }
        let is_counted = payment.challenge().is_some_and(|challenge| challenge.tries > 0);
        let is_same = self.code(payment).is_some_and(|code| code.0.ct_eq(&digits).into());
        digits.zeroize();
        is_counted && typed.next().is_none() && is_same
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSecret")
    }
}

/// Six digits for the payer alone. It is wiped when dropped, and `Debug` does not show it.
///
/// ```
/// use tollgate::{Currency, Outcome, Timestamp, pay::*};
/// let (merchant, order, payment) = (MerchantId::parse("m1")?, OrderId::parse("o1")?, PaymentId::parse("p1")?);
/// let amount = amount(1999, Currency::parse("EUR").unwrap(), 2)?;
/// let (mut book, secret) = (Book::new(CallSecret::new([7; 32])), CodeSecret::new([8; 32]));
/// let at = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
/// book.apply(at, Event::OrderCreated { merchant: merchant.clone(), order: order.clone(), amount })?;
/// book.apply(at, Event::PaymentRequested {
///     merchant: merchant.clone(), order, attempt: 1, payment: payment.clone(), method: Method::Card, amount,
/// })?;
/// let changed = |change| Event::Changed { merchant: merchant.clone(), payment: payment.clone(), change };
/// book.apply(at, changed(Change::Assessed(Outcome::Challenge)))?;
/// book.apply(at, changed(Change::CodeSent))?; // durable, then sent
/// let code = secret.code(book.payment(&merchant, &payment).unwrap()).unwrap();
/// assert_eq!((code.as_str().len(), format!("{code:?}")), (6, "Code".to_owned()));
///
/// // Counted and durable before it is compared.
/// let effects = book.apply(at, changed(Change::CodeTried))?;
/// assert!(matches!(effects[..], [Effect::Persist(_), Effect::Compare(_)]));
/// assert!(secret.matches(book.payment(&merchant, &payment).unwrap(), code.as_str()));
/// book.apply(at, changed(Change::ChallengeEnded(ChallengeResult::Passed)))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Code([u8; DIGITS]);

impl Code {
    /// The digits, for the message.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}
