//! A payment as bytes: the fields that are set, by slot, and its items. What comes back went through
//! `Payment::set` twice, so it holds no card number.

use std::net::{IpAddr, Ipv6Addr};

use crate::money::{Currency, Money};
use crate::payment::{FieldError, Payment};
use crate::schema::{Country, FIELDS_MAX, Kind, Schema, Value};

use super::record::Slots;
use super::wire::{Cursor, Malformed, put_bits, put_bytes, put_instant, put_option, put_signed, put_varint};

// Their number and each of their places is a byte.
const _: () = assert!(FIELDS_MAX <= u8::MAX as usize);

/// Appends the payment.
pub(crate) fn put_payment(out: &mut Vec<u8>, schema: &Schema, payment: &Payment) {
    let count = out.len();
    out.push(0);
    for (id, value) in schema.fields().filter_map(|(id, _)| Some((id, payment.get(schema, id)?))) {
        out[count] += 1;
        out.push(id.0 as u8);
        match value {
            Value::Number(n) => put_bits(out, n),
            Value::Money(money) => {
                put_signed(out, money.minor);
                out.extend_from_slice(&money.currency.packed().to_be_bytes()[5..]);
            }
            Value::Bool(b) => out.push(u8::from(b)),
            Value::Text(text) | Value::Token(text) => put_bytes(out, text.as_bytes()),
            Value::Country(country) => out.extend_from_slice(&country.packed().to_be_bytes()[6..]),
            Value::Timestamp(at) => put_instant(out, at),
            Value::Ip(IpAddr::V4(ip)) => put_bytes(out, &ip.octets()),
            Value::Ip(IpAddr::V6(ip)) => put_bytes(out, &ip.octets()),
        }
    }
    put_varint(out, payment.items().len() as u64);
    for item in payment.items() {
        put_option(out, payment.sku(item), |out, text| put_bytes(out, text.as_bytes()));
        put_option(out, payment.category(item), |out, text| put_bytes(out, text.as_bytes()));
        put_option(out, item.quantity, put_bits);
        put_option(out, item.price, put_bits);
    }
}

/// Reads a payment into one of today's schema; fields that it has no more are left out.
///
/// # Errors
/// When the bytes are malformed, or a value can't be the field's.
pub(crate) fn read_payment(bytes: &[u8], schema: &Schema, slots: &Slots) -> Result<Payment, Malformed> {
    let mut cursor = Cursor(bytes);
    let mut payment = Payment::new(schema);
    for _ in 0..cursor.byte()? {
        let slot = usize::from(cursor.byte()?);
        let (kind, id) =
            *slots.0.get(slot).ok_or_else(|| Malformed::new(format!("there is no field {slot}")))?;
        let value = read_value(&mut cursor, kind)?;
        if let Some(id) = id {
            let wrong = |e: FieldError| Malformed::new(format!("field `{}`: {e}", schema.field(id).name));
            payment.set(schema, id, value).map_err(wrong)?;
        }
    }
    for _ in 0..cursor.number::<u16>()? {
        let sku = cursor.option(Cursor::text)?;
        let category = cursor.option(Cursor::text)?;
        let quantity = cursor.option(Cursor::bits)?;
        let price = cursor.option(Cursor::bits)?;
        let pushed = payment.push_item(schema, sku, category, quantity, price);
        pushed.map_err(|e| Malformed::new(format!("an item: {e}")))?;
    }
    cursor.end()?;
    Ok(payment)
}

/// The id of a payment in bytes, if it has one: it is the first of all fields, in every schema.
///
/// # Errors
/// When the bytes are malformed.
#[cfg(feature = "serve")]
pub(crate) fn payment_id(bytes: &[u8]) -> Result<Option<&str>, Malformed> {
    const _: () = assert!(crate::schema::field::ID.0 == 0);
    let mut cursor = Cursor(bytes);
    match cursor.byte()? {
        0 => Ok(None),
        _ if cursor.byte()? != 0 => Ok(None),
        _ => cursor.text().map(Some),
    }
}

