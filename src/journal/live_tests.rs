//! Promises 1, 2 and 10 with real threads and real files.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::disk::Disk;
use super::frame::Raw;
use super::log::Log;
use super::refused::BUFFER_BYTES_MAX;
use super::scan::{Visitor, scan};
use super::simulated::{Random, SimDisk};
use super::writer::Writer;
use super::*;
use crate::decision::Decision;
use crate::engine::Engine;
use crate::list::{ListEdit, ListItem};
use crate::payment::Payment;
use crate::pipeline::Pipeline;
use crate::simulate::{Simulator, SimulatorSettings};
use crate::stage::{Flow, Settlement, stage};
use crate::velocity::Status;

#[cfg(feature = "serve")]
const ORIGIN: Origin = Origin { owner: 7, request: None };

fn payments(pipeline: &Pipeline, count: u64) -> Vec<Payment> {
    let settings = SimulatorSettings { payments: count, days: 2, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(pipeline.schema());
    let mut payments = Vec::new();
    while simulator.next(pipeline.schema(), &mut payment) {
        payments.push(payment.clone());
    }
    payments
}

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Pipeline::shipped().unwrap()))
}

/// Small segments, so that there are several.
fn open(dir: &Path, engine: &Arc<Engine>) -> (Journal, Recovered) {
    let settings = JournalSettings { segment_bytes: 1 << 20, durability: Durability::Written };
    Journal::open(dir, &settings, engine.clone()).unwrap()
}

fn a_list(engine: &Engine) -> String {
    let pipeline = engine.pipeline();
    let names: Vec<&str> = pipeline.lists().names().collect();
    let text = |n: &&&str| pipeline.lists().get(n).is_some_and(|l| l.kind() == crate::list::ListKind::Token);
    names.iter().find(text).unwrap_or_else(|| panic!("no token list among {names:?}")).to_string()
}

#[test]
fn many_threads_decide_as_one_does_in_the_journals_order() {
    for threads in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let first = engine();
        let (journal, _) = open(dir.path(), &first);
        let payments = payments(&first.pipeline(), 12_000);
        let list = a_list(&first);
        let next = AtomicUsize::new(0);
        let mut live: Vec<(u64, usize, Decision)> = thread::scope(|scope| {
            let work = || {
                let mut mine = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(payment) = payments.get(i) else { return mine };
                    let (decision, ticket) = journal.score(payment).unwrap();
                    mine.push((ticket.lsn(), i, decision));
                    if i.is_multiple_of(7) {
                        let settlement = Settlement { status: Status::Declined };
                        let _ = journal.settle(payment, settlement).unwrap();
                    }
                    if i.is_multiple_of(50) {
                        let card = payment.text(crate::schema::field::CARD).unwrap_or("none").to_owned();
                        let item = i.is_multiple_of(100).then(ListItem::default);
                        let _ = journal.edit(ListEdit { list: list.clone(), value: card, item }).unwrap();
                    }
                }
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        live.sort_unstable_by_key(|(lsn, ..)| *lsn);
        assert!(live.windows(2).all(|w| w[0].0 < w[1].0), "numbers are given once");
        journal.close().unwrap();
        let replayed = replay(dir.path(), &engine(), &|_, _| ()).unwrap();
        assert_eq!((replayed.same, replayed.different), (12_000, 0), "{:?}", replayed.differences);
        assert!(replayed.contents.list_edits > 100 && replayed.contents.settlements > 1_000);
        let verified = verify(dir.path(), &|_, _| ()).unwrap();
        assert!(
            verified.whole.sealed && verified.whole.torn.is_none() && verified.whole.segments > 3,
            "{verified:?}"
        );
        // Another pipeline's decisions are counted apart.
        let other = Engine::new(Pipeline::shipped().unwrap().then(stage("mine", |_, _| Flow::Continue)));
        let replayed = replay(dir.path(), &other, &|_, _| ()).unwrap();
        assert_eq!((replayed.same, replayed.different, replayed.other_pipelines.len()), (0, 0, 1));
        assert!(replayed.other_pipelines.values().all(|o| o.decisions == 12_000 && o.same_outcome == 12_000));
    }
}

#[test]
fn after_a_restart_the_windows_are_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let straight = engine();
    let payments = payments(&straight.pipeline(), 9_000);
    for part in payments.chunks(3_000) {
        let again = engine();
        let (journal, recovered) = open(dir.path(), &again);
        assert!(recovered.shut_down && recovered.torn.is_none());
        let shut_down_at = recovered.contents.records();
        assert_eq!(recovered.snapshot.unwrap_or_default(), shut_down_at, "{:?}", recovered.passed_over);
        for payment in part {
            let expected = straight.score(payment);
            let (decision, _ticket) = journal.score(payment).unwrap();
            assert_eq!(format!("{decision:?}"), format!("{expected:?}"), "{}", payment.id());
        }
        assert_eq!(again.memory().0, straight.memory().0);
        journal.close().unwrap();
    }
    let (_, recovered) = open(dir.path(), &engine());
    assert_eq!((recovered.contents.payments, recovered.contents.shutdowns), (9_000, 3));
    assert_eq!(recovered.contents.pipelines, 1); // the same pipeline is named once
}

