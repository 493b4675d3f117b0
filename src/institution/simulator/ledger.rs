//! What did a simulated institution do? Its own books, which it keeps apart from what it says.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::script::{Act, Asked, Operation, Script};
use crate::error::Error;
use crate::money::Money;
use crate::pay::CallKey;

/// Most keys in a ledger; past it nothing new is done.
///
/// ```
/// assert!(tollgate::institution::simulator::LEDGER_ENTRIES_MAX >= 1_000_000);
/// ```
pub const LEDGER_ENTRIES_MAX: usize = 10_000_000;

/// What an institution of a kind says, in its own codes.
///
/// ```
/// use tollgate::institution::simulator::Kind;
/// assert_eq!(Kind::Card.codes().approved, "00");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// It was done.
    pub approved: &'static str,
    /// It was not, for no reason that is told.
    pub declined: &'static str,
    /// What it is about is not known.
    pub not_found: &'static str,
    /// It is more than there is.
    pub above: &'static str,
    /// What it is about has come to its end.
    pub closed: &'static str,
}

/// What came in.
///
/// ```
/// use tollgate::{Currency, Money, institution::simulator::{Operation, Order}, pay::CallKey};
/// let amount = Money { minor: 500, currency: Currency::parse("EUR").unwrap() };
/// let order = Order { key: CallKey([2; 16]), operation: Operation::Capture, amount, original: Some(CallKey([1; 16])) };
/// assert_eq!(order.original, Some(CallKey([1; 16])));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Under which key.
    pub key: CallKey,
    /// For what.
    pub operation: Operation,
    /// How much.
    pub amount: Money,
    /// The key of the authorization that it is about.
    pub original: Option<CallKey>,
}

/// What is known under one key: one line of the file, written anew whenever it changes.
///
/// ```
/// use tollgate::institution::simulator::Entry;
/// let line = r#"{"key":"01010101010101010101010101010101","operation":"authorize","original":null,"minor":500,
///     "currency":"EUR","code":"00","effects":1,"deliveries":2,"held":500,"captured":0,"refunded":0,"reversed":false}"#;
/// assert_eq!(serde_json::from_str::<Entry>(line).unwrap().effects, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The key, in hexadecimal.
    pub key: String,
    /// For what.
    pub operation: Operation,
    /// The key of the authorization that it is about.
    pub original: Option<String>,
    /// How much, in minor units.
    pub minor: i64,
    /// Of which currency.
    pub currency: String,
    /// What was answered.
    pub code: String,
    /// How often something was moved because of it: 0 or 1.
    pub effects: u32,
    /// How often it came.
    pub deliveries: u32,
    /// Of an authorization: what is held now.
    pub held: i64,
    /// Of an authorization: what was taken.
    pub captured: i64,
    /// Of an authorization: what was given back.
    pub refunded: i64,
    /// Of an authorization: whether it was undone.
    pub reversed: bool,
}

/// What became of a request: what to say, and how.
///
/// ```
/// use tollgate::{Currency, Money, institution::simulator::*, pay::CallKey};
/// let ledger = Ledger::new(Kind::Card);
/// let amount = Money { minor: 500, currency: Currency::parse("EUR").unwrap() };
/// let order = Order { key: CallKey([1; 16]), operation: Operation::Authorize, amount, original: None };
/// let first = ledger.deliver(&order, None, &Script::default())?;
/// let again = ledger.deliver(&order, None, &Script::default())?;
/// assert_eq!((first.code.as_str(), first.repeated), ("00", false));
/// assert_eq!((again.code.as_str(), again.repeated), ("00", true));
/// assert_eq!(again.entry.unwrap().effects, 1); // one effect, however often it came
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What to do about the answer.
    pub act: Act,
    /// What to say.
    pub code: String,
    /// What is known under the key now; `None` when nothing is.
    pub entry: Option<Entry>,
    /// Whether it was there before.
    pub repeated: bool,
}

/// An institution's books.
///
/// ```
/// use tollgate::institution::simulator::{Kind, Ledger};
/// assert!(Ledger::new(Kind::Card).entries().is_empty());
/// ```
pub struct Ledger {
    codes: Codes,
    at_once: bool,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    entries: HashMap<CallKey, Entry>,
    deliveries: HashMap<(CallKey, Operation), u32>,
    file: Option<File>,
}

