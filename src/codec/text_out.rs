//! How is one cell written in CSV and in JSON?

use super::sheet::Cell;
use crate::money::Money;
use crate::time::Timestamp;

/// Above this, whole floats are written with an exponent rather than with all digits.
const WHOLE_MAX: f64 = 1e15;

pub(super) fn csv_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Text(text) | Cell::Json(text) => csv_text(out, text),
        Cell::List([]) => {}
        Cell::List([one]) => csv_text(out, one),
        Cell::List(texts) => csv_text(out, &texts.join("|")),
        other => plain(out, other),
    }
}

pub(super) fn json_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Absent => out.extend_from_slice(b"null"),
        Cell::Text(text) => json_string(out, text),
        Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
        Cell::List(texts) => {
            out.push(b'[');
            for (i, text) in texts.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                json_string(out, text);
            }
            out.push(b']');
        }
        Cell::Timestamp(_) => {
            out.push(b'"');
            plain(out, cell);
            out.push(b'"');
        }
        other => plain(out, other),
    }
}

/// What is written alike in both.
fn plain(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Integer(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Cell::Float(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => {
            out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        }
        Cell::Float(number) => out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes()),
        Cell::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Cell::Timestamp(at) => timestamp(out, at),
        Cell::Money(amount) => money(out, amount),
        Cell::Text(_) | Cell::Json(_) | Cell::List(_) | Cell::Absent => {}
    }
}

fn csv_text(out: &mut Vec<u8>, text: &str) {
    let special = |b: u8| matches!(b, b',' | b'"' | b'\n' | b'\r' | b';' | b'\t');
    if !text.bytes().any(special) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for (i, part) in text.split('"').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// A header's line.
pub(super) fn csv_header<'a>(out: &mut Vec<u8>, names: impl Iterator<Item = &'a str>) {
    for (i, name) in names.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        csv_text(out, name);
    }
    out.push(b'\n');
}

pub(crate) fn json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..i]);
        from = i + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(b"0123456789abcdef"[usize::from(b >> 4)]);
                out.push(b"0123456789abcdef"[usize::from(b & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// The decimal, exactly, with all places of its currency.
fn money(out: &mut Vec<u8>, money: Money) {
    let places = money.currency.exponent() as usize;
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(money.minor).as_bytes();
    let whole = digits.len().saturating_sub(places);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    if places > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', places.saturating_sub(digits.len())));
        out.extend_from_slice(&digits[whole..]);
    }
}

/// The calendar library's own form, `2026-11-23T09:00:00.5Z`, at a tenth of its price.
fn timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let (seconds, micros) = (at.micros().div_euclid(1_000_000), at.micros().rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let two = |n: i64| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
    let mut text = *b"0000-00-00T00:00:00";
    for (place, n) in [
        (0, year / 100),
        (2, year),
        (5, month),
        (8, day),
        (11, second / 3_600),
        (14, second / 60 % 60),
        (17, second % 60),
    ] {
        text[place..place + 2].copy_from_slice(&two(n));
    }
    out.extend_from_slice(&text);
    if micros > 0 {
        let mut fraction = *b".000000";
        let mut rest = micros;
        for digit in fraction[1..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let zeros = fraction.iter().rev().take_while(|b| **b == b'0').count();
        out.extend_from_slice(&fraction[..fraction.len() - zeros]);
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_calendar_library_writes_them() {
        let mut micros = Timestamp::MIN.micros();
        while let Some(at) = Timestamp::from_micros(micros) {
            let mut out = Vec::new();
            timestamp(&mut out, at);
            assert_eq!(String::from_utf8(out).unwrap(), at.to_string());
            micros += 7_777_777_777_777_100 / 900;
        }
    }

    #[test]
    fn amounts_are_written_exactly() {
        for (minor, code, text) in [
            (0, "EUR", "0.00"),
            (5, "EUR", "0.05"),
            (1234, "EUR", "12.34"),
            (7, "JPY", "7"),
            (9_007_199_254_740_991, "KWD", "9007199254740.991"),
        ] {
            let mut out = Vec::new();
            money(&mut out, Money { minor, currency: crate::money::Currency::parse(code).unwrap() });
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