/// Every entity that the engines know of answers alike.
fn assert_same_past(one: &Engine, two: &Engine, payments: &[Payment]) {
    for payment in payments {
        assert_eq!(format!("{:?}", one.preview(payment)), format!("{:?}", two.preview(payment)));
    }
}

#[test]
fn a_snapshot_that_is_of_no_use_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let straight = engine();
    let all = payments(&straight.pipeline(), 3_000);
    let list = a_list(&straight);
    for part in all.chunks(1_000) {
        let (journal, _) = open(dir.path(), &engine());
        for payment in part {
            straight.score(payment);
            let _ = journal.score(payment).unwrap();
        }
        let item = Some(ListItem::default());
        let _ = journal.edit(ListEdit { list: list.clone(), value: "tok_x".into(), item }).unwrap();
        journal.close().unwrap();
    }
    straight.pipeline().lists().get(&list).unwrap().insert("tok_x", ListItem::default()).unwrap();
    let names = || {
        let all =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        super::chunks::names(&all.collect::<Vec<_>>())
    };
    let [newest, older] = names().try_into().expect("two are kept");
    let back = || {
        let engine = engine();
        let (journal, recovered) = open(dir.path(), &engine);
        drop(journal);
        assert_same_past(&straight, &engine, &all[2_000..]);
        assert_eq!(recovered.contents.payments, 3_000);
        let lists = engine.pipeline().lists().clone();
        assert!(lists.get(&list).unwrap().contains_text("tok_x", Default::default()));
        (recovered.snapshot.is_some(), recovered.passed_over)
    };
    assert_eq!(back(), (true, vec![]));
    let good = std::fs::read(dir.path().join(&newest)).unwrap();
    let mut random = Random(1);
    for round in 0..20 {
        let mut bytes = good.clone();
        match round {
            0 => bytes.clear(),
            1 => bytes.truncate(good.len() / 2),
            _ => bytes[random.below(good.len() as u64) as usize] ^= 1 << random.below(8),
        }
        std::fs::write(dir.path().join(&newest), &bytes).unwrap();
        let (from_older, passed_over) = back();
        assert!(
            from_older && passed_over.len() == 1 && passed_over[0].starts_with(&newest),
            "{passed_over:?}"
        );
    }
    // Both: then all of the journal is read.
    std::fs::write(dir.path().join(&older), b"TGSNAPSH").unwrap();
    let (used, passed_over) = back();
    assert!(!used && passed_over.len() == 2, "{passed_over:?}");
    // Another pipeline's is passed over as well.
    std::fs::write(dir.path().join(&newest), &good).unwrap();
    let other = Pipeline::shipped().unwrap().then(stage("mine", |_, _| Flow::Continue));
    let (_journal, recovered) = open(dir.path(), &Arc::new(Engine::new(other)));
    assert!(recovered.snapshot.is_none() && recovered.passed_over[0].contains("it is of pipeline"));
}

