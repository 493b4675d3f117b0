//! What does the engine say of a payment, and what is it told of it later?

use std::sync::Arc;
use std::time::Instant;

use hyper::HeaderMap;
use parking_lot::Mutex;

use super::happen::{Fault, changed, happen};
use super::{Cashier, Held};
use crate::channel::Instrument;
use crate::codec::{PaymentTable, RowError, Sheet};
use crate::decision::Outcome;
use crate::failpoint::{Failpoint, reach};
use crate::pay::{
    Change, EXPLANATION_BYTES_MAX, Event, FACTS_BYTES_MAX, MerchantId, Method, PaymentId, ThreeDs,
};
use crate::payment::Payment;
use crate::schema::{Country, FieldId, Schema, Value, field};
use crate::serve::app::App;
use crate::serve::desk::Source;
use crate::serve::keys::Key;
use crate::serve::problem::{Kind, Problem};
use crate::serve::score;

/// Has the engine decide about a payment, with what the merchant knows of it, and does what follows.
pub(super) async fn assess(
    app: &Arc<App>,
    cashier: &Arc<Cashier>,
    key: &Key,
    (merchant, payment): (&MerchantId, &PaymentId),
    facts: &[u8],
) -> Result<(), Fault> {
    let book = cashier.look(merchant, payment, Clone::clone)?;
    let card = cashier.held.get(payment).and_then(|held| card(&held));
    let kept = Mutex::new(Vec::new());
    let fill = |schema: &Schema, payment: &mut Payment| {
        let mut put = |id: FieldId, value: Value<'_>| {
            payment.set(schema, id, value).map_err(|e| RowError {
                field: Some(schema.field(id).name.clone()),
                column: None,
                reason: e.to_string(),
            })
        };
        put(field::ID, Value::Token(book.id().as_str()))?;
        put(field::AT, Value::Timestamp(book.created_at()))?;
        put(field::AMOUNT, Value::Money(book.amount()))?;
        put(field::MERCHANT, Value::Token(book.merchant().as_str()))?;
        put(field::ORDER, Value::Token(book.order().as_str()))?;
        put(field::CHANNEL, Value::Text(book.method().name()))?;
        if let Some(card) = &card {
            put(field::CARD, Value::Token(card))?;
        }
        if let Some(found) = book.three_ds() {
            vouched(found).into_iter().flatten().try_for_each(|(id, value)| put(id, value))?;
        }
        fill_countries(schema, payment, cashier.merchants.country(book.merchant()));
        *kept.lock() = line(schema, payment);
        Ok(())
    };
    // Once is enough: windows have it already.
    let known = cashier.settling.decided.remove(payment);
    let known =
        known.map(|(_, known)| score::again(app, key, facts, Source::Part(&fill), &known)).transpose()?;
    let scored = match known.flatten() {
        Some(scored) => scored,
        None => {
            score::decide(app, key, &HeaderMap::new(), facts, Source::Part(&fill), Instant::now()).await?
        }
    };
    reach(Failpoint::PaymentScored);
    let facts = kept.into_inner();
    if facts.len() > FACTS_BYTES_MAX {
        let why = format!("what is known of the payment takes more than {FACTS_BYTES_MAX} bytes");
        return Err(Problem::new(Kind::NotAPayment, why)
            .remedy("leave out fields that no rule asks for")
            .into());
    }
    // Whoever waits for a later record waits for this one, too.
    let described = Event::Described {
        merchant: merchant.clone(),
        payment: payment.clone(),
        facts: facts.into_boxed_slice(),
    };
    cashier.take(described)?;
    // A longer one would be no help to whoever looks.
    if scored.outcome == Outcome::Review && scored.line.len() <= EXPLANATION_BYTES_MAX {
        cashier.take(Event::Explained {
            merchant: merchant.clone(),
            payment: payment.clone(),
            answer: scored.line[..].into(),
        })?;
    }
    happen(app, cashier, changed(merchant, payment, Change::Assessed(scored.outcome))).await
}

/// What 3-D Secure came to, as facts for rules and windows.
pub(super) fn vouched(found: &ThreeDs) -> [Option<(FieldId, Value<'_>)>; 4] {
    [
        Some((field::AUTHENTICATED, Value::Bool(found.status().is_proof()))),
        Some((field::THREE_DS_STATUS, Value::Text(found.status().name()))),
        Some((field::LIABILITY_SHIFT, Value::Bool(found.shifts_liability()))),
        found.eci().map(|eci| (field::ECI, Value::Text(eci))),
    ]
}

/// The merchant's country, unless it was sent, and whether the payer's is another: the card's country, else that of the
/// billing address.
fn fill_countries(schema: &Schema, payment: &mut Payment, merchant: Option<Country>) {
    if let Some(country) = merchant.filter(|_| !payment.has(field::MERCHANT_COUNTRY)) {
        // Any country fits.
        let _ = payment.set(schema, field::MERCHANT_COUNTRY, Value::Country(country));
    }
    let payer = payment.country(field::CARD_COUNTRY).or_else(|| payment.country(field::BILLING_COUNTRY));
    if let (Some(payer), Some(merchant)) = (payer, payment.country(field::MERCHANT_COUNTRY))
        && !payment.has(field::CROSS_BORDER)
    {
        let _ = payment.set(schema, field::CROSS_BORDER, Value::Bool(payer != merchant));
    }
}

fn card(held: &Held) -> Option<zeroize::Zeroizing<String>> {
    match &held.instrument {
        Some(Instrument::Card { pan, .. }) => Some(pan.clone()),
        _ => None,
    }
}

/// The payment as one line of JSON, without what does not outlive the request.
fn line(schema: &Schema, payment: &Payment) -> Vec<u8> {
    let table = PaymentTable::all(schema);
    let mut sheet = Sheet::sparse_json_lines(table.columns());
    table.write(schema, payment, &mut sheet);
    sheet.take_text(<[u8]>::to_vec)
}

/// The payer's country, as far as it is known: the card's, else that of the billing address.
pub(super) fn country(facts: &[u8]) -> Option<Country> {
    #[derive(serde::Deserialize)]
    struct Known {
        card_country: Option<String>,
        billing_country: Option<String>,
    }
    let known: Known = serde_json::from_slice(facts).ok()?;
    Country::parse(&known.card_country.or(known.billing_country)?)
}

/// What a payer pays with, as the method wants it.
pub(super) fn fits(method: Method, instrument: Option<&Instrument>) -> bool {
    matches!(
        (method, instrument),
        (Method::Card, Some(Instrument::Card { .. }))
            | (Method::Alipay | Method::WechatPay, None | Some(Instrument::Code(_)))
    )
}
