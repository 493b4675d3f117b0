//! Parts of events and images, in bytes: names, money, choices, what an institution is asked for.

use crate::journal::wire::{Cursor, Malformed, put_bytes, put_option, put_signed, put_varint};
use crate::money::{Currency, Money, Rate};
use crate::pay::challenge::{Mark, ThreeDs, TransStatus};
use crate::pay::conversion::Conversion;
use crate::pay::error::Error;
use crate::pay::event::Operation;
use crate::pay::id::RefundId;

/// What an institution is asked for.
mod tag {
    pub const AUTHORIZE: u8 = 0;
    pub const CAPTURE: u8 = 1;
    pub const VOID: u8 = 2;
    pub const REFUND: u8 = 3;
}

/// How many, and each of them.
pub(in crate::pay) fn put_all<T>(out: &mut Vec<u8>, all: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_varint(out, all.len() as u64);
    all.iter().for_each(|one| put(out, one));
}

pub(in crate::pay) fn all<'a, T>(
    c: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    // Read one by one: a count that is wrong ends with the bytes.
    (0..c.number::<u32>()?).map(|_| read(c)).collect()
}

pub(in crate::pay) fn marks(c: &mut Cursor<'_>) -> Result<Box<[Mark]>, Malformed> {
    Ok(all(c, |c| Ok(Mark(c.array()?)))?.into())
}

pub(in crate::pay) fn put_marks(out: &mut Vec<u8>, marks: &[Mark]) {
    put_all(out, marks, |out, mark| out.extend_from_slice(&mark.0));
}

pub(in crate::pay) fn put_conversion(out: &mut Vec<u8>, conversion: &Conversion) {
    put_money(out, conversion.presented());
    out.extend_from_slice(conversion.rate().to().code().as_bytes());
    conversion.rate().worth().iter().for_each(|worth| put_signed(out, *worth));
    put_text(out, conversion.version());
}

pub(in crate::pay) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(in crate::pay) fn id<T>(
    c: &mut Cursor<'_>,
    parse: impl FnOnce(&str) -> Result<T, Error>,
) -> Result<T, Malformed> {
    parse(c.text()?).map_err(|e| Malformed::new(e.to_string()))
}

pub(in crate::pay) fn put_money(out: &mut Vec<u8>, money: Money) {
    put_signed(out, money.minor);
    out.extend_from_slice(money.currency.code().as_bytes());
}

pub(in crate::pay) fn money(c: &mut Cursor<'_>) -> Result<Money, Malformed> {
    let minor = c.signed()?;
    Ok(Money { minor, currency: currency(c)? })
}

pub(in crate::pay) fn currency(c: &mut Cursor<'_>) -> Result<Currency, Malformed> {
    let code: [u8; 3] = c.array()?;
    let currency = std::str::from_utf8(&code).ok().and_then(Currency::parse);
    let currency = currency.filter(|c| c.code().as_bytes() == code); // as it is written: in capitals
    currency.ok_or_else(|| Malformed::new("a currency is unknown"))
}

pub(in crate::pay) fn conversion(c: &mut Cursor<'_>) -> Result<Conversion, Malformed> {
    let (presented, to) = (money(c)?, currency(c)?);
    let rate = Rate::new(presented.currency, to, [c.signed()?, c.signed()?]);
    let rate = rate.ok_or_else(|| Malformed::new("a rate is out of range"))?;
    Conversion::by(rate, presented, c.text()?).map_err(|e| Malformed::new(e.to_string()))
}

pub(in crate::pay) fn put_one_of<T: PartialEq>(out: &mut Vec<u8>, all: &[T], one: T) {
    out.push(all.iter().position(|other| *other == one).unwrap_or_default() as u8);
}

pub(in crate::pay) fn one_of<T: Copy>(c: &mut Cursor<'_>, all: &[T]) -> Result<T, Malformed> {
    all.get(usize::from(c.byte()?)).copied().ok_or_else(|| Malformed::new("a choice is unknown"))
}

pub(in crate::pay) fn put_three_ds(out: &mut Vec<u8>, found: &ThreeDs) {
    put_one_of(out, TransStatus::ALL, found.status());
    put_text(out, found.version());
    for text in [found.eci(), found.cavv(), found.ds_trans_id()] {
        put_option(out, text, put_text);
    }
}

pub(in crate::pay) fn three_ds(c: &mut Cursor<'_>) -> Result<ThreeDs, Malformed> {
    let (status, version) = (one_of(c, TransStatus::ALL)?, c.text()?);
    let (eci, cavv, id) = (c.option(Cursor::text)?, c.option(Cursor::text)?, c.option(Cursor::text)?);
    ThreeDs::new(status, version, eci, cavv, id).map_err(|e| Malformed::new(e.to_string()))
}

pub(in crate::pay) fn put_operation(out: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Authorize => out.push(tag::AUTHORIZE),
        Operation::Capture { amount } => {
            out.push(tag::CAPTURE);
            put_money(out, *amount);
        }
        Operation::Void => out.push(tag::VOID),
        Operation::Refund { refund, amount } => {
            out.push(tag::REFUND);
            put_text(out, refund.as_str());
            put_money(out, *amount);
        }
    }
}

pub(in crate::pay) fn operation(c: &mut Cursor<'_>) -> Result<Operation, Malformed> {
    Ok(match c.byte()? {
        tag::AUTHORIZE => Operation::Authorize,
        tag::CAPTURE => Operation::Capture { amount: money(c)? },
        tag::VOID => Operation::Void,
        tag::REFUND => Operation::Refund { refund: id(c, RefundId::parse)?, amount: money(c)? },
        _ => return Err(Malformed::new("its operation is unknown")),
    })
}
