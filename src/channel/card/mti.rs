//! What sort of message is it? The four digits that each begins with.

use std::fmt;

/// The edition of ISO 8583 that a message says it follows.
///
/// ```
/// use tollgate::channel::card::{Mti, Version};
/// assert_eq!(Mti::parse(b"1100").map(|mti| mti.version), Some(Version::Of1993));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// ISO 8583:1987.
    #[default]
    Of1987,
    /// ISO 8583:1993.
    Of1993,
}

/// What a message is about.
///
/// ```
/// use tollgate::channel::card::{Class, Mti};
/// assert_eq!(Mti::parse(b"0420").map(|mti| mti.class), Some(Class::Reversal));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// 1: may the amount be spent?
    Authorization,
    /// 2: move it.
    Financial,
    /// 4: undo it.
    Reversal,
    /// 8: of the connection itself.
    Network,
}

/// Which way a message goes.
///
/// ```
/// use tollgate::channel::card::{Function, Mti};
/// assert_eq!(Mti::parse(b"0230").map(|mti| mti.function), Some(Function::AdviceAnswer));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// 0: a request, which may be refused.
    Request,
    /// 1: its answer.
    Answer,
    /// 2: an advice: it has happened.
    Advice,
    /// 3: its answer.
    AdviceAnswer,
}

/// A message type indicator: version, class, function and origin.
///
/// ```
/// use tollgate::channel::card::{Class, Mti};
/// let request = Mti::parse(b"0100").unwrap();
/// assert_eq!(request.repeated().to_string(), "0101");
/// assert_eq!(request.repeated().answer().unwrap().to_string(), "0110");
/// assert!(Mti::parse(b"0110").unwrap().answer().is_none()); // nobody answers an answer
/// assert!(Mti::parse(b"0700").is_none() && Mti::parse(b"100").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti {
    /// The first digit.
    pub version: Version,
    /// The second.
    pub class: Class,
    /// The third.
    pub function: Function,
    /// The fourth, as far as it is ours: whether it was sent before. It is 0 or 1, the acquirer's.
    pub repeat: bool,
}

impl Mti {
    /// A message that is sent for the first time.
    pub const fn new(version: Version, class: Class, function: Function) -> Mti {
        Mti { version, class, function, repeat: false }
    }

    /// Reads four digits. `None` for those that no message here has.
    pub fn parse(digits: &[u8]) -> Option<Mti> {
        let &[version, class, function, origin] = digits else { return None };
        Some(Mti {
            version: match version {
                b'0' => Version::Of1987,
                b'1' => Version::Of1993,
                _ => return None,
            },
            class: match class {
                b'1' => Class::Authorization,
                b'2' => Class::Financial,
                b'4' => Class::Reversal,
                b'8' => Class::Network,
                _ => return None,
            },
            function: match function {
                b'0' => Function::Request,
                b'1' => Function::Answer,
                b'2' => Function::Advice,
                b'3' => Function::AdviceAnswer,
                _ => return None,
            },
            repeat: match origin {
                b'0' => false,
                b'1' => true,
                _ => return None,
            },
        })
    }

    /// The same message, sent again.
    pub const fn repeated(self) -> Mti {
        Mti { repeat: true, ..self }
    }

    /// What answers it. `None` for answers.
    pub const fn answer(self) -> Option<Mti> {
        let function = match self.function {
            Function::Request => Function::Answer,
            Function::Advice => Function::AdviceAnswer,
            Function::Answer | Function::AdviceAnswer => return None,
        };
        Some(Mti { function, repeat: false, ..self })
    }

    /// The four digits.
    pub const fn digits(self) -> [u8; 4] {
        let version = match self.version {
            Version::Of1987 => b'0',
            Version::Of1993 => b'1',
        };
        let class = match self.class {
            Class::Authorization => b'1',
            Class::Financial => b'2',
            Class::Reversal => b'4',
            Class::Network => b'8',
        };
        let function = match self.function {
            Function::Request => b'0',
            Function::Answer => b'1',
            Function::Advice => b'2',
            Function::AdviceAnswer => b'3',
        };
        [version, class, function, b'0' + self.repeat as u8]
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_four_digits_read_back_or_are_refused() {
        let read = (0..10_000).filter(|n| {
            let text = format!("{n:04}");
            let mti = Mti::parse(text.as_bytes());
            assert!(mti.is_none_or(|mti| mti.to_string() == text), "{text}");
            mti.is_some()
        });
        assert_eq!(read.count(), 2 * 4 * 4 * 2);
    }
}
