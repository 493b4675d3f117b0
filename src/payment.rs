//! A payment: a small fixed record of slots with a presence mask, immutable once read.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::money::{Currency, Money};
use crate::schema::{Country, FieldId, Kind, Schema, TEXT_BYTES_MAX, Value, field, symbol};
use crate::time::Timestamp;
use crate::token::next_pan;

/// Most items an order may list.
///
/// ```
/// assert_eq!(tollgate::ITEMS_MAX, 256);
/// ```
pub const ITEMS_MAX: usize = 256;

/// Sixteen bytes whose meaning the field's kind tells: a number's bits; minor units and currency;
/// a symbol and the text's place; the letters of a country; an address; microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
struct Slot {
    a: u64,
    b: u64,
}

const _: () = assert!(size_of::<Slot>() == 16);

/// One thing bought.
///
/// ```
/// let mut item = tollgate::Item::default();
/// item.quantity = Some(2.0);
/// assert!(item.price.is_none()); // not said
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Item {
    sku: Option<Slot>,
    category: Option<Slot>,
    /// How many; absent when not said.
    pub quantity: Option<f64>,
    /// Price of one, in major units of the payment's currency; absent when not said.
    pub price: Option<f64>,
}

/// One attempt by a payer to pay a merchant.
///
/// ```
/// use tollgate::{Money, Currency, Payment, Schema, Timestamp, Value, field};
/// let schema = Schema::standard();
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::ID, Value::Token("p1"))?;
/// payment.set(&schema, field::AT, Value::Timestamp(Timestamp::parse("2026-11-23T09:00:00Z").unwrap()))?;
/// payment.set(&schema, field::AMOUNT, Value::Money(Money::parse("12.34", Currency::parse("EUR").unwrap()).unwrap()))?;
/// payment.set(&schema, field::EMAIL, Value::Text("ann@Example.org"))?;
/// assert_eq!(payment.text(field::EMAIL_DOMAIN), Some("Example.org")); // filled in
/// assert_eq!(payment.text(field::CURRENCY), Some("EUR"));
/// assert_eq!(payment.missing(), None);
/// // A card number is never kept: without a key it is refused.
/// assert!(payment.set(&schema, field::CARD, Value::Token("4111111111111111")).is_err());
/// # Ok::<(), tollgate::FieldError>(())
/// ```
#[derive(Clone)]
pub struct Payment {
    present: u128,
    slots: Vec<Slot>,
    text: String,
    items: Vec<Item>,
}

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
    /// An empty payment of `schema`.
    pub fn new(schema: &Schema) -> Payment {
        Payment {
            present: 0,
            slots: vec![Slot::default(); schema.fields().len()],
            text: String::new(),
            items: Vec::new(),
        }
    }

    /// Empties it for the next row; keeps its memory.
    pub fn clear(&mut self) {
        self.present = 0;
        self.text.clear();
        self.items.clear();
    }

    /// Becomes the other payment, in the memory it has.
    #[cfg(any(feature = "serve", feature = "bench"))]
    pub(crate) fn copy_from(&mut self, other: &Payment) {
        self.present = other.present;
        self.slots.clone_from(&other.slots);
        self.text.clone_from(&other.text);
        self.items.clone_from(&other.items);
    }

    /// The same payment by another schema, as far as that has its fields; its items stay behind.
    #[cfg(feature = "serve")]
    pub(crate) fn by_schema(&self, own: &Schema, other: &Schema) -> Payment {
        let mut payment = Payment::new(other);
        for (id, field) in own.fields() {
            if let Some(value) = self.get(own, id)
                && let Some(target) = other.find(&field.name)
            {
                // A value that the other schema has no room for is absent there.
                let _ = payment.set(other, target, value);
            }
        }
        payment
    }

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

    /// Adds one thing bought.
    ///
    /// # Errors
    /// Past [`ITEMS_MAX`] items, and as [`Payment::set`] for the values.
    pub fn push_item(
        &mut self,
        schema: &Schema,
        sku: Option<&str>,
        category: Option<&str>,
        quantity: Option<f64>,
        price: Option<f64>,
    ) -> Result<(), FieldError> {
        if self.items.len() == ITEMS_MAX {
            return Err(FieldError::TooManyItems);
        }
        if [quantity, price].into_iter().flatten().any(|n| !n.is_finite()) {
            return Err(FieldError::NotFinite);
        }
        for text in [sku, category].into_iter().flatten() {
            if text.len() > TEXT_BYTES_MAX {
                return Err(FieldError::TooLong);
            }
            if next_pan(text, 0).is_some() {
                return Err(FieldError::CardNumber);
            }
        }
        let sku = sku.map(|t| self.intern(schema, t, true));
        let category = category.map(|t| self.intern(schema, t, false));
        self.items.push(Item { sku, category, quantity, price });
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

    fn intern(&mut self, schema: &Schema, text: &str, exact: bool) -> Slot {
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

    /// Whether the field has a value.
    #[inline]
    pub fn has(&self, id: FieldId) -> bool {
        // Half of the mask first: a shift of 128 bits costs several of 64.
        let half = if id.index() < 64 { self.present as u64 } else { (self.present >> 64) as u64 };
        half >> (id.index() % 64) & 1 == 1
    }

    #[inline]
    fn slot(&self, id: FieldId) -> Option<Slot> {
        self.has(id).then(|| self.slots[id.index()])
    }

    /// The first required field (`id`, `at`, `amount`) that is absent.
    pub fn missing(&self) -> Option<FieldId> {
        [field::ID, field::AT, field::AMOUNT].into_iter().find(|id| !self.has(*id))
    }

    /// The payment's id; empty when absent.
    pub fn id(&self) -> &str {
        self.text(field::ID).unwrap_or_default()
    }

    /// When it was attempted; the epoch when absent.
    pub fn at(&self) -> Timestamp {
        self.timestamp(field::AT).unwrap_or_default()
    }

    /// What is to be paid.
    pub fn amount(&self) -> Option<Money> {
        self.money(field::AMOUNT)
    }

    /// A number field's value as is; NaN when absent. For a field of kind [`Kind::Number`] only.
    #[inline]
    pub fn number(&self, id: FieldId) -> f64 {
        self.slot(id).map_or(f64::NAN, |s| f64::from_bits(s.a))
    }

    /// A money field's value.
    #[inline]
    pub fn money(&self, id: FieldId) -> Option<Money> {
        self.slot(id).map(|s| Money { minor: s.a as i64, currency: Currency::from_packed(s.b) })
    }

    /// A bool field's value.
    #[inline]
    pub fn bool(&self, id: FieldId) -> Option<bool> {
        self.slot(id).map(|s| s.a != 0)
    }

    /// A timestamp field's value.
    pub fn timestamp(&self, id: FieldId) -> Option<Timestamp> {
        self.slot(id).and_then(|s| Timestamp::from_micros(s.a as i64))
    }

    /// A country field's value.
    pub fn country(&self, id: FieldId) -> Option<Country> {
        self.slot(id).map(|s| Country::from_packed(s.a))
    }

    /// An ip field's value, IPv4 as IPv4-mapped IPv6.
    pub fn ip(&self, id: FieldId) -> Option<Ipv6Addr> {
        self.slot(id).map(|s| Ipv6Addr::from_bits(u128::from(s.a) << 64 | u128::from(s.b)))
    }

    /// The symbol of a text or token field (see [`Schema::symbol`]), or a country's letters packed
    /// in 16 bits (first letter high).
    #[inline]
    pub fn symbol(&self, id: FieldId) -> Option<u64> {
        self.slot(id).map(|s| s.a)
    }

    /// A text or token field's value.
    #[inline]
    pub fn text(&self, id: FieldId) -> Option<&str> {
        self.slot(id).map(|s| self.text_at(s))
    }

    fn text_at(&self, slot: Slot) -> &str {
        let start = (slot.b >> 32) as usize;
        self.text.get(start..start + (slot.b as u32) as usize).unwrap_or_default()
    }

    /// Any field's value.
    pub fn get(&self, schema: &Schema, id: FieldId) -> Option<Value<'_>> {
        Some(match schema.field(id).kind {
            Kind::Number => Value::Number(self.slot(id).map(|s| f64::from_bits(s.a))?),
            Kind::Money => Value::Money(self.money(id)?),
            Kind::Bool => Value::Bool(self.bool(id)?),
            Kind::Text => Value::Text(self.text(id)?),
            Kind::Token => Value::Token(self.text(id)?),
            Kind::Country => Value::Country(self.country(id)?),
            Kind::Timestamp => Value::Timestamp(self.timestamp(id)?),
            Kind::Ip => {
                let ip = self.ip(id)?;
                Value::Ip(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
            }
        })
    }

    /// The things bought, when they were said.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// An item's stock-keeping unit.
    pub fn sku(&self, item: &Item) -> Option<&str> {
        item.sku.map(|s| self.text_at(s))
    }

    /// An item's category.
    pub fn category(&self, item: &Item) -> Option<&str> {
        item.category.map(|s| self.text_at(s))
    }

    /// 128 bits that stand for this field's value as an entity: equal values have equal keys, and
    /// without the schema's seed nobody can choose two values with one key.
    pub fn entity_key(&self, schema: &Schema, id: FieldId) -> Option<u128> {
        let slot = self.slot(id)?;
        let low = match schema.field(id).kind {
            // A second, independent hash of the same letters.
            kind @ (Kind::Text | Kind::Token) => {
                symbol(!schema.seed(), self.text_at(slot).as_bytes(), kind == Kind::Token)
            }
            Kind::Ip | Kind::Money => symbol(!schema.seed(), &bytes(slot), true),
            _ => symbol(!schema.seed(), &slot.a.to_le_bytes(), true),
        };
        let high = match schema.field(id).kind {
            Kind::Text | Kind::Token => slot.a,
            _ => symbol(schema.seed(), &bytes(slot), true),
        };
        Some(u128::from(high) << 64 | u128::from(low))
    }

    /// 64 bits that stand for this field's value when distinct values are counted.
    pub fn distinct_key(&self, schema: &Schema, id: FieldId) -> Option<u64> {
        let slot = self.slot(id)?;
        Some(match schema.field(id).kind {
            Kind::Text | Kind::Token => slot.a,
            Kind::Ip | Kind::Money => symbol(schema.seed(), &bytes(slot), true),
            _ => slot.a,
        })
    }
}

fn bytes(slot: Slot) -> [u8; 16] {
    (u128::from(slot.a) << 64 | u128::from(slot.b)).to_le_bytes()
}

fn canonical(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

impl fmt::Debug for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payment({}, {} fields)", self.id(), self.present.count_ones())
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

    #[test]
    fn entities_fold_the_case_of_text_and_not_of_tokens() {
        let schema = Schema::standard();
        let key = |id, v| set(&schema, id, v).entity_key(&schema, id);
        assert_eq!(key(field::EMAIL, Value::Text("A@b.c")), key(field::EMAIL, Value::Text("a@B.c")));
        assert_ne!(key(field::CARD, Value::Token("tok_A")), key(field::CARD, Value::Token("tok_a")));
    }
}
