//! How does one row's text, number or instant become a payment's field?
//!
//! Every format comes through here, so that a value means the same whichever file it came in. The
//! amount waits until the row's end, because its currency may come after it.

// Only columnar files bring numbers that are no text.
#![cfg_attr(not(feature = "columnar"), allow(dead_code))]

use arrayvec::ArrayString;

use super::names::{Target, sources};
use super::{RowError, shown};
use crate::money::{AmountError, Currency, Money};
use crate::payment::{FieldError, Payment};
use crate::schema::{Country, FieldId, Kind, Schema, Value, field};
use crate::time::Timestamp;
use crate::token::{PAN_DIGITS_MIN, contains_pan};

/// Most bytes an amount may be written with.
pub(crate) const AMOUNT_BYTES_MAX: usize = 64;

/// What is known of the row so far, beside the payment itself.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Fields that a value was given for.
    given: [u64; 2],
    amount: Amount,
    currency: Option<Currency>,
}

// Only columnar files hold numbers that aren't text.
#[cfg_attr(not(feature = "columnar"), allow(dead_code))]
#[derive(Debug, Default)]
enum Amount {
    #[default]
    Absent,
    Text(ArrayString<AMOUNT_BYTES_MAX>, bool),
    Float(f64),
    Integer(i64, bool),
}

type Done = Result<(), Box<RowError>>;

#[cold]
pub(super) fn wrong(reason: impl Into<String>) -> Box<RowError> {
    Box::new(RowError { field: None, column: None, reason: reason.into() })
}

#[cold]
fn refused(error: FieldError) -> Box<RowError> {
    wrong(error.to_string())
}

#[cold]
fn not_a(kind: Kind, text: &str) -> Box<RowError> {
    if contains_pan(text) {
        return refused(FieldError::CardNumber);
    }
    let form = match kind {
        Kind::Number => "a finite number",
        Kind::Money => "an amount",
        Kind::Bool => "a bool: true, false, yes, no, 1 or 0",
        Kind::Country => "an ISO 3166 country of two letters",
        Kind::Ip => "an IPv4 or IPv6 address",
        Kind::Timestamp => "a timestamp such as 2026-11-23T09:00:00Z",
        Kind::Text | Kind::Token => "text",
    };
    wrong(format!("`{}` is not {form}", shown(text)))
}

/// A field that every payment needs and this one has not.
#[cold]
pub(super) fn missing(schema: &Schema, id: FieldId) -> Box<RowError> {
    Box::new(RowError {
        field: Some(schema.field(id).name.clone()),
        column: None,
        reason: format!("it is missing; it is read from {}", sources(schema, id)),
    })
}

impl Row {
    pub fn start(&mut self) {
        *self = Row::default();
    }

    /// Notes that a field is given, once.
    #[inline]
    fn give(&mut self, schema: &Schema, target: &Target) -> Done {
        // Halves: a shift of 128 bits costs several of 64.
        let (half, bit) = (&mut self.given[target.id.index() / 64 % 2], 1 << (target.id.index() % 64));
        if *half & bit != 0 {
            return Err(wrong(format!(
                "`{}` is given twice in this row; it is read from {}",
                schema.field(target.id).name,
                sources(schema, target.id)
            )));
        }
        *half |= bit;
        Ok(())
    }

    /// A value that came as text. Empty text is absent.
    #[inline]
    pub fn text(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, text: &str) -> Done {
        let text = match target.values.is_empty() {
            true => text,
            false => target.values.get(text).map_or(text, String::as_str),
        };
        if text.is_empty() {
            return Ok(());
        }
        self.give(schema, target)?;
        self.put(schema, payment, target, text)
    }

