//! What may a field hold, and of which kind is it?

use std::fmt;

use serde::Deserialize;

use super::Country;
use crate::time::Timestamp;

/// Most bytes one text value may have; longer values are refused, not cut.
///
/// ```
/// use tollgate::{FieldError, Payment, Schema, TEXT_BYTES_MAX, Value, field};
/// let schema = Schema::standard();
/// let text = "x".repeat(TEXT_BYTES_MAX + 1);
/// let set = Payment::new(&schema).set(&schema, field::USER_AGENT, Value::Text(&text));
/// assert_eq!(set, Err(FieldError::TooLong));
/// ```
pub const TEXT_BYTES_MAX: usize = 4096;

/// What a field's values are. Expressions are typed by these.
///
/// ```
/// assert_eq!(tollgate::Kind::Money.to_string(), "money");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A finite number.
    Number,
    /// An exact amount with its currency.
    Money,
    /// True or false.
    Bool,
    /// Text; compared without regard to ASCII case.
    Text,
    /// An ISO 3166-1 alpha-2 code.
    Country,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An instant.
    Timestamp,
    /// An opaque identifier; compared exactly.
    Token,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Number => "number",
            Kind::Money => "money",
            Kind::Bool => "bool",
            Kind::Text => "text",
            Kind::Country => "country",
            Kind::Ip => "ip",
            Kind::Timestamp => "timestamp",
            Kind::Token => "token",
        })
    }
}

/// What a payment's field holds.
///
/// ```
/// use tollgate::{Kind, Value};
/// assert_eq!(Value::Bool(true).kind(), Kind::Bool);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// See [`Kind::Number`].
    Number(f64),
    /// See [`Kind::Money`].
    Money(crate::money::Money),
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Text`].
    Text(&'a str),
    /// See [`Kind::Country`].
    Country(Country),
    /// See [`Kind::Ip`].
    Ip(std::net::IpAddr),
    /// See [`Kind::Timestamp`].
    Timestamp(Timestamp),
    /// See [`Kind::Token`].
    Token(&'a str),
}

impl Value<'_> {
    /// The kind of field that holds it.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Number(_) => Kind::Number,
            Value::Money(_) => Kind::Money,
            Value::Bool(_) => Kind::Bool,
            Value::Text(_) => Kind::Text,
            Value::Country(_) => Kind::Country,
            Value::Ip(_) => Kind::Ip,
            Value::Timestamp(_) => Kind::Timestamp,
            Value::Token(_) => Kind::Token,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Money(m) => write!(f, "{m}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Text(t) | Value::Token(t) => f.write_str(t),
            Value::Country(c) => write!(f, "{c}"),
            Value::Ip(ip) => write!(f, "{ip}"),
            Value::Timestamp(at) => write!(f, "{at}"),
        }
    }
}
