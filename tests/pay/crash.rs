//! The machine stops between any two effects, and again while it recovers; the network loses, delays and
//! doubles what is sent. The institution keeps books of its own, and each thing was done once.

use std::collections::{BTreeMap, HashMap};

use tollgate::pay::*;
use tollgate::{Outcome, Timestamp};

use super::desk::{AUTHORIZE, capture, changed, merchant, money, order, payment, refund, requested, secret};
use super::random::Random;

/// An institution: it does a thing once for each key, and tells the same again.
#[derive(Default)]
struct Bank {
    said: HashMap<CallKey, Answer>,
    /// How often each thing was done, by the names it has for people.
    done: BTreeMap<String, u32>,
    held: i64,
    paid_out: i64,
    given_back: i64,
}

impl Bank {
    fn ask(&mut self, call: &Call, declines: bool) -> Answer {
        if let Some(answer) = self.said.get(&call.key) {
            return *answer;
        }
        let minor = call.amount.minor;
        let (name, answer) = match &call.operation {
            // Nothing is declined that was paid for already.
            Operation::Capture { .. } if declines => {
                ("declined".to_owned(), Answer::Declined(DeclineGroup::Technical))
            }
            Operation::Authorize => {
                self.held += minor;
                ("authorize".to_owned(), Answer::Approved { amount: call.amount })
            }
            Operation::Capture { .. } => {
                self.held = 0;
                self.paid_out += minor;
                ("capture".to_owned(), Answer::Approved { amount: call.amount })
            }
            Operation::Refund { refund, .. } => {
                self.given_back += minor;
                (format!("refund {refund}"), Answer::Approved { amount: call.amount })
            }
            Operation::Void => unreachable!("nobody voids here"),
        };
        *self.done.entry(name).or_default() += 1;
        self.said.insert(call.key, answer);
        answer
    }

    fn query(&self, key: &CallKey) -> Answer {
        self.said.get(key).copied().unwrap_or(Answer::Absent)
    }
}

/// The machine has stopped.
struct Stopped;

struct World {
    disk: Vec<Record>,
    bank: Bank,
    /// Requests still on their way.
    pipe: Vec<Call>,
    random: Random,
    /// Effects until the machine stops; more than there are for never.
    fuel: u32,
    /// A shell with a mistake: it asks the institution before the record is durable.
    careless: bool,
}

impl World {
    fn burn(&mut self) -> Result<(), Stopped> {
        self.fuel = self.fuel.checked_sub(1).ok_or(Stopped)?;
        Ok(())
    }

    /// Sends it, and gives the answer if one comes.
    fn send(&mut self, call: Call) -> Answer {
        let declines = self.random.one_in(3);
        match self.random.below(6) {
            0 => Answer::Unknown, // lost on the way there
            1 => {
                self.bank.ask(&call, declines);
                Answer::Unknown // lost on the way back
            }
            2 => {
                self.pipe.push(call);
                Answer::Unknown // comes later
            }
            3 => {
                self.pipe.push(call.clone()); // comes twice
                self.bank.ask(&call, declines)
            }
            _ => self.bank.ask(&call, declines),
        }
    }

    fn arrive(&mut self) {
        if !self.pipe.is_empty() && self.random.one_in(2) {
            let at = self.random.below(self.pipe.len());
            let call = self.pipe.swap_remove(at);
            self.bank.ask(&call, false);
        }
    }

    /// Takes the event and does what follows, one effect after the other.
    fn run(&mut self, book: &mut Book, event: Event) -> Result<(), Stopped> {
        let Ok(mut effects) = book.apply(Timestamp::default(), event) else { return Ok(()) };
        if self.careless {
            effects.sort_by_key(|e| !matches!(e, Effect::Call(_)));
        }
        let mut answers = Vec::new();
        for effect in effects {
            self.burn()?;
            match effect {
                Effect::Persist(record) => {
                    self.disk.push(record);
                    self.burn()?; // durable, and nobody has heard of it
                }
                Effect::Call(call) => answers.push((call.key, self.send(call))),
                Effect::Query(call) => answers.push((call.key, self.bank.query(&call.key))),
                _ => {}
            }
            self.arrive();
        }
        for (key, answer) in answers {
            self.run(book, changed(Change::Answered { key, answer }))?;
        }
        Ok(())
    }

