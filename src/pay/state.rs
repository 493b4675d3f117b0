//! Where is a payment? The closed set of states, and what decides between them.

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// All of them, in the order of their numbers in records.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The word used in answers and documents.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// Where a payment is.
    ///
    /// ```
    /// use tollgate::pay::State;
    /// assert_eq!(State::ALL.len(), 13);
    /// assert_eq!(State::PartiallyRefunded.to_string(), "partially_refunded");
    /// ```
    State {
        /// Asked for; nothing has been authorized.
        Created = "created",
        /// The payer is to prove who they are.
        Challenged = "challenged",
        /// The institution holds the amount for the merchant.
        Authorized = "authorized",
        /// Somebody is to look before anything is captured.
        ReviewHeld = "review_held",
        /// The money is the merchant's.
        Captured = "captured",
        /// A part of it was given back.
        PartiallyRefunded = "partially_refunded",
        /// All of it was given back.
        Refunded = "refunded",
        /// Given up before anything was captured.
        Voided = "voided",
        /// We or the institution said no.
        Declined = "declined",
        /// The institution was asked for something and has not said what became of it.
        Unknown = "unknown",
        /// The payer calls the money back.
        Disputed = "disputed",
        /// The last dispute ended for the merchant.
        Won = "won",
        /// A dispute ended for the payer.
        Lost = "lost",
    }
}

names! {
    /// How the payer pays.
    ///
    /// ```
    /// use tollgate::pay::Method;
    /// assert!(Method::Alipay.captures_at_once() && !Method::Card.captures_at_once());
    /// ```
    Method {
        /// A card: authorized first, captured later.
        Card = "card",
        /// Alipay.
        Alipay = "alipay",
        /// WeChat Pay.
        WechatPay = "wechatpay",
    }
}

impl Method {
    /// Whether paying is authorization and capture in one: nothing can be held back afterwards.
    pub const fn captures_at_once(self) -> bool {
        !matches!(self, Method::Card)
    }
}

names! {
    /// Why an institution said no, as far as it tells what to do next (ISO 8583 field 39 and the wallets'
    /// result codes are grouped so by their channels).
    ///
    /// ```
    /// use tollgate::pay::DeclineGroup;
    /// assert_eq!(DeclineGroup::Sca.name(), "sca");
    /// ```
    DeclineGroup {
        /// It will never be approved: closed account, invalid card.
        Hard = "hard",
        /// It may be approved later: not enough money.
        Soft = "soft",
        /// The institution takes it for fraud: stolen card.
        Fraud = "fraud",
        /// Strong customer authentication is wanted first.
        Sca = "sca",
        /// Something is broken, and nothing was done.
        Technical = "technical",
    }
}

names! {
    /// How a challenge ended.
    ///
    /// ```
    /// assert_eq!(tollgate::pay::ChallengeResult::Expired.name(), "expired");
    /// ```
    ChallengeResult {
        /// The payer proved who they are.
        Passed = "passed",
        /// They used up their tries.
        Failed = "failed",
        /// They did not answer in time.
        Expired = "expired",
    }
}

names! {
    /// How a review ended.
    ///
    /// ```
    /// assert_eq!(tollgate::pay::ReviewResult::Approved.name(), "approved");
    /// ```
    ReviewResult {
        /// Go on.
        Approved = "approved",
        /// Stop; what is authorized is voided.
        Declined = "declined",
        /// Nobody looked in time: as declined.
        Expired = "expired",
    }
}

names! {
    /// What a dispute is about.
    ///
    /// ```
    /// use tollgate::pay::DisputeKind;
    /// assert!(DisputeKind::Fraud.is_fraud() && !DisputeKind::Consumer.is_fraud());
    /// ```
    DisputeKind {
        /// The payer says it was not them.
        Fraud = "fraud",
        /// The authorization was missing or wrong.
        Authorization = "authorization",
        /// Wrong amount, wrong currency, charged twice.
        Processing = "processing",
        /// Not delivered, not as described, not credited.
        Consumer = "consumer",
    }
}

impl DisputeKind {
    /// Whether a model of fraud may learn from it.
    pub const fn is_fraud(self) -> bool {
        matches!(self, DisputeKind::Fraud)
    }
}

pub(super) use names;
