//! Who brings a one-time code to the payer?
//!
//! A [`Provider`] is handed a [`Message`] and says whether it may have arrived. Three come with the crate: [`Console`]
//! and [`File`] write a line for whoever reads it there, [`Http`] asks a provider of messages by a template. One of
//! one's own is any other type; [`Sidecar::messages`](crate::Sidecar::messages) has it used.

mod http;
mod line;
mod template;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::money::Money;
use crate::pay::{MerchantId, PaymentId};

pub use http::{HEADERS_MAX, Http, HttpSettings};
pub use line::{Console, File};
pub use template::{Form, TEMPLATE_BYTES_MAX};

/// How long a provider may take, unless it says otherwise.
///
/// ```
/// use tollgate::sms::{Console, Provider, TIMEOUT};
/// assert_eq!(Console.timeout(), TIMEOUT);
/// ```
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// A message on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// What there is to be sent. `Debug` shows neither phone nor code, and they are wiped when dropped.
///
/// ```
/// use tollgate::{Currency, Money, pay::{MerchantId, PaymentId}, sms::Message};
/// let message = Message {
///     phone: "+4915112345678".to_owned().into(),
///     code: "012345".to_owned().into(),
///     text: ["012345 confirms your payment.".to_owned().into(), "\u{9a8c}\u{8bc1}\u{7801} 012345".to_owned().into()],
///     payment: PaymentId::parse("pay_1")?,
///     merchant: MerchantId::parse("m1")?,
///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
/// };
/// assert!(!format!("{message:?}").contains("012345"));
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Clone)]
pub struct Message {
    /// To whom: E.164, such as `+4915112345678`.
    pub phone: Zeroizing<String>,
    /// The code alone: six digits.
    pub code: Zeroizing<String>,
    /// The words around it, which have the code: in English and in Chinese.
    pub text: [Zeroizing<String>; 2],
    /// What it proves.
    pub payment: PaymentId,
    /// To whom that is paid.
    pub merchant: MerchantId,
    /// And how much.
    pub amount: Money,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("payment", &self.payment).finish_non_exhaustive()
    }
}

/// Whoever brings codes to payers.
///
/// ```
/// use std::sync::mpsc::{Receiver, Sender, channel};
/// use tollgate::{Error, sms::{Message, Provider, Sending}};
///
/// /// Hands messages to a thread that owns a modem.
/// struct Modem(Sender<String>);
/// impl Provider for Modem {
///     fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
///         let [english, _] = &message.text;
///         let command = format!("AT+CMGS=\"{}\"\r{}\u{1a}", message.phone.as_str(), english.as_str());
///         Box::pin(async move { self.0.send(command).map_err(|_| Error::new("the modem is gone")) })
///     }
/// }
/// let (modem, commands): (_, Receiver<String>) = channel();
/// let provider: Box<dyn Provider> = Box::new(Modem(modem));
/// # let _ = (provider, commands);
/// ```
pub trait Provider: Send + Sync {
    /// Sends a message. The payer's request waits for it, for as long as [`Provider::timeout`]; then the future is
    /// dropped, and the code counts as failed.
    ///
    /// # Errors
    /// Why it may not have arrived, without anything of the message: it is logged. The code can then be sent again.
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a>;

    /// How long it may take.
    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}
