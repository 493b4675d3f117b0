//! The part of Signifyd's interface that Hyperswitch posts to: bodies as it writes them, answers as it reads them.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use serde_json::{Value, json};
use sidecar::{Answer, Sidecar};

const EVENTS: &str = "/signifyd/v3/orders/events";

fn golden(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("tests/golden/signifyd/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn start() -> Sidecar {
    Sidecar::start(&["--set", "empty_past=true"])
}

fn post(sidecar: &Sidecar, event: &str, body: &Value) -> Answer {
    sidecar.post(&format!("{EVENTS}/{event}"), &body.to_string())
}

/// The answer without what differs from run to run: a number, a time, a score.
fn settled(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut json = answer.json();
    assert!(json["signifydId"].as_i64().is_some_and(|n| n > 0 && n < 1 << 53), "{json}");
    assert!(json["decision"]["score"].as_u64().is_some_and(|n| n <= 1_000), "{json}");
    assert!(json["decision"]["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
    json["signifydId"] = 0.into();
    json["decision"]["score"] = 0.into();
    json["decision"]["createdAt"] = "".into();
    json
}

#[test]
fn a_checkout_is_decided_and_its_outcome_told() {
    let sidecar = start();
    let checkout = post(&sidecar, "checkouts", &golden("checkout"));
    assert_eq!(settled(&checkout), golden("answer"));
    // The payment is the one of this id, with the fields of the body.
    let decided = sidecar.ask("GET", "/v1/decisions/chk-1001", &[], "").json();
    assert_eq!((&decided["outcome"], &decided["id"]), (&json!("approve"), &json!("chk-1001")));
    let transaction = post(&sidecar, "transactions", &golden("transaction"));
    assert_eq!(settled(&transaction), golden("answer"));
    assert_eq!(transaction.json()["signifydId"], checkout.json()["signifydId"]);
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"settle\",status=\"2xx\"}"), 0.0);
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"signifyd\",status=\"2xx\"}"), 2.0);
    // What is not over yet changes nothing; a payment that nobody sent is not known.
    let mut pending = golden("transaction");
    pending["transactions"] = json!([{ "gatewayStatusCode": "PENDING" }]);
    assert_eq!(settled(&post(&sidecar, "transactions", &pending)), golden("answer"));
    pending["checkoutId"] = "chk-0".into();
    assert_eq!(post(&sidecar, "transactions", &pending).problem(), "not-found");
    let mut sale = golden("checkout");
    sale["decisionDelivery"] = "SYNC".into();
    sale["checkoutId"] = Value::Null;
    assert_eq!(settled(&post(&sidecar, "sales", &sale)), golden("answer"));
    assert_eq!(sidecar.ask("GET", "/v1/decisions/ord-1001", &[], "").status, 200);
}

#[test]
fn outcomes_have_their_actions() {
    for (policy, action) in
        [("decline", "REJECT"), ("review", "HOLD"), ("challenge", "CHALLENGE"), ("open", "HOLD")]
    {
        let setting = format!("unavailable.policy=\"{policy}\"");
        let sidecar = Sidecar::start(&["--set", &setting]);
        let body = golden("checkout").to_string();
        let answer = sidecar.ask("POST", &format!("{EVENTS}/checkouts"), &[("x-deadline-ms", "0")], &body);
        assert_eq!(answer.json()["decision"]["checkpointAction"], action, "{policy}");
    }
}

