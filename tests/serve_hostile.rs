//! The sidecar under clients that mean harm: slow ones, oversized ones, those that smuggle, and card numbers
//! wherever a text can stand.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sidecar::{Sidecar, connect, payment, read_answer};

/// Card numbers that pass Luhn, in the forms they are written in.
const CANARIES: [&str; 4] =
    ["4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005"];
/// What must stand nowhere.
const TRACES: [&str; 4] = ["4242424242424242", "4242 4242 4242", "4242-4242-4242", "378282246310005"];

/// Quick to lose patience.
fn strict() -> Sidecar {
    Sidecar::start(&[
        "--set",
        "timeouts.header=\"300ms\"",
        "--set",
        "timeouts.body=\"300ms\"",
        "--set",
        "timeouts.write=\"300ms\"",
        "--set",
        "limits.header_bytes=8192",
    ])
}

/// How long until the other side ends the connection, and what it said.
fn until_closed(mut socket: TcpStream) -> (Duration, String) {
    let (start, mut said) = (Instant::now(), Vec::new());
    // A reset is an end too.
    let _ = socket.read_to_end(&mut said);
    (start.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

fn serves(sidecar: &mut Sidecar) {
    assert!(sidecar.running());
    assert_eq!(sidecar.post("/v1/score", &payment("good")).status, 200);
}

#[test]
fn slow_clients_lose_their_connection() {
    let mut sidecar = strict();
    let soon = Duration::from_secs(3);
    let begins = |bytes: &[u8]| {
        let mut socket = sidecar.connect();
        socket.write_all(bytes).unwrap();
        until_closed(socket)
    };
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("a part of the preface", b"PRI * HTT"),
        ("a part of the headers", b"POST /v1/score HTTP/1.1\r\nhost: x\r\n"),
    ] {
        let (took, _) = begins(bytes);
        assert!(took < soon, "{what}: {took:?}");
    }
    let (took, said) = begins(b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"id\":");
    assert!(took < soon && said.contains("408") && said.contains("too-slow"), "{took:?} {said}");
    let (took, said) =
        begins(b"POST /v1/score:batch HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"id\":");
    assert!(took < soon && said.contains("too-slow"), "{took:?} {said}");

    // A byte now and then is no progress towards the end of the headers.
    let mut drip = sidecar.connect();
    let start = Instant::now();
    let ended = b"POST /v1/score HTTP/1.1\r\nx-a: ".iter().chain(std::iter::repeat(&b'a')).any(|byte| {
        std::thread::sleep(Duration::from_millis(30));
        drip.write_all(&[*byte]).is_err() || start.elapsed() > soon
    });
    assert!(ended && start.elapsed() < soon, "{:?}", start.elapsed());
    serves(&mut sidecar);
}

#[test]
fn a_client_that_reads_nothing_loses_its_connection() {
    let mut sidecar = strict();
    let mut socket = sidecar.connect();
    socket.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let row = payment("never-read") + "\n";
    let rows = row.repeat(200_000);
    let head = format!("POST /v1/score:batch HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", rows.len());
    socket.write_all(head.as_bytes()).unwrap();
    let start = Instant::now();
    let stuck = socket.write_all(rows.as_bytes()).is_err();
    assert!(stuck, "it must not take all of a request whose answer is not read");
    let open = || sidecar.metric("tollgate_connections");
    while open() > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the connection stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    serves(&mut sidecar);
}

#[test]
fn oversized_heads_are_refused() {
    let mut sidecar = strict();
    let long = "a".repeat(9_000);
    let many: String = (0..65).map(|i| format!("x-{i}: 1\r\n")).collect();
    for head in [
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
    ] {
        let mut socket = sidecar.connect();
        socket.write_all(head.as_bytes()).unwrap();
        let (_, said) = until_closed(socket);
        assert!(said.starts_with("HTTP/1.1 431") || said.starts_with("HTTP/1.1 414"), "{said}");
    }
    let at: String = (0..63).map(|i| format!("x-{i}: 1\r\n")).collect();
    let mut socket = sidecar.connect();
    socket.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\n{at}\r\n").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut socket).unwrap().status, 404); // at the limit
    serves(&mut sidecar);
}

#[test]
fn requests_that_can_be_read_in_two_ways_end_the_connection() {
    let mut sidecar = strict();
    let body = payment("smuggled");
    let n = body.len();
    let next = "GET /second HTTP/1.1\r\nhost: x\r\n\r\n";
    let cases = [
        format!("content-length: {n}\r\ncontent-length: {}\r\n\r\n{body}{next}", n + 1),
        format!("content-length: {n}, {}\r\n\r\n{body}{next}", n + 1),
        format!("content-length: +{n}\r\n\r\n{body}{next}"),
        format!("content-length: -1\r\n\r\n{body}{next}"),
        format!("content-length: 0x10\r\n\r\n{body}{next}"),
        format!("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("transfer-encoding: identity\r\ncontent-length: {n}\r\n\r\n{body}{next}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("transfer-encoding: xchunked\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("x: y\r\n folded: 1\r\ncontent-length: {n}\r\n\r\n{body}{next}"),
        format!("content-length : {n}\r\n\r\n{body}{next}"),
        format!("transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{body}\r\n0\r\n\r\n{next}"),
        format!("transfer-encoding: chunked\r\n\r\n{n:x}\r\n{body}XX0\r\n\r\n{next}"),
    ];
    for case in cases {
        let mut socket = sidecar.connect();
        socket.write_all(format!("POST /v1/score HTTP/1.1\r\nhost: x\r\n{case}").as_bytes()).unwrap();
        let (_, said) = until_closed(socket);
        let answers = said.matches("HTTP/1.1 ").count();
        assert!(answers <= 1 && !said.contains("/second") && !said.contains("not-found"), "{case:?}\n{said}");
    }
    serves(&mut sidecar);
}

#[test]
fn bombs_are_refused_quickly() {
    let mut sidecar = strict();
    let deep = format!("{{\"a\":{}", "[".repeat(30_000));
    let nested = "{\"a\":".repeat(10_000);
    let many: String = (0..6_000).map(|i| format!("\"k{i}\":1,")).collect();
    let form = "a=1&".repeat(10_000);
    for (path, body) in [
        ("/v1/score", deep.as_str()),
        ("/v1/score", &nested),
        ("/v1/score", &format!("{{{many}\"z\":1}}")),
        ("/v1/score", &format!("{{\"amount\":{}}}", "9".repeat(60_000))),
        ("/v1/score", &format!("{{\"amount\":1,{}}}", "\"amount\":1,".repeat(2))),
        ("/v1/score", "{\"id\":\"\\ud800\"}"),
        ("/v1/score", "\u{0}"),
        ("/v1/explain", &deep),
        ("/v1/settlements", &deep),
        ("/v1/score:batch", &deep),
        ("/authz", &form),
        ("/authz", &nested),
    ] {
        let start = Instant::now();
        let answer = sidecar.post(path, body);
        assert!(answer.status >= 400 || path.ends_with("batch"), "{path} {answer:?}");
        assert!(start.elapsed() < Duration::from_millis(500), "{path} {:?}", start.elapsed());
    }
    for (path, body) in [("/v1/lists/never/items", &deep), ("/v1/pipeline", &deep), ("/v1/pipeline", &nested)]
    {
        assert_eq!(sidecar.admin("PUT", path, &[], body).status, 400);
    }
    serves(&mut sidecar);
}

#[test]
fn connections_are_limited_in_all_and_for_each_peer() {
    let mut sidecar = Sidecar::start(&["--set", "limits.connections_per_peer=2"]);
    let mut held = [sidecar.connect(), sidecar.connect()];
    for socket in &mut held {
        assert_eq!(sidecar::ask_on(socket, "POST", "/v1/score", &[], payment("c").as_bytes()).status, 200); // at the limit
    }
    let (_, said) = until_closed(sidecar.connect()); // past it
    assert_eq!(said, "");
    assert_eq!(sidecar.metric("tollgate_connections_failed_total{reason=\"peer_limit\"}"), 1.0);
    drop(held);
    let start = Instant::now();
    while sidecar.metric("tollgate_connections") > 0.0 {
        assert!(start.elapsed() < sidecar::PATIENCE);
    }
    serves(&mut sidecar);

    let sidecar = Sidecar::start(&["--set", "limits.connections=1"]);
    let mut first = sidecar.connect();
    assert_eq!(sidecar::ask_on(&mut first, "POST", "/v1/score", &[], payment("c").as_bytes()).status, 200);
    let mut second = sidecar.connect();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let head = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n";
    second.write_all(head).unwrap();
    assert!(read_answer(&mut second).is_none(), "it waits");
    drop(first);
    second.set_read_timeout(Some(sidecar::PATIENCE)).unwrap();
    assert_eq!(read_answer(&mut second).unwrap().status, 404);
}

#[test]
fn no_card_number_gets_out_of_any_field_header_or_query() {
    for key in [
        None,
        Some(("TOLLGATE_TOKEN_KEY", "k1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")),
    ] {
        let variables: Vec<(&str, &str)> = key.into_iter().collect();
        let journal = tempfile::tempdir().unwrap();
        let dir = journal.path().display().to_string();
        let settings = ["--set", "authz.trust_forwarded=true", "--journal", &dir];
        let mut sidecar = Sidecar::start_with(&settings, &variables);
        let mut out = String::new();
        for pan in CANARIES {
            let encoded = pan.replace(' ', "%20");
            let fields = [
                "id",
                "at",
                "amount",
                "currency",
                "merchant",
                "card",
                "account",
                "device",
                "ip",
                "email",
                "user_agent",
                "mcc",
                "card_country",
                "ip_lat",
                "is_guest",
                "status",
                "unknown",
                "items",
            ];
            for field in fields {
                let rest = r#""id":"p","at":"2026-11-23T12:00:00Z","amount":1,"currency":"USD""#;
                for body in [
                    format!(r#"{{"{field}":"{pan}",{rest}}}"#),
                    format!(r#"{{"{field}":"x {pan} y"}}"#),
                    format!(r#"{{"{field}":{{"n":"{pan}"}},{rest}}}"#),
                    format!(r#"{{"{field}":["{pan}"],{rest}}}"#),
                    format!(r#"{{"{pan}":"{field}",{rest}}}"#),
                    format!(r#"{{"{field}":"{pan}"#),
                    pan.to_owned(),
                ] {
                    for path in ["/v1/score", "/v1/explain", "/v1/score:batch", "/authz/x", "/v1/settlements"]
                    {
                        let answer = sidecar.post(path, &body);
                        out.push_str(&answer.head);
                        out.push_str(&answer.body);
                    }
                }
                let form = format!("{field}={encoded}&card[number]={encoded}&amount=1&currency=USD");
                let answer = sidecar.post("/authz/x", &form);
                out.push_str(&(answer.head + &answer.body));
            }
            for header in [
                "idempotency-key",
                "x-request-id",
                "traceparent",
                "x-deadline-ms",
                "x-api-key",
                "authorization",
                "user-agent",
                "x-forwarded-for",
                "x-payment-card",
                "x-payment-id",
                "content-type",
                "content-encoding",
                "cookie",
            ] {
                for path in ["/v1/score", "/authz/x"] {
                    let answer = sidecar.ask("POST", path, &[(header, pan)], &payment("h"));
                    out.push_str(&(answer.head + &answer.body));
                    let answer = sidecar.ask(
                        "GET",
                        "/authz",
                        &[(header, pan), ("x-payment-amount", "1"), ("x-payment-currency", "USD")],
                        "",
                    );
                    out.push_str(&(answer.head + &answer.body));
                }
            }
            for (method, path) in [
                ("GET", format!("/v1/decisions/{encoded}")),
                ("GET", format!("/{encoded}?{encoded}={encoded}")),
                ("POST", format!("/v1/score?card={encoded}")),
                ("POST", format!("/authz/{encoded}?card={encoded}")),
            ] {
                let answer = sidecar.ask(method, &path, &[], "x");
                out.push_str(&(answer.head + &answer.body));
            }
            for (method, path, body) in [
                ("GET", format!("/v1/lists/{encoded}/items"), String::new()),
                ("GET", format!("/v1/lists/never/items?after={encoded}"), String::new()),
                ("PUT", "/v1/lists/never/items".into(), format!(r#"{{"value":"{pan}"}}"#)),
                ("PUT", "/v1/lists/never/items".into(), format!(r#"{{"value":"a","reason":"{pan}"}}"#)),
                ("PUT", "/v1/lists/never/items".into(), format!(r#"{{"{pan}":"a"}}"#)),
                ("DELETE", format!("/v1/lists/never/items?value={encoded}"), String::new()),
                (
                    "PUT",
                    format!("/v1/pipeline?force={encoded}&dry_run=true"),
                    format!(r#"{{"files":{{"{pan}.toml":"{pan}"}}}}"#),
                ),
                (
                    "PUT",
                    "/v1/pipeline?dry_run=true".into(),
                    format!(r#"{{"files":{{"a.toml":"[[rule]]\nid = \"{pan}\"\nwhen = '{pan} = x'"}}}}"#),
                ),
                ("PUT", "/v1/pipeline".into(), format!(r#"{{"files":{{"a.toml":"{pan} = {pan}"}}}}"#)),
            ] {
                let answer = sidecar.admin(method, &path, &[], &body);
                out.push_str(&(answer.head + &answer.body));
            }
        }
        out.push_str(&sidecar.admin("GET", "/metrics", &[], "").body);
        out.push_str(&sidecar.admin("GET", "/v1/lists/never/items", &[], "").body);
        serves(&mut sidecar);
        sidecar.signal("TERM");
        assert!(sidecar.ended());
        out.push_str(&sidecar.log());
        let files: Vec<_> = std::fs::read_dir(journal.path()).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(files.iter().any(|f| f.extension().is_some_and(|e| e == "snapshot")), "{files:?}");
        for file in files {
            // What is no text has no card number.
            out.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
        }
        for trace in TRACES {
            if let Some(at) = out.find(trace) {
                let from = out[..at].char_indices().rev().nth(200).map_or(0, |(i, _)| i);
                panic!("{trace} got out: {}", &out[from..at + trace.len()]);
            }
        }
        if key.is_some() {
            assert!(out.contains("tok_k1_"), "with a key there are tokens");
        }
    }
}

#[test]
fn http2_streams_that_are_reset_again_and_again_end_the_connection() {
    let mut sidecar = Sidecar::start(&[]);
    let mut socket = connect(&sidecar.main);
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap(); // settings
    // :method POST, :scheme http, :path /, an authority.
    let block = [0x83, 0x86, 0x84, 0x41, 0x01, b'x'];
    let ended = (0..200_000u32).any(|i| {
        let id = (2 * i + 1).to_be_bytes();
        let mut frames = vec![0, 0, block.len() as u8, 1, 4];
        frames.extend_from_slice(&id);
        frames.extend_from_slice(&block);
        frames.extend_from_slice(&[0, 0, 4, 3, 0]);
        frames.extend_from_slice(&id);
        frames.extend_from_slice(&[0, 0, 0, 8]);
        socket.write_all(&frames).is_err()
    });
    assert!(ended, "the connection goes on");
    serves(&mut sidecar);
}
