//! Alipay and WeChat Pay from end to end: the channels against the simulated wallets, over sockets.
#![cfg(feature = "serve")]

use std::io::BufRead;
use std::time::Duration;

use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollgate::Span;
use tollgate::channel::{CallbackError, Channel, Request};
use tollgate::institution::simulator::{Kind, Operation, Script};
use tollgate::pay::{Answer, DeclineGroup};
use wallets::{PATIENCE, Wired, approved, key, now};

mod wallets;

const SOFT: Answer = Answer::Declined(DeclineGroup::Soft);
const BOTH: [Kind; 2] = [Kind::Alipay, Kind::Wechatpay];

#[tokio::test]
async fn a_scanned_code_is_paid_and_told_and_given_back() {
    for kind in BOTH {
        let wired = Wired::new(kind, Script::default(), None).await;
        let order = wired.request(1, 1234);
        let placed = wired.ask(&order).await;
        assert_eq!(placed.answer, Answer::Unknown, "{placed:?}");
        assert!(placed.pay_url.is_some_and(|url| url.contains(&key(1).to_string())));
        // Alipay knows nothing of a code that nobody has scanned: it waits, once somebody has the code.
        let unheard = if kind == Kind::Alipay { Answer::Absent } else { Answer::Unknown };
        assert_eq!(wired.query(&order).await.answer, unheard);
        let waits = wired.query(&Request { placed: true, ..order.clone() }).await;
        assert_eq!((waits.answer, waits.pending), (Answer::Unknown, true));
        // Sent again it is the same order.
        let again = Request { repetition: 1, ..order.clone() };
        assert!(wired.ask(&again).await.pay_url.is_some());

        assert_eq!(wired.simulate(1, "pay").await.0, 200);
        assert_eq!(wired.simulate(1, "pay").await.0, 409);
        let told = wired.callbacks(1).await;
        let reply = told[0].as_ref().unwrap();
        assert_eq!((reply.key, reply.answer), (Some(key(1)), approved(1234)));
        assert_eq!(wired.query(&order).await.answer, approved(1234));
        // A repetition that comes late does not open it again, and says nothing certain.
        assert_eq!(wired.ask(&again).await.answer, Answer::Unknown);

        let refund = wired.refund(2, 1, 1234, 1000);
        assert_eq!(wired.query(&refund).await.answer, Answer::Absent);
        assert_eq!(wired.ask(&refund).await.answer, approved(1000));
        let repeated = if kind == Kind::Alipay { Answer::Unknown } else { approved(1000) };
        assert_eq!(wired.ask(&refund).await.answer, repeated);
        assert_eq!(wired.query(&refund).await.answer, approved(1000));
        let more = wired.ask(&wired.refund(3, 1, 1234, 300)).await.answer;
        assert!(matches!(more, Answer::Declined(_)), "{more:?}");
        let told = wired.callbacks(2).await;
        let reply = told[1].as_ref().unwrap();
        let expected = if kind == Kind::Alipay { (key(1), approved(1234)) } else { (key(2), approved(1000)) };
        assert_eq!((reply.key.unwrap(), reply.answer), expected);
        assert_eq!(wired.query(&order).await.answer, approved(1234), "it was paid, whatever was given back");

        let entry = wired.entry(1).unwrap();
        assert_eq!((entry.effects, entry.captured, entry.refunded), (1, 1234, 1000));
    }
}

