//! One effect for requests that are sent again: the first answer is kept under the caller's key.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use hyper::HeaderMap;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::config::Idempotency;
use super::log;
use super::problem::{Kind, Problem};
use crate::journal::Named;

/// The header that names the request.
pub(super) const HEADER: &str = "idempotency-key";
/// Most bytes of a key.
const KEY_BYTES_MAX: usize = 255;

/// The first half of the SHA-256 of caller, route and key: what callers choose is not kept itself.
type Name = [u8; 16];

/// The answers that are kept.
pub(super) struct Answers {
    ttl: Duration,
    max: usize,
    answers: DashMap<Name, Kept>,
    /// Names with the number of their answer, oldest first.
    order: Mutex<VecDeque<(Name, u64)>>,
    numbers: AtomicU64,
}

struct Kept {
    /// The first half of the SHA-256 of the body.
    body: [u8; 16],
    number: u64,
    until: Instant,
    /// `None` while the first request is being answered.
    answer: Option<Bytes>,
}

/// What a named request is to get.
pub(super) enum Turn<'a> {
    /// It is the first: do the work and [`Claim::keep`] the answer.
    First(Claim<'a>),
    /// It has been answered.
    Again(Bytes),
}

/// The right to answer a name; given up when dropped without an answer.
pub(super) struct Claim<'a> {
    answers: &'a Answers,
    name: Name,
    body: [u8; 16],
    kept: bool,
}

/// The key that a request names, for those who keep answers elsewhere.
///
/// # Errors
/// When it is no text that a key can be.
pub(super) fn named(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bad = || {
        Problem::new(
            Kind::BadRequest,
            format!("`{HEADER}` has 1 to {KEY_BYTES_MAX} visible ASCII characters"),
        )
    };
    headers.get(HEADER).map(|value| value.to_str().map_err(|_| bad())).transpose()
}

impl Answers {
    pub(super) fn new(settings: &Idempotency) -> Answers {
        Answers {
            ttl: settings.ttl.0,
            max: settings.keys.max(1),
            answers: DashMap::new(),
            order: Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }

    /// What a request is to get; `None` when it names no key.
    ///
    /// # Errors
    /// When the key is malformed, in use by a request that is still being answered, or came with another body.
    pub(super) fn turn(
        &self,
        headers: &HeaderMap,
        (caller, route): (u64, &str),
        body: &[u8],
        now: Instant,
    ) -> Result<Option<Turn<'_>>, Problem> {
        let Some(key) = headers.get(HEADER).map(|v| v.as_bytes()) else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Problem::new(Kind::BadRequest, format!("`{HEADER}` has 1 to {KEY_BYTES_MAX} bytes")));
        }
        let mut name = Sha256::new();
        name.update(caller.to_le_bytes());
        name.update(route);
        name.update([0]);
        name.update(key);
        let name: Name = half(name);
        let body = half(Sha256::new_with_prefix(body));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let fresh = Kept { body, number, until: now + self.ttl, answer: None };
        match self.answers.entry(name) {
            Place::Occupied(mut kept) if kept.get().until <= now => {
                kept.insert(fresh);
            }
            Place::Occupied(kept) if kept.get().body != body => {
                return Err(Problem::new(
                    Kind::KeyReused,
                    format!("the `{HEADER}` came before with another body"),
                )
                .remedy("use a new key for a new request, and the same body for the same key"));
            }
            Place::Occupied(kept) => {
                return match &kept.get().answer {
                    Some(answer) => Ok(Some(Turn::Again(answer.clone()))),
                    None => Err(Problem::new(Kind::KeyInFlight, "send it again in a moment").retry_after(1)),
                };
            }
            Place::Vacant(free) => {
                free.insert(fresh);
            }
        }
        self.make_room(name, number);
        Ok(Some(Turn::First(Claim { answers: self, name, body, kept: false })))
    }

    /// Keeps an answer that was given so long before now; whether there is time left for it.
    pub(super) fn restore(&self, named: &Named, answer: Bytes, (now, age): (Instant, Duration)) -> bool {
        let Some(left) = self.ttl.checked_sub(age).filter(|left| !left.is_zero()) else { return false };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let kept = Kept { body: named.body, number, until: now + left, answer: Some(answer) };
        self.answers.insert(named.name, kept);
        self.make_room(named.name, number);
        true
    }

    fn make_room(&self, name: Name, number: u64) {
        let mut order = self.order.lock();
        order.push_back((name, number));
        while order.len() > self.max {
            if let Some((oldest, number)) = order.pop_front() {
                self.answers.remove_if(&oldest, |_, kept| kept.number == number);
            }
        }
    }

    /// How many names are kept.
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}

