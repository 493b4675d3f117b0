//! What is in field 48? Elements of a tag of two characters, a length of two digits and a text.

use crate::pay::CallKey;

/// The key of the request itself, in 32 hexadecimal digits.
pub(crate) const KEY: &str = "CK";
/// The key of the authorization that it is about.
pub(crate) const ORIGINAL: &str = "OK";
/// Whether the payer has proved who they are; Mastercard's numbers: 212 is yes, 211 that 3-D Secure vouches for the
/// attempt, 210 no.
pub(crate) const SECURITY: &str = "42";
/// What 3-D Secure vouches with, by Mastercard's numbers: the authentication value in Base64, and the protocol (2) with
/// the directory server's transaction. The indicator has no number there.
pub(crate) const CAVV: &str = "43";
pub(crate) const TRANSACTION: &str = "66";
pub(crate) const ECI: &str = "EC";
/// The card verification value; Mastercard's number, too.
pub(crate) const CVV: &str = "92";

/// Appends an element. Texts are at most 99 characters.
pub(crate) fn put(out: &mut String, tag: &str, text: &str) {
    debug_assert!(tag.len() == 2 && text.len() <= 99);
    out.push_str(tag);
    out.push_str(&format!("{:02}", text.len()));
    out.push_str(text);
}

/// The first element of a tag. `None` when there is none, or the field is not made of elements.
pub(crate) fn get<'a>(field: &'a str, tag: &str) -> Option<&'a str> {
    let mut rest = field;
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(4)?;
        let (name, length) = head.split_at_checked(2)?;
        let length = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
        let (text, after) = after.split_at_checked(length)?;
        if name == tag {
            return Some(text);
        }
        rest = after;
    }
    None
}

/// A key out of an element.
pub(crate) fn key(field: Option<&str>, tag: &str) -> Option<CallKey> {
    CallKey::parse(get(field?, tag)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_tag() {
        let mut field = String::new();
        let (one, two) = (CallKey([1; 16]), CallKey([2; 16]));
        put(&mut field, KEY, &one.to_string());
        put(&mut field, CVV, "123");
        put(&mut field, ORIGINAL, &two.to_string());
        assert_eq!((key(Some(&field), KEY), key(Some(&field), ORIGINAL)), (Some(one), Some(two)));
        assert_eq!((get(&field, CVV), get(&field, SECURITY)), (Some("123"), None));
        for broken in ["C", "CK", "CK3", "CK05abc", "CKxxabc", "CK+1a", "\u{e9}\u{e9}\u{e9}"] {
            assert_eq!(get(broken, KEY), None, "{broken}");
        }
    }
}
