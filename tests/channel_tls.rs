//! Card lines over TLS: who is trusted, who is not, and that then nothing is sent.
#![cfg(feature = "serve")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use institution::Institution;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tollgate::channel::card::{CardChannel, CardSettings, CardTls};
use tollgate::channel::{Channel, Instrument, Reply, Request};
use tollgate::pay::{Answer, Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId};
use tollgate::{Currency, Money, Timestamp};

#[path = "support/institution.rs"]
mod institution;

/// What the institution's certificate says.
const NAME: &str = "iso.acquirer.example";

/// Authorities with certificates of theirs, as files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.authority("good", &[("server", NAME), ("local", "127.0.0.1"), ("client", "gateway")]);
        files.authority("other", &[("stranger", "gateway")]);
        files
    }

    fn authority(&self, name: &str, certificates: &[(&str, &str)]) {
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, name);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        self.write(&format!("{name}-ca.pem"), &authority.pem());
        for (file, subject) in certificates {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![(*subject).to_owned()]).unwrap();
            self.write(&format!("{file}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
            self.write(&format!("{file}.key"), &key.serialize_pem());
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An institution with the certificate of a name; `more` are arguments.
    fn institution(&self, folder: &Path, own: &str, more: &[&str]) -> Institution {
        let (cert, key) = (self.at(&format!("{own}.pem")), self.at(&format!("{own}.key")));
        let mut arguments = vec!["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        arguments.extend(more);
        Institution::start("card", folder, None, &arguments)
    }

    fn trusting(&self, ca: &str) -> CardTls {
        CardTls { name: Some(NAME.to_owned()), ca: Some(self.at(ca)), own: None }
    }

    fn own(&self, name: &str) -> Option<(PathBuf, PathBuf)> {
        Some((self.at(&format!("{name}.pem")), self.at(&format!("{name}.key"))))
    }
}

fn authorization(n: u8) -> Request {
    let amount = Money { minor: 1_999, currency: Currency::parse("EUR").unwrap() };
    Request {
        call: Call {
            key: CallKey([n; 16]),
            payment: PaymentId::parse("p1").unwrap(),
            method: Method::Card,
            operation: Operation::Authorize,
            amount,
        },
        merchant: MerchantId::parse("m1").unwrap(),
        order: OrderId::parse("o1").unwrap(),
        requested: Timestamp::parse("2026-11-27T12:00:00Z").unwrap(),
        original: None,
        instrument: Some(Instrument::Card {
            pan: "4111111111111111".to_owned().into(),
            expiry: *b"2912",
            cvv: None,
        }),
        subject: "Shoes".to_owned(),
        authenticated: false,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

fn channel(address: &str, tls: Option<CardTls>, sign_on: bool) -> CardChannel {
    let connect_within = Duration::from_secs(20);
    CardChannel::new(CardSettings { tls, sign_on, connect_within, ..CardSettings::to(address) }).unwrap()
}

async fn ask(channel: &CardChannel, request: &Request) -> Reply {
    tokio::time::timeout(Duration::from_secs(20), channel.ask(request)).await.expect("an answer")
}

fn approved(request: &Request) -> Answer {
    Answer::Approved { amount: request.call.amount }
}

#[tokio::test]
async fn an_institution_that_proves_itself_is_asked() {
    let (files, folder) = (Files::new(), tempfile::tempdir().unwrap());
    let institution = files.institution(folder.path(), "server", &[]);
    for sign_on in [false, true] {
        let channel = channel(&institution.address, Some(files.trusting("good-ca.pem")), sign_on);
        let all = (0..20).map(|n| authorization(n + 100 * u8::from(sign_on))).collect::<Vec<_>>();
        // At once over one connection, and each has its own answer.
        let mut asked = tokio::task::JoinSet::new();
        let channel = std::sync::Arc::new(channel);
        for request in all {
            let channel = channel.clone();
            asked.spawn(async move { (ask(&channel, &request).await, request) });
        }
        for (reply, request) in asked.join_all().await {
            assert_eq!(reply.answer, approved(&request), "{reply:?}");
        }
    }
    assert_eq!(institution.books().len(), 40);
    // By its address, when that is what the certificate has.
    let folder = tempfile::tempdir().unwrap();
    let local = files.institution(folder.path(), "local", &[]);
    let tls = CardTls { name: None, ..files.trusting("good-ca.pem") };
    let request = authorization(1);
    assert_eq!(ask(&channel(&local.address, Some(tls), false), &request).await.answer, approved(&request));
}

#[tokio::test]
async fn one_that_does_not_is_sent_nothing() {
    let (files, folder) = (Files::new(), tempfile::tempdir().unwrap());
    let institution = files.institution(folder.path(), "server", &[]);
    let named = |name: &str| CardTls { name: Some(name.to_owned()), ..files.trusting("good-ca.pem") };
    for (tls, expected) in [
        (Some(files.trusting("other-ca.pem")), "UnknownIssuer"),
        // The machine's own authorities know nothing of it either.
        (Some(CardTls { ca: None, ..files.trusting("good-ca.pem") }), "UnknownIssuer"),
        (Some(named("iso.another.example")), "not valid for name"),
        (Some(CardTls { name: None, ..named("") }), "not valid for name"),
    ] {
        let reply = ask(&channel(&institution.address, tls, false), &authorization(1)).await;
        assert_eq!((reply.sent, reply.answer), (false, Answer::Unknown), "{reply:?}");
        assert!(reply.code.as_ref().is_some_and(|code| code.contains(expected)), "{expected}: {reply:?}");
    }
    // Spoken to without TLS it hangs up; what was written may have been read.
    let plain = ask(&channel(&institution.address, None, false), &authorization(1)).await;
    assert_eq!(plain.answer, Answer::Unknown);
    assert!(institution.books().is_empty());
    // And one that speaks none is no TLS server.
    let folder = tempfile::tempdir().unwrap();
    let plain = Institution::start("card", folder.path(), None, &[]);
    let settings = CardSettings {
        tls: Some(files.trusting("good-ca.pem")),
        connect_within: Duration::from_millis(500),
        ..CardSettings::to(plain.address.as_str())
    };
    let reply = ask(&CardChannel::new(settings).unwrap(), &authorization(1)).await;
    assert_eq!((reply.sent, reply.answer), (false, Answer::Unknown), "{reply:?}");
    assert!(plain.books().is_empty());
}

#[tokio::test]
async fn whoever_has_to_prove_themselves_does_or_nothing_is_done() {
    let (files, folder) = (Files::new(), tempfile::tempdir().unwrap());
    let ca = files.at("good-ca.pem");
    let institution = files.institution(folder.path(), "server", &["--client-ca", ca.to_str().unwrap()]);
    for (own, n, good) in
        [(files.own("client"), 1, true), (files.own("stranger"), 2, false), (None, 3, false)]
    {
        // A sign-on has it known before anything is asked.
        for sign_on in [true, false] {
            let tls = CardTls { own: own.clone(), ..files.trusting("good-ca.pem") };
            let request = authorization(n);
            let reply = ask(&channel(&institution.address, Some(tls), sign_on), &request).await;
            let expected = if good { approved(&request) } else { Answer::Unknown };
            assert_eq!(reply.answer, expected, "{own:?} {reply:?}");
            assert!(good || !sign_on || !reply.sent, "{reply:?}");
        }
    }
    assert_eq!(institution.books().len(), 1);
}

#[test]
fn files_that_are_none_are_named_before_anybody_is_asked() {
    let files = Files::new();
    let of = |tls: CardTls| {
        let settings = CardSettings { tls: Some(tls), ..CardSettings::to("127.0.0.1:1") };
        CardChannel::new(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let good = || files.trusting("good-ca.pem");
    assert_eq!(of(good()), "");
    for (tls, expected) in [
        (files.trusting("none.pem"), "none.pem"),
        (files.trusting("server.key"), "no certificate in PEM"),
        (
            CardTls { own: Some((files.at("client.pem"), files.at("server.key"))), ..good() },
            "don't go together",
        ),
        (CardTls { own: Some((files.at("client.pem"), files.at("client.pem"))), ..good() }, "no private key"),
        (CardTls { name: Some("a b".to_owned()), ..good() }, "`a b` is no name of a server"),
    ] {
        let said = of(tls);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
