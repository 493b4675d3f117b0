//! The console and what it asks: a page that can't be turned against its reader, and answers for those who may.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidecar::{Answer, Sidecar, payment};

/// A card number, as nothing may ever show it.
const PAN: &str = "4111111111111111";
const PARTS: [&str; 9] = [
    "console.css",
    "console.js",
    "server.js",
    "markup.js",
    "figures.js",
    "decisions.js",
    "lists.js",
    "reviews.js",
    "icon.svg",
];

/// Keys of two merchants, of a gateway, of somebody who edits lists, of the operator, and of an operator of one merchant.
fn keys() -> tempfile::NamedTempFile {
    use sha2::Digest;
    let mut text = String::new();
    for (name, merchant, scopes) in [
        ("m1", "m1", "score"),
        ("m2", "m2", "score"),
        ("gateway", "", "score"),
        ("lists", "", "lists"),
        ("operator", "", "admin"),
        ("m1-operator", "m1", "admin"),
    ] {
        let sha256: String =
            sha2::Sha256::digest(format!("key-{name}")).iter().map(|b| format!("{b:02x}")).collect();
        text += &format!("[[key]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [\"{scopes}\"]\n");
        if !merchant.is_empty() {
            text += &format!("merchant = \"{merchant}\"\n");
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn with_keys() -> (Sidecar, tempfile::NamedTempFile) {
    let file = keys();
    (Sidecar::start(&["--config", &file.path().display().to_string()]), file)
}

fn by(sidecar: &Sidecar, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let key = format!("Bearer key-{key}");
    sidecar.admin(method, path, &[("authorization", &key)], body)
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let all = json["decisions"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    all.iter().map(|d| d["decision"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_page_needs_nothing_but_this_server() {
    let sidecar = Sidecar::start(&[]);
    let page = sidecar.admin("GET", "/console", &[], "");
    let mut all = vec![("page.html", "text/html; charset=utf-8", page.clone())];
    for name in PARTS {
        let kind = match name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        all.push((name, kind, sidecar.admin("GET", &format!("/console/{name}"), &[], "")));
    }
    for (name, kind, answer) in &all {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(*kind)), "{name}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{name}");
        let policy: BTreeSet<&str> =
            answer.header("content-security-policy").unwrap().split(';').map(str::trim).collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{name} {directive}");
        }
        // The one address is the name of SVG's elements, which nothing is fetched from, and what curl is told.
        let text = answer.body.replace("http://www.w3.org/2000/svg", "").replace("http://localhost", "");
        assert!(!text.contains("https://") && !text.contains("http://") && !text.contains("url("), "{name}");
        assert!(!text.contains("@import") && !text.contains("src=\"//"), "{name}");
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
            assert!(!text.contains(sink), "{name} {sink}");
        }
        for store in ["localStorage", "sessionStorage", "document.cookie", "indexedDB", "history."] {
            assert!(!text.contains(store), "{name} {store}");
        }
    }
    // What the policy would keep from running or being looked at is not there to begin with.
    for inline in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!page.body.contains(inline), "{inline}");
    }
    // What the page and its scripts name is there, and what is there is named.
    let named: String = all.iter().map(|(_, _, answer)| answer.body.as_str()).collect();
    for name in PARTS {
        assert!(
            named.contains(&format!("console/{name}\"")) || named.contains(&format!("./{name}\"")),
            "{name}"
        );
    }
    for missing in ["/console/", "/console/page.html", "/console/..%2fmod.rs", "/console/console.js/x"] {
        assert_eq!(sidecar.admin("GET", missing, &[], "").status, 404, "{missing}");
    }
    assert_eq!(sidecar.admin("POST", "/console", &[], "").status, 405);
    let open = sidecar.admin("GET", "/openapi.json", &[], "").json();
    for path in
        ["/console", "/console/{file}", "/v1/decisions", "/v1/stats", "/v1/lists", "/v1/lists/{name}/lookup"]
    {
        assert!(open["paths"][path].is_object(), "{path}");
    }
}

#[test]
fn the_main_listener_has_the_page_only_where_it_is_told_to() {
    let apart = Sidecar::start(&[]);
    for path in ["/console", "/console/console.js", "/v1/stats", "/v1/lists"] {
        assert_eq!(apart.ask("GET", path, &[], "").status, 404, "{path}");
    }
    let together = Sidecar::start(&["--set", "admin_on_main=true"]);
    for path in ["/console", "/console/console.js", "/v1/stats", "/v1/lists"] {
        assert_eq!(together.ask("GET", path, &[], "").status, 200, "{path}");
    }
}

#[test]
fn the_latest_decisions_come_newest_first_and_within_bounds() {
    let sidecar = Sidecar::start(&["--set", "empty_past=true"]);
    let get = |query: &str| sidecar.admin("GET", &format!("/v1/decisions{query}"), &[], "");
    assert_eq!(get("").json(), json!({"decisions": []}));
    for i in 0..205 {
        assert_eq!(sidecar.post("/v1/score", &payment(&format!("p{i}"))).status, 200);
    }
    let newest = |n: usize| (0..n).map(|i| format!("p{}", 204 - i)).collect::<Vec<_>>();
    assert_eq!(ids(&get("")), newest(50));
    assert_eq!(ids(&get("?limit=3")), newest(3));
    assert_eq!(ids(&get("?limit=200")), newest(200)); // at the limit
    for wrong in ["?limit=201", "?limit=0", "?limit=-1", "?limit=x", "?outcome=maybe", "?outcome="] {
        assert_eq!((get(wrong).status, get(wrong).problem().as_str()), (400, "bad-request"), "{wrong}");
    }
    let answer = get("?limit=1");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let shown = &answer.json()["decisions"][0];
    assert_eq!(shown["amount"], "20.00 USD");
    assert_eq!(shown["at"], "2026-11-23T12:00:00Z");
    assert!(shown.get("key").is_none()); // there are none
    let given: Value = sidecar.ask("GET", "/v1/decisions/p204", &[], "").json();
    assert_eq!(shown["decision"], given);
    // One that is declined: its account is on the list of the built-in rules.
    let declined = r#"{"id":"bad","at":"2026-11-23T12:00:00Z","amount":"20.00","currency":"USD","account":"acc_example_taken_over"}"#;
    assert_eq!(sidecar.post("/v1/score", declined).json()["outcome"], "decline");
    assert_eq!(ids(&get("?outcome=decline")), ["bad"]);
    assert_eq!(sidecar.ask("GET", "/v1/decisions?limit=1", &[], "").json(), get("?limit=1").json());
}

#[test]
fn the_figures_are_those_of_the_metrics() {
    let sidecar = Sidecar::start(&["--set", "reload.watch=false"]);
    let stats = || sidecar.admin("GET", "/v1/stats", &[], "").json();
    let none = stats();
    assert_eq!(
        (&none["since_start"]["payments"], &none["since_start"]["latency"]["score"]["p99_us"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(none["listen"], json!([sidecar.main]));
    assert_eq!(none["takes_payments"], false);
    for i in 0..20 {
        let account = if i < 5 { r#","account":"acc_example_taken_over"}"# } else { "}" };
        let body = payment(&format!("p{i}")).replace('}', account);
        assert_eq!(sidecar.post("/v1/score", &body).status, 200);
    }
    let some = stats();
    for span in ["since_start", "last_minute"] {
        let span = &some[span];
        assert_eq!((&span["payments"], &span["outcomes"]["decline"]), (&json!(20), &json!(5)));
        let hits = span["busiest_rules"].as_array().unwrap();
        let found = hits.iter().find(|busy| busy["rule"] == "account-on-never-list").unwrap();
        assert_eq!(
            (&found["hits"], &found["effect"], &found["shadow"]),
            (&json!(5), &json!("hard decline"), &json!(false))
        );
        for stage in ["parse", "score", "write", "total"] {
            let latency = &span["latency"][stage];
            assert_eq!(latency["count"], 20, "{stage}");
            let at = |p: &str| latency[p].as_f64().unwrap();
            let rising = [at("p50_us"), at("p90_us"), at("p99_us"), at("p99_9_us")];
            assert!(rising[0] > 0.0 && rising.is_sorted(), "{stage} {rising:?}");
        }
    }
    for outcome in ["approve", "challenge", "review", "decline"] {
        let counted = sidecar.metric(&format!("tollgate_decisions_total{{outcome=\"{outcome}\"}}"));
        assert_eq!(some["since_start"]["outcomes"][outcome].as_f64(), Some(counted), "{outcome}");
    }
    let warming = sidecar.metric("tollgate_degraded_total{reason=\"warming\"}");
    assert_eq!(some["since_start"]["degraded"]["warming"].as_f64(), Some(warming));
    let refused: Vec<&String> = some["since_start"]["refused"].as_object().unwrap().keys().collect();
    assert_eq!(refused, ["full", "late", "share", "unrecorded"]);
    assert_eq!(some["pipeline"], sidecar.admin("GET", "/version", &[], "").json()["pipeline"]);
    assert_eq!((&some["reloads"]["unchanged"], &some["reload_stale"]), (&json!(0), &json!(false)));
    assert_eq!(sidecar.admin("PUT", "/v1/pipeline", &[], "").status, 200);
    assert_eq!(stats()["reloads"]["unchanged"], 1);
    assert_eq!(sidecar.admin("PUT", "/v1/pipeline", &[], r#"{"files":{"r.toml":"x"}}"#).status, 422);
    assert_eq!((&stats()["reloads"]["failed"], &stats()["reload_stale"]), (&json!(1), &json!(true)));
}

#[test]
fn keys_open_what_their_scopes_and_merchant_say() {
    let (sidecar, _file) = with_keys();
    for (key, method, path, status) in [
        ("m1", "GET", "/v1/decisions", 200),
        ("lists", "GET", "/v1/decisions", 403),
        ("operator", "GET", "/v1/decisions", 200),
        ("stranger", "GET", "/v1/decisions", 401),
        ("gateway", "GET", "/v1/stats", 200),
        ("operator", "GET", "/v1/stats", 200),
        ("m1", "GET", "/v1/stats", 403),
        ("m1-operator", "GET", "/v1/stats", 403),
        ("lists", "GET", "/v1/stats", 403),
        ("stranger", "GET", "/v1/stats", 401),
        ("lists", "GET", "/v1/lists", 200),
        ("gateway", "GET", "/v1/lists", 403),
        ("lists", "POST", "/v1/lists/never/lookup", 200),
        ("gateway", "POST", "/v1/lists/never/lookup", 403),
        ("stranger", "GET", "/console", 200),
    ] {
        let body = if method == "POST" { r#"{"value":"x"}"# } else { "" };
        assert_eq!(by(&sidecar, key, method, path, body).status, status, "{key} {path}");
    }
    for path in ["/v1/decisions", "/v1/stats", "/v1/lists"] {
        assert_eq!(sidecar.admin("GET", path, &[], "").problem(), "no-key", "{path}");
    }
}

#[test]
fn a_merchant_sees_its_own_decisions_alone() {
    let (sidecar, _file) = with_keys();
    for (key, id) in [("m1", "a"), ("m2", "b"), ("gateway", "c"), ("m1", "d"), ("m1-operator", "e")] {
        let key = format!("Bearer key-{key}");
        assert_eq!(sidecar.ask("POST", "/v1/score", &[("authorization", &key)], &payment(id)).status, 200);
    }
    for (key, expected) in [
        ("m1", &["d", "a"][..]),
        ("m2", &["b"]),
        ("gateway", &["c"]),
        ("m1-operator", &["e"]),
        ("operator", &["e", "d", "c", "b", "a"]),
    ] {
        assert_eq!(ids(&by(&sidecar, key, "GET", "/v1/decisions", "")), expected, "{key}");
        let bearer = format!("Bearer key-{key}");
        let main = sidecar.ask("GET", "/v1/decisions", &[("authorization", &bearer)], "");
        assert_eq!(ids(&main), expected, "{key}");
    }
    let all = by(&sidecar, "operator", "GET", "/v1/decisions", "").json();
    assert_eq!((&all["decisions"][3]["key"], &all["decisions"][3]["merchant"]), (&json!("m2"), &json!("m2")));
    let other = by(&sidecar, "m1", "POST", "/v1/explain", &payment("x").replace('}', r#","merchant":"m2"}"#));
    assert_eq!(other.problem(), "not-allowed");
}

#[test]
fn lists_are_named_and_values_looked_up() {
    let sidecar = Sidecar::start(&[]);
    let lists = sidecar.admin("GET", "/v1/lists", &[], "").json();
    let never = lists["lists"].as_array().unwrap().iter().find(|l| l["list"] == "never").unwrap().clone();
    assert_eq!(never["kind"], "token");
    let lookup = |list: &str, value: &str| {
        let body = json!({ "value": value }).to_string();
        sidecar.admin("POST", &format!("/v1/lists/{list}/lookup"), &[], &body)
    };
    assert_eq!(lookup("never", "acc-9").json(), json!({"list": "never", "listed": false}));
    let put = |list: &str, item: Value| {
        sidecar.admin("PUT", &format!("/v1/lists/{list}/items"), &[], &item.to_string()).status
    };
    assert_eq!(put("never", json!({"value": "acc-9", "reason": "told", "source": "test"})), 200);
    let found = json!({"list": "never", "listed": true, "item": {"value": "acc-9", "reason": "told", "source": "test"}});
    assert_eq!(lookup("never", " acc-9 ").json(), found);
    assert_eq!(put("never", json!({"value": "acc-8", "expires": "2020-01-01T00:00:00Z"})), 200);
    assert_eq!(lookup("never", "acc-8").json()["listed"], false); // no longer
    // An address is listed by the block it is in.
    assert_eq!(put("proxy_nets", json!({"value": "198.18.7.0/24"})), 200);
    assert_eq!(lookup("proxy_nets", "198.18.7.9").json()["item"]["value"], "198.18.7.0/24");
    for (list, value, status) in [
        ("proxy_nets", "198.18.7.0/24", 422),
        ("proxy_nets", "nowhere", 422),
        ("high_risk_bins", "41x", 422),
        ("never", "", 422),
        ("never", PAN, 422),
        ("nver", "x", 404),
    ] {
        let answer = lookup(list, value);
        assert_eq!(answer.status, status, "{list} {value}");
        assert!(!answer.body.contains(PAN), "{list} {value}");
    }
    assert_eq!(sidecar.admin("POST", "/v1/lists/never/lookup", &[], "{}").problem(), "bad-request");
}

#[test]
fn what_payments_say_comes_out_as_json_and_no_card_number_does() {
    let sidecar = Sidecar::start_with(&[], &[("TOLLGATE_TOKEN_KEY", &format!("k1:{}", "07".repeat(32)))]);
    let markup = "<img src=x onerror=alert(1)>\"'&</script>";
    let body = |id: &str, merchant: &str, card: &str| {
        json!({"id": id, "at": "2026-11-23T12:00:00Z", "amount": "20.00", "currency": "USD", "merchant": merchant, "channel": "card", "card": card})
            .to_string()
    };
    assert_eq!(sidecar.post("/v1/score", &body(markup, markup, PAN)).status, 200);
    // Where no card number belongs none is taken, or it is told as something else.
    sidecar.post("/v1/score", &body(PAN, "m", "tok_1"));
    sidecar.post("/v1/score", &body("p", PAN, "tok_1"));
    let answer = sidecar.admin("GET", "/v1/decisions", &[], "");
    let json = answer.json();
    let shown = json["decisions"].as_array().unwrap();
    let marked = shown.iter().find(|d| d["decision"]["id"] == markup).unwrap();
    assert_eq!(marked["merchant"], markup);
    for path in ["/v1/decisions", "/v1/stats", "/v1/lists", "/console"] {
        let answer = sidecar.admin("GET", path, &[], "");
        assert!(!answer.body.contains(PAN), "{path}");
    }
    let explained = sidecar.admin("POST", "/v1/explain", &[], &body("x", "m", PAN));
    assert_eq!(explained.status, 200);
    assert!(!explained.body.contains(PAN));
    assert!(!sidecar.log().contains(PAN));
}
