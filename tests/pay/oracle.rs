//! What should become of an event, from plain integers about each payment. It shares nothing with the book: it
//! keeps no state of a payment, but what happened, and works out the state when somebody asks.

use std::collections::HashMap;

use tollgate::pay::*;
use tollgate::{AMOUNT_MINOR_MAX, Money, Outcome};

/// What happened to a payment: flags are 0 or 1, amounts are minor units.
#[derive(Default)]
pub struct Facts {
    pub merchant: String,
    order: String,
    currency: String,
    amount: i64,
    wallet: i64,
    /// 0: not yet, 1 to 4: approve, challenge, review, decline.
    assessed: i64,
    /// 1: waits for proof, 2: passed, 3: failed.
    proof: i64,
    /// When it began to wait, and when a code was sent, in microseconds.
    asked_at: i64,
    sent_at: Vec<i64>,
    tries: i64,
    /// 1: somebody said yes, 2: no.
    verdict: i64,
    no: i64,
    given_up: i64,
    released: i64,
    pub authorized: i64,
    pub captured: i64,
    pub refunded: i64,
    pub lost: i64,
    pub disputed: i64,
    /// 1: open, 2: won, 3: lost, and 4 when something was refunded since it was won.
    last_dispute: i64,
    /// Kind (a, c, v, r), minor units, and 0: sent, 1: unknown, 2: done, 3: not done.
    pub asked: Vec<([u8; 16], char, i64, i64)>,
    refunds: HashMap<String, i64>,
    disputes: HashMap<String, (i64, i64, bool)>,
    reports: HashMap<String, (Reporter, FraudType)>,
}

#[derive(Default)]
pub struct Oracle {
    /// Merchant and order: amount, currency, attempts.
    orders: HashMap<(String, String), (i64, String, Vec<String>)>,
    pub payments: HashMap<String, Facts>,
}

