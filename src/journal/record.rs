//! What a record says: its kinds, each with a version, and their bytes.

use crate::decision::Digest;
use crate::list::{ListEdit, ListItem};
use crate::rules::text::RuleText;
use crate::rules::{BrakeChange, Trip};
use crate::schema::{FieldId, Kind, Schema};
use crate::time::Timestamp;
use crate::velocity::Status;

use super::frame::Raw;
use super::wire::{Cursor, Malformed, put_bytes, put_instant, put_option, put_varint};

/// The version of every kind that this program writes and reads, but for those that say more by now.
const VERSION: u8 = 1;
/// That of decisions that say where their payments came from, and of brakes that say what their rules say.
const VERSION_WITH_MORE: u8 = 2;

/// The kinds; numbers from 32 on are kept for payments that move money.
pub(super) mod kind {
    pub const SCORED: u8 = 1;
    pub const OBSERVED: u8 = 2;
    pub const SETTLED: u8 = 3;
    pub const LIST: u8 = 4;
    pub const PIPELINE: u8 = 5;
    pub const SHUTDOWN: u8 = 6;
    pub const UNSCORED: u8 = 7;
    pub const BRAKE: u8 = 8;
}

/// One thing that happened. Payments and decisions stay bytes until somebody needs them; so do origins, which are
/// empty when nothing is said of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record<'a> {
    /// A payment was decided about.
    Scored { origin: &'a [u8], payment: &'a [u8], decision: &'a [u8] },
    /// A payment was remembered, and a stage failed before there was a decision.
    Observed { payment: &'a [u8] },
    /// It became known what became of a payment.
    Settled { payment: &'a [u8], status: Status },
    /// A list was edited.
    List(ListEdit),
    /// From here on another pipeline decides.
    Pipeline(PipelineChange),
    /// The program ended as it should.
    Shutdown,
    /// A payment was decided about without its score, by a policy; nothing was remembered of it.
    Unscored { origin: &'a [u8], payment: &'a [u8], decision: &'a [u8] },
    /// A rule that says this was demoted to shadow, or released; the first version does not tell what it says.
    Brake(BrakeChange, Option<RuleText>),
}

/// Which pipeline decides, and how its payments are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PipelineChange {
    pub digest: Digest,
    /// Name and kind of every slot.
    pub fields: Vec<(String, Kind)>,
    /// Whether the windows began anew, and if so what they know the past from.
    pub fresh: Option<Option<Timestamp>>,
}

impl PipelineChange {
    pub fn new(digest: Digest, schema: &Schema, fresh: Option<Option<Timestamp>>) -> PipelineChange {
        let fields = schema.fields().map(|(_, field)| (field.name.clone(), field.kind)).collect();
        PipelineChange { digest, fields, fresh }
    }

    /// How its payments are read as those of today's schema.
    pub fn slots(&self, schema: &Schema) -> Slots {
        let slot = |(name, kind): &(String, Kind)| {
            (*kind, schema.find(name).filter(|id| schema.field(*id).kind == *kind))
        };
        Slots(self.fields.iter().map(slot).collect())
    }
}

/// For each slot of a recorded payment its kind, and today's field; `None` when there is none of that name
/// and kind any more: no rule of today can ask for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(pub Vec<(Kind, Option<FieldId>)>);

const KINDS: [Kind; 8] = [
    Kind::Number,
    Kind::Money,
    Kind::Bool,
    Kind::Text,
    Kind::Country,
    Kind::Ip,
    Kind::Timestamp,
    Kind::Token,
];

impl Record<'_> {
    /// Gives the record's bytes to `then`.
    pub fn encode<T>(&self, payload: &mut Vec<u8>, then: impl FnOnce(Raw<'_>) -> T) -> T {
        payload.clear();
        let mut version = VERSION;
        let kind = match self {
            Record::Scored { origin, payment, decision } | Record::Unscored { origin, payment, decision } => {
                if !origin.is_empty() {
                    put_bytes(payload, origin);
                    version = VERSION_WITH_MORE;
                }
                put_bytes(payload, payment);
                payload.extend_from_slice(decision);
                if matches!(self, Record::Scored { .. }) { kind::SCORED } else { kind::UNSCORED }
            }
            Record::Observed { payment } => {
                payload.extend_from_slice(payment);
                kind::OBSERVED
            }
            Record::Settled { payment, status } => {
                payload.push(*status as u8);
                payload.extend_from_slice(payment);
                kind::SETTLED
            }
            Record::List(edit) => {
                edit.put(payload);
                kind::LIST
            }
            Record::Pipeline(change) => {
                change.put(payload);
                kind::PIPELINE
            }
            Record::Shutdown => kind::SHUTDOWN,
            Record::Brake(change, text) => {
                change.put(payload);
                if let Some(text) = text {
                    payload.extend_from_slice(text);
                    version = VERSION_WITH_MORE;
                }
                kind::BRAKE
            }
        };
        then(Raw { kind, version, payload })
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is malformed, or of a kind or version that this program does not know.
    pub fn decode(raw: Raw<'_>) -> Result<Record<'_>, Malformed> {
        let known = (kind::SCORED..=kind::BRAKE).contains(&raw.kind);
        if !known || !(VERSION..=newest(raw.kind)).contains(&raw.version) {
            return Err(Malformed::new(format!(
                "it is of kind {} version {}, which this program does not know; a later release wrote it",
                raw.kind, raw.version
            )));
        }
        let mut cursor = Cursor(raw.payload);
        match raw.kind {
            kind::SCORED | kind::UNSCORED => {
                let origin = if raw.version == VERSION { &[][..] } else { cursor.bytes()? };
                let (payment, decision) = (cursor.bytes()?, cursor.0);
                Ok(match raw.kind {
                    kind::SCORED => Record::Scored { origin, payment, decision },
                    _ => Record::Unscored { origin, payment, decision },
                })
            }
            kind::OBSERVED => Ok(Record::Observed { payment: cursor.0 }),
            kind::SETTLED => {
                let status = Status::ALL.get(usize::from(cursor.byte()?)).copied();
                let status = status.ok_or_else(|| Malformed::new("its status is unknown"))?;
                Ok(Record::Settled { payment: cursor.0, status })
            }
            kind::LIST => {
                let edit = ListEdit::read(&mut cursor)?;
                cursor.end().map(|()| Record::List(edit))
            }
            kind::PIPELINE => {
                let change = PipelineChange::read(&mut cursor)?;
                cursor.end().map(|()| Record::Pipeline(change))
            }
            kind::BRAKE => {
                let change = BrakeChange::read(&mut cursor)?;
                let text = if raw.version == VERSION { None } else { Some(cursor.array()?) };
                cursor.end().map(|()| Record::Brake(change, text))
            }
            _ => cursor.end().map(|()| Record::Shutdown),
        }
    }
}

/// The newest version of a kind.
fn newest(kind: u8) -> u8 {
    if matches!(kind, kind::SCORED | kind::UNSCORED | kind::BRAKE) { VERSION_WITH_MORE } else { VERSION }
}

impl ListEdit {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.list.as_bytes());
        put_bytes(out, self.value.as_bytes());
        put_option(out, self.item.as_ref(), |out, item| {
            put_option(out, item.expires, put_instant);
            put_bytes(out, item.reason.as_bytes());
            put_bytes(out, item.source.as_bytes());
        });
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<ListEdit, Malformed> {
        Ok(ListEdit {
            list: cursor.text()?.to_owned(),
            value: cursor.text()?.to_owned(),
            item: cursor.option(|cursor| {
                Ok(ListItem {
                    expires: cursor.option(Cursor::instant)?,
                    reason: cursor.text()?.into(),
                    source: cursor.text()?.into(),
                })
            })?,
        })
    }
}

impl BrakeChange {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.rule.as_bytes());
        put_option(out, self.trip, |out, Trip { at, payments, matches }| {
            put_instant(out, at);
            put_varint(out, payments);
            put_varint(out, matches);
        });
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<BrakeChange, Malformed> {
        let rule = cursor.text()?.to_owned();
        let trip =
            |c: &mut Cursor<'_>| Ok(Trip { at: c.instant()?, payments: c.varint()?, matches: c.varint()? });
        Ok(BrakeChange { rule, trip: cursor.option(trip)? })
    }
}

impl PipelineChange {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest.0);
        put_varint(out, self.fields.len() as u64);
        for (name, kind) in &self.fields {
            out.push(KINDS.iter().position(|k| k == kind).unwrap_or_default() as u8);
            put_bytes(out, name.as_bytes());
        }
        put_option(out, self.fresh, |out, since| {
            put_option(out, since, put_instant);
        });
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<PipelineChange, Malformed> {
        let digest = Digest(cursor.array()?);
        let count: u8 = cursor.number()?;
        let mut fields = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let kind = KINDS.get(usize::from(cursor.byte()?));
            let kind = *kind.ok_or_else(|| Malformed::new("a field's kind is unknown"))?;
            fields.push((cursor.text()?.to_owned(), kind));
        }
        Ok(PipelineChange { digest, fields, fresh: cursor.option(|c| c.option(Cursor::instant))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &Record<'_>) {
        let mut payload = Vec::new();
        record.encode(&mut payload, |raw| {
            assert_eq!(Record::decode(raw).as_ref(), Ok(record));
            for version in [0, newest(raw.kind) + 1] {
                let Err(e) = Record::decode(Raw { version, ..raw }) else { panic!("version {version}") };
                assert!(e.0.contains(&format!("kind {} version {version}", raw.kind)));
            }
        });
    }

    #[test]
    fn records_come_back() {
        for origin in [&b""[..], b"me"] {
            check(&Record::Scored { origin, payment: b"abc", decision: b"defg" });
            check(&Record::Unscored { origin, payment: b"abc", decision: b"defg" });
        }
        check(&Record::Observed { payment: b"abc" });
        Status::ALL.into_iter().for_each(|status| check(&Record::Settled { payment: b"p", status }));
        let item = ListItem { expires: None, reason: "r".into(), source: "s".into() };
        let ends = ListItem { expires: Some(Timestamp::default()), ..item.clone() };
        for item in [None, Some(item), Some(ends)] {
            check(&Record::List(ListEdit { list: "l".into(), value: "v".into(), item }));
        }
        for fresh in [None, Some(None), Some(Timestamp::from_micros(-5))] {
            check(&Record::Pipeline(PipelineChange::new(Digest([3; 16]), &Schema::standard(), fresh)));
        }
        check(&Record::Shutdown);
        for trip in [None, Some(Trip { at: Timestamp::default(), payments: u64::MAX, matches: 3 })] {
            for text in [None, Some([7; 16])] {
                check(&Record::Brake(BrakeChange { rule: "r".into(), trip }, text));
            }
        }
    }

    #[test]
    fn unknown_kinds_and_malformed_ones_are_refused_by_name() {
        let said = |kind, payload| match Record::decode(Raw { kind, version: 1, payload }) {
            Err(Malformed(said)) => said,
            Ok(record) => panic!("{record:?}"),
        };
        assert!(said(9, b"").contains("kind 9 version 1, which this program does not know"));
        assert!(said(0, b"").contains("kind 0"));
        assert!(said(kind::SETTLED, &[7]).contains("status"));
        assert!(said(kind::SHUTDOWN, b"x").contains("left over"));
        assert!(said(kind::PIPELINE, &[0; 15]).contains("too early"));
    }
}
