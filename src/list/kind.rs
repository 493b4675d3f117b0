//! What may be on a list, and why is a value refused?

use std::fmt;

use serde::Deserialize;

use super::prefixes;

/// Most items of one list: about 150 MB at this size.
///
/// ```
/// assert_eq!(tollgate::LIST_ITEMS_MAX, 1_000_000);
/// ```
pub const LIST_ITEMS_MAX: usize = 1_000_000;
/// Most bytes of an item's value, its reason and its source, each.
///
/// ```
/// use tollgate::{LIST_VALUE_BYTES_MAX, List, ListError, ListItem, ListKind, Schema};
/// let list = List::new("l", ListKind::Text, &Schema::standard());
/// let value = "x".repeat(LIST_VALUE_BYTES_MAX + 1);
/// assert_eq!(list.insert(&value, ListItem::default()).unwrap_err(), ListError::TooLong);
/// ```
pub const LIST_VALUE_BYTES_MAX: usize = 256;

/// What a list's values are, and so which fields may be looked up in it.
///
/// ```
/// assert_eq!(tollgate::ListKind::Ip.to_string(), "ip");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    /// Text, compared without regard to ASCII case.
    Text,
    /// Opaque identifiers, compared exactly.
    Token,
    /// ISO 3166-1 alpha-2 codes.
    Country,
    /// IPv4 and IPv6 addresses and CIDR blocks.
    Ip,
    /// First digits of card numbers (`411111`) and ranges of them (`400000-400099`).
    Bin,
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListKind::Text => "text",
            ListKind::Token => "token",
            ListKind::Country => "country",
            ListKind::Ip => "ip",
            ListKind::Bin => "bin",
        })
    }
}

/// Why a value can't be a list's item.
///
/// ```
/// use tollgate::{ListError, ListKind};
/// assert!(ListError::Kind(ListKind::Country).to_string().contains("write two letters"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// The text is no value of the list's kind.
    Kind(ListKind),
    /// Empty.
    Empty,
    /// Above [`LIST_VALUE_BYTES_MAX`].
    TooLong,
    /// Above [`LIST_ITEMS_MAX`] items.
    Full,
    /// A card number; lists hold tokens.
    CardNumber,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListError::Kind(ListKind::Country) => f.write_str("not a country; write two letters, such as `CN`"),
            ListError::Kind(ListKind::Ip) => f.write_str(
                "not an address or block; write `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`, with no bits set after the prefix",
            ),
            ListError::Kind(ListKind::Bin) => write!(
                f,
                "not the first digits of a card number; write 1 to {} digits, or two of equal length in ascending order, such as `400000-400099`",
                prefixes::DIGITS_MAX
            ),
            ListError::Kind(kind) => write!(f, "not a {kind}"),
            ListError::Empty => f.write_str("an item's value is empty"),
            ListError::TooLong => write!(f, "longer than {LIST_VALUE_BYTES_MAX} bytes"),
            ListError::Full => write!(f, "a list has at most {LIST_ITEMS_MAX} items; split it in two"),
            ListError::CardNumber => f.write_str(
                "an item holds a card number; lists hold tokens: write the `card` of one of its payments as tollgate prints it",
            ),
        }
    }
}

impl std::error::Error for ListError {}