#[test]
fn what_is_not_taken_is_told_as_its_clients_look_for_it() {
    let sidecar = start();
    let said = |event: &str, body: &Value| {
        let answer = post(&sidecar, event, body);
        let json = answer.json();
        assert!(json["messages"][0].as_str().is_some_and(|m| !m.is_empty()), "{json}");
        assert!(json["errors"].is_object(), "{json}");
        (answer.status, answer.problem())
    };
    for event in ["fulfillments", "returns/records", "reroutes", ""] {
        assert_eq!(said(event, &golden("fulfillment")), (404, "not-found".into()), "{event}");
    }
    let without = |path: &[&str]| {
        let mut body = golden("checkout");
        let (last, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut body, |value, name| &mut value[*name]);
        parent.as_object_mut().unwrap().remove(*last);
        body
    };
    let mut nameless = without(&["checkoutId"]);
    nameless.as_object_mut().unwrap().remove("orderId");
    for body in [json!([]), json!({}), nameless, without(&["purchase", "totalPrice"]), without(&["purchase"])]
    {
        assert_eq!(said("checkouts", &body), (400, "not-a-payment".into()), "{body}");
    }
    let mut missing = without(&["device"]);
    missing["userAccount"] = Value::Null;
    missing["transactions"] = Value::Null;
    assert_eq!(settled(&post(&sidecar, "checkouts", &missing)), golden("answer"));
    assert_eq!(sidecar.ask("GET", &format!("{EVENTS}/checkouts"), &[], "").status, 405);
}

#[test]
fn the_key_may_be_all_of_basic_authorization() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    // The SHA-256 of `abc`.
    let key = "[[key]]\nname = \"switch\"\nscopes = [\"score\"]\n\
        sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    std::fs::write(&config, key).unwrap();
    let sidecar = Sidecar::start(&["--config", config.to_str().unwrap()]);
    let body = golden("checkout").to_string();
    let asked = |authorization: &str| {
        let headers = [("authorization", authorization)];
        sidecar.ask("POST", &format!("{EVENTS}/checkouts"), &headers, &body)
    };
    // `abc`, and `abc:`.
    assert_eq!(asked("Basic YWJj").status, 200);
    assert_eq!(asked("basic YWJjOg==").status, 200);
    // It may not say what became of a payment.
    let headers = [("authorization", "Basic YWJj")];
    let told = sidecar.ask("POST", &format!("{EVENTS}/transactions"), &headers, &body);
    assert_eq!((told.status, told.problem()), (403, "not-allowed".into()));
    for wrong in ["Basic YWJk", "Basic *", "Basic", "Digest YWJj", ""] {
        let refused = asked(wrong);
        assert_eq!((refused.status, refused.problem()), (401, "no-key".into()), "{wrong}");
        assert!(refused.json()["messages"].is_array());
    }
}

#[test]
fn no_card_number_gets_out() {
    let pans = ["4242424242424242", "4242 4242 4242 4242", "378282246310005"];
    let sidecar = start();
    let mut out = String::new();
    for pan in pans {
        let text = golden("checkout").to_string();
        // In the place of every text and number, one after the other.
        let spots = [
            "chk-1001",
            "ord-1001",
            "2026-11-23T12:00:00Z",
            "USD",
            "Ada Example",
            "94105",
            "ada@example.com",
            "192.0.2.10",
            "sess-1",
            "cus-77",
            "CREDIT_CARD",
            "acme",
            "424242",
            "4242",
            "checkoutId",
            "purchase",
        ];
        for spot in spots {
            let body = text.replace(&format!("\"{spot}\""), &format!("\"{pan}\""));
            assert_ne!(body, text, "{spot}");
            for event in ["checkouts", "sales", "transactions"] {
                let answer = sidecar.post(&format!("{EVENTS}/{event}"), &body);
                out += &(answer.head + &answer.body);
            }
        }
        for body in [pan.to_owned(), format!("\"{pan}\""), text.replace("129.95", &pan.replace(' ', ""))] {
            let answer = sidecar.post(&format!("{EVENTS}/checkouts"), &body);
            out += &(answer.head + &answer.body);
        }
        let answer = sidecar.post(&format!("{EVENTS}/{}", pan.replace(' ', "%20")), "{}");
        out += &(answer.head + &answer.body);
    }
    out.push_str(&sidecar.admin("GET", "/metrics", &[], "").body);
    out.push_str(&sidecar.log());
    assert!(out.contains("checkpointAction"), "there were answers");
    for pan in pans {
        if let Some(at) = out.find(pan) {
            panic!("{pan} got out: {}", &out[at.saturating_sub(300)..at + pan.len()]);
        }
    }
}
