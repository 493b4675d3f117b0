//! Codes for whoever reads them: a line of JSON each, on standard error or in a file.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use zeroize::Zeroizing;

use super::{Message, Provider, Sending};
use crate::error::Error;

/// Codes on standard error.
///
/// ```
/// use tollgate::sms::{Console, Provider};
/// let provider: &dyn Provider = &Console;
/// assert!(provider.timeout().as_secs() > 0);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

/// Codes at the end of a file, which is made when it is not there.
///
/// ```
/// let provider = tollgate::sms::File("codes.jsonl".into());
/// assert_eq!(provider.0.display().to_string(), "codes.jsonl");
/// ```
#[derive(Debug, Clone)]
pub struct File(pub PathBuf);

impl Provider for Console {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        let written = std::io::stderr().lock().write_all(line(message).as_bytes());
        Box::pin(async { written.map_err(|e| Error::new(e.to_string())) })
    }
}

impl Provider for File {
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0);
        let written = file.and_then(|mut file| file.write_all(line(message).as_bytes()));
        Box::pin(async { written.map_err(|e| Error::io(&self.0, e)) })
    }
}

fn line(message: &Message) -> Zeroizing<String> {
    let [en, zh] = &message.text;
    let line = json!({
        "payment": message.payment.as_str(), "to": message.phone.as_str(),
        "text": { "en": en.as_str(), "zh": zh.as_str() },
    });
    Zeroizing::new(format!("{line}\n"))
}
