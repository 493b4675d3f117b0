//! Payers prove who they are, at a served gateway: by an authenticator, a code that a provider sends, 3-D Secure; and
//! what goes beyond one currency and one country.
#![cfg(feature = "serve")]

#[path = "../support/institution.rs"]
mod institution;
#[path = "../support/sidecar.rs"]
mod sidecar;

mod authenticator;
mod global;
mod limits;
mod provider;
mod shop;
mod three_ds;
