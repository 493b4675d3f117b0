//! Disputes and reports of fraud reach lists, and through them the next payment.
#![cfg(feature = "serve")]

use serde_json::{Value, json};
use shop::{Shop, on, pay};
use sidecar::{Sidecar, TOKEN_KEY};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/sidecar.rs"]
mod sidecar;

const VISA: &str = "4111 1111 1111 1111";
const MASTERCARD: &str = "5555 5555 5555 4444";
const AMEX: &str = "3782 822463 10005";

const RULES: &str = r#"
[[rule]]
id = "known"
when = "card in @stolen or device in @devices"
then = "decline"
reason = "KNOWN"

[[rule]]
id = "odd"
when = 'device_os == "odd"'
then = "review"
reason = "ODD"
"#;

const LISTS: [(&str, &str); 2] = [("stolen", "token"), ("devices", "token")];

fn settings(when_won: &str) -> String {
    format!(
        "[[payments.on_fraud]]\nfield = 'card'\nlist = 'stolen'\nttl = '180d'\nwhen_won = '{when_won}'\n\
         [[payments.on_fraud]]\nfield = 'device'\nlist = 'devices'\nwhen_won = '{when_won}'\n"
    )
}

fn items(sidecar: &Sidecar, list: &str) -> Vec<Value> {
    let page = sidecar.admin("GET", &format!("/v1/lists/{list}/items"), &[], "").json();
    page["items"].as_array().unwrap().clone()
}

/// Sources of the items of both lists.
fn listed(sidecar: &Sidecar) -> [Vec<String>; 2] {
    ["stolen", "devices"].map(|list| {
        items(sidecar, list).iter().map(|item| item["source"].as_str().unwrap().to_owned()).collect()
    })
}

fn state(answer: &sidecar::Answer) -> String {
    answer.json()["state"].as_str().unwrap_or_default().to_owned()
}

struct Case<'a>(&'a Sidecar, Value);

