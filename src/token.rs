//! Card numbers: found at the edge, replaced by a keyed token, wiped.
//!
//! A primary account number (PAN) is a string of 12 to 19 digits whose Luhn check digit is right;
//! spaces and dashes between digits don't hide it. What stays of it is a keyed token
//! (HMAC-SHA-256, PCI DSS 4.0.1 requirement 3.5.1.1), the BIN and the last four digits (3.4.1).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// Digits of the shortest PAN (ISO/IEC 7812 allows fewer, no scheme in use issues them).
///
/// ```
/// assert!(!tollgate::contains_pan(&"0".repeat(tollgate::PAN_DIGITS_MIN - 1)));
/// ```
pub const PAN_DIGITS_MIN: usize = 12;
/// Digits of the longest PAN (ISO/IEC 7812-1).
///
/// ```
/// assert_eq!(tollgate::PAN_DIGITS_MAX, 19);
/// ```
pub const PAN_DIGITS_MAX: usize = 19;
/// Bytes of the shortest key that is accepted: the strength of the hash's 256 bits.
///
/// ```
/// use tollgate::{KEY_BYTES_MIN, TokenKey};
/// assert!(TokenKey::new("k1", &[7; KEY_BYTES_MIN]).is_ok());
/// assert!(TokenKey::new("k1", &[7; KEY_BYTES_MIN - 1]).is_err());
/// ```
pub const KEY_BYTES_MIN: usize = 32;

/// The secret that card numbers are tokenised with. Its `Debug` shows
/// the id alone, it has no serialised form, and it is wiped when dropped.
///
/// ```
/// use tollgate::TokenKey;
/// let key = TokenKey::new("k1", &[7; 32]).unwrap();
/// let token = key.tokenize("4111 1111 1111 1111").unwrap();
/// assert!(token.text().starts_with("tok_k1_"));
/// assert_eq!((token.bin(), token.last4()), ("411111", "1111"));
/// assert_eq!(token, key.tokenize("4111111111111111").unwrap());
/// assert!(key.tokenize("4111 1111 1111 1112").is_none()); // not a card number
/// assert!(TokenKey::new("k1", &[7; 31]).is_err());
/// ```
#[derive(Clone)]
pub struct TokenKey {
    id: String,
    secret: Zeroizing<Vec<u8>>,
}

/// What may be kept of a card number.
///
/// ```
/// let key = tollgate::TokenKey::new("k1", &[7; 32]).unwrap();
/// let token = key.tokenize("4111111111111111").unwrap();
/// assert_eq!((token.bin(), token.last4()), ("411111", "1111"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardToken {
    text: String,
    bin: String,
    last4: String,
}

impl CardToken {
    /// `tok_KEYID_` and 128 bits of the HMAC in hexadecimal.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The first six digits; eight for numbers of sixteen digits or more would still leave the
    /// middle hidden, but six is what every scheme allows.
    pub fn bin(&self) -> &str {
        &self.bin
    }
    /// The last four digits.
    pub fn last4(&self) -> &str {
        &self.last4
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

impl TokenKey {
    /// A key of at least [`KEY_BYTES_MIN`] bytes, named `id` (letters and digits, so that a later
    /// key can be told from this one).
    ///
    /// # Errors
    /// A sentence that says which of the two is wrong; never the secret.
    pub fn new(id: &str, secret: &[u8]) -> Result<TokenKey, String> {
        if id.is_empty() || id.len() > 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("a token key's id is 1 to 16 letters and digits".to_owned());
        }
        if secret.len() < KEY_BYTES_MIN {
            return Err(format!(
                "the token key has {} bytes; it needs {KEY_BYTES_MIN} or more",
                secret.len()
            ));
        }
        Ok(TokenKey { id: id.to_owned(), secret: Zeroizing::new(secret.to_vec()) })
    }

    /// Reads `ID:HEX`, the form of the `TOLLGATE_TOKEN_KEY` environment variable.
    ///
    /// # Errors
    /// As [`TokenKey::new`], or that the text has another form.
    pub fn parse(text: &str) -> Result<TokenKey, String> {
        let form = "a token key is written ID:HEX, for example k1: and 64 hexadecimal digits";
        let (id, hex) = text.trim().split_once(':').ok_or(form)?;
        let bytes = HEXLOWER_PERMISSIVE.decode_len(hex.len()).map_err(|_| form)?;
        let mut secret = Zeroizing::new(vec![0; bytes]);
        HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut secret).map_err(|_| form)?;
        TokenKey::new(id, &secret)
    }