impl Facts {
    /// Where it is apart from what is unknown.
    fn beneath(&self) -> &'static str {
        match self.last_dispute {
            1 => return "disputed",
            2 => return "won",
            3 => return "lost",
            _ => {}
        }
        if self.refunded > 0 {
            return if self.refunded == self.captured { "refunded" } else { "partially_refunded" };
        }
        if self.captured > 0 {
            return "captured";
        }
        if self.given_up + self.released > 0 {
            return "voided";
        }
        if self.no > 0 {
            return "declined";
        }
        if self.proof == 1 {
            return "challenged";
        }
        match (self.authorized > 0, self.assessed == 3 && self.verdict != 1) {
            (true, true) => "review_held",
            (true, false) => "authorized",
            (false, true) if self.wallet == 1 => "review_held",
            (false, _) => "created",
        }
    }

    pub fn state(&self) -> &'static str {
        if self.asked.last().is_some_and(|a| a.3 == 1) { "unknown" } else { self.beneath() }
    }

    pub fn held(&self) -> i64 {
        if self.captured + self.released > 0 { 0 } else { self.authorized }
    }

    fn waits(&self) -> Option<&'static str> {
        match self.asked.last()?.3 {
            0 => Some("in_flight"),
            1 => Some("illegal_transition"),
            _ => None,
        }
    }

    fn waits_for_proof(&mut self, now: i64) {
        (self.proof, self.asked_at, self.tries) = (1, now, 0);
        self.sent_at.clear();
    }

    fn answered(&mut self, now: i64, at: usize, answer: &Answer) -> &'static str {
        let (_, kind, minor, known) = self.asked[at];
        if let Answer::Approved { amount } = answer {
            if amount.currency.code() != self.currency {
                return "wrong_currency";
            }
            if amount.minor != minor {
                return "wrong_amount";
            }
        }
        match (known, answer) {
            (2, Answer::Declined(_)) | (3, Answer::Approved { .. }) => return "contradiction",
            (2 | 3, _) | (1, Answer::Unknown) => return "known",
            (_, Answer::Absent) => return "again",
            (_, Answer::Unknown) => self.asked[at].3 = 1,
            (_, Answer::Declined(group)) => {
                self.asked[at].3 = 3;
                if kind == 'a' {
                    if *group == DeclineGroup::Sca && self.proof != 2 {
                        self.waits_for_proof(now);
                    } else {
                        self.no = 1;
                    }
                }
            }
            (_, Answer::Approved { .. }) => {
                self.asked[at].3 = 2;
                match kind {
                    'a' => {
                        self.authorized += minor;
                        self.captured += minor * self.wallet;
                    }
                    'c' => self.captured += minor,
                    'v' => self.released = 1,
                    _ => {
                        self.refunded += minor;
                        if self.last_dispute == 2 {
                            self.last_dispute = 4;
                        }
                    }
                }
            }
        }
        "ok"
    }

    fn moves(&self, asked: Money, most: i64) -> &'static str {
        match asked.minor {
            0 => "amount_zero",
            ..0 => "amount_negative",
            n if n > AMOUNT_MINOR_MAX => "amount_too_large",
            _ if asked.currency.code() != self.currency => "wrong_currency",
            n if n > most => "above_available",
            _ => "ok",
        }
    }

    fn intends(&mut self, operation: &Operation, key: impl FnOnce(usize) -> [u8; 16]) -> &'static str {
        if let Operation::Refund { refund, .. } = operation
            && self.refunds.contains_key(refund.as_str())
        {
            return "exists";
        }
        if let Some(why) = self.waits() {
            return why;
        }
        let state = self.beneath();
        let (kind, minor) = match operation {
            Operation::Authorize if state != "created" => return "illegal_transition",
            Operation::Authorize if self.assessed == 0 => return "not_assessed",
            Operation::Authorize => ('a', self.amount),
            Operation::Capture { .. } if state != "authorized" => return "illegal_transition",
            Operation::Capture { amount } => match self.moves(*amount, self.amount) {
                "ok" => ('c', amount.minor),
                why => return why,
            },
            Operation::Void => match (state, self.authorized > 0) {
                ("created" | "challenged" | "review_held", false) => {
                    self.given_up = 1;
                    return "ok";
                }
                ("authorized" | "review_held", true) => ('v', self.amount),
                _ => return "illegal_transition",
            },
            Operation::Refund { .. } if !["captured", "partially_refunded", "won"].contains(&state) => {
                return "illegal_transition";
            }
            Operation::Refund { refund, amount } => {
                match self.moves(*amount, self.captured - self.refunded) {
                    "ok" => self.refunds.insert(refund.to_string(), amount.minor),
                    why => return why,
                };
                ('r', amount.minor)
            }
        };
        self.asked.push((key(self.asked.len()), kind, minor, 0));
        "ok"
    }

    fn change(&mut self, now: i64, change: &Change, key: impl FnOnce(usize) -> [u8; 16]) -> &'static str {
        match change {
            Change::CodeSent | Change::CodeTried if self.beneath() != "challenged" => "illegal_transition",
            Change::CodeSent | Change::CodeTried if now >= self.asked_at + 300_000_000 => "code_expired",
            Change::CodeSent if self.sent_at.len() == 3 => "no_sends_left",
            Change::CodeSent if self.sent_at.last().is_some_and(|sent| now < sent + 30_000_000) => {
                "sent_just_now"
            }
            Change::CodeSent => {
                self.sent_at.push(now);
                "ok"
            }
            Change::CodeTried if self.tries == 5 => "no_tries_left",
            Change::CodeTried => {
                self.tries += 1;
                "ok"
            }
            Change::Assessed(outcome) if self.assessed == 0 && self.given_up == 0 => {
                self.assessed = match outcome {
                    Outcome::Approve => 1,
                    Outcome::Challenge => 2,
                    Outcome::Review => 3,
                    Outcome::Decline => 4,
                };
                if self.assessed == 2 {
                    self.waits_for_proof(now);
                }
                self.no = i64::from(self.assessed == 4);
                "ok"
            }
            Change::ChallengeEnded(result) if self.beneath() == "challenged" => {
                self.proof = if *result == ChallengeResult::Passed { 2 } else { 3 };
                self.no = i64::from(self.proof == 3);
                "ok"
            }
            Change::Authenticated(found) => {
                let before = self.beneath() == "created" && self.assessed == 0;
                if !before && self.beneath() != "challenged" {
                    return "illegal_transition";
                }
                if before && ["Y", "A"].contains(&found.status().name()) {
                    self.proof = 2;
                }
                "ok"
            }
            Change::Assessed(_) | Change::ChallengeEnded(_) => "illegal_transition",
            Change::ReviewEnded(result) => {
                if let Some(why) = self.waits() {
                    return why;
                }
                if self.beneath() != "review_held" || self.verdict != 0 {
                    return "illegal_transition";
                }
                self.verdict = if *result == ReviewResult::Approved { 1 } else { 2 };
                if self.verdict == 2 && self.authorized == 0 {
                    self.no = 1;
                }
                if self.verdict == 2 && self.authorized > 0 {
                    self.asked.push((key(self.asked.len()), 'v', self.amount, 0));
                }
                "ok"
            }
            Change::Intended(operation) => self.intends(operation, key),
            Change::Answered { key, answer } => match self.asked.iter().position(|a| a.0 == key.0) {
                Some(at) => self.answered(now, at, answer),
                None => "unknown_call",
            },
            Change::Resolved { key, took_effect, .. } => {
                let Some(at) = self.asked.iter().position(|a| a.0 == key.0) else { return "unknown_call" };
                if self.asked[at].3 != 1 {
                    return "illegal_transition";
                }
                let amount =
                    Money { minor: self.asked[at].2, currency: super::desk::currency(&self.currency) };
                let declined = Answer::Declined(DeclineGroup::Technical);
                self.answered(now, at, &if *took_effect { Answer::Approved { amount } } else { declined })
            }
            Change::DisputeOpened { dispute, amount, .. } => {
                if let Some((known, _, _)) = self.disputes.get(dispute.as_str()) {
                    return match amount.currency.code() == self.currency {
                        false => "wrong_currency",
                        true if amount.minor != *known => "wrong_amount",
                        true => "known",
                    };
                }
                if !["captured", "partially_refunded", "refunded", "won"].contains(&self.beneath()) {
                    return "illegal_transition";
                }
                let why = self.moves(*amount, self.captured - self.lost);
                if why == "ok" {
                    self.disputes.insert(dispute.to_string(), (amount.minor, 1, true));
                    self.disputed = amount.minor;
                    self.last_dispute = 1;
                }
                why
            }
            Change::DisputeWon { dispute } => self.dispute_ends(dispute.as_str(), 2),
            Change::DisputeLost { dispute } => self.dispute_ends(dispute.as_str(), 3),
            Change::FraudReported { report, by, kind } => match self.reports.get(report.as_str()) {
                Some(known) if *known == (*by, *kind) => "known",
                Some(_) => "exists",
                None if ["created", "challenged"].contains(&self.beneath()) => "illegal_transition",
                None => {
                    self.reports.insert(report.to_string(), (*by, *kind));
                    "ok"
                }
            },
        }
    }

    fn dispute_ends(&mut self, id: &str, how: i64) -> &'static str {
        let Some((minor, known, _)) = self.disputes.get_mut(id) else { return "not_found" };
        if *known != 1 {
            return if *known == how { "known" } else { "contradiction" };
        }
        *known = how;
        self.disputed = 0;
        self.lost += if how == 3 { *minor } else { 0 };
        self.last_dispute = how;
        "ok"
    }
}

