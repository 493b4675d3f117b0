//! What does an attribute of Stripe Radar mean here?
//!
//! Names and meanings are those of the published list of supported attributes
//! (docs.stripe.com/radar/rules/supported-attributes). Radar's counters leave out the payment that
//! is being judged, as our windows do. Its `all_time` (five years) and `yearly` are our longest
//! window, 90 days.

use crate::money::{Currency, Rates};

/// The expression that the attribute stands for, or why there is none; nothing for a name that is
/// not Radar's or that is the same here.
pub(super) fn expand(name: &str, rates: &Rates) -> Option<Result<String, String>> {
    if let Some(code) = name.strip_prefix("amount_in_") {
        return Some(match Currency::parse(code) {
            Some(currency) => Ok(format!("amount_in(\"{currency}\")")),
            None => Err(format!("`{code}` is not an ISO 4217 currency with minor units")),
        });
    }
    if let Some((_, meaning)) = SAME.iter().find(|(theirs, _)| *theirs == name) {
        return Some(Ok((*meaning).to_owned()));
    }
    if let Some((_, reason)) = REFUSED.iter().find(|(theirs, _)| *theirs == name) {
        return Some(Err((*reason).to_owned()));
    }
    if let Some(meaning) = age(name) {
        return Some(Ok(meaning));
    }
    if let Some(meaning) = money(name) {
        return Some(if rates.base().code() == "USD" {
            Ok(meaning)
        } else {
            Err(format!("it is in USD, and sums are kept in {}, the rate table's base", rates.base()))
        });
    }
    counter(name).map(Ok)
}

/// Attributes with another name here.
const SAME: [(&str, &str); 18] = [
    // Radar's goes to 100, ours to 1000.
    ("risk_score", "score / 10"),
    ("risk_level", "risk_level"),
    ("card_bin", "bin"),
    ("card_fingerprint", "card"),
    ("customer", "account"),
    ("ip_address", "ip"),
    ("is_anonymous_ip", "ip_proxy"),
    ("is_3d_secure_authenticated", "authenticated"),
    ("is_off_session", "is_recurring"),
    ("operating_system", "device_os"),
    ("billing_address_country", "billing_country"),
    ("billing_address_postal_code", "billing_postcode"),
    ("shipping_address_country", "shipping_country"),
    ("shipping_address_postal_code", "shipping_postcode"),
    ("is_new_card_on_customer", "count(account + card) == 0"),
    ("distance_between_ip_and_billing_address", "distance_km(ip_lat, ip_lon, billing_lat, billing_lon)"),
    ("distance_between_ip_and_shipping_address", "distance_km(ip_lat, ip_lon, shipping_lat, shipping_lon)"),
    (
        "distance_between_billing_and_shipping_address",
        "distance_km(billing_lat, billing_lon, shipping_lat, shipping_lon)",
    ),
];

/// Attributes that have no meaning here, and what to write instead.
const REFUSED: [(&str, &str); 6] = [
    ("cvc_check", "write `cvv_match` for pass, `not cvv_match` for fail"),
    ("address_zip_check", "write `avs_match` for pass, `not avs_match` for fail"),
    ("address_line1_check", "write `avs_match` for pass, `not avs_match` for fail"),
    ("is_disposable_email", "keep a list of such domains: `email_domain in @disposable_email_domains`"),
    ("is_my_login_ip", "keep a list of your own addresses: `ip in @office_addresses`"),
    ("has_liability_shift", "write `authenticated`"),
];

fn entity(theirs: &str) -> Option<&'static str> {
    Some(match theirs {
        "card_number" | "card" => "card",
        "customer" => "account",
        "email" => "email",
        "ip_address" | "ip" => "ip",
        "shipping_address" => "shipping_address",
        // No standard field; the schema may add one.
        "billing_address" => "billing_address",
        _ => return None,
    })
}

/// `total_charges_per_card_number_hourly` and its kin.
fn counter(name: &str) -> Option<String> {
    let (rest, window) =
        [("_hourly", "1h"), ("_daily", "1d"), ("_weekly", "7d"), ("_yearly", "90d"), ("_all_time", "90d")]
            .iter()
            .find_map(|(suffix, window)| Some((name.strip_suffix(suffix)?, *window)))?;
    if let Some((class, by)) = rest.split_once("_charges_per_") {
        let by = entity(by)?;
        return match class {
            "total" => Some(format!("count({by}, {window})")),
            "authorized" | "declined" | "blocked" => Some(format!("count({by}, {window}, {class})")),
            _ => None,
        };
    }
    if let Some((what, by)) = rest.split_once("_count_for_") {
        let what = match what {
            "card" => "card",
            "email" => "email",
            "name" => "cardholder_name",
            _ => return None,
        };
        return Some(format!("distinct({what}, {}, {window})", entity(by)?));
    }
    if let Some((what, by)) = rest.split_once("_count_on_") {
        let status = match what {
            "dispute" | "efw" => "disputed",
            "refund" => "refunded",
            _ => return None,
        };
        return Some(format!("count({}, {window}, {status})", entity(by)?));
    }
    if let Some(by) = rest.strip_prefix("total_customers_with_prior_fraud_activity_for_") {
        return Some(format!("distinct(account, {}, {window}, disputed)", entity(by)?));
    }
    let by = rest.strip_prefix("total_customers_for_")?;
    Some(format!("distinct(account, {}, {window})", entity(by)?))
}

/// `average_usd_amount_attempted_on_card_all_time` and its kin.
fn money(name: &str) -> Option<String> {
    let rest = name.strip_suffix("_all_time")?;
    let (what, by) = rest.rsplit_once("_on_")?;
    let by = entity(by)?;
    Some(match what {
        "average_usd_amount_attempted" => format!("avg(amount, {by}, 90d)"),
        "average_usd_amount_successful" => format!("avg(amount, {by}, 90d, authorized)"),
        "total_usd_amount_charged" => format!("sum(amount, {by}, 90d)"),
        "total_usd_amount_successful" => format!("sum(amount, {by}, 90d, authorized)"),
        "total_usd_amount_failed" => {
            format!("sum(amount, {by}, 90d, blocked) + sum(amount, {by}, 90d, declined)")
        }
        _ => return None,
    })
}

/// `hours_since_card_first_seen` and its kin.
fn age(name: &str) -> Option<String> {
    let (unit, what) = name.split_once("_since_")?;
    let from = match what {
        "customer_was_created" => "account_created",
        "email_first_seen" => "first_seen(email)",
        "card_first_seen" => "first_seen(card)",
        "first_successful_auth_on_card" => "first_seen(card, 90d, authorized)",
        _ => return None,
    };
    match unit {
        "hours" => Some(format!("age_hours({from})")),
        "minutes" => Some(format!("(at - {from}) / 60")),
        "seconds" => Some(format!("at - {from}")),
        _ => None,
    }
}
