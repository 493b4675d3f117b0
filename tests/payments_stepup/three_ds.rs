//! 3-D Secure: handed over to the merchant's server, and its result taken back.

use serde_json::{Value, json};

use crate::shop::{Shop, challenge, pay, show};
use crate::sidecar::Sidecar;

const SERVER: &str = "[[payments.merchant]]\nid = 'anybody'\nthree_ds = 'https://3ds.shop.example/start'\n";
const CAVV: &str = "AAIBBYNoEwAAACcKhAJkdQAAAAA=";

fn id(n: u32) -> String {
    format!("97267598-fae6-48f2-8083-60ceb0b0{n:04x}")
}

/// A result of its status, in its shape.
fn result(status: &str, n: u32) -> Value {
    let mut found = json!({ "version": "2.2.0", "trans_status": status, "ds_trans_id": id(n) });
    match status {
        "Y" => found["eci"] = json!("05"),
        "A" => found["eci"] = json!("06"),
        _ => found["eci"] = json!("07"),
    }
    if matches!(status, "Y" | "A") {
        found["cavv"] = json!(CAVV);
    }
    found
}

fn asked(sidecar: &Sidecar, id: &str, more: Value) -> Value {
    let asked = pay(sidecar, id, "doubtful", more);
    assert_eq!(asked.status, 201, "{asked:?}");
    asked.json()
}

fn posted(sidecar: &Sidecar, payment: &Value, found: Value) -> crate::sidecar::Answer {
    challenge(sidecar, payment, json!({ "three_ds": found }))
}

#[test]
fn a_challenge_is_handed_over() {
    let shop = Shop::with_file(SERVER);
    let sidecar = shop.open();
    let asked = asked(&sidecar, "o1", json!({ "phone": "+4915112345678" }));
    let next = &asked["next_action"];
    assert_eq!(
        (&next["type"], &next["url"]),
        (&json!("three_ds_redirect"), &json!("https://3ds.shop.example/start"))
    );
    let fields = &next["fields"];
    for (name, value) in [
        ("payment", asked["id"].as_str().unwrap()),
        ("order", "o1"),
        ("merchant", "anybody"),
        ("purchaseAmount", "1000"),
        ("purchaseCurrency", "978"),
        ("purchaseExponent", "2"),
        ("messageCategory", "01"),
        ("threeDSRequestorChallengeInd", "03"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    let date = fields["purchaseDate"].as_str().unwrap();
    assert!(date.len() == 14 && date.bytes().all(|b| b.is_ascii_digit()), "{date}");
    assert!(shop.sent().is_empty(), "no message");
    for body in [json!({ "code": "123456" }), json!({ "resend": true })] {
        let refused = challenge(&sidecar, &asked, body);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("three_ds_wanted")));
    }
    assert_eq!(show(&sidecar, &asked)["challenge"]["tries_left"], 5, "neither was a try");
}

#[test]
fn each_status_does_what_it_means() {
    let shop = Shop::with_file(SERVER);
    let sidecar = shop.open();
    for (n, (status, state, shift)) in
        [("Y", "captured", true), ("A", "captured", true), ("N", "declined", false), ("R", "declined", false)]
            .into_iter()
            .enumerate()
    {
        let n = n as u32;
        let asked = asked(&sidecar, status, json!({}));
        let done = posted(&sidecar, &asked, result(status, n)).json();
        assert_eq!(done["state"], state, "{status}: {done}");
        let found = &done["three_ds"];
        assert_eq!(
            (&found["trans_status"], &found["liability_shift"], &found["ds_trans_id"], &found["version"]),
            (&json!(status), &json!(shift), &json!(id(n)), &json!("2.2.0"))
        );
        assert!(found["eci"].is_string() && !done.to_string().contains(CAVV), "{done}");
        assert_eq!(posted(&sidecar, &asked, result(status, n)).status, 409, "once");
    }
    assert_eq!(shop.institution.sum("captured"), 2_000);
    // C: the payer is not done.
    let waits = asked(&sidecar, "C", json!({}));
    let still = posted(&sidecar, &waits, result("C", 10)).json();
    assert_eq!(
        (&still["state"], &still["next_action"]["type"]),
        (&json!("challenged"), &json!("three_ds_redirect"))
    );
    assert_eq!(still["three_ds"]["trans_status"], "C");
    assert_eq!(posted(&sidecar, &waits, result("Y", 10)).json()["state"], "captured");
    // U with no other way: 3-D Secure once more, five times in all.
    let unknown = asked(&sidecar, "U", json!({}));
    for n in 0..4 {
        let still = posted(&sidecar, &unknown, result("U", 20 + n)).json();
        assert_eq!(
            (&still["state"], &still["next_action"]["type"]),
            (&json!("challenged"), &json!("three_ds_redirect"))
        );
    }
    assert_eq!(posted(&sidecar, &unknown, result("U", 24)).json()["state"], "declined");
}

#[test]
fn what_could_not_be_found_out_is_proved_by_a_code() {
    let shop = Shop::with_file(SERVER);
    let sidecar = shop.open();
    let asked = asked(&sidecar, "o1", json!({ "phone": "+4915112345678" }));
    let other = posted(&sidecar, &asked, result("U", 1)).json();
    assert_eq!((&other["state"], &other["next_action"]["type"]), (&json!("challenged"), &json!("code")));
    assert_eq!(shop.sent().len(), 1);
    let paid = challenge(&sidecar, &asked, json!({ "code": shop.code() })).json();
    assert_eq!((&paid["state"], &paid["three_ds"]["liability_shift"]), (&json!("captured"), &json!(false)));
}

