//! All that a book knows, in bytes, and back: so that a start need not take every record there ever was.
//!
//! An image is read by the release that wrote it alone, and never needed: the records are what lasts.

mod payment;

use rayon::prelude::*;

use super::book::Book;
use super::challenge::Enrolment;
use super::id::{AccountId, MerchantId, PaymentId};
use super::record::parts::{id, marks, put_marks, put_text};
use super::requests::RequestKey;
use crate::journal::wire::{Cursor, Malformed, put_bytes, put_instant, put_option, put_varint};
use payment::{Ordered, ordered, put_order};

/// Bytes after which a chunk is full: large enough to be worth a thread's while.
const CHUNK_BYTES: usize = 256 << 10;

/// What a chunk is of: its first byte.
mod part {
    pub const HEAD: u8 = 0;
    pub const ORDERS: u8 = 1;
    pub const AUTHENTICATIONS: u8 = 2;
    pub const REQUESTS: u8 = 3;
    pub const ENROLMENTS: u8 = 4;
    pub const SENDS: u8 = 5;
}

/// How much there is of everything, so that nothing can be missing.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    settled_by: u64,
    /// The last request's number.
    request: u64,
    counts: [u64; 6],
}

impl Head {
    fn of(book: &Book) -> Head {
        let sizes = [
            book.orders.len(),
            book.payments.len(),
            book.authentications.len(),
            book.requests.len(),
            book.enrolments.len(),
            book.sends.len(),
        ];
        let counts = sizes.map(|size| size as u64);
        Head { settled_by: book.settled_by, request: book.requests.last(), counts }
    }

    fn put(&self, out: &mut Vec<u8>) {
        [self.settled_by, self.request].iter().chain(&self.counts).for_each(|n| put_varint(out, *n));
    }

    fn read(c: &mut Cursor<'_>) -> Result<Head, Malformed> {
        let (settled_by, request, mut counts) = (c.varint()?, c.varint()?, [0; 6]);
        for count in &mut counts {
            *count = c.varint()?;
        }
        Ok(Head { settled_by, request, counts })
    }
}

/// Gathers entries into chunks.
struct Out<P> {
    put: P,
    chunk: Vec<u8>,
}

impl<E, P: FnMut(&[u8]) -> Result<(), E>> Out<P> {
    fn all<T>(
        &mut self,
        part: u8,
        entries: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) -> Result<(), E> {
        self.chunk.clear();
        self.chunk.push(part);
        for entry in entries {
            write(&mut self.chunk, entry);
            if self.chunk.len() >= CHUNK_BYTES {
                (self.put)(&self.chunk)?;
                self.chunk.truncate(1);
            }
        }
        if self.chunk.len() > 1 { (self.put)(&self.chunk) } else { Ok(()) }
    }
}

