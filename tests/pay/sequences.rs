//! Random sequences of up to 60 events against the oracle, with restarts, answers that come twice, late, in
//! another order or forged, and an institution that keeps plain books of its own.
//!
//! 20,000 sequences in every run. `TOLLGATE_SEQUENCES=1000000 cargo test --test pay -- --ignored` tries as
//! many as it is told, from `TOLLGATE_SEED` (0) on.

use std::collections::HashMap;

use tollgate::pay::*;
use tollgate::{AMOUNT_MINOR_MAX, Money, Outcome, Span, Timestamp};

use super::desk::{authenticated, currency, secret};
use super::oracle::Oracle;
use super::random::Random;

const STEPS_MAX: usize = 60;
const MERCHANTS: [&str; 2] = ["m0", "m1"];
const ORDERS: [&str; 2] = ["o0", "o1"];

struct World {
    book: Book,
    oracle: Oracle,
    records: Vec<Record>,
    random: Random,
    /// Requests on their way, and answers that have been given: any may come again.
    pipe: Vec<Call>,
    answers: Vec<(PaymentId, CallKey, Answer)>,
    bank: HashMap<CallKey, Answer>,
    /// Payment and kind of what was done, and how much.
    done: HashMap<(String, char), Vec<i64>>,
    names: u32,
    now: Timestamp,
    /// An image of the book, and how many records it knows.
    image: (usize, Vec<Vec<u8>>),
    /// What happened, for whoever looks at a failure.
    story: Vec<Event>,
    found: Vec<&'static str>,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            book: Book::new(secret()),
            oracle: Oracle::default(),
            records: Vec::new(),
            random: Random(seed),
            pipe: Vec::new(),
            answers: Vec::new(),
            bank: HashMap::new(),
            done: HashMap::new(),
            names: 0,
            now: Timestamp::default(),
            image: (0, super::image::image(&Book::new(secret()))),
            story: Vec::new(),
            found: Vec::new(),
        }
    }

    fn amount(&mut self, sensible: i64) -> Money {
        let code = if self.random.one_in(40) { "JPY" } else { "EUR" };
        let minor = match self.random.below(24) {
            0 => 0,
            1 => -self.random.of(&[1, 5_000, i64::MAX]),
            2 => AMOUNT_MINOR_MAX + 1,
            3 => i64::MAX,
            4 => sensible + 1,
            5..15 => sensible,
            _ => 1 + self.random.below(sensible.max(1) as usize) as i64,
        };
        Money { minor, currency: currency(code) }
    }

    fn merchant(&mut self) -> MerchantId {
        MerchantId::parse(self.random.of(&MERCHANTS)).unwrap()
    }

    fn order(&mut self) -> OrderId {
        OrderId::parse(self.random.of(&ORDERS)).unwrap()
    }

    /// Some payment that there is or will be, the newest more often than others.
    fn payment(&mut self) -> PaymentId {
        let newest = self.names.saturating_sub(1);
        let any = self.random.below(self.names as usize + 1) as u32;
        let number = if self.random.one_in(5) { any } else { newest };
        PaymentId::parse(&format!("p{number}")).unwrap()
    }

    fn owner(&mut self, payment: &PaymentId) -> MerchantId {
        match self.oracle.payments.get(payment.as_str()) {
            Some(facts) if !self.random.one_in(30) => MerchantId::parse(&facts.merchant).unwrap(),
            _ => self.merchant(),
        }
    }

    /// A change that the payment's state often has a place for, or any.
    fn change(&mut self, payment: &PaymentId) -> Change {
        let state = self.oracle.payments.get(payment.as_str()).map_or("created", |f| f.state());
        let (refund, dispute) = (self.random.below(6), self.random.below(3));
        let refundable = self.oracle.payments.get(payment.as_str()).map_or(0, |f| f.captured - f.refunded);
        let refund = Operation::Refund {
            refund: RefundId::parse(&format!("r{refund}")).unwrap(),
            amount: self.amount(refundable),
        };
        let dispute = DisputeId::parse(&format!("d{dispute}")).unwrap();
        let amount = self.amount(10_000);
        let sensible = if self.random.one_in(4) { "any" } else { state };
        match (sensible, self.random.below(12)) {
            ("created", 0..4) => Change::Assessed(self.random.of(&Outcome::ALL)),
            ("created", 4..6) => Change::Assessed(Outcome::Approve),
            ("created" | "challenged", 11) => {
                authenticated(self.random.of(TransStatus::ALL), self.random.next() >> 16)
            }
            ("created", 6..11) => Change::Intended(Operation::Authorize),
            ("challenged", 0..2) => Change::CodeSent,
            ("challenged", 2..6) => Change::CodeTried,
            ("challenged", 6..8) => Change::ChallengeEnded(ChallengeResult::Passed),
            ("challenged", 8..10) => Change::ChallengeEnded(self.random.of(ChallengeResult::ALL)),
            ("review_held", 0..9) => Change::ReviewEnded(self.random.of(ReviewResult::ALL)),
            ("authorized", 0..8) => Change::Intended(Operation::Capture { amount }),
            ("captured" | "partially_refunded" | "won", 0..7) => Change::Intended(refund),
            ("captured" | "partially_refunded" | "refunded" | "won", 7..10) => {
                let kind = self.random.of(DisputeKind::ALL);
                Change::DisputeOpened { dispute, amount, kind }
            }
            ("disputed", 0..4) => Change::DisputeWon { dispute },
            ("disputed", 4..6) => Change::DisputeLost { dispute },
            (_, 0) => Change::Assessed(self.random.of(&Outcome::ALL)),
            (_, 1) => Change::ChallengeEnded(self.random.of(ChallengeResult::ALL)),
            (_, 2) => Change::ReviewEnded(self.random.of(ReviewResult::ALL)),
            (_, 3) => Change::Intended(Operation::Authorize),
            (_, 4) => Change::Intended(Operation::Capture { amount }),
            (_, 5) => Change::Intended(Operation::Void),
            (_, 6 | 7) => Change::Intended(refund),
            (_, 8) => Change::DisputeWon { dispute },
            (_, 9) => Change::DisputeLost { dispute },
            (_, 10) if self.random.one_in(2) => Change::FraudReported {
                report: ReportId::parse(&format!("t{}", self.random.below(2))).unwrap(),
                by: self.random.of(Reporter::ALL),
                kind: self.random.of(&FraudType::ALL[..2]),
            },
            (_, 10) => {
                if self.random.one_in(2) {
                    Change::CodeSent
                } else {
                    Change::CodeTried
                }
            }
            _ => Change::DisputeOpened { dispute, amount, kind: self.random.of(DisputeKind::ALL) },
        }
    }

    /// The last that was asked for a payment, if it was.
    fn last(&self, payment: &PaymentId) -> Option<CallKey> {
        self.oracle.payments.get(payment.as_str())?.asked.last().map(|a| CallKey(a.0))
    }

    /// Orders there are to pay.
    fn begin(&mut self) {
        for (merchant, order) in MERCHANTS.into_iter().flat_map(|m| ORDERS.map(|o| (m, o))) {
            let (merchant, order) = (MerchantId::parse(merchant).unwrap(), OrderId::parse(order).unwrap());
            let amount = Money { minor: 10_000, currency: currency("EUR") };
            self.take(Event::OrderCreated { merchant, order, amount });
        }
        self.request();
    }

    fn step(&mut self) {
        self.now = self.now.plus(Span::from_secs(self.random.below(40) as i64));
        match self.random.below(100) {
            0..3 => {
                let (merchant, order) = (self.merchant(), self.order());
                let amount = match self.random.one_in(4) {
                    true => self.amount(10_000),
                    false => Money { minor: 10_000, currency: currency("EUR") },
                };
                self.take(Event::OrderCreated { merchant, order, amount });
            }
            3..10 => self.request(),
            10..52 => {
                let payment = self.payment();
                let merchant = self.owner(&payment);
                let change = self.change(&payment);
                self.take(Event::Changed { merchant, payment, change });
            }
            52..70 => self.arrive(),
            70..82 => {
                if !self.answers.is_empty() {
                    let (payment, key, answer) = self.random.of(&self.answers);
                    self.answer(payment, key, answer);
                }
            }
            82..88 => {
                let payment = self.payment();
                if let Some(key) = self.last(&payment) {
                    self.answer(payment, key, Answer::Unknown);
                }
            }
            88..92 => {
                let payment = self.payment();
                if let Some(key) = self.last(&payment) {
                    let answer = self.bank.get(&key).copied().unwrap_or(Answer::Absent);
                    self.answer(payment, key, answer);
                }
            }
            92..95 => self.forge(),
            95..97 => self.resolve(),
            _ => self.restart(),
        }
    }

    fn request(&mut self) {
        let (merchant, order) = (self.merchant(), self.order());
        let known = self.book.order(&merchant, &order).map_or(0, |o| o.attempts.len());
        let attempt = if self.random.one_in(5) { self.random.below(4) } else { known + 1 } as u32;
        let is_new = !self.random.one_in(8);
        let payment =
            if is_new { PaymentId::parse(&format!("p{}", self.names)).unwrap() } else { self.payment() };
        let method = self.random.of(Method::ALL);
        let due = self.book.order(&merchant, &order).map(|o| o.amount);
        let amount = due.filter(|_| !self.random.one_in(8));
        let amount = amount.unwrap_or_else(|| self.amount(10_000));
        let before = self.oracle.payments.len();
        self.take(Event::PaymentRequested { merchant, order, attempt, payment, method, amount });
        self.names += u32::from(is_new && self.oracle.payments.len() > before);
    }

    /// A request on its way reaches the institution, which does a thing once for each key.
    fn arrive(&mut self) {
        if self.pipe.is_empty() {
            return;
        }
        let at = self.random.below(self.pipe.len());
        let call = if self.random.one_in(10) { self.pipe[at].clone() } else { self.pipe.swap_remove(at) };
        let answer = self.ask(&call);
        self.answers.push((call.payment.clone(), call.key, answer));
        if self.random.one_in(2) {
            self.answer(call.payment, call.key, answer);
        }
    }

    fn ask(&mut self, call: &Call) -> Answer {
        if let Some(answer) = self.bank.get(&call.key) {
            return *answer;
        }
        let answer = if self.random.one_in(5) {
            Answer::Declined(self.random.of(DeclineGroup::ALL))
        } else {
            let kind = match call.operation {
                Operation::Authorize => 'a',
                Operation::Capture { .. } => 'c',
                Operation::Void => 'v',
                Operation::Refund { .. } => 'r',
            };
            let done = self.done.entry((call.payment.to_string(), kind)).or_default();
            done.push(call.amount.minor);
            assert!(kind == 'r' || done.len() == 1, "{kind} was done twice for {}", call.payment);
            Answer::Approved { amount: call.amount }
        };
        self.bank.insert(call.key, answer);
        answer
    }

    fn answer(&mut self, payment: PaymentId, key: CallKey, answer: Answer) {
        let merchant = self.owner(&payment);
        self.take(Event::Changed { merchant, payment, change: Change::Answered { key, answer } });
    }

    /// What nobody has said: under a key that was guessed, another payment's, or about another amount.
    fn forge(&mut self) {
        let (payment, other) = (self.payment(), self.payment());
        let guessed = CallKey([self.random.below(256) as u8; 16]);
        let key = if self.random.one_in(2) { guessed } else { self.last(&other).unwrap_or(guessed) };
        let amount = Money { minor: 9_999_999, currency: currency("EUR") };
        // A wrong "declined" under the right key can't be told from a true one; nobody can guess the key.
        let is_right = key != guessed && other == payment;
        let declined = Answer::Declined(DeclineGroup::Hard);
        let is_declined = !is_right && self.random.one_in(2);
        self.answer(payment, key, if is_declined { declined } else { Answer::Approved { amount } });
    }

    /// Somebody looks into the institution's books. What is not there is stopped for ever.
    fn resolve(&mut self) {
        let payment = self.payment();
        let Some(key) = self.last(&payment) else { return };
        let declined = Answer::Declined(DeclineGroup::Technical);
        let is_unknown = self.oracle.payments[payment.as_str()].state() == "unknown";
        let truth = match self.bank.get(&key) {
            Some(answer) => *answer,
            None if is_unknown => *self.bank.entry(key).or_insert(declined),
            None => declined, // refused: it is not unknown
        };
        let (took_effect, operator) =
            (matches!(truth, Answer::Approved { .. }), OperatorId::parse("ann").unwrap());
        let merchant = self.owner(&payment);
        self.take(Event::Changed {
            merchant,
            payment,
            change: Change::Resolved { key, took_effect, operator },
        });
    }

    fn restart(&mut self) {
        let again = Book::new(secret()).restore(&self.records).expect("what was durable can be taken");
        assert!(again == self.book, "a restart changes what is known");
        // So does one from an image and what came after it.
        let (known, chunks) = &self.image;
        let saved = Book::new(secret()).with_image(chunks).expect("an image can be read");
        let saved = saved.restore(&self.records[*known..]).expect("what came after it can be taken");
        assert!(saved == self.book, "a restart from an image changes what is known");
        if self.random.one_in(2) {
            self.image = (self.records.len(), super::image::image(&self.book));
        }
        self.book = saved;
    }

    /// Gives the event to both, and compares all there is.
    fn take(&mut self, event: Event) {
        self.story.push(event.clone());
        let before = self.book.clone();
        let taken = self.book.apply(self.now, event.clone());
        let book = &self.book;
        let key = |number: usize| match &event {
            Event::Changed { merchant, payment, .. } => {
                let asked = book.payment(merchant, payment).and_then(|p| p.operations().get(number));
                asked.map_or([0; 16], |asked| asked.key.0)
            }
            _ => [0; 16],
        };
        let expected = self.oracle.expect(self.now.micros(), &event, key);
        let found = match &taken {
            Err(e) => e.code(),
            Ok(effects) if effects.is_empty() => "known",
            Ok(effects) if !matches!(effects[0], Effect::Persist(_)) => "again",
            Ok(_) => "ok",
        };
        assert_eq!(found, expected);
        self.found.push(found);
        assert_eq!(found == "ok", before != self.book, "what is refused or known changes nothing");
        for effect in taken.into_iter().flatten() {
            match effect {
                Effect::Persist(record) => self.records.push(record),
                Effect::Call(call) => self.pipe.push(call),
                _ => {}
            }
        }
        if let Event::Changed { payment, .. } = &event {
            self.compare(payment);
        }
        assert_eq!(self.book.trial_balance(currency("EUR")).iter().sum::<i128>(), 0);
    }

    fn compare(&self, id: &PaymentId) {
        let Some(facts) = self.oracle.payments.get(id.as_str()) else { return };
        let payment = self.book.payment(&MerchantId::parse(&facts.merchant).unwrap(), id).unwrap();
        assert_eq!(payment.state().name(), facts.state());
        let ledger = payment.ledger();
        let found = [ledger.held(), ledger.captured(), ledger.refunded(), ledger.lost()].map(|m| m.minor);
        assert_eq!(found, [facts.held(), facts.captured, facts.refunded, facts.lost]);
        assert_eq!(ledger.balance(Account::Disputed), facts.disputed);
        let given_back = facts.refunded + facts.lost;
        assert_eq!(ledger.balance(Account::Merchant), facts.captured - given_back - facts.disputed);
        assert_eq!(ledger.balance(Account::Payer), given_back - facts.captured - facts.held());
        assert!(facts.refunded <= facts.captured && ledger.is_balanced());
    }

    /// Everything that is under way comes to its end; then the institution's books say the same.
    fn end(&mut self) {
        while let Some(call) = self.pipe.pop() {
            self.ask(&call);
        }
        for call in self.book.unfinished() {
            let answer = self.bank.get(&call.key).copied().expect("what is unfinished was sent");
            let merchant = MerchantId::parse(&self.oracle.payments[call.payment.as_str()].merchant).unwrap();
            let change = Change::Answered { key: call.key, answer };
            self.take(Event::Changed { merchant, payment: call.payment, change });
        }
        assert!(self.book.unfinished().is_empty());
        for (name, facts) in &self.oracle.payments {
            let sum = |kind| self.done.get(&(name.clone(), kind)).map_or(0, |all| all.iter().sum::<i64>());
            let captured = if facts.captured > 0 && sum('c') == 0 { sum('a') } else { sum('c') };
            assert_eq!((sum('a'), captured, sum('r')), (facts.authorized, facts.captured, facts.refunded));
        }
        assert!(self.oracle.paid().values().all(|n| *n == 1), "an order is paid once");
        self.restart();
    }
}

