//! `Authorization: Basic`: the key alone, in base64 (RFC 4648), as some clients can't send another.

/// The key; a colon after it, where others have a password, is passed over. `None` when it is no base64.
pub(super) fn key(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut key = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for place in 0..4 {
            bits = bits << 6 | u32::from(group.get(place).map_or(Some(0), |digit| value(*digit))?);
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        // Two digits are a byte, three are two, and one is none.
        key.extend_from_slice(bytes.get(..group.len().checked_sub(1).filter(|n| *n > 0)?)?);
    }
    if key.last() == Some(&b':') {
        key.pop();
    }
    Some(key)
}

fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
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
