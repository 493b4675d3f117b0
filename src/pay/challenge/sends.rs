//! How many codes were sent lately to one number, one range of numbers, from one address? Each costs money, and
//! whoever has them sent may earn from it.

use std::collections::{HashMap, VecDeque};

use crate::pay::error::Error;
use crate::time::{Span, Timestamp};

/// How long a code that was sent counts.
///
/// ```
/// assert_eq!(tollgate::pay::SENDS_WINDOW.to_string(), "1h");
/// ```
pub const SENDS_WINDOW: Span = Span::from_secs(3_600);
/// Most codes that are counted at a time; past it none is sent until some are old enough.
///
/// ```
/// assert_eq!(tollgate::pay::SENDS_MAX, 1_000_000);
/// ```
pub const SENDS_MAX: usize = 1_000_000;
/// Most marks that one code counts under.
///
/// ```
/// assert_eq!(tollgate::pay::MARKS_MAX, 8);
/// ```
pub const MARKS_MAX: usize = 8;

/// Stands for what codes are counted by: a phone number, an address. It is derived with a secret
/// ([`CodeSecret::mark`](super::CodeSecret::mark)), so that no record holds a phone number.
///
/// ```
/// use tollgate::pay::CodeSecret;
/// let secret = CodeSecret::new([7; 32]);
/// assert_eq!(secret.mark("phone", "+4915112345678"), secret.mark("phone", "+4915112345678"));
/// assert_ne!(secret.mark("phone", "+4915112345678"), secret.mark("range", "+4915112345678"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(pub [u8; 16]);

/// The codes of the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pay) struct Sends {
    max: usize,
    /// Oldest first.
    all: VecDeque<(Timestamp, Box<[Mark]>)>,
    by_mark: HashMap<Mark, VecDeque<Timestamp>>,
}

impl Sends {
    pub fn new(max: usize) -> Sends {
        Sends { max, all: VecDeque::new(), by_mark: HashMap::new() }
    }

    /// How many of a mark count at a time.
    pub fn count(&self, mark: &Mark, at: Timestamp) -> usize {
        self.by_mark.get(mark).map_or(0, |times| times.iter().filter(|then| counts(**then, at)).count())
    }

    /// When the oldest of a mark that counts does not any more.
    pub fn free_at(&self, mark: &Mark, at: Timestamp) -> Option<Timestamp> {
        let oldest = self.by_mark.get(mark)?.iter().filter(|then| counts(**then, at)).min()?;
        Some(oldest.plus(SENDS_WINDOW))
    }

    pub fn add(&mut self, at: Timestamp, marks: &[Mark]) -> Result<(), Error> {
        if marks.is_empty() || marks.len() > MARKS_MAX {
            return Err(Error::Full("marks of a code"));
        }
        while let Some((then, _)) = self.all.front()
            && !counts(*then, at)
            && let Some((_, old)) = self.all.pop_front()
        {
            for mark in &old {
                if let Some(times) = self.by_mark.get_mut(mark) {
                    times.pop_front();
                    if times.is_empty() {
                        self.by_mark.remove(mark);
                    }
                }
            }
        }
        if self.all.len() >= self.max {
            return Err(Error::Full("codes of an hour"));
        }
        self.put_back(at, marks.into());
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Time and marks of all that may count, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (Timestamp, &[Mark])> {
        self.all.iter().map(|(at, marks)| (*at, &marks[..]))
    }

    /// One of those entries, behind those that are there.
    pub fn put_back(&mut self, at: Timestamp, marks: Box<[Mark]>) {
        for mark in &marks {
            self.by_mark.entry(*mark).or_default().push_back(at);
        }
        self.all.push_back((at, marks));
    }
}

/// A clock that went back makes nothing younger: what is of later counts.
fn counts(then: Timestamp, at: Timestamp) -> bool {
    at.since(then) < SENDS_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mark = Mark([1; 16]);
    const B: Mark = Mark([2; 16]);

    fn second(n: i64) -> Timestamp {
        Timestamp::default().plus(Span::from_secs(n))
    }

    #[test]
    fn codes_count_for_an_hour() {
        let mut sends = Sends::new(10);
        sends.add(second(0), &[A, B]).unwrap();
        sends.add(second(60), &[A]).unwrap();
        assert_eq!((sends.count(&A, second(60)), sends.count(&B, second(60))), (2, 1));
        assert_eq!(sends.free_at(&A, second(60)), Some(second(3_600)));
        assert_eq!((sends.count(&A, second(3_599)), sends.count(&A, second(3_600))), (2, 1));
        assert_eq!(sends.count(&A, second(-100)), 2, "the clock went back");
        assert_eq!((sends.count(&A, second(3_660)), sends.free_at(&A, second(3_660))), (0, None));
        // What is old is let go of.
        sends.add(second(4_000), &[B]).unwrap();
        assert_eq!((sends.all.len(), sends.by_mark.len()), (1, 1));
        assert_eq!(sends.count(&B, second(4_000)), 1);
    }

    #[test]
    fn there_is_a_limit_to_codes_and_to_their_marks() {
        let mut sends = Sends::new(2);
        assert_eq!(sends.add(second(0), &[]), Err(Error::Full("marks of a code")));
        assert_eq!(sends.add(second(0), &[A; MARKS_MAX + 1]), Err(Error::Full("marks of a code")));
        assert_eq!(sends.add(second(0), &[A; MARKS_MAX]), Ok(()));
        assert_eq!(sends.add(second(1), &[B]), Ok(()));
        assert_eq!(sends.add(second(2), &[B]), Err(Error::Full("codes of an hour")));
        assert_eq!(sends.add(second(3_600), &[B]), Ok(()), "the oldest is old enough");
        assert_eq!(sends.count(&A, second(3_600)), 0);
    }
}