#[tokio::test]
async fn a_shown_code_is_paid_at_once_or_refused_with_its_reason() {
    let fraud = Answer::Declined(DeclineGroup::Fraud);
    let alipays = [
        ("28763443825664394", approved(500)),
        ("28000000000000051", SOFT),
        ("28000000000000059", fraud),
        ("28000000000010003", Answer::Unknown),
    ];
    let wechats = [
        ("130061098828009406", approved(500)),
        ("130000000000000051", SOFT),
        ("130000000000000054", SOFT),
        ("130000000000010003", Answer::Unknown),
    ];
    for (kind, codes) in [(Kind::Alipay, alipays), (Kind::Wechatpay, wechats)] {
        let wired = Wired::new(kind, kind.script(), None).await;
        for (n, (code, expected)) in (1..).zip(codes) {
            let reply = wired.ask(&wired.coded(n, 500, code)).await;
            assert_eq!((reply.answer, reply.pay_url), (expected, None), "{code}");
            assert_eq!(reply.pending, expected == Answer::Unknown, "{code}");
        }
        assert_eq!(wired.query(&wired.request(4, 500)).await.answer, Answer::Unknown);
        assert_eq!(wired.simulate(4, "pay").await.0, 200);
        assert_eq!(wired.query(&wired.request(4, 500)).await.answer, approved(500));
        assert_eq!(wired.query(&wired.request(1, 500)).await.answer, approved(500));
        assert_eq!((wired.entry(2), wired.entry(3)), (None, None));
        assert_eq!(wired.ask(&wired.refund(5, 1, 500, 200)).await.answer, approved(200));
    }
}

#[tokio::test]
async fn amounts_decline_by_the_shipped_scripts() {
    for (kind, minor, expected) in [
        (Kind::Alipay, 9005, Answer::Declined(DeclineGroup::Hard)),
        (Kind::Alipay, 9051, SOFT),
        (Kind::Alipay, 9059, Answer::Declined(DeclineGroup::Fraud)),
        (Kind::Alipay, 9065, Answer::Declined(DeclineGroup::Sca)),
        (Kind::Alipay, 9096, Answer::Unknown),
        (Kind::Wechatpay, 9005, SOFT),
        (Kind::Wechatpay, 9012, Answer::Declined(DeclineGroup::Technical)),
        (Kind::Wechatpay, 9029, Answer::Absent),
        (Kind::Wechatpay, 9096, Answer::Unknown),
    ] {
        let wired = Wired::new(kind, kind.script(), None).await;
        let reply = wired.ask(&wired.request(1, minor)).await;
        assert_eq!((reply.answer, reply.pay_url), (expected, None), "{kind:?} {minor}");
    }
}

#[tokio::test]
async fn a_refund_that_wants_to_be_sent_again_is_done_under_its_number() {
    for kind in BOTH {
        let wired = Wired::new(kind, kind.script(), None).await;
        wired.ask(&wired.request(1, 20_000)).await;
        wired.simulate(1, "pay").await;
        let refund = wired.refund(2, 1, 20_000, 9051);
        assert_eq!(wired.ask(&refund).await.answer, Answer::Absent);
        assert_eq!(wired.ask(&refund).await.answer, approved(9051));
        assert_eq!(wired.entry(1).unwrap().refunded, 9051);
    }
}

#[tokio::test]
async fn an_order_is_called_off() {
    for kind in BOTH {
        let wired = Wired::new(kind, Script::default(), None).await;
        wired.ask(&wired.request(1, 700)).await;
        assert_eq!(wired.ask(&wired.void(2, 1, 700)).await.answer, approved(700));
        assert_eq!(wired.simulate(1, "pay").await.0, 409, "nobody can pay it any more");
        if kind == Kind::Wechatpay {
            assert_eq!(wired.query(&wired.void(2, 1, 700)).await.answer, approved(700));
        }
        // One that was paid: Alipay gives it back, WeChat Pay says that it can't be called off.
        wired.ask(&wired.request(3, 700)).await;
        wired.simulate(3, "pay").await;
        let void = wired.void(4, 3, 700);
        let called_off = wired.ask(&void).await.answer;
        let returned = wired.entry(3).unwrap().refunded;
        match kind {
            Kind::Alipay => assert_eq!((called_off, returned), (approved(700), 700)),
            _ => assert_eq!((called_off, returned), (Answer::Unknown, 0)),
        }
        let known = wired.query(&void).await.answer;
        let expected =
            if kind == Kind::Alipay { approved(700) } else { Answer::Declined(DeclineGroup::Hard) };
        assert_eq!(known, expected);
    }
}

