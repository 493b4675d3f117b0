//! The sidecar as HAProxy's agent: what it agrees to, what it answers, and what ends a connection.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{Read, Write};
use std::net::TcpStream;

use sidecar::{Sidecar, connect};

const HELLO: u8 = 1;
const DISCONNECT: u8 = 2;
const NOTIFY: u8 = 3;
const AGENT_HELLO: u8 = 101;
const AGENT_DISCONNECT: u8 = 102;
const ACK: u8 = 103;
const FIN: u32 = 1;
/// On the list of rules/lists/never.toml.
const STOLEN: &str = "tok_example_stolen";

fn start(settings: &[&str]) -> Sidecar {
    let mut args = vec!["--set", "spop=127.0.0.1:0"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    Sidecar::start(&args)
}

fn number(out: &mut Vec<u8>, n: u64) {
    if n < 240 {
        return out.push(n as u8);
    }
    out.push(n as u8 | 240);
    let mut rest = (n - 240) >> 4;
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest = (rest - 128) >> 7;
    }
    out.push(rest as u8);
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn frame(kind: u8, flags: u32, stream: u64, id: u64, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![kind];
    body.extend_from_slice(&flags.to_be_bytes());
    number(&mut body, stream);
    number(&mut body, id);
    body.extend_from_slice(payload);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

fn hello(max_frame: u64, check: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    text(&mut payload, b"supported-versions");
    payload.push(8);
    text(&mut payload, b"2.0");
    text(&mut payload, b"max-frame-size");
    payload.push(3);
    number(&mut payload, max_frame);
    text(&mut payload, b"capabilities");
    payload.push(8);
    text(&mut payload, b"pipelining,async");
    text(&mut payload, b"healthcheck");
    payload.push(if check { 0x11 } else { 0x01 });
    frame(HELLO, FIN, 0, 0, &payload)
}

/// A NOTIFY of one message whose arguments are texts.
fn notify(stream: u64, args: &[(&str, &str)]) -> Vec<u8> {
    let mut payload = Vec::new();
    text(&mut payload, b"check");
    payload.push(args.len() as u8);
    for (name, value) in args {
        text(&mut payload, name.as_bytes());
        payload.push(8);
        text(&mut payload, value.as_bytes());
    }
    frame(NOTIFY, FIN, stream, 1, &payload)
}

/// A frame that came.
#[derive(Debug)]
struct Came {
    kind: u8,
    /// What follows the flags, byte for byte.
    rest: Vec<u8>,
}

impl Came {
    fn stream(&self) -> u8 {
        self.rest[0]
    }

    /// Whether a text stands in it with its length before it, and what follows.
    fn after(&self, name: &str) -> Option<&[u8]> {
        let mut needle = Vec::new();
        text(&mut needle, name.as_bytes());
        let at = self.rest.windows(needle.len()).position(|w| w == needle)?;
        Some(&self.rest[at + needle.len()..])
    }

    /// The text that a variable is set to.
    fn variable(&self, name: &str) -> Option<String> {
        let [8, length, rest @ ..] = self.after(name)? else { return None };
        Some(String::from_utf8(rest[..usize::from(*length)].to_vec()).unwrap())
    }

    fn pass(&self) -> Option<bool> {
        self.after("pass").map(|rest| rest[0] == 0x11)
    }

    fn status(&self) -> u8 {
        assert_eq!(self.kind, AGENT_DISCONNECT, "{self:?}");
        self.after("status-code").unwrap()[1]
    }
}

/// The next frame; nothing when the connection has ended.
fn next(socket: &mut impl Read) -> Option<Came> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut body).unwrap();
    Some(Came { kind: body[0], rest: body[5..].to_vec() })
}

fn greeted(sidecar: &Sidecar) -> TcpStream {
    let mut socket = connect(&sidecar.address("spop"));
    socket.write_all(&hello(16_380, false)).unwrap();
    assert_eq!(next(&mut socket).unwrap().kind, AGENT_HELLO);
    socket
}

