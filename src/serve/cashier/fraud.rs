//! A payment was fraud, or was not after all: what do lists and training learn of it?
//!
//! What they have not been told of is in the book, so it outlives a crash: [`tell`] edits the lists, waits until that is
//! recorded, and then records that they know. Done twice it comes to the same, for an item says by which payment it is
//! listed and ends at a time that the report decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Deserialize;

use super::Cashier;
use super::happen::Fault;
use super::later::Later;
use crate::error::{Error, ErrorKind};
use crate::failpoint::{Failpoint, reach};
use crate::list::{Editor, FRAUD, LIST_VALUE_BYTES_MAX, ListEdit, ListItem, ListKind};
use crate::pay::{Book, Event, Label, Payment, PaymentId};
use crate::pipeline::Pipeline;
use crate::schema::Kind;
use crate::serve::app::App;
use crate::serve::keeper::not_recorded;
use crate::serve::log::{self, Level};
use crate::serve::problem::Problem;
use crate::time::{Span, Timestamp};

/// An entry `[[payments.on_fraud]]`: a field of the payment whose value goes on a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FraudEntry {
    field: String,
    list: String,
    /// How long it stays there; for ever when absent.
    ttl: Option<String>,
    #[serde(default)]
    when_won: WhenWon,
}

/// What becomes of what was listed once the dispute is won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenWon {
    /// It stays until its time is over.
    #[default]
    Keep,
    /// It is taken off, unless another payment or somebody has listed it.
    Remove,
}

struct Wanted {
    field: String,
    list: String,
    ttl: Option<Span>,
    when_won: WhenWon,
}

/// What fraud leads to, and what it has led to.
pub(super) struct Frauds {
    wanted: Vec<Wanted>,
    /// Which payments have a value listed that goes when a dispute is won, and since when they are taken for fraud.
    listed: Mutex<HashMap<(usize, String), BTreeMap<PaymentId, Timestamp>>>,
    /// One payment after the other, so that what was said last is what is listed.
    turn: tokio::sync::Mutex<()>,
    /// What could not be told, and when that is tried again.
    pub(super) again: Later,
}

impl Frauds {
    /// # Errors
    /// Which entry is wrong, and what would do.
    pub(super) fn of(entries: &[FraudEntry], pipeline: &Pipeline) -> Result<Frauds, Error> {
        let wanted = entries.iter().map(|entry| entry.wanted(pipeline)).collect::<Result<_, _>>()?;
        Ok(Frauds {
            wanted,
            listed: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            again: Later::default(),
        })
    }

    /// Knows what was listed before, and what is to be told: what was not, or all of it when lists forget with the process.
    pub(super) fn resume(&self, book: &Book, lists_forget: bool) {
        let now = Instant::now();
        for payment in book.payments() {
            let Some(label) = payment.label() else { continue };
            if lists_forget || payment.untold().is_some() {
                self.again.add(now, payment.id().clone());
            }
            if label.fraud {
                self.wanted
                    .iter()
                    .enumerate()
                    .for_each(|(number, wanted)| self.keep(number, wanted, payment));
            }
        }
    }

    fn keep(&self, number: usize, wanted: &Wanted, payment: &Payment) {
        let Some(label) = payment.label().filter(|_| wanted.when_won == WhenWon::Remove) else { return };
        if let Some(value) = value(payment.facts(), &wanted.field) {
            let mut listed = self.listed.lock();
            listed.entry((number, value)).or_default().insert(payment.id().clone(), label.since);
        }
    }
}