fn half(hash: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

impl Claim<'_> {
    /// The request, for its record: by this it is known after a restart.
    pub(super) fn named(&self) -> Named {
        Named { name: self.name, body: self.body, at: log::now() }
    }

    /// Keeps the answer for those that come again.
    pub(super) fn keep(mut self, answer: Bytes) {
        if let Some(mut kept) = self.answers.answers.get_mut(&self.name) {
            kept.answer = Some(answer);
        }
        self.kept = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.answers.answers.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::Pause;

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER.parse().unwrap(), key.parse().unwrap())])
    }

    #[test]
    fn what_was_answered_before_the_start_is_kept_for_the_rest_of_its_time() {
        let ttl = Duration::from_secs(10);
        let settings = Idempotency { keys: 2, ttl: Pause(ttl) };
        let (before, start) = (Answers::new(&settings), Instant::now());
        let named = |key: &str| match before.turn(&headers(key), (1, "score"), b"x", start) {
            Ok(Some(Turn::First(claim))) => claim.named(),
            _ => panic!("{key}"),
        };
        let answers = Answers::new(&settings);
        let restore = |key: &str, age| answers.restore(&named(key), Bytes::from_static(b"one"), (start, age));
        assert!(!restore("a", ttl) && !restore("b", ttl * 2) && answers.len() == 0);
        assert!(restore("c", ttl - Duration::from_secs(1)) && restore("d", Duration::ZERO));
        let turn = |key: &str, body: &[u8], now| answers.turn(&headers(key), (1, "score"), body, now);
        assert!(matches!(turn("c", b"x", start), Ok(Some(Turn::Again(b))) if b == "one"));
        assert_eq!(turn("c", b"y", start).err().map(|p| p.kind), Some(Kind::KeyReused));
        let last = Duration::from_secs(1);
        assert!(matches!(turn("c", b"x", start + last), Ok(Some(Turn::First(_)))), "its time is over");
        assert!(matches!(answers.turn(&headers("d"), (2, "score"), b"x", start), Ok(Some(Turn::First(_)))));
        assert!(restore("e", Duration::ZERO) && restore("f", Duration::ZERO) && answers.len() <= 2);
    }

    #[test]
    fn the_first_answer_is_given_again_until_its_time_or_room_is_over() {
        let ttl = Duration::from_secs(10);
        let answers = Answers::new(&Idempotency { keys: 2, ttl: Pause(ttl) });
        let start = Instant::now();
        let turn = |key: &str, body: &[u8], now| answers.turn(&headers(key), (1, "score"), body, now);
        let kind = |r: Result<Option<Turn<'_>>, Problem>| r.err().map(|p| p.kind);
        let first = |r: Result<Option<Turn<'_>>, Problem>, keep: bool| match r.unwrap().unwrap() {
            Turn::First(claim) if keep => claim.keep(Bytes::from_static(b"one")),
            Turn::First(_) => {}
            Turn::Again(_) => panic!("it was answered before"),
        };
        let Ok(Some(Turn::First(claim))) = turn("k", b"x", start) else { panic!() };
        assert_eq!(kind(turn("k", b"x", start)), Some(Kind::KeyInFlight));
        claim.keep(Bytes::from_static(b"one"));
        assert!(matches!(turn("k", b"x", start), Ok(Some(Turn::Again(b))) if b == "one"));
        assert_eq!(kind(turn("k", b"y", start)), Some(Kind::KeyReused));
        first(turn("k", b"y", start + ttl), true); // its time is over
        first(turn("l", b"x", start + ttl), false); // given up
        first(turn("l", b"x", start + ttl), true);
        first(turn("m", b"x", start + ttl), true);
        assert_eq!(answers.len(), 2);
        first(turn("k", b"z", start + ttl), true); // it had to make room
        assert!(answers.turn(&HeaderMap::new(), (1, "score"), b"", start).unwrap().is_none());
        assert_eq!(kind(turn(&"k".repeat(KEY_BYTES_MAX + 1), b"", start)), Some(Kind::BadRequest));
        assert!(turn(&"k".repeat(KEY_BYTES_MAX), b"", start).is_ok());
    }
}
