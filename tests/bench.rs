//! Load as its users meet it: the built command, servers on free ports, files read back.
#![cfg(feature = "bench")]

#[cfg(feature = "serve")]
#[path = "support/sidecar.rs"]
mod sidecar;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("bench").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that must go well, as JSON.
fn json(args: &[&str]) -> Value {
    let output = bench(&[args, &["--json", "-"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What so many percent stayed at or below, in nanoseconds.
fn percentile(phase: &Value, percentile: f64) -> u64 {
    let told = phase["latency"]["percentiles"].as_array().unwrap();
    told.iter().find(|p| p["percentile"] == percentile).unwrap()["ns"].as_u64().unwrap()
}

const SHORT: [&str; 6] = ["--payments", "3000", "--warmup", "0.1", "--duration", "0.5"];

#[test]
fn a_run_without_target_asks_the_engine_twice_and_says_what_it_ran_on() {
    let output = bench(&SHORT);
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    for part in [
        "engine in this process",
        "closed loop",
        "open loop at",
        "p99.99",
        "approve",
        "a second",
        "pipeline ",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(shown.contains("core") && shown.contains("tollgate 0."), "{shown}");

    let run = json(&SHORT);
    let phases = run["phases"].as_array().unwrap();
    assert_eq!((phases[0]["loop"].as_str(), phases[1]["loop"].as_str()), (Some("closed"), Some("open")));
    for phase in phases {
        let answers = phase["answers"].as_object().unwrap();
        let all: u64 = answers.values().map(|n| n.as_u64().unwrap()).sum();
        let good = phase["latency"]["count"].as_u64().unwrap();
        assert!(good > 0 && good <= all);
        // What the buckets hold is what was counted.
        let buckets = phase["latency"]["buckets"].as_array().unwrap();
        assert_eq!(buckets.iter().map(|b| b[1].as_u64().unwrap()).sum::<u64>(), good);
        let intervals = phase["intervals"].as_array().unwrap();
        let counted: u64 = intervals.iter().map(|i| i["good"].as_u64().unwrap()).sum();
        assert!(counted <= good && counted > 0);
        assert!(percentile(phase, 50.0) <= percentile(phase, 99.99));
        assert!(phase["hiccups"]["count"].as_u64().unwrap() > 0);
    }
    assert_eq!((&run["format"], &run["interrupted"]), (&1.into(), &false.into()));
    assert!(run["environment"]["cores"].as_u64().unwrap() >= 1);
}

#[test]
fn asking_nobody_shows_what_asking_costs() {
    let run = json(&[&["nothing"], &SHORT[..]].concat());
    assert_eq!(run["phases"].as_array().unwrap().len(), 1);
    assert!(run["pipeline"].is_null());
    assert!(run["phases"][0]["answers"]["approve"].as_u64().unwrap() > 3_000, "payments come again");
}

#[test]
fn attacks_are_followed_to_their_first_decline() {
    let mix = ["--payments", "20000", "--warmup", "0", "--duration", "4", "--fraud", "0.05"];
    let shares = ["--attack", "card_testing=0.6,bust_out=0.2", "nothing"];
    let run = json(&[&mix[..], &shares[..]].concat());
    let attacks = run["attacks"].as_array().unwrap();
    let kinds: Vec<&str> = attacks.iter().map(|a| a["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["bust_out", "card_testing"]);
    for attack in attacks {
        // Who asks nobody blocks nothing, and loses all that was at stake.
        assert_eq!((attack["blocked"].as_u64(), &attack["lost_minor"]), (Some(0), &attack["at_stake_minor"]));
        assert!(attack["at_stake_minor"].as_i64().unwrap() > 0);
    }
    let mix = ["--payments", "5000", "--warmup", "0", "--duration", "3", "--fraud", "0.1"];
    let run = json(&[&mix[..], &["--attack", "card_testing=1", "--threads", "1"]].concat());
    assert_eq!(run["settled"], true);
    let testing = &run["attacks"][0];
    assert_eq!(testing["kind"], "card_testing");
    let (attacks, blocked) = (testing["attacks"].as_u64().unwrap(), testing["blocked"].as_u64().unwrap());
    assert!(blocked > 0 && blocked <= attacks, "{testing}");
    assert!(testing["lost_minor"].as_i64() < testing["at_stake_minor"].as_i64(), "{testing}");
}

/// How a server behaves.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers at once, but stands still once for half a second, a second after it was first asked.
    Stalling,
    /// Sheds every second request.
    Shedding,
    /// Takes a tenth of a second for each answer.
    Slow,
}

/// A server of HTTP/1.1 whose connections are answered by one thread each.
struct Server {
    address: String,
    bodies: Arc<std::sync::Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn start(manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (bodies, stop) = (Arc::<std::sync::Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (kept, stopped) = (bodies.clone(), stop.clone());
        std::thread::spawn(move || {
            let began = Instant::now();
            while let Ok((socket, _)) = listener.accept() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let kept = kept.clone();
                std::thread::spawn(move || answer_all(&socket, manner, began, &kept));
            }
        });
        Server { address, bodies, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
    }
}

fn answer_all(socket: &TcpStream, manner: Manner, began: Instant, kept: &std::sync::Mutex<Vec<String>>) {
    socket.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(socket);
    for number in 0_u64.. {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if lower.starts_with("authorization:") || lower.starts_with("x-other:") {
                kept.lock().unwrap().push(line.trim().to_owned());
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        kept.lock().unwrap().push(text(&body));
        let since = began.elapsed();
        let (stall, end) = (Duration::from_millis(1_000), Duration::from_millis(1_500));
        if matches!(manner, Manner::Stalling) && since >= stall && since < end {
            std::thread::sleep(end - since);
        }
        if matches!(manner, Manner::Slow) {
            std::thread::sleep(Duration::from_millis(100));
        }
        let status = match manner {
            Manner::Shedding if number % 2 == 1 => "503 Service Unavailable",
            _ => "200 OK",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 21\r\n\r\n{{\"outcome\":\"approve\"}}");
        let mut socket = socket;
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Half a second of standing still meets one request of a closed loop and a fifth of what an open one had to send.
#[test]
fn an_open_loop_sees_the_queue_that_a_closed_loop_leaves_out() {
    let load = ["--payments", "500", "--connections", "1", "--warmup", "0", "--duration", "2.5"];
    let run = |more: &[&str]| {
        let server = Server::start(Manner::Stalling);
        let url = format!("http://{}/any", server.address);
        json(&[&[url.as_str()], &load[..], more].concat())
    };
    let open = run(&["--rate", "200"]);
    let phase = &open["phases"][0];
    assert!(percentile(phase, 99.0) >= 400_000_000, "{phase}");
    assert!(phase["readiness"].as_f64().unwrap() < 1.0);
    // All that was due was answered: none was left out.
    assert_eq!(phase["answers"]["approve"], 500);
    let late = phase["lateness"]["percentiles"].as_array().unwrap();
    assert!(late.last().unwrap()["ns"].as_u64().unwrap() >= 400_000_000, "{phase}");

    let closed = run(&[]);
    let phase = &closed["phases"][0];
    assert!(phase["lateness"].is_null());
    // One of many thousands was slow; the loop waited for it and asked nothing meanwhile.
    assert!(percentile(phase, 99.0) < 400_000_000 && percentile(phase, 100.0) >= 400_000_000, "{phase}");
}

/// What no connection came free for in time is told of, each of them, and asked of nobody.
#[test]
fn far_too_much_load_is_counted_as_never_sent() {
    let server = Server::start(Manner::Slow);
    let url = format!("http://{}/any", server.address);
    let load = ["--payments", "500", "--connections", "1", "--warmup", "0", "--duration", "2"];
    let run = json(&[&[url.as_str(), "--rate", "50000", "--timeout", "500"], &load[..]].concat());
    let answers = &run["phases"][0]["answers"];
    let count = |name: &str| answers[name].as_u64().unwrap();
    let all: u64 = answers.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(all, 100_000, "{answers}");
    assert!(count("unsent") >= 99_000 && count("approve") > 0, "{answers}");
    let heard = server.bodies.lock().unwrap().iter().filter(|line| line.starts_with('{')).count() as u64;
    assert!(count("unsent") + heard <= 100_001, "{answers}"); // one to try it

    // Who waits for a connection for a fifth of that time has the rest for the answer.
    let impatient = ["--rate", "50000", "--timeout", "500", "--patience", "100"];
    let run = json(&[&[url.as_str()], &impatient[..], &load[..]].concat());
    let phase = &run["phases"][0];
    assert_eq!(
        (&phase["answers"]["timed_out"], &phase["answers"]["broken"]),
        (&Value::from(0), &Value::from(0)),
        "{phase}"
    );
    assert!(percentile(phase, 100.0) < 400_000_000, "{phase}");
}

#[test]
fn what_was_shed_is_no_success_and_keys_are_sent_and_not_shown() {
    let server = Server::start(Manner::Shedding);
    let url = format!("http://{}/decide", server.address);
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("body.json");
    std::fs::write(&template, r#"{"ref":"{{id}}","cents":{{amount_minor}},"none":{{ship_nothing|null}}}"#)
        .unwrap();
    let at = |path: &Path| path.display().to_string();
    let place = at(&template);
    let args = [&[url.as_str(), "--template", &place], &SHORT[..]].concat();
    let refused = bench(&args);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("no field `ship_nothing`"), "{refused:?}");

    std::fs::write(&template, r#"{"ref":"{{id}}","cents":{{amount_minor}},"none":"{{account|-}}"}"#).unwrap();
    let [kept, page] = ["run.json", "run.html"].map(|name| at(&dir.path().join(name)));
    let more = ["--connections", "2", "--json", &kept, "--html", &page, "--header", "X-Other: hush-hush"];
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .arg("bench")
        .args([&args[..], &more[..]].concat())
        .env("TOLLGATE_BENCH_KEY", "very-secret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let run: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
    let answers = &run["phases"][0]["answers"];
    let (good, shed) = (answers["approve"].as_u64().unwrap(), answers["shed"].as_u64().unwrap());
    assert!(good > 0 && shed > 0 && good.abs_diff(shed) <= 2 + good / 10, "{answers}");
    assert_eq!(run["phases"][0]["latency"]["count"], good);
    assert_eq!(run["phases"][0]["shed"]["count"], shed);

    let heard = server.bodies.lock().unwrap().clone();
    assert!(heard.iter().any(|line| line.eq_ignore_ascii_case("authorization: bearer very-secret")));
    assert!(heard.iter().any(|line| line.ends_with("hush-hush")));
    let body: Value =
        serde_json::from_str(heard.iter().rfind(|line| line.starts_with('{')).unwrap()).unwrap();
    assert!(body["ref"].is_string() && body["cents"].is_u64());
    let page = std::fs::read_to_string(&page).unwrap();
    let told = [text(&output.stdout), text(&output.stderr), page.clone(), run.to_string()].concat();
    assert!(!told.contains("very-secret") && !told.contains("hush-hush"));
    assert!(page.contains("Latency by percentile") && page.contains("99.99 %") && !page.contains("<script"));
    assert!(told.contains("shed"));
}

#[cfg(feature = "serve")]
#[test]
fn the_sidecar_is_asked_over_each_of_its_doors() {
    let sidecar = sidecar::Sidecar::start(&[]);
    let url = format!("http://{}", sidecar.main);
    let dir = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", dir.path().join("s").display());
    let other = sidecar::Sidecar::start(&["--listen", &socket]);
    for args in [
        &[url.as_str(), "--settle"][..],
        &[url.as_str(), "--rate", "200"],
        &[url.as_str(), "--http2", "--connections", "2", "--streams", "4"],
        &[socket.as_str(), "--connections", "2"],
    ] {
        let run = json(&[args, &SHORT].concat());
        let answers = &run["phases"][0]["answers"];
        let approved = answers["approve"].as_u64().unwrap();
        assert!(approved > 0, "{args:?}: {answers}");
        for bad in ["refused", "broken", "timed_out", "without_outcome"] {
            assert_eq!(answers[bad], 0, "{args:?}: {answers}");
        }
        assert_eq!(run["pipeline"].as_str().unwrap().len(), 32);
    }
    assert!(sidecar.metric("tollgate_requests_total{route=\"settle\",status=\"2xx\"}") > 0.0);
    assert!(other.metric("tollgate_decisions_total{outcome=\"approve\"}") > 0.0);
}

#[cfg(feature = "serve")]
#[test]
fn over_tls_the_sidecar_is_asked_when_its_authority_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let sidecar = sidecar::Sidecar::start(&["--tls-cert", &cert, "--tls-key", &key]);
    let url = format!("https://localhost:{}", sidecar.main.rsplit(':').next().unwrap());
    for more in [&[][..], &["--http2", "--streams", "4"]] {
        let run = json(&[&[url.as_str(), "--ca", &cert, "--connections", "2"], more, &SHORT[..]].concat());
        let answers = &run["phases"][0]["answers"];
        assert!(answers["approve"].as_u64().unwrap() > 0, "{answers}");
        assert_eq!((&answers["broken"], &answers["refused"]), (&0.into(), &0.into()), "{answers}");
    }
    // The machine knows no such authority, and the certificate bears no other name.
    let other = url.replace("localhost", "127.0.0.1");
    for args in [&[url.as_str()][..], &[&other, "--ca", &cert]] {
        let refused = bench(&[args, &SHORT].concat());
        assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    }
    assert!(sidecar.metric("tollgate_connections_failed_total{reason=\"handshake\"}") > 0.0);
}

#[cfg(feature = "grpc")]
#[test]
fn the_sidecar_is_asked_over_grpc() {
    let sidecar = sidecar::Sidecar::start(&["--set", "empty_past=true"]);
    let url = format!("grpc://{}", sidecar.main);
    for more in [&["--settle"][..], &["--rate", "200", "--streams", "4"]] {
        let run = json(&[&[url.as_str(), "--connections", "2"], more, &SHORT[..]].concat());
        let answers = &run["phases"][0]["answers"];
        assert!(answers["approve"].as_u64().unwrap() > 0, "{more:?}: {answers}");
        for bad in ["refused", "broken", "timed_out", "without_outcome"] {
            assert_eq!(answers[bad], 0, "{more:?}: {answers}");
        }
        assert!(run["target"].as_str().unwrap().contains("gRPC"));
    }
    assert!(sidecar.metric("tollgate_requests_total{route=\"grpc\",status=\"2xx\"}") > 0.0);
    assert!(sidecar.metric("tollgate_requests_total{route=\"settle\",status=\"2xx\"}") > 0.0);

    let late = bench(&[&[url.as_str(), "--header", "x-deadline-ms: soon"], &SHORT[..]].concat());
    assert!(late.status.code() == Some(4) && text(&late.stderr).contains("x-deadline-ms"), "{late:?}");
    let template = bench(&[url.as_str(), "--template", "Cargo.toml"]);
    assert!(text(&template.stderr).contains("leave --template out"), "{template:?}");
}

#[cfg(not(feature = "grpc"))]
#[test]
fn a_program_without_grpc_says_how_to_have_it() {
    let output = bench(&["grpc://127.0.0.1:1"]);
    assert!(
        output.status.code() == Some(3) && text(&output.stderr).contains("--features grpc"),
        "{output:?}"
    );
}

#[test]
fn steps_try_every_rate_of_the_list() {
    let run = json(&[&["--steps=100,400", "--slo", "60000"], &SHORT[..]].concat());
    let rates: Vec<f64> =
        run["phases"].as_array().unwrap().iter().map(|p| p["rate"].as_f64().unwrap()).collect();
    assert_eq!(rates.len(), 2);
    assert_eq!(run["knee"]["borne"], 400.0);
    assert!(run["knee"]["failed"].is_null());
}

#[test]
fn the_distribution_is_written_as_hdrhistogram_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.hgrm");
    let run = json(&[&["--rate", "1000", "--hgrm", &path.display().to_string()], &SHORT[..]].concat());
    let phase = &run["phases"][0];
    let written = std::fs::read_to_string(&path).unwrap();
    let mut lines = written.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
    assert_eq!(lines.next(), Some(""));
    let (mut last, mut total) = ([0.0, -1.0], 0);
    for line in lines.by_ref().take_while(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [value, share] = [cells[0], cells[1]].map(|cell| cell.parse::<f64>().unwrap());
        total = cells[2].parse::<u64>().unwrap();
        assert!(value >= last[0] && share >= last[1] && (0.0..=1.0).contains(&share), "{line}");
        assert!(cells[3].parse::<f64>().unwrap() >= 1.0, "{line}");
        last = [value, share];
    }
    assert_eq!((last[1], total), (1.0, phase["latency"]["count"].as_u64().unwrap()));
    let most = percentile(phase, 100.0) as f64 / 1e6;
    assert!((last[0] - most).abs() <= most * 1e-3 + 1e-6, "{} {most}", last[0]);
    for part in ["#[Mean", "#[Max", "#[Buckets"] {
        assert!(written.contains(part));
    }
}

#[test]
fn two_runs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (fast, slow) = (path("fast.json"), path("slow.json"));
    let args = [&SHORT[..], &["nothing", "--threads", "1", "--json", &fast]].concat();
    assert!(bench(&args).status.success());
    // The same run but for its rate: two real ones may differ in anything on a busy machine.
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(&fast).unwrap()).unwrap();
    let phase = &mut run["phases"][0];
    phase["rate"] = (phase["rate"].as_f64().unwrap() / 1_000.0).into();
    for interval in phase["intervals"].as_array_mut().unwrap() {
        interval["good"] = (interval["good"].as_u64().unwrap() / 1_000).max(1).into();
    }
    std::fs::write(&slow, run.to_string()).unwrap();

    let worse = bench(&["--compare", &fast, &slow]);
    assert_eq!(worse.status.code(), Some(1), "{worse:?}");
    assert!(text(&worse.stdout).contains("worse, beyond both runs' spread"), "{worse:?}");
    let better = bench(&["--compare", &slow, &fast]);
    assert_eq!(better.status.code(), Some(0), "{better:?}");
    let same = bench(&["--compare", &fast, &fast]);
    assert!(same.status.success() && text(&same.stdout).contains("within the runs' own spread"), "{same:?}");

    run["format"] = 99.into();
    std::fs::write(&slow, run.to_string()).unwrap();
    let other = bench(&["--compare", &fast, &slow]);
    assert!(other.status.code() == Some(4) && text(&other.stderr).contains("format 99"), "{other:?}");
}

#[test]
fn a_recorded_file_is_asked_about() {
    let run = json(&["--workload", "examples/payments.csv", "--warmup", "0", "--duration", "0.5"]);
    assert!(
        run["workload"].as_str().unwrap().contains("2000 payments of examples/payments.csv"),
        "{}",
        run["workload"]
    );
    assert!(run["phases"][0]["answers"]["decline"].as_u64().unwrap() > 0);
}

#[test]
fn an_interrupt_ends_the_run_and_shows_what_there_is() {
    let child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["bench", "nothing", "--payments", "100", "--warmup", "0", "--duration", "600", "--json", "-"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["interrupted"], true);
    assert!(run["phases"][0]["seconds"].as_f64().unwrap() < 600.0);
}

#[test]
fn what_is_wrong_is_told_with_a_remedy() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    for (args, code, remedy) in [
        (&["ftp://x"][..], 3, "the targets are"),
        (&["http://user:secret-word@x"], 3, "--header"),
        (&["--rate", "0"], 2, "a rate is from"),
        (&["--duration", "0"], 2, "more than 0"),
        (&["--steps=1,x"], 3, "--steps=1000,2000"),
        (&["--steps=1,2", "--rate", "5"], 3, "leave --rate out"),
        (&["--attack", "phishing=1"], 3, "card_testing"),
        (&["--attack", "takeover=0.9,bust_out=0.9"], 3, "together"),
        (&["--payments", "0"], 4, "1 to"),
        (&["--workload", "no/such.csv"], 4, "no such file"),
        (&["--workload", "a.csv", "--seed", "3"], 2, "cannot be used with"),
        (&["--compare", "no/such.json"], 4, "no/such.json"),
        (&["--compare", "Cargo.toml", "Cargo.toml"], 4, "bench --json"),
        (&["http://127.0.0.1:1", "--header", "no colon hidden-word"], 3, "--header 'x-api-key: KEY'"),
        (&[&nobody], 4, "tollgate serve"),
        (&["unix:no/such/socket"], 4, "tollgate serve"),
    ] {
        let output = bench(args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(remedy), "{args:?}: {told}");
        assert!(!told.contains("hidden-word"), "{told}");
    }
}
