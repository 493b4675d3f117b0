//! Who says that a payment was fraud, and what is it taken for when all is said?

use super::effect::Effect;
use super::error::Error;
use super::id::ReportId;
use super::payment::{Clearance, Payment, Taken};
use super::state::{State, names};
use crate::time::Timestamp;
use crate::velocity::Status;

/// Most reports of fraud of one payment.
///
/// ```
/// assert_eq!(tollgate::pay::REPORTS_MAX, 100);
/// ```
pub const REPORTS_MAX: usize = 100;

names! {
    /// What kind of fraud a report is of: the kinds that Visa's TC40 and Mastercard's SAFE records tell apart.
    ///
    /// ```
    /// use tollgate::pay::FraudType;
    /// assert_eq!(FraudType::ALL.len(), 8);
    /// assert_eq!(FraudType::CardNotPresent.to_string(), "card_not_present");
    /// ```
    FraudType {
        /// The card was lost.
        Lost = "lost",
        /// It was stolen.
        Stolen = "stolen",
        /// It never reached its holder.
        NeverReceived = "never_received",
        /// It was applied for under a false name.
        Application = "application",
        /// It was copied.
        Counterfeit = "counterfeit",
        /// Somebody took over the holder's account.
        AccountTakeover = "account_takeover",
        /// Somebody else used its number.
        CardNotPresent = "card_not_present",
        /// Another, or nobody says which.
        Other = "other",
    }
}

names! {
    /// Who reports fraud.
    ///
    /// ```
    /// assert_eq!(tollgate::pay::Reporter::Issuer.name(), "issuer");
    /// ```
    Reporter {
        /// The payer's bank or wallet, often long before a dispute: an early warning.
        Issuer = "issuer",
        /// Somebody who looked at the payment here.
        Reviewer = "reviewer",
    }
}

/// A report that the payment was fraud. It moves no money.
///
/// ```
/// use tollgate::{Timestamp, pay::{FraudReport, FraudType, ReportId, Reporter}};
/// let report = FraudReport {
///     id: ReportId::parse("tc40_1")?,
///     by: Reporter::Issuer,
///     kind: FraudType::Stolen,
///     at: Timestamp::default(),
/// };
/// assert_eq!(report.kind.name(), "stolen");
/// # Ok::<(), tollgate::pay::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FraudReport {
    /// Its name, unique in the payment.
    pub id: ReportId,
    /// Who says so.
    pub by: Reporter,
    /// Of which kind.
    pub kind: FraudType,
    /// When it became known here.
    pub at: Timestamp,
}

/// What a payment is taken for by training and lists.
///
/// ```
/// use tollgate::{Timestamp, pay::Label};
/// let label = Label { fraud: true, since: Timestamp::default() };
/// assert!(label.fraud);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Whether it was fraud.
    pub fraud: bool,
    /// When that became known.
    pub since: Timestamp,
}

impl Payment {
    /// Reports of fraud, in order.
    pub fn reports(&self) -> &[FraudReport] {
        &self.reports
    }

    /// Whether it was fraud, as far as anybody has said. Disputes of other kinds say nothing. A dispute that was
    /// won outweighs what was said before it; what is said after it counts again.
    pub fn label(&self) -> Option<Label> {
        let frauds = || self.disputes.iter().filter(|d| d.kind.is_fraud());
        let upheld = frauds().filter(|d| d.won != Some(true)).map(|d| d.opened).min();
        let refuted = frauds().filter(|d| d.won == Some(true)).filter_map(|d| d.ended).max();
        let counts = |at: &Timestamp| refuted.is_none_or(|refuted| *at > refuted);
        let reported = self.reports.iter().map(|r| r.at).filter(counts).min();
        let fraud = upheld.into_iter().chain(reported).min();
        match (fraud, refuted) {
            (Some(since), _) => Some(Label { fraud: true, since }),
            (None, Some(since)) => Some(Label { fraud: false, since }),
            (None, None) => None,
        }
    }

    /// The label that lists and training have not been told of yet.
    pub fn untold(&self) -> Option<Label> {
        self.label().filter(|label| self.told != Some(label.fraud))
    }

    pub(super) fn fraud_reported(
        &mut self,
        at: Timestamp,
        id: &ReportId,
        by: Reporter,
        kind: FraudType,
        illegal: Error,
    ) -> Result<Taken, Error> {
        match self.reports.iter().find(|known| known.id == *id) {
            Some(known) if (known.by, known.kind) == (by, kind) => return Ok(Taken::NOTHING),
            Some(_) => return Err(Error::Exists("report")),
            None => {}
        }
        // Before anybody has decided about it nobody can have been robbed by it.
        if matches!(self.beneath, State::Created | State::Challenged) {
            return Err(illegal);
        }
        if self.reports.len() >= REPORTS_MAX {
            return Err(Error::Full("reports"));
        }
        // Windows count what took place; what was stopped is in them as blocked.
        let took_place =
            self.clearance != Clearance::Refused && !matches!(self.beneath, State::Declined | State::Voided);
        let is_news = self.reports.is_empty() && self.disputes.is_empty();
        self.reports.push(FraudReport { id: id.clone(), by, kind, at });
        let settle: Option<Effect> = (took_place && is_news).then(|| self.settle(Status::Disputed));
        Ok(Taken::with(settle))
    }

    /// Lists and training know the label now.
    pub(super) fn labelled(&mut self, fraud: bool) -> Taken {
        if self.told == Some(fraud) {
            return Taken::NOTHING;
        }
        self.told = Some(fraud);
        Taken::with([])
    }
}
