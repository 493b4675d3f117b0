//! Where may a machine stop at the worst? Places between two steps whose order matters, each with a name.
//!
//! In a build with the feature `failpoints` the process ends, without any good-bye, when it reaches the one that
//! `TOLLGATE_FAILPOINT` names: `NAME` at the first time, `NAME:3` at the third. Every other build has nothing there.

macro_rules! failpoints {
    ($($variant:ident $name:literal $about:literal)*) => {
        /// A place at which a test ends the process; docs/operations.md lists them.
        ///
        /// ```
        /// # #[cfg(feature = "failpoints")] {
        /// use tollgate::failpoint::Failpoint;
        /// assert_eq!(Failpoint::CallIntended.name(), "call-intended");
        /// assert!(Failpoint::ALL.contains(&Failpoint::CallIntended));
        /// # }
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "most are the server's"))]
        pub enum Failpoint { $(#[doc = $about] $variant,)* }

        #[cfg(feature = "failpoints")]
        impl Failpoint {
            /// All of them.
            pub const ALL: &[Failpoint] = &[$(Failpoint::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Failpoint::$variant => $name,)* }
            }

            /// What has been done by then, and what has not.
            pub const fn about(self) -> &'static str {
                match self { $(Failpoint::$variant => $about,)* }
            }
        }
    };
}

failpoints! {
    OrderRecorded "order-recorded" "An order is recorded, and its merchant has not heard of it."
    PaymentRequested "payment-requested" "A payment has been asked for, and nobody has decided about it."
    PaymentScored "payment-scored" "The engine has decided, and the payments' journal does not know of it."
    ChangeRecorded "change-recorded" "Something that happened to a payment is recorded, and nothing that follows is done."
    CallIntended "call-intended" "What an institution is to be asked for is recorded with its way, and not a byte is sent."
    RequestSent "request-sent" "A request is written to an institution, and its answer has not been read."
    CallAnswered "call-answered" "An institution has answered, and its answer is not recorded."
    CallRecorded "call-recorded" "An institution's answer is recorded, and the engine has not heard of it."
    QueryAnswered "query-answered" "An institution has said what became of a request, and that is not recorded."
    CallbackRead "callback-read" "An institution has told something by itself, and that is not recorded."
    CallbackRecorded "callback-recorded" "That is recorded, and the institution is not thanked for it."
    SettlementGiven "settlement-given" "The engine's journal has a settlement, and the payments' journal does not say so."
    CodeCounted "code-counted" "A code counts against its limits, and is not sent."
    CodeSent "code-sent" "A code is sent, and nobody has been answered."
    CodeTried "code-tried" "A try is counted, and the code has not been compared."
    LabelListed "label-listed" "Lists know of a fraud, and the payments' journal does not say so."
    AnswerKept "answer-kept" "An answer is kept under its key, and nobody has heard it."
    AnswerReady "answer-ready" "All is done and recorded, and the merchant has not been answered."
    WebhookSent "webhook-sent" "A merchant has taken a notice, and that is not recorded."
    FrameWritten "frame-written" "Records are written to a journal, and not synced."
    SegmentPrepared "segment-prepared" "A journal's next file is written, and has no name yet."
    SegmentBegun "segment-begun" "A journal's next file has its header, and has not got its place."
    SegmentNamed "segment-named" "A journal's next file has its place, and that is not synced."
    SnapshotWritten "snapshot-written" "A snapshot is written, and has no name yet."
    SnapshotNamed "snapshot-named" "A snapshot has its name, and that is not synced."
    StandingWritten "standing-written" "What the payments' records come to is saved, and has no name yet."
    StandingNamed "standing-named" "That has its name, which is not synced."
}

/// Ends the process here, if it is to end here.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn reach(_: Failpoint) {}

/// Ends the process here, if it is to end here.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(here: Failpoint) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LEFT: std::sync::OnceLock<Option<(Failpoint, AtomicU64)>> = std::sync::OnceLock::new();
    let armed = LEFT.get_or_init(|| {
        let wanted = std::env::var(VARIABLE).ok()?;
        let Some((point, times)) = read(&wanted) else {
            eprintln!("{VARIABLE}: there is no `{wanted}`");
            std::process::exit(2);
        };
        Some((point, AtomicU64::new(times)))
    });
    if let Some((point, left)) = armed
        && *point == here
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        eprintln!("{{\"event\":\"failpoint\",\"name\":\"{}\"}}", here.name());
        std::process::abort();
    }
}

/// What names the place and how often it is passed.
#[cfg(feature = "failpoints")]
const VARIABLE: &str = "TOLLGATE_FAILPOINT";

#[cfg(feature = "failpoints")]
fn read(wanted: &str) -> Option<(Failpoint, u64)> {
    let (name, times) = wanted.split_once(':').unwrap_or((wanted, "1"));
    let times = times.parse().ok().filter(|times| *times > 0)?;
    Some((Failpoint::ALL.iter().copied().find(|point| point.name() == name)?, times))
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_with_how_often_it_is_passed() {
        for point in Failpoint::ALL {
            assert_eq!(read(point.name()), Some((*point, 1)));
            assert_eq!(read(&format!("{}:12", point.name())), Some((*point, 12)));
            let named = Failpoint::ALL.iter().filter(|other| other.name() == point.name());
            assert_eq!(named.count(), 1, "{}", point.name());
        }
        for wrong in ["", "nowhere", "call-intended:", "call-intended:0", "call-intended:x", ":1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    /// Whoever runs such a build finds them all in the handbook.
    #[test]
    fn all_of_them_are_listed() {
        let page = include_str!("../docs/operations.md");
        for point in Failpoint::ALL {
            let row = format!("| `{}` | {} |", point.name(), point.about());
            assert!(page.contains(&row), "docs/operations.md lacks: {row}");
        }
    }
}
