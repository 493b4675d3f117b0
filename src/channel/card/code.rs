//! What does a response code mean? Field 39, in one table.

use crate::pay::DeclineGroup;

/// What an institution means by a code.
///
/// ```
/// use tollgate::{channel::card::Meaning, pay::DeclineGroup};
/// assert_eq!(Meaning::of("00"), Meaning::Approved);
/// assert_eq!(Meaning::of("51"), Meaning::Declined(DeclineGroup::Soft));
/// assert_eq!(Meaning::of("68"), Meaning::InDoubt); // the issuer's answer came too late: it may have done it
/// assert_eq!(Meaning::of("Q7"), Meaning::InDoubt); // not in the table
/// assert_eq!(Meaning::of("116"), Meaning::of("51")); // the same in ISO 8583:1993
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It was done.
    Approved,
    /// It was not, and will not be.
    Declined(DeclineGroup),
    /// It may have been done, now or by an earlier try.
    InDoubt,
}

use DeclineGroup::{Fraud, Hard, Sca, Soft, Technical};
use Meaning::{Approved, Declined, InDoubt};

/// ISO 8583:1987 and what Visa and Mastercard added, from public lists. docs/channels.md has the same codes.
const CODES: &[(&str, Meaning, &str)] = &[
    ("00", Approved, "approved"),
    ("01", Declined(Soft), "refer to the issuer"),
    ("02", Declined(Soft), "refer to the issuer, special condition"),
    ("03", Declined(Hard), "invalid merchant"),
    ("04", Declined(Fraud), "pick up the card"),
    ("05", Declined(Soft), "do not honour"),
    ("06", Declined(Technical), "error"),
    ("07", Declined(Fraud), "pick up the card, special condition"),
    ("08", Approved, "honour with identification"),
    ("09", InDoubt, "request in progress"),
    // Something is held that was not asked for: it is undone as what is unknown.
    ("10", InDoubt, "approved for a part of the amount"),
    ("11", Approved, "approved, VIP"),
    ("12", Declined(Hard), "invalid transaction"),
    ("13", Declined(Hard), "invalid amount"),
    ("14", Declined(Hard), "invalid card number"),
    ("15", Declined(Hard), "no such issuer"),
    ("16", Approved, "approved, update track 3"),
    ("19", Declined(Technical), "enter the transaction again"),
    ("21", Declined(Technical), "no action taken"),
    ("22", Declined(Technical), "suspected malfunction"),
    ("25", Declined(Hard), "unable to locate the record"),
    ("28", Declined(Technical), "file temporarily not available"),
    ("30", Declined(Hard), "format error"),
    ("31", Declined(Technical), "bank not supported by the switch"),
    ("33", Declined(Hard), "expired card, pick up"),
    ("34", Declined(Fraud), "suspected fraud, pick up"),
    ("35", Declined(Fraud), "contact the acquirer, pick up"),
    ("36", Declined(Hard), "restricted card, pick up"),
    ("37", Declined(Fraud), "call the acquirer's security, pick up"),
    ("38", Declined(Soft), "PIN tries exceeded, pick up"),
    ("39", Declined(Hard), "no credit account"),
    ("40", Declined(Hard), "function not supported"),
    ("41", Declined(Fraud), "lost card"),
    ("42", Declined(Hard), "no universal account"),
    ("43", Declined(Fraud), "stolen card"),
    ("46", Declined(Hard), "closed account"),
    ("51", Declined(Soft), "not sufficient funds"),
    ("52", Declined(Hard), "no current account"),
    ("53", Declined(Hard), "no savings account"),
    ("54", Declined(Hard), "expired card"),
    ("55", Declined(Soft), "incorrect PIN"),
    ("56", Declined(Hard), "no card record"),
    ("57", Declined(Hard), "not permitted to the cardholder"),
    ("58", Declined(Hard), "not permitted to the terminal"),
    ("59", Declined(Fraud), "suspected fraud"),
    ("61", Declined(Soft), "exceeds the amount limit"),
    ("62", Declined(Hard), "restricted card"),
    ("63", Declined(Fraud), "security violation"),
    // A count limit, and in Europe the wish for authentication. One challenge too many costs less than a payment.
    ("65", Declined(Sca), "exceeds the count limit, or authentication wanted"),
    ("68", InDoubt, "response received too late"),
    ("70", Declined(Sca), "PIN wanted"),
    ("75", Declined(Soft), "PIN tries exceeded"),
    ("78", Declined(Hard), "blocked, not yet used"),
    ("86", Declined(Soft), "PIN can't be verified"),
    ("88", Declined(Technical), "cryptographic failure"),
    ("90", Declined(Technical), "cut-off in process"),
    ("91", Declined(Technical), "issuer or switch inoperative"),
    ("92", Declined(Technical), "no route to the issuer"),
    ("93", Declined(Hard), "violation of law"),
    ("94", InDoubt, "duplicate transmission"),
    ("95", Declined(Technical), "reconcile error"),
    ("96", Declined(Technical), "system malfunction"),
    ("1A", Declined(Sca), "additional authentication wanted"),
    ("N7", Declined(Soft), "wrong card verification value"),
    ("R0", Declined(Hard), "stop this payment"),
    ("R1", Declined(Hard), "stop all payments"),
    ("R3", Declined(Hard), "stop all payments of the card"),
];