fn ask(socket: &mut TcpStream, args: &[(&str, &str)]) -> Came {
    socket.write_all(&notify(9, args)).unwrap();
    let came = next(socket).unwrap();
    assert_eq!((came.kind, came.stream()), (ACK, 9), "{came:?}");
    came
}

const GOOD: [(&str, &str); 3] = [("amount", "20.00"), ("currency", "USD"), ("card", "tok_spop")];

#[test]
fn payments_pass_or_not_by_fields_and_by_body() {
    let sidecar = start(&["empty_past=true"]);
    let mut socket = greeted(&sidecar);
    let good = ask(&mut socket, &[&GOOD[..], &[("id", "s1")]].concat());
    assert_eq!((good.pass(), good.variable("decision").as_deref()), (Some(true), Some("approve")));
    assert_eq!(good.variable("id").as_deref(), Some("s1"));
    assert!(good.after("score").is_some() && good.after("problem").is_none());
    // It is remembered as any other payment.
    assert_eq!(sidecar.ask("GET", "/v1/decisions/s1", &[], "").status, 200);

    let body = format!(r#"{{"amount":"20.00","currency":"USD","card":"{STOLEN}"}}"#);
    let bad = ask(&mut socket, &[("body", &body), ("ip", "192.0.2.7")]);
    assert_eq!((bad.pass(), bad.variable("decision").as_deref()), (Some(false), Some("decline")));
    assert_eq!(bad.variable("problem").as_deref(), Some("declined"));
    assert!(!bad.variable("reasons").unwrap().is_empty());
    // A field is said by the proxy or by the payer, not by both.
    let twice = ask(&mut socket, &[("body", &body), ("card", "tok_other")]);
    assert_eq!((twice.pass(), twice.variable("problem").as_deref()), (Some(false), Some("not-passed")));
    let none = ask(&mut socket, &[]);
    assert_eq!((none.pass(), none.variable("problem").as_deref()), (Some(false), Some("not-passed")));
    // What there is no time for is for the proxy to decide.
    let late = ask(&mut socket, &[&GOOD[..], &[("deadline_ms", "0")]].concat());
    assert_eq!((late.pass(), late.variable("problem").as_deref()), (None, Some("late")));
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"spop\",status=\"2xx\"}"), 1.0);
    assert_eq!(sidecar.metric("tollgate_requests_total{route=\"spop\",status=\"4xx\"}"), 3.0);

    let sidecar = start(&["authz.pass_unreadable=true", "spop_scope=req"]);
    let mut socket = greeted(&sidecar);
    let none = ask(&mut socket, &[]);
    assert_eq!((none.pass(), none.variable("decision").as_deref()), (Some(true), Some("unreadable")));
    assert!(none.rest.windows(3).any(|w| w == [1, 3, 3]), "set-var, three arguments, scope req: {none:?}");
}

#[test]
fn frames_are_answered_while_more_come() {
    let sidecar = start(&["limits.streams=4"]);
    let mut socket = greeted(&sidecar);
    let all: Vec<u8> = (1..=40).flat_map(|stream| notify(stream, &GOOD)).collect();
    socket.write_all(&all).unwrap();
    let mut streams: Vec<u8> = (0..40).map(|_| next(&mut socket).unwrap().stream()).collect();
    streams.sort_unstable();
    assert_eq!(streams, (1..=40).collect::<Vec<u8>>());
    // A frame may come byte by byte.
    for byte in notify(9, &GOOD) {
        socket.write_all(&[byte]).unwrap();
    }
    assert_eq!(next(&mut socket).unwrap().pass(), Some(true));
    // What is not known, or given up, is passed over.
    socket.write_all(&frame(77, FIN, 1, 1, b"?")).unwrap();
    socket.write_all(&frame(NOTIFY, FIN | 2, 1, 1, b"")).unwrap();
    assert_eq!(ask(&mut socket, &GOOD).pass(), Some(true));
}

