//! A program with parts of its own in the sidecar: who sends codes, and where payments go.
#![cfg(feature = "serve")]

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate::channel::{Asking, Channel, Reply, Request};
use tollgate::institution::GuardSettings;
use tollgate::pay::{Answer, Method};
use tollgate::sms::{Message, Provider, Sending};
use tollgate::{Error, Options, TokenKey};

#[path = "support/sidecar.rs"]
mod sidecar;

const RULES: &str = r#"
[[rule]]
id = "always"
when = 'amount > 0'
then = "challenge"
reason = "ALWAYS"
example.fires = [{ amount = "1.00 EUR" }]
example.quiet = [{ amount = "0.00 EUR" }]
"#;

/// Tells whoever listens.
struct Told(Sender<Message>);

impl Provider for Told {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async { self.0.send(message.clone()).map_err(|_| Error::new("nobody listens")) })
    }
}

/// Approves everything, and says so.
struct Yes(Sender<String>);

impl Channel for Yes {
    fn name(&self) -> &str {
        "yes"
    }

    fn method(&self) -> Method {
        Method::Card
    }

    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        let _ = self.0.send(request.call.operation.name().to_owned());
        let amount = request.call.amount;
        Box::pin(async move { Reply::new(Answer::Approved { amount }) })
    }

    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        self.ask(request)
    }
}

fn connect(path: &Path) -> UnixStream {
    let began = Instant::now();
    loop {
        if let Ok(socket) = UnixStream::connect(path) {
            socket.set_read_timeout(Some(sidecar::PATIENCE)).unwrap();
            return socket;
        }
        assert!(began.elapsed() < sidecar::PATIENCE, "nobody listens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn codes_go_by_ones_own_provider_and_payments_by_ones_own_channel() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("rules")).unwrap();
    std::fs::write(at("rules/rules.toml"), RULES).unwrap();
    let settings = format!(
        "listen = 'unix:{}'\nadmin = ''\nthreads = 1\nrules = '{}'\nempty_past = true\n[payments]\ndir = '{}'\n",
        at("main.sock").display(),
        at("rules").display(),
        at("payments").display()
    );
    std::fs::write(at("serve.toml"), settings).unwrap();
    let (told, messages) = channel();
    let (asked, operations) = channel();
    let options = Options { token_key: TokenKey::new("k1", &[7; 32]).ok(), ..Options::default() };
    let served = tollgate::Sidecar::open(at("serve.toml"), options).unwrap();
    let served = served.messages(Told(told)).channel(Yes(asked), GuardSettings::default(), None);
    // It ends with the test's process.
    std::thread::spawn(move || served.serve().unwrap());

    let mut socket = connect(&at("main.sock"));
    let mut post = |path: &str, body: Value| {
        sidecar::ask_on(&mut socket, "POST", path, &[], body.to_string().as_bytes()).json()
    };
    post("/v1/orders", json!({ "id": "o1", "amount": "10.00 EUR" }));
    let paid = post(
        "/v1/payments",
        json!({ "order": "o1", "method": "card", "phone": "+4915112345678",
            "card": { "number": "4111 1111 1111 1111", "expiry": "09/28" } }),
    );
    assert_eq!((&paid["state"], &paid["challenge"]["delivery"]), (&json!("challenged"), &json!("sent")));
    let message = messages.recv().unwrap();
    assert_eq!(message.phone.as_str(), "+4915112345678");
    assert_eq!(Some(message.payment.as_str()), paid["id"].as_str());
    assert!(message.text.iter().all(|text| text.contains(message.code.as_str())));
    let path = format!("/v1/payments/{}/challenge", message.payment);
    let proved = post(&path, json!({ "code": message.code.as_str() }));
    assert_eq!((&proved["state"], &proved["channel"]), (&json!("captured"), &json!("yes")), "{proved}");
    assert_eq!(operations.try_iter().collect::<Vec<_>>(), ["authorization", "capture"]);
}
