//! How does a payer prove that it is them? By 3-D Secure, their authenticator, or a code that they are sent.

use serde::{Deserialize, Serialize};

use super::{Cashier, words};
use crate::channel::card::amount::numeric;
use crate::pay::{AccountId, Enrolment, MerchantId, Method, Payment, PaymentId, State, TransStatus};

/// How a challenge is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// At the merchant's 3-D Secure server.
    ThreeDs,
    /// By the code of the account's authenticator.
    Authenticator,
    /// By a code that is sent.
    Code,
    /// There is no way; it ends by itself.
    Nothing,
}

/// What became of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Nothing was to be sent, or nobody knows any more.
    None,
    Sent,
    /// It may not have arrived; it can be sent again.
    Failed,
    /// There were too many lately.
    Limited,
}

impl Delivery {
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Delivery::None => None,
            Delivery::Sent => Some("sent"),
            Delivery::Failed => Some("failed"),
            Delivery::Limited => Some("limited"),
        }
    }
}

/// A challenge's way, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) by: By,
    pub(super) delivery: Delivery,
}

impl Proof {
    /// Whether it may not even be tried: each challenge of an authenticator is five guesses more.
    pub(super) fn is_closed(self) -> bool {
        self == Proof { by: By::Authenticator, delivery: Delivery::Limited }
    }

    pub(super) fn with(self, delivery: Delivery) -> Proof {
        Proof { delivery, ..self }
    }
}

/// What is known of a payer that proofs ask for.
#[derive(Default, Deserialize)]
pub(super) struct Known {
    pub(super) account: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) device: Option<String>,
}

impl Known {
    /// Of what was kept of a payment.
    pub(super) fn of(facts: &[u8]) -> Known {
        serde_json::from_slice(facts).unwrap_or_default()
    }
}

/// What the payer does next.
#[derive(Serialize)]
pub(super) struct NextAction {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Fields>,
}

/// What the 3-D Secure server is to ask for, in the words of EMV 3DS.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    payment: String,
    order: String,
    merchant: String,
    purchase_amount: String,
    purchase_currency: String,
    purchase_exponent: String,
    purchase_date: String,
    /// 01: a payment.
    message_category: &'static str,
    /// 04: the institution wants it; 03: we do.
    #[serde(rename = "threeDSRequestorChallengeInd")]
    three_ds_requestor_challenge_ind: &'static str,
}

impl Cashier {
    /// The account that a payment is by, and its authenticator, if that is confirmed.
    pub(super) fn authenticator(&self, payment: &PaymentId) -> Option<(MerchantId, AccountId, Enrolment)> {
        let book = self.book.lock();
        let found = book.any(payment)?;
        let account = AccountId::parse(&Known::of(found.facts()).account?).ok()?;
        let enrolment = *book.authenticator(found.merchant(), &account)?;
        enrolment.is_confirmed().then(|| (found.merchant().clone(), account, enrolment))
    }

    /// Settles how the payment's challenge is answered; `None` when it is not challenged.
    pub(super) fn settle_proof(&self, payment: &PaymentId) -> Option<(MerchantId, By)> {
        let is_enrolled = self.authenticator(payment).is_some();
        let has_phone = self.held.get(payment).is_some_and(|held| held.phone.is_some());
        let (merchant, by) = {
            let book = self.book.lock();
            let found = book.any(payment).filter(|p| p.state() == State::Challenged)?;
            // After a restart the phone is gone, and the code that was sent is good all the same.
            let is_sent = found.challenge().is_some_and(|c| c.sends > 0);
            let otherwise = match (is_enrolled, has_phone || is_sent) {
                (true, _) => By::Authenticator,
                (false, true) => By::Code,
                (false, false) => By::Nothing,
            };
            let has_server =
                found.method() == Method::Card && self.merchants.three_ds(found.merchant()).is_some();
            let failed = found.three_ds().is_some_and(|last| last.status() == TransStatus::Unavailable);
            let by =
                if has_server && !(failed && otherwise != By::Nothing) { By::ThreeDs } else { otherwise };
            (found.merchant().clone(), by)
        };
        self.proofs.insert(payment.clone(), Proof { by, delivery: Delivery::None });
        Some((merchant, by))
    }

    /// How the payment's challenge is answered.
    pub(super) fn proof(&self, payment: &PaymentId) -> Proof {
        let known = self.proofs.get(payment).map(|proof| *proof);
        known.unwrap_or(Proof { by: By::Nothing, delivery: Delivery::None })
    }

    /// What the payer of a challenged payment does next, and what they read.
    pub(super) fn next_action(&self, payment: &Payment) -> (Option<NextAction>, words::Words) {
        let Proof { by, delivery } = self.proof(payment.id());
        let plain = |r#type| Some(NextAction { r#type, url: None, fields: None });
        let action = match by {
            By::ThreeDs => Some(NextAction {
                r#type: "three_ds_redirect",
                url: self.merchants.three_ds(payment.merchant()).map(str::to_owned),
                fields: Some(fields(payment)),
            }),
            By::Authenticator => plain("authenticator_code"),
            By::Code => plain("code"),
            By::Nothing => None,
        };
        (action, words::proof(by, delivery))
    }
}

fn fields(payment: &Payment) -> Fields {
    let amount = payment.amount();
    let date = payment.created_at().to_string();
    let wanted = payment.operations().iter().any(|o| o.operation == crate::pay::Operation::Authorize);
    Fields {
        payment: payment.id().to_string(),
        order: payment.order().to_string(),
        merchant: payment.merchant().to_string(),
        purchase_amount: amount.minor.to_string(),
        purchase_currency: numeric(amount.currency).unwrap_or_default(),
        purchase_exponent: amount.currency.exponent().to_string(),
        purchase_date: date.chars().filter(char::is_ascii_digit).take(14).collect(),
        message_category: "01",
        three_ds_requestor_challenge_ind: if wanted { "04" } else { "03" },
    }
}