impl Case<'_> {
    fn captured<'a>(sidecar: &'a Sidecar, order: &str, card: &str, device: &str) -> Case<'a> {
        let paid = pay(sidecar, order, "10.00 EUR", card, json!({ "device": device }));
        assert_eq!(state(&paid), "captured", "{paid:?}");
        Case(sidecar, paid.json())
    }

    fn id(&self) -> String {
        self.1["id"].as_str().unwrap().to_owned()
    }

    fn dispute(&self, body: Value) -> Value {
        let answer = self.0.post(&on(&self.1, "disputes"), &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn opened(&self, id: &str, code: &str) -> Value {
        self.dispute(json!({ "id": id, "event": "opened", "reason": { "scheme": "visa", "code": code } }))
    }

    fn ended(&self, id: &str, how: &str) -> Value {
        self.dispute(json!({ "id": id, "event": how }))
    }
}

#[test]
fn only_fraud_is_listed_and_the_next_payment_meets_it() {
    let shop = Shop::new(RULES, &LISTS, &settings("keep"));
    let sidecar = shop.open();
    let consumer = Case::captured(&sidecar, "o1", VISA, "dev1");
    assert_eq!(consumer.opened("d1", "13.1")["state"], "disputed");
    consumer.ended("d1", "lost");
    assert_eq!(listed(&sidecar), [vec![], vec![]] as [Vec<String>; 2], "a consumer's dispute is no fraud");
    let fraud = Case::captured(&sidecar, "o2", VISA, "dev2");
    assert_eq!(fraud.opened("d1", "10.4")["state"], "disputed");
    let id = fraud.id();
    assert_eq!(listed(&sidecar), [vec![id.clone()], vec![id.clone()]]);
    let card = &items(&sidecar, "stolen")[0];
    assert!(card["value"].as_str().unwrap().starts_with("tok_k1_"), "{card}");
    // It ends so long after it became known, whenever it was listed.
    let shown = sidecar.ask("GET", &format!("/v1/payments/{id}"), &[], "").json();
    let at = |text: &Value| tollgate::Timestamp::parse(text.as_str().unwrap()).unwrap();
    let ttl = at(&card["expires"]).since(at(&shown["disputes"][0]["opened_at"]));
    assert_eq!(ttl, tollgate::Span::parse("180d").unwrap());
    // Rules see it at once: by the card, and by the device.
    let facts = |device: &str| json!({ "device": device });
    assert_eq!(state(&pay(&sidecar, "o3", "1 EUR", VISA, facts("dev9"))), "declined");
    assert_eq!(state(&pay(&sidecar, "o4", "1 EUR", AMEX, facts("dev2"))), "declined");
    assert_eq!(state(&pay(&sidecar, "o5", "1 EUR", AMEX, facts("dev9"))), "captured");
    // A dispute that is won changes nothing here.
    fraud.ended("d1", "won");
    assert_eq!(listed(&sidecar), [vec![id.clone()], vec![id.clone()]]);
    drop(sidecar);
    // And after a restart.
    let sidecar = shop.open();
    assert_eq!(listed(&sidecar), [vec![id.clone()], vec![id]]);
    assert_eq!(state(&pay(&sidecar, "o6", "1 EUR", VISA, facts("dev9"))), "declined");
}

#[test]
fn issuers_and_reviewers_report_fraud_too() {
    let shop = Shop::new(RULES, &LISTS, &settings("keep"));
    let sidecar = shop.open();
    let warned = Case::captured(&sidecar, "o1", VISA, "dev1");
    let report = json!({ "id": "tc40-1", "event": "reported", "type": "stolen" });
    let shown = warned.dispute(report.clone());
    assert_eq!(shown["state"], "captured", "no money moves");
    assert_eq!(
        (shown["reports"][0]["by"].as_str(), shown["reports"][0]["type"].as_str()),
        (Some("issuer"), Some("stolen"))
    );
    assert_eq!(warned.dispute(report)["reports"].as_array().unwrap().len(), 1, "the same again");
    let label: Value = serde_json::from_str(&sidecar.wait_for("\"event\":\"label\"")).unwrap();
    assert_eq!(
        (label["by"].as_str(), label["type"].as_str(), label["fraud"].as_bool()),
        (Some("issuer"), Some("stolen"), Some(true))
    );
    assert!(label["delay_s"].as_f64().is_some_and(|delay| delay > 0.0), "{label}");
    let bad = json!({ "id": "t2", "event": "reported", "type": "bad luck" }).to_string();
    assert_eq!(sidecar.post(&on(&warned.1, "disputes"), &bad).json()["code"], "bad_report");

    // Held for review: stopped and reported; captured: refunded and reported.
    let review = |payment: &Value| {
        sidecar.post(&on(payment, "review"), &json!({ "decision": "refund_and_report" }).to_string())
    };
    let odd = json!({ "device": "dev2", "device_os": "odd" });
    let held = pay(&sidecar, "o2", "10.00 EUR", MASTERCARD, odd).json();
    assert_eq!(held["state"], "review_held");
    assert_eq!(state(&review(&held)), "voided");
    assert_eq!(review(&held).json()["reports"].as_array().unwrap().len(), 1, "the same again");
    let captured = Case::captured(&sidecar, "o3", AMEX, "dev3");
    assert_eq!(state(&review(&captured.1)), "refunded");
    let [stolen, devices] = listed(&sidecar);
    let ids = [warned.id(), held["id"].as_str().unwrap().to_owned(), captured.id()];
    assert_eq!(stolen.len(), 3);
    assert_eq!(devices, ids, "by device: dev1, dev2, dev3");
}

#[test]
fn what_was_listed_goes_when_a_dispute_is_won_if_it_is_set_so() {
    let shop = Shop::new(RULES, &LISTS, &settings("remove"));
    let sidecar = shop.open();
    let [first, second] = ["o1", "o2"].map(|order| Case::captured(&sidecar, order, VISA, "dev1"));
    let other = Case::captured(&sidecar, "o3", AMEX, "dev2");
    let by_hand = Case::captured(&sidecar, "o4", MASTERCARD, "dev3");
    for case in [&first, &second, &other, &by_hand] {
        case.opened("d1", "10.4");
    }
    // Somebody lists the fourth's card and device for good.
    for (list, index) in [("stolen", 1), ("devices", 2)] {
        let source = by_hand.id();
        let item = items(&sidecar, list).into_iter().find(|item| item["source"] == source.as_str());
        let item = item.unwrap_or_else(|| panic!("{list} {index}"));
        let put = json!({ "value": item["value"], "source": "ann" }).to_string();
        assert_eq!(sidecar.admin("PUT", &format!("/v1/lists/{list}/items"), &[], &put).status, 200);
    }
    let payments = [first, second, other, by_hand].map(|case| case.1);
    drop(sidecar);
    // What is known of who listed what outlives the process.
    let sidecar = shop.open();
    let cases = payments.map(|payment| Case(&sidecar, payment));
    let [first, second, other, by_hand] = &cases;
    by_hand.ended("d1", "won");
    other.ended("d1", "won");
    let sources = |list: &str| {
        let mut sources: Vec<_> =
            items(&sidecar, list).iter().map(|i| i["source"].as_str().unwrap().to_owned()).collect();
        sources.sort();
        sources
    };
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    // The last to be disputed has its name on the item; the device of both never expires, so the first's stays.
    assert_eq!(sources("stolen"), sorted(vec!["ann".to_owned(), second.id()]));
    assert_eq!(sources("devices"), sorted(vec!["ann".to_owned(), first.id()]));
    second.ended("d1", "won");
    assert_eq!(sources("stolen"), sorted(vec!["ann".to_owned(), first.id()]), "the first is still disputed");
    first.ended("d1", "won");
    assert_eq!((sources("stolen"), sources("devices")), (vec!["ann".to_owned()], vec!["ann".to_owned()]));
    // The merchant loses another, and so the card is listed again.
    first.opened("d2", "10.4");
    assert_eq!(sources("stolen"), sorted(vec!["ann".to_owned(), first.id()]));
}

#[test]
fn what_an_operator_took_off_is_not_listed_again() {
    let shop = Shop::new(RULES, &LISTS, &settings("keep"));
    let sidecar = shop.open();
    Case::captured(&sidecar, "o1", VISA, "dev1").opened("d1", "10.4");
    for list in ["stolen", "devices"] {
        let value = items(&sidecar, list)[0]["value"].as_str().unwrap().to_owned();
        let path = format!("/v1/lists/{list}/items?value={value}");
        assert_eq!(sidecar.admin("DELETE", &path, &[], "").json()["removed"], true);
    }
    drop(sidecar);
    let sidecar = shop.open();
    // Long enough for whatever is tried again: a later payment's fraud is listed.
    let later = Case::captured(&sidecar, "o2", AMEX, "dev2");
    later.opened("d1", "10.4");
    assert_eq!(listed(&sidecar), [vec![later.id()], vec![later.id()]]);
}

#[test]
fn lists_that_forget_are_told_again() {
    let shop = Shop::new(RULES, &LISTS, &settings("keep")).without_journal();
    let sidecar = shop.open();
    let case = Case::captured(&sidecar, "o1", VISA, "dev1");
    let id = case.id();
    case.opened("d1", "10.4");
    drop(sidecar);
    let sidecar = shop.open();
    let start = std::time::Instant::now();
    while listed(&sidecar) != [vec![id.clone()], vec![id.clone()]] {
        assert!(start.elapsed() < sidecar::PATIENCE, "{:?}", listed(&sidecar));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_could_not_be_listed_is_listed_later() {
    let mut shop = Shop::new(RULES, &LISTS, &format!("{}[limits]\nfraud_edits = 1\n", settings("keep")));
    let sidecar = shop.open();
    let case = Case::captured(&sidecar, "o1", VISA, "dev1");
    let id = case.id();
    assert_eq!(case.opened("d1", "10.4")["state"], "disputed", "the dispute itself is taken");
    assert!(sidecar.wait_for("\"event\":\"not_listed\"").contains(&id));
    // One of the two values has room, and the other has not.
    assert_eq!(listed(&sidecar).concat(), std::slice::from_ref(&id));
    drop(sidecar);
    shop.set(&settings("keep"));
    let sidecar = shop.open();
    let start = std::time::Instant::now();
    while listed(&sidecar) != [vec![id.clone()], vec![id.clone()]] {
        assert!(start.elapsed() < sidecar::PATIENCE, "{:?}", listed(&sidecar));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What is listed by hand takes no room from what fraud lists, and the other way round.
#[test]
fn fraud_and_people_list_in_rooms_of_their_own() {
    let limits = "[limits]\nlist_edits = 1\nfraud_edits = 2\n";
    let shop = Shop::new(RULES, &LISTS, &format!("{}{limits}", settings("keep")));
    let sidecar = shop.open();
    let put = |value: &str| {
        let body = json!({ "value": value, "source": "ann" }).to_string();
        sidecar.admin("PUT", &format!("/v1/lists/{}/items", LISTS[0].0), &[], &body)
    };
    assert_eq!(put("tok_k1_one").status, 200);
    let refused = put("tok_k1_two");
    assert!(refused.status == 422 && refused.body.contains("limits.list_edits"), "{refused:?}");
    let case = Case::captured(&sidecar, "o1", VISA, "dev1");
    let id = case.id();
    case.opened("d1", "10.4");
    assert!(listed(&sidecar).concat().iter().filter(|source| **source == id).count() == 2);
    assert_eq!(put("tok_k1_one").status, 200, "what is there is edited as often as one likes");
    let case = Case::captured(&sidecar, "o2", MASTERCARD, "dev2");
    case.opened("d2", "10.4");
    let said = sidecar.wait_for("\"event\":\"not_listed\"");
    assert!(said.contains(&case.id()) && said.contains("limits.fraud_edits"), "{said}");
}

#[test]
fn a_list_that_is_not_there_stops_the_start() {
    let shop = Shop::new(RULES, &LISTS, "[[payments.on_fraud]]\nfield = 'card'\nlist = 'stolem'\n");
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["serve", "--config", &shop.config(), "--listen", "127.0.0.1:0", "--admin", ""])
        .env(TOKEN_KEY.0, TOKEN_KEY.1)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&command.stderr).into_owned();
    assert_eq!(command.status.code(), Some(3), "{said}");
    assert!(said.contains("payments.on_fraud") && said.contains("did you mean `stolen`?"), "{said}");
}

fn tollgate(args: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).output().unwrap()
}

/// Whoever trains learns of fraud and of nothing else that is disputed, and when it became known.
#[test]
fn labels_of_what_was_served_are_what_training_reads() {
    let shop = Shop::new(RULES, &LISTS, "");
    let sidecar = shop.open();
    let mut frauds = std::collections::BTreeMap::new();
    for n in 0..24 {
        let card = [VISA, MASTERCARD, AMEX][n % 3];
        let case = Case::captured(&sidecar, &format!("o{n}"), card, &format!("dev{n}"));
        match n % 4 {
            0 => {
                let shown = case.opened("d1", "10.4");
                frauds.insert(case.id(), ("dispute".to_owned(), shown["disputes"][0]["opened_at"].clone()));
            }
            1 => {
                let report = json!({ "id": "t1", "event": "reported", "type": "counterfeit" });
                let at = case.dispute(report)["reports"][0]["at"].clone();
                case.opened("d1", "10.4"); // it was known before
                frauds.insert(case.id(), ("counterfeit".to_owned(), at));
            }
            2 => drop(case.opened("d1", "13.1")),
            _ => {}
        }
    }
    let won = Case::captured(&sidecar, "won", VISA, "dev");
    won.opened("d1", "10.4");
    won.ended("d1", "won");
    let declined = pay(&sidecar, "odd", "1 EUR", VISA, json!({ "device_os": "odd" })).json();
    let declined = sidecar.post(&on(&declined, "review"), r#"{"decision":"decline"}"#).json();
    drop(sidecar);

    let (payments, history) = (shop.at("payments"), shop.at("history.jsonl"));
    let labels = |maturity: &str| {
        let told = tollgate(&["labels", &payments, "--out", &history, "--maturity", maturity]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let text = std::fs::read_to_string(&history).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let young = labels("60d");
    assert_eq!(young.len(), 26);
    let known = young.iter().filter(|line| line.get("fraud").is_some()).count();
    assert_eq!(known, frauds.len() + 1, "the others' disputes may still come");
    for line in labels("0s") {
        let id = line["id"].as_str().unwrap();
        match frauds.get(id) {
            Some((campaign, at)) => {
                assert_eq!((&line["fraud"], &line["status"]), (&true.into(), &"disputed".into()), "{line}");
                assert_eq!(
                    (&line["campaign"], &line["settled_at"]),
                    (&campaign.clone().into(), at),
                    "{line}"
                );
            }
            None if declined["id"] == id => {
                assert_eq!((line.get("fraud"), &line["status"]), (None, &"blocked".into()), "{line}");
            }
            None => {
                assert_eq!(
                    (&line["fraud"], &line["status"]),
                    (&false.into(), &"authorized".into()),
                    "{line}"
                );
                assert!(line.get("campaign").is_none(), "{line}");
            }
        }
        assert!(line["card"].as_str().unwrap().starts_with("tok_k1_"), "{line}");
    }
    std::fs::write(shop.at("inputs.toml"), "[inputs]\namount = \"amount\"\nn = \"count(card, 1h)\"\n")
        .unwrap();
    let (inputs, model, rules) = (shop.at("inputs.toml"), shop.at("model.json"), shop.at("rules"));
    let trained = tollgate(&[
        "train",
        "--rules",
        &rules,
        "--inputs",
        &inputs,
        "--label",
        "fraud",
        "--learner",
        "logistic",
        "--no-html",
        "--json",
        "--strict",
        "--out",
        &model,
        &history,
    ]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let card: Value = serde_json::from_slice(&trained.stdout).unwrap();
    assert_eq!(
        (&card["card"]["rows"], &card["card"]["frauds"], &card["unlabelled"]),
        (&25.into(), &12.into(), &1.into())
    );
    let evaluated =
        tollgate(&["evaluate", "--rules", &rules, "--draws", "0", "--json", "--strict", &history]);
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
    let nowhere = tollgate(&["labels", &shop.at("rules")]);
    assert_eq!(nowhere.status.code(), Some(4), "{}", String::from_utf8_lossy(&nowhere.stderr));
}

#[test]
fn figures_of_a_month_are_those_of_the_caller() {
    use sha2::Digest as _;
    let digest = |key: &str| sha2::Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let key = |name: &str, merchant: &str, scopes: &str| {
        format!("[[key]]\nname = '{name}'\nsha256 = '{}'\n{merchant}scopes = [{scopes}]\n", digest(name))
    };
    let keys = key("one", "merchant = 'm1'\n", "'pay', 'review'")
        + &key("two", "merchant = 'm2'\n", "'pay', 'review'")
        + &key("boss", "", "'review'")
        + &key("scorer", "", "'score'");
    let settings = "[payments.monitoring]\nvisa = { ratio = 0.5, events = 2 }\n";
    let shop = Shop::new(RULES, &LISTS, &format!("{settings}{keys}"));
    let sidecar = shop.open();
    let by = |key: &str, method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        sidecar.ask(method, path, &[("x-api-key", key)], &body)
    };
    let paid = |key: &str, order: &str| {
        by(key, "POST", "/v1/orders", json!({ "id": order, "amount": "10.00 EUR" }));
        let card = json!({ "number": VISA, "expiry": "09/28", "cvv": "123" });
        let paid = by(key, "POST", "/v1/payments", json!({ "order": order, "method": "card", "card": card }));
        assert_eq!(state(&paid), "captured", "{paid:?}");
        paid.json()
    };
    let ours = [paid("one", "o1"), paid("one", "o2")];
    paid("two", "o1");
    let dispute =
        |id: &str, body: Value| by("one", "POST", &format!("/v1/payments/{id}/disputes"), body).status;
    let first = ours[0]["id"].as_str().unwrap();
    assert_eq!(
        dispute(first, json!({ "id": "d1", "event": "opened", "kind": "consumer", "amount": "4.00 EUR" })),
        200
    );
    assert!(!sidecar.log().contains("dispute_ratio"));
    assert_eq!(dispute(ours[1]["id"].as_str().unwrap(), json!({ "id": "t1", "event": "reported" })), 200);
    let warned: Value = serde_json::from_str(&sidecar.wait_for("\"event\":\"dispute_ratio\"")).unwrap();
    assert_eq!((warned["merchant"].as_str(), warned["ratio"].as_f64()), (Some("m1"), Some(1.0)));
    let figures = |sidecar: &Sidecar, key: &str| {
        let answer = sidecar.ask("GET", "/v1/disputes/figures", &[("x-api-key", key)], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["figures"].as_array().unwrap().clone()
    };
    let [one] = &figures(&sidecar, "one")[..] else { panic!() };
    assert_eq!((one["merchant"].as_str(), one["scheme"].as_str()), (Some("m1"), Some("visa")));
    assert_eq!(one["sales"], json!({ "count": 2, "amounts": ["20.00 EUR"] }));
    assert_eq!(one["disputes"], json!({ "count": 1, "amounts": ["4.00 EUR"] }));
    assert_eq!((&one["fraud_reports"]["count"], &one["past_threshold"]), (&1.into(), &true.into()));
    let [two] = &figures(&sidecar, "two")[..] else { panic!() };
    assert_eq!((two["merchant"].as_str(), &two["disputes"]["count"]), (Some("m2"), &0.into()));
    assert_eq!(figures(&sidecar, "boss").len(), 2);
    assert_eq!(by("scorer", "GET", "/v1/disputes/figures", Value::Null).status, 403);
    assert_eq!(
        by("boss", "GET", "/v1/disputes/figures?month=2020-01", Value::Null).json()["figures"],
        json!([])
    );
    for wrong in ["2026-13", "x", ""] {
        assert_eq!(
            by("boss", "GET", &format!("/v1/disputes/figures?month={wrong}"), Value::Null).status,
            400
        );
    }
    let metric = |name: &str| sidecar.admin("GET", "/metrics", &[], "").body.lines().any(|line| line == name);
    assert!(metric("tollgate_disputes_total{scheme=\"visa\",fraud=\"false\"} 1"));
    assert!(metric("tollgate_fraud_reports_total{scheme=\"visa\"} 1"));
    let before = figures(&sidecar, "boss");
    drop(sidecar);
    let sidecar = shop.open();
    assert_eq!(figures(&sidecar, "boss"), before, "and after a restart");
}

#[test]
fn what_is_held_is_shown_with_facts_and_reasons() {
    let shop = Shop::new(RULES, &LISTS, "");
    let sidecar = shop.open();
    let held =
        pay(&sidecar, "o1", "10.00 EUR", VISA, json!({ "device_os": "odd", "email": "a@b.example" })).json();
    assert_eq!(held["state"], "review_held", "{held}");
    let queue = |sidecar: &Sidecar| sidecar.admin("GET", "/v1/reviews", &[], "").json();
    let shown = queue(&sidecar)[0].clone();
    assert_eq!((&shown["id"], shown["facts"]["email"].as_str()), (&held["id"], Some("a@b.example")));
    assert_eq!(shown["decision"]["reasons"][0]["code"], "ODD");
    let at = |name: &str| tollgate::Timestamp::parse(shown[name].as_str().unwrap()).unwrap();
    assert_eq!(at("expires_at").since(at("changed_at")), tollgate::Span::parse("24h").unwrap());
    assert_eq!(sidecar.metric("tollgate_payments_held"), 1.0);
    drop(sidecar);
    let sidecar = shop.open();
    let again = queue(&sidecar)[0].clone();
    assert_eq!(
        (&again["id"], &again["facts"], &again["decision"]),
        (&held["id"], &shown["facts"], &shown["decision"])
    );
    // The admin's listener takes the reviewer's word, too.
    let approved = sidecar.admin("POST", &on(&held, "review"), &[], r#"{"decision":"approve"}"#);
    assert_eq!((state(&approved).as_str(), queue(&sidecar)), ("captured", json!([])));
}

#[test]
fn verify_knows_which_journal_it_reads_and_believes_no_record() {
    let shop = Shop::new(RULES, &LISTS, "");
    let sidecar = shop.open();
    let case = Case::captured(&sidecar, "o1", VISA, "dev1");
    case.opened("d1", "10.4");
    drop(sidecar);
    let verify = |dir: &str| {
        let done = tollgate(&["verify", &shop.at(dir), "--json"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), serde_json::from_slice::<Value>(&done.stdout).unwrap_or_default(), said)
    };
    let (code, found, said) = verify("payments");
    assert_eq!(
        (code, &found["journal"], &found["payments"], &found["disputes"]),
        (Some(0), &"payments".into(), &1.into(), &1.into()),
        "{said}"
    );
    assert!(found["records"].as_u64().is_some_and(|n| n > 5), "{found}");
    let (code, found, said) = verify("journal");
    assert_eq!(
        (code, &found["journal"], &found["contents"]["payments"]),
        (Some(0), &"decisions".into(), &1.into()),
        "{said}"
    );
    let text = tollgate(&["verify", &shop.at("payments")]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("of payments that move money"));

    let path = shop.at("payments/00000001.log");
    let good = std::fs::read(&path).unwrap();
    let end = good.iter().rposition(|b| *b != 0).unwrap();
    let mut first_frame = 4096;
    while good[first_frame] == 0 {
        first_frame += 512;
    }
    // A flipped bit in a frame that later ones follow.
    let mut flipped = good.clone();
    flipped[first_frame + 100] ^= 4;
    std::fs::write(&path, &flipped).unwrap();
    let (code, _, said) = verify("payments");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("00000001.log") && said.contains("damaged"), "{said}");
    // A tail that was in flight is none.
    let frames: Vec<usize> = (4096..end).step_by(512).filter(|at| good[*at..].starts_with(b"TGFR")).collect();
    let mut torn = good.clone();
    torn[frames[frames.len() - 1] + 90..].fill(0);
    torn[frames[frames.len() - 1] + 40] ^= 1;
    std::fs::write(&path, &torn).unwrap();
    let (code, found, said) = verify("payments");
    assert_eq!((code, &found["journal"]), (Some(0), &"payments".into()), "{said}");
    assert!(found["torn"].is_string(), "{found}");
    std::fs::write(&path, &good).unwrap();
    // Without its secrets, or with another's, no answer of an institution is known.
    let secrets = shop.at("payments/secrets");
    let own = std::fs::read(&secrets).unwrap();
    std::fs::write(&secrets, [7; 64]).unwrap();
    let (code, _, said) = verify("payments");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("record "), "{said}");
    std::fs::remove_file(&secrets).unwrap();
    let (code, _, said) = verify("payments");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("secrets"), "{said}");
    std::fs::write(&secrets, own).unwrap();
    assert_eq!(verify("payments").0, Some(0));
}
