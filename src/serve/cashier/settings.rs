//! What may be set of payments that move money.

use std::path::PathBuf;

use serde::Deserialize;

use super::codes::CodeLimits;
use super::fraud::FraudEntry;
use super::monitoring::Thresholds;
use super::sender::SmsEntry;
use super::ways::ChannelEntry;
use crate::serve::config::Pause;

/// The section `[payments]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Payments {
    /// Where they are recorded; without it none are taken.
    pub(crate) dir: Option<PathBuf>,
    /// Bytes of a file of that journal.
    pub(crate) segment_bytes: usize,
    /// After how many records what they come to is saved, so that a start reads less; 0 for only when stopping.
    pub(crate) snapshot_records: u64,
    /// The file that one-time codes are appended to, for whoever sends them; standard error when absent.
    pub(crate) codes: Option<PathBuf>,
    /// The provider that one-time codes are sent by, instead of that file.
    pub(crate) sms: Option<SmsEntry>,
    pub(crate) code_limits: CodeLimits,
    /// How long somebody has to look at a payment that is held for review; then it is declined.
    pub(crate) review: Pause,
    /// How long an institution is asked again after what it has not answered, at first and at most.
    pub(crate) ask_again: Pause,
    pub(crate) ask_again_max: Pause,
    /// How long a merchant's webhook is tried again after it failed, at first; then twice as long each time.
    pub(crate) webhook_again: Pause,
    pub(crate) merchant: Vec<MerchantEntry>,
    /// The ways to institutions, the first choice first.
    pub(crate) channel: Vec<ChannelEntry>,
    /// What is put on lists when a payment was fraud.
    pub(crate) on_fraud: Vec<FraudEntry>,
    /// From when on a merchant's disputes are worth a warning, by scheme.
    pub(crate) monitoring: Thresholds,
}

impl Default for Payments {
    fn default() -> Payments {
        Payments {
            dir: None,
            segment_bytes: 16 << 20,
            snapshot_records: 100_000,
            codes: None,
            sms: None,
            code_limits: CodeLimits::default(),
            review: Pause::millis(24 * 3_600_000),
            ask_again: Pause::millis(1_000),
            ask_again_max: Pause::millis(60_000),
            webhook_again: Pause::millis(1_000),
            merchant: Vec::new(),
            channel: Vec::new(),
            on_fraud: Vec::new(),
            monitoring: Thresholds::new(),
        }
    }
}

/// When a card's payment is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Capture {
    /// As soon as it is authorized.
    #[default]
    Auto,
    /// When the merchant says so.
    Manual,
}

/// What is particular to a merchant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MerchantEntry {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) capture: Capture,
    /// `card`, `alipay`, `wechatpay`; all of them when absent.
    #[serde(default)]
    pub(crate) methods: Option<Vec<String>>,
    /// The currencies it may be paid in; any when absent.
    #[serde(default)]
    pub(crate) currencies: Option<Vec<String>>,
    /// The largest payment, such as `"5000 USD"`, in each currency that it names.
    #[serde(default)]
    pub(crate) amount_max: Vec<String>,
    /// Where it is: of two letters.
    pub(crate) country: Option<String>,
    /// The currency that it gets its money in; the payer's when absent.
    pub(crate) settlement: Option<String>,
    /// Where its cards' payers prove who they are: the address of its 3-D Secure server.
    pub(crate) three_ds: Option<String>,
    /// Where it is told what becomes of its payments.
    pub(crate) webhook: Option<String>,
    /// The file of the secret that this is signed with.
    pub(crate) webhook_secret: Option<PathBuf>,
}