#[tokio::test]
async fn what_nobody_pays_is_closed_before_it_is_declined() {
    for kind in BOTH {
        let wired = Wired::new(kind, Script::default(), None).await;
        let mut order = wired.request(1, 700);
        order.requested = now().plus(Span::from_secs(-600));
        // For the wallet it can be paid for an hour, for us its time is over.
        let (long, short) =
            (wired.channel_with("merchant", "wallet", 3_600), wired.channel_with("merchant", "wallet", 60));
        assert!(long.ask(&order).await.pay_url.is_some());
        assert_eq!(short.query(&order).await.answer, SOFT);
        assert_eq!(wired.simulate(1, "pay").await.0, 409, "{kind:?}: nobody can pay it any more");
        assert_eq!(short.query(&Request { placed: true, ..order.clone() }).await.answer, SOFT);
        // What was never there is over as well, for it would not be taken any more.
        let late = Request { requested: now().plus(Span::from_secs(-7_200)), ..wired.request(2, 700) };
        assert_eq!(long.query(&late).await.answer, SOFT);
        assert!(matches!(long.ask(&late).await.answer, Answer::Declined(_)));
        // Paid in its last second, it is paid.
        let mut paid = wired.request(3, 700);
        paid.requested = order.requested;
        long.ask(&paid).await;
        wired.simulate(3, "pay").await;
        assert_eq!(short.query(&paid).await.answer, approved(700));
    }
}

#[tokio::test]
async fn a_shown_code_whose_password_is_never_typed_is_closed() {
    for (kind, code) in [(Kind::Alipay, "28000000000010003"), (Kind::Wechatpay, "130000000000010003")] {
        let wired = Wired::new(kind, kind.script(), None).await;
        let mut order = wired.coded(1, 700, code);
        order.requested = now().plus(Span::from_secs(-600));
        let (long, short) =
            (wired.channel_with("merchant", "wallet", 3_600), wired.channel_with("merchant", "wallet", 60));
        assert_eq!(long.ask(&order).await.answer, Answer::Unknown);
        assert_eq!(long.query(&order).await.answer, Answer::Unknown);
        assert_eq!(short.query(&order).await.answer, SOFT);
        assert_eq!(wired.simulate(1, "pay").await.0, 409);
        assert_eq!(short.query(&order).await.answer, SOFT, "closed, or called off");
    }
}

#[tokio::test]
async fn keys_of_others_prove_nothing() {
    for kind in BOTH {
        let wired = Wired::new(kind, Script::default(), None).await;
        let order = wired.request(1, 700);
        // The wallet does not know who asks.
        let stranger = wired.channel_with("wallet", "wallet", 900);
        let reply = stranger.ask(&order).await;
        assert_eq!((reply.answer, reply.pay_url), (Answer::Unknown, None));
        assert!(reply.code.is_some_and(|code| code.to_lowercase().contains("sign")));
        // We do not know who answers.
        let fooled = wired.channel_with("merchant", "merchant", 900);
        let reply = fooled.ask(&order).await;
        assert_eq!((reply.answer, reply.pay_url), (Answer::Unknown, None));
        assert!(reply.sent);
    }
}

#[tokio::test]
async fn callbacks_come_twice_late_forged_and_out_of_order() {
    for kind in BOTH {
        let wired = Wired::new(kind, kind.script(), None).await;
        wired.ask(&wired.request(1, 9203)).await;
        wired.simulate(1, "pay").await;
        let told = wired.callbacks(2).await;
        assert_eq!(told[0].as_ref().unwrap().answer, approved(9203));
        assert_eq!(told[1].as_ref().unwrap().answer, approved(9203), "twice the same");

        assert_eq!(wired.simulate(1, "notify?how=forged").await.1, "not taken");
        assert_eq!(wired.callbacks(3).await[2], Err(CallbackError::Forged));
        let late = wired.simulate(1, "notify?how=late").await.1;
        let told = wired.callbacks(4).await;
        if kind == Kind::Wechatpay {
            assert_eq!((late.as_str(), &told[3]), ("not taken", &Err(CallbackError::Late)));
        }

        wired.ask(&wired.request(2, 9204)).await;
        wired.simulate(2, "pay").await;
        let told = wired.callbacks(6).await;
        let last: Vec<Answer> = told[4..].iter().map(|told| told.as_ref().unwrap().answer).collect();
        assert_eq!(
            last,
            [approved(9204), Answer::Unknown],
            "that it waits is told last, and settles nothing"
        );
    }
}