    /// Starts, asks what became of what was under way, and goes on to the end: captured in part, and refunded
    /// twice. What it does next it knows from the book alone.
    fn live(&mut self) -> Result<Book, Stopped> {
        let mut book = Book::new(secret()).restore(&self.disk).expect("what was durable can be taken");
        // Nothing has been done that is not known.
        assert!(self.bank.said.keys().all(|key| book.called(key).is_some()), "done without an intent");
        loop {
            for call in book.unfinished() {
                let answer = self.bank.query(&call.key);
                self.run(&mut book, changed(Change::Answered { key: call.key, answer }))?;
                self.arrive();
            }
            let next = match book.payment(&merchant(), &payment()) {
                None if book.order(&merchant(), &order()).is_none() => {
                    Event::OrderCreated { merchant: merchant(), order: order(), amount: money(10_000) }
                }
                None => requested(1, payment(), Method::Card),
                Some(found) => match found.state() {
                    State::Created if found.sequence() == 1 => changed(Change::Assessed(Outcome::Approve)),
                    State::Created => changed(AUTHORIZE),
                    State::Authorized => changed(capture(7_000)),
                    State::Captured => changed(refund("r1", 3_000)),
                    State::PartiallyRefunded => changed(refund("r2", 4_000)),
                    State::Refunded => return Ok(book),
                    State::Unknown => continue,
                    other => unreachable!("{other}"),
                },
            };
            self.burn()?;
            self.run(&mut book, next)?;
        }
    }
}

/// Whether all went well with the machine stopping after each of these many effects.
fn check(seed: u64, stops: &[u32], careless: bool) {
    let random = Random(seed);
    let (disk, pipe) = (Vec::new(), Vec::new());
    let mut world = World { disk, bank: Bank::default(), pipe, random, fuel: 0, careless };
    let mut book = None;
    for &fuel in stops.iter().chain(&[u32::MAX]) {
        world.fuel = fuel;
        book = world.live().ok();
        if book.is_some() {
            break;
        }
    }
    let book = book.expect("it comes to its end");
    // Whatever was still on its way comes now, and changes nothing any more.
    for call in std::mem::take(&mut world.pipe) {
        world.bank.ask(&call, false);
    }
    let done = |name: &str| world.bank.done.get(name).copied();
    let once = ["authorize", "capture", "refund r1", "refund r2"].map(done);
    assert_eq!(once, [Some(1); 4], "seed {seed}, stops {stops:?}: {:?}", world.bank.done);
    let ledger = book.payment(&merchant(), &payment()).unwrap().ledger();
    let bank = (world.bank.held, world.bank.paid_out, world.bank.given_back);
    assert_eq!((ledger.held().minor, ledger.captured().minor, ledger.refunded().minor), bank);
    assert_eq!(bank, (0, 7_000, 7_000));
}

#[test]
fn each_thing_is_done_once_wherever_the_machine_stops() {
    for seed in 0..60 {
        for first in 0..60 {
            check(seed, &[first], false);
            // It stops again while it recovers, and once more.
            check(seed, &[first, seed as u32 % 5, first % 7], false);
        }
    }
}

#[test]
fn a_shell_that_asks_before_the_record_is_durable_is_found_out() {
    let careless = || (0..60).for_each(|first| check(1, &[first], true));
    let found = std::panic::catch_unwind(careless).expect_err("it was not found out");
    let said = found.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let said = said.or_else(|| found.downcast_ref::<String>().cloned()).unwrap_or_default();
    assert!(said.contains("done without an intent"), "{said}");
}