    #[inline]
    fn put(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, text: &str) -> Done {
        let kind = target.kind;
        let mut digits = itoa::Buffer::new();
        let text = match card_in_a_float(text) {
            Some(number) if !target.exempt => digits.format(number),
            _ => text,
        };
        let value = match kind {
            Kind::Text if target.id == field::CURRENCY => {
                return match Currency::parse(trimmed(text)) {
                    Some(currency) => {
                        self.currency = Some(currency);
                        Ok(())
                    }
                    None if contains_pan(text) => Err(refused(FieldError::CardNumber)),
                    None => {
                        Err(wrong(format!("`{}` is not an ISO 4217 currency with minor units", shown(text))))
                    }
                };
            }
            Kind::Text => Value::Text(text),
            Kind::Token => Value::Token(text),
            Kind::Money => {
                no_card(target, text)?;
                let kept = ArrayString::from(trimmed(text))
                    .map_err(|_| wrong(format!("the amount is longer than {AMOUNT_BYTES_MAX} characters")))?;
                self.amount = Amount::Text(kept, target.minor);
                return Ok(());
            }
            Kind::Number => {
                no_card(target, text)?;
                let number = trimmed(text).parse().map_err(|_| not_a(kind, text))?;
                return self.put_number(schema, payment, target, number);
            }
            Kind::Bool => Value::Bool(truth(trimmed(text)).ok_or_else(|| not_a(kind, text))?),
            Kind::Country => Value::Country(Country::parse(trimmed(text)).ok_or_else(|| not_a(kind, text))?),
            Kind::Ip => Value::Ip(trimmed(text).parse().map_err(|_| not_a(kind, text))?),
            Kind::Timestamp => {
                let at = Timestamp::parse(text).ok_or_else(|| not_a(kind, text))?;
                // Separators other than these two can't stand in a card number.
                if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b' ' | b'-')) {
                    no_card_as_time(target, at, text)?;
                }
                Value::Timestamp(at)
            }
        };
        payment.set(schema, target.id, value).map_err(refused)
    }

    fn put_number(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, number: f64) -> Done {
        if number.fract() == 0.0 && number.abs() >= 1e11 && number.abs() < 1e19 {
            no_card(target, itoa::Buffer::new().format(number.abs() as u64))?;
        }
        payment.set(schema, target.id, Value::Number(number)).map_err(refused)
    }

    /// A value that came as a whole number.
    #[cfg(feature = "columnar")]
    pub fn integer(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, number: i64) -> Done {
        if !target.values.is_empty() || !matches!(target.kind, Kind::Money | Kind::Number) {
            return self.text(schema, payment, target, itoa::Buffer::new().format(number));
        }
        self.give(schema, target)?;
        if number.unsigned_abs() >= 100_000_000_000 {
            no_card(target, itoa::Buffer::new().format(number.unsigned_abs()))?;
        }
        match target.kind {
            Kind::Money => self.amount = Amount::Integer(number, target.minor),
            _ => payment.set(schema, target.id, Value::Number(number as f64)).map_err(refused)?,
        }
        Ok(())
    }

    /// A value that came as a binary float.
    #[cfg(feature = "columnar")]
    pub fn float(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, number: f64) -> Done {
        if !number.is_finite() {
            return Err(wrong(format!("{number} is not a finite number; leave it empty if it is unknown")));
        }
        if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
            return self.integer(schema, payment, target, number as i64);
        }
        match target.kind {
            Kind::Money if !target.minor => {
                self.give(schema, target)?;
                self.amount = Amount::Float(number);
                Ok(())
            }
            Kind::Number if target.values.is_empty() => {
                self.give(schema, target)?;
                self.put_number(schema, payment, target, number)
            }
            _ => self.text(schema, payment, target, zmij::Buffer::new().format_finite(number)),
        }
    }

    /// A value that came as true or false.
    pub fn bool(&mut self, schema: &Schema, payment: &mut Payment, target: &Target, truth: bool) -> Done {
        if target.kind == Kind::Bool && target.values.is_empty() {
            self.give(schema, target)?;
            return payment.set(schema, target.id, Value::Bool(truth)).map_err(refused);
        }
        let text = if truth { "true" } else { "false" };
        if target.kind != Kind::Bool && !target.values.contains_key(text) {
            return Err(wrong(format!("the field holds {}, not {text}", target.kind)));
        }
        self.text(schema, payment, target, text)
    }

    /// A value that came as an instant, which no card number does.
    #[cfg(feature = "columnar")]
    pub fn instant(
        &mut self,
        schema: &Schema,
        payment: &mut Payment,
        target: &Target,
        at: Option<Timestamp>,
    ) -> Done {
        let at = at.ok_or_else(|| wrong("the instant is outside the years 1 to 9999"))?;
        self.give(schema, target)?;
        match target.kind {
            Kind::Timestamp => payment.set(schema, target.id, Value::Timestamp(at)).map_err(refused),
            _ => self.put(schema, payment, target, &at.to_string()),
        }
    }

    /// Ends the row: the amount meets its currency, defaults fill gaps, required fields are asked for.
    pub fn finish(&mut self, schema: &Schema, payment: &mut Payment) -> Done {
        self.complete(schema, payment)?;
        match payment.missing() {
            None => Ok(()),
            Some(id) => Err(missing(schema, id)),
        }
    }

    /// As [`Row::finish`], but nothing need be there.
    pub fn complete(&mut self, schema: &Schema, payment: &mut Payment) -> Done {
        if !matches!(self.amount, Amount::Absent) {
            let money = self.money(schema).map_err(|mut e| {
                e.field.get_or_insert_with(|| schema.field(field::AMOUNT).name.clone());
                e
            })?;
            payment.set(schema, field::AMOUNT, Value::Money(money)).map_err(refused)?;
        }
        for (id, text) in schema.default_texts() {
            if !payment.has(*id) {
                let value = match schema.field(*id).kind {
                    Kind::Country => match Country::parse(text) {
                        Some(country) => Value::Country(country),
                        None => return Err(not_a(Kind::Country, text)),
                    },
                    _ => Value::Text(text),
                };
                payment.set(schema, *id, value).map_err(refused)?;
            }
        }
        Ok(())
    }

    fn money(&self, schema: &Schema) -> Result<Money, Box<RowError>> {
        let mut currency = self.currency.or(schema.default_currency());
        let mut text = match &self.amount {
            Amount::Text(text, _) => text.as_str(),
            _ => "",
        };
        // `12.34 EUR`, the way money is written in rules and in decisions.
        if let Some((number, code)) = text.rsplit_once(' ')
            && let Some(own) = Currency::parse(code)
        {
            if self.currency.is_some_and(|c| c != own) {
                return Err(wrong(format!("the amount says {own} and the currency says another")));
            }
            (text, currency) = (number, Some(own));
        }
        let currency = currency.ok_or_else(|| {
            wrong(format!(
                "the amount has no currency; it is read from {}, or set `currency` under [defaults] in schema.toml",
                sources(schema, field::CURRENCY)
            ))
        })?;
        let money = match self.amount {
            Amount::Absent => Err(AmountError::NotANumber),
            Amount::Float(major) => Money::from_major(major, currency),
            Amount::Integer(minor, true) => Money::from_minor(minor, currency),
            Amount::Integer(major, false) => Money::parse(itoa::Buffer::new().format(major), currency),
            Amount::Text(_, true) => minor(text).and_then(|minor| Money::from_minor(minor, currency)),
            Amount::Text(_, false) => Money::parse(text, currency),
        };
        money.map_err(|e| match e {
            AmountError::TooPrecise => wrong(format!("{e} ({currency} has {})", currency.exponent())),
            AmountError::NotANumber if !text.is_empty() => wrong(format!("`{}`: {e}", shown(text))),
            _ => wrong(e.to_string()),
        })
    }
}

