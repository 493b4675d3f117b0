//! How long is an institution waited for, when is it left alone, and what plays its part in a test?
//!
//! A [`Guard`] stands before a channel and is one itself: it keeps a deadline, lets only so many requests go at once,
//! leaves the institution alone while too much fails ([`Breaker`]), tries again what may be tried again as far as
//! there is a [`Budget`], and counts ([`Figures`]).
//!
//! `simulator` is institutions that move no money: processes of their own behind real sockets, scripted, with
//! books of their own.

mod breaker;
mod budget;
mod figures;
mod guard;
#[cfg(test)]
mod guard_tests;
pub mod simulator;

pub use breaker::{Breaker, BreakerSettings, Pass};
pub use budget::{Budget, BudgetSettings};
pub use figures::Figures;
pub use guard::{CONCURRENT_DEFAULT, Guard, GuardSettings};
