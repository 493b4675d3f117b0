//! Codes of an authenticator app instead of messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder, Totp};

use crate::shop::{Shop, challenge, pay, show};
use crate::sidecar::Sidecar;

const PATH: &str = "/v1/accounts/ann/authenticator";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What Ann has in her hand.
pub struct App {
    totp: Totp,
    last: u64,
}

impl App {
    /// Reads the address as an app does.
    fn scan(uri: &str) -> App {
        let secret = uri.split(['?', '&']).find_map(|part| part.strip_prefix("secret=")).unwrap();
        let mut bits = 0u64;
        let (mut held, mut bytes) = (0, Vec::new());
        for letter in secret.bytes() {
            let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|l| *l == letter).unwrap();
            bits = bits << 5 | value as u64;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
        }
        assert!(uri.contains("&algorithm=SHA1&digits=6&period=30"), "{uri}");
        let built = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        App { totp: built.with_secret(bytes).build().unwrap(), last: 0 }
    }

    fn at(&self, step: u64) -> String {
        self.totp.generate(step * 30).to_string()
    }

    /// A code that was not used yet, and that is good for some seconds more.
    fn code(&mut self) -> String {
        let earliest = (self.last + 1).max((now() - 20) / 30);
        while earliest > now() / 30 + 1 {
            std::thread::sleep(Duration::from_millis(200));
        }
        self.last = earliest;
        self.at(earliest)
    }

    /// One that is wrong now and for a while.
    fn wrong(&self) -> String {
        let near: Vec<String> = (now() / 30 - 3..now() / 30 + 6).map(|step| self.at(step)).collect();
        (0..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

pub fn enrol(sidecar: &Sidecar) -> App {
    let begun = sidecar.post(PATH, "");
    assert_eq!(begun.status, 201, "{begun:?}");
    let begun = begun.json();
    assert_eq!((&begun["confirmed"], &begun["account"]), (&json!(false), &json!("ann")));
    let mut app = App::scan(begun["otpauth_uri"].as_str().unwrap());
    let confirmed = sidecar.post(PATH, &json!({ "code": app.code() }).to_string());
    assert_eq!((confirmed.status, &confirmed.json()["confirmed"]), (200, &json!(true)), "{confirmed:?}");
    app
}

/// Ann pays and is asked.
fn asked(sidecar: &Sidecar, id: &str) -> Value {
    let asked =
        pay(sidecar, id, "doubtful", json!({ "phone": "+4915112345678", "facts": { "account": "ann" } }));
    assert_eq!(asked.status, 201, "{asked:?}");
    let asked = asked.json();
    assert_eq!(
        (&asked["state"], &asked["next_action"]["type"]),
        (&json!("challenged"), &json!("authenticator_code"))
    );
    asked
}

#[test]
fn an_account_is_enrolled_once_its_app_has_shown_a_code() {
    let shop = Shop::with_file("");
    let sidecar = shop.open();
    assert_eq!(sidecar.ask("GET", PATH, &[], "").status, 404);
    assert_eq!(sidecar.ask("DELETE", PATH, &[], "").status, 404);
    assert_eq!(sidecar.post(PATH, r#"{"code":"123456"}"#).status, 404, "nothing to confirm");
    let key = [("idempotency-key", "one")];
    let first = sidecar.ask("POST", PATH, &key, "").json();
    // Until it is confirmed it may be begun anew, and codes are sent as before.
    let second = sidecar.ask("POST", PATH, &key, "").json();
    assert_ne!(first["secret"], second["secret"]);
    let sent =
        pay(&sidecar, "o1", "doubtful", json!({ "phone": "+4915112345678", "facts": { "account": "ann" } }));
    assert_eq!((sent.json()["next_action"]["type"].as_str(), shop.sent().len()), (Some("code"), 1));
    let mut app = App::scan(second["otpauth_uri"].as_str().unwrap());
    let confirm = |code: &str| sidecar.post(PATH, &json!({ "code": code }).to_string());
    assert_eq!(confirm(&app.wrong()).json()["code"], "wrong_code");
    assert_eq!(sidecar.ask("GET", PATH, &[], "").json()["confirmed"], false);
    assert_eq!(confirm(&app.code()).json()["confirmed"], true);
    let shown = sidecar.ask("GET", PATH, &[], "");
    assert!(
        !shown.body.contains("secret") && shown.json()["message"]["zh"].as_str().unwrap().contains("已绑定")
    );
    // It is not replaced by whoever comes; it is removed, and then another.
    for body in ["".to_owned(), json!({ "code": app.code() }).to_string()] {
        let again = sidecar.post(PATH, &body);
        assert_eq!((again.status, again.json()["code"].as_str()), (409, Some("exists")));
    }
    assert_eq!(sidecar.ask("DELETE", PATH, &[], "").status, 200);
    assert_eq!(sidecar.ask("GET", PATH, &[], "").status, 404);
    let third = sidecar.post(PATH, "").json();
    assert_ne!(third["secret"], second["secret"]);
    assert_eq!(sidecar.post("/v1/accounts/4111111111111111/authenticator", "").json()["code"], "bad_id");
    // Nothing that was told is kept.
    let log = sidecar.log();
    drop(sidecar);
    for told in [first, second, third] {
        let secret = told["secret"].as_str().unwrap();
        assert!(secret.len() == 32 && !shop.files().contains(secret) && !log.contains(secret));
    }
}

#[test]
fn a_code_of_the_app_passes_once() {
    let shop = Shop::with_file("");
    let sidecar = shop.open();
    let mut app = enrol(&sidecar);
    let one = asked(&sidecar, "o1");
    assert!(shop.sent().is_empty(), "no message");
    let resend = challenge(&sidecar, &one, json!({ "resend": true }));
    assert_eq!((resend.status, resend.json()["code"].as_str()), (409, Some("authenticator")));
    // The confirming code was used.
    let used = app.at(app.last);
    assert_eq!(challenge(&sidecar, &one, json!({ "code": used })).json()["code"], "code_used");
    assert_eq!(challenge(&sidecar, &one, json!({ "code": app.wrong() })).json()["code"], "wrong_code");
    assert_eq!(show(&sidecar, &one)["challenge"]["tries_left"], 3);
    let code = app.code();
    assert_eq!(challenge(&sidecar, &one, json!({ "code": code })).json()["state"], "captured");
    // The same step, and one before it, for another payment.
    let two = asked(&sidecar, "o2");
    for used in [code, used] {
        assert_eq!(challenge(&sidecar, &two, json!({ "code": used })).json()["code"], "code_used");
    }
    assert_eq!(challenge(&sidecar, &two, json!({ "code": app.code() })).json()["state"], "captured");
    assert_eq!(shop.institution.sum("captured"), 2_000);
    // Without it codes are sent again.
    assert_eq!(sidecar.ask("DELETE", PATH, &[], "").status, 200);
    let sent =
        pay(&sidecar, "o3", "doubtful", json!({ "phone": "+4915112345678", "facts": { "account": "ann" } }));
    assert_eq!((sent.json()["next_action"]["type"].as_str(), shop.sent().len()), (Some("code"), 1));
}

#[test]
fn five_tries_are_all_there_are_over_restarts() {
    let shop = Shop::with_file("");
    let mut sidecar = shop.open();
    let mut app = enrol(&sidecar);
    let guessed = asked(&sidecar, "o1");
    for left in [4, 3, 2, 1] {
        let wrong = challenge(&sidecar, &guessed, json!({ "code": app.wrong() }));
        assert_eq!(wrong.json()["code"], "wrong_code", "{wrong:?}");
        // The next process counts on, and knows the authenticator.
        sidecar.signal("KILL");
        sidecar.ended();
        sidecar = shop.open();
        let shown = show(&sidecar, &guessed);
        assert_eq!(
            (&shown["challenge"]["tries_left"], &shown["next_action"]["type"]),
            (&json!(left), &json!("authenticator_code"))
        );
    }
    let ended = challenge(&sidecar, &guessed, json!({ "code": app.wrong() })).json();
    assert_eq!(ended["state"], "declined", "{ended}");
    let right = app.code();
    assert_eq!(challenge(&sidecar, &guessed, json!({ "code": right })).status, 409, "the sixth try");
    // What was tried there and not compared is good elsewhere; what was used stays used after a restart.
    let other = asked(&sidecar, "o2");
    assert_eq!(challenge(&sidecar, &other, json!({ "code": right })).json()["state"], "captured");
    sidecar.signal("KILL");
    sidecar.ended();
    let sidecar = shop.open();
    let third = asked(&sidecar, "o3");
    assert_eq!(challenge(&sidecar, &third, json!({ "code": right })).json()["code"], "code_used");
}

#[test]
fn a_removed_authenticator_opens_nothing() {
    let shop = Shop::with_file("");
    let sidecar = shop.open();
    let mut app = enrol(&sidecar);
    let payment = asked(&sidecar, "o1");
    assert_eq!(sidecar.ask("DELETE", PATH, &[], "").status, 200);
    assert_eq!(challenge(&sidecar, &payment, json!({ "code": app.code() })).json()["code"], "wrong_code");
    // Another secret of the same account opens nothing that the first was asked for... but its own codes do.
    let mut next = enrol(&sidecar);
    assert_eq!(
        challenge(&sidecar, &payment, json!({ "code": app.at(now() / 30) })).json()["code"],
        "wrong_code"
    );
    assert_eq!(challenge(&sidecar, &payment, json!({ "code": next.code() })).json()["state"], "captured");
}

#[test]
fn another_merchants_account_is_not_found() {
    use sha2::Digest as _;
    let entry = |name: &str, merchant: &str| {
        let digest: String = sha2::Sha256::digest(name).iter().map(|b| format!("{b:02x}")).collect();
        format!("[[key]]\nname = '{name}'\nsha256 = '{digest}'\n{merchant}scopes = ['pay']\n")
    };
    let keys = entry("one", "merchant = 'm1'\n") + &entry("two", "merchant = 'm2'\n") + &entry("free", "");
    let shop = Shop::with_file(&keys);
    let sidecar = shop.open();
    let by = |key: &str, method: &str, body: &str| sidecar.ask(method, PATH, &[("x-api-key", key)], body);
    let begun = by("one", "POST", "").json();
    let mut app = App::scan(begun["otpauth_uri"].as_str().unwrap());
    assert!(begun["otpauth_uri"].as_str().unwrap().starts_with("otpauth://totp/m1:ann?"), "{begun}");
    let code = json!({ "code": app.code() }).to_string();
    for (method, body) in [("GET", ""), ("DELETE", ""), ("POST", code.as_str())] {
        assert_eq!(by("two", method, body).status, 404, "{method}");
        assert_eq!(by("free", method, body).status, 403, "{method}");
        assert_eq!(by("stranger", method, body).status, 401, "{method}");
    }
    assert_eq!(by("one", "POST", &code).json()["confirmed"], true);
    // Their account of the same name is another.
    let theirs = by("two", "POST", "");
    assert_eq!(theirs.status, 201);
    assert_ne!(theirs.json()["secret"], begun["secret"]);
}
