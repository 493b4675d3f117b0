//! Nobody gets at another merchant's: every route of openapi.json, by every method, with every scope, at both listeners.
//!
//! What is another merchant's and what is nobody's are asked for side by side: the answers can't be told apart, and
//! afterwards everything is as it was. A route that is not in [`ROUTES`] fails the test until somebody says whose
//! what it names is.
#![cfg(feature = "serve")]

use std::net::TcpStream;

use institution::Institution;
use rules::{DOUBTFUL, ODD};
use serde_json::{Value, json};
use sidecar::{Answer, Sidecar, TOKEN_KEY};

#[path = "support/institution.rs"]
mod institution;
#[path = "support/rules.rs"]
mod rules;
#[path = "support/sidecar.rs"]
mod sidecar;

const OWNER: &str = "merchant-one";
const SCOPES: [&str; 6] = ["score", "settle", "pay", "review", "lists", "admin"];
/// `HEAD` is none of any route, and its answers have no body to compare.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The key of requests that the owner has had answered.
const ANSWERED: (&str, &str) = ("idempotency-key", "kept");

/// The doubtful rule's.
const BRAKE: &str = "brake = '50% of payments in 5m'\n";

/// Authorizations of an amount that ends so are never answered.
const SCRIPT: &str = "[[rule]]\namount_ends = '77'\nthen = 'lost'\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Order,
    Payment,
    Account,
    Decision,
    Checkout,
}

/// Whose is what a route names?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// One merchant's, in its path or its body: whoever else asks does not find it.
    Merchants(Kind),
    /// Each merchant has names of its own there: whoever else asks comes to an own one.
    Own(Kind),
    /// The house's, here one that is there: whoever has not the scope learns nothing.
    House(&'static str),
    /// It names nothing, or what everybody may see.
    Nothing,
}

use Kind::{Account, Checkout, Decision, Order, Payment};
use Whose::{House, Merchants, Nothing, Own};

