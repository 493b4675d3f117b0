//! A sidecar that takes payments by card, with its folder, which outlives it, and a simulated institution.

#![allow(dead_code, reason = "no test needs all of it")]

use serde_json::{Value, json};

use super::institution::Institution;
use super::sidecar::{Answer, Sidecar, TOKEN_KEY};

/// A folder with rules, journals and settings.
pub struct Shop {
    pub dir: tempfile::TempDir,
    pub institution: Institution,
    settings: String,
    journal: bool,
}

impl Shop {
    /// With these rules, and lists of tokens by name; `settings` come after `[payments]`.
    pub fn new(rules: &str, lists: &[(&str, &str)], settings: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let institution = Institution::start("card", dir.path(), None, &[]);
        std::fs::create_dir_all(dir.path().join("rules/lists")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), rules).unwrap();
        for (name, kind) in lists {
            let list = format!("kind = \"{kind}\"\nabout = \"of a test\"\nitems = []\n");
            std::fs::write(dir.path().join(format!("rules/lists/{name}.toml")), list).unwrap();
        }
        Shop { dir, institution, settings: settings.to_owned(), journal: true }
    }

    /// Lists and windows then live as long as the process.
    pub fn without_journal(mut self) -> Shop {
        self.journal = false;
        self
    }

    pub fn set(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
    }

    pub fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes the settings; where they are.
    pub fn config(&self) -> String {
        let journal =
            if self.journal { format!("[journal]\ndir = '{}'\n", self.at("journal")) } else { String::new() };
        let text = format!(
            "rules = '{}'\nempty_past = true\n{journal}[payments]\ndir = '{}'\ncodes = '{}'\n\
             ask_again = '100ms'\nask_again_max = '200ms'\n{}\n\
             [[payments.channel]]\nname = 'acquirer'\ndeadline = '15s'\ncard.address = '{}'\n",
            self.at("rules"),
            self.at("payments"),
            self.at("codes.jsonl"),
            self.settings,
            self.institution.address
        );
        let path = self.at("serve.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn open(&self) -> Sidecar {
        self.open_at("")
    }

    /// Ends by itself at a failpoint, in a build that has them.
    pub fn open_at(&self, failpoint: &str) -> Sidecar {
        let variables = [TOKEN_KEY, ("TOLLGATE_FAILPOINT", failpoint)];
        let count = if failpoint.is_empty() { 1 } else { 2 };
        Sidecar::start_with(&["--config", &self.config()], &variables[..count])
    }
}

/// Creates an order and pays it by a card.
pub fn pay(sidecar: &Sidecar, order: &str, amount: &str, number: &str, facts: Value) -> Answer {
    let created = sidecar.post("/v1/orders", &json!({ "id": order, "amount": amount }).to_string());
    assert_eq!(created.status, 201, "{created:?}");
    let body = json!({
        "order": order, "method": "card", "phone": "+8613800000000",
        "card": { "number": number, "expiry": "09/28", "cvv": "123" },
        "facts": facts,
    });
    sidecar.post("/v1/payments", &body.to_string())
}

/// The path of what is asked about a payment.
pub fn on(payment: &Value, what: &str) -> String {
    format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap())
}
