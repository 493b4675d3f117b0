//! What may be set: every setting of the sidecar with its default.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::decision::Outcome;
use crate::time::Span;

/// A length of time, written `"250ms"`, `"5s"`, `"10m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause(pub(crate) Duration);

impl Pause {
    const fn millis(millis: u64) -> Pause {
        Pause(Duration::from_millis(millis))
    }
}

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pause, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text)
            .and_then(|span| u64::try_from(span.micros()).ok())
            .map(|micros| Pause(Duration::from_micros(micros)))
            .ok_or_else(|| {
                serde::de::Error::custom("not a length of time; write \"250ms\", \"5s\" or \"10m\"")
            })
    }
}

/// One address, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

/// Everything that may be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where payments are taken: `HOST:PORT` or `unix:PATH`.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) listen: Vec<String>,
    /// Where health, metrics and control are; empty for nowhere.
    pub(crate) admin: String,
    /// Whether the main listener answers what the admin listener does, too.
    pub(crate) admin_on_main: bool,
    /// The folder of rules; the packs built in when absent.
    pub(crate) rules: Option<PathBuf>,
    /// Threads that read, score and answer; 0 for one a core.
    pub(crate) threads: usize,
    /// Whether an address that is no loopback may be listened on without keys.
    pub(crate) insecure: bool,
    /// Whether fields that the schema does not know are errors.
    pub(crate) strict: bool,
    /// Whether the time before the start counts as empty; otherwise windows that reach into it are absent.
    pub(crate) empty_past: bool,
    /// Whether answers tell their stages' times.
    pub(crate) server_timing: bool,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) overload: Overload,
    pub(crate) idempotency: Idempotency,
    pub(crate) reload: Reload,
    pub(crate) authz: Authz,
    /// What a payment without a key's own policy gets when it can't be scored.
    pub(crate) unavailable: Unavailable,
    pub(crate) key: Vec<KeyEntry>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec!["127.0.0.1:8731".to_owned()],
            admin: "127.0.0.1:8732".to_owned(),
            admin_on_main: false,
            rules: None,
            threads: 0,
            insecure: false,
            strict: false,
            empty_past: false,
            server_timing: true,
            tls: None,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            overload: Overload::default(),
            idempotency: Idempotency::default(),
            reload: Reload::default(),
            authz: Authz::default(),
            unavailable: Unavailable::default(),
            key: Vec::new(),
        }
    }
}

/// Certificates of the main listeners over TCP, as PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Clients must show a certificate that one of these authorities signed.
    pub(crate) client_ca: Option<PathBuf>,
}

/// How much of each thing there may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Bytes of one payment's body, and of one line of a batch.
    pub(crate) body_bytes: usize,
    /// Bytes of a posted folder of rules.
    pub(crate) pipeline_bytes: usize,
    /// Bytes of a request's line and headers.
    pub(crate) header_bytes: usize,
    /// Headers of a request.
    pub(crate) headers: usize,
    /// Rows of one batch.
    pub(crate) batch_rows: u64,
    /// Open connections; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// Open connections of one address; further ones are closed at once.
    pub(crate) connections_per_peer: usize,
    /// TLS handshakes at one time; further ones wait.
    pub(crate) handshakes: usize,
    /// HTTP/2 streams at one time on a connection.
    pub(crate) streams: u32,
    /// HTTP/2 streams that were reset and not yet dealt with, before the connection is closed.
    pub(crate) resets: usize,
    /// Payments kept with their decisions, for settlements and questions.
    pub(crate) recent: usize,
    /// List edits kept over reloads.
    pub(crate) list_edits: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 64 << 10,
            pipeline_bytes: 16 << 20,
            header_bytes: 16 << 10,
            headers: 64,
            batch_rows: 1_000_000,
            connections: 20_000,
            connections_per_peer: 20_000,
            handshakes: 256,
            streams: 100,
            resets: 32,
            recent: 50_000,
            list_edits: 100_000,
        }
    }
}

/// How long each thing may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// From the first byte that could come to the end of the headers; an idle connection is closed after it.
    pub(crate) header: Pause,
    /// From the headers to the end of the body; in a batch, between two parts of it.
    pub(crate) body: Pause,
    /// Without the client taking any byte of an answer.
    pub(crate) write: Pause,
    /// For a TLS handshake.
    pub(crate) handshake: Pause,
    /// Without a byte either way on an HTTP/2 connection.
    pub(crate) idle: Pause,
    /// Between saying "not ready" and no longer accepting, when stopping.
    pub(crate) drain_pause: Pause,
    /// For what is in flight when stopping; connections are cut after it.
    pub(crate) drain: Pause,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            header: Pause::millis(5_000),
            body: Pause::millis(2_000),
            write: Pause::millis(5_000),
            handshake: Pause::millis(3_000),
            idle: Pause::millis(60_000),
            drain_pause: Pause::millis(0),
            drain: Pause::millis(10_000),
        }
    }
}