#[test]
fn a_snapshot_ahead_of_a_journal_that_lost_its_tail_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine();
    let (journal, _) = open(dir.path(), &first);
    let payments = payments(&first.pipeline(), 300);
    for payment in &payments {
        journal.score(payment).unwrap().1.wait().unwrap();
    }
    // Beside the program that writes.
    let lsn = super::snapshot(dir.path(), &engine()).unwrap();
    assert!(lsn >= 301, "{lsn}");
    drop(journal);
    let second = engine();
    let (journal, recovered) = open(dir.path(), &second);
    assert_eq!(recovered.snapshot, Some(lsn));
    assert_same_past(&first, &second, &payments);
    drop(journal);
    // The frames behind the first few were in flight: none is there.
    let path = dir.path().join("00000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 + 20 * 512..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let (_journal, recovered) = open(dir.path(), &engine());
    assert!(recovered.snapshot.is_none() && recovered.contents.payments < 300);
    assert!(recovered.passed_over[0].contains("does not reach as far"), "{:?}", recovered.passed_over);
    let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().ends_with(".snapshot")), "it is gone");
}

#[test]
fn edits_and_pipelines_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine();
    let list = a_list(&first);
    let listed = |engine: &Engine, value: &str| {
        engine.pipeline().lists().get(&list).unwrap().contains_text(value, Default::default())
    };
    let (journal, _) = open(dir.path(), &first);
    let edit = |value: &str, item| ListEdit { list: list.clone(), value: value.to_owned(), item };
    for value in ["tok_a", "tok_b"] {
        assert!(journal.edit(edit(value, Some(ListItem::default()))).unwrap().is_some());
    }
    assert!(journal.edit(edit("tok_a", None)).unwrap().is_some());
    assert!(journal.edit(edit("tok_never", None)).unwrap().is_none());
    let nowhere = ListEdit { list: "nowhere".into(), ..edit("x", None) };
    assert_eq!(journal.edit(nowhere).err(), Some(EditError::NoList("nowhere".into())));
    let pan = edit("4111111111111111", Some(ListItem::default()));
    assert!(matches!(journal.edit(pan), Err(EditError::Value(_))));
    // A new pipeline reads its lists from files, which know nothing of the edits.
    let changed = Pipeline::shipped().unwrap().then(stage("mine", |_, _| Flow::Continue));
    let (_, ticket) = journal.replace(changed).unwrap();
    ticket.wait().unwrap();
    assert!(listed(&first, "tok_b") && !listed(&first, "tok_a"));
    let seeded = Pipeline::shipped_with(&crate::pipeline::Options { seed: 9, ..Default::default() }).unwrap();
    assert!(journal.replace(seeded).is_err());
    drop(journal); // no shutdown in good order
    let second = engine();
    let (_journal, recovered) = open(dir.path(), &second);
    assert!(listed(&second, "tok_b") && !listed(&second, "tok_a"));
    assert!(!recovered.shut_down);
    // The change back to the shipped pipeline is a change as well.
    let bytes = verify(dir.path(), &|_, _| ()).unwrap();
    assert_eq!((recovered.contents.pipelines, bytes.contents.pipelines), (2, 3));
}

#[test]
fn a_journal_has_one_writer_and_one_seed() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Journal::seed(dir.path()).unwrap(), None);
    let (journal, _) = open(dir.path(), &engine());
    let settings = JournalSettings::default();
    let second = Journal::open(dir.path(), &settings, engine()).err().unwrap();
    assert!(second.to_string().contains("another process writes this journal"), "{second}");
    journal.close().unwrap();
    assert_eq!(Journal::seed(dir.path()).unwrap(), Some(0));
    let options = crate::pipeline::Options { seed: 5, ..Default::default() };
    let seeded = Arc::new(Engine::new(Pipeline::shipped_with(&options).unwrap()));
    let wrong = Journal::open(dir.path(), &settings, seeded).err().unwrap();
    assert!(wrong.to_string().contains("another seed"), "{wrong}");
}

