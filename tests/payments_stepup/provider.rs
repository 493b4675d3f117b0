//! Codes that a provider sends: what it is sent, and what becomes of payments when it fails.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Shop, challenge, pay, show};

/// What a provider does with the next request; after these it answers 200.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answers(u16),
    /// It takes the request and says nothing until the other side is gone.
    Hangs,
    /// It answers byte by byte.
    Slowly,
    HangsUp,
}

struct Provider {
    address: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Provider {
    fn start(script: &[Does]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, script) = (seen.clone(), Arc::new(Mutex::new(script.to_vec())));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (kept, script) = (kept.clone(), script.clone());
                std::thread::spawn(move || serve(socket, &kept, &script));
            }
        });
        Provider { address, seen }
    }

    fn start_tls(own: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Provider {
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config =
            config.unwrap().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                serve(rustls::StreamOwned::new(connection, socket), &kept, &Mutex::new(Vec::new()));
            }
        });
        Provider { address, seen }
    }

    fn settings(&self, more: &str) -> String {
        format!("[payments.sms]\nurl = 'http://{}/send?from=shop'\n{more}\n", self.address)
    }

    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut socket: impl Read + Write, seen: &Mutex<Vec<(String, String)>>, script: &Mutex<Vec<Does>>) {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ").map(str::to_owned));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        socket.read_exact(&mut body).unwrap();
        seen.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
        let does = {
            let mut script = script.lock().unwrap();
            if script.is_empty() { Does::Answers(200) } else { script.remove(0) }
        };
        let answer = |status: u16| format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}");
        match does {
            Does::Answers(status) => socket.write_all(answer(status).as_bytes()).unwrap(),
            Does::HangsUp => return,
            Does::Hangs => {
                let _ = socket.read(&mut byte);
                return;
            }
            Does::Slowly => {
                for byte in answer(200).as_bytes() {
                    if socket.write_all(&[*byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

const JSON: &str = r#"body = '{"to":"{phone}","text":"{text}","ref":"{payment}","n":{"c":"{code}"}}'"#;
const PHONE: &str = "+49 (151) 123-45678";

#[test]
fn a_provider_is_sent_what_the_template_says() {
    let provider = Provider::start(&[]);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "Bearer s3cret-of-the-provider\n").unwrap();
    let more = format!(
        "{JSON}\nmethod = 'PUT'\nheaders = [{{ name = 'Authorization', file = '{}' }}, {{ name = 'x-from', value = 'shop' }}]",
        token.path().display()
    );
    let shop = Shop::new(&provider.settings(&more));
    let sidecar = shop.open();
    let asked = pay(&sidecar, "o1", "doubtful", json!({ "phone": PHONE })).json();
    assert_eq!((&asked["challenge"]["delivery"], &asked["challenge"]["sends"]), (&json!("sent"), &json!(1)));
    let (head, body) = provider.seen().remove(0);
    assert!(head.starts_with("PUT /send?from=shop HTTP/1.1\r\n"), "{head}");
    for line in
        ["authorization: Bearer s3cret-of-the-provider", "x-from: shop", "content-type: application/json"]
    {
        assert!(head.to_lowercase().contains(&line.to_lowercase()), "{head}");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["to"], &body["ref"]), (&json!("+4915112345678"), &asked["id"]));
    let code = body["n"]["c"].as_str().unwrap().to_owned();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with(&code) && text.contains("10.00 EUR") && text.contains("验证码"), "{text}");
    // Neither code nor phone nor token is anywhere here.
    let log = sidecar.log();
    for secret in [code.as_str(), "4915112345678", "s3cret-of-the-provider"] {
        assert!(!log.contains(secret) && !shop.files().contains(secret), "{secret}");
    }
    assert_eq!(challenge(&sidecar, &asked, json!({ "code": code })).json()["state"], "captured");
    assert_eq!(sidecar.metric("tollgate_codes_total{what=\"sent\"}"), 1.0);
}

#[test]
fn a_form_is_a_form() {
    let provider = Provider::start(&[]);
    let shop = Shop::new(&provider.settings("form = 'form'\nbody = 'To={phone}&Body={text_en}'"));
    let sidecar = shop.open();
    let asked = pay(&sidecar, "o1", "doubtful", json!({ "phone": PHONE })).json();
    assert_eq!(asked["challenge"]["delivery"], "sent");
    let (head, body) = provider.seen().remove(0);
    assert!(head.starts_with("POST ") && head.contains("application/x-www-form-urlencoded"), "{head}");
    assert!(body.starts_with("To=%2B4915112345678&Body="), "{body}");
    assert!(body.contains("%20confirms%20your%20payment%20of%2010.00%20EUR"), "{body}");
}

#[test]
fn a_code_that_could_not_be_sent_can_be_sent_again() {
    use Does::*;
    let script = [Answers(500), Hangs, Slowly, HangsUp, Answers(302), Answers(429)];
    let provider = Provider::start(&script);
    let shop = Shop::new(&provider.settings(&format!("{JSON}\ntimeout = '300ms'")));
    let sidecar = shop.open();
    let mut first = Value::Null;
    for (n, _) in script.iter().enumerate() {
        let asked = pay(
            &sidecar,
            &format!("o{n}"),
            "doubtful",
            json!({ "phone": PHONE, "facts": { "device": n.to_string() } }),
        );
        let limited = n >= 5;
        assert_eq!(asked.status, if limited { 429 } else { 201 }, "{n}: {asked:?}");
        if limited {
            continue;
        }
        let asked = asked.json();
        assert_eq!(
            (&asked["state"], &asked["challenge"]["delivery"]),
            (&json!("challenged"), &json!("failed")),
            "{n}"
        );
        assert!(asked["challenge"]["message"]["en"].as_str().unwrap().contains("sent again"));
        assert!(asked["challenge"]["resend_at"].is_string());
        if n == 0 {
            first = asked;
        }
    }
    let log = sidecar.log();
    for said in ["the provider answered 500", "did not answer in time", "was not reached", "answered 302"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    for (_, body) in provider.seen() {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(!log.contains(body["n"]["c"].as_str().unwrap()) && !log.contains("15112345678"));
    }
    // The pause between two messages holds, though the first failed: it may have been sent all the same.
    let early = challenge(&sidecar, &first, json!({ "resend": true }));
    assert_eq!(early.status, 429, "too many to this phone comes first: {early:?}");
    assert_eq!(show(&sidecar, &first)["challenge"]["delivery"], "limited");
    assert_eq!(sidecar.metric("tollgate_codes_total{what=\"failed\"}"), 5.0);
}

#[test]
fn a_code_is_sent_again_after_half_a_minute() {
    let provider = Provider::start(&[Does::Answers(503)]);
    let shop = Shop::new(&provider.settings(JSON));
    let sidecar = shop.open();
    let asked = pay(&sidecar, "o1", "doubtful", json!({ "phone": PHONE })).json();
    assert_eq!(asked["challenge"]["delivery"], "failed");
    let early = challenge(&sidecar, &asked, json!({ "resend": true }));
    assert_eq!((early.status, early.json()["code"].as_str()), (422, Some("sent_just_now")));
    assert_eq!(show(&sidecar, &asked)["challenge"]["delivery"], "failed");
    // `resend_at` says when.
    std::thread::sleep(Duration::from_secs(30));
    let again = loop {
        let again = challenge(&sidecar, &asked, json!({ "resend": true }));
        if again.status == 200 {
            break again.json();
        }
        assert_eq!(again.json()["code"], "sent_just_now");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((&again["challenge"]["delivery"], &again["challenge"]["sends"]), (&json!("sent"), &json!(2)));
    let codes: Vec<Value> = provider
        .seen()
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["n"]["c"].clone())
        .collect();
    assert_eq!(codes[0], codes[1], "the challenge's code is one");
    assert_eq!(challenge(&sidecar, &asked, json!({ "code": codes[1] })).json()["state"], "captured");
}

#[test]
fn a_provider_is_told_when_somebody_vouches_for_its_certificate() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Provider::start_tls(&own);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, own.cert.pem()).unwrap();
    let address = provider.address.replace("127.0.0.1", "localhost");
    for (trusts, delivery) in [(String::new(), "failed"), (format!("ca = '{}'", ca.display()), "sent")] {
        let settings = format!("[payments.sms]\nurl = 'https://{address}/send'\n{JSON}\n{trusts}\n");
        let shop = Shop::new(&settings);
        let sidecar = shop.open();
        let asked = pay(&sidecar, "o1", "doubtful", json!({ "phone": PHONE })).json();
        assert_eq!(asked["challenge"]["delivery"], delivery, "{}", sidecar.log());
        assert_eq!(provider.seen().len(), usize::from(delivery == "sent"));
    }
}