#[test]
fn what_can_not_be_agreed_on_ends_the_connection_with_its_code() {
    let sidecar = start(&["limits.spop_frame_bytes=1024", "timeouts.header=\"300ms\""]);
    let first = |bytes: &[u8]| {
        let mut socket = connect(&sidecar.address("spop"));
        socket.write_all(bytes).unwrap();
        let came = next(&mut socket).unwrap();
        assert!(next(&mut socket).is_none(), "it goes on");
        came
    };
    for (what, bytes, status) in [
        ("another protocol", &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], 3),
        ("nothing", b"", 2),
        ("half a frame", &hello(256, false)[..20], 2),
        ("an empty frame", &[0, 0, 0, 0], 4),
        ("a question first", &notify(1, &GOOD), 4),
        ("no items", &frame(HELLO, FIN, 0, 0, b""), 5),
        ("a small frame size", &hello(255, false), 9),
        ("a greeting in parts", &frame(HELLO, 0, 0, 0, b""), 10),
    ] {
        assert_eq!(first(bytes).status(), status, "{what}");
    }
    let check = first(&hello(256, true));
    assert_eq!(check.kind, AGENT_HELLO);
    assert_eq!(check.variable("capabilities").as_deref(), Some("pipelining"));

    let after = |bytes: &[u8]| {
        let mut socket = greeted(&sidecar);
        socket.write_all(bytes).unwrap();
        let came = next(&mut socket).unwrap();
        assert!(next(&mut socket).is_none(), "it goes on");
        came.status()
    };
    let sized = |bytes: usize| {
        let empty = notify(1, &[("x", "")]).len() - 4;
        // One byte more of a length above 239.
        notify(1, &[("amount", "1"), ("currency", "USD"), ("x", &"y".repeat(bytes - empty - 28))])
    };
    let fits = (900..1_100).map(sized).find(|f| f.len() - 4 == 1_024).expect("a frame of the limit");
    let mut socket = greeted(&sidecar);
    socket.write_all(&fits).unwrap();
    assert_eq!(next(&mut socket).unwrap().pass(), Some(true)); // at the limit
    let over = (900..1_100).map(sized).find(|f| f.len() - 4 == 1_025).expect("a frame past it");
    for (what, bytes, status) in [
        ("past the limit", &over[..], 3),
        ("a goodbye", &frame(DISCONNECT, FIN, 0, 0, b""), 0),
        ("a second greeting", &hello(256, false), 4),
        ("a part", &frame(NOTIFY, 0, 1, 1, b""), 10),
        ("a further part", &frame(0, FIN, 1, 1, b""), 10),
        ("no message", &frame(NOTIFY, FIN, 1, 1, &[5, b'a']), 4),
        ("an unknown type", &frame(NOTIFY, FIN, 1, 1, &[1, b'a', 1, 1, b'b', 15]), 4),
    ] {
        assert_eq!(after(bytes), status, "{what}");
    }
}

#[test]
fn silence_and_half_frames_end_and_an_end_is_told() {
    let mut sidecar = start(&["timeouts.idle=\"200ms\"", "timeouts.body=\"200ms\""]);
    let mut socket = greeted(&sidecar);
    assert_eq!(next(&mut socket).unwrap().status(), 2);
    let mut socket = greeted(&sidecar);
    socket.write_all(&notify(1, &GOOD)[..30]).unwrap();
    assert_eq!(next(&mut socket).unwrap().status(), 2);
    drop(socket);

    let mut sidecar_stopping = start(&["timeouts.drain_pause=\"300ms\""]);
    let mut socket = greeted(&sidecar_stopping);
    sidecar_stopping.signal("TERM");
    sidecar_stopping.wait_for("draining");
    // Who looks whether anybody answers is told not to count on it.
    let mut check = connect(&sidecar_stopping.address("spop"));
    check.write_all(&hello(256, true)).unwrap();
    assert_eq!(next(&mut check).unwrap().status(), 100);
    assert_eq!(ask(&mut socket, &GOOD).pass(), Some(true));
    assert_eq!(next(&mut socket).unwrap().status(), 100);
    assert!(sidecar_stopping.ended() && sidecar.running());
}

