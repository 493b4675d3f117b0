//! Cards by ISO 8583, against the simulated institution as a process of its own: what the channel believes is what
//! the institution's ledger says.
#![cfg(feature = "serve")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollgate::channel::card::{CardChannel, CardSettings, Message, Mti, Terms, Version};
use tollgate::channel::{Channel, Instrument, Reply, Request};
use tollgate::institution::simulator::{Entry, Ledger};
use tollgate::institution::{BreakerSettings, Guard, GuardSettings};
use tollgate::pay::{
    Answer, Call, CallKey, DeclineGroup, MerchantId, Method, Operation, OrderId, PaymentId, RefundId,
    ThreeDs, TransStatus,
};
use tollgate::{Currency, Money, Timestamp};

const VISA: &str = "4111111111111111";

/// The simulator, until it is dropped.
struct Simulated {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Simulated {
    fn start(script: Option<&str>) -> Simulated {
        Simulated::start_at("127.0.0.1:0", script, tempfile::tempdir().unwrap())
    }

    fn start_at(address: &str, script: Option<&str>, folder: tempfile::TempDir) -> Simulated {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tollgate"));
        command.args(["simulate", "institution", "--kind", "card", "--listen", address, "--ledger"]);
        command.arg(folder.path().join("ledger.jsonl"));
        if let Some(script) = script {
            let path = folder.path().join("script.toml");
            std::fs::write(&path, script).unwrap();
            command.arg("--script").arg(path);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("card listens on ").expect("where it listens").to_owned();
        Simulated { process, address, folder }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    fn entry(&self, key: CallKey) -> Option<Entry> {
        let entries = Ledger::read(&self.ledger()).unwrap();
        entries.into_iter().find(|entry| entry.key == key.to_string())
    }

    fn channel(&self) -> CardChannel {
        CardChannel::new(CardSettings::to(&self.address)).unwrap()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn eur(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("EUR").unwrap() }
}

/// A key that no other has.
fn key() -> CallKey {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let hash = blake3::hash(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    CallKey(*hash.as_bytes().first_chunk().unwrap())
}

fn request(operation: Operation, amount: Money, original: Option<(CallKey, Money)>) -> Request {
    Request {
        call: Call {
            key: key(),
            payment: PaymentId::parse("p1").unwrap(),
            method: Method::Card,
            operation,
            amount,
        },
        merchant: MerchantId::parse("m1").unwrap(),
        order: OrderId::parse("o1").unwrap(),
        requested: Timestamp::parse("2026-11-27T12:00:00Z").unwrap(),
        original,
        instrument: None,
        subject: "Shoes \u{978b}".to_owned(),
        authenticated: true,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

fn authorization(minor: i64, pan: &str) -> Request {
    let cvv = Some("737".to_owned().into());
    let instrument = Some(Instrument::Card { pan: pan.to_owned().into(), expiry: *b"2912", cvv });
    Request { instrument, ..request(Operation::Authorize, eur(minor), None) }
}

fn about(authorized: &Request, operation: Operation, minor: i64) -> Request {
    request(operation, eur(minor), Some((authorized.call.key, authorized.call.amount)))
}

fn capture(authorized: &Request, minor: i64) -> Request {
    about(authorized, Operation::Capture { amount: eur(minor) }, minor)
}

fn refund(authorized: &Request, minor: i64) -> Request {
    let refund = RefundId::parse("r1").unwrap();
    about(authorized, Operation::Refund { refund, amount: eur(minor) }, minor)
}

fn again(request: &Request) -> Request {
    Request { repetition: request.repetition + 1, ..request.clone() }
}

fn approved(request: &Request) -> Answer {
    Answer::Approved { amount: request.call.amount }
}

fn short(deadline_ms: u64) -> GuardSettings {
    let breaker = BreakerSettings { requests_min: u32::MAX, ..BreakerSettings::default() };
    GuardSettings {
        deadline: Duration::from_millis(deadline_ms),
        retries: 0,
        breaker,
        ..GuardSettings::default()
    }
}

#[tokio::test]
async fn a_payment_goes_its_way_and_a_repetition_changes_nothing() {
    let simulated = Simulated::start(None);
    let channel = simulated.channel();
    let paid = authorization(1999, VISA);
    let taken = capture(&paid, 1500);
    let given = refund(&paid, 400);
    let other = authorization(700, "5555555555554444");
    let voided = about(&other, Operation::Void, 700);
    for request in [&paid, &taken, &given, &other, &voided] {
        let reply = channel.ask(request).await;
        assert_eq!((reply.answer, reply.sent, reply.code.as_deref()), (approved(request), true, Some("00")));
        assert_eq!(reply.reference, Some(request.call.key.to_string()[..6].to_owned()));
        let repeated = again(request);
        let repeat = channel.ask(&repeated).await;
        assert_eq!(repeat, reply, "{:?}", request.call.operation);
        if request.call.operation != Operation::Authorize {
            assert_eq!(channel.query(request).await, reply);
        }
    }
    for request in [&paid, &taken, &given, &other, &voided] {
        assert_eq!(simulated.entry(request.call.key).unwrap().effects, 1);
    }
    let entry = simulated.entry(paid.call.key).unwrap();
    assert_eq!((entry.held, entry.captured, entry.refunded, entry.deliveries), (0, 1500, 400, 2));
    assert_eq!(simulated.entry(other.call.key).unwrap().held, 0);
    // More than there is.
    let too_much = channel.ask(&refund(&paid, 1101)).await;
    assert_eq!(
        (too_much.answer, too_much.code.as_deref()),
        (Answer::Declined(DeclineGroup::Hard), Some("13"))
    );
}

#[tokio::test]
async fn declines_come_with_their_groups() {
    let simulated = Simulated::start(None);
    let channel = simulated.channel();
    for (minor, pan, code, group) in [
        (1000, "4000000000000002", "05", DeclineGroup::Soft),
        (1000, "4000000000009995", "51", DeclineGroup::Soft),
        (1000, "4000000000000069", "54", DeclineGroup::Hard),
        (1000, "4000000000009979", "43", DeclineGroup::Fraud),
        (1000, "4100000000000019", "59", DeclineGroup::Fraud),
        (1000, "4000002500003155", "1A", DeclineGroup::Sca),
        (1000, "4000000000000119", "96", DeclineGroup::Technical),
        (9005, VISA, "05", DeclineGroup::Soft),
        (9014, VISA, "14", DeclineGroup::Hard),
        (19_051, VISA, "51", DeclineGroup::Soft),
        (9059, VISA, "59", DeclineGroup::Fraud),
        (9065, VISA, "65", DeclineGroup::Sca),
        (9091, VISA, "91", DeclineGroup::Technical),
    ] {
        let request = authorization(minor, pan);
        let reply = channel.ask(&request).await;
        assert_eq!(
            (reply.answer, reply.code.as_deref()),
            (Answer::Declined(group), Some(code)),
            "{pan} {minor}"
        );
        let entry = simulated.entry(request.call.key).unwrap();
        assert_eq!((entry.effects, entry.held, entry.code.as_str()), (0, 0, code));
    }
    for pan in [VISA, "5555555555554444", "378282246310005", "6200000000000005"] {
        let request = authorization(1000, pan);
        assert_eq!(channel.ask(&request).await.answer, approved(&request), "{pan}");
    }
}

/// What the script does by amount, and whether the answer is lost by it.
const FAULTS: [(i64, bool); 7] =
    [(9201, true), (9202, true), (9203, false), (9204, false), (9205, true), (9206, true), (9207, true)];

#[tokio::test]
async fn an_authorization_that_is_not_heard_of_is_undone() {
    let simulated = Simulated::start(None);
    let guard = Guard::new(Arc::new(simulated.channel()), short(900));
    for (minor, lost) in FAULTS {
        let request = authorization(minor, VISA);
        let reply = guard.ask(&request).await;
        if !lost {
            assert_eq!(reply.answer, approved(&request), "{minor}");
            assert_eq!(simulated.entry(request.call.key).unwrap().held, minor);
            continue;
        }
        assert_eq!((reply.answer, reply.sent), (Answer::Unknown, true), "{minor}: {reply:?}");
        // The card is gone by now: nothing can be sent again, and nothing is.
        let mut late = again(&request);
        late.instrument = None;
        assert_eq!((guard.ask(&late).await.answer, guard.ask(&late).await.sent), (Answer::Unknown, true));
        let deliveries = simulated.entry(request.call.key).map_or(0, |entry| entry.deliveries);
        // 0420, which the same fault meets the first time, and 0421.
        let mut reply = guard.query(&late).await;
        assert_eq!((reply.answer, reply.sent), (Answer::Unknown, true), "{minor}");
        late = again(&late);
        reply = guard.query(&late).await;
        assert_eq!(reply.answer, Answer::Declined(DeclineGroup::Technical), "{minor}: {reply:?}");
        let entry = simulated.entry(request.call.key).unwrap();
        assert_eq!((entry.held, entry.reversed, entry.deliveries), (0, true, deliveries), "{minor}");
        // Had the authorization been on its way all the time, it would not be taken now.
        let reply = guard.ask(&again(&request)).await;
        assert_eq!(reply.answer, Answer::Declined(DeclineGroup::Hard), "{minor}");
    }
}

#[tokio::test]
async fn what_is_not_heard_of_is_asked_again_and_done_once() {
    let simulated = Simulated::start(None);
    let channel = Arc::new(simulated.channel());
    let guard = Guard::new(channel.clone(), short(900));
    for (minor, lost) in FAULTS {
        let paid = authorization(20_000, VISA);
        assert_eq!(guard.ask(&paid).await.answer, approved(&paid));
        for request in [capture(&paid, minor), refund(&paid, minor)] {
            let reply = guard.ask(&request).await;
            let expected = if lost { Answer::Unknown } else { approved(&request) };
            assert_eq!((reply.answer, reply.sent), (expected, true), "{minor}: {reply:?}");
            assert_eq!(guard.query(&again(&request)).await.answer, approved(&request), "{minor}");
            assert_eq!(simulated.entry(request.call.key).unwrap().effects, 1, "{minor}");
        }
        let entry = simulated.entry(paid.call.key).unwrap();
        assert_eq!((entry.held, entry.captured, entry.refunded), (0, minor, minor));
    }
    // The doubled answers of two requests, and the late ones of two more on a connection that may have ended.
    assert!(channel.strays() >= 2, "{}", channel.strays());
}

#[tokio::test]
async fn a_guard_tries_again_what_can_do_nothing_twice() {
    let simulated = Simulated::start(None);
    let guard = Guard::new(Arc::new(simulated.channel()), GuardSettings::default());
    let paid = authorization(20_000, VISA);
    guard.ask(&paid).await;
    // Garbage and a hang-up are known at once, and there is time.
    let taken = capture(&paid, 9206);
    assert_eq!(guard.ask(&taken).await.answer, approved(&taken));
    let given = refund(&paid, 9205);
    assert_eq!(guard.ask(&given).await.answer, approved(&given));
    assert_eq!(guard.figures().retried.load(Ordering::Relaxed), 2);
    for request in [&taken, &given] {
        let entry = simulated.entry(request.call.key).unwrap();
        assert_eq!((entry.effects, entry.deliveries), (1, 2));
    }
}

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let script = "seed = 3\n[[rule]]\nshare = 0.3\nthen = 'reorder'\n[[rule]]\nshare = 0.3\nthen = 'delay'\ndelay_ms = 30\n\
        [[rule]]\nshare = 0.3\nthen = 'duplicate'";
    let simulated = Simulated::start(Some(script));
    let settings = CardSettings { connections: 2, ..CardSettings::to(&simulated.address) };
    let channel = Arc::new(CardChannel::new(settings).unwrap());
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..300 {
        let channel = channel.clone();
        asking.spawn(async move {
            let request = authorization(1_000 + n, VISA);
            assert_eq!(channel.ask(&request).await.answer, approved(&request));
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    assert_eq!(Ledger::read(&simulated.ledger()).unwrap().len(), 300);
}

#[tokio::test]
async fn under_every_fault_at_once_belief_and_ledger_agree() {
    let faults = ["time_out", "duplicate", "reorder", "garbage", "disconnect", "lost"];
    let rules = faults.map(|fault| format!("[[rule]]\nshare = 0.04\nthen = '{fault}'\n")).concat();
    let simulated =
        Simulated::start(Some(&format!("seed = 11\n{rules}[[rule]]\nshare = 0.1\nthen = 'decline'\n")));
    let settings = CardSettings { connections: 8, ..CardSettings::to(&simulated.address) };
    let guard = Arc::new(Guard::new(Arc::new(CardChannel::new(settings).unwrap()), short(300)));
    /// What became of it in the end, by asking as a shell does.
    async fn settled(guard: &Guard, request: &Request) -> Answer {
        let mut request = request.clone();
        let mut reply = guard.ask(&request).await;
        while !reply.answer.is_final() {
            request = again(&request);
            reply = guard.query(&request).await;
        }
        reply.answer
    }
    // A connection that ends takes all that is on it along, so that only a few go at once.
    let mut paying = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let guard = guard.clone();
        paying.spawn(async move {
            let mut all = Vec::new();
            for n in 0..50 {
                let minor = 1_000 + 50 * lane + n;
                let paid = authorization(minor, VISA);
                let mut told = vec![(paid.clone(), settled(&guard, &paid).await)];
                if told[0].1 == approved(&paid) {
                    let next =
                        if n % 4 == 0 { about(&paid, Operation::Void, minor) } else { capture(&paid, 900) };
                    told.push((next.clone(), settled(&guard, &next).await));
                }
                all.push(told);
            }
            all
        });
    }
    let mut payments = Vec::new();
    while let Some(told) = paying.join_next().await {
        payments.extend(told.unwrap());
    }
    let (mut done, mut undone) = (0, 0);
    for told in payments {
        let paid = simulated.entry(told[0].0.call.key);
        let believed: Vec<bool> = told.iter().map(|(request, answer)| *answer == approved(request)).collect();
        done += believed.iter().filter(|b| **b).count();
        undone += believed.iter().filter(|b| !**b).count();
        let (held, captured) = match (&told[..], &believed[..]) {
            (_, [false]) => (0, 0),
            ([_, (next, _)], [true, true]) if next.call.operation == Operation::Void => (0, 0),
            (_, [true, true]) => (0, 900),
            ([(paid, _), ..], _) => (paid.call.amount.minor, 0),
            ([], _) => unreachable!(),
        };
        assert_eq!(paid.map_or((0, 0), |entry| (entry.held, entry.captured)), (held, captured), "{told:?}");
    }
    assert!(done > 400 && undone > 60, "{done} {undone}");
}

#[tokio::test]
async fn an_institution_that_went_away_is_left_alone_and_found_again() {
    let simulated = Simulated::start(None);
    let (address, folder) = (simulated.address.clone(), tempfile::tempdir().unwrap());
    let breaker = BreakerSettings {
        requests_min: 5,
        open_for: Duration::from_millis(300),
        probes: 1,
        ..BreakerSettings::default()
    };
    let settings = GuardSettings { breaker, retries: 0, ..GuardSettings::default() };
    let guard = Guard::new(Arc::new(simulated.channel()), settings);
    let request = authorization(1_000, VISA);
    assert_eq!(guard.ask(&request).await.answer, approved(&request));
    drop(simulated);
    for n in 0..20 {
        let reply = guard.ask(&authorization(1_000, VISA)).await;
        // The first may be written before it is seen that the connection has ended.
        assert_eq!((reply.answer, reply.sent && n > 0), (Answer::Unknown, false), "{reply:?}");
    }
    assert_eq!(guard.breaker().phase(), "open");
    assert!(guard.figures().left_alone.load(Ordering::Relaxed) > 0);
    let simulated = Simulated::start_at(&address, None, folder);
    let began = Instant::now();
    let reply: Reply = loop {
        let reply = guard.ask(&authorization(1_000, VISA)).await;
        if reply.answer.is_final() || began.elapsed() > Duration::from_secs(10) {
            break reply;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(reply.code.as_deref(), Some("00"), "{reply:?}");
    assert_eq!(guard.breaker().phase(), "closed");
    drop(simulated);
}

#[tokio::test]
async fn what_can_not_be_asked_is_not_sent() {
    let simulated = Simulated::start(None);
    let channel = simulated.channel();
    let mut no_card = authorization(1_000, VISA);
    no_card.instrument = None;
    let reply = channel.ask(&no_card).await;
    assert_eq!((reply.answer, reply.sent), (Answer::Unknown, false), "{reply:?}");
    // These will not be askable another time either.
    let declined = Answer::Declined(DeclineGroup::Technical);
    let mut long = authorization(1_000, VISA);
    long.merchant = MerchantId::parse(&"m".repeat(16)).unwrap();
    let reply = channel.ask(&long).await;
    assert_eq!((reply.answer, reply.sent), (declined, false), "{reply:?}");
    for (minor, sent) in [(999_999_999_999, true), (1_000_000_000_000, false)] {
        assert_eq!(channel.ask(&authorization(minor, VISA)).await.sent, sent);
    }
    let odd = authorization(1_000, "4111-1111");
    let reply = channel.ask(&odd).await;
    assert_eq!((reply.answer, reply.sent), (declined, false));
    assert!(!format!("{reply:?}").contains("4111"));
    assert_eq!(Ledger::read(&simulated.ledger()).unwrap().len(), 1);
}

#[tokio::test]
async fn no_card_number_is_in_what_is_written_or_shown() {
    let simulated = Simulated::start(None);
    let channel = simulated.channel();
    let request = authorization(1_000, VISA);
    let reply = channel.ask(&request).await;
    let text = std::fs::read_to_string(simulated.ledger()).unwrap();
    for shown in [text, format!("{request:?} {reply:?}")] {
        assert!(!shown.contains(VISA) && !shown.contains("737"), "{shown}");
    }
}

/// Answers one message after the other as `answer` says, on every connection that comes.
async fn odd_institution(answer: impl Fn(Message) -> Vec<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut bytes = vec![0; usize::from(length)];
                    stream.read_exact(&mut bytes).await.unwrap();
                    let answers = answer(Message::read(&bytes).unwrap());
                    if answers.is_empty() {
                        return;
                    }
                    for bytes in answers {
                        stream.write_all(&bytes).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.write();
    [&(bytes.len() as u16).to_be_bytes(), bytes.as_slice()].concat()
}

fn yes(question: &Message) -> Message {
    let mut answer = Message::new(question.mti.answer().unwrap());
    for field in [3, 4, 7, 11, 37, 48, 49, 70] {
        if let Some(value) = question.get(field) {
            answer.set(field, value).unwrap();
        }
    }
    answer.set(39, "00").unwrap();
    answer
}

#[tokio::test]
async fn what_does_not_answer_the_question_is_no_answer() {
    for (field, value, counts) in [
        (39, "00", true),
        (39, "10", false), // for a part of it
        (39, "68", false),
        (39, "ZZ", false),
        (4, "000000000999", false),
        (49, "840", false),
        (48, "CK32ffffffffffffffffffffffffffffffff", false),
    ] {
        let address = odd_institution(move |question| {
            let mut answer = yes(&question);
            answer.set(field, value).unwrap();
            vec![framed(&answer)]
        });
        let channel = CardChannel::new(CardSettings::to(address.await)).unwrap();
        let request = authorization(1_000, VISA);
        let reply = channel.ask(&request).await;
        let expected = if counts { approved(&request) } else { Answer::Unknown };
        assert_eq!((reply.answer, reply.sent), (expected, true), "{field} {value}: {reply:?}");
    }
    // With another type, trace or reference number it is to somebody else, and the right one may still come.
    for (field, value) in [(11, "000000"), (37, "000000000000"), (0, "")] {
        let address = odd_institution(move |question| {
            let (right, mut wrong) = (yes(&question), yes(&question));
            match field {
                0 => wrong.mti = Mti::parse(b"0210").unwrap(),
                field => wrong.set(field, value).unwrap(),
            }
            vec![framed(&wrong), framed(&right)]
        });
        let channel = CardChannel::new(CardSettings::to(address.await)).unwrap();
        let request = authorization(1_000, VISA);
        assert_eq!(channel.ask(&request).await.answer, approved(&request), "{field}");
        assert_eq!(channel.strays(), 1, "{field}");
    }
}

#[tokio::test]
async fn a_connection_is_made_anew_and_signs_on() {
    // One answer a connection, to anything but a sign-on.
    let signed = Arc::new(AtomicU64::new(0));
    let counted = signed.clone();
    let address = odd_institution(move |question| match question.get(70) {
        Some("001") => {
            counted.fetch_add(1, Ordering::Relaxed);
            vec![framed(&yes(&question))]
        }
        Some(_) => vec![framed(&yes(&question))],
        None => vec![framed(&yes(&question)), vec![0xff, 0xff]],
    })
    .await;
    let settings = CardSettings { sign_on: true, ..CardSettings::to(address) };
    let channel = CardChannel::new(settings).unwrap();
    for n in 1..=5 {
        let request = authorization(1_000, VISA);
        assert_eq!(channel.ask(&request).await.answer, approved(&request));
        // A length past the limit ends the connection; give it the time to.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(signed.load(Ordering::Relaxed), n);
    }
}

#[tokio::test]
async fn an_institution_that_refuses_the_sign_on_is_sent_nothing() {
    let address = odd_institution(|question| {
        let mut answer = yes(&question);
        answer.set(39, "91").unwrap();
        vec![framed(&answer)]
    });
    let settings = CardSettings { sign_on: true, ..CardSettings::to(address.await) };
    let reply = CardChannel::new(settings).unwrap().ask(&authorization(1_000, VISA)).await;
    assert_eq!((reply.answer, reply.sent), (Answer::Unknown, false));
    assert!(reply.code.unwrap().contains("refuses the sign-on"));
}

#[tokio::test]
async fn silence_is_asked_about() {
    let echoes = Arc::new(AtomicU64::new(0));
    let counted = echoes.clone();
    let address = odd_institution(move |question| {
        counted.fetch_add(u64::from(question.get(70) == Some("301")), Ordering::Relaxed);
        vec![framed(&yes(&question))]
    });
    let echo_every = Some(Duration::from_millis(50));
    let settings = CardSettings { echo_every, ..CardSettings::to(address.await) };
    let channel = CardChannel::new(settings).unwrap();
    let request = authorization(1_000, VISA);
    assert_eq!(channel.ask(&request).await.answer, approved(&request));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!((3..=8).contains(&echoes.load(Ordering::Relaxed)), "{echoes:?}");
    assert_eq!(channel.ask(&request).await.answer, approved(&request));
}

#[test]
fn a_script_that_is_wrong_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    std::fs::File::create(&path).unwrap().write_all(b"[[rule]]\nthen = 'delay'\n").unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tollgate"));
    command.args(["simulate", "institution", "--kind", "card", "--listen", "127.0.0.1:0", "--script"]);
    let output = command.arg(path).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("rule 1 of the script: `delay` needs `delay_ms`")
    );
}

/// How fast it is, by hand: what one gateway gets out of the simulator on this machine.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn throughput() {
    let simulated = Simulated::start(Some(""));
    let guard = Arc::new(Guard::new(Arc::new(simulated.channel()), GuardSettings::default()));
    let (lanes, each, began) = (64, 500, Instant::now());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..lanes {
        let guard = guard.clone();
        asking.spawn(async move {
            for _ in 0..each {
                let request = authorization(1_000, VISA);
                assert_eq!(guard.ask(&request).await.answer, approved(&request));
            }
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    println!("{:.0} authorizations a second", f64::from(lanes * each) / began.elapsed().as_secs_f64());
}

/// Both directions with pyiso8583: tests/channels/run starts the peer and this.
#[tokio::test]
#[ignore = "needs the peer of tests/channels/run"]
async fn a_peer_of_another_hand_understands_all_of_it() {
    let address = std::env::var("TOLLGATE_CARD_PEER").expect("where the peer listens");
    for version in [Version::Of1987, Version::Of1993] {
        understood(&address, version).await;
    }
}

/// One of each operation, and what becomes of it.
async fn understood(address: &str, version: Version) {
    let terms = Terms { version, ..Terms::default() };
    let connect_within = Duration::from_secs(20);
    let settings = CardSettings { sign_on: true, terms, connect_within, ..CardSettings::to(address) };
    let channel = CardChannel::new(settings).unwrap();
    let paid = authorization(1999, VISA);
    let (captured, other) = (capture(&paid, 1500), authorization(700, VISA));
    for request in [
        paid.clone(),
        again(&paid),
        captured.clone(),
        again(&captured),
        refund(&paid, 400),
        other.clone(),
        about(&other, Operation::Void, 700),
    ] {
        assert_eq!(channel.ask(&request).await.answer, approved(&request), "{:?}", request.call.operation);
    }
    let declined = channel.ask(&authorization(9051, VISA)).await;
    assert_eq!(declined.answer, Answer::Declined(DeclineGroup::Soft));
    let undone = authorization(800, VISA);
    assert_eq!(channel.ask(&undone).await.answer, approved(&undone));
    assert_eq!(channel.query(&again(&undone)).await.answer, Answer::Declined(DeclineGroup::Technical));
}

#[tokio::test]
async fn both_editions_are_spoken_to_the_same_end() {
    for (version, code) in [(Version::Of1987, "51"), (Version::Of1993, "116")] {
        let simulated = Simulated::start(None);
        understood(&simulated.address, version).await;
        let books = Ledger::read(&simulated.ledger()).unwrap();
        let sums = |pick: fn(&Entry) -> i64| books.iter().map(pick).sum::<i64>();
        assert_eq!(
            (sums(|e| e.captured), sums(|e| e.refunded), sums(|e| e.held)),
            (1500, 400, 0),
            "{version:?}"
        );
        // The institution's own word, in the edition's form.
        let terms = Terms { version, ..Terms::default() };
        let channel =
            CardChannel::new(CardSettings { terms, ..CardSettings::to(&simulated.address) }).unwrap();
        let reply = channel.ask(&authorization(9051, VISA)).await;
        assert_eq!(reply.code.as_deref(), Some(code));
    }
}

#[test]
fn what_1993_says_in_other_fields() {
    let terms = Terms { version: Version::Of1993, acquirer: "123456".to_owned(), ..Terms::default() };
    let paid = authorization(1999, VISA);
    let fields = |request: &Request| {
        let message = terms.ask(request).unwrap();
        let get = |field| message.get(field).map(str::to_owned);
        assert_eq!((get(12).as_deref(), get(26).as_deref()), (Some("261127120000"), Some("5999")));
        assert_eq!([13, 18, 90].map(get), [None, None, None]);
        (message.mti.to_string(), get(24), get(25), get(56))
    };
    let some = |text: &str| Some(text.to_owned());
    let trace = terms.ask(&paid).unwrap().get(11).unwrap().to_owned();
    let original = Some(format!("1100{trace}26112712000006123456"));
    for (request, expected) in [
        (paid.clone(), ("1100".to_owned(), some("100"), None, None)),
        (again(&paid), ("1101".to_owned(), some("100"), None, None)),
        (capture(&paid, 1999), ("1220".to_owned(), some("201"), None, original.clone())),
        (capture(&paid, 1500), ("1220".to_owned(), some("202"), None, original.clone())),
        (refund(&paid, 400), ("1200".to_owned(), some("200"), None, original.clone())),
        (
            about(&paid, Operation::Void, 1999),
            ("1400".to_owned(), some("400"), some("4000"), original.clone()),
        ),
    ] {
        assert_eq!(fields(&request), expected);
    }
    let undone = terms.query(&again(&paid)).unwrap();
    assert_eq!((undone.mti.to_string().as_str(), undone.get(25)), ("1420", Some("4021")));
    assert_eq!(undone.get(56), original.as_deref());
}

#[test]
fn what_3ds_vouches_with_is_in_field_48_of_the_authorization_alone() {
    let (cavv, id) = ("AAIBBYNoEwAAACcKhAJkdQAAAAA=", "97267598-fae6-48f2-8083-60ceb0b0b0b0");
    let terms = Terms::default();
    for (status, eci, security) in
        [(TransStatus::Authenticated, "05", "212"), (TransStatus::Attempted, "06", "211")]
    {
        let three_ds = ThreeDs::new(status, "2.2.0", Some(eci), Some(cavv), Some(id)).unwrap();
        let asked = Request { three_ds: Some(three_ds.clone()), ..authorization(1999, "4111111111111111") };
        let field = terms.ask(&asked).unwrap().get(48).unwrap().to_owned();
        for element in
            [format!("4203{security}"), format!("EC02{eci}"), format!("4328{cavv}"), format!("66372{id}")]
        {
            assert!(field.contains(&element), "{element} in {field}");
        }
        // A capture, and the question what became of the authorization, are about something that is known.
        let capture = Request { three_ds: Some(three_ds), ..capture(&asked, 1999) };
        for message in [terms.ask(&capture).unwrap(), terms.query(&asked).unwrap()] {
            let field = message.get(48).unwrap();
            assert!(!field.contains(cavv) && !field.contains("EC02") && !field.contains(id), "{field}");
        }
    }
}