/// The action codes of ISO 8583:1993, from public lists.
const ACTIONS: &[(&str, Meaning, &str)] = &[
    ("000", Approved, "approved"),
    ("001", Approved, "honour with identification"),
    // Something is held that was not asked for: it is undone as what is unknown.
    ("002", InDoubt, "approved for a part of the amount"),
    ("003", Approved, "approved, VIP"),
    ("004", Approved, "approved, update track 3"),
    ("005", Approved, "approved, account type specified by the issuer"),
    ("006", InDoubt, "approved for a part of the amount, account type specified by the issuer"),
    ("007", Approved, "approved, update the chip"),
    ("100", Declined(Soft), "do not honour"),
    ("101", Declined(Hard), "expired card"),
    ("102", Declined(Fraud), "suspected fraud"),
    ("103", Declined(Soft), "contact the acquirer"),
    ("104", Declined(Hard), "restricted card"),
    ("105", Declined(Fraud), "call the acquirer's security"),
    ("106", Declined(Soft), "PIN tries exceeded"),
    ("107", Declined(Soft), "refer to the issuer"),
    ("108", Declined(Soft), "refer to the issuer, special condition"),
    ("109", Declined(Hard), "invalid merchant"),
    ("110", Declined(Hard), "invalid amount"),
    ("111", Declined(Hard), "invalid card number"),
    ("112", Declined(Sca), "PIN wanted"),
    ("113", Declined(Hard), "unacceptable fee"),
    ("114", Declined(Hard), "no account of the type"),
    ("115", Declined(Hard), "function not supported"),
    ("116", Declined(Soft), "not sufficient funds"),
    ("117", Declined(Soft), "incorrect PIN"),
    ("118", Declined(Hard), "no card record"),
    ("119", Declined(Hard), "not permitted to the cardholder"),
    ("120", Declined(Hard), "not permitted to the terminal"),
    ("121", Declined(Soft), "exceeds the amount limit"),
    ("122", Declined(Fraud), "security violation"),
    ("123", Declined(Soft), "exceeds the count limit"),
    ("124", Declined(Hard), "violation of law"),
    ("125", Declined(Hard), "card not effective"),
    ("126", Declined(Technical), "invalid PIN block"),
    ("127", Declined(Soft), "PIN of another length"),
    ("128", Declined(Technical), "PIN key synchronization error"),
    ("129", Declined(Fraud), "suspected counterfeit card"),
    ("200", Declined(Fraud), "pick up the card"),
    ("201", Declined(Hard), "expired card, pick up"),
    ("202", Declined(Fraud), "suspected fraud, pick up"),
    ("203", Declined(Fraud), "contact the acquirer, pick up"),
    ("204", Declined(Hard), "restricted card, pick up"),
    ("205", Declined(Fraud), "call the acquirer's security, pick up"),
    ("206", Declined(Soft), "PIN tries exceeded, pick up"),
    ("207", Declined(Fraud), "pick up the card, special condition"),
    ("208", Declined(Fraud), "lost card"),
    ("209", Declined(Fraud), "stolen card"),
    ("210", Declined(Fraud), "suspected counterfeit card, pick up"),
    ("400", Approved, "reversal accepted"),
    ("902", Declined(Hard), "invalid transaction"),
    ("903", Declined(Technical), "enter the transaction again"),
    ("904", Declined(Hard), "format error"),
    ("905", Declined(Technical), "acquirer not supported by the switch"),
    ("906", Declined(Technical), "cut-over in process"),
    ("907", Declined(Technical), "issuer or switch inoperative"),
    ("908", Declined(Technical), "no route to the issuer"),
    ("909", Declined(Technical), "system malfunction"),
    ("910", Declined(Technical), "issuer signed off"),
    ("911", InDoubt, "issuer timed out"),
    ("912", Declined(Technical), "issuer unavailable"),
    ("913", InDoubt, "duplicate transmission"),
    ("914", Declined(Hard), "unable to trace back to the original"),
    ("915", Declined(Technical), "reconcile error"),
    ("916", Declined(Technical), "MAC incorrect"),
    ("917", Declined(Technical), "MAC key synchronization error"),
    ("918", Declined(Technical), "no keys for the communication"),
    ("919", Declined(Technical), "encryption key synchronization error"),
    ("920", Declined(Technical), "security software or hardware error, try again"),
    ("921", Declined(Technical), "security software or hardware error, no action"),
    ("922", Declined(Technical), "message out of sequence"),
    ("923", InDoubt, "request in progress"),
];

