//! `Authorization: Basic`: the key alone, in base64 (RFC 4648), as some clients can't send another.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Clients differ in whether they pad, and in the bits behind the last byte.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The key; a colon after it, where others have a password, is passed over. `None` when it is no base64.
pub(super) fn key(text: &[u8]) -> Option<Vec<u8>> {
    let mut key = LENIENT.decode(text).ok()?;
    if key.last() == Some(&b':') {
        key.pop();
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_base64() {
        for (text, expected) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmFy", Some("foobar")),
            ("Zm9vOg==", Some("foo")), // `foo:`
            ("fn5+", Some("~~~")),
            ("Pz8/", Some("???")),
            ("Z", None),
            ("Zm9vY", None),
            ("Zm-v", None),
            ("Zg=a", None),
        ] {
            assert_eq!(key(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
