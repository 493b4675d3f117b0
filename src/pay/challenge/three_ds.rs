//! What came of 3-D Secure? The result of EMV 3DS 2, in its shapes.

use std::fmt;

use zeroize::Zeroizing;

use crate::pay::brand::Brand;
use crate::pay::error::Error;
use crate::pay::state::names;

names! {
    /// EMV 3DS's `transStatus`.
    ///
    /// ```
    /// use tollgate::pay::TransStatus;
    /// assert!(TransStatus::Authenticated.is_proof() && TransStatus::Attempted.is_proof());
    /// assert!(!TransStatus::Unavailable.is_proof() && !TransStatus::Unavailable.is_final());
    /// ```
    TransStatus {
        /// The payer proved who they are.
        Authenticated = "Y",
        /// The issuer or its scheme vouches for the attempt.
        Attempted = "A",
        /// They did not prove it.
        Failed = "N",
        /// It could not be found out.
        Unavailable = "U",
        /// The issuer refuses, and asks that nobody tries an authorization.
        Rejected = "R",
        /// The issuer wants to ask the payer: they are not done.
        Wanted = "C",
    }
}

impl TransStatus {
    /// Whether the payment may go on because of it.
    pub const fn is_proof(self) -> bool {
        matches!(self, TransStatus::Authenticated | TransStatus::Attempted)
    }

    /// Whether it settles the matter; else another result, or another proof, may follow.
    pub const fn is_final(self) -> bool {
        !matches!(self, TransStatus::Unavailable | TransStatus::Wanted)
    }
}

/// A result of 3-D Secure, as its server has it. `Debug` does not show the authentication value.
///
/// ```
/// use tollgate::pay::{ThreeDs, TransStatus};
/// let (cavv, id) = ("AAIBBYNoEwAAACcKhAJkdQAAAAA=", "97267598-fae6-48f2-8083-60ceb0b0b0b0");
/// let found = ThreeDs::new(TransStatus::Authenticated, "2.2.0", Some("05"), Some(cavv), Some(id))?;
/// assert!(found.shifts_liability());
/// assert_eq!(found.eci(), Some("05"));
/// // What vouches for nobody bears no value that vouches.
/// let wrong = ThreeDs::new(TransStatus::Failed, "2.2.0", Some("07"), Some(cavv), Some(id)).unwrap_err();
/// assert_eq!(wrong.code(), "bad_three_ds");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ThreeDs {
    status: TransStatus,
    version: String,
    eci: Option<String>,
    cavv: Option<Zeroizing<String>>,
    ds_trans_id: Option<String>,
}

impl ThreeDs {
    /// From `transStatus`, `messageVersion`, `eci`, `authenticationValue` and `dsTransID`.
    ///
    /// # Errors
    /// [`Error::BadThreeDs`], which says what is wrong: `Y` and `A` come with an ECI (05 or 02, 06 or 01), an
    /// authentication value (20 bytes in Base64) and a transaction's id (a UUID); the others without a value, and
    /// with ECI 07, 00 or none.
    pub fn new(
        status: TransStatus,
        version: &str,
        eci: Option<&str>,
        cavv: Option<&str>,
        ds_trans_id: Option<&str>,
    ) -> Result<ThreeDs, Error> {
        let digit = |b: u8| b.is_ascii_digit();
        if !matches!(*version.as_bytes(), [b'2', b'.', b'1'..=b'9', b'.', last] if digit(last)) {
            return Err(Error::BadThreeDs("`version` is EMV 3DS's messageVersion, such as 2.2.0"));
        }
        let (ecis, why): (&[&str], _) = match status {
            TransStatus::Authenticated => (&["05", "02"], "`eci` of trans_status Y is 05 or 02"),
            TransStatus::Attempted => (&["06", "01"], "`eci` of trans_status A is 06 or 01"),
            _ => (&["07", "00"], "`eci` of trans_status N, U, R and C is 07, 00 or absent"),
        };
        match eci {
            Some(eci) if ecis.contains(&eci) => {}
            None if !status.is_proof() => {}
            _ => return Err(Error::BadThreeDs(why)),
        }
        match cavv {
            Some(cavv) if status.is_proof() && is_value(cavv) => {}
            None if !status.is_proof() => {}
            _ if status.is_proof() => {
                let why = "`cavv` is the authenticationValue, 20 bytes in 28 characters of Base64";
                return Err(Error::BadThreeDs(why));
            }
            _ => return Err(Error::BadThreeDs("`cavv` comes with trans_status Y and A alone")),
        }
        match ds_trans_id {
            Some(id) if is_uuid(id) => {}
            None if !status.is_proof() => {}
            _ => return Err(Error::BadThreeDs("`ds_trans_id` is the dsTransID, a UUID in lower case")),
        }
        Ok(ThreeDs {
            status,
            version: version.to_owned(),
            eci: eci.map(str::to_owned),
            cavv: cavv.map(|cavv| Zeroizing::new(cavv.to_owned())),
            ds_trans_id: ds_trans_id.map(str::to_owned),
        })
    }