/// The code of either edition: those of 1987 have two characters, those of 1993 three digits.
fn find(code: &str) -> Option<&'static (&'static str, Meaning, &'static str)> {
    CODES.iter().chain(ACTIONS).find(|(known, ..)| *known == code)
}

impl Meaning {
    /// What a code means. One that is not in the table may mean anything.
    pub fn of(code: &str) -> Meaning {
        find(code).map_or(InDoubt, |(_, meaning, _)| *meaning)
    }

    /// The code in words.
    pub fn words(code: &str) -> Option<&'static str> {
        find(code).map(|(.., words)| *words)
    }

    /// The name of its group in docs/channels.md.
    pub const fn name(self) -> &'static str {
        match self {
            Approved => "approved",
            Declined(group) => group.name(),
            InDoubt => "in doubt",
        }
    }
}

/// Whether an answer to a reversal says that nothing is held any more: it was undone, there is nothing to undo,
/// or it never came.
pub(super) fn acknowledges_reversal(code: &str) -> bool {
    matches!(code, "00" | "21" | "25" | "000" | "400" | "914")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_group_that_the_documents_say() {
        let text = include_str!("../../../docs/channels.md");
        let mut told = Vec::new();
        for name in ["approved", "hard", "soft", "fraud", "sca", "technical", "in doubt"] {
            let row = text.lines().find(|line| line.starts_with(&format!("| {name} |"))).expect(name);
            let codes = row.split('|').skip(2).flat_map(str::split_whitespace);
            told.extend(codes.map(|code| (code, name)));
        }
        let all = || CODES.iter().chain(ACTIONS);
        let mut known: Vec<_> = all().map(|(code, meaning, _)| (*code, meaning.name())).collect();
        known.sort_unstable();
        told.sort_unstable();
        assert_eq!(known, told);
        known.dedup_by_key(|(code, _)| *code);
        assert_eq!(known.len(), all().count(), "a code is there twice");
        assert!(
            CODES.iter().all(|(code, ..)| code.len() == 2)
                && ACTIONS.iter().all(|(code, ..)| code.len() == 3)
        );
        for (code, meaning, words) in all() {
            assert_eq!((Meaning::of(code), Meaning::words(code)), (*meaning, Some(*words)));
        }
    }
}