#[tokio::test]
async fn faults_are_unknown_until_the_wallet_is_asked_again() {
    for kind in BOTH {
        let wired = Wired::new(kind, kind.script(), None).await;
        for (n, minor) in [(1, 9202), (2, 9205), (3, 9206), (4, 9207)] {
            let order = wired.request(n, minor);
            let silent = [9202, 9207].contains(&minor);
            let first = tokio::time::timeout(Duration::from_millis(300), wired.channel.ask(&order)).await;
            match first {
                Err(_) => assert!(silent, "{minor}"),
                Ok(reply) => {
                    assert!(!silent && reply.sent, "{minor} {reply:?}");
                    assert_eq!((reply.answer, reply.pay_url), (Answer::Unknown, None), "{minor}");
                }
            }
            let again = wired.ask(&Request { repetition: 1, ..order.clone() }).await;
            assert!(again.pay_url.is_some(), "{minor} {again:?}");
            wired.simulate(n, "pay").await;
            assert_eq!(wired.query(&order).await.answer, approved(minor));
            assert_eq!(wired.entry(n).unwrap().effects, 1);
        }
        let began = std::time::Instant::now();
        assert!(wired.ask(&wired.request(5, 9201)).await.pay_url.is_some());
        assert!(began.elapsed() >= Duration::from_secs(1));
    }
}

/// Everything goes wrong, some of it twice. Whoever asks until there is an answer, under one key, is never charged
/// twice, and both sides' books agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_charged_or_given_back_twice_whatever_the_wallet_does() {
    let faults = ["time_out", "garbage", "disconnect", "lost", "duplicate", "reorder"];
    let text: String = faults
        .iter()
        .flat_map(|fault| {
            ["authorize", "query", "refund"].map(|operation| {
                format!("[[rule]]\noperation = '{operation}'\nshare = 0.1\nthen = '{fault}'\n")
            })
        })
        .collect();
    for kind in BOTH {
        for seed in 0..2 {
            let script = Script::parse(&format!("seed = {seed}\n{text}")).unwrap();
            let wired = Wired::new(kind, script, Some(Duration::ZERO)).await;
            for n in 0..30 {
                let minor = 100 + n as i64;
                let order = if n % 2 == 0 {
                    wired.coded(n, minor, "28763443825664394")
                } else {
                    wired.request(n, minor)
                };
                assert_eq!(until_final(&*wired.channel, order).await, approved(minor), "{kind:?} {seed} {n}");
                let refund = wired.refund(1_000 + n, n, minor, 60);
                assert_eq!(until_final(&*wired.channel, refund).await, approved(60), "{kind:?} {seed} {n}");
            }
            let ledger = wired.ledger();
            assert_eq!(ledger.len(), 60);
            assert!(ledger.iter().all(|entry| entry.effects == 1));
            let paid: Vec<_> = ledger.iter().filter(|e| e.operation == Operation::Authorize).collect();
            assert!(paid.iter().all(|entry| (entry.captured, entry.refunded) == (entry.minor, 60)));
            assert_eq!(paid.len(), 30);
            // Whatever was told is about what was asked for, and true.
            for told in wired.told.lock().unwrap().iter() {
                let reply = told.as_ref().expect("the wallet's own");
                assert!(!matches!(reply.answer, Answer::Declined(_)), "{reply:?}");
            }
        }
    }
}

/// What a shell does: asks, and asks what became of it, until that is certain.
async fn until_final(channel: &dyn Channel, mut request: Request) -> Answer {
    let mut is_asking = true;
    for _ in 0..100 {
        let asked = if is_asking { channel.ask(&request) } else { channel.query(&request) };
        let answer = match tokio::time::timeout(Duration::from_millis(100), asked).await {
            Ok(reply) => reply.answer,
            Err(_) => Answer::Unknown,
        };
        request.repetition += u32::from(is_asking);
        match answer {
            Answer::Absent => is_asking = true,
            Answer::Unknown => is_asking = false,
            done => return done,
        }
    }
    Answer::Unknown
}