    /// That a card of this brand can have it: Mastercard's indicators are 02, 01 and 00, those of the others 05, 06 and 07.
    ///
    /// # Errors
    /// [`Error::WrongEci`] when the indicator is another brand's: the result is of another card.
    pub fn fits(&self, brand: Brand) -> Result<(), Error> {
        let (ecis, expected) = match brand {
            Brand::Mastercard => (["02", "01", "00"], "02, 01, 00"),
            Brand::Visa | Brand::Amex | Brand::UnionPay | Brand::Jcb | Brand::Discover => {
                (["05", "06", "07"], "05, 06, 07")
            }
        };
        match self.eci() {
            Some(eci) if !ecis.contains(&eci) => Err(Error::WrongEci { brand, expected }),
            _ => Ok(()),
        }
    }

    /// What it came to.
    pub fn status(&self) -> TransStatus {
        self.status
    }

    /// The protocol's version: `2.2.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The electronic commerce indicator, two digits.
    pub fn eci(&self) -> Option<&str> {
        self.eci.as_deref()
    }

    /// The authentication value (CAVV, AAV), Base64: what the issuer knows its own answer by.
    pub fn cavv(&self) -> Option<&str> {
        self.cavv.as_ref().map(|cavv| cavv.as_str())
    }

    /// The directory server's name of the transaction; good for one payment.
    pub fn ds_trans_id(&self) -> Option<&str> {
        self.ds_trans_id.as_deref()
    }

    /// Whether the issuer, and not the merchant, bears a fraud by the schemes' general rule: authenticated and
    /// attempted. Schemes have exceptions.
    pub fn shifts_liability(&self) -> bool {
        self.status.is_proof()
    }
}

impl fmt::Debug for ThreeDs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreeDs({} {:?} {:?})", self.status, self.eci, self.ds_trans_id)
    }
}