impl Ledger {
    /// Empty books, in memory.
    pub fn new(kind: super::Kind) -> Ledger {
        Ledger { codes: kind.codes(), at_once: kind.captures_at_once(), books: Mutex::default() }
    }

    /// Books that are written to a file; what is in it already is known again.
    ///
    /// # Errors
    /// When it can't be opened, or is no ledger.
    pub fn open(kind: super::Kind, path: &Path) -> Result<Ledger, Error> {
        let ledger = Ledger::new(kind);
        let mut whole = 0;
        if let Ok(text) = std::fs::read_to_string(path) {
            let mut books = ledger.books.lock();
            // A last line without its end was being written when the process was killed.
            whole = text.rfind('\n').map_or(0, |end| end + 1);
            for entry in read(&text[..whole]).map_err(|e| e.at(path))? {
                let key = CallKey::parse(&entry.key).ok_or_else(|| bad_line(0, "no key").at(path))?;
                books.deliveries.insert((key, entry.operation), entry.deliveries);
                books.entries.insert(key, entry);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|e| Error::io(path, e))?;
        file.set_len(whole as u64).map_err(|e| Error::io(path, e))?;
        ledger.books.lock().file = Some(file);
        Ok(ledger)
    }

    /// Reads what a ledger's file says last about every key. Its writer may be at work.
    ///
    /// # Errors
    /// When it can't be read, or is no ledger.
    pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut last = HashMap::new();
        for entry in read(&text[..whole]).map_err(|e| e.at(path))? {
            last.insert(entry.key.clone(), entry);
        }
        Ok(last.into_values().collect())
    }

    /// All that is known.
    pub fn entries(&self) -> Vec<Entry> {
        self.books.lock().entries.values().cloned().collect()
    }

    /// What is known under a key.
    pub fn find(&self, key: CallKey) -> Option<Entry> {
        self.books.lock().entries.get(&key).cloned()
    }

    /// Takes a request: asks the script, does what is to be done, once for each key, and writes it down.
    /// `payer` is for the script alone.
    ///
    /// # Errors
    /// When it can't be written down. Then nothing is to be answered.
    pub fn deliver(&self, order: &Order, payer: Option<&str>, script: &Script) -> Result<Delivered, Error> {
        let mut books = self.books.lock();
        if books.deliveries.len() >= LEDGER_ENTRIES_MAX {
            return Err(Error::new(format!("the ledger is full: it has {LEDGER_ENTRIES_MAX} keys")));
        }
        let delivery = books.deliveries.entry((order.key, order.operation)).or_default();
        *delivery += 1;
        let asked = Asked {
            key: order.key,
            operation: order.operation,
            minor: order.amount.minor,
            payer,
            delivery: *delivery,
        };
        let (act, delivery) = (script.act(&asked), *delivery);
        let known = books.entries.get(&order.key).cloned();
        let repeated = known.is_some();
        let code = match (&act, known) {
            (Act::Lost, _) => self.codes.not_found.to_owned(),
            (_, known) if order.operation == Operation::Query => {
                known.map_or(self.codes.not_found.to_owned(), |entry| entry.code)
            }
            (Act::Decline(code), _) if order.operation == Operation::Reverse => self.declined(code.as_ref()),
            (_, known) if order.operation == Operation::Reverse => self.reverse(&mut books, order, known)?,
            // A key is good for one thing, and what was said under it stays said.
            (_, Some(mut entry)) => {
                let same = entry.operation == order.operation && entry.minor == order.amount.minor;
                entry.deliveries = delivery;
                let code = if same { entry.code.clone() } else { self.codes.closed.to_owned() };
                books.put(order.key, entry)?;
                code
            }
            (Act::Decline(code), None) => {
                let code = self.declined(code.as_ref());
                books.put(order.key, order.entry(&code, 0, delivery))?;
                code
            }
            (_, None) => {
                let code = self.post(&mut books, order)?.to_owned();
                let effects = u32::from(code == self.codes.approved);
                let mut entry = order.entry(&code, effects, delivery);
                if effects == 1 && order.operation == Operation::Authorize {
                    let taken = if self.at_once { &mut entry.captured } else { &mut entry.held };
                    *taken = order.amount.minor;
                }
                books.put(order.key, entry)?;
                code
            }
        };
        Ok(Delivered { act, code, entry: books.entries.get(&order.key).cloned(), repeated })
    }