    /// The token of the card number that `text` is; `None` when it is not one.
    pub fn tokenize(&self, text: &str) -> Option<CardToken> {
        let mut digits = [0u8; PAN_DIGITS_MAX];
        let count = pan_digits(text, &mut digits)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(&digits[..count]);
        let tag = mac.finalize().into_bytes();
        let mut token = format!("tok_{}_", self.id);
        HEXLOWER.encode_append(&tag[..16], &mut token);
        let part = |range: std::ops::Range<usize>| digits[range].iter().map(|&b| b as char).collect();
        let card = CardToken { text: token, bin: part(0..6), last4: part(count - 4..count) };
        digits.zeroize();
        Some(card)
    }
}

/// Whether a card number stands anywhere in `text`.
///
/// ```
/// assert!(tollgate::contains_pan("card 5555-5555-5555-4444, thanks"));
/// assert!(!tollgate::contains_pan("5555-5555-5555-4445")); // check digit
/// assert!(!tollgate::contains_pan("+555555555555544 44"));  // a phone number
/// assert!(!tollgate::contains_pan("0.5555555555554444"));   // a fraction
/// ```
pub fn contains_pan(text: &str) -> bool {
    next_pan(text, 0).is_some()
}

/// `text` with every card number in it replaced by `[card number]`: for messages and reject files.
///
/// ```
/// assert_eq!(tollgate::redact("pan=4111111111111111;"), "pan=[card number];");
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some(first) = next_pan(text, 0) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut found) = (0, Some(first));
    while let Some(range) = found {
        out.push_str(&text[at..range.start]);
        out.push_str("[card number]");
        at = range.end;
        found = next_pan(text, at);
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// The first card number at or after byte `from`: a run of digits, spaces and dashes that is no
/// part of a word, an identifier or a phone number with its plus sign.
pub(crate) fn next_pan(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // Few texts hold twelve digits at all; find out before anything else.
    if bytes.len() < from + PAN_DIGITS_MIN
        || bytes[from..].iter().filter(|b| b.is_ascii_digit()).count() < PAN_DIGITS_MIN
    {
        return None;
    }
    let mut at = from;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && matches!(bytes[at], b'0'..=b'9' | b' ' | b'-') {
            at += 1;
        }
        if at - start >= PAN_DIGITS_MIN
            && let Some(found) = pan_in_run(text, start..at)
        {
            return Some(found);
        }
    }
    None
}

/// The first card number among the groups of digits of a run. Other digits may stand beside it, such
/// as the month and year that it expires; of several readings the longest is taken.
fn pan_in_run(text: &str, run: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let joins = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+'));
    let ends_group = |at: usize| at + 1 >= run.end || !bytes[at + 1].is_ascii_digit();
    let mut start = run.start;
    while start < run.end {
        let before = |n: usize| start.checked_sub(n).and_then(|i| bytes.get(i));
        // The decimals of a number, such as a latitude, are no card number.
        let decimals = before(1) == Some(&b'.') && before(2).is_some_and(u8::is_ascii_digit);
        let mut found = None;
        if !decimals && !joins(before(1)) {
            let mut digits = 0;
            for at in start..run.end {
                digits += usize::from(bytes[at].is_ascii_digit());
                if digits > PAN_DIGITS_MAX {
                    break;
                }
                let whole = bytes[at].is_ascii_digit() && ends_group(at) && !joins(bytes.get(at + 1));
                if whole && digits >= PAN_DIGITS_MIN && is_pan(&text[start..at + 1]) {
                    found = Some(start..at + 1);
                }
            }
        }
        if found.is_some() {
            return found;
        }
        // On to the next group.
        while start < run.end && bytes[start].is_ascii_digit() {
            start += 1;
        }
        while start < run.end && !bytes[start].is_ascii_digit() {
            start += 1;
        }
    }
    None
}