/// How much is taken on at one time.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overload {
    /// Payments between their last byte and their answer; further ones are shed.
    pub(crate) concurrency: usize,
    /// A thread that has not been idle for this long lets requests queue, so that the queue can be seen.
    pub(crate) busy_after: Pause,
    /// What a request without `x-deadline-ms` has.
    pub(crate) deadline: Pause,
    /// What `x-deadline-ms` may say at most.
    pub(crate) deadline_max: Pause,
    /// What a shed request is told to wait before it comes again.
    pub(crate) retry_after: Pause,
}

impl Default for Overload {
    fn default() -> Overload {
        Overload {
            concurrency: 512,
            busy_after: Pause::millis(5),
            deadline: Pause::millis(1_000),
            deadline_max: Pause::millis(2_000),
            retry_after: Pause::millis(1_000),
        }
    }
}

/// How long answers to requests with an `Idempotency-Key` are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Idempotency {
    /// Keys kept; the oldest go first.
    pub(crate) keys: usize,
    /// How long one is kept.
    pub(crate) ttl: Pause,
}

impl Default for Idempotency {
    fn default() -> Idempotency {
        Idempotency { keys: 100_000, ttl: Pause(Duration::from_secs(24 * 3_600)) }
    }
}

/// When new rules are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Reload {
    /// Whether the folder is watched.
    pub(crate) watch: bool,
    /// Quiet time after a change before it is taken.
    pub(crate) settle: Pause,
    /// Share of the recent payments whose outcome may change; more needs `force`.
    pub(crate) max_changed: f64,
    /// Recent payments that are decided again.
    pub(crate) sample: usize,
    /// Fewer recent payments than this say nothing.
    pub(crate) sample_min: usize,
}

impl Default for Reload {
    fn default() -> Reload {
        Reload { watch: true, settle: Pause::millis(300), max_changed: 0.2, sample: 1_000, sample_min: 100 }
    }
}

/// What the forward-auth endpoint answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authz {
    /// Status of a decline: 402 or 403 (nginx knows 401 and 403 alone).
    pub(crate) decline_status: u16,
    /// Outcomes that pass, with their headers, besides approve.
    pub(crate) pass: Vec<String>,
    /// Whether what is no payment passes.
    pub(crate) pass_unreadable: bool,
    /// The channel of payments that name none.
    pub(crate) channel: Option<String>,
    /// Whether `x-forwarded-for` names the payer, where the payment names no address.
    pub(crate) trust_forwarded: bool,
}

impl Default for Authz {
    fn default() -> Authz {
        Authz {
            decline_status: 403,
            pass: vec!["challenge".to_owned(), "review".to_owned()],
            pass_unreadable: false,
            channel: None,
            trust_forwarded: false,
        }
    }
}

/// What happens to a payment that can't be scored in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnavailable {
    /// 503, and the caller decides.
    #[default]
    Closed,
    /// Approve, as far as the budget goes; then review.
    Open,
    Challenge,
    Review,
    Decline,
}

impl OnUnavailable {
    /// The outcome, when there is one.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            OnUnavailable::Closed => None,
            OnUnavailable::Open => Some(Outcome::Approve),
            OnUnavailable::Challenge => Some(Outcome::Challenge),
            OnUnavailable::Review => Some(Outcome::Review),
            OnUnavailable::Decline => Some(Outcome::Decline),
        }
    }
}

/// The policy, and what approving blindly may cost in an hour.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Unavailable {
    pub(crate) policy: OnUnavailable,
    /// Payments an hour that may be approved unscored.
    pub(crate) payments_per_hour: u64,
    /// Money an hour that may be approved unscored, such as `"5000 USD"`.
    pub(crate) amount_per_hour: Option<String>,
    /// The largest payment that may be approved unscored, likewise.
    pub(crate) amount_max: Option<String>,
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Score, explain, look decisions up.
    Score,
    /// Tell what became of payments.
    Settle,
    /// Read and edit lists.
    Lists,
    /// Everything, the pipeline too.
    Admin,
}

/// A caller.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    /// What messages and metrics call it.
    pub(crate) name: String,
    /// SHA-256 of the key, in hex: `printf %s KEY | sha256sum`.
    pub(crate) sha256: String,
    /// The one merchant whose payments it may send; any when absent.
    pub(crate) merchant: Option<String>,
    pub(crate) scopes: Vec<Scope>,
    /// The share of `overload.concurrency` it may have at one time.
    #[serde(default = "whole")]
    pub(crate) share: f64,
    /// Its own policy.
    pub(crate) unavailable: Option<Unavailable>,
}

fn whole() -> f64 {
    1.0
}
