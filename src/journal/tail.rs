//! What was decided last, and for whom? For whoever is asked for it again after a restart.

use std::collections::VecDeque;
use std::path::Path;

use crate::decision::Decision;
use crate::error::Error;
use crate::payment::Payment;
use crate::pipeline::Pipeline;

use super::back::stopped;
use super::disk::Directory;
use super::frame::Raw;
use super::origin::Origin;
use super::payment::read_payment;
use super::record::{PipelineChange, Record};
use super::scan::{Visitor, scan_from};
use super::settlements::segment_of;
use super::verdict::read_decision;
use super::wire::Malformed;

/// The last decisions of the pipeline in force, as bytes: origin, payment, decision.
struct Tail {
    from: u64,
    kept: VecDeque<[Vec<u8>; 3]>,
}

impl Visitor for Tail {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        match Record::decode(record).map_err(|m| m.0)? {
            Record::Scored { origin, payment, decision } | Record::Unscored { origin, payment, decision }
                if lsn >= self.from && !origin.is_empty() =>
            {
                self.kept.push_back([origin, payment, decision].map(<[u8]>::to_vec));
            }
            // What another one decided can't be told in words by this one.
            Record::Pipeline(_) => self.kept.clear(),
            _ => {}
        }
        Ok(())
    }
}

/// Gives what the last `max` records up to number `last` hold of payments with an origin that the pipeline in force
/// has decided about, oldest first. `pipeline` is that one. Files before those records are not read.
///
/// # Errors
/// When the journal is damaged or can't be read.
pub(crate) fn decided(
    dir: &Path,
    (last, max): (u64, usize),
    pipeline: &Pipeline,
    each: &mut dyn FnMut(Origin, &Payment, &Decision),
) -> Result<(), Error> {
    let disk = Directory::new(dir);
    let from = last.saturating_sub(max as u64) + 1;
    let position = segment_of(&disk, from).map_err(|stop| stopped(dir, stop))?;
    let mut tail = Tail { from, kept: VecDeque::new() };
    scan_from(&disk, position.as_ref(), &mut tail).map_err(|stop| stopped(dir, stop))?;
    let schema = pipeline.schema();
    let slots = PipelineChange::new(pipeline.digest(), schema, None).slots(schema);
    let mut tell = |[origin, payment, decision]: &[Vec<u8>; 3]| {
        let (payment, decision) = (read_payment(payment, schema, &slots)?, read_decision(decision)?);
        if decision.digest == pipeline.digest() {
            each(Origin::read(origin)?, &payment, &decision);
        }
        Ok(())
    };
    let told = tail.kept.iter().try_for_each(&mut tell);
    told.map_err(|Malformed(why)| Error::new(format!("a record's payment or decision: {why}")).at(dir))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::Engine;
    use crate::journal::{Journal, JournalSettings, SEGMENT_BYTES_MIN};
    use crate::money::{Currency, Money};
    use crate::pipeline::Options;
    use crate::schema::{Value, field};

    fn pipeline(limit: u32) -> Pipeline {
        let rule =
            format!("[[rule]]\nid = \"r\"\nwhen = 'amount > {limit}'\nthen = \"review\"\nreason = \"R\"\n");
        Pipeline::of_texts(vec![("r.toml".to_owned(), rule)], None, &Options::default()).unwrap()
    }

    #[test]
    fn the_last_ones_of_the_pipeline_in_force_are_told_with_their_origin() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::new(pipeline(10)));
        let settings = JournalSettings { segment_bytes: SEGMENT_BYTES_MIN, ..JournalSettings::default() };
        let (journal, _) = Journal::open(dir.path(), &settings, engine.clone()).unwrap();
        let usd = Currency::parse("USD").unwrap();
        // One in seven says nothing of its origin, as a program's own; one in seven is decided by a policy.
        let score = |n: u64| {
            let schema = engine.pipeline().schema().clone();
            let mut payment = Payment::new(&schema);
            payment.set(&schema, field::ID, Value::Token(&format!("p{n}"))).unwrap();
            let amount = Money { minor: i64::try_from(n).unwrap() * 100, currency: usd };
            payment.set(&schema, field::AMOUNT, Value::Money(amount)).unwrap();
            let origin = Origin { owner: n, request: None };
            let by_policy = Decision { digest: engine.pipeline().digest(), ..Decision::NONE };
            let ticket = match n % 7 {
                0 => journal.score(&payment).unwrap().1,
                1 => journal.turn().unscored(&payment, by_policy, &origin).unwrap(),
                _ => journal.turn().score_each(&[&payment], &[origin]).remove(0).unwrap().1,
            };
            ticket.wait().unwrap();
        };
        let told = |max: usize| {
            let mut told = Vec::new();
            let mut each = |origin: Origin, payment: &Payment, decision: &Decision| {
                told.push((origin.owner, payment.id().to_owned(), decision.outcome.name()));
            };
            decided(dir.path(), (journal.records(), max), &engine.pipeline(), &mut each).unwrap();
            told
        };
        let expected = |from: u64, to: u64| {
            let outcome = |n: u64| if n > 10 && n % 7 != 1 { "review" } else { "approve" };
            let all = (from..to).filter(|n| n % 7 != 0).map(|n| (n, format!("p{n}"), outcome(n)));
            all.collect::<Vec<_>>()
        };
        (0..2_000).for_each(score);
        assert_eq!(told(usize::MAX), expected(0, 2_000));
        assert_eq!((told(100), told(0)), (expected(1_900, 2_000), Vec::new()));
        journal.replace(pipeline(30)).unwrap().1.wait().unwrap();
        assert_eq!(told(usize::MAX), [], "another pipeline decided");
        [24, 33].into_iter().for_each(score);
        assert_eq!(told(usize::MAX), [(24, "p24".into(), "approve"), (33, "p33".into(), "review")]);
    }
}