impl FraudEntry {
    fn wanted(&self, pipeline: &Pipeline) -> Result<Wanted, Error> {
        let FraudEntry { field, list, ttl, when_won } = self;
        let wrong = |why: String| {
            Error::new(why).of(ErrorKind::Rules).at(format!("payments.on_fraud, `{field}` to `{list}`"))
        };
        let schema = pipeline.schema();
        let near =
            |near: Option<&str>| near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let known = schema.find(field).map(|id| schema.field(id)).ok_or_else(|| {
            wrong(format!("the schema has no field `{field}`{}", near(schema.nearest(field))))
        })?;
        let lists = pipeline.lists();
        let found = lists
            .get(list)
            .ok_or_else(|| wrong(format!("the rules have no list `{list}`{}", near(lists.nearest(list)))))?;
        let fits = matches!(
            (known.kind, found.kind()),
            (Kind::Text, ListKind::Text | ListKind::Bin)
                | (Kind::Token, ListKind::Token)
                | (Kind::Country, ListKind::Country)
                | (Kind::Ip, ListKind::Ip)
        );
        if !fits || known.outcome {
            return Err(wrong(format!(
                "a list of kind {} takes no values of the field, which is {}",
                found.kind(),
                if known.outcome { "an outcome".to_owned() } else { known.kind.to_string() }
            )));
        }
        let span = |text: &String| {
            let span = Span::parse(text).filter(|span| *span > Span::default());
            span.ok_or_else(|| wrong(format!("`ttl`: `{text}` is no length of time such as \"180d\"")))
        };
        let ttl = ttl.as_ref().map(span).transpose()?;
        Ok(Wanted { field: field.clone(), list: list.clone(), ttl, when_won: *when_won })
    }
}

impl Wanted {
    /// The item by which a payment is listed.
    fn item(&self, payment: &PaymentId, since: Timestamp) -> ListItem {
        ListItem {
            expires: self.ttl.map(|ttl| since.plus(ttl)),
            reason: FRAUD.into(),
            source: payment.as_str().into(),
        }
    }
}

/// The value of a field, as it was known when the payment was assessed.
fn value(facts: &[u8], field: &str) -> Option<String> {
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(facts).ok()?;
    let text = facts.get(field)?.as_str()?.trim();
    (!text.is_empty() && text.len() <= LIST_VALUE_BYTES_MAX).then(|| text.to_owned())
}

/// Tells lists and training the payment's label. What can't be done now is tried again later.
///
/// # Errors
/// When the payments' journal takes nothing.
pub(super) async fn tell(app: &App, cashier: &Arc<Cashier>, payment: &PaymentId) -> Result<(), Fault> {
    let frauds = &cashier.frauds;
    let _turn = frauds.turn.lock().await;
    let found = cashier.book.lock().any(payment).and_then(|p| Some((p.clone(), p.label()?)));
    let Some((known, label)) = found else { return Ok(()) };
    for (number, wanted) in frauds.wanted.iter().enumerate() {
        if let Err(problem) = list(app, frauds, (number, wanted), &known, label).await {
            let fields = [
                ("payment", payment.as_str().into()),
                ("list", wanted.list.as_str().into()),
                ("detail", String::from_utf8_lossy(&problem.json()).into_owned().into()),
            ];
            log::event(Level::Warn, "not_listed", &fields);
            let next = Instant::now() + cashier.settings.ask_again_max.0;
            frauds.again.add(next, payment.clone());
            return Ok(());
        }
    }
    reach(Failpoint::LabelListed);
    if known.untold().is_some() {
        say(&known, label);
        let (merchant, payment) = (known.merchant().clone(), payment.clone());
        cashier.durable(Event::Labelled { merchant, payment, fraud: label.fraud }).await?;
    }
    Ok(())
}