/// Minor units as text: whole, though tables like to write `1234.0`.
fn minor(text: &str) -> Result<i64, AmountError> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return Err(AmountError::TooPrecise),
        None => text,
    };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    match whole.parse() {
        Ok(minor) => Ok(minor),
        Err(_) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Err(AmountError::TooLarge)
        }
        Err(_) => Err(AmountError::NotANumber),
    }
}

/// Without white space at its ends, which nearly no text has.
#[inline]
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["true", "1", "yes", "t", "y"]) {
        Some(true)
    } else {
        is(&["false", "0", "no", "f", "n"]).then_some(false)
    }
}

/// The card number that a spreadsheet or a float has made `4.111111111111111E+15` or `4111111111111111.0` of.
fn card_in_a_float(text: &str) -> Option<u64> {
    // Nearly every text is none: found out before anything is computed.
    let digits = |text: &[u8]| text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text.as_bytes());
    let rest = text.as_bytes().get(whole..).filter(|_| whole > 0)?;
    let fraction = match rest {
        [b'.', decimals @ ..] => 1 + digits(decimals),
        _ => 0,
    };
    match rest.get(fraction) {
        Some(b'e' | b'E') => {}
        None if whole >= PAN_DIGITS_MIN && fraction > 0 => {}
        _ => return None,
    }
    let number: f64 = text.parse().ok().filter(|n: &f64| n.fract() == 0.0 && (1e11..1e19).contains(n))?;
    contains_pan(itoa::Buffer::new().format(number as u64)).then_some(number as u64)
}

/// A number can't be tokenised, so digits that are a card number are refused in it.
fn no_card(target: &Target, digits: &str) -> Done {
    match !target.exempt && contains_pan(digits) {
        true => Err(refused(FieldError::CardNumber)),
        false => Ok(()),
    }
}

/// Unix times from 1990 to 2040 are no issued card number in any unit; what looks like one outside
/// of these years is taken for one.
fn no_card_as_time(target: &Target, at: Timestamp, digits: &str) -> Done {
    const FROM: i64 = 631_152_000_000_000;
    const TO: i64 = 2_208_988_800_000_000;
    if (FROM..TO).contains(&at.micros()) { Ok(()) } else { no_card(target, digits) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By what a number is, not by how it is written.
    fn card_by_value(text: &str) -> Option<u64> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.contains(['.', 'e', 'E']) {
            return None;
        }
        let number =
            text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (1e11..1e19).contains(n))? as u64;
        contains_pan(&number.to_string()).then_some(number)
    }

    proptest! {
        #[test]
        fn a_card_number_in_a_float_is_found_however_it_is_written(
            text in "(0{0,3}4111111111111111|41111{8,11}|[0-9]{0,13})(\\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?x?"
        ) {
            prop_assert_eq!(card_in_a_float(&text), card_by_value(&text));
        }

        #[test]
        fn what_is_trimmed_is_what_has_no_white_space(text in "[ \\t\u{a0}a1é]{0,6}") {
            prop_assert_eq!(trimmed(&text), text.trim());
        }
    }

    #[test]
    fn spreadsheets_do_not_hide_card_numbers() {
        for text in
            ["4.111111111111111E+15", "4111111111111111.0", "4111111111111111.", "0.4111111111111111e16"]
        {
            assert_eq!(card_in_a_float(text), Some(4_111_111_111_111_111), "{text}");
        }
        for text in ["4111111111111111", "33.4635", "198.18.40.43", "2026-11-23T09:00:00.5Z", "4e", "e15", ""]
        {
            assert_eq!(card_in_a_float(text), None, "{text}");
        }
    }
}
