//! Who is asked? The engine in this process, nobody at all, or a server. Another protocol is another file beside
//! `http.rs`, with a variant of [`Target`] and a loop beside `load/remote.rs`, or, like gRPC, a form of body where it is
//! HTTP after all.

pub(crate) mod body;
#[cfg(feature = "grpc")]
mod grpc;
pub(crate) mod http;
pub(crate) mod link;
pub(crate) mod template;

use std::hint::black_box;
use std::sync::Arc;

use super::measure::Answer;
use crate::decision::Outcome;
use crate::engine::Engine;
use crate::payment::Payment;
use crate::stage::Settlement;
use crate::velocity::Status;
use http::Http;

/// Who is asked.
pub(crate) enum Target {
    /// An engine of this process.
    Engine(Box<Engine>),
    /// Nobody: what asking costs by itself.
    Nothing,
    /// A server over HTTP.
    Http(Arc<Http>),
}

impl Target {
    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Target::Engine(_) => "engine in this process".to_owned(),
            Target::Nothing => "nothing, in this process".to_owned(),
            Target::Http(http) => http.name(),
        }
    }

    /// Requests that can be under way at once over connections; none in this process.
    pub(super) fn connections(&self) -> usize {
        match self {
            Target::Engine(_) | Target::Nothing => 0,
            Target::Http(http) => http.connections * http.streams,
        }
    }
}

/// What answers in this process.
pub(super) trait Subject: Sync {
    fn ask(&self, payment: &Payment) -> Answer;
    fn settle(&self, payment: &Payment, status: Status);
}

impl Subject for Engine {
    #[inline]
    fn ask(&self, payment: &Payment) -> Answer {
        Answer::Decided(self.score(payment).outcome)
    }

    fn settle(&self, payment: &Payment, status: Status) {
        Engine::settle(self, payment, Settlement { status });
    }
}

/// Answers at once, and approves.
pub(super) struct Nothing;

impl Subject for Nothing {
    #[inline]
    fn ask(&self, payment: &Payment) -> Answer {
        black_box(payment);
        Answer::Decided(Outcome::Approve)
    }

    fn settle(&self, payment: &Payment, status: Status) {
        black_box((payment, status));
    }
}
