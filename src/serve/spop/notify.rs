//! From a NOTIFY's messages to a payment, and from a verdict to the variables of its ACK.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::frame::{FIN, Frame, LENGTH_BYTES, Reader, Value, kind, put_bytes, put_value};
use super::status::Status;
use crate::codec::RowError;
use crate::serve::admit::DEADLINE_HEADER;
use crate::serve::config::VarScope;
use crate::serve::gate::{self, Told};
use crate::serve::idempotency;
use crate::serve::keys::KEY_HEADER;
use crate::serve::problem::Problem;

/// Most messages of one NOTIFY.
pub(super) const MESSAGES_MAX: usize = 16;
/// The action that sets a variable, and how many arguments it has.
const SET_VAR: [u8; 2] = [1, 3];

/// What a NOTIFY asks about: all its messages together are one payment.
#[derive(Debug, Default)]
pub(super) struct Question<'a> {
    /// The argument `body`, as often as it stands there.
    bodies: Vec<&'a [u8]>,
    /// The argument `body_size`: how long the body was before HAProxy cut it to its buffer's size.
    body_size: Option<u64>,
    /// What other protocols have in headers, by the names of [`header`].
    pub(super) headers: HeaderMap,
    /// All other arguments, by their names.
    fields: Vec<(&'a [u8], Cow<'a, [u8]>)>,
}

impl<'a> Question<'a> {
    /// Reads the messages. Arguments without a value are passed over.
    ///
    /// # Errors
    /// When the bytes are no list of messages, or too many of them.
    pub(super) fn read(payload: &'a [u8]) -> Result<Question<'a>, Status> {
        let mut question = Question::default();
        let mut reader = Reader::new(payload);
        let mut messages = 0;
        while !reader.is_empty() {
            messages += 1;
            if messages > MESSAGES_MAX {
                return Err(Status::Invalid);
            }
            reader.bytes()?;
            for _ in 0..reader.byte()? {
                let (name, value) = (reader.bytes()?, reader.value()?);
                question.take(name, value);
            }
        }
        Ok(question)
    }

    fn take(&mut self, name: &'a [u8], value: Value<'a>) {
        let text = match value {
            Value::Null => return,
            Value::Bool(flag) => Cow::from(if flag { &b"true"[..] } else { b"false" }),
            Value::Int(n) if name == b"body_size" => return self.body_size = Some(n.cast_unsigned()),
            Value::Int(n) => Cow::from(n.to_string().into_bytes()),
            Value::Uint(n) => Cow::from(n.to_string().into_bytes()),
            Value::Ip(ip) => Cow::from(ip.to_string().into_bytes()),
            Value::Bytes(bytes) if name == b"body" => return self.bodies.push(bytes),
            Value::Bytes(bytes) => Cow::from(bytes),
        };
        let Some(header) = header(name) else { return self.fields.push((name, text)) };
        // What can't stand in a header is neither key, number nor type.
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            self.headers.insert(header, value);
        }
    }

    /// The payment as JSON text.
    ///
    /// # Errors
    /// Why that is no payment.
    pub(super) fn object(&self) -> Result<Bytes, Problem> {
        let not =
            |reason: &str| Problem::row(RowError { field: None, column: None, reason: reason.to_owned() });
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| not("an argument is not UTF-8"));
        let fields = self.fields.iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
        let fields: Vec<(String, String)> = fields.collect::<Result<_, Problem>>()?;
        let body = match self.bodies[..] {
            [] => b"",
            [body] => body,
            _ => return Err(not("the argument `body` stands twice")),
        };
        if self.body_size.is_some_and(|size| size != body.len() as u64) {
            return Err(not("the gateway cut the body; raise its tune.bufsize"));
        }
        gate::object(&self.headers, body, &fields)
    }
}

/// The header that an argument stands for.
fn header(argument: &[u8]) -> Option<HeaderName> {
    Some(match argument {
        b"api_key" => HeaderName::from_static(KEY_HEADER),
        b"deadline_ms" => HeaderName::from_static(DEADLINE_HEADER),
        b"content_type" => CONTENT_TYPE,
        b"idempotency_key" => HeaderName::from_static(idempotency::HEADER),
        b"request_id" => HeaderName::from_static(gate::REQUEST_ID),
        _ => return None,
    })
}

/// What HAProxy's variables are set to; those without a value are not.
pub(super) struct Answer {
    /// Whether the payment may pass; unset when that is for HAProxy to say.
    pub(super) pass: Option<bool>,
    pub(super) told: Option<Told>,
    /// The last part of a problem's type.
    pub(super) problem: Option<&'static str>,
}