fn is_pan(text: &str) -> bool {
    let mut digits = [0u8; PAN_DIGITS_MAX];
    let found = pan_digits(text, &mut digits).is_some();
    digits.zeroize();
    found
}

/// The digits of the card number that `text` is, and how many; `None` when it is not one.
///
/// A first digit of 0, 1 or 7 belongs to no payment card (ISO/IEC 7812 major industry identifiers:
/// 3 to 6 are cards, 2 is Mastercard and Mir, 8 and 9 are domestic schemes; the others are airlines,
/// fuel and Unix times).
fn pan_digits(text: &str, digits: &mut [u8; PAN_DIGITS_MAX]) -> Option<usize> {
    let bytes = text.trim().as_bytes();
    if bytes.len() < PAN_DIGITS_MIN || bytes.len() > PAN_DIGITS_MAX * 2 {
        return None;
    }
    let mut count = 0;
    for &b in bytes {
        match b {
            b'0'..=b'9' if count < PAN_DIGITS_MAX => {
                digits[count] = b;
                count += 1;
            }
            b' ' | b'-' if count > 0 => {}
            _ => return None,
        }
    }
    if count < PAN_DIGITS_MIN || matches!(digits[0], b'0' | b'1' | b'7') {
        return None;
    }
    // ISO/IEC 7812-1 annex B: double every second digit from the right, add the digits.
    let sum: u32 = digits[..count]
        .iter()
        .rev()
        .enumerate()
        .map(|(i, b)| match (u32::from(b - b'0'), i % 2) {
            (d, 0) => d,
            (d, _) => d * 2 / 10 + d * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_card_numbers_of_every_length_and_spacing() {
        for pan in [
            "4222222222222",
            "378282246310005",
            "4111111111111111",
            "4111 1111 1111 1111",
            "6304000000000000000",
            "2223-0031-2200-3222",
        ] {
            assert!(contains_pan(pan), "{pan}");
        }
        for other in [
            "",
            "411111111111111",
            "41111111111111111111",
            "tok_k1_4111111111111111",
            "4111x1111x1111x1111",
            "0000000000000000",
        ] {
            assert!(!contains_pan(other), "{other}");
        }
    }

    #[test]
    fn other_digits_beside_a_card_number_do_not_hide_it() {
        for text in [
            "4111111111111111 12/27",
            "1 4111111111111111",
            "4111 1111 1111 1111 1227 123x",
            "x 77 5555555555554444-9 y",
        ] {
            let shown = redact(text);
            // Neighbouring groups may go with it, where all digits together are a number too.
            assert!(shown.contains("[card number]"), "{shown}");
            assert!(
                !shown.contains("1111 1111") && !shown.contains("1111111") && !shown.contains("5555555"),
                "{shown}"
            );
        }
        for text in
            ["2026-11-23 00:30:00", "00000000-0000-0000-0000", "198.51.100.1 203.0.113.77", "12 34 56 78"]
        {
            assert!(!contains_pan(text), "{text}");
        }
    }

    #[test]
    fn the_token_is_the_hmac_of_the_digits() {
        // Checked with: printf 4111111111111111 | openssl dgst -sha256 -hmac "$(printf 'a%.0s' {1..32})"
        let key = TokenKey::new("k1", &[b'a'; 32]).unwrap();
        let token = key.tokenize("4111-1111-1111-1111").unwrap();
        assert_eq!(token.text(), "tok_k1_610a00e3942ecaabf50b305e4232e27e");
    }
}
