//! What may be written into a payment, and what becomes of it on the way in?

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{ITEMS_MAX, Payment, Slot};
use crate::schema::{FieldId, Kind, Schema, TEXT_BYTES_MAX, Value, field, symbol};
use crate::token::next_pan;

/// Why a value can't be a field's.
///
/// ```
/// use tollgate::{FieldError, Payment, Schema, Value, field};
/// let schema = Schema::standard();
/// let wrong = Payment::new(&schema).set(&schema, field::IP_LAT, Value::Number(f64::NAN));
/// assert_eq!(wrong, Err(FieldError::NotFinite));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// The value is of another kind than the field.
    Kind {
        /// What the field holds.
        expected: Kind,
        /// What was offered.
        found: Kind,
    },
    /// Infinite or not a number.
    NotFinite,
    /// A text above [`TEXT_BYTES_MAX`].
    TooLong,
    /// A card number, and no key to make a token of it.
    CardNumber,
    /// More than [`ITEMS_MAX`] items.
    TooManyItems,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldError::Kind { expected, found } => write!(f, "the field holds {expected}, not {found}"),
            FieldError::NotFinite => f.write_str("the number is not finite"),
            FieldError::TooLong => write!(f, "the text is longer than {TEXT_BYTES_MAX} bytes"),
            FieldError::CardNumber => f.write_str(
                "it holds a card number and there is no key to tokenise it with; set TOLLGATE_TOKEN_KEY=ID:HEX (32 bytes or more), or list the field under `pan_exempt` in schema.toml if its digits never are card numbers",
            ),
            FieldError::TooManyItems => write!(f, "the order has more than {ITEMS_MAX} items"),
        }
    }
}

impl std::error::Error for FieldError {}

impl Payment {
    /// Sets one field. Setting `amount` fills in `currency`; `email` fills in `email_domain`, `ip`
    /// fills in `ip_net`, and a card number in `card` fills in `bin` and `last4`, where those are
    /// absent. A card number in any field becomes its token.
    ///
    /// # Errors
    /// When the value can't be this field's; the payment is then unchanged.
    pub fn set(&mut self, schema: &Schema, id: FieldId, value: Value<'_>) -> Result<(), FieldError> {
        let expected = schema.field(id).kind;
        match (expected, value) {
            (Kind::Number, Value::Number(n)) if n.is_finite() => {
                // Negative zero and zero are one value, in comparisons and as a thing counted by.
                self.put(id, (n + 0.0).to_bits(), 0);
            }
            (Kind::Number, Value::Number(_)) => return Err(FieldError::NotFinite),
            (Kind::Money, Value::Money(m)) => {
                self.put(id, m.minor as u64, m.currency.packed());
                self.put_text(schema, field::CURRENCY, m.currency.code());
            }
            (Kind::Bool, Value::Bool(b)) => self.put(id, u64::from(b), 0),
            (Kind::Country, Value::Country(c)) => self.put(id, c.packed(), 0),
            (Kind::Timestamp, Value::Timestamp(at)) => self.put(id, at.micros() as u64, 0),
            (Kind::Ip, Value::Ip(ip)) => {
                let bits = canonical(ip).to_bits();
                self.put(id, (bits >> 64) as u64, bits as u64);
                if id == field::IP && !self.has(field::IP_NET) {
                    self.put_net(schema, canonical(ip));
                }
            }
            (Kind::Text | Kind::Token, Value::Text(t) | Value::Token(t)) => {
                return self.set_text(schema, id, t);
            }
            (expected, value) => return Err(FieldError::Kind { expected, found: value.kind() }),
        }
        Ok(())
    }

