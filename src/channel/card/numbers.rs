//! Which numbers name a request? The same for every repetition, since they come from its key.

use crate::pay::CallKey;

/// Trace numbers are 000001 to 999999.
const STANS: u32 = 999_999;
/// Retrieval reference numbers have twelve digits here.
const RRNS: u64 = 1_000_000_000_000;

/// The system trace audit number, field 11. Keys are a keyed hash, so any of their bits are as good as random.
pub(crate) fn stan(key: CallKey) -> String {
    let [a, b, c, d, ..] = key.0;
    format!("{:06}", u32::from_be_bytes([a, b, c, d]) % STANS + 1)
}

/// The retrieval reference number, field 37, of other bits than the trace number.
pub(crate) fn rrn(key: CallKey) -> String {
    let [_, _, _, _, a, b, c, d, e, f, g, h, ..] = key.0;
    format!("{:012}", u64::from_be_bytes([a, b, c, d, e, f, g, h]) % RRNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for n in 0..20_000u64 {
            let hash = blake3::hash(&n.to_le_bytes());
            let key = CallKey(*hash.as_bytes().first_chunk().unwrap());
            let (stan, rrn) = (stan(key), rrn(key));
            assert!(stan.len() == 6 && rrn.len() == 12 && stan != "000000");
            assert!(seen.insert((stan, rrn)));
        }
        assert_eq!((stan(CallKey([0; 16])), stan(CallKey([0xff; 16]))), ("000001".into(), "971590".into()));
    }
}
