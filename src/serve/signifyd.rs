//! `/signifyd/v3/orders/events/*`: the part of Signifyd's interface that Hyperswitch posts to.
//!
//! `checkouts` and `sales` are payments to be decided, `transactions` tells what became of one. Whatever else
//! the bodies say is passed over.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;
use hyper::Response;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::app::App;
use super::config::Scope;
use super::form::Object;
use super::keys::Key;
use super::log;
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::{self, Source};
use super::settle;
use crate::codec::RowError;
use crate::payment::Payment;
use crate::schema::{Schema, Value, field};
use crate::token::redact;
use crate::velocity::Status;

/// What comes before an event's name.
const EVENTS: &str = "/v3/orders/events/";
/// What decided, as Signifyd names policies.
const POLICY: &str = "tollgate";

/// An order, as far as it is read; texts stay as they were written.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Order {
    order_id: Option<String>,
    checkout_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    purchase: Purchase,
    #[serde(deserialize_with = "nullable")]
    device: Device,
    #[serde(deserialize_with = "nullable")]
    user_account: UserAccount,
    transactions: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Purchase {
    created_at: Option<String>,
    /// In major units, exactly as it was written.
    total_price: Option<Box<RawValue>>,
    currency: Option<String>,
    confirmation_email: Option<String>,
    confirmation_phone: Option<String>,
    #[serde(deserialize_with = "nullable")]
    shipments: Vec<Shipment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Shipment {
    #[serde(deserialize_with = "nullable")]
    destination: Destination,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Destination {
    #[serde(deserialize_with = "nullable")]
    address: Address,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Address {
    street_address: Option<String>,
    postal_code: Option<String>,
    country_code: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Device {
    client_ip_address: Option<String>,
    session_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct UserAccount {
    email: Option<String>,
    phone: Option<String>,
    account_number: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Transaction {
    gateway_status_code: Option<String>,
    payment_method: Option<String>,
    gateway: Option<String>,
    #[serde(deserialize_with = "nullable")]
    checkout_payment_details: Details,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    card_bin: Option<String>,
    card_last4: Option<String>,
    #[serde(deserialize_with = "nullable")]
    billing_address: Address,
}

/// What is null is as what is not there.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Answers an event; `path` is what follows `/signifyd`.
pub(super) async fn answer(
    app: &App,
    key: &Key,
    head: &Parts,
    path: &str,
    body: &[u8],
    began: Instant,
) -> Response<Reply> {
    let answered = match path.strip_prefix(EVENTS) {
        Some("checkouts" | "sales") => decide(app, key, head, body, began).await,
        // It is a settlement, so the key must be for these as well.
        Some("transactions") => match app.keys.caller(&head.headers, Scope::Settle) {
            Ok(key) => outcome(app, key, body).await,
            Err(problem) => Err(problem),
        },
        _ => Err(Problem::new(Kind::NotFound, "this event is not taken")
            .remedy("checkouts, sales and transactions are; turn the others off")),
    };
    answered.map_or_else(|problem| refusal(&problem), |said| score::json(said.to_string()))
}

/// A problem with what Signifyd's clients look for besides.
pub(super) fn refusal(problem: &Problem) -> Response<Reply> {
    let mut response = problem.response();
    let mut said: Json = serde_json::from_slice(&problem.json()).unwrap_or_default();
    let detail = said["detail"].as_str().or(said["title"].as_str()).unwrap_or_default().to_owned();
    said["messages"] = json!([detail]);
    said["errors"] = said["field"].as_str().map_or(json!({}), |field| json!({ field: [detail] }));
    *response.body_mut() = Reply::whole(said.to_string());
    response
}

async fn decide(app: &App, key: &Key, head: &Parts, body: &[u8], began: Instant) -> Result<Json, Problem> {
    let order = read::<Order>(body)?;
    let transaction = order.transaction()?;
    let object = Bytes::from(order.payment(&transaction)?);
    let source = Source::Part(&now);
    let scored = score::decide(app, key, &head.headers, &object, source, began).await?;
    let (id, reasons) = scored.told.unwrap_or_default();
    Ok(said(&order, &id, scored.outcome.name(), scored.score.into(), &reasons))
}

/// Takes what became of a payment, and says again what was decided about it.
async fn outcome(app: &App, key: &Key, body: &[u8]) -> Result<Json, Problem> {
    let order = read::<Order>(body)?;
    let transaction = order.transaction()?;
    let status = match transaction.gateway_status_code.as_deref() {
        Some("SUCCESS") => Some(Status::Authorized),
        Some("FAILURE" | "ERROR" | "CANCELLED" | "EXPIRED") => Some(Status::Declined),
        // It is not over yet.
        _ => None,
    };
    let id = order.id()?;
    if let Some(status) = status {
        settle::recent(app, key, id, status).await?;
    }
    let line = app.recent.answer(key.index, id).ok_or_else(settle::unknown)?;
    let decided: Json = serde_json::from_slice(&line).unwrap_or_default();
    let score = decided["score"].as_u64().unwrap_or_default();
    Ok(said(&order, id, decided["outcome"].as_str().unwrap_or_default(), score, ""))
}

/// The answer, the same for all events.
fn said(order: &Order, id: &str, outcome: &str, score: u64, reasons: &str) -> Json {
    let action = match outcome {
        "approve" => "ACCEPT",
        "challenge" => "CHALLENGE",
        "review" => "HOLD",
        _ => "REJECT",
    };
    let digest: [u8; 32] = Sha256::digest(id).into();
    let number = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    json!({
        // A number that every reader of JSON keeps.
        "signifydId": number >> 11,
        "orderId": redact(order.order_id.as_deref().unwrap_or(id)),
        "decision": {
            "createdAt": log::now().to_string(),
            "checkpointAction": action,
            "checkpointActionReason": if reasons.is_empty() { outcome } else { reasons },
            "checkpointActionPolicy": POLICY,
            "score": score,
        },
    })
}

/// The reader's own message may repeat what was sent.
fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(json).map_err(|e| {
        let reason = "it is no order of Signifyd's interface from here on".to_owned();
        Problem::row(RowError { field: None, column: Some(e.column()), reason })
    })
}

impl Order {
    /// A sale has its checkout's id: both are one payment.
    fn id(&self) -> Result<&str, Problem> {
        self.checkout_id.as_deref().or(self.order_id.as_deref()).ok_or_else(|| {
            let (field, reason) = (Some("checkoutId".to_owned()), "it is missing".to_owned());
            Problem::row(RowError { field, column: None, reason })
        })
    }

    /// The first transaction; some events have a list of them, some have one.
    fn transaction(&self) -> Result<Transaction, Problem> {
        let Some(raw) = self.transactions.as_deref().map(RawValue::get) else {
            return Ok(Transaction::default());
        };
        match raw.starts_with('[') {
            true => Ok(read::<Vec<Transaction>>(raw.as_bytes())?.into_iter().next().unwrap_or_default()),
            false => read(raw.as_bytes()),
        }
    }

    /// The payment as JSON text.
    fn payment(&self, transaction: &Transaction) -> Result<Vec<u8>, Problem> {
        let (purchase, details) = (&self.purchase, &transaction.checkout_payment_details);
        let billing = &details.billing_address;
        let none = Address::default();
        let shipping = purchase.shipments.first().map_or(&none, |s| &s.destination.address);
        let channel = transaction.payment_method.as_deref().map(|method| match method {
            "CREDIT_CARD" | "DEBIT_CARD" | "PREPAID_CARD" | "CARD" => Cow::from("card"),
            other => Cow::from(other.to_ascii_lowercase()),
        });
        let account = &self.user_account;
        let price = purchase.total_price.as_deref().map(|raw| raw.get().trim_matches('"'));
        let mut object = Object::new();
        for (name, value) in [
            ("id", Some(self.id()?)),
            ("order", self.order_id.as_deref()),
            ("at", purchase.created_at.as_deref()),
            ("amount", price.filter(|price| *price != "null")),
            ("currency", purchase.currency.as_deref()),
            ("channel", channel.as_deref()),
            ("gateway", transaction.gateway.as_deref()),
            ("bin", details.card_bin.as_deref()),
            ("last4", details.card_last4.as_deref()),
            ("account", account.account_number.as_deref()),
            ("email", account.email.as_deref().or(purchase.confirmation_email.as_deref())),
            ("phone", account.phone.as_deref().or(purchase.confirmation_phone.as_deref())),
            ("session", self.device.session_id.as_deref()),
            ("ip", self.device.client_ip_address.as_deref()),
            ("billing_country", billing.country_code.as_deref()),
            ("billing_postcode", billing.postal_code.as_deref()),
            ("shipping_country", shipping.country_code.as_deref()),
            ("shipping_postcode", shipping.postal_code.as_deref()),
            ("shipping_address", shipping.street_address.as_deref()),
        ] {
            if let Some(value) = value {
                object.field(name, value).map_err(|e| Problem::new(Kind::BadRequest, e.reason()))?;
            }
        }
        Ok(object.finish())
    }
}

/// A payment that does not say when it was attempted is attempted now.
fn now(schema: &Schema, payment: &mut Payment) -> Result<(), RowError> {
    if payment.get(schema, field::AT).is_some() {
        return Ok(());
    }
    payment.set(schema, field::AT, Value::Timestamp(log::now())).map_err(|e| RowError {
        field: Some("at".to_owned()),
        column: None,
        reason: e.to_string(),
    })
}