#[test]
fn a_stage_that_panics_leaves_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = Arc::new(AtomicBool::new(false));
    let fuse = bomb.clone();
    let pipeline = Pipeline::shipped().unwrap().then(stage("bomb", move |_, _| {
        assert!(!fuse.load(Ordering::Relaxed), "boom");
        Flow::Continue
    }));
    let engine = Arc::new(Engine::new(pipeline));
    let (journal, _) = open(dir.path(), &engine);
    let payments = payments(&engine.pipeline(), 3);
    journal.score(&payments[0]).unwrap().1.wait().unwrap();
    bomb.store(true, Ordering::Relaxed);
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| journal.score(&payments[1]).is_ok()));
    assert!(panicked.is_err());
    bomb.store(false, Ordering::Relaxed);
    // Its record would wait for ever for a number without one.
    journal.score(&payments[2]).unwrap().1.wait().unwrap();
    journal.close().unwrap();
    let verified = verify(dir.path(), &|_, _| ()).unwrap();
    assert_eq!((verified.contents.payments, verified.contents.undecided), (2, 1));
}

/// Polls a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn tasks_and_threads_are_woken() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let (journal, _) = open(dir.path(), &engine);
    for payment in payments(&engine.pipeline(), 300) {
        let (_, ticket) = journal.score(&payment).unwrap();
        assert_eq!(block_on(ticket), Ok(Durability::Written));
        let (_, ticket) = journal.score(&payment).unwrap();
        assert_eq!(block_on(ticket.until(Durability::Sync)), Ok(Durability::Sync));
        let (_, ticket) = journal.score(&payment).unwrap();
        assert_eq!(block_on(ticket.until(Durability::Async)), Ok(Durability::Async));
        assert_eq!(journal.score(&payment).unwrap().1.until(Durability::Sync).wait(), Ok(Durability::Sync));
    }
}

#[cfg(feature = "serve")]
#[test]
fn payments_past_the_limit_are_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let (journal, _) = open(dir.path(), &engine);
    let schema = engine.pipeline().schema().clone();
    let mut payment = payments(&engine.pipeline(), 1).remove(0);
    let long = "x".repeat(crate::schema::TEXT_BYTES_MAX);
    for (i, (id, field)) in schema.fields().filter(|(_, f)| f.kind == crate::schema::Kind::Text).enumerate() {
        if i >= 13 && !field.outcome {
            payment.set(&schema, id, crate::schema::Value::Text(&long)).unwrap();
        }
    }
    for _ in 0..9 {
        payment.push_item(&schema, Some(&long), Some(&long), None, None).unwrap();
    }
    let before = engine.memory();
    let refused = journal.score(&payment).map(|_| ());
    assert!(matches!(refused, Err(Busy::TooLarge(..))), "{refused:?}");
    assert_eq!(engine.memory(), before, "it was not remembered");
    // Among others it keeps nobody from being taken.
    let others = payments(&engine.pipeline(), 2);
    let answers = journal.turn().score_each(&[&others[0], &payment, &others[1]], &[ORIGIN; 3]);
    assert!(matches!(answers[..], [Ok(_), Err(Busy::TooLarge(..)), Ok(_)]));
    let numbers: Vec<u64> = answers.iter().flatten().map(|(_, ticket)| ticket.lsn()).collect();
    assert_eq!(numbers[1], numbers[0] + 1);
}

