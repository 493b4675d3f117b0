//! What may be set: every setting of the sidecar with its default.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub(crate) use super::cashier::settings::Payments;
pub(crate) use super::journaling::Journaling;
pub(crate) use super::limits::{Idempotency, Limits, Overload, Reload, Timeouts};
use super::spop::FRAME_BYTES_MIN;
use crate::decision::Outcome;
use crate::time::Span;

/// A length of time, written `"250ms"`, `"5s"`, `"10m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause(pub(crate) Duration);

impl Pause {
    pub(super) const fn millis(millis: u64) -> Pause {
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
    /// Where HAProxy asks by SPOP; nowhere when empty.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) spop: Vec<String>,
    /// Where the variables live that HAProxy is told to set.
    pub(crate) spop_scope: VarScope,
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
    pub(crate) journal: Journaling,
    pub(crate) authz: Authz,
    /// Payments that move money.
    pub(crate) payments: Payments,
    /// What a payment without a key's own policy gets when it can't be scored.
    pub(crate) unavailable: Unavailable,
    pub(crate) key: Vec<KeyEntry>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec!["127.0.0.1:8731".to_owned()],
            admin: "127.0.0.1:8732".to_owned(),
            spop: Vec::new(),
            spop_scope: VarScope::Txn,
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
            journal: Journaling::default(),
            authz: Authz::default(),
            payments: Payments::default(),
            unavailable: Unavailable::default(),
            key: Vec::new(),
        }
    }
}

impl Config {
    /// What values mean nothing, though they are of the right kind.
    ///
    /// # Errors
    /// The first of them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Config { limits, overload, reload, .. } = self;
        for (name, value) in [
            ("limits.body_bytes", limits.body_bytes),
            ("limits.header_bytes", limits.header_bytes),
            ("limits.headers", limits.headers),
            ("limits.connections", limits.connections),
            ("limits.connections_per_peer", limits.connections_per_peer),
            ("limits.handshakes", limits.handshakes),
            ("limits.streams", limits.streams as usize),
            ("overload.concurrency", overload.concurrency),
            ("idempotency.keys", self.idempotency.keys),
        ] {
            if value == 0 {
                return Err(format!("`{name}` is at least 1"));
            }
        }
        if limits.spop_frame_bytes < FRAME_BYTES_MIN {
            return Err(format!("`limits.spop_frame_bytes` is at least {FRAME_BYTES_MIN}"));
        }
        if !(0.0..=1.0).contains(&reload.max_changed) {
            return Err("`reload.max_changed` is a share, from 0 to 1".to_owned());
        }
        self.journal.check()?;
        match self.authz.decline_status {
            402 | 403 => Ok(()),
            _ => Err("`authz.decline_status` is 402 or 403".to_owned()),
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

/// Where variables of HAProxy live; the numbers are SPOP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VarScope {
    Sess = 1,
    Txn = 2,
    Req = 3,
    Res = 4,
}

/// An outcome that may pass a gateway besides approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Passing {
    Challenge,
    Review,
}

impl Passing {
    pub(crate) fn is(self, outcome: Outcome) -> bool {
        match self {
            Passing::Challenge => outcome == Outcome::Challenge,
            Passing::Review => outcome == Outcome::Review,
        }
    }
}

/// What the forward-auth endpoint answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authz {
    /// Status of a decline: 402 or 403 (nginx knows 401 and 403 alone).
    pub(crate) decline_status: u16,
    /// Outcomes that pass, with their headers, besides approve.
    pub(crate) pass: Vec<Passing>,
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
            pass: vec![Passing::Challenge, Passing::Review],
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
    /// Create orders, make payments, capture, void and refund them.
    Pay,
    /// Look at what is held for review, enter disputes, resolve what is unknown.
    Review,
    /// Read and edit lists.
    Lists,
    /// Everything, the pipeline too.
    Admin,
}

/// Whose payments are given up first when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    /// First.
    Low,
    #[default]
    Normal,
    /// Last.
    High,
}

/// A caller.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    /// What messages and metrics call it.
    pub(crate) name: String,
    /// SHA-256 of the key, in hex: `printf %s KEY | sha256sum`.
    pub(crate) sha256: String,
    /// A file with the secret that requests about payments that move money are signed with; unsigned ones are taken
    /// when absent.
    #[serde(default)]
    pub(crate) signing: Option<PathBuf>,
    /// The one merchant whose payments it may send; any when absent.
    pub(crate) merchant: Option<String>,
    pub(crate) scopes: Vec<Scope>,
    /// The share of `overload.concurrency` it may have at one time.
    #[serde(default = "whole")]
    pub(crate) share: f64,
    /// What its payments are worth beside those of others.
    #[serde(default)]
    pub(crate) priority: Priority,
    /// Its own policy.
    pub(crate) unavailable: Option<Unavailable>,
}

fn whole() -> f64 {
    1.0
}
