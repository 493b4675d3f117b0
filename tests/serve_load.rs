//! The sidecar under load while something happens to it: reloads, slow clients by the thousand, hostile
//! requests. Short forms; `TOLLGATE_SOAK=50 cargo test --release --test serve_load` does fifty times as much.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidecar::{Sidecar, ask_on, connect, payment, read_answer};

/// How many times the short form.
fn soak() -> usize {
    std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// With time enough that a machine which stands still for a second is no failure of the sidecar's.
fn start(more: &[&str]) -> Sidecar {
    let patient = ["--set", "overload.deadline=20s", "--set", "overload.deadline_max=20s"];
    Sidecar::start(&[&patient, more].concat())
}

/// Pays on one connection until told to stop; every answer is a decision. The times of the answers.
fn pay(sidecar: &Sidecar, stop: &AtomicBool, answered: &AtomicU64) -> Vec<Duration> {
    let mut socket = sidecar.connect();
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let id = answered.fetch_add(1, Ordering::Relaxed);
        let answer = ask_on(&mut socket, "POST", "/v1/score", &[], payment(&format!("p{id}")).as_bytes());
        times.push(began.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    times
}

/// Does `work` while two connections pay without failure; says what the payers saw before and meanwhile.
fn under_load(what: &str, sidecar: &Sidecar, work: impl FnOnce()) {
    let measured = |work: &mut dyn FnMut()| {
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let payers = [(); 2].map(|()| scope.spawn(|| pay(sidecar, &stop, &answered)));
            while answered.load(Ordering::Relaxed) < 100 {
                std::thread::sleep(Duration::from_millis(1));
            }
            work();
            stop.store(true, Ordering::Relaxed);
            payers.into_iter().flat_map(|payer| payer.join().unwrap()).collect()
        });
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        format!("{} payments, p50 {:?}, p99 {:?}, p99.9 {:?}", times.len(), at(0.5), at(0.99), at(0.999))
    };
    let before = measured(&mut || std::thread::sleep(Duration::from_millis(500)));
    let mut work = Some(work);
    let meanwhile = measured(&mut || work.take().into_iter().for_each(|work| work()));
    println!("{what}: before {before}; meanwhile {meanwhile}");
}

/// Bytes of memory that are the process's own.
fn memory(sidecar: &Sidecar) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn reloads_fail_no_request() {
    let sidecar = start(&["--set", "reload.max_changed=1"]);
    let reloads = 20 * soak();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut swapped, mut refused) = (0, 0);
    under_load("reloads", &sidecar, || {
        for i in 0..reloads {
            let bad = rng.random_bool(0.3);
            let when = if bad { "amount >" } else { &*format!("amount > {i}") };
            let text = format!(r#"[[rule]]\nid = \"r\"\nwhen = '{when}'\nthen = \"review\"\nreason = \"R\""#);
            let body = format!(r#"{{"files":{{"rules.toml":"{text}"}}}}"#);
            let answer = sidecar.admin("PUT", "/v1/pipeline", &[], &body);
            assert_eq!(answer.status, if bad { 422 } else { 200 }, "{answer:?}");
            *(if bad { &mut refused } else { &mut swapped }) += 1;
        }
    });
    assert!(swapped > 0 && refused > 0);
    assert_eq!(sidecar.metric("tollgate_reloads_total{result=\"swapped\"}"), f64::from(swapped));
    assert_eq!(sidecar.metric("tollgate_reloads_total{result=\"failed\"}"), f64::from(refused));
}

#[test]
fn slow_connections_by_the_thousand_take_little_and_hold_nobody_up() {
    // Two descriptors each, this side's and the other's; the limit of open files has to allow for it.
    let slow = (200 * soak()).min(10_000);
    let sidecar = start(&["--set", "timeouts.header=\"60s\"", "--set", "timeouts.body=\"60s\""]);
    let before = memory(&sidecar);
    let mut sockets: Vec<TcpStream> = Vec::new();
    let half = payment("slow");
    for i in 0..slow {
        let mut socket = sidecar.connect();
        let head = format!("POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", half.len());
        let bytes: &[u8] = match i % 3 {
            0 => b"",
            1 => &head.as_bytes()[..20],
            _ => &[head.as_bytes(), &half.as_bytes()[..10]].concat(),
        };
        socket.write_all(bytes).unwrap();
        sockets.push(socket);
    }
    let grown = memory(&sidecar).saturating_sub(before);
    under_load(&format!("{slow} slow connections, {} KiB more", grown >> 10), &sidecar, || {
        // A byte now and then keeps them open.
        for _ in 0..5 {
            sockets.iter_mut().step_by(7).for_each(|socket| {
                let _ = socket.write_all(b"x");
            });
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    assert!(grown < 400 << 20, "{grown} bytes for {slow} connections");
    assert!(sidecar.metric("tollgate_connections") >= f64::from(u32::try_from(slow).unwrap()) * 0.9);
}

/// Requests that are nearly right.
fn hostile(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let body = payment("h").into_bytes();
    let path =
        ["/v1/score", "/v1/score:batch", "/v1/explain", "/authz/x", "/v1/settlements", "/v1/decisions/%zz"];
    let path = path[rng.random_range(0..path.len())];
    let method = ["POST", "POST", "POST", "GET", "PUT", "BREW"][rng.random_range(0..6)];
    let length = match rng.random_range(0..6) {
        0 => "content-length: 18446744073709551616\r\n".to_owned(),
        1 => "transfer-encoding: chunked\r\n".to_owned(),
        2 => format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", body.len()),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{length}\r\n").into_bytes();
    bytes.extend(body);
    for _ in 0..rng.random_range(0..6) {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..4) {
            0 => bytes[at] = rng.random(),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b"\0\r\n\"{[%\xff"[rng.random_range(0..8)]),
            _ => {
                let part = bytes[at..].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}

#[test]
fn hostile_requests_break_nothing() {
    let requests = 4_000 * soak();
    let mut sidecar = start(&["--set", "timeouts.header=\"20s\"", "--set", "timeouts.body=\"20s\""]);
    let failed = AtomicU64::new(0);
    under_load("hostile requests", &sidecar, || {
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let (main, failed) = (&sidecar.main, &failed);
                scope.spawn(move || {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    for _ in 0..requests / 4 {
                        let mut socket = connect(main);
                        // The other side may have had enough before all is sent.
                        let _ = socket.write_all(&hostile(&mut rng));
                        let _ = socket.shutdown(std::net::Shutdown::Write);
                        while let Some(answer) = read_whole(&mut socket) {
                            failed.fetch_add(u64::from(answer >= 500 && answer != 503), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
    });
    assert_eq!(failed.into_inner(), 0);
    assert!(sidecar.running());
    assert_eq!(sidecar.post("/v1/score", &payment("good")).status, 200);
}

/// The status of the next answer, read to its end.
fn read_whole(socket: &mut TcpStream) -> Option<u16> {
    let answer = read_answer(&mut socket.take(1 << 20))?;
    Some(answer.status)
}
