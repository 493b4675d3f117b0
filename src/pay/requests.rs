//! Has this request been answered before? Idempotency keys and the answers given under them.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::id::MerchantId;
use crate::time::{Span, Timestamp};

/// Most bytes of an idempotency key.
///
/// ```
/// use tollgate::pay::{KEY_BYTES_MAX, MerchantId, RequestKey};
/// let merchant = MerchantId::parse("m1")?;
/// assert!(RequestKey::new(&merchant, "capture", &"k".repeat(KEY_BYTES_MAX)).is_ok());
/// assert!(RequestKey::new(&merchant, "capture", &"k".repeat(KEY_BYTES_MAX + 1)).is_err());
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
pub const KEY_BYTES_MAX: usize = 255;
/// Most bytes of an answer that is kept: it fits into a record of the journal.
///
/// ```
/// assert_eq!(tollgate::pay::ANSWER_BYTES_MAX, 32 << 10);
/// ```
pub const ANSWER_BYTES_MAX: usize = 32 << 10;
/// Most requests that are kept; past it the oldest that has been answered goes.
///
/// ```
/// assert_eq!(tollgate::pay::REQUESTS_MAX, 1_000_000);
/// ```
pub const REQUESTS_MAX: usize = 1_000_000;
/// How long requests are kept, by the times of later ones. What is charged or refunded once stays so for
/// ever, by the payment's natural key and the refund's id.
///
/// ```
/// assert_eq!(tollgate::pay::REQUESTS_KEPT.to_string(), "7d");
/// ```
pub const REQUESTS_KEPT: Span = Span::from_secs(7 * 86_400);

/// Stands for a caller, a route and the key that the caller chose, which itself is not kept.
///
/// ```
/// use tollgate::pay::{MerchantId, RequestKey};
/// let (one, two) = (MerchantId::parse("m1")?, MerchantId::parse("m2")?);
/// assert_eq!(RequestKey::new(&one, "capture", "k")?, RequestKey::new(&one, "capture", "k")?);
/// assert_ne!(RequestKey::new(&one, "capture", "k")?, RequestKey::new(&two, "capture", "k")?);
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestKey(pub [u8; 32]);

impl RequestKey {
    /// Of a request by `merchant` to `route` with the header `idempotency-key: key`.
    ///
    /// # Errors
    /// [`Error::BadKey`].
    pub fn new(merchant: &MerchantId, route: &str, key: &str) -> Result<RequestKey, Error> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::BadKey);
        }
        let mut name = Sha256::new();
        for part in [merchant.as_str(), route, key] {
            name.update((part.len() as u64).to_le_bytes());
            name.update(part);
        }
        Ok(RequestKey(name.finalize().into()))
    }
}

/// The requests of a book.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    max: usize,
    kept: HashMap<RequestKey, Kept>,
    /// By age.
    order: BTreeMap<u64, RequestKey>,
    number: u64,
    /// Being answered by this process; what was when another ended may be asked for again.
    running: HashSet<RequestKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    number: u64,
    begun: Timestamp,
    body: [u8; 32],
    answer: Option<Box<[u8]>>,
}

/// Which are running is no part of what is known.
impl PartialEq for Requests {
    fn eq(&self, other: &Requests) -> bool {
        (&self.kept, &self.order, self.number) == (&other.kept, &other.order, other.number)
    }
}

impl Requests {
    pub fn new(max: usize) -> Requests {
        Requests { max, kept: HashMap::new(), order: BTreeMap::new(), number: 0, running: HashSet::new() }
    }

    /// The answer that was given; `None` when the request is to be answered now.
    pub fn answer(&self, request: &RequestKey, body: &[u8; 32]) -> Result<Option<&[u8]>, Error> {
        match self.kept.get(request) {
            None => Ok(None),
            Some(kept) if kept.body != *body => Err(Error::KeyReused),
            Some(Kept { answer: Some(answer), .. }) => Ok(Some(answer)),
            Some(_) if self.running.contains(request) => Err(Error::KeyInFlight),
            Some(_) => Ok(None),
        }
    }

    /// Whether anything is different now.
    pub fn begin(&mut self, at: Timestamp, request: RequestKey, body: [u8; 32]) -> Result<bool, Error> {
        if self.answer(&request, &body)?.is_some() {
            return Err(Error::Exists("answer"));
        }
        if self.kept.contains_key(&request) {
            self.running.insert(request);
            return Ok(false);
        }
        self.make_room(at)?;
        self.number += 1;
        self.order.insert(self.number, request);
        self.kept.insert(request, Kept { number: self.number, begun: at, body, answer: None });
        self.running.insert(request);
        Ok(true)
    }

    fn make_room(&mut self, at: Timestamp) -> Result<(), Error> {
        while let Some((&number, &oldest)) = self.order.first_key_value() {
            let kept = self.kept.get(&oldest);
            let is_outdated = kept.is_none_or(|k| at.since(k.begun) >= REQUESTS_KEPT);
            if !is_outdated && self.order.len() < self.max {
                break;
            }
            if !is_outdated && kept.is_some_and(|k| k.answer.is_none()) {
                return Err(Error::Full("requests"));
            }
            self.order.remove(&number);
            self.forget(&oldest);
        }
        Ok(())
    }

    fn forget(&mut self, request: &RequestKey) {
        self.running.remove(request);
        if let Some(kept) = self.kept.remove(request) {
            self.order.remove(&kept.number);
        }
    }

    /// Whether anything is different now.
    pub fn keep(&mut self, request: &RequestKey, answer: &[u8]) -> Result<bool, Error> {
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(Error::Full("bytes of an answer"));
        }
        let kept = self.kept.get_mut(request).ok_or(Error::NotFound("request"))?;
        match &kept.answer {
            Some(known) if **known == *answer => return Ok(false),
            Some(_) => return Err(Error::Exists("answer")),
            None => kept.answer = Some(answer.into()),
        }
        self.running.remove(request);
        Ok(true)
    }

    pub fn drop(&mut self, request: &RequestKey) -> Result<(), Error> {
        match self.kept.get(request) {
            None => Err(Error::NotFound("request")),
            Some(Kept { answer: Some(_), .. }) => Err(Error::Exists("answer")),
            Some(_) => {
                self.forget(request);
                Ok(())
            }
        }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// The last one's number.
    pub fn last(&self) -> u64 {
        self.number
    }

    /// Number, key, time, digest and answer of all that are kept, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &RequestKey, Timestamp, &[u8; 32], Option<&[u8]>)> {
        self.order.values().filter_map(|key| {
            let Kept { number, begun, body, answer } = self.kept.get(key)?;
            Some((*number, key, *begun, body, answer.as_deref()))
        })
    }

    /// One of those entries, into what was empty.
    pub fn put_back(
        &mut self,
        number: u64,
        request: RequestKey,
        begun: Timestamp,
        body: [u8; 32],
        answer: Option<&[u8]>,
    ) {
        self.order.insert(number, request);
        self.kept.insert(request, Kept { number, begun, body, answer: answer.map(Into::into) });
    }

    /// Requests to come are numbered from here on.
    pub fn go_on_from(&mut self, last: u64) {
        self.number = last;
    }

    /// Nothing is running any more: the process that did is gone.
    pub fn interrupt(&mut self) {
        self.running.clear();
    }
}
