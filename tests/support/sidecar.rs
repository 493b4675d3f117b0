//! `tollgate serve` as a process of its own, and a client that speaks plain HTTP/1.1.

#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The variable with the key of card tokens, for sidecars that see card numbers.
pub const TOKEN_KEY: (&str, &str) =
    ("TOLLGATE_TOKEN_KEY", "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; stopped when dropped.
pub struct Sidecar {
    child: Child,
    pub main: String,
    pub admin: String,
    log: Arc<Mutex<String>>,
    /// Keeps the log until the process has ended.
    reader: Option<std::thread::JoinHandle<()>>,
}

/// An address that is free and stays so: outgoing connections get no port from there.
pub fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut addresses = (0..20_000).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(131));
        format!("127.0.0.1:{}", 10_000 + next % 20_000)
    });
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// Everything that lies in a folder, though somebody gives files other names meanwhile: then all is read again.
pub fn contents(folder: &Path) -> String {
    let start = Instant::now();
    loop {
        match read_all(folder) {
            Ok(seen) => return seen,
            Err(e) if e.kind() == ErrorKind::NotFound && start.elapsed() < PATIENCE => {}
            Err(e) => panic!("{e}"),
        }
    }
}

fn read_all(folder: &Path) -> std::io::Result<String> {
    let mut seen = String::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        seen += &match entry.file_type()?.is_dir() {
            true => read_all(&entry.path())?,
            false => String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned(),
        };
    }
    Ok(seen)
}

impl Sidecar {
    /// With these arguments, on ports that are free.
    pub fn start(args: &[&str]) -> Sidecar {
        Sidecar::start_with(args, &[])
    }

    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Sidecar {
        let mut sidecar = Sidecar::spawn(&[], args, variables);
        assert!(sidecar.listens(), "it ended:\n{}", sidecar.log());
        sidecar
    }

    /// Started by another program, or by none; where it listens is not known yet.
    pub fn spawn(by: &[&str], args: &[&str], variables: &[(&str, &str)]) -> Sidecar {
        let listens = args.iter().any(|a| a.starts_with("--listen"));
        let own = env!("CARGO_BIN_EXE_tollgate");
        let mut command = Command::new(by.first().copied().unwrap_or(own));
        if let Some((_, rest)) = by.split_first() {
            command.args(rest).arg(own);
        }
        command.arg("serve").args(["--admin", "127.0.0.1:0"]).args(args);
        if !listens {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.envs(variables.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (err, kept) = (child.stderr.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Sidecar { child, main: String::new(), admin: String::new(), log, reader: Some(reader) }
    }

    /// Waits until it listens; not when it ends before.
    pub fn listens(&mut self) -> bool {
        let start = Instant::now();
        // The admin's door is told of last.
        while !self.log().contains(&listening("admin")) {
            if !self.running() {
                self.ended();
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "it does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.main = self.address("main");
        self.admin = self.address("admin");
        true
    }

    /// Where a door listens.
    pub fn address(&self, door: &str) -> String {
        let line = self.wait_for(&listening(door));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        json["address"].as_str().unwrap().to_owned()
    }

    /// The first line of the log that holds `text`, once it is there.
    pub fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no {text} in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end, and for the end of its log: whether it went well.
    pub fn ended(&mut self) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                if let Some(reader) = self.reader.take() {
                    reader.join().unwrap();
                }
                return status.success();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn connect(&self) -> TcpStream {
        connect(&self.main)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        ask(&self.main, "POST", path, &[], body.as_bytes())
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.main, method, path, headers, body.as_bytes())
    }

    pub fn admin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.admin, method, path, headers, body.as_bytes())
    }

    /// A sample of the metrics.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.admin("GET", "/metrics", &[], "").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

/// What the log says of a door.
fn listening(door: &str) -> String {
    format!("\"door\":\"{door}\",\"event\":\"listening\"")
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn connect(address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().unwrap();
    let socket = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// One request; nothing when nobody answers.
pub fn try_ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    socket.write_all(format!("{request}\r\n{body}").as_bytes()).ok()?;
    read_answer(&mut socket)
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// As it came, with line ends.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of =
            |line: &'_ str| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).is_some();
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(": ")?.1))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The last part of a problem's type; empty for none.
    pub fn problem(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned()
    }
}

/// One request on a connection of its own.
pub fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    ask_on(&mut connect(address), method, path, headers, body)
}

/// One request on a connection that stays.
pub fn ask_on(
    socket: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
    read_answer(socket).expect("an answer")
}

/// Reads one answer; nothing when the connection ends before.
pub fn read_answer(socket: &mut impl Read) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match socket.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head, body: String::new() };
    let mut body = Vec::new();
    if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().ok()?, 0);
        socket.read_exact(&mut body).ok()?;
    } else if answer.header("transfer-encoding").is_some() {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                socket.read_exact(&mut byte).ok()?;
                line.push(byte[0]);
            }
            let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim(), 16).ok()?;
            let mut part = vec![0; size + 2];
            socket.read_exact(&mut part).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&part[..size]);
        }
    }
    answer.body = String::from_utf8(body).unwrap();
    Some(answer)
}

/// A payment of 20 dollars.
pub fn payment(id: &str) -> String {
    format!(r#"{{"id":"{id}","at":"2026-11-23T12:00:00Z","amount":"20.00","currency":"USD"}}"#)
}
