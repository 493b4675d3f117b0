//! Beyond one currency and one country.

use serde_json::{Value, json};

use crate::shop::{Shop, card, order, pay, show};

const RATES: &str = "version = '2026-11-20'\nbase = 'USD'\n[rates]\nEUR = '1.0842'\nJPY = '0.00655'\n";

fn rates(shop: &Shop, text: &str) {
    std::fs::write(shop.dir.path().join("rules/rates.toml"), text).unwrap();
}

#[test]
fn an_order_keeps_the_rate_that_it_was_created_with() {
    let shop = Shop::with_file("[[payments.merchant]]\nid = 'anybody'\nsettlement = 'USD'\n");
    rates(&shop, RATES);
    let sidecar = shop.open();
    let first = order(&sidecar, json!({ "id": "o1", "amount": "19.99 EUR" }));
    assert_eq!(first.status, 201, "{first:?}");
    let kept = json!({ "amount": "21.67 USD", "rate": "1.0842", "rates_version": "2026-11-20" });
    assert_eq!(first.json()["settlement"], kept);
    // The order says otherwise than the merchant's settings; the same currency is no conversion.
    let yen = order(&sidecar, json!({ "id": "o2", "amount": "10.00 EUR", "settlement": "JPY" })).json();
    assert_eq!(
        (&yen["settlement"]["amount"], &yen["settlement"]["rate"]),
        (&json!("1655 JPY"), &json!("165.526717557"))
    );
    assert!(order(&sidecar, json!({ "id": "o3", "amount": "5.00 USD" })).json()["settlement"].is_null());
    // A pair that the table has not.
    let unknown = order(&sidecar, json!({ "id": "o4", "amount": "10.00 GBP" }));
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (422, Some("no_rate")), "{unknown:?}");
    assert!(
        unknown.json()["detail"].as_str().unwrap().contains("from GBP to USD in the rate table `2026-11-20`")
    );
    assert!(unknown.json()["remedy"].as_str().unwrap().contains("rates.toml"));
    assert_eq!(sidecar.ask("GET", "/v1/orders/o4", &[], "").status, 404);
    let wrong = order(&sidecar, json!({ "id": "o4", "amount": "10.00 EUR", "settlement": "EURO" }));
    assert_eq!(wrong.json()["code"], "bad_currency");
    let other = order(&sidecar, json!({ "id": "o1", "amount": "19.99 EUR", "settlement": "JPY" }));
    assert_eq!(other.status, 409, "another currency is another order");
    drop(sidecar);

    // Another table: old orders keep theirs, new ones are by the new.
    rates(&shop, "version = '2026-11-21'\nbase = 'USD'\n[rates]\nEUR = '2'\n");
    let sidecar = shop.open();
    let again = order(&sidecar, json!({ "id": "o1", "amount": "19.99 EUR" }));
    assert_eq!((again.status, &again.json()["settlement"]), (200, &kept));
    let yen = order(&sidecar, json!({ "id": "o2", "amount": "10.00 EUR", "settlement": "JPY" }));
    assert_eq!(
        (yen.status, yen.json()["settlement"]["amount"].as_str()),
        (200, Some("1655 JPY")),
        "its rate is gone"
    );
    let new = order(&sidecar, json!({ "id": "o5", "amount": "19.99 EUR" })).json();
    assert_eq!(
        (&new["settlement"]["amount"], &new["settlement"]["rates_version"]),
        (&json!("39.98 USD"), &json!("2026-11-21"))
    );
    // Its payment, and a refund of a part, are by the order's rate.
    let paid = sidecar.post("/v1/payments", &card("o1", "plain", json!({})).to_string()).json();
    assert_eq!((&paid["amount"], &paid["state"]), (&json!("19.99 EUR"), &json!("captured")));
    assert_eq!(
        (&paid["settlement"]["captured"], &paid["settlement"]["refunded"]),
        (&json!("21.67 USD"), &json!("0.00 USD"))
    );
    let path = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
    sidecar.post(&path, r#"{"id":"r1","amount":"5.00 EUR"}"#);
    let shown = show(&sidecar, &paid)["settlement"].clone();
    assert_eq!((&shown["refunded"], &shown["rates_version"]), (&json!("5.42 USD"), &json!("2026-11-20")));
    assert_eq!(shop.institution.sum("captured"), 1_999, "the payer pays in their own");
}

#[test]
fn rules_see_whether_a_payment_crosses_a_border() {
    let shop = Shop::with_file("[[payments.merchant]]\nid = 'anybody'\ncountry = 'DE'\n");
    let sidecar = shop.open();
    for (n, (facts, state)) in [
        (json!({ "card_country": "FR" }), "declined"),
        (json!({ "card_country": "DE" }), "captured"),
        (json!({ "card_country": "DE", "billing_country": "FR" }), "captured"),
        (json!({ "billing_country": "FR" }), "declined"),
        (json!({}), "captured"),
        (json!({ "card_country": "FR", "merchant_country": "FR" }), "captured"),
        (json!({ "card_country": "FR", "cross_border": false }), "captured"),
    ]
    .into_iter()
    .enumerate()
    {
        let paid: Value = pay(&sidecar, &format!("o{n}"), "abroad", json!({ "facts": facts })).json();
        assert_eq!(paid["state"], state, "{facts}: {paid}");
    }
}
