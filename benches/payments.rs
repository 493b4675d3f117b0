//! The whole flow of a payment by card, over real sockets and a real disk: order, payment, assessment, authorization,
//! capture, answer; against what the same disk and socket cost alone. Run by `cargo bench --bench payments`.
//!
//! No criterion: it measures many clients at once, and tells rate and percentiles.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

const CLIENTS: usize = 64;
const PAYMENTS: usize = 20_000;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it is there.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut bank = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    bank.args(["simulate", "institution", "--kind", "card", "--listen", "127.0.0.1:0"]);
    let mut bank = Process(bank.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(bank.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let bank_at = line.trim().rsplit(' ').next().unwrap().to_owned();
    let (_sidecar, address) = serve(dir.path(), &bank_at);

    let orders = run(&address, |n| vec![order(n)]);
    tell("an order: one record, synced", &orders);
    let (clients, offset) = (CLIENTS, PAYMENTS);
    let flow = run(&address, |n| vec![order(n + offset), payment(n + offset)]);
    tell("order, payment, authorization, capture", &flow);
    println!("{clients} clients; synced record by record, alone: {:?} each", synced(dir.path()));
}

fn serve(dir: &Path, bank: &str) -> (Process, String) {
    let settings = format!(
        "listen = '127.0.0.1:0'\nadmin = ''\nempty_past = true\n[payments]\ndir = '{}'\n\
         [[payments.channel]]\nname = 'bank'\ncard = {{ address = '{bank}', connections = 4 }}\n",
        dir.join("payments").display()
    );
    std::fs::write(dir.join("serve.toml"), settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("serve").arg("--config").arg(dir.join("serve.toml"));
    command.env("TOLLGATE_TOKEN_KEY", format!("k1:{}", "5a".repeat(32)));
    let mut process = Process(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("listening")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (process, json["address"].as_str().unwrap().to_owned())
}

fn order(n: usize) -> (&'static str, String) {
    ("/v1/orders", format!(r#"{{"id":"o{n}","amount":"10.00 EUR"}}"#))
}

/// A card of its own for every payment, with its check digit.
fn card(n: usize) -> String {
    let digits = format!("400000{n:09}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(b, times)| (u32::from(b - b'0') * times) / 10 + (u32::from(b - b'0') * times) % 10)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn payment(n: usize) -> (&'static str, String) {
    let body = format!(
        r#"{{"order":"o{n}","method":"card","card":{{"number":"{}","expiry":"09/28","cvv":"123"}},"facts":{{"ip":"10.{}.{}.{}","account":"a{n}","email":"a{n}@example.org"}}}}"#,
        card(n),
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255
    );
    ("/v1/payments", body)
}

/// Latencies of `PAYMENTS` pieces of work, how many were captured or created, and how long all took.
struct Ran {
    latencies: Histogram<u64>,
    good: usize,
    took: Duration,
}

fn run(address: &str, work: impl Fn(usize) -> Vec<(&'static str, String)> + Sync) -> Ran {
    let (next, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    let parts: Vec<Histogram<u64>> = std::thread::scope(|scope| {
        let client = || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_nodelay(true).unwrap();
            let mut latencies = Histogram::new(3).unwrap();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= PAYMENTS {
                    return latencies;
                }
                let began = Instant::now();
                let mut last = String::new();
                for (path, body) in work(n) {
                    last = ask(&mut socket, path, &body);
                }
                latencies.record(began.elapsed().as_micros() as u64).unwrap();
                let is_good = last.contains("\"state\":\"captured\"") || last.contains("\"payments\":[]");
                good.fetch_add(usize::from(is_good), Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let took = began.elapsed();
    let mut latencies = Histogram::new(3).unwrap();
    parts.iter().for_each(|part| latencies.add(part).unwrap());
    Ran { latencies, good: good.into_inner(), took }
}

fn tell(what: &str, ran: &Ran) {
    let p = |q| ran.latencies.value_at_quantile(q) as f64 / 1e3;
    println!(
        "{what}: {:.0} a second, p50 {:.2} ms, p99 {:.2} ms; {} of {PAYMENTS} went well",
        PAYMENTS as f64 / ran.took.as_secs_f64(),
        p(0.5),
        p(0.99),
        ran.good
    );
}

fn ask(socket: &mut TcpStream, path: &str, body: &str) -> String {
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        let n = socket.read(&mut part).unwrap();
        assert!(n > 0, "the server went away");
        bytes.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if rest.len() >= length.unwrap().parse().unwrap() {
            return rest.to_owned();
        }
    }
}

/// What writing and syncing a record costs on this disk, one after the other.
fn synced(dir: &Path) -> Duration {
    let mut file = std::fs::File::create(dir.join("plain")).unwrap();
    let began = Instant::now();
    for _ in 0..200 {
        file.write_all(&[7; 512]).unwrap();
        file.sync_data().unwrap();
    }
    began.elapsed() / 200
}
