//! Which two letters are a country?

use crate::error::nearest;
use crate::schema::Country;

/// ISO 3166-1 alpha-2, the 249 assigned codes.
#[rustfmt::skip]
const ASSIGNED: [&str; 249] = [
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ",
    "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ",
    "CA", "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ",
    "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR",
    "GA", "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY",
    "HK", "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY",
    "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS", "MT", "MU", "MV", "MW", "MX", "MY", "MZ",
    "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ", "OM",
    "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW",
    "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST", "SV", "SX", "SY", "SZ",
    "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW", "TZ",
    "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA", "ZM", "ZW",
];

/// Not assigned by ISO, yet what every card scheme and address database calls Kosovo.
const KOSOVO: &str = "XK";

/// What people write for a country that has another code.
const MISTAKEN: [(&str, &str); 8] = [
    ("UK", "GB"),
    ("EL", "GR"),
    ("USA", "US"),
    ("GBR", "GB"),
    ("CHN", "CN"),
    ("DEU", "DE"),
    ("FRA", "FR"),
    ("JAP", "JP"),
];

/// The country of a literal, or what would do instead.
pub(super) fn country(code: &str) -> Result<Country, String> {
    let upper = code.to_ascii_uppercase();
    if let Some(country) = Country::parse(&upper)
        && (ASSIGNED.binary_search(&upper.as_str()).is_ok() || upper == KOSOVO)
    {
        return Ok(country);
    }
    let known = MISTAKEN.iter().find(|(wrong, _)| *wrong == upper).map(|(_, right)| *right);
    Err(match known.or_else(|| nearest(&upper, ASSIGNED)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "countries are two letters of ISO 3166-1, such as \"DE\"".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_so_that_they_are_found() {
        assert!(ASSIGNED.windows(2).all(|w| w[0] < w[1]));
        for code in ASSIGNED {
            assert_eq!(country(&code.to_lowercase()).unwrap().code(), code);
        }
        assert_eq!(country("UK"), Err("did you mean \"GB\"?".to_owned()));
        assert!(country("XK").is_ok() && country("Germany").is_err() && country("").is_err());
    }
}
