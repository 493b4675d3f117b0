//! Which message asks for what? A [`Request`] as ISO 8583.

use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::amount::{self, numeric};
use super::message::Message;
use super::mti::{Class, Function, Mti, Version};
use super::numbers::{rrn, stan};
use super::private;
use super::terms::Terms;
use crate::channel::{Instrument, Request};
use crate::error::Error;
use crate::pay::{CallKey, Operation, ThreeDs, TransStatus};
use crate::token::redact;

/// Processing codes, field 3: goods and services, and giving back.
const PURCHASE: &str = "000000";
pub(crate) const REFUND: &str = "200000";
/// Field 22: entered by the payer in a shop of the net, no PIN.
const ENTRY_MODE: &str = "810";
/// Field 25: from the net.
const CONDITION: &str = "59";
/// Field 22 of 1993: no terminal; the payer not there, in a shop of the net; the card not there, typed in; nobody
/// authenticated at a terminal, which takes no PIN.
const POINT_OF_SERVICE: &str = "000050600110";
/// Field 25 of 1993: the customer cancels; no answer came in time.
const CANCELLED: &str = "4000";
const TIMED_OUT: &str = "4021";
/// Characters of field 43 that name the shop; the town has the next 13, the country the last two.
const NAME_CHARS: usize = 25;

impl Terms {
    /// The message that asks for what a request wants.
    ///
    /// A capture is an advice (0220): what it asks for was promised by the authorization, so the institution is
    /// told, and an advice is what its rules let be sent again (0221) until it is acknowledged.
    ///
    /// # Errors
    /// Why it can't be asked for: the card is gone, the amount or the merchant's name does not fit.
    ///
    /// ```
    /// # use tollgate::{Currency, Money, Timestamp, channel::{Instrument, Request, card::Terms}, pay::*};
    /// # let amount = Money { minor: 1999, currency: Currency::parse("EUR").unwrap() };
    /// # let mut request = Request {
    /// #     call: Call {
    /// #         key: CallKey([7; 16]),
    /// #         payment: PaymentId::parse("p1").unwrap(),
    /// #         method: Method::Card,
    /// #         operation: Operation::Authorize,
    /// #         amount,
    /// #     },
    /// #     merchant: MerchantId::parse("m1").unwrap(),
    /// #     order: OrderId::parse("o1").unwrap(),
    /// #     requested: Timestamp::default(),
    /// #     original: None,
    /// #     instrument: None,
    /// #     subject: "Shoes".to_owned(),
    /// #     authenticated: false,
    /// #     three_ds: None,
    /// #     placed: false,
    /// #     repetition: 0,
    /// # };
    /// let terms = Terms::default();
    /// assert!(terms.ask(&request).is_err()); // an authorization needs the card
    /// request.instrument =
    ///     Some(Instrument::Card { pan: "4111111111111111".to_owned().into(), expiry: *b"2912", cvv: None });
    /// let message = terms.ask(&request)?;
    /// assert_eq!(message.mti.to_string(), "0100");
    /// assert_eq!((message.get(4), message.get(49)), (Some("000000001999"), Some("978")));
    /// request.repetition = 1;
    /// assert_eq!(terms.ask(&request)?.mti.to_string(), "0101");
    /// # Ok::<(), tollgate::Error>(())
    /// ```
    pub fn ask(&self, request: &Request) -> Result<Message, Error> {
        let (class, function, processing) = match request.call.operation {
            Operation::Authorize => (Class::Authorization, Function::Request, PURCHASE),
            Operation::Capture { .. } => (Class::Financial, Function::Advice, PURCHASE),
            Operation::Refund { .. } => (Class::Financial, Function::Request, REFUND),
            Operation::Void => (Class::Reversal, Function::Request, PURCHASE),
        };
        let authorizes = request.call.operation == Operation::Authorize;
        if authorizes && !matches!(request.instrument, Some(Instrument::Card { .. })) {
            return Err(Error::new(
                "the card's number is not there, and an authorization can't be sent without it",
            ));
        }
        let original = match request.original {
            None if !authorizes => {
                return Err(Error::new("the request names no authorization that it is about"));
            }
            original => original.map(|(key, _)| key),
        };
        let mti = Mti { repeat: request.repetition > 0, ..Mti::new(self.version, class, function) };
        message(self, request, mti, processing, original).map_err(Error::new)
    }

    /// The message that asks what became of a request. An authorization is undone (0420, and 0421 from the second
    /// time on) under its own key; the others are sent again, as repetitions.
    ///
    /// # Errors
    /// Why it can't be asked for.
    pub fn query(&self, request: &Request) -> Result<Message, Error> {
        if request.call.operation != Operation::Authorize {
            let mut message = self.ask(request)?;
            message.mti = message.mti.repeated();
            return Ok(message);
        }
        let mti = Mti::new(self.version, Class::Reversal, Function::Advice);
        let mti = Mti { repeat: request.repetition > 1, ..mti };
        message(self, request, mti, PURCHASE, Some(request.call.key)).map_err(Error::new)
    }
}

