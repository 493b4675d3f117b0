//! How does the simulated card institution take a message? ISO 8583 in, the script and the ledger asked, ISO 8583 out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use zeroize::Zeroizing;

use super::{Act, Books, Delivered, Operation, Order, Stream};
use crate::channel::Units;
use crate::channel::card::{Class, Function, MESSAGE_BYTES_MAX, Message, Version, amount, private, request};

/// How long an answer waits for one to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(200);
/// Answers that wait to be overtaken, on one connection.
const HELD_BACK_MAX: usize = 1_000;

/// One connection's way back.
struct Line {
    out: tokio::sync::Mutex<Option<WriteHalf<Stream>>>,
    held_back: Mutex<VecDeque<Vec<u8>>>,
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: Stream, books: Arc<Books>) {
    let (mut read, write) = tokio::io::split(stream);
    let line = Arc::new(Line { out: tokio::sync::Mutex::new(Some(write)), held_back: Mutex::default() });
    loop {
        let Ok(length) = read.read_u16().await else { return };
        let length = usize::from(length);
        if length > MESSAGE_BYTES_MAX {
            return;
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        if read.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let Ok(message) = Message::read(&bytes) else { return };
        let Some(mti) = message.mti.answer() else { continue };
        let mut answer = echo(&message, mti);
        if mti.class == Class::Network {
            let _ = answer.set(39, if mti.version == Version::Of1993 { "800" } else { "00" });
            line.write(&answer.write()).await;
            continue;
        }
        let Some((order, payer)) = order(&message) else {
            say(&mut answer, "30");
            line.write(&answer.write()).await;
            continue;
        };
        match books.deliver(&order, payer) {
            Ok(delivered) => {
                tokio::spawn(respond(line.clone(), answer, order, delivered));
            }
            // What can't be written down has not happened, and nobody is told that it has.
            Err(error) => {
                eprintln!("error: {error}");
                return line.end(&[]).await;
            }
        }
    }
}

/// The fields that an answer repeats.
fn echo(message: &Message, mti: crate::channel::card::Mti) -> Message {
    let mut answer = Message::new(mti);
    for field in
        message.fields().filter(|field| [3, 4, 7, 11, 12, 13, 24, 32, 37, 41, 42, 49, 70].contains(field))
    {
        if let Some(value) = message.get(field) {
            // It had this form when it came.
            let _ = answer.set(field, value);
        }
    }
    // Of what is private the keys alone: a verification value is not told back.
    let mut keys = String::new();
    for tag in [private::KEY, private::ORIGINAL] {
        if let Some(key) = private::key(message.get(48), tag) {
            private::put(&mut keys, tag, &key.to_string());
        }
    }
    if !keys.is_empty() {
        let _ = answer.set(48, keys);
    }
    answer
}

/// What a message asks for, and the card it names.
fn order(message: &Message) -> Option<(Order, Option<&str>)> {
    let operation = match (message.mti.class, message.mti.function) {
        (Class::Authorization, Function::Request) => Operation::Authorize,
        (Class::Financial, Function::Advice) => Operation::Capture,
        (Class::Financial, Function::Request) if message.get(3) == Some(request::REFUND) => Operation::Refund,
        (Class::Reversal, Function::Request) => Operation::Void,
        (Class::Reversal, Function::Advice) => Operation::Reverse,
        _ => return None,
    };
    let currency = amount::currency(message.get(49)?)?;
    let order = Order {
        key: private::key(message.get(48), private::KEY)?,
        operation,
        amount: amount::read(&Units::default(), message.get(4)?, currency)?,
        original: private::key(message.get(48), private::ORIGINAL),
    };
    // Whoever asks for money has to name a card.
    let payer = message.get(2);
    (operation != Operation::Authorize || payer.is_some()).then_some((order, payer))
}

/// Puts the code in, as the message's edition writes it. A script may say either's.
fn say(answer: &mut Message, code: &str) {
    let code = match answer.mti.version {
        Version::Of1987 => format!("{code:2.2}"),
        Version::Of1993 if code.len() == 3 => code.to_owned(),
        Version::Of1993 if code == "00" && answer.mti.class == Class::Reversal => "400".to_owned(),
        Version::Of1993 => action(code).to_owned(),
    };
    let _ = answer.set(39, code);
}

/// The action code of 1993 for what 1987 writes so.
fn action(code: &str) -> &'static str {
    match code {
        "00" => "000",
        "05" => "100",
        "12" => "902",
        "13" => "110",
        "14" => "111",
        "25" => "914",
        "30" => "904",
        "41" => "208",
        "43" => "209",
        "51" => "116",
        "54" => "101",
        "59" => "102",
        "61" => "121",
        "68" => "911",
        "1A" | "65" => "112",
        "91" => "907",
        _ => "909",
    }
}

async fn respond(line: Arc<Line>, mut answer: Message, order: Order, delivered: Delivered) {
    say(&mut answer, &delivered.code);
    if delivered.code == "00" {
        let _ = answer.set(38, format!("{:.6}", order.key.to_string()));
    }
    let bytes = answer.write();
    match delivered.act {
        Act::Approve | Act::Decline(_) => line.write(&bytes).await,
        Act::Delay(time) => {
            tokio::time::sleep(time).await;
            line.write(&bytes).await;
        }
        Act::TimeOut | Act::Lost => {}
        Act::Duplicate => {
            line.write(&bytes).await;
            line.write(&bytes).await;
        }
        Act::Reorder => {
            line.hold_back(bytes);
            tokio::time::sleep(OVERTAKEN_WITHIN).await;
            line.release().await;
        }
        Act::Garbage => line.write(&bytes.iter().map(|b| b ^ 0x5a).collect::<Vec<_>>()).await,
        Act::Disconnect => {
            let mut framed = framed(&bytes);
            framed.truncate(framed.len() / 2);
            line.end(&framed).await;
        }
    }
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

impl Line {
    /// Writes an answer, and those that it has overtaken.
    async fn write(&self, bytes: &[u8]) {
        if let Some(out) = self.out.lock().await.as_mut() {
            // Whoever has gone does not want to know.
            let _ = out.write_all(&framed(bytes)).await;
            let _ = out.flush().await;
        }
        self.release().await;
    }

    fn hold_back(&self, bytes: Vec<u8>) {
        let mut held = self.held_back.lock();
        if held.len() < HELD_BACK_MAX {
            held.push_back(bytes);
        }
    }

    async fn release(&self) {
        loop {
            let Some(bytes) = self.held_back.lock().pop_front() else { return };
            if let Some(out) = self.out.lock().await.as_mut() {
                let _ = out.write_all(&framed(&bytes)).await;
                let _ = out.flush().await;
            }
        }
    }

    /// Writes the last there is, and hangs up.
    async fn end(&self, bytes: &[u8]) {
        if let Some(mut out) = self.out.lock().await.take() {
            let _ = out.write_all(bytes).await;
            let _ = out.shutdown().await;
        }
    }
}
