//! Which 64 bits stand for a text?

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// See [`Schema::symbol`](super::Schema::symbol).
pub(crate) fn symbol(seed: u64, text: &[u8], exact: bool) -> u64 {
    let mut hasher = FixedState::with_seed(seed).build_hasher();
    // Without a way out in the middle: it is found in many bytes at once.
    if exact || !text.iter().fold(false, |upper, b| upper | b.is_ascii_uppercase()) {
        hasher.write(text);
    } else {
        // Short texts fold on the stack; the rest may pay for a copy.
        let mut buffer = [0u8; 128];
        if let Some(folded) = buffer.get_mut(..text.len()) {
            folded.copy_from_slice(text);
            folded.make_ascii_lowercase();
            hasher.write(folded);
        } else {
            hasher.write(&text.to_ascii_lowercase());
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;

    #[test]
    fn symbols_fold_case_unless_exact() {
        let schema = Schema::standard();
        assert_eq!(schema.symbol("Gmail.COM", false), schema.symbol("gmail.com", false));
        assert_ne!(schema.symbol("Gmail.COM", true), schema.symbol("gmail.com", true));
    }
}