#[cfg(feature = "serve")]
#[test]
fn together_or_one_by_one_the_answers_and_the_records_are_the_same() {
    let (one, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (alone, together) = (engine(), engine());
    let (first, second) = (open(one.path(), &alone).0, open(many.path(), &together).0);
    let payments = payments(&alone.pipeline(), 2_000);
    let mut rest = &payments[..];
    for size in (0..=40).cycle() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        let asked: Vec<&Payment> = now.iter().collect();
        let answers = second.turn().score_each(&asked, &vec![ORIGIN; asked.len()]);
        assert_eq!(answers.len(), now.len());
        for (payment, answer) in now.iter().zip(answers) {
            let ((decision, ticket), (expected, before)) = (answer.unwrap(), first.score(payment).unwrap());
            assert_eq!((format!("{decision:?}"), ticket.lsn()), (format!("{expected:?}"), before.lsn()));
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    first.close().unwrap();
    second.close().unwrap();
    let contents = |dir: &Path| format!("{:?}", verify(dir, &|_, _| ()).unwrap().contents);
    assert_eq!(contents(one.path()), contents(many.path()));
}

/// Counts the records of a log.
struct Count(u64);

impl Visitor for Count {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        assert_eq!(record.payload[..8], lsn.to_le_bytes(), "a wrong value");
        self.0 = lsn;
        Ok(())
    }
}

fn records(disk: &SimDisk) -> u64 {
    let mut count = Count(0);
    scan(disk, &mut count).unwrap_or_else(|stop| panic!("{stop:?}"));
    count.0
}

#[test]
fn nothing_is_acknowledged_after_a_failed_call() {
    const SEGMENT: usize = 8192;
    for call in 20..20 + 150 {
        let disk = SimDisk::default();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let writer = Writer::begin(shared, 7, 0, SEGMENT).unwrap();
        disk.fail_at(disk.calls() + call - 19, call % 2 == 0);
        let log = Log::start(writer, Writer::record_max(SEGMENT)).unwrap();
        let (written, synced): (Vec<u64>, Vec<u64>) = thread::scope(|scope| {
            let work = |durability| {
                let log = &log;
                move || {
                    let mut last = 0;
                    for _ in 0..60 {
                        if log.admit(0).is_err() {
                            break;
                        }
                        let lsn = log.draw();
                        let payload = [lsn.to_le_bytes(); 40].concat();
                        log.append(lsn, Raw { kind: 1, version: 1, payload: &payload });
                        let ticket = Ticket::new(lsn, durability, log.shared());
                        if ticket.wait().is_ok() {
                            last = lsn;
                        }
                    }
                    last
                }
            };
            let one = scope.spawn(work(Durability::Written));
            let two = scope.spawn(work(Durability::Sync));
            (vec![one.join().unwrap()], vec![two.join().unwrap()])
        });
        drop(log);
        let (written, synced) = (written[0].max(synced[0]), synced[0]);
        assert!(records(&disk.after_kill()) >= written, "call {call}: killed");
        let mut random = Random(call);
        assert!(records(&disk.after_power_cut(&mut random)) >= synced, "call {call}: power cut");
    }
}

#[test]
fn early_records_wait_for_those_before_them() {
    let disk = SimDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = Log::start(Writer::begin(shared, 7, 0, 8192).unwrap(), 1000).unwrap();
    let put = |lsn: u64| {
        log.append(lsn, Raw { kind: 1, version: 1, payload: &lsn.to_le_bytes() });
        Ticket::new(lsn, Durability::Written, log.shared())
    };
    let drawn: Vec<u64> = (0..4).map(|_| log.draw()).collect();
    assert_eq!(drawn, [1, 2, 3, 4]);
    let late = [put(4), put(2), put(3)];
    thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(records(&disk.after_kill()), 0, "what it depends on is not there");
    let first = put(1);
    first.wait().unwrap();
    late.iter().for_each(|ticket| assert!(ticket.wait().is_ok()));
    assert_eq!(records(&disk.after_kill()), 4);
}

#[test]
fn a_full_buffer_is_said() {
    let disk = SimDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = Log::start(Writer::begin(shared, 7, 0, 1 << 20).unwrap(), 64 << 10).unwrap();
    let gap = log.draw();
    let large = vec![0; 60 << 10];
    while log.admit(0).is_ok() {
        let lsn = log.draw();
        log.append(lsn, Raw { kind: 1, version: 1, payload: &large });
        assert!(lsn < 2 * (BUFFER_BYTES_MAX as u64 / (60 << 10)), "no end");
    }
    assert_eq!(log.admit(0), Err(Busy::Full));
    log.append(gap, Raw { kind: 1, version: 1, payload: &[] });
}