    fn declined(&self, code: Option<&String>) -> String {
        code.map_or(self.codes.declined.to_owned(), Clone::clone)
    }

    /// Moves money of the authorization that a request is about.
    fn post(&self, books: &mut Books, order: &Order) -> Result<&'static str, Error> {
        if order.operation == Operation::Authorize {
            return Ok(self.codes.approved);
        }
        let original = order.original.and_then(|key| Some((key, books.entries.get(&key)?.clone())));
        let Some((key, mut about)) = original else { return Ok(self.codes.not_found) };
        let amount = order.amount.minor;
        if about.currency != order.amount.currency.code() {
            return Ok(self.codes.above);
        }
        match order.operation {
            _ if about.effects == 0 || about.reversed => return Ok(self.codes.closed),
            Operation::Capture if about.captured > 0 || about.held == 0 => return Ok(self.codes.closed),
            Operation::Capture if amount > about.held => return Ok(self.codes.above),
            Operation::Capture => (about.held, about.captured) = (0, amount),
            Operation::Void if about.held == 0 => return Ok(self.codes.closed),
            Operation::Void => (about.held, about.reversed) = (0, true),
            _ if amount > about.captured - about.refunded => return Ok(self.codes.above),
            _ => about.refunded += amount,
        }
        books.put(key, about)?;
        Ok(self.codes.approved)
    }

    /// Undoes an authorization; one that has not come yet will find that it was.
    fn reverse(&self, books: &mut Books, order: &Order, known: Option<Entry>) -> Result<String, Error> {
        let (code, entry) = match known {
            Some(entry) if entry.captured > 0 => return Ok(self.codes.closed.to_owned()),
            Some(mut entry) => {
                (entry.held, entry.reversed) = (0, true);
                entry.code = self.codes.closed.to_owned();
                (self.codes.approved, entry)
            }
            None => {
                let order = Order { operation: Operation::Authorize, ..*order };
                let mut entry = order.entry(self.codes.closed, 0, 0);
                entry.reversed = true;
                (self.codes.not_found, entry)
            }
        };
        books.put(order.key, entry)?;
        Ok(code.to_owned())
    }
}

impl Order {
    fn entry(&self, code: &str, effects: u32, deliveries: u32) -> Entry {
        Entry {
            key: self.key.to_string(),
            operation: self.operation,
            original: self.original.map(|key| key.to_string()),
            minor: self.amount.minor,
            currency: self.amount.currency.code().to_owned(),
            code: code.to_owned(),
            effects,
            deliveries,
            held: 0,
            captured: 0,
            refunded: 0,
            reversed: false,
        }
    }
}

impl Books {
    fn put(&mut self, key: CallKey, entry: Entry) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_string(&entry).map_err(|e| Error::new(e.to_string()))?;
            line.push('\n');
            // In one call, and nothing is kept back: whoever reads the file sees whole lines.
            file.write_all(line.as_bytes()).map_err(|e| Error::io("the ledger", e))?;
        }
        self.entries.insert(key, entry);
        Ok(())
    }
}

fn read(text: &str) -> Result<Vec<Entry>, Error> {
    let lines = text.lines().enumerate();
    lines.map(|(i, line)| serde_json::from_str(line).map_err(|e| bad_line(i + 1, &e.to_string()))).collect()
}