/// What many sequences came to.
#[derive(Debug, Default)]
struct Tally {
    /// Events by what became of them: `ok`, `known`, `again`, or the error's code.
    events: HashMap<&'static str, u64>,
    /// Payments by where they ended.
    states: HashMap<&'static str, u64>,
}

/// Runs one sequence; whoever fails is told how it came to it.
fn run(seed: u64, tally: &mut Tally) {
    let mut world = World::new(seed);
    let steps = match world.random.one_in(4) {
        true => 1 + world.random.below(STEPS_MAX),
        false => STEPS_MAX,
    };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        if !world.random.one_in(8) {
            world.begin();
        }
        (0..steps).for_each(|_| world.step());
        world.end();
    }));
    if let Err(panic) = ended {
        let story: Vec<String> = world.story.iter().map(|event| format!("{event:?}")).collect();
        eprintln!("seed {seed}:\n{}", story.join("\n"));
        std::panic::resume_unwind(panic);
    }
    for word in &world.found {
        *tally.events.entry(word).or_default() += 1;
    }
    for facts in world.oracle.payments.values() {
        *tally.states.entry(facts.state()).or_default() += 1;
    }
}

fn sequences(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    seeds.for_each(|seed| run(seed, &mut tally));
    tally
}

#[test]
fn random_sequences_agree_with_the_oracle() {
    let tally = sequences(0..20_000);
    // All states but the one that the end of a sequence resolves, or the sequences are too tame.
    for state in State::ALL.iter().filter(|s| **s != State::Unknown) {
        let ended = tally.states.get(state.name());
        assert!(ended.is_some_and(|n| *n >= 100), "{state}: {:?}", tally.states);
    }
}

#[test]
#[ignore = "as many as TOLLGATE_SEQUENCES says, by hand"]
fn many_random_sequences_agree_with_the_oracle() {
    let number = |name, default| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    };
    let (first, count) = (number("TOLLGATE_SEED", 0), number("TOLLGATE_SEQUENCES", 1_000_000));
    println!("{count} sequences: {:?}", sequences(first..first + count));
}