#[test]
fn a_key_is_an_argument_and_connections_share_their_limit() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    // The SHA-256 of `abc`.
    let key = "[[key]]\nname = \"edge\"\nscopes = [\"score\"]\n\
        sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    std::fs::write(&config, format!("spop = \"127.0.0.1:0\"\n[limits]\nconnections_per_peer = 1\n{key}"))
        .unwrap();
    let sidecar = Sidecar::start(&["--config", config.to_str().unwrap()]);
    let mut socket = greeted(&sidecar);
    let refused = |key: &[(&str, &str)], socket: &mut TcpStream| {
        let came = ask(socket, &[&GOOD[..], key].concat());
        (came.pass(), came.variable("problem"))
    };
    assert_eq!(refused(&[], &mut socket), (Some(false), Some("no-key".into())));
    assert_eq!(refused(&[("api_key", "abd")], &mut socket), (Some(false), Some("no-key".into())));
    assert_eq!(refused(&[("api_key", "a\nc")], &mut socket), (Some(false), Some("no-key".into())));
    assert_eq!(refused(&[("api_key", "abc")], &mut socket), (Some(true), None));
    // One address has one connection, whichever door it takes.
    let mut second = connect(&sidecar.main);
    assert_eq!(second.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_unix_socket_is_a_door_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spop.sock");
    let setting = format!("spop=[\"unix:{}\"]", path.display());
    let mut sidecar = Sidecar::start(&["--set", &setting]);
    let mut socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    socket.set_read_timeout(Some(sidecar::PATIENCE)).unwrap();
    socket.write_all(&hello(16_380, false)).unwrap();
    assert_eq!(next(&mut socket).unwrap().kind, AGENT_HELLO);
    socket.write_all(&notify(3, &GOOD)).unwrap();
    assert_eq!(next(&mut socket).unwrap().pass(), Some(true));
    sidecar.signal("TERM");
    assert!(sidecar.ended() && !path.exists());
}

#[test]
fn no_card_number_gets_out() {
    let pans = ["4242424242424242", "4242 4242 4242 4242", "378282246310005"];
    let sidecar = start(&["empty_past=true"]);
    let mut said = Vec::new();
    for pan in pans {
        for name in [
            "id",
            "card",
            "email",
            "amount",
            "currency",
            "ip",
            "unknown",
            "api_key",
            "deadline_ms",
            "content_type",
        ] {
            for args in [
                vec![(name, pan)],
                vec![("amount", "1"), ("currency", "USD"), (name, pan)],
                vec![("body", r#"{"amount":1,"currency":"USD"}"#), (name, pan)],
                vec![(pan, name)],
                vec![("body", pan)],
            ] {
                let mut socket = greeted(&sidecar);
                socket.write_all(&notify(9, &args)).unwrap();
                said.extend(next(&mut socket).unwrap().rest);
            }
        }
        // Where frames are none.
        for bytes in [
            pan.as_bytes(),
            &frame(HELLO, FIN, 0, 0, pan.as_bytes()),
            &frame(NOTIFY, FIN, 1, 1, pan.as_bytes()),
        ] {
            let mut socket = connect(&sidecar.address("spop"));
            socket.write_all(bytes).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut said);
        }
    }
    let mut out = String::from_utf8_lossy(&said).into_owned();
    assert!(out.contains("pass"), "there were answers");
    out.push_str(&sidecar.admin("GET", "/metrics", &[], "").body);
    out.push_str(&sidecar.log());
    for pan in pans {
        assert!(!out.contains(pan), "{pan} got out");
    }
}