fn bad_line(line: usize, why: &str) -> Error {
    Error::new(format!("line {line} is not of a ledger: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use crate::money::Currency;

    fn order(key: u8, operation: Operation, minor: i64) -> Order {
        let amount = Money { minor, currency: Currency::parse("EUR").unwrap() };
        let original = (operation != Operation::Authorize).then_some(CallKey([1; 16]));
        Order { key: CallKey([key; 16]), operation, amount, original }
    }

    /// What is said to each of these, one after the other.
    fn said(orders: &[(u8, Operation, i64)], script: &str) -> (Vec<String>, Ledger) {
        let (ledger, script) = (Ledger::new(Kind::Card), Script::parse(script).unwrap());
        let say = |&(key, operation, minor): &(u8, Operation, i64)| {
            ledger.deliver(&order(key, operation, minor), None, &script).unwrap().code
        };
        (orders.iter().map(say).collect(), ledger)
    }

    #[test]
    fn an_institution_gives_no_more_than_it_has() {
        use Operation::{Authorize, Capture, Query, Refund, Reverse, Void};
        for (orders, codes) in [
            (&[(1, Authorize, 100), (2, Capture, 60), (3, Refund, 60)][..], &["00", "00", "00"][..]),
            (&[(1, Authorize, 100), (2, Capture, 101)], &["00", "13"]),
            (&[(1, Authorize, 100), (2, Capture, 60), (3, Capture, 40)], &["00", "00", "12"]),
            (&[(1, Authorize, 100), (2, Refund, 1)], &["00", "13"]),
            (
                &[(1, Authorize, 100), (2, Capture, 60), (3, Refund, 40), (4, Refund, 21)],
                &["00", "00", "00", "13"],
            ),
            (&[(1, Authorize, 100), (2, Void, 100), (3, Capture, 100)], &["00", "00", "12"]),
            (&[(1, Authorize, 100), (2, Capture, 60), (2, Capture, 60)], &["00", "00", "00"]),
            (&[(1, Authorize, 100), (2, Capture, 60), (2, Capture, 50)], &["00", "00", "12"]),
            (&[(2, Capture, 60)], &["25"]),
            (&[(1, Authorize, 100), (1, Reverse, 100), (1, Reverse, 100)], &["00", "00", "00"]),
            (&[(1, Authorize, 100), (1, Reverse, 100), (1, Authorize, 100)], &["00", "00", "12"]),
            (&[(1, Reverse, 100), (1, Authorize, 100)], &["25", "12"]),
            (&[(1, Authorize, 100), (2, Capture, 60), (1, Reverse, 100)], &["00", "00", "12"]),
            (&[(1, Query, 100), (1, Authorize, 100), (1, Query, 100)], &["25", "00", "00"]),
        ] {
            assert_eq!(said(orders, "").0, codes, "{orders:?}");
        }
    }

    #[test]
    fn what_is_lost_is_known_nowhere_until_it_comes_again() {
        let script = "[[rule]]\ntimes = 1\nthen = 'lost'";
        let (codes, ledger) = said(&[(1, Operation::Authorize, 100)], script);
        assert_eq!((codes[0].as_str(), ledger.entries().len()), ("25", 0));
        let (codes, ledger) = said(&[(1, Operation::Authorize, 100), (1, Operation::Authorize, 100)], script);
        assert_eq!((codes[1].as_str(), ledger.entries()[0].effects), ("00", 1));
    }

    #[test]
    fn a_file_is_known_again_but_for_a_line_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let pan = Some("4111111111111111");
        let ledger = Ledger::open(Kind::Card, &path).unwrap();
        ledger.deliver(&order(1, Operation::Authorize, 100), pan, &Script::default()).unwrap();
        ledger.deliver(&order(2, Operation::Capture, 60), pan, &Script::default()).unwrap();
        drop(ledger);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"key\":\"03").unwrap();
        assert_eq!(Ledger::read(&path).unwrap().len(), 2);
        let ledger = Ledger::open(Kind::Card, &path).unwrap();
        let again = ledger.deliver(&order(2, Operation::Capture, 60), pan, &Script::default()).unwrap();
        assert_eq!((again.code.as_str(), again.repeated), ("00", true));
        let entry = ledger.find(CallKey([1; 16])).unwrap();
        assert_eq!((entry.held, entry.captured, entry.effects), (0, 60, 1));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() == 4 && !text.contains("4111111111111111"), "{text}");
        std::fs::write(&path, "no ledger\n").unwrap();
        assert!(Ledger::open(Kind::Card, &path).err().unwrap().to_string().contains("line 1"));
    }
}