/// Twenty bytes in Base64: 27 characters, whose last has two bits to spare, and one that fills up.
fn is_value(text: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let bytes = text.as_bytes();
    bytes.len() == 28
        && bytes[..27].iter().all(plain)
        && b"AEIMQUYcgkosw048".contains(&bytes[26])
        && bytes[27] == b'='
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, b): (usize, u8)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAVV: &str = "AAIBBYNoEwAAACcKhAJkdQAAAAA=";
    const ID: &str = "97267598-fae6-48f2-8083-60ceb0b0b0b0";

    #[test]
    fn each_status_has_its_shape() {
        use TransStatus::*;
        let take = |status, eci, cavv, id| ThreeDs::new(status, "2.2.0", eci, cavv, id);
        for (status, good) in [(Authenticated, ["05", "02"]), (Attempted, ["06", "01"])] {
            for eci in ["00", "01", "02", "03", "04", "05", "06", "07", "5", "", "0x"] {
                let is_good = good.contains(&eci);
                assert_eq!(take(status, Some(eci), Some(CAVV), Some(ID)).is_ok(), is_good, "{status} {eci}");
            }
            assert!(take(status, None, Some(CAVV), Some(ID)).is_err());
            assert!(take(status, Some(good[0]), None, Some(ID)).is_err());
            assert!(take(status, Some(good[0]), Some(CAVV), None).is_err());
            assert!(take(status, Some(good[0]), Some(CAVV), Some(ID)).unwrap().shifts_liability());
        }
        for status in [Failed, Unavailable, Rejected, Wanted] {
            for (eci, is_good) in [(None, true), (Some("07"), true), (Some("00"), true), (Some("05"), false)]
            {
                assert_eq!(take(status, eci, None, Some(ID)).is_ok(), is_good, "{status} {eci:?}");
                assert_eq!(take(status, eci, None, None).is_ok(), is_good);
            }
            assert!(take(status, None, Some(CAVV), Some(ID)).is_err());
            assert!(!take(status, None, None, None).unwrap().shifts_liability());
        }
    }

    #[test]
    fn versions_values_and_ids_have_theirs() {
        let take = |version: &str, cavv: &str, id: &str| {
            ThreeDs::new(TransStatus::Authenticated, version, Some("05"), Some(cavv), Some(id)).is_ok()
        };
        for (version, good) in [
            ("2.1.0", true),
            ("2.3.1", true),
            ("1.0.2", false),
            ("2.2", false),
            ("2.2.x", false),
            ("", false),
        ] {
            assert_eq!(take(version, CAVV, ID), good, "{version}");
        }
        for (cavv, good) in [
            (CAVV, true),
            ("jJ81HADVRtXfCBATEp01CJUAAAA=", true),
            ("", false),
            (&CAVV[1..], false),
            ("AAIBBYNoEwAAACcKhAJkdQAAAAAA", false),
            ("AAIBBYNoEwAAACcKhAJkdQAAAAB=", false),
            ("AAIBBYNoEwAAACcKhAJkdQAAA-A=", false),
        ] {
            assert_eq!(take("2.2.0", cavv, ID), good, "{cavv}");
        }
        let upper = ID.to_uppercase();
        for (id, good) in [(ID, true), (&ID[1..], false), (upper.as_str(), false), ("", false)] {
            assert_eq!(take("2.2.0", CAVV, id), good, "{id}");
        }
    }

    #[test]
    fn indicators_are_those_of_the_cards_brand() {
        for (eci, status, masters) in [
            ("05", TransStatus::Authenticated, false),
            ("06", TransStatus::Attempted, false),
            ("07", TransStatus::Unavailable, false),
            ("02", TransStatus::Authenticated, true),
            ("01", TransStatus::Attempted, true),
            ("00", TransStatus::Failed, true),
        ] {
            let proof = status.is_proof().then_some(());
            let found = ThreeDs::new(status, "2.2.0", Some(eci), proof.map(|()| CAVV), proof.map(|()| ID));
            let found = found.unwrap();
            for brand in Brand::ALL {
                let fits = found.fits(*brand);
                assert_eq!(fits.is_ok(), masters == (*brand == Brand::Mastercard), "{eci} {brand}");
                assert!(fits.is_ok() || fits.is_err_and(|e| e.code() == "wrong_eci"));
            }
        }
        let silent = ThreeDs::new(TransStatus::Rejected, "2.2.0", None, None, None).unwrap();
        assert!(Brand::ALL.iter().all(|brand| silent.fits(*brand).is_ok()));
    }

    #[test]
    fn no_value_is_shown() {
        let found = ThreeDs::new(TransStatus::Attempted, "2.1.0", Some("06"), Some(CAVV), Some(ID)).unwrap();
        assert_eq!(found.cavv(), Some(CAVV));
        assert!(!format!("{found:?}").contains(CAVV));
    }
}