/// The command: keys are made once, and what was paid is known again after a kill.
#[tokio::test]
async fn the_command_plays_a_wallet_that_outlives_a_kill() {
    for kind in BOTH {
        let mut wired = Wired::new(kind, Script::default(), None).await;
        let (keys, ledger) = (wired.file(""), wired.file("of-the-process.jsonl"));
        let start = |pay_after: &[&str]| {
            let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
                .args(["simulate", "institution", "--kind", kind.name(), "--listen", "127.0.0.1:0"])
                .arg("--keys")
                .arg(&keys)
                .arg("--ledger")
                .arg(&ledger)
                .args(pay_after)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let port: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
            (child, port)
        };
        let (mut first, port) = start(&["--pay-after", "0"]);
        wired.port = port;
        wired.channel = wired.channel_with("merchant", "wallet", 900);
        let order = wired.request(1, 700);
        assert!(wired.ask(&order).await.pay_url.is_some());
        assert_eq!(wired.callbacks(1).await[0].as_ref().unwrap().answer, approved(700));
        first.kill().unwrap();
        first.wait().unwrap();

        let (mut second, port) = start(&[]);
        wired.port = port;
        wired.channel = wired.channel_with("merchant", "wallet", 900);
        assert_eq!(wired.query(&order).await.answer, approved(700));
        assert_eq!(wired.ask(&wired.refund(2, 1, 700, 100)).await.answer, approved(100));
        second.kill().unwrap();
        second.wait().unwrap();
    }
}

/// Bytes that come from anywhere else than the wallet prove nothing, however many they are.
#[tokio::test]
async fn answers_have_a_length_and_a_form() {
    const ANSWER_BYTES_MAX: usize = 256 * 1024;
    let wired = Wired::new(Kind::Alipay, Script::default(), None).await;
    for (length, words) in [(ANSWER_BYTES_MAX, "can't be read"), (ANSWER_BYTES_MAX + 1, "limit")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 16 * 1024];
            let _ = stream.read(&mut bytes).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&vec![b'{'; length]).await;
        });
        let mut elsewhere = Wired::new(Kind::Alipay, Script::default(), None).await;
        elsewhere.port = port;
        let channel = elsewhere.channel_with("merchant", "wallet", 900);
        let reply = tokio::time::timeout(PATIENCE, channel.ask(&wired.request(1, 700))).await.unwrap();
        assert_eq!((reply.answer, reply.sent), (Answer::Unknown, true));
        assert!(reply.code.as_ref().is_some_and(|code| code.contains(words)), "{reply:?}");
        server.abort();
    }
}

/// A simulated wallet reads so many bytes of a request, and no more.
#[tokio::test]
async fn requests_have_a_length() {
    let wired = Wired::new(Kind::Alipay, Script::default(), None).await;
    for (length, status) in [(64 * 1024, "200"), (64 * 1024 + 1, "413")] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", wired.port)).await.unwrap();
        let head = format!("POST /gateway.do HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; length]).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(status.as_bytes()), "{}", String::from_utf8_lossy(&answer));
    }
}

/// A wallet takes any bytes and goes on.
#[test]
fn simulated_wallets_outlive_what_they_are_sent() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for kind in BOTH {
        let wired = runtime.block_on(Wired::new(kind, Script::default(), None));
        let mut runner =
            TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
        let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..300);
        runner
            .run(&bytes, |bytes| {
                runtime.block_on(async {
                    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", wired.port)).await.unwrap();
                    let path = if bytes.len() % 2 == 0 { "gateway.do" } else { "v3/pay/transactions/native" };
                    let head = format!(
                        "POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
                        bytes.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&bytes).await;
                });
                Ok(())
            })
            .unwrap();
        assert!(runtime.block_on(wired.ask(&wired.request(1, 700))).pay_url.is_some());
    }
}