    fn set_text(&mut self, schema: &Schema, id: FieldId, text: &str) -> Result<(), FieldError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(FieldError::TooLong);
        }
        match next_pan(text, 0) {
            Some(range) if !schema.pan_exempt(id) => {
                let key = schema.token_key().ok_or(FieldError::CardNumber)?;
                let card = key.tokenize(&text[range.clone()]).ok_or(FieldError::CardNumber)?;
                if id == field::CARD {
                    for (other, part) in [(field::BIN, card.bin()), (field::LAST4, card.last4())] {
                        if !self.has(other) {
                            self.put_text(schema, other, part);
                        }
                    }
                }
                // Whatever stood around the number may hold another.
                let rest = [&text[..range.start], card.text(), &text[range.end..]].concat();
                return self.set_text(schema, id, &rest);
            }
            _ => self.put_text(schema, id, text),
        }
        if id == field::EMAIL
            && !self.has(field::EMAIL_DOMAIN)
            && let Some((_, domain)) = text.rsplit_once('@')
        {
            self.put_text(schema, field::EMAIL_DOMAIN, domain);
        }
        Ok(())
    }

    fn put(&mut self, id: FieldId, a: u64, b: u64) {
        self.slots[id.index()] = Slot { a, b };
        self.present |= 1 << id.index();
    }

    fn put_text(&mut self, schema: &Schema, id: FieldId, text: &str) {
        let slot = self.intern(schema, text, schema.field(id).kind == Kind::Token);
        self.slots[id.index()] = slot;
        self.present |= 1 << id.index();
    }

    pub(super) fn intern(&mut self, schema: &Schema, text: &str, exact: bool) -> Slot {
        let place = (self.text.len() as u64) << 32 | text.len() as u64;
        self.text.push_str(text);
        Slot { a: symbol(schema.seed(), text.as_bytes(), exact), b: place }
    }

    fn put_net(&mut self, schema: &Schema, ip: Ipv6Addr) {
        use std::io::Write;
        let mut buffer = [0u8; 48];
        let mut rest = buffer.as_mut_slice();
        let written = match ip.to_ipv4_mapped() {
            Some(v4) => {
                let [a, b, c, _] = v4.octets();
                write!(rest, "{a}.{b}.{c}.0/24")
            }
            None => write!(rest, "{}/48", Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
        };
        let left = rest.len();
        if written.is_ok()
            && let Ok(text) = std::str::from_utf8(&buffer[..buffer.len() - left])
        {
            self.put_text(schema, field::IP_NET, text);
        }
    }
}

/// An address as one of IPv6, which those of IPv4 are mapped into.
pub(crate) fn canonical(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKey;

    fn set(schema: &Schema, id: FieldId, value: Value<'_>) -> Payment {
        let mut payment = Payment::new(schema);
        payment.set(schema, id, value).unwrap();
        payment
    }

    #[test]
    fn a_card_number_in_any_field_becomes_a_token() {
        let schema = Schema::standard().with_token_key(TokenKey::new("k1", &[1; 32]).unwrap());
        let payment = set(&schema, field::CARD, Value::Token("4111 1111 1111 1111"));
        assert!(payment.text(field::CARD).unwrap().starts_with("tok_k1_"));
        assert_eq!((payment.text(field::BIN), payment.text(field::LAST4)), (Some("411111"), Some("1111")));
        let payment = set(&schema, field::USER_AGENT, Value::Text("x 4111111111111111, 5555555555554444"));
        let kept = payment.text(field::USER_AGENT).unwrap();
        assert_eq!(kept.matches("tok_k1_").count(), 2, "{kept}");
        assert!(!payment.text.contains("4111111111111111") && !payment.text.contains("5555555555554444"));
    }

    #[test]
    fn networks_are_filled_in() {
        let schema = Schema::standard();
        for (ip, net) in [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")] {
            let payment = set(&schema, field::IP, Value::Ip(ip.parse().unwrap()));
            assert_eq!(payment.text(field::IP_NET), Some(net));
            assert_eq!(payment.get(&schema, field::IP), Some(Value::Ip(ip.parse().unwrap())));
        }
    }

    #[test]
    fn limits_are_met_and_not_passed() {
        let schema = Schema::standard();
        let mut payment = Payment::new(&schema);
        let long = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(payment.set(&schema, field::ORDER, Value::Token(&long)), Ok(()));
        assert_eq!(
            payment.set(&schema, field::ORDER, Value::Token(&format!("{long}x"))),
            Err(FieldError::TooLong)
        );
        assert_eq!(payment.set(&schema, field::IP_LAT, Value::Number(f64::NAN)), Err(FieldError::NotFinite));
        for _ in 0..ITEMS_MAX {
            payment.push_item(&schema, Some("sku"), None, Some(1.0), None).unwrap();
        }
        assert_eq!(payment.push_item(&schema, None, None, None, None), Err(FieldError::TooManyItems));
    }
}
