//! A payment: a small fixed record of slots with a presence mask, immutable once read.
//!
//! | file | question |
//! |---|---|
//! | `set.rs` | what may be written into a payment, and what becomes of it on the way in? |
//! | `items.rs` | what was bought? |
//! | `keys.rs` | which bits stand for a value where payments are counted? |

mod items;
mod keys;
mod set;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::money::{Currency, Money};
use crate::schema::{Country, FieldId, Kind, Schema, Value, field};
use crate::time::Timestamp;

pub use items::{ITEMS_MAX, Item};
pub use set::FieldError;
pub(crate) use set::canonical;

/// Sixteen bytes whose meaning the field's kind tells: a number's bits; minor units and currency;
/// a symbol and the text's place; the letters of a country; an address; microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
struct Slot {
    a: u64,
    b: u64,
}

const _: () = assert!(size_of::<Slot>() == 16);

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
}

impl fmt::Debug for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payment({}, {} fields)", self.id(), self.present.count_ones())
    }
}
