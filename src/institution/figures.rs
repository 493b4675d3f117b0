//! How has it gone with an institution? Counters that anybody may read while requests go on.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::channel::Reply;
use crate::pay::Answer;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of a [`Guard`](super::Guard).
        ///
        /// ```
        /// use std::sync::atomic::Ordering;
        /// let figures = tollgate::institution::Figures::default();
        /// assert_eq!(figures.asked.load(Ordering::Relaxed), 0);
        /// assert!(figures.all().iter().any(|(name, _)| *name == "asked"));
        /// ```
        #[derive(Debug, Default)]
        pub struct Figures { $($(#[$doc])* pub $name: AtomicU64,)* }

        impl Figures {
            /// Names and values of all of them, for metrics.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

figures! {
    /// Requests, by whatever name; tries again are not counted here.
    asked,
    /// Of them, questions what became of something.
    queried,
    /// Tries again.
    retried,
    /// Tries again that the budget did not allow.
    unaffordable,
    /// Refused: as many as may are on their way.
    crowded,
    /// Refused: the breaker is open.
    left_alone,
    /// How often the breaker opened.
    opened,
    /// Not answered before the deadline.
    late,
    /// Replies: approved.
    approved,
    /// Replies: declined.
    declined,
    /// Replies: never heard of.
    absent,
    /// Replies: unknown, though something was sent.
    unknown,
    /// Replies: nothing was sent.
    unsent,
}

impl Figures {
    pub(super) fn add(figure: &AtomicU64) {
        figure.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn replied(&self, reply: &Reply) {
        Figures::add(match reply.answer {
            _ if !reply.sent => &self.unsent,
            Answer::Approved { .. } => &self.approved,
            Answer::Declined(_) => &self.declined,
            Answer::Absent => &self.absent,
            Answer::Unknown => &self.unknown,
        });
    }
}
