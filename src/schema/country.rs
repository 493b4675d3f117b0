//! Countries as payments name them.

use std::fmt;

/// An ISO 3166-1 alpha-2 code, as two capital letters.
///
/// ```
/// use tollgate::Country;
/// assert_eq!(Country::parse("cn").unwrap().to_string(), "CN");
/// assert!(Country::parse("CHN").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(pub(crate) [u8; 2]);

impl Country {
    /// Two letters in any case. Codes that ISO has not assigned are accepted (address databases use
    /// some); rules that name one are warned about.
    pub fn parse(code: &str) -> Option<Country> {
        let code = <[u8; 2]>::try_from(code.as_bytes()).ok()?.map(|b| b.to_ascii_uppercase());
        code.iter().all(u8::is_ascii_uppercase).then_some(Country(code))
    }

    pub(crate) fn packed(self) -> u64 {
        u64::from(self.0[0]) << 8 | u64::from(self.0[1])
    }

    pub(crate) fn from_packed(packed: u64) -> Country {
        Country([(packed >> 8) as u8, packed as u8])
    }

    /// The two letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