impl Oracle {
    /// The word for what should become of it: `ok`, `known`, `again`, or the error's code. `key` gives the key of
    /// the payment's operation of that number, which only the book can derive.
    pub fn expect(&mut self, now: i64, event: &Event, key: impl FnOnce(usize) -> [u8; 16]) -> &'static str {
        match event {
            Event::OrderCreated { merchant, order, amount } => {
                let name = (merchant.to_string(), order.to_string());
                match amount.minor {
                    0 => "amount_zero",
                    ..0 => "amount_negative",
                    n if n > AMOUNT_MINOR_MAX => "amount_too_large",
                    _ if self.orders.contains_key(&name) => "exists",
                    n => {
                        self.orders.insert(name, (n, amount.currency.to_string(), Vec::new()));
                        "ok"
                    }
                }
            }
            Event::PaymentRequested { merchant, order, attempt, payment, method, amount } => {
                let name = (merchant.to_string(), order.to_string());
                let Some((due, currency, attempts)) = self.orders.get_mut(&name) else { return "not_found" };
                match *attempt as usize {
                    n if (1..=attempts.len()).contains(&n) => return "attempt_exists",
                    n if n != attempts.len() + 1 => return "attempt_gap",
                    _ => {}
                }
                match amount.minor {
                    0 => return "amount_zero",
                    ..0 => return "amount_negative",
                    n if n > AMOUNT_MINOR_MAX => return "amount_too_large",
                    _ if amount.currency.code() != currency.as_str() => return "wrong_currency",
                    n if n != *due => return "wrong_amount",
                    _ => {}
                }
                match attempts.last().map(|last| self.payments[last].state()) {
                    None | Some("declined" | "voided") => {}
                    Some("created" | "challenged" | "authorized" | "review_held" | "unknown") => {
                        return "order_in_payment";
                    }
                    Some(_) => return "order_paid",
                }
                if self.payments.contains_key(payment.as_str()) {
                    return "exists";
                }
                attempts.push(payment.to_string());
                let (merchant, order) = name;
                let facts = Facts {
                    merchant,
                    order,
                    currency: currency.clone(),
                    amount: *due,
                    wallet: i64::from(*method != Method::Card),
                    ..Facts::default()
                };
                self.payments.insert(payment.to_string(), facts);
                "ok"
            }
            Event::Changed { merchant, payment, change } => {
                match self.payments.get_mut(payment.as_str()).filter(|p| p.merchant == merchant.as_str()) {
                    Some(facts) => facts.change(now, change, key),
                    None => "not_found",
                }
            }
            _ => unreachable!("requests have tests of their own"),
        }
    }

    /// How many payments of each order took money.
    pub fn paid(&self) -> HashMap<(&str, &str), i64> {
        let mut paid = HashMap::new();
        for facts in self.payments.values().filter(|f| f.captured > 0) {
            *paid.entry((facts.merchant.as_str(), facts.order.as_str())).or_default() += 1;
        }
        paid
    }
}
