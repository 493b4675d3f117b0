//! How much, how long, how often: the settings that keep the sidecar within bounds.

use std::time::Duration;

use serde::Deserialize;

use super::config::Pause;

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
    /// Bytes of a SPOP frame, unless HAProxy takes fewer.
    pub(crate) spop_frame_bytes: usize,
    /// HTTP/2 streams, or SPOP frames, at one time on a connection.
    pub(crate) streams: u32,
    /// HTTP/2 streams that were reset and not yet dealt with, before the connection is closed.
    pub(crate) resets: usize,
    /// Payments kept with their decisions, for settlements and questions.
    pub(crate) recent: usize,
    /// List edits by hand kept over reloads.
    pub(crate) list_edits: usize,
    /// And those that payments taken for fraud make.
    pub(crate) fraud_edits: usize,
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
            spop_frame_bytes: 128 << 10,
            streams: 100,
            resets: 32,
            recent: 50_000,
            list_edits: 100_000,
            fraud_edits: 100_000,
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
            concurrency: 8_192,
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