fn read_value<'a>(cursor: &mut Cursor<'a>, kind: Kind) -> Result<Value<'a>, Malformed> {
    Ok(match kind {
        Kind::Number => Value::Number(cursor.bits()?),
        Kind::Money => {
            let minor = cursor.signed()?;
            let code = cursor.take(3)?;
            let currency = std::str::from_utf8(code).ok().and_then(Currency::parse);
            let currency = currency.ok_or_else(|| Malformed::new("a currency is unknown"))?;
            Value::Money(Money { minor, currency })
        }
        Kind::Bool => Value::Bool(cursor.byte()? != 0),
        Kind::Text => Value::Text(cursor.text()?),
        Kind::Token => Value::Token(cursor.text()?),
        Kind::Country => {
            let country = std::str::from_utf8(cursor.take(2)?).ok().and_then(Country::parse);
            Value::Country(country.ok_or_else(|| Malformed::new("a country is unknown"))?)
        }
        Kind::Timestamp => Value::Timestamp(cursor.instant()?),
        Kind::Ip => {
            let octets = cursor.bytes()?;
            let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(octets).map(|o| Ipv6Addr::from(o).into()));
            Value::Ip(address.map_err(|_| Malformed::new("an address has neither 4 nor 16 bytes"))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Digest;
    use crate::journal::record::PipelineChange;
    use crate::schema::field;
    use crate::simulate::{Simulator, SimulatorSettings};
    use crate::token::TokenKey;

    fn slots(schema: &Schema) -> Slots {
        PipelineChange::new(Digest::default(), schema, None).slots(schema)
    }

    /// Equal in all that rules, windows and answers see.
    fn assert_same(schema: &Schema, one: &Payment, two: &Payment) {
        for (id, field) in schema.fields() {
            assert_eq!(one.get(schema, id), two.get(schema, id), "{}", field.name);
            assert_eq!(one.symbol(id), two.symbol(id).filter(|_| one.has(id)), "{}", field.name);
            assert_eq!(one.entity_key(schema, id), two.entity_key(schema, id), "{}", field.name);
        }
        assert_eq!(one.items().len(), two.items().len());
        for (a, b) in one.items().iter().zip(two.items()) {
            assert_eq!((one.sku(a), one.category(a)), (two.sku(b), two.category(b)));
            assert_eq!((a.quantity, a.price), (b.quantity, b.price));
        }
    }

    fn check(schema: &Schema, payment: &Payment) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_payment(&mut bytes, schema, payment);
        let back = read_payment(&bytes, schema, &slots(schema)).unwrap();
        assert_same(schema, payment, &back);
        let mut again = Vec::new();
        put_payment(&mut again, schema, &back);
        assert!(again == bytes);
        bytes
    }

    #[test]
    fn payments_come_back_as_they_were() {
        let schema = Schema::standard().with_seed(5);
        let settings = SimulatorSettings { payments: 2_000, days: 1, ..SimulatorSettings::default() };
        let mut simulator = Simulator::new(settings).unwrap();
        let mut payment = Payment::new(&schema);
        let mut bytes = 0;
        while simulator.next(&schema, &mut payment) {
            bytes += check(&schema, &payment).len();
        }
        assert!(bytes / 2_000 < 500, "{} bytes a payment", bytes / 2_000);
        check(&schema, &Payment::new(&schema));
    }

    #[test]
    fn items_addresses_and_own_fields_come_back() {
        let own =
            "[[field]]\nname = \"terminal\"\nkind = \"token\"\n[[field]]\nname = \"age\"\nkind = \"number\"";
        let schema = Schema::parse("s", own).unwrap();
        let mut payment = Payment::new(&schema);
        let age = schema.find("age").unwrap();
        for (id, value) in [
            (field::IP, Value::Ip("2001:db8::7".parse().unwrap())),
            (field::EMAIL, Value::Text("no-at-sign")),
            (field::CURRENCY, Value::Text("usd")),
            (schema.find("terminal").unwrap(), Value::Token("T1")),
            (age, Value::Number(-0.5)),
        ] {
            payment.set(&schema, id, value).unwrap();
        }
        payment.push_item(&schema, Some("sku"), None, Some(2.0), None).unwrap();
        payment.push_item(&schema, None, Some("Toys"), None, Some(0.5)).unwrap();
        let bytes = check(&schema, &payment);
        // A schema that has lost `terminal` and has another field in its place.
        let later = Schema::parse("s", "[[field]]\nname = \"age\"\nkind = \"number\"").unwrap();
        let slots = PipelineChange::new(Digest::default(), &schema, None).slots(&later);
        let back = read_payment(&bytes, &later, &slots).unwrap();
        assert_eq!(back.number(later.find("age").unwrap()), -0.5);
        assert_eq!(back.text(field::EMAIL), Some("no-at-sign"));
    }

    #[test]
    fn no_card_number_is_written() {
        let schema = Schema::standard().with_token_key(TokenKey::new("k1", &[1; 32]).unwrap());
        let mut payment = Payment::new(&schema);
        payment.set(&schema, field::CARD, Value::Token("4111111111111111")).unwrap();
        payment.set(&schema, field::USER_AGENT, Value::Text("x 5555555555554444 y")).unwrap();
        let bytes = check(&schema, &payment);
        for pan in ["4111111111111111", "5555555555554444"] {
            assert!(!bytes.windows(16).any(|w| w == pan.as_bytes()));
        }
    }

    #[test]
    fn malformed_payments_are_refused() {
        let schema = Schema::standard();
        let mut payment = Payment::new(&schema);
        payment.set(&schema, field::ID, Value::Token("p1")).unwrap();
        payment.push_item(&schema, Some("sku"), None, None, None).unwrap();
        let bytes = check(&schema, &payment);
        for len in 0..bytes.len() {
            assert!(read_payment(&bytes[..len], &schema, &slots(&schema)).is_err(), "{len}");
        }
        assert!(read_payment(&[1, 127, 0], &schema, &slots(&schema)).is_err());
    }
}