/// Every path of openapi.json, with a body for those that take one: `ID` stands for what it names.
const ROUTES: &[(&str, Whose, &str)] = &[
    ("/v1/orders", Own(Order), r#"{"id":"ID","amount":"9.00 EUR"}"#),
    ("/v1/orders/{id}", Merchants(Order), ""),
    (
        "/v1/payments",
        Merchants(Order),
        r#"{"order":"ID","attempt":2,"method":"card","card":{"number":"4111 1111 1111 1111","expiry":"09/28"}}"#,
    ),
    ("/v1/payments/{id}", Merchants(Payment), ""),
    ("/v1/payments/{id}/capture", Merchants(Payment), "{}"),
    ("/v1/payments/{id}/void", Merchants(Payment), "{}"),
    ("/v1/payments/{id}/refunds", Merchants(Payment), r#"{"id":"r1","amount":"1.00 EUR"}"#),
    ("/v1/payments/{id}/challenge", Merchants(Payment), r#"{"code":"123456"}"#),
    ("/v1/payments/{id}/review", Merchants(Payment), r#"{"decision":"decline"}"#),
    (
        "/v1/payments/{id}/disputes",
        Merchants(Payment),
        r#"{"id":"d1","event":"opened","kind":"fraud","amount":"1.00 EUR"}"#,
    ),
    ("/v1/payments/{id}/resolve", Merchants(Payment), r#"{"took_effect":true,"operator":"eve"}"#),
    ("/v1/accounts/{id}/authenticator", Own(Account), ""),
    ("/v1/decisions/{id}", Merchants(Decision), ""),
    ("/v1/settlements", Merchants(Decision), r#"{"id":"ID","status":"declined"}"#),
    (
        "/signifyd/{path}",
        Merchants(Checkout),
        r#"{"checkoutId":"ID","transactions":[{"gatewayStatusCode":"FAILURE"}]}"#,
    ),
    ("/v1/lists/{name}/items", House("watched"), r#"{"value":"203.0.113.9"}"#),
    ("/v1/lists/{name}/lookup", House("watched"), r#"{"value":"203.0.113.7"}"#),
    ("/v1/brakes/{rule}", House("doubtful"), ""),
    // Without a key: what it names is in its signature.
    ("/v1/callbacks/{channel}", Nothing, "{}"),
    ("/v1/score", Nothing, "{}"),
    ("/v1/score:batch", Nothing, "{}"),
    ("/v1/explain", Nothing, "{}"),
    ("/v1/reviews", Nothing, ""),
    ("/v1/disputes/figures", Nothing, ""),
    ("/v1/decisions", Nothing, ""),
    ("/v1/stats", Nothing, ""),
    ("/v1/lists", Nothing, ""),
    ("/v1/pipeline", Nothing, "{"),
    ("/v1/brakes", Nothing, ""),
    ("/authz/{path}", Nothing, "{}"),
    ("/livez", Nothing, ""),
    ("/readyz", Nothing, ""),
    ("/metrics", Nothing, ""),
    ("/version", Nothing, ""),
    ("/openapi.json", Nothing, ""),
    ("/console", Nothing, ""),
    ("/console/{file}", Nothing, ""),
];

/// The methods of a path, each with the scope that a key needs.
type Operations = Vec<(String, Option<String>)>;

/// A house with two merchants, and what the first of them has.
struct Premises {
    _dir: tempfile::TempDir,
    institution: Institution,
    codes: std::path::PathBuf,
    sidecar: Sidecar,
    theirs: Vec<(Kind, String)>,
}

fn digest(key: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect()
}

/// The keys of the second merchant: one of each scope, and one of all.
fn keys() -> Vec<(String, Vec<&'static str>)> {
    let single = SCOPES.iter().map(|scope| (format!("two-{scope}"), vec![*scope]));
    single.chain([("two-all".to_owned(), SCOPES.to_vec())]).collect()
}

impl Premises {
    fn open() -> Premises {
        let dir = tempfile::tempdir().unwrap();
        let institution = Institution::start("card", dir.path(), Some(SCRIPT), &[]);
        std::fs::create_dir_all(dir.path().join("rules/lists")).unwrap();
        std::fs::write(dir.path().join("rules/rules.toml"), [DOUBTFUL, BRAKE, ODD].concat()).unwrap();
        let list = "kind = \"ip\"\nabout = \"of a test\"\nitems = [\"203.0.113.7\"]\n";
        std::fs::write(dir.path().join("rules/lists/watched.toml"), list).unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut text = format!(
            "rules = '{}'\nempty_past = true\n[journal]\ndir = '{}'\n[payments]\ndir = '{}'\ncodes = '{}'\n\
             ask_again = '1h'\nask_again_max = '1h'\n[[payments.merchant]]\nid = '{OWNER}'\ncapture = 'manual'\n\
             [[payments.channel]]\nname = 'acquirer'\ndeadline = '5s'\ncard.address = '{}'\n",
            at("rules"),
            at("journal"),
            at("payments"),
            at("codes.jsonl"),
            institution.address
        );
        let mut key = |name: &str, merchant: &str, scopes: &[&str]| {
            let sha256 = digest(name);
            text +=
                &format!("[[key]]\nname = '{name}'\nsha256 = '{sha256}'\n{merchant}scopes = {scopes:?}\n");
        };
        key("one", &format!("merchant = '{OWNER}'\n"), &SCOPES[..4]);
        key("boss", "", &["review", "admin"]);
        keys().iter().for_each(|(name, scopes)| key(name, "merchant = 'merchant-two'\n", scopes));
        std::fs::write(dir.path().join("serve.toml"), text).unwrap();
        let sidecar = Sidecar::start_with(&["--config", &at("serve.toml")], &[TOKEN_KEY]);
        let codes = dir.path().join("codes.jsonl");
        let mut house = Premises { _dir: dir, institution, codes, sidecar, theirs: Vec::new() };
        house.furnish();
        house
    }

    fn own(&self, method: &str, path: &str, body: &str) -> Answer {
        self.sidecar.ask(method, path, &[("x-api-key", "one")], body)
    }

    /// What the first merchant has: a payment in each state in which something may be done about it, and the rest.
    fn furnish(&mut self) {
        for (order, amount, os, state, acts) in [
            ("order-captured", "10.00 EUR", "plain", "captured", &["capture"][..]),
            ("order-authorized", "10.00 EUR", "plain", "authorized", &[]),
            ("order-challenged", "10.00 EUR", "doubtful", "challenged", &[]),
            ("order-held", "10.00 EUR", "odd", "review_held", &[]),
            ("order-unknown", "10.77 EUR", "plain", "unknown", &[]),
            ("order-voided", "10.00 EUR", "plain", "voided", &["void"]),
        ] {
            let created = json!({ "id": order, "amount": amount }).to_string();
            assert_eq!(self.own("POST", "/v1/orders", &created).status, 201);
            let body = json!({
                "order": order, "method": "card", "phone": "+8613800000000", "facts": { "device_os": os },
                "card": { "number": "4111 1111 1111 1111", "expiry": "09/28", "cvv": "123" },
            });
            let paid = self.own("POST", "/v1/payments", &body.to_string()).json();
            let id = paid["id"].as_str().unwrap_or_else(|| panic!("{order}: {paid}")).to_owned();
            for act in acts {
                let headers = [("x-api-key", "one"), ANSWERED];
                let done = self.sidecar.ask("POST", &format!("/v1/payments/{id}/{act}"), &headers, "{}");
                assert_eq!(done.status, 200, "{act}: {done:?}");
            }
            assert_eq!(self.own("GET", &format!("/v1/payments/{id}"), "").json()["state"], state, "{order}");
            self.theirs.extend([(Order, order.to_owned()), (Payment, id)]);
        }
        assert_eq!(self.own("POST", "/v1/accounts/annette/authenticator", "").status, 201);
        self.theirs.push((Account, "annette".to_owned()));
        assert_eq!(self.own("POST", "/v1/score", &sidecar::payment("scored-1")).status, 200);
        self.theirs.push((Decision, "scored-1".to_owned()));
        let sale = json!({ "checkoutId": "checkout-1",
            "purchase": { "createdAt": "2026-11-23T12:00:00Z", "totalPrice": 10, "currency": "EUR" } });
        let sold = self.own("POST", "/signifyd/v3/orders/events/checkouts", &sale.to_string());
        assert_eq!(sold.status, 200, "{sold:?}");
        self.theirs.push((Checkout, "checkout-1".to_owned()));
    }

    /// All that the owner, the house and the institution see.
    fn seen(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for (kind, id) in &self.theirs {
            let path = match kind {
                Order => format!("/v1/orders/{id}"),
                Payment => format!("/v1/payments/{id}"),
                Account => format!("/v1/accounts/{id}/authenticator"),
                Decision | Checkout => format!("/v1/decisions/{id}"),
            };
            let answer = self.own("GET", &path, "");
            assert_eq!(answer.status, 200, "{path}");
            seen.push(answer.body);
        }
        for path in ["/v1/reviews", "/v1/disputes/figures", "/v1/decisions"] {
            seen.push(self.own("GET", path, "").body);
        }
        let boss = [("x-api-key", "boss")];
        for path in ["/v1/lists", "/v1/lists/watched/items", "/v1/brakes"] {
            seen.push(self.sidecar.admin("GET", path, &boss, "").body);
        }
        let settled = "tollgate_settlements_total";
        let metrics = self.sidecar.admin("GET", "/metrics", &[], "").body;
        seen.extend(metrics.lines().filter(|line| line.starts_with(settled)).map(str::to_owned));
        seen.extend(self.institution.books().iter().map(Value::to_string));
        seen.push(std::fs::read_to_string(&self.codes).unwrap());
        seen
    }

    /// The paths of openapi.json, each with its methods and the scope that a key needs.
    fn document(&self) -> Vec<(String, Operations)> {
        let document = self.sidecar.admin("GET", "/openapi.json", &[], "").json();
        let scope = |operation: &Value| {
            let said = operation["description"].as_str()?.split('`').nth(1)?;
            assert!(SCOPES.contains(&said), "{said} is a scope that no key here has");
            Some(said.to_owned())
        };
        let methods = |path: &Value| {
            let all = path.as_object().unwrap().iter();
            all.map(|(name, operation)| (name.to_ascii_uppercase(), scope(operation))).collect()
        };
        let paths = document["paths"].as_object().unwrap();
        paths.iter().map(|(path, operations)| (path.clone(), methods(operations))).collect()
    }
}

/// A door, by a connection that stays.
struct Door<'a> {
    address: &'a str,
    socket: Option<TcpStream>,
}

impl Door<'_> {
    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let socket = self.socket.get_or_insert_with(|| sidecar::connect(self.address));
        let answer = sidecar::ask_on(socket, method, path, headers, body.as_bytes());
        if answer.header("connection") == Some("close") {
            self.socket = None;
        }
        answer
    }
}

/// An id that nobody has, as long as this one.
fn nobodys(id: &str) -> String {
    let last = if id.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &id[..id.len() - 1])
}

/// An answer without its times, the id that was asked for, and what is drawn anew for each authenticator.
fn plain(answer: &Answer, id: &str) -> (u16, Vec<String>, String) {
    let mut own = false;
    let mut body = answer.body.replace(id, "ID");
    if let Ok(Value::Object(mut json)) = serde_json::from_str(&answer.body) {
        for name in ["secret", "otpauth_uri", "created_at"] {
            own |= json.remove(name).is_some();
        }
        body = Value::Object(json).to_string().replace(id, "ID");
    }
    let head = answer.head.to_ascii_lowercase();
    let head = head
        .lines()
        .filter(|line| !(line.starts_with("date:") || own && line.starts_with("content-length:")));
    (answer.status, head.map(str::to_owned).collect(), body)
}

#[test]
fn what_is_another_merchants_is_as_what_is_nobodys() {
    let house = Premises::open();
    let mut document = house.document();
    // Whoever has made an own one finds it: those come last.
    let whose = |path: &str| ROUTES.iter().find(|(known, ..)| *known == path).map(|(_, whose, _)| *whose);
    document.sort_by_key(|(path, _)| matches!(whose(path), Some(Own(_))));
    for (path, _, _) in ROUTES {
        assert!(document.iter().any(|(known, _)| known == path), "{path} is not in openapi.json");
    }
    let before = house.seen();
    let mut roles = keys();
    roles.extend([("nobody".to_owned(), vec![]), (String::new(), vec![])]);
    let mut pairs = 0;
    for (path, operations) in &document {
        let found = ROUTES.iter().find(|(known, _, _)| known == path);
        let Some((_, whose, body)) = found else {
            panic!("{path} is in openapi.json and not in ROUTES: say whose what it names is");
        };
        let theirs: Vec<&str> = match whose {
            Merchants(kind) | Own(kind) => {
                house.theirs.iter().filter(|(known, _)| known == kind).map(|(_, id)| id.as_str()).collect()
            }
            House(name) => vec![name],
            Nothing => continue,
        };
        assert!(!theirs.is_empty(), "the first merchant has no {whose:?}");
        for (door, address) in [("main", &house.sidecar.main), ("admin", &house.sidecar.admin)] {
            let mut open = Door { address, socket: None };
            for (method, (role, scopes)) in METHODS.iter().flat_map(|m| roles.iter().map(move |r| (m, r))) {
                let operation = operations.iter().find(|(known, _)| known == method);
                let may = operation.is_some_and(|(_, scope)| {
                    scope.as_deref().is_none_or(|scope| scopes.contains(&scope) || scopes.contains(&"admin"))
                });
                // Whoever may see what is the house's sees it.
                if matches!(whose, House(_)) && may {
                    continue;
                }
                // With the owner's key again, but where that would be one of the caller's own.
                let repetitions = if matches!(whose, Own(_)) { &[false][..] } else { &[false, true] };
                for (id, repeated) in
                    theirs.iter().flat_map(|id| repetitions.iter().map(move |again| (id, *again)))
                {
                    let mut headers = vec![];
                    if !role.is_empty() {
                        headers.push(("x-api-key", role.as_str()));
                    }
                    if repeated {
                        headers.push(ANSWERED);
                    }
                    let mut ask = |id: &str| {
                        let path = path.replace("{path}", "v3/orders/events/transactions");
                        let path =
                            ["{id}", "{name}", "{rule}"].iter().fold(path, |p, name| p.replace(name, id));
                        assert!(!path.contains('{'), "{path}: what stands in the braces is not known");
                        plain(&open.ask(method, &path, &headers, &body.replace("ID", id)), id)
                    };
                    let (one, other) = (ask(id), ask(&nobodys(id)));
                    let place = format!("{method} {path} of {id} as `{role}` at {door}");
                    assert_eq!(one, other, "{place}: they can be told apart");
                    match whose {
                        Merchants(_) if may && door == "main" => {
                            // Hyperswitch's route wants the scope of settlements besides.
                            let wanted = *path == "/signifyd/{path}" && scopes == &["score"];
                            let expected: &[u16] = if wanted { &[403] } else { &[404] };
                            assert!(expected.contains(&one.0), "{place}: {one:?}");
                        }
                        Own(_) => {}
                        _ => assert!([401, 403, 404, 405].contains(&one.0), "{place}: {one:?}"),
                    }
                    pairs += 1;
                }
            }
        }
    }
    assert!(pairs > 5_000, "{pairs}");
    assert_eq!(house.seen(), before, "something has changed");
}

#[test]
fn what_is_asked_for_there_is_found_by_whose_it_is() {
    let house = Premises::open();
    for (path, whose, body) in ROUTES {
        let Merchants(kind) = whose else { continue };
        for (_, id) in house.theirs.iter().filter(|(known, _)| known == kind) {
            let at = path.replace("{id}", id).replace("{path}", "v3/orders/events/transactions");
            let method = if body.is_empty() { "GET" } else { "POST" };
            let answer = house.sidecar.ask(method, &at, &[("x-api-key", "one")], &body.replace("ID", id));
            // It is done, or refused for what it is: what is above is no test of ids or bodies that are none.
            assert!([200, 201, 409, 422].contains(&answer.status), "{at}: {answer:?}");
        }
    }
}

#[test]
fn lists_of_things_name_none_of_another_merchants() {
    let house = Premises::open();
    let mut asked = 0;
    for (path, operations) in house.document() {
        if path.contains('{') || !operations.iter().any(|(method, _)| method == "GET") {
            continue;
        }
        for address in [&house.sidecar.main, &house.sidecar.admin] {
            for (role, _) in keys() {
                let answer = sidecar::ask(address, "GET", &path, &[("x-api-key", role.as_str())], b"");
                let mut named = house.theirs.iter().map(|(_, id)| id.as_str()).chain([OWNER]);
                if let Some(id) = named.find(|id| answer.body.contains(id)) {
                    panic!("GET {path} as `{role}` names {id}: {}", answer.body);
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 100, "{asked}");
    // The same names are there for whom they are.
    let own = house.own("GET", "/v1/reviews", "").body;
    assert!(own.contains("pay_") && own.contains(OWNER), "{own}");
    assert!(house.own("GET", "/v1/decisions", "").body.contains("scored-1"));
}
