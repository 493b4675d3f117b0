//! Who sent a payment, and is it a request that is answered once? So that its answer can be given again after a
//! restart.

use crate::time::Timestamp;

use super::wire::{Cursor, Malformed, put_instant, put_option};

/// Whose payment it is. What the numbers stand for is known to whoever records them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub owner: u64,
    /// The request that is answered once, if it is one.
    pub request: Option<Named>,
}

/// A request with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub name: [u8; 16],
    /// The hash of what it said.
    pub body: [u8; 16],
    /// When it came, by the clock of whoever took it.
    pub at: Timestamp,
}

impl Origin {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.owner.to_le_bytes());
        put_option(out, self.request, |out, Named { name, body, at }| {
            out.extend_from_slice(&name);
            out.extend_from_slice(&body);
            put_instant(out, at);
        });
    }

    /// # Errors
    /// When the bytes are none.
    pub(super) fn read(bytes: &[u8]) -> Result<Origin, Malformed> {
        let mut cursor = Cursor(bytes);
        let owner = u64::from_le_bytes(cursor.array()?);
        let request =
            cursor.option(|c| Ok(Named { name: c.array()?, body: c.array()?, at: c.instant()? }))?;
        cursor.end().map(|()| Origin { owner, request })
    }
}

#[cfg(test)]
mod tests {
    use super::super::turn::ORIGIN_BYTES;
    use super::*;

    #[test]
    fn origins_come_back_within_their_bytes() {
        let last = Timestamp::from_micros(i64::MAX / 4).unwrap_or_default();
        let named = Named { name: [1; 16], body: [2; 16], at: last };
        for origin in [Origin { owner: 0, request: None }, Origin { owner: u64::MAX, request: Some(named) }] {
            let mut bytes = Vec::new();
            origin.put(&mut bytes);
            assert_eq!(Origin::read(&bytes), Ok(origin));
            assert!(bytes.len() <= ORIGIN_BYTES);
            (0..bytes.len()).for_each(|len| assert!(Origin::read(&bytes[..len]).is_err(), "{len}"));
        }
    }
}
