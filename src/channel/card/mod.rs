//! Cards: ISO 8583 over TCP, or over TLS.
//!
//! A [`Message`] is a type ([`Mti`]) and fields in the forms of ISO 8583:1987, written in ASCII, with two bytes of
//! length before it on the line. `spec` is the table of fields, `request` says which message asks for what,
//! `answer` what counts as its answer, `code` what field 39 means. Trace and reference numbers come from the
//! call's key (`numbers`), which itself is in field 48 (`private`), so that a repetition is seen to be one.
//! With the feature `serve` there is `channel`, which asks: `line` makes connections, `stream` is what they are made of,
//! `wire` is what goes over one, `frames` where a message ends.
//! docs/channels.md has the fields and the codes.

pub(crate) mod amount;
mod answer;
#[cfg(feature = "serve")]
mod channel;
mod code;
#[cfg(feature = "serve")]
mod frames;
#[cfg(feature = "serve")]
mod line;
mod message;
mod mti;
mod numbers;
pub(crate) mod private;
pub(crate) mod request;
mod spec;
#[cfg(feature = "serve")]
mod stream;
mod terms;
#[cfg(feature = "serve")]
mod wire;

pub use answer::answer;
#[cfg(feature = "serve")]
pub use channel::{CARD_CONNECTIONS_MAX, CardChannel, CardSettings};
pub use code::Meaning;
#[doc(hidden)]
pub use message::fuzz;
pub use message::{MESSAGE_BYTES_MAX, Message, MessageError};
pub use mti::{Class, Function, Mti, Version};
#[cfg(feature = "serve")]
pub use stream::CardTls;
pub use terms::Terms;