fn message(
    terms: &Terms,
    request: &Request,
    mti: Mti,
    processing: &str,
    original: Option<CallKey>,
) -> Result<Message, String> {
    let call = &request.call;
    let amount =
        amount::write(&terms.units, call.amount).ok_or("the amount can't be written in twelve digits")?;
    let currency = numeric(call.amount.currency).ok_or("the currency has no number")?;
    let merchant = terms.merchant(&request.merchant).ok_or(
        "the merchant's id is longer than 15 characters: name it in the acquirer's terms under `merchants`",
    )?;
    let at = jiff::Timestamp::from_microsecond(request.requested.micros()).map_err(|e| e.to_string())?;
    let at = TimeZone::UTC.to_datetime(at);
    let transmission = at.strftime("%m%d%H%M%S").to_string();
    let mut message = Message::new(mti);
    let mut set = |field: u8, text: String| message.set(field, text).map_err(|e| e.to_string());
    if let Some(Instrument::Card { pan, expiry, .. }) = &request.instrument {
        set(2, String::clone(pan))?;
        set(14, expiry.map(char::from).iter().collect())?;
    }
    set(3, processing.to_owned())?;
    set(4, amount)?;
    set(7, transmission.clone())?;
    set(11, stan(call.key))?;
    let local = at.strftime("%y%m%d%H%M%S").to_string();
    match mti.version {
        Version::Of1987 => {
            set(12, at.strftime("%H%M%S").to_string())?;
            set(13, at.strftime("%m%d").to_string())?;
            set(18, terms.category.clone())?;
            set(22, ENTRY_MODE.to_owned())?;
            set(25, CONDITION.to_owned())?;
        }
        Version::Of1993 => {
            set(12, local.clone())?;
            set(22, POINT_OF_SERVICE.to_owned())?;
            set(24, function(request, mti).to_owned())?;
            if mti.class == Class::Reversal {
                let why = if mti.function == Function::Request { CANCELLED } else { TIMED_OUT };
                set(25, why.to_owned())?;
            }
            set(26, terms.category.clone())?;
        }
    }
    set(32, terms.acquirer.clone())?;
    set(37, rrn(call.key))?;
    set(41, format!("{:8}", terms.terminal))?;
    set(42, merchant)?;
    set(43, place(terms, request))?;
    set(48, private_field(request, original).to_string())?;
    set(49, currency)?;
    match (original, mti.version) {
        (None, _) => {}
        (Some(original), Version::Of1987) => set(90, original_data(terms, original, &transmission))?,
        (Some(original), Version::Of1993) => {
            let mti = Mti::new(mti.version, Class::Authorization, Function::Request);
            let acquirer = &terms.acquirer;
            set(56, format!("{mti}{}{local}{:02}{acquirer}", stan(original), acquirer.len()))?;
        }
    }
    Ok(message)
}

/// Field 24 of 1993: what is wanted, more closely.
fn function(request: &Request, mti: Mti) -> &'static str {
    let all = request.original.is_some_and(|(_, amount)| amount == request.call.amount);
    match (mti.class, mti.function) {
        (Class::Financial, Function::Advice) if all => "201",
        (Class::Financial, Function::Advice) => "202",
        (Class::Financial, _) => "200",
        (Class::Reversal, _) => "400",
        _ => "100",
    }
}

/// Field 43: what the payer reads on their statement, and where that is.
fn place(terms: &Terms, request: &Request) -> String {
    let subject = redact(&request.subject);
    let plain = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    let name: String = subject.chars().take(NAME_CHARS).map(plain).collect();
    format!("{name:NAME_CHARS$}{:13}{:2}", terms.city, terms.country)
}

fn private_field(request: &Request, original: Option<CallKey>) -> Zeroizing<String> {
    let authorizes = request.call.operation == Operation::Authorize && original.is_none();
    // With room for all, so that growing leaves no copy behind.
    let mut field = Zeroizing::new(String::with_capacity(256));
    private::put(&mut field, private::KEY, &request.call.key.to_string());
    if let Some(original) = original {
        private::put(&mut field, private::ORIGINAL, &original.to_string());
    }
    let three_ds = request.three_ds.as_ref().filter(|_| authorizes);
    let security = match three_ds.map(ThreeDs::status) {
        Some(TransStatus::Attempted) => "211",
        _ if request.authenticated => "212",
        _ => "210",
    };
    private::put(&mut field, private::SECURITY, security);
    if let Some(found) = three_ds {
        for (tag, text) in [(private::ECI, found.eci()), (private::CAVV, found.cavv())] {
            text.iter().for_each(|text| private::put(&mut field, tag, text));
        }
        if let Some(id) = found.ds_trans_id() {
            private::put(&mut field, private::TRANSACTION, &format!("2{id}"));
        }
    }
    if let Some(Instrument::Card { cvv: Some(cvv), .. }) = &request.instrument
        && authorizes
    {
        private::put(&mut field, private::CVV, cvv);
    }
    field
}

/// Field 90 of 1987: type, trace number and time of the authorization, its acquirer, and who forwarded it: nobody.
fn original_data(terms: &Terms, original: CallKey, transmission: &str) -> String {
    let mti = Mti::new(terms.version, Class::Authorization, Function::Request);
    format!("{mti}{}{transmission}{}{:011}", stan(original), terms.acquirer_padded(), 0)
}
