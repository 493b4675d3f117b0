//! A gateway with a simulated bank, and short words for what a merchant asks of it.

use serde_json::{Value, json};

use crate::institution::Institution;
use crate::sidecar::{Answer, Sidecar, TOKEN_KEY, contents};

pub const VISA: &str = "4111 1111 1111 1111";

const RULES: &str = r#"
[[rule]]
id = "doubtful"
when = 'device_os == "doubtful" and is_missing(three_ds_status)'
then = "challenge"
reason = "DOUBTFUL"
example.fires = [{ device_os = "doubtful" }]
example.quiet = [{ device_os = "plain" }, { device_os = "doubtful", three_ds_status = "Y" }]

[[rule]]
id = "abroad"
when = 'device_os == "abroad" and cross_border'
then = "decline"
reason = "ABROAD"
example.fires = [{ device_os = "abroad", cross_border = true }]
example.quiet = [{ device_os = "abroad", cross_border = false }, { device_os = "abroad" }]

[[rule]]
id = "unproved"
when = 'device_os == "vouched" and count(ip, 1h, authorized, where liability_shift) < 1'
then = "decline"
reason = "UNPROVED"
example.fires = [{ device_os = "vouched", "count(ip, 1h, authorized, where liability_shift)" = 0 }]
example.quiet = [{ device_os = "vouched", "count(ip, 1h, authorized, where liability_shift)" = 1 }]
"#;

/// A gateway's folder, which outlives it.
pub struct Shop {
    pub dir: tempfile::TempDir,
    pub institution: Institution,
    settings: String,
}

impl Shop {
    /// `settings` come after `[payments]`.
    pub fn new(settings: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let institution = Institution::start("card", dir.path(), None, &[]);
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), RULES).unwrap();
        Shop { dir, institution, settings: settings.to_owned() }
    }

    /// With codes that go to a file.
    pub fn with_file(settings: &str) -> Shop {
        let shop = Shop::new("");
        let codes = shop.dir.path().join("codes.jsonl");
        Shop { settings: format!("codes = '{}'\n{settings}", codes.display()), ..shop }
    }

    pub fn open(&self) -> Sidecar {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let text = format!(
            "rules = '{}'\nempty_past = true\n[journal]\ndir = '{}'\n[payments]\ndir = '{}'\n{}\n\
             [[payments.channel]]\nname = 'acquirer'\ndeadline = '5s'\ncard.address = '{}'\n",
            at("rules"),
            at("journal"),
            at("payments"),
            self.settings,
            self.institution.address
        );
        let path = self.dir.path().join("serve.toml");
        std::fs::write(&path, text).unwrap();
        Sidecar::start_with(&["--config", path.to_str().unwrap()], &[TOKEN_KEY])
    }

    /// The codes that were sent, as the file has them.
    pub fn sent(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("codes.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last code that was sent.
    pub fn code(&self) -> String {
        self.sent().last().unwrap()["text"]["en"].as_str().unwrap()[..6].to_owned()
    }

    /// Everything that lies in the folder.
    pub fn files(&self) -> String {
        contents(self.dir.path())
    }
}

pub fn order(sidecar: &Sidecar, body: Value) -> Answer {
    sidecar.post("/v1/orders", &body.to_string())
}

/// A payment by card, with what `more` says besides.
pub fn card(order: &str, os: &str, more: Value) -> Value {
    let mut body = json!({
        "order": order, "method": "card",
        "card": { "number": VISA, "expiry": "09/28", "cvv": "123" },
        "facts": { "device_os": os, "ip": "203.0.113.7" },
    });
    for (name, value) in more.as_object().unwrap() {
        match (name.as_str(), value) {
            ("facts", Value::Object(facts)) => {
                facts.iter().for_each(|(name, value)| body["facts"][name] = value.clone());
            }
            _ => body[name] = value.clone(),
        }
    }
    body
}

/// Creates an order of 10.00 EUR and pays it.
pub fn pay(sidecar: &Sidecar, id: &str, os: &str, more: Value) -> Answer {
    assert_eq!(order(sidecar, json!({ "id": id, "amount": "10.00 EUR" })).status, 201);
    sidecar.post("/v1/payments", &card(id, os, more).to_string())
}

pub fn challenge(sidecar: &Sidecar, payment: &Value, body: Value) -> Answer {
    let path = format!("/v1/payments/{}/challenge", payment["id"].as_str().unwrap());
    sidecar.post(&path, &body.to_string())
}

pub fn show(sidecar: &Sidecar, payment: &Value) -> Value {
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    sidecar.ask("GET", &path, &[], "").json()
}