impl Answer {
    /// Appends the ACK of a NOTIFY, of at most `frame_bytes`: what does not fit is left out.
    pub(super) fn write(&self, notify: (u64, u64), scope: VarScope, frame_bytes: usize, out: &mut Vec<u8>) {
        fn text(text: Option<&str>) -> Option<Value<'_>> {
            text.filter(|text| !text.is_empty()).map(|text| Value::Bytes(text.as_bytes()))
        }
        let told = self.told.as_ref();
        let variables = [
            ("pass", self.pass.map(Value::Bool)),
            ("problem", text(self.problem)),
            ("decision", text(told.map(|told| told.decision))),
            ("score", told.and_then(|told| told.score).map(|score| Value::Int(score.into()))),
            ("degraded", text(told.and_then(|told| told.degraded.as_deref()))),
            ("id", text(told.and_then(|told| told.id.as_deref()))),
            ("reasons", text(told.and_then(|told| told.reasons.as_deref()))),
        ];
        let (stream, id) = notify;
        let mut ack = Frame { kind: kind::ACK, flags: FIN, stream, id, payload: &[] };
        let room = (LENGTH_BYTES + frame_bytes).saturating_sub(ack.head_bytes());
        let mut payload = Vec::with_capacity(160);
        for (name, value) in variables {
            let Some(value) = value else { continue };
            let before = payload.len();
            payload.extend_from_slice(&SET_VAR);
            payload.push(scope as u8);
            put_bytes(&mut payload, name.as_bytes());
            put_value(&mut payload, value);
            if payload.len() > room {
                payload.truncate(before);
            }
        }
        ack.payload = &payload;
        ack.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of arguments.
    fn message(args: &[(&str, Value<'_>)]) -> Vec<u8> {
        let mut payload = Vec::new();
        put_bytes(&mut payload, b"check");
        payload.push(args.len() as u8);
        for (name, value) in args {
            put_bytes(&mut payload, name.as_bytes());
            put_value(&mut payload, *value);
        }
        payload
    }

    fn object(payload: &[u8]) -> Result<String, String> {
        let object = Question::read(payload).unwrap().object();
        object
            .map(|o| String::from_utf8(o.to_vec()).unwrap())
            .map_err(|p| String::from_utf8(p.json()).unwrap())
    }

    #[test]
    fn arguments_become_a_payment_by_their_names() {
        let text = |text: &'static str| Value::Bytes(text.as_bytes());
        let ip = Value::Ip("192.0.2.1".parse().unwrap());
        for (args, json) in [
            (&[("body", text(r#" {"a":1} "#)), ("ip", ip)][..], r#"{"ip":"192.0.2.1","a":1}"#),
            (&[("body", text("a=1&b=2")), ("c", Value::Bool(true))], r#"{"c":"true","a":"1","b":"2"}"#),
            (&[("amount", Value::Uint(20)), ("id", Value::Null)], r#"{"amount":"20"}"#),
            (
                &[("x", Value::Int(-1)), ("api_key", text("k")), ("deadline_ms", Value::Uint(5))],
                r#"{"x":"-1"}"#,
            ),
        ] {
            assert_eq!(object(&message(args)).as_deref(), Ok(json));
        }
        let two = [message(&[("a", text("1"))]), message(&[("b", text("2"))])].concat();
        assert_eq!(object(&two).as_deref(), Ok(r#"{"a":"1","b":"2"}"#));
        for (args, reason) in [
            (&[][..], "no payment"),
            (&[("body", text("{}")), ("body", text("{}"))], "twice"),
            (&[("body", text("a=1")), ("body_size", Value::Int(4))], "cut"),
            (&[("a", Value::Bytes(b"\xff"))], "UTF-8"),
            (&[("body", text("<xml/>"))], "neither"),
        ] {
            assert!(object(&message(args)).unwrap_err().contains(reason), "{args:?}");
        }
        let headed = message(&[("api_key", text("k")), ("deadline_ms", Value::Int(5))]);
        let headers = Question::read(&headed).unwrap().headers;
        assert_eq!(
            (&headers[KEY_HEADER], &headers[DEADLINE_HEADER]),
            (&"k".parse().unwrap(), &"5".parse().unwrap())
        );
    }

    #[test]
    fn messages_are_limited() {
        let read = |n| Question::read(&message(&[]).repeat(n)).map(|q| q.fields.len());
        assert_eq!(read(MESSAGES_MAX), Ok(0)); // at the limit
        assert_eq!(read(MESSAGES_MAX + 1), Err(Status::Invalid)); // past it
        let mut short = message(&[("a", Value::Bool(true))]);
        short.pop();
        assert_eq!(Question::read(&short).err(), Some(Status::Invalid));
    }

    #[test]
    fn an_answer_fits_the_frame_that_was_agreed() {
        let told = |reasons: usize| Told {
            decision: "decline",
            score: Some(1_000),
            degraded: None,
            id: Some("p1".into()),
            reasons: Some("R".repeat(reasons)),
            record: None,
        };
        let written = |reasons| {
            let mut out = Vec::new();
            let answer = Answer { pass: Some(false), told: Some(told(reasons)), problem: None };
            answer.write((7, 1), VarScope::Txn, 256, &mut out);
            (out.len() - LENGTH_BYTES, String::from_utf8_lossy(&out).contains("reasons"))
        };
        let rest = written(100).0 - 100;
        assert_eq!(written(256 - rest), (256, true)); // at the limit
        let (without, told) = written(257 - rest); // past it
        assert!(without < 100 && !told);
    }
}