/// Puts the value of one field on its list, or takes it off.
async fn list(
    app: &App,
    frauds: &Frauds,
    (number, wanted): (usize, &Wanted),
    payment: &Payment,
    label: Label,
) -> Result<(), Problem> {
    let Some(value) = value(payment.facts(), &wanted.field) else { return Ok(()) };
    let list = crate::serve::lists::list(app.engine().pipeline().lists(), &wanted.list)?;
    let known = list.find(&value, log::now());
    let item = match label.fraud {
        true => {
            frauds.keep(number, wanted, payment);
            let item = wanted.item(payment.id(), label.since);
            // What somebody has listed for longer is not cut short, and what is done is not done again.
            if known.is_some_and(|known| outlasts(known.expires, item.expires)) {
                return Ok(());
            }
            Some(item)
        }
        false if wanted.when_won == WhenWon::Keep => return Ok(()),
        false => {
            let left = {
                let mut listed = frauds.listed.lock();
                let place = (number, value.clone());
                let others = listed.get_mut(&place);
                let left = others.and_then(|others| {
                    others.remove(payment.id());
                    others.iter().max_by_key(|(_, since)| **since).map(|(id, since)| (id.clone(), *since))
                });
                if left.is_none() {
                    listed.remove(&place);
                }
                left
            };
            // Somebody, or another payment, has listed it since.
            if known.is_none_or(|known| &*known.source != payment.id().as_str()) {
                return Ok(());
            }
            left.map(|(other, since)| wanted.item(&other, since))
        }
    };
    let edit = ListEdit { list: wanted.list.clone(), value, item };
    let (_, recorded) = app.keeper.edit(edit, Editor::Fraud, &app.config.limits)?;
    recorded.done().await.map_err(|busy| not_recorded(&busy))?;
    Ok(())
}

/// Whether an item that ends then is there for at least as long as another.
fn outlasts(end: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    end.is_none_or(|end| other.is_some_and(|other| end >= other))
}

/// Tells whoever reads the log, with the kind of the first report and how long after the payment it came.
fn say(payment: &Payment, label: Label) {
    let report = payment.reports().iter().find(|r| r.at == label.since);
    let fields = [
        ("payment", payment.id().as_str().into()),
        ("fraud", label.fraud.into()),
        ("by", report.map_or("dispute", |r| r.by.name()).into()),
        ("type", report.map(|r| r.kind.name()).into()),
        ("delay_s", label.since.since(payment.created_at()).secs().into()),
    ];
    log::event(Level::Info, "label", &fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<Wanted, String> {
        let pipeline = Pipeline::shipped().unwrap();
        toml::from_str::<FraudEntry>(text).unwrap().wanted(&pipeline).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_named() {
        for (text, expected) in [
            ("field = 'cart'\nlist = 'x'", "did you mean `card`?"),
            ("field = 'card'\nlist = 'nowhere'", "no list `nowhere`"),
            ("field = 'card'\nlist = 'nevr'", "did you mean `never`?"),
            ("field = 'email'\nlist = 'never'", "kind token takes no values of the field, which is text"),
            ("field = 'status'\nlist = 'risky_mcc'", "an outcome"),
            ("field = 'card'\nlist = 'never'\nttl = 'long'", "`long` is no length of time"),
            ("field = 'card'\nlist = 'never'\nttl = '0d'", "`0d` is no length of time"),
        ] {
            let said = entry(text).err().unwrap();
            assert!(said.contains(expected) && said.contains("payments.on_fraud"), "{text}: {said}");
        }
        for text in [
            "field = 'card'\nlist = 'never'",
            "field = 'device'\nlist = 'never'\nttl = '180d'\nwhen_won = 'remove'",
            "field = 'ip'\nlist = 'proxy_nets'\nttl = '1h'",
            "field = 'ip_country'\nlist = 'sanctioned'",
            "field = 'bin'\nlist = 'high_risk_bins'",
        ] {
            assert!(entry(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_there_for_longer_stays() {
        let at = |seconds| Timestamp::default().plus(Span::from_secs(seconds));
        for (end, other, longer) in [
            (None, None, true),
            (None, Some(at(1)), true),
            (Some(at(1)), None, false),
            (Some(at(1)), Some(at(1)), true),
            (Some(at(1)), Some(at(2)), false),
        ] {
            assert_eq!(outlasts(end, other), longer, "{end:?} {other:?}");
        }
    }

    #[test]
    fn values_are_those_of_the_facts() {
        let facts = br#"{"card":"tok_k1_ab","email":" a@b.example ","ip_proxy":true,"device":""}"#;
        assert_eq!(value(facts, "card").as_deref(), Some("tok_k1_ab"));
        assert_eq!(value(facts, "email").as_deref(), Some("a@b.example"));
        for field in ["ip_proxy", "device", "account"] {
            assert_eq!(value(facts, field), None, "{field}");
        }
        assert_eq!(value(b"", "card"), None);
    }
}
