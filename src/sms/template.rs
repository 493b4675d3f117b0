//! What is a provider of messages sent? A text with places for what is known, each written as the form wants it.

use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::Message;
use crate::money::{Currency, Money};
use crate::pay::{MerchantId, PaymentId};

/// Most bytes of a template.
///
/// ```
/// use tollgate::sms::{Form, Http, HttpSettings, TEMPLATE_BYTES_MAX};
/// let of = |bytes: usize| {
///     let body = format!("{{phone}}{{code}}{}", "x".repeat(bytes - "{phone}{code}".len()));
///     Http::new(HttpSettings { form: Form::Form, ..HttpSettings::to("https://sms.example/", body) })
/// };
/// assert!(of(TEMPLATE_BYTES_MAX).is_ok() && of(TEMPLATE_BYTES_MAX + 1).is_err());
/// ```
pub const TEMPLATE_BYTES_MAX: usize = 8 << 10;

/// How a provider over HTTP reads what it is sent.
///
/// ```
/// assert_eq!(tollgate::sms::Form::default(), tollgate::sms::Form::Json);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Form => "application/x-www-form-urlencoded",
        }
    }
}

macro_rules! places {
    ($($place:ident $name:literal)*) => {
        /// What a template can hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Place { $($place),* }

        impl Place {
            const ALL: &[(&str, Place)] = &[$(($name, Place::$place)),*];
        }
    };
}

places! {
    Phone "phone"
    Code "code"
    Text "text"
    TextEn "text_en"
    TextZh "text_zh"
    Payment "payment"
    Merchant "merchant"
    Amount "amount"
}

/// What stands at a place.
fn at(message: &Message, place: Place) -> Zeroizing<String> {
    let [en, zh] = &message.text;
    match place {
        Place::Phone => message.phone.clone(),
        Place::Code => message.code.clone(),
        Place::Text => Zeroizing::new(format!("{} {}", en.as_str(), zh.as_str())),
        Place::TextEn => en.clone(),
        Place::TextZh => zh.clone(),
        Place::Payment => Zeroizing::new(message.payment.to_string()),
        Place::Merchant => Zeroizing::new(message.merchant.to_string()),
        Place::Amount => Zeroizing::new(message.amount.to_string()),
    }
}

/// A body with places.
#[derive(Debug)]
pub(super) struct Template {
    form: Form,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

impl Template {
    /// Reads `{"to": "{phone}", ...}`. A name in braces is a place; other braces are themselves.
    ///
    /// # Errors
    /// What is wrong with it: a place that there is none of, no phone or no code in it, JSON that would be none.
    pub(super) fn parse(text: &str, form: Form) -> Result<Template, String> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("it has more than {TEMPLATE_BYTES_MAX} bytes"));
        }
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let named = after.split_once('}').filter(|(name, _)| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            let Some((name, after_name)) = named else {
                plain.push('{');
                rest = after;
                continue;
            };
            let place = Place::ALL.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let all: Vec<String> = Place::ALL.iter().map(|(known, _)| format!("{{{known}}}")).collect();
                format!("there is no `{{{name}}}`; there are {}", all.join(", "))
            })?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Place(place.1));
            rest = after_name;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        let template = Template { form, parts };
        let has = |places: &[Place]| places.iter().any(|p| template.parts.contains(&Part::Place(*p)));
        if !has(&[Place::Phone]) {
            return Err("it has no `{phone}`".to_owned());
        }
        if !has(&[Place::Code, Place::Text, Place::TextEn, Place::TextZh]) {
            return Err("it has neither `{code}` nor `{text}`, `{text_en}`, `{text_zh}`".to_owned());
        }
        let is_json = |message| serde_json::from_str::<IgnoredAny>(&template.fill(&message)).is_ok();
        if form == Form::Json && !tried().is_some_and(is_json) {
            return Err(
                "filled in it is no JSON; places stand inside of texts: \"to\": \"{phone}\"".to_owned()
            );
        }
        Ok(template)
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The body for a message.
    pub(super) fn fill(&self, message: &Message) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(2 * TEMPLATE_BYTES_MAX));
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Place(place) => match self.form {
                    Form::Json => json(&mut out, &at(message, *place)),
                    Form::Form => percent(&mut out, &at(message, *place)),
                },
            }
        }
        out
    }
}

/// A message that is hard to write.
fn tried() -> Option<Message> {
    let hard = || Zeroizing::new("a\"b\\c\u{1}&=+ \u{7801}".to_owned());
    Some(Message {
        phone: hard(),
        code: hard(),
        text: [hard(), hard()],
        payment: PaymentId::parse("p").ok()?,
        merchant: MerchantId::parse("m").ok()?,
        amount: Money { minor: 1, currency: Currency::parse("EUR")? },
    })
}

/// As it stands inside of a JSON text.
fn json(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                // A String takes whatever is written.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

fn percent(out: &mut String, text: &str) {
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            b => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let text = |t: &str| Zeroizing::new(t.to_owned());
        Message {
            phone: text("+4915112345678"),
            code: text("012345"),
            text: [text("\"Code\" & \\"), text("验证码")],
            payment: PaymentId::parse("pay_1").unwrap(),
            merchant: MerchantId::parse("m1").unwrap(),
            amount: Money { minor: 100, currency: Currency::parse("EUR").unwrap() },
        }
    }

    #[test]
    fn places_are_filled_as_the_form_wants_it() {
        let text = r#"{"to":"{phone}","body":{"en":"{text_en}","zh":"{text_zh}"},"n":{},"c":"{code}{code}"}"#;
        let filled = Template::parse(text, Form::Json).unwrap().fill(&message());
        let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!((&json["to"], &json["c"]), (&"+4915112345678".into(), &"012345012345".into()));
        assert_eq!((&json["body"]["en"], &json["body"]["zh"]), (&"\"Code\" & \\".into(), &"验证码".into()));
        let form = Template::parse("To={phone}&Body={text}&Ref={payment}-{merchant}-{amount}", Form::Form);
        assert_eq!(
            form.unwrap().fill(&message()).as_str(),
            "To=%2B4915112345678&Body=%22Code%22%20%26%20%5C%20%E9%AA%8C%E8%AF%81%E7%A0%81&Ref=pay_1-m1-1.00%20EUR"
        );
    }

    #[test]
    fn what_is_wrong_with_a_template_is_named() {
        let long = format!("{{phone}}{{code}}{}", "x".repeat(TEMPLATE_BYTES_MAX - 13));
        assert!(Template::parse(&long, Form::Form).is_ok());
        for (text, form, expected) in [
            ("{phone} {cod}", Form::Form, "there is no `{cod}`; there are {phone}, {code}"),
            ("{code}", Form::Form, "no `{phone}`"),
            ("{phone}", Form::Form, "neither `{code}`"),
            (r#"{"to": {phone}, "c": "{code}"}"#, Form::Json, "no JSON"),
            (r#"{"to": "{phone}", "c": "{code}""#, Form::Json, "no JSON"),
            (&format!("{long}x"), Form::Form, "more than 8192 bytes"),
        ] {
            let said = Template::parse(text, form).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