#[test]
fn results_of_another_shape_are_refused_and_change_nothing() {
    let shop = Shop::with_file(SERVER);
    let sidecar = shop.open();
    let asked = asked(&sidecar, "o1", json!({}));
    let but = |name: &str, value: Value| {
        let mut found = result("Y", 1);
        found[name] = value;
        found
    };
    for (found, status, code) in [
        (but("trans_status", json!("X")), 422, "bad_three_ds"),
        (but("trans_status", json!("N")), 422, "bad_three_ds"),
        (but("version", json!("1.0.2")), 422, "bad_three_ds"),
        (but("eci", json!("07")), 422, "bad_three_ds"),
        (but("eci", json!("02")), 422, "wrong_eci"),
        (but("eci", Value::Null), 422, "bad_three_ds"),
        (but("cavv", json!("AAAA")), 422, "bad_three_ds"),
        (but("cavv", Value::Null), 422, "bad_three_ds"),
        (but("ds_trans_id", json!("x")), 422, "bad_three_ds"),
        (but("status", json!("Y")), 400, ""),
        (json!({ "status": "Y" }), 400, ""),
    ] {
        let refused = posted(&sidecar, &asked, found.clone());
        let said = refused.json()["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!((refused.status, said.as_str()), (status, code), "{found}: {refused:?}");
    }
    let shown = show(&sidecar, &asked);
    assert_eq!((&shown["challenge"]["tries_left"], &shown["state"]), (&json!(5), &json!("challenged")));
    // By its other name, in capitals: the same result.
    let mut found = result("Y", 1);
    found["authentication_value"] = found["cavv"].take();
    found.as_object_mut().unwrap().remove("cavv");
    found["ds_trans_id"] = json!(id(1).to_uppercase());
    assert_eq!(posted(&sidecar, &asked, found).json()["state"], "captured");
    // A transaction is good for one payment, over a restart too.
    drop(sidecar);
    let sidecar = shop.open();
    let second = pay(&sidecar, "o2", "doubtful", json!({})).json();
    let twice = posted(&sidecar, &second, result("Y", 1));
    assert_eq!((twice.status, twice.json()["code"].as_str()), (409, Some("exists")), "{twice:?}");
    assert_eq!(posted(&sidecar, &second, result("Y", 2)).json()["state"], "captured");
}

#[test]
fn a_result_that_comes_with_the_payment_is_a_fact_for_rules() {
    let shop = Shop::with_file("");
    let sidecar = shop.open();
    // The rule asks whoever comes without.
    assert_eq!(pay(&sidecar, "o1", "doubtful", json!({})).json()["state"], "challenged");
    let paid = pay(&sidecar, "o2", "doubtful", json!({ "three_ds": result("Y", 1) })).json();
    assert_eq!((&paid["state"], &paid["three_ds"]["eci"]), (&json!("captured"), &json!("05")));
    let bad =
        pay(&sidecar, "o3", "doubtful", json!({ "three_ds": { "version": "2.2.0", "trans_status": "Y" } }));
    assert_eq!(bad.json()["code"], "bad_three_ds");
    // Mastercard's indicator is none of a Visa card's, and the other way round.
    let mut masters = result("Y", 3);
    masters["eci"] = json!("02");
    let number = json!({ "number": "5555 5555 5555 4444", "expiry": "09/28" });
    let of_visa = pay(&sidecar, "o5", "plain", json!({ "three_ds": masters }));
    assert_eq!((of_visa.status, of_visa.json()["code"].as_str()), (422, Some("wrong_eci")), "{of_visa:?}");
    let by_master = pay(&sidecar, "o6", "plain", json!({ "three_ds": result("Y", 3), "card": number }));
    assert_eq!(by_master.json()["code"], "wrong_eci");
    let paid = pay(&sidecar, "o7", "plain", json!({ "three_ds": masters, "card": number })).json();
    assert_eq!((&paid["state"], &paid["three_ds"]["eci"]), (&json!("captured"), &json!("02")), "{paid}");
    let wallet =
        pay(&sidecar, "o4", "plain", json!({ "method": "alipay", "card": null, "three_ds": result("Y", 2) }));
    assert_eq!(wallet.json()["code"], "bad_three_ds");
}

#[test]
fn windows_count_what_the_issuer_vouches_for() {
    let shop = Shop::with_file(SERVER);
    let sidecar = shop.open();
    assert_eq!(
        pay(&sidecar, "o1", "vouched", json!({})).json()["state"],
        "declined",
        "nothing vouched for yet"
    );
    let unproved = pay(&sidecar, "o2", "plain", json!({ "three_ds": result("U", 1) })).json();
    assert_eq!(unproved["state"], "captured");
    assert_eq!(pay(&sidecar, "o3", "vouched", json!({})).json()["state"], "declined", "nothing yet");
    let proved = pay(&sidecar, "o4", "plain", json!({ "three_ds": result("A", 2) })).json();
    assert_eq!(proved["state"], "captured");
    assert_eq!(pay(&sidecar, "o5", "vouched", json!({})).json()["state"], "captured");
}