impl Book {
    /// Gives all that it knows to `put`, in chunks of some hundred kilobytes. Which requests are being answered is not
    /// among it.
    ///
    /// # Errors
    /// Those of `put`.
    ///
    /// ```
    /// use tollgate::{Currency, Money, Timestamp, pay::*};
    /// let mut book = Book::new(CallSecret::new([7; 32]));
    /// book.apply(Timestamp::default(), Event::OrderCreated {
    ///     merchant: MerchantId::parse("m1")?,
    ///     order: OrderId::parse("o1")?,
    ///     amount: Money { minor: 1999, currency: Currency::parse("EUR").unwrap() },
    /// })?;
    /// let mut chunks: Vec<Vec<u8>> = Vec::new();
    /// book.image(|chunk| Ok::<(), std::io::Error>(chunks.push(chunk.to_vec()))).unwrap();
    /// let again = Book::new(CallSecret::new([7; 32])).with_image(&chunks).unwrap();
    /// assert_eq!(again, book);
    /// // A part is not taken for the whole.
    /// let part = Book::new(CallSecret::new([7; 32])).with_image(&chunks[..1]).unwrap_err();
    /// assert_eq!(part, "it does not hold as much as it says");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn image<E>(&self, put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut out = Out { put, chunk: Vec::with_capacity(CHUNK_BYTES + (64 << 10)) };
        out.all(part::HEAD, [Head::of(self)], |out, head| head.put(out))?;
        out.all(part::ORDERS, &self.orders, |out, ((merchant, order), known)| {
            put_text(out, merchant.as_str());
            put_text(out, order.as_str());
            put_order(out, known, &self.payments);
        })?;
        out.all(part::AUTHENTICATIONS, &self.authentications, |out, (transaction, payment)| {
            put_text(out, transaction);
            put_text(out, payment.as_str());
        })?;
        out.all(part::REQUESTS, self.requests.entries(), |out, (number, key, begun, body, answer)| {
            put_varint(out, number);
            out.extend_from_slice(&key.0);
            put_instant(out, begun);
            out.extend_from_slice(body);
            put_option(out, answer, put_bytes);
        })?;
        out.all(part::ENROLMENTS, self.enrolments.entries(), |out, ((merchant, account), known)| {
            put_text(out, merchant.as_str());
            put_text(out, account.as_str());
            out.extend_from_slice(&known.salt);
            put_option(out, known.last, put_varint);
        })?;
        out.all(part::SENDS, self.sends.entries(), |out, (at, marks)| {
            put_instant(out, at);
            put_marks(out, marks);
        })
    }

    /// An empty book, with what an image says.
    ///
    /// # Errors
    /// Why the chunks make no sense, as a sentence's end: nothing is guessed. They bear no checksums; whoever keeps them
    /// has to.
    pub fn with_image<C: AsRef<[u8]> + Sync>(mut self, chunks: &[C]) -> Result<Book, String> {
        self.take_image(chunks).map_err(|Malformed(why)| why)?;
        Ok(self)
    }

    fn take_image<C: AsRef<[u8]> + Sync>(&mut self, chunks: &[C]) -> Result<(), Malformed> {
        let all: Vec<(u8, &[u8])> =
            chunks.iter().filter_map(|chunk| chunk.as_ref().split_first()).map(|(p, b)| (*p, b)).collect();
        let Some(((part::HEAD, head), rest)) = all.split_first() else {
            return Err(Malformed::new("it has no head"));
        };
        let mut cursor = Cursor(head);
        let head = Head::read(&mut cursor)?;
        cursor.end()?;
        let orders: Vec<&[u8]> = rest.iter().filter(|(p, _)| *p == part::ORDERS).map(|(_, b)| *b).collect();
        let orders: Vec<Vec<Ordered>> =
            orders.into_par_iter().map(|bytes| entries(bytes, ordered)).collect::<Result<_, _>>()?;
        self.take_orders(orders);
        for (part, bytes) in rest {
            let mut c = Cursor(bytes);
            while !c.0.is_empty() {
                match *part {
                    part::ORDERS => break,
                    part::AUTHENTICATIONS => {
                        let transaction = c.text()?.to_owned();
                        self.authentications.insert(transaction, id(&mut c, PaymentId::parse)?);
                    }
                    part::REQUESTS => {
                        let (number, key) = (c.varint()?, RequestKey(c.array()?));
                        let (begun, body) = (c.instant()?, c.array()?);
                        let answer = c.option(Cursor::bytes)?;
                        self.requests.put_back(number, key, begun, body, answer);
                    }
                    part::ENROLMENTS => {
                        let of = (id(&mut c, MerchantId::parse)?, id(&mut c, AccountId::parse)?);
                        let known = Enrolment { salt: c.array()?, last: c.option(Cursor::varint)? };
                        self.enrolments.put_back(of, known);
                    }
                    part::SENDS => {
                        let at = c.instant()?;
                        self.sends.put_back(at, marks(&mut c)?);
                    }
                    _ => return Err(Malformed::new("a part is unknown")),
                }
            }
        }
        self.settled_by = head.settled_by;
        self.requests.go_on_from(head.request);
        // What is there twice is there once by now.
        if Head::of(self) == head {
            Ok(())
        } else {
            Err(Malformed::new("it does not hold as much as it says"))
        }
    }

    fn take_orders(&mut self, all: Vec<Vec<Ordered>>) {
        let orders = all.iter().map(Vec::len).sum();
        let payments = || all.iter().flatten().flat_map(|(.., payments)| payments);
        self.orders.reserve(orders);
        self.payments.reserve(payments().count());
        self.calls.reserve(payments().map(|payment| payment.operations.len()).sum());
        for (name, order, payments) in all.into_iter().flatten() {
            for payment in payments {
                let id = payment.id.clone();
                self.calls.extend(payment.operations.iter().map(|asked| (asked.key, id.clone())));
                self.payments.insert(id, payment);
            }
            self.orders.insert(name, order);
        }
    }
}

fn entries<'a, T>(
    bytes: &'a [u8],
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let (mut cursor, mut found) = (Cursor(bytes), Vec::new());
    while !cursor.0.is_empty() {
        found.push(read(&mut cursor)?);
    }
    Ok(found)
}

#[cfg(feature = "serve")]
impl crate::journal::Standing for Book {
    /// Another number whenever the bytes above change.
    const RELEASE: &'static str = concat!(env!("CARGO_PKG_VERSION"), " 1");

    fn take(&mut self, kind: u8, version: u8, payload: &[u8]) -> Result<(), String> {
        self.take_record(kind, version, payload).map(|_| ())
    }

    fn image(&self, put: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        Book::image(self, put)
    }

    fn with_image(self, chunks: &[&[u8]]) -> Result<Book, String> {
        Book::with_image(self, chunks)
    }
}
