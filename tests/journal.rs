//! The journal as an operator meets it: `kill -9`, two processes, `verify` and `replay`.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tollgate::{Engine, Journal, JournalSettings, Pipeline, SEGMENT_BYTES_MIN, Settlement, Status};

/// The directory that a child process is to write to; this test does nothing without it.
const CHILD: &str = "TOLLGATE_TEST_JOURNAL";

fn settings() -> JournalSettings {
    JournalSettings { segment_bytes: SEGMENT_BYTES_MIN * 4, ..JournalSettings::default() }
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Pipeline::shipped().unwrap()))
}

/// What a child process does: scores on two threads for ever, and tells of each payment once its answer might be sent.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let engine = engine();
    let (journal, _) = Journal::open(dir, &settings(), engine.clone()).unwrap();
    let payments = support::payments(engine.pipeline().schema(), 50_000);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(payment) = payments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (_, ticket) = journal.score(payment).unwrap();
                    let lsn = ticket.lsn();
                    ticket.wait().unwrap();
                    // In one write: the kill may fall between two, and half a line tells nothing.
                    std::io::stderr().write_all(format!("acknowledged {lsn}\n").as_bytes()).unwrap();
                    if lsn % 5 == 0 {
                        let settled = journal.settle(payment, Settlement { status: Status::Refunded });
                        settled.unwrap().1.wait().unwrap();
                    }
                }
            });
        }
    });
}

fn spawn(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, dir);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// More rounds: `TOLLGATE_SOAK=10 cargo test --release --test journal`.
fn rounds() -> u64 {
    let soak = std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    5 * soak
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut most = 0;
    for round in 0..rounds() {
        let mut child = spawn(dir.path());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = Instant::now();
        let life = Duration::from_millis(40 + round * 37 % 150);
        let mut killed = false;
        let mut last = 0u64;
        // The first acknowledgement says that it is at work.
        while let Some(Ok(line)) = lines.next() {
            let lsn = line.strip_prefix("acknowledged ").and_then(|n| n.parse().ok());
            last = last.max(lsn.unwrap_or_else(|| panic!("{line}")));
            if !killed && started.elapsed() > life {
                if round == 0 {
                    let second = Journal::open(dir.path(), &settings(), engine()).err().unwrap();
                    assert!(second.to_string().contains("another process writes this journal"), "{second}");
                }
                child.kill().unwrap(); // SIGKILL
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself");
        assert!(last > most, "round {round}: nothing was acknowledged");
        most = last;
        let (journal, recovered) = Journal::open(dir.path(), &settings(), engine()).unwrap();
        assert!(recovered.contents.records() >= last, "round {round}: {recovered:?}, acknowledged {last}");
        assert!(!recovered.shut_down);
        drop(journal);
    }
    let tollgate = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("tollgate").unwrap();
        command
            .args(args)
            .arg(dir.path())
            .current_dir(dir.path())
            .assert()
            .success()
            .get_output()
            .stdout
            .clone()
    };
    let replayed: serde_json::Value = serde_json::from_slice(&tollgate(&["replay", "--json"])).unwrap();
    assert_eq!(replayed["different"], 0);
    assert_eq!(replayed["same"], replayed["contents"]["payments"]);
    let verified = String::from_utf8(tollgate(&["verify"])).unwrap();
    assert!(verified.starts_with("whole: ") && verified.contains("sealed"), "{verified}");
}

#[test]
fn damage_is_named_and_a_torn_tail_is_not_damage() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let (journal, _) = Journal::open(dir.path(), &settings(), engine.clone()).unwrap();
    let mut last = None;
    for payment in support::payments(engine.pipeline().schema(), 500) {
        let (_, ticket) = journal.score(&payment).unwrap();
        last = Some(ticket);
    }
    last.unwrap().wait().unwrap();
    journal.close().unwrap();
    let path = dir.path().join("00000001.log");
    let good = std::fs::read(&path).unwrap();
    let run = |command: &str| {
        let mut tollgate = assert_cmd::Command::cargo_bin("tollgate").unwrap();
        tollgate.arg(command).arg(dir.path()).current_dir(dir.path()).assert()
    };
    run("verify").code(0);
    // A bit in the middle.
    let mut bytes = good.clone();
    bytes[9000] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    for command in ["verify", "replay"] {
        let output = run(command).code(6).get_output().stderr.clone();
        let said = String::from_utf8(output).unwrap();
        assert!(said.contains("the journal is damaged: 00000001.log at byte "), "{said}");
        assert!(said.contains(" lost. Nothing was changed"), "{said}");
    }
    let refused = Journal::open(dir.path(), &settings(), Arc::new(Engine::new(Pipeline::shipped().unwrap())));
    assert_eq!(refused.err().unwrap().kind(), tollgate::ErrorKind::Damaged);
    assert!(std::fs::read(&path).unwrap() == bytes, "nothing was changed");
    // Half of a frame behind the last one.
    let mut bytes = good.clone();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap().next_multiple_of(512);
    bytes.copy_within(4096..4396, end);
    std::fs::write(&path, &bytes).unwrap();
    let said = String::from_utf8(run("verify").code(0).get_output().stdout.clone()).unwrap();
    assert!(said.contains(&format!("00000001.log from byte {end} on")), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let mut tollgate = assert_cmd::Command::cargo_bin("tollgate").unwrap();
    tollgate.arg("verify").arg(empty.path()).assert().code(4);
}

#[test]
fn no_card_number_reaches_the_journal() {
    use tollgate::{Options, Payment, TokenKey, Value, field};
    let dir = tempfile::tempdir().unwrap();
    let options = Options { token_key: Some(TokenKey::new("k1", &[7; 32]).unwrap()), ..Options::default() };
    let engine = Arc::new(Engine::new(Pipeline::shipped_with(&options).unwrap()));
    let (journal, _) = Journal::open(dir.path(), &settings(), engine.clone()).unwrap();
    let pan = "4111111111111111";
    let schema = engine.pipeline().schema().clone();
    for (id, field) in schema.fields() {
        let mut payment = Payment::new(&schema);
        payment.set(&schema, field::ID, Value::Token("p")).unwrap();
        let text = format!("x {pan} y");
        let value = match field.kind {
            tollgate::Kind::Text => Value::Text(&text),
            tollgate::Kind::Token => Value::Token(pan),
            _ => continue,
        };
        payment.set(&schema, id, value).unwrap();
        journal.score(&payment).unwrap().1.wait().unwrap();
    }
    journal.close().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, pan.as_bytes()).is_none());
    }
    // What was tokenised is read back without the key.
    let (_, recovered) = Journal::open(dir.path(), &settings(), self::engine()).unwrap();
    assert!(recovered.contents.payments > 20);
}
