//! So many codes an hour, and not one more.

use serde_json::{Value, json};

use crate::shop::{Shop, challenge, pay, show};
use crate::sidecar::{Answer, Sidecar};

const HIGH: &str = "phone = 99, range = 99, ip = 99, device = 99, merchant = 99, account = 99";

fn limits(one: &str) -> String {
    let name = one.split(' ').next().unwrap();
    let others: Vec<&str> = HIGH.split(", ").filter(|limit| !limit.starts_with(name)).collect();
    format!("code_limits = {{ {one}, {} }}", others.join(", "))
}

struct Case {
    limit: &'static str,
    code: &'static str,
    /// What every payment has in common, by its number.
    more: fn(u32) -> Value,
    /// What counts elsewhere.
    other: fn() -> Value,
}

fn phone(n: u32) -> String {
    format!("+4915112{n:04}000")
}

const CASES: [Case; 5] = [
    Case {
        limit: "phone = 2",
        code: "codes_per_phone",
        more: |n| json!({ "phone": "+4915112345678", "facts": { "ip": format!("198.51.100.{n}") } }),
        other: || json!({ "phone": "+4915112345679" }),
    },
    Case {
        limit: "range = 2",
        code: "codes_per_range",
        more: |n| json!({ "phone": format!("+491511234{n:04}") }),
        other: || json!({ "phone": "+4915112350000" }),
    },
    Case {
        limit: "ip = 2",
        code: "codes_per_ip",
        more: |n| json!({ "phone": phone(n) }),
        other: || json!({ "phone": phone(9), "facts": { "ip": "198.51.100.9" } }),
    },
    Case {
        limit: "device = 2",
        code: "codes_per_device",
        more: |n| json!({ "phone": phone(n), "facts": { "device": "d1" } }),
        other: || json!({ "phone": phone(9), "facts": { "device": "d2" } }),
    },
    Case {
        limit: "merchant = 2",
        code: "codes_per_merchant",
        more: |n| json!({ "phone": phone(n), "facts": { "ip": format!("198.51.100.{n}") } }),
        other: || json!({ "facts": { "device_os": "plain" } }),
    },
];

fn refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-codes"), "{answer:?}");
    let json = answer.json();
    assert_eq!(json["code"], code);
    assert!(json["remedy"].as_str().unwrap().contains("code_limits"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
}

#[test]
fn each_limit_holds_at_it_and_past_it_and_over_restarts() {
    for Case { limit, code, more, other } in &CASES {
        let shop = Shop::with_file(&limits(limit));
        let mut sidecar = shop.open();
        for n in 1..=2 {
            let sent = pay(&sidecar, &format!("o{n}"), "doubtful", more(n));
            assert_eq!(sent.json()["challenge"]["delivery"], "sent", "{limit}: {sent:?}");
        }
        refused(&pay(&sidecar, "o3", "doubtful", more(3)), code);
        assert_eq!(shop.sent().len(), 2, "{limit}");
        // The payment is there, and says so.
        let id = sidecar.ask("GET", "/v1/orders/o3", &[], "").json()["payments"][0].clone();
        let shown = show(&sidecar, &json!({ "id": id }));
        assert_eq!(
            (&shown["state"], &shown["challenge"]["delivery"]),
            (&json!("challenged"), &json!("limited"))
        );
        // The next process knows.
        sidecar.signal("KILL");
        sidecar.ended();
        sidecar = shop.open();
        refused(&pay(&sidecar, "o4", "doubtful", more(4)), code);
        let elsewhere = pay(&sidecar, "o5", "doubtful", other());
        assert_eq!(elsewhere.status, 201, "{limit}: {elsewhere:?}");
        // No phone number is on the disk; the file of codes apart.
        std::fs::remove_file(shop.dir.path().join("codes.jsonl")).unwrap();
        drop(sidecar);
        assert!(!shop.files().contains("4915112"), "{limit}");
    }
}

#[test]
fn what_is_sent_again_counts_too() {
    let shop = Shop::with_file(&limits("phone = 1"));
    let sidecar = shop.open();
    let asked = pay(&sidecar, "o1", "doubtful", json!({ "phone": "+4915112345678" })).json();
    refused(&challenge(&sidecar, &asked, json!({ "resend": true })), "codes_per_phone");
    // The code that was sent is good all the same.
    assert_eq!(challenge(&sidecar, &asked, json!({ "code": shop.code() })).json()["state"], "captured");
}

#[test]
fn many_at_once_get_no_more() {
    let shop = Shop::with_file(&limits("range = 3"));
    let sidecar = shop.open();
    let ask = |n: u32| {
        pay(&sidecar, &format!("o{n}"), "doubtful", json!({ "phone": format!("+491511234{n:04}") })).status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12).map(|n| scope.spawn(move || ask(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 201).count(), 3, "{statuses:?}");
    assert_eq!(shop.sent().len(), 3);
}

#[test]
fn an_accounts_challenges_are_counted() {
    let shop = Shop::with_file(&limits("account = 2"));
    let sidecar = shop.open();
    crate::authenticator::enrol(&sidecar);
    let ask = |id: &str| pay(&sidecar, id, "doubtful", json!({ "facts": { "account": "ann" } }));
    assert_eq!((ask("o1").status, ask("o2").status), (201, 201));
    refused(&ask("o3"), "codes_per_account");
    // Each challenge is five guesses: this one may not be tried.
    let id = sidecar.ask("GET", "/v1/orders/o3", &[], "").json()["payments"][0].clone();
    let over = show(&sidecar, &json!({ "id": id }));
    assert_eq!(over["state"], "declined", "{over}");
    assert_eq!(challenge(&sidecar, &over, json!({ "code": "123456" })).status, 409);
}

#[test]
fn what_is_no_phone_number_is_refused() {
    let shop = Shop::with_file("");
    let sidecar: Sidecar = shop.open();
    for (n, phone) in
        ["015112345678", "+0151123456", "+49 151x", "+123456", "+1234567890123456", ""].iter().enumerate()
    {
        let refused = pay(&sidecar, &format!("o{n}"), "doubtful", json!({ "phone": phone }));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (422, Some("bad_phone")), "{phone}");
    }
    for (n, phone) in ["+1234567", "+123456789012345", "+1 (234) 567-89.01"].iter().enumerate() {
        let sent = pay(&sidecar, &format!("g{n}"), "doubtful", json!({ "phone": phone }));
        assert_eq!(sent.json()["challenge"]["delivery"], "sent", "{phone}: {sent:?}");
    }
}
